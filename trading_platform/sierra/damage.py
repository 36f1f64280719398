"""Which trade dates a run of bad records belongs to.

Belongs here: the rule that contains damage. Does not belong here: finding bad runs (``scan.py``) and judging them (``ticks.py``).
"""

from __future__ import annotations

from datetime import date, timedelta

from ..instants import instant_of
from ..sessions import TradingCalendar
from .scan import BadRun

# A day whose last good record lies this close to the end of its session has most likely lost nothing, and so at the start.
NEAR_EDGE = timedelta(minutes=5)


def owners(run: BadRun, calendar: TradingCalendar) -> tuple[date, ...]:
    """Return the trade dates that a bad run may have been taken from, in order; every other date stays buildable.

    * Both neighbours in one trade date: that one.
    * Open trade dates strictly between the neighbours' dates: those, they lost all their records.
    * Else both neighbours' dates, but not the earlier one if its last good record lies within five minutes of its close, and not the
      later one if its first lies within five minutes of its open; if that leaves none, the later one.
    * One neighbour only: its date; at the end of the file and close to that session's end, the next open one; at the start of the file
      and close to that session's open, the previous open one.
    """
    before = None if run.previous_us is None else covered_date(run.previous_us, calendar)
    after = None if run.next_us is None else covered_date(run.next_us, calendar)
    if before is None or after is None:
        return _one_sided(run, before, after, calendar)
    if before >= after:
        return (before,) if before == after else (after, before)
    between = _open_dates_between(before, after, calendar)
    if between:
        return between
    found = [] if is_near_close(run.previous_us, before, calendar) else [before]
    if not found or not is_near_open(run.next_us, after, calendar):
        found.append(after)
    return tuple(found)


def _one_sided(run: BadRun, before: date | None, after: date | None, calendar: TradingCalendar) -> tuple[date, ...]:
    if after is not None:
        near_start = after > calendar.first and is_near_open(run.next_us, after, calendar)
        return (calendar.previous_open(after),) if near_start else (after,)
    if before is None:
        return ()
    near_end = before < calendar.last and is_near_close(run.previous_us, before, calendar)
    return (calendar.next_open(before),) if near_end else (before,)


def covered_date(us: int, calendar: TradingCalendar) -> date | None:
    """Return the trade date that owns a time in epoch microseconds UTC; None outside of what the calendar covers."""
    instant = instant_of(us)
    if not calendar.first < instant.date() < calendar.last:
        return None
    return calendar.trade_date_at(instant)


def _open_dates_between(before: date, after: date, calendar: TradingCalendar) -> tuple[date, ...]:
    first, last = before + timedelta(days=1), after - timedelta(days=1)
    if first > last:
        return ()
    return tuple(session.trade_date for session in calendar.sessions(first, last) if session.is_open)


def is_near_close(us: int | None, day: date, calendar: TradingCalendar) -> bool:
    """Tell whether a time is later than five minutes before the close of a day."""
    closes_at = calendar.session(day).closes_at
    return us is not None and closes_at is not None and instant_of(us) >= closes_at - NEAR_EDGE


def is_near_open(us: int | None, day: date, calendar: TradingCalendar) -> bool:
    """Tell whether a time is earlier than five minutes after the open of a day."""
    opens_at = calendar.session(day).opens_at
    return us is not None and opens_at is not None and instant_of(us) <= opens_at + NEAR_EDGE
