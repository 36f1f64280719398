"""Models of ``depth_events``, of the records that were refused, and of ``depth_metrics``.

Belongs here: columns, units, encodings and row rules. Does not belong here: decoding (``trading_platform.sierra``) and the book
(``trading_platform.depth``). Source: Sierra Chart market depth file format; encodings of the events were measured on
22 M of them: SPLIT on command, flags, orders and quantity halves the time of PLAIN or DELTA and makes them smaller; a
dictionary on prices is slower and larger.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import polars as pl

from ..model import DELTA, DICTIONARY, PLAIN, SPLIT, ContractModel, Rule, column, finite, within

_FIRST_TIME = datetime(2000, 1, 1, tzinfo=UTC)
_LAST_TIME = datetime(2099, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)
_LARGEST_QUANTITY = 2**31 - 1


class DepthEvents(ContractModel):
    """One row per book event."""

    ts: Annotated[pl.Datetime, "us", "UTC"] = column("us UTC", "Time of the event as recorded", DELTA)
    seq: pl.UInt32 = column("-", "Position in the partition, 0 to n-1 in the order of the source files", DELTA)
    command: pl.UInt8 = column(
        "-",
        "1 clear book, 2 add bid, 3 add ask, 4 modify bid, 5 modify ask, 6 delete bid, 7 delete ask",
        SPLIT,
    )
    flags: pl.UInt8 = column("bits", "1 end of batch: the book is consistent after this row", SPLIT)
    num_orders: pl.UInt16 = column(
        "orders", "Orders at the price level; means nothing for clear book and delete, kept as stored there", SPLIT
    )
    price: pl.Float64 = column(
        "points", "Price of the level on the tick grid; null for clear book", SPLIT, nullable=True
    )
    quantity: pl.UInt32 = column(
        "contracts",
        "Quantity at the price level; means nothing for clear book and delete: as stored there, or 0 if that is above 2,147,483,647",
        SPLIT,
    )
    batch_id: pl.UInt32 = column(
        "-", "Number of the batch in the partition; rises by one after each end of batch", DELTA
    )
    snapshot: pl.Boolean = column(
        "-", "True from clear book to the end of its batch: the whole book, listed anew", PLAIN
    )
    segment: pl.UInt8 = column(
        "-", "Number of the source file in the partition; no book is carried from one segment into the next", DELTA
    )
    contract: pl.Categorical = column("-", "Futures contract, e.g. MNQZ25", DICTIONARY)

    @classmethod
    def rules(cls) -> tuple[Rule, ...]:
        """Return the row rules."""
        return (
            within("ts", _FIRST_TIME, _LAST_TIME, "a time from 2000 to 2099"),
            within("command", 1, 7, "1 to 7"),
            finite("price"),
            Rule("price", "null for clear book and only there", pl.col("price").is_null() == (pl.col("command") == 1)),
            within("quantity", 0, _LARGEST_QUANTITY, "at most 2,147,483,647"),
        )


class DepthRejects(ContractModel):
    """One row per refused depth record, with the values as stored in the file."""

    seq_before: pl.UInt32 = column("-", "Number of clean rows of the partition before this record", DELTA)
    dt: pl.Int64 = column("us", "DateTime as stored, microseconds since 1899-12-30", DELTA)
    command: pl.UInt8 = column("-", "Command as stored", PLAIN)
    flags: pl.UInt8 = column("bits", "Flags as stored", PLAIN)
    num_orders: pl.UInt16 = column("orders", "NumOrders as stored", DELTA)
    price: pl.Float32 = column("file units", "Price as stored", SPLIT)
    quantity: pl.UInt32 = column("contracts", "Quantity as stored", DELTA)
    reason: pl.Categorical = column("-", "Why the record is not in depth_events", DICTIONARY)


class DepthMetrics(ContractModel):
    """One row per second from the first to the last event of the day: the book at the end of that second."""

    ts: Annotated[pl.Datetime, "us", "UTC"] = column(
        "us UTC", "Start of the second; the row tells the state at its end", DELTA
    )
    bid: pl.Float64 = column(
        "points", "Best bid; null while the book is unknown or the side is empty", SPLIT, nullable=True
    )
    ask: pl.Float64 = column(
        "points", "Best ask; null while the book is unknown or the side is empty", SPLIT, nullable=True
    )
    bid_quantity: pl.Int64 = column("contracts", "Quantity at the best bid", DELTA, nullable=True)
    ask_quantity: pl.Int64 = column("contracts", "Quantity at the best ask", DELTA, nullable=True)
    spread: pl.Float64 = column("points", "Ask minus bid; negative while the book is crossed", SPLIT, nullable=True)
    mid: pl.Float64 = column("points", "Mean of bid and ask; null while the book is crossed", SPLIT, nullable=True)
    microprice: pl.Float64 = column(
        "points",
        "Bid and ask weighted by the quantity on the other side; null while the book is crossed",
        SPLIT,
        nullable=True,
    )
    imbalance_1: pl.Float64 = column("-", "(bid - ask) / (bid + ask) quantity at the best level", SPLIT, nullable=True)
    imbalance_5: pl.Float64 = column(
        "-", "The same over the best 5 levels of each side, or as many as there are", SPLIT, nullable=True
    )
    imbalance_10: pl.Float64 = column(
        "-", "The same over the best 10 levels of each side, or as many as there are", SPLIT, nullable=True
    )
    bid_depth_10_ticks: pl.Int64 = column(
        "contracts", "Bid quantity from the best bid down to 10 ticks below it", DELTA, nullable=True
    )
    ask_depth_10_ticks: pl.Int64 = column(
        "contracts", "Ask quantity from the best ask up to 10 ticks above it", DELTA, nullable=True
    )
    updates: pl.Int64 = column("-", "Events of the second, snapshots left out", DELTA)
    snapshot_rows: pl.Int64 = column("-", "Events of the second that belong to snapshots", DELTA)
    batches: pl.Int64 = column("-", "Batches that ended in the second", DELTA)
    age_ms: pl.Int64 = column(
        "ms",
        "End of the second minus the time of the last ended batch; null while the book is unknown",
        DELTA,
        nullable=True,
    )
    in_session: pl.Boolean = column("-", "True inside trading hours; before them a crossed book is legitimate", PLAIN)
    contract: pl.Categorical = column("-", "Futures contract, e.g. MNQZ25", DICTIONARY)

    @classmethod
    def rules(cls) -> tuple[Rule, ...]:
        """Return the row rules."""
        bid, ask, spread = pl.col("bid"), pl.col("ask"), pl.col("spread")
        one = tuple(
            Rule(name, "from -1 to 1", pl.col(name).is_between(-1, 1))
            for name in ("imbalance_1", "imbalance_5", "imbalance_10")
        )
        return (
            Rule("ts", "a whole second", pl.col("ts").to_physical() % 1_000_000 == 0),
            finite("bid"),
            finite("ask"),
            # Spread is made from whole ticks; the difference of two decimal prices is off by a few units in the last place.
            Rule("spread", "ask minus bid", (spread - (ask - bid)).abs() <= 1e-9 * (1 + ask.abs())),
            Rule("mid", "between bid and ask", pl.col("mid").is_between(bid, ask)),
            Rule("microprice", "between bid and ask", pl.col("microprice").is_between(bid, ask)),
            *one,
            Rule("bid_quantity", "at least 1", pl.col("bid_quantity") >= 1),
            Rule("ask_quantity", "at least 1", pl.col("ask_quantity") >= 1),
            Rule(
                "bid_depth_10_ticks", "not below the best level", pl.col("bid_depth_10_ticks") >= pl.col("bid_quantity")
            ),
            Rule(
                "ask_depth_10_ticks", "not below the best level", pl.col("ask_depth_10_ticks") >= pl.col("ask_quantity")
            ),
            Rule("updates", "at least 0", pl.col("updates") >= 0),
            Rule("age_ms", "at least 0", pl.col("age_ms") >= 0),
        )
