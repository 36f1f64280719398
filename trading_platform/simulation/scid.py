"""Writing Sierra Chart ``.scid`` files, byte for byte as Sierra Chart does.

Belongs here: header and record layout as a writer states them, whole-file writes, appends as a running Sierra Chart
makes them. Does not belong here: prices and times (``market.py``), which files a demo consists of (``archive.py``).

The layout is stated here a second time, on purpose not imported from the reader (``trading_platform.sierra``): with one
shared definition a wrong offset would be written and read back without anyone noticing.

Source: Sierra Chart, "Intraday Data File Format". In a single-trade record Open is 0 or a sweep sentinel, High the ask,
Low the bid, Close the trade price.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from .files import SYNTHETIC_MARK, Records, append_bytes, create_with_header, payload, write_whole

if TYPE_CHECKING:
    from ..instruments import Contract
    from ..sessions import Session
    from .market import SimulatedMarket, SimulatedTicks

HEADER_BYTES: Final = 56
RECORD_BYTES: Final = 40

SCID_RECORD: Final[np.dtype[np.void]] = np.dtype(
    [
        ("dt", "<i8"),
        ("open", "<f4"),
        ("high", "<f4"),
        ("low", "<f4"),
        ("close", "<f4"),
        ("num_trades", "<u4"),
        ("total_volume", "<u4"),
        ("bid_volume", "<u4"),
        ("ask_volume", "<u4"),
    ]
)

SIERRA_EPOCH_OFFSET_US: Final = 2_209_161_600_000_000
"""Microseconds from 1899-12-30 00:00 UTC, where Sierra Chart counts from, to 1970-01-01 (25,569 days)."""

FIRST_SUB_TRADE: Final = np.frombuffer(struct.pack("<I", 0xFD709EF9), dtype="<f4")[0]
LAST_SUB_TRADE: Final = np.frombuffer(struct.pack("<I", 0xFD709F01), dtype="<f4")[0]
"""Open values that frame the sub-trades of an unbundled trade; only their bit patterns count."""


def scid_header(*, synthetic: bool = True) -> bytes:
    """Return the 56 bytes before the first record.

    Args:
        synthetic: put the synthetic mark into the reserved bytes. False is only for rebuilding rows of a genuine file
            in a test.
    """
    mark = SYNTHETIC_MARK if synthetic else b""
    return struct.pack("<4sIIHHI36s", b"SCID", HEADER_BYTES, RECORD_BYTES, 1, 0, 0, mark)


def scid_records(ticks: SimulatedTicks, tick_size: float, price_scale: float) -> Records:
    """Lay ticks out as single-trade records.

    Args:
        ticks: rows in file order.
        tick_size: points per tick.
        price_scale: real price = stored price x scale, so 0.01 for a symbol that Sierra Chart stores x 100.

    Returns:
        One 40-byte record per row; prices are price / scale as float32 (exact up to 16,777,216 for whole numbers).
    """
    stored_per_tick = tick_size / price_scale
    records = np.zeros(ticks.rows, dtype=SCID_RECORD)
    records["dt"] = ticks.ts_us + SIERRA_EPOCH_OFFSET_US
    records["open"] = np.array([0.0, FIRST_SUB_TRADE, LAST_SUB_TRADE], dtype=np.float32)[ticks.bundle]
    records["high"] = ticks.ask_ticks * stored_per_tick
    records["low"] = ticks.bid_ticks * stored_per_tick
    records["close"] = ticks.price_ticks * stored_per_tick
    records["num_trades"] = 1
    records["total_volume"] = ticks.volume
    records["bid_volume"] = ticks.bid_volume
    records["ask_volume"] = ticks.ask_volume
    return records


def write_scid(
    path: Path, chunks: Records | Iterable[Records], *, synthetic: bool = True, keep_identical: bool = False
) -> int:
    """Write a whole file: all of it or nothing.

    Args:
        path: final name; its folder is created.
        chunks: records in file order, at once or in parts (memory then stays at one part).
        synthetic: see ``scid_header``.
        keep_identical: leave a file alone that already has these bytes, so that its times stay and nothing looks
            changed.

    Returns:
        Number of records in the file.

    Raises:
        ValueError: an array is not of ``SCID_RECORD``.
        OSError: the disk refuses; an older file stays as it was and no temporary is left.
    """
    rows = 0

    def parts() -> Iterator[memoryview[Any]]:
        nonlocal rows
        for chunk in [chunks] if isinstance(chunks, np.ndarray) else chunks:
            yield _payload(chunk)
            rows += len(chunk)

    write_whole(path, scid_header(synthetic=synthetic), parts(), keep_identical=keep_identical)
    return rows


def append_scid(path: Path, records: Records) -> int:
    """Append whole records as Sierra Chart does, in place; a file that does not exist gets a header first.

    Returns:
        Size of the file afterwards, in bytes.

    Raises:
        ValueError: the file ends in the middle of a record; appending would shift every later one.
    """
    create_with_header(path, scid_header())
    torn_bytes = (path.stat().st_size - HEADER_BYTES) % RECORD_BYTES
    if torn_bytes != 0:
        raise ValueError(f"Expected {path.name} to end with a whole record, was {torn_bytes} bytes into the next one")
    return append_bytes(path, _payload(records))


def append_live(
    path: Path,
    market: SimulatedMarket,
    session: Session,
    contract: Contract,
    *,
    price_scale: float,
    activity_share: float = 1.0,
    max_append_bytes: int = 4_096,
    seed: int = 0,
) -> Iterator[int]:
    """Append one session in writes of random byte counts, so that the last record is torn most of the time.

    The caller sets the pace: each step of the iterator is one write. The bytes after the last step are those that
    ``append_scid`` would have appended at once.

    Args:
        path: the file; created with a header if it does not exist.
        market: where the ticks come from.
        session: the session to append.
        contract: the contract the file holds.
        price_scale: see ``scid_records``.
        activity_share: see ``SimulatedMarket.ticks``.
        max_append_bytes: upper limit of one write, at least 1.
        seed: of the byte counts, not of the market.

    Yields:
        Size of the file after each write, in bytes.
    """
    ticks = market.ticks(session, contract, activity_share=activity_share)
    content = _payload(scid_records(ticks, market.instrument.tick_size, price_scale))
    random = np.random.default_rng(seed)
    create_with_header(path, scid_header())
    position = 0
    while position < len(content):
        step = int(random.integers(1, max_append_bytes, endpoint=True))
        yield append_bytes(path, content[position : position + step])
        position += step


def _payload(records: Records) -> memoryview[Any]:
    return payload(records, SCID_RECORD, ".scid")
