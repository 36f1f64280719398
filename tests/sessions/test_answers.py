"""Sessions against the answer files: every day on which calendar libraries disagree, DST weeks, holidays, half days."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from trading_platform.sessions import calendar_for

from .answer_files import FILES, Answer, end_dates, read_answers


@pytest.mark.parametrize("answer", read_answers(), ids=str)
def test_s1_session_equals_the_published_hours(answer: Answer) -> None:
    session = calendar_for(answer.calendar).session(answer.trade_date)

    assert (session.opens_at, session.closes_at) == (answer.opens_at, answer.closes_at), answer.source
    assert (session.window_start, session.window_end) == (answer.window_start, answer.window_end), answer.source
    assert session.breaks == answer.breaks, answer.source
    assert session.is_half_day is answer.is_half_day, answer.source
    assert session.is_open is (answer.opens_at is not None)


def test_s1_answers_hold_every_day_of_the_reference_on_which_libraries_disagree() -> None:
    disagreements = (
        "2025-01-09 2025-06-19 2026-06-19 2025-07-03 2025-11-28 2026-11-27 2025-12-24 2026-04-03".split()  # noqa: SIM905
    )

    answered = {answer.trade_date.isoformat() for answer in read_answers() if answer.calendar == "CME_EQUITY"}

    assert answered.issuperset(disagreements)


def test_s1_every_answer_names_its_source() -> None:
    assert [str(answer) for answer in read_answers() if not answer.source] == []


@pytest.mark.parametrize("name", FILES)
def test_s1_answer_file_is_still_looked_after(name: str) -> None:
    end = end_dates()[name]

    assert datetime.now(UTC).date() <= end, f"{name} ends {end}: add the next years, see end_dates.csv"


def test_s1_answers_reach_into_the_last_year_they_claim() -> None:
    newest = {
        "cme.csv": max(a.trade_date for a in read_answers() if a.calendar != "NYSE"),
        "nyse.csv": max(a.trade_date for a in read_answers() if a.calendar == "NYSE"),
    }

    assert {name: day.year for name, day in newest.items()} == {name: end.year for name, end in end_dates().items()}
    assert newest["cme.csv"] == date(2027, 12, 31)
