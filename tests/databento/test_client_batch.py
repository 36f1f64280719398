"""Batch jobs: ordered once whatever happens, resumed, and refused if a hash does not fit."""

from __future__ import annotations

from typing import Any

import pytest

from trading_platform.databento import batch
from trading_platform.databento.verify import verify_dbn
from trading_platform.errors import VendorError
from trading_platform.simulation.databento import FaultKind

from .shop import Shop, a_query


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch, "POLL_S", 0.01)


def fetch(shop: Shop, **changes: Any) -> Any:
    return shop.fetch(shop.store(**{"databento_batch_above_mb": 0.0, **changes}))


def test_l3_a_large_day_is_ordered_as_one_file_and_equals_the_stream(shop: Shop) -> None:
    found = fetch(shop)
    (order,) = shop.server.calls("batch.submit_job")
    assert (order.parameters["split_duration"], order.parameters["split_symbols"]) == ("none", "False")
    assert verify_dbn(found.path).require().records == found.records
    assert found.details["job_id"] == shop.ledger.calls()[0].job_id
    assert shop.server.calls("timeseries.get_range") == []
    assert shop.cached() == sorted([found.path.name, f"{found.query.fingerprint}.json"])
    assert shop.ledger.totals().usd == pytest.approx(order.billed_usd)


def test_l3_a_small_day_is_streamed(shop: Shop) -> None:
    shop.fetch(shop.store(databento_batch_above_mb=5.0))
    assert shop.server.calls("batch.submit_job") == []


def test_l3_a_download_that_breaks_twice_is_resumed_by_range(shop: Shop) -> None:
    shop.script(FaultKind.CUT_FILE, attempts=(1, 2))
    found = fetch(shop)
    first, second, third = shop.server.calls("batch.file")
    assert "range" not in first.parameters
    # The library keeps whole blocks only, so up to one block of each piece is sent twice.
    starts = [int(request.parameters["range"].removeprefix("bytes=").split("-")[0]) for request in (second, third)]
    assert 0 < starts[0] <= first.sent_bytes
    assert starts[0] < starts[1] <= starts[0] + second.sent_bytes
    assert third.sent_bytes == found.size_bytes - starts[1]
    assert len(shop.server.paid_calls) == 1


def test_l3_a_wrong_hash_is_e361_and_the_next_run_downloads_again_for_free(shop: Shop) -> None:
    shop.script(FaultKind.WRONG_SHA256, attempts=(1,))
    with pytest.raises(VendorError) as raised:
        fetch(shop)
    assert raised.value.code == "E361"
    assert len([name for name in shop.cached() if "dbn.zst." in name]) == 1  # in quarantine
    assert fetch(shop).is_new
    assert len(shop.server.paid_calls) == 1


def test_l3_an_order_whose_answer_was_lost_is_found_and_not_given_again(shop: Shop) -> None:
    shop.script(FaultKind.LOST_ANSWER, call="batch.submit_job", attempts=(1,))
    with pytest.raises(VendorError) as raised:
        fetch(shop)
    assert raised.value.code == "E336"
    assert fetch(shop).is_new
    assert len(shop.server.calls("batch.submit_job")) == len(shop.server.paid_calls) == 1


def test_l3_a_busy_vendor_is_asked_again_with_the_same_order(shop: Shop) -> None:
    shop.script(FaultKind.STATUS, call="batch.submit_job", value=429, retry_after="0.01", attempts=(1, 2))
    assert fetch(shop).is_new
    assert len(shop.server.calls("batch.submit_job")) == 3
    assert len(shop.server.paid_calls) == len(shop.ledger.calls()) == 1


def test_l3_a_job_that_expired_is_e360_and_the_next_run_orders_anew(shop: Shop) -> None:
    shop.script(FaultKind.JOB_EXPIRED, call="batch.get_job_details", attempts=(1,))
    with pytest.raises(VendorError, match="expired") as raised:
        fetch(shop)
    assert raised.value.code == "E360"
    assert fetch(shop).is_new
    assert len(shop.server.paid_calls) == 2


def test_l3_a_job_that_takes_too_long_is_e362_and_taken_up_by_the_next_run(shop: Shop) -> None:
    shop.script(FaultKind.JOB_SLOW, attempts=(1, 2, 3))
    with pytest.raises(VendorError) as raised:
        fetch(shop, databento_batch_wait_s=0.0)
    assert raised.value.code == "E362"
    assert fetch(shop).is_new
    assert len(shop.server.paid_calls) == 1


def test_l3_a_file_of_a_job_that_lacks_records_is_e338(shop: Shop) -> None:
    shop.script(FaultKind.CUT_ON_RECORD, call="batch.submit_job", attempts=(1,))
    with pytest.raises(VendorError) as raised:
        fetch(shop)
    assert raised.value.code == "E338"
    assert fetch(shop).is_new


def test_l3_a_lost_cache_takes_the_paid_job_again_and_pays_nothing(shop: Shop) -> None:
    first = fetch(shop)
    for path in (first.path, first.path.with_name(f"{first.query.fingerprint}.json")):
        path.unlink()
    assert fetch(shop).sha256 == first.sha256
    assert len(shop.server.paid_calls) == 1
    assert a_query().fingerprint == first.query.fingerprint
