"""Limits: refused before the first paid call, with the cheapest next step."""

from __future__ import annotations

import shlex
from datetime import UTC, date, datetime

import pytest

from trading_platform.cli.console import EXIT_REFUSED, exit_code_of
from trading_platform.databento.budget import Budget, PlannedDay
from trading_platform.databento.client import outcome_of
from trading_platform.databento.ledger import Totals
from trading_platform.errors import RefusedError
from trading_platform.settings import load_settings

from .shop import Shop, a_query

NOW = datetime(2025, 10, 1, 12, tzinfo=UTC)
PLAN = [PlannedDay("ES", date(2025, 9, day), usd) for day, usd in ((2, 1.2), (3, 0.8), (4, 1.0), (5, 2.0))]


def refused(budget: Budget, plan: list[PlannedDay], totals: Totals | None = None) -> RefusedError:
    with pytest.raises(RefusedError) as raised:
        budget.require(plan, totals or Totals(), "run-1", NOW)
    return raised.value


def test_l6_a_plan_of_five_dollars_with_a_budget_of_one_names_the_cheapest_day() -> None:
    error = refused(Budget(1.0, 100, 100), PLAN)
    assert (error.code, exit_code_of(error), outcome_of(error)) == ("E350", EXIT_REFUSED, "UNAVAIL")
    assert "$5.00 for 4 days, $1.00 are left of the limit per run" in error.what
    assert "1 of 4 days would fit, for $0.80" in error.why
    assert error.next_command == "tp l2 backfill --symbols ES --from 2025-09-03 --to 2025-09-03"


def test_l6_where_no_day_fits_the_next_command_raises_the_limit_just_enough() -> None:
    error = refused(Budget(0.5, 100, 100), PLAN)
    assert shlex.split(error.next_command)[-2:] == ["--max-usd", "0.81"]
    assert Budget(0.81, 100, 100).require(PLAN[1:2], Totals(), "run-1", NOW) is None


def test_l6_next_command_keeps_the_limit_that_a_person_set() -> None:
    asked = Budget.of(load_settings(), 1.0)
    assert refused(asked, PLAN).next_command.endswith("--to 2025-09-03 --max-usd 1")
    assert "--max-usd" not in refused(Budget.of(load_settings(databento_max_usd_per_run=1.0)), PLAN).next_command


@pytest.mark.parametrize(
    ("budget", "name"), [(Budget(9, 5, 9), "day"), (Budget(9, 9, 7), "month"), (Budget(6, 9, 9), "run")]
)
def test_l6_what_was_spent_counts_against_each_limit(budget: Budget, name: str) -> None:
    totals = Totals()
    totals.by_run["run-1"], totals.by_day["2025-10-01"], totals.by_month["2025-10"] = 2.0, 2.0, 2.5
    totals.by_run["other"], totals.by_day["2025-09-30"], totals.by_month["2025-09"] = 99.0, 99.0, 99.0
    assert f"limit per {name}" in refused(budget, PLAN, totals).what


def test_l6_exactly_the_limit_fits_and_free_days_always_do() -> None:
    Budget(5.0, 5.0, 5.0).require(PLAN, Totals(), "run-1", NOW)
    Budget(0.0, 0.0, 0.0).require([PlannedDay("ES", NOW.date(), 0.0)], Totals(), "run-1", NOW)
    Budget(0.0, 0.0, 0.0).require([], Totals(), "run-1", NOW)


@pytest.mark.parametrize("cost", [None, float("nan"), -1.0])
def test_l6_an_unknown_cost_is_e351(cost: float | None) -> None:
    assert refused(Budget(9, 9, 9), [PlannedDay("ES", NOW.date(), cost)]).code == "E351"


def test_l6_over_budget_no_paid_call_is_made_also_between_attempts(shop: Shop) -> None:
    store = shop.store(max_usd=1e-9)
    with pytest.raises(RefusedError) as raised:
        shop.fetch(store)
    assert raised.value.code == "E350"
    assert (shop.server.paid_calls, shop.ledger.calls()) == ([], [])


def test_l6_the_budget_of_the_month_holds_over_runs(shop: Shop) -> None:
    cost = shop.client().preview(a_query()).cost_usd
    limits = {"databento_max_usd_per_month": cost * 1.5}
    shop.fetch(shop.store("run-1", **limits))
    with pytest.raises(RefusedError, match="limit per month"):
        shop.fetch(shop.store("run-2", **limits), a_query(date(2025, 9, 4)))
    assert len(shop.server.paid_calls) == 1


def test_l6_a_plan_makes_no_paid_call(shop: Shop) -> None:
    store = shop.store()
    plan = []
    for day in (2, 3, 4):
        query = a_query(date(2025, 9, day))
        assert not store.cache.has(query, date(2025, 9, day))
        plan.append(PlannedDay("ES", date(2025, 9, day), store.client.preview(query).cost_usd))
    store.require_budget(plan)
    assert shop.server.paid_calls == []
    assert {request.call for request in shop.server.requests} == {
        "metadata.get_record_count",
        "metadata.get_billable_size",
        "metadata.get_cost",
    }
    assert not shop.home.exists()
