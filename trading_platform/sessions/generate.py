"""Make ``calendar_days.csv`` from pandas_market_calendars and ``session_overrides.csv``.

Run ``python -m trading_platform.sessions.generate`` after raising ``LAST``, after adding an override, or with a new version of the library;
review the difference, because a changed day makes its partitions stale. Belongs here: the only import of pandas_market_calendars. Does not
belong here: anything that runs in production. Deterministic: the same library and overrides give the same bytes.
"""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from ..errors import ConfigurationError
from .tables import CALENDAR_DAYS, REGULAR_HOURS, Hours, WallTime, parse_hours, read_rows
from .weekdays import weekdays_between

FIRST = date(2000, 1, 1)
LAST = date(2029, 12, 31)
"""Last generated date. Exchanges publish holidays two to three years ahead; later days follow their rules."""

OVERRIDES = Path(__file__).with_name("session_overrides.csv")

LIBRARY_CALENDARS = {
    "CME_EQUITY": "CME Globex Equity",
    "CME_ENERGY": "CMEGlobex_CL",
    "CME_METALS": "CMEGlobex_GC",
    "CME_RATES": "CME Globex Fixed Income",
    "CME_FX": "CMEGlobex_FX",
    "NYSE": "NYSE",
}
"""Our name -> name in pandas_market_calendars. "CME Globex Equity" and not "CME_Equity": the latter closes at 12:00 instead of 12:15
on half days such as 2025-11-28."""

_OVERRIDE_COLUMNS = ["date", "calendar", "open", "close", "breaks", "reason", "source"]
_COLUMNS = ("calendar", "trade_date", "open", "close", "breaks", "reason")
_THURSDAY = 3

_PLAIN_REASONS = {
    "Before Christmas": "Christmas Eve",
    "Christmas Eve": "Christmas Eve",
    "Christmas": "Christmas",
    "Good Friday": "Good Friday",
    "Independence": "Around Independence Day",
    "July 4th": "Independence Day",
    "Juneteenth": "Juneteenth",
    "Labor Day": "Labor Day",
    "Martin Luther King": "Martin Luther King Day",
    "Memorial Day": "Memorial Day",
    "New Years": "New Year",
    "Presidents": "Presidents Day",
}


@dataclass(frozen=True, slots=True)
class _Row:
    open: str
    close: str
    breaks: str
    reason: str


def generate(first: date = FIRST, last: date = LAST, overrides: Path = OVERRIDES) -> str:
    """Return the text of ``calendar_days.csv``.

    Args:
        first: first date covered.
        last: last date covered (inclusive).
        overrides: CSV with date, calendar, open, close, breaks, reason, source.

    Raises:
        ConfigurationError: E144 malformed override, naming its line.
    """
    import pandas_market_calendars

    text = io.StringIO()
    text.write(f"# covers {first} to {last}, made by python -m trading_platform.sessions.generate: do not edit\n")
    text.write(f"# from pandas_market_calendars {pandas_market_calendars.__version__} and session_overrides.csv\n")
    text.write("# Weekdays that differ from regular_hours.csv only; times as there. open = closed: no trading.\n")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    changes = read_overrides(overrides)
    for name in LIBRARY_CALENDARS:
        days = dict(_library_days(name, first, last))
        days |= {day: row for day, row in changes.get(name, {}).items() if first <= day <= last}
        for day in sorted(days):
            row = days[day]
            writer.writerow((name, day.isoformat(), row.open, row.close, row.breaks, row.reason))
    return text.getvalue()


def read_overrides(path: Path) -> dict[str, dict[date, _Row]]:
    """Read the overrides, with open times and breaks filled in from the regular hours.

    Raises:
        ConfigurationError: E144 naming the line.
    """
    changes: dict[str, dict[date, _Row]] = {}
    lines = path.read_text(encoding="utf-8").splitlines()
    numbered = [
        (number, line) for number, line in enumerate(lines, start=1) if line.strip() and not line.startswith("#")
    ]
    for number, line in numbered:
        fields = next(csv.reader([line]))
        if (number, line) == numbered[0]:
            if fields != _OVERRIDE_COLUMNS:
                raise _malformed(path, number, f"expected the header {','.join(_OVERRIDE_COLUMNS)}")
            continue
        if len(fields) != len(_OVERRIDE_COLUMNS):
            raise _malformed(path, number, f"expected {len(_OVERRIDE_COLUMNS)} fields, was {len(fields)}")
        values = dict(zip(_OVERRIDE_COLUMNS, (field.strip() for field in fields), strict=True))
        day, name, row = _override(path, number, values)
        if day in changes.setdefault(name, {}):
            raise _malformed(path, number, f"{day} of {name} is there twice")
        changes[name][day] = row
    return changes


def _override(path: Path, number: int, values: Mapping[str, str]) -> tuple[date, str, _Row]:
    name = values["calendar"]
    if name not in LIBRARY_CALENDARS:
        raise _malformed(path, number, f"expected a calendar of {', '.join(LIBRARY_CALENDARS)}, was {name!r}")
    if not values["reason"] or not values["source"]:
        raise _malformed(path, number, "expected a reason and a source")
    try:
        day = date.fromisoformat(values["date"])
        if values["open"] == "closed":
            return day, name, _Row("closed", "", "", values["reason"])
        regular = _regular_row(name, day)
        opens, closes = values["open"] or regular["open"], values["close"] or regular["close"]
        hours = parse_hours(opens, closes, values["breaks"] or regular["breaks"])
    except ValueError as error:
        raise _malformed(path, number, f"expected dates as 2025-01-09 and times as 08:30: {error}") from error
    breaks = values["breaks"] or _breaks_before(hours, hours.closes.at)
    return day, name, _Row(opens, closes, breaks, values["reason"])


def _library_days(name: str, first: date, last: date) -> Iterator[tuple[date, _Row]]:
    """Yield the weekdays on which the library differs from its own regular hours.

    Only the difference is taken from the library: it knows one regular close for all times, while ours changed in 2012 and 2015.
    """
    import pandas_market_calendars

    calendar = pandas_market_calendars.get_calendar(LIBRARY_CALENDARS[name])
    zone = ZoneInfo(str(calendar.tz))
    reasons = _reasons(calendar, first, last)
    schedule = calendar.schedule(first.isoformat(), last.isoformat())
    opens = {day.date(): opened.to_pydatetime().astimezone(zone) for day, opened in schedule["market_open"].items()}
    closes = {day.date(): closed.to_pydatetime().astimezone(zone) for day, closed in schedule["market_close"].items()}
    newest = list(_regular_rows(name))[-1]
    usual = parse_hours(newest["open"], newest["close"], "")
    for day in weekdays_between(first, last):
        if day not in closes:
            yield day, _Row("closed", "", "", reasons.get(day, "Unscheduled closing"))
            continue
        opened, closed = _wall(day, opens[day]), _wall(day, closes[day])
        if (opened, closed) == (usual.opens, usual.closes):
            continue
        regular = _regular_row(name, day)
        hours = parse_hours(regular["open"], regular["close"], regular["breaks"])
        reason = reasons.get(day, "Early close" if opened == usual.opens else "Late open")
        yield (
            day,
            _Row(
                regular["open"] if opened == usual.opens else _text(opened),
                regular["close"] if closed == usual.closes else _text(closed),
                _breaks_before(hours, closed.at),
                reason,
            ),
        )


def _reasons(calendar: Any, first: date, last: date) -> dict[date, str]:
    """Return the library's names of holidays and early closes."""
    rules = [calendar.regular_holidays, *(rule for _, rule in calendar.special_closes)]
    reasons: dict[date, str] = {}
    for rule in rules:
        if not hasattr(rule, "rules"):
            continue
        names = rule.holidays(first.isoformat(), last.isoformat(), return_name=True)
        for day, name in names.items():
            reasons.setdefault(day.date(), _plain_reason(str(name), day.date()))
    return reasons


def _plain_reason(library_name: str, day: date) -> str:
    """Replace the library's rule names ("Good Friday 1908+") by what people call the day."""
    if "Thanksgiving" in library_name or "Black Friday" in library_name:
        return "Thanksgiving" if day.weekday() == _THURSDAY else "Day after Thanksgiving"
    return next((plain for words, plain in _PLAIN_REASONS.items() if words in library_name), library_name)


def _regular_rows(name: str) -> Iterator[dict[str, str]]:
    return (row for row in read_rows(REGULAR_HOURS) if row["calendar"] == name)


def _regular_row(name: str, day: date) -> dict[str, str]:
    rows = list(_regular_rows(name))
    before = [row for row in rows if date.fromisoformat(row["first_trade_date"]) <= day]
    return (before or rows[:1])[-1]


def _breaks_before(hours: Hours, closes: time) -> str:
    return " ".join(f"{start.at:%H:%M}-{end.at:%H:%M}" for start, end in hours.breaks if end.at <= closes)


def _wall(day: date, instant: datetime) -> WallTime:
    return WallTime((instant.date() - day).days, instant.time())


def _text(wall: WallTime) -> str:
    return f"{'-1d ' if wall.day_offset else ''}{wall.at:%H:%M}"


def _malformed(path: Path, line: int, what: str) -> ConfigurationError:
    return ConfigurationError(
        "E144",
        f"{path.name} line {line}: {what}",
        "the row is malformed; calendar_days.csv was not written",
        "tp config",
    )


def main() -> int:
    """Write the packaged table."""
    CALENDAR_DAYS.write_text(generate(), encoding="utf-8", newline="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
