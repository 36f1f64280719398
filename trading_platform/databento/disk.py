"""File operations on what was paid for, with numbered errors.

Belongs here: making folders, moving, hashing, small JSON files, each durable. Does not belong here: which files (``raw_cache.py``,
``job_file.py``, ``symbology_cache.py``).
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from ..errors import VendorError
from ..files import replace_file, sha256_of

# Not the fault of a file: it may be right, so nothing is put aside or bought again for it.
UNREADABLE: Final = "E305"


def make_folder(folder: Path) -> None:
    """Make a folder and those above it.

    Raises:
        VendorError: E339 the disk refuses.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise VendorError(
            "E339",
            f"{folder} cannot be made: {error.strerror or error}",
            "the disk is full or may not be written; nothing was paid",
            "tp config",
        ) from error


def require_room(folder: Path, size_bytes: float) -> None:
    """Refuse a purchase that the disk cannot take.

    Args:
        folder: where it would lie; exists.
        size_bytes: about how large it would be.

    Raises:
        VendorError: E339 there is less room than that.
    """
    free_bytes = shutil.disk_usage(folder).free
    if free_bytes < size_bytes:
        raise VendorError(
            "E339",
            f"{folder} has {free_bytes / 1e6:,.1f} MB left, the download takes about {size_bytes / 1e6:,.1f} MB",
            "a file that has no room would be paid and lost; nothing was paid",
            "tp config",
        )


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Replace a small JSON file in one step, durably.

    Raises:
        VendorError: E339 the disk refuses; the older file is intact.
    """
    try:
        replace_json(path, content)
    except OSError as error:
        raise VendorError(
            "E339",
            f"{path} cannot be written: {error.strerror or error}",
            "the disk is full or may not be written; what was there before is intact",
            "tp config",
        ) from error


def replace_json(path: Path, content: Mapping[str, Any]) -> None:
    """Replace a small JSON file in one step, durably; OSError as it comes."""
    data = (json.dumps(content, indent=1, sort_keys=True) + "\n").encode()
    replace_file(path, lambda file: file.write(data))


def move(source: Path, target: Path) -> None:
    """Move a file durably.

    Raises:
        VendorError: E339 the disk refuses; the file stays where it is.
    """
    try:
        rename(source, target)
    except OSError as error:
        raise unmoved(source, error) from error


def unmoved(path: Path, error: OSError) -> VendorError:
    """Return the error for a file that cannot be moved."""
    return VendorError(
        "E339",
        f"{path} cannot be moved: {error.strerror or error}",
        "the disk is full or may not be written; the file stays where it is",
        "tp config",
    )


def hash_of(path: Path) -> str:
    """Return the SHA-256 of a file.

    Raises:
        VendorError: E305 the disk does not give it back.
    """
    try:
        return sha256_of(path)
    except OSError as error:
        raise VendorError(
            UNREADABLE,
            f"{path} cannot be read: {error.strerror or error}",
            "permissions or the disk; it stays where it is, and nothing is paid again for it",
            "tp config",
        ) from error


def modified_ns(path: Path) -> int:
    """Return when a file was written last; 0 if it is not there."""
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return 0


def rename(source: Path, target: Path) -> None:
    """Move a file durably; OSError as it comes."""
    source.replace(target)
    for folder in {source.parent, target.parent}:
        sync(folder)


def sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk; OSError as it comes."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
