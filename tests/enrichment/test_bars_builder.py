"""Stored ``enriched_bars``: outcomes, fingerprints that follow every input, facts, checks, reruns."""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, date, datetime
from urllib.parse import unquote

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from trading_platform.enrichment import GexOfDay, enrich_bars, levels_over_price
from trading_platform.enrichment.policy import AttachPolicy
from trading_platform.errors import LakeError, QualityError
from trading_platform.lake import Outcome, build_day
from trading_platform.lake.building import Preview, Severity, present_fingerprint
from trading_platform.pictures import MARKDOWN_LIMIT

from . import frames
from .conftest import MONDAY, TUESDAY
from .frames import at

OPEN, CASH = at("2025-03-10T22:00:00"), at("2025-03-11T13:30:00")
SECOND = 1_000_000
HOLIDAY = date(2025, 4, 18)


@pytest.fixture(scope="module")
def day_bars() -> pl.DataFrame:
    """Return bars in half of the seconds of Tuesday's session, some before its opening."""
    rng = np.random.default_rng(1)
    seconds = np.sort(rng.choice(np.arange(-1_800, 82_800), 41_000, replace=False))
    close = 20_000 + 0.25 * rng.integers(-2, 3, len(seconds)).cumsum()
    return frames.bars(OPEN + seconds * SECOND, close)


@pytest.fixture(scope="module")
def day_snapshots() -> pl.DataFrame:
    """Return a snapshot per second of Tuesday's cash session with 100 s missing, in two categories."""
    seconds = CASH + SECOND * np.delete(np.arange(23_400), np.arange(5_000, 5_100))
    both = [frames.snapshots(seconds), frames.snapshots(seconds[::60], category="gex_zero", seed=6)]
    return pl.concat(both)


@pytest.fixture
def full(store, day_bars, day_snapshots):
    store("bars_1s", day_bars, TUESDAY)
    store("gex_snapshots", frames.snapshots([at("2025-03-10T19:59:59"), at("2025-03-10T22:00:30")]), MONDAY)
    return store("gex_snapshots", day_snapshots, TUESDAY)


def test_b3_stored_rows_equal_the_function_over_both_partitions(
    full, bars_builder, calendar, underlying, day_bars, day_snapshots
) -> None:
    result = build_day(bars_builder(), TUESDAY, full)
    assert (result.outcome, result.error, result.rows) == (Outcome.WRITE, None, 82_800)
    stored = full.read("enriched_bars", "MNQ", TUESDAY).drop("symbol", "trade_date")
    before = frames.snapshots([at("2025-03-10T19:59:59"), at("2025-03-10T22:00:30")])
    chosen = day_snapshots.filter(pl.col("category").cast(pl.String) == "gex_full")
    snaps = pl.concat([frames.both_days(before), frames.both_days(chosen)])
    expected = enrich_bars(day_bars, GexOfDay(underlying, snaps), calendar.session(TUESDAY), AttachPolicy())
    assert_frame_equal(stored, expected, check_exact=True, categorical_as_str=True)
    assert all(check.passed for check in result.checks), [c.description for c in result.checks if not c.passed]


def test_b3_facts_tell_gaps_apart_and_are_measured_again(full, bars_builder, day_bars) -> None:
    result = build_day(bars_builder(), TUESDAY, full)
    facts = result.facts
    inside = int((day_bars["ts_open"].to_physical() >= OPEN).sum())
    assert facts["rows"] == facts["session_seconds"] == 82_800
    assert facts["tick_gap_frac"] == 1 - inside / 82_800
    # The 100 missing seconds less the 60 for which the snapshot before them stays fresh.
    assert facts["gex_gap_regular_frac"] == pytest.approx(40 / 23_400)
    assert facts["preopen_frac"] == 30 / 82_800
    assert facts["snapshots_with_values"] == 23_300 + 2
    assert facts["outside_hours_volume"] == 3 * (len(day_bars) - inside)
    assert facts["volume_sum"] + facts["outside_hours_volume"] == facts["bars_volume_sum"]
    assert bars_builder().measure(TUESDAY) == facts


def test_b3_a_rerun_is_skipped_and_a_forced_one_gives_the_same_bytes(full, bars_builder) -> None:
    first = build_day(bars_builder(), TUESDAY, full)
    digest = hashlib.sha256(first.path.read_bytes()).hexdigest()
    assert build_day(bars_builder(), TUESDAY, full).outcome is Outcome.SKIP
    forced = build_day(bars_builder(), TUESDAY, full, force=True)
    assert hashlib.sha256(forced.path.read_bytes()).hexdigest() == digest


@pytest.mark.parametrize("later", ["previous day", "the day", "settings"])
def test_b3_a_day_turns_stale_when_an_input_arrives_or_a_setting_changes(
    store, bars_builder, lake, day_bars, later
) -> None:
    store("bars_1s", day_bars, TUESDAY)
    first = build_day(bars_builder(), TUESDAY, lake)
    assert (first.outcome, first.facts["gex_gap_frac"], first.facts["gex_day_is_stored"]) == (Outcome.WRITE, 1.0, False)
    warned = {check.name: check for check in first.checks if not check.passed}
    assert list(warned) == ["gex_gaps"]
    assert warned["gex_gaps"].severity is Severity.WARN
    names = [source.name for source in lake.footer("enriched_bars", "MNQ", TUESDAY).sources]
    assert names == ["MNQ/bars_1s", "NQ_NDX/gex_snapshots/2025-03-10", "NQ_NDX/gex_snapshots"]
    builder = bars_builder()
    if later == "settings":
        builder = bars_builder(gex_latency_ms=1_000)
    else:
        day = MONDAY if later == "previous day" else TUESDAY
        store("gex_snapshots", frames.snapshots([at(f"{day}T19:59:59")]), day)
    assert present_fingerprint(builder, builder.plan(TUESDAY)) != first.fingerprint
    second = build_day(builder, TUESDAY, lake)
    assert second.outcome is Outcome.WRITE
    assert (second.facts["gex_gap_frac"] < 1) is (later == "the day")


def test_b3_the_category_of_the_settings_is_attached(full, bars_builder) -> None:
    result = build_day(bars_builder(category="gex_zero"), TUESDAY, full)
    assert result.facts["snapshots_shown"] == 389


def test_b3_a_closed_date_has_no_rows(lake, store, bars_builder) -> None:
    for stored in (False, True):
        if stored:
            store("bars_1s", None, HOLIDAY, outcome=Outcome.CLOSED, reason="Good Friday")
        result = build_day(bars_builder(), HOLIDAY, lake, force=True)
        assert (result.outcome, result.rows, result.complete) == (Outcome.CLOSED, 0, True)
    assert lake.read("enriched_bars", "MNQ", HOLIDAY).height == 0
    assert bars_builder().measure(HOLIDAY) == {}


def test_b3_a_day_without_a_trade_has_its_seconds(store, bars_builder, lake) -> None:
    store("bars_1s", None, TUESDAY, outcome=Outcome.EMPTY, reason="the source holds no rows")
    store("gex_snapshots", frames.snapshots([CASH]), TUESDAY)
    result = build_day(bars_builder(), TUESDAY, lake)
    assert (result.outcome, result.rows, result.facts["tick_gap_frac"]) == (Outcome.WRITE, 82_800, 1.0)
    rows = lake.read("enriched_bars", "MNQ", TUESDAY, columns=["close", "contract", "spot"])
    assert [rows[name].null_count() for name in ("close", "contract")] == [82_800, 82_800]
    assert rows["spot"].count() == 61


def test_b3_missing_bars_are_an_outcome_e490_and_a_session_that_has_not_begun_is_pending_e494(
    lake, bars_builder
) -> None:
    missing = build_day(bars_builder(), TUESDAY, lake)
    assert (missing.outcome, missing.error.code) == (Outcome.MISSING, "E490")
    assert missing.error.next_command == "tp backfill MNQ/bars_1s --from 2025-03-11 --to 2025-03-11"
    pending = build_day(bars_builder(datetime(2025, 3, 10, 21, tzinfo=UTC)), TUESDAY, lake)
    assert (pending.outcome, pending.error.code) == (Outcome.PENDING, "E494")


def test_b3_a_running_session_claims_nothing_beyond_its_last_bar_and_is_made_again_when_it_is_over(
    store, bars_builder, lake, day_bars
) -> None:
    noon = at("2025-03-11T12:00:00")
    store("bars_1s", day_bars.filter(pl.col("ts_open").to_physical() <= noon), TUESDAY)
    running = build_day(bars_builder(datetime(2025, 3, 11, 12, 0, 30, tzinfo=UTC)), TUESDAY, lake)
    assert (running.outcome, running.complete, running.rows) == (Outcome.WRITE, False, 82_800)
    rows = lake.read("enriched_bars", "MNQ", TUESDAY)
    last = int(day_bars.filter(pl.col("ts_open").to_physical() <= noon)["ts_open"].to_physical()[-1])
    known = rows.filter(pl.col("volume").is_not_null())
    assert int(known["ts"].to_physical()[-1]) == last
    same = build_day(bars_builder(datetime(2025, 3, 11, 12, 5, tzinfo=UTC)), TUESDAY, lake)
    assert same.outcome is Outcome.SKIP
    over = build_day(bars_builder(), TUESDAY, lake)
    assert (over.outcome, over.complete, over.facts["rows"]) == (Outcome.WRITE, True, 82_800)
    assert lake.read("enriched_bars", "MNQ", TUESDAY)["volume"].null_count() == 0


@pytest.mark.parametrize("synthetic", [True, False])
def test_b3_one_synthetic_input_makes_synthetic_rows(store, bars_builder, lake, day_bars, synthetic) -> None:
    store("bars_1s", day_bars, TUESDAY)
    store("gex_snapshots", frames.snapshots([CASH]), MONDAY, synthetic=synthetic)
    assert build_day(bars_builder(), TUESDAY, lake).synthetic is synthetic


def test_b3_prices_times_one_hundred_fail_the_check(store, bars_builder, lake, day_bars, day_snapshots) -> None:
    wrong = day_bars.with_columns(
        pl.col("open", "high", "low", "close", "vwap", "notional", "bid_close", "ask_close") * 100
    )
    store("bars_1s", wrong, TUESDAY)
    store("gex_snapshots", day_snapshots, TUESDAY)
    result = build_day(bars_builder(), TUESDAY, lake)
    assert (result.outcome, result.error.code) == (Outcome.ERROR, "E403")
    assert "price_near_spot (middle ratio of price to spot 10" in result.error.what


def test_b3_a_measured_column_that_never_changes_fails_the_check(
    store, bars_builder, lake, day_bars, day_snapshots
) -> None:
    store("bars_1s", day_bars, TUESDAY)
    store("gex_snapshots", day_snapshots.with_columns(pl.lit(7.5).alias("sum_gex_oi")), TUESDAY)
    result = build_day(bars_builder(), TUESDAY, lake)
    assert "features_vary (sum_gex_oi never change over 23300 snapshots)" in result.error.what


def test_b3_volume_lost_on_the_way_fails_the_check(full, bars_builder) -> None:
    builder = bars_builder()
    facts = build_day(builder, TUESDAY, full).facts
    session = builder.plan(TUESDAY).session
    for name, change in (("volume_equals_bars", {"volume_sum": 5}), ("rows_equal_session_seconds", {"rows": 82_801})):
        failed = [check.name for check in builder.check({**facts, **change}, session) if not check.passed]
        assert failed == [name]
    for name, change in (("ordered", {"disordered_rows": 1}), ("age_not_negative", {"negative_ages": 1})):
        assert [check.name for check in builder.check({**facts, **change}, session) if not check.passed] == [name]
    assert [check.name for check in builder.check(facts, session)] == list(builder.CHECKS)


def test_b3_snapshots_replaced_between_plan_and_build_are_noticed_e492(
    full, store, bars_builder, day_snapshots
) -> None:
    builder = bars_builder()
    plan = builder.plan(TUESDAY)
    store("gex_snapshots", day_snapshots.head(100), TUESDAY)
    with (
        full.begin(builder.contract, "MNQ", TUESDAY) as writer,
        pytest.raises(Exception, match="was replaced") as caught,
    ):
        builder.build(plan, writer)
    assert caught.value.code == "E492"
    assert build_day(builder, TUESDAY, full).facts["snapshots_with_values"] == 102


def test_b3_measure_names_what_is_missing(full, bars_builder, lake) -> None:
    with pytest.raises(LakeError) as no_rows:
        bars_builder().measure(TUESDAY)
    assert no_rows.value.code == "E507"
    build_day(bars_builder(), TUESDAY, full)
    lake.path("bars_1s", "MNQ", TUESDAY).unlink()
    with pytest.raises(QualityError) as no_bars:
        bars_builder().measure(TUESDAY)
    assert no_bars.value.code == "E490"


def test_b3_preview_holds_price_levels_and_gaps_and_survives_the_footer(full, bars_builder, lake) -> None:
    result = build_day(bars_builder(), TUESDAY, full)
    preview = lake.footer("enriched_bars", "MNQ", TUESDAY).preview
    assert preview.as_json() == result.preview.as_json() == Preview.from_json(result.preview.as_json()).as_json()
    assert sorted(preview.lines, reverse=True) == ["zero gamma", "put wall", "call wall"]
    assert len(preview.price) == len(preview.lines["zero gamma"]) == len(preview.shaded) == 120
    cash = (CASH - OPEN) // preview.step_us
    assert preview.shaded[1:cash].all()
    assert not preview.shaded[cash + 1 : cash + 30].any()


@pytest.mark.parametrize("synthetic", [True, False])
def test_b3_picture_is_short_enough_to_be_shown_inline(full, bars_builder, synthetic) -> None:
    preview = build_day(bars_builder(), TUESDAY, full).preview
    picture = levels_over_price(preview, alt="MNQ enriched_bars 2025-03-11", synthetic=synthetic)
    assert len(picture) < MARKDOWN_LIMIT
    assert picture.startswith("![MNQ enriched_bars 2025-03-11](data:image/svg+xml,")
    assert ("SYNTHETIC" in picture) is synthetic
    assert "lightgray" in picture


@pytest.mark.parametrize(
    ("away", "strokes"), [(0.005, {"orange", "navy"}), (0.03, {"orange", "navy"}), (0.05, {"navy"})]
)
def test_b3_a_picture_of_a_single_price_shows_it_and_the_levels_near_it(away, strokes) -> None:
    price, zero = np.full(120, np.nan), np.full(120, np.nan)
    price[30], zero[30:] = 6_000.0, 6_000.0 * (1 + away)
    preview = Preview(CASH, 195_000_000, price, np.zeros(120, np.int64), {"zero gamma": zero})
    picture = unquote(levels_over_price(preview, alt="day", synthetic=False))
    assert set(re.findall(r"stroke='(\w+)'", picture)) == strokes
    assert re.findall(r"<text[^>]*>([\d.]+)<", picture) == (
        [f"{6_000 * (1 + away):.0f}", "6000"] if "orange" in strokes else ["6000"]
    )


def test_b3_a_half_day_and_the_day_after_a_holiday_look_back_to_the_last_open_day(store, bars_builder, lake) -> None:
    friday, wednesday = date(2025, 11, 28), date(2025, 11, 26)
    start = at("2025-11-27T23:00:00")
    store("bars_1s", frames.bars([start + SECOND], [20_000.0]), friday)
    store("gex_snapshots", frames.snapshots([at("2025-11-26T20:59:59")]), wednesday)
    result = build_day(bars_builder(), friday, lake)
    assert (result.rows, result.facts["preopen_frac"]) == (69_300, 1.0)
    assert lake.footer("enriched_bars", "MNQ", friday).sources[1].name == "NQ_NDX/gex_snapshots/2025-11-26"
