"""Files as a whole: replacing one, and telling one from another.

Belongs here: the steps after which a reader, also one after a crash, finds the old file or the new one and nothing between; the hash. Does
not belong here: what a refusal means (each caller has its numbered error), the commit of a partition (``trading_platform.lake``).
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO


def replace_file(path: Path, write: Callable[[BinaryIO], object], *, durable: bool = True) -> None:
    """Write a file beside ``path`` and rename it onto ``path``.

    Args:
        path: final name; its folder is created.
        write: gets the open, empty file, whose ``name`` is its temporary path. Whatever it raises leaves the old file as it was.
        durable: wait until content and name are on the disk, so that they outlive a loss of power. False for what may be lost, a cache.

    Raises:
        OSError: the system refuses. The old file stays, unless only the last step failed, which makes the new name durable. No temporary
            is left.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        with temporary.open("xb") as file:
            write(file)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        # What went wrong before tells more than a temporary that cannot be removed.
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
    if durable:
        _sync_folder(path.parent)


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, hexadecimal.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:  # some network file systems cannot synchronise folders and say so
            raise
    finally:
        os.close(descriptor)
