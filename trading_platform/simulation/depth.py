"""Writing Sierra Chart ``.depth`` files of a simulated book, byte for byte as Sierra Chart does.

Belongs here: the header and record layout as a writer states them, and a seeded book that follows the simulated market: a ladder of price
levels on each side of its quote. Does not belong here: the price path (``market.py``), which files a demo has (``archive.py``).

The layout is stated here a second time, on purpose not imported from the reader (``trading_platform.sierra.depth``): with one shared
definition a wrong offset would be written and read back without anyone noticing.

Source: Sierra Chart, "Market Depth Data File Format"; the shape of a real dump: a snapshot (clear book, bids best to worst, asks best to
worst, one batch) at the start and about every ten minutes, in between batches of a few records.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np

from ..instruments import Contract
from ..sessions import Session, calendar_for
from .activity import activity_per_second
from .files import SYNTHETIC_MARK, Records, append_bytes, create_with_header, payload, write_whole
from .market import IntArray, SimulatedMarket
from .scid import SIERRA_EPOCH_OFFSET_US

DEPTH_HEADER_BYTES: Final = 64
DEPTH_RECORD_BYTES: Final = 24
DEPTH_FOLDER: Final = "MarketDepthData"

DEPTH_RECORD: Final[np.dtype[np.void]] = np.dtype(
    [
        ("dt", "<i8"),
        ("command", "u1"),
        ("flags", "u1"),
        ("num_orders", "<u2"),
        ("price", "<f4"),
        ("quantity", "<u4"),
        ("reserved", "<u4"),
    ]
)

CLEAR_BOOK: Final = 1
ADD: Final = (2, 3)  # bid, ask
MODIFY: Final = (4, 5)
DELETE: Final = (6, 7)
END_OF_BATCH: Final = 1

_SNAPSHOT_S: Final = (570.0, 630.0)  # about ten minutes, not on a grid
_MODIFIES_P: Final = 0.45  # modifies per batch: geometric, 2.2 on average
_OFFSET_P: Final = 0.22  # distance of a modified level from the best one: geometric, mostly near it
_SIZE_P: Final = 0.06
_WIDE_FRAC: Final = 0.06  # batches in which the spread is two ticks
_CROSSED_TICKS: Final = 3
_CROSSED_S: Final = 900  # CME takes orders from about a quarter of an hour before the open
_CROSSED_BATCHES: Final = 300
_BATCH_RECORDS: Final = 1 / _MODIFIES_P + 0.6  # with the records that follow the quote, about


@dataclass(frozen=True, slots=True)
class DepthOptions:
    """What a simulated day of depth looks like.

    Attributes:
        levels: price levels on each side.
        first_snapshot: False leaves out the snapshot at the start of the file: its book is unknown until the next one.
        lone_clear: clear the book, with nothing after it, when trading hours end.
        crossed_pre_open: orders before the open whose bids are above the asks.
        absent_deletes: this many deletes of levels that the book does not have.
    """

    levels: int = 40
    first_snapshot: bool = True
    lone_clear: bool = False
    crossed_pre_open: bool = False
    absent_deletes: int = 0


@dataclass(frozen=True, slots=True)
class DepthDay:
    """A written file.

    Attributes:
        path: where it lies.
        contract: e.g. ``MNQH25``.
        utc_date: its UTC date.
        rows: records.
    """

    path: Path
    contract: str
    utc_date: date
    rows: int

    @property
    def size_bytes(self) -> int:
        """Return the size of the file."""
        return DEPTH_HEADER_BYTES + self.rows * DEPTH_RECORD_BYTES


def depth_header(*, synthetic: bool = True) -> bytes:
    """Return the 64 bytes before the first record; see ``scid_header``."""
    mark = SYNTHETIC_MARK if synthetic else b""
    return struct.pack("<4sIII48s", b"SCDD", DEPTH_HEADER_BYTES, DEPTH_RECORD_BYTES, 1, mark)


def depth_path(directory: Path, contract: Contract, exchange: str, utc_date: date) -> Path:
    """Return where Sierra Chart keeps a day below its data folder, e.g. ``MNQH25_FUT_CME.2025-03-10.depth``."""
    return directory / DEPTH_FOLDER / f"{contract.symbol}_FUT_{exchange}.{utc_date}.depth"


def write_depth(path: Path, chunks: Sequence[Records] | Iterator[Records], *, keep_identical: bool = False) -> int:
    """Write a whole file, all of it or nothing, and return the number of records.

    Raises:
        ValueError: an array is not of ``DEPTH_RECORD``.
        OSError: the disk refuses; an older file stays as it was and no temporary is left.
    """
    rows = 0

    def parts() -> Iterator[memoryview[Any]]:
        nonlocal rows
        for chunk in chunks:
            yield payload(chunk, DEPTH_RECORD, ".depth")
            rows += len(chunk)

    write_whole(path, depth_header(), parts(), keep_identical=keep_identical)
    return rows


def append_depth(path: Path, records: Records, *, step_bytes: int | None = None) -> Iterator[int]:
    """Append records as a running Sierra Chart does; a file that does not exist gets a header first.

    Args:
        path: the file.
        records: what to append.
        step_bytes: bytes per write, so that the last record is torn most of the time; None writes all at once.

    Yields:
        Size of the file after each write, in bytes.
    """
    create_with_header(path, depth_header())
    content = payload(records, DEPTH_RECORD, ".depth")
    step = step_bytes or max(1, len(content))
    for position in range(0, len(content), step):
        yield append_bytes(path, content[position : position + step])


def write_depth_day(
    directory: Path,
    market: SimulatedMarket,
    contract: Contract,
    utc_date: date,
    *,
    events: int = 30_000,
    options: DepthOptions | None = None,
    trade_dates: Sequence[date] | None = None,
    keep_identical: bool = True,
) -> DepthDay | None:
    """Write one contract's file of one UTC day, with prices stored as in its ``.scid`` file.

    The same arguments give the same bytes.

    Args:
        directory: Sierra Chart's data folder; the file goes into ``MarketDepthData`` below it.
        market: whose quotes the book follows.
        contract: the contract of the file.
        utc_date: the UTC day.
        events: records on a full day besides snapshots, about.
        options: what the day looks like.
        trade_dates: only these trade dates have events; None for all.
        keep_identical: see ``write_whole``.

    Returns:
        What was written; None if no session has trading hours on this UTC day.
    """
    sierra = market.instrument.sierra
    if sierra is None:
        raise ValueError(f"Expected an instrument with Sierra Chart files, was {market.instrument.symbol}")
    chunks = list(depth_chunks(market, contract, utc_date, events=events, options=options, trade_dates=trade_dates))
    if not chunks:
        return None
    path = depth_path(directory, contract, sierra.exchange, utc_date)
    return DepthDay(path, contract.symbol, utc_date, write_depth(path, chunks, keep_identical=keep_identical))


def depth_chunks(
    market: SimulatedMarket,
    contract: Contract,
    utc_date: date,
    *,
    events: int = 30_000,
    options: DepthOptions | None = None,
    trade_dates: Sequence[date] | None = None,
) -> Iterator[Records]:
    """Yield the records of a UTC day in parts that are not empty; arguments as of :func:`write_depth_day`."""
    calendar = calendar_for(market.instrument.calendar)
    day_start = datetime.combine(utc_date, time(), UTC)
    day_end = day_start + timedelta(days=1)
    first = True
    for trade_date in (utc_date, utc_date + timedelta(days=1)):  # a session opens the evening before
        if trade_dates is not None and trade_date not in trade_dates:
            continue
        session = calendar.session(trade_date)
        if session.opens_at is None or session.closes_at is None:
            continue
        start, end = max(session.opens_at, day_start), min(session.closes_at, day_end)
        if start >= end:
            continue
        part = _Part(market, contract, session, start, end, events, options or DepthOptions(), is_first=first)
        yield from filter(len, part.chunks())
        first = False


class _Part:
    """One session's trading hours on one UTC day."""

    def __init__(
        self,
        market: SimulatedMarket,
        contract: Contract,
        session: Session,
        start: datetime,
        end: datetime,
        events: int,
        options: DepthOptions,
        *,
        is_first: bool,
    ) -> None:
        if session.opens_at is None or session.closes_at is None or market.instrument.sierra is None:
            raise ValueError(f"Expected an open session of a Sierra Chart symbol, was {session}")
        self._options = options
        self._is_first = is_first
        self._begins_session = start == session.opens_at
        self._ends_session = end == session.closes_at
        self._start_us, self._end_us = (int(instant.timestamp()) * 1_000_000 for instant in (start, end))
        self._opens_us = int(session.opens_at.timestamp()) * 1_000_000
        self._path = market.path_ticks(session) + market.calendar_spread_ticks(contract)
        self._stored_per_tick = market.instrument.tick_size / market.instrument.sierra.price_scales["fut"]
        names = (market.instrument.symbol, contract.symbol, str(start))
        self._random = np.random.default_rng([market.seed, *(zlib.crc32(name.encode()) for name in names)])
        activity = activity_per_second(session.trade_date, session.opens_at, session.closes_at, tuple(session.breaks))
        first = (self._start_us - self._opens_us) // 1_000_000
        elapsed = np.concatenate([[0.0], np.cumsum(activity)]) / activity.sum()
        self._elapsed = elapsed[first : first + (self._end_us - self._start_us) // 1_000_000 + 1]
        self._batches = round(events * float(self._elapsed[-1] - self._elapsed[0]) / _BATCH_RECORDS)
        margin = 2 * options.levels + _CROSSED_TICKS + 8
        self._base = int(self._path.min()) - margin
        size = int(self._path.max()) + margin - self._base
        self._book = np.zeros((2, size), np.int64)  # quantity per side and tick

    def chunks(self) -> Iterator[Records]:
        """Yield snapshots and the events between them."""
        if self._options.crossed_pre_open and self._begins_session:
            yield self._crossed()
        edges = self._edges()
        bid = ask = None
        for number, (start_us, end_us) in enumerate(pairwise(edges)):
            times = self._times(start_us, end_us)
            bids = np.floor(self._path_at(np.concatenate([[start_us], times]))).astype(np.int64)
            wide = (self._random.random(len(bids)) < _WIDE_FRAC).astype(np.int64)
            asks = bids + 1 + wide
            if bid is None or ask is None:
                self._fill(int(bids[0]), int(asks[0]))
            else:  # the quote at the snapshot is the one that the events have led to
                bids[0], asks[0] = bid, ask
            if number or self._options.first_snapshot or not self._is_first:
                yield self._snapshot(start_us, int(bids[0]), int(asks[0]))
            yield self._events(times, bids, asks)
            bid, ask = int(bids[-1]), int(asks[-1])
        if self._options.lone_clear and self._ends_session:
            yield self._clear(self._end_us)

    def _edges(self) -> list[int]:
        """Return the times of the snapshots and the end."""
        edges, at = [self._start_us], float(self._start_us)
        while True:
            at += float(self._random.uniform(*_SNAPSHOT_S)) * 1e6
            if at >= self._end_us - 1_000_000:
                return [*edges, self._end_us]
            edges.append(int(at))

    def _times(self, start_us: int, end_us: int) -> IntArray:
        """Draw sorted times of batches in ``[start_us, end_us)``, dense where activity is high."""
        seconds = np.arange(len(self._elapsed)) * 1e6 + self._start_us
        first, last = np.interp([start_us, end_us], seconds, self._elapsed)
        whole = float(self._elapsed[-1] - self._elapsed[0])
        count = int(self._random.poisson(self._batches * (last - first) / whole)) if whole else 0
        drawn = np.sort(self._random.uniform(first, last, count))
        times: IntArray = np.interp(drawn, self._elapsed, seconds).astype(np.int64)
        return np.clip(times, start_us, end_us - 1)

    def _path_at(self, ts_us: IntArray) -> np.ndarray[Any, np.dtype[np.float64]]:
        return np.interp((ts_us - self._opens_us) / 1e6, np.arange(len(self._path)), self._path)

    def _fill(self, bid: int, ask: int) -> None:
        """Start with a random book."""
        for side, levels in enumerate(self._ladder(bid, ask)):
            self._book[side, levels - self._base] = self._sizes(len(levels))

    def _ladder(self, bid: int, ask: int) -> tuple[IntArray, IntArray]:
        """Return the levels of bids and asks, best to worst."""
        steps = np.arange(self._options.levels)
        return bid - steps, ask + steps

    def _snapshot(self, ts_us: int, bid: int, ask: int) -> Records:
        bids, asks = self._ladder(bid, ask)
        records = self._records(1 + len(bids) + len(asks))
        records["dt"] = ts_us + SIERRA_EPOCH_OFFSET_US
        records["command"] = [CLEAR_BOOK, *[ADD[0]] * len(bids), *[ADD[1]] * len(asks)]
        records["price"][1:] = np.concatenate([bids, asks]) * self._stored_per_tick
        quantity = np.concatenate([self._book[0, bids - self._base], self._book[1, asks - self._base]])
        records["quantity"][1:] = quantity
        records["num_orders"][1:] = (quantity + 2) // 3
        records["flags"][-1] = END_OF_BATCH
        return records

    def _clear(self, ts_us: int) -> Records:
        records = self._records(1)
        records["dt"], records["command"], records["flags"] = ts_us + SIERRA_EPOCH_OFFSET_US, CLEAR_BOOK, END_OF_BATCH
        return records

    def _events(self, times: IntArray, bids: IntArray, asks: IntArray) -> Records:
        """Return the batches of one interval; ``bids`` and ``asks`` begin with the quote before the first batch."""
        count, levels = len(times), self._options.levels
        batch, side, command, tick, size = [
            np.concatenate(columns)
            for columns in zip(
                *(*self._moves(0, bids), *self._moves(1, -asks), self._modifies(bids, asks)), strict=True
            )
        ]
        if self._options.absent_deletes and count:
            absent = min(count, self._options.absent_deletes)
            where = np.sort(self._random.integers(0, count, absent))
            batch, side = np.concatenate([batch, where]), np.concatenate([side, np.zeros(absent, np.int64)])
            command = np.concatenate([command, np.full(absent, DELETE[0])])
            tick = np.concatenate([tick, bids[where + 1] - levels - 3])
            size = np.concatenate([size, np.zeros(absent, np.int64)])
        order = np.argsort(batch, kind="stable")
        batch, side, command, tick, size = (column[order] for column in (batch, side, command, tick, size))
        self._book[side, tick - self._base] = size  # the last of several for one level counts
        records = self._records(len(batch))
        records["dt"] = times[batch] + SIERRA_EPOCH_OFFSET_US
        records["command"] = command
        records["price"] = tick * self._stored_per_tick
        records["quantity"] = size
        records["num_orders"] = (size + 2) // 3
        if len(batch):
            records["flags"][np.append(batch[1:] != batch[:-1], True)] = END_OF_BATCH
        return records

    def _moves(self, side: int, best: IntArray) -> Iterator[tuple[IntArray, ...]]:
        """Yield deletes and adds that keep the ladder behind its best level; asks come with negated ticks."""
        sign = 1 - 2 * side
        moved, levels = np.diff(best), self._options.levels
        for up in (True, False):
            steps = np.minimum(np.where(moved > 0, moved, 0) if up else np.where(moved < 0, -moved, 0), levels)
            batch = np.repeat(np.arange(len(steps)), steps)
            step = np.arange(len(batch)) - np.repeat(np.cumsum(steps) - steps, steps)
            before, after = best[batch], best[batch + 1]
            gone = before - levels + 1 + step if up else before - step
            new = after - steps[batch] + 1 + step if up else after - levels + 1 + step
            sides = np.full(len(batch), side)
            yield batch, sides, np.full(len(batch), DELETE[side]), sign * gone, np.zeros(len(batch), np.int64)
            yield batch, sides, np.full(len(batch), ADD[side]), sign * new, self._sizes(len(batch))

    def _modifies(self, bids: IntArray, asks: IntArray) -> tuple[IntArray, ...]:
        """Return at least one changed quantity per batch, mostly near the best level."""
        each = self._random.geometric(_MODIFIES_P, len(bids) - 1)
        batch = np.repeat(np.arange(len(each)), each)
        side = self._random.integers(0, 2, len(batch))
        offset = np.minimum(self._random.geometric(_OFFSET_P, len(batch)), self._options.levels) - 1
        tick = np.where(side == 0, bids[batch + 1] - offset, asks[batch + 1] + offset)
        return batch, side, np.array(MODIFY)[side], tick, self._sizes(len(batch))

    def _crossed(self) -> Records:
        """Return a snapshot whose bids reach above its asks, and changes of it, before the open; trading clears it."""
        start_us = self._opens_us - _CROSSED_S * 1_000_000
        bid = int(self._path[0])
        self._fill(bid + _CROSSED_TICKS, bid + 1)
        snapshot = self._snapshot(start_us, bid + _CROSSED_TICKS, bid + 1)
        times = np.sort(self._random.integers(start_us + 1, self._opens_us, _CROSSED_BATCHES))
        bids = np.full(len(times) + 1, bid + _CROSSED_TICKS)
        return np.concatenate([snapshot, self._events(times, bids, np.full(len(bids), bid + 1))])

    def _sizes(self, count: int) -> IntArray:
        return self._random.geometric(_SIZE_P, count).astype(np.int64)

    @staticmethod
    def _records(count: int) -> Records:
        return np.zeros(count, DEPTH_RECORD)


# In a file this dense the quote moves less from batch to batch than in the demo, so more batches are needed.
_BENCHMARK_SURPLUS: Final = 1.12


def depth_benchmark_files(
    directory: Path, market: SimulatedMarket, contract: Contract, trade_date: date, events: int = 30_000_000
) -> tuple[DepthDay, ...]:
    """Write the files of one large trade date, with 1,000 levels in a snapshot.

    Args:
        directory: data folder; the files go into ``MarketDepthData`` below it.
        market: whose quotes the book follows.
        contract: the contract of the files.
        trade_date: an open trade date; its session lies on this UTC day and the one before.
        events: records in all, about.
    """
    sierra = market.instrument.sierra
    if sierra is None:
        raise ValueError(f"Expected an instrument with Sierra Chart files, was {market.instrument.symbol}")
    wanted, options = round(events * _BENCHMARK_SURPLUS), DepthOptions(levels=500)
    written = []
    for utc_date in (trade_date - timedelta(days=1), trade_date):
        path = depth_path(directory, contract, sierra.exchange, utc_date)
        chunks = depth_chunks(market, contract, utc_date, events=wanted, options=options, trade_dates=[trade_date])
        written.append(DepthDay(path, contract.symbol, utc_date, write_depth(path, chunks)))
    return tuple(written)
