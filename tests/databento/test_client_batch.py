"""Batch jobs: ordered once whatever happens, resumed, and refused if a hash does not fit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from trading_platform.databento.job_file import JobFile
from trading_platform.databento.raw_cache import DayFolder, RawFile
from trading_platform.databento.verify import verify_dbn
from trading_platform.errors import VendorError
from trading_platform.simulation.databento import FaultKind

from .shop import Shop, a_query


def fetch(shop: Shop, *, force: bool = False, **changes: Any) -> RawFile:
    found = shop.fetch(shop.store(**{"databento_batch_above_mb": 0.0, **changes}), force=force)
    assert isinstance(found, RawFile)
    return found


def note_of(found: RawFile) -> JobFile:
    return JobFile(DayFolder(found.path.parent, found.query, found.trade_date).job_path)


def test_l3_a_large_day_is_ordered_as_one_file_and_equals_the_stream(shop: Shop) -> None:
    found = fetch(shop)
    (order,) = shop.server.calls("batch.submit_job")
    assert (order.parameters["split_duration"], order.parameters["split_symbols"]) == ("none", "False")
    assert verify_dbn(found.path).require().records == found.records
    assert found.details["job_id"] == shop.ledger.calls()[0].job_id
    assert shop.server.calls("timeseries.get_range") == []
    assert shop.cached() == sorted([found.path.name, f"{found.query.fingerprint}.json"])
    assert shop.ledger.totals().usd == pytest.approx(order.billed_usd)
    assert [call.received_bytes for call in shop.ledger.calls()] == [None]


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


def test_l3_a_job_that_the_vendor_has_forgotten_is_e360_and_the_next_run_orders_anew(shop: Shop) -> None:
    shop.script(FaultKind.STATUS, call="batch.get_job_details", value=404, attempts=(1,))
    with pytest.raises(VendorError, match="not known") as raised:
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


@pytest.mark.parametrize("looked_up", [False, True])
def test_l3_an_order_that_has_brought_its_file_is_not_that_of_a_day_bought_again(
    shop: Shop, *, looked_up: bool
) -> None:
    first = fetch(shop)
    # A kill between the rename of the file and the end of the note.
    note_of(first).keep(str(first.details["job_id"]), None)
    if looked_up:
        assert not fetch(shop).is_new
        assert note_of(first).job_id is None
    again = fetch(shop, force=True)
    assert again.details["job_id"] != first.details["job_id"]
    assert len(shop.server.paid_calls) == 2


def test_l3_a_file_that_is_salvaged_ends_the_note_of_its_order(shop: Shop) -> None:
    first = fetch(shop)
    first.path.rename(first.path.parent / f".{first.query.fingerprint}.1.feed.part")
    first.path.with_name(f"{first.query.fingerprint}.json").unlink()
    note_of(first).keep(str(first.details["job_id"]), None)
    assert fetch(shop).details["salvaged"] is True
    assert note_of(first).job_id is None
    assert len(shop.server.paid_calls) == 1


def test_l3_a_forced_order_that_was_not_ready_is_taken_up_by_the_next_forced_run(shop: Shop) -> None:
    first = fetch(shop)
    shop.script(FaultKind.JOB_SLOW, attempts=(2, 3))
    with pytest.raises(VendorError) as raised:
        fetch(shop, force=True, databento_batch_wait_s=0.0)
    assert raised.value.code == "E362"
    again = fetch(shop, force=True)
    assert again.details["job_id"] != first.details["job_id"]
    assert len(shop.server.paid_calls) == 2


def test_l3_an_order_of_an_older_revision_is_not_that_of_a_day_bought_again(shop: Shop) -> None:
    first = fetch(shop)
    note_of(first).keep("of-another-revision", "2025-09-04")
    assert fetch(shop, force=True).details["job_id"] != "of-another-revision"
    assert len(shop.server.paid_calls) == 2


def test_l3_of_several_orders_the_newest_is_taken_and_none_that_proved_useless(shop: Shop) -> None:
    jobs = [fetch(shop).details["job_id"], fetch(shop, force=True).details["job_id"], fetch(shop, force=True)]
    last = jobs.pop()
    note = note_of(last)
    for expected in (last.details["job_id"], *reversed(jobs)):
        last.path.unlink()
        last.path.with_name(f"{last.query.fingerprint}.json").unlink()
        last = fetch(shop)
        assert last.details["job_id"] == expected
        note.give_up(str(expected))
    assert len(note.useless) == 3
    assert len(shop.server.paid_calls) == 3


def test_l3_an_order_that_is_received_and_not_listed_yet_is_not_given_again(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.script(FaultKind.LOST_ANSWER, call="batch.submit_job", attempts=(1,))
    with pytest.raises(VendorError):
        fetch(shop)
    store = shop.store(databento_batch_above_mb=0.0)
    list_jobs = store.client.library.batch.list_jobs
    answers: list[Any] = [[]]
    monkeypatch.setattr(
        store.client.library.batch, "list_jobs", lambda **named: answers.pop() if answers else list_jobs(**named)
    )
    assert shop.fetch(store).is_new
    assert len(shop.server.calls("batch.submit_job")) == 1


def test_l3_what_another_job_left_behind_is_no_error(shop: Shop) -> None:
    first = fetch(shop)
    left = first.path.parent / ".batch" / "another-job" / "half.dbn.zst"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"half")
    assert fetch(shop, force=True).is_new
    assert left.exists()


def test_l3_a_file_of_a_job_of_a_day_that_was_revised_is_kept_and_not_ordered_again(shop: Shop) -> None:
    shop.script(FaultKind.WRONG_COUNT, value=1, attempts=(1,))
    with pytest.raises(VendorError, match=r"counts .* now") as raised:
        fetch(shop)
    assert raised.value.code == "E338"
    assert fetch(shop).details["salvaged"] is True
    assert len(shop.server.paid_calls) == 1


def test_l3_a_note_that_cannot_be_written_is_e339_and_the_ledger_knows_the_order(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, *_: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("trading_platform.databento.disk.replace_json", full)
        with pytest.raises(VendorError) as raised:
            fetch(shop)
    assert raised.value.code == "E339"
    assert fetch(shop).is_new
    assert len(shop.server.paid_calls) == 1
