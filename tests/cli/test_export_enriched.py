"""``tp export bars --enriched``: the command over a small lake."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import polars as pl
import pytest

from tests.enrichment import frames
from tests.enrichment.frames import at
from trading_platform.home import open_home
from trading_platform.lake import FooterFields, LocalLake, Outcome
from trading_platform.lake.contracts import BARS_1S, GEX_SNAPSHOTS

from .conftest import call

DAY = date(2025, 3, 11)


@pytest.fixture
def home(real_home: Path) -> Path:
    """Return a home that holds one bar and two snapshots of a trade date."""
    lake = LocalLake(open_home(real_home).lake_dir)
    stored = (
        (BARS_1S, "MNQ", frames.bars([at("2025-03-11T13:30:02")], [20_000.0])),
        (GEX_SNAPSHOTS, "NQ_NDX", frames.snapshots([at("2025-03-11T13:29:59"), at("2025-03-11T13:30:01")])),
    )
    for contract, symbol, frame in stored:
        with lake.begin(contract, symbol, DAY) as writer:
            text = [pl.col(name).cast(pl.String) for name, kind in frame.schema.items() if kind == pl.Categorical]
            writer.append(frame.with_columns(text).to_arrow().cast(contract.arrow_schema))
            writer.commit(FooterFields(fingerprint="f" * 64, code_version="1", outcome=Outcome.WRITE, session={}))
    return real_home


def test_b3_enriched_bars_of_the_cash_session_are_written_and_named(home: Path, tmp_path: Path) -> None:
    options = ("--day", "2025-03-11", "--enriched", "--session", "rth", "--out", tmp_path)
    called = call("export", "bars", "mnq", *options, "--json", home=home)
    assert called.code == 0, called.err
    (day,) = called.json["days"]
    assert (Path(day["path"]).name, day["rows"]) == ("MNQ_bars_enriched_rth_2025-03-11.parquet", 23_400)
    rows = pl.read_parquet(day["path"]).head(3)
    assert rows["gex_age_ms"].to_list() == [1_000, 0, 1_000]
    assert rows["is_preopen_snapshot"].to_list() == [True, False, False]
    again = call("export", "bars", "MNQ", *options, home=home)
    assert (again.code, again.error.code) == (3, "E427")
    assert call(*again.error.next_command.split()[1:], "--dry-run", home=home).code == 0


def test_b3_latency_and_category_are_taken_and_dry_run_writes_nothing(home: Path, tmp_path: Path) -> None:
    options = ("--day", "2025-03-11", "--enriched", "--latency-ms", "2000", "--format", "csv", "--out", tmp_path)
    called = call("export", "bars", "MNQ", *options, "--dry-run", "--json", home=home)
    assert (called.code, called.json["days"][0]["rows"]) == (0, 82_800)
    assert Path(called.json["days"][0]["path"]).name == "MNQ_bars_enriched_latency2000ms_2025-03-11.csv"
    assert list(tmp_path.glob("MNQ*")) == []
    other = call("export", "bars", "MNQ", *options, "--category", "gex_one", "--dry-run", "--json", home=home)
    assert "gex_one" in other.json["days"][0]["path"]


def test_b3_the_settings_say_what_is_attached_unless_an_option_does(
    home: Path, elsewhere: Path, tmp_path: Path
) -> None:
    (elsewhere / ".env").write_text("TP_GEX_LATENCY_MS=2000\nTP_GEX_STALE_AFTER_MS=1500\n")
    options = ("--day", "2025-03-11", "--enriched", "--session", "rth", "--out", tmp_path, "--json")
    (day,) = call("export", "bars", "MNQ", *options, home=home).json["days"]
    assert "latency2000ms" in day["path"]
    # Known two seconds later: from 13:30:01 the snapshot of 13:29:59, which is then too old.
    assert pl.read_parquet(day["path"]).head(2)["gex_gap"].to_list() == [True, True]
    (day,) = call("export", "bars", "MNQ", *options, "--latency-ms", "0", home=home).json["days"]
    assert pl.read_parquet(day["path"]).head(4)["gex_gap"].to_list() == [False, False, False, True]


@pytest.mark.parametrize(
    ("symbol", "options", "code"),
    [
        ("MNQ", ("--enriched", "--clock", "1m"), "E160"),
        ("MNQ", ("--latency-ms", "1000"), "E160"),
        ("MNQ", ("--enriched", "--latency-ms", "-1"), "E493"),
        ("CL", ("--enriched",), "E493"),
        ("MES", ("--enriched",), "E490"),
        ("SPX", ("--enriched",), "E493"),
    ],
)
def test_b3_what_makes_no_sense_is_refused_with_a_number(home: Path, symbol: str, options, code: str) -> None:
    called = call("export", "bars", symbol, "--day", "2025-03-11", *options, home=home)
    assert called.error is not None
    assert called.error.code == code


def test_b3_an_export_of_nothing_but_gaps_warns_on_standard_error_and_in_json(home: Path, tmp_path: Path) -> None:
    lake = LocalLake(open_home(home).lake_dir)
    lake.path("gex_snapshots", "NQ_NDX", DAY).unlink()
    frame = frames.snapshots([at("2025-03-10T19:59:59")])
    with lake.begin(GEX_SNAPSHOTS, "NQ_NDX", date(2025, 3, 10)) as writer:
        text = [pl.col(name).cast(pl.String) for name, kind in frame.schema.items() if kind == pl.Categorical]
        writer.append(frame.with_columns(text).to_arrow().cast(GEX_SNAPSHOTS.arrow_schema))
        writer.commit(FooterFields(fingerprint="f" * 64, code_version="1", outcome=Outcome.WRITE, session={}))
    options = ("--day", "2025-03-11", "--enriched", "--out", tmp_path, "--dry-run")
    called = call("export", "bars", "MNQ", *options, home=home)
    assert called.code == 0
    assert "2025-03-11 warning: no row has a fresh snapshot of gex_full" in " ".join(called.err.split())
    (day,) = call("export", "bars", "MNQ", *options, "--json", home=home).json["days"]
    assert "every row is a gap" in day["remark"]


def test_b3_an_export_without_any_snapshot_warns_on_standard_error(home: Path, tmp_path: Path) -> None:
    options = ("--day", "2025-03-11", "--enriched", "--session", "rth", "--category", "gex_one", "--out", tmp_path)
    called = call("export", "bars", "MNQ", *options, home=home)
    assert (called.code, "2025-03-11 warning: no row has a snapshot of gex_one" in " ".join(called.err.split())) == (
        0,
        True,
    )
