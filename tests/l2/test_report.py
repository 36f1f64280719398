"""The depth report equals what its rows say, whether the measures are stored or not; pictures are files."""

from __future__ import annotations

import sys
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from tests.databento.l2_shop import L2Shop
from trading_platform.errors import QualityError
from trading_platform.l2 import L2MetricsBuilder, value_area, volume_profile
from trading_platform.l2.pictures import draw, picture_paths
from trading_platform.l2.report import DayDepth, analyze_day
from trading_platform.lake import build_day
from trading_platform.sessions import calendar_for
from trading_platform.simulation.databento import FaultKind

DAY = date(2025, 9, 3)
CALENDAR = calendar_for("NYSE")


def depth_of(shop: L2Shop) -> DayDepth:
    return analyze_day(shop.lake, "AAPL", CALENDAR.session(DAY))


def test_l8_report_equals_the_stored_rows(l2_shop: L2Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    l2_shop.build(DAY, "AAPL")
    before = depth_of(l2_shop).report
    assert before.measures_from == "l2"
    build_day(L2MetricsBuilder("AAPL", l2_shop.lake, CALENDAR, l2_shop.clock), DAY, l2_shop.lake)
    depth = depth_of(l2_shop)
    report = depth.report
    assert report.measures_from == "l2_metrics"
    assert {**report.as_dict(), "measures_from": "l2"} == before.as_dict()

    rows = l2_shop.lake.read("l2", "AAPL", DAY)
    trades = rows.filter(pl.col("action") == "T")
    size = trades["size"].cast(pl.Int64)
    assert (report.rows, report.trades, report.volume) == (rows.height, trades.height, size.sum())
    assert report.vwap == pytest.approx((trades["price"] * size).sum() / size.sum(), rel=1e-12)
    assert (report.price_low, report.price_high) == (trades["price"].min(), trades["price"].max())
    assert report.area == value_area(volume_profile(rows))

    seconds = l2_shop.lake.read("l2_metrics", "AAPL", DAY)
    inside = seconds.filter(pl.col("in_session"))
    assert report.session_seconds == inside.height > 0
    assert report.spread.mean == pytest.approx(inside["spread"].mean())
    assert report.imbalance_5.median == pytest.approx(inside["imbalance_5"].median())
    assert report.mid.last == inside["mid"].drop_nulls()[-1]
    assert report.flow == seconds["order_flow_imbalance"].sum()
    minutes = seconds.group_by(pl.col("ts").dt.truncate("1m")).agg(pl.col("volume").sum())
    assert report.busiest[0].volume == minutes["volume"].max()
    assert [one.volume for one in report.busiest] == sorted((one.volume for one in report.busiest), reverse=True)

    drawn = draw(depth, tmp_path / "pictures")
    assert [path.name for path in drawn] == [
        f"AAPL_2025-09-03_l2_{name}_synthetic.png" for name in ("prices", "flow", "profile")
    ]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in drawn)
    assert sorted((tmp_path / "pictures").iterdir()) == sorted(drawn)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(QualityError) as raised:
        draw(depth, tmp_path)
    assert raised.value.code == "E475"


def test_l8_day_without_rows_has_a_report_of_nulls_and_no_pictures(l2_shop: L2Shop, tmp_path: Path) -> None:
    l2_shop.script(FaultKind.EMPTY)
    l2_shop.build(DAY, "AAPL")
    depth = depth_of(l2_shop)
    report = depth.report
    assert (report.outcome, report.rows, report.vwap, report.area, report.busiest) == ("EMPTY", 0, None, None, ())
    assert (report.spread.mean, report.flow_correlation) == (None, None)
    assert picture_paths(depth, tmp_path) == draw(depth, tmp_path) == []


def test_l8_day_that_is_not_stored_is_refused_e460(l2_shop: L2Shop) -> None:
    with pytest.raises(QualityError) as raised:
        depth_of(l2_shop)
    assert raised.value.code == "E460"
