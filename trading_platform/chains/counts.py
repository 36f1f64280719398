"""What is odd in a contract line, each by one rule.

Belongs here: the expressions that everyone counts with. Does not belong here: which lines are looked at (all lines of a snapshot in
``facts.py``, the live ones in ``trading_platform.gex``), judging the numbers.

Null rule: an unknown value is never taken for 0. It is counted by name (``*_unknown``), it crosses nothing, and it counts where the
question is whether something is there at all: a line without a bid cannot be sold and one without a volatility cannot be priced,
whatever the source wrote. No expression is ever null.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import polars as pl

LIVE: Final = pl.col("settlement_at") > pl.col("observed_at")
"""The series has not settled at the time of the snapshot."""

HAS_INTEREST: Final = (pl.col("open_interest") > 0).fill_null(value=False)
"""Somebody holds the contract; unknown open interest is none."""

HAS_IV: Final = (pl.col("iv") > 0).fill_null(value=False)
"""The source has an implied volatility: neither 0 nor unknown."""

ODD_LINES: Final[Mapping[str, pl.Expr]] = MappingProxyType(
    {
        "crossed": (pl.col("bid") > pl.col("ask")).fill_null(value=False),
        "bid_zero": (pl.col("bid") <= 0).fill_null(value=True),
        "ask_zero": (pl.col("ask") <= 0).fill_null(value=True),
        "iv_zero_with_oi": HAS_INTEREST & ~HAS_IV,
        "gamma_zero_with_oi": HAS_INTEREST & (pl.col("vendor_gamma") == 0).fill_null(value=False),
        "open_interest_unknown": pl.col("open_interest").is_null(),
        "volume_unknown": pl.col("volume").is_null(),
    }
)
"""Booleans by name: ``crossed`` bid above ask, both known; ``bid_zero`` and ``ask_zero`` 0 or unknown; ``iv_zero_with_oi`` open interest
and a volatility that is 0 or unknown; ``gamma_zero_with_oi`` open interest and a vendor gamma of 0, unknown ones left out; the others
null."""


def count_odd(lines: pl.DataFrame) -> dict[str, int]:
    """Return how many lines each expression of ``ODD_LINES`` holds for.

    Args:
        lines: columns bid, ask, iv, vendor_gamma [f64], open_interest, volume [i64], in the units of ``chain``; null where unknown,
            never NaN.
    """
    return lines.select(**{name: odd.sum() for name, odd in ODD_LINES.items()}).row(0, named=True)
