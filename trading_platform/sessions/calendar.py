"""Trading calendars: which instants belong to which trade date, and when there is trading.

Belongs here: windows, trading hours, holidays, half days, and ``opened``, the only source of "latest". Does not belong here: partitions of
Dagster, the tables themselves (``tables.py``).

Two kinds of ownership. CME: a trade date owns the time from the end of the previous open trade date (17:00 Chicago) to its own 17:00, so
Sunday evening is Monday, rows that stray into a holiday belong to the next open day, and closed dates own no time. Equities, options,
indices and vendor series: the New York calendar day. Everything is computed with zoneinfo and returned in UTC; the process's own time
zone is never used.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Protocol
from zoneinfo import ZoneInfo

from ..errors import ConfigurationError
from .session import Session
from .tables import ExceptionalDay, WallTime, load_table
from .weekdays import is_weekday, weekdays_between

_ONE_DAY = timedelta(days=1)


class HasCalendar(Protocol):
    """Anything with a calendar: an ``Instrument``, without importing that room."""

    @property
    def calendar(self) -> str:
        """Return the calendar's name."""
        ...


class TradingCalendar:
    """One calendar, read from the packaged tables. Use ``calendar_for``, which keeps one per name.

    Args:
        name: such as ``CME_EQUITY``.

    Raises:
        ConfigurationError: E141 unknown name.
    """

    def __init__(self, name: str) -> None:
        self._table = load_table(name)
        self._zone = ZoneInfo(self._table.time_zone)
        self._sessions: dict[date, Session] = {}

    @property
    def name(self) -> str:
        """Return the name, e.g. ``CME_EQUITY``."""
        return self._table.name

    @property
    def first(self) -> date:
        """Return the first date that the calendar knows."""
        return self._table.first

    @property
    def last(self) -> date:
        """Return the last date that the calendar knows."""
        return self._table.last

    def session(self, trade_date: date) -> Session:
        """Return the session of a date; weekends are closed dates.

        Raises:
            ConfigurationError: E140 outside the covered dates.
        """
        session = self._sessions.get(trade_date)
        if session is None:
            self._require_covered(trade_date)
            session = self._sessions[trade_date] = self._make(trade_date)
        return session

    def sessions(self, first: date, last: date) -> list[Session]:
        """Return the sessions of all weekdays from ``first`` to ``last`` (inclusive), closed ones included.

        Raises:
            ConfigurationError: E140 outside the covered dates.
        """
        return [self.session(day) for day in weekdays_between(first, last)]

    def trade_date_at(self, instant: datetime) -> date:
        """Return the trade date that owns an instant.

        Args:
            instant: aware datetime in any zone.

        Returns:
            CME: always an open date, the next one during holidays and weekends. Calendar-day calendars: the New York date, which on a
            weekend or holiday is a closed date.

        Raises:
            ConfigurationError: E140 outside the covered dates, E143 naive datetime.
        """
        local = self._local(instant)
        day = local.date()
        ends = self._table.trade_day_end
        if ends is None:
            self._require_covered(day)
            return day
        if local.time() >= ends:
            day += _ONE_DAY
        self._require_covered(day)
        return day if self._is_open(day) else self.next_open(day)

    def previous_open(self, day: date) -> date:
        """Return the last open trade date before ``day``.

        Raises:
            ConfigurationError: E140 if ``day`` is outside the covered dates.
        """
        self._require_covered(day)
        return self._previous_open(day)

    def next_open(self, day: date) -> date:
        """Return the first open trade date after ``day``.

        Raises:
            ConfigurationError: E140 if it would lie outside the covered dates.
        """
        day += _ONE_DAY
        while not self._is_open(day):
            day += _ONE_DAY
        self._require_covered(day)
        return day

    def opened(self, now: datetime) -> date:
        """Return the latest trade date whose trading hours have begun at ``now`` (exactly the opening counts).

        Raises:
            ConfigurationError: E140 outside the covered dates, E143 naive datetime.
        """
        day = self._local(now).date() + _ONE_DAY  # a CME session opens the evening before its trade date
        self._require_covered(day)
        while True:
            opens_at = self.session(day).opens_at
            if opens_at is not None and opens_at <= now:
                return day
            day -= _ONE_DAY

    def newest_final(self, now: datetime) -> date:
        """Return the latest open trade date whose session can no longer add data at ``now`` (end of its window plus the grace).

        Raises:
            ConfigurationError: E140 outside the covered dates, E143 naive datetime.
        """
        day = self.opened(now)
        while not self.session(day).is_final(now):
            day = self.previous_open(day)
        return day

    def _make(self, day: date) -> Session:
        exception = self._exception(day)
        window_start = self._window_start(day)
        hours = self._table.regular_hours(day) if exception is None else exception.hours
        if hours is None:
            reason = None if exception is None else exception.reason
            return Session(day, self.name, window_start, window_start, None, None, reason=reason)
        closes_at = self._instant(day, hours.closes)
        return Session(
            trade_date=day,
            calendar=self.name,
            window_start=window_start,
            window_end=self._window_end(day),
            opens_at=self._instant(day, hours.opens),
            closes_at=closes_at,
            breaks=tuple((self._instant(day, start), self._instant(day, end)) for start, end in hours.breaks),
            reason=None if exception is None else exception.reason,
            is_half_day=closes_at < self._instant(day, self._table.regular_hours(day).closes),
        )

    def _exception(self, day: date) -> ExceptionalDay | None:
        if not is_weekday(day):
            return ExceptionalDay(None, "Weekend")
        return self._table.days.get(day)

    def _is_open(self, day: date) -> bool:
        if not is_weekday(day):
            return False
        exception = self._table.days.get(day)
        return exception is None or exception.hours is not None

    def _previous_open(self, day: date) -> date:
        day -= _ONE_DAY
        while not self._is_open(day):
            day -= _ONE_DAY
        return day

    def _window_start(self, day: date) -> datetime:
        if self._table.trade_day_end is None:
            return datetime.combine(day, datetime.min.time(), self._zone).astimezone(UTC)
        return self._window_end(self._previous_open(day))

    def _window_end(self, day: date) -> datetime:
        if self._table.trade_day_end is None:
            return datetime.combine(day + _ONE_DAY, datetime.min.time(), self._zone).astimezone(UTC)
        return datetime.combine(day, self._table.trade_day_end, self._zone).astimezone(UTC)

    def _instant(self, day: date, wall: WallTime) -> datetime:
        return datetime.combine(day + timedelta(days=wall.day_offset), wall.at, self._zone).astimezone(UTC)

    def _local(self, instant: datetime) -> datetime:
        if instant.tzinfo is None:
            raise ConfigurationError(
                "E143",
                f"expected an aware datetime, was {instant!r}",
                "a naive time would be read in the time zone of the process; give it a zone",
                "tp config",
            )
        return instant.astimezone(self._zone)

    def _require_covered(self, day: date) -> None:
        if not self.first <= day <= self.last:
            raise ConfigurationError(
                "E140",
                f"the calendar {self.name} covers {self.first} to {self.last}, not {day}",
                "later days are not known, and guessing them would be wrong on holidays; update the platform, or raise LAST in "
                "trading_platform/sessions/generate.py and run python -m trading_platform.sessions.generate",
                "tp config",
            )


@cache
def calendar_for(name: str) -> TradingCalendar:
    """Return the calendar of that name, one object per process.

    Raises:
        ConfigurationError: E141 unknown name.
    """
    return TradingCalendar(name)


def opened(now: datetime, instrument: HasCalendar) -> date:
    """Return the latest trade date of an instrument whose session has opened.

    The only source of "latest" and of default ranges for the command line, schedules and sensors.

    Args:
        now: aware datetime, from the injected clock.
        instrument: anything that names its calendar.

    Raises:
        ConfigurationError: E140 outside the covered dates, E141 unknown calendar, E143 naive datetime.
    """
    return calendar_for(instrument.calendar).opened(now)
