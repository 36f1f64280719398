"""Windows, ownership of instants, and "latest"."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading_platform.errors import ConfigurationError
from trading_platform.instruments import load_registry
from trading_platform.sessions import calendar_for, calendar_names, opened

NEW_YORK = ZoneInfo("America/New_York")
REPOSITORY = Path(__file__).resolve().parents[2]
CME = ("CME_EQUITY", "CME_ENERGY", "CME_METALS", "CME_RATES", "CME_FX")


def eastern(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=NEW_YORK)


@pytest.mark.parametrize(
    ("now", "latest"),
    [
        ("2025-09-15 17:59", "2025-09-15"),  # Monday
        ("2025-09-15 18:00", "2025-09-16"),  # exactly the opening counts
        ("2025-09-15 18:01", "2025-09-16"),
        ("2025-09-19 18:30", "2025-09-19"),  # Friday evening
        ("2025-09-20 12:00", "2025-09-19"),  # Saturday
        ("2025-09-21 17:59", "2025-09-19"),  # Sunday
        ("2025-09-21 18:01", "2025-09-22"),
        ("2025-04-17 18:30", "2025-04-17"),  # eve of Good Friday
        ("2025-04-18 18:30", "2025-04-17"),  # evening of Good Friday
        ("2025-04-20 18:01", "2025-04-21"),  # Easter Sunday
        ("2025-12-24 18:01", "2025-12-24"),  # Christmas Eve after the half day
        ("2025-12-25 17:59", "2025-12-24"),
        ("2025-12-25 18:01", "2025-12-26"),
        ("2025-01-08 18:01", "2025-01-09"),  # mourning day trades overnight
        ("2025-01-09 18:01", "2025-01-10"),
        ("2025-09-01 18:01", "2025-09-02"),  # Labor Day evening
        ("2025-03-09 17:59", "2025-03-07"),  # Sunday of the clock change
        ("2025-03-09 18:01", "2025-03-10"),
        ("2025-11-02 17:59", "2025-10-31"),
        ("2025-11-02 18:01", "2025-11-03"),
    ],
)
def test_s1_latest_future_trade_date_is_the_one_whose_session_has_opened(now: str, latest: str) -> None:
    assert opened(eastern(now), load_registry().get("MNQ")) == date.fromisoformat(latest)


@pytest.mark.parametrize(
    ("now", "latest"),
    [
        ("2025-09-15 09:29", "2025-09-12"),
        ("2025-09-15 09:30", "2025-09-15"),
        ("2025-09-20 12:00", "2025-09-19"),
        ("2025-01-09 12:00", "2025-01-08"),
        ("2025-11-27 18:01", "2025-11-26"),
    ],
)
def test_s1_latest_index_trade_date_opens_in_the_morning(now: str, latest: str) -> None:
    assert opened(eastern(now), load_registry().get("SPX")) == date.fromisoformat(latest)


@pytest.mark.parametrize(
    ("now", "newest"),
    [
        ("2025-03-12 12:00", "2025-03-11"),
        ("2025-03-12 18:15:05", "2025-03-11"),  # the window ends at 18:00, the grace is 15 min 5 s
        ("2025-03-12 18:15:06", "2025-03-12"),
        ("2025-03-09 20:00", "2025-03-07"),  # Sunday evening: Monday trades, the clocks have changed
        ("2025-03-08 12:00", "2025-03-07"),
        ("2025-04-18 20:00", "2025-04-17"),  # Good Friday
        ("2025-11-28 18:16", "2025-11-28"),  # half day: its window ends as always
        ("2025-11-28 15:00", "2025-11-27"),  # Thanksgiving trades until noon
        ("2025-12-25 20:00", "2025-12-24"),
    ],
)
def test_m5_newest_session_that_is_over(now: str, newest: str) -> None:
    assert calendar_for("CME_EQUITY").newest_final(eastern(now)) == date.fromisoformat(newest)


@pytest.mark.parametrize("name", CME)
def test_s1_cme_windows_have_no_gap_and_no_overlap(name: str) -> None:
    sessions = calendar_for(name).sessions(date(2000, 1, 3), date(2029, 12, 31))

    assert all(later.window_start == earlier.window_end for earlier, later in pairwise(sessions))
    assert all((s.window_start == s.window_end) is not s.is_open for s in sessions)


@pytest.mark.parametrize("name", calendar_names())
def test_s1_trading_hours_and_breaks_lie_inside_the_window(name: str) -> None:
    for session in calendar_for(name).sessions(date(2000, 1, 3), date(2029, 12, 31)):
        if session.opens_at is None or session.closes_at is None:
            continue
        edges = [
            session.window_start,
            session.opens_at,
            *(e for b in session.breaks for e in b),
            session.closes_at,
            session.window_end,
        ]
        assert edges == sorted(edges), session
        assert all(edge.tzinfo is UTC for edge in edges), session


@given(st.datetimes(datetime(2000, 1, 4), datetime(2029, 12, 28)), st.sampled_from(CME))  # noqa: DTZ001
def test_s1_every_instant_belongs_to_the_open_trade_date_whose_window_holds_it(naive: datetime, name: str) -> None:
    instant = naive.replace(tzinfo=UTC)

    session = calendar_for(name).session(calendar_for(name).trade_date_at(instant))

    assert session.is_open
    assert session.window_start <= instant < session.window_end


@pytest.mark.parametrize(
    ("instant", "trade_date"),
    [
        ("2025-09-21 18:00", "2025-09-22"),  # Sunday evening is Monday
        ("2025-09-22 17:59:59.999999", "2025-09-22"),
        ("2025-09-22 18:00", "2025-09-23"),
        ("2025-09-20 12:00", "2025-09-22"),  # a stray row on Saturday
        ("2025-12-25 10:00", "2025-12-26"),  # a stray row on a holiday
        ("2025-11-28 15:00", "2025-11-28"),  # after the half day's close
    ],
)
def test_s1_cme_instants_belong_to_the_session_date(instant: str, trade_date: str) -> None:
    assert calendar_for("CME_EQUITY").trade_date_at(eastern(instant)) == date.fromisoformat(trade_date)


def test_s1_equities_own_the_new_york_calendar_day() -> None:
    calendar = calendar_for("NYSE")

    assert calendar.trade_date_at(datetime(2025, 7, 1, 3, 59, 59, tzinfo=UTC)) == date(2025, 6, 30)
    assert calendar.trade_date_at(datetime(2025, 7, 1, 4, 0, tzinfo=UTC)) == date(2025, 7, 1)
    assert not calendar.session(calendar.trade_date_at(eastern("2025-09-20 12:00"))).is_open


def test_s1_closed_dates_say_why_and_own_no_time() -> None:
    christmas = calendar_for("CME_EQUITY").session(date(2025, 12, 25))
    saturday = calendar_for("CME_EQUITY").session(date(2025, 9, 20))

    assert (christmas.is_open, christmas.reason, christmas.is_half_day) == (False, "Christmas", False)
    assert (saturday.is_open, saturday.reason) == (False, "Weekend")
    assert saturday.window_start == saturday.window_end == datetime(2025, 9, 19, 22, 0, tzinfo=UTC)


def test_s1_neighbouring_open_dates_skip_holidays_and_weekends() -> None:
    calendar = calendar_for("CME_EQUITY")

    assert calendar.previous_open(date(2025, 4, 21)) == date(2025, 4, 17)
    assert calendar.next_open(date(2025, 4, 17)) == date(2025, 4, 21)
    assert calendar.previous_open(date(2025, 9, 20)) == date(2025, 9, 19)
    assert calendar.next_open(date(2025, 12, 24)) == date(2025, 12, 26)


def test_s1_sessions_lists_weekdays_with_closed_ones() -> None:
    sessions = calendar_for("CME_EQUITY").sessions(date(2025, 12, 20), date(2025, 12, 28))

    assert [(s.trade_date.day, s.is_open) for s in sessions] == [
        (22, True),
        (23, True),
        (24, True),
        (25, False),
        (26, True),
    ]


def test_p4_resolved_holds_this_days_values_only() -> None:
    session = calendar_for("CME_EQUITY").session(date(2021, 6, 25))

    assert session.resolved() == {
        "trade_date": "2021-06-25",
        "window_start": "2021-06-24T22:00:00+00:00",
        "window_end": "2021-06-25T22:00:00+00:00",
        "opens_at": "2021-06-24T22:00:00+00:00",
        "closes_at": "2021-06-25T21:00:00+00:00",
        "breaks": [["2021-06-25T20:15:00+00:00", "2021-06-25T20:30:00+00:00"]],
    }
    assert dataclasses.replace(session, calendar="RENAMED", reason="other words").resolved() == session.resolved()


def test_s1_process_time_zone_changes_nothing() -> None:
    script = """
import hashlib, json
from datetime import date, datetime, timedelta, UTC
from trading_platform.sessions import calendar_for, calendar_names
answers = []
for name in calendar_names():
    calendar = calendar_for(name)
    answers += [s.resolved() for s in calendar.sessions(date(2024, 1, 1), date(2026, 12, 31))]
    hours = (datetime(2025, 1, 2, tzinfo=UTC) + timedelta(hours=h) for h in range(0, 8760, 5))
    answers += [[str(calendar.trade_date_at(h)), str(calendar.opened(h))] for h in hours]
print(hashlib.sha256(json.dumps(answers).encode()).hexdigest())
"""
    hashes = {
        zone: subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, "TZ": zone},
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for zone in ("America/New_York", "UTC", "Asia/Tokyo")
    }

    assert len(hashes["UTC"]) == 64
    assert len(set(hashes.values())) == 1, hashes


def test_u3_sessions_do_not_import_the_calendar_library() -> None:
    script = (
        "import sys; from datetime import date; from trading_platform.sessions import calendar_for; "
        "calendar_for('CME_EQUITY').sessions(date(2025, 1, 1), date(2025, 12, 31)); "
        "print([m for m in ('pandas', 'pandas_market_calendars') if m in sys.modules])"
    )

    result = subprocess.run([sys.executable, "-c", script], cwd=REPOSITORY, capture_output=True, text=True, check=True)

    assert result.stdout.strip() == "[]"


def test_s1_real_mnq_ticks_lie_inside_the_trading_hours(shared_data: Path) -> None:
    """First and last tick per UTC day of 64 real days, 2025-09-02 to 2025-11-14, without market prices."""
    import csv

    calendar = calendar_for("CME_EQUITY")
    path = shared_data / "sierra" / "mnq_daily_coverage_20250902_20251117.csv"
    with path.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["kind"] == "tick" and int(row["rows"] or 0) > 0]
    instants = [datetime.fromisoformat(row[edge]).replace(tzinfo=UTC) for row in rows for edge in ("min_ts", "max_ts")]

    outside = []
    for instant in instants:
        session = calendar.session(calendar.trade_date_at(instant))
        assert session.opens_at is not None
        assert session.closes_at is not None
        if not session.opens_at <= instant < session.closes_at:
            outside.append(instant)

    assert len(instants) == 128
    assert outside == []


@pytest.mark.parametrize("day", [date(1999, 12, 31), date(2040, 1, 2)])
def test_s1_days_that_the_table_does_not_cover_are_refused(day: date) -> None:
    with pytest.raises(
        ConfigurationError, match=r"E140 the calendar CME_EQUITY covers 2000-01-01 to \d{4}-12-31"
    ) as caught:
        calendar_for("CME_EQUITY").session(day)

    assert "trading_platform.sessions.generate" in caught.value.why


def test_s1_next_open_beyond_the_table_is_refused() -> None:
    calendar = calendar_for("CME_EQUITY")

    with pytest.raises(ConfigurationError, match="E140"):
        calendar.next_open(calendar.last)
    with pytest.raises(ConfigurationError, match="E140"):
        calendar.trade_date_at(datetime.combine(calendar.last + timedelta(days=3), datetime.min.time(), UTC))


def test_s1_unknown_calendar_names_the_nearest() -> None:
    with pytest.raises(ConfigurationError, match="E141 unknown calendar 'CME_EQUITIES'; did you mean CME_EQUITY"):
        calendar_for("CME_EQUITIES")


def test_s1_naive_time_is_refused() -> None:
    naive = datetime(2025, 9, 15, 18, 1)  # noqa: DTZ001

    with pytest.raises(ConfigurationError, match="E143"):
        opened(naive, load_registry().get("ES"))
    with pytest.raises(ConfigurationError, match="E143"):
        calendar_for("NYSE").trade_date_at(naive)


def test_s1_every_instrument_has_a_calendar() -> None:
    assert {i.calendar for i in load_registry().instruments.values()} <= set(calendar_names())


def test_m3_resolved_session_is_json() -> None:
    closed = calendar_for("NYSE").session(date(2025, 1, 9)).resolved()

    assert json.loads(json.dumps(closed)) == closed
    assert closed["opens_at"] is None
