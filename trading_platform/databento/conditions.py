"""What becomes of an open day: the vendor's condition and its record count, taken together.

Belongs here: the decision table. Does not belong here: asking (``client.py``), storing, closed dates: the vendor calls holidays
available, so the calendar decides on them first, and nobody is asked (``l2_builder.py``).

Neither of the two is an oracle: a condition may be revised or absent, and a count of zero may be a wrong symbol. They are asked in this
order: range of the dataset, condition, record count.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any, Final

# Policy, no rule of the vendor: so near to the end of a dataset a day may still come.
RECENT: Final = timedelta(days=2)
# Younger data need a live licence.
LICENSED_AGE: Final = timedelta(hours=24)

DEGRADED: Final = "the vendor says that the quality of this day is reduced"
NOT_LISTED: Final = "the vendor names no condition for this day but has records of it"


class Condition(StrEnum):
    """What the vendor says of a day."""

    AVAILABLE = "available"
    DEGRADED = "degraded"
    PENDING = "pending"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class DayCondition:
    """One entry of the vendor's dataset condition.

    Attributes:
        condition: how good the data are.
        last_modified: date of the last revision; None if the vendor names none.
    """

    condition: Condition
    last_modified: date | None


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of a day.

    Attributes:
        outcome: ``WRITE``, ``DEGRADED``, ``EMPTY``, ``PENDING``, ``MISSING`` or ``ERROR``; WRITE and DEGRADED after the data are verified.
        downloads: the data are wanted, so a paid call follows.
        reason: why, and what a person should look at; None for an ordinary WRITE.
    """

    outcome: str
    downloads: bool
    reason: str | None


def needs_record_count(day: DayCondition | None) -> bool:
    """Tell whether the record count can change the decision; it is not asked for otherwise."""
    return day is None or day.condition is not Condition.PENDING


def out_of_range(
    window: tuple[datetime, datetime], dataset: tuple[datetime, datetime], now: datetime
) -> Decision | None:
    """Decide on a day that the dataset cannot have; None if it can.

    Args:
        window: of the session, end exclusive, aware.
        dataset: range that the vendor names, end exclusive, aware.
        now: aware.
    """
    if window[1] <= dataset[0]:
        return Decision("MISSING", False, f"before the dataset begins on {dataset[0]:%Y-%m-%d}")
    if window[1] > dataset[1]:
        reason = f"the dataset ends {dataset[1]:%Y-%m-%d %H:%M} UTC, the session {window[1]:%Y-%m-%d %H:%M} UTC"
        return Decision("PENDING", False, reason)
    if now - window[1] < LICENSED_AGE:
        return Decision("PENDING", False, "the session ended less than 24 hours ago, such data need a live licence")
    return None


def decide(day: DayCondition | None, records: int | None, *, days_to_dataset_end: int | None = None) -> Decision:
    """Decide what becomes of an open day inside the range of its dataset.

    Args:
        day: what the vendor says; None if the day is not in its answer.
        records: exact count for the window; None if it was not asked for.
        days_to_dataset_end: whole days from the trade date to the end of the dataset; None if not known.

    Raises:
        ValueError: the count is needed and was not asked for.
    """
    if day is not None and day.condition is Condition.PENDING:
        return Decision(
            "PENDING", False, "the vendor says pending" + (f" ({records:,} records so far)" if records else "")
        )
    if records is None:
        raise ValueError("Expected a record count, was None")
    if day is None:
        return _absent(records, days_to_dataset_end)
    if day.condition is Condition.MISSING:
        return _missing(records)
    return _usable(day.condition, records)


def conditions_of(answer: Sequence[Mapping[str, Any]]) -> dict[date, DayCondition]:
    """Read the vendor's list of conditions.

    Raises:
        ValueError: an entry is not one of them; the vendor's answer then counts as none.
    """
    found: dict[date, DayCondition] = {}
    for entry in answer:
        modified = entry.get("last_modified_date")
        found[date.fromisoformat(entry["date"])] = DayCondition(
            Condition(entry["condition"]), None if modified is None else date.fromisoformat(modified[:10])
        )
    return found


def _absent(records: int, days_to_dataset_end: int | None) -> Decision:
    if records > 0:
        return Decision("WRITE", True, NOT_LISTED)
    if days_to_dataset_end is not None and days_to_dataset_end <= RECENT.days:
        return Decision("PENDING", False, "near the end of the dataset and not listed yet")
    return Decision("MISSING", False, "the vendor does not list this day and has no records")


def _missing(records: int) -> Decision:
    if records > 0:
        return Decision("ERROR", False, f"contradiction: the vendor says missing and counts {records:,} records")
    return Decision("MISSING", False, "the vendor says missing")


def _usable(condition: Condition, records: int) -> Decision:
    is_degraded = condition is Condition.DEGRADED
    if records > 0:
        return Decision("DEGRADED", True, DEGRADED) if is_degraded else Decision("WRITE", True, None)
    if is_degraded:
        return Decision("EMPTY", False, "open day without a record, and the vendor says that its quality is reduced")
    return Decision("EMPTY", False, "open day without a record: wrong symbol, not yet listed, or halted")
