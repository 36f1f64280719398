"""Good-looking records at a time where no day of theirs can be.

Belongs here: finding lone records whose date is far from everything around them. Does not belong here: dates that are impossible by
themselves or torn by damage beside them (``scan.py``).

A trade date with a handful of records, all of them where the file's time jumps away and back or at its very ends, is no day: its records
are one neighbour's with a wrong date.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

import numpy as np
from numpy.typing import NDArray

from ..instants import us_of
from ..sessions import Session, TradingCalendar
from .damage import covered_date, is_near_close, is_near_open
from .format import Int64s
from .index import ScidIndex
from .scan import ISLAND_RECORDS

# Feeds deliver a few records late by seconds; a wrong date is further off.
_JUMP_US = 3_600 * 1_000_000
_QUARTER_US = 900 * 1_000_000


@dataclass(frozen=True, slots=True)
class Island:
    """Records at a wrong time.

    Attributes:
        first: index of the first record.
        stop: index after the last one.
        owner: trade date of the records beside them, whose rejects they are.
        until: at the end of the file, the session that the records would belong to: they are the beginning of it while it lasts. None
            elsewhere.
    """

    first: int
    stop: int
    owner: date
    until: Session | None

    def holds_at(self, now: datetime) -> bool:
        """Tell whether nothing can follow any more that makes a day of the records."""
        return self.until is None or self.until.is_final(now)


def find_islands(index: ScidIndex, calendar: TradingCalendar) -> tuple[Island, ...]:
    """Return the islands of a file in file order.

    Looked at are the places where time decreases by more than an hour, and both ends of the file: elsewhere records fit between their
    neighbours.
    """
    table = index.segments
    if not len(table):
        return ()
    search = _Search(index, calendar)
    jumps = table[1:, 2] < table[:-1, 3] - _JUMP_US
    tails = np.flatnonzero(np.append(jumps, True))
    heads = np.flatnonzero(np.append(True, jumps))
    found: dict[int, Island] = {}
    for at in tails[search.short_days(table[tails, 3])].tolist():
        search.add(found, at, search.tail(at), at_end=at == len(table) - 1)
    for at in heads[search.short_days(table[heads, 2])].tolist():
        search.add(found, at, search.head(at), at_end=False)
    return tuple(found[first] for first in sorted(found))


class _Search:
    """Looks at the ends of one file's segments."""

    def __init__(self, index: ScidIndex, calendar: TradingCalendar) -> None:
        self._index = index
        self._calendar = calendar
        self._short: dict[date, int | None] = {}

    def short_days(self, times_us: Int64s) -> NDArray[np.bool_]:
        """Tell of each time whether at most 16 records belong to its trade date; a quarter of an hour never spans two dates."""
        quarters, places = np.unique(times_us // _QUARTER_US, return_inverse=True)
        short = [self._short_day(quarter * _QUARTER_US) is not None for quarter in quarters.tolist()]
        found: NDArray[np.bool_] = np.array(short, np.bool_)[places]
        return found

    def tail(self, at: int) -> tuple[int, int]:
        """Return the records of short days at the end of a segment, a few more than 16 at most."""
        segment_first, stop, _, us = self._index.segments[at].tolist()
        first = stop
        while first > segment_first and stop - first <= ISLAND_RECORDS:
            begin = self._short_day(us)
            if begin is None:
                break
            first = self._after(segment_first, first, begin)
            us = self._index.file.timestamp_us(first - 1) if first > segment_first else us
        return first, stop

    def head(self, at: int) -> tuple[int, int]:
        """Return the records of short days at the start of a segment, 17 at most."""
        first, segment_stop, us, _ = self._index.segments[at].tolist()
        stop = first
        while stop < segment_stop and stop - first <= ISLAND_RECORDS and self._short_day(us) is not None:
            stop += 1
            us = self._index.file.timestamp_us(stop) if stop < segment_stop else us
        return first, stop

    def add(self, found: dict[int, Island], at: int, run: tuple[int, int], *, at_end: bool) -> None:
        """Keep a run of records unless it may be the end or the beginning of a session, or nothing trustworthy is beside it."""
        first, stop = run
        beside_us = self._beside(at, first, stop)
        if first == stop or stop - first > ISLAND_RECORDS or beside_us is None:
            return
        owner = covered_date(beside_us, self._calendar)
        us = self._index.file.timestamp_us(first)
        day = covered_date(us, self._calendar)
        if owner is None:
            return
        until = None
        if day is not None and at_end and beside_us <= us:
            if self._follows(owner, day) and is_near_open(us, day, self._calendar):
                return
            until = self._calendar.session(day)
        elif day is not None and first == 0 and us <= beside_us and is_near_close(us, day, self._calendar):
            return
        found.setdefault(first, Island(first, stop, owner, until))

    def _beside(self, at: int, first: int, stop: int) -> int | None:
        """Return the time of the nearest record before a run, else after it, that belongs to a day with more than 16 records."""
        table = self._index.segments
        for segment_first, segment_stop, _, _ in reversed(table[max(0, at - ISLAND_RECORDS) : at + 1].tolist()):
            end = min(segment_stop, first)
            for record in range(end - 1, max(segment_first, end - ISLAND_RECORDS - 1) - 1, -1):
                us = self._index.file.timestamp_us(record)
                if self._short_day(us) is None:
                    return us
        for segment_first, segment_stop, _, _ in table[at : at + ISLAND_RECORDS + 1].tolist():
            begin = max(segment_first, stop)
            for record in range(begin, min(segment_stop, begin + ISLAND_RECORDS + 1)):
                us = self._index.file.timestamp_us(record)
                if self._short_day(us) is None:
                    return us
        return None

    def _follows(self, before: date, after: date) -> bool:
        return after > self._calendar.first and self._calendar.previous_open(after) == before

    def _short_day(self, us: int) -> int | None:
        """Return where the trade date of a time begins if at most 16 records belong to it, else None."""
        day = covered_date(us, self._calendar)
        if day is None:
            return us
        if day in self._short:
            return self._short[day]
        session = self._calendar.session(day)
        begin, end = us_of(session.window_start), us_of(session.window_end)
        records = sum(stop - first for first, stop in self._index.ranges(begin, end))
        self._short[day] = begin if records <= ISLAND_RECORDS else None
        return self._short[day]

    def _after(self, first: int, stop: int, begin_us: int) -> int:
        """Return the first of the records before ``stop``, at most 17 of them, whose time is not before ``begin_us``."""
        at = stop
        while at > first and stop - at <= ISLAND_RECORDS and self._index.file.timestamp_us(at - 1) >= begin_us:
            at -= 1
        return at


def without(ranges: list[tuple[int, int]], islands: tuple[Island, ...]) -> list[tuple[int, int]]:
    """Return record ranges with the islands cut out."""
    for island in islands:
        cut: list[tuple[int, int]] = []
        for first, stop in ranges:
            pieces = ((first, min(stop, island.first)), (max(first, island.stop), stop))
            cut.extend((a, b) for a, b in pieces if a < b)
        ranges = cut
    return ranges
