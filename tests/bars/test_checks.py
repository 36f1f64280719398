"""Facts and checks: each check passes on good bars and fails on the defect it is there for."""

from __future__ import annotations

from datetime import UTC, date, datetime

import numpy as np
import pytest

from trading_platform.bars.checks import CHECKS, TickTotals, bar_facts, check_facts, session_gaps, trading_spans
from trading_platform.lake import Severity
from trading_platform.sessions import Session

OPENS = datetime(2025, 3, 10, 12, 0, tzinfo=UTC)
OPENS_US = 1_741_608_000_000_000
SESSION = Session(
    trade_date=date(2025, 3, 10),
    calendar="TEST",
    window_start=OPENS,
    window_end=datetime(2025, 3, 10, 14, 0, tzinfo=UTC),
    opens_at=OPENS,
    closes_at=datetime(2025, 3, 10, 14, 0, tzinfo=UTC),
    breaks=((datetime(2025, 3, 10, 13, 0, tzinfo=UTC), datetime(2025, 3, 10, 13, 30, tzinfo=UTC)),),
)
CLOSED = Session(date(2025, 3, 10), "TEST", OPENS, OPENS, None, None)


def good_bars() -> dict[str, np.ndarray]:
    """Return a bar per minute over the trading hours, 2 bought and 1 sold each."""
    minutes = np.concatenate((np.arange(60), np.arange(90, 120)))
    rows = len(minutes)
    price = 100.0 + minutes * 0.25
    whole = {"volume": 3, "buy_volume": 2, "sell_volume": 1, "unknown_volume": 0, "delta": 1, "trades": 3}
    return {
        "ts_open": OPENS_US + minutes * 60_000_000,
        "high": price + 1,
        "low": price - 1,
        **{name: np.full(rows, value, np.int64) for name, value in whole.items()},
    }


def verdicts(bars: dict[str, np.ndarray], **upstream: int) -> dict[str, bool]:
    totals = TickTotals()
    totals.add(np.array([99.0, 100.0, 100.0 + 119 * 0.25 + 1]), np.array([90, 90, 90], np.int32))
    totals.ticks = 270
    facts = bar_facts(bars, totals, {"volume_sum": 270, **upstream}, 60, SESSION)
    return {check.name: check.passed for check in check_facts(facts)}


def test_b1_good_bars_pass_every_check() -> None:
    assert verdicts(good_bars()) == {
        "bar_volume_equals_tick_volume": True,
        "buy_sell_unknown_sum": True,
        "ordered": True,
        "price_range_equals_ticks": True,
        "session_gaps": True,
    }


def test_b1_every_check_is_published_under_its_name() -> None:
    assert list(CHECKS) == list(verdicts(good_bars()))


@pytest.mark.parametrize(
    ("column", "row", "value", "failing"),
    [
        ("volume", 5, 4, {"bar_volume_equals_tick_volume", "buy_sell_unknown_sum"}),
        ("trades", 5, 2, {"bar_volume_equals_tick_volume"}),
        ("sell_volume", 5, 0, {"buy_sell_unknown_sum"}),
        ("delta", 5, 3, {"buy_sell_unknown_sum"}),
        ("ts_open", 5, OPENS_US + 4 * 60_000_000, {"ordered"}),
        ("high", 89, 200.0, {"price_range_equals_ticks"}),
        ("low", 0, 98.75, {"price_range_equals_ticks"}),
    ],
)
def test_b1_a_defect_fails_exactly_its_checks(column: str, row: int, value: float, failing: set[str]) -> None:
    bars = good_bars()
    bars[column][row] = value
    assert {name for name, passed in verdicts(bars).items() if not passed} == failing


def test_b1_a_footer_of_the_ticks_that_disagrees_fails() -> None:
    assert verdicts(good_bars(), volume_sum=271)["bar_volume_equals_tick_volume"] is False
    assert verdicts(good_bars(), buy_volume=90, sell_volume=180)["buy_sell_unknown_sum"] is False
    assert verdicts(good_bars(), buy_volume=180, sell_volume=90)["buy_sell_unknown_sum"] is True


def test_b1_gaps_are_warnings_and_all_else_are_errors() -> None:
    facts = bar_facts(good_bars(), TickTotals(), {}, 60, SESSION)
    severities = {check.name: check.severity for check in check_facts(facts)}
    assert severities.pop("session_gaps") is Severity.WARN
    assert set(severities.values()) == {Severity.ERROR}


def test_b1_a_day_without_ticks_and_bars_has_nothing_to_check() -> None:
    nothing = {name: values[:0] for name, values in good_bars().items()}
    assert check_facts(bar_facts(nothing, TickTotals(), {}, 60, CLOSED)) == ()


def test_b1_ticks_without_bars_fail() -> None:
    nothing = {name: values[:0] for name, values in good_bars().items()}
    assert verdicts(nothing)["bar_volume_equals_tick_volume"] is False


def gaps_of(minutes: list[int], session: Session = SESSION) -> tuple[object, ...]:
    found = session_gaps(OPENS_US + np.array(minutes, np.int64) * 60_000_000, 60, session)
    start = found["gap_longest_from_us"]
    from_minute = None if start is None else (start - OPENS_US) // 60_000_000
    return found["gap_count"], found["gap_seconds"], found["gap_longest_s"], from_minute


def test_b1_gaps_are_counted_inside_the_trading_hours_only() -> None:
    full = [*range(60), *range(90, 120)]
    assert gaps_of(full) == (0, 0, 0, None)
    # Minutes 10 to 14 are missing: exactly five minutes count; four do not.
    assert gaps_of([m for m in full if not 10 <= m < 15]) == (1, 300, 300, 10)
    assert gaps_of([m for m in full if not 10 <= m < 14]) == (0, 0, 0, None)
    # A bar inside the break changes nothing.
    assert gaps_of(sorted([*full, 75])) == (0, 0, 0, None)
    # Late start and early end.
    assert gaps_of([m for m in full if 10 <= m < 100]) == (2, 600 + 1_200, 1_200, 100)
    assert gaps_of([]) == (2, 3_600 + 1_800, 3_600, 0)
    assert gaps_of([0, 5], CLOSED) == (0, 0, 0, None)


def test_b1_trading_spans_leave_out_the_breaks() -> None:
    minute = 60_000_000
    assert trading_spans(SESSION) == [
        (OPENS_US, OPENS_US + 60 * minute),
        (OPENS_US + 90 * minute, OPENS_US + 120 * minute),
    ]
    assert trading_spans(CLOSED) == []


def test_b1_tick_totals_start_without_a_range() -> None:
    totals = TickTotals()
    totals.add(np.empty(0), np.empty(0, np.int32))
    assert totals == TickTotals(0, 0, None, None)
    totals.add(np.array([0.0, -1.0]), np.array([2**30, 2**30], np.int32))
    totals.add(np.array([5.0]), np.array([1], np.int32))
    assert totals == TickTotals(3, 2**31 + 1, -1.0, 5.0)
