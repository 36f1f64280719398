"""Continuous series: stored prices joined, marked at rolls, and back-adjusted by measured gaps only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import polars as pl
import pytest

from trading_platform import lake as lake_room
from trading_platform.errors import ConfigurationError, LakeError
from trading_platform.home import create_home
from trading_platform.instruments import Contract, RollTable, load_registry
from trading_platform.instruments.roll_gaps_csv import RollGap, roll_gaps_text
from trading_platform.lake import LocalLake
from trading_platform.lake.continuous_series import Adjustment, continuous
from trading_platform.lake.contracts import BARS_1M, TICKS

from .samples import footer_fields, tick_frame

ROLLS = RollTable(load_registry(), {})
# Calendar rule: ESZ25 is front from 2025-09-15, ESH26 from 2025-12-15.
DAYS = {
    date(2025, 9, 11): "ESU25",
    date(2025, 9, 12): "ESU25",
    date(2025, 9, 15): "ESZ25",
    date(2025, 12, 12): "ESZ25",
    date(2025, 12, 15): "ESH26",
}
RANGE = (date(2025, 9, 11), date(2025, 12, 15))


def gap(old: str, new: str, day: date, from_price: float, to_price: float) -> RollGap:
    measured_at = datetime.combine(day - timedelta(days=3), time(20, 59), tzinfo=UTC)
    return RollGap(Contract.parse(old), Contract.parse(new), day, from_price, to_price, measured_at, 0)


FIRST_GAP = gap("ESU25", "ESZ25", date(2025, 9, 15), 6_500.0, 6_552.5)
SECOND_GAP = gap("ESZ25", "ESH26", date(2025, 12, 15), 6_800.0, 6_868.0)
GAPS = {one.key: one for one in (FIRST_GAP, SECOND_GAP)}


def bars(day: date, contract: str, closes: Sequence[float]) -> pl.DataFrame:
    """Return one synthetic bar a minute; each opens at the close before it, less or more a tick."""
    start = datetime(day.year, day.month, day.day, 14, 30, tzinfo=UTC)
    close = pl.Series(closes, dtype=pl.Float64)
    count = len(closes)
    counts = {name: pl.Series([value] * count, dtype=pl.Int64) for name, value in (("buy_volume", 2), ("trades", 3))}
    return pl.DataFrame(
        {
            "ts_open": pl.Series([start + timedelta(minutes=i) for i in range(count)], dtype=pl.Datetime("us", "UTC")),
            "open": close - 0.25,
            "high": close + 0.5,
            "low": close - 0.5,
            "close": close,
            "volume": pl.Series([4] * count, dtype=pl.Int64),
            "vwap": close + 0.0625,
            "notional": (close + 0.0625) * 4,
            "buy_volume": counts["buy_volume"],
            "sell_volume": pl.Series([1] * count, dtype=pl.Int64),
            "unknown_volume": pl.Series([1] * count, dtype=pl.Int64),
            "delta": pl.Series([1] * count, dtype=pl.Int64),
            "trades": counts["trades"],
            "bid_close": pl.Series([None] * count, dtype=pl.Float64),
            "ask_close": close + 0.25,
            "contract": pl.Series([contract] * count, dtype=pl.Categorical),
        }
    )


def store_bars(lake: LocalLake, day: date, contract: str, closes: Sequence[float], *, symbol: str = "ES") -> None:
    with lake.begin(BARS_1M, symbol, day) as writer:
        if closes:
            writer.append(bars(day, contract, closes).to_arrow())
        writer.commit(footer_fields())


@pytest.fixture
def lake(tmp_path: Path) -> LocalLake:
    """Return a lake in which the market moves half a point a bar and each new contract is dearer by its gap."""
    lake = LocalLake(tmp_path / "lake")
    level = {"ESU25": 6_500.0, "ESZ25": 6_552.5, "ESH26": 6_620.5}
    for position, (day, contract) in enumerate(DAYS.items()):
        store_bars(lake, day, contract, [level[contract] + 0.5 * (3 * position + i) for i in range(3)])
    store_bars(lake, date(2025, 12, 11), "ESZ25", [])
    return lake


def series(lake: LocalLake, adjust: Adjustment = "none", **options: object) -> pl.DataFrame:
    chosen = {"missing": "skip", "gaps": GAPS, "days": RANGE, "rolls": ROLLS, **options}
    rolls, gaps, days = (chosen.pop(name) for name in ("rolls", "gaps", "days"))
    return continuous(lake, rolls, gaps, "ES", days, adjust=adjust, **chosen)  # type: ignore[arg-type]  # chosen per test


def test_s3_unadjusted_series_is_what_is_stored(lake: LocalLake) -> None:
    stored = lake.read("bars_1m", "ES", RANGE, missing="skip")

    frame = series(lake)

    assert frame.select(stored.columns).equals(stored)
    assert frame.columns == [*stored.columns, "roll", "adjustment"]
    assert frame.schema["roll"] == pl.Boolean
    assert frame["adjustment"].to_list() == [0.0] * 15
    assert frame.filter("roll").select("ts_open", pl.col("contract").cast(pl.String)).rows() == [
        (datetime(2025, 9, 15, 14, 30, tzinfo=UTC), "ESZ25"),
        (datetime(2025, 12, 15, 14, 30, tzinfo=UTC), "ESH26"),
    ]


def test_s3_series_needs_no_gap_while_nothing_is_adjusted(lake: LocalLake) -> None:
    assert series(lake, gaps={}).height == 15


def test_s3_difference_shifts_older_contracts_so_that_only_the_market_moves(lake: LocalLake) -> None:
    frame = series(lake, "difference")

    closes = frame["close"]
    assert closes.diff().drop_nulls().unique().to_list() == [0.5]
    assert closes.to_list()[-3:] == lake.read("bars_1m", "ES", date(2025, 12, 15))["close"].to_list()
    assert frame.group_by("contract", maintain_order=True).agg(pl.col("adjustment").unique()).rows() == [
        ("ESU25", [120.5]),
        ("ESZ25", [68.0]),
        ("ESH26", [0.0]),
    ]


def test_s3_every_price_moves_alike_and_no_count_does(lake: LocalLake) -> None:
    stored, frame = series(lake), series(lake, "difference")

    for name in ("open", "high", "low", "close", "vwap", "ask_close"):
        assert (frame[name] - stored[name] - frame["adjustment"]).abs().max() == 0
    counts = ["volume", "buy_volume", "sell_volume", "unknown_volume", "delta", "trades", "ts_open", "contract"]
    assert frame.select(counts).equals(stored.select(counts))
    assert frame["bid_close"].null_count() == 15
    assert (frame["notional"] - frame["vwap"] * frame["volume"]).abs().max() == 0


def test_s3_ratio_scales_older_contracts_so_that_returns_stay(lake: LocalLake) -> None:
    stored, frame = series(lake), series(lake, "ratio")

    first, second = 6_552.5 / 6_500.0, 6_868.0 / 6_800.0
    factors = frame.group_by("contract", maintain_order=True).agg(pl.col("adjustment").unique()).rows()
    assert factors == [("ESU25", [second * first]), ("ESZ25", [second]), ("ESH26", [1.0])]
    for name in ("open", "high", "low", "close", "vwap", "notional"):
        assert frame[name].to_list() == (stored[name] * frame["adjustment"]).to_list()
    assert frame["volume"].equals(stored["volume"])


def test_s3_the_last_contract_of_the_range_is_the_one_that_keeps_its_prices(lake: LocalLake) -> None:
    frame = series(lake, "difference", days=(date(2025, 9, 11), date(2025, 12, 12)), gaps={FIRST_GAP.key: FIRST_GAP})

    assert frame["adjustment"].unique().sort().to_list() == [0.0, 52.5]


def test_s3_columns_are_chosen_as_in_read_and_what_adjusting_needs_is_not_returned(lake: LocalLake) -> None:
    frame = series(lake, "difference", columns=["close", "notional"])

    assert frame.columns == ["symbol", "trade_date", "close", "notional", "contract", "roll", "adjustment"]
    whole = series(lake, "difference")
    assert frame.equals(whole.select(frame.columns))


def test_s3_ticks_are_adjusted_too(lake: LocalLake) -> None:
    for day, contract in ((date(2025, 9, 12), "ESU25"), (date(2025, 9, 15), "ESZ25")):
        with lake.begin(TICKS, "ES", day) as writer:
            writer.append(tick_frame(50, contracts=(contract,)).to_arrow())
            writer.commit(footer_fields())
    days = (date(2025, 9, 12), date(2025, 9, 15))

    stored, frame = (series(lake, adjust, dataset="ticks", days=days) for adjust in ("none", "difference"))

    assert (frame["price"] - stored["price"]).to_list() == [52.5] * 50 + [0.0] * 50
    assert (frame["bid"] - stored["bid"]).drop_nulls().unique().to_list() == [0.0, 52.5]
    assert frame["bid"].null_count() == stored["bid"].null_count() > 0
    assert frame["roll"].arg_true().to_list() == [50]


def test_s3_prices_in_cents_stay_on_their_grid(tmp_path: Path) -> None:
    lake = LocalLake(tmp_path / "lake")
    days = (date(2025, 9, 16), date(2025, 9, 17))  # CLX25 is front from the second one
    for day, contract in zip(days, ("CLV25", "CLX25"), strict=True):
        store_bars(lake, day, contract, [62.03, 62.17, 62.41], symbol="CL")
    roll = gap("CLV25", "CLX25", days[1], 62.4, 62.09)

    frame = continuous(lake, ROLLS, {roll.key: roll}, "CL", days, adjust="difference")

    assert frame["close"].to_list() == [61.72, 61.86, 62.1, 62.03, 62.17, 62.41]


def test_s3_missing_gap_is_e551_and_names_the_command(lake: LocalLake) -> None:
    moved = replace(FIRST_GAP, first_trade_date=date(2025, 9, 11))  # measured for another date of the roll
    for gaps in ({}, {SECOND_GAP.key: SECOND_GAP}, {moved.key: moved, SECOND_GAP.key: SECOND_GAP}):
        with pytest.raises(LakeError, match="E551 the gap of the roll from ES") as raised:
            series(lake, "difference", gaps=gaps)
    assert raised.value.next_command == "tp rolls gaps ES --from 2025-09-15 --to 2025-09-15 --write"


def test_s3_gap_over_a_contract_without_stored_days_is_needed_too(tmp_path: Path) -> None:
    lake = LocalLake(tmp_path / "lake")
    store_bars(lake, date(2025, 9, 11), "ESU25", [6_500.0])
    store_bars(lake, date(2025, 12, 15), "ESH26", [6_620.5])

    assert series(lake, "difference")["close"].to_list() == [6_620.5, 6_620.5]
    with pytest.raises(LakeError, match="E551"):
        series(lake, "difference", gaps={SECOND_GAP.key: SECOND_GAP})


def test_s3_day_of_another_contract_than_the_table_is_e552(lake: LocalLake) -> None:
    store_bars(lake, date(2025, 9, 16), "ESU25", [6_500.0])

    with pytest.raises(
        LakeError, match=r"E552 ES/bars_1m 2025-09-16 holds ESU25, but the roll table has ESZ25"
    ) as raised:
        series(lake)

    assert raised.value.next_command == "tp backfill ES/bars_1m --from 2025-09-16 --to 2025-09-16"


@pytest.mark.parametrize("price", [0.5, 0.0, -37.0])
def test_s3_ratio_with_a_price_that_is_not_above_zero_is_e553(lake: LocalLake, price: float) -> None:
    store_bars(lake, date(2025, 9, 12), "ESU25", [price])
    with pytest.raises(LakeError, match="E553"):
        series(lake, "ratio")

    assert series(lake, "difference").height == 13


def test_s3_ratio_with_a_gap_that_is_not_above_zero_is_e553(lake: LocalLake) -> None:
    negative = replace(FIRST_GAP, from_price=-1.0)
    with pytest.raises(LakeError, match="E553"):
        series(lake, "ratio", gaps={**GAPS, negative.key: negative})


@pytest.mark.parametrize("options", [{"dataset": "depth_metrics"}, {"adjust": "forward"}])
def test_s3_unknown_dataset_or_adjustment_is_e550(lake: LocalLake, options: dict[str, str]) -> None:
    with pytest.raises(LakeError, match="E550 no continuous series"):
        series(lake, **options)  # type: ignore[arg-type]  # what a person may type


def test_s3_days_without_a_file_are_refused_as_in_read(lake: LocalLake) -> None:
    with pytest.raises(LakeError, match="E507"):
        series(lake, missing="error")


@pytest.mark.parametrize("adjust", ["none", "difference", "ratio"])
def test_s3_range_without_rows_gives_an_empty_frame_of_the_same_columns(lake: LocalLake, adjust: Adjustment) -> None:
    empty = series(lake, adjust, days=date(2025, 12, 11))

    assert empty.height == 0
    assert empty.schema == series(lake, adjust).schema


def test_s3_series_of_the_home_uses_its_tables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lake: LocalLake
) -> None:
    home = create_home(tmp_path / "home")
    lake.root.rename(home.lake_dir)
    monkeypatch.setenv("TP_HOME", str(home.path))
    with pytest.raises(LakeError, match="E551"):
        lake_room.continuous("ES", RANGE, adjust="difference", missing="skip")
    home.roll_gaps_csv.write_text(roll_gaps_text(GAPS.values()))

    frame = lake_room.continuous("ES", RANGE, adjust="difference", columns=["close"], missing="skip")

    assert frame["close"].diff().drop_nulls().unique().to_list() == [0.5]
    texts = (RANGE[0].isoformat(), RANGE[1].isoformat())
    as_text = lake_room.continuous("ES", texts, adjust="difference", columns=["close"], missing="skip")
    assert as_text.equals(frame)
    assert lake_room.continuous("ES", "2025-09-12").equals(lake_room.continuous("ES", date(2025, 9, 12)))
    for wrong in ("12.09.2025", datetime(2025, 9, 12, tzinfo=UTC)):
        with pytest.raises(ConfigurationError, match="E108"):
            lake_room.continuous("ES", wrong)
    home.rolls_csv.write_text("root,contract,first_trade_date\nES,ESZ25,2025-09-12\n")
    with pytest.raises(LakeError, match="E552"):
        lake_room.continuous("ES", RANGE, missing="skip")
