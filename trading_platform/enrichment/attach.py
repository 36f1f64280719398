"""Which snapshot a row shows, how old it is, and whether it may still be used.

Belongs here: the rules of attachment for one trade date, over arrays. Does not belong here: the search (``asof.py``), files
(``upstream.py``), what the values mean.

Rules, in this order:

1. A row shows the latest snapshot that was known by then (backward only), back to the open of the underlying's previous session by
   calendar, so Monday reaches Friday.
2. A snapshot from before the open of the row's session is a pre-open snapshot. Its values stay whatever its age, flagged.
3. A snapshot older than the limit is a gap. The feed comes about once a second in regular hours of the underlying and every five minutes
   outside them, so there are two limits. What has once become a gap stays one: a snapshot that was too old in regular hours does not
   come back when they end.
4. All values of a row come from that one snapshot. A field that is null in it stays null.

Source: docs/architecture.md, "Enrichment with gamma exposure".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from .asof import MILLISECOND_US, NO_ROW, Bools, Ints, Rows, backward_rows
from .policy import AttachPolicy


@dataclass(frozen=True, slots=True)
class Attachment:
    """What each row shows.

    Attributes:
        row: int32[n], position in the snapshots of the frame, ``NO_ROW`` where there is none.
        age_ms: int64[n], time of the row minus time of the snapshot, whole milliseconds rounded down; ``NO_ROW`` without a snapshot.
        gap: bool[n], no snapshot, or one that is too old.
        preopen: bool[n], the snapshot was taken before the session opened; False without a snapshot.
    """

    row: Rows
    age_ms: Ints
    gap: Bools
    preopen: Bools

    @property
    def shown(self) -> Bools:
        """Return where the values of the snapshot are shown: fresh ones, and pre-open ones of any age."""
        return (self.row >= 0) & (~self.gap | self.preopen)

    def values_row(self) -> Rows:
        """Return the snapshot whose values are shown, ``NO_ROW`` where none are."""
        return np.where(self.shown, self.row, np.int32(NO_ROW))


@dataclass(frozen=True, slots=True)
class Attacher:
    """The snapshots that one trade date may show, ready for rows in any number and order.

    Attributes:
        snapshot_us: int64[m], times of the snapshots, strictly increasing, epoch microseconds UTC.
        known_from_us: int64[m], when each is known.
        fresh_until_us: int64[m], last instant at which each is fresh.
        preopen_count: number of snapshots from before the open of the session; they come first.
    """

    snapshot_us: Ints
    known_from_us: Ints
    fresh_until_us: Ints
    preopen_count: int

    @classmethod
    def of(
        cls, snapshot_us: Ints, opens_us: int, regular_us: tuple[tuple[int, int], ...], policy: AttachPolicy
    ) -> Attacher:
        """Return the attacher of a session that opens at ``opens_us``; ``snapshot_us`` is strictly increasing."""
        return cls(
            snapshot_us,
            snapshot_us + policy.gex_latency_ms * MILLISECOND_US,
            fresh_until(snapshot_us, regular_us, policy),
            int(np.searchsorted(snapshot_us, opens_us, side="left")),
        )

    def attach(self, ts_us: Ints) -> Attachment:
        """Return what the rows at these times show."""
        row = backward_rows(ts_us, self.known_from_us)
        none = row < 0
        if not len(self.snapshot_us):
            return Attachment(row, np.full(len(row), NO_ROW, np.int64), none, ~none)
        # Rows without a snapshot read the last one; what they read is replaced.
        runs = RunsOfRows.of(row)
        gap = ts_us > runs.values(self.fresh_until_us)
        gap |= none
        age_ms: Ints = ts_us - runs.values(self.snapshot_us)
        age_ms //= MILLISECOND_US
        age_ms[none] = NO_ROW
        return Attachment(row, age_ms, gap, ~none & (row < self.preopen_count))


@dataclass(frozen=True, slots=True)
class RunsOfRows:
    """Rows that show the same snapshot, one after the other: hundreds of ticks do, so values are repeated and not looked up one by one.

    Attributes:
        rows: int32[r], the snapshot of each run.
        lengths: int64[r], number of rows of each run.
    """

    rows: Rows
    lengths: Ints

    @classmethod
    def of(cls, rows: Rows) -> RunsOfRows:
        """Find the runs; right for rows in any order, fast for few runs."""
        if not len(rows):
            return cls(rows, np.empty(0, np.int64))
        starts = np.concatenate(([0], np.flatnonzero(rows[1:] != rows[:-1]) + 1))
        return cls(rows[starts], np.diff(starts, append=len(rows)))

    def values(self, column: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return the value of each row's snapshot; ``column`` has one value per snapshot, and every row must have one."""
        return np.repeat(column[self.rows], self.lengths)


def fresh_until(snapshot_us: Ints, regular_us: tuple[tuple[int, int], ...], policy: AttachPolicy) -> Ints:
    """Return the last instant at which each snapshot is fresh, epoch microseconds UTC.

    That is the limit for outside hours, or the first instant of regular hours at which the snapshot is older than the limit there, if that
    comes before. It follows from the time of the snapshot alone, so no later data change it.

    Args:
        snapshot_us: int64[m], epoch microseconds UTC.
        regular_us: regular hours of the underlying, half-open spans.
        policy: both limits.
    """
    regular_limit_us = snapshot_us + policy.stale_after_ms * MILLISECOND_US
    until = snapshot_us + policy.stale_outside_ms * MILLISECOND_US
    for first, end in regular_us:
        within = (regular_limit_us >= first) & (regular_limit_us < end)
        until[within] = np.minimum(until, regular_limit_us)[within]
        before = regular_limit_us < first
        until[before] = np.minimum(until, first - 1)[before]
    return until


def to_gather(row: Rows, wanted: Bools) -> pl.Series:
    """Return positions for ``gather``: null, which gathers null, where not wanted."""
    return pl.Series(row, dtype=pl.Int64).set(pl.Series(~wanted), None)


def null_unless(values: Ints, wanted: Bools) -> pl.Series:
    """Return whole numbers, null where not wanted."""
    return pl.Series(values).set(pl.Series(~wanted), None)
