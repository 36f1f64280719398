"""What the checks of level 2 say about facts."""

from __future__ import annotations

from typing import Any

import pytest

from trading_platform.databento.checks import CHECKS, check_l2
from trading_platform.lake import Severity

GOOD: dict[str, Any] = {
    "rows": 20_000,
    "source_records": 20_010,
    "vendor_records": 20_010,
    "rejected_records": 1,
    "other_day_records": 4,
    "other_instrument_records": 5,
    "judged_rows": 1_000,
    "crossed_rows": 0,
    "locked_rows": 0,
    "disordered_rows": 0,
    "sequence_decreases": 0,
    "sequence_step_max": 900,
    "volume": 10,
    "vwap": 100.5,
    "price_min": 100.5,
    "price_max": 100.5,
    "bad_ts_recv_rows": 0,
    "maybe_bad_book_rows": 0,
    "uncovered_s": 0,
}
READ_BY: dict[str, set[str]] = {
    "rows": {"record_count", "rejects_below_limit"},
    "source_records": {"record_count"},
    "vendor_records": {"record_count"},
    "rejected_records": {"record_count", "rejects_below_limit"},
    "other_day_records": {"record_count"},
    "other_instrument_records": {"record_count"},
    "judged_rows": {"books_uncrossed", "levels_ordered"},
    "crossed_rows": {"books_uncrossed"},
    "locked_rows": {"books_uncrossed"},
    "disordered_rows": {"levels_ordered"},
    "sequence_decreases": {"sequence_order"},
    "sequence_step_max": {"sequence_order"},
    "volume": {"trade_prices"},
    "vwap": {"trade_prices"},
    "price_min": {"trade_prices"},
    "price_max": {"trade_prices"},
    "bad_ts_recv_rows": {"vendor_flags"},
    "maybe_bad_book_rows": {"vendor_flags"},
    "uncovered_s": {"window_covered"},
}


def test_l5_good_day_passes_every_check() -> None:
    results = check_l2(GOOD)
    assert [result.name for result in results] == list(CHECKS)
    assert all(result.passed for result in results)
    assert check_l2({}) == ()


@pytest.mark.parametrize(
    ("changes", "name", "severity"),
    [
        ({"vendor_records": 20_011}, "record_count", Severity.ERROR),
        ({"rows": 19_999}, "record_count", Severity.ERROR),
        (
            {"rejected_records": 5, "source_records": 20_014, "vendor_records": None},
            "rejects_below_limit",
            Severity.ERROR,
        ),
        ({"crossed_rows": 4, "locked_rows": 6}, "books_uncrossed", Severity.WARN),
        ({"crossed_rows": 11}, "books_uncrossed", Severity.ERROR),
        ({"disordered_rows": 1}, "levels_ordered", Severity.ERROR),
        ({"sequence_decreases": 1}, "sequence_order", Severity.WARN),
        ({"vwap": 100.51}, "trade_prices", Severity.ERROR),
        ({"vwap": None}, "trade_prices", Severity.ERROR),
        ({"maybe_bad_book_rows": 1}, "vendor_flags", Severity.WARN),
        ({"bad_ts_recv_rows": 1}, "vendor_flags", Severity.WARN),
        ({"uncovered_s": 1}, "window_covered", Severity.WARN),
    ],
)
def test_l5_each_check_fails_alone(changes: dict[str, Any], name: str, severity: Severity) -> None:
    failed = [result for result in check_l2(GOOD | changes) if not result.passed]
    assert [(result.name, result.severity) for result in failed] == [(name, severity)]


def test_l5_day_without_trades_and_without_a_known_count_passes() -> None:
    quiet = {"vendor_records": None, "volume": 0, "vwap": None, "price_min": None, "price_max": None}
    assert all(result.passed for result in check_l2(GOOD | quiet))


@pytest.mark.parametrize("name", sorted(GOOD))
def test_l5_absent_fact_fails_exactly_the_checks_that_read_it(name: str) -> None:
    results = check_l2({other: value for other, value in GOOD.items() if other != name})
    assert [result.name for result in results] == list(CHECKS)
    failed = {result.name: result for result in results if not result.passed}
    assert failed.keys() == READ_BY[name]
    assert {result.description for result in failed.values()} == {f"fact {name} is absent"}
    warnings = {"sequence_order", "vendor_flags", "window_covered"}
    assert {check for check, result in failed.items() if result.severity is Severity.WARN} == warnings & READ_BY[name]


@pytest.mark.parametrize("name", ["rows", "source_records", "judged_rows", "volume", "uncovered_s"])
def test_l5_count_that_is_null_is_as_good_as_absent(name: str) -> None:
    failed = {result.name for result in check_l2(GOOD | {name: None}) if not result.passed}
    assert failed == READ_BY[name]
