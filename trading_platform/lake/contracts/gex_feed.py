"""Models of ``gex_snapshots``, ``gex_strikes`` and of the snapshots that were refused.

Belongs here: columns, units, encodings and row rules. Does not belong here: decoding (``trading_platform.gexfeed``). Source: the vendor's
public OpenAPI repository (nfa-llc/gexbot-openapi). The vendor documents no unit for ladder values, sums and changes; they are called
"vendor scale" here, rest on the vendor's assumption about who holds which option, and differ between columns: never add or compare them.

Encodings of ``gex_strikes`` were measured on 2.3 M synthetic rows: numbers with two decimals are a third smaller PLAIN than SPLIT, in the
same time.

The fields that the vendor calls ``major_*`` are prices of strikes and not amounts of gamma, hence the suffix ``_strike``.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import polars as pl

from ..model import DELTA, DICTIONARY, PLAIN, SPLIT, ContractModel, Rule, column, finite, within
from ..vocabulary import CATEGORIES

_FIRST_TIME = datetime(2000, 1, 1, tzinfo=UTC)
_LAST_TIME = datetime(2099, 12, 31, 23, 59, 59, tzinfo=UTC)
_SECOND_US = 1_000_000
_TIME = "us UTC"
_SCALE = "vendor scale"
_CATEGORY = "Which expiries are summed: gex_full up to 90 days, gex_zero the next one, gex_one the one after it"


class GexSnapshots(ContractModel):
    """One row per snapshot of the feed and category."""

    ts: Annotated[pl.Datetime, "us", "UTC"] = column(
        _TIME,
        "Time of the snapshot as the vendor stamps it, whole seconds; rounded or cut off is not documented",
        DELTA,
    )
    category: pl.Categorical = column("-", _CATEGORY, DICTIONARY)
    vendor_ticker: pl.Categorical = column("-", "The vendor's series, e.g. NQ_NDX", DICTIONARY)
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
    sum_gex_vol: pl.Float64 = column(_SCALE, "Net exposure by volume, signed", SPLIT, nullable=True)
    sum_gex_oi: pl.Float64 = column(_SCALE, "Net exposure by open interest, signed", SPLIT, nullable=True)
    delta_risk_reversal: pl.Float64 = column(_SCALE, "The vendor's measure of skew", SPLIT, nullable=True)
    min_dte: pl.Int32 = column("days", "Days to the nearest expiry of the category", DELTA, nullable=True)
    sec_min_dte: pl.Int32 = column("days", "Days to the second-nearest expiry of the category", DELTA, nullable=True)
    max_prior_0_strike: pl.Float64 = column("points", "Strike of the largest change of GEX now", SPLIT, nullable=True)
    max_prior_0_change: pl.Float64 = column(_SCALE, "Largest change of GEX now", SPLIT, nullable=True)
    max_prior_1_strike: pl.Float64 = column(
        "points", "Strike of the largest change over 1 minute", SPLIT, nullable=True
    )
    max_prior_1_change: pl.Float64 = column(_SCALE, "Largest change over 1 minute", SPLIT, nullable=True)
    max_prior_5_strike: pl.Float64 = column(
        "points", "Strike of the largest change over 5 minutes", SPLIT, nullable=True
    )
    max_prior_5_change: pl.Float64 = column(_SCALE, "Largest change over 5 minutes", SPLIT, nullable=True)
    max_prior_10_strike: pl.Float64 = column(
        "points", "Strike of the largest change over 10 minutes", SPLIT, nullable=True
    )
    max_prior_10_change: pl.Float64 = column(_SCALE, "Largest change over 10 minutes", SPLIT, nullable=True)
    max_prior_15_strike: pl.Float64 = column(
        "points", "Strike of the largest change over 15 minutes", SPLIT, nullable=True
    )
    max_prior_15_change: pl.Float64 = column(_SCALE, "Largest change over 15 minutes", SPLIT, nullable=True)
    max_prior_30_strike: pl.Float64 = column(
        "points", "Strike of the largest change over 30 minutes", SPLIT, nullable=True
    )
    max_prior_30_change: pl.Float64 = column(_SCALE, "Largest change over 30 minutes", SPLIT, nullable=True)
    major_pos_vol_gamma: pl.Float64 = column(
        _SCALE, "GEX by volume of the positive major's ladder row; null without a positive row", SPLIT, nullable=True
    )
    major_neg_vol_gamma: pl.Float64 = column(
        _SCALE, "GEX by volume of the negative major's ladder row; null without a negative row", SPLIT, nullable=True
    )
    pos_can1_strike: pl.Float64 = column(
        "points", "Strike of the strongest positive row beside the major", SPLIT, nullable=True
    )
    pos_can1_value: pl.Float64 = column(_SCALE, "Its GEX by volume", SPLIT, nullable=True)
    pos_can1_pct: pl.Float64 = column(
        "percent", "Its size in percent of the largest positive row", SPLIT, nullable=True
    )
    pos_can2_strike: pl.Float64 = column(
        "points", "Strike of the second-strongest positive row beside the major", SPLIT, nullable=True
    )
    pos_can2_value: pl.Float64 = column(_SCALE, "Its GEX by volume", SPLIT, nullable=True)
    pos_can2_pct: pl.Float64 = column(
        "percent", "Its size in percent of the largest positive row", SPLIT, nullable=True
    )
    neg_can1_strike: pl.Float64 = column(
        "points", "Strike of the strongest negative row beside the major", SPLIT, nullable=True
    )
    neg_can1_value: pl.Float64 = column(_SCALE, "Its GEX by volume, negative", SPLIT, nullable=True)
    neg_can1_pct: pl.Float64 = column(
        "percent", "Its size in percent of the largest negative row", SPLIT, nullable=True
    )
    neg_can2_strike: pl.Float64 = column(
        "points", "Strike of the second-strongest negative row beside the major", SPLIT, nullable=True
    )
    neg_can2_value: pl.Float64 = column(_SCALE, "Its GEX by volume, negative", SPLIT, nullable=True)
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
    grid_step: pl.Float64 = column(
        "points",
        "Largest usual step on which all strikes of the ladder lie; null if there is none",
        SPLIT,
        nullable=True,
    )
    grid_offset: pl.Float64 = column(
        "points",
        "How far the strikes lie above multiples of grid_step: 0 for an index, for a series mapped to a future its basis modulo the step",
        SPLIT,
        nullable=True,
    )
    strikes_n: pl.Int32 = column("-", "Rows of the ladder; null if the vendor sent none", DELTA, nullable=True)

    @classmethod
    def rules(cls) -> tuple[Rule, ...]:
        """Return the row rules."""
        floats = [name for name, kind in cls.__annotations__.items() if kind == "pl.Float64"]
        percents = [name for name in floats if name.endswith("_pct")]
        return (
            within("ts", _FIRST_TIME, _LAST_TIME, "a time from 2000 to 2099"),
            Rule("ts", "a whole second", pl.col("ts").to_physical() % _SECOND_US == 0),
            Rule("category", "one of the vendor's categories", pl.col("category").cast(pl.String).is_in(CATEGORIES)),
            *(finite(name) for name in floats if name not in percents),
            *(Rule(name, "from 0 to 100", pl.col(name).is_between(0, 100)) for name in percents),
            Rule("spot", "above 0", pl.col("spot") > 0),
            Rule("neg_can1_value", "below 0", pl.col("neg_can1_value") < 0),
            Rule("pos_can1_value", "above 0", pl.col("pos_can1_value") > 0),
        )


class GexStrikes(ContractModel):
    """One row per strike of the ladder of every snapshot and category."""

    ts: Annotated[pl.Datetime, "us", "UTC"] = column(_TIME, "Time of the snapshot", DELTA)
    category: pl.Categorical = column("-", _CATEGORY, DICTIONARY)
    strike: pl.Float64 = column(
        "points", "Strike as sent; series mapped to a future carry the basis in it, so it drifts during the day", SPLIT
    )
    gex_vol: pl.Float64 = column(_SCALE, "GEX of the strike by volume, signed", PLAIN, nullable=True)
    gex_oi: pl.Float64 = column(_SCALE, "GEX of the strike by open interest, signed", PLAIN, nullable=True)
    prior_1: pl.Float64 = column(_SCALE, "First of the five earlier levels, about 1 minute ago", PLAIN, nullable=True)
    prior_5: pl.Float64 = column(_SCALE, "Second, about 5 minutes ago", PLAIN, nullable=True)
    prior_10: pl.Float64 = column(_SCALE, "Third, about 10 minutes ago", PLAIN, nullable=True)
    prior_15: pl.Float64 = column(_SCALE, "Fourth, about 15 minutes ago", PLAIN, nullable=True)
    prior_30: pl.Float64 = column(_SCALE, "Fifth, about 30 minutes ago", PLAIN, nullable=True)
    grid_offset: pl.Float64 = column(
        "points",
        "Subtract it from the strike to get the strike of the index, up to a multiple of the grid step; null if the ladder has no grid",
        SPLIT,
        nullable=True,
    )

    @classmethod
    def rules(cls) -> tuple[Rule, ...]:
        """Return the row rules."""
        floats = [name for name, kind in cls.__annotations__.items() if kind == "pl.Float64"]
        return (
            within("ts", _FIRST_TIME, _LAST_TIME, "a time from 2000 to 2099"),
            *(finite(name) for name in floats),
        )


class GexFeedRejects(ContractModel):
    """One row per element of a history file that did not become a snapshot, with its text as received."""

    category: pl.Categorical = column("-", "Category of the file", DICTIONARY)
    position: pl.Int64 = column("-", "Number of the element in its file, from 0", DELTA)
    timestamp: pl.Int64 = column(
        "s since 1970 UTC", "Time as stamped by the vendor; null if unreadable", DELTA, nullable=True
    )
    reason: pl.Categorical = column("-", "Why it was refused, a stable code", DICTIONARY)
    detail: pl.String = column("-", "What is wrong with it, in words", PLAIN)
    raw: pl.String = column("-", "The element as received; bytes that are no text are shown as their hex codes", PLAIN)
