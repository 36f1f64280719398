"""How busy the simulated market is at each second of a session.

Belongs here: the intraday shape of activity. Does not belong here: trading hours (``trading_platform.sessions`` gives
them), prices.

The levels are round numbers chosen to look like an equity-index future: about four fifths of the trades in the cash
session, busiest at its two ends, a thin night with a busier European morning. They are not fitted to any data.
"""

from __future__ import annotations

from datetime import date, datetime, time
from functools import lru_cache
from typing import Any, Final
from zoneinfo import ZoneInfo

import numpy as np

FloatArray = np.ndarray[Any, np.dtype[np.float64]]

_NEW_YORK: Final = ZoneInfo("America/New_York")
_CASH_SECONDS: Final = 23_400
_CASH_OPEN: Final = time(9, 30)

# A full CME session runs from 18:00 to 17:00 New York time: seconds relative to the cash open at 09:30.
_FULL_SESSION_S: Final = (-55_800, 27_000)

_NIGHT: Final = 0.05
_EUROPEAN_MORNING: Final = (-23_400, 0.12)  # from 03:00
_US_DATA: Final = (-3_600, 0.30)  # from 08:30
_AFTER_CASH: Final = 0.15
_CASH_MIDDAY: Final = 0.65
_CASH_EDGE_EXTRA: Final = 1.85  # at 09:30 and 16:00 the level is _CASH_MIDDAY + this


def activity_per_second(
    trade_date: date, opens_at: datetime, closes_at: datetime, breaks: tuple[tuple[datetime, datetime], ...] = ()
) -> FloatArray:
    """Return relative activity for each second of trading hours.

    Args:
        trade_date: fixes where the cash session (09:30 to 16:00 New York) lies; daylight saving included.
        opens_at: first instant of trading, aware, whole second.
        closes_at: first instant after trading, aware, whole second.
        breaks: half-open halts in between; activity there is exactly 0.

    Returns:
        float64[seconds of trading hours], dimensionless, >= 0. The midday cash session is about 0.65.
    """
    first_s = int(opens_at.timestamp())
    count = int(closes_at.timestamp()) - first_s
    cash_open_s = int(datetime.combine(trade_date, _CASH_OPEN, tzinfo=_NEW_YORK).timestamp())
    activity = _shape(np.arange(first_s - cash_open_s, first_s - cash_open_s + count))
    for start, end in breaks:
        activity[max(int(start.timestamp()) - first_s, 0) : max(int(end.timestamp()) - first_s, 0)] = 0.0
    return activity


@lru_cache(maxsize=1)
def full_day_activity() -> float:
    """Return the sum over a full session, the unit in which shorter sessions are measured."""
    return float(_shape(np.arange(*_FULL_SESSION_S)).sum())


def _shape(since_cash_open_s: np.ndarray[Any, np.dtype[np.int64]]) -> FloatArray:
    """Return the level at seconds relative to the cash open."""
    levels = np.full(len(since_cash_open_s), _NIGHT)
    for start_s, level in (_EUROPEAN_MORNING, _US_DATA, (_CASH_SECONDS, _AFTER_CASH)):
        levels[since_cash_open_s >= start_s] = level
    in_cash = (since_cash_open_s >= 0) & (since_cash_open_s < _CASH_SECONDS)
    position = since_cash_open_s[in_cash] / (_CASH_SECONDS / 2) - 1.0
    # The fourth power keeps midday flat and puts the rise into the first and last hour.
    levels[in_cash] = _CASH_MIDDAY + _CASH_EDGE_EXTRA * position**4
    return levels
