"""What a record was written as.

Belongs here: trade, quote, bar or damage, by Sierra Chart's rules. Does not belong here: whether a trade is credible (``decode.py``).
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from .format import OPEN_FIRST_BITS, OPEN_LAST_BITS, Records


class RecordKind(IntEnum):
    """What a record was written as."""

    TRADE = 0
    QUOTE = 1
    BAR = 2
    MALFORMED = 3
    EMPTY = 4


def record_kinds(records: Records) -> NDArray[np.uint8]:
    """Classify records by Sierra Chart's rules, in their order: empty, quote, single trade, else bar.

    Returns:
        uint8 array of ``RecordKind``. A record that is neither a trade nor a possible bar (open and close within low and high, at least
        one trade, volume not below the number of trades) is malformed: damage must not be reported as a setting.
    """
    bits = np.ascontiguousarray(records["open"]).view(np.uint32)
    opens: NDArray[np.float32] = records["open"]
    high, low, close, total = records["high"], records["low"], records["close"], records["total_volume"]
    single = records["num_trades"] == 1
    kinds: NDArray[np.uint8] = np.full(len(records), RecordKind.MALFORMED, np.uint8)
    # Comparisons with NaN are False, so a bar with a NaN is malformed.
    inside = (low <= opens) & (opens <= high) & (low <= close) & (close <= high) & np.isfinite(high) & np.isfinite(low)
    kinds[inside & (records["num_trades"] >= 1) & (total >= records["num_trades"])] = RecordKind.BAR
    kinds[single & ((opens == 0) | (bits == OPEN_FIRST_BITS) | (bits == OPEN_LAST_BITS))] = RecordKind.TRADE
    kinds[single & (total == 0) & (opens == 0) & (high != 0) & (low != 0)] = RecordKind.QUOTE
    empty = (
        (records["dt"] == 0)
        & (close == 0)
        & (high == 0)
        & (low == 0)
        & (opens == 0)
        & (total == 0)
        & (records["num_trades"] == 0)
    )
    kinds[empty] = RecordKind.EMPTY
    return kinds
