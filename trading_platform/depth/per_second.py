"""Counts per second over a growing span of seconds.

Belongs here: sums that need no book. Does not belong here: what is counted (``seconds.py``).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .grid import Ints

Index = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class CountedSeconds:
    """One element per second from the first to the last event; all int64.

    Attributes:
        second: epoch seconds.
        updates: events outside snapshots.
        snapshot_rows: events inside snapshots.
        batches: batches that ended.
        last_batch_us: epoch microseconds of the last batch that ended in or before the second; 0 before the first.
    """

    second: Ints
    updates: Ints
    snapshot_rows: Ints
    batches: Ints
    last_batch_us: Ints


class SecondCounts:
    """Adds up runs of events that continue each other, possibly inside a second."""

    def __init__(self) -> None:
        self._first = 0
        self._used = 0
        self._sums = np.zeros((4, 0), np.int64)

    def add(self, first: int, ends: Index, snapshot_rows: Index, batches: Index, last_batch_us: Ints) -> None:
        """Add a run of events.

        Args:
            first: epoch second of the first element, not before the last one so far.
            ends: events of the run up to the end of each second, cumulative.
            snapshot_rows: the same for events inside snapshots.
            batches: the same for ended batches.
            last_batch_us: epoch microseconds of the last batch of the run ended so far; 0 if there is none.
        """
        if self._used == 0:
            self._first = first
        start = first - self._first
        stop = start + len(ends)
        self._reserve(stop)
        rows = np.diff(snapshot_rows, prepend=0)
        self._sums[0, start:stop] += np.diff(ends, prepend=0) - rows
        self._sums[1, start:stop] += rows
        self._sums[2, start:stop] += np.diff(batches, prepend=0)
        np.maximum(self._sums[3, start:stop], last_batch_us, out=self._sums[3, start:stop])
        self._used = stop

    def finish(self) -> CountedSeconds:
        """Return all seconds."""
        updates, snapshot_rows, batches, last = self._sums[:, : self._used]
        second = np.arange(self._first, self._first + self._used, dtype=np.int64)
        return CountedSeconds(second, updates, snapshot_rows, batches, np.maximum.accumulate(last))

    def _reserve(self, count: int) -> None:
        if count > self._sums.shape[1]:
            grown = np.zeros((4, max(count, 2 * self._sums.shape[1], 1_024)), np.int64)
            grown[:, : self._used] = self._sums[:, : self._used]
            self._sums = grown
