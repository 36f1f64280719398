"""Volume, tick and dollar bars: hand-worked cuts, conservation, refused thresholds."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trading_platform.bars import BAR_COLUMNS, dollar_bars, tick_bars, volume_bars
from trading_platform.bars.alternative import THRESHOLD_BAR_COLUMNS
from trading_platform.errors import QualityError

from . import frames

Row = tuple[Any, ...]


def test_b6_volume_bars_close_with_the_tick_that_reaches_the_threshold() -> None:
    """Sizes 2 1 3 4 | 5 1 7 | 10 | 10 with threshold 10: 2+1+3+4 = 10 exactly; 5+1+7 = 13 overshoots and nothing is carried over."""
    bars = volume_bars(frames.answer_ticks(), 10, tick_size=0.25)
    assert bars["volume"].to_list() == [10, 13, 10, 10]
    assert bars["trades"].to_list() == [4, 3, 1, 1]
    assert bars.select("open", "high", "low", "close").rows() == [
        (100.0, 100.25, 99.75, 100.0),
        (100.5, 101.25, 100.5, 101.25),
        (98.0, 98.0, 98.0, 98.0),
        (98.25, 98.25, 98.25, 98.25),
    ]
    assert bars["notional"].to_list() == [999.5, 502.5 + 101.0 + 708.75, 980.0, 982.5]
    assert bars["ts_open"].dt.strftime("%M:%S%.6f").to_list() == [
        "30:00.100000",
        "30:01.000000",
        "31:00.000000",
        "31:00.000000",
    ]
    assert bars["ts_close"].dt.strftime("%M:%S%.6f").to_list() == [
        "30:00.999999",
        "30:59.000000",
        "31:00.000000",
        "31:00.000000",
    ]
    assert bars.columns == ["ts_open", "ts_close", *BAR_COLUMNS[1:]]


def test_b6_tick_bars_hold_the_same_number_of_trades_and_keep_the_short_end() -> None:
    bars = tick_bars(frames.answer_ticks(), 4, tick_size=0.25)
    assert bars["trades"].to_list() == [4, 4, 1]
    assert bars["volume"].to_list() == [10, 5 + 1 + 7 + 10, 10]


def test_b6_dollar_bars_cut_by_price_times_size_times_multiplier() -> None:
    """USD per tick with multiplier 2: 400, 200.5, 598.5, 800, 1005, 202, 1417.5, 1960, 1965; threshold 1,199 USD."""
    bars = dollar_bars(frames.answer_ticks(), 1_199.0, tick_size=0.25, multiplier_usd=2.0)
    # 400 + 200.5 + 598.5 = 1,199 exactly; 800 + 1,005; 202 + 1,417.5; 1,960; 1,965.
    assert bars["trades"].to_list() == [3, 2, 2, 1, 1]
    assert (bars["notional"] * 2).to_list() == [1_199.0, 1_805.0, 1_619.5, 1_960.0, 1_965.0]


def test_b6_a_dollar_threshold_is_exact_for_a_tenth() -> None:
    """Thirty trades of 0.1 x 1 USD: three of them reach 0.3, although 0.1 + 0.1 + 0.1 is not 0.3 in floating point."""
    ticks = frames.tick_frame(frames.START_US + np.arange(30), np.full(30, 0.1), np.ones(30), np.ones(30))
    assert dollar_bars(ticks, 0.3, tick_size=0.1, multiplier_usd=1.0)["trades"].to_list() == [3] * 10


def test_b6_negative_prices_count_as_money_that_moved() -> None:
    ticks = frames.tick_frame(
        frames.START_US + np.arange(4), np.array([-10.0, 10.0, -10.0, 10.0]), np.ones(4), np.ones(4)
    )
    assert dollar_bars(ticks, 20, tick_size=0.25, multiplier_usd=1.0)["trades"].to_list() == [2, 2]


@settings(deadline=None, max_examples=80)
@given(
    ticks=frames.ticks(ordered=False),
    threshold=st.integers(1, 5_000),
    kind=st.sampled_from(["volume", "tick", "dollar"]),
)
def test_b6_threshold_bars_conserve_everything_that_traded(ticks: pl.DataFrame, threshold: int, kind: str) -> None:
    bars = {
        "volume": lambda: volume_bars(ticks, threshold, tick_size=0.25),
        "tick": lambda: tick_bars(ticks, threshold, tick_size=0.25),
        "dollar": lambda: dollar_bars(ticks, threshold * 1_000, tick_size=0.25, multiplier_usd=2.0),
    }[kind]()
    side = pl.col("side")
    total = ticks.select(
        pl.col("volume").cast(pl.Int64).sum(),
        buy=pl.col("volume").cast(pl.Int64).filter(side > 0).sum(),
        sell=pl.col("volume").cast(pl.Int64).filter(side < 0).sum(),
        notional=(pl.col("price") * pl.col("volume")).sum(),
    ).row(0)
    assert bars.select(pl.col("volume", "buy_volume", "sell_volume", "notional").sum()).row(0) == total
    assert bars["trades"].sum() == ticks.height
    assert (bars["buy_volume"] + bars["sell_volume"] + bars["unknown_volume"]).to_list() == bars["volume"].to_list()
    assert (bars["high"].max(), bars["low"].min()) == (ticks["price"].max(), ticks["price"].min())
    assert bars["ts_open"].is_sorted()
    assert (bars["ts_open"] <= bars["ts_close"]).all()


@settings(deadline=None, max_examples=80)
@given(ticks=frames.ticks(), threshold=st.integers(1, 5_000))
def test_b6_no_volume_bar_could_have_closed_one_tick_earlier(ticks: pl.DataFrame, threshold: int) -> None:
    """Oracle: the sequential rule, tick by tick."""
    expected, running = [], 0
    for size in ticks["volume"].to_list():
        running += size
        if running >= threshold:
            expected.append(running)
            running = 0
    bars = volume_bars(ticks, threshold, tick_size=0.25)
    assert bars["volume"].to_list() == ([*expected, running] if running else expected)


def slow_bars(ticks: pl.DataFrame, amount_of: Callable[[dict[str, Any]], Fraction], threshold: Fraction) -> list[Row]:
    """Walk tick by tick with exact fractions: the rule as a person would state it."""
    bars: list[Row] = []
    own: list[dict[str, Any]] = []
    reached = Fraction(0)
    rows = sorted(ticks.to_dicts(), key=lambda row: (row["ts"], row["seq"]))
    for at, row in enumerate(rows):
        own.append(row)
        reached += amount_of(row)
        if reached < threshold and at + 1 < len(rows):
            continue
        prices = [one["price"] for one in own]
        side = {s: sum(one["volume"] for one in own if one["side"] == s) for s in (1, -1, 0)}
        volume = sum(side.values())
        notional = sum(Fraction(one["price"]) * one["volume"] for one in own)
        bars.append(
            (
                own[0]["ts"],
                own[-1]["ts"],
                *(prices[0], max(prices), min(prices), prices[-1]),
                *(volume, float(notional), side[1], side[-1], side[0], side[1] - side[-1], len(own)),
                *(own[-1]["bid"], own[-1]["ask"]),
            )
        )
        own, reached = [], Fraction(0)
    return bars


COMPARED = tuple(name for name in THRESHOLD_BAR_COLUMNS if name not in ("vwap", "contract"))


@settings(deadline=None, max_examples=60)
@given(
    ticks=frames.ticks(ordered=False),
    threshold=st.integers(1, 5_000),
    kind=st.sampled_from(["volume", "tick", "dollar"]),
)
def test_b6_threshold_bars_equal_a_walk_tick_by_tick(ticks: pl.DataFrame, threshold: int, kind: str) -> None:
    assert_equals_walk(ticks, threshold, kind)


@pytest.mark.parametrize(("kind", "threshold"), [("volume", 1_000), ("tick", 300), ("dollar", 1_000)])
def test_b6_bars_of_a_whole_day_equal_a_walk_tick_by_tick(
    session_ticks: pl.DataFrame, kind: str, threshold: int
) -> None:
    """Every fifteenth of 300,000 seeded trades over one session."""
    assert_equals_walk(session_ticks.gather_every(15), threshold, kind)


def assert_equals_walk(ticks: pl.DataFrame, threshold: int, kind: str) -> None:
    usd = 40_000 * threshold  # about as many contracts at 20,000 points and 2 USD
    made: dict[str, tuple[Callable[[], pl.DataFrame], Callable[[dict[str, Any]], Fraction], int]] = {
        "volume": (
            lambda: volume_bars(ticks, threshold, tick_size=0.25),
            lambda row: Fraction(row["volume"]),
            threshold,
        ),
        "tick": (lambda: tick_bars(ticks, threshold, tick_size=0.25), lambda _: Fraction(1), threshold),
        "dollar": (
            lambda: dollar_bars(ticks, usd, tick_size=0.25, multiplier_usd=2.0),
            lambda row: abs(Fraction(row["price"])) * row["volume"] * 2,
            usd,
        ),
    }
    make, amount_of, limit = made[kind]
    bars = make()
    expected = slow_bars(ticks, amount_of, Fraction(limit))
    assert bars.select(COMPARED).rows() == expected
    assert (bars["vwap"] - bars["notional"] / bars["volume"]).abs().max() < 1e-9 * bars["high"].max()


def test_b6_bars_of_the_genuine_ten_trades() -> None:
    """Every size is 1, so bars of four contracts are bars of four trades: worked by hand from the format reference."""
    ticks = frames.golden_ticks()
    for bars in (volume_bars(ticks, 4, tick_size=0.25), tick_bars(ticks, 4, tick_size=0.25)):
        assert bars.select("open", "high", "low", "close", "volume", "delta", "trades").rows() == [
            (4048.0, 4048.0, 4047.5, 4047.75, 4, -4, 4),
            (4047.75, 4048.0, 4047.0, 4048.0, 4, 0, 4),
            (4048.5, 4048.5, 4048.25, 4048.25, 2, -2, 2),
        ]
        assert bars["notional"].to_list() == [16_191.25, 16_190.75, 8_096.75]
        assert bars["ts_open"].dt.strftime("%H:%M:%S%.6f").to_list() == [
            "20:37:19.026000",
            "20:38:02.105001",
            "20:40:52.682000",
        ]
    # 50 USD a point: a trade is worth 202,350 to 202,425 USD, so two reach 404,000.
    dollars = dollar_bars(ticks, 404_000, tick_size=0.25, multiplier_usd=50.0)
    assert dollars["trades"].to_list() == [2, 2, 2, 2, 2]
    assert dollars["close"].to_list() == [4048.0, 4047.75, 4048.0, 4048.0, 4048.25]


@pytest.mark.parametrize(
    "make",
    [
        lambda ticks: volume_bars(ticks, 0, tick_size=0.25),
        lambda ticks: tick_bars(ticks, -1, tick_size=0.25),
        lambda ticks: dollar_bars(ticks, 0.0, tick_size=0.25, multiplier_usd=2.0),
        lambda ticks: dollar_bars(ticks, float("nan"), tick_size=0.25, multiplier_usd=2.0),
    ],
)
def test_b6_a_threshold_that_is_not_above_zero_is_refused(make) -> None:
    with pytest.raises(QualityError, match="the bar") as caught:
        make(frames.answer_ticks())
    assert caught.value.code == "E424"


def test_b6_no_ticks_give_no_bars() -> None:
    bars = volume_bars(frames.answer_ticks().head(0), 10, tick_size=0.25)
    assert (bars.height, bars.width) == (0, len(BAR_COLUMNS) + 1)
