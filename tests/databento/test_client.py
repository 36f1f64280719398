"""The client: previews, symbols, attempts, refusals, the breaker."""

from __future__ import annotations

import threading
import time
import warnings
from datetime import UTC, date, datetime
from typing import Any

import pytest

from trading_platform.databento.client import DataBentoClient, ResolvedSymbol, outcome_of
from trading_platform.databento.conditions import Condition, DayCondition
from trading_platform.databento.query import Query, condition_range, exclusive_range, nanoseconds_of
from trading_platform.databento.vendor_warnings import vendor_warnings
from trading_platform.errors import RefusedError, VendorError
from trading_platform.settings import load_settings
from trading_platform.simulation.databento import FaultKind

from .shop import DATASET, DAY, Shop, a_query, market


def test_l1_the_two_ends_of_a_range_of_dates_are_spelled_as_the_vendor_reads_them() -> None:
    days = [date(2025, 9, 30), date(2025, 9, 2)]
    assert condition_range(days) == {"start_date": date(2025, 9, 2), "end_date": date(2025, 9, 30)}
    assert exclusive_range(days) == {"start_date": date(2025, 9, 2), "end_date": date(2025, 10, 1)}


def test_l1_a_preview_costs_nothing_and_equals_the_simulated_records(shop: Shop) -> None:
    query = a_query()
    preview = shop.client().preview(query)
    records = len(market().records(DATASET, "ESU5", query.start_ns, query.end_ns))
    assert (preview.records, preview.size_bytes) == (records, records * 368)
    assert preview.cost_usd == pytest.approx(records * 368 / 1e9 * 2.0)
    assert shop.server.paid_calls == []
    sent = shop.server.calls("metadata.get_cost")[0].parameters
    assert sent == {
        "dataset": DATASET,
        "schema": "mbp-10",
        "symbols": "ESU5",
        "stype_in": "raw_symbol",
        "stype_out": "instrument_id",
        "start": str(query.start_ns),
        "end": str(query.end_ns),
    }


def test_l1_windows_in_winter_and_summer_are_asked_to_the_nanosecond(shop: Shop) -> None:
    for day, hour in ((date(2025, 3, 7), 14), (date(2025, 3, 10), 13)):
        opens = datetime(day.year, day.month, day.day, hour, 30, tzinfo=UTC)
        query = Query(
            DATASET, "mbp-10", "ESH5", "raw_symbol", nanoseconds_of(opens), nanoseconds_of(opens) + 60 * 10**9
        )
        assert shop.client().record_count(query) > 0
        assert shop.server.requests[-1].parameters["start"] == str(int(opens.timestamp()) * 10**9)


def test_l1_conditions_call_a_holiday_available(shop: Shop) -> None:
    shop.script(FaultKind.CONDITION, day=date(2025, 9, 3), value="degraded")
    shop.script(FaultKind.ABSENT, day=date(2025, 9, 4))
    found = shop.client().conditions(DATASET, [date(2025, 9, 1), date(2025, 9, 7)])
    assert sorted(found) == [date(2025, 9, 1), date(2025, 9, 2), date(2025, 9, 3), date(2025, 9, 5)]
    assert found[date(2025, 9, 1)] == DayCondition(Condition.AVAILABLE, date(2025, 9, 2))
    assert found[date(2025, 9, 3)].condition is Condition.DEGRADED


def test_l1_a_pending_day_becomes_available_with_a_newer_revision_date(shop: Shop) -> None:
    shop.script(FaultKind.CONDITION, day=DAY, value="pending", attempts=(1,))
    client = shop.client()
    before, after = client.conditions(DATASET, [DAY])[DAY], client.conditions(DATASET, [DAY])[DAY]
    assert (before.condition, before.last_modified) == (Condition.PENDING, None)
    assert (after.condition, after.last_modified) == (Condition.AVAILABLE, date(2025, 9, 6))


def test_l1_the_range_of_a_dataset_is_read_with_its_nine_digits(shop: Shop) -> None:
    assert shop.client().dataset_range(DATASET, "mbp-10") == (
        datetime(2010, 6, 6, tzinfo=UTC),
        datetime(2025, 10, 1, 12, tzinfo=UTC),
    )


@pytest.mark.parametrize(("day", "raw"), [(date(2025, 9, 12), "ESU5"), (date(2025, 9, 15), "ESZ5")])
def test_l4_a_continuous_symbol_is_the_contract_of_the_trade_date_also_on_a_roll_day(
    shop: Shop, day: date, raw: str
) -> None:
    found = shop.client().resolve(DATASET, "ES.v.0", "continuous", day)
    assert (found.symbol, found.raw_symbol) == ("ES.v.0", raw)
    assert found == ResolvedSymbol("ES.v.0", raw, shop.client().resolve(DATASET, raw, "raw_symbol", day).instrument_id)
    assert shop.server.paid_calls == []


def test_l4_a_symbol_that_means_nothing_is_e342(shop: Shop) -> None:
    with pytest.raises(VendorError, match=r"XX\.v\.0 does not mean one instrument") as raised:
        shop.client().resolve(DATASET, "XX.v.0", "continuous", DAY)
    assert (raised.value.code, outcome_of(raised.value)) == ("E342", "ERROR")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"databento_api_key": " "}, "E330"),
        ({"databento_enabled": False}, "E344"),
        ({"databento_schemas": "trades"}, "E340"),
        ({"databento_datasets": "XNAS.ITCH"}, "E340"),
    ],
)
def test_l1_what_cannot_be_asked_is_refused_before_any_call(shop: Shop, changes: dict[str, Any], code: str) -> None:
    with pytest.raises(VendorError) as raised:
        shop.client(**changes).preview(a_query())
    assert raised.value.code == code
    assert shop.server.requests == []


def test_l7_without_a_key_the_outcome_is_unavail_and_the_next_step_is_the_stand_in(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DATABENTO_API_KEY", raising=False)
    with pytest.raises(VendorError) as raised:
        DataBentoClient(load_settings()).preview(a_query())
    assert (raised.value.code, outcome_of(raised.value)) == ("E330", "UNAVAIL")
    assert raised.value.next_command == "tp simulate databento"


def test_l7_a_library_that_is_not_installed_is_e331(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "databento", None)
    with pytest.raises(VendorError) as raised:
        shop.client().preview(a_query())
    assert (raised.value.code, outcome_of(raised.value)) == ("E331", "UNAVAIL")


@pytest.mark.parametrize(
    "wrong", [{"symbol": ""}, {"symbol": "ALL_SYMBOLS"}, {"symbol": "ES,NQ"}, {"end_ns": 0}], ids=str
)
def test_l1_a_query_without_symbol_or_window_is_e341(wrong: dict[str, Any]) -> None:
    right = {
        "dataset": DATASET,
        "schema": "mbp-10",
        "symbol": "ESU5",
        "stype_in": "raw_symbol",
        "start_ns": 5,
        "end_ns": 6,
    }
    with pytest.raises(RefusedError) as raised:
        Query(**{**right, **wrong})
    assert raised.value.code == "E341"


def test_l3_a_wrong_key_stops_every_further_call(shop: Shop) -> None:
    client = shop.client(databento_api_key="db-wrong")
    for _ in range(3):
        with pytest.raises(VendorError) as raised:
            client.preview(a_query())
        assert (raised.value.code, outcome_of(raised.value)) == ("E332", "UNAVAIL")
    assert len(shop.server.requests) == 1


def test_l3_a_symbol_that_does_not_exist_is_e334_and_never_tried_again(shop: Shop) -> None:
    with pytest.raises(VendorError, match="QQQQ") as raised:
        shop.client().preview(a_query(symbol="QQQQ"))
    assert (raised.value.code, outcome_of(raised.value)) == ("E334", "ERROR")
    assert len(shop.server.requests) == 1


def test_l3_a_vendor_that_is_not_there_is_e335_unavail(shop: Shop) -> None:
    client = shop.client(databento_gateway="https://127.0.0.1:9")
    with pytest.raises(VendorError) as raised:
        client.preview(a_query())
    assert (raised.value.code, outcome_of(raised.value)) == ("E335", "UNAVAIL")


def test_l3_a_certificate_that_is_not_trusted_is_e335(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere/cert.pem")
    with pytest.raises(VendorError) as raised:
        shop.client().preview(a_query())
    assert raised.value.code == "E335"


def test_l3_a_page_of_a_proxy_is_e343(shop: Shop) -> None:
    shop.script(FaultKind.NO_JSON, call="*")
    with pytest.raises(VendorError) as raised:
        shop.client().preview(a_query())
    assert (raised.value.code, outcome_of(raised.value)) == ("E343", "UNAVAIL")


def test_l3_retry_after_is_waited_for(shop: Shop) -> None:
    shop.script(FaultKind.STATUS, call="metadata.get_cost", value=429, retry_after="0.3", attempts=(1,))
    shop.client().preview(a_query())
    first, second = (datetime.fromisoformat(request.at) for request in shop.server.calls("metadata.get_cost"))
    assert (second - first).total_seconds() >= 0.3


def test_l3_waits_double_up_to_the_cap_with_full_jitter(shop: Shop) -> None:
    drawn: list[tuple[float, float]] = []

    def lowest(low: float, high: float) -> float:
        drawn.append((low, high))
        return low

    shop.script(FaultKind.STATUS, call="metadata.get_record_count", value=500)
    settings = shop.settings(databento_retry_base_ms=250.0, databento_retry_cap_ms=1_200.0)
    with pytest.raises(VendorError):
        DataBentoClient(settings, uniform=lowest).preview(a_query())
    assert drawn[:4] == [(0.0, 0.25), (0.0, 0.5), (0.0, 1.0), (0.0, 1.2)]


def test_l3_five_unavailable_calls_in_a_row_open_the_breaker_e337(shop: Shop) -> None:
    shop.script(FaultKind.STATUS, call="*", value=503)
    client = shop.client(databento_attempts=1)
    codes = []
    for _ in range(7):
        with pytest.raises(VendorError) as raised:
            client.record_count(a_query())
        codes.append(raised.value.code)
    assert codes == ["E335"] * 5 + ["E337"] * 2
    assert len(shop.server.requests) == 5


def test_l3_a_success_in_between_closes_the_breaker(shop: Shop) -> None:
    shop.script(FaultKind.STATUS, call="*", value=503, attempts=(1, 2, 3, 4, 6, 7, 8, 9))
    client = shop.client(databento_attempts=1)
    for number in range(1, 10):
        if number == 5:
            client.record_count(a_query())
            continue
        with pytest.raises(VendorError) as raised:
            client.record_count(a_query())
        assert raised.value.code == ("E335" if number < 5 else "E336")


def test_l3_warnings_of_parallel_downloads_are_not_mixed_up() -> None:
    from databento.common.error import BentoWarning

    caught: dict[int, list[str]] = {}

    def download(number: int) -> None:
        with vendor_warnings() as texts:
            for part in range(5):
                warnings.warn(f"{number}.{part}", BentoWarning, stacklevel=1)
                time.sleep(0.001)
        caught[number] = texts

    threads = [threading.Thread(target=download, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert caught == {number: [f"{number}.{part}" for part in range(5)] for number in range(6)}
    with warnings.catch_warnings(record=True) as outside:
        warnings.simplefilter("always")
        warnings.warn("later", BentoWarning, stacklevel=1)
    assert [str(one.message) for one in outside] == ["later"]


def test_l3_retries_write_nothing_to_standard_output(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    shop.script(FaultKind.STATUS, call="metadata.get_cost", value=500, attempts=(1,))
    shop.client().preview(a_query())
    assert capsys.readouterr().out == ""
