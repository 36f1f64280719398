"""kill -9 at random moments: finished days stay done, the resume runs exactly the others, the lake equals an undisturbed one (P2)."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from trading_platform.home import Home

from .conftest import lake_hashes, make_home

TWENTY_DAYS = tuple(date.fromordinal(n) for n in range(date(2025, 2, 10).toordinal(), date(2025, 3, 8).toordinal()))
WEEKDAYS = tuple(day for day in TWENTY_DAYS if day.weekday() < 5)
ASSETS = ("MNQ/ticks", "MNQ/bars_1s", "MNQ/bars_1m")
KILLS = int(os.environ.get("TEST_KILLS", "10"))
WATCHDOG_S = 120


def command(home: Home, *options: str) -> tuple[list[str], dict[str, str]]:
    line = [sys.executable, "-m", "trading_platform.cli", "backfill", *ASSETS]
    line += ["--from", str(WEEKDAYS[0]), "--to", str(WEEKDAYS[-1]), "--json", *options]
    return line, {**os.environ, "TP_HOME": str(home.path)}


def backfill(home: Home) -> dict[str, Any]:
    line, environment = command(home)
    done = subprocess.run(line, env=environment, capture_output=True, text=True, timeout=WATCHDOG_S, check=False)
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def materialized(home: Home) -> dict[str, set[str]]:
    with dg.DagsterInstance.from_config(str(home.dagster_dir)) as instance:
        return {name: set(instance.get_materialized_partitions(dg.AssetKey(name.split("/")))) for name in ASSETS}


def stored_files(home: Home) -> int:
    return sum(1 for _ in home.lake_dir.rglob("part-*.parquet"))


def wait_for_files(process: subprocess.Popen[bytes], home: Home, count: int) -> None:
    """Return when the lake has at least ``count`` files (0: at once, while the process still starts)."""
    deadline = time.monotonic() + WATCHDOG_S
    while process.poll() is None and stored_files(home) < count:
        assert time.monotonic() < deadline, "the backfill makes no progress: a dead run holds its pool"
        time.sleep(0.01)


@pytest.mark.slow
def test_p2_ten_kills_then_exactly_the_unfinished_days_run(tmp_path: Path) -> None:
    """Pool limit 1 (dagster.yaml): a dead run that kept its slot would hang the next process, which the watchdog would end."""
    undisturbed = make_home(tmp_path / "undisturbed", WEEKDAYS)
    backfill(undisturbed)
    home = make_home(tmp_path / "killed", WEEKDAYS)
    moments = random.Random(20_250_317)
    finished_before: dict[str, set[str]] = {name: set() for name in ASSETS}
    progress: list[int] = []
    for _ in range(KILLS):
        line, environment = command(home)
        process = subprocess.Popen(line, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for_files(process, home, stored_files(home) + moments.randrange(0, 8))
        time.sleep(moments.uniform(0.0, 0.15))  # anywhere between two commits
        process.send_signal(signal.SIGKILL)
        process.wait(timeout=WATCHDOG_S)
        if (home.dagster_dir / "history").exists():
            finished = materialized(home)
            assert all(finished_before[name] <= finished[name] for name in ASSETS)
            finished_before = finished
        progress.append(sum(map(len, finished_before.values())))
    assert any(0 < days < len(ASSETS) * len(WEEKDAYS) for days in progress), progress
    result = backfill(home)
    for asset in result["assets"]:
        name = asset["asset"]
        unfinished = {day.isoformat() for day in WEEKDAYS} - finished_before[name]
        assert {day["trade_date"] for day in asset["days"]} == unfinished, name
    assert lake_hashes(home.lake_dir) == lake_hashes(undisturbed.lake_dir)
    assert not list(home.lake_dir.rglob("*.tmp"))
    again = backfill(home)
    assert [asset["days"] for asset in again["assets"]] == [[], [], []]
