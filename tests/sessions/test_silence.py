"""How long a market may be silent before it says something about the data (M5)."""

from __future__ import annotations

from datetime import date

import pytest

from trading_platform.sessions import calendar_for, silence_limit_s

CME = calendar_for("CME_EQUITY")


@pytest.mark.parametrize(
    ("trades", "limit_s"),
    [(0, 20_700.0), (400, 20_700.0), (600, 13_800.0), (10_000, 828.0), (27_600, 300.0), (1_000_000, 300.0)],
)
def test_m5_limit_is_a_hundred_mean_intervals_within_bounds(trades: int, limit_s: float) -> None:
    """82,800 s: a hundred mean intervals of 600 trades are 13,800 s; a quarter of the session are 20,700 s."""
    assert silence_limit_s(CME.session(date(2025, 3, 10)), trades, at_least_s=300.0) == limit_s


def test_m5_least_limit_holds_for_a_short_session_too() -> None:
    assert silence_limit_s(CME.session(date(2025, 12, 25)), 10, at_least_s=1_800.0) == 1_800.0
