"""Exact replay of book events to the state at the end of every second, vectorised.

Belongs here: which events make up the book at the end of a second, and how they get into the level array. Does not belong here: the array
(``levels.py``), measures (``touch.py``), files (``builder.py``), judgement (``checks.py``).

Method: the book at the end of a second consists of all events up to the last END_OF_BATCH of that second, so one cut per second (two
binary searches) says which events go in. They are written in one assignment, of which numpy keeps the last value per level. The best bid is
at most the highest of the former best and of all bids touched, so from there a scan downwards past emptied levels finds it exactly; asks
likewise. A CLEAR empties the array, and only what follows the last CLEAR of a second is written. Events behind the last END_OF_BATCH wait.

Times that step back count as the latest time before them: a book does not go back.

Source: measured beside a dictionary and a compiled loop over 10 M events; the order of writes and the rules are those of ``book.py``.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt

from ..errors import QualityError
from ..instants import MICROSECONDS
from .absent import AbsentDeletes
from .book import CLEAR, DELETE_BID, END_OF_BATCH
from .grid import Floats, Ints, PriceGrid
from .levels import LevelArray
from .per_second import SecondCounts
from .touch import BookRows, StateCollector

UNBOUNDED: Final = (-(2**62), 2**62)
Bytes = npt.NDArray[np.uint8]
Bools = npt.NDArray[np.bool_]
Index = npt.NDArray[np.intp]
_MOST_WAITING: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class EventArrays:
    """A run of book events in the order of the partition.

    Attributes:
        ts_us: int64, epoch microseconds UTC.
        command: uint8, 1 to 7.
        flags: uint8, bit 0 is END_OF_BATCH.
        price: float64, points; NaN for CLEAR.
        quantity: uint32, contracts, at most 2**31 - 1.
        snapshot: bool.
        segment: uint8.
    """

    ts_us: Ints
    command: Bytes
    flags: Bytes
    price: Floats
    quantity: npt.NDArray[np.uint32]
    snapshot: Bools
    segment: Bytes

    def __len__(self) -> int:
        """Return the number of events."""
        return len(self.ts_us)

    def part(self, start: int, stop: int) -> EventArrays:
        """Return the events from ``start`` up to ``stop``."""
        return EventArrays(*(getattr(self, item.name)[start:stop] for item in fields(self)))


@dataclass(frozen=True, slots=True)
class DaySeconds:
    """The replayed day, one element per second from the first to the last event.

    Attributes:
        second: int64, epoch seconds.
        book: the book at the end of each second.
        updates: int64, events of the second outside snapshots.
        snapshot_rows: int64, events of the second inside snapshots.
        batches: int64, batches that ended in the second.
        last_batch_us: int64, epoch microseconds of the last ended batch; 0 before the first.
        counters: facts of the replay that no row shows: events, snapshots, segments, deletes_of_absent, unfinished_events.
    """

    second: Ints
    book: BookRows
    updates: Ints
    snapshot_rows: Ints
    batches: Ints
    last_batch_us: Ints
    counters: dict[str, int]

    def __len__(self) -> int:
        """Return the number of seconds."""
        return len(self.second)


@dataclass(frozen=True, slots=True)
class _Writes:
    """Level assignments in order.

    Attributes:
        tick: int64, price in ticks.
        is_ask: bool.
        amount: int32, quantity to set; 0 removes the level.
    """

    tick: Ints
    is_ask: Bools
    amount: npt.NDArray[np.int32]

    def behind(self, start: int) -> _Writes:
        """Return a copy of the writes from ``start`` on, so that the arrays of the chunk can go."""
        return _Writes(self.tick[start:].copy(), self.is_ask[start:].copy(), self.amount[start:].copy())

    def last_per_level(self) -> _Writes:
        """Return only the last write of each level."""
        key = (self.tick[::-1] << 1) | self.is_ask[::-1].view(np.uint8)
        _, first = np.unique(key, return_index=True)
        kept = len(key) - 1 - first
        return _Writes(self.tick[kept], self.is_ask[kept], self.amount[kept])


_NO_WRITES: Final = _Writes(np.empty(0, np.int64), np.empty(0, np.bool_), np.empty(0, np.int32))


class SecondReplay:
    """Replay chunks of events and give the seconds at the end.

    Memory is that of one chunk, the level array and the rows (at most one per second of the window).

    Args:
        grid: tick grid of the instrument.
        window_us: span that owns the events, epoch microseconds UTC, half-open.
    """

    def __init__(self, grid: PriceGrid, window_us: tuple[int, int] = UNBOUNDED) -> None:
        self._grid = grid
        self._window_us = window_us
        self._levels = LevelArray()
        self._absent = AbsentDeletes()
        self._states = StateCollector()
        self._counts = SecondCounts()
        self._segment = -1
        self._segments = 0
        self._now_us = -(2**62)
        self._known = False
        self._waiting = _NO_WRITES
        self._waiting_clear = False
        self._waiting_events = 0
        self._unfinished = 0
        self._snapshots = 0

    def push(self, events: EventArrays) -> None:
        """Take the next events.

        Raises:
            QualityError: E432 outside the window, E433 a price off the grid or too far away.
        """
        if len(events) == 0:
            return
        ts_us = self._running_time(events.ts_us)
        borders = np.flatnonzero(events.segment[1:] != events.segment[:-1]) + 1
        for start, stop in pairwise([0, *borders.tolist(), len(events)]):
            if events.segment[start] != self._segment:
                self._begin_segment(int(events.segment[start]), int(ts_us[start]))
            self._push_run(ts_us[start:stop], events.part(start, stop))

    def finish(self) -> DaySeconds:
        """Return every second from the first to the last event."""
        self._unfinished += self._waiting_events
        counts = self._counts.finish()
        counters = {
            "events": int(counts.updates.sum() + counts.snapshot_rows.sum()),
            "snapshots": self._snapshots,
            "segments": self._segments,
            "deletes_of_absent": self._absent.count,
            "unfinished_events": self._unfinished,
        }
        return DaySeconds(
            counts.second,
            self._states.rows(counts.second),
            counts.updates,
            counts.snapshot_rows,
            counts.batches,
            counts.last_batch_us,
            counters,
        )

    def _running_time(self, ts_us: Ints) -> Ints:
        lowest, highest = int(ts_us.min()), int(ts_us.max())
        start, end = self._window_us
        if lowest < start or highest >= end:
            raise QualityError(
                "E432",
                f"a book event lies at {np.datetime64(lowest if lowest < start else highest, 'us')} UTC, expected from "
                f"{np.datetime64(start, 'us')} to {np.datetime64(end, 'us')}",
                "the event belongs to another trade date; the partition was built with another calendar or not by this platform",
                "tp backfill KEY --from D --to D --force",
            )
        if ts_us[0] < self._now_us or not bool((ts_us[1:] >= ts_us[:-1]).all()):
            ts_us = np.maximum.accumulate(np.maximum(ts_us, self._now_us))
        self._now_us = int(ts_us[-1])
        return ts_us

    def _begin_segment(self, segment: int, ts_us: int) -> None:
        """Forget the book: nothing is carried from one source file into the next."""
        self._segment = segment
        self._segments += 1
        self._known = False
        self._unfinished += self._waiting_events
        self._waiting, self._waiting_clear, self._waiting_events = _NO_WRITES, False, 0
        self._absent.begin_segment()
        self._states.unknown(ts_us // MICROSECONDS)

    def _push_run(self, ts_us: Ints, events: EventArrays) -> None:
        """Take events of one segment."""
        count = len(events)
        first = int(ts_us[0]) // MICROSECONDS
        edges = np.arange(first + 1, int(ts_us[-1]) // MICROSECONDS + 1, dtype=np.int64) * MICROSECONDS
        ends = np.append(np.searchsorted(ts_us, edges), count)
        ended = np.flatnonzero(events.flags & END_OF_BATCH)
        batches = np.searchsorted(ended, ends)
        snapshot_rows = np.searchsorted(np.flatnonzero(events.snapshot), ends)
        last_batch_us = np.concatenate((np.zeros(1, np.int64), ts_us[ended]))[batches]
        self._counts.add(first, ends, snapshot_rows, batches, last_batch_us)

        clears = np.flatnonzero(events.command == CLEAR)
        writes = self._writes(events, clears)
        index = self._levels.positions(writes.tick, writes.is_ask)
        index[clears] = self._levels.no_ask
        self._absent.push(index, events.command, writes.amount, clears, ended)
        self._count_snapshots(clears, ended)
        cuts = np.concatenate((np.zeros(1, np.intp), ended + 1))[batches]
        self._apply(first, cuts, clears, index, writes)
        self._wait(writes, clears, int(cuts[-1]))

    def _writes(self, events: EventArrays, clears: Index) -> _Writes:
        """Return what the events write, and make room for it; a CLEAR writes nothing, its level means nothing."""
        price, is_ask = events.price, (events.command & np.uint8(1)).view(np.bool_)
        if len(clears):
            priced = events.command != CLEAR
            if not priced.any():
                return _Writes(np.zeros(len(price), np.int64), is_ask, np.zeros(len(price), np.int32))
            price = np.where(priced, price, price[priced.argmax()])
        tick = self._grid.ticks(price).astype(np.int64)
        amount = (events.quantity * (events.command < DELETE_BID)).view(np.int32)
        amount[clears] = 0
        lowest, highest = int(tick.min()), int(tick.max())
        self._levels.cover(lowest, highest)
        self._absent.cover(lowest, highest)
        return _Writes(tick, is_ask, amount)

    def _apply(self, first: int, cuts: Index, clears: Index, index: Ints, writes: _Writes) -> None:
        """Write the ended batches of each second into the book and note the state at its end."""
        steps = np.flatnonzero(np.diff(cuts, prepend=0))
        if len(steps) == 0:
            return
        self._apply_waiting()
        levels, states, amount = self._levels, self._states, writes.amount
        stops = cuts[steps]
        starts = np.concatenate((np.zeros(1, np.intp), stops[:-1]))
        before = np.searchsorted(clears, stops)
        clear_at = np.concatenate((np.full(1, -1, np.intp), clears))[before]
        highest_bid, lowest_ask = _touched(index[: stops[-1]], writes.is_ask[: stops[-1]], levels, starts)
        known = self._known
        for second, start, stop, cleared, bid, ask in zip(
            (steps + first).tolist(),
            starts.tolist(),
            stops.tolist(),
            clear_at.tolist(),
            highest_bid.tolist(),
            lowest_ask.tolist(),
            strict=True,
        ):
            if cleared >= start:
                levels.clear()
                start, known = cleared + 1, True  # noqa: PLW2901 what came before the CLEAR is gone
            elif not known:
                continue
            levels.quantity[index[start:stop]] = amount[start:stop]
            levels.settle(bid, ask)
            states.add(second, levels)
        self._known = known

    def _apply_waiting(self) -> None:
        """Write the beginning of the batch that ends now."""
        writes, levels = self._waiting, self._levels
        if self._waiting_clear:
            levels.clear()
            self._known = True
        if self._known and len(writes.tick):
            index = levels.positions(writes.tick, writes.is_ask)
            levels.quantity[index] = writes.amount
            bid, ask = _touched(index, writes.is_ask, levels, np.zeros(1, np.intp))
            levels.settle(int(bid[0]), int(ask[0]))

    def _wait(self, writes: _Writes, clears: Index, cut: int) -> None:
        """Keep the events behind the last END_OF_BATCH."""
        count = len(writes.tick)
        start = cut
        if cut:
            self._waiting, self._waiting_clear, self._waiting_events = _NO_WRITES, False, 0
        self._waiting_events += count - cut
        if len(clears) and clears[-1] >= cut:
            start = int(clears[-1]) + 1
            self._waiting, self._waiting_clear = _NO_WRITES, True
        if start == count:
            return
        rest, held = writes.behind(start), self._waiting
        if len(held.tick):
            rest = _Writes(
                np.concatenate((held.tick, rest.tick)),
                np.concatenate((held.is_ask, rest.is_ask)),
                np.concatenate((held.amount, rest.amount)),
            )
        # A file without END_OF_BATCH must not fill the memory; only the last write of a level counts.
        self._waiting = rest.last_per_level() if len(rest.tick) > _MOST_WAITING else rest

    def _count_snapshots(self, clears: Index, ended: Index) -> None:
        """Count ended batches that hold a CLEAR."""
        batch = np.unique(np.searchsorted(ended, clears))
        counted = int(np.searchsorted(batch, len(ended)))
        continued = self._waiting_clear and len(ended) > 0 and (counted == 0 or batch[0] != 0)
        self._snapshots += counted + int(continued)


def _touched(index: Ints, is_ask: Bools, levels: LevelArray, starts: Index) -> tuple[Ints, Ints]:
    """Return the highest bid and the lowest ask of each stretch, as positions; stretches begin at ``starts``.

    Deleted levels count as well: both are bounds from which the book is scanned.
    """
    highest_bid: Ints = np.maximum.reduceat(index * ~is_ask, starts)
    lowest_ask: Ints = np.minimum.reduceat(index + ~is_ask * np.int64(levels.no_ask), starts)
    return highest_bid, np.minimum(lowest_ask, levels.no_ask)
