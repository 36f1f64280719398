"""A backfill over years with a few saved chains is killed once: resumed, it equals days that were built one by one (G2, P2)."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from assets.builders import Workbench, builder_for
from definitions import build_defs
from trading_platform.home import Home, create_home
from trading_platform.lake import LocalLake, build_day
from trading_platform.sessions import weekdays_between

from .conftest import lake_hashes

DATASETS = ("chain_cboe", "chain", "gex_levels", "gex_profile")
ASSETS = tuple(f"SPX/{name}" for name in DATASETS)
FIRST, LAST = date(2022, 2, 1), date(2025, 9, 8)
FILES_BEFORE_KILL = 20
WATCHDOG_S = 300


def chain_home(folder: Path, chains: Path) -> Home:
    home = create_home(folder / ".tp", chain_dir=chains)
    home.instruments_toml.write_text('active = ["SPX"]\n', encoding="utf-8")
    return home


def command(home: Home) -> tuple[list[str], dict[str, str]]:
    line = [sys.executable, "-m", "trading_platform.cli", "backfill", *ASSETS]
    return [*line, "--from", str(FIRST), "--to", str(LAST), "--json"], {**os.environ, "TP_HOME": str(home.path)}


def stored_files(home: Home) -> int:
    return sum(1 for _ in home.lake_dir.rglob("part-*.parquet"))


def built_one_by_one(home: Home) -> tuple[dict[str, str], list[date]]:
    """Build all days that have a file without Dagster; return the hashes of the files and the days."""
    with Workbench.of(build_defs(home)) as bench:
        archive = bench.chain_archive
        days = [day for day in weekdays_between(FIRST, LAST) if archive.files_of("SPX", day)]
        for dataset in DATASETS:
            builder = builder_for(dg.AssetKey(["SPX", dataset]), bench)
            for day in days:
                assert build_day(builder, day, LocalLake(home.lake_dir)).outcome.is_materialized, (dataset, day)
    return lake_hashes(home.lake_dir), days


def materialized(home: Home) -> dict[str, set[str]]:
    with dg.DagsterInstance.from_config(str(home.dagster_dir)) as instance:
        return {name: set(instance.get_materialized_partitions(dg.AssetKey(name.split("/")))) for name in ASSETS}


@pytest.mark.slow
def test_g2_all_saved_chains_through_dagster_killed_once_equal_an_undisturbed_build(
    tmp_path: Path, shared_data: Path
) -> None:
    chains = shared_data / "chains"
    home = chain_home(tmp_path / "killed", chains)
    line, environment = command(home)
    process = subprocess.Popen(line, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + WATCHDOG_S
    while process.poll() is None and stored_files(home) < FILES_BEFORE_KILL:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait(timeout=WATCHDOG_S)
    finished = materialized(home)
    again = subprocess.Popen(line, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    expected, days = built_one_by_one(chain_home(tmp_path / "undisturbed", chains))  # meanwhile
    out, err = again.communicate(timeout=WATCHDOG_S)
    assert again.returncode == 0, err
    assert len(days) >= 12
    assert 0 < sum(map(len, finished.values())) < len(ASSETS) * len(days)
    result: dict[str, Any] = json.loads(out)
    for asset in result["assets"]:
        made = {day["trade_date"] for day in asset["days"]}
        assert made == {day.isoformat() for day in days} - finished[asset["asset"]], asset["asset"]
    assert lake_hashes(home.lake_dir) == expected
    assert not list(home.lake_dir.rglob("*.tmp"))
