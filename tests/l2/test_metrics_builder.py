"""The dataset ``l2_metrics``: made from stored rows, judged against them, never asked of a vendor."""

from __future__ import annotations

from datetime import UTC, date, datetime

import polars as pl
import pytest

from tests.databento.l2_shop import L2Shop
from trading_platform.clock import FixedClock
from trading_platform.instants import us_of
from trading_platform.l2 import L2MetricsBuilder, l2_metrics, value_area, volume_profile
from trading_platform.l2.metrics_builder import RowsReplacedError
from trading_platform.lake import DayResult, FooterFields, Outcome, build_day
from trading_platform.lake.contracts import L2
from trading_platform.sessions import calendar_for
from trading_platform.simulation.databento import FaultKind

DAY = date(2025, 9, 3)
LABOR_DAY = date(2025, 9, 1)


def builder_of(shop: L2Shop, symbol: str = "AAPL") -> L2MetricsBuilder:
    calendar = calendar_for("CME_EQUITY" if symbol == "ES" else "NYSE")
    return L2MetricsBuilder(symbol, shop.lake, calendar, shop.clock)


def measured(shop: L2Shop, day: date = DAY, symbol: str = "AAPL") -> DayResult:
    return build_day(builder_of(shop, symbol), day, shop.lake)


@pytest.mark.parametrize("symbol", ["AAPL", "ES"])
def test_l8_seconds_equal_the_measures_of_the_stored_rows(l2_shop: L2Shop, symbol: str) -> None:
    bought = l2_shop.build(DAY, symbol)
    before = l2_shop.seen()
    result = measured(l2_shop, symbol=symbol)
    rows = l2_shop.lake.read("l2", symbol, DAY)
    seconds = l2_shop.lake.read("l2_metrics", symbol, DAY)
    session = builder_of(l2_shop, symbol).plan(DAY).session
    assert session.opens_at is not None
    assert session.closes_at is not None
    hours = [session.opens_at, *(edge for pair in session.breaks for edge in pair), session.closes_at]
    edges_us = [us_of(edge) for edge in hours]
    spans = list(zip(edges_us[::2], edges_us[1::2], strict=True))
    expected = l2_metrics([rows], str(bought.facts["raw_symbol"]), spans)
    assert (
        seconds.select(expected.columns)
        .cast({"raw_symbol": pl.String})
        .equals(expected.cast({"raw_symbol": pl.String}))
    )
    area = value_area(volume_profile(rows))
    assert area is not None
    told = [result.facts[name] for name in ("point_of_control", "value_area_low", "value_area_high")]
    assert told == [area.point_of_control, area.low, area.high]
    assert (result.outcome, result.synthetic, l2_shop.seen()) == (Outcome.WRITE, True, before)
    assert result.preview is not None
    assert {check.name: check.passed for check in result.checks} == dict.fromkeys(L2MetricsBuilder.CHECKS, True)
    assert build_day(builder_of(l2_shop, symbol), DAY, l2_shop.lake).outcome is Outcome.SKIP


def test_l8_facts_are_measured_again_from_the_stored_seconds(l2_shop: L2Shop) -> None:
    l2_shop.build(DAY, "AAPL")
    result = measured(l2_shop)
    assert builder_of(l2_shop).measure(DAY) == result.facts


def test_l8_closed_and_empty_days_follow_their_rows(l2_shop: L2Shop) -> None:
    assert measured(l2_shop, LABOR_DAY).outcome is Outcome.CLOSED
    l2_shop.script(FaultKind.EMPTY)
    l2_shop.build(DAY, "AAPL")
    assert measured(l2_shop).outcome is Outcome.EMPTY


def test_l8_day_without_rows_is_missing_e460_and_one_that_has_not_begun_pending_e462(l2_shop: L2Shop) -> None:
    result = measured(l2_shop)
    assert (result.outcome, result.error and result.error.code) == (Outcome.MISSING, "E460")
    l2_shop.clock = FixedClock(datetime(2025, 9, 3, 12, tzinfo=UTC))
    result = measured(l2_shop)
    assert (result.outcome, result.error and result.error.code) == (Outcome.PENDING, "E462")


def test_l8_rows_that_are_replaced_in_between_are_noticed_e461(l2_shop: L2Shop) -> None:
    l2_shop.build(DAY, "AAPL")
    builder = builder_of(l2_shop)
    plan = builder.plan(DAY)
    with l2_shop.lake.begin(L2, "AAPL", DAY) as writer:
        writer.commit(FooterFields("other", "1", Outcome.EMPTY, plan.session.resolved()))
    with l2_shop.lake.begin(builder.contract, "AAPL", DAY) as writer, pytest.raises(RowsReplacedError) as raised:
        builder.build(plan, writer)
    assert raised.value.code == "E461"
