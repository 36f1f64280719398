"""The layout of a DBN file with ten-level books: header, records, constants.

Belongs here: what the bytes mean. Does not belong here: reading them (``dbn.py``) and judging them (``verify.py``, ``decode.py``).

Source: Databento Binary Encoding, versions 1 to 3. A file begins with ``DBN``, the version, and the length of the metadata; records of
schema ``mbp-10`` have the same 368 bytes in all three versions. Prices are whole multiples of 1e-9, times epoch nanoseconds UTC.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

MAGIC: Final = b"DBN"
ZSTD_MAGIC: Final = b"\x28\xb5\x2f\xfd"
PRELUDE_SIZE: Final = 8
LATEST_VERSION: Final = 3
METADATA_SIZE_MAX: Final = 64 * 1024 * 1024  # a file of all symbols of a venue has some megabytes
SCHEMA: Final = "mbp-10"

LEVELS: Final = 10
PRICE_SCALE: Final = 1_000_000_000
UNDEF_PRICE: Final = 2**63 - 1
UNDEF_TIMESTAMP: Final = 2**64 - 1
UNDEF_SIZE: Final = 2**32 - 1
EXACT_BELOW: Final = 2**53  # whole numbers up to here are exact in float64

FLAG_LAST: Final = 128
FLAG_SNAPSHOT: Final = 32
FLAG_BAD_TS_RECV: Final = 8
FLAG_MAYBE_BAD_BOOK: Final = 4

ACTIONS: Final = "ACMRTFN"
SIDES: Final = "ABN"

FAMILIES: Final = ("bid_px", "ask_px", "bid_sz", "ask_sz", "bid_ct", "ask_ct")
RECORD_SIZE: Final = 368
RTYPE_MBP10: Final = 10
RECORD: Final[np.dtype[np.void]] = np.dtype(
    [
        ("length", "u1"),
        ("rtype", "u1"),
        ("publisher_id", "<u2"),
        ("instrument_id", "<u4"),
        ("ts_event", "<u8"),
        ("price", "<i8"),
        ("size", "<u4"),
        ("action", "u1"),
        ("side", "u1"),
        ("flags", "u1"),
        ("depth", "u1"),
        ("ts_recv", "<u8"),
        ("ts_in_delta", "<i4"),
        ("sequence", "<u4"),
        ("levels", [(name, "<i8" if name.endswith("px") else "<u4") for name in FAMILIES], (LEVELS,)),
    ]
)
RECORD_HEAD: Final = (
    RECORD_SIZE // 4 | RTYPE_MBP10 << 8
)  # length in words and type, the first two bytes of every record

SYNTHETIC_MARK: Final = b"SYNTHETIC trading-platform"  # in a skippable zstd frame behind the data

Records = NDArray[np.void]
Int64s = NDArray[np.int64]


def as_bytes(records: Records) -> Any:
    """Return the bytes of contiguous records without copying."""
    return records.view(np.uint8)
