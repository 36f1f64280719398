"""Measurements of a day of chains, the input of its checks.

Belongs here: counting rows, once while they are made and again from the stored file. Does not belong here: judging them (``checks.py``).
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

import polars as pl

from ..instants import us_of
from ..lake import Json
from .counts import HAS_IV, LIVE, ODD_LINES

BLANKABLE: Final = ("bid", "ask", "last", "iv", "volume", "open_interest", "vendor_delta", "vendor_gamma")
MEASURED: Final = ("observed_at", "settlement_at", "expiry", *BLANKABLE, "spot", "is_repeat")


class ChainFactCounter:
    """Counts the rows of a day, whatever portions they come in.

    Args:
        window: half-open span of instants that the day owns; rows outside are counted.
    """

    def __init__(self, window: tuple[datetime, datetime]) -> None:
        self._window = window
        self._counts: dict[str, int] = {}
        self._blank = dict.fromkeys(BLANKABLE, 0)
        self._snapshots: dict[datetime, bool] = {}
        self._spots: tuple[float, float] | None = None

    def add(self, rows: pl.DataFrame) -> None:
        """Count rows with the columns ``MEASURED``."""
        if rows.is_empty():
            return
        open_interest = pl.col("open_interest")
        first, end = self._window
        counted = rows.select(
            rows=pl.len(),
            settled_rows=(~LIVE).sum(),
            **{name: odd.sum() for name, odd in ODD_LINES.items()},
            open_interest_live=open_interest.filter(LIVE).sum(),
            open_interest_without_iv=open_interest.filter(LIVE & ~HAS_IV).sum(),
            rows_outside_day=(~pl.col("observed_at").is_between(first, end, closed="left")).sum(),
            low=pl.col("spot").min(),
            high=pl.col("spot").max(),
        ).row(0, named=True)
        low, high = counted.pop("low"), counted.pop("high")
        for name, value in counted.items():
            self._counts[name] = self._counts.get(name, 0) + int(value)
        if low is not None:
            known = self._spots or (low, high)
            self._spots = (min(known[0], low), max(known[1], high))
        for name in BLANKABLE:
            self._blank[name] += rows[name].null_count()
        self._snapshots |= dict(rows.select("observed_at", "is_repeat").unique().iter_rows())

    def facts(self) -> dict[str, Json]:
        """Return the measurements; without rows only the numbers of rows and snapshots."""
        times = sorted(self._snapshots)
        facts: dict[str, Json] = {"rows": 0, **self._counts, "snapshots": len(times)}
        if not times:
            return facts
        low, high = self._spots or (None, None)
        return {
            **facts,
            "repeated_snapshots": sum(self._snapshots.values()),
            "first_observed_us": us_of(times[0]),
            "last_observed_us": us_of(times[-1]),
            "lowest_spot": low,
            "highest_spot": high,
            "blank_cells": {name: count for name, count in self._blank.items() if count},
        }
