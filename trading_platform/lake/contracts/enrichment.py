"""Models of ``gex_alignment`` and ``enriched_bars``.

Belongs here: columns, units, encodings and row rules. Does not belong here: how rows are attached (``trading_platform.enrichment``).
The block of gamma columns has names, types and units of ``gex_snapshots``; a test compares them.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import polars as pl

from ..model import DELTA, DICTIONARY, PLAIN, SPLIT, ContractModel, Rule, column, finite, within

GEX_VALUES = (
    "spot",
    "zero_gamma",
    "major_pos_vol_strike",
    "major_pos_oi_strike",
    "major_neg_vol_strike",
    "major_neg_oi_strike",
    "sum_gex_vol",
    "sum_gex_oi",
    "delta_risk_reversal",
    "min_dte",
    "sec_min_dte",
    "max_prior_0_strike",
    "max_prior_0_change",
    "max_prior_1_strike",
    "max_prior_1_change",
    "max_prior_5_strike",
    "max_prior_5_change",
    "max_prior_10_strike",
    "max_prior_10_change",
    "max_prior_15_strike",
    "max_prior_15_change",
    "max_prior_30_strike",
    "max_prior_30_change",
    "major_pos_vol_gamma",
    "major_neg_vol_gamma",
    "pos_can1_strike",
    "pos_can1_value",
    "pos_can1_pct",
    "pos_can2_strike",
    "pos_can2_value",
    "pos_can2_pct",
    "neg_can1_strike",
    "neg_can1_value",
    "neg_can1_pct",
    "neg_can2_strike",
    "neg_can2_value",
    "neg_can2_pct",
    "gex_delta_15s",
    "gex_slope_15s_per_s",
)
"""Columns of a snapshot that a row of ``enriched_bars`` shows, all of them from one snapshot or all null."""

_FIRST_TIME = datetime(2000, 1, 1, tzinfo=UTC)
_LAST_TIME = datetime(2099, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)
_LARGEST_ROW = 2**31 - 1
_LARGEST_AGE_MS = 31 * 86_400_000
_BAR = "; null before the first trade and beyond the record"
_UNKNOWN = "; null beyond the record"


class GexAlignment(ContractModel):
    """One row per tick: which snapshot was known when it traded."""

    seq: pl.UInt32 = column("-", "Position of the tick in its partition", DELTA)
    snapshot_row: pl.Int32 = column(
        "-",
        "Position of the latest known snapshot in its partition of gex_snapshots, from 0; null if none was known",
        DELTA,
        nullable=True,
    )
    from_previous: pl.Boolean = column(
        "-", "True if that partition is the underlying's previous open day, False if it is this trade date", PLAIN
    )
    gex_age_ms: pl.Int64 = column(
        "ms", "Time of the tick minus time of the snapshot, rounded down; null without a snapshot", DELTA, nullable=True
    )
    gex_gap: pl.Boolean = column("-", "True without a snapshot, or if it is older than the limit", PLAIN)
    is_preopen_snapshot: pl.Boolean = column("-", "True if the snapshot was taken before the session opened", PLAIN)

    @classmethod
    def rules(cls) -> tuple[Rule, ...]:
        """Return the row rules."""
        missing = pl.col("snapshot_row").is_null()
        return (
            within("snapshot_row", 0, _LARGEST_ROW, "at least 0"),
            within("gex_age_ms", 0, _LARGEST_AGE_MS, "from 0 to 31 days"),
            Rule("gex_age_ms", "null where snapshot_row is, and only there", pl.col("gex_age_ms").is_null() == missing),
            Rule("gex_gap", "True without a snapshot", ~missing | pl.col("gex_gap")),
            Rule("is_preopen_snapshot", "False without a snapshot", ~(missing & pl.col("is_preopen_snapshot"))),
        )


class EnrichedBars(ContractModel):
    """One row per second of the session: the bar and the snapshot that was known when the second began."""

    ts: Annotated[pl.Datetime, "us", "UTC"] = column("us UTC", "Start of the second", DELTA)
    open: pl.Float64 = column("points", "First trade price, or the previous close" + _BAR, SPLIT, nullable=True)
    high: pl.Float64 = column("points", "Highest trade price, or the previous close" + _BAR, SPLIT, nullable=True)
    low: pl.Float64 = column("points", "Lowest trade price, or the previous close" + _BAR, SPLIT, nullable=True)
    close: pl.Float64 = column("points", "Last trade price, or the previous close" + _BAR, SPLIT, nullable=True)
    volume: pl.Int64 = column("contracts", "Sum of trade sizes, 0 without a trade" + _UNKNOWN, DELTA, nullable=True)
    vwap: pl.Float64 = column("points", "Notional divided by volume; null without a trade", SPLIT, nullable=True)
    notional: pl.Float64 = column(
        "points x contracts", "Sum of price times size, 0 without a trade" + _UNKNOWN, SPLIT, nullable=True
    )
    buy_volume: pl.Int64 = column(
        "contracts", "Volume where the buyer was the aggressor" + _UNKNOWN, DELTA, nullable=True
    )
    sell_volume: pl.Int64 = column(
        "contracts", "Volume where the seller was the aggressor" + _UNKNOWN, DELTA, nullable=True
    )
    unknown_volume: pl.Int64 = column("contracts", "Volume whose aggressor is unknown" + _UNKNOWN, DELTA, nullable=True)
    delta: pl.Int64 = column("contracts", "Buy volume minus sell volume" + _UNKNOWN, DELTA, nullable=True)
    trades: pl.Int64 = column("-", "Number of ticks" + _UNKNOWN, DELTA, nullable=True)
    bid_close: pl.Float64 = column(
        "points", "Bid at the last trade of the second; null without one", SPLIT, nullable=True
    )
    ask_close: pl.Float64 = column(
        "points", "Ask at the last trade of the second; null without one", SPLIT, nullable=True
    )
    contract: pl.Categorical = column(
        "-", "Futures contract, e.g. MNQZ25; null on a day without a trade", DICTIONARY, nullable=True
    )
    tick_gap: pl.Boolean = column("-", "True if nothing traded in the second", PLAIN)
    tick_gap_cause: pl.Categorical = column(
        "-",
        "Why nothing traded: no_trade, before_first_trade, feed_gap, not_known_yet; null in a second with a trade",
        DICTIONARY,
        nullable=True,
    )
    last_trade_age_s: pl.Int64 = column(
        "s", "Seconds since the second of the last trade; null before any", DELTA, nullable=True
    )
    gex_gap: pl.Boolean = column("-", "True without a snapshot to attach, or if it is older than the limit", PLAIN)
    source_snapshot_ts: Annotated[pl.Datetime, "us", "UTC"] = column(
        "us UTC",
        "Time of the attached snapshot, also where its values are null as too old; null if there is none",
        DELTA,
        nullable=True,
    )
    gex_age_ms: pl.Int64 = column("ms", "ts minus source_snapshot_ts; null without a snapshot", DELTA, nullable=True)
    is_preopen_snapshot: pl.Boolean = column(
        "-",
        "True if the attached snapshot was taken before the session opened; its values stay whatever its age",
        PLAIN,
    )
    spot: pl.Float64 = column("points", "The vendor's level of the underlying", SPLIT, nullable=True)
    zero_gamma: pl.Float64 = column(
        "points", "Level of zero gamma, computed by the vendor from volume", SPLIT, nullable=True
    )
    major_pos_vol_strike: pl.Float64 = column(
        "points", "Strike of the largest positive GEX by volume", SPLIT, nullable=True
    )
    major_pos_oi_strike: pl.Float64 = column(
        "points", "Strike of the largest positive GEX by open interest", SPLIT, nullable=True
    )
    major_neg_vol_strike: pl.Float64 = column(
        "points", "Strike of the largest negative GEX by volume", SPLIT, nullable=True
    )
    major_neg_oi_strike: pl.Float64 = column(
        "points", "Strike of the largest negative GEX by open interest", SPLIT, nullable=True
    )
    sum_gex_vol: pl.Float64 = column("vendor scale", "Net exposure by volume, signed", SPLIT, nullable=True)
    sum_gex_oi: pl.Float64 = column("vendor scale", "Net exposure by open interest, signed", SPLIT, nullable=True)
    delta_risk_reversal: pl.Float64 = column("vendor scale", "The vendor's measure of skew", SPLIT, nullable=True)
    min_dte: pl.Int32 = column("days", "Days to the nearest expiry of the category", DELTA, nullable=True)
    sec_min_dte: pl.Int32 = column("days", "Days to the second-nearest expiry of the category", DELTA, nullable=True)
    max_prior_0_strike: pl.Float64 = column("points", "Strike of the largest change of GEX now", SPLIT, nullable=True)
    max_prior_0_change: pl.Float64 = column("vendor scale", "Largest change of GEX now", SPLIT, nullable=True)
    max_prior_1_strike: pl.Float64 = column(
        "points", "Strike of the largest change over 1 minute", SPLIT, nullable=True
    )
    max_prior_1_change: pl.Float64 = column("vendor scale", "Largest change over 1 minute", SPLIT, nullable=True)
    max_prior_5_strike: pl.Float64 = column(
        "points", "Strike of the largest change over 5 minutes", SPLIT, nullable=True
    )
    max_prior_5_change: pl.Float64 = column("vendor scale", "Largest change over 5 minutes", SPLIT, nullable=True)
    max_prior_10_strike: pl.Float64 = column(
        "points", "Strike of the largest change over 10 minutes", SPLIT, nullable=True
    )
    max_prior_10_change: pl.Float64 = column("vendor scale", "Largest change over 10 minutes", SPLIT, nullable=True)
    max_prior_15_strike: pl.Float64 = column(
        "points", "Strike of the largest change over 15 minutes", SPLIT, nullable=True
    )
    max_prior_15_change: pl.Float64 = column("vendor scale", "Largest change over 15 minutes", SPLIT, nullable=True)
    max_prior_30_strike: pl.Float64 = column(
        "points", "Strike of the largest change over 30 minutes", SPLIT, nullable=True
    )
    max_prior_30_change: pl.Float64 = column("vendor scale", "Largest change over 30 minutes", SPLIT, nullable=True)
    major_pos_vol_gamma: pl.Float64 = column(
        "vendor scale",
        "GEX by volume of the positive major's ladder row; null without a positive row",
        SPLIT,
        nullable=True,
    )
    major_neg_vol_gamma: pl.Float64 = column(
        "vendor scale",
        "GEX by volume of the negative major's ladder row; null without a negative row",
        SPLIT,
        nullable=True,
    )
    pos_can1_strike: pl.Float64 = column(
        "points", "Strike of the strongest positive row beside the major", SPLIT, nullable=True
    )
    pos_can1_value: pl.Float64 = column("vendor scale", "Its GEX by volume", SPLIT, nullable=True)
    pos_can1_pct: pl.Float64 = column(
        "percent", "Its size in percent of the largest positive row", SPLIT, nullable=True
    )
    pos_can2_strike: pl.Float64 = column(
        "points", "Strike of the second-strongest positive row beside the major", SPLIT, nullable=True
    )
    pos_can2_value: pl.Float64 = column("vendor scale", "Its GEX by volume", SPLIT, nullable=True)
    pos_can2_pct: pl.Float64 = column(
        "percent", "Its size in percent of the largest positive row", SPLIT, nullable=True
    )
    neg_can1_strike: pl.Float64 = column(
        "points", "Strike of the strongest negative row beside the major", SPLIT, nullable=True
    )
    neg_can1_value: pl.Float64 = column("vendor scale", "Its GEX by volume, negative", SPLIT, nullable=True)
    neg_can1_pct: pl.Float64 = column(
        "percent", "Its size in percent of the largest negative row", SPLIT, nullable=True
    )
    neg_can2_strike: pl.Float64 = column(
        "points", "Strike of the second-strongest negative row beside the major", SPLIT, nullable=True
    )
    neg_can2_value: pl.Float64 = column("vendor scale", "Its GEX by volume, negative", SPLIT, nullable=True)
    neg_can2_pct: pl.Float64 = column(
        "percent", "Its size in percent of the largest negative row", SPLIT, nullable=True
    )
    gex_delta_15s: pl.Float64 = column(
        "vendor scale per snapshot",
        "Mean step of sum_gex_vol from snapshot to snapshot over the last 15 s, both ends included; null for fewer than two",
        SPLIT,
        nullable=True,
    )
    gex_slope_15s_per_s: pl.Float64 = column(
        "vendor scale per s", "The same change by the seconds that passed", SPLIT, nullable=True
    )
    basis: pl.Float64 = column(
        "points", "close minus spot; null where either is, and in a gap of the feed", SPLIT, nullable=True
    )
    chain_source_ts: Annotated[pl.Datetime, "us", "UTC"] = column(
        "us UTC",
        "When the attached option chain (of chain_underlying in the registry, if that is active) was observed, also where it is too old; "
        "null if there is none",
        DELTA,
        nullable=True,
    )
    chain_age_ms: pl.Int64 = column("ms", "ts minus chain_source_ts; null without a chain", DELTA, nullable=True)
    chain_gap: pl.Boolean = column("-", "True without a chain to attach, or if it no longer serves", PLAIN)
    is_end_of_day_chain: pl.Boolean = column(
        "-", "True if the attached chain was observed outside regular hours; it serves until the next close", PLAIN
    )
    chain_zero_gamma: pl.Float64 = column(
        "points of the index",
        "naive_zero_gamma of that chain; the future differs from its index by the basis; null in a gap",
        SPLIT,
        nullable=True,
    )
    chain_call_wall: pl.Float64 = column(
        "points of the index", "naive_call_wall of that chain; null in a gap", SPLIT, nullable=True
    )
    chain_put_wall: pl.Float64 = column(
        "points of the index", "naive_put_wall of that chain; null in a gap", SPLIT, nullable=True
    )

    @classmethod
    def rules(cls) -> tuple[Rule, ...]:
        """Return the row rules."""
        low, high, volume = pl.col("low"), pl.col("high"), pl.col("volume")
        source, gap, preopen = pl.col("source_snapshot_ts"), pl.col("gex_gap"), pl.col("is_preopen_snapshot")
        age_ms = (pl.col("ts").to_physical() - source.to_physical()) // 1_000
        nothing = pl.all_horizontal(pl.col(name).is_null() for name in GEX_VALUES)
        floats = [name for name, (_, info) in cls.__fields__.items() if (info.metadata or {}).get("encoding") == SPLIT]
        return (
            within("ts", _FIRST_TIME, _LAST_TIME, "a time from 2000 to 2099"),
            Rule("ts", "a whole second", pl.col("ts").to_physical() % 1_000_000 == 0),
            *(finite(name) for name in floats),
            Rule("high", "not below low", high >= low),
            Rule("open", "a price from low to high", pl.col("open").is_between(low, high)),
            Rule("close", "a price from low to high", pl.col("close").is_between(low, high)),
            Rule("high", "low in a second without a trade", ~pl.col("tick_gap") | (high == low)),
            Rule("volume", "0 in a second without a trade, and only there", (volume == 0) == pl.col("tick_gap")),
            Rule(
                "tick_gap_cause",
                "null in a second with a trade, and only there",
                pl.col("tick_gap_cause").is_null() != pl.col("tick_gap"),
            ),
            Rule("gex_age_ms", "ts minus source_snapshot_ts", pl.col("gex_age_ms") == age_ms),
            within("gex_age_ms", 0, _LARGEST_AGE_MS, "from 0 to 31 days"),
            Rule(
                "gex_age_ms",
                "null where source_snapshot_ts is, and only there",
                pl.col("gex_age_ms").is_null() == source.is_null(),
            ),
            Rule("gex_gap", "True without a snapshot", source.is_not_null() | gap),
            Rule(
                "spot",
                "null with all values of a gap, unless the snapshot is from before the opening",
                ~gap | preopen | nothing,
            ),
            Rule("basis", "null in a gap", pl.col("basis").is_null() | ~gap),
            Rule("basis", "close minus spot", pl.col("basis") == pl.col("close") - pl.col("spot")),
            within("chain_age_ms", 0, _LARGEST_AGE_MS, "from 0 to 31 days"),
        )
