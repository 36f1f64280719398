"""Stored ``gex_alignment`` and the columns that are looked up through it."""

from __future__ import annotations

import hashlib
from datetime import UTC, date, datetime

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from trading_platform.enrichment import Underlying, enriched_ticks, underlying_of, write_enriched_ticks
from trading_platform.enrichment.enriched_ticks import TICK_VALUES
from trading_platform.errors import LakeError, QualityError
from trading_platform.instruments import load_registry
from trading_platform.lake import Outcome, build_day

from . import frames
from .conftest import MONDAY, TUESDAY
from .frames import at

OPEN, CASH = at("2025-03-10T22:00:00"), at("2025-03-11T13:30:00")
SECOND = 1_000_000
ALIGNED = ["seq", "snapshot_row", "from_previous", "gex_age_ms", "gex_gap", "is_preopen_snapshot"]


@pytest.fixture(scope="module")
def day_ticks() -> pl.DataFrame:
    """Return 300,000 ticks (three row groups) of Tuesday, some before the opening, two of them out of order."""
    ts = np.sort(np.random.default_rng(2).integers(OPEN - 3_600 * SECOND, OPEN + 82_800 * SECOND, 300_000))
    ts[200_000], ts[200_001] = ts[200_001] + 7, ts[200_000]
    return frames.ticks(ts)


@pytest.fixture(scope="module")
def today() -> pl.DataFrame:
    """Return half an hour of snapshots around the cash open and a few of another category before them in the partition."""
    full = frames.snapshots(CASH + SECOND * np.arange(-30, 1_800))
    return pl.concat([full, frames.snapshots(CASH + SECOND * np.arange(5), category="gex_one", seed=8)])


@pytest.fixture(scope="module")
def yesterday() -> pl.DataFrame:
    return frames.snapshots([at("2025-03-10T19:59:59"), at("2025-03-10T22:10:00")], seed=9)


@pytest.fixture
def full(store, day_ticks, today, yesterday):
    store("ticks", day_ticks, TUESDAY)
    store("gex_snapshots", yesterday, MONDAY)
    return store("gex_snapshots", today, TUESDAY)


def joined(ticks: pl.DataFrame, today: pl.DataFrame, yesterday: pl.DataFrame) -> pl.DataFrame:
    """Align with the backward join of polars, and judge age and gap by its columns."""
    numbered = [
        frame.with_row_index("snapshot_row")
        .with_columns(pl.col("snapshot_row").cast(pl.Int32), pl.lit(previous).alias("from_previous"))
        .filter(pl.col("category").cast(pl.String) == "gex_full")
        for frame, previous in ((yesterday, True), (today, False))
    ]
    snaps = pl.concat(numbered).sort("ts").with_columns(pl.col("ts").alias("source_snapshot_ts"))
    found = ticks.sort("ts", maintain_order=True).join_asof(snaps, on="ts", strategy="backward").sort("seq")
    taken, ts = pl.col("source_snapshot_ts").to_physical(), pl.col("ts").to_physical()
    # In regular hours 60 s, before them 600 s but never past the cash open, after them whatever is not stale by then: here nothing.
    limit = (
        pl.when(taken + 60 * SECOND < CASH)
        .then(pl.min_horizontal(taken + 600 * SECOND, CASH - 1))
        .otherwise(taken + 60 * SECOND)
    )
    return found.with_columns(
        pl.col("from_previous").fill_null(value=False),
        ((ts - taken) // 1_000).alias("gex_age_ms"),
        (ts > limit).fill_null(value=True).alias("gex_gap"),
        (taken < OPEN).fill_null(value=False).alias("is_preopen_snapshot"),
    )


def test_g7_stored_rows_equal_a_join_by_polars(full, alignment_builder, day_ticks, today, yesterday) -> None:
    result = build_day(alignment_builder(), TUESDAY, full)
    assert (result.outcome, result.error, result.rows) == (Outcome.WRITE, None, 300_000)
    stored = full.read("gex_alignment", "MNQ", TUESDAY).select(ALIGNED)
    expected = joined(day_ticks, today, yesterday)
    assert_frame_equal(stored, expected.select(ALIGNED))
    assert 0 < stored["gex_gap"].sum() < stored.height
    assert stored["is_preopen_snapshot"].any()
    facts = result.facts
    assert (facts["rows"], facts["ticks"], facts["negative_ages"]) == (300_000, 300_000, 0)
    assert facts["gex_gap_frac"] == stored["gex_gap"].mean()
    assert alignment_builder().measure(TUESDAY) == facts
    assert {check.name: check.passed for check in result.checks} == {
        "rows_equal_ticks": True,
        "age_not_negative": True,
        "gex_gaps": False,
    }


def test_g7_enriched_ticks_equal_a_join_by_polars_and_so_does_the_file(
    full, alignment_builder, instrument, underlying, day_ticks, today, yesterday, tmp_path
) -> None:
    build_day(alignment_builder(), TUESDAY, full)
    found = enriched_ticks(full, instrument, underlying, TUESDAY)
    shown = ~pl.col("gex_gap") | pl.col("is_preopen_snapshot")
    expected = joined(day_ticks, today, yesterday).with_columns(
        pl.when(shown).then(pl.col(name)).alias(name) for name in TICK_VALUES
    )
    attached = ["source_snapshot_ts", "gex_gap", "gex_age_ms", "is_preopen_snapshot"]
    names = [*day_ticks.columns, *attached, *TICK_VALUES]
    assert found.columns == names
    assert_frame_equal(found, expected.select(names), categorical_as_str=True)
    assert found["zero_gamma"].null_count() > found["spot"].null_count() > 0
    path = tmp_path / "ticks.parquet"
    assert write_enriched_ticks(full, instrument, underlying, TUESDAY, path, columns=["ts", "price"]) == 300_000
    written = pl.read_parquet(path)
    assert_frame_equal(written, expected.select("ts", "price", *attached, *TICK_VALUES))


def test_g7_a_rerun_is_skipped_and_a_forced_one_gives_the_same_bytes(full, alignment_builder) -> None:
    first = build_day(alignment_builder(), TUESDAY, full)
    digest = hashlib.sha256(first.path.read_bytes()).hexdigest()
    assert build_day(alignment_builder(), TUESDAY, full).outcome is Outcome.SKIP
    assert build_day(alignment_builder(gex_latency_ms=1), TUESDAY, full).outcome is Outcome.WRITE
    forced = build_day(alignment_builder(), TUESDAY, full, force=True)
    assert hashlib.sha256(forced.path.read_bytes()).hexdigest() == digest


def test_g7_a_day_without_snapshots_is_stored_as_gaps_and_stale_when_they_arrive(
    store, alignment_builder, instrument, underlying, lake, today
) -> None:
    store("ticks", frames.ticks([CASH, CASH + SECOND]), TUESDAY)
    first = build_day(alignment_builder(), TUESDAY, lake)
    assert (first.outcome, first.rows, first.facts["attached"]) == (Outcome.WRITE, 2, 0)
    found = enriched_ticks(lake, instrument, underlying, TUESDAY)
    assert found.select("source_snapshot_ts", *TICK_VALUES).null_count().row(0) == (2,) * 9
    store("gex_snapshots", today, TUESDAY)
    with pytest.raises(QualityError, match="made from other content of NQ_NDX/gex_snapshots") as caught:
        enriched_ticks(lake, instrument, underlying, TUESDAY)
    assert caught.value.code == "E492"
    second = build_day(alignment_builder(), TUESDAY, lake)
    assert (second.outcome, second.facts["attached"]) == (Outcome.WRITE, 2)


def test_g7_days_without_ticks_are_empty_and_closed_and_missing(
    store, alignment_builder, instrument, underlying, lake
) -> None:
    missing = build_day(alignment_builder(), TUESDAY, lake)
    assert (missing.outcome, missing.error.code) == (Outcome.MISSING, "E490")
    pending = build_day(alignment_builder(datetime(2025, 3, 10, 21, tzinfo=UTC)), TUESDAY, lake)
    assert (pending.outcome, pending.error.code) == (Outcome.PENDING, "E494")
    store("ticks", None, TUESDAY, outcome=Outcome.EMPTY, reason="the source holds no rows")
    assert build_day(alignment_builder(), TUESDAY, lake).outcome is Outcome.EMPTY
    assert enriched_ticks(lake, instrument, underlying, TUESDAY).height == 0
    assert alignment_builder().measure(TUESDAY) == {}
    holiday = date(2025, 4, 18)
    assert build_day(alignment_builder(), holiday, lake).outcome is Outcome.CLOSED


def test_g7_ticks_replaced_between_plan_and_build_are_noticed_e492(full, store, alignment_builder) -> None:
    builder = alignment_builder()
    plan = builder.plan(TUESDAY)
    store("ticks", frames.ticks([CASH]), TUESDAY)
    with (
        full.begin(builder.contract, "MNQ", TUESDAY) as writer,
        pytest.raises(Exception, match="was replaced") as caught,
    ):
        builder.build(plan, writer)
    assert caught.value.code == "E492"
    assert build_day(builder, TUESDAY, full).rows == 1


def test_g7_enriched_ticks_name_what_is_missing_or_unknown(full, instrument, underlying, alignment_builder) -> None:
    with pytest.raises(QualityError, match="MNQ/gex_alignment 2025-03-11 is not there") as caught:
        enriched_ticks(full, instrument, underlying, TUESDAY)
    assert caught.value.code == "E490"
    for wrong in ("gamma", "category", "ts"):
        with pytest.raises(QualityError) as unknown:
            enriched_ticks(full, instrument, underlying, TUESDAY, values=[wrong])
        assert unknown.value.code == "E493"
    with pytest.raises(LakeError) as nothing:
        alignment_builder().measure(TUESDAY)
    assert nothing.value.code == "E507"
    build_day(alignment_builder(), TUESDAY, full)
    full.path("ticks", "MNQ", TUESDAY).unlink()
    with pytest.raises(QualityError) as no_ticks:
        alignment_builder().measure(TUESDAY)
    assert no_ticks.value.code == "E490"


def test_g7_a_damaged_file_is_an_error_with_a_number(full, alignment_builder) -> None:
    path = full.path("ticks", "MNQ", TUESDAY)
    content = bytearray(path.read_bytes())
    content[4:60] = bytes(56)  # the header of the first page
    path.write_bytes(content)
    assert build_day(alignment_builder(), TUESDAY, full).error.code == "E505"


def test_g7_an_instrument_without_gamma_has_no_underlying_e493() -> None:
    registry = load_registry()
    assert isinstance(underlying_of(registry.get("ES"), registry), Underlying)
    with pytest.raises(QualityError, match="CL has no gamma exposure") as caught:
        underlying_of(registry.get("CL"), registry)
    assert caught.value.code == "E493"


@pytest.mark.parametrize("symbol", ["SPX", "NQ_NDX", "SPY"])
def test_g7_what_is_no_future_has_nothing_to_enrich_e493(symbol: str) -> None:
    registry = load_registry()
    with pytest.raises(QualityError, match=f"{symbol} is no future") as caught:
        underlying_of(registry.get(symbol), registry)
    assert (caught.value.code, caught.value.next_command) == ("E493", "tp instruments list")


def test_b3_a_feed_day_without_the_category_warns_and_names_those_that_are_there(
    full, store, alignment_builder
) -> None:
    store("gex_snapshots", frames.snapshots([at("2025-03-11T14:00:00")]), TUESDAY, facts={"categories": ["gex_full"]})
    result = build_day(alignment_builder(category="gex_zero"), TUESDAY, full)
    (warning,) = [check for check in result.checks if not check.passed]
    assert (result.outcome, warning.name) == (Outcome.WRITE, "gex_gaps")
    assert "no gex_zero, only gex_full: every row is a gap; TP_GEX_CATEGORY" in warning.description


def test_b3_a_missing_feed_day_warns_of_gaps_and_not_of_nulls(lake, store, alignment_builder) -> None:
    store("ticks", frames.ticks([at("2025-03-11T14:00:00")]), TUESDAY)
    result = build_day(alignment_builder(), TUESDAY, lake)
    (warning,) = [check for check in result.checks if not check.passed]
    assert "every row is a gap, and shows the last snapshot of the day before" in warning.description
