"""Time to settlement in years, and the instant at which an expiry settles.

Belongs here: ACT/365 from real instants; 16:00 and 09:30 Eastern. Does not belong here: holidays and early closes (``sessions`` knows
them; the caller hands the closing time over), dropping of settled series (``gex``).
Source: Cboe, contract specifications of SPX (AM: opening prints of expiry day) and SPXW (PM: close of expiry day).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from typing import Final, Literal
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from ..instants import MICROSECONDS, us_of
from .arrays import Floats

EASTERN: Final = ZoneInfo("America/New_York")
PM_SETTLEMENT: Final = time(16, 0)
AM_SETTLEMENT: Final = time(9, 30)
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


def settlement_at(expiry: date, settle_style: Literal["AM", "PM"], closes_at: time = PM_SETTLEMENT) -> datetime:
    """Return the instant at which a series settles, in UTC.

    Args:
        expiry: expiry day of the series.
        settle_style: "PM" settles at the close of that day, "AM" at 09:30 Eastern.
        closes_at: Eastern closing time of that day; 16:00, or earlier on a half day (from the calendar of the exchange).

    Raises:
        KeyError: a style that is neither AM nor PM.
    """
    wall = {"AM": AM_SETTLEMENT, "PM": closes_at}[settle_style]
    return datetime.combine(expiry, wall, EASTERN).astimezone(UTC)


def settlements_us(
    expiries: npt.ArrayLike, is_am: npt.ArrayLike, early_closes: Mapping[date, time] | None = None
) -> npt.NDArray[np.int64]:
    """Return the settlement instants of many series, epoch microseconds UTC.

    Args:
        expiries: datetime64[D], one per series or contract line.
        is_am: bool, True for series that settle at the opening.
        early_closes: Eastern closing time by date where it is not 16:00.
    """
    days, am = np.broadcast_arrays(np.asarray(expiries, dtype="datetime64[D]"), np.asarray(is_am, dtype=np.bool_))
    unique, inverse = np.unique(days, return_inverse=True)
    closes = early_closes or {}
    dates: list[date] = unique.tolist()
    table = np.array(
        [
            [us_of(settlement_at(day, "PM", closes.get(day, PM_SETTLEMENT))), us_of(settlement_at(day, "AM"))]
            for day in dates
        ],
        dtype=np.int64,
    ).reshape(-1, 2)
    return np.asarray(table[inverse.reshape(days.shape), am.astype(np.intp)], dtype=np.int64)
