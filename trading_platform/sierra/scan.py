"""One streaming pass over a ``.scid`` or ``.depth`` file: where time runs forward, and which records cannot be trusted.

Belongs here: the state of a scan and how a block of records extends it. Does not belong here: keeping the result (``index.py``).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from .format import EARLIEST_DT, EPOCH_OFFSET_US, Int64s, Records, Timing, judge_timing
from .record_file import BLOCK_RECORDS, RecordFile

# A destroyed byte range rarely ends on a record: the record it ends in keeps its prices and gets a date that may be years off and still
# plausible, and random bytes now and then read as a plausible date. A segment of at most this many records that touches a bad run and
# does not fit between its neighbours in time is therefore taken for part of the damage.
ISLAND_RECORDS = 16

# Only times are looked at, so nothing is gained by staying in a small cache: fewer and larger reads cost a fifth less.
SCANNED_RECORDS = 4 * BLOCK_RECORDS


@dataclass(frozen=True, slots=True)
class BadRun:
    """Consecutive records that cannot be placed in time.

    Attributes:
        first: index of the first record.
        stop: index after the last one.
        timing: what is wrong; ``PLAUSIBLE`` marks records whose date is plausible but torn out of order by adjacent damage.
        previous_us: time of the last good record before the run, epoch microseconds UTC; None at the start of the file.
        next_us: time of the first good record after it; None at the end of the file.
    """

    first: int
    stop: int
    timing: Timing
    previous_us: int | None
    next_us: int | None


@dataclass(slots=True)
class ScanState:
    """What a scan has found so far; lists of columns, so that they store as arrays.

    Attributes:
        count: records scanned, trailing zero records excluded.
        segments: ``[first, stop, first_us, last_us]`` of each run of good records in which time never decreases.
        runs: ``[first, stop, timing]`` of each bad run.
        earliest_future_dt: smallest DateTime refused for lying in the future (0 if none): it becomes plausible as time passes.
    """

    count: int = 0
    segments: list[list[int]] = field(default_factory=list)
    runs: list[list[int]] = field(default_factory=list)
    earliest_future_dt: int = 0

    def add_good(self, first: int, dt: Int64s) -> None:
        """Append good records that start at index ``first``; splits them where time decreases."""
        if len(dt) > 1 and self._follows_damage(first):
            # The record in which a destroyed range ends may carry a torn date: alone, it can be judged by its neighbours (``_islands``).
            self.add_good(first, dt[:1])
            first, dt = first + 1, dt[1:]
        cuts = (np.flatnonzero(dt[1:] < dt[:-1]) + 1).tolist()
        for a, b in zip([0, *cuts], [*cuts, len(dt)], strict=True):
            first_us, last_us = int(dt[a]) - EPOCH_OFFSET_US, int(dt[b - 1]) - EPOCH_OFFSET_US
            tail = self.segments[-1] if self.segments else None
            joins = tail is not None and tail[1] == first + a and tail[3] <= first_us
            if tail is not None and joins and not (tail[1] - tail[0] == 1 and self._follows_damage(tail[0])):
                tail[1], tail[3] = first + b, last_us
            else:
                self.segments.append([first + a, first + b, first_us, last_us])

    def copy(self) -> ScanState:
        """Return an independent copy."""
        segments, runs = [list(row) for row in self.segments], [list(row) for row in self.runs]
        return ScanState(self.count, segments, runs, self.earliest_future_dt)

    def expired(self, latest: int) -> bool:
        """Tell whether a record that was in the future is plausible by now."""
        return 0 < self.earliest_future_dt <= latest

    def _follows_damage(self, index: int) -> bool:
        return bool(self.runs) and self.runs[-1][1] == index

    def add_bad(self, first: int, stop: int, timing: int) -> None:
        """Append a bad run."""
        if self.runs and self.runs[-1][1] == first and self.runs[-1][2] == timing:
            self.runs[-1][1] = stop
        else:
            self.runs.append([first, stop, timing])

    def drop_zero_tail(self) -> int:
        """Forget zero records at the end, which are not written yet; returns how many there were."""
        if self.runs and self.runs[-1][2] == Timing.ZERO_RECORD and self.runs[-1][1] == self.count:
            first, stop, _ = self.runs.pop()
            self.count = first
            return stop - first
        return 0


def extend_scan(file: RecordFile, state: ScanState, latest: int) -> None:
    """Scan the records after ``state.count``.

    Args:
        file: the file; its record count bounds the scan.
        state: changed in place.
        latest: largest plausible DateTime, Sierra microseconds.

    Raises:
        SourceChangedError: the file shrank meanwhile.
    """
    for first, block in file.stream(state.count, block_records=SCANNED_RECORDS):
        dt: Int64s = np.ascontiguousarray(block["dt"])
        # The common block needs two comparisons: if time never decreases, its ends bound everything in between.
        if dt[0] >= EARLIEST_DT and dt[-1] <= latest and bool((dt[1:] >= dt[:-1]).all()):
            state.add_good(first, dt)
        else:
            _scan_odd_block(state, first, block, dt, latest)
        state.count = first + len(block)


def _scan_odd_block(state: ScanState, first: int, block: Records, dt: Int64s, latest: int) -> None:
    timing = judge_timing(block, latest)
    future = dt[(timing == Timing.IMPLAUSIBLE) & (dt > latest)]
    if len(future):
        earliest = int(future.min())
        state.earliest_future_dt = min(earliest, state.earliest_future_dt or earliest)
    cuts = (np.flatnonzero(timing[1:] != timing[:-1]) + 1).tolist()
    for a, b in zip([0, *cuts], [*cuts, len(block)], strict=True):
        if timing[a] == Timing.PLAUSIBLE:
            state.add_good(first + a, dt[a:b])
        else:
            state.add_bad(first + a, first + b, int(timing[a]))


def settle(state: ScanState) -> tuple[Int64s, tuple[BadRun, ...]]:
    """Turn a scan into its final view: islands inside damage join it, and every bad run knows its neighbours in time.

    Returns:
        Segments as int64[n, 4] (first, stop, first_us, last_us) in file order, and the bad runs in file order.
    """
    segments: Int64s = np.array(state.segments, np.int64).reshape(-1, 4)
    if not state.runs:
        return segments, ()
    damaged = _islands(segments, np.array(state.runs, np.int64).reshape(-1, 3))
    runs = sorted([*state.runs, *([int(s[0]), int(s[1]), int(Timing.PLAUSIBLE)] for s in segments[damaged])])
    good = segments[~damaged]
    found = []
    for first, stop, timing in runs:
        after = int(np.searchsorted(good[:, 0], first))
        previous_us = int(good[after - 1, 3]) if after else None
        next_us = int(good[after, 2]) if after < len(good) else None
        found.append(BadRun(first, stop, Timing(timing), previous_us, next_us))
    return good, tuple(found)


def _islands(segments: Int64s, runs: Int64s) -> NDArray[np.bool_]:
    """Mark short segments that touch a bad run and do not fit between the long segments around them."""
    damaged: NDArray[np.bool_] = np.zeros(len(segments), np.bool_)
    short = segments[:, 1] - segments[:, 0] <= ISLAND_RECORDS
    touches = np.isin(segments[:, 0], runs[:, 1]) | np.isin(segments[:, 1], runs[:, 0])
    long = segments[~short]
    for at in np.flatnonzero(short & touches).tolist():
        after = int(np.searchsorted(long[:, 0], segments[at, 0]))
        too_early = after > 0 and segments[at, 2] < long[after - 1, 3]
        too_late = after < len(long) and segments[at, 3] > long[after, 2]
        damaged[at] = bool(too_early or too_late)
    return damaged
