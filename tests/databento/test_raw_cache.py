"""The raw cache: paid once, found ever after, never repaired by paying in silence."""

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

import pytest

from trading_platform.databento.query import Query
from trading_platform.databento.raw_cache import RawCache
from trading_platform.errors import LakeError, RefusedError, VendorError
from trading_platform.files import sha256_of
from trading_platform.simulation.databento import FaultKind

from .shop import DAY, Shop, a_query

PROGRAM = """
import sys, time
from pathlib import Path
from tests.databento.shop import Shop, a_query, DataBentoStandIn
from types import SimpleNamespace
server = SimpleNamespace(gateway=sys.argv[1])
shop = Shop(server, Path(sys.argv[2]))
found = shop.fetch(shop.store(sys.argv[3], databento_batch_above_mb=float(sys.argv[4])))
print(found.is_new, found.sha256)
"""


def start(shop: Shop, run_id: str, batch_above_mb: float = 5_000.0) -> subprocess.Popen[str]:
    root = Path(__file__).resolve().parents[2]
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, shop.server.gateway, str(shop.home), run_id, str(batch_above_mb)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(root)},
    )


def wait_for(condition: Any, seconds: float = 30.0) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.01)


def test_l2_a_day_lies_where_the_design_says_and_is_paid_once(shop: Shop) -> None:
    query = a_query()
    found = shop.fetch()
    folder = shop.home / "cache" / "dbn" / "GLBX.MDP3" / "mbp-10" / "ESU5" / "2025-09-03"
    assert found.path == folder / f"{query.fingerprint}.dbn.zst"
    sidecar = json.loads((folder / f"{query.fingerprint}.json").read_text())
    assert sidecar["sha256"] == sha256_of(found.path) == found.sha256
    assert (sidecar["records"], sidecar["size_bytes"]) == (found.records, found.path.stat().st_size)
    again = shop.fetch()
    assert (again.is_new, again.sha256) == (False, found.sha256)
    assert shop.server.billing == {("ESU5", "2025-09-03"): 1}
    assert shop.ledger.totals().usd == pytest.approx(found.cost_usd)


def test_l2_another_window_is_another_file(shop: Shop) -> None:
    first, second = shop.fetch(), shop.fetch(query=a_query(hours=(14, 20)))
    assert first.path.parent == second.path.parent
    assert first.path != second.path
    assert len(shop.server.paid_calls) == 2


def test_l2_names_of_the_vendor_are_one_component_of_a_path(tmp_path: Path) -> None:
    cache = RawCache(tmp_path)
    for symbol, name in (
        ("AAPL  250221C00250000", "AAPL  250221C00250000"),
        ("A/B", "A%2FB"),
        ("..", "%2E%2E"),
        ("BRK.B", "BRK.B"),
    ):
        query = Query("OPRA.PILLAR", "mbp-10", symbol, "raw_symbol", 1, 2)
        assert cache.folder_of(query, DAY) == tmp_path / "OPRA.PILLAR" / "mbp-10" / name / "2025-09-03"


def test_l2_a_damaged_file_is_put_aside_and_not_paid_again_in_silence_e355(shop: Shop) -> None:
    found = shop.fetch()
    data = bytearray(found.path.read_bytes())
    data[len(data) // 2] ^= 1
    found.path.write_bytes(data)
    for _ in range(2):
        with pytest.raises(RefusedError) as raised:
            shop.fetch()
        assert raised.value.code == "E355"
        assert raised.value.next_command.endswith("--force")
    assert len(shop.server.paid_calls) == 1
    assert [path.read_bytes() for path in (found.path.parent / "quarantine").iterdir()] == [bytes(data)]
    bought = shop.fetch(force=True)
    assert (bought.is_new, bought.sha256, len(shop.server.paid_calls)) == (True, found.sha256, 2)
    assert not shop.fetch().is_new


def test_l2_a_deleted_file_is_not_paid_again_in_silence_and_a_copy_put_back_is_taken(shop: Shop) -> None:
    found = shop.fetch()
    content = found.path.read_bytes()
    found.path.unlink()
    with pytest.raises(RefusedError, match="deleted") as raised:
        shop.fetch()
    assert raised.value.code == "E355"
    found.path.write_bytes(content)
    assert not shop.fetch().is_new
    assert len(shop.server.paid_calls) == 1


@pytest.mark.parametrize("content", ["{", "[]", '{"sha256": "x"}'])
def test_l2_a_sidecar_that_cannot_be_read_is_e357(shop: Shop, content: str) -> None:
    found = shop.fetch()
    found.path.with_name(f"{found.query.fingerprint}.json").write_text(content)
    with pytest.raises(RefusedError) as raised:
        shop.fetch()
    assert (raised.value.code, len(shop.server.paid_calls)) == ("E357", 1)


def test_l2_forced_keeps_the_older_file_for_comparison(shop: Shop) -> None:
    older = shop.fetch().path.read_bytes()
    newer = shop.fetch(force=True)
    assert [path.read_bytes() for path in (newer.path.parent / "quarantine").iterdir()] == [older]
    assert len(shop.server.paid_calls) == 2


def test_l2_a_crash_between_sidecar_and_rename_is_repaired_without_paying(shop: Shop) -> None:
    found = shop.fetch()
    found.path.rename(found.path.parent / f".{found.query.fingerprint}.1.feed.part")
    assert shop.fetch().path.is_file()
    assert len(shop.server.paid_calls) == 1


def test_l2_a_crash_after_the_download_is_repaired_without_paying(shop: Shop) -> None:
    found = shop.fetch()
    found.path.rename(found.path.parent / f".{found.query.fingerprint}.1.feed.part")
    found.path.with_name(f"{found.query.fingerprint}.json").unlink()
    again = shop.fetch()
    assert (again.sha256, again.details["salvaged"]) == (found.sha256, True)
    assert len(shop.server.paid_calls) == 1


def test_l2_a_day_that_somebody_holds_is_e501(shop: Shop) -> None:
    cache = RawCache(shop.home / "cache", lock_wait_s=0.0)
    with cache.locked(a_query(), DAY), pytest.raises(LakeError) as raised, cache.locked(a_query(), DAY):
        pass
    assert raised.value.code == "E501"


def test_l2_a_cache_that_cannot_be_made_is_e339(shop: Shop) -> None:
    shop.home.mkdir()
    (shop.home / "cache").write_text("no folder")
    with pytest.raises(VendorError) as raised:
        shop.fetch()
    assert (raised.value.code, shop.server.paid_calls) == ("E339", [])


@pytest.mark.slow
def test_l2_two_processes_asking_for_the_same_day_pay_once(shop: Shop) -> None:
    shop.script(FaultKind.SLOW, value=0.5)
    processes = [start(shop, f"run-{number}") for number in range(2)]
    results = sorted(process.communicate(timeout=60)[0].split() for process in processes)
    assert [result[0] for result in results] == ["False", "True"]
    assert results[0][1] == results[1][1]
    assert len(shop.server.paid_calls) == len(shop.ledger.calls()) == 1


@pytest.mark.slow
def test_l2_kill_9_during_a_download_leaves_the_ledger_and_no_half_file(shop: Shop) -> None:
    shop.script(FaultKind.SLOW, value=5.0, attempts=(1,))
    process = start(shop, "killed")
    wait_for(lambda: shop.server.paid_calls)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=30)
    (call,) = shop.ledger.calls()
    assert (call.outcome, call.run_id) == ("open", "killed")
    assert call.cost_usd == pytest.approx(shop.server.paid_calls[0].billed_usd)
    assert not [name for name in shop.cached() if name.endswith((".dbn.zst", ".json"))]
    found = shop.fetch()
    assert found.is_new
    assert shop.cached() == sorted([found.path.name, f"{found.query.fingerprint}.json"])
    assert [call.outcome for call in shop.ledger.calls()] == ["open", "ok"]


@pytest.mark.slow
def test_l2_kill_9_while_a_batch_job_is_prepared_never_orders_again(shop: Shop) -> None:
    shop.script(FaultKind.JOB_SLOW, attempts=(1, 2, 3))
    for _ in range(2):
        process = start(shop, "killed", 0.0)
        polls = len(shop.server.calls("batch.get_job_details"))
        wait_for(lambda polls=polls: len(shop.server.calls("batch.get_job_details")) > polls)
        os.kill(process.pid, signal.SIGKILL)
        process.communicate(timeout=30)
    shop.server.faults.clear()
    found = shop.fetch(shop.store(databento_batch_above_mb=0.0))
    assert found.is_new
    assert len(shop.server.paid_calls) == len(shop.ledger.calls()) == 1
    assert date.fromisoformat(shop.server.paid_calls[0].day or "") == DAY
