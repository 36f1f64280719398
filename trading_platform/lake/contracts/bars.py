"""Models of the trade bars.

Belongs here: columns, units, encodings and invariants of bars of any clock. Does not belong here: how bars are made
(``trading_platform.bars``).
"""

from __future__ import annotations

from typing import Annotated

import polars as pl

from ..model import DELTA, DICTIONARY, SPLIT, ContractModel, Rule, column, finite

# vwap = notional / volume is rounded twice, so it may leave [low, high] by a few units in the last place.
_RELATIVE_TOLERANCE = 1e-9


class _Bars(ContractModel):
    """Columns and invariants that all clocks share."""

    ts_open: Annotated[pl.Datetime, "us", "UTC"] = column("us UTC", "Start of the bar, inclusive", DELTA)
    open: pl.Float64 = column("points", "First trade price", SPLIT)
    high: pl.Float64 = column("points", "Highest trade price", SPLIT)
    low: pl.Float64 = column("points", "Lowest trade price", SPLIT)
    close: pl.Float64 = column("points", "Last trade price", SPLIT)
    volume: pl.Int64 = column("contracts", "Sum of trade sizes", DELTA)
    vwap: pl.Float64 = column("points", "Notional divided by volume", SPLIT)
    notional: pl.Float64 = column("points x contracts", "Sum of price times size, so that bars add up", SPLIT)
    buy_volume: pl.Int64 = column("contracts", "Volume where the buyer was the aggressor", DELTA)
    sell_volume: pl.Int64 = column("contracts", "Volume where the seller was the aggressor", DELTA)
    unknown_volume: pl.Int64 = column("contracts", "Volume whose aggressor is unknown", DELTA)
    delta: pl.Int64 = column("contracts", "Buy volume minus sell volume", DELTA)
    trades: pl.Int64 = column("-", "Number of ticks", DELTA)
    bid_close: pl.Float64 = column(
        "points", "Bid at the last trade; null where the tick has none", SPLIT, nullable=True
    )
    ask_close: pl.Float64 = column(
        "points", "Ask at the last trade; null where the tick has none", SPLIT, nullable=True
    )
    contract: pl.Categorical = column("-", "Futures contract, e.g. MNQZ25", DICTIONARY)

    @classmethod
    def step_us(cls) -> int:
        """Return the width of a bar in microseconds."""
        raise NotImplementedError

    @classmethod
    def rules(cls) -> tuple[Rule, ...]:
        """Return the invariants of a trade bar."""
        low, high, vwap = pl.col("low"), pl.col("high"), pl.col("vwap")
        volume, notional = pl.col("volume"), pl.col("notional")
        parts = pl.col("buy_volume") + pl.col("sell_volume") + pl.col("unknown_volume")
        slack = _RELATIVE_TOLERANCE * pl.max_horizontal(low.abs(), high.abs())
        return (
            Rule(
                "ts_open",
                f"a multiple of {cls.step_us():,} us",
                pl.col("ts_open").to_physical() % cls.step_us() == 0,
            ),
            finite("low"),
            finite("high"),
            Rule("high", "not below low", high >= low),
            Rule("open", "a price from low to high", pl.col("open").is_between(low, high)),
            Rule("close", "a price from low to high", pl.col("close").is_between(low, high)),
            Rule("vwap", "a price from low to high", vwap.is_between(low - slack, high + slack)),
            Rule("volume", "at least 1", volume >= 1),
            finite("notional"),
            Rule("notional", "vwap times volume", (notional - vwap * volume).abs() <= slack * volume),
            Rule("buy_volume", "at least 0", pl.col("buy_volume") >= 0),
            Rule("sell_volume", "at least 0", pl.col("sell_volume") >= 0),
            Rule("unknown_volume", "at least 0", pl.col("unknown_volume") >= 0),
            Rule("volume", "buy_volume + sell_volume + unknown_volume", volume == parts),
            Rule("delta", "buy_volume - sell_volume", pl.col("delta") == pl.col("buy_volume") - pl.col("sell_volume")),
            Rule("trades", "from 1 to volume", pl.col("trades").is_between(1, volume)),
            finite("bid_close"),
            finite("ask_close"),
        )


class Bars1Second(_Bars):
    """Bars of one second."""

    @classmethod
    def step_us(cls) -> int:
        """Return one second."""
        return 1_000_000


class Bars1Minute(_Bars):
    """Bars of one minute."""

    @classmethod
    def step_us(cls) -> int:
        """Return one minute."""
        return 60_000_000
