"""Trading hours as spans of microseconds (M5)."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from trading_platform.sessions import Session, calendar_for, trading_spans

CME = calendar_for("CME_EQUITY")
OPENS = datetime(2020, 3, 10, tzinfo=UTC)
OPENS_US = 1_583_798_400_000_000
HOUR_US = 3_600_000_000


def session(*breaks: tuple[int, int]) -> Session:
    """Return ten hours from OPENS with breaks given in hours after it."""
    closes = OPENS + timedelta(hours=10)
    pauses = tuple((OPENS + timedelta(hours=start), OPENS + timedelta(hours=end)) for start, end in breaks)
    return Session(date(2020, 3, 10), "TEST", OPENS, closes, OPENS, closes, breaks=pauses)


@pytest.mark.parametrize(
    ("day", "seconds"),
    [
        (date(2025, 3, 10), 82_800),
        (date(2025, 11, 28), 69_300),  # until 12:15 Chicago
        (date(2025, 12, 25), 0),
    ],
)
def test_m5_spans_are_as_long_as_the_trading_hours(day: date, seconds: int) -> None:
    assert sum(end - first for first, end in trading_spans(CME.session(day))) == seconds * 1_000_000


@pytest.mark.parametrize(
    ("breaks", "hours"),
    [
        ((), [(0, 10)]),
        (((2, 3),), [(0, 2), (3, 10)]),
        (((2, 3), (5, 9)), [(0, 2), (3, 5), (9, 10)]),
        (((0, 3),), [(3, 10)]),
    ],
)
def test_m5_spans_leave_out_the_breaks(breaks: tuple[tuple[int, int], ...], hours: list[tuple[int, int]]) -> None:
    expected = [(OPENS_US + first * HOUR_US, OPENS_US + end * HOUR_US) for first, end in hours]
    assert trading_spans(session(*breaks)) == expected


def test_m5_closed_date_has_no_span() -> None:
    assert trading_spans(CME.session(date(2025, 12, 25))) == []
