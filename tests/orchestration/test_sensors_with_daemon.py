"""The daemon really runs beside a folder that changes: each kind of change makes exactly its days, a bad day is left alone (P7, T2)."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import dagster as dg
import pytest

from jobs.ranges import days_of_run
from jobs.refresh import MAX_ATTEMPTS, TAG_WATCH
from trading_platform.cli.platform import REPOSITORY, prepare_dagster_home
from trading_platform.home import Home
from trading_platform.simulation import append_scid

from .conftest import lake_hashes
from .test_backfill import destroy
from .test_sensors import buy_one_more, count, day_records
from .ticks_only import ticks_home

# Two equity-index futures over a roll: H25 until Friday the 14th, M25 from Monday the 17th.
DAYS = tuple(date(2025, 3, day) for day in (12, 13, 14, 17, 18, 19))
ROOTS = ("MNQ", "NQ", "ES")
# A deadline for a busy machine; an idle one needs a fifth of it.
WAIT_S = 240.0


@dataclass
class Beside:
    """A home with a daemon beside it."""

    home: Home
    instance: dg.DagsterInstance
    log: Path

    def file(self, name: str) -> Path:
        assert self.home.sierra_dir is not None
        return self.home.sierra_dir / f"{name}_FUT_CME.scid"

    def ticks(self) -> list[str]:
        """Return what the sensor said at its last looks, newest first."""
        states = [state for state in self.instance.all_instigator_state() if state.instigator_name == "new_files"]
        if not states:
            return []
        found = self.instance.get_ticks(states[0].instigator_origin_id, states[0].selector_id, limit=5)
        return [tick.skip_reason or "" for tick in found if tick.is_completed]

    def asked(self) -> dict[str, list[str]]:
        """Return per asset made from files the days of each run that the sensor requested."""
        found: dict[str, list[str]] = {}
        for run in self.instance.get_runs():
            if asset := run.tags.get(TAG_WATCH):
                days = days_of_run(run.tags)
                found.setdefault(asset, []).append(f"{days[0]:%d}-{days[-1]:%d}")
        return {asset: sorted(days) for asset, days in found.items()}

    def wait(self, until: Callable[[], bool]) -> None:
        deadline = time.monotonic() + WAIT_S
        while not until():
            assert time.monotonic() < deadline, (self.asked(), self.ticks(), self.log.read_text()[-3_000:])
            time.sleep(0.3)


@pytest.fixture
def beside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Beside]:
    home = ticks_home(tmp_path, DAYS, ROOTS)
    assert home.sierra_dir is not None
    for contract in ("H25", "M25"):  # the same price band: a copy stands for a third instrument
        content = (home.sierra_dir / f"MNQ{contract}_FUT_CME.scid").read_bytes()
        (home.sierra_dir / f"NQ{contract}_FUT_CME.scid").write_bytes(content)
    environment = {**os.environ, "TP_HOME": str(home.path), "TP_WATCH_INTERVAL_S": "1", "TP_RETRY_PAUSE_S": "1"}
    line = [sys.executable, "-m", "trading_platform.cli", "backfill", *(f"{root}/ticks" for root in ROOTS)]
    line += ["--from", str(DAYS[0]), "--to", str(DAYS[-1]), "--json"]
    subprocess.run(line, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    monkeypatch.setenv("DAGSTER_HOME", str(home.dagster_dir))
    prepare_dagster_home(home)
    log = tmp_path / "daemon.log"
    with log.open("wb") as output:
        daemon = subprocess.Popen(
            [sys.executable, "-m", "dagster._daemon", "run", "-w", str(REPOSITORY / "workspace.yaml")],
            cwd=REPOSITORY,
            env={**environment, "DAGSTER_HOME": str(home.dagster_dir)},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        with dg.DagsterInstance.from_config(str(home.dagster_dir)) as instance:
            yield Beside(home, instance, log)
    finally:
        os.killpg(daemon.pid, signal.SIGTERM)
        try:
            daemon.wait(timeout=20)
        except subprocess.TimeoutExpired:
            os.killpg(daemon.pid, signal.SIGKILL)
            daemon.wait()


@pytest.mark.slow
def test_p7_five_kinds_of_change_beside_a_running_daemon(beside: Beside) -> None:
    beside.wait(lambda: any("first sight of 6 files" in text for text in beside.ticks()))
    before = lake_hashes(beside.home.lake_dir)

    append_scid(beside.file("MNQM25"), day_records(date(2025, 3, 20), "MNQM25"))  # appended: a day that was never made
    buy_one_more(beside.file("MNQH25"), DAYS[1])  # rewritten in place
    os.truncate(beside.file("ESM25"), 56 + 40 * (count(beside.file("ESM25"), DAYS[4]) + 200))  # truncated in a day
    buy_one_more(beside.file("ESH25"), DAYS[0], to=beside.file("ESH25").with_name("new"))  # replaced
    os.utime(beside.file("NQM25"))  # unchanged
    destroy(beside.file("NQH25"), DAYS[2])  # a bad day

    beside.wait(lambda: any("left alone: NQ/ticks 2025-03-14 (E403)" in text for text in beside.ticks()))
    assert beside.asked() == {
        "MNQ/ticks": ["13-13", "20-20"],
        "ES/ticks": ["12-12", "18-18"],
        "NQ/ticks": ["14-14"] * MAX_ATTEMPTS,
    }
    after = lake_hashes(beside.home.lake_dir)
    changed = {key for key in after if after[key] != before.get(key)}
    expected = [("MNQ", "13"), ("MNQ", "20"), ("ES", "12"), ("ES", "18")]
    # Bars were never made; those of the requested days are made with their ticks.
    assert changed == {
        f"{dataset}/symbol={root}/date=2025-03-{day}/part-0.parquet"
        for root, day in expected
        for dataset in ("ticks", "bars_1s", "bars_1m")
    }
    assert before.keys() - after.keys() == set()
    log = beside.log.read_text()
    assert '"event": "day_given_up"' in log
    assert '"event": "run_failed"' in log
