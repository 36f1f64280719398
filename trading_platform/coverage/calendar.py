"""Sessions of many days as arrays.

Belongs here: the facts of a calendar that a board needs, computed once and kept. Does not belong here: what a session is
(``trading_platform.sessions``), the time of day.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import numpy as np

from ..instants import us_of
from ..sessions import GRACE, Session, calendar_for
from .packed import Array, Packed

_GRACE_US = round(GRACE.total_seconds() * 1e6)


@dataclass(frozen=True)
class CalendarDays:
    """The weekdays of one calendar, ascending.

    Attributes:
        name: such as ``CME_EQUITY``.
        ordinals: int32[n], ``date.toordinal``.
        is_open: bool[n].
        final_us: int64[n], epoch microseconds after which an open session can add no more data.
        digest: uint64[n], of what shapes a partition of the day (``Session.resolved``); also stands in the cache of footers.
        reasons: why a date is closed, by ordinal; not every closed date has a reason.
    """

    name: str
    ordinals: Array
    is_open: Array
    final_us: Array
    digest: Array
    reasons: Mapping[int, str]

    def of(self, days: Sequence[date]) -> CalendarDays:
        """Return the facts of some weekdays.

        Raises:
            ConfigurationError: E140 if a day lies outside the calendar.
        """
        wanted = np.array([day.toordinal() for day in days], np.int32)
        at = np.searchsorted(self.ordinals, wanted).clip(max=max(len(self.ordinals) - 1, 0))
        for unknown in np.flatnonzero(self.ordinals[at] != wanted).tolist():
            calendar_for(self.name).session(days[unknown])  # raises, and says what the calendar covers
        return CalendarDays(self.name, wanted, self.is_open[at], self.final_us[at], self.digest[at], self.reasons)

    def is_over(self, now: datetime) -> Array:
        """Return for each day whether its session can add no more data: bool[n]."""
        now_us = us_of(now)
        result: Array = ~self.is_open | (now_us > self.final_us)
        return result


def calendar_days(name: str) -> CalendarDays:
    """Compute the weekdays that a calendar covers (about 40 microseconds each).

    Raises:
        ConfigurationError: E141 unknown calendar.
    """
    calendar = calendar_for(name)
    sessions = calendar.sessions(calendar.first, calendar.last)
    return CalendarDays(
        name=name,
        ordinals=np.array([session.trade_date.toordinal() for session in sessions], np.int32),
        is_open=np.array([session.is_open for session in sessions], np.bool_),
        final_us=np.array([_final_us(session) for session in sessions], np.int64),
        digest=np.array([session_digest(session.resolved()) for session in sessions], np.uint64),
        reasons={s.trade_date.toordinal(): s.reason for s in sessions if not s.is_open and s.reason},
    )


def session_digest(resolved: Any) -> int:
    """Return 64 bits that tell one resolved session from another."""
    text = json.dumps(resolved, sort_keys=True, separators=(",", ":"))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little")


def pack(calendars: Mapping[str, CalendarDays]) -> Packed:
    """Return calendars in the form of a cache file."""
    packed = Packed({"reasons": {name: dict(days.reasons) for name, days in calendars.items()}})
    for name, days in calendars.items():
        table = np.zeros(len(days.ordinals), _DTYPE)
        for column in _DTYPE.names or ():
            table[column] = getattr(days, column)
        packed.arrays[name] = table
    return packed


def unpack(packed: Packed) -> dict[str, CalendarDays]:
    """Return the calendars of a cache file."""
    return {
        name: CalendarDays(
            name,
            table["ordinals"],
            table["is_open"],
            table["final_us"],
            table["digest"],
            {int(day): reason for day, reason in packed.header["reasons"][name].items()},
        )
        for name, table in packed.arrays.items()
    }


_DTYPE = np.dtype([("ordinals", "<i4"), ("is_open", "?"), ("final_us", "<i8"), ("digest", "<u8")])


def _final_us(session: Session) -> int:
    return us_of(session.window_end) + _GRACE_US
