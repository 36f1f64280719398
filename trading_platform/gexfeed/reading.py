"""The bytes of a history file, unpacked if they are gzip, block by block.

Belongs here: sniffing, unpacking, hashing, and what is wrong with the file as a whole. Does not belong here: JSON (``elements.py``).

Memory stays at a few blocks. Whether a file is gzip is decided by its first two bytes: some hosts serve plain JSON under ``.json.gz``.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

from ..errors import SourceError, command
from ..lake import SourceChangedError
from .names import FeedName, read_name

if TYPE_CHECKING:
    from hashlib import _Hash

GZIP_MAGIC: Final = b"\x1f\x8b"
# 512 KiB of JSON are about 85 snapshots. Larger blocks fall out of the processor cache: 2 MiB take a third more time, measured.
BLOCK_BYTES: Final = 512 * 1024
_READ_BYTES: Final = 128 * 1024
_GZIP_WINDOW: Final = 16 + zlib.MAX_WBITS


def read_blocks(path: Path, hasher: _Hash | None = None) -> Iterator[bytes]:
    """Yield the content of a file, unpacked, in blocks of about ``BLOCK_BYTES``.

    Args:
        path: the file.
        hasher: gets every byte as it is on the disk, packed ones included.

    Raises:
        SourceError: E260 the file cannot be read; E261 it is empty; E262 it is damaged or cut gzip.
        SourceChangedError: E268 it changed while it was read.
    """
    try:
        with path.open("rb") as file:
            before = os.fstat(file.fileno())
            raw = _hashed(file, hasher)
            first = next(raw, b"")
            if not first:
                raise _empty(path)
            yield from _unpacked(path, first, raw) if first.startswith(GZIP_MAGIC) else _gathered(first, raw)
            after = os.fstat(file.fileno())
    except OSError as error:
        raise unreadable(path, error) from error
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise _changed(path)


def _hashed(file: BinaryIO, hasher: _Hash | None) -> Iterator[bytes]:
    while block := file.read(_READ_BYTES):
        if hasher is not None:
            hasher.update(block)
        yield block


def _gathered(first: bytes, raw: Iterator[bytes]) -> Iterator[bytes]:
    """Yield plain content in blocks of the usual size."""
    parts, size = [first], len(first)
    for block in raw:
        parts.append(block)
        size += len(block)
        if size >= BLOCK_BYTES:
            yield b"".join(parts)
            parts, size = [], 0
    if parts:
        yield b"".join(parts)


def _unpacked(path: Path, first: bytes, raw: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the content of one or several gzip members; each carries a checksum that zlib compares."""
    unpacker = zlib.decompressobj(_GZIP_WINDOW)
    pending = first
    parts: list[bytes] = []
    size = 0
    try:
        while True:
            if not pending:
                pending = next(raw, b"")
                if not pending:
                    parts.append(unpacker.flush())
                    break
            if unpacker.eof:
                pending = pending.lstrip(b"\0")  # padding of tapes and block devices
                if not pending:
                    continue
                unpacker = zlib.decompressobj(_GZIP_WINDOW)
            part = unpacker.decompress(pending, BLOCK_BYTES - size)
            pending = unpacker.unused_data if unpacker.eof else unpacker.unconsumed_tail
            parts.append(part)
            size += len(part)
            if size >= BLOCK_BYTES:
                yield b"".join(parts)
                parts, size = [], 0
    except zlib.error as error:
        raise _bad_gzip(path, f"its packed bytes are damaged ({error})") from error
    if not unpacker.eof:
        raise _bad_gzip(path, "it ends in the middle of its packed bytes")
    if parts:
        yield b"".join(parts)


def unreadable(path: Path, error: OSError) -> SourceError:
    """Return the error for a file that the system does not hand out."""
    return SourceError(
        "E260",
        f"{path} cannot be read: {error.strerror or error}",
        "the file is gone, or permissions or the network share keep it away; other files are not affected",
        "tp doctor",
    )


def _empty(path: Path) -> SourceError:
    return SourceError(
        "E261",
        f"{path} is empty",
        "a download was broken off before its first byte; a day without snapshots is a file with []; nothing was stored",
        fetch_again(path),
    )


def _bad_gzip(path: Path, found: str) -> SourceError:
    return SourceError(
        "E262",
        f"{path} begins as gzip, but {found}",
        "the download was broken off or the file was damaged; nothing of it was stored, an older partition is intact",
        fetch_again(path),
    )


def _changed(path: Path) -> SourceChangedError:
    return SourceChangedError(
        "E268",
        f"{path} changed while it was read",
        "a download or a copy replaced it; nothing was stored, an older partition is intact, and the day is planned again by itself",
        build_again(read_name(path.name)),
    )


def fetch_again(path: Path) -> str:
    """Return the command that downloads a file anew into its folder, as far as its name tells what it is."""
    name = read_name(path.name)
    if name is None:
        return "tp gex fetch --help"
    parts = ("--ticker", name.ticker, "--category", name.category)
    # Into the same folder: a second file of the day elsewhere would be refused.
    return command("tp", "gex", "fetch", name.trade_date.isoformat(), *parts, "--out", path.parent, "--force")


def build_again(name: FeedName | None) -> str:
    """Return the command that builds the day of a file; the one that looks for files without a known day if the name does not tell it."""
    if name is None:
        return "tp doctor"
    day = name.trade_date.isoformat()
    return command("tp", "backfill", f"{name.ticker}/gex_snapshots", "--from", day, "--to", day)
