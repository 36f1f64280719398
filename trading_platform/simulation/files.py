"""Writing files as a whole or, like a running Sierra Chart, at their end.

Belongs here: the steps of a write. Does not belong here: formats (``scid.py``, ``depth.py``).
"""

from __future__ import annotations

import filecmp
import os
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import numpy as np

SYNTHETIC_MARK: Final = b"SYNTHETIC trading-platform"
"""What the reserved header bytes begin with; Sierra Chart leaves them zero, so a reader can tell the two apart."""

Records = np.ndarray[Any, np.dtype[np.void]]


def write_whole(path: Path, header: bytes, parts: Iterable[memoryview[Any]], *, keep_identical: bool) -> None:
    """Write a file: all of it or nothing.

    Args:
        path: final name; its folder is created.
        header: first bytes.
        parts: the other bytes in order; memory stays at one part.
        keep_identical: leave a file alone that already has these bytes, so that its times stay and nothing looks changed.

    Raises:
        OSError: the disk refuses; an older file stays as it was and no temporary is left.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        with temporary.open("xb") as file:
            file.write(header)
            for part in parts:
                file.write(part)
            file.flush()
            os.fsync(file.fileno())
        if keep_identical and path.is_file() and filecmp.cmp(temporary, path, shallow=False):
            return
        temporary.replace(path)
        _sync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def payload(records: Records, dtype: np.dtype[np.void], name: str) -> memoryview[Any]:
    """Return the bytes of records without copying them.

    Raises:
        ValueError: the records are of another layout than ``dtype``, the one of ``name`` files.
    """
    if records.dtype != dtype:
        raise ValueError(f"Expected records of {dtype.itemsize} bytes in {name} layout, was {records.dtype}")
    return np.ascontiguousarray(records).view(np.uint8).data


def create_with_header(path: Path, header: bytes) -> None:
    """Create a file that holds a header only, unless there is one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with path.open("xb") as file:
            file.write(header)
    except FileExistsError:
        return


def append_bytes(path: Path, content: memoryview[Any] | bytes) -> int:
    """Write at the end through a handle of its own, as Sierra Chart's flushes look to a reader; return the size in bytes."""
    with path.open("ab", buffering=0) as file:
        written = 0
        while written < len(content):
            written += file.write(content[written:])
        return file.tell()


def _sync_folder(folder: Path) -> None:
    """Make a rename durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
