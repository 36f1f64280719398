"""Records to the columns of the ``depth_events`` contract, and what is set aside.

Belongs here: the verdict on a record; price, batch and snapshot of an event. Does not belong here: the book (``trading_platform.depth``),
which records form a day (``window.py``) and storage.

A batch ends with a record that carries END_OF_BATCH; only then is the book consistent. A refused record ends no batch: what follows joins
the batch that it would have ended, and the next end makes the book consistent again.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from ...errors import SourceError
from ..decode import Bools, RejectedRows, pool_array
from ..format import EPOCH_OFFSET_US, INT32_MAX, Int64s, Records, Timing, judge_timing
from ..prices import GRID_TOLERANCE_TICKS, Float64s, PriceRule
from ..record_file import BLOCK_RECORDS
from .archive import DepthFileSource, make_again
from .format import END_OF_BATCH, Command
from .window import FileSlice

# Plain integers: numpy compares bytes with an enumeration's member eight times slower.
_CLEAR, _FIRST_DELETE, _LAST = int(Command.CLEAR_BOOK), int(Command.DELETE_BID), int(Command.DELETE_ASK)


class Verdict(IntEnum):
    """What a record is; everything from ``TIMESTAMP_IMPLAUSIBLE`` on is a reject with that reason."""

    EVENT = 0
    ZERO_RECORD = 1
    OTHER_DAY = 2
    TIMESTAMP_IMPLAUSIBLE = 3
    TIMESTAMP_TORN = 4
    TIMESTAMP_OUTSIDE_FILE = 5
    LEGACY_DATE = 6
    COMMAND_UNKNOWN = 7
    PRICE_NOT_FINITE = 8
    PRICE_ZERO = 9
    PRICE_NEGATIVE = 10
    PRICE_OUT_OF_BAND = 11
    PRICE_OFF_GRID = 12
    QUANTITY_TOO_LARGE = 13

    @property
    def reason(self) -> str:
        """Return the reason code stored in quarantine."""
        return self.name.lower()


@dataclass
class DepthColumns:
    """Columns of a row group that is being filled; all have the same capacity.

    Attributes:
        ts_us: int64, epoch microseconds UTC.
        command, flags, segment: uint8. num_orders: uint16. quantity, batch_id: uint32.
        price: float64 points; 0 where it is null.
        snapshot: bool.
        price_null: True for clear book; None as long as there is none.
        rows: filled rows.
    """

    ts_us: Int64s
    price: Float64s
    quantity: NDArray[np.uint32]
    batch_id: NDArray[np.uint32]
    num_orders: NDArray[np.uint16]
    command: NDArray[np.uint8]
    flags: NDArray[np.uint8]
    segment: NDArray[np.uint8]
    snapshot: Bools
    price_null: Bools | None = None
    rows: int = 0

    @classmethod
    def empty(cls, capacity: int) -> DepthColumns:
        """Allocate columns in Arrow's memory pool, to which they are handed without copying."""
        kinds = (np.int64, np.float64, np.uint32, np.uint32, np.uint16, np.uint8, np.uint8, np.uint8, np.bool_)
        return cls(*(pool_array(capacity, kind) for kind in kinds))

    @property
    def capacity(self) -> int:
        """Return how many rows fit."""
        return len(self.ts_us)


@dataclass
class _Scratch:
    """Reused block-sized buffers: fresh ones would double the decoding time by page faults."""

    ticks: Float64s = field(default_factory=lambda: np.empty((2, BLOCK_RECORDS), np.float64))
    ends: NDArray[np.uint8] = field(default_factory=lambda: np.empty(BLOCK_RECORDS, np.uint8))
    truths: Bools = field(default_factory=lambda: np.empty(BLOCK_RECORDS, np.bool_))


class DepthDecoder:
    """Decodes the records of one partition, block by block in file order.

    Args:
        rule: prices of the files.
        latest: largest plausible DateTime, Sierra microseconds.

    Attributes:
        rows: clean rows so far.
        other_day_rows: records outside the window so far; a plan finds none, so the file was rewritten.
        rejected: rejects so far by reason code.
        first_reject: file name, index and reason of the first reject; None if there is none.
    """

    def __init__(self, rule: PriceRule, latest: int) -> None:
        self.rule = rule
        self.rows = 0
        self.other_day_rows = 0
        self.rejected: dict[str, int] = {}
        self.first_reject: tuple[str, int, str] | None = None
        self._latest = latest
        self._factor = rule.ticks_per_stored
        self._bounds = rule.tick_bounds
        self._scratch = _Scratch()
        self._slice: FileSlice | None = None
        self._segment = -1
        self._batch_id = 0
        self._batch_is_open = self._in_snapshot = False

    def begin(self, file_slice: FileSlice) -> None:
        """Go on to the next file: a new segment, into which no batch is carried."""
        self._slice = file_slice
        self._segment += 1
        if self._batch_is_open:
            self._batch_id += 1
        self._batch_is_open = self._in_snapshot = False

    def decode(
        self, records: Records, first_record: int, out: DepthColumns, *, damaged: bool = False
    ) -> RejectedRows | None:
        """Append the events among ``records`` to ``out``.

        Args:
            records: at most ``BLOCK_RECORDS``, and not more than ``out`` has room for.
            first_record: file index of the first one, for errors.
            out: filled from ``out.rows`` on.
            damaged: True for a damaged span: none of its records is an event.

        Returns:
            What must go to quarantine; None if nothing.

        Raises:
            SourceError: E226 a zero record.
        """
        if not damaged and self._append(records, out):
            return None
        file_slice = self._current
        verdicts = self._judge(records, file_slice, damaged=damaged)
        zero = np.flatnonzero(verdicts == Verdict.ZERO_RECORD)
        if len(zero):
            raise _zero_record(file_slice.source, first_record + int(zero[0]))
        events = verdicts == Verdict.EVENT
        before = self.rows
        if events.any() and not self._append(np.ascontiguousarray(records[events]), out):
            raise AssertionError("Expected every record judged an event to decode")  # a defect, not data
        self.other_day_rows += int(np.count_nonzero(verdicts == Verdict.OTHER_DAY))
        bad = np.flatnonzero(verdicts >= Verdict.TIMESTAMP_IMPLAUSIBLE)
        if not len(bad):
            return None
        seq_before = (before + np.cumsum(events))[bad].astype(np.uint32)
        for verdict, count in zip(*np.unique(verdicts[bad], return_counts=True), strict=True):
            reason = Verdict(int(verdict)).reason
            self.rejected[reason] = self.rejected.get(reason, 0) + int(count)
        first = first_record + int(bad[0])
        if self.first_reject is None:
            self.first_reject = (file_slice.source.path.name, first, Verdict(int(verdicts[bad[0]])).reason)
        return RejectedRows(records[bad], verdicts[bad], seq_before, first)

    @property
    def _current(self) -> FileSlice:
        if self._slice is None:
            raise ValueError("Expected begin() before the first records of a file")
        return self._slice

    def _append(self, records: Records, out: DepthColumns) -> bool:
        """Decode records that are all events; False, with nothing appended, if one of them is not."""
        n = len(records)
        here = slice(out.rows, out.rows + n)
        # Whatever turns out to be no event is overwritten: rows count only once out.rows is raised.
        ts_us, command, flags, quantity = out.ts_us[here], out.command[here], out.flags[here], out.quantity[here]
        np.subtract(records["dt"], EPOCH_OFFSET_US, out=ts_us)
        np.copyto(command, records["command"])
        np.copyto(flags, records["flags"])
        np.copyto(quantity, records["quantity"])
        lowest = np.minimum.reduce(command)
        if not (self._in_window(ts_us) and lowest >= _CLEAR and np.maximum.reduce(command) <= _LAST):
            return False
        if np.maximum.reduce(quantity) > INT32_MAX:
            quantity[(quantity > INT32_MAX) & ~_has_quantity(command)] = 0
            if np.maximum.reduce(quantity) > INT32_MAX:
                return False
        clears = np.flatnonzero(command == _CLEAR) if lowest == _CLEAR else None
        if not self._prices(records["price"], clears, out, here):
            return False
        np.copyto(out.num_orders[here], records["num_orders"])
        out.segment[here] = self._segment
        self._batches(flags, clears, out.batch_id[here], out.snapshot[here])
        out.rows += n
        self.rows += n
        return True

    def _in_window(self, ts_us: Int64s) -> bool:
        """Tell whether every time lies in the window; if they are ordered, both ends decide."""
        file_slice, n = self._current, len(ts_us)
        decreased = np.less(ts_us[1:], ts_us[:-1], out=self._scratch.truths[: n - 1])
        first, last = (ts_us.min(), ts_us.max()) if decreased.any() else (ts_us[0], ts_us[-1])
        return bool(first >= file_slice.start_us and last < file_slice.end_us)

    def _prices(
        self, stored: NDArray[np.float32], clears: NDArray[np.intp] | None, out: DepthColumns, here: slice
    ) -> bool:
        """Write prices in points, null where the book is cleared; False if one is not credible or off the tick grid."""
        n = len(stored)
        exact, ticks = self._scratch.ticks[:, :n]
        with np.errstate(invalid="ignore"):  # damage reads as a signalling NaN now and then; it fails below
            np.copyto(exact, stored)
        np.multiply(exact, self._factor, out=exact)
        low, high = self._bounds
        if clears is not None:
            exact[clears] = np.floor(high)  # whatever is stored there means nothing; this passes as a price
        np.rint(exact, out=ticks)
        lowest, highest = np.minimum.reduce(ticks), np.maximum.reduce(ticks)
        if not (lowest >= low and highest <= high and (lowest > 0 or ticks.all())):
            return False  # a NaN passes through the reductions and fails here
        np.subtract(exact, ticks, out=exact)
        np.abs(exact, out=exact)
        if np.maximum.reduce(exact) > GRID_TOLERANCE_TICKS:
            return False
        price = out.price[here]
        self.rule.points(ticks, price)
        if clears is not None:
            price[clears] = 0.0
            if out.price_null is None:
                out.price_null = np.zeros(out.capacity, np.bool_)
            out.price_null[here.start + clears] = True
        return True

    def _batches(
        self,
        flags: NDArray[np.uint8],
        clears: NDArray[np.intp] | None,
        batch_id: NDArray[np.uint32],
        snapshot: Bools,
    ) -> None:
        """Number the batches and mark snapshots: from clear book to the end of its batch."""
        ends = np.bitwise_and(flags, END_OF_BATCH, out=self._scratch.ends[: len(flags)])
        batch_id[0] = 0
        np.cumsum(ends[:-1], dtype=np.uint32, out=batch_id[1:])
        np.add(batch_id, np.uint32(self._batch_id), out=batch_id)
        self._batch_is_open = not ends[-1]
        self._batch_id = int(batch_id[-1]) + int(ends[-1])
        if clears is None and not self._in_snapshot:
            snapshot[:] = False
            return
        places = np.arange(len(flags))
        last_end = np.full(len(flags), -1)  # before the row
        last_end[1:] = np.maximum.accumulate(np.where(ends[:-1], places[:-1], -1))
        last_clear = np.full(len(flags), -1 if not self._in_snapshot else 0)
        if clears is not None:
            last_clear[clears] = clears
        np.maximum.accumulate(last_clear, out=last_clear)
        np.greater(last_clear, last_end, out=snapshot)
        self._in_snapshot = bool(snapshot[-1]) and self._batch_is_open

    def _judge(self, records: Records, file_slice: FileSlice, *, damaged: bool) -> NDArray[np.uint8]:
        """Return the ``Verdict`` of every record; where several fit, the last assignment wins, so the most telling come last."""
        verdicts: NDArray[np.uint8] = np.full(len(records), Verdict.EVENT, np.uint8)
        dt: Int64s = np.ascontiguousarray(records["dt"])
        if damaged:
            outside = _outside(dt, file_slice.file_start_us, file_slice.file_end_us)
            verdicts[:] = np.where(outside, Verdict.TIMESTAMP_OUTSIDE_FILE, Verdict.TIMESTAMP_TORN)
        else:
            self._judge_content(records, verdicts)
            verdicts[_outside(dt, file_slice.start_us, file_slice.end_us)] = Verdict.OTHER_DAY
        timing = judge_timing(records, self._latest)
        verdicts[timing == Timing.IMPLAUSIBLE] = Verdict.TIMESTAMP_IMPLAUSIBLE
        verdicts[timing == Timing.LEGACY_DATE] = Verdict.LEGACY_DATE
        verdicts[timing == Timing.ZERO_RECORD] = Verdict.ZERO_RECORD
        return verdicts

    def _judge_content(self, records: Records, verdicts: NDArray[np.uint8]) -> None:
        command, price = records["command"], records["price"]
        low, high = self._bounds
        verdicts[_has_quantity(command) & (records["quantity"] > INT32_MAX)] = Verdict.QUANTITY_TOO_LARGE
        priced = command != _CLEAR
        with np.errstate(invalid="ignore", over="ignore"):
            exact = price.astype(np.float64) * self._factor
            ticks = np.rint(exact)
            verdicts[priced & (np.abs(exact - ticks) > GRID_TOLERANCE_TICKS)] = Verdict.PRICE_OFF_GRID
        verdicts[priced & ~((ticks >= low) & (ticks <= high))] = Verdict.PRICE_OUT_OF_BAND
        if not self.rule.allows_negative:
            verdicts[priced & (price < 0)] = Verdict.PRICE_NEGATIVE
        verdicts[priced & (ticks == 0)] = Verdict.PRICE_ZERO
        verdicts[priced & ~np.isfinite(price)] = Verdict.PRICE_NOT_FINITE
        verdicts[(command < _CLEAR) | (command > _LAST)] = Verdict.COMMAND_UNKNOWN


def _has_quantity(command: NDArray[np.uint8]) -> Bools:
    """Tell which commands state a quantity; refusing a clear or a delete for it would keep levels that are gone."""
    stated: Bools = (command != _CLEAR) & (command < _FIRST_DELETE)
    return stated


def _outside(dt: Int64s, start_us: int, end_us: int) -> Bools:
    outside: Bools = (dt < start_us + EPOCH_OFFSET_US) | (dt >= end_us + EPOCH_OFFSET_US)
    return outside


def _zero_record(source: DepthFileSource, index: int) -> SourceError:
    return SourceError(
        "E226",
        f"{source.path.name}, record {index}: all 24 bytes are zero, and good records follow",
        "a write was lost (crash, full disk, broken copy); the book of this day cannot be trusted, other days are not affected: delete the "
        "file, let Sierra Chart download it again",
        make_again(source),
    )
