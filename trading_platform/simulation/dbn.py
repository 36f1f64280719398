"""Writing genuine DBN files of ten-level books (schema ``mbp-10``) from the simulated market.

Belongs here: records, metadata and compression as the vendor states them. Does not belong here: prices and trades (``market.py``), the
server that pretends to be the vendor.

The layout is stated here a second time, on purpose not imported from the reader (``trading_platform.databento``): with one shared
definition a wrong offset would be written and read back without anyone noticing.

Source: Databento Binary Encoding, version 3: metadata, then records of 368 bytes, as one zstd frame with a checksum. Prices are whole
multiples of 1e-9, 2**63 - 1 where there is none. The synthetic mark lies in a skippable zstd frame behind the data, which every reader
passes over.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from .files import SYNTHETIC_MARK
from .market import SimulatedTicks

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEVELS: Final = 10
UNDEFINED_PRICE: Final = 2**63 - 1
MBP10_RECORD: Final[np.dtype[np.void]] = np.dtype(
    [
        ("length", "u1"),
        ("rtype", "u1"),
        ("publisher_id", "<u2"),
        ("instrument_id", "<u4"),
        ("ts_event", "<u8"),
        ("price", "<i8"),
        ("size", "<u4"),
        ("action", "S1"),
        ("side", "S1"),
        ("flags", "u1"),
        ("depth", "u1"),
        ("ts_recv", "<u8"),
        ("ts_in_delta", "<i4"),
        ("sequence", "<u4"),
        *(
            (f"{name}_{level:02d}", kind)
            for level in range(LEVELS)
            for name, kind in (
                ("bid_px", "<i8"),
                ("ask_px", "<i8"),
                ("bid_sz", "<u4"),
                ("ask_sz", "<u4"),
                ("bid_ct", "<u4"),
                ("ask_ct", "<u4"),
            )
        ),
    ]
)
RECORD_WORDS: Final = 92  # the length field counts words of four bytes
RTYPE_MBP10: Final = 10

_FLAG_LAST: Final = 128
_FLAGS_OF_A_FEED: Final = _FLAG_LAST | 2  # most rows of real files carry both
_NANOS: Final = 1_000_000_000
_SLOTS: Final = 16  # price levels that are remembered on each side; more than ten, a power of two
_CHUNK_TICKS: Final = 16_384
_SKIPPABLE_MAGIC: Final = 0x184D2A50

Records = np.ndarray[Any, np.dtype[np.void]]


@dataclass(frozen=True, slots=True)
class DbnSymbol:
    """What a DBN file says about its one symbol.

    Attributes:
        dataset: such as ``GLBX.MDP3``.
        raw_symbol: such as ``ESZ5``.
        instrument_id: the vendor's number, constant over the file.
        publisher_id: the vendor's number of the venue.
        tick_size: points per tick.
    """

    dataset: str
    raw_symbol: str
    instrument_id: int
    publisher_id: int
    tick_size: float


def mbp10_records(
    ticks: SimulatedTicks, symbol: DbnSymbol, *, seed: int = 1, updates_per_trade: float = 8.0
) -> Iterator[Records]:
    """Make the records of a book around simulated trades, in parts.

    Every trade gives a record ``T`` without the flag LAST and the record that completes its event; before it the book changes about
    ``updates_per_trade`` times, one level at a time. Books are never crossed. A level keeps its size when the best price moves.

    Args:
        ticks: trades and quotes in time order; rows without a quote take the one before, rows without volume are left out.
        symbol: numbers and names of the instrument.
        seed: same seed and ticks, same records.
        updates_per_trade: mean number of changes of the book before a trade.

    Yields:
        Arrays of ``MBP10_RECORD``, ordered by ``ts_recv``, which never leaves the second of the event.
    """
    trades = np.flatnonzero(ticks.volume > 0)
    if len(trades) == 0:
        return
    book = _Book(np.random.default_rng([seed, symbol.instrument_id]), symbol, updates_per_trade)
    bid, ask = _quotes(ticks.bid_ticks[trades]), _quotes(ticks.ask_ticks[trades])
    for at in range(0, len(trades), _CHUNK_TICKS):
        part = slice(at, min(at + _CHUNK_TICKS, len(trades)))
        after = np.minimum(np.arange(part.start, part.stop) + 1, len(trades) - 1)
        yield book.records(ticks, trades[part], (bid[part], ask[part]), (bid[after], ask[after]))


def dbn_metadata(
    symbol: DbnSymbol,
    start_ns: int,
    end_ns: int,
    *,
    intervals: Sequence[tuple[date, date, str]] | None = None,
    requested: str | None = None,
    stype_in: str = "raw_symbol",
    schema: str = "mbp-10",
    version: int = 3,
    limit: int | None = None,
) -> bytes:
    """Return the encoded metadata that precedes the records.

    Args:
        symbol: the one symbol of the file.
        start_ns: start of the query, epoch nanoseconds UTC, inclusive.
        end_ns: its end, exclusive.
        intervals: dates (end exclusive) and what the requested symbol meant on them; default: the instrument on all dates of the window.
        requested: the symbol as asked for; default: the raw symbol.
        stype_in: how the symbol was asked for.
        schema: named in the metadata.
        version: DBN version.
        limit: record limit of the query.
    """
    from databento_dbn import Metadata, Schema, SType

    name = requested or symbol.raw_symbol
    if intervals is None:
        first, last = (_utc_date(ns) for ns in (start_ns, end_ns - 1))
        intervals = [(first, date.fromordinal(last.toordinal() + 1), str(symbol.instrument_id))]
    mapping = _Mapping(name, [_Interval(*interval) for interval in intervals])
    metadata = Metadata(
        dataset=symbol.dataset,
        start=start_ns,
        end=end_ns,
        stype_in=SType.from_str(stype_in),
        stype_out=SType.from_str("instrument_id"),
        schema=Schema.from_str(schema),
        symbols=[name],
        partial=[],
        not_found=[],
        mappings=[mapping],
        limit=limit,
        ts_out=False,
        version=version,
    )
    return bytes(metadata.encode())


def dbn_zstd(metadata: bytes, chunks: Iterable[Records], *, level: int = 1, synthetic: bool = True) -> Iterator[bytes]:
    """Yield the bytes of a ``.dbn.zst`` file: one frame with a checksum, and the synthetic mark behind it.

    Args:
        metadata: see :func:`dbn_metadata`.
        chunks: arrays of ``MBP10_RECORD``.
        level: of the compression.
        synthetic: append the mark; False only where a test rebuilds the bytes of a genuine file.
    """
    import zstandard

    compressor = zstandard.ZstdCompressor(level=level, write_checksum=True, write_content_size=False).compressobj()
    yield compressor.compress(metadata)
    for chunk in chunks:
        yield compressor.compress(np.ascontiguousarray(chunk).view(np.uint8).data)
    yield compressor.flush()
    if synthetic:
        yield struct.pack("<II", _SKIPPABLE_MAGIC, len(SYNTHETIC_MARK)) + SYNTHETIC_MARK


@dataclass(slots=True)
class _Interval:
    start_date: date
    end_date: date
    symbol: str


@dataclass(slots=True)
class _Mapping:
    raw_symbol: str
    intervals: Sequence[Any]


class _Book:
    """Sizes of both sides by price level modulo ``_SLOTS``, and what continues from part to part."""

    def __init__(self, random: np.random.Generator, symbol: DbnSymbol, updates_per_trade: float) -> None:
        self._random = random
        self._symbol = symbol
        self._updates = updates_per_trade
        self._tick_nanos = round(symbol.tick_size * _NANOS)
        self._sizes = random.geometric(0.05, (2, _SLOTS)).astype(np.uint32)
        self._sequence = int(random.integers(1_000, 100_000))
        self._last_ns: int | None = None
        self._last_received = 0

    def records(
        self,
        ticks: SimulatedTicks,
        rows: NDArray[np.intp],
        before: tuple[NDArray[np.int64], NDArray[np.int64]],
        after: tuple[NDArray[np.int64], NDArray[np.int64]],
    ) -> Records:
        random = self._random
        updates = random.poisson(self._updates, len(rows))
        trade = np.repeat(np.arange(len(rows)), updates + 2)
        count = len(trade)
        ends = np.cumsum(updates + 2)
        is_trade, is_fill = np.zeros(count, np.bool_), np.zeros(count, np.bool_)
        is_trade[ends - 2] = is_fill[ends - 1] = True
        out = np.zeros(count, MBP10_RECORD)
        out["length"], out["rtype"] = RECORD_WORDS, RTYPE_MBP10
        out["publisher_id"], out["instrument_id"] = self._symbol.publisher_id, self._symbol.instrument_id
        self._times(out, ticks.ts_us[rows] * 1_000, trade, is_trade, is_fill)
        out["sequence"] = self._numbers(is_fill)
        bid = np.where(is_fill, after[0][trade], before[0][trade])
        ask = np.where(is_fill, after[1][trade], before[1][trade])
        buyer = (ticks.ask_volume[rows] > 0)[trade]
        self._levels(out, bid, ask, is_trade, is_fill, buyer)
        here = ends - 2
        out["action"][here] = b"T"
        out["price"][here] = ticks.price_ticks[rows] * self._tick_nanos
        out["size"][here] = ticks.volume[rows]
        sided = np.where(ticks.ask_volume[rows] > 0, b"B", np.where(ticks.bid_volume[rows] > 0, b"A", b"N"))
        out["side"][here] = sided.astype("S1")
        out["flags"] = np.where(is_trade, 0, _FLAGS_OF_A_FEED)
        return out

    def _times(
        self,
        out: Records,
        trade_ns: NDArray[np.int64],
        trade: NDArray[np.intp],
        is_trade: NDArray[np.bool_],
        is_fill: NDArray[np.bool_],
    ) -> None:
        """Spread updates between trades; both records of a trade share their times."""
        previous = np.concatenate([[trade_ns[0] if self._last_ns is None else self._last_ns], trade_ns[:-1]])
        part = self._random.random(len(trade))
        part[is_trade | is_fill] = 1.0 - 1e-9
        part = np.sort(trade + part) - trade
        event = previous[trade] + ((trade_ns - previous)[trade] * part).astype(np.int64)
        event[is_trade | is_fill] = trade_ns[trade[is_trade | is_fill]]
        latency = self._random.integers(18_000, 60_000, len(trade))
        latency[is_fill] = latency[is_trade]
        received = np.minimum(event + latency, (event // _NANOS + 1) * _NANOS - 1)
        received[0] = max(int(received[0]), self._last_received)
        received = np.maximum.accumulate(received)
        delta = self._random.integers(9_000, 17_000, len(trade))
        out["ts_event"], out["ts_recv"], out["ts_in_delta"] = event, received, delta
        self._last_ns, self._last_received = int(trade_ns[-1]), int(received[-1])

    def _numbers(self, is_fill: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Number the venue's messages; other instruments use up numbers in between."""
        steps = self._random.integers(1, 6, len(is_fill))
        steps[is_fill] = 0
        numbers: NDArray[np.int64] = self._sequence + np.cumsum(steps)
        self._sequence = int(numbers[-1])
        return numbers

    def _levels(
        self,
        out: Records,
        bid: NDArray[np.int64],
        ask: NDArray[np.int64],
        is_trade: NDArray[np.bool_],
        is_fill: NDArray[np.bool_],
        buyer: NDArray[np.bool_],
    ) -> None:
        """Change one level per record that is no trade, and fill the ten levels of each side."""
        count, random = len(out), self._random
        on_ask = np.where(is_fill, buyer, random.random(count) < 0.5)
        depth = np.where(is_fill, 0, np.minimum(random.geometric(0.3, count) - 1, LEVELS - 1))
        level_ticks = np.where(on_ask, ask + depth, bid - depth)
        slot = level_ticks % _SLOTS
        wanted = random.geometric(0.05, count).astype(np.uint32)
        place = np.arange(count)
        changed = np.full(count, 0, np.int64)
        for side, best, sign in ((0, bid, -1), (1, ask, 1)):
            mine = (on_ask == bool(side)) & ~is_trade
            by_slot = np.empty((_SLOTS, count), np.uint32)
            for number in range(_SLOTS):
                last = np.maximum.accumulate(np.where(mine & (slot == number), place, -1))
                by_slot[number] = np.where(last >= 0, wanted[last], self._sizes[side, number])
            was = np.where(place > 0, by_slot[slot, place - 1], self._sizes[side, slot])
            changed = np.where(mine, wanted.astype(np.int64) - was, changed)
            self._sizes[side] = by_slot[:, -1]
            name = ("bid", "ask")[side]
            for level in range(LEVELS):
                price = best + sign * level
                size = by_slot[price % _SLOTS, place]
                out[f"{name}_px_{level:02d}"] = price * self._tick_nanos
                out[f"{name}_sz_{level:02d}"] = size
                out[f"{name}_ct_{level:02d}"] = (size + 2) // 3
        out["price"] = level_ticks * self._tick_nanos
        out["side"] = np.where(on_ask, b"A", b"B").astype("S1")
        out["depth"] = np.where(is_trade, 0, depth)
        out["size"] = np.maximum(np.abs(changed), 1)
        out["action"] = np.where(changed > 0, b"A", b"C").astype("S1")


def _quotes(ticks: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return quotes without holes: a row without one takes the quote before it, the first ones the first there is."""
    known = ticks > 0
    if not known.any():
        raise ValueError("Expected at least one row with a quote, was none")
    last = np.maximum.accumulate(np.where(known, np.arange(len(ticks)), -1))
    filled: NDArray[np.int64] = ticks[np.where(last < 0, int(np.argmax(known)), last)]
    return filled


def _utc_date(ns: int) -> date:
    return date.fromordinal(date(1970, 1, 1).toordinal() + ns // (86_400 * _NANOS))
