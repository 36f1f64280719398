"""Injectable time.

Belongs here: the only calls in the code base that ask the operating system for the time of day. Does not belong here: calendars and
sessions (``trading_platform.sessions``).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Something that tells the time."""

    def now(self) -> datetime:
        """Return the current instant as an aware datetime in UTC."""
        ...


@dataclass(frozen=True, slots=True)
class SystemClock:
    """The clock of this machine."""

    def now(self) -> datetime:
        """Return the current instant in UTC."""
        return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class FixedClock:
    """A clock that stands still, for tests and reproductions.

    Args:
        at: aware datetime; a naive one is refused, because its zone would be that of the process.
    """

    at: datetime

    def __post_init__(self) -> None:
        """Refuse a naive instant."""
        if self.at.tzinfo is None:
            raise ValueError(f"Expected an aware datetime, was {self.at!r}")

    def now(self) -> datetime:
        """Return the fixed instant in UTC."""
        return self.at.astimezone(UTC)
