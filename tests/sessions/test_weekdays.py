"""Weekdays: what can be a trade date at all."""

from __future__ import annotations

from datetime import date

import pytest

from trading_platform.sessions import first_of_last, is_weekday, weekdays_between

FRIDAY, SATURDAY, MONDAY = date(2025, 3, 7), date(2025, 3, 8), date(2025, 3, 10)


def test_s1_weekends_are_no_trade_dates() -> None:
    assert weekdays_between(FRIDAY, MONDAY) == [FRIDAY, MONDAY]
    assert weekdays_between(SATURDAY, date(2025, 3, 9)) == []
    assert weekdays_between(MONDAY, FRIDAY) == []
    assert [is_weekday(day) for day in (FRIDAY, SATURDAY, date(2025, 3, 9), MONDAY)] == [True, False, False, True]


@pytest.mark.parametrize(
    ("last", "number", "first"),
    [
        (MONDAY, 1, MONDAY),
        (MONDAY, 2, FRIDAY),
        (SATURDAY, 1, FRIDAY),
        (date(2025, 3, 9), 5, date(2025, 3, 3)),
        (MONDAY, 260, date(2024, 3, 12)),
        (MONDAY, 10**6, date.min),
    ],
)
def test_s1_first_of_the_last_weekdays(last: date, number: int, first: date) -> None:
    assert first_of_last(last, number) == first
