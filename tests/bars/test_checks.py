"""Facts and checks: each check passes on good bars and fails on the defect it is there for."""

from __future__ import annotations

from datetime import UTC, date, datetime

import numpy as np
import pytest

from trading_platform.bars.checks import (
    CHECKS,
    TickTotals,
    bar_facts,
    check_facts,
    price_jumps,
    session_gaps,
)
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
    price = 100.0 + np.arange(rows) * 0.25
    whole = {"volume": 3, "buy_volume": 2, "sell_volume": 1, "unknown_volume": 0, "delta": 1, "trades": 3}
    return {
        "ts_open": OPENS_US + minutes * 60_000_000,
        "open": price - 0.25,
        "high": price + 1,
        "low": price - 1,
        "close": price,
        "bid_close": np.where(minutes % 7 == 3, np.nan, price - 0.25),
        "ask_close": price + 0.25,
        **{name: np.full(rows, value, np.int64) for name, value in whole.items()},
    }


def verdicts(bars: dict[str, np.ndarray], **upstream: int) -> dict[str, bool]:
    totals = TickTotals()
    totals.add(np.array([99.0, 100.0, 100.0 + 89 * 0.25 + 1]), np.array([90, 90, 90], np.int32))
    totals.ticks = 270
    facts = bar_facts(bars, totals, {"volume_sum": 270, **upstream}, 60, SESSION)
    return {check.name: check.passed for check in check_facts(facts, SESSION)}


def test_b1_good_bars_pass_every_check() -> None:
    assert verdicts(good_bars()) == {
        "bar_volume_equals_tick_volume": True,
        "buy_sell_unknown_sum": True,
        "ordered": True,
        "price_range_equals_ticks": True,
        "session_gaps": True,
        "price_jumps": True,
        "crossed_quotes": True,
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
        ("open", 5, 103.0, {"price_jumps"}),
        ("close", 5, 103.5, {"price_jumps"}),
        ("bid_close", 5, 101.75, {"crossed_quotes"}),
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


def test_b1_what_a_market_can_do_is_a_warning_and_all_else_an_error() -> None:
    facts = bar_facts(good_bars(), TickTotals(), {}, 60, SESSION)
    severities = {check.name: check.severity for check in check_facts(facts, SESSION)}
    warnings = {severities.pop(name) for name in ("session_gaps", "price_jumps", "crossed_quotes")}
    assert warnings == {Severity.WARN}
    assert set(severities.values()) == {Severity.ERROR}


def test_m5_silence_is_judged_by_how_much_trades() -> None:
    """90 minutes of trading with a hole of 10: at 1,080 trades the limit is 500 s, at 540 it is 1,000 s; a quarter of the day at most."""
    bars = {name: np.delete(values, range(20, 30)) for name, values in good_bars().items()}
    facts = bar_facts(bars, TickTotals(), {}, 60, SESSION)
    assert facts["gap_longest_s"] == 600
    for ticks, limit_s, passed in ((1_080, 500, False), (900, 600, False), (540, 1_000, True), (1, 1_350, True)):
        silence = next(c for c in check_facts({**facts, "ticks": ticks}, SESSION) if c.name == "session_gaps")
        assert (silence.values["limit_s"], silence.passed) == (limit_s, passed)


def test_m5_jump_is_measured_from_a_close_to_the_next_open() -> None:
    columns = {
        "ts_open": np.array([7, 8, 9]),
        "open": np.array([100.0, 101.0, 99.0]),
        "close": np.array([100.0, 100.5, 90.0]),
    }
    assert price_jumps(columns) == {"largest_jump": 1.5, "jump_at_us": 9}
    still = {name: values[:2] for name, values in columns.items()} | {"open": np.array([1.0, 100.0])}
    assert price_jumps(still) == {"largest_jump": 0.0, "jump_at_us": None}
    one = {name: values[:1] for name, values in columns.items()}
    assert price_jumps(one) == {"largest_jump": None, "jump_at_us": None}


def test_m5_jump_near_zero_is_judged_by_the_largest_price_of_the_day() -> None:
    """CL on 2020-04-20 went through zero: a step of 0.05 there is nothing, although it is twice the price."""
    facts = {**bar_facts(good_bars(), TickTotals(), {}, 60, SESSION), "low": -37.63, "high": 17.85}
    for jump, passed in ((0.05, True), (0.37, True), (0.38, False)):
        found = next(c for c in check_facts({**facts, "largest_jump": jump}, SESSION) if c.name == "price_jumps")
        assert found.passed is passed


def test_b1_a_day_without_ticks_and_bars_has_nothing_to_check() -> None:
    nothing = {name: values[:0] for name, values in good_bars().items()}
    assert check_facts(bar_facts(nothing, TickTotals(), {}, 60, CLOSED), CLOSED) == ()


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


def test_b1_tick_totals_start_without_a_range() -> None:
    totals = TickTotals()
    totals.add(np.empty(0), np.empty(0, np.int32))
    assert totals == TickTotals(0, 0, None, None)
    totals.add(np.array([0.0, -1.0]), np.array([2**30, 2**30], np.int32))
    totals.add(np.array([5.0]), np.array([1], np.int32))
    assert totals == TickTotals(3, 2**31 + 1, -1.0, 5.0)
