"""Cells of CSV and XLSX files, as they are.

Belongs here: encodings, delimiters, sheets. Does not belong here: what the cells mean.
"""

from __future__ import annotations

import csv
import zipfile
from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final
from xml.etree.ElementTree import ParseError

from ..errors import QualityError

Cell = str | int | float | bool | date | datetime | None
Row = tuple[int, list[Cell]]

# Excel counts from here; the 29th of February 1900 that it invents lies before every date of a list.
EPOCH: Final = date(1899, 12, 30)
DELIMITERS: Final = ",;\t|"
_BOMS: Final = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))


def read_rows(path: Path) -> tuple[list[Row], date]:
    """Return the rows with content and their numbers, from 1, and day 0 of serial numbers.

    Raises:
        QualityError: E470 the file is not there, is of another kind, or is damaged.
    """
    try:
        if path.suffix.lower() in (".xlsx", ".xlsm"):
            return _sheet(path)
        if path.suffix.lower() in (".csv", ".txt", ".tsv"):
            return _lines(path), EPOCH
    except (OSError, UnicodeError, csv.Error, zipfile.BadZipFile, KeyError, ValueError, ParseError) as error:
        raise _unreadable(path, f"{error.__class__.__name__}: {error}") from error
    raise _unreadable(path, "its name ends neither in .csv, .tsv or .txt nor in .xlsx")


def text_of(cell: Cell) -> str:
    """Return a cell as text without space around it; nothing for an empty one."""
    return "" if cell is None else str(cell).replace("\N{NO-BREAK SPACE}", " ").strip()


def shown(names: Sequence[str]) -> str:
    """Return a row for a message, cut if it is long."""
    text = ", ".join(repr(name[:40]) for name in names[:12]) or "nothing"
    return text + (f" and {len(names) - 12} more" if len(names) > 12 else "")


def _lines(path: Path) -> list[Row]:
    content = path.read_bytes()
    encoding = next((name for mark, name in _BOMS if content.startswith(mark)), "utf-8")
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError:
        if encoding != "utf-8":
            raise
        text = content.decode(
            "latin-1"
        )  # an older spreadsheet; tickers and dates read the same in every Windows code page
    if "\0" in text:
        raise ValueError("it holds zero bytes, so it is no text")
    lines = text.splitlines()
    first = next((line for line in lines if line.strip()), "")
    named = first.strip().lower()
    delimiter = named[4:5] if named.startswith("sep=") else max(DELIMITERS, key=first.count)
    rows: list[Row] = []
    reader = csv.reader(lines, delimiter=delimiter or ",", skipinitialspace=True)
    for fields in reader:
        is_hint = not rows and len(lines) > 0 and named.startswith("sep=") and reader.line_num <= lines.index(first) + 1
        if any(field.strip() for field in fields) and not is_hint:
            rows.append((reader.line_num, list(fields)))
    return rows


def _sheet(path: Path) -> tuple[list[Row], date]:
    try:
        import openpyxl  # loaded here: most lists are CSV
    except ImportError as error:
        raise _unreadable(path, "openpyxl, which reads XLSX, is not installed; save the list as CSV") from error
    with path.open("rb") as file:
        book: Any = openpyxl.load_workbook(file, read_only=True, data_only=True)
        try:
            rows = [(number, list(row)) for number, row in enumerate(book.worksheets[0].iter_rows(values_only=True), 1)]
            epoch = book.epoch.date()
        finally:
            book.close()
    return [(number, row) for number, row in rows if any(text_of(cell) for cell in row)], epoch


def _unreadable(path: Path, detail: str) -> QualityError:
    return QualityError(
        "E470",
        f"the watchlist {path} cannot be read: {detail}",
        "the list of TP_WATCHLIST must be an existing CSV file, or an XLSX file whose first sheet is the list; nothing was done",
        "tp config",
    )
