"""A backfill that is stopped again and again pays each day once.

Three ways to end a process, and what each of them can promise:

* Ctrl-C and SIGTERM: transfers that have begun are finished, because they are paid. Nothing is paid twice.
* ``kill -9`` while days are ordered as batch jobs: an order is paid when it is given, and found again whatever was lost. Nothing is paid
  twice.
* ``kill -9`` in the middle of a stream: the vendor bills what was sent, so that day is paid again; nobody can prevent it. It is in the
  ledger, and no other day is touched.
"""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from tests.databento.l2_shop import serving
from trading_platform.databento.ledger import SpendLedger
from trading_platform.home import Home
from trading_platform.simulation.databento import DataBentoStandIn, Fault, FaultKind

from .conftest import lake_hashes, make_home

FIRST, LAST = date(2025, 9, 2), date(2025, 9, 15)
DAYS = [
    day for day in (date.fromordinal(n) for n in range(FIRST.toordinal(), LAST.toordinal() + 1)) if day.weekday() < 5
]
# On the last day the roll table names the next contract.
ONCE = {("ESZ5" if day == LAST else "ESU5", day.isoformat()): 1 for day in DAYS}
KILLS = 5
WATCHDOG_S = 240


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[DataBentoStandIn]:
    with serving(tmp_path, monkeypatch) as running:
        yield running


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return make_home(tmp_path / "killed", days=(), active=("ES",))


def command(home: Home, **settings: object) -> tuple[list[str], dict[str, str]]:
    line = [sys.executable, "-m", "trading_platform.cli", "l2", "backfill", "--symbols", "ES", "--json"]
    line += ["--from", str(FIRST), "--to", str(LAST), "--max-workers", "2"]
    return line, {**os.environ, "TP_HOME": str(home.path), **{name: str(value) for name, value in settings.items()}}


def finish(home: Home, **settings: object) -> dict[str, Any]:
    line, environment = command(home, **settings)
    done = subprocess.run(line, env=environment, capture_output=True, text=True, timeout=WATCHDOG_S, check=False)
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def stop_when(home: Home, condition: Callable[[], bool], number: int, pause_s: float, **settings: object) -> str:
    """Start a backfill, end it a moment after the condition holds, and return what it wrote to standard error."""
    line, environment = command(home, **settings)
    process = subprocess.Popen(line, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + WATCHDOG_S
    while process.poll() is None and not condition():
        assert time.monotonic() < deadline, "the backfill makes no progress"
        time.sleep(0.005)
    time.sleep(pause_s)
    process.send_signal(number)
    return process.communicate(timeout=WATCHDOG_S)[1]


def assert_finished(home: Home, server: DataBentoStandIn, result: dict[str, Any], undisturbed: dict[str, str]) -> None:
    assert {task["status"] for task in result["tasks"]} <= {"WRITE", "SKIP"}
    assert lake_hashes(home.lake_dir) == undisturbed
    paid = len(server.paid_calls)
    again = finish(home)
    assert re.match(r"SUMMARY WRITE=0 SKIP=10 .* total=10 ", again["summary"])
    assert len(server.paid_calls) == paid
    assert not [*home.cache_dir.rglob("*.part"), *home.lake_dir.rglob("*.tmp")]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return the hashes of a lake that one undisturbed backfill makes."""
    folder = tmp_path_factory.mktemp("undisturbed")
    with pytest.MonkeyPatch.context() as patch, serving(folder, patch) as server:
        home = make_home(folder, days=(), active=("ES",))
        finish(home)
        assert server.billing == ONCE
    hashes = lake_hashes(home.lake_dir)
    assert len(hashes) == 2 * len(DAYS)
    return hashes


@pytest.mark.slow
def test_l2_ten_days_stopped_five_times_are_paid_once_each(
    undisturbed: dict[str, str], home: Home, server: DataBentoStandIn
) -> None:
    server.faults.append(Fault(FaultKind.SLOW, value=1.0))  # so that most signals arrive in the middle of transfers
    moments = random.Random(20_250_902)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGTERM, signal.SIGINT, signal.SIGTERM):
        paid = len(server.paid_calls)
        wanted = paid + moments.randrange(0, 3)
        # When a signal arrives is chance; that transfers which have begun are finished is shown where it is not (tests/databento).
        stop_when(home, lambda wanted=wanted: len(server.paid_calls) >= wanted, number, moments.uniform(0, 0.3))  # type: ignore[misc]
    result = finish(home)
    assert server.billing == ONCE
    ledger = SpendLedger(home.simulated_spend_ledger)
    assert Counter(call.outcome for call in ledger.calls()) == {"ok": len(DAYS)}
    assert_finished(home, server, result, undisturbed)


@pytest.mark.slow
def test_l2_ten_days_killed_five_times_while_ordered_as_batches_are_paid_once_each(
    undisturbed: dict[str, str], home: Home, server: DataBentoStandIn
) -> None:
    batch = {"TP_DATABENTO_BATCH_ABOVE_MB": 0}
    moments = random.Random(20_250_903)
    for _ in range(KILLS):
        wanted = len(server.paid_calls) + moments.randrange(1, 3)
        stop_when(
            home,
            lambda wanted=wanted: len(server.paid_calls) >= wanted,  # type: ignore[misc]
            signal.SIGKILL,
            moments.uniform(0, 0.2),
            **batch,
        )
    result = finish(home, **batch)
    assert server.billing == ONCE
    assert_finished(home, server, result, undisturbed)


@pytest.mark.slow
def test_l2_kill_9_in_the_middle_of_a_stream_pays_that_day_again_and_no_other(
    undisturbed: dict[str, str], home: Home, server: DataBentoStandIn
) -> None:
    third = DAYS[2]
    server.faults.append(Fault(FaultKind.SLOW, day=third, value=3.0, attempts=(1,)))
    stop_when(home, lambda: ("ESU5", third.isoformat()) in server.billing, signal.SIGKILL, 0.5)
    server.faults.clear()
    result = finish(home)
    twice = {day for day, count in server.billing.items() if count > 1}
    assert ("ESU5", third.isoformat()) in twice
    # Two are transferred at the same time, so the other one may be hit too.
    assert len(twice) <= 2
    assert set(server.billing.values()) <= {1, 2}
    ledger = SpendLedger(home.simulated_spend_ledger)
    paid = sum(request.billed_usd or 0 for request in server.paid_calls)
    assert ledger.totals().usd == pytest.approx(paid)
    assert sum(call.outcome == "open" for call in ledger.calls()) == len(twice)
    assert_finished(home, server, result, undisturbed)
