"""Backward as-of alignment of two time series: for each row the latest snapshot that was known by then.

Belongs here: pure functions over sorted arrays of times. Does not belong here: which snapshots may be attached and when they are stale
(``attach.py``), files, frames.

Source: docs/architecture.md, "Enrichment with gamma exposure".

Rule: snapshot ``s`` is known at ``t`` if ``s + latency <= t``; equal times match; never the nearest one, never a later one. Searching each
snapshot among the rows and repeating its number takes a third of the time of searching each row among the snapshots, because there are
hundreds of rows to a snapshot.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Rows = npt.NDArray[np.int32]
Bools = npt.NDArray[np.bool_]

NO_ROW: Final = -1
MILLISECOND_US: Final = 1_000
# Rows handled at once in memory, so that they stay in the second-level cache.
_BLOCK_ROWS: Final = 131_072


def backward_rows(ts_us: Ints, known_from_us: Ints) -> Rows:
    """Return for each row the position of the latest snapshot that was known by then.

    Args:
        ts_us: int64[n], times of the rows, epoch microseconds UTC. They may step back, as those of stored ticks can.
        known_from_us: int64[m], when each snapshot is known, epoch microseconds UTC, never decreasing. Of equal times the last is taken.

    Returns:
        int32[n]; ``NO_ROW`` where no snapshot was known yet.
    """
    if not is_decreasing(ts_us):
        return _sorted_rows(ts_us, known_from_us)
    return (np.searchsorted(known_from_us, ts_us, side="right") - 1).astype(np.int32)


def ages_us(ts_us: Ints, snapshot_us: Ints, rows: Rows) -> Ints:
    """Return time of the row minus time of its snapshot in microseconds; without meaning where ``rows`` is ``NO_ROW``."""
    if not len(snapshot_us):
        return np.zeros(len(ts_us), np.int64)
    age: Ints = ts_us - np.take(snapshot_us, rows, mode="clip")
    return age


def within(ts_us: Ints, spans_us: tuple[tuple[int, int], ...]) -> Bools:
    """Tell which times lie in half-open spans."""
    inside = np.zeros(len(ts_us), np.bool_)
    for first, end in spans_us:
        inside |= (ts_us >= first) & (ts_us < end)
    return inside


def is_decreasing(values: Ints | Rows) -> bool:
    """Tell whether any value is less than the one before it."""
    for first in range(0, len(values), _BLOCK_ROWS):
        block = values[first : first + _BLOCK_ROWS + 1]
        if (block[1:] < block[:-1]).any():
            return True
    return False


def _sorted_rows(ts_us: Ints, known_from_us: Ints) -> Rows:
    """Find the first row at which each snapshot is known, and repeat its number until the next one is."""
    if len(ts_us) and len(known_from_us):
        # One row group of ticks is minutes of a day: only the snapshots around it matter.
        low = max(0, int(np.searchsorted(known_from_us, ts_us[0], side="right")) - 1)
        high = int(np.searchsorted(known_from_us, ts_us[-1], side="right"))
    else:
        low, high = 0, len(known_from_us)
    starts = np.searchsorted(ts_us, known_from_us[low:high], side="left")
    edges = np.concatenate(([0], starts, [len(ts_us)]))
    numbers = np.arange(low - 1, high, dtype=np.int32)
    return np.repeat(numbers, np.diff(edges))
