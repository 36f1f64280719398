"""Weekdays: the only days that can be trade dates, whatever the calendar.

Belongs here: lists of dates without weekends. Does not belong here: holidays and windows (``calendar.py``), partition keys (``assets``).
"""

from __future__ import annotations

from datetime import date, timedelta

_SATURDAY = 5


def is_weekday(day: date) -> bool:
    """Tell whether a day can be a trade date: all but Saturday and Sunday."""
    return day.weekday() < _SATURDAY


def weekdays_between(first: date, last: date) -> list[date]:
    """Return the weekdays from ``first`` to ``last``, both included, ascending; none if ``last`` is before ``first``."""
    days = (date.fromordinal(number) for number in range(first.toordinal(), last.toordinal() + 1))
    return [day for day in days if is_weekday(day)]


def first_of_last(last: date, number: int) -> date:
    """Return the first of the ``number`` weekdays that end with ``last``; at the earliest the first day of the calendar."""
    if number > last.toordinal():
        return date.min
    day, left = last, number - 1 if is_weekday(last) else number
    while left > 0:
        day -= timedelta(days=1)
        left -= is_weekday(day)
    return day
