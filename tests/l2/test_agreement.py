"""Level 2 against the user's own ticks, and against the vendor's bars of a minute."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from tests.databento.l2_shop import L2Shop
from trading_platform.cli.app import app
from trading_platform.databento.raw_cache import RawCache
from trading_platform.databento.vendor_bars import MINUTE_NS, RECORD, read_bars
from trading_platform.errors import VendorError
from trading_platform.instruments import load_registry
from trading_platform.l2.agreement import bars_of_trades, compare_with_ticks, compare_with_vendor_bars, same_price
from trading_platform.lake import CheckResult, FooterFields, Outcome
from trading_platform.lake.contracts import TICKS
from trading_platform.simulation.dbn import DbnSymbol, dbn_metadata, dbn_zstd

DAY = date(2025, 9, 3)
ES = DbnSymbol("GLBX.MDP3", "ESU5", 14160, 1, 0.25)


def store_ticks(shop: L2Shop, *, contract: str = "ESU25", drop: int = 0, shift: float = 0.0) -> None:
    """Store ticks that tell the trades of the stored level 2, or something else."""
    trades = shop.lake.read("l2", "ES", DAY).filter(pl.col("action").cast(pl.String) == "T")
    rows = trades.head(trades.height - drop).select(
        ts=pl.col("ts_recv").dt.cast_time_unit("us"),
        seq=pl.int_range(pl.len(), dtype=pl.UInt32),
        price=pl.col("price") + shift,
        bid=pl.col("price") + shift,
        ask=pl.col("price") + shift + 0.25,
        volume=pl.col("size").cast(pl.Int32),
        side=pl.lit(1, pl.Int8),
        bundle=pl.lit(0, pl.UInt8),
        flags=pl.lit(0, pl.UInt8),
        contract=pl.lit(contract).cast(pl.Categorical),
    )
    footer = shop.lake.footer("l2", "ES", DAY)
    assert footer is not None
    with shop.lake.begin(TICKS, "ES", DAY) as writer:
        writer.append(rows.to_arrow().cast(TICKS.arrow_schema))
        writer.commit(FooterFields("other", "1", Outcome.WRITE, footer.session))


def bars_file(folder: Path, bars: pl.DataFrame, window_ns: tuple[int, int], name: str = "bars.dbn.zst") -> Path:
    records = np.zeros(bars.height, RECORD)
    records["length"], records["rtype"], records["instrument_id"] = 14, 33, ES.instrument_id
    records["ts_event"] = bars["ts_ns"].to_numpy()
    for column in ("open", "high", "low", "close", "volume"):
        records[column] = bars[column].to_numpy()
    path = folder / name
    path.write_bytes(b"".join(dbn_zstd(dbn_metadata(ES, *window_ns, schema="ohlcv-1m"), [records])))
    return path


def window_of(shop: L2Shop) -> tuple[int, int]:
    footer = shop.lake.footer("l2", "ES", DAY)
    assert footer is not None
    ((start, end),) = footer.facts["windows"]  # type: ignore[misc, union-attr]
    return int(start), int(end)  # type: ignore[arg-type]


@pytest.fixture
def compared(l2_shop: L2Shop) -> Callable[[], CheckResult]:
    l2_shop.build(DAY)
    return lambda: compare_with_ticks(l2_shop.lake, "ES", DAY, tick_size=0.25)


def test_l8_price_that_is_one_tick_of_6e_off_is_seen(l2_shop: L2Shop) -> None:
    l2_shop.build(DAY)
    tick = load_registry().get("6E").tick_size
    assert tick == 0.00005
    for shift, agrees in ((0.0, True), (tick, False), (-tick, False)):
        store_ticks(l2_shop, shift=shift)
        assert compare_with_ticks(l2_shop.lake, "ES", DAY, tick_size=tick).passed == agrees


@pytest.mark.parametrize("tick", sorted({one.tick_size for one in load_registry().instruments.values()}))
def test_l8_prices_are_the_same_within_half_a_tick(tick: float) -> None:
    price = round(4_000 / tick) * tick
    for steps, same in ((0, True), (0.01, True), (-0.4, True), (1, False), (-1, False), (0.6, False)):
        assert same_price(price + steps * tick, price, tick) == same
    assert same_price(None, None, tick)
    assert not same_price(None, price, tick)
    assert not same_price(price, None, tick)


def test_l8_ticks_of_the_same_trades_agree(l2_shop: L2Shop, compared: Callable[[], CheckResult]) -> None:
    assert compared().description == "not compared: no ticks are stored"
    store_ticks(l2_shop)
    result = compared()
    facts = l2_shop.lake.footer("l2", "ES", DAY).facts  # type: ignore[union-attr]
    assert (result.passed, result.values["l2_volume"], result.values["ticks_volume"]) == (
        True,
        facts["volume"],
        facts["volume"],
    )
    assert result.values["same_price_range"] is True


def test_l8_ticks_that_lack_volume_or_lie_elsewhere_differ(
    l2_shop: L2Shop, compared: Callable[[], CheckResult]
) -> None:
    store_ticks(l2_shop, drop=100)
    result = compared()
    assert not result.passed
    assert result.values["volume_difference_frac"] > 0.01  # type: ignore[operator]
    store_ticks(l2_shop, shift=0.25)
    result = compared()
    assert (result.passed, result.values["volume_difference_frac"], result.values["same_price_range"]) == (
        False,
        0.0,
        False,
    )


def test_l8_ticks_of_another_contract_are_not_compared(l2_shop: L2Shop, compared: Callable[[], CheckResult]) -> None:
    store_ticks(l2_shop, contract="ESZ25")
    assert compared().description == "not compared: level 2 is of ESU5, the ticks are of ESZ25"


def test_l8_bars_of_trades_by_hand() -> None:
    rows = pl.LazyFrame(
        {
            "ts_recv": [59_999_999_999, 60_000_000_000, 61_000_000_000, 119_999_999_999, 120_000_000_000],
            "action": ["T", "T", "A", "T", "T"],
            "price": [10.0, 10.25, 99.0, 10.125, 9.75],
            "size": [1, 2, 50, 3, 4],
        },
        schema_overrides={"ts_recv": pl.Datetime("ns", "UTC"), "size": pl.UInt32},
    )
    assert bars_of_trades(rows).rows() == [
        (0, 10_000_000_000, 10_000_000_000, 10_000_000_000, 10_000_000_000, 1),
        (MINUTE_NS, 10_250_000_000, 10_250_000_000, 10_125_000_000, 10_125_000_000, 5),
        (2 * MINUTE_NS, 9_750_000_000, 9_750_000_000, 9_750_000_000, 9_750_000_000, 4),
    ]


def test_l8_imported_bars_of_the_vendor_are_compared_minute_by_minute(l2_shop: L2Shop, tmp_path: Path) -> None:
    l2_shop.build(DAY)
    cache = l2_shop.vendor().cache

    def compared() -> CheckResult:
        return compare_with_vendor_bars(l2_shop.lake, cache, "ES", DAY)

    assert compared().description.startswith("not compared: no bars of the vendor are imported")
    ours = bars_of_trades(l2_shop.lake.scan("l2", "ES", DAY))
    window = window_of(l2_shop)
    assert import_file(bars_file(tmp_path, ours, window), l2_shop)["files"][0]["trade_dates"] == {str(DAY): ours.height}
    agreed = compared()
    assert (agreed.passed, agreed.values) == (True, {"minutes": ours.height, "different_minutes": 0})
    wrong = ours.with_columns(volume=pl.col("volume") + (pl.int_range(pl.len()) == 3).cast(pl.Int64))
    half = window[0] + (window[1] - window[0]) // 2
    folder = tmp_path / "other"
    folder.mkdir()
    other = L2Shop(l2_shop.server, l2_shop.home)
    for path in RawCache(cache.root).root.glob("*/ohlcv-1m/*/*/*"):
        path.unlink()
    import_file(bars_file(folder, wrong.filter(pl.col("ts_ns") < half), (window[0], half)), other)
    result = compared()
    minute = ours["ts_ns"].cast(pl.Datetime("ns", "UTC")).dt.strftime("%H:%M")[3]
    inside = ours.filter(pl.col("ts_ns") + MINUTE_NS <= half).height
    assert result.description == f"1 of {inside} minutes differ from the vendor's bars: {minute} UTC"


def import_file(path: Path, shop: L2Shop) -> dict[str, Any]:
    done = CliRunner().invoke(app, ["l2", "import", str(path), "--json"], env={"TP_HOME": str(shop.home.path)})
    assert done.exit_code == 0, done.output
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_l8_genuine_bars_are_read(shared_data: Path) -> None:
    found = read_bars(shared_data / "databento" / "glbx_ESH1_ohlcv-1m_2020-12-28.dbn.zst", "ESH1")
    first = found.bars.row(0)
    assert [price / 1e9 for price in first[1:5]] == [3702.75, 3704.75, 3702.5, 3704.75]
    assert (first[5], found.bars["volume"].sum(), found.bars.height) == (306, 870, 4)
    two = shared_data / "databento" / "glbx_ESU4-NQU4_ohlcv-1m_2024-07-01T2340.dbn.zst"
    assert [read_bars(two, name).bars["volume"].sum() for name in ("ESU4", "NQU4")] == [1_585, 1_157]


def test_l8_bars_that_do_not_ascend_are_e307(tmp_path: Path) -> None:
    bars = pl.DataFrame(
        {"ts_ns": [MINUTE_NS, 0], **{name: [1, 1] for name in ("open", "high", "low", "close", "volume")}}
    )
    with pytest.raises(VendorError, match="E307"):
        read_bars(bars_file(tmp_path, bars, (0, 3 * MINUTE_NS)), "ESU5")
