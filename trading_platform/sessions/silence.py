"""How long a market may be silent while it is open.

Belongs here: the limit that the data checks of ticks and bars share. Does not belong here: measuring silences.
"""

from __future__ import annotations

from typing import Final

from ..instants import MICROSECONDS
from .hours import trading_spans
from .session import Session

# Trades come in bursts and mostly by day: in sessions of about 600 trades (synthetic ones with the activity of an index future) the longest
# silence of the night reached 90 times the mean interval.
_MEAN_INTERVALS: Final = 100
# A day of which a quarter is missing is never normal, however little traded.
_SESSION_SHARE: Final = 0.25


def silence_limit_s(session: Session, trades: int, *, at_least_s: float) -> float:
    """Return the longest silence that says nothing about the data, in seconds of trading time.

    Args:
        session: the day.
        trades: how many there were: a contract that trades every two minutes by day is silent for hours at night.
        at_least_s: the limit for a busy market.

    Returns:
        A hundred times the mean time between two trades, but at most a quarter of the trading hours, and at least ``at_least_s`` always.
    """
    open_s = sum(end - first for first, end in trading_spans(session)) / MICROSECONDS
    return max(at_least_s, min(_MEAN_INTERVALS * open_s / max(trades, 1), _SESSION_SHARE * open_s))
