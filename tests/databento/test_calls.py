"""What a failure of one call means: was the request taken, may it be made again, does it stop the run."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from requests.exceptions import ConnectionError as NoConnectionError
from requests.exceptions import ConnectTimeout, ReadTimeout, SSLError
from urllib3.exceptions import MaxRetryError, NewConnectionError, ReadTimeoutError
from urllib3.exceptions import SSLError as TlsError

from trading_platform.databento.batch import was_not_taken
from trading_platform.databento.client import DataBentoClient, ResolvedSymbol
from trading_platform.databento.failures import RETRY_AFTER_LIMIT_S, Failure, FailureKind, classify
from trading_platform.databento.symbology_cache import SYMBOLOGY, keep_symbol
from trading_platform.errors import VendorError
from trading_platform.simulation.databento import FaultKind

from .shop import DAY, Shop, a_query

NOW = datetime(2025, 10, 1, tzinfo=UTC)
POOL: Any = None


def tried(reason: Exception) -> MaxRetryError:
    return MaxRetryError(POOL, "/v0/batch.submit_job", reason)


NOT_TAKEN = [
    OSError("Could not find a suitable TLS CA certificate bundle, invalid path: /nowhere"),
    ConnectTimeout(tried(NewConnectionError(POOL, "timed out"))),
    NoConnectionError(tried(NewConnectionError(POOL, "refused"))),
    SSLError(tried(TlsError("[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed"))),
]
PERHAPS_TAKEN = [
    SSLError(TlsError("[SSL: DECRYPTION_FAILED_OR_BAD_RECORD_MAC] while the body was read")),
    SSLError(tried(TlsError("[SSL: UNEXPECTED_EOF_WHILE_READING] EOF occurred"))),
    ConnectionResetError(104, "Connection reset by peer"),
    BrokenPipeError(32, "Broken pipe"),
    TimeoutError("timed out"),
    NoConnectionError("Connection aborted."),
    ReadTimeout(ReadTimeoutError(POOL, "/", "read timed out")),
]


@pytest.mark.parametrize("error", NOT_TAKEN, ids=repr)
def test_l3_an_order_that_never_left_this_machine_is_free_and_given_again(error: Exception) -> None:
    failure = classify(error, "", NOW)
    assert failure is not None
    assert (was_not_taken(failure), failure.may_be_billed, failure.may_be_tried_again) == (True, False, True)


@pytest.mark.parametrize("error", PERHAPS_TAKEN, ids=repr)
def test_l3_an_order_that_the_vendor_may_have_taken_counts_and_is_not_given_again(error: Exception) -> None:
    failure = classify(error, "", NOW)
    assert failure is not None
    assert (was_not_taken(failure), failure.may_be_billed) == (False, True)


def test_l3_an_order_whose_answer_breaks_in_tls_is_not_given_again(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    store = shop.store(databento_batch_above_mb=0.0)
    submit = store.client.library.batch.submit_job

    def broken(**parameters: Any) -> None:
        submit(**parameters)
        raise SSLError(TlsError("[SSL: DECRYPTION_FAILED_OR_BAD_RECORD_MAC] while the body was read"))

    monkeypatch.setattr(store.client.library.batch, "submit_job", broken)
    with pytest.raises(VendorError):
        shop.fetch(store)
    assert [call.cost_usd > 0 for call in shop.ledger.calls()] == [True]
    assert shop.fetch(shop.store(databento_batch_above_mb=0.0)).is_new
    assert len(shop.server.paid_calls) == 1


def test_l3_a_certificate_of_somebody_else_costs_nothing(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    store = shop.store()
    preview = store.client.preview(a_query())
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    monkeypatch.delenv("SSL_CERT_FILE")
    assert preview.records > 0
    with pytest.raises(VendorError) as raised:
        store.client.record_count(a_query())
    assert (raised.value.code, shop.ledger.calls()) == ("E336", [])
    failure = _failure_of(store.client)
    assert (failure.never_arrived, failure.may_be_billed) == (True, False)


@pytest.mark.parametrize(
    ("retry_after_s", "again"), [(None, True), (0.0, True), (RETRY_AFTER_LIMIT_S, True), (300.1, False)]
)
def test_l3_patience_has_a_limit(retry_after_s: float | None, *, again: bool) -> None:
    assert Failure(FailureKind.PASSING, "busy", 429, retry_after_s=retry_after_s).may_be_tried_again is again


def test_l3_a_run_that_was_stopped_meanwhile_makes_no_further_attempt_e332(shop: Shop) -> None:
    stopped: list[VendorError] = []

    def meanwhile(low: float, high: float) -> float:
        """Another thread learns that the key is refused, while this one waits for its second attempt."""
        assert high >= low
        if not stopped:
            shop.server.faults.clear()
            shop.script(FaultKind.STATUS, call="metadata.get_dataset_range", value=401)
            with pytest.raises(VendorError) as raised:
                client.dataset_range("GLBX.MDP3", "mbp-10")
            stopped.append(raised.value)
        return low

    client = DataBentoClient(shop.settings(), clock=shop.clock, uniform=meanwhile)
    shop.script(FaultKind.STATUS, call="metadata.get_record_count", value=500)
    with pytest.raises(VendorError) as raised:
        client.record_count(a_query())
    assert (raised.value.code, len(shop.server.calls("metadata.get_record_count"))) == ("E332", 1)


def test_l4_a_meaning_that_cannot_be_kept_is_e339(shop: Shop) -> None:
    shop.home.mkdir()
    meant = ResolvedSymbol("ES.v.0", "ESU5", 14160)
    (shop.home / "file").write_text("no folder")
    with pytest.raises(VendorError) as raised:
        keep_symbol(shop.home / "file", DAY, meant)
    assert raised.value.code == "E339"
    (shop.home / "dataset" / SYMBOLOGY).mkdir(parents=True)
    with pytest.raises(VendorError) as raised:
        keep_symbol(shop.home / "dataset", DAY, meant)
    assert raised.value.code == "E339"


def _failure_of(client: DataBentoClient) -> Failure:
    try:
        client.library.metadata.get_record_count(**a_query().metadata_parameters())
    except Exception as error:
        found = client.calls.classified(error)
        assert found is not None
        return found
    raise AssertionError("Expected a refusal")
