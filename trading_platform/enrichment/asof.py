"""Backward as-of alignment of two time series: for each row the latest snapshot that was known by then.

Belongs here: pure functions over sorted arrays of times. Does not belong here: which snapshots may be attached and when they are stale
(``attach.py``), files, frames.

Rule: snapshot ``s`` is known at ``t`` if ``s + latency <= t``; equal times match; never the nearest one, never a later one. Searching each
snapshot among the rows and repeating its number takes a third of the time of searching each row among the snapshots, because there are
hundreds of rows to a snapshot.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from ..errors import QualityError

Ints = npt.NDArray[np.int64]
Rows = npt.NDArray[np.int32]
Bools = npt.NDArray[np.bool_]

NO_ROW: Final = -1
MILLISECOND_US: Final = 1_000
# Rows handled at once in memory: times, ages and the bits between them then stay in the second-level cache.
_BLOCK_ROWS: Final = 131_072


def backward_rows(ts_us: Ints, snapshot_us: Ints, latency_ms: int = 0) -> Rows:
    """Return for each row the position of the latest snapshot that was known by then.

    Args:
        ts_us: int64[n], times of the rows, epoch microseconds UTC, never decreasing.
        snapshot_us: int64[m], times of the snapshots, epoch microseconds UTC, never decreasing. Of equal times the last one is taken.
        latency_ms: a snapshot is known this long after its time, at least 0.

    Returns:
        int32[n], never decreasing; ``NO_ROW`` where no snapshot was known yet.

    Raises:
        QualityError: E495 if the times of either side decrease, or the latency is below 0.
    """
    _refuse_unordered("rows", ts_us)
    _refuse_unordered("snapshots", snapshot_us)
    return _sorted_rows(ts_us, known_from(snapshot_us, latency_ms))


def backward_rows_any_order(ts_us: Ints, known_from_us: Ints) -> Rows:
    """Return the same for rows whose times may step back, as those of stored ticks can.

    Args:
        ts_us: int64[n], epoch microseconds UTC.
        known_from_us: int64[m], never decreasing, as ``known_from`` returned it.
    """
    if not is_decreasing(ts_us):
        return _sorted_rows(ts_us, known_from_us)
    return (np.searchsorted(known_from_us, ts_us, side="right") - 1).astype(np.int32)


def align(ts_us: Ints, snapshot_us: Ints, latency_ms: int = 0) -> tuple[Rows, Ints]:
    """Return position and age of the attached snapshot for each row.

    Args:
        ts_us: as for ``backward_rows``.
        snapshot_us: as for ``backward_rows``.
        latency_ms: as for ``backward_rows``.

    Returns:
        int32[n] as ``backward_rows``; int64[n] age in whole milliseconds (time of the row minus time of the snapshot, rounded down), never
        negative where there is a snapshot, ``NO_ROW`` where there is none.

    Raises:
        QualityError: E495 as ``backward_rows``.
    """
    rows = backward_rows(ts_us, snapshot_us, latency_ms)
    age_ms = np.empty(len(rows), np.int64)
    for first in range(0, len(rows), _BLOCK_ROWS):
        block = slice(first, first + _BLOCK_ROWS)
        age_ms[block] = ages_us(ts_us[block], snapshot_us, rows[block])
        age_ms[block] //= MILLISECOND_US
    age_ms[: int(np.searchsorted(rows, 0))] = NO_ROW
    return rows, age_ms


def ages_us(ts_us: Ints, snapshot_us: Ints, rows: Rows) -> Ints:
    """Return time of the row minus time of its snapshot in microseconds; without meaning where ``rows`` is ``NO_ROW``."""
    if not len(snapshot_us):
        return np.zeros(len(ts_us), np.int64)
    age: Ints = ts_us - np.take(snapshot_us, rows, mode="clip")
    return age


def gather(columns: Sequence[npt.NDArray[Any]], rows: Rows) -> list[npt.NDArray[np.float64]]:
    """Return for each column the value of the attached snapshot for each row, NaN where there is none or where it is NaN.

    Args:
        columns: float64[m] each, one value per snapshot.
        rows: int32[n], positions of snapshots or ``NO_ROW``. Ascending ones are four times as fast: values are repeated, not looked up.
    """
    # The NaN in front is what position -1 picks.
    padded = [np.concatenate(([np.nan], np.asarray(column, np.float64))) for column in columns]
    if not padded or is_decreasing(rows):
        return [np.take(values, rows + 1) for values in padded]
    edges = np.searchsorted(rows, np.arange(NO_ROW, len(padded[0]), dtype=rows.dtype))
    counts = np.diff(edges)
    return [np.repeat(values, counts) for values in padded]


def known_from(snapshot_us: Ints, latency_ms: int) -> Ints:
    """Return when each snapshot is known, epoch microseconds UTC.

    Raises:
        QualityError: E495 if the latency is below 0: a snapshot would be known before it was taken.
    """
    if latency_ms < 0:
        raise _unusable(f"the latency is {latency_ms} ms, expected at least 0", "a snapshot would be used too early")
    return snapshot_us + latency_ms * MILLISECOND_US


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
    if len(ts_us) and len(known_from_us) and len(ts_us) < len(known_from_us):
        # Few rows and many snapshots, such as one row group of ticks: only those around the rows matter.
        low = max(0, int(np.searchsorted(known_from_us, ts_us[0], side="right")) - 1)
        high = int(np.searchsorted(known_from_us, ts_us[-1], side="right"))
    else:
        low, high = 0, len(known_from_us)
    starts = np.searchsorted(ts_us, known_from_us[low:high], side="left")
    edges = np.concatenate(([0], starts, [len(ts_us)]))
    numbers = np.arange(low - 1, high, dtype=np.int32)
    return np.repeat(numbers, np.diff(edges))


def _refuse_unordered(name: str, values: Ints) -> None:
    if is_decreasing(values):
        raise _unusable(f"the times of the {name} decrease", "the latest snapshot before a row is found by its place")


def _unusable(what: str, why: str) -> QualityError:
    return QualityError("E495", what, f"{why}; nothing was written", "tp export bars --help")
