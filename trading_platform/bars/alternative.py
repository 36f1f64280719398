"""Volume, tick and dollar bars.

Belongs here: bars that close when enough has traded. Does not belong here: clock bars (``kernel.py``).

Rules: a bar closes with the tick that reaches the threshold. A tick is never split and an overshoot is never carried over, so the
volumes of the bars add up to the volume of the ticks, and each bar but the last reaches its threshold only with its last tick. The last
bar of the input is kept although it may be short. Ticks are taken by (time, file order), as for clock bars.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Final

import numpy as np
import polars as pl

from ..errors import QualityError
from .kernel import BAR_COLUMNS, bar_frame, check_ticks, single_contract, tick_arrays
from .partials import Ints, aggregate, in_time_order, notional_in_ticks

THRESHOLD_BAR_COLUMNS: Final = (BAR_COLUMNS[0], "ts_close", *BAR_COLUMNS[1:])


def _refuse(what: str) -> QualityError:
    return QualityError(
        "E424",
        what,
        "a bar closes when the traded quantity reaches its threshold, which must be greater than zero; nothing was written",
        "tp export bars --help",
    )


def _bar_numbers(cumulative: Ints, threshold: int) -> Ints:
    """Return for each tick the number of its bar, given the running total after each tick (never decreasing)."""
    count = len(cumulative)
    starts: list[int] = []
    start, done = 0, 0
    while start < count:
        starts.append(start)
        closing = int(cumulative.searchsorted(done + threshold))
        if closing >= count:
            break
        done = int(cumulative[closing])
        start = closing + 1
    numbers = np.zeros(count, np.int64)
    numbers[starts[1:]] = 1
    return np.cumsum(numbers)


def _threshold_bars(ticks: pl.DataFrame, quantity: str, threshold: int, tick_size: float) -> pl.DataFrame:
    """Cut the ticks where the running ``quantity`` (ticks, volume or absolute notional in ticks) reaches the threshold."""
    check_ticks(ticks)
    contract = single_contract(ticks)
    arrays = in_time_order(tick_arrays(ticks))
    if quantity == "ticks":
        number = np.arange(len(arrays.ts_us), dtype=np.int64) // threshold
    else:
        traded = arrays.volume.astype(np.float64)
        if quantity == "notional" and len(traded):
            traded = np.abs(notional_in_ticks(arrays, traded, tick_size))
        number = _bar_numbers(np.cumsum(traded.astype(np.int64)), threshold)
    bars = aggregate(arrays, number, tick_size)
    frame = bar_frame(bars, bars.first_us, tick_size, contract)
    ts_close = pl.Series("ts_close", bars.last_us).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    return frame.with_columns(ts_close).select(THRESHOLD_BAR_COLUMNS)


def volume_bars(ticks: pl.DataFrame, volume: int, *, tick_size: float) -> pl.DataFrame:
    """Build bars of at least ``volume`` contracts each.

    Args:
        ticks: as for ``time_bars``.
        volume: contracts, at least 1.
        tick_size: points.

    Returns:
        Columns of ``time_bars`` plus ``ts_close`` after ``ts_open``: times of the first and the last trade of the bar, both inclusive; the
        bar is known from ``ts_close`` on. ``ts_open`` need not be unique, since many trades share a microsecond.

    Raises:
        QualityError: E424 for a threshold below 1, E421, E423, E425 as ``time_bars``.
    """
    if volume < 1:
        raise _refuse(f"the bar volume is {volume} contracts, expected at least 1")
    return _threshold_bars(ticks, "volume", volume, tick_size)


def tick_bars(ticks: pl.DataFrame, count: int, *, tick_size: float) -> pl.DataFrame:
    """Build bars of ``count`` trades each; arguments, columns and errors as ``volume_bars``."""
    if count < 1:
        raise _refuse(f"the bar length is {count} ticks, expected at least 1")
    return _threshold_bars(ticks, "ticks", count, tick_size)


def dollar_bars(ticks: pl.DataFrame, usd: float, *, tick_size: float, multiplier_usd: float) -> pl.DataFrame:
    """Build bars in which at least ``usd`` changed hands.

    The value of a trade is |price| x size x multiplier: a price below zero (CL in April 2020) moves money as well. The running total is
    kept in whole ticks, so the cuts are exact.

    Args:
        ticks: as for ``time_bars``.
        usd: US dollars, above 0.
        tick_size: points.
        multiplier_usd: US dollars per point and contract.

    Returns:
        Columns as ``volume_bars``.

    Raises:
        QualityError: as ``volume_bars``.
    """
    if not (math.isfinite(usd) and usd > 0):
        raise _refuse(f"the bar value is {usd} USD, expected more than 0")
    # Through the decimal text of the registry, since the binary 0.1 is not a tenth.
    per_tick = Fraction(str(tick_size)) * Fraction(str(multiplier_usd))
    return _threshold_bars(ticks, "notional", math.ceil(Fraction(str(usd)) / per_tick), tick_size)
