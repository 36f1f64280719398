"""Checks of book measures: each fault fails exactly its check."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from trading_platform.depth.checks import CHECKS, EventTotals, check_facts, inside, metric_facts, silences
from trading_platform.lake import Severity
from trading_platform.sessions import Session

OPENS, CLOSES = 1_773_100_800, 1_773_100_800 + 3_600
BREAK = (OPENS + 600, OPENS + 700)
ROWS = 3_600
TOTALS = EventTotals(events=2 * ROWS, snapshot_rows=ROWS, batches=ROWS)


def utc(second: int) -> datetime:
    return datetime.fromtimestamp(second, UTC)


SESSION = Session(
    trade_date=utc(OPENS).date(),
    calendar="TEST",
    window_start=utc(OPENS - 900),
    window_end=utc(CLOSES),
    opens_at=utc(OPENS),
    closes_at=utc(CLOSES),
    breaks=((utc(BREAK[0]), utc(BREAK[1])),),
)


def good_day() -> dict[str, np.ndarray]:
    second = np.arange(OPENS, CLOSES)
    return {
        "ts": second * 1_000_000,
        "spread": np.full(ROWS, 0.25),
        "updates": np.ones(ROWS, np.int64),
        "snapshot_rows": np.ones(ROWS, np.int64),
        "batches": np.ones(ROWS, np.int64),
        "age_ms": np.full(ROWS, 500.0),
        "in_session": inside(second, SESSION),
    }


def failed(columns: dict[str, np.ndarray], totals: EventTotals = TOTALS, **more: int) -> set[str]:
    facts = {**metric_facts(columns, totals, totals.events, SESSION), "deletes_of_absent": 0, **more}
    return {check.name for check in check_facts(facts, SESSION) if not check.passed}


def test_t6_a_good_day_passes_every_check() -> None:
    facts = {**metric_facts(good_day(), TOTALS, TOTALS.events, SESSION), "deletes_of_absent": 0}
    checks = check_facts(facts, SESSION)
    assert [check.name for check in checks] == list(CHECKS)
    assert all(check.passed for check in checks)
    assert (facts["session_seconds"], facts["session_seconds_known"], facts["locked_seconds_in_session"]) == (
        3_500,
        3_500,
        0,
    )


def test_t6_an_event_that_is_counted_nowhere_fails_the_count() -> None:
    columns = good_day()
    columns["updates"][7] = 0
    assert failed(columns) == {"update_counts_equal_events"}


def test_t6_a_second_that_is_missing_fails_the_count() -> None:
    columns = {name: np.delete(values, 50) for name, values in good_day().items()}
    columns["updates"][0] += 1
    columns["snapshot_rows"][0] += 1
    columns["batches"][0] += 1
    assert failed(columns) == {"update_counts_equal_events"}


def test_t6_a_footer_with_another_number_of_events_fails_the_count() -> None:
    facts = {**metric_facts(good_day(), TOTALS, TOTALS.events + 1, SESSION), "deletes_of_absent": 0}
    assert [check.name for check in check_facts(facts, SESSION) if not check.passed] == ["update_counts_equal_events"]


@pytest.mark.parametrize(("crossed", "fails"), [(70, set()), (71, {"not_crossed_in_session"})])
def test_t6_crossed_seconds_are_tolerated_up_to_two_percent(crossed: int, fails: set[str]) -> None:
    columns = good_day()
    columns["spread"][1_000 : 1_000 + crossed] = -0.25
    assert failed(columns) == fails


def test_t6_crossed_seconds_in_a_break_are_no_fault() -> None:
    columns = good_day()
    columns["spread"][600:700] = -5.0
    assert failed(columns) == set()


def test_t6_a_book_unknown_for_more_than_a_twentieth_is_a_warning() -> None:
    columns = good_day()
    columns["age_ms"][:175] = np.nan
    columns["spread"][:175] = np.nan
    assert failed(columns) == set()
    columns["age_ms"][175] = np.nan
    assert failed(columns) == {"book_known_most_of_session"}


def test_t6_a_silence_of_five_minutes_is_a_warning() -> None:
    columns = good_day()
    columns["batches"][1_000:1_299] = 0
    columns["batches"][0] += 299
    assert failed(columns) == set()
    columns["batches"][1_299] = 0
    columns["batches"][0] += 1
    assert failed(columns) == {"no_long_silence"}


def test_t6_a_thin_market_may_be_silent_for_longer() -> None:
    columns = good_day()
    columns["batches"][:] = 0
    columns["batches"][::350] = 1
    totals = EventTotals(TOTALS.events, TOTALS.snapshot_rows, int(columns["batches"].sum()))
    assert failed(columns, totals) == set()
    columns["batches"][350:1_750] = 0
    totals = EventTotals(TOTALS.events, TOTALS.snapshot_rows, int(columns["batches"].sum()))
    assert failed(columns, totals) == {"no_long_silence"}


def test_t6_silences_count_from_the_opening_to_the_close_and_not_in_breaks() -> None:
    second = np.array([OPENS + 400, OPENS + 599, OPENS + 705])
    assert silences(second, np.array([1, 1, 1]), SESSION) == {
        "max_gap_s": 3_600 - 706,
        "max_gap_from_us": (OPENS + 706) * 1_000_000,
        "long_gaps": 2,
    }


def test_t6_more_than_a_thousandth_of_deletes_without_a_level_is_a_warning() -> None:
    assert failed(good_day(), deletes_of_absent=3) == set()
    assert failed(good_day(), deletes_of_absent=4) == {"deletes_find_their_level"}


def test_t6_only_counts_and_crossing_keep_a_day_out() -> None:
    facts = {**metric_facts(good_day(), TOTALS, TOTALS.events, SESSION), "deletes_of_absent": 0}
    assert [check.name for check in check_facts(facts, SESSION) if check.severity is Severity.ERROR] == [
        "update_counts_equal_events",
        "not_crossed_in_session",
    ]


def test_t6_nothing_is_judged_without_rows_and_events() -> None:
    assert check_facts({}, SESSION) == ()
