"""The web UI's backfill, the command line and ``dagster.materialize`` make the same bytes, in any time zone (P3, P11).

Uses private modules of Dagster to drive the backfill daemon's tick by hand; they are pinned with ``dagster~=1.13`` and
used in this file only.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.test_utils import create_test_daemon_workspace_context
from dagster._core.workspace.load_target import ModuleTarget
from dagster._daemon.backfill import execute_backfill_iteration
from dagster_graphql.test.utils import execute_dagster_graphql

from assets import keys
from trading_platform.home import Home

from .conftest import FIVE_DAYS, lake_hashes, make_home
from .test_backfill import BAD_DAY, destroy

LAUNCH = """mutation Launch($p: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $p) { __typename
  ... on LaunchBackfillSuccess { backfillId } ... on PartitionKeysNotFoundError { message } ... on PythonError { message stack } } }"""
AGAIN = """mutation Again($p: ReexecutionParams!) { reexecutePartitionBackfill(reexecutionParams: $p) { __typename
  ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } } }"""
STATE = """query State($b: String!) { partitionBackfillOrError(backfillId: $b) { ... on PartitionBackfill { status numPartitions } } }"""
DATASETS = ("ticks", "bars_1s", "bars_1m", "depth_events", "depth_metrics")
FROM_TICKS = DATASETS[:3]
DAYS = [day.isoformat() for day in FIVE_DAYS]


class WebBackfill:
    """The web UI's side of a backfill: GraphQL against the real schema, daemon ticks by hand."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self._instance = instance

    def launch(self, symbol: str) -> tuple[str, str]:
        selection = [{"path": [symbol, dataset]} for dataset in DATASETS]
        parameters = {"assetSelection": selection, "partitionNames": DAYS}
        return self._follow(LAUNCH, "launchPartitionBackfill", parameters)

    def again(self, backfill_id: str) -> tuple[str, str]:
        parameters = {"parentRunId": backfill_id, "strategy": "FROM_FAILURE"}
        return self._follow(AGAIN, "reexecutePartitionBackfill", parameters)

    def _follow(self, mutation: str, field: str, parameters: dict[str, Any]) -> tuple[str, str]:
        target = ModuleTarget("definitions", attribute=None, working_directory=None, location_name="trading_platform")
        with create_test_daemon_workspace_context(target, self._instance) as workspace:
            with workspace.create_request_context() as request:  # type: ignore[attr-defined]
                done = execute_dagster_graphql(request, mutation, {"p": parameters})
            assert done.data[field]["__typename"] == "LaunchBackfillSuccess", done.data
            backfill_id = done.data[field]["backfillId"]
            for _ in range(30):
                list(execute_backfill_iteration(workspace, logging.getLogger("backfill")))
                with workspace.create_request_context() as request:  # type: ignore[attr-defined]
                    state = execute_dagster_graphql(request, STATE, {"b": backfill_id})
                status = state.data["partitionBackfillOrError"]["status"]
                if status not in {"REQUESTED", "FAILING", "CANCELING"}:
                    return backfill_id, status
        raise AssertionError(f"backfill did not end, last status {status}")


@pytest.fixture(scope="module")
def web_home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """Share one home: inside a process Dagster keeps the definitions it has loaded first."""
    return make_home(tmp_path_factory.mktemp("web"), active=("MNQ", "ES"))


@pytest.fixture
def web(web_home: Home, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[dg.DagsterInstance, WebBackfill]]:
    monkeypatch.setenv("TP_HOME", str(web_home.path))
    with dg.instance_for_test(synchronous_run_launcher=True, synchronous_run_coordinator=True) as instance:
        yield instance, WebBackfill(instance)


def by_command_line(folder: Path, time_zone: str) -> dict[str, str]:
    home = make_home(folder)
    line = [sys.executable, "-m", "trading_platform.cli", "backfill", "MNQ/*", "--from", DAYS[0], "--to", DAYS[-1]]
    environment = {**os.environ, "TP_HOME": str(home.path), "TZ": time_zone}
    done = subprocess.run(line, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "SUMMARY WRITE=25 " in done.stdout
    return lake_hashes(home.lake_dir)


def by_materialize(folder: Path) -> dict[str, str]:
    from definitions import build_defs

    home = make_home(folder)
    defs = build_defs(home)
    wanted = {dg.AssetKey(["MNQ", dataset]) for dataset in DATASETS}
    dated = [asset for asset in defs.assets or [] if isinstance(asset, dg.AssetsDefinition) and asset.key in wanted]
    with dg.DagsterInstance.ephemeral() as instance:
        for day in DAYS:
            assert dg.materialize(dated, partition_key=day, instance=instance, resources=defs.resources).success
    return lake_hashes(home.lake_dir)


@pytest.mark.slow
def test_p3_three_ways_and_two_time_zones_give_the_same_bytes(
    web_home: Home, web: tuple[dg.DagsterInstance, WebBackfill], tmp_path: Path
) -> None:
    _, backfill = web
    _, status = backfill.launch("MNQ")
    assert status == "COMPLETED_SUCCESS"
    hashes = {name: sha256 for name, sha256 in lake_hashes(web_home.lake_dir).items() if "symbol=MNQ" in name}
    assert len(hashes) == 25
    assert by_command_line(tmp_path / "new_york", "America/New_York") == hashes
    assert by_command_line(tmp_path / "tokyo", "Asia/Tokyo") == hashes
    assert by_materialize(tmp_path / "materialize") == hashes


@pytest.mark.slow
def test_p2_one_reexecution_completes_the_good_days_while_the_bad_day_stays_bad(
    web_home: Home, web: tuple[dg.DagsterInstance, WebBackfill]
) -> None:
    instance, backfill = web
    assert web_home.sierra_dir is not None
    destroy(web_home.sierra_dir / "ESH25_FUT_CME.scid", BAD_DAY)
    good = {day for day in DAYS if day != BAD_DAY.isoformat()}
    backfill_id, status = backfill.launch("ES")
    assert status == "COMPLETED_FAILED"
    assert instance.get_materialized_partitions(dg.AssetKey(["ES", "ticks"])) == good
    _, status = backfill.again(backfill_id)
    assert status == "COMPLETED_FAILED"
    for dataset in FROM_TICKS:
        assert instance.get_materialized_partitions(dg.AssetKey(["ES", dataset])) == good, dataset


def test_p11_full_graph_in_a_temporary_lake_with_replaced_resources(tmp_path: Path) -> None:
    from definitions import build_defs
    from resources import ClockResource, LakeResource

    home = make_home(tmp_path)
    elsewhere = tmp_path / "another_lake"
    clock = ClockResource(fixed_at="2025-03-14T12:00:00-04:00")
    defs = build_defs(home, {"lake": LakeResource(root=str(elsewhere)), "clock": clock})
    with dg.DagsterInstance.ephemeral() as instance:
        dated = [
            asset
            for asset in defs.assets or []
            # Without a feed: Dagster itself does not ask whether the partitions exist from which a day is enriched.
            if isinstance(asset, dg.AssetsDefinition)
            and asset.partitions_def
            and asset.key.path[0] == "MNQ"
            and asset.key.path[-1] not in keys.PAID
        ]
        done = dg.materialize(
            dated, partition_key=date(2025, 3, 14).isoformat(), instance=instance, resources=defs.resources
        )
    assert done.success
    assert not list(home.lake_dir.rglob("*.parquet"))
    assert sorted(lake_hashes(elsewhere)) == [
        f"{dataset}/symbol=MNQ/date=2025-03-14/part-0.parquet"
        for dataset in [
            "bars_1m",
            "bars_1s",
            "depth_events",
            "depth_metrics",
            "enriched_bars",
            "gex_alignment",
            "ticks",
        ]
    ]
    events = done.asset_materializations_for_node("MNQ__ticks")
    assert events[-1].metadata["complete"].value is False
