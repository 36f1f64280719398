"""The bytes of a ``.depth`` market depth file: header, record, commands, flags.

Belongs here: constants and pure conversions of the format. Does not belong here: file access (``file.py``) and meaning (``decode.py``).

Source: Sierra Chart, "Market Depth Data File Format" (structures ``s_MarketDepthFileHeader`` and ``s_MarketDepthFileRecord``); all fields
are little-endian without padding; times count as in ``.scid`` files.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from ..format import SYNTHETIC_MARK

HEADER = struct.Struct("<4sIII")
HEADER_SIZE_MIN = HEADER.size  # 16; Sierra Chart writes 64, a file may say something else, and the file is right
HEADER_BYTES = 64
RECORD = np.dtype(
    [
        ("dt", "<i8"),
        ("command", "u1"),
        ("flags", "u1"),
        ("num_orders", "<u2"),
        ("price", "<f4"),
        ("quantity", "<u4"),
        ("reserved", "<u4"),
    ]
)
RECORD_SIZE = RECORD.itemsize  # 24

END_OF_BATCH = 0x01


class Command(IntEnum):
    """What a record does to the book; ADD and MODIFY both set the quantity of a level."""

    NONE = 0
    CLEAR_BOOK = 1
    ADD_BID = 2
    ADD_ASK = 3
    MODIFY_BID = 4
    MODIFY_ASK = 5
    DELETE_BID = 6
    DELETE_ASK = 7


@dataclass(frozen=True, slots=True)
class DepthHeader:
    """The header of a file, as stored.

    Attributes:
        magic: first four bytes.
        header_size: offset of the first record in bytes.
        record_size: size of a record in bytes.
        version: format version.
        reserve: the reserved bytes that the header has, at most 48.
    """

    magic: bytes
    header_size: int
    record_size: int
    version: int
    reserve: bytes

    @classmethod
    def parse(cls, raw: bytes) -> DepthHeader:
        """Split the first 16 to 64 bytes of a file; judging them is left to the caller."""
        magic, header_size, record_size, version = HEADER.unpack_from(raw)
        return cls(magic, header_size, record_size, version, raw[HEADER_SIZE_MIN : min(header_size, HEADER_BYTES)])

    @property
    def synthetic(self) -> bool:
        """Tell whether the file says that it was generated."""
        return self.reserve.startswith(SYNTHETIC_MARK)
