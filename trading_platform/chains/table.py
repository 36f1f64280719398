"""The cells of a quote table.

Belongs here: splitting the 22 columns, which are addressed by position because their names repeat, and reading single cells. Does not
belong here: the lines above the table (``header.py``), what a contract line means and whether it can be used (``cboe.py``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.csv

from ..errors import SourceError, command
from .header import COLUMNS, TableHeader

NUMBER_COLUMNS: Final = ("last", "bid", "ask", "iv", "vendor_delta", "vendor_gamma")
COUNT_COLUMNS: Final = ("volume", "open_interest")
# Order of one side's block in the table; None is the change of the last price, which is not stored.
_BLOCK = ("option_symbol", "last", None, "bid", "ask", "volume", "iv", "vendor_delta", "vendor_gamma", "open_interest")
_EXPIRY, _STRIKE = "c0", "c11"
BLOCK_AT = {"C": 1, "P": 12}


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

    Args:
        content: the file, as ``as_utf8`` returns it.
        header: read from it.
        name: file name for errors.

    Raises:
        SourceError: E242 the body cannot be split at all.
    """
    odd: list[tuple[int, str]] = []

    def keep(row: pa.csv.InvalidRow) -> str:
        odd.append((row.number, row.text))
        return "skip"

    end = max(content.rfind(b"\n") + 1, header.body_offset)
    lines = _parse(memoryview(content)[header.body_offset : end], header.columns, keep, name)
    total = lines.height + len(odd)
    position = np.delete(np.arange(1, total + 1), [number - 1 for number, _ in odd])
    lines = lines.with_columns(row=pl.Series(position, dtype=pl.Int64))
    torn = []
    for number, text in odd:
        cells = text.split(",")
        if len(cells) >= COLUMNS and not any(cells[COLUMNS:]):  # only its padding differs from that of the header row
            padded = [cell or None for cell in cells[:COLUMNS]]
            lines = lines.vstack(pl.DataFrame([[*padded, number]], schema=lines.schema, orient="row"))
        else:
            torn.append((number, "column_count", text))
    rest = content[end:].decode(errors="replace").strip()
    if rest.strip(","):
        # Every table of Cboe ends with a line end. Without one the last number may have lost digits, and nothing would show it.
        torn.append((total + 1, "line_cut_off", rest))
    blank = pl.all_horizontal(pl.col(f"c{at}").is_null() for at in range(COLUMNS))
    schema = {"row": pl.Int64, "reason": pl.String, "text": pl.String}
    return TableLines(lines.filter(~blank), pl.DataFrame(torn, schema=schema, orient="row"))


def _parse(body: memoryview, columns: int, keep: Callable[[pa.csv.InvalidRow], str], name: str) -> pl.DataFrame:
    names = [f"c{at}" for at in range(columns)]
    if not len(body):
        return pl.DataFrame(schema=dict.fromkeys(names[:COLUMNS], pl.String))
    try:
        table = pa.csv.read_csv(
            pa.py_buffer(body),
            read_options=pa.csv.ReadOptions(column_names=names, use_threads=False, block_size=len(body) + 1),
            parse_options=pa.csv.ParseOptions(invalid_row_handler=keep),
            convert_options=pa.csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()),
                include_columns=names[:COLUMNS],
                null_values=[""],
                strings_can_be_null=True,
                quoted_strings_can_be_null=True,
            ),
        )
    except pa.ArrowInvalid as error:
        raise SourceError(
            "E242",
            f"{name} is not a quote table of Cboe: {error}",
            "the rows of the table cannot be split into cells; the file is left out and the others go on",
            command("tp", "gex", "chain", name),
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
