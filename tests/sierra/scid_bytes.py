"""A byte-exact builder of ``.scid`` files, stated from the format tables and not from the reader under test."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

OFFSET_US = 2_209_161_600_000_000
FIRST_OPEN = 0xFD709EF9
LAST_OPEN = 0xFD709F01
HEADER = struct.pack("<4sIIHHI36s", b"SCID", 56, 40, 1, 0, 0, b"")
ZERO_RECORD = bytes(40)


def us(text: str) -> int:
    """Return an ISO instant in UTC as epoch microseconds."""
    instant = datetime.fromisoformat(text).replace(tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    return (instant.days * 86_400 + instant.seconds) * 1_000_000 + instant.microseconds


def record(
    ts_us: int,
    close: float = 4048.0,
    *,
    bid: float = 4048.0,
    ask: float = 4048.25,
    buy: int = 0,
    sell: int = 0,
    total: int | None = None,
    open_bits: int = 0,
    num_trades: int = 1,
) -> bytes:
    """Return one record; without ``total`` the volume is ``buy + sell``, at least one contract bought."""
    if buy == sell == 0 and total is None:
        buy = 1
    volume = buy + sell if total is None else total
    return (
        struct.pack("<qI", ts_us + OFFSET_US, open_bits)
        + struct.pack("<fff", ask, bid, close)
        + struct.pack("<IIII", num_trades, volume, sell, buy)
    )


def bar(ts_us: int, low: float = 4047.0, high: float = 4049.0) -> bytes:
    """Return a bar of ten trades."""
    return struct.pack("<qffffIIII", ts_us + OFFSET_US, low + 0.5, high, low, high - 0.5, 10, 25, 12, 13)


def quote(ts_us: int) -> bytes:
    """Return a quote-only record."""
    return record(ts_us, 0.0, total=0)


def legacy(days: float) -> bytes:
    """Return a record whose date is a float64 count of days since 1899-12-30."""
    return struct.pack("<d", days) + record(0)[8:]


def write(path: Path, records: Iterable[bytes], *, header: bytes = HEADER, tail: bytes = b"") -> Path:
    """Write a file."""
    path.write_bytes(header + b"".join(records) + tail)
    return path


# The ten rows of a genuine file: microseconds since 1899-12-30, open bits, ask, bid, price, bid volume, ask volume.
GOLDEN = (
    (3886173439026000, 0, 4048.75, 4048.0, 4048.0, 1, 0),
    (3886173463699000, 0, 4048.25, 4048.0, 4048.0, 1, 0),
    (3886173470544000, 0, 4048.25, 4047.5, 4047.5, 1, 0),
    (3886173482105000, FIRST_OPEN, 4048.25, 4047.75, 4047.75, 1, 0),
    (3886173482105001, LAST_OPEN, 4048.25, 4047.75, 4047.75, 1, 0),
    (3886173492208000, 0, 4048.5, 4048.0, 4048.0, 1, 0),
    (3886173550708000, 0, 4047.0, 4046.5, 4047.0, 0, 1),
    (3886173628608000, 0, 4048.0, 4047.5, 4048.0, 0, 1),
    (3886173652682000, 0, 4049.0, 4048.5, 4048.5, 1, 0),
    (3886173652682001, 0, 4049.0, 4048.5, 4048.25, 1, 0),
)


def golden_records() -> list[bytes]:
    """Return the golden rows as stored."""
    return [
        record(dt - OFFSET_US, price, bid=bid, ask=ask, sell=sell, buy=buy, open_bits=bits)
        for dt, bits, ask, bid, price, sell, buy in GOLDEN
    ]
