"""Bars under construction, as integer sums that can be added in any grouping with the same result.

Belongs here: the aggregation of a chunk of ticks into partial bars and the union of partial bars. A partial bar holds notional as an
integer number of ticks (price in ticks times size), so that chunk size, step and order of additions cannot change a digit. Does not belong
here: files, sessions, frames (``kernel.py``).

Source: docs/architecture.md, "Bars"; prices are multiples of the tick size by the contract of ``ticks``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import QualityError

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Index = npt.NDArray[np.intp]

# Distance from the grid, in ticks, that binary fractions such as 0.1 or 0.00005 can cause; a real off-grid price is off by far more.
STORED_GRID_TOLERANCE_TICKS = 1e-3
EXACT_BELOW = 2.0**53  # float64 holds every integer up to here
REPAIR = "tp backfill KEY --from D --to D --force"


@dataclass(frozen=True, slots=True)
class TickArrays:
    """A run of ticks in file order.

    Attributes:
        ts_us: int64, epoch microseconds UTC.
        price: float64, points, multiples of the tick size.
        bid: float64, points, NaN where unknown.
        ask: float64, points, NaN where unknown.
        volume: signed integer, contracts, at least 1.
        side: int8, +1 buyer, -1 seller, 0 unknown.
    """

    ts_us: Ints
    price: Floats
    bid: Floats
    ask: Floats
    volume: npt.NDArray[np.signedinteger]
    side: npt.NDArray[np.int8]

    def take(self, order: Index) -> TickArrays:
        """Return the ticks at the given positions."""
        return TickArrays(**{item.name: getattr(self, item.name)[order] for item in fields(self)})


@dataclass(frozen=True, slots=True)
class PartialBars:
    """Bars, or the parts of bars that one chunk of ticks contributes; one array element per bar.

    Attributes:
        bucket: int64, what makes two parts one bar; ascending.
        first_us: int64, time of the tick behind ``open``.
        last_us: int64, time of the tick behind ``close``.
        open: float64, points.
        high: float64, points.
        low: float64, points.
        close: float64, points.
        bid_close: float64, points, bid at the tick of ``close``, NaN where unknown.
        ask_close: float64, points, ask at the tick of ``close``, NaN where unknown.
        volume: int64, contracts.
        notional_ticks: int64, sum of price in ticks times size.
        buy_volume: int64, contracts.
        sell_volume: int64, contracts.
        unknown_volume: int64, contracts.
        trades: int64, ticks.
    """

    bucket: Ints
    first_us: Ints
    last_us: Ints
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    bid_close: Floats
    ask_close: Floats
    volume: Ints
    notional_ticks: Ints
    buy_volume: Ints
    sell_volume: Ints
    unknown_volume: Ints
    trades: Ints

    def __len__(self) -> int:
        """Return the number of (partial) bars."""
        return len(self.bucket)


SUMS = ("volume", "notional_ticks", "buy_volume", "sell_volume", "unknown_volume", "trades")
_FLOATS = frozenset({"open", "high", "low", "close", "bid_close", "ask_close"})


def empty_bars() -> PartialBars:
    """Return zero bars."""
    columns: dict[str, Any] = {
        item.name: np.empty(0, np.float64 if item.name in _FLOATS else np.int64) for item in fields(PartialBars)
    }
    return PartialBars(**columns)


def starts_of(bucket: Ints) -> Index:
    """Return the positions at which a run of equal values starts."""
    if len(bucket) == 0:
        return np.empty(0, np.intp)
    return np.concatenate((np.zeros(1, np.intp), np.flatnonzero(bucket[1:] != bucket[:-1]) + 1))


def in_time_order(ticks: TickArrays) -> TickArrays:
    """Return the ticks in (time, file order); a source that stepped back in time is sorted, ties keep file order."""
    if len(ticks.ts_us) < 2 or bool((ticks.ts_us[1:] >= ticks.ts_us[:-1]).all()):
        return ticks
    return ticks.take(np.argsort(ticks.ts_us, kind="stable"))


def price_in_ticks(price: Floats, tick_size: float) -> Floats:
    """Return prices as whole numbers of ticks, in float64 (whole numbers below 2**53 are exact).

    Raises:
        QualityError: E423 if a price is not finite or not on the tick grid.
    """
    scaled = price * (1.0 / tick_size)
    whole = np.rint(scaled)
    with np.errstate(invalid="ignore"):
        np.subtract(scaled, whole, out=scaled)
    # A NaN makes both comparisons false, so it is caught as well.
    if len(scaled) and not (
        scaled.max() <= STORED_GRID_TOLERANCE_TICKS and scaled.min() >= -STORED_GRID_TOLERANCE_TICKS
    ):
        at = int(np.flatnonzero(~(np.abs(scaled) <= STORED_GRID_TOLERANCE_TICKS))[0])
        raise QualityError(
            "E423",
            f"tick {at} of the chunk has the price {float(price[at])!r}, expected a finite multiple of {tick_size}",
            "the notional of a bar is summed in whole ticks; the tick size of the registry does not fit these prices",
            "tp instruments list",
        )
    return whole


def notional_in_ticks(ticks: TickArrays, size: Floats, tick_size: float) -> Floats:
    """Return price in ticks times size of each tick, in float64, such that any sum of them is exact.

    Args:
        ticks: at least one.
        size: their volumes as float64, at least 1 each.
        tick_size: points.

    Raises:
        QualityError: E423 for a price off the grid, or if a sum could reach 2**53.
    """
    whole = price_in_ticks(ticks.price, tick_size)
    largest = max(-float(whole.min()), float(whole.max()), 1.0) * float(size.sum())
    if not largest < EXACT_BELOW:
        raise QualityError(
            "E423",
            f"{len(whole):,} ticks of {size.sum():,.0f} contracts at up to {np.abs(ticks.price).max()} are too large to be summed exactly",
            "the notional of a bar is summed in whole ticks, exact below 2**53, and no market trades that much; nothing was written",
            REPAIR,
        )
    return np.multiply(whole, size, out=whole)


def aggregate(ticks: TickArrays, bucket: Ints, tick_size: float) -> PartialBars:
    """Aggregate ticks into one partial bar per run of equal buckets.

    Args:
        ticks: in (time, file order).
        bucket: int64 per tick, ascending.
        tick_size: points.

    Returns:
        Partial bars, ascending by bucket.

    Raises:
        QualityError: E423 for a price off the grid, a volume below 1, or sums beyond 2**53.
    """
    starts = starts_of(bucket)
    count = len(bucket)
    if count == 0:
        return empty_bars()
    if int(ticks.volume.min()) < 1:
        at = int(ticks.volume.argmin())
        raise QualityError(
            "E423",
            f"tick {at} of the chunk has the volume {int(ticks.volume[at])}, expected at least 1",
            "quotes without a trade must not reach the bars; the ticks were not made by this platform's importer",
            REPAIR,
        )
    ends = np.append(starts[1:], count) - 1
    # float64 holds every integer below 2**53, so these sums are exact, and their vector loops are faster than those of int64.
    size = ticks.volume.astype(np.float64)
    notional = notional_in_ticks(ticks, size, tick_size)

    def total(values: Floats) -> Ints:
        return np.add.reduceat(values, starts).astype(np.int64)

    return PartialBars(
        bucket=bucket[starts],
        first_us=ticks.ts_us[starts],
        last_us=ticks.ts_us[ends],
        open=ticks.price[starts],
        high=np.maximum.reduceat(ticks.price, starts),
        low=np.minimum.reduceat(ticks.price, starts),
        close=ticks.price[ends],
        bid_close=ticks.bid[ends],
        ask_close=ticks.ask[ends],
        volume=total(size),
        notional_ticks=total(notional),
        buy_volume=total(size * (ticks.side > 0)),
        sell_volume=total(size * (ticks.side < 0)),
        unknown_volume=total(size * (ticks.side == 0)),
        trades=ends - starts + 1,
    )


def concatenate(parts: Sequence[PartialBars]) -> PartialBars:
    """Return the parts one after the other, unmerged."""
    if not parts:
        return empty_bars()
    return PartialBars(
        **{item.name: np.concatenate([getattr(part, item.name) for part in parts]) for item in fields(PartialBars)}
    )


def merge(bars: PartialBars) -> PartialBars:
    """Unite partial bars of equal bucket.

    Args:
        bars: parts in the order of the file.

    Returns:
        One bar per bucket, ascending. Open is that of the earliest tick, close that of the latest; among equal times the file order
        decides. The result does not depend on how the ticks were cut into parts.
    """
    if len(bars) < 2:
        return bars
    same_or_later = bars.bucket[1:] >= bars.bucket[:-1]
    by_open = by_close = np.arange(len(bars))
    if not bool((same_or_later & (bars.first_us[1:] >= bars.last_us[:-1])).all()):
        by_open = np.lexsort((bars.first_us, bars.bucket))
        by_close = np.lexsort((bars.last_us, bars.bucket))
    starts = starts_of(bars.bucket[by_open])
    ends = np.append(starts[1:], len(bars)) - 1
    first, last = by_open[starts], by_close[ends]
    return PartialBars(
        bucket=bars.bucket[first],
        first_us=bars.first_us[first],
        last_us=bars.last_us[last],
        open=bars.open[first],
        high=np.maximum.reduceat(bars.high[by_open], starts),
        low=np.minimum.reduceat(bars.low[by_open], starts),
        close=bars.close[last],
        bid_close=bars.bid_close[last],
        ask_close=bars.ask_close[last],
        **{name: np.add.reduceat(getattr(bars, name)[by_open], starts) for name in SUMS},
    )
