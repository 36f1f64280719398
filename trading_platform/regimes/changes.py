"""When the regime of a day changed, and why.

Belongs here: from rows of ``gex_regimes`` to the rows at which a state begins. Does not belong here: deciding states (``states.py``),
reading partitions, printing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from .parameters import State
from .reasons import parse_reason


@dataclass(frozen=True, slots=True)
class StateChange:
    """One stretch of a state of one source.

    Attributes:
        source: source of the chains, or category of the feed.
        ts: first observation in this state, UTC.
        known_at: when it could be known, UTC.
        state: the regime.
        previous: the state of the row before, None for the first row.
        until: last observation in this state, UTC.
        observations: number of rows.
        spot: at the first observation, points; None if unknown.
        reasons: why the first row is in this state, by key.
    """

    source: str
    ts: datetime
    known_at: datetime
    state: State
    previous: State | None
    until: datetime
    observations: int
    spot: float | None
    reasons: dict[str, str]

    @property
    def lasted(self) -> timedelta:
        """Return the time from the first to the last observation."""
        return self.until - self.ts


COLUMNS = ("ts", "source", "known_at", "state", "spot", "reasons")
"""Columns of ``gex_regimes`` that ``changes_of`` looks at."""


def changes_of(rows: pl.DataFrame) -> list[StateChange]:
    """Return the stretches of equal states, each source by itself, in order of time.

    Args:
        rows: ``COLUMNS`` of one trade date, any order.
    """
    found = []
    text = rows.with_columns(pl.col("source", "state").cast(pl.String)).sort("source", "ts")
    for _, of_source in text.group_by("source", maintain_order=True):
        runs = of_source.with_columns(run=pl.col("state").rle_id())
        previous: State | None = None
        for _, run in runs.group_by("run", maintain_order=True):
            first = run.row(0, named=True)
            state = State(first["state"])
            found.append(
                StateChange(
                    source=first["source"],
                    ts=first["ts"],
                    known_at=first["known_at"],
                    state=state,
                    previous=previous,
                    until=run["ts"][-1],
                    observations=run.height,
                    spot=first["spot"],
                    reasons=parse_reason(first["reasons"]),
                )
            )
            previous = state
    return sorted(found, key=lambda one: (one.ts, one.source))
