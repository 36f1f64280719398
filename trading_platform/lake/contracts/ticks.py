"""Models of ``ticks`` and of the records that were refused.

Belongs here: columns, units, encodings and row rules. Does not belong here: decoding (``trading_platform.sierra``).
Source: Sierra Chart intraday file format; sizes per encoding were measured on 20 M records: DELTA on times, numbers
and volumes and SPLIT on prices give the smallest file and the fastest write; a dictionary on prices is slower and
larger.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import polars as pl

from ..model import DELTA, DICTIONARY, PLAIN, SPLIT, ContractModel, Rule, column, finite, never, within

_FIRST_TIME = datetime(2000, 1, 1, tzinfo=UTC)
_LAST_TIME = datetime(2099, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)
_LARGEST_VOLUME = 2**31 - 1


class Ticks(ContractModel):
    """One row per trade."""

    ts: Annotated[pl.Datetime, "us", "UTC"] = column(
        "us UTC",
        "Time of the trade; the digits below one millisecond may number the trades inside that millisecond",
        DELTA,
    )
    seq: pl.UInt32 = column("-", "Position in the partition, 0 to n-1 in the order of the source file", DELTA)
    price: pl.Float64 = column("points", "Trade price on the tick grid", SPLIT)
    bid: pl.Float64 = column("points", "Best bid at the trade; null where the source has none", SPLIT, nullable=True)
    ask: pl.Float64 = column("points", "Best ask at the trade; null where the source has none", SPLIT, nullable=True)
    volume: pl.Int32 = column("contracts", "Size of the trade", DELTA)
    side: pl.Int8 = column("-", "Aggressor: 1 buyer, -1 seller, 0 unknown", DICTIONARY)
    bundle: pl.UInt8 = column("-", "Part of an unbundled trade: 1 first, 2 last, 0 otherwise", PLAIN)
    flags: pl.UInt8 = column(
        "bits",
        "1 time decreased, 2 price was off the tick grid, 4 bid above ask, 8 volume differs from bid plus ask volume",
        PLAIN,
    )
    contract: pl.Categorical = column("-", "Futures contract, e.g. MNQZ25", DICTIONARY)

    @classmethod
    def rules(cls) -> tuple[Rule, ...]:
        """Return the row rules."""
        return (
            within("ts", _FIRST_TIME, _LAST_TIME, "a time from 2000 to 2099"),
            finite("price"),
            finite("bid"),
            never("bid", 0, "null where the source has 0"),
            finite("ask"),
            never("ask", 0, "null where the source has 0"),
            within("volume", 1, _LARGEST_VOLUME, "at least 1"),
            within("side", -1, 1, "-1, 0 or 1"),
            within("bundle", 0, 2, "0, 1 or 2"),
            within("flags", 0, 15, "at most 15"),
        )


class TickRejects(ContractModel):
    """One row per refused record, with its raw fields."""

    seq_before: pl.UInt32 = column("-", "Number of accepted ticks of the partition before this record", DELTA)
    ts: pl.Int64 = column("us since 1899-12-30 UTC", "Raw time field", DELTA)
    open: pl.Float32 = column("raw", "Raw open field", SPLIT)
    high: pl.Float32 = column("raw", "Raw high field (ask of a trade)", SPLIT)
    low: pl.Float32 = column("raw", "Raw low field (bid of a trade)", SPLIT)
    close: pl.Float32 = column("raw", "Raw close field (price of a trade)", SPLIT)
    num_trades: pl.UInt32 = column("-", "Raw number of trades", DELTA)
    total_volume: pl.UInt32 = column("contracts", "Raw total volume", DELTA)
    bid_volume: pl.UInt32 = column("contracts", "Raw volume at the bid", DELTA)
    ask_volume: pl.UInt32 = column("contracts", "Raw volume at the ask", DELTA)
    reason: pl.Categorical = column("-", "Why the record was refused, a stable code", DICTIONARY)

    @classmethod
    def rules(cls) -> tuple[Rule, ...]:
        """Return the row rules; raw fields may hold anything."""
        return (Rule("reason", "a code that is not empty", pl.col("reason").cast(pl.String) != ""),)
