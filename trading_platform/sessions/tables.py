"""The packaged tables of trading hours: regular hours and exceptional days.

Belongs here: reading ``regular_hours.csv`` and ``calendar_days.csv``. Does not belong here: making them (``generate.py``), instants in UTC
(``calendar.py``). pandas_market_calendars takes about a second to import, a third of what a whole ``tp backfill`` may take, therefore its
answers are baked into a table of the exceptional days only.
"""

from __future__ import annotations

import csv
import difflib
import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, time
from functools import cache
from pathlib import Path

from ..errors import ConfigurationError

REGULAR_HOURS = Path(__file__).with_name("regular_hours.csv")
CALENDAR_DAYS = Path(__file__).with_name("calendar_days.csv")

_COVERS = re.compile(r"^# covers (\d{4}-\d{2}-\d{2}) to (\d{4}-\d{2}-\d{2})")
_PREVIOUS_DAY = "-1d "


@dataclass(frozen=True, slots=True)
class WallTime:
    """A time of day in the calendar's zone, on the trade date (0) or the calendar day before it (-1)."""

    day_offset: int
    at: time


@dataclass(frozen=True, slots=True)
class Hours:
    """Trading hours of one day in wall time.

    Attributes:
        opens: start of trading.
        closes: end of trading, on the trade date.
        breaks: halts, on the trade date.
    """

    opens: WallTime
    closes: WallTime
    breaks: tuple[tuple[WallTime, WallTime], ...]


@dataclass(frozen=True, slots=True)
class ExceptionalDay:
    """A weekday that is not regular.

    Attributes:
        hours: None if there is no trading.
        reason: holiday or event.
    """

    hours: Hours | None
    reason: str


@dataclass(frozen=True, slots=True)
class CalendarTable:
    """All that is known about one calendar.

    Attributes:
        name: such as ``CME_EQUITY``.
        time_zone: IANA name.
        trade_day_end: wall time at which a trade date ends and the next begins; None if it owns its calendar day.
        first: first date covered.
        last: last date covered; later days are unknown, not regular.
        era_starts: first trade dates of ``eras``.
        eras: regular hours.
        days: exceptional weekdays.
    """

    name: str
    time_zone: str
    trade_day_end: time | None
    first: date
    last: date
    era_starts: tuple[date, ...]
    eras: tuple[Hours, ...]
    days: dict[date, ExceptionalDay]

    def regular_hours(self, day: date) -> Hours:
        """Return the hours that hold on a regular day of that time."""
        return self.eras[max(0, bisect_right(self.era_starts, day) - 1)]


def load_table(name: str) -> CalendarTable:
    """Read one calendar from the packaged files.

    Raises:
        ConfigurationError: E141 if there is no calendar of that name.
    """
    rows = [row for row in read_rows(REGULAR_HOURS) if row["calendar"] == name]
    if not rows:
        names = calendar_names()
        near = difflib.get_close_matches(name, names, n=1)
        raise ConfigurationError(
            "E141",
            f"unknown calendar {name!r}{f'; did you mean {near[0]}?' if near else ''}",
            f"an instrument names a calendar that does not exist; known are {', '.join(names)}",
            "tp instruments list",
        )
    first, last = covered()
    return CalendarTable(
        name=name,
        time_zone=rows[0]["time_zone"],
        trade_day_end=time.fromisoformat(rows[0]["trade_day_end"]) if rows[0]["trade_day_end"] else None,
        first=first,
        last=last,
        era_starts=tuple(date.fromisoformat(row["first_trade_date"]) for row in rows),
        eras=tuple(parse_hours(row["open"], row["close"], row["breaks"]) for row in rows),
        days=_exceptional_days(name),
    )


@cache
def calendar_names() -> tuple[str, ...]:
    """Return the names of all calendars, in file order."""
    return tuple(dict.fromkeys(row["calendar"] for row in read_rows(REGULAR_HOURS)))


@cache
def covered() -> tuple[date, date]:
    """Return the first and the last date that the table of exceptional days covers."""
    with CALENDAR_DAYS.open(encoding="utf-8") as file:
        match = _COVERS.match(file.readline())
    if match is None:
        raise ConfigurationError(
            "E142",
            f"{CALENDAR_DAYS.name} does not say which dates it covers",
            "its first line was edited; python -m trading_platform.sessions.generate writes the file anew",
            "tp config",
        )
    return date.fromisoformat(match[1]), date.fromisoformat(match[2])


def read_rows(path: Path) -> Iterator[dict[str, str]]:
    """Yield the rows of a packaged CSV file; lines that begin with ``#`` are comments."""
    with path.open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(line for line in file if not line.startswith("#"))


def parse_hours(opens: str, closes: str, breaks: str) -> Hours:
    """Read ``-1d 17:00``, ``16:00``, ``15:15-15:30``."""
    return Hours(
        _wall_time(opens),
        _wall_time(closes),
        tuple(
            (_wall_time(start), _wall_time(end)) for start, _, end in (part.partition("-") for part in breaks.split())
        ),
    )


def _wall_time(text: str) -> WallTime:
    if text.startswith(_PREVIOUS_DAY):
        return WallTime(-1, time.fromisoformat(text.removeprefix(_PREVIOUS_DAY)))
    return WallTime(0, time.fromisoformat(text))


def _exceptional_days(name: str) -> dict[date, ExceptionalDay]:
    days = {}
    for row in read_rows(CALENDAR_DAYS):
        if row["calendar"] == name:
            hours = None if row["open"] == "closed" else parse_hours(row["open"], row["close"], row["breaks"])
            days[date.fromisoformat(row["trade_date"])] = ExceptionalDay(hours, row["reason"])
    return days
