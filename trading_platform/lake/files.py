"""The few file operations that a commit is made of, and what their failures mean.

Belongs here: the seam at which tests inject a full disk, an input/output error or a crash, locks on folders,
translation of ``OSError``. Does not belong here: the order of the operations (``writer.py``).
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa

from ..errors import LakeError

_DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_NOT_ALLOWED = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
_POLL_S = 0.05


class FileOperations:
    """The operating system; tests subclass it to fail at a chosen step."""

    def open_sink(self, path: Path) -> pa.NativeFile:
        """Open an existing, empty file for writing."""
        return pa.OSFile(str(path), "wb")

    def fsync(self, descriptor: int) -> None:
        """Wait until the file is on the disk."""
        os.fsync(descriptor)

    def replace(self, source: Path, target: Path) -> None:
        """Rename over the target in one step."""
        source.replace(target)

    def fsync_directory(self, directory: Path) -> None:
        """Wait until the names in a folder are on the disk."""
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def make_directory(self, directory: Path) -> None:
        """Create a folder with its parents; each new name is made durable."""
        if directory.is_dir():
            return
        self.make_directory(directory.parent)
        directory.mkdir(exist_ok=True)
        self.fsync_directory(directory.parent)


INTACT = "the temporary file was deleted; an older file of the day is intact"


def lake_failure(error: OSError, path: Path, needed_bytes: int, state: str = INTACT) -> LakeError:
    """Translate a failed operation of the operating system.

    Args:
        error: what the operating system said.
        path: file that was to be written.
        needed_bytes: bytes written so far, the least that the file needs.
        state: what the failure leaves behind.
    """
    if error.errno in _DISK_FULL:
        return LakeError(
            "E502",
            f"no room for {path}: {needed_bytes:,} bytes or more needed, {_free_bytes(path):,} bytes free on the disk",
            f"disk, quota or file size limit reached ({error.strerror or error}); {state}",
            "tp config",
        )
    if error.errno in _NOT_ALLOWED:
        return LakeError(
            "E504",
            f"{path} may not be written: {error.strerror or error}",
            f"folder or disk is read-only for this user; {state}",
            "tp config",
        )
    return LakeError(
        "E503",
        f"writing {path} failed after {needed_bytes:,} bytes: {error.strerror or error}",
        f"the disk or the file system reported an error; {state}",
        "tp config",
    )


@contextmanager
def locked_folder(directory: Path, wait_s: float) -> Iterator[None]:
    """Hold the exclusive lock of a folder; the operating system drops it when the process dies.

    The folder itself is locked, so no lock files are left behind.

    Args:
        directory: existing folder.
        wait_s: how long to wait for another holder; 0 does not wait.

    Raises:
        LakeError: E501 if someone else holds it for longer than that.
    """
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        if not _lock(descriptor, wait_s):
            raise LakeError(
                "E501",
                f"{directory} is being written by someone else",
                f"another process or thread held the partition for {wait_s:g} s; nothing was written",
                "tp runs",
            )
        yield
    finally:
        os.close(descriptor)


def try_lock(descriptor: int) -> bool:
    """Lock an open file or folder without waiting."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _lock(descriptor: int, wait_s: float) -> bool:
    give_up_at = time.monotonic() + wait_s
    while not try_lock(descriptor):
        if time.monotonic() >= give_up_at:
            return False
        time.sleep(_POLL_S)
    return True


def _free_bytes(path: Path) -> int:
    for folder in path.parents:
        if folder.is_dir():
            return shutil.disk_usage(folder).free
    return 0
