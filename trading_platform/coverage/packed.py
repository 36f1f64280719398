"""One file with a small header and some arrays, read in one go.

Belongs here: the format of the caches of this room. Whatever is wrong with such a file, it counts as not there; it can be deleted at any
time. Format: 8 bytes little-endian length of the header, header as JSON, then the bytes of each array in the order of the header.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from ..files import replace_file

Array = npt.NDArray[Any]


@dataclass
class Packed:
    """What such a file holds.

    Attributes:
        header: JSON values.
        arrays: by name; one-dimensional.
    """

    header: dict[str, Any] = field(default_factory=dict)
    arrays: dict[str, Array] = field(default_factory=dict)


def load(path: Path, key: str) -> Packed | None:
    """Read a file.

    Args:
        path: where it may be.
        key: what it must have been made for.

    Returns:
        Its content, or None if there is none, if it was made for something else, or if it is damaged.
    """
    try:
        data = path.read_bytes()
        start = 8 + int.from_bytes(data[:8], "little")
        header = json.loads(data[8:start])
        if header["key"] != key:
            return None
        arrays = {}
        for name, descr, count in header["arrays"]:
            dtype = np.dtype([tuple(_as_tuple(part) for part in entry) for entry in descr])
            arrays[name] = np.frombuffer(data, dtype, count, start)
            start += count * dtype.itemsize
    except (OSError, ValueError, KeyError, TypeError, RecursionError, OverflowError):
        return None
    return Packed(header["values"], arrays) if start == len(data) else None


def save(path: Path, key: str, content: Packed) -> None:
    """Replace a file; a disk that refuses costs time at the next call and nothing else."""
    listed: list[tuple[str, Any, int]] = []
    for name, array in content.arrays.items():
        listed.append((name, array.dtype.descr, len(array)))
    header = json.dumps({"key": key, "values": content.header, "arrays": listed}).encode()

    def write(file: BinaryIO) -> None:
        file.write(len(header).to_bytes(8, "little") + header)
        for array in content.arrays.values():
            file.write(array.tobytes())

    with contextlib.suppress(OSError):
        replace_file(path, write, durable=False)


def fingerprint_key(values: Mapping[str, Any]) -> str:
    """Return a short digest of JSON values, to be used as key."""
    import hashlib

    return hashlib.sha256(json.dumps(values, sort_keys=True, default=str).encode()).hexdigest()[:32]


def _as_tuple(part: Any) -> Any:
    return tuple(part) if isinstance(part, list) else part
