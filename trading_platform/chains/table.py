"""The cells of a quote table.

Belongs here: splitting the 22 columns, which are addressed by position because their names repeat, and reading single cells. Does not
belong here: the lines above the table (``header.py``), what a contract line means and whether it can be used (``cboe.py``).
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.csv

from ..errors import SourceError
from .header import COLUMNS, HOW_TO_SAVE, TableHeader

NUMBER_COLUMNS: Final = ("last", "bid", "ask", "iv", "vendor_delta", "vendor_gamma")
COUNT_COLUMNS: Final = ("volume", "open_interest")
# Order of one side's block in the table; None is the change of the last price, which is not stored.
_BLOCK = ("option_symbol", "last", None, "bid", "ask", "volume", "iv", "vendor_delta", "vendor_gamma", "open_interest")
_EXPIRY, _STRIKE = "c0", "c11"
BLOCK_AT = {"C": 1, "P": 12}
_SPOILT = b"-"
"""A line of one cell: whatever has not 22 of them is refused."""

_MOST_TEXT = 80


@dataclass(frozen=True)
class TableLines:
    """Lines of a table.

    Attributes:
        lines: those with all their cells: ``c0`` to ``c21`` as text, blank cells null, and ``row``, their number below the header row
            from 1.
        torn: the others: ``row``, ``reason``, ``text``.
    """

    lines: pl.DataFrame
    torn: pl.DataFrame

    @property
    def rows_in(self) -> int:
        """Return the number of lines."""
        return self.lines.height + self.torn.height


def read_lines(content: bytes, header: TableHeader, name: str) -> TableLines:
    """Split the body of a table into cells; lines without a filled cell are left out.

    Every line is split on its own: a stray quotation mark must not take the lines below it for text, up to the next one.

    Args:
        content: the file, as ``as_utf8`` returns it.
        header: read from it.
        name: file name for errors.

    Raises:
        SourceError: E242 the body cannot be split at all; E255 its last line has no end.
    """
    end = max(content.rfind(b"\n") + 1, header.body_offset)
    if content[end:].strip(b", \t\r"):
        raise _cut_off(name, content[end:])
    odd: list[tuple[int, str]] = []

    def keep(row: pa.csv.InvalidRow) -> str:
        odd.append((row.number, row.text))
        return "skip"

    body: bytes | memoryview = memoryview(content)[header.body_offset : end]
    quoted: list[tuple[int, str]] = []
    if content.find(b'"', header.body_offset) >= 0:
        body, quoted = _without_quotes(bytes(body))
    lines = _parse(body, header.columns, keep, name)
    total = lines.height + len(odd)
    position = np.delete(np.arange(1, total + 1), [number - 1 for number, _ in odd])
    lines = lines.with_columns(row=pl.Series(position, dtype=pl.Int64))
    spoilt = dict(quoted)
    torn = []
    for number, text in odd:
        cells = text.split(",")
        if number in spoilt:
            torn.append((number, "quotation_mark", spoilt[number]))
        elif len(cells) >= COLUMNS and not any(cells[COLUMNS:]):  # only its padding differs from that of the header row
            padded = [cell or None for cell in cells[:COLUMNS]]
            lines = lines.vstack(pl.DataFrame([[*padded, number]], schema=lines.schema, orient="row"))
        else:
            torn.append((number, "column_count", text))
    blank = pl.all_horizontal(pl.col(f"c{at}").is_null() for at in range(COLUMNS))
    schema = {"row": pl.Int64, "reason": pl.String, "text": pl.String}
    return TableLines(lines.filter(~blank), pl.DataFrame(torn, schema=schema, orient="row"))


def _without_quotes(body: bytes) -> tuple[bytes, list[tuple[int, str]]]:
    """Take the quotation marks off cells; genuine tables have none, but a spreadsheet that saves one again may.

    Returns:
        The lines without marks, and number and text of those that cannot do without: a mark that is not closed on its line, or a cell with
        a comma or a mark in it. Each of them is one cell in the body that is returned.
    """
    plain: list[bytes] = []
    spoilt: list[tuple[int, str]] = []
    for line in filter(None, (one.rstrip(b"\r") for one in body.split(b"\n"))):
        cells = _cells(line) if b'"' in line else None
        if b'"' not in line:
            plain.append(line)
        elif cells is None:
            plain.append(_SPOILT)
            spoilt.append((len(plain), line.decode(errors="replace")))
        else:
            plain.append(",".join(cells).encode())
    return b"".join(line + b"\n" for line in plain), spoilt


def _cells(line: bytes) -> list[str] | None:
    try:
        cells = next(csv.reader([line.decode(errors="replace")], strict=True))
    except csv.Error:
        return None
    return None if any(mark in cell for cell in cells for mark in ',"\r\n') else cells


def _cut_off(name: str, rest: bytes) -> SourceError:
    """Return the error for a file whose last line has no end: genuine tables all have one."""
    text = rest.decode(errors="replace").strip()
    return SourceError(
        "E255",
        f"{name} ends within a line: {text if len(text) <= _MOST_TEXT else text[:_MOST_TEXT] + '...'}",
        "every table of Cboe ends with a line end, so the download has broken off, and nobody knows how much is missing; the file is left "
        "out and the others go on; download it again",
        HOW_TO_SAVE,
    )


def _parse(body: bytes | memoryview, columns: int, keep: Callable[[pa.csv.InvalidRow], str], name: str) -> pl.DataFrame:
    names = [f"c{at}" for at in range(columns)]
    if not len(body):
        return pl.DataFrame(schema=dict.fromkeys(names[:COLUMNS], pl.String))
    try:
        table = pa.csv.read_csv(
            pa.py_buffer(body),
            read_options=pa.csv.ReadOptions(column_names=names, use_threads=False, block_size=len(body) + 1),
            parse_options=pa.csv.ParseOptions(quote_char=False, invalid_row_handler=keep),
            convert_options=pa.csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()),
                include_columns=names[:COLUMNS],
                null_values=[""],
                strings_can_be_null=True,
            ),
        )
    except pa.ArrowInvalid as error:
        raise SourceError(
            "E242",
            f"{name} is not a quote table of Cboe: {error}",
            "the rows of the table cannot be split into cells; the file is left out and the others go on; download it again",
            HOW_TO_SAVE,
        ) from error
    return pl.DataFrame(pl.from_arrow(table))


def contract_lines(lines: pl.DataFrame, right: str) -> pl.DataFrame:
    """Return one block of the table as contract lines.

    Args:
        lines: of ``TableLines``.
        right: ``C`` for the block of the calls, ``P`` for that of the puts.

    Returns:
        ``row``, ``right``, ``option_symbol``, ``expiry``, ``strike``, numbers and counts, null where blank; ``bad_number`` marks lines with
        a cell that should be a number and is not, ``blank_block`` those without any cell.
    """
    first = BLOCK_AT[right]
    raw = {name: pl.col(f"c{first + at}") for at, name in enumerate(_BLOCK) if name is not None}
    typed = {name: raw[name].str.strip_chars().cast(pl.Float64, strict=False) for name in NUMBER_COLUMNS}
    typed |= {name: raw[name].str.strip_chars().cast(pl.Int64, strict=False) for name in COUNT_COLUMNS}
    strike = pl.col(_STRIKE).str.strip_chars().cast(pl.Float64, strict=False)
    # A number where text was, and no null where a number was: the two counts of nulls are equal on every good line.
    bad = [value.is_null() != raw[name].is_null() for name, value in typed.items()]
    return lines.select(
        pl.col("row"),
        pl.lit(right).alias("right"),
        raw["option_symbol"].str.replace_all(" ", "", literal=True).alias("option_symbol"),
        pl.col(_EXPIRY).str.to_date("%a %b %d %Y", strict=False).alias("expiry"),
        strike.alias("strike"),
        *(value.alias(name) for name, value in typed.items()),
        pl.any_horizontal(strike.is_null(), *bad).alias("bad_number"),
        pl.all_horizontal(raw[name].is_null() for name in raw).alias("blank_block"),
    )
