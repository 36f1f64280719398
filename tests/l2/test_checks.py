"""What the checks of the level 2 measures say about facts."""

from __future__ import annotations

from typing import Any

import pytest

from trading_platform.l2.checks import CHECKS, check_facts
from trading_platform.lake import Severity

GOOD: dict[str, Any] = {
    "rows": 3_600,
    "seconds": 3_600,
    "volume": 10,
    "trades": 4,
    "updates": 900,
    "session_seconds": 2_000,
    "crossed_seconds": 2,
    "l2_volume": 10,
    "l2_trades": 4,
    "l2_rows": 910,
    "l2_snapshot_rows": 10,
    "price_min": 99.0,
    "value_area_low": 99.5,
    "point_of_control": 100.0,
    "value_area_high": 100.5,
    "price_max": 101.0,
}
READ_BY: dict[str, str] = {
    "rows": "seconds_without_gap",
    "seconds": "seconds_without_gap",
    "volume": "volume_equals_rows",
    "trades": "volume_equals_rows",
    "l2_volume": "volume_equals_rows",
    "l2_trades": "volume_equals_rows",
    "updates": "updates_equal_rows",
    "l2_rows": "updates_equal_rows",
    "l2_snapshot_rows": "updates_equal_rows",
    "session_seconds": "spread_positive",
    "crossed_seconds": "spread_positive",
    "price_min": "value_area_inside",
    "value_area_low": "value_area_inside",
    "point_of_control": "value_area_inside",
    "value_area_high": "value_area_inside",
    "price_max": "value_area_inside",
}


def test_l8_good_day_passes_every_check() -> None:
    results = check_facts(GOOD)
    assert [result.name for result in results] == list(CHECKS)
    assert all(result.passed for result in results)
    assert check_facts({}) == ()


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"rows": 3_599}, "seconds_without_gap"),
        ({"volume": 11}, "volume_equals_rows"),
        ({"trades": 5}, "volume_equals_rows"),
        ({"updates": 901}, "updates_equal_rows"),
        ({"crossed_seconds": 3}, "spread_positive"),
        ({"point_of_control": 102.0}, "value_area_inside"),
        ({"point_of_control": None}, "value_area_inside"),
    ],
)
def test_l8_each_check_fails_alone(changes: dict[str, Any], name: str) -> None:
    assert [result.name for result in check_facts(GOOD | changes) if not result.passed] == [name]


def test_l8_day_without_trades_passes() -> None:
    prices = ("price_min", "value_area_low", "point_of_control", "value_area_high", "price_max")
    quiet = dict.fromkeys(prices) | dict.fromkeys(("volume", "trades", "l2_volume", "l2_trades"), 0)
    assert all(result.passed for result in check_facts(GOOD | quiet))


@pytest.mark.parametrize("name", sorted(GOOD))
def test_l8_absent_fact_fails_exactly_the_check_that_reads_it(name: str) -> None:
    results = check_facts({other: value for other, value in GOOD.items() if other != name})
    assert [result.name for result in results] == list(CHECKS)
    (failed,) = [result for result in results if not result.passed]
    assert (failed.name, failed.description) == (READ_BY[name], f"fact {name} is absent")
    assert failed.severity is (Severity.WARN if failed.name == "spread_positive" else Severity.ERROR)
