"""A byte-exact builder of ``.depth`` files, stated from the format tables and not from the reader under test."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from pathlib import Path

from ..scid_bytes import OFFSET_US, us

HEADER = struct.pack("<4sIII48s", b"SCDD", 64, 24, 1, b"")
ZERO_RECORD = bytes(24)
CLEAR, ADD_BID, ADD_ASK, MODIFY_BID, MODIFY_ASK, DELETE_BID, DELETE_ASK = range(1, 8)
END = 1


def event(ts_us: int, command: int, price: float = 0.0, quantity: int = 0, orders: int = 0, *, end: int = 0) -> bytes:
    """Return one record."""
    return struct.pack("<qBBHfII", ts_us + OFFSET_US, command, end, orders, price, quantity, 0)


def snapshot(ts_us: int, bid: float = 6800.0, *, levels: int = 3, tick: float = 0.25) -> list[bytes]:
    """Return clear book, bids and asks best to worst, in one batch."""
    bids = [event(ts_us, ADD_BID, bid - i * tick, 10 + i, 2) for i in range(levels)]
    asks = [event(ts_us, ADD_ASK, bid + (i + 1) * tick, 20 + i, 3) for i in range(levels)]
    return [event(ts_us, CLEAR), *bids, *asks[:-1], asks[-1][:9] + b"\x01" + asks[-1][10:]]


def modify(ts_us: int, price: float = 6800.0, quantity: int = 5) -> bytes:
    """Return a batch of one changed bid."""
    return event(ts_us, MODIFY_BID, price, quantity, 1, end=END)


def spread_out(start: str, end: str, count: int, price: float = 6800.0) -> list[bytes]:
    """Return ``count`` batches of one event at equal distances in ``[start, end)``."""
    first, last = us(start), us(end)
    return [modify(first + (last - first) * i // count, price, 1 + i % 50) for i in range(count)]


def write(path: Path, records: Iterable[bytes], *, header: bytes = HEADER, tail: bytes = b"") -> Path:
    """Write a file."""
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(header + b"".join(records) + tail)
    return path
