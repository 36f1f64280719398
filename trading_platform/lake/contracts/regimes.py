"""Model of ``gex_regimes``: the gamma regime at every observation of an underlying.

Belongs here: columns, units, encodings and row rules. Does not belong here: how regimes are decided (``trading_platform.regimes``).
"""

from __future__ import annotations

from typing import Annotated, Final

import polars as pl

from ..model import DELTA, DICTIONARY, PLAIN, SPLIT, ContractModel, Rule, column, finite

# As trading_platform.regimes.parameters spells them; the lake lies below that room and cannot ask it.
_STATES: Final = ("positive_pin", "positive", "transition", "negative", "negative_expansion", "unknown")
_FRACTIONS: Final = (
    "coverage_short_frac",
    "coverage_medium_frac",
    "coverage_long_frac",
    "call_wall_stability_frac",
    "put_wall_stability_frac",
    "zero_dte_frac",
)
_NUMBERS: Final = (
    "spot",
    "naive_gex_net",
    "zero_gamma",
    "call_wall",
    "put_wall",
    "oi_dropped_pct",
    "vendor_gap_pct",
    "sigma_points",
    "dist_flip_frac",
    "dist_flip_sigma",
    "dist_call_wall_sigma",
    "dist_put_wall_sigma",
    "naive_gex_net_slope_short_per_min",
    "naive_gex_net_slope_medium_per_min",
    "naive_gex_net_slope_long_per_min",
    "zero_gamma_slope_points_per_min",
    "call_wall_slope_points_per_min",
    "put_wall_slope_points_per_min",
)


class GexRegimes(ContractModel):
    """One row per observation (chain snapshot or feed snapshot): the regime from then on."""

    ts: Annotated[pl.Datetime, "us", "UTC"] = column("us UTC", "Time of the observation", DELTA)
    source: pl.Categorical = column("-", "Source of the chain (cboe) or category of the feed (gex_full)", DICTIONARY)
    origin: pl.Categorical = column("-", "chain: own calculation from an option chain; feed: vendor series", DICTIONARY)
    known_at: Annotated[pl.Datetime, "us", "UTC"] = column(
        "us UTC", "Earliest time at which a consumer can know this row: ts plus the latency of its source", DELTA
    )
    valid_until: Annotated[pl.Datetime, "us", "UTC"] = column(
        "us UTC", "Without a newer row the regime is unknown from here on: end of staleness limit or of trading", DELTA
    )
    state: pl.Categorical = column(
        "-", "positive_pin, positive, transition, negative, negative_expansion or unknown", DICTIONARY
    )
    rule: pl.Categorical = column(
        "-",
        "State that the rules give for this row alone; state follows it after k observations and the dwell",
        DICTIONARY,
    )
    previous_state: pl.Categorical = column(
        "-", "State before the present one; null until the first change of the session", DICTIONARY, nullable=True
    )
    dwell_s: pl.Float64 = column("s", "Time since the present state was entered", SPLIT)
    reasons: pl.String = column("-", "Rule and values it was decided by, as key=value;key=value", PLAIN)
    missing_inputs: pl.Categorical = column(
        "-", "Inputs that this observation lacks, as name:why,name:why; null if none", DICTIONARY, nullable=True
    )
    parameters_hash: pl.Categorical = column("-", "First 8 hex digits of the hash of the parameters", DICTIONARY)
    flip_risk: pl.Boolean = column(
        "-", "True within flip_risk_sigma of zero gamma; null if the distance is unknown", PLAIN, nullable=True
    )
    wall_shift: pl.Boolean = column(
        "-", "True if a wall moved within the medium window; null if unknown", PLAIN, nullable=True
    )
    level_break: pl.Boolean = column(
        "-", "True if spot crossed zero gamma or a wall within the short window; null if unknown", PLAIN, nullable=True
    )
    zero_dte_dominant: pl.Boolean = column(
        "-",
        "True if the expiry of the day has more than its limit of gross gamma; null if unknown",
        PLAIN,
        nullable=True,
    )
    data_repeat: pl.Boolean = column("-", "True if the observation repeats the values of the one before", PLAIN)
    spot: pl.Float64 = column("points", "Level of the underlying", SPLIT, nullable=True)
    naive_gex_net: pl.Float64 = column(
        "see gex_unit", "Net gamma exposure, dealers assumed long calls and short puts", SPLIT, nullable=True
    )
    gex_unit: pl.Categorical = column(
        "-", "usd_per_1pct (chain) or vendor (feed, volume series); never mixed within one source", DICTIONARY
    )
    net_to_gross: pl.Float64 = column(
        "-", "Net divided by gross gamma exposure; of the feed: over its ladder of strikes", SPLIT, nullable=True
    )
    zero_gamma: pl.Float64 = column("points", "Zero-gamma level nearest to spot", SPLIT, nullable=True)
    n_crossings: pl.Int32 = column(
        "-", "Zero-gamma levels found; null for the feed, which names one only", DELTA, nullable=True
    )
    call_wall: pl.Float64 = column(
        "points",
        "Chain: call wall within the band around spot; feed: strike of the largest positive gamma",
        SPLIT,
        nullable=True,
    )
    put_wall: pl.Float64 = column(
        "points",
        "Chain: put wall within the band around spot; feed: strike of the largest negative gamma",
        SPLIT,
        nullable=True,
    )
    oi_dropped_pct: pl.Float64 = column(
        "%", "Open interest without usable volatility; null for the feed", SPLIT, nullable=True
    )
    vendor_gap_pct: pl.Float64 = column(
        "%",
        "Larger gap of own to vendor gamma of the two sides, absolute; null without vendor greeks",
        SPLIT,
        nullable=True,
    )
    zero_dte_frac: pl.Float64 = column(
        "-", "Share of gross gamma in the expiry of the day; null for the feed", SPLIT, nullable=True
    )
    gex_age_ms: pl.Int64 = column(
        "ms", "Time since the values last changed within the session; null if they never did", DELTA, nullable=True
    )
    sigma_points: pl.Float64 = column(
        "points", "One standard deviation of spot over the horizon of the parameters (30 min)", SPLIT, nullable=True
    )
    sigma_kind: pl.Categorical = column(
        "-",
        "implied (chain: at-the-money volatility) or realised (feed: own spot, long window)",
        DICTIONARY,
        nullable=True,
    )
    dist_flip_frac: pl.Float64 = column("-", "(spot - zero_gamma) / spot", SPLIT, nullable=True)
    dist_flip_sigma: pl.Float64 = column("sigma", "(spot - zero_gamma) / sigma_points", SPLIT, nullable=True)
    dist_call_wall_sigma: pl.Float64 = column("sigma", "(call_wall - spot) / sigma_points", SPLIT, nullable=True)
    dist_put_wall_sigma: pl.Float64 = column("sigma", "(spot - put_wall) / sigma_points", SPLIT, nullable=True)
    n_obs_short: pl.Int32 = column("-", "Observations in (ts - short window, ts]", DELTA)
    n_obs_medium: pl.Int32 = column("-", "Observations in (ts - medium window, ts]", DELTA)
    n_obs_long: pl.Int32 = column("-", "Observations in (ts - long window, ts]", DELTA)
    coverage_short_frac: pl.Float64 = column("-", "Observed share of the short window", SPLIT)
    coverage_medium_frac: pl.Float64 = column("-", "Observed share of the medium window", SPLIT)
    coverage_long_frac: pl.Float64 = column("-", "Observed share of the long window", SPLIT)
    naive_gex_net_slope_short_per_min: pl.Float64 = column(
        "gex_unit per min",
        "Net: last minus first value of the short window over the time between",
        SPLIT,
        nullable=True,
    )
    naive_gex_net_slope_medium_per_min: pl.Float64 = column(
        "gex_unit per min", "The same over the medium window", SPLIT, nullable=True
    )
    naive_gex_net_slope_long_per_min: pl.Float64 = column(
        "gex_unit per min", "The same over the long window", SPLIT, nullable=True
    )
    zero_gamma_slope_points_per_min: pl.Float64 = column(
        "points per min", "Zero gamma, medium window, as the slopes of net", SPLIT, nullable=True
    )
    call_wall_slope_points_per_min: pl.Float64 = column(
        "points per min", "Call wall, medium window, as the slopes of net", SPLIT, nullable=True
    )
    put_wall_slope_points_per_min: pl.Float64 = column(
        "points per min", "Put wall, medium window, as the slopes of net", SPLIT, nullable=True
    )
    call_wall_stability_frac: pl.Float64 = column(
        "-", "Share of the observations of the medium window with the present call wall", SPLIT, nullable=True
    )
    put_wall_stability_frac: pl.Float64 = column(
        "-", "Share of the observations of the medium window with the present put wall", SPLIT, nullable=True
    )

    @classmethod
    def rules(cls) -> tuple[Rule, ...]:
        """Return the row rules."""
        named = ", ".join(_STATES)
        states = tuple(
            Rule(name, f"one of {named}", pl.col(name).cast(pl.String).is_in(_STATES))
            for name in ("state", "rule", "previous_state")
        )
        different = pl.col("previous_state").cast(pl.String) != pl.col("state").cast(pl.String)
        fractions = tuple(Rule(name, "from 0 to 1", pl.col(name).is_between(0, 1)) for name in _FRACTIONS)
        return (
            *states,
            Rule("previous_state", "another state than the present one", different),
            Rule("reasons", "not empty", pl.col("reasons").str.len_bytes() > 0),
            Rule("known_at", "not before ts", pl.col("known_at") >= pl.col("ts")),
            Rule("valid_until", "not before ts", pl.col("valid_until") >= pl.col("ts")),
            Rule("dwell_s", "at least 0", pl.col("dwell_s").is_between(0, 172_800)),
            Rule("gex_age_ms", "at least 0", pl.col("gex_age_ms") >= 0),
            Rule("net_to_gross", "from -1 to 1", pl.col("net_to_gross").is_between(-1 - 1e-9, 1 + 1e-9)),
            Rule("n_crossings", "at least 0", pl.col("n_crossings") >= 0),
            *fractions,
            *(finite(name) for name in _NUMBERS),
        )
