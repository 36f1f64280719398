"""The clock as a resource."""

from __future__ import annotations

from datetime import datetime

import dagster as dg

from trading_platform.clock import Clock, FixedClock, SystemClock


class ClockResource(dg.ConfigurableResource[Clock]):
    """Tells the time.

    Attributes:
        fixed_at: ISO 8601 instant with offset at which the clock stands still (tests, reproductions); None = the machine's clock.
    """

    fixed_at: str | None = None

    def clock(self) -> Clock:
        """Return the clock."""
        return SystemClock() if self.fixed_at is None else FixedClock(datetime.fromisoformat(self.fixed_at))
