"""Days of ``l2`` through the real client: free questions first, one paid call per day, nothing asked for what is stored."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from trading_platform.clock import FixedClock
from trading_platform.databento.l2_builder import L2Builder
from trading_platform.errors import RefusedError
from trading_platform.files import sha256_of
from trading_platform.home import create_home
from trading_platform.lake import Outcome
from trading_platform.simulation.databento import FaultKind

from .l2_shop import L2Shop
from .shop import market

DAY = date(2025, 9, 3)
GOOD_FRIDAY, LABOR_DAY, HALF_DAY = date(2025, 4, 18), date(2025, 9, 1), date(2025, 7, 3)


def ns(*when: int) -> int:
    return int(datetime(*when, tzinfo=UTC).timestamp()) * 10**9  # type: ignore[misc,arg-type]


def asked_window(shop: L2Shop) -> tuple[int, int]:
    sent = shop.server.calls("timeseries.get_range")[-1].parameters
    return int(sent["start"]), int(sent["end"])


def test_l1_day_is_bought_once_and_equals_the_simulated_records(l2_shop: L2Shop) -> None:
    result = l2_shop.build(DAY)
    window = ns(2025, 9, 2, 22), ns(2025, 9, 3, 22)
    records = market().records("GLBX.MDP3", "ESU5", *window)
    stored = l2_shop.lake.read("l2", "ES", DAY)
    assert (result.outcome, result.rows, asked_window(l2_shop)) == (Outcome.WRITE, len(records), window)
    assert stored["ts_recv"].to_physical().to_list() == records["ts_recv"].tolist()
    assert set(stored["raw_symbol"]) == {"ESU5"}
    assert result.synthetic
    assert result.preview is not None
    assert int(result.preview.volume.sum()) == result.facts["volume"]
    assert l2_shop.server.billing == {("ESU5", "2025-09-03"): 1}
    (raw,) = result.details["files"]  # type: ignore[misc]
    assert result.details["cost_usd"] == pytest.approx(l2_shop.server.paid_calls[0].billed_usd)
    assert raw["sha256"] == l2_shop.lake.footer("l2", "ES", DAY).sources[0].sha256  # type: ignore[union-attr,index,call-overload]


def test_l2_stored_day_asks_nobody_and_is_made_again_from_the_cache(l2_shop: L2Shop) -> None:
    first = l2_shop.build(DAY)
    before = l2_shop.seen()
    bytes_before = sha256_of(first.path or Path())
    assert l2_shop.build(DAY).outcome is Outcome.SKIP
    forced = l2_shop.build(DAY, force=True)
    assert (forced.outcome, forced.details) == (Outcome.WRITE, first.details)
    assert sha256_of(forced.path or Path()) == bytes_before
    assert l2_shop.seen() == before


@pytest.mark.parametrize(
    ("day", "start", "end"),
    [
        (date(2025, 3, 7), (2025, 3, 7, 14, 30), (2025, 3, 7, 21)),
        (date(2025, 3, 10), (2025, 3, 10, 13, 30), (2025, 3, 10, 20)),
        (HALF_DAY, (2025, 7, 3, 13, 30), (2025, 7, 3, 17)),
    ],
)
def test_l1_shares_are_asked_for_their_trading_hours(
    l2_shop: L2Shop, day: date, start: tuple[int, ...], end: tuple[int, ...]
) -> None:
    result = l2_shop.build(day, "AAPL")
    assert result.outcome is Outcome.WRITE
    assert asked_window(l2_shop) == (ns(*start), ns(*end))
    assert set(l2_shop.lake.read("l2", "AAPL", day)["session"]) == {"RTH"}


@pytest.mark.parametrize(("symbol", "day"), [("ES", GOOD_FRIDAY), ("AAPL", LABOR_DAY)])
def test_l1_holiday_that_the_vendor_calls_available_is_closed_without_a_question(
    l2_shop: L2Shop, symbol: str, day: date
) -> None:
    conditions = l2_shop.vendor().store.client.conditions("XNAS.ITCH", [day])
    assert conditions[day].condition.value == "available"
    before = l2_shop.seen()
    result = l2_shop.build(day, symbol)
    assert (result.outcome, result.rows, l2_shop.seen()) == (Outcome.CLOSED, 0, before)


def test_l1_degraded_day_is_flagged_and_bought_again_only_when_the_vendor_revises_it(l2_shop: L2Shop) -> None:
    l2_shop.script(FaultKind.CONDITION, day=DAY, value="degraded", attempts=(1, 2))
    l2_shop.script(FaultKind.DEGRADED)
    first = l2_shop.build(DAY)
    assert (first.outcome, first.facts["condition"]) == (Outcome.DEGRADED, "degraded")
    assert "reduced quality" in first.facts["vendor_warnings"][0]  # type: ignore[index,operator]
    footer = l2_shop.lake.footer("l2", "ES", DAY)
    assert footer is not None
    assert (footer.outcome, footer.reason) == (Outcome.DEGRADED, first.reason)
    assert l2_shop.build(DAY).outcome is Outcome.SKIP
    assert len(l2_shop.server.paid_calls) == 1
    # The third answer says available, with a later date.
    again = l2_shop.build(DAY)
    assert (again.outcome, len(l2_shop.server.paid_calls)) == (Outcome.WRITE, 2)
    assert again.facts["last_modified"] == "2025-09-06"
    assert l2_shop.build(DAY).outcome is Outcome.SKIP
    assert len(l2_shop.server.paid_calls) == 2


def test_l1_day_that_the_vendor_does_not_list_but_has_is_stored_with_a_warning(l2_shop: L2Shop) -> None:
    l2_shop.script(FaultKind.ABSENT, day=DAY)
    text = "the vendor names no condition for this day but has records of it"
    assert l2_shop.builder().view(DAY).reason == text
    first = l2_shop.build(DAY)
    assert (first.outcome, first.facts["condition"], first.facts["vendor_warnings"]) == (Outcome.WRITE, None, [text])
    assert first.details["files"][0]["warnings"] == [text]  # type: ignore[index,call-overload]
    # It is told of the file, so it stays when the day is made again without a question.
    before = l2_shop.seen()
    again = l2_shop.build(DAY, force=True)
    assert (again.facts["vendor_warnings"], l2_shop.seen()) == ([text], before)


def test_l1_roll_day_of_a_continuous_symbol_is_the_contract_of_the_trade_date(
    l2_shop: L2Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mapping = tmp_path / "symbols.json"
    mapping.write_text('{"ES": "ES.v.0"}')
    monkeypatch.setenv("TP_SYMBOL_MAPPING", str(mapping))
    for day, raw in ((date(2025, 3, 14), "ESH5"), (date(2025, 3, 17), "ESM5")):
        result = l2_shop.build(day)
        assert (result.facts["vendor_symbol"], result.facts["raw_symbol"]) == ("ES.v.0", raw)
        assert set(l2_shop.lake.read("l2", "ES", day)["raw_symbol"]) == {raw}
    assert [request.symbol for request in l2_shop.server.paid_calls] == ["ESH5", "ESM5"]
    before = l2_shop.seen()
    assert l2_shop.build(date(2025, 3, 17)).outcome is Outcome.SKIP
    assert l2_shop.seen() == before


def test_l1_day_without_a_record_is_empty_and_never_asked_again(l2_shop: L2Shop) -> None:
    l2_shop.script(FaultKind.EMPTY)
    result = l2_shop.build(DAY)
    assert (result.outcome, result.rows, l2_shop.server.paid_calls) == (Outcome.EMPTY, 0, [])
    assert "wrong symbol" in (result.reason or "")
    before = l2_shop.seen()
    l2_shop.server.faults.clear()
    assert l2_shop.build(DAY).outcome is Outcome.EMPTY
    assert l2_shop.seen() == before
    assert l2_shop.build(DAY, rebuy=True).outcome is Outcome.WRITE


@pytest.mark.parametrize(
    ("condition", "empty", "outcome", "code"),
    [
        ("pending", False, Outcome.PENDING, "E380"),
        ("missing", True, Outcome.MISSING, "E381"),
        ("missing", False, Outcome.ERROR, "E382"),
    ],
)
def test_l1_what_is_not_there_costs_nothing(
    l2_shop: L2Shop, condition: str, *, empty: bool, outcome: Outcome, code: str
) -> None:
    l2_shop.script(FaultKind.CONDITION, day=DAY, value=condition)
    if empty:
        l2_shop.script(FaultKind.EMPTY)
    result = l2_shop.build(DAY)
    assert (result.outcome, result.error and result.error.code) == (outcome, code)
    assert l2_shop.server.paid_calls == []
    assert not l2_shop.lake.exists("l2", "ES", DAY)


@pytest.mark.parametrize("now", [datetime(2025, 9, 2, 12, tzinfo=UTC), datetime(2025, 9, 4, 12, tzinfo=UTC)])
def test_l1_session_that_has_not_ended_for_a_day_is_pending_without_a_question(l2_shop: L2Shop, now: datetime) -> None:
    l2_shop.clock = FixedClock(now)
    result = l2_shop.build(DAY)
    assert (result.outcome, result.error and result.error.code) == (Outcome.PENDING, "E380")
    assert l2_shop.seen() == 0


def test_l7_without_a_key_a_day_is_unavailable_and_a_stored_one_stays(
    l2_shop: L2Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    l2_shop.build(DAY)
    monkeypatch.delenv("DATABENTO_API_KEY")
    assert l2_shop.build(DAY).outcome is Outcome.SKIP
    result = l2_shop.build(date(2025, 9, 4))
    assert (result.outcome, result.error and result.error.code) == (Outcome.UNAVAIL, "E330")
    assert result.error is not None
    assert result.error.next_command == "tp simulate databento"


def test_l2_deleted_cache_leaves_stored_days_alone_and_pays_nothing_by_itself(
    l2_shop: L2Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    l2_shop.build(DAY)
    shutil.rmtree(l2_shop.home.cache_dir)
    before = l2_shop.seen()
    assert l2_shop.build(DAY).outcome is Outcome.SKIP
    forced = l2_shop.build(DAY, force=True)
    assert (forced.outcome, forced.error and forced.error.code) == (Outcome.UNAVAIL, "E383")
    monkeypatch.setattr(L2Builder, "CODE_VERSION", "2")
    stale = l2_shop.build(DAY)
    assert (stale.outcome, stale.error and stale.error.code) == (Outcome.UNAVAIL, "E383")
    assert l2_shop.seen() == before
    assert l2_shop.lake.footer("l2", "ES", DAY) is not None
    bought = l2_shop.build(DAY, rebuy=True)
    assert (bought.outcome, len(l2_shop.server.paid_calls)) == (Outcome.WRITE, 2)


def test_l2_new_code_makes_the_day_anew_from_the_cache(l2_shop: L2Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    l2_shop.build(DAY)
    before = l2_shop.seen()
    monkeypatch.setattr(L2Builder, "CODE_VERSION", "2")
    assert l2_shop.build(DAY).outcome is Outcome.WRITE
    assert l2_shop.seen() == before


def test_l2_buying_again_pays_once_per_run(l2_shop: L2Shop) -> None:
    l2_shop.build(DAY)
    vendor = l2_shop.vendor("again", rebuy=True)
    assert l2_shop.builder(vendor=vendor).download(DAY)
    assert l2_shop.build(DAY, vendor=vendor).outcome is Outcome.WRITE
    assert len(l2_shop.server.paid_calls) == 2


def test_l2_download_ahead_is_found_by_the_build(l2_shop: L2Shop) -> None:
    vendor = l2_shop.vendor()
    builder = l2_shop.builder(vendor=vendor)
    assert builder.download(DAY)
    assert not builder.download(DAY)
    before = l2_shop.seen()
    assert l2_shop.build(DAY, vendor=vendor).outcome is Outcome.WRITE
    assert l2_shop.seen() == before


def test_l2_days_that_cost_too_much_together_are_refused_before_the_first_paid_call(l2_shop: L2Shop) -> None:
    days = [date(2025, 9, day) for day in (2, 3, 4)]
    one = l2_shop.builder().view(days[0]).cost_usd
    vendor = l2_shop.vendor(max_usd=2 * one)
    l2_shop.builder(vendor=vendor).prepare(days)
    for day in days:
        result = l2_shop.build(day, vendor=vendor)
        assert (result.outcome, result.error and result.error.code) == (Outcome.UNAVAIL, "E350")
    assert l2_shop.server.paid_calls == []


def test_l2_budget_that_runs_out_ends_a_single_day_unavailable(l2_shop: L2Shop) -> None:
    result = l2_shop.build(DAY, max_usd=0.0)
    assert (result.outcome, result.error and result.error.code) == (Outcome.UNAVAIL, "E350")
    assert l2_shop.server.paid_calls == []


def test_l3_what_failed_once_is_not_paid_again_in_the_same_run(l2_shop: L2Shop) -> None:
    l2_shop.script(FaultKind.CUT_ON_RECORD)
    vendor = l2_shop.vendor()
    with pytest.raises(Exception, match="verification"):
        l2_shop.builder(vendor=vendor).download(DAY)
    paid = len(l2_shop.server.paid_calls)
    result = l2_shop.build(DAY, vendor=vendor)
    assert (result.outcome, result.error and result.error.code) == (Outcome.ERROR, "E338")
    assert len(l2_shop.server.paid_calls) == paid == 2


def test_l4_window_setting_narrows_and_a_raw_file_that_covers_it_is_not_bought_again(
    l2_shop: L2Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = l2_shop.build(DAY)
    monkeypatch.setenv("TP_L2_WINDOW_ET", "10:00-11:00")
    part = l2_shop.build(DAY)
    stored = l2_shop.lake.read("l2", "ES", DAY)
    assert (part.outcome, len(l2_shop.server.paid_calls)) == (Outcome.WRITE, 1)
    assert 0 < part.rows < whole.rows
    assert part.rows + int(part.facts["other_day_records"]) == whole.rows  # type: ignore[call-overload]
    inside = (pl.col("ts_recv") >= datetime(2025, 9, 3, 14, tzinfo=UTC)) & (
        pl.col("ts_recv") < datetime(2025, 9, 3, 15, tzinfo=UTC)
    )
    assert stored.filter(inside).height == stored.height


@pytest.mark.parametrize(
    ("symbol", "environment", "code"),
    [
        ("AAPL", {"TP_L2_WINDOW_ET": "17:00-18:00"}, "E387"),
        ("SPX", {}, "E388"),
        ("ES", {"TP_DATABENTO_SCHEMA": "ohlcv-1m"}, "E389"),
        ("ES", {"TP_DATABENTO_DATASETS": "XNAS.ITCH"}, "E340"),
        ("E S ", {}, "E367"),
    ],
)
def test_l1_what_cannot_be_asked_is_refused_before_any_paid_call(
    l2_shop: L2Shop, monkeypatch: pytest.MonkeyPatch, symbol: str, environment: dict[str, str], code: str
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(RefusedError) as raised:
        l2_shop.builder(symbol).plan(DAY)
    assert raised.value.code == code
    assert l2_shop.seen() == 0


def test_l7_demo_home_takes_no_real_data(l2_shop: L2Shop, tmp_path: Path) -> None:
    shop = L2Shop(l2_shop.server, create_home(tmp_path / "demo", demo=True))
    result = shop.build(DAY, vendor=shop.vendor(databento_gateway="https://hist.databento.com"))
    assert (result.outcome, result.error and result.error.code) == (Outcome.UNAVAIL, "E385")
    assert shop.build(DAY).outcome is Outcome.WRITE


def test_l7_stand_in_keeps_cache_and_ledger_apart_from_the_vendor(l2_shop: L2Shop) -> None:
    l2_shop.build(DAY)
    assert sorted(path.name for path in l2_shop.home.cache_dir.iterdir()) == ["dbn_simulated"]
    assert not l2_shop.home.spend_ledger.exists()
    assert len(l2_shop.ledger.calls()) == 1
    # The vendor's own files are looked for elsewhere, so a synthetic day is never found in place of a real one.
    view = l2_shop.builder(vendor=l2_shop.vendor(databento_enabled=False, databento_gateway="https://x.example"))
    plan = view.plan(DAY)
    assert (plan.decided, plan.error and plan.error.code) == (Outcome.UNAVAIL, "E344")


def test_l2_checks_measure_the_stored_rows_again(l2_shop: L2Shop) -> None:
    result = l2_shop.build(DAY)
    builder = l2_shop.builder()
    measured = builder.measure(DAY)
    assert set(measured) >= {"rows", "volume", "vwap", "judged_rows"}
    assert {name: result.facts[name] for name in measured} == measured
    assert {check.name for check in result.checks} == set(L2Builder.CHECKS)
    assert all(check.passed for check in result.checks)


def test_l2_sidecar_of_the_day_names_query_and_price(l2_shop: L2Shop) -> None:
    result = l2_shop.build(DAY)
    (sidecar,) = (l2_shop.home.cache_dir / "dbn_simulated" / "GLBX.MDP3" / "mbp-10" / "ESU5" / "2025-09-03").glob(
        "*.json"
    )
    content: dict[str, Any] = json.loads(sidecar.read_text())
    assert content["query"]["symbol"] == "ESU5"
    assert content["cost_usd"] == result.details["cost_usd"]
    assert sidecar.stem == result.facts["query"]


@pytest.mark.parametrize(("typed", "symbol"), [("nvda", "NVDA"), ("es", "ES"), ("es.v.0", "ES.v.0")])
def test_l2_lower_case_symbol_is_bought_and_stored_once_under_its_one_name(
    l2_shop: L2Shop, typed: str, symbol: str
) -> None:
    result = l2_shop.build(DAY, typed)
    assert (result.outcome, result.path) == (Outcome.WRITE, l2_shop.lake.path("l2", symbol, DAY))
    assert l2_shop.build(DAY, symbol).outcome is Outcome.SKIP
    assert {call.symbol for call in l2_shop.ledger.calls()} == {symbol}
    assert len(l2_shop.server.paid_calls) == 1
