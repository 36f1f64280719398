"""Every fault of the far end, through the real client: afterwards there is no file, or a right one."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from trading_platform.databento.fetch import DayRequest
from trading_platform.databento.verify import verify_dbn
from trading_platform.errors import VendorError
from trading_platform.simulation.databento import FaultKind

from .shop import DAY, KEY, Shop, a_query

FIRST = (1,)

# fault, its details: strikes once, so the second attempt gives the right file; paid attempts; ledger sum in days
PASSING: list[tuple[FaultKind, dict[str, Any], int]] = [
    (FaultKind.STATUS, {"value": 408}, 1),
    (FaultKind.STATUS, {"value": 429, "retry_after": "0.01"}, 1),
    (FaultKind.STATUS, {"value": 500}, 1),
    (FaultKind.STATUS, {"value": 503}, 1),
    (FaultKind.STATUS, {"value": 504}, 1),
    (FaultKind.HTML_ERROR, {}, 1),
    (FaultKind.DROPPED, {}, 1),
    (FaultKind.LOST_ANSWER, {}, 2),
    (FaultKind.NO_JSON, {}, 1),
    (FaultKind.CUT_CHUNKED, {}, 2),
    (FaultKind.CUT_UNFRAMED, {}, 2),
    (FaultKind.CUT_ON_RECORD, {}, 2),
    (FaultKind.FLIPPED_BYTE, {}, 2),
]


@pytest.mark.parametrize(("kind", "details", "billed"), PASSING, ids=str)
def test_l3_a_fault_that_passes_ends_with_the_right_file(
    shop: Shop, kind: FaultKind, details: dict[str, Any], billed: int
) -> None:
    shop.script(kind, call="timeseries.get_range", attempts=FIRST, **details)
    found = shop.fetch()
    assert verify_dbn(found.path).require().records == found.records > 100
    assert found.is_new
    assert found.details["attempts"] == 2
    assert len(shop.server.calls("timeseries.get_range")) == 2
    assert len(shop.server.paid_calls) == billed
    assert not [name for name in shop.cached() if ".part" in name]
    # The ledger never counts less than the vendor.
    spent = shop.ledger.totals().usd
    assert spent >= sum(request.billed_usd or 0.0 for request in shop.server.paid_calls) - 1e-9
    assert [call.outcome for call in shop.ledger.calls()] == ["failed", "ok"]


# fault, its details: strikes always; error, attempts, those the vendor billed, files put aside
FINAL: list[tuple[FaultKind, dict[str, Any], str, int, int, int]] = [
    (FaultKind.STATUS, {"value": 400}, "E334", 1, 0, 0),
    (FaultKind.STATUS, {"value": 401}, "E332", 1, 0, 0),
    (FaultKind.STATUS, {"value": 402}, "E333", 1, 0, 0),
    (FaultKind.STATUS, {"value": 403}, "E332", 1, 0, 0),
    (FaultKind.STATUS, {"value": 404}, "E334", 1, 0, 0),
    (FaultKind.STATUS, {"value": 422}, "E334", 1, 0, 0),
    (FaultKind.STATUS, {"value": 429, "retry_after": "86400"}, "E336", 1, 0, 0),
    # Certainly not billed, so it may be tried as often as the setting says.
    (FaultKind.STATUS, {"value": 500}, "E336", 5, 0, 0),
    (FaultKind.HTML_ERROR, {}, "E336", 5, 0, 0),
    # Not billed by the stand-in, but nobody could tell.
    (FaultKind.DROPPED, {}, "E336", 2, 0, 0),
    (FaultKind.NO_JSON, {}, "E336", 2, 0, 0),
    # Damage of the transfer: once more.
    (FaultKind.LOST_ANSWER, {}, "E336", 2, 2, 0),
    (FaultKind.CUT_CHUNKED, {}, "E336", 2, 2, 0),
    (FaultKind.CUT_UNFRAMED, {}, "E338", 2, 2, 1),
    (FaultKind.CUT_ON_RECORD, {}, "E338", 2, 2, 2),
    (FaultKind.FLIPPED_BYTE, {}, "E338", 2, 2, 2),
    # The same would come again.
    (FaultKind.OUTSIDE_WINDOW, {}, "E338", 1, 1, 1),
    (FaultKind.UNORDERED, {}, "E338", 1, 1, 1),
    (FaultKind.TWO_INSTRUMENTS, {}, "E338", 1, 1, 1),
    (FaultKind.OTHER_SCHEMA, {}, "E338", 1, 1, 1),
    (FaultKind.VERSION_4, {}, "E338", 1, 1, 1),
]


@pytest.mark.parametrize(("kind", "details", "code", "attempts", "billed", "aside"), FINAL, ids=str)
def test_l3_a_fault_that_stays_leaves_no_file_and_a_numbered_error(
    shop: Shop, kind: FaultKind, details: dict[str, Any], code: str, attempts: int, billed: int, aside: int
) -> None:
    shop.script(kind, call="timeseries.get_range", **details)
    with pytest.raises(VendorError) as raised:
        shop.fetch()
    assert raised.value.code == code
    assert len(shop.server.calls("timeseries.get_range")) == attempts
    assert len(shop.ledger.calls()) == attempts
    assert len(shop.server.paid_calls) == billed
    assert not [name for name in shop.cached() if name.endswith((".dbn.zst", ".part", ".json"))]
    assert len(list((shop.home / "cache").rglob("quarantine/*"))) == aside


def test_l3_a_count_that_disagrees_with_the_body_is_never_stored(shop: Shop) -> None:
    shop.script(FaultKind.WRONG_COUNT, value=1)
    with pytest.raises(VendorError, match="the vendor counts") as raised:
        shop.fetch()
    assert (raised.value.code, len(shop.server.paid_calls)) == ("E338", 2)
    assert not [name for name in shop.cached() if name.endswith(".dbn.zst")]


def test_l3_a_stream_that_stalls_is_tried_again(shop: Shop) -> None:
    shop.script(FaultKind.SLOW, value=1.0, attempts=FIRST)
    found = shop.fetch(shop.store(databento_timeout_s=0.4))
    assert (found.details["attempts"], len(shop.server.paid_calls)) == (2, 2)


def test_l3_a_degraded_day_is_stored_with_the_warning_of_the_vendor(shop: Shop) -> None:
    shop.script(FaultKind.DEGRADED)
    found = shop.fetch()
    assert "reduced quality" in found.warnings[0]
    sidecar = json.loads(found.path.with_name(f"{found.query.fingerprint}.json").read_text())
    assert sidecar["warnings"] == list(found.warnings)
    assert shop.fetch().warnings == found.warnings


def test_l3_a_full_disk_is_no_fault_of_the_vendor_e339(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    store = shop.store()
    preview = store.client.preview(a_query())
    monkeypatch.setattr("builtins.open", _full_disk(open))
    with pytest.raises(VendorError) as raised:
        store.fetch(DayRequest(a_query(), DAY, "ES", preview), lambda path: None)
    assert (raised.value.code, shop.cached()) == ("E339", [])
    assert len(shop.server.calls("timeseries.get_range")) == 1


def _full_disk(real: Callable[..., Any]) -> Callable[..., Any]:
    def opened(file: Any, *rest: Any, **named: Any) -> Any:
        if str(file).endswith(".part"):
            raise OSError(28, "No space left on device")
        return real(file, *rest, **named)

    return opened


def test_l3_no_message_file_or_log_holds_the_key(shop: Shop, capfd: pytest.CaptureFixture[str]) -> None:
    texts = [repr(shop.settings()), repr(shop.client()), str(shop.settings().databento_api_key)]
    for status in (401, 422, 500):
        shop.server.faults.clear()
        shop.script(FaultKind.STATUS, call="timeseries.get_range", value=status)
        with pytest.raises(VendorError) as raised:
            shop.fetch()
        error: BaseException | None = raised.value
        while error is not None:
            texts += [str(error), repr(error), repr(vars(error))]
            error = error.__cause__
    shop.server.faults.clear()
    shop.fetch()
    texts += [path.read_bytes().decode("latin-1") for path in shop.home.rglob("*") if path.is_file()]
    texts += [shop.server.log_path.read_text(), *capfd.readouterr()]
    assert not [text for text in texts if KEY in text]
