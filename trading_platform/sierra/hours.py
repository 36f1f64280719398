"""The trading hours of one day against the times of its records.

Belongs here: what the facts of ticks and of book events measure alike. Does not belong here: which hours a day has (``sessions``).
"""

from __future__ import annotations

import numpy as np

from ..instants import us_of
from ..sessions import Session
from .format import Int64s


class TradingHours:
    """Opening, close and breaks of an open session.

    Args:
        session: an open one.

    Attributes:
        opens_us: epoch microseconds UTC, inclusive.
        closes_us: epoch microseconds UTC, exclusive.
    """

    def __init__(self, session: Session) -> None:
        if session.opens_at is None or session.closes_at is None:
            raise ValueError(f"Expected an open session, was {session}")
        self.opens_us, self.closes_us = us_of(session.opens_at), us_of(session.closes_at)
        self._breaks = [(us_of(start), us_of(end)) for start, end in session.breaks]

    def traded_us(self, start_us: int, end_us: int) -> int:
        """Return how much of ``[start_us, end_us)`` lies inside trading hours, in microseconds."""
        start, end = max(start_us, self.opens_us), min(end_us, self.closes_us)
        if start >= end:
            return 0
        return end - start - sum(max(0, min(end, stop) - max(start, begin)) for begin, stop in self._breaks)

    def count_outside(self, ts_us: Int64s, first_us: int, last_us: int) -> int:
        """Return how many times lie outside; ``first_us`` and ``last_us`` are the earliest and the latest of them.

        The two bounds spare the comparison of a whole row group with hours that it does not touch.
        """
        outside = 0
        if first_us < self.opens_us or last_us >= self.closes_us:
            outside += int(np.count_nonzero((ts_us < self.opens_us) | (ts_us >= self.closes_us)))
        for begin, end in self._breaks:
            if first_us < end and last_us >= begin:
                outside += int(np.count_nonzero((ts_us >= begin) & (ts_us < end)))
        return outside
