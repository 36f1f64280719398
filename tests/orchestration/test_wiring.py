"""The asset graph is what DESIGN says, and every asset can be understood from its page (P1, P9)."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.partitions.context import partition_loading_context

from assets.builders import Workbench, builder_for
from assets.partitions import TRADE_DATES
from definitions import build_defs
from jobs.planning import Mode
from trading_platform.errors import ConfigurationError
from trading_platform.home import create_home, open_home
from trading_platform.simulation import write_demo_chains

from .conftest import FIVE_DAYS, SmallPlatform, make_home
from .gamma_home import write_feed

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def defs(tmp_path_factory: pytest.TempPathFactory) -> dg.Definitions:
    home = make_home(tmp_path_factory.mktemp("wiring"), days=(), active=("MNQ", "ES", "SPX"))
    return build_defs(home)


def test_p1_definitions_load(defs: dg.Definitions) -> None:
    dg.Definitions.validate_loadable(defs)


def test_p1_graph_of_two_futures_an_index_and_the_series_behind_the_futures(defs: dg.Definitions) -> None:
    graph = defs.resolve_asset_graph()
    parents = {
        key.to_user_string(): sorted(parent.to_user_string() for parent in graph.get(key).parent_keys)
        for key in graph.get_all_asset_keys()
    }
    futures = {
        f"{root}/{dataset}": [f"{root}/{parent}"] if parent else []
        for root in ("ES", "MNQ")
        for dataset, parent in (
            ("ticks", ""),
            ("bars_1s", "ticks"),
            ("bars_1m", "ticks"),
            ("depth_events", ""),
            ("depth_metrics", "depth_events"),
            ("l2", ""),
            ("l2_metrics", "l2"),
        )
    }
    # The series of a future needs no line in instruments.toml of its own.
    for root, series in (("ES", "ES_SPX"), ("MNQ", "NQ_NDX")):
        futures[f"{root}/gex_alignment"] = sorted([f"{root}/ticks", f"{series}/gex_snapshots"])
        # NDX, the index of MNQ, is not active.
        chains = ["SPX/gex_levels"] if root == "ES" else []
        futures[f"{root}/enriched_bars"] = sorted([f"{root}/bars_1s", f"{series}/gex_snapshots", *chains])
    feeds: dict[str, list[str]] = {
        f"{symbol}/{dataset}": []
        for symbol in ("ES_SPX", "NQ_NDX", "SPX")
        for dataset in ("gex_snapshots", "gex_strikes")
    }
    for series in ("ES_SPX", "NQ_NDX"):
        feeds[f"{series}/gex_regimes"] = [f"{series}/gex_snapshots", f"{series}/gex_strikes"]
    chains = {
        "SPX/chain_cboe": [],
        "SPX/chain": ["SPX/chain_cboe"],
        "SPX/gex_levels": ["SPX/chain"],
        "SPX/gex_profile": ["SPX/chain"],
        "SPX/gex_regimes": ["SPX/gex_levels"],
    }
    dated = {**futures, **feeds, **chains}
    catalog = {"lake/sql_views", "lake/coverage"}
    listed: dict[str, list[str]] = {"watchlist/l2": []}
    assert {name: found for name, found in parents.items() if name not in catalog} == dated | listed
    assert parents["lake/sql_views"] == sorted(dated | listed)
    assert parents["lake/coverage"] == sorted(dated)


def test_p1_a_future_described_by_an_index_is_enriched_with_its_chains_too(tmp_path: Path) -> None:
    home = make_home(tmp_path, days=(), active=("ES",))
    with home.instruments_toml.open("a", encoding="utf-8") as file:
        file.write('[instruments.ES]\ngex_underlying = "SPX"\n')
    graph = build_defs(home).resolve_asset_graph()
    parents = graph.get(dg.AssetKey(["ES", "enriched_bars"])).parent_keys
    assert {key.to_user_string() for key in parents} == {"ES/bars_1s", "SPX/gex_snapshots", "SPX/gex_levels"}
    assert graph.has(dg.AssetKey(["SPX", "chain_cboe"]))


@pytest.mark.parametrize(("active", "levels"), [(("ES",), set()), (("ES", "SPX"), {"SPX/gex_levels"})])
def test_b3_enriched_bars_depend_on_the_chains_of_the_index_where_it_is_active(
    tmp_path: Path, active: tuple[str, ...], levels: set[str]
) -> None:
    home = make_home(tmp_path, days=(), active=active)
    defs = build_defs(home)
    parents = defs.resolve_asset_graph().get(dg.AssetKey(["ES", "enriched_bars"])).parent_keys
    assert {key.to_user_string() for key in parents} == {"ES/bars_1s", "ES_SPX/gex_snapshots"} | levels
    with Workbench.of(defs) as bench:
        builder = builder_for(dg.AssetKey(["ES", "enriched_bars"]), bench)
        resolved = builder.plan(date(2025, 3, 11)).resolved["chain_underlying"]
    assert (resolved is None) is (not levels)
    if isinstance(resolved, dict):
        assert resolved["underlying"] == "SPX"


def test_r2_settings_reach_enrichment_and_regimes_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TP_GEX_LATENCY_MS", "250")
    monkeypatch.setenv("TP_GEX_STALE_AFTER_MS", "45000")
    monkeypatch.setenv("TP_CHAIN_CADENCE_S", "900")
    monkeypatch.setenv("TP_CHAIN_LATENCY_MS", "1000")
    home = make_home(tmp_path, days=(), active=("SPX",))
    home.regimes_toml.write_text("[symbols.SPX]\nfeed_latency_ms = 7\n", encoding="utf-8")
    with Workbench.of(build_defs(home)) as bench:
        policy, regimes, of_spx = (
            bench.attach_policy,
            bench.regime_parameters("NQ_NDX"),
            bench.regime_parameters("SPX"),
        )
    assert (policy.gex_latency_ms, policy.stale_after_ms, policy.chain_stale_after_ms) == (250, 45_000, 1_800_000)
    assert (regimes.feed_latency_ms, regimes.feed_staleness_s, regimes.chain_cadence_s) == (250, 45.0, 900.0)
    assert (of_spx.feed_latency_ms, of_spx.chain_cadence_s) == (7, 900.0)
    assert policy.chain_latency_ms == regimes.chain_latency_ms == 1_000


def test_r2_tables_of_regimes_toml_are_those_of_known_symbols(tmp_path: Path) -> None:
    home = make_home(tmp_path, days=(), active=("SPX",))
    home.regimes_toml.write_text("[symbols.spx]\nfeed_latency_ms = 7\n", encoding="utf-8")
    with (
        Workbench.of(build_defs(home)) as bench,
        pytest.raises(ConfigurationError, match="did you mean SPX") as refused,
    ):
        bench.regime_parameters("SPX")
    assert refused.value.code == "E181"


def test_p1_every_asset_explains_itself(defs: dg.Definitions) -> None:
    graph = defs.resolve_asset_graph()
    for key in graph.get_all_asset_keys():
        node = graph.get(key)
        assert len(node.description or "") > 40, key
        schema = node.metadata["dagster/column_schema"]
        columns = getattr(schema, "value", schema).columns
        assert columns, key
        assert all(column.description for column in columns), key
        assert node.owners == ["team:market-data"], key
        assert node.kinds, key
        assert node.group_name in {"ticks", "depth", "bars", "l2", "gex", "regimes", "catalog"}, key
        assert node.tags["stage"] == node.group_name, key
        assert node.code_version, key


def test_p1_tick_columns_carry_units(defs: dg.Definitions) -> None:
    schema = defs.resolve_asset_graph().get(dg.AssetKey(["MNQ", "ticks"])).metadata["dagster/column_schema"]
    columns = {column.name: column for column in getattr(schema, "value", schema).columns}
    assert list(columns) == ["ts", "seq", "price", "bid", "ask", "volume", "side", "bundle", "flags", "contract"]
    assert "contracts" in (columns["volume"].description or "")
    assert columns["bid"].constraints.nullable
    assert not columns["price"].constraints.nullable


def test_p9_heavy_assets_share_a_pool(defs: dg.Definitions) -> None:
    graph = defs.resolve_asset_graph()
    pools = {key.to_user_string(): set(graph.get(key).pools or ()) for key in graph.get_all_asset_keys()}
    assert pools.pop("lake/sql_views") == {"duckdb"}
    assert {pools.pop(f"{root}/l2").pop() for root in ("ES", "MNQ", "watchlist")} == {"databento"}
    assert set(map(frozenset, pools.values())) == {frozenset({"disk_heavy"})}


def test_p5_every_builder_check_is_published(small_platform: SmallPlatform) -> None:
    """A check that a builder runs but does not publish would be invisible in the web UI."""
    gamma = small_platform.home.path.parent
    write_feed(gamma / "gex", FIVE_DAYS[:2])
    write_demo_chains(gamma / "chains", FIVE_DAYS[:2])
    create_home(small_platform.home.path, gex_dir=gamma / "gex", chain_dir=gamma / "chains")
    small_platform.home.instruments_toml.write_text('active = ["MNQ", "SPX"]\n', encoding="utf-8")
    small_platform = replace(small_platform, home=open_home(small_platform.home.path))
    small_platform.backfill(last=FIVE_DAYS[1])
    published: dict[str, set[str]] = {}
    for key in small_platform.defs.resolve_asset_graph().asset_check_keys:
        published.setdefault(key.asset_key.to_user_string(), set()).add(key.name)
    reports = small_platform.backfill(last=FIVE_DAYS[1], mode=Mode.FORCE)
    for name, report in reports.items():
        if name.startswith(("lake/", "SPX/gex_s")):  # no history files of SPX
            continue
        ran = {check.name for result in report.results for check in result.checks}
        assert ran
        assert published[name] == ran | {"stored_facts_unchanged", "fresh_by_calendar"}, name


@pytest.mark.slow
def test_p1_server_loads_the_workspace_from_another_folder(tmp_path: Path) -> None:
    home = make_home(tmp_path, days=())
    environment = {**os.environ, "TP_HOME": str(home.path), "DAGSTER_HOME": str(home.dagster_dir)}
    done = subprocess.run(
        [sys.executable, "-m", "dagster", "definitions", "validate", "-w", str(REPOSITORY / "workspace.yaml")],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "All code locations passed validation" in done.stderr + done.stdout


def test_p6_home_without_dated_assets_has_no_ingest(tmp_path: Path) -> None:
    home = make_home(tmp_path, days=(), active=())
    # An index without gamma exposure of its own.
    home.instruments_toml.write_text(
        'active = ["NDX"]\n[instruments.NDX]\ngex_underlying = "NQ_NDX"\n', encoding="utf-8"
    )
    defs = build_defs(home)
    dg.Definitions.validate_loadable(defs)
    assert list(defs.jobs or []) == []
    assert list(defs.schedules or []) == []


def test_p1_remembered_partition_keys_are_those_that_dagster_lists() -> None:
    plain = dg.DailyPartitionsDefinition(
        start_date="2005-01-03", timezone="America/New_York", end_offset=2, exclusions=["0 0 * * 6", "0 0 * * 0"]
    )
    for now in ("2025-03-09T12:00:00", "2025-03-10T04:00:01", "2025-11-03T23:59:59"):
        with partition_loading_context(datetime.fromisoformat(now).replace(tzinfo=UTC)):
            assert list(TRADE_DATES.get_partition_keys()) == list(plain.get_partition_keys())
    assert list(TRADE_DATES.get_partition_keys()) == list(plain.get_partition_keys())
    assert plain == TRADE_DATES
