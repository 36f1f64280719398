"""Contracts: derived schemas and refusals that name column and rule."""

from __future__ import annotations

from datetime import timedelta

import polars as pl
import pyarrow as pa
import pytest

from trading_platform.errors import QualityError
from trading_platform.lake.contracts import BARS_1M, BARS_1S, CONTRACTS, TICKS

from .samples import bar_frame, tick_frame


def test_m3_arrow_schema_of_ticks_is_derived_from_the_model():
    expected = pa.schema(
        [
            pa.field("ts", pa.timestamp("us", "UTC"), nullable=False),
            pa.field("seq", pa.uint32(), nullable=False),
            pa.field("price", pa.float64(), nullable=False),
            pa.field("bid", pa.float64()),
            pa.field("ask", pa.float64()),
            pa.field("volume", pa.int32(), nullable=False),
            pa.field("side", pa.int8(), nullable=False),
            pa.field("bundle", pa.uint8(), nullable=False),
            pa.field("flags", pa.uint8(), nullable=False),
            pa.field("contract", pa.dictionary(pa.int32(), pa.string()), nullable=False),
        ]
    )
    assert TICKS.arrow_schema.equals(expected)
    assert TICKS.dictionary_columns == ("side", "contract")
    assert TICKS.encodings["ts"] == "DELTA_BINARY_PACKED"
    assert TICKS.encodings["price"] == "BYTE_STREAM_SPLIT"


@pytest.mark.parametrize("contract", CONTRACTS.values(), ids=CONTRACTS.keys())
def test_m3_every_column_has_unit_and_description(contract):
    assert contract.arrow_schema.names == [doc.name for doc in contract.columns]
    for doc in contract.columns:
        assert doc.unit
        assert len(doc.description) > 5
    assert contract.empty().schema == contract.polars_schema


def test_m3_good_rows_and_no_rows_pass():
    TICKS.validate(tick_frame(500))
    TICKS.validate(TICKS.empty())
    BARS_1S.validate(bar_frame(3))
    BARS_1M.validate(bar_frame(3, timedelta(minutes=1)))


@pytest.mark.parametrize(
    ("column", "value", "rule"),
    [
        ("price", float("nan"), "a finite number"),
        ("price", float("inf"), "a finite number"),
        ("price", None, "never null"),
        ("bid", float("nan"), "a finite number"),
        ("ask", 0.0, "null where the source has 0"),
        ("volume", 0, "at least 1"),
        ("side", 2, "-1, 0 or 1"),
        ("bundle", 3, "0, 1 or 2"),
        ("flags", 16, "at most 15"),
        ("contract", None, "never null"),
    ],
)
def test_m3_one_bad_tick_is_refused_with_column_and_rule(column, value, rule):
    good = tick_frame(50)
    row = pl.arange(0, pl.len())
    bad = good.with_columns(
        pl.when(row == 7).then(pl.lit(value)).otherwise(pl.col(column)).cast(good.schema[column]).alias(column)
    )
    with pytest.raises(QualityError) as caught:
        TICKS.validate(bad)
    assert caught.value.code == "E401"
    assert f"{column}: expected {rule}, 1 rows differ (row 7: {value})" in caught.value.what


@pytest.mark.parametrize(
    ("column", "value", "rule"),
    [
        ("high", 98.0, "high: expected not below low"),
        ("open", 102.0, "open: expected a price from low to high"),
        ("close", 98.0, "close: expected a price from low to high"),
        ("vwap", 101.5, "vwap: expected a price from low to high"),
        ("unknown_volume", 2, "volume: expected buy_volume + sell_volume + unknown_volume"),
        ("delta", 2, "delta: expected buy_volume - sell_volume"),
        ("trades", 5, "trades: expected from 1 to volume"),
        ("notional", 402.0, "notional: expected vwap times volume"),
        ("sell_volume", -1, "sell_volume: expected at least 0"),
        ("ask_close", float("nan"), "ask_close: expected a finite number"),
    ],
)
def test_b1_broken_bar_invariant_is_named(column, value, rule):
    good = bar_frame(3)
    with pytest.raises(QualityError) as caught:
        BARS_1S.validate(good.with_columns(pl.lit(value).cast(good.schema[column]).alias(column)))
    assert rule in caught.value.what


def test_b1_bar_off_its_grid_is_refused():
    with pytest.raises(QualityError, match=r"ts_open: expected a multiple of 60,000,000 us, 2 rows"):
        BARS_1M.validate(bar_frame(3))


def test_m3_wrong_columns_are_listed():
    frame = tick_frame(5).drop("flags").with_columns(pl.col("volume").cast(pl.Int64), pl.lit(1).alias("extra"))
    with pytest.raises(QualityError) as caught:
        TICKS.validate(frame)
    assert caught.value.code == "E400"
    assert "missing flags; unexpected extra; volume Int64 instead of Int32" in caught.value.what


def test_m3_columns_in_another_order_are_refused():
    frame = tick_frame(5)
    with pytest.raises(QualityError, match="columns in another order"):
        TICKS.validate(frame.select(reversed(frame.columns)))


def test_m3_lazy_frame_is_refused_because_its_rows_would_not_be_looked_at():
    with pytest.raises(QualityError) as caught:
        TICKS.validate(tick_frame(5).lazy())
    assert caught.value.code == "E405"


def test_m3_validation_cannot_be_switched_off_by_the_environment(monkeypatch):
    from pandera.config import CONFIG

    monkeypatch.setattr(CONFIG, "validation_enabled", False)
    with pytest.raises(QualityError, match="volume: expected at least 1"):
        TICKS.validate(tick_frame(5).with_columns(pl.lit(0, dtype=pl.Int32).alias("volume")))
