"""One trade date of one calendar.

Belongs here: the record that every room passes around. Does not belong here: how it is found (``calendar.py``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

# Sierra Chart flushes about every 5 s; late records of a reconnect and slow shares take minutes.
GRACE: Final = timedelta(minutes=15, seconds=5)


@dataclass(frozen=True, slots=True)
class Session:
    """The window and the trading hours of one trade date; all instants are aware and in UTC.

    Attributes:
        trade_date: the partition key.
        calendar: name of the calendar, e.g. ``CME_EQUITY``.
        window_start: first instant that belongs to this trade date (inclusive).
        window_end: first instant that belongs to a later one (exclusive); equal to ``window_start`` on a closed date, which owns no time.
        opens_at: start of trading (inclusive); None on a closed date.
        closes_at: end of trading (exclusive); None on a closed date.
        breaks: halts between ``opens_at`` and ``closes_at``, half-open, in order.
        reason: why the day is closed or shortened; None on a regular day.
        is_half_day: True if trading ends earlier than on a regular day.
    """

    trade_date: date
    calendar: str
    window_start: datetime
    window_end: datetime
    opens_at: datetime | None
    closes_at: datetime | None
    breaks: tuple[tuple[datetime, datetime], ...] = ()
    reason: str | None = None
    is_half_day: bool = False

    @property
    def is_open(self) -> bool:
        """Tell whether there is any trading on this date."""
        return self.opens_at is not None

    def is_final(self, now: datetime) -> bool:
        """Tell whether the session can no longer add data: its window ended more than ``GRACE`` ago, or it never trades."""
        return not self.is_open or now > self.window_end + GRACE

    def resolved(self) -> dict[str, str | Sequence[Sequence[str]] | None]:
        """Return what shapes a partition of this day, for its fingerprint and footer.

        Only this day's instants: no calendar name, no reason, no version of a table, so that a correction elsewhere leaves this day's
        partitions current. ISO 8601 strings in UTC, null for the hours of a closed date.
        """
        return {
            "trade_date": self.trade_date.isoformat(),
            "window_start": self.window_start.isoformat(),
            "window_end": self.window_end.isoformat(),
            "opens_at": None if self.opens_at is None else self.opens_at.isoformat(),
            "closes_at": None if self.closes_at is None else self.closes_at.isoformat(),
            "breaks": [[start.isoformat(), end.isoformat()] for start, end in self.breaks],
        }
