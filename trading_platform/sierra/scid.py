"""Reading ``.scid`` files that another program may be writing.

Belongs here: opening, the header's errors, whole-record reads. Does not belong here: what records mean (``decode.py``) and where a day
lies (``index.py``).

Sierra Chart appends while we read, so a file is never mapped into memory (truncation under a map kills the process) and never read by
offset of a stream (``np.fromfile`` leaves it unaligned after a partial tail): its size is taken once, whole records below that size are
read with ``preadv``, and the size is looked at again afterwards.
"""

from __future__ import annotations

import errno
import io
import os
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from ..errors import SourceError
from ..lake import SourceChangedError
from .format import DEPTH_MAGIC, EPOCH_OFFSET_US, HEADER_SIZE, MAGIC, RECORD, RECORD_SIZE, Records, ScidHeader, as_bytes

BLOCK_RECORDS = 15_360  # an eighth of a row group, 600 KB: a block and its columns stay near the L2 cache
READ_ATTEMPTS = 3
RETRY_PAUSE_S = 0.05


class ScidFile:
    """An open file with the number of whole records it had when it was opened.

    Args:
        path: the file.
        sleep: waits between attempts, in seconds.

    Attributes:
        path: the file.
        header: its header.
        stat: its state when opened.
        record_count: whole records below that size, trailing zero records included.
        remainder_bytes: bytes after the last whole record (a record that is being written).

    Raises:
        SourceError: E200 shorter than its header; E201 wrong magic; E202 wrong header or record size; E203 cannot be opened.
    """

    def __init__(self, path: Path, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self.path = path
        self._sleep = sleep
        try:
            self._handle = io.FileIO(path, "rb", opener=_open_at_once)
        except OSError as error:
            raise _unreadable(path, error) from error
        try:
            self.stat = os.fstat(self._handle.fileno())
            if not stat.S_ISREG(self.stat.st_mode):
                raise OSError(errno.EINVAL, "not a regular file")
            raw = os.pread(self._handle.fileno(), HEADER_SIZE, 0)
            self.header = _checked_header(path, raw, self.stat.st_size)
        except OSError as error:
            self._handle.close()
            raise _unreadable(path, error) from error
        except SourceError:
            self._handle.close()
            raise
        payload = self.stat.st_size - self.header.header_size
        self.record_count = payload // RECORD_SIZE
        self.remainder_bytes = payload % RECORD_SIZE

    @property
    def name(self) -> str:
        """Return the file's name without its folder."""
        return self.path.name

    @property
    def synthetic(self) -> bool:
        """Tell whether the header says that the file was generated."""
        return self.header.synthetic

    def read(self, first: int, stop: int) -> Records:
        """Return records ``[first, stop)`` as a new array of ``RECORD``.

        Raises:
            SourceError: E203 the system refuses.
            SourceChangedError: E204 the file shrank.
        """
        records: Records = np.empty(stop - first, RECORD)
        self.read_into(records, first)
        return records

    def read_into(self, records: Records, first: int) -> None:
        """Fill ``records`` (contiguous) with the records from index ``first`` on.

        Raises:
            IndexError: the range reaches beyond ``record_count``.
            SourceError: E203 the system refuses.
            SourceChangedError: E204 the file shrank and did not recover within three attempts.
        """
        if first < 0 or first + len(records) > self.record_count:
            raise IndexError(f"Expected records within [0, {self.record_count}), was [{first}, {first + len(records)})")
        target = memoryview(as_bytes(records).data)
        offset = self.header.header_size + first * RECORD_SIZE
        for attempt in range(READ_ATTEMPTS):
            if attempt:
                self._sleep(RETRY_PAUSE_S)
            if self._fill(target, offset):
                return
        raise self._shrank(first)

    def stream(
        self, first: int = 0, stop: int | None = None, *, block_records: int = BLOCK_RECORDS
    ) -> Iterator[tuple[int, Records]]:
        """Yield ``(index of the first record, records)`` block by block.

        The blocks share one buffer: a block is valid until the next one is asked for.
        """
        end = self.record_count if stop is None else stop
        buffer: Records = np.empty(min(block_records, max(end - first, 0)), RECORD)
        for at in range(first, end, block_records):
            block = buffer[: min(block_records, end - at)]
            self.read_into(block, at)
            yield at, block

    def timestamp_us(self, index: int) -> int:
        """Return one record's time in epoch microseconds UTC, by reading its eight bytes."""
        raw = os.pread(self._handle.fileno(), 8, self.header.header_size + index * RECORD_SIZE)
        if len(raw) < 8:
            raise self._shrank(index)
        return int.from_bytes(raw, "little", signed=True) - EPOCH_OFFSET_US

    def close(self) -> None:
        """Close the file."""
        self._handle.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _fill(self, target: memoryview, offset: int) -> bool:
        """Read the bytes; False if the file is smaller than when it was opened, so that they cannot be trusted."""
        descriptor, done = self._handle.fileno(), 0
        try:
            while done < len(target):
                got = os.preadv(descriptor, [target[done:]], offset + done)
                if got == 0:
                    return False
                done += got
            return os.fstat(descriptor).st_size >= self.stat.st_size
        except OSError as error:
            raise _unreadable(self.path, error) from error

    def _shrank(self, index: int) -> SourceChangedError:
        return SourceChangedError(
            "E204",
            f"{self.name} became smaller while it was read, at record {index}: expected at least {self.stat.st_size} bytes",
            "something truncates or rewrites the file right now; nothing was stored, an older partition is intact",
            f"tp sierra inspect {self.path}",
        )


def _open_at_once(path: str, flags: int) -> int:
    """Open without waiting: a pipe without a writer would hold up the program for ever."""
    return os.open(path, flags | os.O_NONBLOCK)


def _checked_header(path: Path, raw: bytes, size: int) -> ScidHeader:
    inspect = f"tp sierra inspect {path}"
    if raw[:4] == DEPTH_MAGIC or (len(raw) >= 4 and raw[:4] != MAGIC):
        raise SourceError(
            "E201",
            f"{path.name} does not start with {MAGIC!r}: found {raw[:4]!r}",
            f"a file that starts with {DEPTH_MAGIC!r} holds market depth, anything else is not a Sierra Chart intraday file",
            inspect,
        )
    if len(raw) < HEADER_SIZE:
        raise SourceError(
            "E200",
            f"{path.name} has {size} bytes, expected at least the {HEADER_SIZE} of a header",
            "Sierra Chart may be creating it right now, or a copy was interrupted; other files are not affected",
            inspect,
        )
    header = ScidHeader.parse(raw)
    if header.record_size != RECORD_SIZE or not HEADER_SIZE <= header.header_size <= size:
        raise SourceError(
            "E202",
            f"{path.name} says header size {header.header_size} and record size {header.record_size}, "
            f"expected {HEADER_SIZE} to {size} and {RECORD_SIZE}",
            "the header is damaged or of an unknown format version; reading on would misplace every record",
            inspect,
        )
    return header


def _unreadable(path: Path, error: OSError) -> SourceError:
    return SourceError(
        "E203",
        f"{path.name} cannot be read: {error.strerror or error}",
        "permissions, a missing network share, or a folder or pipe of that name; other files are not affected",
        f"tp sierra inspect {path}",
    )
