"""Bars from bars: the way there changes no digit."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from trading_platform.bars import BarWindow, resample, time_bars
from trading_platform.errors import QualityError

from . import frames


def assert_same(left: pl.DataFrame, right: pl.DataFrame) -> None:
    assert_frame_equal(left, right, check_exact=True, categorical_as_str=True)


@pytest.mark.parametrize("tick_size", [0.25, 0.1, 0.00005])
@settings(deadline=None, max_examples=40)
@given(data=st.data())
def test_b1_every_way_to_five_minutes_gives_the_same_bars(tick_size: float, data: st.DataObject) -> None:
    ticks = data.draw(frames.ticks(ordered=False, tick_size=tick_size))
    seconds = time_bars(ticks, 1, tick_size=tick_size)
    minutes = resample(seconds, 60, from_step_s=1, tick_size=tick_size)
    direct = resample(seconds, 300, from_step_s=1, tick_size=tick_size)
    assert_same(minutes, time_bars(ticks, 60, tick_size=tick_size))
    assert_same(resample(minutes, 300, from_step_s=60, tick_size=tick_size), direct)
    assert_same(direct, time_bars(ticks, 300, tick_size=tick_size))


@settings(deadline=None, max_examples=40)
@given(ticks=frames.ticks(), before_s=st.integers(0, 10_000), factors=st.tuples(st.integers(1, 90), st.integers(1, 90)))
def test_b1_resampling_keeps_the_anchor_of_the_session(
    ticks: pl.DataFrame, before_s: int, factors: tuple[int, int]
) -> None:
    anchor = frames.START_US + before_s * 1_000_000
    window = BarWindow(frames.START_US, frames.START_US + 10**12, anchor)
    first, second = factors[0], factors[0] * factors[1]
    low = time_bars(ticks, first, tick_size=0.25, window=window)
    high = resample(low, second, from_step_s=first, tick_size=0.25, window=window)
    assert_same(high, time_bars(ticks, second, tick_size=0.25, window=window))


def test_b1_seconds_of_the_answer_file_resample_to_its_minutes() -> None:
    seconds = frames.answer_bars("answers_bars_1s.csv").with_columns(
        pl.lit("MNQH25").cast(pl.Categorical).alias("contract")
    )
    minutes = resample(seconds, 60, from_step_s=1, tick_size=0.25)
    assert_same(minutes.drop("contract"), frames.answer_bars("answers_bars_1m.csv"))
    assert minutes["contract"].cast(pl.String).to_list() == ["MNQH25", "MNQH25"]


def test_b1_resampling_no_bars_gives_no_bars() -> None:
    seconds = time_bars(frames.answer_ticks(), 1, tick_size=0.25)
    minutes = resample(seconds.head(0), 60, from_step_s=1, tick_size=0.25)
    assert minutes.height == 0
    assert minutes.schema == seconds.schema


def test_b1_steps_that_do_not_nest_are_refused() -> None:
    seconds = time_bars(frames.answer_ticks(), 60, tick_size=0.25)
    with pytest.raises(QualityError, match="bars of 60 s cannot make bars of 90 s") as caught:
        resample(seconds, 90, from_step_s=60, tick_size=0.25)
    assert caught.value.code == "E424"


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda bars: bars.reverse(), "not in order"),
        (lambda bars: pl.concat([bars, bars]), "not in order"),
        (lambda bars: bars.drop("notional"), "lack notional"),
    ],
)
def test_b1_bars_that_are_not_in_order_are_refused(spoil, words: str) -> None:
    seconds = time_bars(frames.answer_ticks(), 1, tick_size=0.25)
    with pytest.raises(QualityError, match=words) as caught:
        resample(spoil(seconds), 60, from_step_s=1, tick_size=0.25)
    assert caught.value.code == "E421"
