"""Records to the columns of the ``l2`` contract, and what is set aside.

Belongs here: the verdict on a record, prices, nulls, the split into columns. Does not belong here: the container (``dbn.py``), Arrow data
and storage (``tables.py``, ``convert.py``).

A price is a whole number of 1e-9. Divided by 1e9 in float64 it is the float64 nearest to the decimal price, because both numbers are exact
below 2**53; larger ones are divided as Python integers, which rounds correctly.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from .dbn import BLOCK_RECORDS
from .format import (
    ACTIONS,
    EXACT_BELOW,
    LEVELS,
    PRICE_SCALE,
    RECORD_SIZE,
    SIDES,
    UNDEF_PRICE,
    UNDEF_SIZE,
    Int64s,
    Records,
)

Bools = NDArray[np.bool_]
Float64s = NDArray[np.float64]

PRICE_ROWS = 2 * LEVELS + 1  # bid and ask of every level, and the price of the event last
EVENT_PRICE = 2 * LEVELS
_WORDS = RECORD_SIZE // 8


class Verdict(IntEnum):
    """What a record is; everything from ``TIMESTAMP_UNDEFINED`` on is a reject with that reason."""

    ROW = 0
    OTHER_INSTRUMENT = 1
    OTHER_DAY = 2
    TIMESTAMP_UNDEFINED = 3
    ACTION_UNKNOWN = 4
    SIDE_UNKNOWN = 5
    DEPTH_UNKNOWN = 6

    @property
    def reason(self) -> str:
        """Return the reason code stored in quarantine."""
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Selection:
    """Which records of a file become rows of a partition.

    Attributes:
        instrument_id: the vendor's number of the instrument.
        raw_symbol: its symbol, stored in every row.
        start_ns: first instant by ``ts_recv``, epoch nanoseconds UTC.
        end_ns: first instant after it.
        regular_ns: start and end of regular trading hours, half-open; None if the day has none. Rows inside are ``RTH``, others ``ETH``.
    """

    instrument_id: int
    raw_symbol: str
    start_ns: int
    end_ns: int
    regular_ns: tuple[int, int] | None = None


@dataclass
class L2Columns:
    """Columns of a row group that is being filled; all have the same capacity.

    Attributes:
        ts_recv, ts_event: int64 epoch nanoseconds UTC; an undefined ts_event is negative.
        sequence: uint32. size: uint32, 2**32 - 1 where undefined. ts_in_delta: int32. publisher_id: uint16.
        action, side: uint8 character codes. depth, flags: uint8.
        price: float64, NaN where undefined.
        books: per level float64[2, capacity], bid and ask price; NaN where the level is not there.
        amounts: per level uint32[4, capacity]: bid size, ask size, bid orders, ask orders.
        undefined: True at the gaps of those prices that have any, by 2 * level + side (0 bid, 1 ask); the event's is ``EVENT_PRICE``.
        rows: filled rows.
    """

    ts_recv: Int64s
    ts_event: Int64s
    sequence: NDArray[np.uint32]
    size: NDArray[np.uint32]
    ts_in_delta: NDArray[np.int32]
    publisher_id: NDArray[np.uint16]
    action: NDArray[np.uint8]
    side: NDArray[np.uint8]
    depth: NDArray[np.uint8]
    flags: NDArray[np.uint8]
    price: Float64s
    books: list[Float64s]
    amounts: list[NDArray[np.uint32]]
    undefined: dict[int, Bools]
    rows: int = 0

    @classmethod
    def empty(cls, capacity: int) -> L2Columns:
        """Allocate columns in Arrow's memory pool, to which they are handed without copying; every row group gets its own.

        Levels are arrays of 2 MB each: the pool hands those of the row group before out again, whereas it returns one array of 20 MB to
        the system a little later, so that two would be resident.
        """
        kinds = (np.int64, np.int64, np.uint32, np.uint32, np.int32, np.uint16, np.uint8, np.uint8, np.uint8, np.uint8)
        received, event, sequence, size, delta, publisher, *codes = (_pool_array((capacity,), kind) for kind in kinds)
        action, side, depth, flags = codes
        price = _pool_array((capacity,), np.float64)
        books = [_pool_array((2, capacity), np.float64) for _ in range(LEVELS)]
        amounts = [_pool_array((4, capacity), np.uint32) for _ in range(LEVELS)]
        return cls(
            received, event, sequence, size, delta, publisher, action, side, depth, flags, price, books, amounts, {}
        )

    @property
    def capacity(self) -> int:
        """Return how many rows fit."""
        return len(self.ts_recv)


@dataclass(frozen=True)
class RejectedRows:
    """Records of one block that are no rows.

    Attributes:
        records: the records as stored.
        verdicts: uint8 ``Verdict`` of each.
        seq_before: uint32, rows before it in the partition.
    """

    records: Records
    verdicts: NDArray[np.uint8]
    seq_before: NDArray[np.uint32]


class L2Decoder:
    """Decodes the records of one partition, block by block in file order.

    Args:
        selection: which records become rows.

    Attributes:
        rows: rows so far.
        other_day_records: records of the instrument outside the window so far; they belong to other partitions.
        other_instrument_records: records of other instruments so far.
        rejected: rejects so far by reason code.
        ordered: True if in the last block every book had ten levels on each side, best first.
    """

    def __init__(self, selection: Selection) -> None:
        self.rows = 0
        self.other_day_records = 0
        self.other_instrument_records = 0
        self.rejected: dict[str, int] = {}
        self.ordered = False
        self._selection = selection
        self._known_action = _known(ACTIONS)
        self._known_side = _known(SIDES)
        self._nanos: Int64s = np.empty((PRICE_ROWS, BLOCK_RECORDS), np.int64)

    def decode(self, records: Records, out: L2Columns) -> RejectedRows | None:
        """Append the rows among ``records`` to ``out``.

        Args:
            records: at most ``BLOCK_RECORDS``, and not more than ``out`` has room for.
            out: filled from ``out.rows`` on.

        Returns:
            What must go to quarantine; None if nothing.
        """
        if self._append(records, out):
            return None
        verdicts = self._judge(records)
        good = verdicts == Verdict.ROW
        before = self.rows
        if good.any() and not self._append(np.ascontiguousarray(records[good]), out):
            raise AssertionError("Expected every record judged a row to decode")  # the two paths disagree: a defect
        self.other_instrument_records += int(np.count_nonzero(verdicts == Verdict.OTHER_INSTRUMENT))
        self.other_day_records += int(np.count_nonzero(verdicts == Verdict.OTHER_DAY))
        bad = np.flatnonzero(verdicts >= Verdict.TIMESTAMP_UNDEFINED)
        if not len(bad):
            return None
        for verdict, count in zip(*np.unique(verdicts[bad], return_counts=True), strict=True):
            reason = Verdict(int(verdict)).reason
            self.rejected[reason] = self.rejected.get(reason, 0) + int(count)
        seq_before = (before + np.cumsum(good))[bad].astype(np.uint32)
        return RejectedRows(records[bad], verdicts[bad], seq_before)

    def _append(self, records: Records, out: L2Columns) -> bool:
        """Decode records that are all rows; False, with nothing appended, if one of them is not."""
        here = slice(out.rows, out.rows + len(records))
        # Whatever turns out to be no row is overwritten: rows count only once out.rows is raised.
        received, action, side = out.ts_recv[here], out.action[here], out.side[here]
        np.copyto(received, records["ts_recv"].view(np.int64))
        np.copyto(action, records["action"])
        np.copyto(side, records["side"])
        np.copyto(out.depth[here], records["depth"])
        if not (
            received.min() >= self._selection.start_ns
            and received.max() < self._selection.end_ns
            and (records["instrument_id"] == self._selection.instrument_id).all()
            and self._known_action[action].all()
            and self._known_side[side].all()
            and out.depth[here].max() <= LEVELS
        ):
            return False
        np.copyto(out.ts_event[here], records["ts_event"].view(np.int64))
        for name in ("sequence", "size", "ts_in_delta", "publisher_id", "flags"):
            np.copyto(getattr(out, name)[here], records[name])
        self._split(records, out, here)
        out.rows += len(records)
        self.rows += len(records)
        return True

    def _split(self, records: Records, out: L2Columns, here: slice) -> None:
        """Turn the levels from rows into columns; transposing a whole block at once is twice as fast as column by column."""
        count = len(records)
        words = records.view(np.int64).reshape(count, _WORDS)[:, 6:].reshape(count, LEVELS, 4)
        halves = records.view(np.uint32).reshape(count, 2 * _WORDS)[:, 12:].reshape(count, LEVELS, 8)
        nanos = self._nanos[:, :count]
        np.copyto(nanos[:EVENT_PRICE].reshape(LEVELS, 2, count), words[:, :, :2].transpose(1, 2, 0))
        np.copyto(nanos[EVENT_PRICE], records["price"])
        undefined = nanos.max() >= EXACT_BELOW or nanos.min() <= -EXACT_BELOW
        bids, asks = nanos[0:EVENT_PRICE:2], nanos[1:EVENT_PRICE:2]
        # Here the whole block is at hand in the cache: two comparisons instead of eighteen later.
        self.ordered = bool((bids[1:] < bids[:-1]).all() and (asks[1:] > asks[:-1]).all())
        for level in range(LEVELS):
            np.divide(nanos[2 * level : 2 * level + 2], float(PRICE_SCALE), out=out.books[level][:, here])
            np.copyto(out.amounts[level][:, here], halves[:, level, 4:].T)
        np.divide(nanos[EVENT_PRICE], float(PRICE_SCALE), out=out.price[here])
        if undefined:
            self._correct(nanos, out, here)

    @staticmethod
    def _correct(nanos: Int64s, out: L2Columns, here: slice) -> None:
        """Mark undefined prices, and divide those that float64 cannot hold as whole numbers one by one."""
        for number in range(PRICE_ROWS):
            prices = (out.price if number == EVENT_PRICE else out.books[number // 2][number % 2])[here]
            undefined = nanos[number] == UNDEF_PRICE
            if undefined.any():
                prices[undefined] = np.nan
                if number not in out.undefined:
                    out.undefined[number] = np.zeros(out.capacity, np.bool_)
                out.undefined[number][here] = undefined
            large = (np.abs(nanos[number]) >= EXACT_BELOW) & ~undefined
            for at in np.flatnonzero(large).tolist():
                prices[at] = int(nanos[number, at]) / PRICE_SCALE

    def _judge(self, records: Records) -> NDArray[np.uint8]:
        """Return the ``Verdict`` of every record; later assignments win, so the most telling ones come last."""
        chosen = self._selection
        verdicts: NDArray[np.uint8] = np.zeros(len(records), np.uint8)
        received = records["ts_recv"].view(np.int64)
        verdicts[records["depth"] > LEVELS] = Verdict.DEPTH_UNKNOWN
        verdicts[~self._known_side[records["side"]]] = Verdict.SIDE_UNKNOWN
        verdicts[~self._known_action[records["action"]]] = Verdict.ACTION_UNKNOWN
        verdicts[(received < chosen.start_ns) | (received >= chosen.end_ns)] = Verdict.OTHER_DAY
        verdicts[received < 0] = Verdict.TIMESTAMP_UNDEFINED
        verdicts[records["instrument_id"] != chosen.instrument_id] = Verdict.OTHER_INSTRUMENT
        return verdicts


def undefined_sizes(columns: L2Columns) -> Bools | None:
    """Return where the size of the event is undefined; None if nowhere."""
    size = columns.size[: columns.rows]
    return size == UNDEF_SIZE if len(size) and size.max() == UNDEF_SIZE else None


def _known(letters: str) -> Bools:
    table: Bools = np.zeros(256, np.bool_)
    table[list(letters.encode())] = True
    return table


def _pool_array(shape: tuple[int, ...], kind: Any) -> Any:
    size = int(np.prod(shape)) * np.dtype(kind).itemsize
    return np.frombuffer(pa.allocate_buffer(size), kind).reshape(shape)
