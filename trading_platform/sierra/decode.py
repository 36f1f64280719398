"""Records to the columns of the ``ticks`` contract, and what is set aside.

Belongs here: the verdict on a record; price, quote, side, bundle and flags of a trade. Does not belong here: what a record was written as
(``records.py``), how a stored number becomes a price (``prices.py``), which records form a day (``index.py``, ``ticks.py``) and storage.

Source: Sierra Chart's intraday record: in a single-trade record Close is the price, High the ask, Low the bid, Open zero or a sweep
sentinel, BidVolume the size hit by a seller, AskVolume the size lifted by a buyer. The side comes from the volumes alone: a price against a
quote that is one event old names the wrong side.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ..errors import SourceError
from .format import EPOCH_OFFSET_US, INT32_MAX, OPEN_FIRST_BITS, OPEN_LAST_BITS, Int64s, Records, Timing, judge_timing
from .prices import GRID_TOLERANCE_TICKS, Float64s, PriceRule
from .records import RecordKind, record_kinds
from .scid import BLOCK_RECORDS

MINUS_ZERO_BITS = 0x80000000  # minus zero is zero

FLAG_TS_DECREASED = 1
FLAG_OFF_TICK = 2
FLAG_CROSSED = 4
FLAG_VOLUME_SPLIT = 8

Bools = NDArray[np.bool_]


class Verdict(IntEnum):
    """What a record is; everything from ``TIMESTAMP_IMPLAUSIBLE`` on is a reject with that reason."""

    TRADE = 0
    QUOTE = 1
    ZERO_RECORD = 2
    OTHER_DAY = 3
    TIMESTAMP_IMPLAUSIBLE = 4
    TIMESTAMP_TORN = 5
    LEGACY_DATE = 6
    BAR_RECORD = 7
    MALFORMED_RECORD = 8
    PRICE_NOT_FINITE = 9
    PRICE_ZERO = 10
    PRICE_NEGATIVE = 11
    PRICE_OUT_OF_BAND = 12
    PRICE_FAR_FROM_DAY = 13
    VOLUME_ZERO = 14
    VOLUME_TOO_LARGE = 15

    @property
    def reason(self) -> str:
        """Return the reason code stored in quarantine."""
        return self.name.lower()


@dataclass
class TickColumns:
    """Columns of a row group that is being filled; all have the same capacity.

    Attributes:
        ts_us: int64, epoch microseconds UTC, counter digits kept.
        price, bid, ask: float64 points.
        bid_null, ask_null: True where there is no quote; None as long as there is one everywhere.
        volume: int32 contracts. side: int8 +1 buyer, -1 seller, 0 unknown. bundle: uint8 1 first, 2 last leg of a sweep. flags: uint8.
        rows: filled rows.
    """

    ts_us: Int64s
    price: Float64s
    bid: Float64s
    ask: Float64s
    volume: NDArray[np.int32]
    side: NDArray[np.int8]
    bundle: NDArray[np.uint8]
    flags: NDArray[np.uint8]
    bid_null: Bools | None = None
    ask_null: Bools | None = None
    rows: int = 0

    @classmethod
    def empty(cls, capacity: int) -> TickColumns:
        """Allocate columns in Arrow's memory pool, to which they are handed without copying.

        Every row group gets its own. The pool keeps freed memory, whereas malloc returns blocks of this size to the system and the page
        faults of taking them again cost as much as decoding.
        """
        floats = [pool_array(capacity, np.float64) for _ in range(3)]
        small = [pool_array(capacity, dtype) for dtype in (np.int32, np.int8, np.uint8, np.uint8)]
        return cls(pool_array(capacity, np.int64), *floats, *small)

    @property
    def capacity(self) -> int:
        """Return how many rows fit."""
        return len(self.ts_us)


@dataclass(frozen=True)
class RejectedRows:
    """Records of one block that are no trades.

    Attributes:
        records: the records as stored.
        verdicts: uint8 ``Verdict`` of each.
        seq_before: uint32, clean rows before it in the partition.
        first_record: file index of the first of them.
    """

    records: Records
    verdicts: NDArray[np.uint8]
    seq_before: NDArray[np.uint32]
    first_record: int


@dataclass
class _Scratch:
    """Reused block-sized buffers: fresh ones would double the decoding time by page faults."""

    bits: NDArray[np.uint32] = field(default_factory=lambda: np.empty(BLOCK_RECORDS, np.uint32))
    counts: NDArray[np.uint32] = field(default_factory=lambda: np.empty((4, BLOCK_RECORDS), np.uint32))
    floats: Float64s = field(default_factory=lambda: np.empty((4, BLOCK_RECORDS), np.float64))
    truths: Bools = field(default_factory=lambda: np.empty((2, BLOCK_RECORDS), np.bool_))


class TickDecoder:
    """Decodes the records of one partition, block by block in file order.

    Args:
        path: the file, for errors.
        rule: prices of the file.
        start_us: first instant of the window, epoch microseconds UTC.
        end_us: first instant after it. A plausible time outside the window is an ``OTHER_DAY`` record: never decoded, never rejected.
        latest: largest plausible DateTime, Sierra microseconds.
        reference: price level of the day in points; a trade further from it than a factor of ``NEAR_FACTOR`` is refused. None: no limit.

    Attributes:
        rows: clean rows so far.
        quote_rows: quote-only records so far; they are no trades and are counted only.
        other_day_rows: records outside the window so far.
        rejected: rejects so far by reason code.
        first_reject: file index and reason of the first reject; None if there is none.
    """

    def __init__(
        self, path: Path, rule: PriceRule, start_us: int, end_us: int, latest: int, *, reference: float | None = None
    ) -> None:
        self.path = path
        self.rule = rule
        self.rows = 0
        self.quote_rows = 0
        self.other_day_rows = 0
        self.rejected: dict[str, int] = {}
        self.first_reject: tuple[int, str] | None = None
        self._window_us = (start_us, end_us)
        self._latest = latest
        self._factor = rule.ticks_per_stored
        self._bounds = rule.tick_bounds
        self._near = self._bounds if reference is None else rule.near(reference)
        self._scratch = _Scratch()
        self._last_ts: int | None = None

    def decode(
        self, records: Records, first_record: int, out: TickColumns, *, damaged: bool = False
    ) -> RejectedRows | None:
        """Append the trades among ``records`` to ``out``.

        Args:
            records: at most ``BLOCK_RECORDS``, and not more than ``out`` has room for.
            first_record: file index of the first one, for errors.
            out: filled from ``out.rows`` on.
            damaged: True for a bad run of the index: none of its records is a trade.

        Returns:
            What must go to quarantine; None if nothing.

        Raises:
            SourceError: E208 a zero record.
        """
        if not damaged and self._append(records, out):
            return None
        verdicts = self._judge(records, damaged=damaged)
        zero = np.flatnonzero(verdicts == Verdict.ZERO_RECORD)
        if len(zero):
            raise zero_record(self.path, first_record + int(zero[0]))
        trades = verdicts == Verdict.TRADE
        before = self.rows
        if trades.any() and not self._append(np.ascontiguousarray(records[trades]), out):
            raise AssertionError(
                "Expected every record judged a trade to decode"
            )  # the two paths disagree: a defect, not data
        self.quote_rows += int(np.count_nonzero(verdicts == Verdict.QUOTE))
        self.other_day_rows += int(np.count_nonzero(verdicts == Verdict.OTHER_DAY))
        bad = np.flatnonzero(verdicts >= Verdict.TIMESTAMP_IMPLAUSIBLE)
        if not len(bad):
            return None
        seq_before = (before + np.cumsum(trades))[bad].astype(np.uint32)
        for verdict, count in zip(*np.unique(verdicts[bad], return_counts=True), strict=True):
            reason = Verdict(int(verdict)).reason
            self.rejected[reason] = self.rejected.get(reason, 0) + int(count)
        first = first_record + int(bad[0])
        if self.first_reject is None:
            self.first_reject = (first, Verdict(int(verdicts[bad[0]])).reason)
        return RejectedRows(records[bad], verdicts[bad], seq_before, first)

    def _append(self, records: Records, out: TickColumns) -> bool:
        """Decode records that are all trades; False, with nothing appended, if one of them is not."""
        n, scratch = len(records), self._scratch
        here = slice(out.rows, out.rows + n)
        # Whatever turns out to be no trade is overwritten: rows count only once out.rows is raised.
        ts_us, volume, bundle, flags = out.ts_us[here], out.volume[here], out.bundle[here], out.flags[here]
        total = volume.view(np.uint32)
        bits, (num_trades, bid_volume, ask_volume, split) = scratch.bits[:n], scratch.counts[:, :n]
        stored, ticks, bid_ticks, ask_ticks = scratch.floats[:, :n]
        np.subtract(records["dt"], EPOCH_OFFSET_US, out=ts_us)
        np.copyto(bits, records["open"].view(np.uint32))
        np.copyto(num_trades, records["num_trades"])
        np.copyto(total, records["total_volume"])
        np.copyto(bid_volume, records["bid_volume"])
        np.copyto(ask_volume, records["ask_volume"])
        np.copyto(stored, records["close"])
        np.multiply(stored, self._factor, out=stored)
        np.rint(stored, out=ticks)
        decreased = np.less(ts_us[1:], ts_us[:-1], out=scratch.truths[0, : n - 1])
        ordered = not decreased.any()
        if not (
            self._in_window(ts_us, ordered=ordered)
            and _counts_of_trades(num_trades, total, bid_volume, ask_volume)
            and _credible(ticks, self._near)
            and _bundles(bits, bundle, scratch.truths[1, :n])
        ):
            return False

        self.rule.points(ticks, out.price[here])
        sold, bought = np.greater(bid_volume, 0, out=scratch.truths[1, :n]), np.greater(ask_volume, 0)
        np.subtract(bought.view(np.int8), sold.view(np.int8), out=out.side[here])
        flags[:] = 0
        if not ordered:
            flags[1:][decreased] |= FLAG_TS_DECREASED
        if self._last_ts is not None and ts_us[0] < self._last_ts:
            flags[0] |= FLAG_TS_DECREASED
        self._last_ts = int(ts_us[-1])
        np.subtract(stored, ticks, out=stored)
        np.abs(stored, out=stored)
        if np.maximum.reduce(stored) > GRID_TOLERANCE_TICKS:
            flags[stored > GRID_TOLERANCE_TICKS] |= FLAG_OFF_TICK
        bid_null = self._quote(records["low"], bid_ticks, out.bid[here])
        ask_null = self._quote(records["high"], ask_ticks, out.ask[here])
        crossed = np.greater(bid_ticks, ask_ticks, out=scratch.truths[0, :n])
        if bid_null is not None or ask_null is not None:
            _mark_nulls(out, here, bid_null, ask_null)
            crossed &= ~(_or_none(bid_null, n) | _or_none(ask_null, n))
        if crossed.any():
            flags[crossed] |= FLAG_CROSSED
        np.add(bid_volume, ask_volume, out=split)
        differs = np.not_equal(split, total, out=scratch.truths[0, :n])
        if differs.any():
            flags[differs] |= FLAG_VOLUME_SPLIT
        out.rows += n
        self.rows += n
        return True

    def _in_window(self, ts_us: Int64s, *, ordered: bool) -> bool:
        """Tell whether every time lies in the window; if they are ordered, both ends decide."""
        start_us, end_us = self._window_us
        first, last = (ts_us[0], ts_us[-1]) if ordered else (ts_us.min(), ts_us.max())
        return bool(first >= start_us and last < end_us)

    def _quote(self, stored: NDArray[np.float32], ticks: Float64s, out: Float64s) -> Bools | None:
        """Convert one side's quotes; returns where there is none (zero, not finite, beyond any credible price)."""
        np.copyto(ticks, stored)
        np.multiply(ticks, self._factor, out=ticks)
        np.rint(ticks, out=ticks)
        null: Bools | None = None
        if not _credible(ticks, self._bounds):
            low, high = self._bounds
            null = ~((ticks >= low) & (ticks <= high)) | (ticks == 0)
            ticks[null] = 0.0
        self.rule.points(ticks, out)
        return null

    def _judge(self, records: Records, *, damaged: bool) -> NDArray[np.uint8]:
        """Return the ``Verdict`` of every record; where several fit, the first in the order of the enumeration's rejects."""
        verdicts: NDArray[np.uint8] = np.full(
            len(records), Verdict.TIMESTAMP_TORN if damaged else Verdict.TRADE, np.uint8
        )
        if not damaged:
            self._judge_content(records, verdicts)
        if not damaged:
            start_us, end_us = self._window_us
            dt: Int64s = np.ascontiguousarray(records["dt"])
            verdicts[(dt < start_us + EPOCH_OFFSET_US) | (dt >= end_us + EPOCH_OFFSET_US)] = Verdict.OTHER_DAY
        timing = judge_timing(records, self._latest)
        verdicts[timing == Timing.IMPLAUSIBLE] = Verdict.TIMESTAMP_IMPLAUSIBLE
        verdicts[timing == Timing.LEGACY_DATE] = Verdict.LEGACY_DATE
        verdicts[timing == Timing.ZERO_RECORD] = Verdict.ZERO_RECORD
        return verdicts

    def _judge_content(self, records: Records, verdicts: NDArray[np.uint8]) -> None:
        """Write verdicts by content; later assignments win, so the most telling ones come last."""
        low, high = self._bounds
        total, bid_volume, ask_volume = (records[name] for name in ("total_volume", "bid_volume", "ask_volume"))
        verdicts[total == 0] = Verdict.VOLUME_ZERO
        verdicts[(total > INT32_MAX) | (bid_volume > INT32_MAX) | (ask_volume > INT32_MAX)] = Verdict.VOLUME_TOO_LARGE
        with np.errstate(invalid="ignore", over="ignore"):
            ticks = np.rint(records["close"].astype(np.float64) * self._factor)
        near_low, near_high = self._near
        verdicts[~((ticks >= near_low) & (ticks <= near_high))] = Verdict.PRICE_FAR_FROM_DAY
        verdicts[~((ticks >= low) & (ticks <= high))] = Verdict.PRICE_OUT_OF_BAND
        if not self.rule.allows_negative:
            verdicts[records["close"] < 0] = Verdict.PRICE_NEGATIVE
        verdicts[ticks == 0] = Verdict.PRICE_ZERO
        verdicts[~np.isfinite(records["close"])] = Verdict.PRICE_NOT_FINITE
        kinds = record_kinds(records)
        verdicts[kinds == RecordKind.QUOTE] = Verdict.QUOTE
        verdicts[kinds == RecordKind.BAR] = Verdict.BAR_RECORD
        verdicts[kinds == RecordKind.MALFORMED] = Verdict.MALFORMED_RECORD


def pool_array(size: int, dtype: type[np.generic]) -> Any:
    """Return an uninitialised array in Arrow's memory pool, see :meth:`TickColumns.empty`."""
    return np.frombuffer(pa.allocate_buffer(size * np.dtype(dtype).itemsize), dtype)


def zero_record(path: Path, index: int) -> SourceError:
    """Return the error for a zero record between good ones."""
    return SourceError(
        "E208",
        f"{path.name}, record {index}: all 40 bytes are zero, and good records follow",
        "a write was lost (crash, full disk, broken copy); the day cannot be trusted, other days of the file are not affected: let Sierra "
        "Chart download the day again",
        f"tp sierra inspect {path}",
    )


def _counts_of_trades(
    num_trades: NDArray[np.uint32],
    total: NDArray[np.uint32],
    bid_volume: NDArray[np.uint32],
    ask_volume: NDArray[np.uint32],
) -> bool:
    """Tell whether every record counts one trade of at least one contract and no count is too large."""
    smallest, largest = np.minimum.reduce, np.maximum.reduce
    return bool(
        smallest(num_trades) == 1
        and largest(num_trades) == 1
        and smallest(total) >= 1
        and largest(total) <= INT32_MAX
        and largest(bid_volume) <= INT32_MAX
        and largest(ask_volume) <= INT32_MAX
    )


def _credible(ticks: Float64s, bounds: tuple[float, float]) -> bool:
    """Tell whether every price is a number, not zero and within bounds; a NaN passes through the reductions and fails."""
    low, high = bounds
    lowest, highest = np.minimum.reduce(ticks), np.maximum.reduce(ticks)
    return bool(lowest >= low and highest <= high and (lowest > 0 or ticks.all()))


def _bundles(bits: NDArray[np.uint32], out: NDArray[np.uint8], last: Bools) -> bool:
    """Write 1 where Open is the first sentinel, 2 where it is the last; False if an Open is neither of them nor zero.

    ``last`` is overwritten.
    """
    opened = int(np.count_nonzero(bits))
    if opened == 0:
        out[:] = 0
        return True
    first = np.equal(bits, OPEN_FIRST_BITS, out=out.view(np.bool_))
    np.equal(bits, OPEN_LAST_BITS, out=last)
    opened -= int(np.count_nonzero(first)) + int(np.count_nonzero(last))
    out += last.view(np.uint8)
    out += last.view(np.uint8)
    return opened == 0 or opened == int(np.count_nonzero(bits == MINUS_ZERO_BITS))


def _mark_nulls(out: TickColumns, here: slice, bid_null: Bools | None, ask_null: Bools | None) -> None:
    if bid_null is not None:
        if out.bid_null is None:
            out.bid_null = np.zeros(out.capacity, np.bool_)
        out.bid_null[here] = bid_null
    if ask_null is not None:
        if out.ask_null is None:
            out.ask_null = np.zeros(out.capacity, np.bool_)
        out.ask_null[here] = ask_null


def _or_none(null: Bools | None, n: int) -> Bools:
    return np.zeros(n, np.bool_) if null is None else null


__all__ = [
    "FLAG_CROSSED",
    "FLAG_OFF_TICK",
    "FLAG_TS_DECREASED",
    "FLAG_VOLUME_SPLIT",
    "GRID_TOLERANCE_TICKS",
    "Bools",
    "Float64s",
    "PriceRule",
    "RecordKind",
    "RejectedRows",
    "TickColumns",
    "TickDecoder",
    "Verdict",
    "pool_array",
    "record_kinds",
    "zero_record",
]
