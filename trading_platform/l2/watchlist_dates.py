"""Dates as people and spreadsheets write them.

Belongs here: cell to date. Does not belong here: which column, what is done with a cell that is no date.

A day is a New York day, as a list is written by a person who trades there: an instant with a zone is taken to New York first. A date with
slashes is read by the order of day and month that the whole column has.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from enum import Enum
from typing import Final
from zoneinfo import ZoneInfo

from .watchlist_files import Cell, text_of

NEW_YORK: Final = ZoneInfo("America/New_York")
# A serial number outside these is no date of a market: 1982 to 2119.
_SERIALS: Final = range(30_000, 80_001)
_PARTS: Final = re.compile(r"(\d{1,2})[/.-](\d{1,2})[/.-](\d{4})(?:[ T].*)?")
_YEAR_FIRST: Final = re.compile(r"(\d{4})[/.](\d{1,2})[/.](\d{1,2})(?:[ T].*)?")
_NAMED: Final = ("%d-%b-%Y", "%d %b %Y", "%b %d, %Y", "%B %d, %Y", "%d %B %Y")


class Order(Enum):
    """What a date with slashes begins with."""

    MONTH_FIRST = "month"
    DAY_FIRST = "day"


class DateReader:
    """Reads the cells of one column.

    Args:
        order: of day and month.
        epoch: day 0 of serial numbers in this file.
    """

    def __init__(self, order: Order, epoch: date) -> None:
        self._order = order
        self._epoch = epoch

    @staticmethod
    def orders(cells: Sequence[Cell]) -> tuple[frozenset[Order], str]:
        """Return the orders that all dates of a column allow, and a date that shows it.

        Returns:
            Month first where no date needs to be told, both where none tells, nothing where they contradict each other.
        """
        allowed, sample, needed = {Order.MONTH_FIRST, Order.DAY_FIRST}, "", False
        for cell in cells:
            match = _PARTS.fullmatch(text_of(cell)) if isinstance(cell, str) else None
            first, second = (int(match[1]), int(match[2])) if match is not None else (0, 0)
            if first == second:
                continue  # no such date, or one that reads the same both ways
            needed, sample = True, text_of(cell)
            if first > 12:
                allowed.discard(Order.MONTH_FIRST)
            if second > 12:
                allowed.discard(Order.DAY_FIRST)
        return (frozenset(allowed) if needed else frozenset({Order.MONTH_FIRST})), sample

    def read(self, cell: Cell) -> date | None:
        """Return the New York day of a cell; None if it is no date."""
        if isinstance(cell, datetime):
            return _day(cell)
        if isinstance(cell, date):
            return cell
        if isinstance(cell, (int, float)) and not isinstance(cell, bool):
            return self._serial(cell)
        return self._text(text_of(cell))

    def _serial(self, number: float) -> date | None:
        return self._epoch + timedelta(days=int(number)) if int(number) in _SERIALS else None

    def _text(self, text: str) -> date | None:
        if re.fullmatch(r"\d{5}(\.\d+)?", text):
            return self._serial(float(text))
        try:
            if match := _YEAR_FIRST.fullmatch(text):
                return date(int(match[1]), int(match[2]), int(match[3]))
            if match := _PARTS.fullmatch(text):
                first, second, year = int(match[1]), int(match[2]), int(match[3])
                month, day = (first, second) if self._order is Order.MONTH_FIRST else (second, first)
                return date(year, month, day)
            if re.match(r"\d{4}-\d\d-\d\d|\d{8}$", text):
                return _day(datetime.fromisoformat(text))
        except ValueError:
            return None
        return _named(text)


def _named(text: str) -> date | None:
    for form in _NAMED:
        try:
            return datetime.strptime(text, form).replace(tzinfo=UTC).date()
        except ValueError:
            continue
    return None


def _day(instant: datetime) -> date:
    """Return the New York day; exactly midnight UTC is how programs write a date, and means that date."""
    if instant.tzinfo is None or (
        instant.utcoffset() == timedelta(0) and instant.timetz().replace(tzinfo=None) == time.min
    ):
        return instant.date()
    return instant.astimezone(NEW_YORK).date()
