"""When series settle."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from trading_platform.chains.days import settlement, window_of


@pytest.mark.parametrize(
    ("expiry", "style", "expected"),
    [
        (date(2025, 10, 3), "PM", datetime(2025, 10, 3, 20, 0, tzinfo=UTC)),
        (date(2025, 10, 17), "AM", datetime(2025, 10, 17, 13, 30, tzinfo=UTC)),
        (date(2025, 12, 19), "PM", datetime(2025, 12, 19, 21, 0, tzinfo=UTC)),
        (date(2025, 12, 19), "AM", datetime(2025, 12, 19, 14, 30, tzinfo=UTC)),
        (date(2025, 11, 28), "PM", datetime(2025, 11, 28, 18, 0, tzinfo=UTC)),  # half day
        (date(2025, 11, 28), "AM", datetime(2025, 11, 28, 14, 30, tzinfo=UTC)),
        (date(2025, 4, 18), "AM", datetime(2025, 4, 17, 13, 30, tzinfo=UTC)),  # Good Friday: the session before
    ],
)
def test_g5_settlement_follows_the_calendar_in_summer_and_winter(
    expiry: date, style: str, expected: datetime, calendar
) -> None:
    found = settlement(expiry, style, calendar)
    assert (found.at, found.from_calendar) == (expected, True)


def test_g5_an_expiry_beyond_the_calendar_gets_regular_hours(calendar) -> None:
    found = settlement(date(2030, 12, 20), "PM", calendar)
    assert (found.at, found.from_calendar) == (datetime(2030, 12, 20, 21, 0, tzinfo=UTC), False)


def test_g2_a_day_owns_the_time_since_the_end_of_the_open_day_before_it(calendar) -> None:
    window = window_of(date(2025, 9, 2), calendar)  # Labor Day lies before it
    assert window == (datetime(2025, 8, 30, 4, 0, tzinfo=UTC), datetime(2025, 9, 3, 4, 0, tzinfo=UTC))
