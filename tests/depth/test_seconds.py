"""Per-second replay against the oracle: any day, any cut into chunks."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trading_platform.depth import DaySeconds, PriceGrid, SecondReplay, seconds
from trading_platform.depth.absent import stable_order
from trading_platform.errors import QualityError
from trading_platform.instruments import load_registry

from . import frames
from .frames import SECOND_US, START_US, ask, bid, clear, delete_ask, delete_bid, modify_bid
from .model import model_day

_RENAMED = {"bid_depth": "bid_depth_10_ticks", "ask_depth": "ask_depth_10_ticks"}
_EXACT = ("bid", "ask", "spread", "mid", "bid_quantity", "ask_quantity", "bid_depth", "ask_depth")
_ROUNDED = ("microprice", "imbalance_1", "imbalance_5", "imbalance_10")


def replayed(frame: pl.DataFrame, cuts: tuple[int, ...] | list[int] = (), tick_size: float = frames.TICK) -> DaySeconds:
    replay = SecondReplay(PriceGrid(tick_size))
    for chunk in frames.chunks_of(frame, cuts):
        replay.push(chunk)
    return replay.finish()


def rows_of(day: DaySeconds, tick_size: float = frames.TICK) -> list[dict[str, Any]]:
    """Return the replayed rows as plain values, None where a column is null."""
    columns = {
        name: [None if null else value for value, null in zip(values.tolist(), nulls.tolist(), strict=True)]
        for name, values, nulls in day.book.columns(PriceGrid(tick_size))
    }
    columns |= {
        "second": day.second.tolist(),
        "updates": day.updates.tolist(),
        "snapshot_rows": day.snapshot_rows.tolist(),
        "batches": day.batches.tolist(),
        "known": day.book.known.tolist(),
    }
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def assert_equals_model(frame: pl.DataFrame, day: DaySeconds, tick_size: float = frames.TICK) -> None:
    model = model_day(frame, Fraction(repr(tick_size)))
    rows, expected = rows_of(day, tick_size), model.rows
    assert [row["second"] for row in rows] == [row["second"] for row in expected]
    for row, wanted in zip(rows, expected, strict=True):
        where = wanted["second"]
        assert (row["updates"], row["snapshot_rows"], row["batches"]) == (
            wanted["updates"],
            wanted["snapshot_rows"],
            wanted["batches"],
        ), where
        assert row["known"] == (wanted["age_ms"] is not None), where
        for name in _EXACT:
            value, want = row[_RENAMED.get(name, name)], wanted[name]
            # The float64 nearest to the exact value, not one beside it.
            assert value == (None if want is None else float(want)), (where, name, value, want)
        for name in _ROUNDED:
            value, want = row[name], wanted[name]
            assert (value is None) == (want is None), (where, name, value, want)
            assert value is None or math.isclose(value, want, rel_tol=1e-14, abs_tol=1e-14), (where, name, value, want)
    assert day.counters["deletes_of_absent"] == model.deletes_of_absent
    assert day.counters["unfinished_events"] == model.unfinished_events
    assert day.counters["snapshots"] == model.snapshots
    assert day.counters["events"] == frame.height
    age = np.where(day.book.known, ((day.second + 1) * SECOND_US - day.last_batch_us) // 1_000, -1)
    assert age.tolist() == [-1 if row["age_ms"] is None else row["age_ms"] for row in expected]


@settings(max_examples=100, deadline=None)
@given(frames.days(), st.lists(st.integers(0, 70), max_size=4))
def test_t6_seconds_equal_the_dictionary_model(events: list[frames.Event], cuts: list[int]) -> None:
    frame = frames.event_frame(events)
    assert_equals_model(frame, replayed(frame, [min(cut, frame.height) for cut in cuts]))


def test_t6_a_cut_at_any_event_changes_nothing() -> None:
    frame = frames.event_frame(
        [
            bid(90, 1, end=True),
            clear(after_us=400_000),
            bid(99, 5),
            ask(101, 4, end=True),
            delete_bid(99, after_us=700_000),
            bid(98, 3),
            ask(97, 2, after_us=1_100_000, end=True),
            delete_ask(97, after_us=100_000, end=True),
            delete_ask(97, after_us=100_000),
            clear(after_us=2_000_000),
            bid(95, 1),
            bid(95, 9, end=True),
            ask(96, 1, after_us=10_000_000, segment=1, end=True),
            clear(segment=1, end=True),
            bid(50, 5, after_us=1, segment=1, end=True),
            modify_bid(50, 0, segment=1),
        ]
    )
    whole = replayed(frame)
    assert_equals_model(frame, whole)
    for first in range(frame.height + 1):
        for second in range(first, frame.height + 1):
            assert_equals_model(frame, replayed(frame, [first, second]))


def test_t6_measures_equal_values_worked_out_by_hand() -> None:
    bids = [bid(100 - n, quantity) for n, quantity in enumerate((10, 0, 30, 40, 50, 60, 70, 80, 90, 100, 110, 120))]
    asks = [ask(102 + n, quantity) for n, quantity in enumerate((30, 5, 5, 5, 5))]
    (row,) = rows_of(replayed(frames.event_frame([clear(), *bids, *asks[:-1], ask(106, 5, end=True)])))
    assert (row["bid"], row["ask"], row["bid_quantity"], row["ask_quantity"]) == (25.0, 25.5, 10, 30)
    assert (row["spread"], row["mid"]) == (0.5, 25.25)
    # bid by ask quantity and ask by bid quantity: 750 and 255 over 40 contracts
    assert row["microprice"] == 25.125
    assert row["imbalance_1"] == -0.5
    # the level with quantity 0 does not exist: 10 + 30 + 40 + 50 + 60 = 190 against 50
    assert row["imbalance_5"] == 140 / 240
    # ten levels: 10 + 30 + ... + 110 = 640, and all five asks
    assert row["imbalance_10"] == (640 - 50) / (640 + 50)
    # ticks 100 to 90; tick 89 with 120 is the eleventh behind the best
    assert (row["bid_depth_10_ticks"], row["ask_depth_10_ticks"]) == (640, 50)
    assert (row["updates"], row["snapshot_rows"], row["batches"]) == (0, 18, 1)


def test_t6_levels_far_apart_are_found_exactly() -> None:
    far = [bid(10_000 - 1_000 * n, n + 1) for n in range(8)] + [ask(10_001 + 700 * n, n + 1) for n in range(12)]
    frame = frames.event_frame(
        [clear(), *far, delete_bid(10_000, end=True), delete_ask(10_001, after_us=SECOND_US, end=True)]
    )
    day = replayed(frame)
    assert_equals_model(frame, day)
    assert rows_of(day)[1]["imbalance_10"] == (sum(range(2, 9)) - sum(range(2, 12))) / (
        sum(range(2, 9)) + sum(range(2, 12))
    )


@pytest.mark.parametrize("target", [100, 103_000, 4_000_000, -50_000])
def test_t6_prices_far_from_the_first_ones_make_the_array_grow_with_its_levels(target: int) -> None:
    frame = frames.event_frame(
        [
            clear(),
            bid(5_000, 5),
            ask(5_003, 4, end=True),
            bid(target, 1, after_us=SECOND_US, end=True),
            ask(target + 1, 2, after_us=SECOND_US, end=True),
            delete_bid(target, after_us=SECOND_US),
            delete_ask(target + 1, end=True),
        ]
    )
    for cuts in ([], [3], [1, 4], [6]):
        assert_equals_model(frame, replayed(frame, cuts))


def test_t6_prices_that_no_book_spans_are_refused_e433() -> None:
    frame = frames.event_frame([clear(), bid(5, 5), ask(5 + (1 << 22), 4, end=True)])
    with pytest.raises(QualityError, match="range from 5 to 4,194,309 ticks") as caught:
        replayed(frame)
    assert caught.value.code == "E433"


@pytest.mark.parametrize("price", [25.1, float("nan"), float("inf")])
def test_t6_a_price_off_the_grid_is_refused_e433(price: float) -> None:
    frame = frames.event_frame([clear(), bid(100, 5, end=True)])
    arrays = replace(frames.arrays_of(frame), price=np.array([math.nan, price]))
    with pytest.raises(QualityError, match=r"expected a finite multiple of 0\.25") as caught:
        SecondReplay(PriceGrid(0.25)).push(arrays)
    assert caught.value.code == "E433"


@pytest.mark.parametrize("at_us", [-1, 10 * SECOND_US])
def test_t6_an_event_outside_the_window_is_refused_e432(at_us: int) -> None:
    replay = SecondReplay(PriceGrid(0.25), (START_US, START_US + 10 * SECOND_US))
    with pytest.raises(QualityError, match="belongs to another trade date") as caught:
        replay.push(frames.arrays_of(frames.event_frame([clear(end=True, after_us=at_us)])))
    assert caught.value.code == "E432"


@pytest.mark.parametrize("symbol", sorted(load_registry().instruments))
def test_t6_prices_come_back_to_the_last_digit_on_every_tick_grid(symbol: str) -> None:
    tick_size = load_registry().get(symbol).tick_size
    grid = PriceGrid(tick_size)
    ticks = np.unique(np.concatenate([np.arange(-500, 500), np.arange(20_000, 24_000), np.arange(98_000, 102_000)]))
    prices = np.array([frames.price_of(int(tick), tick_size) for tick in ticks])
    assert grid.ticks(prices).astype(np.int64).tolist() == ticks.tolist()
    assert grid.points(ticks).tolist() == prices.tolist()


@pytest.mark.parametrize("tick_size", [0.1, 0.00005, 0.015625, 1.0])
def test_t6_seconds_equal_the_dictionary_model_on_other_grids(tick_size: float) -> None:
    frame = frames.event_frame(frames.many_events(3_000, center=21_700, seconds=60), tick_size)
    assert_equals_model(frame, replayed(frame, [1_000, 1_001, 2_500], tick_size), tick_size)


def test_t6_a_busy_day_equals_the_dictionary_model(busy_day: pl.DataFrame) -> None:
    part = busy_day[:15_000]
    assert_equals_model(part, replayed(part, [2_345, 2_346, 12_000]))


def test_t6_silent_seconds_repeat_the_state_and_age() -> None:
    frame = frames.event_frame([clear(), bid(99, 5), ask(101, 4, end=True), bid(98, 1, after_us=3_500_000)])
    day = replayed(frame)
    rows = rows_of(day)
    assert [row["second"] - START_US // SECOND_US for row in rows] == [0, 1, 2, 3]
    assert [row["bid"] for row in rows] == [24.75] * 4
    assert [row["updates"] for row in rows] == [0, 0, 0, 1]
    assert day.counters["unfinished_events"] == 1


def test_t6_a_batch_over_several_seconds_counts_when_it_ends() -> None:
    frame = frames.event_frame(
        [clear(), bid(99, 5, end=True), bid(100, 1, after_us=900_000), ask(103, 2, after_us=1_200_000, end=True)]
    )
    rows = rows_of(replayed(frame))
    assert [(row["bid"], row["ask"]) for row in rows] == [(24.75, None), (24.75, None), (25.0, 25.75)]
    assert [row["updates"] for row in rows] == [1, 0, 1]
    assert [row["batches"] for row in rows] == [1, 0, 1]


def test_t6_a_crossed_book_has_a_negative_spread_and_no_mid() -> None:
    (row,) = rows_of(replayed(frames.event_frame([clear(), bid(102, 5), ask(100, 4, end=True)])))
    assert (row["spread"], row["mid"], row["microprice"]) == (-0.5, None, None)
    assert row["imbalance_1"] == 1 / 9


def test_t6_a_locked_book_has_spread_zero_and_a_mid() -> None:
    (row,) = rows_of(replayed(frames.event_frame([clear(), bid(100, 5), ask(100, 4, end=True)])))
    assert (row["spread"], row["mid"], row["microprice"]) == (0.0, 25.0, 25.0)


def test_t6_times_that_step_back_count_as_the_latest_before_them() -> None:
    frame = frames.event_frame(
        [clear(), bid(99, 5, after_us=2_000_000, end=True), bid(98, 1, after_us=-1_500_000, end=True)]
    )
    for cuts in ([], [2]):
        day = replayed(frame, cuts)
        assert [row["updates"] for row in rows_of(day)] == [0, 0, 1]
        assert day.last_batch_us[-1] == START_US + 2_000_000


def test_t6_events_that_never_end_do_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seconds, "_MOST_WAITING", 8)
    events = [clear(), *(bid(90 + n % 5, 1 + n) for n in range(100)), ask(103, 2, end=True)]
    frame = frames.event_frame(events)
    cuts = list(range(7, 102, 7))
    assert_equals_model(frame, replayed(frame, cuts))


def test_t6_no_events_give_no_seconds() -> None:
    day = SecondReplay(PriceGrid(0.25)).finish()
    assert len(day) == 0
    assert day.counters["events"] == 0
    assert all(len(values) == 0 for _, values, _ in day.book.columns(PriceGrid(0.25)))


def test_t6_the_order_of_positions_keeps_equal_ones_in_their_order() -> None:
    random = np.random.default_rng(3)
    for size in (40_000, 3_000_000):
        index = random.integers(0, size, 5_000) // 50 * 50
        expected = np.argsort(index, kind="stable")
        assert stable_order(index, size).tolist() == expected.tolist()
