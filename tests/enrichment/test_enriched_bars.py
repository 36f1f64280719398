"""Rows of the grid: every rule of attachment at its boundary, an oracle, and no look into the future."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import get_args

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from trading_platform.cli.commands.export import Category
from trading_platform.enrichment import AttachPolicy, GexOfDay, enrich_bars
from trading_platform.enrichment.chain_levels import EMPTY_LEVELS, ChainsOfDay
from trading_platform.enrichment.checks import enriched_facts
from trading_platform.errors import QualityError
from trading_platform.instants import instant_of, us_of
from trading_platform.lake.contracts import BARS_1S, ENRICHED_BARS, GEX_SNAPSHOTS
from trading_platform.lake.contracts.enrichment import GEX_VALUES
from trading_platform.lake.vocabulary import CATEGORIES
from trading_platform.sessions import Session, TradingCalendar, calendar_for
from trading_platform.settings import Settings

from . import frames
from .conftest import MONDAY, TUESDAY
from .frames import at

NO_BARS = BARS_1S.empty()
SECOND = 1_000_000


@pytest.fixture(scope="module")
def short(calendar: TradingCalendar):
    """Return a session of a few minutes around an instant, so that a slow oracle can walk it."""

    def make(first: str, seconds: int = 300, day: date = TUESDAY) -> Session:
        whole = calendar.session(day)
        opens = datetime.fromisoformat(f"{first}+00:00")
        return Session(
            day, whole.calendar, whole.window_start, whole.window_end, opens, opens + timedelta(seconds=seconds)
        )

    return make


def row_at(frame: pl.DataFrame, text: str) -> dict[str, object]:
    (row,) = frame.filter(pl.col("ts").to_physical() == at(text)).to_dicts()
    return row


def test_b3_columns_are_those_of_the_contract_on_every_kind_of_day(calendar, underlying) -> None:
    nothing = GexOfDay(underlying, frames.both_days(GEX_SNAPSHOTS.empty()))
    for day, rows in ((TUESDAY, 82_800), (date(2025, 11, 28), 69_300), (date(2025, 4, 18), 0)):
        frame = enrich_bars(NO_BARS, nothing, calendar.session(day), AttachPolicy())
        assert frame.schema == ENRICHED_BARS.polars_schema
        ENRICHED_BARS.validate(frame)
        assert frame.height == rows
        assert frame["spot"].null_count() == rows
        assert frame["gex_gap"].all()
    bare = enrich_bars(
        NO_BARS, GexOfDay(underlying, nothing.snapshots.select("ts")), calendar.session(TUESDAY), AttachPolicy()
    )
    assert bare.schema == ENRICHED_BARS.polars_schema


def test_b3_gamma_columns_have_types_and_units_of_the_snapshots() -> None:
    snapshots = {doc.name: doc for doc in GEX_SNAPSHOTS.columns}
    ours = {doc.name: doc for doc in ENRICHED_BARS.columns}
    for name in GEX_VALUES:
        assert (ours[name].dtype, ours[name].unit) == (snapshots[name].dtype, snapshots[name].unit)
    left_out = {"ts", "category", "vendor_ticker", "grid_step", "grid_offset", "strikes_n"}
    assert set(GEX_VALUES) == set(snapshots) - left_out


@pytest.mark.parametrize(("day", "rows"), [(TUESDAY, 23_400), (date(2025, 11, 28), 12_600), (date(2025, 4, 18), 0)])
def test_b2_cash_sessions_have_a_row_for_every_second(underlying, day: date, rows: int) -> None:
    session = calendar_for("NYSE").session(day)
    frame = enrich_bars(NO_BARS, GexOfDay(underlying, GEX_SNAPSHOTS.empty().select("ts")), session, AttachPolicy())
    assert frame.height == rows
    if rows:
        assert us_of(frame["ts"][0]) == us_of(session.opens_at)
        assert us_of(frame["ts"][-1]) == us_of(session.closes_at) - SECOND


@pytest.mark.parametrize(
    ("day", "opens"), [(date(2025, 3, 7), "2025-03-06T23:00:00"), (date(2025, 3, 10), "2025-03-09T22:00:00")]
)
def test_b2_utc_bounds_follow_the_clock_change_and_the_number_of_rows_does_not(
    calendar, underlying, day, opens
) -> None:
    frame = enrich_bars(
        NO_BARS, GexOfDay(underlying, GEX_SNAPSHOTS.empty().select("ts")), calendar.session(day), AttachPolicy()
    )
    assert (frame.height, us_of(frame["ts"][0])) == (82_800, at(opens))


def test_b3_equal_times_match_and_the_next_snapshot_is_never_shown_early(underlying, short) -> None:
    snaps = frames.snapshots([at("2025-03-11T14:00:05"), at("2025-03-11T14:00:07")])
    frame = enrich_bars(
        NO_BARS, GexOfDay(underlying, frames.both_days(snaps)), short("2025-03-11T14:00:00", 60), AttachPolicy()
    )
    assert row_at(frame, "2025-03-11T14:00:04")["source_snapshot_ts"] is None
    assert row_at(frame, "2025-03-11T14:00:05")["gex_age_ms"] == 0
    assert row_at(frame, "2025-03-11T14:00:06")["gex_age_ms"] == 1_000
    assert row_at(frame, "2025-03-11T14:00:07")["spot"] == snaps["spot"][1]


def test_b3_latency_delays_a_snapshot_and_its_age_tells_so(underlying, short) -> None:
    snaps = frames.snapshots([at("2025-03-11T14:00:05")])
    gex = GexOfDay(underlying, frames.both_days(snaps))
    frame = enrich_bars(NO_BARS, gex, short("2025-03-11T14:00:00", 60), AttachPolicy(gex_latency_ms=1_000))
    assert row_at(frame, "2025-03-11T14:00:05")["source_snapshot_ts"] is None
    assert row_at(frame, "2025-03-11T14:00:06")["gex_age_ms"] == 1_000


def test_b3_exactly_the_limit_is_fresh_and_one_second_more_is_a_gap_that_keeps_its_source(underlying, short) -> None:
    taken = "2025-03-11T14:00:05"
    gex = GexOfDay(underlying, frames.both_days(frames.snapshots([at(taken)])))
    frame = enrich_bars(NO_BARS, gex, short("2025-03-11T14:00:00"), AttachPolicy())
    fresh, stale = row_at(frame, "2025-03-11T14:01:05"), row_at(frame, "2025-03-11T14:01:06")
    assert (fresh["gex_gap"], fresh["gex_age_ms"]) == (False, 60_000)
    assert fresh["spot"] is not None
    assert (stale["gex_gap"], stale["gex_age_ms"], stale["is_preopen_snapshot"]) == (True, 61_000, False)
    assert us_of(stale["source_snapshot_ts"]) == at(taken)
    assert all(stale[name] is None for name in GEX_VALUES)


def test_b3_outside_regular_hours_the_limit_is_twice_the_cadence_and_a_gap_never_heals_by_itself(
    underlying, short
) -> None:
    gex = GexOfDay(underlying, frames.both_days(frames.snapshots([at("2025-03-11T20:30:00")])))
    frame = enrich_bars(NO_BARS, gex, short("2025-03-11T20:30:00", 700), AttachPolicy())
    assert row_at(frame, "2025-03-11T20:40:00")["gex_gap"] is False
    assert row_at(frame, "2025-03-11T20:40:01")["gex_gap"] is True
    # Stale at 19:59:31 in regular hours: the wider limit after the close at 20:00 does not bring it back.
    gex = GexOfDay(underlying, frames.both_days(frames.snapshots([at("2025-03-11T19:58:30")])))
    frame = enrich_bars(NO_BARS, gex, short("2025-03-11T19:58:00", 200), AttachPolicy())
    assert row_at(frame, "2025-03-11T19:59:30")["gex_gap"] is False
    assert frame.filter(pl.col("ts").to_physical() > at("2025-03-11T19:59:30"))["gex_gap"].all()


def test_b3_monday_shows_friday_as_pre_open_and_nothing_from_before_fridays_open(calendar, underlying) -> None:
    times = [at("2025-03-06T20:59:59"), at("2025-03-07T20:59:58"), at("2025-03-10T13:30:01")]
    snaps = frames.snapshots(times)
    session = calendar.session(MONDAY)
    frame = enrich_bars(NO_BARS, GexOfDay(underlying, frames.both_days(snaps)), session, AttachPolicy())
    night = row_at(frame, "2025-03-09T22:00:00")
    assert (night["is_preopen_snapshot"], night["gex_gap"]) == (True, True)
    assert (night["spot"], night["sum_gex_vol"]) == (snaps["spot"][1], snaps["sum_gex_vol"][1])
    assert night["gex_age_ms"] == (at("2025-03-09T22:00:00") - times[1]) // 1_000
    live = row_at(frame, "2025-03-10T13:30:01")
    assert (live["is_preopen_snapshot"], live["gex_gap"], live["spot"]) == (False, False, snaps["spot"][2])
    too_early = enrich_bars(NO_BARS, GexOfDay(underlying, frames.both_days(snaps.head(1))), session, AttachPolicy())
    assert too_early["source_snapshot_ts"].null_count() == 82_800


def test_b3_a_fresh_pre_open_snapshot_is_no_gap(underlying) -> None:
    gex = GexOfDay(underlying, frames.both_days(frames.snapshots([at("2025-03-11T13:29:58")])))
    frame = enrich_bars(NO_BARS, gex, calendar_for("NYSE").session(TUESDAY), AttachPolicy())
    first = row_at(frame, "2025-03-11T13:30:00")
    assert (first["is_preopen_snapshot"], first["gex_gap"], first["gex_age_ms"]) == (True, False, 2_000)


def test_b3_a_null_field_stays_null_and_never_inherits_an_older_value(underlying, short) -> None:
    snaps = frames.snapshots([at("2025-03-11T14:00:00"), at("2025-03-11T14:00:01")], zero_gamma=[19_900.0, None])
    frame = enrich_bars(
        NO_BARS, GexOfDay(underlying, frames.both_days(snaps)), short("2025-03-11T14:00:00", 30), AttachPolicy()
    )
    assert row_at(frame, "2025-03-11T14:00:00")["zero_gamma"] == 19_900.0
    second = row_at(frame, "2025-03-11T14:00:01")
    assert (second["zero_gamma"], second["spot"], second["gex_gap"]) == (None, snaps["spot"][1], False)


def test_b3_basis_is_close_minus_spot_and_null_without_either(underlying, short) -> None:
    snaps = frames.snapshots([at("2025-03-11T14:00:02"), at("2025-03-11T14:00:06")], spot=[19_950.0, None])
    trades = frames.bars([at("2025-03-11T14:00:04")], [20_010.25])
    frame = enrich_bars(
        trades, GexOfDay(underlying, frames.both_days(snaps)), short("2025-03-11T14:00:00", 60), AttachPolicy()
    )
    found = [row_at(frame, f"2025-03-11T14:00:0{second}")["basis"] for second in (1, 3, 4, 5, 6)]
    assert found == [None, None, 60.25, 60.25, None]


def test_b3_basis_is_null_beside_a_snapshot_of_another_day(calendar, underlying) -> None:
    # Monday 15:59 New York with nothing since Friday: the price of one day less the spot of another is no basis.
    friday = frames.snapshots([at("2025-03-07T20:59:58")], spot=[20_500.0])
    trades = frames.bars([at("2025-03-10T19:59:00")], [20_000.0])
    frame = enrich_bars(
        trades, GexOfDay(underlying, frames.both_days(friday)), calendar.session(MONDAY), AttachPolicy()
    )
    row = row_at(frame, "2025-03-10T19:59:00")
    assert (row["close"], row["spot"], row["gex_gap"], row["is_preopen_snapshot"]) == (20_000.0, 20_500.0, True, True)
    assert frame["basis"].null_count() == frame.height
    facts = enriched_facts(frame, calendar.session(MONDAY), underlying.regular_us(MONDAY))
    assert (facts["basis_median"], facts["price_to_spot"]) == (None, None)
    ENRICHED_BARS.validate(frame)


def test_b3_a_second_without_a_trade_shows_the_previous_close_of_the_session_including_pre_open_trades(
    underlying,
) -> None:
    trades = frames.bars([at("2025-03-11T13:29:00"), at("2025-03-11T13:30:02")], [20_000.0, 20_005.0])
    gex = GexOfDay(underlying, frames.both_days(GEX_SNAPSHOTS.empty()))
    frame = enrich_bars(trades, gex, calendar_for("NYSE").session(TUESDAY), AttachPolicy())
    quiet, traded = row_at(frame, "2025-03-11T13:30:01"), row_at(frame, "2025-03-11T13:30:02")
    assert [quiet[name] for name in ("open", "high", "low", "close")] == [20_000.0] * 4
    assert (quiet["volume"], quiet["trades"], quiet["tick_gap"], quiet["vwap"]) == (0, 0, True, None)
    assert (traded["open"], traded["close"], traded["volume"], traded["tick_gap"]) == (20_004.75, 20_005.0, 3, False)


def test_b3_beyond_the_record_nothing_is_claimed(underlying, short) -> None:
    snaps = frames.snapshots([at("2025-03-11T14:00:00"), at("2025-03-11T14:00:20")])
    known_until = instant_of(at("2025-03-11T14:00:10"))
    frame = enrich_bars(
        NO_BARS,
        GexOfDay(underlying, frames.both_days(snaps)),
        short("2025-03-11T14:00:00", 30),
        AttachPolicy(),
        known_until=known_until,
    )
    beyond = frame.filter(pl.col("ts") >= known_until)
    assert beyond["tick_gap_cause"].cast(pl.String).unique().to_list() == ["not_known_yet"]
    assert beyond["gex_gap"].all()
    assert beyond["source_snapshot_ts"].null_count() == beyond["spot"].null_count() == beyond.height == 20
    ENRICHED_BARS.validate(frame)


@st.composite
def small_worlds(draw: st.DrawFn) -> tuple[str, list[int], list[int], AttachPolicy]:
    start = draw(
        st.sampled_from(["2025-03-11T13:28:00", "2025-03-11T19:58:00", "2025-03-11T03:00:00", "2025-03-10T22:00:00"])
    )
    first = at(start)
    offsets = st.lists(st.integers(-400, 240), unique=True, max_size=25)
    bars_at = sorted(first + SECOND * one for one in draw(offsets))
    snaps_at = sorted(first + SECOND * one for one in draw(offsets))
    policy = AttachPolicy(
        gex_latency_ms=draw(st.sampled_from([0, 1_000, 1_500])),
        stale_after_ms=draw(st.sampled_from([5_000, 60_000])),
        stale_outside_ms=draw(st.sampled_from([60_000, 200_000])),
    )
    return start, bars_at, snaps_at, policy


@given(small_worlds())
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_b3_rows_equal_a_walk_second_by_second(underlying, short, world) -> None:
    start, bars_at, snaps_at, policy = world
    session = short(start, 240)
    trades = frames.bars(bars_at, 20_000 + np.arange(len(bars_at)))
    snaps = frames.both_days(frames.snapshots(snaps_at))
    frame = enrich_bars(trades, GexOfDay(underlying, snaps), session, policy)
    assert frames.as_rows(frame) == frames.slow_enriched(trades, snaps, session, underlying, policy)


@given(small_worlds(), st.integers(-10, 250), st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_b3_cutting_the_input_changes_no_row_before_the_cut_and_the_order_of_snapshots_changes_none(
    underlying, short, world, cut_s, seed
) -> None:
    start, bars_at, snaps_at, policy = world
    session, cut = short(start, 240), at(start) + cut_s * SECOND
    trades = frames.bars(bars_at, 20_000 + np.arange(len(bars_at)))
    snaps = frames.both_days(frames.snapshots(snaps_at))
    levels = EMPTY_LEVELS.vstack(
        pl.DataFrame(
            {
                "ts": snaps["ts"],
                "chain_zero_gamma": snaps["spot"],
                "chain_call_wall": snaps["spot"],
                "chain_put_wall": snaps["spot"],
            }
        )
    )
    whole = enrich_bars(trades, GexOfDay(underlying, snaps, ChainsOfDay(underlying, levels)), session, policy)
    shuffled = enrich_bars(
        trades,
        GexOfDay(
            underlying,
            snaps.sample(fraction=1.0, shuffle=True, seed=seed % 2**31),
            ChainsOfDay(underlying, levels.sample(fraction=1.0, shuffle=True, seed=seed % 2**31).sort("ts")),
        ),
        session,
        policy,
    )
    assert_frame_equal(whole, shuffled)
    before = pl.col("ts").to_physical() < cut
    gex = GexOfDay(underlying, snaps.filter(before), ChainsOfDay(underlying, levels.filter(before)))
    cut_trades = trades.filter(pl.col("ts_open").to_physical() < cut)
    # A day without bars takes its contract from the roll table, so the cut day is given the one of the whole day.
    contract = "MNQH25" if bars_at else None
    earlier = enrich_bars(cut_trades, gex, session, policy, contract=contract)
    assert_frame_equal(whole.filter(before), earlier.filter(before), categorical_as_str=True)


def test_b3_two_snapshots_of_one_time_are_refused_e491(underlying, short) -> None:
    snaps = frames.both_days(frames.snapshots([at("2025-03-11T14:00:00")] * 2))
    with pytest.raises(QualityError, match="1 snapshots have the time of another one") as caught:
        enrich_bars(NO_BARS, GexOfDay(underlying, snaps), short("2025-03-11T14:00:00"), AttachPolicy())
    assert caught.value.code == "E491"
    # The command as it stands helps: this series, these days.
    again = "tp backfill NQ_NDX/gex_snapshots --from 2025-03-10 --to 2025-03-11 --force"
    assert caught.value.next_command == again


@pytest.mark.parametrize(
    "settings_",
    [
        {"category": "gex_all"},
        {"gex_latency_ms": -1},
        {"chain_latency_ms": -1},
        {"stale_after_ms": 0},
        {"chain_cadence_s": 0},
        {"stale_outside_ms": 59_999},
    ],
)
def test_b3_settings_that_make_no_sense_are_refused_e493(settings_) -> None:
    with pytest.raises(QualityError) as caught:
        AttachPolicy(**settings_)
    assert (caught.value.code, caught.value.next_command) == ("E493", "tp config")


def test_b3_categories_of_settings_feed_and_export_are_the_same() -> None:
    of_settings = get_args(Settings.model_fields["gex_category"].annotation)
    assert set(of_settings) == set(CATEGORIES) == {str(one) for one in Category}


def test_b3_the_policy_is_made_of_the_settings_in_one_place(monkeypatch) -> None:
    assert AttachPolicy() == AttachPolicy.of(Settings(_env_file=None))
    monkeypatch.setenv("TP_GEX_LATENCY_MS", "250")
    monkeypatch.setenv("TP_CHAIN_CADENCE_S", "60")
    policy = AttachPolicy.of(Settings(_env_file=None), category="gex_zero")
    assert (policy.category, policy.gex_latency_ms, policy.chain_stale_after_ms) == ("gex_zero", 250, 120_000)


@pytest.mark.parametrize("zone", ["UTC", "America/New_York"])
def test_b3_the_time_zone_of_the_process_changes_nothing(underlying, short, monkeypatch, zone: str) -> None:
    import time

    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        snaps = frames.both_days(frames.snapshots([at("2025-03-11T14:00:05")]))
        trades = frames.bars([at("2025-03-11T14:00:04")], [20_010.25])
        frame = enrich_bars(trades, GexOfDay(underlying, snaps), short("2025-03-11T14:00:00", 10), AttachPolicy())
    finally:
        monkeypatch.undo()
        time.tzset()
    assert us_of(frame["source_snapshot_ts"][5]) == at("2025-03-11T14:00:05")
    assert us_of(frame["ts"][0]) == at("2025-03-11T14:00:00")
