"""Trading hours against the times of records (T7)."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest

from trading_platform.sessions import Session, calendar_for
from trading_platform.sierra.hours import TradingHours

OPENS = datetime(2020, 3, 10, tzinfo=UTC)
OPENS_US = 1_583_798_400_000_000
HOUR_US = 3_600_000_000
CLOSES = OPENS + timedelta(hours=10)
PAUSE = (OPENS + timedelta(hours=2), OPENS + timedelta(hours=3))
HOURS = TradingHours(Session(date(2020, 3, 10), "TEST", OPENS, CLOSES, OPENS, CLOSES, breaks=(PAUSE,)))


def at(hours: float) -> int:
    return OPENS_US + int(hours * HOUR_US)


@pytest.mark.parametrize(
    ("start", "end", "traded"),
    [(0, 10, 9), (-5, 1, 1), (9, 20, 1), (1, 4, 2), (2, 3, 0), (2.5, 3.5, 0.5), (-2, -1, 0), (11, 12, 0), (5, 5, 0)],
)
def test_t7_time_between_two_trades_is_counted_in_trading_hours_only(start: float, end: float, traded: float) -> None:
    assert HOURS.traded_us(at(start), at(end)) == traded * HOUR_US


def test_t7_open_and_end_of_a_break_are_inside_close_and_start_of_a_break_are_not() -> None:
    inside = np.array([at(0), at(2) - 1, at(3), at(10) - 1])
    outside = np.array([at(0) - 1, at(2), at(3) - 1, at(10)])
    for times, count in ((inside, 0), (outside, 4), (np.concatenate((inside, outside)), 4)):
        assert HOURS.count_outside(times, int(times.min()), int(times.max())) == count


def test_t7_closed_date_has_no_hours() -> None:
    with pytest.raises(ValueError, match="Expected an open session"):
        TradingHours(calendar_for("CME_EQUITY").session(date(2025, 12, 25)))
