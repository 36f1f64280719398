"""What is measured about a day of ``l2`` while its rows stream by; the checks judge nothing else.

Belongs here: counters over columns. Does not belong here: limits (``checks.py``).

Only rows with the flag LAST show a consistent book. Crossed books before the market opens, and on the one row of the opening itself, are
legitimate; so books are judged from the second consistent row after the opening.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..lake import Json
from .decode import Bools, Float64s, L2Columns
from .format import (
    FLAG_BAD_TS_RECV,
    FLAG_LAST,
    FLAG_MAYBE_BAD_BOOK,
    FLAG_SNAPSHOT,
    PRICE_SCALE,
    UNDEF_SIZE,
    Int64s,
)

_TRADE, _CLEAR = ord("T"), ord("R")
_BUYER, _SELLER = ord("B"), ord("A")
_FLAG_FACTS = {
    "snapshot_rows": FLAG_SNAPSHOT,
    "bad_ts_recv_rows": FLAG_BAD_TS_RECV,
    "maybe_bad_book_rows": FLAG_MAYBE_BAD_BOOK,
}


@dataclass(frozen=True)
class TradingHours:
    """When books are judged.

    Attributes:
        opens_ns: start of continuous trading, epoch nanoseconds UTC, inclusive.
        closes_ns: its end, exclusive.
        breaks: halts in between, half-open.
    """

    opens_ns: int
    closes_ns: int
    breaks: tuple[tuple[int, int], ...] = ()


class L2Facts:
    """Counts and sums of one day.

    Args:
        hours: continuous trading; None if books are not judged (unknown hours).
    """

    def __init__(self, hours: TradingHours | None) -> None:
        self._hours = hours
        self._count = dict.fromkeys(("rows", "last_rows", "trades", "clear_rows", *_FLAG_FACTS), 0)
        self._books = dict.fromkeys(("judged_rows", "crossed_rows", "locked_rows", "disordered_rows"), 0)
        self._opened = False
        self._volume = {"volume": 0, "buy_volume": 0, "sell_volume": 0}
        self._notional_nanos = 0
        self._price_nanos: tuple[int, int] | None = None
        self._first_ns: int | None = None
        self._last_ns = 0
        self._event_range: tuple[int, int] | None = None
        self._sequence: int | None = None
        self._sequence_decreases = 0
        self._sequence_step_max = 0

    def add_books(self, columns: L2Columns, first: int = 0, *, ordered: bool = False) -> None:
        """Judge the books of the rows from ``first`` on: block by block, while they are in the cache.

        Args:
            columns: rows.
            first: where to begin.
            ordered: True if it is known that the levels of all these rows are in order.
        """
        here = slice(first, columns.rows)
        if self._hours is not None and first < columns.rows:
            last = columns.flags[here] >= FLAG_LAST
            self._judge([book[:, here] for book in columns.books], columns.ts_recv[here], last, ordered=ordered)

    def add(self, columns: L2Columns) -> None:
        """Add everything but the books of all rows: once per row group, since calls cost more than rows."""
        here = slice(0, columns.rows)
        if columns.rows == 0:
            return
        flags, action = columns.flags[here], columns.action[here]
        received = columns.ts_recv[here]
        self._count["rows"] += len(flags)
        self._count["last_rows"] += int(np.count_nonzero(flags >= FLAG_LAST))
        present = int(np.bitwise_or.reduce(flags))
        for name, bit in _FLAG_FACTS.items():
            if present & bit:
                self._count[name] += int(np.count_nonzero(flags & bit))
        self._count["clear_rows"] += int(np.count_nonzero(action == _CLEAR))
        self._add_times(received, columns.ts_event[here])
        self._add_sequence(columns.sequence[here])
        trades = np.flatnonzero(action == _TRADE)
        if len(trades):
            self._add_trades(columns, trades)

    def facts(self) -> dict[str, Json]:
        """Return what was measured; prices in points, null where there is no trade."""
        low, high = (None, None) if self._price_nanos is None else (p / PRICE_SCALE for p in self._price_nanos)
        volume = self._volume["volume"]
        return {
            **self._count,
            **self._books,
            **self._volume,
            "vwap": None if volume == 0 else self._notional_nanos / (volume * PRICE_SCALE),
            "price_min": low,
            "price_max": high,
            "first_ts_recv_ns": self._first_ns,
            "last_ts_recv_ns": None if self._first_ns is None else self._last_ns,
            "first_ts_event_ns": None if self._event_range is None else self._event_range[0],
            "last_ts_event_ns": None if self._event_range is None else self._event_range[1],
            "sequence_decreases": self._sequence_decreases,
            "sequence_step_max": self._sequence_step_max,
        }

    def _add_times(self, received: Int64s, event: Int64s) -> None:
        if self._first_ns is None:
            self._first_ns = int(received[0])
        self._last_ns = int(received[-1])
        if event.min() < 0:
            event = event[event >= 0]
            if not len(event):
                return
        low, high = int(event.min()), int(event.max())
        known = self._event_range
        self._event_range = (low, high) if known is None else (min(low, known[0]), max(high, known[1]))

    def _add_sequence(self, sequence: NDArray[np.uint32]) -> None:
        """Compare neighbours. The venue numbers the messages of all its instruments, so steps above one do not prove a loss."""
        if self._sequence is not None:
            self._add_steps(np.array([int(sequence[0]) - self._sequence], np.int64))
        if len(sequence) > 1:
            self._add_steps(np.subtract(sequence[1:], sequence[:-1], dtype=np.int64))
        self._sequence = int(sequence[-1])

    def _add_steps(self, steps: Int64s) -> None:
        self._sequence_step_max = max(self._sequence_step_max, int(steps.max()))
        if steps.min() < 0:
            self._sequence_decreases += int(np.count_nonzero(steps < 0))

    def _add_trades(self, columns: L2Columns, rows: NDArray[np.intp]) -> None:
        """Sum exactly: prices back to whole 1e-9, products as Python integers by distinct price."""
        price, size, side = columns.price[rows], columns.size[rows], columns.side[rows]
        known = ~np.isnan(price) & (size != UNDEF_SIZE)
        if not known.all():
            price, size, side = price[known], size[known], side[known]
        self._count["trades"] += len(rows)
        if not len(price):
            return
        nanos = np.rint(price * PRICE_SCALE).astype(np.int64)
        amount = size.astype(np.int64)
        levels, place = np.unique(nanos, return_inverse=True)
        sums = np.bincount(place, weights=amount).astype(np.int64).tolist()
        self._notional_nanos += sum(level * total for level, total in zip(levels.tolist(), sums, strict=True))
        self._volume["volume"] += int(amount.sum())
        self._volume["buy_volume"] += int(amount[side == _BUYER].sum())
        self._volume["sell_volume"] += int(amount[side == _SELLER].sum())
        known_range = self._price_nanos or (int(levels[0]), int(levels[-1]))
        self._price_nanos = (min(known_range[0], int(levels[0])), max(known_range[1], int(levels[-1])))

    def _judge(self, books: list[Float64s], received: Int64s, last: Bools, *, ordered: bool) -> None:
        judged = last & self._in_continuous_trading(received)
        if not judged.any():
            return
        if not self._opened:
            # The row of the opening itself may still show the crossed book of the auction.
            judged[int(judged.argmax())] = False
            self._opened = True
        bid, ask = books[0]
        self._books["judged_rows"] += int(np.count_nonzero(judged))
        # Comparisons with NaN, a level that is not there, are false.
        uncrossed = bid < ask
        if np.count_nonzero(uncrossed & judged) < np.count_nonzero(judged):
            self._books["crossed_rows"] += int(np.count_nonzero(judged & (bid > ask)))
            self._books["locked_rows"] += int(np.count_nonzero(judged & (bid == ask)))
        if ordered:
            return
        disordered: Bools = np.zeros(len(judged), np.bool_)
        for better, worse in itertools.pairwise(books):
            disordered |= worse[0] >= better[0]
            disordered |= worse[1] <= better[1]
        self._books["disordered_rows"] += int(np.count_nonzero(judged & disordered))

    def _in_continuous_trading(self, received: Int64s) -> Bools:
        assert self._hours is not None  # noqa: S101 the caller has looked
        hours = self._hours
        inside: Bools = np.ones(len(received), np.bool_)
        if received[0] < hours.opens_ns or received[-1] >= hours.closes_ns:
            inside = (received >= hours.opens_ns) & (received < hours.closes_ns)
        for start, end in hours.breaks:
            if received[0] < end and received[-1] >= start:
                inside &= (received < start) | (received >= end)
        return inside


def count_facts(records: int, expected: int | None) -> Mapping[str, Json]:
    """Return what proves that no record is missing: records in the file, and the vendor's count of the same query or null."""
    return {"source_records": records, "vendor_records": expected}
