"""One day, one state: every rule, and which one wins (P12)."""

from __future__ import annotations

import pytest

from trading_platform.coverage.files import OUTCOMES
from trading_platform.coverage.judge import EventFacts, FileFacts, SessionFacts, judge_day
from trading_platform.coverage.states import CODE_OF, GRAVITY, LOOKS, State
from trading_platform.lake.building import Outcome

TRADED = SessionFacts(is_open=True, is_over=True)
TRADING = SessionFacts(is_open=True, is_over=False)
HOLIDAY = SessionFacts(is_open=False, is_over=True, reason="Good Friday")
MADE = EventFacts(materialized=True, is_complete=True)
EARLY = EventFacts(materialized=True, is_complete=False)
FAILED = EventFacts(failure="ERROR: E403 checks failed")
FAILED_LATER = EventFacts(materialized=True, is_complete=True, failure="ERROR: E403 checks failed")
PENDING = EventFacts(failure="PENDING: E213 nothing is recorded yet")
NOTHING = EventFacts()
STORED = FileFacts()


@pytest.mark.parametrize(
    ("session", "file", "events", "expected"),
    [
        (TRADED, STORED, MADE, State.COMPLETE),
        (TRADED, FileFacts(outcome="EMPTY", remark="nothing"), MADE, State.EMPTY),
        (HOLIDAY, FileFacts(outcome="CLOSED"), MADE, State.CLOSED),
        (TRADED, FileFacts(outcome="DEGRADED"), MADE, State.DEGRADED),
        (TRADED, FileFacts(rejected_rows=3), MADE, State.QUARANTINED),
        (TRADED, FileFacts(outcome="DEGRADED", rejected_rows=3), MADE, State.DEGRADED),
        (TRADING, FileFacts(rejected_rows=3), EARLY, State.PARTIAL),
        (TRADED, FileFacts(changes="MNQ/ticks was built again"), EARLY, State.STALE),
        (TRADED, STORED, NOTHING, State.STALE),
        (TRADED, FileFacts(changes="x"), FAILED_LATER, State.REFRESH_FAILED),
        (TRADED, FileFacts(damage="E505"), FAILED_LATER, State.MISSING),
        (TRADED, None, FAILED, State.MISSING),
        (TRADING, None, FAILED, State.MISSING),
        (TRADING, None, PENDING, State.NOT_DUE),
        (TRADED, None, PENDING, State.MISSING),
        (TRADED, None, MADE, State.MISSING),
        (HOLIDAY, None, MADE, State.MISSING),
        (HOLIDAY, None, NOTHING, State.CLOSED),
        (TRADED, None, NOTHING, State.MISSING),
        (TRADING, None, NOTHING, State.NOT_DUE),
    ],
)
def test_p12_rules_and_their_order(
    session: SessionFacts, file: FileFacts | None, events: EventFacts, expected: State
) -> None:
    assert judge_day(session, file, events, is_expected=True).state is expected


def test_p12_days_before_the_first_one_are_not_expected_unless_something_happened() -> None:
    assert judge_day(TRADED, None, NOTHING, is_expected=False).state is State.NOT_EXPECTED
    assert judge_day(HOLIDAY, None, NOTHING, is_expected=False).state is State.NOT_EXPECTED
    assert judge_day(TRADED, None, FAILED, is_expected=False).state is State.MISSING
    assert judge_day(TRADED, STORED, MADE, is_expected=False).state is State.COMPLETE


def test_p12_reasons_name_the_cause() -> None:
    assert judge_day(TRADED, None, FAILED, is_expected=True).reason == "ERROR: E403 checks failed"
    assert judge_day(TRADED, STORED, FAILED_LATER, is_expected=True).reason.startswith("refresh failed, old data kept")
    assert judge_day(HOLIDAY, None, NOTHING, is_expected=True).reason == "Good Friday"
    refused = FileFacts(rejected_rows=1_200, remark="1,200 zero_volume")
    assert judge_day(TRADED, refused, MADE, is_expected=True).reason == "1,200 records refused: 1,200 zero_volume"


def test_p12_every_state_has_a_place_a_letter_and_a_colour() -> None:
    assert set(GRAVITY) == set(State) == set(LOOKS)
    assert len(GRAVITY) == len(CODE_OF)
    letters, colours = [look.letter for look in LOOKS.values()], [look.colour for look in LOOKS.values()]
    assert len(set(letters)) == len(letters)
    assert len(set(colours)) == len(colours)
    assert [state for state in GRAVITY if state.needs_work] == [State.STALE, State.REFRESH_FAILED, State.MISSING]


def test_p12_stored_outcomes_are_those_of_the_lake() -> None:
    stored = {Outcome.WRITE, Outcome.EMPTY, Outcome.CLOSED, Outcome.DEGRADED}
    assert set(OUTCOMES[1:]) == {outcome.value for outcome in stored}
