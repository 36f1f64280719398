"""To which instants and days a chain belongs.

Belongs here: settlement instants, the trade date that owns a snapshot, the session whose prices a snapshot shows. Does not belong here:
calendars (``trading_platform.sessions``), files.

A snapshot belongs to the New York calendar day on which it was observed. A download of a weekend or a holiday belongs to the next open
day, because closed dates have no partition of their own and no snapshot may be homeless; nothing of a later session is in it, and it is
what was known before that day opened. Which session its prices come from is another question: ``market_date``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Final

from ..instants import NEW_YORK
from ..sessions import TradingCalendar

AM: Final = "AM"
PM: Final = "PM"
_REGULAR_OPEN = time(9, 30)
_REGULAR_CLOSE = time(16, 0)


@dataclass(frozen=True, slots=True)
class Settlement:
    """When a series settles.

    Attributes:
        at: the instant in UTC.
        from_calendar: False if the calendar does not cover the expiry, so that regular hours had to be assumed.
    """

    at: datetime
    from_calendar: bool = True


def trade_date_of(observed_at: datetime, calendar: TradingCalendar) -> date:
    """Return the partition of a snapshot: its New York date, or the next open date if there is no session on that date.

    Raises:
        ConfigurationError: E140 outside the covered dates, E143 naive datetime.
    """
    day = calendar.trade_date_at(observed_at)
    return day if calendar.session(day).is_open else calendar.next_open(day)


def market_date_of(observed_at: datetime, calendar: TradingCalendar) -> date:
    """Return the latest session that had opened when the snapshot was observed: the one whose prices it shows.

    Raises:
        ConfigurationError: E140 outside the covered dates, E143 naive datetime.
    """
    return calendar.opened(observed_at)


def window_of(trade_date: date, calendar: TradingCalendar) -> tuple[datetime, datetime]:
    """Return the span of instants that a day owns, half-open: from the end of the previous open calendar day to its own end.

    Raises:
        ConfigurationError: E140 outside the covered dates.
    """
    previous = calendar.session(calendar.previous_open(trade_date))
    return previous.window_end, calendar.session(trade_date).window_end


def settlement(expiry: date, settle_style: str, calendar: TradingCalendar) -> Settlement:
    """Return the settlement instant of a series.

    AM: the opening of the expiry day. PM: its close, earlier on a half day. If the exchange is closed on the expiry day, the last session
    before it. Expiries that the calendar does not cover (it ends years ahead of some listed ones) get regular hours, 09:30 and 16:00.
    """
    if not calendar.first <= expiry <= calendar.last:
        wall = _REGULAR_OPEN if settle_style == AM else _REGULAR_CLOSE
        return Settlement(datetime.combine(expiry, wall, NEW_YORK).astimezone(UTC), from_calendar=False)
    session = calendar.session(expiry)
    if not session.is_open:
        session = calendar.session(calendar.previous_open(expiry))
    at = session.opens_at if settle_style == AM else session.closes_at
    if at is None:  # only a closed session has no hours
        raise AssertionError(f"Expected an open session, was {session}")
    return Settlement(at)


def settlements(series: Iterable[tuple[date, str]], calendar: TradingCalendar) -> dict[tuple[date, str], Settlement]:
    """Return the settlement of every (expiry, style)."""
    return {(expiry, style): settlement(expiry, style, calendar) for expiry, style in series}
