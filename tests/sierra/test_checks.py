"""Judging a day of ticks: names, limits, and what a genuine market may do without being refused (P5, M5)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pytest

from trading_platform.lake import CheckResult, Json, LocalLake, Outcome, Severity, build_day
from trading_platform.sessions import Session, calendar_for
from trading_platform.sierra.checks import CHECKS, check_ticks
from trading_platform.sierra.facts import FactCounter, TickChunk
from trading_platform.sierra.prices import PriceRule
from trading_platform.sierra.ticks import TicksBuilder

from .scid_bytes import record, us, write
from .test_ticks import DAYS

SESSION = calendar_for("CME_EQUITY").session(DAYS[0])  # 23 hours: 82,800 s
GOOD: dict[str, Json] = {
    "rows": 100_000,
    "price_min": 6_700.0,
    "price_max": 6_800.0,
    "largest_jump": 2.5,
    "jump_at": "2025-11-03T15:00:00.000000+00:00",
    "largest_gap_s": 120.0,
    "open_gap_s": 1.0,
    "close_gap_s": 1.0,
}


def check_of(name: str, *, session_over: bool = True, **facts: Json) -> CheckResult:
    results = {check.name: check for check in check_ticks({**GOOD, **facts}, SESSION, session_over=session_over)}
    assert list(results) == list(CHECKS)
    return results[name]


def test_p5_every_check_is_published_in_the_order_of_its_results() -> None:
    results = check_ticks(GOOD, SESSION, session_over=True)
    assert [check.name for check in results] == list(CHECKS)
    assert all(check.passed for check in results)
    assert check_ticks({}, SESSION, session_over=True) == ()


@pytest.mark.parametrize(
    ("name", "facts", "severity"),
    [
        ("rejects_below_limit", {"rejected_rows": 11}, Severity.ERROR),
        ("time_order", {"ts_decreased_rows": 1}, Severity.WARN),
        ("time_order", {"ts_decreased_rows": 2, "duplicate_blocks": 1}, Severity.WARN),
        ("duplicate_records", {"duplicate_records": 100, "duplicate_blocks": 1}, Severity.WARN),
        ("duplicate_records", {"duplicate_records": 101, "duplicate_blocks": 1}, Severity.ERROR),
        ("crossed_quotes", {"crossed_rows": 101}, Severity.WARN),
        ("crossed_quotes", {"crossed_rows": 5_001}, Severity.ERROR),
        ("on_tick_grid", {"off_tick_rows": 101}, Severity.ERROR),
        ("inside_trading_hours", {"outside_hours_rows": 1}, Severity.WARN),
        ("price_jumps", {"largest_jump": 68.25}, Severity.WARN),
        ("price_jumps", {"largest_jump": 3_000.0}, Severity.WARN),
        ("session_gaps", {"largest_gap_s": 1_801.0}, Severity.WARN),
        ("session_gaps", {"open_gap_s": 1_801.0}, Severity.WARN),
        ("session_gaps", {"close_gap_s": 1_801.0}, Severity.WARN),
        ("volume_split", {"volume_split_rows": 1_001}, Severity.WARN),
        ("stray_records", {"stray_records": 1}, Severity.WARN),
    ],
)
def test_m5_fact_beyond_its_limit_fails_only_its_check(name: str, facts: dict[str, Json], severity: Severity) -> None:
    results = check_ticks({**GOOD, **facts}, SESSION, session_over=True)
    failed = {check.name: check.severity for check in results if not check.passed}
    if facts.get("duplicate_records"):
        failed.pop("time_order", None)
    assert failed == {name: severity}


@pytest.mark.parametrize(
    ("name", "facts"),
    [
        ("rejects_below_limit", {"rejected_rows": 10}),
        ("time_order", {"ts_decreased_rows": 1, "duplicate_blocks": 1}),
        ("crossed_quotes", {"crossed_rows": 100}),
        ("on_tick_grid", {"off_tick_rows": 100}),
        ("price_jumps", {"largest_jump": 68.0}),
        ("session_gaps", {"largest_gap_s": 1_800.0}),
        ("volume_split", {"volume_split_rows": 1_000}),
    ],
)
def test_m5_fact_at_its_limit_passes(name: str, facts: dict[str, Json]) -> None:
    assert check_of(name, **facts).passed


def test_m5_silence_is_judged_by_how_much_trades() -> None:
    """A thousand trades of a session of 82,800 s may be silent for 100 x 82.8 s, a hundred for a quarter of the session."""
    for rows, limit_s in ((100_000, 1_800.0), (4_600, 1_800.0), (1_000, 8_280.0), (100, 20_700.0), (0, 20_700.0)):
        silence = check_of("session_gaps", rows=rows, largest_gap_s=limit_s)
        assert silence.values["limit_s"] == limit_s
        assert silence.passed is (rows > 0)
        assert not check_of("session_gaps", rows=rows, largest_gap_s=limit_s + 1).passed


def test_m5_close_says_nothing_while_the_session_runs() -> None:
    assert check_of("session_gaps", session_over=False, close_gap_s=40_000.0).passed
    assert not check_of("session_gaps", session_over=True, close_gap_s=40_000.0).passed


def test_m5_jump_near_zero_is_judged_by_the_largest_price_of_the_day() -> None:
    """CL on 2020-04-20 went through zero: a step of 0.05 there is nothing, although it is twice the price."""
    facts = {"price_min": -37.63, "price_max": 17.85}
    assert check_of("price_jumps", **facts, largest_jump=0.05).passed
    assert check_of("price_jumps", **facts, largest_jump=0.37).values["largest_jump_frac"] == pytest.approx(
        0.37 / 37.63
    )
    assert not check_of("price_jumps", **facts, largest_jump=0.38).passed


def chunk(seconds: list[int], prices: list[float]) -> TickChunk:
    rows = len(seconds)
    zeros = np.zeros(rows, np.uint8)
    ts = us("2025-11-03T15:00:00") + np.array(seconds, np.int64) * 1_000_000
    one = np.ones(rows, np.int32)
    return TickChunk(ts, np.array(prices), one, np.ones(rows, np.int8), zeros, zeros, None, None)


@pytest.mark.parametrize("cuts", [[5], [1, 1, 1, 1, 1], [2, 3], [3, 2], [4, 1]])
def test_m5_largest_jump_does_not_depend_on_the_chunks(cuts: list[int]) -> None:
    seconds, prices = [0, 1, 2, 3, 4], [100.0, 101.25, 101.0, 98.5, 100.0]
    counter = FactCounter(SESSION, PriceRule(1.0, 0.25, (50.0, 200.0), allows_negative=False), "tp config")
    at = 0
    for size in cuts:
        counter.add(chunk(seconds[at : at + size], prices[at : at + size]))
        at += size
    facts = counter.facts()
    assert (facts["largest_jump"], facts["jump_at"]) == (2.5, "2025-11-03T15:00:03.000000+00:00")


def test_m5_day_without_a_step_has_a_jump_of_zero() -> None:
    counter = FactCounter(SESSION, PriceRule(1.0, 0.1, (50.0, 200.0), allows_negative=False), "tp config")
    assert counter.facts()["largest_jump"] is None
    counter.add(chunk([0, 1], [100.1, 100.1]))
    assert (counter.facts()["largest_jump"], counter.facts()["jump_at"]) == (0.0, None)
    counter.add(chunk([2], [100.4]))
    assert counter.facts()["largest_jump"] == 0.3  # whole ticks: not 0.30000000000001137


def severe(results: tuple[CheckResult, ...]) -> set[str]:
    return {check.name for check in results if not check.passed and check.severity is Severity.ERROR}


def failed(results: tuple[CheckResult, ...]) -> set[str]:
    return {check.name for check in results if not check.passed}


def test_m5_flash_crash_is_stored(make_builder: Callable[..., TicksBuilder], sierra_dir: Path, lake: LocalLake) -> None:
    """Prices fall by 9 % in minutes, one trade prints 3 % lower than the one before, and most of it comes back."""
    begin = us(f"{DAYS[0]}T14:30:00")
    path = np.concatenate((np.linspace(6800, 6400, 500), np.linspace(6200, 6650, 1_500), np.full(1_000, 6650.0)))
    prices = np.rint(path * 4) / 4
    rows = [record(begin + i * 6_000_000, float(price), bid=price - 0.25, ask=price) for i, price in enumerate(prices)]
    write(sierra_dir / "ESZ25.scid", rows)
    result = build_day(make_builder(), DAYS[0], lake)
    assert result.outcome is Outcome.WRITE
    assert failed(result.checks) == {"price_jumps", "session_gaps"}
    assert severe(result.checks) == set()
    assert result.facts["largest_jump"] == 200.0


def test_m5_negative_oil_is_stored(
    make_builder: Callable[..., TicksBuilder], sierra_dir: Path, lake: LocalLake
) -> None:
    """CL on 2020-04-20 from 18 to -37.63, in steps of up to 0.5 where the book was thin."""
    begin = us("2020-04-20T12:00:00")
    path = np.concatenate((np.linspace(17.85, 0.01, 1_500), np.linspace(0.0, -37.63, 120)[1:], np.full(500, -37.63)))
    prices = np.rint(path * 100) / 100
    prices = prices[prices != 0]
    rows = [
        record(begin + i * 8_000_000, float(price), bid=float(price) - 0.01, ask=float(price))
        for i, price in enumerate(prices)
    ]
    write(sierra_dir / "CLM20.scid", rows)
    result = build_day(make_builder("CL"), date(2020, 4, 20), lake)
    assert result.error is None
    assert result.outcome is Outcome.WRITE
    assert severe(result.checks) == set()
    assert (result.facts["price_min"], result.facts["price_max"]) == (-37.63, 17.85)


def test_m5_limit_down_day_without_a_trade_for_minutes_is_stored() -> None:
    """Locked at the limit: 14 minutes of silence and a step of 4 % at the reopening are warnings at most."""
    results = check_ticks(
        {**GOOD, "largest_gap_s": 840.0, "largest_jump": 270.0, "crossed_rows": 50}, SESSION, session_over=True
    )
    assert failed(results) == {"price_jumps"}
    assert severe(results) == set()


def test_m5_closed_date_has_no_silence() -> None:
    start = datetime(2025, 12, 25, tzinfo=UTC)
    closed = Session(date(2025, 12, 25), "CME_EQUITY", start, start, None, None)
    silence = {c.name: c for c in check_ticks(GOOD, closed, session_over=True)}["session_gaps"]
    assert silence.values["limit_s"] == 1_800.0
