"""The book at any moment, rebuilt from the last snapshot before it.

Belongs here: which rows of a stored partition are needed, found from the statistics of its row groups. Does not belong here: how events
change a book (``book.py``).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Final

import numpy as np

from ..errors import ConfigurationError
from ..instants import MICROSECONDS, instant_of, us_of
from ..lake.reader import no_such_days
from .book import CLEAR, END_OF_BATCH, Book
from .events_reader import EVENTS, EventFile, open_events

if TYPE_CHECKING:
    from ..lake import Lake
    from ..sessions import TradingCalendar

_REPLAYED: Final = ("command", "price", "quantity", "num_orders")


@dataclass(frozen=True, slots=True)
class BookAt:
    """The book at one moment, or why there is none.

    Attributes:
        instant: the moment asked for, UTC.
        trade_date: the partition that owns it.
        book: the book after the last batch that had ended by then; None if it is unknown.
        reason: why the book is unknown; None if it is known.
        contract: contract of the partition; None without rows.
        synthetic: True if the events were generated.
        snapshot_at: time of the snapshot from which the book was rebuilt, UTC.
        last_batch_at: time of the END_OF_BATCH of the last ended batch, UTC.
        events_replayed: events from the snapshot on.
    """

    instant: datetime
    trade_date: date
    book: Book | None = None
    reason: str | None = None
    contract: str | None = None
    synthetic: bool = False
    snapshot_at: datetime | None = None
    last_batch_at: datetime | None = None
    events_replayed: int = 0

    @property
    def age_ms(self) -> int | None:
        """Return milliseconds since the last ended batch, None without a book."""
        if self.last_batch_at is None:
            return None
        return (self.instant - self.last_batch_at) // timedelta(milliseconds=1)


def book_at(lake: Lake, symbol: str, instant: datetime, calendar: TradingCalendar) -> BookAt:
    """Rebuild the book at a moment; an event at exactly that moment counts.

    Only the row groups between the last snapshot and the moment are read.

    Args:
        lake: with the dataset ``depth_events``.
        symbol: root symbol.
        instant: aware datetime in any zone.
        calendar: sessions of the instrument; they say which trade date owns the moment.

    Raises:
        ConfigurationError: E140 outside the calendar, E143 a time without a zone.
        LakeError: E505 if the file is damaged, E507 if the day is not stored.
        QualityError: E431, E436 for unusable events.
    """
    if instant.tzinfo is None:
        raise ConfigurationError(
            "E143",
            f"expected a time with a time zone, was {instant.isoformat()}",
            "a time without a zone would mean another moment on every machine; add Z for UTC or an offset such as -05:00",
            f"tp depth book {symbol} --at {instant.isoformat()}Z",
        )
    instant = instant.astimezone(UTC)
    trade_date = calendar.trade_date_at(instant)
    footer = lake.footer(EVENTS, symbol, trade_date)
    if footer is None:
        raise no_such_days(EVENTS, symbol, [trade_date])
    try:
        events = open_events(lake.path(EVENTS, symbol, trade_date), symbol, trade_date.isoformat())
    except FileNotFoundError as error:
        raise no_such_days(EVENTS, symbol, [trade_date]) from error
    with events:
        found = BookAt(instant, trade_date, contract=events.contract_symbol(1), synthetic=footer.synthetic)
        if events.rows == 0:
            return _unknown(found, f"{trade_date} has no events: {footer.reason or footer.outcome.value}")
        return _Search(events, found).run()


class _Search:
    """One look-up in one open file; a place is a row group and a row in it."""

    def __init__(self, events: EventFile, found: BookAt) -> None:
        self._events = events
        self._found = found
        self._at_us = us_of(found.instant)

    def run(self) -> BookAt:
        group, stop = self._end()
        if (group, stop) == (0, 0):
            first_us = int(self._events.arrays(0, ("ts",))["ts"][0])
            return _unknown(self._found, f"the events of {self._found.trade_date} begin later, at {_text(first_us)}")
        segment = self._segment_before(group, stop)
        ended = self._last(group, stop, segment, "flags")
        clear = None if ended is None else self._last(ended[0], ended[1] + 1, segment, "command")
        if ended is None or clear is None:
            return _unknown(
                self._found,
                f"no snapshot has ended before this moment in the part of {self._found.trade_date} that it lies in (a source file that "
                "does not begin with a snapshot gives no book before its first one)",
            )
        return self._rebuild(clear, ended)

    def _end(self) -> tuple[int, int]:
        """Return the place of the first event after the moment; a time that steps back counts as the latest before it."""
        for group in range(self._events.groups):
            extremes = self._events.extremes(group, "ts")
            if extremes is not None and us_of(extremes[1]) <= self._at_us:
                continue
            later = self._events.arrays(group, ("ts",))["ts"] > self._at_us
            if later.any():
                return group, int(later.argmax())
        return self._events.groups, 0

    def _segment_before(self, group: int, stop: int) -> int:
        """Return the segment of the event before a place."""
        if stop == 0:
            return int(self._events.arrays(group - 1, ("segment",))["segment"][-1])
        return int(self._events.arrays(group, ("segment",))["segment"][stop - 1])

    def _last(self, group: int, stop: int, segment: int, column: str) -> tuple[int, int] | None:
        """Return the place of the segment's last event before ``(group, stop)`` that ends a batch (``flags``) or clears (``command``)."""
        for number in range(group if stop else group - 1, -1, -1):
            if self._may_hold(number, column):
                arrays = self._events.arrays(number, (column, "segment"))
                values = arrays[column]
                hits = (values & END_OF_BATCH) != 0 if column == "flags" else values == CLEAR
                hits &= arrays["segment"] == segment
                rows = np.flatnonzero(hits[: stop if number == group and stop else None])
                if len(rows):
                    return number, int(rows[-1])
            segments = self._events.extremes(number, "segment")
            if segments is not None and segments[0] < segment:
                return None
        return None

    def _may_hold(self, group: int, column: str) -> bool:
        """Tell from statistics whether a row group may end a batch (``flags``) or clear the book (``command``, its lowest value)."""
        extremes = self._events.extremes(group, column)
        if extremes is None:
            return True
        return bool(extremes[1] >= END_OF_BATCH if column == "flags" else extremes[0] <= CLEAR)

    def _rebuild(self, clear: tuple[int, int], ended: tuple[int, int]) -> BookAt:
        """Replay from the snapshot to the end of the last batch."""
        book, replayed, snapshot_us, last_us = Book(), 0, 0, 0
        for group in range(clear[0], ended[0] + 1):
            arrays = self._events.arrays(group, ("ts", *_REPLAYED))
            start = clear[1] if group == clear[0] else 0
            stop = ended[1] + 1 if group == ended[0] else len(arrays["ts"])
            columns = [arrays[name][start:stop].tolist() for name in _REPLAYED]
            for command, price, quantity, orders in zip(*columns, strict=True):
                book.apply(command, None if command == CLEAR else price, quantity, orders)
            replayed += stop - start
            if group == clear[0]:
                snapshot_us = int(arrays["ts"][start])
            if group == ended[0]:
                last_us = int(arrays["ts"][stop - 1])
        return BookAt(
            self._found.instant,
            self._found.trade_date,
            book,
            None,
            self._found.contract,
            self._found.synthetic,
            instant_of(snapshot_us),
            instant_of(last_us),
            replayed,
        )


def _unknown(found: BookAt, reason: str) -> BookAt:
    return BookAt(found.instant, found.trade_date, None, reason, found.contract, found.synthetic)


def _text(us: int) -> str:
    return f"{instant_of(us - us % MICROSECONDS):%Y-%m-%d %H:%M:%S} UTC"
