"""Freshness against the calendar: holidays, half days, clock changes and the grace after the close (M5)."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from trading_platform.errors import ConfigurationError
from trading_platform.lake import CheckResult, Severity
from trading_platform.lake.freshness import FRESH_BY_CALENDAR, check_freshness
from trading_platform.sessions import calendar_for

CME = calendar_for("CME_EQUITY")
NEW_YORK = ZoneInfo("America/New_York")


def new_york(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=NEW_YORK)


def judge(now: str, *stored: str, partial: tuple[str, ...] = ()) -> CheckResult:
    days = [date.fromisoformat(day) for day in stored]
    return check_freshness("MNQ/ticks", CME, new_york(now), days, lambda day: day.isoformat() not in partial)


def test_m5_newest_finished_session_is_there() -> None:
    result = judge("2025-03-14 18:30", "2025-03-13", "2025-03-14")
    assert (result.name, result.passed) == (FRESH_BY_CALENDAR, True)
    assert result.values == {
        "newest_final": "2025-03-14",
        "newest_complete": "2025-03-14",
        "sessions_late": 0,
        "days_late": 0,
        "next_command": None,
    }
    # A running session that is stored already is no worse.
    assert judge("2025-03-17 12:00", "2025-03-14", "2025-03-17", partial=("2025-03-17",)).passed
    assert judge("2025-03-17 12:00", "2025-03-14").passed


def test_m5_late_sessions_are_counted_over_weekends_and_holidays() -> None:
    """After Thursday, April 17, come Good Friday and a weekend: on Tuesday evening two sessions are missing."""
    result = judge("2025-04-22 18:30", "2025-04-17")
    assert (result.passed, result.severity) == (False, Severity.WARN)
    assert (result.values["sessions_late"], result.values["days_late"]) == (2, 5)
    assert result.values["next_command"] == "tp backfill MNQ/ticks --from 2025-04-21 --to 2025-04-22"
    assert result.description == (
        "newest complete day 2025-04-17, newest finished session 2025-04-22: 2 session(s) late; "
        "next: tp backfill MNQ/ticks --from 2025-04-21 --to 2025-04-22"
    )


def test_m5_day_made_too_early_does_not_count() -> None:
    result = judge("2025-03-14 18:30", "2025-03-12", "2025-03-13", "2025-03-14", partial=("2025-03-13", "2025-03-14"))
    assert result.values["newest_complete"] == "2025-03-12"
    assert result.values["sessions_late"] == 2


def test_m5_stored_holiday_is_no_session() -> None:
    """Good Friday is stored as closed, Thursday is missing."""
    result = judge("2025-04-18 20:00", "2025-04-16", "2025-04-18")
    assert result.values["newest_complete"] == "2025-04-16"
    assert result.values["next_command"] == "tp backfill MNQ/ticks --from 2025-04-17 --to 2025-04-17"


def test_m5_empty_dataset_is_late_without_a_number() -> None:
    result = judge("2025-03-14 18:30")
    assert not result.passed
    assert result.values["newest_complete"] is None
    assert result.values["sessions_late"] is None
    assert result.values["next_command"] == "tp backfill MNQ/ticks --from 2025-03-14 --to 2025-03-14"
    assert "nothing complete is stored" in result.description


def test_m5_only_the_days_down_to_the_first_complete_one_are_asked() -> None:
    asked: list[date] = []

    def is_complete(day: date) -> bool:
        asked.append(day)
        return day <= date(2025, 3, 12)

    days = [date(2025, 3, 3) + timedelta(days=n) for n in (0, 1, 2, 3, 4, 7, 8, 9, 10, 11)]
    check_freshness("MNQ/ticks", CME, new_york("2025-03-14 18:30"), days, is_complete)
    assert asked == [date(2025, 3, 14), date(2025, 3, 13), date(2025, 3, 12)]


def test_m5_naive_time_is_refused() -> None:
    with pytest.raises(ConfigurationError) as caught:
        check_freshness("MNQ/ticks", CME, datetime(2025, 3, 14, 18, 30), [], lambda _: True)  # noqa: DTZ001
    assert caught.value.code == "E143"
