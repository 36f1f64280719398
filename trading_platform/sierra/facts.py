"""What is measured about a day of ticks, from its columns alone.

Belongs here: sums, counts, gaps and the preview, accumulated row group by row group, so that the same code serves the build and the later
measurement of a stored file. Does not belong here: judging (``checks.py``) and what only the source knows (quotes, rejects, strays).

All results are exact or order-independent: money is summed in whole ticks times contracts as integers, so reruns give the same bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import SourceError
from ..instants import instant_of
from ..lake.building import Json, Preview
from ..sessions import Session
from .decode import (
    FLAG_CROSSED,
    FLAG_OFF_TICK,
    FLAG_TS_DECREASED,
    FLAG_VOLUME_SPLIT,
    Bools,
    pool_array,
)
from .format import Int64s
from .hours import TradingHours
from .prices import Float64s, PriceRule

TICK_PREVIEW_BUCKETS = 96
_EXACT_BELOW = 2.0**53  # float64 holds every integer up to here
_FLAG_FACTS = {
    FLAG_TS_DECREASED: "ts_decreased_rows",
    FLAG_OFF_TICK: "off_tick_rows",
    FLAG_CROSSED: "crossed_rows",
    FLAG_VOLUME_SPLIT: "volume_split_rows",
}


@dataclass(frozen=True)
class TickChunk:
    """Some rows of a partition in order; null masks are None where every row has a quote."""

    ts_us: Int64s
    price: Float64s
    volume: NDArray[np.int32]
    side: NDArray[np.int8]
    bundle: NDArray[np.uint8]
    flags: NDArray[np.uint8]
    bid_null: Bools | None
    ask_null: Bools | None


class FactCounter:
    """Accumulates facts over the chunks of one day.

    Args:
        session: trading hours of the day; an open one.
        rule: tick size of the prices.
        remedy: the command that helps if the rows cannot be summed.
    """

    def __init__(self, session: Session, rule: PriceRule, remedy: str) -> None:
        self._hours = TradingHours(session)
        self._tick = rule.tick
        self._remedy = remedy
        self._counts = dict.fromkeys(
            (*_FLAG_FACTS.values(), "bundle_first_rows", "bundle_last_rows", "bid_null_rows", "ask_null_rows"), 0
        )
        self._rows = self._outside = 0
        self._volume = self._unknown = self._delta = self._notional_ticks = 0
        self._first_us = self._last_us = 0
        self._price_min, self._price_max = np.inf, -np.inf
        self._gap_us = 0
        self._gap_at: int | None = None
        self._last_ticks: float | None = None
        self._jump_ticks = 0.0
        self._jump_at: int | None = None
        self._preview = _PreviewCounter(self._hours.opens_us, self._hours.closes_us)
        self._scratch: Float64s = np.empty((3, 0), np.float64)

    def add(self, chunk: TickChunk) -> None:
        """Take the next rows into account.

        Raises:
            SourceError: E220 if volumes and prices are so large that their sum would not be exact.
        """
        rows = len(chunk.ts_us)
        if rows == 0:
            return
        if rows > self._scratch.shape[1]:
            self._scratch = pool_array(3 * rows, np.float64).reshape(3, rows)
        forward, gaps = self._forward(chunk)
        late = forward is not chunk.ts_us
        first = int(chunk.ts_us.min() if late else forward[0])
        last = int(chunk.ts_us.max() if late else forward[-1])
        self._add_counts(chunk)
        self._add_gaps(forward, gaps)
        self._outside += self._hours.count_outside(chunk.ts_us, first, last)
        weights, amounts = self._scratch[1:, :rows]
        np.copyto(weights, chunk.volume)
        self._preview.add(forward, chunk.price, weights)
        self._add_amounts(chunk, weights, amounts)
        self._first_us = first if self._rows == 0 else min(first, self._first_us)
        self._last_us = last if self._rows == 0 else max(last, self._last_us)
        self._rows += rows

    def facts(self) -> dict[str, Json]:
        """Return the facts; times are ISO 8601 UTC with microseconds, null where there are no rows."""
        known = (self._volume - self._unknown, self._delta)
        some = self._rows > 0
        return {
            "rows": self._rows,
            "volume_sum": self._volume,
            "buy_volume": (known[0] + known[1]) // 2,
            "sell_volume": (known[0] - known[1]) // 2,
            "unknown_volume": self._unknown,
            "notional": float(self._notional_ticks * self._tick),
            "price_min": float(self._price_min) if some else None,
            "price_max": float(self._price_max) if some else None,
            "first_ts": _iso(self._first_us) if some else None,
            "last_ts": _iso(self._last_us) if some else None,
            "open_gap_s": self._hours.traded_us(self._hours.opens_us, self._first_us) / 1e6 if some else None,
            "close_gap_s": self._hours.traded_us(self._last_us, self._hours.closes_us) / 1e6 if some else None,
            "largest_gap_s": self._gap_us / 1e6,
            "gap_at": None if self._gap_at is None else _iso(self._gap_at),
            "largest_jump": float(int(self._jump_ticks) * self._tick) if some else None,
            "jump_at": None if self._jump_at is None else _iso(self._jump_at),
            "outside_hours_rows": self._outside,
            **self._counts,
        }

    def preview(self) -> Preview:
        """Return the picture of the day."""
        return self._preview.preview()

    def _add_amounts(self, chunk: TickChunk, weights: Float64s, amounts: Float64s) -> None:
        """Add sums of volume and money; whole numbers below 2**53 (checked), so float sums of them are exact in whatever order.

        ``np.dot`` would do it in one step, but wakes a pool of threads that waits actively: twice the CPU of a whole build.

        Args:
            chunk: the rows.
            weights: their volumes as floats, which multiply and sum without a conversion in every step.
            amounts: overwritten.
        """
        volume = float(weights.sum())
        low, high = float(chunk.price.min()), float(chunk.price.max())
        # No sum over these rows is larger than this, whatever the order of additions.
        largest = max(abs(low), abs(high), float(self._tick)) / float(self._tick) * volume
        if not largest < _EXACT_BELOW:
            raise self._not_exact(chunk, volume, low, high)
        self._volume += int(volume)
        signed: NDArray[np.int32] = amounts.view(np.int32)[: len(weights)]
        np.multiply(chunk.volume, chunk.side, out=signed)
        self._delta += int(signed.sum(dtype=np.int64))
        if np.count_nonzero(chunk.side) < len(weights):
            self._unknown += int(weights[chunk.side == 0].sum())
        self._price_min = min(self._price_min, low)
        self._price_max = max(self._price_max, high)
        ticks = np.multiply(chunk.price, float(1 / self._tick), out=amounts)
        np.rint(ticks, out=ticks)
        self._add_jumps(ticks, chunk.ts_us)
        np.multiply(ticks, weights, out=ticks)
        self._notional_ticks += int(ticks.sum())

    def _add_jumps(self, ticks: Float64s, ts_us: Int64s) -> None:
        """Look for the largest step from one price to the next, in whole ticks, in two reductions: an absolute value is a third pass."""
        if self._last_ticks is not None:
            self._consider_jump(abs(float(ticks[0]) - self._last_ticks), int(ts_us[0]))
        self._last_ticks = float(ticks[-1])
        if len(ticks) < 2:
            return
        steps = np.subtract(ticks[1:], ticks[:-1], out=self._scratch[0, : len(ticks) - 1])
        largest = max(float(steps.max()), -float(steps.min()))
        if largest > self._jump_ticks:
            self._consider_jump(largest, int(ts_us[1 + int((np.abs(steps) == largest).argmax())]))

    def _consider_jump(self, ticks: float, at: int) -> None:
        if ticks > self._jump_ticks:
            self._jump_ticks, self._jump_at = ticks, at

    def _not_exact(self, chunk: TickChunk, volume: float, low: float, high: float) -> SourceError:
        return SourceError(
            "E220",
            f"{len(chunk.ts_us):,} trades from {_iso(int(chunk.ts_us[0]))} on hold {volume:,.0f} contracts at prices from {low} to {high}",
            "price in ticks times size cannot be summed exactly beyond 2**53: volumes or prices are damaged; "
            "nothing was written",
            self._remedy,
        )

    def _add_counts(self, chunk: TickChunk) -> None:
        if chunk.flags.any():
            for bit, name in _FLAG_FACTS.items():
                self._counts[name] += int(np.count_nonzero(chunk.flags & bit))
        bundled = int(np.count_nonzero(chunk.bundle))
        if bundled:
            first = int(np.count_nonzero(chunk.bundle == 1))
            self._counts["bundle_first_rows"] += first
            self._counts["bundle_last_rows"] += bundled - first
        for name, null in (("bid_null_rows", chunk.bid_null), ("ask_null_rows", chunk.ask_null)):
            self._counts[name] += 0 if null is None else int(np.count_nonzero(null))

    def _forward(self, chunk: TickChunk) -> tuple[Int64s, Int64s]:
        """Return times that never decrease, and the gaps between them: a late record must neither open a gap nor upset a binary search."""
        late = self._rows > 0 and int(chunk.ts_us[0]) < self._last_us
        gaps = self._gaps(chunk.ts_us)
        if not late and (len(gaps) == 0 or gaps.min() >= 0):
            return chunk.ts_us, gaps
        forward: Int64s = np.maximum.accumulate(chunk.ts_us)
        if late:
            np.maximum(forward, self._last_us, out=forward)
        return forward, self._gaps(forward)

    def _gaps(self, ts_us: Int64s) -> Int64s:
        """Return the differences in reused memory: fresh arrays of this size cost more in page faults than the work on them."""
        out: Int64s = self._scratch[0].view(np.int64)[: len(ts_us) - 1]
        return np.subtract(ts_us[1:], ts_us[:-1], out=out)

    def _add_gaps(self, forward: Int64s, gaps: Int64s) -> None:
        if self._rows:
            self._consider_gap(self._last_us, int(forward[0]))
        if len(gaps) == 0:
            return
        longest = int(gaps.argmax())
        if int(gaps[longest]) <= self._gap_us:
            return
        self._consider_gap(int(forward[longest]), int(forward[longest + 1]))
        # Only a gap that spans a break is shorter in trading time than on the clock; then a shorter one may win.
        longer = np.flatnonzero(gaps > self._gap_us)
        for at in longer[np.argsort(-gaps[longer], kind="stable")].tolist():
            if int(gaps[at]) <= self._gap_us:
                break
            self._consider_gap(int(forward[at]), int(forward[at + 1]))

    def _consider_gap(self, start: int, end: int) -> None:
        length = self._hours.traded_us(start, end)
        if length > self._gap_us:
            self._gap_us, self._gap_at = length, start


class _PreviewCounter:
    """Equal time buckets over the trading hours, filled by binary search of their edges."""

    def __init__(self, start_us: int, end_us: int) -> None:
        self._start, self._step = start_us, -((start_us - end_us) // TICK_PREVIEW_BUCKETS)
        self._edges: Int64s = start_us + self._step * np.arange(TICK_PREVIEW_BUCKETS + 1, dtype=np.int64)
        self._price: Float64s = np.full(TICK_PREVIEW_BUCKETS, np.nan)
        self._volume: Int64s = np.zeros(TICK_PREVIEW_BUCKETS, np.int64)

    def add(self, forward: Int64s, price: Float64s, volume: Float64s) -> None:
        at = np.searchsorted(forward, self._edges)
        filled = np.flatnonzero(at[1:] > at[:-1])
        if len(filled) == 0:
            return
        self._price[filled] = price[at[filled + 1] - 1]
        within = volume[at[filled[0]] : at[filled[-1] + 1]]
        self._volume[filled] += np.add.reduceat(within, at[filled] - at[filled[0]]).astype(np.int64)

    def preview(self) -> Preview:
        return Preview(self._start, self._step, self._price, self._volume)


def _iso(us: int) -> str:
    return instant_of(us).isoformat(timespec="microseconds")


def chunk_of(columns: Any) -> TickChunk:
    """Return the rows of ``TickColumns`` or of anything with the same attributes as a chunk."""
    rows = columns.rows
    return TickChunk(
        columns.ts_us[:rows],
        columns.price[:rows],
        columns.volume[:rows],
        columns.side[:rows],
        columns.bundle[:rows],
        columns.flags[:rows],
        None if columns.bid_null is None else columns.bid_null[:rows],
        None if columns.ask_null is None else columns.ask_null[:rows],
    )
