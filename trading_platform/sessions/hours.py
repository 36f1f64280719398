"""Trading hours of a session as numbers.

Belongs here: the spans that checks and grids count in. Does not belong here: how a session is found (``calendar.py``).
"""

from __future__ import annotations

from ..instants import us_of
from .session import Session


def trading_spans(session: Session) -> list[tuple[int, int]]:
    """Return the trading hours without the breaks: half-open, in order, epoch microseconds UTC; none on a closed date."""
    if session.opens_at is None or session.closes_at is None:
        return []
    edges = [session.opens_at, *(edge for pause in session.breaks for edge in pause), session.closes_at]
    edges_us = [us_of(edge) for edge in edges]
    return [(first, end) for first, end in zip(edges_us[::2], edges_us[1::2], strict=True) if first < end]
