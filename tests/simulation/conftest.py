"""Sessions and markets that the tests of this room share.

The sessions here are written down by hand, so that the market is tested without the calendars.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime

import pytest

from trading_platform.instruments import Registry, RollTable, load_registry, load_roll_table
from trading_platform.sessions import Session
from trading_platform.simulation import SimulatedMarket

MakeSession = Callable[..., Session]


def hand_made_session(
    trade_date: date,
    opens_at: datetime,
    closes_at: datetime,
    breaks: tuple[tuple[datetime, datetime], ...] = (),
) -> Session:
    return Session(
        trade_date=trade_date,
        calendar="CME_EQUITY",
        window_start=opens_at,
        window_end=closes_at,
        opens_at=opens_at,
        closes_at=closes_at,
        breaks=breaks,
        reason=None,
    )


@pytest.fixture(scope="session")
def make_session() -> MakeSession:
    return hand_made_session


@pytest.fixture(scope="session")
def registry() -> Registry:
    return load_registry()


@pytest.fixture(scope="session")
def rolls(registry: Registry) -> RollTable:
    return load_roll_table(registry, None)


@pytest.fixture(scope="session")
def market(registry: Registry) -> SimulatedMarket:
    return SimulatedMarket(7, registry.get("ES"), 5_850.0, ticks_per_full_day=20_000)


@pytest.fixture(scope="session")
def friday() -> Session:
    """2025-03-07, the last session in standard time: 18:00 to 17:00 New York is 23:00 to 22:00 UTC."""
    return hand_made_session(
        date(2025, 3, 7), datetime(2025, 3, 6, 23, tzinfo=UTC), datetime(2025, 3, 7, 22, tzinfo=UTC)
    )


@pytest.fixture(scope="session")
def monday() -> Session:
    """2025-03-10, the first session in daylight time: 22:00 to 21:00 UTC."""
    return hand_made_session(
        date(2025, 3, 10), datetime(2025, 3, 9, 22, tzinfo=UTC), datetime(2025, 3, 10, 21, tzinfo=UTC)
    )


@pytest.fixture(scope="session")
def half_day() -> Session:
    """2025-05-26, Memorial Day: trading ends at 13:00 New York, 17:00 UTC."""
    return hand_made_session(
        date(2025, 5, 26), datetime(2025, 5, 25, 22, tzinfo=UTC), datetime(2025, 5, 26, 17, tzinfo=UTC)
    )
