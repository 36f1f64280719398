"""Reading files of equal records that another program may be writing.

Belongs here: opening, sizes, whole-record reads, for every Sierra Chart format. Does not belong here: headers and the wording of errors
(``scid.py``, ``depth/file.py``), what records mean.

Sierra Chart appends while we read, so a file is never mapped into memory (truncation under a map kills the process) and never read by
offset of a stream (``np.fromfile`` leaves it unaligned after a partial tail): its size is taken once, whole records below that size are
read with ``preadv``, and the size is looked at again afterwards.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import stat
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

import numpy as np

from ..errors import SourceError
from ..lake import SourceChangedError
from .format import EPOCH_OFFSET_US, Records, as_bytes

BLOCK_RECORDS = 15_360  # an eighth of a row group, 360 to 600 KB: a block and its columns stay near the L2 cache
READ_ATTEMPTS = 3
RETRY_PAUSE_S = 0.05


class RecordFile(ABC):
    """An open file with the number of whole records it had when it was opened.

    Subclasses name the record, whose first eight bytes are its time, and judge the header.

    Args:
        path: the file.
        sleep: waits between attempts, in seconds.

    Attributes:
        RECORD: dtype of a record.
        HEADER_BYTES: bytes that are given to ``_accept_header``; a shorter file gives fewer.
        path: the file.
        stat: its state when opened.
        header_size: offset of the first record in bytes.
        record_count: whole records below that size, trailing zero records included.
        remainder_bytes: bytes after the last whole record (a record that is being written).

    Raises:
        SourceError: what ``_accept_header`` and ``_unreadable`` say.
    """

    RECORD: ClassVar[np.dtype[np.void]]
    HEADER_BYTES: ClassVar[int]

    def __init__(self, path: Path, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self.path = path
        self._sleep = sleep
        try:
            self._handle = io.FileIO(path, "rb", opener=_open_at_once)
        except OSError as error:
            raise self._unreadable(error) from error
        try:
            self.stat = os.fstat(self._handle.fileno())
            if not stat.S_ISREG(self.stat.st_mode):
                raise OSError(errno.EINVAL, "not a regular file")
            raw = os.pread(self._handle.fileno(), self.HEADER_BYTES, 0)
            self.header_size = self._accept_header(raw, self.stat.st_size)
        except OSError as error:
            self._handle.close()
            raise self._unreadable(error) from error
        except SourceError:
            self._handle.close()
            raise
        self.record_size = self.RECORD.itemsize
        payload = self.stat.st_size - self.header_size
        self.record_count = payload // self.record_size
        self.remainder_bytes = payload % self.record_size

    @property
    def name(self) -> str:
        """Return the file's name without its folder."""
        return self.path.name

    @property
    @abstractmethod
    def synthetic(self) -> bool:
        """Tell whether the header says that the file was generated."""

    def read(self, first: int, stop: int) -> Records:
        """Return records ``[first, stop)`` as a new array of ``RECORD``.

        Raises:
            SourceError: the system refuses.
            SourceChangedError: the file shrank.
        """
        records: Records = np.empty(stop - first, self.RECORD)
        self.read_into(records, first)
        return records

    def read_into(self, records: Records, first: int) -> None:
        """Fill ``records`` (contiguous) with the records from index ``first`` on.

        Raises:
            IndexError: the range reaches beyond ``record_count``.
            SourceError: the system refuses.
            SourceChangedError: the file shrank and did not recover within three attempts.
        """
        if first < 0 or first + len(records) > self.record_count:
            raise IndexError(f"Expected records within [0, {self.record_count}), was [{first}, {first + len(records)})")
        target = memoryview(as_bytes(records).data)
        offset = self.header_size + first * self.record_size
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
        buffer: Records = np.empty(min(block_records, max(end - first, 0)), self.RECORD)
        for at in range(first, end, block_records):
            block = buffer[: min(block_records, end - at)]
            self.read_into(block, at)
            yield at, block

    def timestamp_us(self, index: int) -> int:
        """Return one record's time in epoch microseconds UTC, by reading its eight bytes."""
        raw = os.pread(self._handle.fileno(), 8, self.header_size + index * self.record_size)
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

    def __del__(self) -> None:
        # Indexes of many files come and go with their plans; the last one to forget a file closes it.
        with contextlib.suppress(AttributeError):
            self._handle.close()

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
            raise self._unreadable(error) from error

    @abstractmethod
    def _accept_header(self, raw: bytes, size: int) -> int:
        """Judge the first bytes of a file of ``size`` bytes; return the offset of the first record."""

    @abstractmethod
    def _unreadable(self, error: OSError) -> SourceError:
        """Return the error for a file that the system refuses."""

    @abstractmethod
    def _shrank(self, index: int) -> SourceChangedError:
        """Return the error for a file that became smaller while record ``index`` was read."""


def _open_at_once(path: str, flags: int) -> int:
    """Open without waiting: a pipe without a writer would hold up the program for ever."""
    return os.open(path, flags | os.O_NONBLOCK)
