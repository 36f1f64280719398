"""Sessions: trade dates, their windows and their trading hours.

Belongs here: calendars of exchanges, holidays, half days, overrides. Does not belong here: what an instrument is
(``trading_platform.instruments``), which contract trades, Dagster partitions.
"""

from __future__ import annotations

from .calendar import TradingCalendar, calendar_for, opened
from .hours import trading_spans
from .session import GRACE, Session
from .silence import silence_limit_s
from .tables import calendar_names
from .weekdays import first_of_last, is_weekday, weekdays_between

__all__ = [
    "GRACE",
    "Session",
    "TradingCalendar",
    "calendar_for",
    "calendar_names",
    "first_of_last",
    "is_weekday",
    "opened",
    "silence_limit_s",
    "trading_spans",
    "weekdays_between",
]
