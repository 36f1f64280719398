"""The head of a Cboe quote table: name, price of the underlying and time.

Belongs here: the lines above the table and their dialects. Does not belong here: the table (``cboe.py``).

The head is two lines above the row that begins with ``Expiration Date``: ``NAME,Last: 6460.2598,Change: -41.6`` and
``Date: ...,Bid: ...,Ask: ...``. An empty line may come first, commas may pad both, a byte order mark may begin the file. The date is
written as the browser's language does; three dialects are known, and another one is an error, never "now":

* ``Date: February 5 2022, 8:09 PM EST``, also with a comma after the day;
* ``Date: September 14, 2023 at 4:31 PM EDT``;
* ``Date: 1 de setembro de 2025 às 08:45 GMT-4``, with or without accents.

All of them show the wall clock of New York, whatever the zone is called. The name of the zone only decides in the hour that a clock change
repeats.
"""

from __future__ import annotations

import csv
import io
import math
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final, NoReturn

from ..errors import ConfigurationError, SourceError
from ..instants import NEW_YORK
from ..sessions import TradingCalendar
from .days import market_date_of, trade_date_of, window_of

COLUMNS: Final = 22
HEAD_BYTES: Final = 16_384
"""Far more than the lines above the table and its first row take."""

HOW_TO_SAVE: Final = "tp gex chain --help"
"""The next command for a file that must be saved again: it tells how; to look at the same file again would not help."""

SYNTHETIC_MARK: Final = "(synthetic)"
"""What the name of the underlying contains in generated tables; Cboe prints no such name."""

_HEADER_ROW: Final = b"expiration date"
_ENGLISH = re.compile(
    r"^date: ?(?P<month>[a-z]+)\.? (?P<day>\d{1,2}),? (?P<year>\d{4})(?:,| at|, at)? "
    r"(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2}))? ?(?P<half>am|pm) (?P<zone>[a-z]+[+-]?\d*)$"
)
_PORTUGUESE = re.compile(
    r"^date: ?(?P<day>\d{1,2}) de (?P<month>[a-z]+)\.? de (?P<year>\d{4}),? as "
    r"(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2}))? (?P<zone>[a-z]+[+-]?\d*)$"
)
_ENGLISH_MONTHS = (
    "january", "february", "march", "april", "may", "june",
    "july", "august", "september", "october", "november", "december",
)  # fmt: skip
_PORTUGUESE_MONTHS = (
    "janeiro", "fevereiro", "marco", "abril", "maio", "junho",
    "julho", "agosto", "setembro", "outubro", "novembro", "dezembro",
)  # fmt: skip
# Zone names that mean New York; True: summer time. Others would be another wall clock and are refused.
_SUMMER_BY_ZONE = {
    "edt": True, "gmt-4": True, "utc-4": True, "est": False, "gmt-5": False, "utc-5": False, "et": None,
}  # fmt: skip
_NUMBER = re.compile(r"^-?\d+(?:\.\d+)?$")
_NAME_DATES = (
    re.compile(r"(?P<year>\d{4})[-_](?P<month>\d{2})[-_](?P<day>\d{2})"),
    re.compile(r"(?<!\d)(?P<day>\d{2})[-_](?P<month>\d{2})[-_](?P<year>\d{2})(?!\d)"),
)


@dataclass(frozen=True, slots=True)
class TableHeader:
    """What the lines above a quote table say.

    Attributes:
        name: name of the underlying as printed, e.g. ``S&P 500 INDEX``.
        spot: ``Last``, points; NaN where :func:`look_at_header` found none.
        bid: ``Bid`` of the underlying, points; None if the head has none above zero (indices without a quote print 0).
        ask: ``Ask``, likewise.
        date_text: the date as printed.
        observed_at: the date as an instant in UTC.
        body_offset: bytes before the first data row.
        columns: cells of the header row, at least 22; more if commas pad it.
    """

    name: str
    spot: float
    bid: float | None
    ask: float | None
    date_text: str
    observed_at: datetime
    body_offset: int
    columns: int

    @property
    def synthetic(self) -> bool:
        """Tell whether the name says that the table was generated."""
        return SYNTHETIC_MARK in self.name.lower()


def as_utf8(content: bytes) -> bytes:
    """Return the content of a file as UTF-8 without a byte order mark; Latin-1 and UTF-16 files are converted."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16", errors="replace").encode()
    content = content.removeprefix(b"\xef\xbb\xbf")
    # Looking at ASCII is free; only the accents of the date can need more.
    if content.isascii():
        return content
    try:
        content.decode()
    except UnicodeDecodeError:
        return content.decode("cp1252", errors="replace").encode()
    return content


def read_header(content: bytes, name: str) -> TableHeader:
    """Read the head of a quote table.

    Args:
        content: the file or its beginning, as :func:`as_utf8` returns it.
        name: file name for errors.

    Raises:
        SourceError: E242 not a quote table; E243 the date cannot be read; E244 no price of the underlying.
    """
    header, without_price = look_at_header(content, name)
    if without_price is not None:
        raise without_price
    return header


def look_at_header(content: bytes, name: str) -> tuple[TableHeader, SourceError | None]:
    """Read the head of a quote table; one without a price has a day, and that day must name it.

    Args:
        content: the file or its beginning, as :func:`as_utf8` returns it.
        name: file name for errors.

    Returns:
        The head, and E244 if it has no price of the underlying.

    Raises:
        SourceError: E242 not a quote table; E243 the date cannot be read.
    """
    lines, offset, cells = _lines_above(content, name)
    names = next(csv.reader(io.StringIO(lines[0])))
    dates = next(csv.reader(io.StringIO(lines[1])))
    # A date with a comma that nobody quoted is spread over cells; they end where Bid begins.
    end = next((at for at, cell in enumerate(dates) if cell.strip().startswith("Bid:")), len(dates))
    date_text = _plain(",".join(dates[:end])).rstrip(", ")
    if not date_text.lower().startswith("date:"):
        raise _not_a_table(name, f"the line above the table begins with {date_text[:40]!r}, expected 'Date:'")
    spot, without_price = math.nan, None
    try:
        spot = _last(names, name)
    except SourceError as error:
        without_price = error
    header = TableHeader(
        name=_title(names),
        spot=spot,
        bid=_quote(dates, "Bid:"),
        ask=_quote(dates, "Ask:"),
        date_text=date_text[len("Date:") :].strip(),
        observed_at=read_date(date_text, name),
        body_offset=offset,
        columns=len(cells),
    )
    return header, without_price


def read_date(text: str, name: str) -> datetime:
    """Return the instant that a date line means.

    Args:
        text: such as ``Date: September 14, 2023 at 4:31 PM EDT``.
        name: file name for errors.

    Raises:
        SourceError: E243 unknown dialect, impossible date, a time that a clock change skips, or one that it repeats without saying which.
    """
    plain = _without_accents(_plain(text)).lower()
    match, months = _ENGLISH.match(plain), _ENGLISH_MONTHS
    if match is None:
        match, months = _PORTUGUESE.match(plain), _PORTUGUESE_MONTHS
    if match is None:
        _refuse_date(name, text, "it follows none of the known dialects")
    month = next((at for at, known in enumerate(months, 1) if match["month"] in (known, known[:3])), None)
    if month is None:
        _refuse_date(name, text, f"{match['month']!r} is no month")
    if match["zone"] not in _SUMMER_BY_ZONE:
        _refuse_date(name, text, f"{match['zone'].upper()} is not the time of New York (EST, EDT, GMT-4, GMT-5)")
    hour = int(match["hour"])
    half = match.groupdict().get("half")
    if half is not None:
        if not 1 <= hour <= 12:
            _refuse_date(name, text, f"there is no hour {hour} {half.upper()}")
        hour = hour % 12 + (12 if half == "pm" else 0)
    try:
        day = date(int(match["year"]), month, int(match["day"]))
        at = time(hour, int(match["minute"]), int(match["second"] or 0))
    except ValueError as error:
        _refuse_date(name, text, str(error))
    try:
        return _instant(datetime.combine(day, at, NEW_YORK), _SUMMER_BY_ZONE[match["zone"]], name, text)
    except OverflowError:  # the last evening of the year 9999 is in a year without a date
        _refuse_date(name, text, "no calendar has this time")


@dataclass(frozen=True, slots=True)
class SnapshotDays:
    """The days of a snapshot.

    Attributes:
        trade_date: the partition that it belongs to.
        market_date: the session whose prices it shows.
    """

    trade_date: date
    market_date: date


def days_of(observed_at: datetime, calendar: TradingCalendar, name: str) -> SnapshotDays:
    """Return the days of a snapshot.

    Args:
        observed_at: aware instant.
        calendar: of the underlying.
        name: file name for errors.

    Raises:
        SourceError: E243 the calendar has no such days: nobody downloaded a chain then, so the date is wrong.
    """
    try:
        days = SnapshotDays(trade_date_of(observed_at, calendar), market_date_of(observed_at, calendar))
        window_of(days.trade_date, calendar)
    except ConfigurationError:
        covered = f"it lies outside the days {calendar.first} to {calendar.last} that the trading calendar covers"
        _refuse_date(name, f"{observed_at:%Y-%m-%d %H:%M} UTC", covered)
    return days


def name_date(name: str) -> date | None:
    """Return the date in a file name (``2025-08-29`` or ``29-08-25``); None if there is none. It is recorded, never trusted."""
    for pattern in _NAME_DATES:
        match = pattern.search(name)
        if match is not None:
            year = int(match["year"])
            try:
                return date(year + 2000 if year < 100 else year, int(match["month"]), int(match["day"]))
            except ValueError:
                continue
    return None


def _instant(wall: datetime, summer: bool | None, name: str, text: str) -> datetime:  # noqa: FBT001
    """Return the instant of a wall clock time of New York; ``summer`` decides where it occurs twice."""
    first, second = wall.replace(fold=0), wall.replace(fold=1)
    if first.utcoffset() == second.utcoffset():
        return first.astimezone(UTC)
    # A skipped time comes back from UTC as another one.
    if first.astimezone(UTC).astimezone(NEW_YORK).replace(tzinfo=None) != wall.replace(tzinfo=None):
        _refuse_date(name, text, "the change to summer time skips this time")
    if summer is None:
        _refuse_date(
            name, text, "the change to winter time repeats this time, and the text does not say which one is meant"
        )
    return (first if bool(first.dst()) is summer else second).astimezone(UTC)


def _lines_above(content: bytes, name: str) -> tuple[list[str], int, list[str]]:
    """Return the two lines above the header row, the offset of the first data row and the cells of the header row."""
    above: list[str] = []
    offset = 0
    if not content.strip():
        raise _not_a_table(name, "the file is empty")
    while offset < len(content) and len(above) < 8:
        end = content.find(b"\n", offset)
        stop = len(content) if end < 0 else end
        line = content[offset:stop].rstrip(b"\r")
        offset = len(content) if end < 0 else end + 1
        if line.lstrip(b'" ').lower().startswith(_HEADER_ROW):
            if len(above) < 2:
                raise _not_a_table(name, "the lines with name and date above the table are missing")
            return above[-2:], offset, _checked_columns(line, name)
        if line.strip(b", \t"):
            above.append(line.decode(errors="replace"))
    raise _not_a_table(name, "no row begins with 'Expiration Date'")


_CALL_COLUMNS = ("last sale", "net", "bid", "ask", "volume", "iv", "delta", "gamma", "open interest")
_EXPECTED_COLUMNS = ("expiration date", "calls", *_CALL_COLUMNS, "strike", "puts", *_CALL_COLUMNS)


def _checked_columns(line: bytes, name: str) -> list[str]:
    cells = [cell.strip() for cell in next(csv.reader(io.StringIO(line.decode(errors="replace"))))]
    found = tuple(cell.lower() for cell in cells[:COLUMNS])
    if found != _EXPECTED_COLUMNS or any(cells[COLUMNS:]):
        missing = [column for column in dict.fromkeys(_EXPECTED_COLUMNS) if column not in found]
        detail = f"{', '.join(missing)} missing" if missing else "their order differs"
        raise _not_a_table(
            name, f"its {len([cell for cell in cells if cell])} columns are not the 22 expected ones: {detail}"
        )
    return cells


def _cell_of(cells: Sequence[str], label: str) -> int | None:
    return next((at for at, cell in enumerate(cells) if cell.strip().startswith(label)), None)


def _title(cells: Sequence[str]) -> str:
    return _plain(",".join(cells[: _cell_of(cells, "Last:")])).rstrip(", ")


def _quote(cells: Sequence[str], label: str) -> float | None:
    at = _cell_of(cells, label)
    value = None if at is None else _number(cells[at].strip()[len(label) :].strip())
    return value if value is not None and value > 0 else None


def _last(cells: Sequence[str], name: str) -> float:
    at = _cell_of(cells, "Last:")
    if at is None:
        raise no_spot(name, "the line of the name has no 'Last:'")
    # An unquoted "Last: 6,460.26" splits into two cells, and the first one alone would be a wrong price.
    following = cells[at + 1].strip() if at + 1 < len(cells) else ""
    text = cells[at].strip()[len("Last:") :].strip()
    spot = _number(text)
    if following and not following.startswith("Change:"):
        raise no_spot(name, f"'Last: {text},{following}' is not one number with a decimal point")
    if spot is None or spot <= 0:
        raise no_spot(name, f"'Last: {text}' is not a number above zero")
    return spot


def _number(text: str) -> float | None:
    if not _NUMBER.match(text):
        return None
    value = float(text)
    return value if math.isfinite(value) else None


def _plain(text: str) -> str:
    """Return text with every kind of space, such as the narrow one before AM and PM, as a single blank."""
    return " ".join(text.split())


def _without_accents(text: str) -> str:
    return "".join(letter for letter in unicodedata.normalize("NFKD", text) if not unicodedata.combining(letter))


def _refuse_date(name: str, text: str, detail: str) -> NoReturn:
    raise SourceError(
        "E243",
        f"{name}: the time of the snapshot cannot be read from {text!r}: {detail}",
        "known are 'February 5 2022, 8:09 PM EST', 'September 14, 2023 at 4:31 PM EDT' and '1 de setembro de 2025 às 08:45 GMT-4'; "
        "a guessed time would make wrong exposures, so the file is left out and the others go on; download it again with the page in "
        "English",
        HOW_TO_SAVE,
    )


def _not_a_table(name: str, detail: str) -> SourceError:
    return SourceError(
        "E242",
        f"{name} is not a quote table of Cboe: {detail}",
        "expected name and price, date, then 22 columns from 'Expiration Date' to the open interest of the puts; the download may have "
        "broken off; the file is left out and the others go on; download it again, or move it out of the folder",
        HOW_TO_SAVE,
    )


def no_spot(name: str, detail: str) -> SourceError:
    """Return the error for a table without a price of the underlying that can be believed."""
    return SourceError(
        "E244",
        f"{name}: no price of the underlying: {detail}",
        "every exposure is measured at the underlying's price, so it is never guessed; the file is left out and the others go on; download "
        "it again with the page in English",
        HOW_TO_SAVE,
    )


def future_error(name: str, observed_at: datetime, now: datetime) -> SourceError:
    """Return the error for a snapshot from the future."""
    return SourceError(
        "E246",
        f"{name} says it was observed at {observed_at:%Y-%m-%d %H:%M} UTC, which is after now, {now:%Y-%m-%d %H:%M} UTC",
        "the clock of this machine is wrong or the date in the file was edited; the file is left out and the others go on",
        "tp doctor",
    )


CLOCK_TOLERANCE: Final = timedelta(minutes=5)
"""How far ahead of this machine's clock a snapshot may be: clocks of unattended machines differ by minutes, days mean damage."""
