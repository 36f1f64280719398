"""The checks of a day as pure functions of its facts."""

from __future__ import annotations

import pytest

from trading_platform.chains.checks import CHECKS, UNION_CHECKS, check_chain, check_union
from trading_platform.lake import Severity

GOOD = {
    "rows": 1_000,
    "source_rows": 1_000,
    "files": 2,
    "refused_files": [],
    "rejected_lines": 0,
    "duplicate_contracts": 0,
    "rows_outside_day": 0,
    "crossed": 0,
    "open_interest_live": 10_000,
    "open_interest_without_iv": 0,
    "blank_cells": {},
    "lowest_spot": 6_400.0,
    "highest_spot": 6_500.0,
    "lacking": {},
    "expiries_off_price": {},
    "spot_deviation": {"a.csv": 0.001, "b.csv": None},
}
BAND = (300.0, 30_000.0)


def test_g2_a_good_day_passes_every_check() -> None:
    assert [check.name for check in check_chain(GOOD)] == list(CHECKS)
    assert [check.name for check in check_union(GOOD)] == list(UNION_CHECKS)
    assert all(check.passed for check in (*check_chain(GOOD), *check_union(GOOD)))
    assert check_chain({}) == check_union({}) == ()


@pytest.mark.parametrize(
    ("name", "facts", "severity"),
    [
        ("rejects_below_limit", {"rejected_lines": 11}, Severity.ERROR),
        ("files_used", {"refused_files": ["a.csv (file_E247)"]}, Severity.WARN),
        ("no_duplicates", {"duplicate_contracts": 1}, Severity.WARN),
        ("tables_whole", {"expiries_off_price": {"a.csv": ["SPXW 2025-09-03, strikes 1000 to 4000"]}}, Severity.WARN),
        (
            "tables_whole",
            {"lacking": {"a.csv": {"contracts": 2, "open_interest": 5, "of_open_interest": 9, "expiries": []}}},
            Severity.WARN,
        ),
        ("spot_in_band", {"lowest_spot": 64.39}, Severity.ERROR),
        ("spot_in_band", {"highest_spot": 64_602_598.0}, Severity.ERROR),
        ("spot_in_band", {"lowest_spot": None, "highest_spot": None}, Severity.ERROR),
        ("spot_agrees_with_quotes", {"spot_deviation": {"a.csv": 0.01, "b.csv": -0.021}}, Severity.WARN),
        ("snapshots_inside_day", {"rows_outside_day": 1}, Severity.ERROR),
        ("quotes_not_crossed", {"crossed": 21}, Severity.WARN),
        ("iv_where_open_interest", {"open_interest_without_iv": 501}, Severity.WARN),
        ("blank_cells", {"blank_cells": {"bid": 1}}, Severity.WARN),
    ],
)
def test_g2_each_check_fails_on_its_own_fact(name: str, facts: dict[str, object], severity: Severity) -> None:
    failed = [check for check in check_chain({**GOOD, **facts}, price_band=BAND) if not check.passed]
    assert [(check.name, check.severity) for check in failed] == [(name, severity)]


@pytest.mark.parametrize(
    "facts",
    [{"rejected_lines": 10}, {"crossed": 20}, {"open_interest_without_iv": 500}, {"blank_cells": {"last": 9}}],
)
def test_g2_exactly_the_limit_passes(facts: dict[str, object]) -> None:
    assert all(check.passed for check in check_chain({**GOOD, **facts}))


def test_g2_lost_rows_fail_the_union() -> None:
    failed = [check for check in check_union({**GOOD, "rows": 999}) if not check.passed]
    assert [(check.name, check.severity) for check in failed] == [("rows_equal_sources", Severity.ERROR)]
