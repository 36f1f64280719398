"""Level 2 as assets: bought through the same runs as everything else, and never by accident."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from assets.coverage import series_of
from assets.l2_agreement import summary_of
from assets.run_history import InstanceHistory
from jobs.pools import POOL_LIMITS, apply_pool_limits
from jobs.ranges import TAG_RANGE_END, TAG_RANGE_START, contiguous_chunks
from jobs.selection import select_assets
from tests.databento.l2_shop import serving
from trading_platform.coverage.assemble import Surroundings, make_board
from trading_platform.coverage.states import State
from trading_platform.instruments import load_registry
from trading_platform.l2 import backfill_l2
from trading_platform.l2.agreement import AGREES_WITH_BARS
from trading_platform.lake.building import CheckResult, Outcome, Severity
from trading_platform.sessions import weekdays_between
from trading_platform.simulation.databento import DataBentoStandIn, Fault, FaultKind

from .conftest import FIVE_DAYS, SmallPlatform

KEY = dg.AssetKey(["SPY", "l2"])
DAY = FIVE_DAYS[0]
# A share also has gamma data of its own, from files that cost nothing.
GAMMA = ("gex_snapshots", "gex_strikes", "chain_cboe", "chain", "gex_levels", "gex_profile", "gex_regimes")


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[DataBentoStandIn]:
    with serving(tmp_path, monkeypatch) as running:
        yield running


@pytest.fixture
def shares(platform_of: Callable[..., SmallPlatform]) -> SmallPlatform:
    """Return a platform with one share and no files of its own."""
    return platform_of(days=(), active=("SPY",))


def event(platform: SmallPlatform, day: date = DAY) -> dict[str, Any]:
    wanted = dg.AssetRecordsFilter(asset_key=KEY, asset_partitions=[day.isoformat()])
    record = platform.instance.fetch_materializations(wanted, limit=1).records[0].asset_materialization
    assert record is not None
    return {name: value.value for name, value in record.metadata.items()}


def test_l7_without_a_key_level_2_is_unavailable_and_other_assets_go_on(
    platform_of: Callable[..., SmallPlatform], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DATABENTO_API_KEY", raising=False)
    platform = platform_of(days=FIVE_DAYS[:1])
    reports = platform.backfill("MNQ/ticks", "MNQ/bars_1m", "MNQ/l2", "MNQ/l2_metrics", last=DAY)
    assert reports["MNQ/ticks"].counts()[Outcome.WRITE] == reports["MNQ/bars_1m"].counts()[Outcome.WRITE] == 1
    (failed,) = reports["MNQ/l2"].failures
    assert (failed.outcome, failed.error and failed.error.code) == (Outcome.UNAVAIL, "E330")
    assert len(reports["MNQ/l2_metrics"].blocked) == 1


def test_p2_all_never_means_what_costs_money(shares: SmallPlatform) -> None:
    def chosen(*wanted: str) -> list[str]:
        return [key.to_user_string() for key in select_assets(shares.defs, wanted)]

    gamma = {f"SPY/{dataset}" for dataset in GAMMA}
    assert set(chosen()) == gamma | {"lake/coverage", "lake/sql_views"}
    assert set(chosen("+lake/sql_views")) == gamma | {"lake/sql_views"}
    assert chosen("SPY/l2*") == ["SPY/l2", "SPY/l2_metrics"]
    assert chosen("*/l2", "lake/sql_views") == ["SPY/l2", "watchlist/l2", "lake/sql_views"]
    ingested = shares.defs.resolve_job_def("daily_ingest").asset_layer.selected_asset_keys
    assert {key.to_user_string() for key in ingested} == gamma | {"lake/coverage", "lake/sql_views"}


def test_l2_days_are_bought_once_and_a_second_backfill_asks_nobody(
    shares: SmallPlatform, server: DataBentoStandIn
) -> None:
    first = shares.backfill("SPY/l2", "SPY/l2_metrics")
    assert {name: report.counts()[Outcome.WRITE] for name, report in first.items()} == {
        "SPY/l2": 5,
        "SPY/l2_metrics": 5,
    }
    assert set(server.billing.values()) == {1}
    asked = len(server.requests)
    runs = shares.instance.get_runs_count()
    second = shares.backfill("SPY/l2", "SPY/l2_metrics")
    assert {report.counts()[Outcome.SKIP] for report in second.values()} == {5}
    assert (len(server.requests), shares.instance.get_runs_count()) == (asked, runs)


def test_l2_event_shows_the_purchase_the_picture_and_the_synthetic_mark(
    shares: SmallPlatform, server: DataBentoStandIn
) -> None:
    server.faults += [
        Fault(FaultKind.CONDITION, day=DAY, value="degraded"),
        Fault(FaultKind.DEGRADED, day=DAY),
    ]
    shares.backfill("SPY/l2", last=DAY)
    found = event(shares)
    assert (found["outcome"], found["complete"]) == ("DEGRADED", True)
    assert "reduced" in found["reason"]
    assert "SYNTHETIC" in found["synthetic"]
    assert found["source"]["cost_usd"] == pytest.approx(server.paid_calls[0].billed_usd)
    assert "reduced quality" in found["source"]["files"][0]["warnings"][0]
    assert found["price_and_volume"].startswith("![SPY l2 2025-03-10](data:image/svg+xml,")
    assert found["facts"]["condition"] == "degraded"
    assert len(json.dumps({name: repr(value) for name, value in found.items()})) <= 16 * 1024


def compared(description: str, **values: int) -> CheckResult:
    return CheckResult(AGREES_WITH_BARS, True, Severity.WARN, description, values)


@pytest.mark.parametrize(
    ("results", "text"),
    [
        ([], "nothing to compare: no day is stored"),
        (
            [compared("not compared: no ticks are stored"), compared("not compared: l2 has no rows")]
            + [compared("not compared: no ticks are stored")] * 3,
            "nothing to compare on 5 stored days, for 4 of them: no ticks are stored",
        ),
        (
            [compared("not compared: l2 has no rows"), compared("same", minutes=3)],
            "1 of 2 stored days could be compared; all agree",
        ),
        ([compared("not compared: no ticks are stored")], f"{DAY}: not compared: no ticks are stored"),
    ],
)
def test_l8_comparison_of_days_that_cannot_be_compared_does_not_say_that_they_agree(
    results: list[CheckResult], text: str
) -> None:
    told = summary_of(dict(zip(FIVE_DAYS, results, strict=False)))
    assert (told.passed, told.description) == (True, text)


def test_l2_backfill_of_the_web_ui_over_the_budget_pays_nothing(
    shares: SmallPlatform, server: DataBentoStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dagster cuts the range into runs without the command in between: the asset looks at all days before the first is bought."""
    monkeypatch.setenv("TP_DATABENTO_MAX_USD_PER_RUN", "0.01")
    job = shares.defs.resolve_implicit_global_asset_job_def().get_subset(asset_selection={KEY})
    policy = shares.defs.resolve_asset_graph().get(KEY).backfill_policy
    assert policy is not None
    assert policy.max_partitions_per_run is not None
    days = weekdays_between(date(2025, 3, 10), date(2025, 3, 21))
    for run in contiguous_chunks(days, policy.max_partitions_per_run):
        tags = {TAG_RANGE_START: run[0].isoformat(), TAG_RANGE_END: run[-1].isoformat()}
        done = job.execute_in_process(instance=shares.instance, raise_on_error=False, tags=tags)
        assert not done.success
    assert server.paid_calls == []
    assert shares.instance.get_materialized_partitions(KEY) == set()
    observed = shares.instance.fetch_observations(KEY, limit=20).records
    assert len(observed) == len(days) == 10
    assert all(
        "E350" in str(one.asset_observation.metadata["error"].value) for one in observed if one.asset_observation
    )
    monkeypatch.setenv("TP_DATABENTO_MAX_USD_PER_RUN", "5")
    assert shares.backfill("SPY/l2")["SPY/l2"].counts()[Outcome.WRITE] == 5


def test_l5_day_made_by_a_program_is_taken_up_without_paying(shares: SmallPlatform, server: DataBentoStandIn) -> None:
    made = backfill_l2("SPY", DAY, home=shares.home)
    assert (made.status, made.rows, made.synthetic) == ("WRITE", shares.lake.read("l2", "SPY", DAY).height, True)
    assert made.path == shares.lake.path("l2", "SPY", DAY)
    assert made.sha256 == shares.hashes()[str(made.path.relative_to(shares.home.lake_dir))]
    assert made.cost_usd == pytest.approx(server.paid_calls[0].billed_usd)
    again = backfill_l2("spy", DAY, home=shares.home)
    assert again.symbol == "SPY"
    assert (again.status, again.cost_usd, again.sha256, again.raw_sha256) == ("SKIP", 0, made.sha256, made.raw_sha256)
    assert again.as_dict()["date"] == "2025-03-10"
    assert shares.instance.get_materialized_partitions(KEY) == set()
    report = shares.backfill("SPY/l2", last=DAY)["SPY/l2"]
    assert [result.outcome for result in report.results] == [Outcome.SKIP]
    assert shares.instance.get_materialized_partitions(KEY) == {DAY.isoformat()}
    assert event(shares)["source"]["cost_usd"] == pytest.approx(made.cost_usd)
    assert len(server.paid_calls) == 1


def test_l5_program_is_told_why_a_day_failed(shares: SmallPlatform, server: DataBentoStandIn) -> None:
    refused = backfill_l2("AAPL", DAY, home=shares.home, max_usd=0.0)
    assert (refused.status, refused.error, refused.path, refused.cost_usd) == ("UNAVAIL", "E350", None, 0)
    closed = backfill_l2("AAPL", date(2025, 4, 18), home=shares.home)
    assert (closed.status, closed.zero_rows, closed.reason) == ("CLOSED", True, "Good Friday")
    assert server.paid_calls == []


def test_p12_board_shows_what_was_bought_and_what_failed_and_misses_no_day_that_nobody_asked_for(
    shares: SmallPlatform, server: DataBentoStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    shares.backfill("SPY/l2", "SPY/l2_metrics", last=DAY)
    monkeypatch.setenv("TP_DATABENTO_MAX_USD_PER_RUN", "0")
    shares.backfill("SPY/l2", "SPY/l2_metrics", first=FIVE_DAYS[2], last=FIVE_DAYS[2])
    series = series_of(shares.defs.resolve_all_asset_specs(), load_registry(shares.home.instruments_toml))
    rows = [row for row in series if row.dataset not in GAMMA]
    assert [(row.name, row.on_demand) for row in rows] == [("SPY/l2", True), ("SPY/l2_metrics", True)]
    now = datetime(2025, 10, 1, tzinfo=UTC)
    around = Surroundings(
        shares.home.lake_dir, shares.home.coverage_cache_dir, InstanceHistory(shares.instance), now, {}
    )
    known = {row.name: row for row in rows}
    board = make_board(rows, known, date(2025, 3, 3), date(2025, 3, 21), around, from_first=True)
    assert board.counts(0) == {State.MISSING: 1, State.COMPLETE: 1}
    assert board.counts(1) == {State.COMPLETE: 1}
    (refused,) = board.unsettled(0)
    assert (refused.trade_date, refused.reason[:14]) == (FIVE_DAYS[2], "UNAVAIL: E350 ")


def test_p9_pool_of_downloads_has_two_slots_unless_a_person_chose_otherwise() -> None:
    with dg.instance_for_test() as instance:
        storage = instance.event_log_storage
        apply_pool_limits(instance)
        assert storage.get_concurrency_info("databento").limit == POOL_LIMITS["databento"] == 2
        storage.set_concurrency_slots("databento", 1)
        apply_pool_limits(instance)
        assert storage.get_concurrency_info("databento").limit == 1


def test_l8_comparison_with_other_sources_runs_with_every_day(shares: SmallPlatform, server: DataBentoStandIn) -> None:
    shares.backfill("SPY/l2", last=DAY)
    wanted = dg.AssetCheckKey(KEY, AGREES_WITH_BARS)
    told, *_ = shares.instance.event_log_storage.get_asset_check_execution_history(wanted, limit=5)
    assert told.event is not None
    evaluation = told.event.asset_check_evaluation
    assert evaluation is not None
    assert evaluation.passed
    assert f"{DAY}: not compared: no bars of the vendor are imported" in (evaluation.description or "")
    checked = {key.to_user_string() for checks in shares.defs.asset_checks or [] for key in checks.check_keys}
    assert "SPY/l2:agrees_with_ticks" not in checked
