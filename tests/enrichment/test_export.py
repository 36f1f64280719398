"""Enriched bars as files: names, sessions, formats, what is refused before anything is written."""

from __future__ import annotations

from datetime import date

import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest
from polars.testing import assert_frame_equal
from pyarrow import feather

from trading_platform.clock import FixedClock
from trading_platform.enrichment import AttachPolicy, EnrichedInstrument, export_enriched_bars
from trading_platform.errors import QualityError
from trading_platform.lake import Outcome, build_day

from . import frames
from .conftest import LATER, MONDAY, TUESDAY
from .frames import at

CASH = at("2025-03-11T13:30:00")
SECOND = 1_000_000
HOLIDAY, LABOR_DAY = date(2025, 4, 18), date(2025, 9, 1)


@pytest.fixture
def of(lake, instrument, calendar, underlying):
    def make(**policy: object) -> EnrichedInstrument:
        return EnrichedInstrument(instrument, lake, calendar, underlying, FixedClock(LATER), AttachPolicy(**policy))

    return make


@pytest.fixture
def full(store):
    seconds = CASH + SECOND * np.arange(-60, 23_400, 7)
    store("bars_1s", frames.bars(seconds, 20_000 + 0.25 * (np.arange(len(seconds)) % 40)), TUESDAY, synthetic=True)
    store("gex_snapshots", frames.snapshots([at("2025-03-10T19:59:59")]), MONDAY)
    return store("gex_snapshots", frames.snapshots(CASH + SECOND * np.arange(-1_200, 23_000)), TUESDAY)


def test_b3_the_whole_day_equals_the_stored_dataset(full, of, bars_builder, tmp_path) -> None:
    (day,) = export_enriched_bars(of(), TUESDAY, out=tmp_path)
    assert day.path.name == "MNQ_bars_enriched_2025-03-11_synthetic.parquet"
    assert (day.rows, day.reason, day.synthetic) == (82_800, None, True)
    build_day(bars_builder(), TUESDAY, full)
    stored = full.read("enriched_bars", "MNQ", TUESDAY).drop("symbol", "trade_date")
    assert_frame_equal(pl.read_parquet(day.path), stored, categorical_as_str=True, check_dtypes=False)
    metadata = pq.read_schema(day.path).metadata
    assert metadata[b"synthetic"] == b"true"
    assert b'"category": "gex_full"' in metadata[b"enrichment"]


def test_b3_the_cash_session_has_its_own_opening(full, of, tmp_path) -> None:
    (day,) = export_enriched_bars(of(), TUESDAY, session="rth", file_format="feather", out=tmp_path)
    assert day.path.name == "MNQ_bars_enriched_rth_2025-03-11_synthetic.feather"
    table = feather.read_table(day.path)
    assert (day.rows, table.schema.metadata[b"synthetic"]) == (23_400, b"true")
    frame = pl.from_arrow(table)
    first = frame.row(0, named=True)
    assert (first["tick_gap"], first["open"], first["volume"]) == (True, first["close"], 0)
    assert (first["gex_age_ms"], first["is_preopen_snapshot"], frame["is_preopen_snapshot"].any()) == (0, False, False)
    (late,) = export_enriched_bars(of(gex_latency_ms=1_000), TUESDAY, session="rth", out=tmp_path)
    assert late.path.name == "MNQ_bars_enriched_rth_latency1000ms_2025-03-11_synthetic.parquet"
    delayed = pl.read_parquet(late.path).row(0, named=True)
    assert (delayed["gex_age_ms"], delayed["is_preopen_snapshot"]) == (1_000, True)


def test_b3_csv_has_times_in_utc_and_nothing_for_null(full, of, tmp_path) -> None:
    (day,) = export_enriched_bars(of(category="gex_zero"), TUESDAY, session="rth", file_format="csv", out=tmp_path)
    assert day.path.name == "MNQ_bars_enriched_rth_gex_zero_2025-03-11_synthetic.csv"
    header, first = day.path.read_text().splitlines()[:2]
    values = dict(zip(header.split(","), first.split(","), strict=True))
    assert values["ts"] == "2025-03-11T13:30:00.000000Z"
    assert (values["spot"], values["gex_gap"], values["tick_gap_cause"]) == ("", "true", "no_trade")


def test_b3_days_without_a_session_have_no_file_and_a_reason(store, of, tmp_path) -> None:
    store("bars_1s", None, HOLIDAY, outcome=Outcome.CLOSED, reason="Good Friday")
    store("bars_1s", frames.bars([at("2025-09-01T13:30:00")], [20_000.0]), LABOR_DAY)
    days = export_enriched_bars(of(), [HOLIDAY, LABOR_DAY], session="rth", out=tmp_path)
    assert [(day.path, day.rows, day.reason) for day in days] == [(None, 0, "Good Friday"), (None, 0, "Labor Day")]


def test_b3_what_cannot_be_exported_is_refused_before_anything_is_written(full, of, tmp_path) -> None:
    there = tmp_path / "MNQ_bars_enriched_2025-03-11_synthetic.parquet"
    there.write_bytes(b"mine")
    with pytest.raises(QualityError) as exists:
        export_enriched_bars(of(), TUESDAY, out=tmp_path)
    assert exists.value.code == "E427"
    assert "--enriched --session full --format parquet" in exists.value.next_command
    with pytest.raises(QualityError) as missing:
        export_enriched_bars(of(), [TUESDAY, MONDAY], out=tmp_path, force=True)
    assert missing.value.code == "E490"
    for wrong in ({"session": "night"}, {"file_format": "xlsx"}):
        with pytest.raises(QualityError) as refused:
            export_enriched_bars(of(), TUESDAY, out=tmp_path, **wrong)
        assert refused.value.code == "E493"
    assert [item.read_bytes() for item in tmp_path.glob("MNQ*")] == [b"mine"]
    export_enriched_bars(of(), TUESDAY, out=tmp_path, force=True)
    assert pl.read_parquet(there).height == 82_800


def test_b3_a_category_that_the_feed_of_the_day_lacks_is_refused_before_anything_is_written_e499(
    full, store, of, tmp_path
) -> None:
    store("bars_1s", frames.bars([at("2025-03-10T14:00:00")], [20_000.0]), MONDAY)
    store(
        "gex_snapshots",
        frames.snapshots([CASH]),
        TUESDAY,
        facts={"categories": ["gex_full", "gex_one"]},
        outcome=Outcome.WRITE,
    )
    with pytest.raises(QualityError, match="no snapshots of gex_zero, only of gex_full, gex_one") as refused:
        export_enriched_bars(of(category="gex_zero"), [MONDAY, TUESDAY], session="rth", out=tmp_path)
    assert refused.value.code == "E499"
    assert refused.value.next_command == "tp gex fetch 2025-03-11 --ticker NQ_NDX --category gex_zero"
    assert list(tmp_path.glob("MNQ*")) == []


def test_b3_an_export_of_gaps_with_a_snapshot_from_before_the_opening_says_so(store, of, tmp_path) -> None:
    store("bars_1s", frames.bars([CASH], [20_000.0]), TUESDAY)
    store("gex_snapshots", frames.snapshots([at("2025-03-10T19:59:59")]), MONDAY)
    (day,) = export_enriched_bars(of(), TUESDAY, out=tmp_path)
    shown = pl.read_parquet(day.path)
    assert (shown["gex_gap"].all(), shown["spot"].null_count() < shown.height) == (True, True)
    assert day.remark == (
        "no row has a fresh snapshot of gex_full: every row is a gap (gex_gap), and what is shown is from before the opening"
    )


def test_b3_an_export_without_a_single_snapshot_says_so(full, of, tmp_path) -> None:
    (day,) = export_enriched_bars(of(), TUESDAY, session="rth", out=tmp_path)
    assert day.remark is None
    (day,) = export_enriched_bars(of(category="gex_one"), TUESDAY, session="rth", out=tmp_path)
    assert day.remark == "no row has a snapshot of gex_one: NQ_NDX/gex_snapshots has none that this session may show"
