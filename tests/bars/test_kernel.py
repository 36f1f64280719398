"""Clock bars: hand-worked answers, the real sample's golden rows, properties, refused input."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from trading_platform.bars import BAR_COLUMNS, BarWindow, dollar_bars, time_bars, volume_bars
from trading_platform.errors import QualityError

from . import frames

BARE = pl.col(BAR_COLUMNS[:-1])


def assert_same(left: pl.DataFrame, right: pl.DataFrame) -> None:
    assert_frame_equal(left, right, check_exact=True, categorical_as_str=True)


@pytest.mark.parametrize(("step_s", "name"), [(1, "answers_bars_1s.csv"), (60, "answers_bars_1m.csv")])
def test_b1_bars_equal_the_hand_worked_answers(step_s: int, name: str) -> None:
    bars = time_bars(frames.answer_ticks(), step_s, tick_size=0.25)
    assert_same(bars.select(BARE), frames.answer_bars(name))
    assert bars.columns == list(BAR_COLUMNS)
    assert bars["contract"].cast(pl.String).unique().to_list() == ["MNQH25"]


def test_b1_golden_ticks_of_the_real_sample_give_its_eight_bars() -> None:
    bars = time_bars(frames.golden_ticks(), 1, tick_size=0.25)
    assert_same(bars.select(BARE), frames.answer_bars("answers_real_sample_1s.csv"))


def test_b1_output_has_the_types_of_the_dataset() -> None:
    schema = time_bars(frames.answer_ticks(), 1, tick_size=0.25).schema
    whole = {"volume", "buy_volume", "sell_volume", "unknown_volume", "delta", "trades"}
    assert schema.pop("ts_open") == pl.Datetime("us", "UTC")
    assert schema.pop("contract") == pl.Categorical
    assert {name: kind for name, kind in schema.items() if name in whole} == dict.fromkeys(sorted(whole), pl.Int64)
    assert {kind for name, kind in schema.items() if name not in whole} == {pl.Float64}


def test_b1_no_ticks_give_no_bars_with_the_same_columns() -> None:
    ticks = frames.answer_ticks()
    empty = time_bars(ticks.head(0), 1, tick_size=0.25)
    assert empty.height == 0
    assert empty.schema == time_bars(ticks, 1, tick_size=0.25).schema


def test_b1_a_step_back_in_time_is_ordered_by_time_then_file_position() -> None:
    """File order 100, 101, 102, 103 with times .9, .1, .1, .5: open is the first of the two at .1, close the one at .9."""
    ts = frames.START_US + np.array([900_000, 100_000, 100_000, 500_000])
    ticks = frames.tick_frame(ts, np.array([100.0, 101.0, 102.0, 103.0]), np.ones(4), np.ones(4))
    for chunk_ticks in (1, 2, 3, 4):
        bars = time_bars(ticks, 1, tick_size=0.25, chunk_ticks=chunk_ticks)
        assert bars.select("open", "high", "low", "close", "volume").rows() == [(101.0, 103.0, 100.0, 100.0, 4)]


@settings(deadline=None, max_examples=60)
@given(ticks=frames.ticks(ordered=False), step_s=st.sampled_from([1, 60, 7_000]), chunk=st.integers(1, 250))
def test_b1_chunk_size_changes_nothing(ticks: pl.DataFrame, step_s: int, chunk: int) -> None:
    assert_same(time_bars(ticks, step_s, tick_size=0.25, chunk_ticks=chunk), time_bars(ticks, step_s, tick_size=0.25))


@settings(deadline=None, max_examples=60)
@given(ticks=frames.ticks(ordered=False), step_s=st.integers(1, 86_400))
def test_b1_bars_equal_a_loop_over_the_ticks(ticks: pl.DataFrame, step_s: int) -> None:
    """Oracle: a dictionary of lists, filled tick by tick in (time, file) order; sums by math.fsum."""
    groups: dict[int, list[dict[str, object]]] = {}
    rows = ticks.with_columns(pl.col("ts").to_physical()).sort("ts", "seq").rows(named=True)
    for row in rows:
        groups.setdefault(row["ts"] // (step_s * 1_000_000), []).append(row)
    bars = time_bars(ticks, step_s, tick_size=0.25).with_columns(pl.col("ts_open").to_physical())
    assert bars["ts_open"].to_list() == [group * step_s * 1_000_000 for group in groups]
    for bar, group in zip(bars.rows(named=True), groups.values(), strict=True):
        prices = [row["price"] for row in group]
        sizes = {side: sum(row["volume"] for row in group if row["side"] == side) for side in (1, -1, 0)}
        notional = math.fsum(row["price"] * row["volume"] for row in group)
        assert (bar["open"], bar["high"], bar["low"], bar["close"]) == (prices[0], max(prices), min(prices), prices[-1])
        assert (bar["buy_volume"], bar["sell_volume"], bar["unknown_volume"]) == (sizes[1], sizes[-1], sizes[0])
        assert (bar["volume"], bar["delta"], bar["trades"]) == (sum(sizes.values()), sizes[1] - sizes[-1], len(group))
        assert bar["notional"] == notional
        assert bar["low"] <= bar["vwap"] <= bar["high"]
        assert bar["vwap"] == pytest.approx(notional / bar["volume"], rel=1e-15)
        assert (bar["bid_close"], bar["ask_close"]) == (group[-1]["bid"], group[-1]["ask"])


@settings(deadline=None, max_examples=60)
@given(ticks=frames.ticks(), keep=st.integers(0, 200), step_s=st.sampled_from([1, 60, 300]))
def test_b1_cutting_the_future_changes_nothing_before_the_cut(ticks: pl.DataFrame, keep: int, step_s: int) -> None:
    cut = ticks.head(keep)
    whole, past = (time_bars(frame, step_s, tick_size=0.25) for frame in (ticks, cut))
    if past.height:
        known = past.height - 1  # the last bar is still open at the cut
        assert_same(past.head(known), whole.head(known))


@pytest.mark.parametrize("tick_size", [0.1, 0.01, 0.00005, 0.015625])
def test_b1_sums_are_exact_for_tick_sizes_without_a_binary_form(tick_size: float) -> None:
    rng = np.random.default_rng(7)
    whole = rng.integers(1, 10**6, 5_000)
    volume = rng.integers(1, 500, 5_000)
    ticks = frames.tick_frame(frames.START_US + np.arange(5_000) * 7_000, whole * tick_size, volume, np.ones(5_000))
    (bar,) = time_bars(ticks, 3_600, tick_size=tick_size).rows(named=True)
    assert bar["notional"] == int((whole * volume).sum()) * tick_size


def test_b1_negative_prices_make_bars() -> None:
    """CL on 2020-04-20 traded below zero."""
    ts = frames.START_US + np.arange(3)
    ticks = frames.tick_frame(ts, np.array([-37.63, -40.32, 0.01]), np.array([1, 2, 1]), np.array([1, -1, 0]))
    (bar,) = time_bars(ticks, 1, tick_size=0.01).rows(named=True)
    assert (bar["open"], bar["high"], bar["low"], bar["close"]) == (-37.63, 0.01, -40.32, 0.01)
    assert bar["notional"] == pytest.approx(-118.26, abs=1e-12)


def window_of(hours: int) -> BarWindow:
    """Return a window that opens at 22:00 UTC and owns the five hours before it as well."""
    opens = 1_741_557_600_000_000  # 2025-03-09 22:00 UTC
    return BarWindow(opens - 5 * 3_600_000_000, opens + hours * 3_600_000_000, opens)


def test_b1_steps_that_do_not_divide_the_session_start_at_its_opening() -> None:
    window = window_of(23)
    hours = np.arange(-5, 23)
    ticks = frames.tick_frame(window.anchor_us + hours * 3_600_000_000, np.full(28, 100.0), np.ones(28), np.ones(28))
    bars = time_bars(ticks, 4 * 3_600, tick_size=0.25, window=window)
    since_opening = (bars["ts_open"].to_physical() - window.anchor_us) / 3_600_000_000
    # The bar from -8 h is cut at the window's edge (-5 h); the last one covers three hours only.
    assert since_opening.to_list() == [-5, -4, 0, 4, 8, 12, 16, 20]
    assert bars["volume"].to_list() == [1, 4, 4, 4, 4, 4, 4, 3]


def test_b1_one_day_is_one_bar_from_the_opening() -> None:
    window = window_of(23)
    ts = window.anchor_us + np.array([0, 10, 22]) * 3_600_000_000
    ticks = frames.tick_frame(ts, np.array([100.0, 101.0, 99.0]), np.ones(3), np.ones(3))
    (bar,) = time_bars(ticks, 86_400, tick_size=0.25, window=window).rows(named=True)
    assert bar["ts_open"].isoformat() == "2025-03-09T22:00:00+00:00"
    assert (bar["open"], bar["high"], bar["low"], bar["close"], bar["volume"]) == (100.0, 101.0, 99.0, 99.0, 3)


@pytest.mark.parametrize("offset_us", [-1, 10_000_000])
def test_b1_a_tick_outside_the_window_is_refused(offset_us: int) -> None:
    window = BarWindow(frames.START_US, frames.START_US + 10_000_000, frames.START_US)
    ts = np.sort(np.array([frames.START_US + 5, frames.START_US + offset_us]))
    ticks = frames.tick_frame(ts, np.full(2, 100.0), np.ones(2), np.ones(2))
    with pytest.raises(QualityError, match="session window") as caught:
        time_bars(ticks, 1, tick_size=0.25, window=window)
    assert caught.value.code == "E422"


def test_b1_window_is_half_open() -> None:
    window = BarWindow(frames.START_US, frames.START_US + 10_000_000, frames.START_US)
    ts = frames.START_US + np.array([0, 9_999_999])
    bars = time_bars(frames.tick_frame(ts, np.full(2, 100.0), np.ones(2), np.ones(2)), 1, tick_size=0.25, window=window)
    assert bars["ts_open"].to_physical().to_list() == [frames.START_US, frames.START_US + 9_000_000]


def _shuffled(ticks: pl.DataFrame) -> pl.DataFrame:
    return ticks.sample(fraction=1.0, shuffle=True, seed=3)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (_shuffled, "not in file order"),
        (lambda ticks: ticks.reverse(), "not in file order"),
        (lambda ticks: pl.concat([ticks, ticks.tail(1)]), "not in file order"),
        (lambda ticks: ticks.drop("side", "seq"), "lack the columns seq, side"),
        (lambda ticks: ticks.with_columns(pl.col("ts").dt.replace_time_zone(None)), "ts has the type"),
        (lambda ticks: ticks.with_columns(pl.col("ts").dt.cast_time_unit("ns")), "ts has the type"),
        (lambda ticks: ticks.with_columns(price=pl.lit(None, pl.Float64)), "nulls"),
    ],
)
def test_b1_frames_that_are_not_ticks_in_file_order_are_refused(spoil, words: str) -> None:
    with pytest.raises(QualityError, match=words) as caught:
        time_bars(spoil(frames.answer_ticks()), 1, tick_size=0.25)
    assert caught.value.code == "E421"


@pytest.mark.parametrize("price", [100.1, math.nan, math.inf])
def test_b1_a_price_off_the_grid_is_refused(price: float) -> None:
    ticks = frames.answer_ticks().with_columns(
        pl.when(pl.col("seq") == 4).then(price).otherwise("price").alias("price")
    )
    with pytest.raises(QualityError, match="tick 4 of the chunk has the price") as caught:
        time_bars(ticks, 1, tick_size=0.25)
    assert caught.value.code == "E423"


def test_b1_a_quote_without_volume_is_refused() -> None:
    ticks = frames.answer_ticks().with_columns(volume=pl.Series([1, 1, 0, 1, 1, 1, 1, 1, 1], dtype=pl.Int32))
    with pytest.raises(QualityError, match="tick 2 of the chunk has the volume 0") as caught:
        time_bars(ticks, 1, tick_size=0.25)
    assert caught.value.code == "E423"


@pytest.mark.parametrize("step_s", [0, -1, 86_401, 1.5, True])
def test_b1_a_step_outside_one_second_to_one_day_is_refused(step_s: int) -> None:
    with pytest.raises(QualityError, match="the bar step is") as caught:
        time_bars(frames.answer_ticks(), step_s, tick_size=0.25)
    assert caught.value.code == "E424"


def test_b1_two_contracts_in_one_frame_are_refused() -> None:
    two = frames.answer_ticks().with_columns(
        contract=pl.when(pl.col("seq") < 4).then(pl.lit("MNQH25")).otherwise(pl.lit("MNQM25")).cast(pl.Categorical)
    )
    with pytest.raises(QualityError, match="MNQH25, MNQM25") as caught:
        time_bars(two, 1, tick_size=0.25)
    assert caught.value.code == "E425"


def test_b1_the_zone_of_the_process_changes_nothing() -> None:
    script = (
        "import hashlib; from tests.bars import frames; from trading_platform.bars import time_bars\n"
        "bars = time_bars(frames.golden_ticks(), 60, tick_size=0.25)\n"
        "print(hashlib.sha256(bars.write_csv().encode()).hexdigest(), bars['ts_open'][0].isoformat())"
    )
    root = Path(__file__).resolve().parents[2]
    outputs = {
        subprocess.run(
            [sys.executable, "-c", script], cwd=root, env={"TZ": zone}, check=True, capture_output=True, text=True
        ).stdout
        for zone in ("UTC", "America/New_York", "Asia/Kolkata")
    }
    assert len(outputs) == 1
    assert outputs.pop().split()[1] == "2023-02-21T20:37:00+00:00"


def test_b1_one_second_sample_of_mnq_keeps_its_holes_and_range(shared_data: Path) -> None:
    """Each second of the sample becomes an open, a high and a low tick; bars must give back its range, volume and 12 silent seconds."""
    rows = pl.read_csv(shared_data / "sierra" / "mnq_1s_20251111_points.csv", try_parse_dates=False)
    opens = rows["timestamp_utc"].str.to_datetime(time_unit="us", time_zone="UTC", format="%Y-%m-%dT%H:%M:%SZ")
    second = np.repeat(opens.to_physical().to_numpy(), 3)
    price = np.stack([rows["open_min"], rows["high"], rows["low"]], axis=1).ravel()
    # Sizes 1, 1 and volume + 1: three ticks need at least three contracts, and some seconds have only one.
    total = rows["volume"].cast(pl.Int64).to_numpy()
    volume = np.stack([np.ones_like(total), np.ones_like(total), total + 1], axis=1).ravel()
    ticks = frames.tick_frame(second + np.tile([0, 1, 999_999], rows.height), price, volume, np.ones(len(price)))
    bars = time_bars(ticks, 1, tick_size=0.25)
    assert bars.height == 227
    assert bars["volume"].sum() == 3_505 + 3 * 227
    assert (bars["high"].max(), bars["low"].min()) == (25_759.5, 25_736.75)
    assert bars["high"].to_list() == rows["high"].to_list()
    dense = pl.datetime_range(opens[0], opens[-1], "1s", time_unit="us", eager=True)
    silent = dense.filter(~dense.is_in(bars["ts_open"].implode())).dt.strftime("%M:%S").to_list()
    assert silent == [
        "00:07",
        "00:09",
        "00:28",
        "00:32",
        "01:28",
        "01:57",
        "01:58",
        "02:02",
        "02:03",
        "02:19",
        "02:20",
        "03:55",
    ]


@pytest.mark.parametrize("price", [2.0**18, -(2.0**18)])
def test_b1_sums_that_floats_cannot_hold_exactly_are_refused(price: float) -> None:
    """Four trades of 2**31 - 1 contracts at 2**20 ticks stay below 2**53, five do not."""

    def ticks(rows: int) -> pl.DataFrame:
        size = np.full(rows, 2**31 - 1)
        return frames.tick_frame(frames.START_US + np.arange(rows), np.full(rows, price), size, np.ones(rows))

    bars = time_bars(ticks(4), 1, tick_size=0.25)
    assert bars["notional"].to_list() == [4 * (2**31 - 1) * price]
    for make in (
        lambda: time_bars(ticks(5), 1, tick_size=0.25),
        lambda: dollar_bars(ticks(5), 100.0, tick_size=0.25, multiplier_usd=2.0),
        lambda: volume_bars(ticks(5), 100, tick_size=0.25),
    ):
        with pytest.raises(QualityError, match="too large to be summed exactly") as caught:
            make()
        assert caught.value.code == "E423"
