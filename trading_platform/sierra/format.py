"""The bytes of a ``.scid`` intraday file: header, record, epoch, sentinels.

Belongs here: constants and pure conversions of the format. Does not belong here: file access (``scid.py``) and meaning (``decode.py``).

Source: Sierra Chart, "Intraday Data File Format" (structures ``s_IntradayFileHeader`` and ``s_IntradayRecord``); all fields are
little-endian without padding.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..instants import us_of

MAGIC = b"SCID"
DEPTH_MAGIC = b"SCDD"
HEADER = struct.Struct("<4sIIHHI36s")
HEADER_SIZE = HEADER.size  # 56; a file may say more, and the file is right
RECORD = np.dtype(
    [
        ("dt", "<i8"),
        ("open", "<f4"),
        ("high", "<f4"),
        ("low", "<f4"),
        ("close", "<f4"),
        ("num_trades", "<u4"),
        ("total_volume", "<u4"),
        ("bid_volume", "<u4"),
        ("ask_volume", "<u4"),
    ]
)
RECORD_SIZE = RECORD.itemsize  # 40

# Sierra counts microseconds from 1899-12-30 00:00 UTC, 25,569 days before the Unix epoch.
EPOCH_OFFSET_US = 25_569 * 86_400 * 1_000_000

# Sentinels in Open of the first and last sub-trade of an unbundled sweep, -1.99900095e+37 and -1.99900197e+37. They are compared as
# bit patterns: a decimal tolerance confuses them with each other.
OPEN_FIRST_BITS = 0xFD709EF9
OPEN_LAST_BITS = 0xFD709F01

INT32_MAX = 2**31 - 1  # Sierra's own repair rule zeroes counts above this, so legal ones fit

# Older files keep a float64 count of days in the same eight bytes. Doubles 25,569..80,000 (years 1970 to 2119) read as int64 lie in this
# range; microseconds of the years 2000 to 2100 lie near 3e15 to 6e15, so the two never overlap.
LEGACY_DATE_MIN = int(np.float64(25_569.0).view(np.int64))
LEGACY_DATE_MAX = int(np.float64(80_000.0).view(np.int64))

EARLIEST_DT = us_of(datetime(1990, 1, 1, tzinfo=UTC)) + EPOCH_OFFSET_US

# Generated files carry this text in the 36 reserved bytes, which are zero in genuine files, so that they can never pass as real.
SYNTHETIC_MARK = b"SYNTHETIC trading-platform"

STORAGE_SETTING = "Intraday Data Storage Time Unit"
STORAGE_REMEDY = (
    f'set Global Settings > Data/Trade Service Settings > "{STORAGE_SETTING}" to "1 Tick" in Sierra Chart, delete the file and let '
    "Sierra download it again"
)

Records = NDArray[np.void]
Int64s = NDArray[np.int64]


class Timing(IntEnum):
    """What a record's DateTime is, judged by its value alone."""

    PLAUSIBLE = 0
    ZERO_RECORD = 1
    IMPLAUSIBLE = 2
    LEGACY_DATE = 3


@dataclass(frozen=True, slots=True)
class ScidHeader:
    """The header of a file, as stored.

    Attributes:
        magic: first four bytes.
        header_size: offset of the first record in bytes.
        record_size: size of a record in bytes.
        version: format version; does not tell the legacy date encoding.
        reserve: the 36 reserved bytes.
    """

    magic: bytes
    header_size: int
    record_size: int
    version: int
    reserve: bytes

    @classmethod
    def parse(cls, raw: bytes) -> ScidHeader:
        """Split the first 56 bytes; judging them is left to the caller."""
        magic, header_size, record_size, version, _unused, _utc_start, reserve = HEADER.unpack_from(raw)
        return cls(magic, header_size, record_size, version, reserve)

    @property
    def synthetic(self) -> bool:
        """Tell whether the file says that it was generated."""
        return self.reserve.startswith(SYNTHETIC_MARK)


def latest_dt(now: datetime) -> int:
    """Return the largest plausible DateTime: one day after ``now``, in Sierra microseconds."""
    return dt_of(now + timedelta(days=1))


def dt_of(instant: datetime) -> int:
    """Return an aware instant as Sierra microseconds."""
    return us_of(instant) + EPOCH_OFFSET_US


def judge_timing(records: Records, latest: int) -> NDArray[np.uint8]:
    """Judge every record's DateTime.

    Args:
        records: structured array with the time in ``dt``.
        latest: largest plausible DateTime, Sierra microseconds.

    Returns:
        uint8 array of ``Timing`` values. A record is a zero record only if all its bytes are zero.
    """
    dt: Int64s = np.ascontiguousarray(records["dt"])
    timing: NDArray[np.uint8] = np.zeros(len(records), np.uint8)
    odd = (dt < EARLIEST_DT) | (dt > latest)
    if not odd.any():
        return timing
    timing[odd] = Timing.IMPLAUSIBLE
    timing[(dt >= LEGACY_DATE_MIN) & (dt <= LEGACY_DATE_MAX)] = Timing.LEGACY_DATE
    candidates = np.flatnonzero(dt == 0)
    if len(candidates):
        raw = as_bytes(np.ascontiguousarray(records[candidates])).reshape(len(candidates), -1)
        timing[candidates[~raw.any(axis=1)]] = Timing.ZERO_RECORD
    return timing


def as_bytes(array: NDArray[Any]) -> NDArray[np.uint8]:
    """Return the bytes of a contiguous array without copying."""
    return array.view(np.uint8).reshape(-1)
