"""The order book as two maps from price to quantity and orders, replayed event by event.

Belongs here: the rules of the replay in their plainest form. Does not belong here: finding the right events in the lake (``lookup.py``),
measures per second (``seconds.py``), files.

Rules: CLEAR empties both sides; ADD and MODIFY both set a level; DELETE removes it, and one for a level that is not there is counted,
not refused. A level with quantity 0 does not exist, so ADD or MODIFY with quantity 0 removes. The book is consistent only after
END_OF_BATCH. It is unknown until the first batch with a CLEAR has ended, at the start and again in each segment (source file). CLEAR
alone is a known, empty book. A crossed book is legitimate before the opening.

Source: Sierra Chart market depth file format.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, NamedTuple

import polars as pl

CLEAR: Final = 1
ADD_BID: Final = 2
ADD_ASK: Final = 3
MODIFY_BID: Final = 4
MODIFY_ASK: Final = 5
DELETE_BID: Final = 6
DELETE_ASK: Final = 7
END_OF_BATCH: Final = 1
_EVENT_COLUMNS: Final = ("ts", "seq", "segment", "flags", "command", "price", "quantity", "num_orders")


class Level(NamedTuple):
    """One price level of one side.

    Attributes:
        price: points.
        quantity: contracts, at least 1.
        num_orders: orders; 0 where the source does not count them.
        cumulative: contracts from the best level to this one.
    """

    price: float
    quantity: int
    num_orders: int
    cumulative: int


@dataclass
class Book:
    """Both sides of an order book.

    Attributes:
        bids: price in points to (quantity, orders).
        asks: price in points to (quantity, orders).
        deletes_of_absent: DELETE events so far whose level was not there.
    """

    bids: dict[float, tuple[int, int]] = field(default_factory=dict)
    asks: dict[float, tuple[int, int]] = field(default_factory=dict)
    deletes_of_absent: int = 0

    def apply(self, command: int, price: float | None, quantity: int, num_orders: int) -> None:
        """Apply one event.

        Args:
            command: 1 clear book, 2 add bid, 3 add ask, 4 modify bid, 5 modify ask, 6 delete bid, 7 delete ask.
            price: points; None only for clear book.
            quantity: contracts; not looked at by deletes.
            num_orders: orders at the level.

        Raises:
            ValueError: an unknown command, or no price where one is needed.
        """
        if command == CLEAR:
            self.bids.clear()
            self.asks.clear()
            return
        if price is None or not ADD_BID <= command <= DELETE_ASK:
            raise ValueError(f"Expected a command from 1 to 7 with a price, was command {command} with {price}")
        side = self.asks if command % 2 else self.bids
        if command < DELETE_BID and quantity:
            side[price] = (quantity, num_orders)
        elif side.pop(price, None) is None and command >= DELETE_BID:
            self.deletes_of_absent += 1

    @property
    def best_bid(self) -> float | None:
        """Return the highest bid in points, None without bids."""
        return max(self.bids, default=None)

    @property
    def best_ask(self) -> float | None:
        """Return the lowest ask in points, None without asks."""
        return min(self.asks, default=None)

    @property
    def is_crossed(self) -> bool:
        """Tell whether the best bid is above the best ask, legitimate before the opening only."""
        bid, ask = self.best_bid, self.best_ask
        return bid is not None and ask is not None and bid > ask

    def bid_levels(self, count: int | None = None) -> list[Level]:
        """Return the best bids, highest first; all without a count."""
        return _ladder(self.bids, sorted(self.bids, reverse=True)[:count])

    def ask_levels(self, count: int | None = None) -> list[Level]:
        """Return the best asks, lowest first; all without a count."""
        return _ladder(self.asks, sorted(self.asks)[:count])

    def copy(self) -> Book:
        """Return a book of its own with the same levels."""
        return Book(dict(self.bids), dict(self.asks), self.deletes_of_absent)


class BookState(NamedTuple):
    """The book at the end of one batch.

    Attributes:
        ts: time of the END_OF_BATCH event, UTC.
        seq: its number in the partition.
        segment: number of the source file.
        book: None while it is unknown. The same object for every batch, changed by the next one: ``copy()`` it to keep it.
    """

    ts: datetime
    seq: int
    segment: int
    book: Book | None


def replay(events: pl.DataFrame | Iterable[pl.DataFrame]) -> Iterator[BookState]:
    """Replay book events and yield the state at the end of every batch.

    Args:
        events: rows of ``depth_events`` in their order: ts, seq, segment, command, flags, price, quantity, num_orders; a frame, or several
            that continue each other. A batch that never ends has no state, also if another segment follows.

    Yields:
        One state per END_OF_BATCH.
    """
    frames = (events,) if isinstance(events, pl.DataFrame) else events
    book, segment, is_known = Book(), None, False
    # Events wait for the end of their batch, so that the book is consistent whenever someone looks at it.
    batch: list[tuple[int, float | None, int, int]] = []
    for frame in frames:
        for ts, seq, number, flags, *event in frame.select(_EVENT_COLUMNS).iter_rows():
            if number != segment:
                book, segment, is_known = Book(deletes_of_absent=book.deletes_of_absent), number, False
                batch.clear()
            batch.append(tuple(event))
            if not flags & END_OF_BATCH:
                continue
            for command, price, quantity, orders in batch:
                is_known = is_known or command == CLEAR
                if is_known:
                    book.apply(command, price, quantity, orders)
            batch.clear()
            yield BookState(ts, seq, number, book if is_known else None)


def _ladder(side: dict[float, tuple[int, int]], prices: list[float]) -> list[Level]:
    levels, cumulative = [], 0
    for price in prices:
        quantity, orders = side[price]
        cumulative += quantity
        levels.append(Level(price, quantity, orders, cumulative))
    return levels
