"""Models of ``l2``, of the records that were refused, and of ``l2_metrics``.

Belongs here: columns, units, encodings and row rules. Does not belong here: decoding (``trading_platform.databento``) and measures
(``trading_platform.l2``).

Source: Databento schema ``mbp-10``: every row carries the ten best levels of both sides after the event, so no replay is needed. Encodings
were measured on 3 M records: SPLIT on prices, sizes and counts is faster than a dictionary by a quarter (1.5 against 1.9 s) at about the
same size, DELTA wins on times and numbers, a dictionary on the few letters, bits and depths.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import polars as pl

from ..model import DELTA, DICTIONARY, PLAIN, SPLIT, ContractModel, Rule, column, finite, within

LEVELS = 10
_FIRST_TIME = datetime(2000, 1, 1, tzinfo=UTC)
_LAST_TIME = datetime(2099, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)


class _L2Event(ContractModel):
    """What happened."""

    ts_recv: Annotated[pl.Datetime, "ns", "UTC"] = column(
        "ns UTC", "Time at which the vendor received the message; rows are ordered by it", DELTA
    )
    ts_event: Annotated[pl.Datetime, "ns", "UTC"] = column(
        "ns UTC", "Time of the venue's matching engine; need not ascend; null where undefined", DELTA, nullable=True
    )
    seq: pl.UInt32 = column("-", "Position in the partition, 0 to n-1 in the order of the source", DELTA)
    action: pl.Categorical = column("-", "A add, C cancel, M modify, R clear book, T trade, F fill, N none", DICTIONARY)
    side: pl.Categorical = column("-", "A ask, B bid, N none; of a trade the aggressor", DICTIONARY)
    price: pl.Float64 = column(
        "points", "Price of the order or trade; null where undefined, as for clear book", SPLIT, nullable=True
    )
    size: pl.UInt32 = column(
        "contracts or shares", "Size of the order or trade; null where undefined", SPLIT, nullable=True
    )
    depth: pl.UInt8 = column("-", "Level that changed, 0 is the best", DICTIONARY)
    flags: pl.UInt8 = column(
        "bits",
        "128 last of its event, 64 top of book, 32 snapshot, 16 levels only, 8 bad ts_recv, 4 book may be wrong, 2 publisher's own",
        DICTIONARY,
    )
    is_last: pl.Boolean = column("-", "True where the flag 128 is set: only then is the book consistent", PLAIN)
    sequence: pl.UInt32 = column("-", "Message number of the venue; other instruments share the numbering", DELTA)
    ts_in_delta: pl.Int32 = column("ns", "ts_recv minus the time at which the venue sent the message", SPLIT)
    publisher_id: pl.UInt16 = column("-", "Vendor's number of dataset and venue", PLAIN)


def _levels() -> dict[str, Any]:
    """Return the sixty level columns as class attributes and annotations."""
    attributes: dict[str, Any] = {}
    types: dict[str, Any] = {}
    kinds = (
        ("px", pl.Float64, "points", "{side} price at level {level}; null where the book has no such level", True),
        (
            "sz",
            pl.UInt32,
            "contracts or shares",
            "{side} size at level {level}; 0 where the book has no such level",
            False,
        ),
        ("ct", pl.UInt32, "orders", "{side} orders at level {level}; 0 where the book has no such level", False),
    )
    for level in range(LEVELS):
        for kind, dtype, unit, text, nullable in kinds:
            for side in ("bid", "ask"):
                name = f"{side}_{kind}_{level:02d}"
                description = text.format(side=side.capitalize(), level=level)
                attributes[name] = column(unit, description, SPLIT, nullable=nullable)
                types[name] = dtype
    return {**attributes, "__annotations__": types, "__module__": __name__, "__doc__": "The book after the event."}


if TYPE_CHECKING:
    _L2Book = _L2Event
else:
    # Sixty columns that differ in side and level only: written out they would hide what is special about the others.
    _L2Book = type("_L2Book", (_L2Event,), _levels())


class L2(_L2Book):
    """One row per book event, with the ten best levels of both sides after it."""

    instrument_id: pl.UInt32 = column("-", "Vendor's number of the instrument on that day", PLAIN)
    raw_symbol: pl.Categorical = column("-", "Symbol of the venue, e.g. ESU5", DICTIONARY)
    session: pl.Categorical = column(
        "-", "RTH inside regular trading hours (09:30 to 16:00 New York, or the early close), ETH outside", DICTIONARY
    )

    @classmethod
    def rules(cls) -> tuple[Rule, ...]:
        """Return the row rules; levels come from whole numbers and are finite by construction, their order is a check of the day."""
        return (
            within("ts_recv", _FIRST_TIME, _LAST_TIME, "a time from 2000 to 2099"),
            finite("price"),
            finite("bid_px_00"),
            finite("ask_px_00"),
            within("depth", 0, LEVELS, "at most 10"),
        )


class L2Rejects(ContractModel):
    """One row per refused record, with the values as stored in the file."""

    seq_before: pl.UInt32 = column("-", "Number of accepted rows of the partition before this record", DELTA)
    ts_recv: pl.UInt64 = column("ns", "ts_recv as stored", PLAIN)
    ts_event: pl.UInt64 = column("ns", "ts_event as stored", PLAIN)
    publisher_id: pl.UInt16 = column("-", "publisher_id as stored", PLAIN)
    instrument_id: pl.UInt32 = column("-", "instrument_id as stored", PLAIN)
    action: pl.UInt8 = column("-", "Character code of the action", PLAIN)
    side: pl.UInt8 = column("-", "Character code of the side", PLAIN)
    price: pl.Int64 = column("1e-9 points", "Price as stored", PLAIN)
    size: pl.UInt32 = column("contracts or shares", "Size as stored", PLAIN)
    depth: pl.UInt8 = column("-", "Depth as stored", PLAIN)
    flags: pl.UInt8 = column("bits", "Flags as stored", PLAIN)
    sequence: pl.UInt32 = column("-", "Sequence as stored", PLAIN)
    ts_in_delta: pl.Int32 = column("ns", "ts_in_delta as stored", PLAIN)
    bid_px_00: pl.Int64 = column("1e-9 points", "Best bid as stored", PLAIN)
    ask_px_00: pl.Int64 = column("1e-9 points", "Best ask as stored", PLAIN)
    bid_sz_00: pl.UInt32 = column("contracts or shares", "Size at the best bid as stored", PLAIN)
    ask_sz_00: pl.UInt32 = column("contracts or shares", "Size at the best ask as stored", PLAIN)
    reason: pl.Categorical = column("-", "Why the record is not in l2, a stable code", DICTIONARY)


class L2Metrics(ContractModel):
    """One row per second from the first to the last event of the day: the book at the end of that second, and what happened in it."""

    ts: Annotated[pl.Datetime, "us", "UTC"] = column(
        "us UTC", "Start of the second by ts_recv; the book is that at its end", DELTA
    )
    bid: pl.Float64 = column("points", "Best bid; null while the side is empty or unknown", SPLIT, nullable=True)
    ask: pl.Float64 = column("points", "Best ask; null while the side is empty or unknown", SPLIT, nullable=True)
    bid_quantity: pl.Int64 = column("contracts or shares", "Quantity at the best bid", DELTA, nullable=True)
    ask_quantity: pl.Int64 = column("contracts or shares", "Quantity at the best ask", DELTA, nullable=True)
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
    spread_mean: pl.Float64 = column(
        "points", "Mean spread over the consistent rows of the second; null without one", SPLIT, nullable=True
    )
    imbalance_1_mean: pl.Float64 = column(
        "-", "Mean of imbalance_1 over the consistent rows of the second; null without one", SPLIT, nullable=True
    )
    order_flow_imbalance: pl.Int64 = column(
        "contracts or shares", "Cont-Kukanov-Stoikov order flow at the best levels, summed over the second", DELTA
    )
    trades: pl.Int64 = column("-", "Trades of the second", DELTA)
    volume: pl.Int64 = column("contracts or shares", "Size of these trades", DELTA)
    buy_volume: pl.Int64 = column("contracts or shares", "Size bought by aggressors", DELTA)
    sell_volume: pl.Int64 = column("contracts or shares", "Size sold by aggressors", DELTA)
    vwap: pl.Float64 = column("points", "Volume-weighted trade price; null without a trade", SPLIT, nullable=True)
    updates: pl.Int64 = column("-", "Rows of the second, snapshots left out", DELTA)
    snapshot_rows: pl.Int64 = column("-", "Rows of the second that belong to snapshots", DELTA)
    events: pl.Int64 = column("-", "Consistent rows of the second, one per event of the venue", DELTA)
    age_ms: pl.Int64 = column(
        "ms", "End of the second minus the time of the last consistent row; null before the first", DELTA, nullable=True
    )
    in_session: pl.Boolean = column("-", "True inside trading hours; before them a crossed book is legitimate", PLAIN)
    raw_symbol: pl.Categorical = column("-", "Symbol of the venue, e.g. ESU5", DICTIONARY)

    @classmethod
    def rules(cls) -> tuple[Rule, ...]:
        """Return the row rules."""
        bid, ask = pl.col("bid"), pl.col("ask")
        ratios = ("imbalance_1", "imbalance_5", "imbalance_10", "imbalance_1_mean")
        counts = ("trades", "volume", "buy_volume", "sell_volume", "updates", "snapshot_rows", "events", "age_ms")
        return (
            Rule("ts", "a whole second", pl.col("ts").to_physical() % 1_000_000 == 0),
            finite("bid"),
            finite("ask"),
            Rule("spread", "ask minus bid", pl.col("spread") == ask - bid),
            Rule("mid", "between bid and ask", pl.col("mid").is_between(bid, ask)),
            Rule("microprice", "between bid and ask", pl.col("microprice").is_between(bid, ask)),
            *(Rule(name, "from -1 to 1", pl.col(name).is_between(-1, 1)) for name in ratios),
            Rule("bid_quantity", "at least 1", pl.col("bid_quantity") >= 1),
            Rule("ask_quantity", "at least 1", pl.col("ask_quantity") >= 1),
            *(Rule(name, "at least 0", pl.col(name) >= 0) for name in counts),
            Rule(
                "volume",
                "not below what buyers and sellers traded",
                pl.col("volume") >= pl.col("buy_volume") + pl.col("sell_volume"),
            ),
        )
