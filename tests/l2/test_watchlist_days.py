"""One result for the files of a day that a list names."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from tests.databento.l2_shop import L2Shop
from trading_platform.l2.backfill import make_day
from trading_platform.l2.watchlist_days import WatchlistDays
from trading_platform.lake import Outcome

DAY = date(2025, 9, 3)


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    path = tmp_path / "list.csv"
    path.write_text("ticker,date\nAAPL,2025-09-03\n", encoding="utf-8")
    return path


def test_l4_day_costs_what_the_ledger_says_and_nothing_when_it_is_there(l2_shop: L2Shop, listed: Path) -> None:
    def made(run_id: str) -> tuple[Outcome, float | None, object]:
        result = WatchlistDays(listed, l2_shop.lake, l2_shop.vendor(run_id), l2_shop.clock).make(DAY)
        return result.outcome, result.parts[0].cost_usd, result.details["cost_usd"]

    outcome, cost_usd, total_usd = made("run-1")
    paid = sum(call.billed_usd or 0 for call in l2_shop.server.paid_calls)
    assert (outcome, cost_usd, total_usd) == (Outcome.WRITE, pytest.approx(paid), pytest.approx(paid))
    assert made("run-2") == (Outcome.SKIP, 0.0, 0.0)


def test_l4_what_a_day_cost_is_not_known_while_the_ledger_cannot_be_read(l2_shop: L2Shop, listed: Path) -> None:
    l2_shop.build(DAY, "AAPL")
    l2_shop.ledger.path.write_text('{"line": "nonsense"}\n', encoding="utf-8")
    result = WatchlistDays(listed, l2_shop.lake, l2_shop.vendor(), l2_shop.clock).make(DAY)
    assert (result.outcome, result.details["cost_usd"], result.parts[0].cost_usd) == (Outcome.SKIP, None, None)
    assert make_day("AAPL", DAY, l2_shop.lake, l2_shop.vendor(), l2_shop.clock).cost_usd is None
