"""Models of ``chain_cboe``, of ``chain``, and of the contract lines that were refused.

Belongs here: columns, units, encodings and row rules. Does not belong here: decoding (``trading_platform.chains``) and exposures.

Every source of chains stores these columns; ``chain`` adds which source a row is from. Encodings were measured on one and on three
snapshots of SPX (24,000 contract lines each, sorted by option symbol): symbols with shared beginnings take half the bytes of PLAIN and a
fifth of a dictionary, SPLIT suits bid, ask and strike and doubles the others; a snapshot takes 0.4 MB, a quarter of its CSV file.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Annotated

import polars as pl

from ..model import DELTA, DICTIONARY, PLAIN, SPLIT, ContractModel, Rule, column, finite, within
from ..vocabulary import MOST_CONTRACTS, MOST_IV

_FIRST_TIME = datetime(2000, 1, 1, tzinfo=UTC)
_LAST_TIME = datetime(2099, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)
_FIRST_DAY = date(2000, 1, 1)
_LAST_DAY = date(2099, 12, 31)
_SHARED_BEGINNINGS = "DELTA_BYTE_ARRAY"
_NOT_NEGATIVE = ("bid", "ask", "last", "iv", "vendor_gamma")


class ChainColumns(ContractModel):
    """What one option contract shows in one snapshot; the columns of every source."""

    observed_at: Annotated[pl.Datetime, "us", "UTC"] = column(
        "us UTC", "Time of the snapshot; the same for all its rows", DELTA
    )
    option_symbol: pl.String = column(
        "-",
        "Root, expiry, right and strike as OCC writes them, without blanks, e.g. SPXW250829C06460000",
        _SHARED_BEGINNINGS,
    )
    market_date: pl.Date = column(
        "-", "The latest session that had opened at the time of the snapshot; its prices are shown", DICTIONARY
    )
    root: pl.Categorical = column("-", "Root of the option symbol, e.g. SPXW", DICTIONARY)
    expiry: pl.Date = column("-", "Expiry date", DICTIONARY)
    settlement_at: Annotated[pl.Datetime, "us", "UTC"] = column(
        "us UTC", "When the series settles; from then on the row is dead", DICTIONARY
    )
    settle_style: pl.Categorical = column(
        "-", "AM settles to the opening of the expiry day, PM to its close", DICTIONARY
    )
    right: pl.Categorical = column("-", "C call, P put", DICTIONARY)
    strike: pl.Float64 = column("points", "Strike price", SPLIT)
    bid: pl.Float64 = column("points", "Bid; 0 if nobody bids, null where the source has none", SPLIT, nullable=True)
    ask: pl.Float64 = column("points", "Ask; 0 if nobody offers, null where the source has none", SPLIT, nullable=True)
    last: pl.Float64 = column(
        "points", "Last trade; 0 if it never traded, null where the source has none", DICTIONARY, nullable=True
    )
    iv: pl.Float64 = column(
        "per year",
        "Implied volatility of the vendor, 0.15 is 15 %; 0 where the vendor found none, null where the source has none",
        DICTIONARY,
        nullable=True,
    )
    volume: pl.Int64 = column("contracts", "Volume of the day; null where the source has none", PLAIN, nullable=True)
    open_interest: pl.Int64 = column(
        "contracts", "Open interest; null where the source has none", DICTIONARY, nullable=True
    )
    open_interest_date: pl.Date = column(
        "-", "The session after which the open interest was counted; null where the source does not say", DICTIONARY,
        nullable=True,
    )  # fmt: skip
    vendor_delta: pl.Float64 = column(
        "-", "Delta of the vendor; puts negative, null where the source has none", DICTIONARY, nullable=True
    )
    vendor_gamma: pl.Float64 = column(
        "per point", "Gamma of the vendor, four decimals; null where the source has none", DICTIONARY, nullable=True
    )
    spot: pl.Float64 = column(
        "points", "Price of the underlying in the snapshot; null where the source has none", DICTIONARY, nullable=True
    )
    multiplier: pl.Int32 = column("USD per point", "Contract multiplier", DICTIONARY)
    is_repeat: pl.Boolean = column(
        "-",
        "True if the snapshot shows the quotes and open interest of the one before it on all contracts that both have",
        PLAIN,
    )

    @classmethod
    def rules(cls) -> tuple[Rule, ...]:
        """Return the row rules."""
        return (
            within("observed_at", _FIRST_TIME, _LAST_TIME, "a time from 2000 to 2099"),
            within("settlement_at", _FIRST_TIME, _LAST_TIME, "a time from 2000 to 2099"),
            within("expiry", _FIRST_DAY, _LAST_DAY, "a date from 2000 to 2099"),  # type: ignore[arg-type]  # compared like a datetime
            Rule("settle_style", "AM or PM", pl.col("settle_style").cast(pl.String).is_in(["AM", "PM"])),
            Rule("right", "C or P", pl.col("right").cast(pl.String).is_in(["C", "P"])),
            finite("strike"),
            Rule("strike", "above 0", pl.col("strike") > 0),
            *(finite(name) for name in _NOT_NEGATIVE),
            *(Rule(name, "at least 0", pl.col(name) >= 0) for name in _NOT_NEGATIVE),
            finite("vendor_delta"),
            Rule("iv", "at most 100 (10,000 %)", pl.col("iv") <= MOST_IV),
            within("volume", 0, MOST_CONTRACTS, "0 to 100 million"),
            within("open_interest", 0, MOST_CONTRACTS, "0 to 100 million"),
            finite("spot"),
            Rule("spot", "above 0", pl.col("spot") > 0),
            within("multiplier", 1, 1_000_000, "at least 1"),
        )


class ChainCboe(ChainColumns):
    """One row per option contract and snapshot, from quote tables of Cboe."""


class Chain(ChainColumns):
    """One row per option contract, snapshot and source."""

    source: pl.Categorical = column("-", "Where the row is from, e.g. cboe", DICTIONARY)


class ChainRejects(ContractModel):
    """One row per refused contract line, or per refused file."""

    observed_at: Annotated[pl.Datetime, "us", "UTC"] = column(
        "us UTC", "Time of the snapshot by the head of its file", DELTA
    )
    file: pl.Categorical = column("-", "Name of the file in the folder of chains", DICTIONARY)
    row: pl.Int64 = column(
        "-", "Data row below the header row, from 1, empty lines left out; 0 for a whole file", DELTA
    )
    right: pl.Categorical = column(
        "-", "C or P: which half of the row was refused; null if the row could not be split", DICTIONARY, nullable=True
    )
    reason: pl.Categorical = column("-", "Why it is not in chain_cboe", DICTIONARY)
    text: pl.String = column("-", "The row as it stands in the file, or what was wrong with the file", PLAIN)
