"""Stored bars: outcomes that follow the ticks, facts, checks, reruns."""

from __future__ import annotations

import hashlib
from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from trading_platform.bars import BarWindow, time_bars
from trading_platform.clock import FixedClock
from trading_platform.errors import LakeError, QualityError
from trading_platform.lake import Outcome, build_day
from trading_platform.sessions import GRACE

from . import frames
from .conftest import DAY, LATER

HOLIDAY = date(2025, 4, 18)  # Good Friday


@pytest.mark.parametrize(("step", "step_s"), [("1s", 1), ("1m", 60)])
def test_b1_stored_bars_equal_the_kernel(store_ticks, builder_of, session_ticks, calendar, step, step_s) -> None:
    lake = store_ticks(session_ticks)
    result = build_day(builder_of(step), DAY, lake)
    assert (result.outcome, result.error) == (Outcome.WRITE, None)
    stored = lake.read(f"bars_{step}", "MNQ", DAY).drop("symbol", "trade_date")
    window = BarWindow.of_session(calendar.session(DAY))
    expected = time_bars(session_ticks, step_s, tick_size=0.25, window=window)
    assert_frame_equal(stored, expected, check_exact=True, categorical_as_str=True)
    assert stored.height == result.rows == result.facts["rows"]


def test_b1_facts_come_from_the_ticks_that_were_read(store_ticks, builder_of) -> None:
    result = build_day(builder_of(), DAY, store_ticks(frames.answer_ticks()))
    facts = result.facts
    assert facts["volume_sum"] == facts["tick_volume_sum"] == facts["upstream_volume_sum"] == 43
    assert facts["trades_sum"] == facts["ticks"] == 9
    assert (facts["buy_volume_sum"], facts["sell_volume_sum"], facts["unknown_volume_sum"]) == (18, 20, 5)
    assert (facts["low"], facts["high"], facts["tick_low"], facts["tick_high"]) == (98.0, 101.25, 98.0, 101.25)
    assert {check.name: check.passed for check in result.checks} == {
        "bar_volume_equals_tick_volume": True,
        "buy_sell_unknown_sum": True,
        "ordered": True,
        "price_range_equals_ticks": True,
        "session_gaps": False,
        "price_jumps": False,  # from 101.25 to 98.0
        "crossed_quotes": True,
    }
    assert (facts["largest_jump"], facts["crossed_bars"]) == (3.25, 0)
    assert builder_of().measure(DAY) == facts


def test_b1_measured_facts_equal_built_facts_over_several_row_groups(store_ticks, builder_of, session_ticks) -> None:
    result = build_day(builder_of(), DAY, store_ticks(session_ticks))
    assert builder_of().measure(DAY) == result.facts
    assert all(check.passed for check in result.checks)


def test_b1_a_rerun_is_skipped_and_a_forced_one_gives_the_same_bytes(store_ticks, builder_of) -> None:
    lake = store_ticks(frames.answer_ticks())
    first = build_day(builder_of(), DAY, lake)
    digest = hashlib.sha256(first.path.read_bytes()).hexdigest()
    assert build_day(builder_of(), DAY, lake).outcome is Outcome.SKIP
    forced = build_day(builder_of(), DAY, lake, force=True)
    assert forced.outcome is Outcome.WRITE
    assert hashlib.sha256(forced.path.read_bytes()).hexdigest() == digest
    assert forced.fingerprint == first.fingerprint


def test_b1_changed_ticks_make_the_bars_stale(store_ticks, builder_of) -> None:
    ticks = frames.answer_ticks()
    first = build_day(builder_of(), DAY, store_ticks(ticks))
    second = build_day(builder_of(), DAY, store_ticks(ticks.head(8)))
    assert second.outcome is Outcome.WRITE
    assert second.facts["volume_sum"] == 33
    assert second.fingerprint != first.fingerprint


def test_b1_missing_ticks_are_an_outcome_with_the_command_that_helps(lake, builder_of) -> None:
    result = build_day(builder_of(), DAY, lake)
    assert (result.outcome, result.error.code) == (Outcome.MISSING, "E420")
    assert result.error.what == "upstream MNQ/ticks 2025-03-10 is not there"
    assert result.error.next_command == "tp backfill MNQ/ticks --from 2025-03-10 --to 2025-03-10"
    assert not lake.exists("bars_1s", "MNQ", DAY)


def test_b1_a_session_that_has_not_begun_is_pending(lake, builder_of) -> None:
    before = datetime(2025, 3, 9, 21, 59, tzinfo=UTC)
    result = build_day(builder_of(now=before), DAY, lake)
    assert (result.outcome, result.error.code) == (Outcome.PENDING, "E428")
    assert build_day(builder_of(now=before + timedelta(minutes=1)), DAY, lake).outcome is Outcome.MISSING


@pytest.mark.parametrize("stored", [True, False])
def test_b1_a_closed_date_is_closed_with_or_without_ticks(lake, store_ticks, builder_of, stored) -> None:
    if stored:
        store_ticks(None, HOLIDAY, outcome=Outcome.CLOSED, reason="Good Friday")
    result = build_day(builder_of(), HOLIDAY, lake)
    assert (result.outcome, result.rows, result.complete) == (Outcome.CLOSED, 0, True)
    assert lake.read("bars_1s", "MNQ", HOLIDAY).height == 0


def test_b1_empty_ticks_give_empty_bars(store_ticks, builder_of) -> None:
    lake = store_ticks(None, outcome=Outcome.EMPTY, reason="the source holds no rows")
    result = build_day(builder_of("1m"), DAY, lake)
    assert (result.outcome, result.rows, result.reason) == (Outcome.EMPTY, 0, "the source holds no rows")
    assert lake.read("bars_1m", "MNQ", DAY).height == 0


@pytest.mark.parametrize("synthetic", [True, False])
def test_b1_synthetic_ticks_make_synthetic_bars(store_ticks, builder_of, synthetic) -> None:
    lake = store_ticks(frames.answer_ticks(), synthetic=synthetic)
    assert build_day(builder_of(), DAY, lake).synthetic is synthetic
    assert lake.footer("bars_1s", "MNQ", DAY).synthetic is synthetic


def test_b1_a_day_is_partial_until_its_session_and_the_grace_have_passed(store_ticks, builder_of) -> None:
    lake = store_ticks(frames.answer_ticks())
    ends = datetime(2025, 3, 10, 22, tzinfo=UTC)  # 17:00 in Chicago
    early = build_day(builder_of(now=ends + GRACE), DAY, lake)
    assert (early.outcome, early.complete) == (Outcome.WRITE, False)
    assert build_day(builder_of(now=ends + GRACE + timedelta(seconds=1)), DAY, lake).complete is True


def test_b1_a_tick_footer_that_disagrees_keeps_the_bars_out(store_ticks, builder_of) -> None:
    lake = store_ticks(frames.answer_ticks(), facts={"volume_sum": 44})
    result = build_day(builder_of(), DAY, lake)
    assert (result.outcome, result.error.code) == (Outcome.ERROR, "E403")
    assert "bar_volume_equals_tick_volume" in result.error.what
    assert not lake.exists("bars_1s", "MNQ", DAY)


def test_b1_sides_that_disagree_with_the_tick_footer_keep_the_bars_out(store_ticks, builder_of) -> None:
    """Buyer and seller swapped on the way: the total is right, the sides are not."""
    lake = store_ticks(frames.answer_ticks(), facts={"volume_sum": 43, "buy_volume": 20, "sell_volume": 18})
    result = build_day(builder_of(), DAY, lake)
    assert "buy_sell_unknown_sum" in result.error.what
    assert "bar_volume_equals_tick_volume" not in result.error.what


def test_b1_ticks_outside_the_session_window_are_an_error_that_names_the_day(store_ticks, builder_of) -> None:
    ticks = frames.answer_ticks().with_columns(pl.col("ts") + pl.duration(days=1))
    result = build_day(builder_of(), DAY, store_ticks(ticks))
    assert (result.outcome, result.error.code) == (Outcome.ERROR, "E422")
    assert "MNQ/ticks 2025-03-10" in result.error.what
    assert result.error.next_command == "tp backfill MNQ/ticks --from 2025-03-10 --to 2025-03-10 --force"


def test_b1_two_contracts_in_a_stored_day_are_refused(store_ticks, builder_of) -> None:
    ticks = frames.answer_ticks().with_columns(
        contract=pl.when(pl.col("seq") < 4).then(pl.lit("MNQH25")).otherwise(pl.lit("MNQM25")).cast(pl.Categorical)
    )
    result = build_day(builder_of(), DAY, store_ticks(ticks))
    assert (result.outcome, result.error.code) == (Outcome.ERROR, "E425")


def test_b1_ticks_replaced_between_plan_and_build_are_noticed(store_ticks, builder_of, lake) -> None:
    store_ticks(frames.answer_ticks())
    builder = builder_of()
    plan = builder.plan(DAY)
    store_ticks(frames.answer_ticks().head(5))
    with lake.begin(builder.contract, "MNQ", DAY) as writer, pytest.raises(Exception, match="was replaced") as caught:
        builder.build(plan, writer)
    assert caught.value.code == "E426"
    assert build_day(builder, DAY, lake).facts["ticks"] == 5


def test_b1_a_damaged_tick_file_is_an_error_with_a_number(store_ticks, builder_of, session_ticks, lake) -> None:
    path = store_ticks(session_ticks).path("ticks", "MNQ", DAY)
    content = bytearray(path.read_bytes())
    content[4:60] = bytes(56)  # the header of the first page
    path.write_bytes(content)
    result = build_day(builder_of(), DAY, lake)
    assert (result.outcome, result.error.code) == (Outcome.ERROR, "E505")
    assert not lake.exists("bars_1s", "MNQ", DAY)


def test_b1_measure_without_ticks_says_what_is_missing(store_ticks, builder_of, lake) -> None:
    build_day(builder_of(), DAY, store_ticks(frames.answer_ticks()))
    lake.path("ticks", "MNQ", DAY).unlink()
    with pytest.raises(QualityError) as caught:
        builder_of().measure(DAY)
    assert caught.value.code == "E420"


def test_b1_measure_without_bars_says_so(store_ticks, builder_of) -> None:
    store_ticks(frames.answer_ticks())
    with pytest.raises(LakeError) as caught:
        builder_of().measure(DAY)
    assert caught.value.code == "E507"


def test_b1_preview_covers_the_trading_hours_and_all_volume(store_ticks, builder_of, session_ticks) -> None:
    result = build_day(builder_of("1m"), DAY, store_ticks(session_ticks))
    preview = result.preview
    assert preview.start_us == BarWindow.of_session(result.session).anchor_us
    assert preview.volume.sum() == result.facts["volume_sum"]
    assert len(preview.price) == len(preview.volume) == 120
    assert not np.isnan(preview.price).any()
    assert preview.price[-1] == session_ticks.sort("ts", "seq")["price"][-1]


def test_b1_an_unknown_step_is_refused(lake, instrument, calendar) -> None:
    from trading_platform.bars import BarsBuilder

    with pytest.raises(ValueError, match="Expected a step of 1s, 1m"):
        BarsBuilder(instrument, lake, calendar, "5m", FixedClock(LATER))


def test_b1_bars_of_ticks_that_came_in_later_turn_stale_although_they_counted_as_complete(
    store_ticks, builder_of, lake
) -> None:
    """The footer of ticks does not say whether they were complete, so a final session is all that bars can go by."""
    ticks = frames.answer_ticks()
    early = build_day(builder_of(), DAY, store_ticks(ticks.head(5)))
    assert (early.outcome, early.complete) == (Outcome.WRITE, True)
    late = build_day(builder_of(), DAY, store_ticks(ticks))
    assert (late.outcome, late.facts["ticks"]) == (Outcome.WRITE, ticks.height)


def test_b1_the_clock_must_be_given(lake, instrument, calendar) -> None:
    from trading_platform.bars import BarsBuilder

    with pytest.raises(TypeError, match="clock"):
        BarsBuilder(instrument, lake, calendar, "1s")
