"""Quote tables of Cboe (``quotedata.csv``) as chains.

Belongs here: what a contract line means, and which ones are refused. Does not belong here: the lines above the table (``header.py``), its
cells (``table.py``), which file feeds which day (``archive.py``), storage.

One line of the table holds a call and a put of one expiry and strike. A line is two *contract lines*, each of which becomes a row or a
reject: contracts_in = rows + rejected; a block without any cell is absent and no contract line. A blank cell is null; a cell that should be
a number and is not refuses its contract line. Root, expiry, right and strike come from the option symbol and must agree with the other
columns: opening and closing series of one expiry and strike differ in nothing but their root.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Final

import polars as pl

from ..errors import SourceError
from ..lake import Json
from ..lake.vocabulary import MOST_CONTRACTS, MOST_IV
from ..sessions import TradingCalendar, calendar_for
from .credible import judge_numbers
from .days import settlements
from .header import (
    CLOCK_TOLERANCE,
    COLUMNS,
    HOW_TO_SAVE,
    TableHeader,
    as_utf8,
    days_of,
    future_error,
    name_date,
    read_header,
)
from .roots import CONTRACT_MULTIPLIER, is_adjusted, settle_style_of, underlying_of
from .table import BLOCK_AT, COUNT_COLUMNS, TableLines, contract_lines, read_lines

SOURCE: Final = "cboe"
CALENDAR: Final = "NYSE"

_SYMBOL_TAIL = 15  # yymmdd, C or P, strike in thousandths with eight digits
_ROOT = re.compile(r"^[A-Z]{1,6}[0-9]?$")
_LARGEST_NUMBER = 1e9
# Gamma times price is at most 0.4 / (volatility * square root of the years left): 2e4 at 5 % and five seconds before the settlement. The
# largest one of 25 genuine tables is 2,800.
_MOST_GAMMA_TIMES_PRICE = 2e4
_EXPIRY_YEARS = (2000, 2099)  # an option symbol has two digits for the year


@dataclass(frozen=True)
class DecodedChain:
    """A quote table.

    Attributes:
        symbol: the underlying, e.g. ``SPX``.
        header: what stands above the table.
        frame: one row per contract, sorted by option symbol; the columns of the contract ``chain`` with text as text.
        rejects: one row per refused contract line; the columns of ``chain_rejects`` with text as text.
        facts: counts, see :func:`decode_quote_table`.
    """

    symbol: str
    header: TableHeader
    frame: pl.DataFrame
    rejects: pl.DataFrame
    facts: Mapping[str, Json]


REJECT_SCHEMA: Final = pl.Schema(
    {"file": pl.String, "row": pl.Int64, "right": pl.String, "reason": pl.String, "text": pl.String}
)


def read_quote_table(
    path: Path, *, symbol: str | None = None, now: datetime | None = None, calendar: TradingCalendar | None = None
) -> DecodedChain:
    """Read a file that a person named; see :func:`decode_quote_table`.

    Raises:
        SourceError: E241 the file cannot be read, and as :func:`decode_quote_table`.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise _not_given(path, error) from error
    return decode_quote_table(content, path.name, symbol=symbol, now=now, calendar=calendar)


def read_bytes(path: Path) -> bytes:
    """Return the content of a file.

    Raises:
        SourceError: E241 it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise unreadable(path, error) from error


def unreadable(path: Path, error: OSError) -> SourceError:
    """Return the error for a file that the system does not give."""
    return SourceError(
        "E241",
        f"{path} cannot be read: {error.strerror or error}",
        "permissions or the network share; the file is left out and the others go on",
        "tp doctor",
    )


def _not_given(path: Path, error: OSError) -> SourceError:
    """Return the error for the one file that a person named; no other file is concerned."""
    if isinstance(error, IsADirectoryError):
        what, why = f"{path} is a folder", "one file is read: name a quote table in that folder"
    elif isinstance(error, FileNotFoundError | NotADirectoryError):
        what, why = f"{path}: no such file", "the path is mistyped, or the file was moved"
    else:
        what, why = f"{path} cannot be read: {error.strerror or error}", "permissions or the network share"
    return SourceError("E241", what, why, "tp gex chain --help")


def decode_quote_table(
    content: bytes,
    name: str,
    *,
    symbol: str | None = None,
    now: datetime | None = None,
    calendar: TradingCalendar | None = None,
) -> DecodedChain:
    """Decode the content of a quote table.

    Args:
        content: bytes of the file.
        name: file name, for errors, rejects and the date in it.
        symbol: the underlying that is expected; None takes what the file holds.
        now: refuses snapshots of the future; None does not look.
        calendar: of the underlying; default NYSE.

    Returns:
        The chain. Facts: ``rows_in`` (lines of the table), ``contracts_in``, ``absent`` (sides without a contract), ``rows``, ``rejected``
        {reason: n}, ``expiries_beyond_calendar``, ``file_name_date`` (ISO; None if the name has no date), ``spot_deviation`` (price of the
        head / price that calls and puts imply - 1; None if it cannot be measured).

    Raises:
        SourceError: E242 not a quote table; E243 time unreadable; E244 no price of the underlying, or none that can be right; E245 another
            underlying; E246 from the future; E247 no usable row; E255 cut off; E256 volatilities on another scale.
    """
    calendar = calendar_for(CALENDAR) if calendar is None else calendar
    content = as_utf8(content)
    header = read_header(content, name)
    if now is not None and header.observed_at > now + CLOCK_TOLERANCE:
        raise future_error(name, header.observed_at, now)
    days = days_of(header.observed_at, calendar, name)
    table = read_lines(content, header, name)
    sides = pl.concat([contract_lines(table.lines, "C"), contract_lines(table.lines, "P")])
    absent = sides["option_symbol"].is_null() & sides["blank_block"]
    contracts = sides.filter(~absent) if absent.any() else sides
    contracts = _with_symbol_parts(contracts)
    found = _underlying(contracts)
    if found is None:
        raise _no_rows(name, table.lines.height)
    if symbol is not None and found != symbol:
        raise _wrong_symbol(name, found, symbol)
    judged = _judge(contracts, found, header.spot)
    clean = judged.filter(pl.col("reason").is_null())
    if clean.is_empty():
        raise _no_rows(name, table.lines.height)
    frame, beyond = _finish(clean, header, days.market_date, calendar)
    deviation = judge_numbers(header, frame, name)
    rejects = _rejects(judged, table, name)
    counts = rejects.group_by("reason").len().sort("reason")
    in_name = name_date(name)
    facts: dict[str, Json] = {
        "rows_in": table.rows_in,
        "contracts_in": contracts.height + table.torn.height * 2,
        "absent": int(absent.sum()),
        "rows": frame.height,
        "rejected": dict(counts.iter_rows()),
        "expiries_beyond_calendar": beyond,
        "file_name_date": None if in_name is None else in_name.isoformat(),
        "spot_deviation": deviation,
    }
    return DecodedChain(found, header, frame, rejects, facts)


def _with_symbol_parts(contracts: pl.DataFrame) -> pl.DataFrame:
    """Add root, expiry (as yymmdd), right and strike (in thousandths) as the option symbol has them; null where it has none."""
    symbol = pl.col("option_symbol")
    tail = symbol.str.tail(_SYMBOL_TAIL)
    return contracts.with_columns(
        root=symbol.str.head(-_SYMBOL_TAIL),
        symbol_expiry=tail.str.head(6).cast(pl.Int32, strict=False),
        symbol_right=tail.str.slice(6, 1),
        symbol_strike=tail.str.tail(8).cast(pl.Int64, strict=False),
    )


def _underlying(contracts: pl.DataFrame) -> str | None:
    """Return the underlying of most contract lines; None if no line has a root."""
    counts: dict[str, int] = {}
    for root, lines in contracts.group_by("root").len().sort("root").iter_rows():
        if root is not None and _ROOT.match(root) and not is_adjusted(root):
            underlying = underlying_of(root)
            counts[underlying] = counts.get(underlying, 0) + lines
    return max(counts, key=lambda name: counts[name], default=None)


def first_underlying(head: bytes, header: TableHeader, name: str) -> str:
    """Return the underlying of the first readable option symbol below the header row.

    Args:
        head: the beginning of a file, as :func:`as_utf8` returns it.
        header: read from it.
        name: file name for errors.

    Raises:
        SourceError: E247 there is none.
    """
    lines = head[header.body_offset :].decode(errors="replace").splitlines()
    for line in lines:
        for cell in line.split(",")[BLOCK_AT["C"] : BLOCK_AT["P"] + 1 : BLOCK_AT["P"] - BLOCK_AT["C"]]:
            root = cell.strip('" ').replace(" ", "")[:-_SYMBOL_TAIL]
            if _ROOT.match(root) and not is_adjusted(root):
                return underlying_of(root)
    raise _no_rows(name, len(lines))


def _judge(contracts: pl.DataFrame, symbol: str, spot: float) -> pl.DataFrame:
    """Add ``reason``: why a contract line cannot be used, null for good lines."""
    roots = [root for root in contracts["root"].unique() if root is not None]
    shaped = [root for root in roots if _ROOT.match(root)]
    adjusted = [root for root in shaped if is_adjusted(root)]
    foreign = [root for root in shaped if underlying_of(root) != symbol]
    root, expiry = pl.col("root"), pl.col("expiry")
    yymmdd = expiry.dt.year() % 100 * 10_000 + expiry.dt.month().cast(pl.Int32) * 100 + expiry.dt.day().cast(pl.Int32)
    agrees = (
        (pl.col("symbol_expiry") == yymmdd)
        & (pl.col("symbol_right") == pl.col("right"))
        & ((pl.col("symbol_strike") - pl.col("strike") * 1_000).abs() < 0.5)
    )
    sane = [pl.col(name).is_null() | pl.col(name).is_between(0, _LARGEST_NUMBER) for name in ("last", "bid", "ask")]
    sane += [pl.col("iv").is_null() | pl.col("iv").is_between(0, MOST_IV)]
    most_gamma = _MOST_GAMMA_TIMES_PRICE / spot
    sane += [pl.col("vendor_gamma").is_null() | pl.col("vendor_gamma").is_between(0, most_gamma)]
    sane += [pl.col(name).is_null() | pl.col(name).is_between(0, MOST_CONTRACTS) for name in COUNT_COLUMNS]
    sane += [pl.col("vendor_delta").is_null() | pl.col("vendor_delta").is_between(-1, 1)]
    # The contract refuses a whole day for one such line.
    sane += [
        pl.col("strike").is_between(0, _LARGEST_NUMBER, closed="right"),
        expiry.dt.year().is_between(*_EXPIRY_YEARS),
    ]
    unreadable_symbol = (
        ~root.is_in(shaped).fill_null(value=False)
        | pl.col("symbol_strike").is_null()
        | pl.col("symbol_expiry").is_null()
    )
    reason = (
        pl.when(unreadable_symbol).then(pl.lit("symbol_unreadable"))
        .when(root.is_in(adjusted)).then(pl.lit("adjusted_contract"))
        .when(root.is_in(foreign)).then(pl.lit("other_underlying"))
        .when(expiry.is_null()).then(pl.lit("expiry_unreadable"))
        .when(pl.col("bad_number")).then(pl.lit("not_a_number"))
        .when(~agrees.fill_null(value=False)).then(pl.lit("symbol_disagrees"))
        .when(~pl.all_horizontal(sane)).then(pl.lit("out_of_range"))
    )  # fmt: skip
    judged = contracts.with_columns(reason=reason).sort("option_symbol", "row", nulls_last=True)
    good = judged.filter(pl.col("reason").is_null())
    if good["option_symbol"].n_unique() == good.height:
        return judged
    first = pl.col("row").filter(pl.col("reason").is_null()).first().over("option_symbol")
    again = pl.col("reason").is_null() & (pl.col("row") != first)
    return judged.with_columns(reason=pl.when(again).then(pl.lit("duplicate_contract")).otherwise(pl.col("reason")))


def _finish(
    clean: pl.DataFrame, header: TableHeader, market_date: date, calendar: TradingCalendar
) -> tuple[pl.DataFrame, int]:
    """Return the rows in the columns of the chain, and how many expiries the calendar does not cover."""
    styles = {root: settle_style_of(root) for root in clean["root"].unique()}
    series = clean.select("root", "expiry").unique().sort("root", "expiry")
    found = settlements(((expiry, styles[root]) for root, expiry in series.iter_rows()), calendar)
    instants = [found[expiry, styles[root]] for root, expiry in series.iter_rows()]
    series = series.with_columns(
        settle_style=pl.Series([styles[root] for root in series["root"]], dtype=pl.String),
        settlement_at=pl.Series([one.at for one in instants], dtype=pl.Datetime("us", "UTC")),
    )
    beyond = {expiry for (expiry, _), one in found.items() if not one.from_calendar}
    joined = clean.join(series, on=["root", "expiry"], how="left", maintain_order="left")
    frame = joined.select(
        pl.lit(header.observed_at, pl.Datetime("us", "UTC")).alias("observed_at"),
        "option_symbol",
        pl.lit(market_date, pl.Date).alias("market_date"),
        "root", "expiry", "settlement_at", "settle_style", "right", "strike", "bid", "ask", "last", "iv", "volume", "open_interest",
        pl.lit(None, pl.Date).alias("open_interest_date"),
        "vendor_delta", "vendor_gamma",
        pl.lit(header.spot, pl.Float64).alias("spot"),
        pl.lit(CONTRACT_MULTIPLIER, pl.Int32).alias("multiplier"),
        pl.lit(value=False).alias("is_repeat"),
        pl.lit(SOURCE).alias("source"),
    )  # fmt: skip
    return frame, len(beyond)


def _rejects(judged: pl.DataFrame, table: TableLines, name: str) -> pl.DataFrame:
    """Return the refused contract lines with the text of their rows; a row that cannot be split counts for both of its contracts."""
    refused = judged.filter(pl.col("reason").is_not_null()).select("row", "right", "reason")
    if refused.is_empty() and table.torn.is_empty():
        return pl.DataFrame(schema=REJECT_SCHEMA)
    cells = [pl.col(f"c{at}").fill_null("") for at in range(COLUMNS)]
    texts = table.lines.filter(pl.col("row").is_in(refused["row"].unique().implode())).select(
        "row", pl.concat_str(cells, separator=",").alias("text")
    )
    rows = pl.concat(
        [
            refused.join(texts, on="row", how="left"),
            *(table.torn.with_columns(right=pl.lit(right)).select("row", "right", "reason", "text") for right in "CP"),
        ]
    )
    return rows.select(pl.lit(name).alias("file"), "row", "right", "reason", "text").sort("row", "right")


def _wrong_symbol(name: str, found: str, expected: str) -> SourceError:
    """Return the error for a table of another underlying."""
    return SourceError(
        "E245",
        f"{name} holds options of {found}, expected {expected}",
        "the wrong file, or a table whose first contract is of another underlying than most others; nothing was stored from it",
        HOW_TO_SAVE,
    )


def _no_rows(name: str, lines: int) -> SourceError:
    return SourceError(
        "E247",
        f"{name} has no usable contract in its {lines} rows",
        "the download may have broken off, or no option symbol can be read; the file is left out and the others go on; download it again",
        HOW_TO_SAVE,
    )
