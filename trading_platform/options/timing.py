"""Time to settlement in years.

Belongs here: ACT/365 from real instants. Does not belong here: when a series settles (``trading_platform.chains.days``), dropping of
settled series (``gex``).
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from ..instants import MICROSECONDS
from .arrays import Floats

YEAR_US: Final = 365 * 86_400 * MICROSECONDS
FLOOR_S: Final = 60.0


def years_act365(asof_us: npt.ArrayLike, settlement_us: npt.ArrayLike, floor_s: float = FLOOR_S) -> Floats:
    """Return the time to settlement in years of 365 days.

    Args:
        asof_us: epoch microseconds UTC, i64, number or array.
        settlement_us: epoch microseconds UTC, i64, number or array.
        floor_s: shortest time of a series that is still alive; 0 for none.

    Returns:
        float64, broadcast; NaN where the settlement is not after ``asof_us``: a settled series has no value left.
    """
    remaining = np.asarray(settlement_us, dtype=np.int64) - np.asarray(asof_us, dtype=np.int64)
    years = np.maximum(remaining, floor_s * MICROSECONDS) / YEAR_US
    return np.asarray(np.where(remaining > 0, years, np.nan), dtype=np.float64)
