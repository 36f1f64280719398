"""Watchlists: which symbols on which days a person wants level 2 of.

Belongs here: reading a list (CSV or the first sheet of an XLSX file) into tasks, and choosing among them. Does not belong here: what
becomes of a task (``trading_platform.databento``), reading the cells of a file (``watchlist_files.py``).

Columns are found by their names and never by their content: a column of first names holds words that look like tickers. Rows that cannot be
used are kept with their reason, so that a count that is too low can be explained.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final

from ..databento.symbols import in_capitals
from ..errors import QualityError
from .watchlist_dates import DateReader, Order
from .watchlist_files import Cell, read_rows, shown, text_of

# Two ranks: the name of the second is taken only where there is none of the first, as "code" or "stock" may be something else.
TICKER_NAMES: Final = (
    ("ticker", "symbol", "sym", "ticker symbol"),
    ("stock", "instrument", "code"),
)
DATE_NAMES: Final = (
    ("date", "trade date", "trading day", "trading date", "day"),
    ("execution date", "exec date", "date executed"),
)
LEAST_VALID_FRAC: Final = 0.5
_TICKER: Final = re.compile(r"[A-Z][A-Z0-9.-]{0,6}")
# The vendor tells a continuous symbol by its small letter.
_CONTINUOUS: Final = re.compile(r"[A-Z0-9]{1,4}\.[cnv]\.\d{1,2}")


@dataclass(frozen=True, slots=True, order=True)
class WatchTask:
    """One symbol on one day; sorts by day, then symbol.

    Attributes:
        trade_date: the day.
        symbol: as the list has it, in capitals; a continuous symbol keeps its small letter.
    """

    trade_date: date
    symbol: str


@dataclass(frozen=True, slots=True)
class RefusedRow:
    """A row that makes no task.

    Attributes:
        row: number in the file, the header is row 1 unless lines stand before it.
        ticker: what stands in the ticker column.
        day: what stands in the date column.
        reason: why it cannot be used.
    """

    row: int
    ticker: str
    day: str
    reason: str


@dataclass(frozen=True, slots=True)
class Watchlist:
    """What a file asks for.

    Attributes:
        path: the file.
        tasks: unique, sorted by day and symbol.
        refused: rows that cannot be used.
        duplicates: rows that repeat a task.
        ticker_column: header of the column that tickers were taken from.
        date_column: header of the column that days were taken from.
    """

    path: Path
    tasks: tuple[WatchTask, ...]
    refused: tuple[RefusedRow, ...]
    duplicates: int
    ticker_column: str
    date_column: str


def read_watchlist(path: Path) -> Watchlist:
    """Read a list.

    Args:
        path: CSV (comma, semicolon, tab or bar; UTF-8, UTF-16 or a Windows code page) or XLSX, whose first sheet is read.

    Raises:
        QualityError: E470 the file cannot be read, E471 no or several ticker columns, E472 no or several date columns, E473 most rows
            cannot be used, E474 day and month of the dates cannot be told apart.
    """
    rows, epoch = read_rows(path)
    header_number, header = rows[0] if rows else (1, [])
    names = [text_of(cell) for cell in header]
    ticker_at = _column(path, names, TICKER_NAMES, "E471", "ticker")
    date_at = _column(path, names, DATE_NAMES, "E472", "date")
    body = [(number, _at(row, ticker_at), _at(row, date_at)) for number, row in rows if number > header_number]
    body = [(number, ticker, day) for number, ticker, day in body if text_of(ticker) or text_of(day)]
    reader = DateReader(_order(path, names[date_at], [day for _, _, day in body]), epoch)
    found: dict[WatchTask, None] = {}
    refused: list[RefusedRow] = []
    duplicates = 0
    for number, ticker, day in body:
        symbol, when = _symbol(text_of(ticker)), reader.read(day)
        if symbol is None or when is None:
            reason = "not a ticker" if symbol is None else "not a date"
            refused.append(RefusedRow(number, text_of(ticker), text_of(day), reason))
            continue
        task = WatchTask(when, symbol)
        duplicates += task in found
        found[task] = None
    if len(refused) > (1 - LEAST_VALID_FRAC) * len(body):
        raise _unusable(path, names[ticker_at], names[date_at], refused, len(body))
    return Watchlist(path, tuple(sorted(found)), tuple(refused), duplicates, names[ticker_at], names[date_at])


def select_tasks(
    tasks: Sequence[WatchTask],
    *,
    since: date | None = None,
    last: int | None = None,
    max_tasks: int | None = None,
    symbols: Collection[str] = (),
    days: Collection[date] = (),
    skip_weekends: bool = True,
) -> list[WatchTask]:
    """Choose tasks; every limit that is given narrows the choice, in the order of the arguments below.

    Args:
        tasks: in any order.
        symbols: only these, whatever their case; empty: all.
        days: only these; empty: all.
        skip_weekends: leave out Saturdays and Sundays, which are no trade dates.
        since: only this day and later.
        last: only the last so many distinct days of what is left.
        max_tasks: at most so many, the earliest of what is left.

    Returns:
        Unique tasks sorted by day and symbol.

    Raises:
        ValueError: ``last`` or ``max_tasks`` is negative.
    """
    for name, value in (("last", last), ("max_tasks", max_tasks)):
        if value is not None and value < 0:
            raise ValueError(f"Expected {name} of 0 or more, was {value}")
    wanted = {symbol.upper() for symbol in symbols}
    chosen = [
        task
        for task in sorted(set(tasks))
        if (not wanted or task.symbol.upper() in wanted)
        and (not days or task.trade_date in days)
        and not (skip_weekends and task.trade_date.weekday() >= 5)
        and (since is None or task.trade_date >= since)
    ]
    if last is not None:
        kept = set(sorted({task.trade_date for task in chosen})[-last:] if last else ())
        chosen = [task for task in chosen if task.trade_date in kept]
    return chosen if max_tasks is None else chosen[:max_tasks]


def _column(path: Path, names: Sequence[str], ranks: Sequence[Collection[str]], code: str, kind: str) -> int:
    """Return the position of the one column with a known name."""
    plain = [" ".join(name.lower().replace("_", " ").split()) for name in names]
    for rank in ranks:
        at = [index for index, name in enumerate(plain) if name in rank]
        if len(at) == 1:
            return at[0]
        if at:
            several = " and ".join(repr(names[index]) for index in at)
            raise _no_column(path, code, kind, f"{several} both name it", names)
    raise _no_column(path, code, kind, "no header names it", names)


def _no_column(path: Path, code: str, kind: str, what: str, names: Sequence[str]) -> QualityError:
    wanted = "ticker or symbol" if kind == "ticker" else "date, day or trade_date"
    return QualityError(
        code,
        f"the {kind} column of {path} cannot be told: {what}; the first row reads {shown(names)}",
        f"columns are found by their names and never guessed from their content; name exactly one of them {wanted}; nothing was done",
        "tp config",
    )


def _unusable(path: Path, ticker: str, day: str, refused: Sequence[RefusedRow], rows: int) -> QualityError:
    first = "; ".join(f"row {one.row}: {one.ticker!r}, {one.day!r} ({one.reason})" for one in refused[:3])
    return QualityError(
        "E473",
        f"{len(refused)} of {rows} rows of {path} cannot be used, columns {ticker!r} and {day!r}; {first}",
        "the columns hold something else than tickers such as BRK.B and dates such as 2025-09-05; nothing was done",
        "tp config",
    )


def _order(path: Path, column: str, cells: Sequence[Cell]) -> Order:
    """Return which of day and month comes first in dates such as 9/4/2025."""
    orders, sample = DateReader.orders(cells)
    if len(orders) == 1:
        return next(iter(orders))
    found = "no date tells which is the month" if orders else "some dates begin with the month and others with the day"
    raise QualityError(
        "E474",
        f"day and month cannot be told apart in column {column!r} of {path}: {found}, such as {sample}",
        "a date must not be guessed, as the wrong day would be bought; write them as 2025-09-05; nothing was done",
        "tp config",
    )


def _symbol(text: str) -> str | None:
    symbol = in_capitals(text)
    return symbol if _CONTINUOUS.fullmatch(symbol) or _TICKER.fullmatch(symbol) else None


def _at(row: Sequence[Cell], index: int) -> Cell:
    return row[index] if index < len(row) else None
