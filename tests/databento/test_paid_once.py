"""What was paid for is never paid again: stops, full disks, files that fail, errors of our own, whatever comes in between."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from trading_platform.databento import disk, raw_cache
from trading_platform.databento.ahead import DownloadAhead
from trading_platform.databento.fetch import DayRequest, RawStore
from trading_platform.databento.raw_cache import RawFile
from trading_platform.errors import RefusedError, VendorError
from trading_platform.lake import Outcome
from trading_platform.simulation.databento import FaultKind

from .l2_shop import L2Shop
from .shop import DAY, Shop, a_query, verifier


def fetch(
    shop: Shop, store: RawStore | None = None, *, fail: BaseException | None = None, force: bool = False
) -> RawFile:
    """Fetch the day; whoever looks at the file that arrives is struck by an error, if there is one."""
    store = store or shop.store()
    preview = store.client.preview(a_query())
    verify: Callable[[Path], object] = verifier(a_query(), preview.records)

    def struck(path: Path) -> object:
        if fail is not None:
            raise fail
        return verify(path)

    return store.fetch(DayRequest(a_query(), DAY, "ES", preview), struck, force=force)


def parts(shop: Shop) -> list[str]:
    return [name for name in shop.cached() if name.endswith(".part")]


def quarantined(shop: Shop) -> list[Path]:
    return sorted((shop.home / "cache").rglob("quarantine/*"))


def outcomes(shop: Shop) -> list[str]:
    return [call.outcome for call in shop.ledger.calls()]


@pytest.mark.parametrize("stop", [KeyboardInterrupt(), SystemExit()], ids=repr)
def test_l2_a_stop_while_a_file_is_verified_leaves_it_for_the_next_run(shop: Shop, stop: BaseException) -> None:
    with pytest.raises(type(stop)):
        fetch(shop, fail=stop)
    assert (len(parts(shop)), outcomes(shop)) == (1, ["open"])
    found = fetch(shop)
    assert found.details["salvaged"] is True
    assert (len(shop.server.paid_calls), outcomes(shop), parts(shop)) == (1, ["ok"], [])


def test_l6_a_ledger_that_cannot_take_the_result_leaves_the_file_for_the_next_run_e353(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise VendorError("E353", "the disk is full", "why", "tp config")

    store = shop.store()
    monkeypatch.setattr(store.ledger, "finish", full)
    with pytest.raises(VendorError) as raised:
        fetch(shop, store)
    assert (raised.value.code, len(parts(shop)), quarantined(shop)) == ("E353", 1, [])
    assert fetch(shop).details["salvaged"] is True
    assert (len(shop.server.paid_calls), outcomes(shop)) == (1, ["ok"])


def test_l6_a_budget_that_ends_between_two_attempts_puts_nothing_aside_e350(shop: Shop) -> None:
    shop.script(FaultKind.FLIPPED_BYTE, call="timeseries.get_range", attempts=(1,))
    cost = shop.client().preview(a_query()).cost_usd
    with pytest.raises(RefusedError) as raised:
        fetch(shop, shop.store(max_usd=1.5 * cost))
    assert (raised.value.code, len(parts(shop)), quarantined(shop)) == ("E350", 1, [])
    # The next run looks at it once more before it pays.
    assert fetch(shop, shop.store("run-2")).is_new
    assert (len(shop.server.paid_calls), parts(shop), len(quarantined(shop))) == (2, [], 1)


@pytest.mark.parametrize("error", [KeyError("x"), TypeError("y"), ValueError("z")], ids=repr)
def test_l3_an_error_of_our_own_is_raised_as_it_is_and_nothing_is_bought_again(shop: Shop, error: Exception) -> None:
    with pytest.raises(type(error)) as raised:
        fetch(shop, fail=error)
    assert raised.value is error
    assert (len(shop.server.paid_calls), len(parts(shop))) == (1, 1)
    fetch(shop)
    assert (len(shop.server.paid_calls), outcomes(shop)) == (1, ["ok"])


def test_l7_a_file_of_the_wrong_kind_is_bought_once_and_put_aside(shop: Shop) -> None:
    with pytest.raises(VendorError, match="synthetic") as raised:
        fetch(shop, fail=RefusedError("E386", "synthetic where real", "why", "tp config"))
    assert (raised.value.code, len(shop.server.paid_calls), len(quarantined(shop))) == ("E338", 1, 1)


def test_l3_a_day_that_was_revised_after_its_preview_is_bought_once(shop: Shop) -> None:
    shop.script(FaultKind.WRONG_COUNT, value=1, attempts=(1,))
    with pytest.raises(VendorError, match=r"counts .* now") as raised:
        fetch(shop)
    assert (raised.value.code, len(shop.server.paid_calls), len(parts(shop))) == ("E338", 1, 1)
    # The next run has asked for the count again, so the file that is there is the right one.
    found = fetch(shop)
    assert found.details["salvaged"] is True
    assert (len(shop.server.paid_calls), quarantined(shop)) == (1, [])


def test_l3_an_answer_that_breaks_after_its_last_byte_is_not_bought_again(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = shop.store()
    get_range = store.client.library.timeseries.get_range

    def broken(**parameters: Any) -> None:
        get_range(**parameters)
        raise ConnectionResetError(104, "Connection reset by peer")

    monkeypatch.setattr(store.client.library.timeseries, "get_range", broken)
    assert fetch(shop, store).is_new
    assert (len(shop.server.paid_calls), outcomes(shop)) == (1, ["ok"])


def test_l3_a_connection_that_is_reset_counts_as_paid(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    store = shop.store()

    def reset(**_: Any) -> None:
        raise ConnectionResetError(104, "Connection reset by peer")

    monkeypatch.setattr(store.client.library.timeseries, "get_range", reset)
    with pytest.raises(VendorError) as raised:
        fetch(shop, store)
    calls = shop.ledger.calls()
    assert raised.value.code == "E336"
    assert [(call.outcome, call.cost_usd) for call in calls] == [("failed", calls[0].estimated_usd)] * 2


@pytest.mark.parametrize("step", ["rename", "sync"])
def test_l2_a_forced_day_that_could_not_be_stored_is_not_paid_a_third_time_e339(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    fetch(shop)
    with monkeypatch.context() as patch:
        patch.setattr(raw_cache, step, _full_disk)
        with pytest.raises(VendorError) as raised:
            fetch(shop, force=True)
    assert (raised.value.code, len(parts(shop)), len(shop.server.paid_calls)) == ("E339", 1, 2)
    again = fetch(shop, force=True)
    assert again.details["salvaged"] is True
    assert (len(shop.server.paid_calls), parts(shop)) == (2, [])
    assert fetch(shop).sha256 == again.sha256
    assert fetch(shop, force=True).is_new
    assert len(shop.server.paid_calls) == 3


def test_l2_a_bought_file_that_could_not_be_stored_is_found_although_the_older_one_is_gone(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetch(shop)

    def no_sidecar(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(raw_cache, "replace_json", no_sidecar)
        with pytest.raises(VendorError):
            fetch(shop, force=True)
    assert fetch(shop).details["salvaged"] is True
    assert len(shop.server.paid_calls) == 2


def test_l2_a_whole_file_that_is_not_what_was_asked_for_is_put_aside_and_a_cut_one_deleted(shop: Shop) -> None:
    found = fetch(shop)
    content = found.path.read_bytes()
    found.path.unlink()
    found.path.with_name(f"{found.query.fingerprint}.json").unlink()
    flipped = bytearray(content)
    flipped[len(content) // 2] ^= 0x40
    for number, left in enumerate((content[: len(content) // 2], bytes(flipped))):
        (found.path.parent / f".{found.query.fingerprint}.{number}.feed.part").write_bytes(left)
    assert fetch(shop).is_new
    assert [path.read_bytes() for path in quarantined(shop)] == [bytes(flipped)]
    assert (parts(shop), len(shop.server.paid_calls)) == ([], 2)


def test_l2_of_two_whole_files_the_newer_is_taken_and_the_other_kept(shop: Shop) -> None:
    found = fetch(shop)
    folder, name = found.path.parent, found.query.fingerprint
    (folder / f"{name}.json").unlink()
    older, newer = folder / f".{name}.1.a.part", folder / f".{name}.1.b.part"
    newer.write_bytes(found.path.read_bytes())
    found.path.rename(older)
    os.utime(older, (1, 1))
    assert fetch(shop).details["salvaged"] is True
    assert (parts(shop), len(quarantined(shop)), len(shop.server.paid_calls)) == ([], 1, 1)


def test_l2_a_copy_that_is_put_back_without_its_sidecar_costs_nothing(shop: Shop) -> None:
    found = fetch(shop)
    found.path.with_name(f"{found.query.fingerprint}.json").unlink()
    again = fetch(shop)
    assert (again.sha256, again.cost_usd, again.details["salvaged"]) == (found.sha256, 0.0, True)
    assert (len(shop.server.paid_calls), quarantined(shop)) == (1, [])
    assert not fetch(shop).is_new


def test_l2_a_file_without_sidecar_that_is_not_the_day_is_e357_and_pays_nothing(shop: Shop) -> None:
    found = fetch(shop)
    found.path.with_name(f"{found.query.fingerprint}.json").unlink()
    found.path.write_bytes(found.path.read_bytes()[:-100])
    for _ in range(2):
        with pytest.raises(RefusedError, match="no sidecar") as raised:
            fetch(shop)
        assert raised.value.code == "E357"
    assert "tp l2 import" in raised.value.why
    assert len(shop.server.paid_calls) == 1
    assert fetch(shop, force=True).is_new
    assert len(shop.server.paid_calls) == 2


def test_l2_error_of_a_download_thread_is_not_swallowed_and_the_main_thread_does_not_pay(
    l2_shop: L2Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    vendor = l2_shop.vendor()
    builder = l2_shop.builder(vendor=vendor)
    asked: list[object] = []

    def broken(*arguments: Any, **_: Any) -> RawFile:
        asked.append(arguments)
        raise KeyError("of our own")

    monkeypatch.setattr(vendor.store, "fetch", broken)
    target = builder.view(DAY).target
    assert target is not None
    with DownloadAhead(vendor, [(builder, DAY, target)], 1, print):
        result = l2_shop.build(DAY, vendor=vendor)
        again = l2_shop.build(DAY, vendor=vendor)
    assert (result.outcome, again.outcome, len(asked)) == (Outcome.ERROR, Outcome.ERROR, 1)
    assert "of our own" in str(result.error)


def test_l2_a_second_plan_of_a_run_is_measured_with_what_the_first_may_still_spend(l2_shop: L2Shop) -> None:
    days = [datetime(2025, 9, day, tzinfo=UTC).date() for day in (2, 3, 4)]
    one = l2_shop.builder().view(days[0]).cost_usd
    vendor = l2_shop.vendor(max_usd=2.5 * one)
    builder = l2_shop.builder(vendor=vendor)
    builder.prepare(days[:2])
    builder.prepare(days[2:])
    results = [l2_shop.build(day, vendor=vendor) for day in days]
    assert {result.error.code for result in results if result.error} == {"E350"}
    assert l2_shop.server.paid_calls == []


def test_l2_what_was_bought_meanwhile_is_counted_once(l2_shop: L2Shop) -> None:
    days = [datetime(2025, 9, day, tzinfo=UTC).date() for day in (2, 3)]
    costs = [l2_shop.builder().view(day).cost_usd for day in days]
    vendor = l2_shop.vendor(max_usd=1.01 * sum(costs))
    builder = l2_shop.builder(vendor=vendor)
    builder.prepare(days[:1])
    assert builder.download(days[0])
    builder.prepare(days[1:])
    assert builder.download(days[1])


def _full_disk(*_: Any) -> None:
    raise OSError(28, "No space left on device")


def test_l2_a_raw_file_that_the_disk_does_not_give_back_is_e305_and_not_bought_again(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = fetch(shop)

    def broken(path: Path) -> str:
        raise OSError(5, f"Input/output error: {path.name}")

    with monkeypatch.context() as patch:
        patch.setattr(disk, "sha256_of", broken)
        with pytest.raises(VendorError) as raised:
            fetch(shop)
    assert (raised.value.code, fetch(shop).sha256, len(shop.server.paid_calls)) == ("E305", found.sha256, 1)


def test_l2_a_download_that_the_disk_does_not_give_back_stays_e305(shop: Shop) -> None:
    unreadable = VendorError("E305", "cannot be read", "why", "tp config")
    for _ in range(2):
        with pytest.raises(VendorError) as raised:
            fetch(shop, fail=unreadable)
        assert (raised.value.code, len(parts(shop)), quarantined(shop)) == ("E305", 1, [])
    assert fetch(shop).details["salvaged"] is True
    assert (len(shop.server.paid_calls), outcomes(shop)) == (1, ["ok"])


def test_l2_what_is_being_bought_is_counted_once(l2_shop: L2Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    days = [datetime(2025, 9, day, tzinfo=UTC).date() for day in (2, 3)]
    costs = [l2_shop.builder().view(day).cost_usd for day in days]
    vendor = l2_shop.vendor(max_usd=1.01 * sum(costs))
    builder = l2_shop.builder(vendor=vendor)
    builder.prepare(days[:1])
    timeseries = vendor.store.client.library.timeseries
    get_range = timeseries.get_range

    def meanwhile(**parameters: Any) -> None:
        monkeypatch.setattr(timeseries, "get_range", get_range)
        builder.prepare(days[1:])
        get_range(**parameters)

    monkeypatch.setattr(timeseries, "get_range", meanwhile)
    for day in days:
        assert builder.download(day)


def test_l2_a_disk_that_cannot_take_a_day_is_seen_before_it_is_paid_e339(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk.shutil, "disk_usage", lambda folder: SimpleNamespace(free=100))
    with pytest.raises(VendorError, match="nothing was paid") as raised:
        fetch(shop)
    assert (raised.value.code, shop.server.paid_calls, outcomes(shop)) == ("E339", [], [])


def test_l2_two_runs_that_renew_a_revised_day_pay_it_once(l2_shop: L2Shop) -> None:
    """Both have looked at the day before one of them buys it."""
    l2_shop.script(FaultKind.CONDITION, day=DAY, value="degraded", attempts=(1,))
    l2_shop.script(FaultKind.DEGRADED, attempts=(1,))
    assert l2_shop.build(DAY).outcome is Outcome.DEGRADED
    l2_shop.script(FaultKind.SLOW, call="timeseries.get_range", value=0.5)
    session = l2_shop.builder().calendar.session(DAY)

    def renew(number: int) -> RawFile:
        vendor = l2_shop.vendor(f"run-{number}")
        target = vendor.target("ES", session)
        offer = vendor.offer(target, session)
        both_have_looked.wait()
        return vendor.fetch(target, DAY, offer, renew=True)

    both_have_looked = threading.Barrier(2)
    with ThreadPoolExecutor(2) as pool:
        one, other = pool.map(renew, (2, 3))
    assert one.sha256 == other.sha256
    assert len(l2_shop.server.paid_calls) == 2  # once degraded, once revised


def test_l2_a_whole_part_that_was_left_is_not_held_up_by_the_budget(
    l2_shop: L2Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    vendor = l2_shop.vendor()

    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(vendor, "_verify", stop)
    with pytest.raises(KeyboardInterrupt):
        l2_shop.build(DAY, vendor=vendor)
    spent = l2_shop.ledger.totals().usd
    found = l2_shop.build(DAY, vendor=l2_shop.vendor("run-2", databento_max_usd_per_day=spent + 1e-6))
    assert (found.outcome, len(l2_shop.server.paid_calls)) == (Outcome.WRITE, 1)
