"""The decision table, row by row."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from trading_platform.databento.conditions import (
    Condition,
    DayCondition,
    conditions_of,
    decide,
    needs_record_count,
    out_of_range,
)

# condition, records -> outcome, downloads, what the reason tells
TABLE: list[tuple[str | None, int | None, str, bool, str | None]] = [
    ("available", 7, "WRITE", True, None),
    ("available", 0, "EMPTY", False, "wrong symbol, not yet listed, or halted"),
    ("degraded", 7, "DEGRADED", True, "quality of this day is reduced"),
    ("degraded", 0, "EMPTY", False, "its quality is reduced"),
    ("pending", 7, "PENDING", False, "pending (7 records so far)"),
    ("pending", 0, "PENDING", False, "the vendor says pending"),
    ("pending", None, "PENDING", False, "the vendor says pending"),
    ("missing", 0, "MISSING", False, "the vendor says missing"),
    ("missing", 7, "ERROR", False, "contradiction"),
    (None, 7, "WRITE", True, "names no condition for this day but has records"),
    (None, 0, "MISSING", False, "does not list this day"),
]


@pytest.mark.parametrize("row", TABLE, ids=lambda row: "-".join(str(cell) for cell in row[:2]))
def test_l5_outcome_of_condition_and_count(row: tuple[Any, ...]) -> None:
    condition, records, outcome, downloads, reason = row
    day = None if condition is None else DayCondition(Condition(condition), date(2025, 9, 4))
    decision = decide(day, records, days_to_dataset_end=30)
    assert (decision.outcome, decision.downloads) == (outcome, downloads)
    assert (decision.reason is None) if reason is None else (reason in (decision.reason or ""))


def test_l5_the_table_has_every_condition_with_and_without_records() -> None:
    assert {(row[0], bool(row[1])) for row in TABLE} == {
        (None if condition is None else str(condition), has)
        for condition in (*Condition, None)
        for has in (True, False)
    }


def test_l5_an_unlisted_day_near_the_end_of_the_dataset_is_pending() -> None:
    for days, outcome in ((0, "PENDING"), (2, "PENDING"), (3, "MISSING")):
        assert decide(None, 0, days_to_dataset_end=days).outcome == outcome


def test_l5_a_count_is_asked_for_where_it_decides() -> None:
    assert not needs_record_count(DayCondition(Condition.PENDING, None))
    assert needs_record_count(None)
    assert needs_record_count(DayCondition(Condition.MISSING, None))
    for day in (None, DayCondition(Condition.AVAILABLE, None)):
        with pytest.raises(ValueError, match="record count"):
            decide(day, None)


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
