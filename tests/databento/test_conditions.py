"""The decision table, row by row."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from trading_platform.databento.conditions import (
    AskAgain,
    CalendarSays,
    Condition,
    DayCondition,
    conditions_of,
    decide,
    needs_record_count,
    out_of_range,
)

# calendar, condition, records -> outcome, downloads, warnings, asked again
TABLE: list[tuple[str, str | None, int | None, str, bool, int, str]] = [
    ("open", "available", 7, "WRITE", True, 0, "if_revised"),
    ("half", "available", 7, "WRITE", True, 0, "if_revised"),
    ("open", "available", 0, "EMPTY", False, 1, "if_revised"),
    ("half", "available", 0, "EMPTY", False, 1, "if_revised"),
    ("open", "degraded", 7, "DEGRADED", True, 1, "if_revised"),
    ("half", "degraded", 7, "DEGRADED", True, 1, "if_revised"),
    ("open", "degraded", 0, "EMPTY", False, 1, "if_revised"),
    ("half", "degraded", 0, "EMPTY", False, 1, "if_revised"),
    ("open", "pending", 7, "PENDING", False, 0, "each_run"),
    ("open", "pending", 0, "PENDING", False, 0, "each_run"),
    ("half", "pending", None, "PENDING", False, 0, "each_run"),
    ("open", "missing", 0, "MISSING", False, 0, "if_revised"),
    ("half", "missing", 0, "MISSING", False, 0, "if_revised"),
    ("open", "missing", 7, "ERROR", False, 0, "each_run"),
    ("closed", "available", 0, "CLOSED", False, 0, "if_calendar_changes"),
    ("closed", "available", None, "CLOSED", False, 0, "if_calendar_changes"),
    ("closed", "degraded", None, "CLOSED", False, 0, "if_calendar_changes"),
    ("closed", "missing", 0, "CLOSED", False, 0, "if_calendar_changes"),
    ("closed", "available", 7, "WRITE", True, 1, "if_revised"),
    ("closed", "degraded", 7, "DEGRADED", True, 2, "if_revised"),
    ("closed", "pending", 0, "CLOSED", False, 0, "once_after_pending"),
    ("closed", "pending", 7, "CLOSED", False, 0, "once_after_pending"),
    ("closed", "missing", 7, "ERROR", False, 0, "each_run"),
    ("disagree", "available", 7, "WRITE", True, 1, "if_revised"),
    ("disagree", "degraded", 7, "DEGRADED", True, 2, "if_revised"),
    ("disagree", "available", 0, "EMPTY", False, 1, "if_calendar_changes"),
    ("disagree", "degraded", 0, "EMPTY", False, 1, "if_calendar_changes"),
    ("disagree", "missing", 0, "EMPTY", False, 1, "if_calendar_changes"),
    ("disagree", "pending", 7, "PENDING", False, 0, "each_run"),
    ("disagree", "pending", None, "PENDING", False, 0, "each_run"),
    ("disagree", "missing", 7, "ERROR", False, 0, "each_run"),
    ("open", None, 7, "WRITE", True, 1, "if_revised"),
    ("half", None, 7, "WRITE", True, 1, "if_revised"),
    ("closed", None, 7, "WRITE", True, 2, "if_revised"),
    ("disagree", None, 7, "WRITE", True, 2, "if_revised"),
    ("closed", None, 0, "CLOSED", False, 0, "if_calendar_changes"),
    ("closed", None, None, "CLOSED", False, 0, "if_calendar_changes"),
    ("open", None, 0, "MISSING", False, 0, "if_revised"),
    ("disagree", None, 0, "MISSING", False, 0, "if_revised"),
]


@pytest.mark.parametrize("row", TABLE, ids=lambda row: "-".join(str(cell) for cell in row[:3]))
def test_l5_outcome_of_calendar_condition_and_count(row: tuple[Any, ...]) -> None:
    calendar, condition, records, outcome, downloads, warnings, ask_again = row
    day = None if condition is None else DayCondition(Condition(condition), date(2025, 9, 4))
    decision = decide(CalendarSays(calendar), day, records, days_to_dataset_end=30)
    assert (decision.outcome, decision.downloads, len(decision.warnings)) == (outcome, downloads, warnings)
    assert decision.ask_again is AskAgain(ask_again)
    assert decision.is_provisional == (calendar == "closed" and condition == "pending")
    assert decision.reason is not None or outcome == "WRITE"


def test_l5_the_table_has_every_combination() -> None:
    wanted = {(calendar, condition) for calendar in CalendarSays for condition in (*Condition, None)}
    assert {(row[0], row[1]) for row in TABLE} == {(str(c), None if k is None else str(k)) for c, k in wanted}


def test_l5_an_unlisted_day_near_the_end_of_the_dataset_is_pending() -> None:
    for days, outcome in ((0, "PENDING"), (2, "PENDING"), (3, "MISSING")):
        assert decide(CalendarSays.OPEN, None, 0, days_to_dataset_end=days).outcome == outcome


def test_l5_a_count_is_asked_for_where_it_decides() -> None:
    pending = DayCondition(Condition.PENDING, None)
    assert not needs_record_count(CalendarSays.OPEN, pending)
    assert needs_record_count(CalendarSays.OPEN, None)
    assert needs_record_count(CalendarSays.DISAGREE, DayCondition(Condition.MISSING, None))
    with pytest.raises(ValueError, match="record count"):
        decide(CalendarSays.OPEN, DayCondition(Condition.AVAILABLE, None), None)


END = datetime(2025, 9, 3, 21, tzinfo=UTC)


@pytest.mark.parametrize(
    ("first", "last", "now", "outcome"),
    [
        (END, END + timedelta(days=9), END + timedelta(days=9), "MISSING"),
        (END - timedelta(days=9), END - timedelta(hours=1), END + timedelta(days=9), "PENDING"),
        (END - timedelta(days=9), END, END + timedelta(hours=23), "PENDING"),
        (END - timedelta(days=9), END, END + timedelta(hours=24), None),
        (END - timedelta(hours=3), END, END + timedelta(days=9), None),
    ],
)
def test_l5_days_outside_the_dataset_and_fresh_ones(
    first: datetime, last: datetime, now: datetime, outcome: str | None
) -> None:
    decision = out_of_range((END - timedelta(hours=7), END), (first, last), now)
    assert (None if decision is None else decision.outcome) == outcome
    assert decision is None or not decision.downloads


def test_l5_real_condition_receipts_are_read(shared_data: Any) -> None:
    import json

    path = shared_data / "databento" / "receipt_xnas-basic_NVDA_cmbp-1_condition.json"
    found = conditions_of(json.loads(path.read_text()))
    assert len(found) == 244
    assert found[date(2025, 12, 15)] == DayCondition(Condition.DEGRADED, date(2025, 12, 16))
    assert found[date(2025, 7, 4)].condition is Condition.AVAILABLE  # a holiday
    assert sum(day.condition is Condition.AVAILABLE for day in found.values()) == 243


def test_l5_a_condition_that_does_not_exist_is_no_answer() -> None:
    with pytest.raises(ValueError, match="splendid"):
        conditions_of([{"date": "2025-09-03", "condition": "splendid", "last_modified_date": None}])
