"""What is measured about a day of book events, from its columns alone.

Belongs here: counts, times and the preview, accumulated row group by row group, so that the same code serves the build and the later
measurement of a stored file. Does not belong here: judging (``checks.py``), what only the source knows (rejects, missing files), and
anything that needs a book (``trading_platform.depth``).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...instants import instant_of
from ...lake.building import Json, Preview
from ...sessions import Session
from ..decode import Bools, pool_array
from ..format import Int64s
from ..hours import TradingHours
from .format import END_OF_BATCH, Command

DEPTH_PREVIEW_BUCKETS = 96


@dataclass(frozen=True)
class DepthChunk:
    """Some rows of a partition in order."""

    ts_us: Int64s
    command: NDArray[np.uint8]
    flags: NDArray[np.uint8]
    batch_id: NDArray[np.uint32]
    snapshot: Bools
    segment: NDArray[np.uint8]


class DepthFactCounter:
    """Accumulates facts over the chunks of one day.

    Args:
        session: trading hours of the day; an open one.
    """

    def __init__(self, session: Session) -> None:
        hours = self._hours = TradingHours(session)
        self._rows = self._ends = self._snapshots = self._snapshot_rows = self._outside = 0
        self._commands = np.zeros(len(Command), np.int64)
        self._first_us = self._last_us = 0  # earliest and latest
        self._previous_us = 0  # time of the last row, which need not be the latest
        self._decreased = self._largest_decrease_us = 0
        self._last_batch = self._last_snapshot_batch = -1
        self._segment = -1
        self._segment_first_us = self._unknown_us = 0
        self._segment_is_known = True
        self._scratch = pool_array(0, np.int64)
        self._edges: Int64s
        self._start_us = hours.opens_us
        self._step_us = -((hours.opens_us - hours.closes_us) // DEPTH_PREVIEW_BUCKETS)
        self._edges = hours.opens_us + self._step_us * np.arange(DEPTH_PREVIEW_BUCKETS + 1, dtype=np.int64)
        self._events: Int64s = np.zeros(DEPTH_PREVIEW_BUCKETS, np.int64)

    def add(self, chunk: DepthChunk) -> None:
        """Take the next rows into account."""
        rows = len(chunk.ts_us)
        if rows == 0:
            return
        ordered = self._add_order(chunk.ts_us)
        first, last = (
            (int(chunk.ts_us[0]), int(chunk.ts_us[-1])) if ordered else (int(chunk.ts_us.min()), int(chunk.ts_us.max()))
        )
        for command in range(
            len(Command)
        ):  # plain integers: a comparison with an enumeration's member is eight times slower
            self._commands[command] += np.count_nonzero(chunk.command == command)
        self._ends += int(np.count_nonzero(chunk.flags & END_OF_BATCH))
        self._snapshot_rows += int(np.count_nonzero(chunk.snapshot))
        clears = np.flatnonzero(chunk.command == int(Command.CLEAR_BOOK))
        self._add_snapshots(chunk, clears)
        self._add_segments(chunk)
        self._outside += self._hours.count_outside(chunk.ts_us, first, last)
        in_order = chunk.ts_us if ordered else np.sort(chunk.ts_us)
        self._events += np.diff(np.searchsorted(in_order, self._edges))
        self._first_us = first if self._rows == 0 else min(first, self._first_us)
        self._last_us = last if self._rows == 0 else max(last, self._last_us)
        self._previous_us = int(chunk.ts_us[-1])
        self._last_batch = int(chunk.batch_id[-1])
        self._rows += rows

    def facts(self) -> dict[str, Json]:
        """Return the facts; times are ISO 8601 UTC with microseconds, null where there are no rows."""
        some = self._rows > 0
        commands = self._commands.tolist()
        unknown_us = self._unknown_us
        if not self._segment_is_known:
            unknown_us += max(0, self._previous_us - self._segment_first_us)
        return {
            "rows": self._rows,
            "clears": commands[Command.CLEAR_BOOK],
            "adds": commands[Command.ADD_BID] + commands[Command.ADD_ASK],
            "modifies": commands[Command.MODIFY_BID] + commands[Command.MODIFY_ASK],
            "deletes": commands[Command.DELETE_BID] + commands[Command.DELETE_ASK],
            "batches": self._last_batch + 1,
            "unfinished_batches": self._last_batch + 1 - self._ends,
            "snapshots": self._snapshots,
            "snapshot_rows": self._snapshot_rows,
            "segments": self._segment + 1,
            "first_ts": _iso(self._first_us) if some else None,
            "last_ts": _iso(self._last_us) if some else None,
            "open_gap_s": max(0, self._first_us - self._hours.opens_us) / 1e6 if some else None,
            "close_gap_s": max(0, self._hours.closes_us - self._last_us) / 1e6 if some else None,
            "seconds_before_first_snapshot": unknown_us / 1e6,
            "outside_hours_rows": self._outside,
            "ts_decreased_rows": self._decreased,
            "max_time_decrease_s": self._largest_decrease_us / 1e6,
        }

    def preview(self) -> Preview:
        """Return the picture of the day: events per bucket. A price would need the book, so there is none."""
        return Preview(self._start_us, self._step_us, np.full(DEPTH_PREVIEW_BUCKETS, np.nan), self._events)

    def _add_order(self, ts_us: Int64s) -> bool:
        """Count decreases of time, also from the rows before; tell whether these rows are in order."""
        if len(ts_us) > len(self._scratch):
            self._scratch = pool_array(len(ts_us), np.int64)
        steps: Int64s = np.subtract(ts_us[1:], ts_us[:-1], out=self._scratch[: len(ts_us) - 1])
        smallest = int(steps.min()) if len(steps) else 0
        ordered = smallest >= 0
        if not ordered:
            self._decreased += int(np.count_nonzero(steps < 0))
        if self._rows:
            step = int(ts_us[0]) - self._previous_us
            self._decreased += step < 0
            smallest = min(smallest, step)
        self._largest_decrease_us = max(self._largest_decrease_us, -smallest)
        return ordered

    def _add_snapshots(self, chunk: DepthChunk, clears: NDArray[np.intp]) -> None:
        """Count the batches that clear the book."""
        if not len(clears):
            return
        batches = np.unique(chunk.batch_id[clears])
        self._snapshots += len(batches) - (int(batches[0]) == self._last_snapshot_batch)
        self._last_snapshot_batch = int(batches[-1])

    def _add_segments(self, chunk: DepthChunk) -> None:
        """Add the time from each file's first event to the end of its first snapshot; if none ends, to its last event."""
        segment = chunk.segment
        starts = [0]
        if segment[0] != segment[-1]:
            starts += (np.flatnonzero(segment[1:] != segment[:-1]) + 1).tolist()
        for start, stop in zip(starts, [*starts[1:], len(segment)], strict=True):
            if int(segment[start]) != self._segment:
                if not self._segment_is_known:
                    before = int(chunk.ts_us[start - 1]) if start else self._previous_us
                    self._unknown_us += max(0, before - self._segment_first_us)
                self._segment, self._segment_is_known = int(segment[start]), False
                self._segment_first_us = int(chunk.ts_us[start])
            if self._segment_is_known:
                continue
            here = slice(start, stop)
            ends = np.flatnonzero(chunk.snapshot[here] & (chunk.flags[here] & END_OF_BATCH != 0))
            if len(ends):
                self._segment_is_known = True
                self._unknown_us += max(0, int(chunk.ts_us[start + ends[0]]) - self._segment_first_us)


def _iso(us: int) -> str:
    return instant_of(us).isoformat(timespec="microseconds")
