"""The spend ledger: nothing paid is ever forgotten, whatever crashes."""

from __future__ import annotations

import os
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from trading_platform.clock import FixedClock
from trading_platform.databento.ledger import Intent, SpendLedger
from trading_platform.errors import VendorError

NOW = datetime(2025, 10, 1, 12, tzinfo=UTC)


def intent(usd: float = 1.5, run_id: str = "run-1", symbol: str = "ES") -> Intent:
    return Intent(run_id, "stream", symbol, "ESU5", "2025-09-03", "GLBX.MDP3", "mbp-10", "abc", 1, usd, 1_000)


@pytest.fixture
def ledger(tmp_path: Path) -> SpendLedger:
    return SpendLedger(tmp_path / "home" / "spend.jsonl", FixedClock(NOW))


def test_l6_a_ledger_that_does_not_exist_is_empty(ledger: SpendLedger) -> None:
    assert (ledger.calls(), ledger.totals().usd) == ([], 0.0)
    assert not ledger.path.exists()


def test_l6_an_intent_without_result_counts_in_full(ledger: SpendLedger) -> None:
    ledger.begin(intent())
    (call,) = ledger.calls()
    assert (call.outcome, call.cost_usd, call.at) == ("open", 1.5, NOW)


def test_l6_sums_by_run_day_month_and_symbol(tmp_path: Path) -> None:
    path = tmp_path / "spend.jsonl"
    for at, run_id, symbol, usd in (
        (datetime(2025, 9, 30, 23, 59, tzinfo=UTC), "a", "ES", 1.0),
        (datetime(2025, 10, 1, 0, 0, tzinfo=UTC), "a", "MNQ", 2.0),
        (datetime(2025, 10, 2, 0, 0, tzinfo=UTC), "b", "ES", 4.0),
    ):
        ledger = SpendLedger(path, FixedClock(at))
        call_id = ledger.begin(intent(usd, run_id, symbol))
        ledger.finish(call_id, outcome="ok", cost_usd=usd, received_bytes=5, request_id="r")
    totals = SpendLedger(path).totals()
    assert (totals.usd, totals.calls) == (7.0, 3)
    assert totals.by_run == {"a": 3.0, "b": 4.0}
    assert totals.by_day == {"2025-09-30": 1.0, "2025-10-01": 2.0, "2025-10-02": 4.0}
    assert totals.by_month == {"2025-09": 1.0, "2025-10": 6.0}
    assert totals.by_symbol == {"ES": 5.0, "MNQ": 2.0}


def test_l6_a_line_torn_at_any_byte_is_passed_over_and_the_next_one_is_whole(ledger: SpendLedger) -> None:
    first = ledger.begin(intent(1.0))
    ledger.finish(first, outcome="ok", cost_usd=1.0)
    whole = ledger.path.read_bytes()
    ledger.begin(intent(2.0))
    second = ledger.path.read_bytes()[len(whole) :]
    for cut in range(1, len(second) - 1):
        ledger.path.write_bytes(whole + second[:cut])
        assert ledger.totals().usd == (3.0 if second[:cut].endswith(b"}") else 1.0)
        ledger.begin(intent(4.0))
        assert ledger.totals().usd == 5.0
        assert ledger.path.read_bytes().startswith(whole + second[:cut])  # append only


def test_l6_a_torn_result_leaves_the_call_open(ledger: SpendLedger) -> None:
    call_id = ledger.begin(intent())
    size = ledger.path.stat().st_size
    ledger.finish(call_id, outcome="failed", cost_usd=0.0, error="said {this}")
    assert ledger.calls()[0].error == "said {this)"
    os.truncate(ledger.path, size + 40)
    assert (ledger.calls()[0].outcome, ledger.totals().usd) == ("open", 1.5)


def test_l6_a_damaged_line_is_e352_and_nothing_is_paid(ledger: SpendLedger) -> None:
    ledger.begin(intent())
    ledger.path.write_bytes(b'{"line": "intent"}\n' + ledger.path.read_bytes())
    for act in (ledger.totals, lambda: ledger.begin(intent(), lambda totals, now: None)):
        with pytest.raises(VendorError, match="line 1") as raised:
            act()
        assert raised.value.code == "E352"
    assert len(ledger.path.read_bytes().splitlines()) == 2


def test_l6_a_ledger_that_cannot_be_written_is_e353(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file where the folder should be")
    with pytest.raises(VendorError) as raised:
        SpendLedger(tmp_path / "home" / "spend.jsonl").begin(intent())
    assert raised.value.code == "E353"


def test_l6_what_refuses_an_intent_leaves_no_line(ledger: SpendLedger) -> None:
    def refuse(totals: object, now: datetime) -> None:
        raise VendorError("E350", "over", "why", "tp config")

    with pytest.raises(VendorError):
        ledger.begin(intent(), refuse)
    assert ledger.calls() == []


def test_l6_parallel_writers_lose_no_line(ledger: SpendLedger) -> None:
    def pay() -> None:
        own = SpendLedger(ledger.path, FixedClock(NOW))
        for _ in range(10):
            own.finish(own.begin(intent(1.0)), outcome="ok", cost_usd=1.0)

    threads = [threading.Thread(target=pay) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (ledger.totals().usd, ledger.totals().calls) == (40.0, 40)


def test_l6_the_intent_is_on_the_disk_before_the_call(ledger: SpendLedger, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    fsync = os.fsync

    def noted(descriptor: int) -> None:
        synced.append(os.fstat(descriptor).st_ino)
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", noted)
    ledger.begin(intent())
    assert {ledger.path.stat().st_ino, ledger.path.parent.stat().st_ino} <= set(synced)


@pytest.mark.parametrize("ends", [b"\r\n", b"  \n", b"\t\r\n"])
def test_l6_line_ends_of_an_editor_change_no_sum(ledger: SpendLedger, ends: bytes) -> None:
    for usd in (1.0, 2.0):
        ledger.begin(intent(usd))
    ledger.path.write_bytes(ledger.path.read_bytes().replace(b"\n", ends))
    ledger.begin(intent(4.0))
    assert (ledger.totals().usd, ledger.totals().calls) == (7.0, 3)


def test_l6_a_line_that_was_never_ours_is_e352(ledger: SpendLedger) -> None:
    ledger.begin(intent())
    ledger.path.write_bytes(b"paid 12 dollars by hand\n" + ledger.path.read_bytes())
    with pytest.raises(VendorError, match="line 1") as raised:
        ledger.totals()
    assert raised.value.code == "E352"
