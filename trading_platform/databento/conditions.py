"""What becomes of a day: calendar, the vendor's condition and its record count, taken together.

Belongs here: the decision table. Does not belong here: asking (``client.py``), storing.

None of the three is an oracle: the vendor calls holidays available, calendars disagree with each other, and a count of zero may be a wrong
symbol. They are asked in this order, the free and local ones first: calendar, range of the dataset, condition, record count.
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


class CalendarSays(StrEnum):
    """What our calendars say of a day."""

    OPEN = "open"
    HALF = "half"
    CLOSED = "closed"
    DISAGREE = "disagree"


class Condition(StrEnum):
    """What the vendor says of a day."""

    AVAILABLE = "available"
    DEGRADED = "degraded"
    PENDING = "pending"
    MISSING = "missing"


class AskAgain(StrEnum):
    """When a day is asked for again by itself."""

    IF_FORCED = "if_forced"
    IF_REVISED = "if_revised"  # last_modified_date moved, or forced
    EACH_RUN = "each_run"
    IF_CALENDAR_CHANGES = "if_calendar_changes"
    ONCE_AFTER_PENDING = "once_after_pending"


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
        outcome: ``WRITE``, ``DEGRADED``, ``EMPTY``, ``CLOSED``, ``PENDING``, ``MISSING`` or ``ERROR``; WRITE and DEGRADED after the data
            are verified.
        downloads: the data are wanted, so a paid call follows.
        reason: why; None for an ordinary WRITE.
        warnings: what a person should look at.
        ask_again: when the day is asked for again.
        is_provisional: CLOSED while the vendor has not said its last word.
    """

    outcome: str
    downloads: bool
    reason: str | None
    warnings: tuple[str, ...]
    ask_again: AskAgain
    is_provisional: bool = False


def needs_record_count(calendar: CalendarSays, day: DayCondition | None) -> bool:
    """Tell whether the record count can change the decision; it is not asked for otherwise."""
    return day is None or day.condition is not Condition.PENDING or calendar is CalendarSays.CLOSED


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
        reason = f"before the dataset begins on {dataset[0]:%Y-%m-%d}"
        return Decision("MISSING", False, reason, (), AskAgain.IF_FORCED)
    if window[1] > dataset[1]:
        reason = f"the dataset ends {dataset[1]:%Y-%m-%d %H:%M} UTC, the session {window[1]:%Y-%m-%d %H:%M} UTC"
        return Decision("PENDING", False, reason, (), AskAgain.EACH_RUN)
    if now - window[1] < LICENSED_AGE:
        reason = "the session ended less than 24 hours ago, such data need a live licence"
        return Decision("PENDING", False, reason, (), AskAgain.EACH_RUN)
    return None


def decide(
    calendar: CalendarSays, day: DayCondition | None, records: int | None, *, days_to_dataset_end: int | None = None
) -> Decision:
    """Decide what becomes of a day inside the range of its dataset.

    Args:
        calendar: what our calendars say.
        day: what the vendor says; None if the day is not in its answer.
        records: exact count for the window; None if it was not asked for.
        days_to_dataset_end: whole days from the trade date to the end of the dataset; None if not known.

    Raises:
        ValueError: the count is needed and was not asked for.
    """
    if day is None:
        return _absent(calendar, records, days_to_dataset_end)
    if day.condition is Condition.PENDING:
        return _pending(calendar, records)
    if records is None and calendar is CalendarSays.CLOSED:
        return _closed("the calendar has no session")
    count = _needed(records)
    if day.condition is Condition.MISSING:
        return _missing(calendar, count)
    return _usable(calendar, day.condition, count)


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


def _absent(calendar: CalendarSays, records: int | None, days_to_dataset_end: int | None) -> Decision:
    if records is None and calendar is CalendarSays.CLOSED:
        return _closed("the calendar has no session")
    if _needed(records) > 0:
        usable = _usable(calendar, Condition.AVAILABLE, _needed(records))
        text = "the vendor names no condition for this day but has records of it"
        return Decision(usable.outcome, True, usable.reason, (*usable.warnings, text), usable.ask_again)
    if calendar is CalendarSays.CLOSED:
        return _closed("the calendar has no session")
    if days_to_dataset_end is not None and days_to_dataset_end <= RECENT.days:
        return Decision("PENDING", False, "near the end of the dataset and not listed yet", (), AskAgain.EACH_RUN)
    return Decision("MISSING", False, "the vendor does not list this day and has no records", (), AskAgain.IF_REVISED)


def _pending(calendar: CalendarSays, records: int | None) -> Decision:
    if calendar is CalendarSays.CLOSED:
        reason = "the calendar has no session; the vendor's last word is open"
        return Decision("CLOSED", False, reason, (), AskAgain.ONCE_AFTER_PENDING, is_provisional=True)
    reason = "the vendor says pending" + ("" if not records else f" ({records:,} records so far)")
    return Decision("PENDING", False, reason, (), AskAgain.EACH_RUN)


def _missing(calendar: CalendarSays, records: int) -> Decision:
    if records > 0:
        reason = f"contradiction: the vendor says missing and counts {records:,} records"
        return Decision("ERROR", False, reason, (), AskAgain.EACH_RUN)
    if calendar is CalendarSays.CLOSED:
        return _closed("the calendar has no session")
    if calendar is CalendarSays.DISAGREE:
        return _empty_by_dispute()
    return Decision("MISSING", False, "the vendor says missing", (), AskAgain.IF_REVISED)


def _usable(calendar: CalendarSays, condition: Condition, records: int) -> Decision:
    if records == 0:
        return _nothing(calendar, condition)
    warnings: list[str] = []
    if condition is Condition.DEGRADED:
        warnings.append("the vendor says that the quality of this day is reduced")
    if calendar is CalendarSays.CLOSED:
        warnings.append(
            "calendar disagrees: it has no session, but the vendor has records; an override row is proposed"
        )
    if calendar is CalendarSays.DISAGREE:
        warnings.append("calendars disagree on this day; the vendor has records")
    outcome = "DEGRADED" if condition is Condition.DEGRADED else "WRITE"
    return Decision(outcome, True, warnings[0] if warnings else None, tuple(warnings), AskAgain.IF_REVISED)


def _nothing(calendar: CalendarSays, condition: Condition) -> Decision:
    if calendar is CalendarSays.CLOSED:
        return _closed("the calendar has no session")
    if calendar is CalendarSays.DISAGREE:
        return _empty_by_dispute()
    if condition is Condition.DEGRADED:
        text = "open day without a record, and the vendor says that its quality is reduced"
    else:
        text = "open day without a record: wrong symbol, not yet listed, or halted"
    return Decision("EMPTY", False, text, (text,), AskAgain.IF_REVISED)


def _empty_by_dispute() -> Decision:
    text = "calendars disagree on this day and the vendor has no record"
    return Decision("EMPTY", False, text, (text,), AskAgain.IF_CALENDAR_CHANGES)


def _closed(reason: str) -> Decision:
    return Decision("CLOSED", False, reason, (), AskAgain.IF_CALENDAR_CHANGES)


def _needed(records: int | None) -> int:
    if records is None:
        raise ValueError("Expected a record count, was None")
    return records
