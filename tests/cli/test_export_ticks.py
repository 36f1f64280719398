"""``tp export ticks``: the command over a small lake."""

from __future__ import annotations

import shlex
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
import pytest

from tests.enrichment import frames
from tests.enrichment.frames import at
from trading_platform.clock import FixedClock
from trading_platform.enrichment import AttachPolicy, GexAlignmentBuilder, underlying_of
from trading_platform.enrichment.enriched_ticks import TICK_VALUES
from trading_platform.home import open_home
from trading_platform.instruments import load_registry
from trading_platform.lake import FooterFields, LocalLake, Outcome, build_day
from trading_platform.lake.contracts import GEX_SNAPSHOTS, TICKS
from trading_platform.sessions import calendar_for

from .conftest import call

DAY, HOLIDAY = date(2025, 3, 11), date(2025, 4, 18)
TIMES = ["2025-03-11T13:30:00", "2025-03-11T13:30:01", "2025-03-11T13:35:00"]


@pytest.fixture
def lake(real_home: Path) -> LocalLake:
    """Return a lake with three ticks and a snapshot of a trade date, and a closed date."""
    lake = LocalLake(open_home(real_home).lake_dir)
    stored = (
        (TICKS, "MNQ", DAY, frames.ticks([at(one) for one in TIMES])),
        (TICKS, "MNQ", HOLIDAY, None),
        (GEX_SNAPSHOTS, "NQ_NDX", DAY, frames.snapshots([at("2025-03-11T13:30:01")])),
    )
    for contract, symbol, day, frame in stored:
        with lake.begin(contract, symbol, day) as writer:
            outcome = Outcome.CLOSED
            if frame is not None:
                text = [pl.col(name).cast(pl.String) for name, kind in frame.schema.items() if kind == pl.Categorical]
                writer.append(frame.with_columns(text).to_arrow().cast(contract.arrow_schema))
                outcome = Outcome.WRITE
            reason = "Good Friday" if frame is None else None
            writer.commit(
                FooterFields(
                    fingerprint="f" * 64, code_version="1", outcome=outcome, session={}, reason=reason, synthetic=True
                )
            )
    return lake


@pytest.fixture
def aligned(lake: LocalLake) -> LocalLake:
    registry = load_registry()
    instrument = registry.get("MNQ")
    clock = FixedClock(datetime(2026, 4, 1, tzinfo=UTC))
    calendar, underlying = calendar_for(instrument.calendar), underlying_of(instrument, registry)
    builder = GexAlignmentBuilder(instrument, lake, calendar, clock, underlying, AttachPolicy())
    assert build_day(builder, DAY, lake).error is None
    return lake


def test_g7_ticks_are_exported_with_the_snapshot_that_each_one_knew(
    aligned: LocalLake, real_home: Path, tmp_path: Path
) -> None:
    options = ("--day", "2025-03-11", "--enriched", "--out", tmp_path)
    called = call("export", "ticks", "mnq", *options, "--json", home=real_home)
    assert called.code == 0, called.err
    (day,) = called.json["days"]
    assert (Path(day["path"]).name, day["rows"]) == ("MNQ_ticks_enriched_2025-03-11_synthetic.parquet", 3)
    rows = pl.read_parquet(day["path"])
    spot = aligned.read("gex_snapshots", "NQ_NDX", DAY)["spot"][0]
    assert rows["gex_gap"].to_list() == [True, False, True]
    assert rows["spot"].to_list() == [None, spot, None]
    assert rows["gex_age_ms"].to_list() == [None, 0, 299_000]
    assert set(TICK_VALUES) <= set(rows.columns)
    metadata = pq.read_schema(day["path"]).metadata
    assert (metadata[b"synthetic"], metadata[b"underlying"]) == (b"true", b"NQ_NDX")
    assert "SYNTHETIC" in call("export", "ticks", "MNQ", *options, "--force", home=real_home).out
    again = call("export", "ticks", "MNQ", *options, home=real_home)
    assert (again.code, again.error.code) == (3, "E427")
    assert call(*again.error.next_command.split()[1:], home=real_home).code == 0


def test_g7_values_are_chosen_and_dry_run_writes_nothing(aligned: LocalLake, real_home: Path, tmp_path: Path) -> None:
    options = ("--day", "2025-03-11", "--enriched", "--values", "min_dte, spot", "--out", tmp_path / "new", "--json")
    called = call("export", "ticks", "MNQ", *options, "--dry-run", home=real_home)
    assert (called.code, called.json["days"][0]["rows"]) == (0, 3)
    assert not (tmp_path / "new").exists()
    (day,) = call("export", "ticks", "MNQ", *options, home=real_home).json["days"]
    assert pl.read_parquet(day["path"]).columns[-2:] == ["min_dte", "spot"]


def test_g7_ticks_alone_and_days_without_ticks(lake: LocalLake, real_home: Path, tmp_path: Path) -> None:
    (day,) = call("export", "ticks", "MNQ", "--day", "2025-03-11", "--out", tmp_path, "--json", home=real_home).json[
        "days"
    ]
    assert Path(day["path"]).name == "MNQ_ticks_2025-03-11_synthetic.parquet"
    assert pl.read_parquet(day["path"]).columns == TICKS.arrow_schema.names
    (day,) = call("export", "ticks", "MNQ", "--day", "2025-04-18", "--out", tmp_path, "--json", home=real_home).json[
        "days"
    ]
    assert (day["path"], day["reason"]) == (None, "Good Friday")


@pytest.mark.parametrize(
    ("symbol", "day", "options", "code"),
    [
        ("MNQ", "2025-03-11", ("--enriched",), "E490"),
        ("MNQ", "2025-03-12", (), "E420"),
        ("MNQ", "2025-03-11", ("--values", "spot"), "E160"),
        ("MNQ", "2025-03-11", ("--enriched", "--values", "gamma"), "E493"),
        ("CL", "2025-03-11", ("--enriched",), "E493"),
    ],
)
def test_g7_what_cannot_be_exported_is_refused_with_a_number(
    lake: LocalLake, real_home: Path, tmp_path: Path, symbol: str, day: str, options, code: str
) -> None:
    called = call("export", "ticks", symbol, "--day", day, *options, "--out", tmp_path, home=real_home)
    assert called.error is not None
    assert called.error.code == code
    assert list(tmp_path.glob("*.parquet")) == []
    if code == "E493":
        follow_up = call(*shlex.split(called.error.next_command)[1:], home=real_home)
        assert follow_up.code == 0, follow_up.err
