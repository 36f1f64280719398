"""Ctrl-C and SIGTERM end ``tp backfill`` at once; a waiter goes on when the holder dies (P2)."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import dagster as dg
import pytest

from jobs.pools import wait_for_pool
from trading_platform.process import ProcessIdentity

from .conftest import FIVE_DAYS, make_home
from .test_dead_runs import start_run
from .test_kill import stored_files


@pytest.mark.slow
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_p2_interrupt_ends_the_whole_backfill(tmp_path: Path, sent: signal.Signals) -> None:
    home = make_home(tmp_path, FIVE_DAYS)
    line = [
        sys.executable,
        "-m",
        "trading_platform.cli",
        "backfill",
        "MNQ/*",
        "--from",
        "2025-03-10",
        "--to",
        "2025-03-14",
    ]
    process = subprocess.Popen(
        line, env={**os.environ, "TP_HOME": str(home.path)}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 60
    while stored_files(home) < 1 and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    process.send_signal(sent)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "start the same command again" in errors
    assert 1 <= stored_files(home) < 15


def test_p2_waiter_goes_on_when_the_holder_of_the_pool_dies() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    import psutil

    holder = ProcessIdentity(ProcessIdentity.current().host, child.pid, psutil.Process(child.pid).create_time())
    notes: list[str] = []
    with dg.instance_for_test(overrides={"concurrency": {"pools": {"default_limit": 1}}}) as instance:
        run_id = start_run(instance, holder.to_tags())
        instance.event_log_storage.initialize_concurrency_limit_to_default("disk_heavy")
        claimed = instance.event_log_storage.claim_concurrency_slot("disk_heavy", run_id, "step")
        assert claimed.is_claimed
        child.kill()
        child.wait()
        wait_for_pool(instance, "disk_heavy", notes.append)
        assert notes == [f"ended run {run_id[:8]} of dead {holder}"]
