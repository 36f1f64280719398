"""Instants as whole microseconds since 1970, the form of every stored time.

Belongs here: the conversion, in integers, because float seconds lose the last digits. Does not belong here: what time it is
(``clock.py``), trading calendars, Sierra Chart's own epoch (``sierra/format.py``).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

MICROSECONDS: Final = 1_000_000
"""Microseconds in a second."""

UNIX_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

NEW_YORK: Final = ZoneInfo("America/New_York")
"""The clock of US exchanges and of the vendors of gamma data."""


def us_of(instant: datetime) -> int:
    """Return an aware instant of any time zone as epoch microseconds UTC.

    Raises:
        TypeError: the datetime is naive, so nobody knows which instant is meant.
    """
    return (instant - UNIX_EPOCH) // timedelta(microseconds=1)


def instant_of(us: int) -> datetime:
    """Return epoch microseconds UTC as an aware instant in UTC.

    Raises:
        OverflowError: the instant lies outside the years 1 to 9999.
    """
    return UNIX_EPOCH + timedelta(microseconds=int(us))
