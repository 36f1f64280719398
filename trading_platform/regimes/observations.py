"""One frame of observations from chains and from the feed.

Belongs here: which stored columns the regimes look at, and why one is missing. Does not belong here: windows and features
(``features.py``), reading partitions (``upstream.py``).

A missing input is null and its name stands in ``missing_inputs`` with a reason; it is never 0 and never infinite. What a source does not
have by nature (open interest of the feed) is null without being missing: no rule waits for it.

Which series: of the feed the **volume** series, because the vendor computes zero gamma from it, and series are never mixed. Its
net-to-gross is that of the ladder of strikes, in which calls and puts of one strike are already netted, so it is larger than that
of a chain. Of chains the own calculation, and the walls within the band around spot, because the strongest strike of all is often
a far round number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import polars as pl

from .parameters import RegimeParameters

CHAIN: Final = "chain"
FEED: Final = "feed"
UNITS: Final[Mapping[str, str]] = {CHAIN: "usd_per_1pct", FEED: "vendor"}

LEVEL_COLUMNS: Final = (
    "observed_at",
    "source",
    "spot",
    "naive_gex_call_usd_per_1pct",
    "naive_gex_put_usd_per_1pct",
    "naive_gex_0dte_call_usd_per_1pct",
    "naive_gex_0dte_put_usd_per_1pct",
    "naive_zero_gamma",
    "naive_n_crossings",
    "naive_call_wall_band",
    "naive_put_wall_band",
    "oi_unknown_call_pct",
    "oi_unknown_put_pct",
    "oi_dropped_pct",
    "oi_dropped_call_pct",
    "oi_dropped_put_pct",
    "vendor_gap_call_pct",
    "vendor_gap_put_pct",
    "atm_iv_30d",
    "is_repeat",
)
"""Columns of ``gex_levels`` that are read."""
SNAPSHOT_COLUMNS: Final = (
    "ts",
    "category",
    "spot",
    "sum_gex_vol",
    "zero_gamma",
    "major_pos_vol_strike",
    "major_neg_vol_strike",
)
"""Columns of ``gex_snapshots`` that are read."""

OBSERVATION_SCHEMA: Final = pl.Schema(
    {
        "ts": pl.Datetime("us", "UTC"),
        "source": pl.String(),
        "origin": pl.String(),
        "spot": pl.Float64(),
        "naive_gex_net": pl.Float64(),
        "net_to_gross": pl.Float64(),
        "zero_gamma": pl.Float64(),
        "n_crossings": pl.Int32(),
        "call_wall": pl.Float64(),
        "put_wall": pl.Float64(),
        "oi_dropped_pct": pl.Float64(),
        "vendor_gap_pct": pl.Float64(),
        "zero_dte_frac": pl.Float64(),
        "atm_iv": pl.Float64(),
        "is_repeat": pl.Boolean(),
        "missing_inputs": pl.String(),
        "is_conflict": pl.Boolean(),
    }
)
_OF_SIDES: Final = ("oi_unknown_call_pct", "oi_unknown_put_pct", "oi_dropped_call_pct", "oi_dropped_put_pct")
_PRICES: Final = ("spot", "zero_gamma", "call_wall", "put_wall")


def observations_of_levels(
    levels: pl.DataFrame, max_oi_dropped_pct: float = RegimeParameters().max_oi_dropped_pct
) -> pl.DataFrame:
    """Return the observations of chain snapshots.

    Args:
        levels: ``LEVEL_COLUMNS`` of ``gex_levels``, any order of rows.
        max_oi_dropped_pct: a side of which more is unknown is a missing input, because its sum, and so the sign of net, says nothing.

    Returns:
        Columns of ``OBSERVATION_SCHEMA`` in order of (source, ts), one row per pair.
    """
    call, put = pl.col("naive_gex_call_usd_per_1pct"), pl.col("naive_gex_put_usd_per_1pct")
    zero_call, zero_put = pl.col("naive_gex_0dte_call_usd_per_1pct"), pl.col("naive_gex_0dte_put_usd_per_1pct")
    gross = call - put
    frame = levels.select(
        ts=pl.col("observed_at").cast(OBSERVATION_SCHEMA["ts"]),
        source=pl.col("source").cast(pl.String),
        origin=pl.lit(CHAIN),
        spot="spot",
        naive_gex_net=call + put,
        net_to_gross=pl.when(gross > 0).then((call + put) / gross),
        zero_gamma="naive_zero_gamma",
        n_crossings=pl.col("naive_n_crossings").cast(pl.Int32),
        call_wall="naive_call_wall_band",
        put_wall="naive_put_wall_band",
        oi_dropped_pct="oi_dropped_pct",
        vendor_gap_pct=pl.max_horizontal(pl.col("vendor_gap_call_pct").abs(), pl.col("vendor_gap_put_pct").abs()),
        zero_dte_frac=pl.when(gross > 0).then((zero_call - zero_put) / gross),
        atm_iv="atm_iv_30d",
        is_repeat="is_repeat",
        **{name: name for name in _OF_SIDES},
    )
    reasons = {
        "spot": "null",
        "naive_gex_net": "null",
        "net_to_gross": "no_gross",
        "n_crossings": "null",
        "zero_gamma": "null",
        "oi_dropped_pct": "null",
        "atm_iv": "null",
        "oi_unknown_call_pct": "null",
        "oi_unknown_put_pct": "null",
    }
    return _finished(frame, reasons, [_lost(name, max_oi_dropped_pct) for name in _OF_SIDES])


def observations_of_snapshots(snapshots: pl.DataFrame, ladder: pl.DataFrame, category: str) -> pl.DataFrame:
    """Return the observations of one category of the feed.

    Args:
        snapshots: ``SNAPSHOT_COLUMNS`` of ``gex_snapshots``, any order of rows, any categories.
        ladder: ts, ladder_net f64, ladder_gross f64 [vendor scale]: sum and sum of absolute values of the volume gamma of the strikes of
            each snapshot of the category (``ladder_of``).
        category: ``gex_full``, ``gex_zero`` or ``gex_one``.

    Returns:
        As :func:`observations_of_levels`; ``source`` is the category.
    """
    own = snapshots.filter(pl.col("category").cast(pl.String) == category).join(
        ladder, on="ts", how="left", validate="m:1"
    )
    nothing = pl.lit(None, pl.Float64)
    frame = own.select(
        ts=pl.col("ts").cast(OBSERVATION_SCHEMA["ts"]),
        source=pl.col("category").cast(pl.String),
        origin=pl.lit(FEED),
        spot="spot",
        naive_gex_net="sum_gex_vol",
        net_to_gross=pl.when(pl.col("ladder_gross") > 0).then(pl.col("ladder_net") / pl.col("ladder_gross")),
        zero_gamma="zero_gamma",
        n_crossings=pl.lit(None, pl.Int32),
        call_wall="major_pos_vol_strike",
        put_wall="major_neg_vol_strike",
        oi_dropped_pct=nothing,
        vendor_gap_pct=nothing,
        zero_dte_frac=nothing,
        atm_iv=nothing,
        is_repeat=pl.lit(None, pl.Boolean),
    )
    reasons = {"spot": "null", "naive_gex_net": "null", "net_to_gross": "no_ladder", "zero_gamma": "null"}
    return _finished(frame, reasons)


def ladder_of(strikes: pl.DataFrame) -> pl.DataFrame:
    """Sum the volume gamma of the strikes of each snapshot.

    Args:
        strikes: ts, gex_vol f64 of one category of ``gex_strikes``, in order of (ts, strike).

    Returns:
        ts, ladder_net, ladder_gross [vendor scale] in order of ts; a snapshot whose strikes are all null has gross 0.
    """
    ts, of_row = np.unique(strikes["ts"].to_physical().to_numpy(), return_inverse=True)
    value = strikes["gex_vol"].fill_null(0.0).to_numpy()
    # bincount adds in the order of the rows, so the last digit is the same on every machine; a parallel group-by would not promise it.
    net, gross = np.bincount(of_row, value, len(ts)), np.bincount(of_row, np.abs(value), len(ts))
    return pl.DataFrame({"ts": pl.Series(ts).cast(OBSERVATION_SCHEMA["ts"]), "ladder_net": net, "ladder_gross": gross})


def _lost(name: str, limit: float) -> pl.Expr:
    """Return ``name:above_limit`` where too much of a side is lost, unless the rule for both sides says so by itself."""
    said = (
        (pl.col("oi_dropped_pct") > limit).fill_null(value=False)
        if name.startswith("oi_dropped")
        else pl.lit(value=False)
    )
    return pl.when((pl.col(name) > limit) & ~said).then(pl.lit(f"{name}:above_limit"))


def _finished(frame: pl.DataFrame, reasons: Mapping[str, str], more: Sequence[pl.Expr] = ()) -> pl.DataFrame:
    """Null what is no number, name what is missing, and keep one row per source and time."""
    numbers = [name for name, dtype in frame.schema.items() if dtype == pl.Float64]
    causes = [_why_missing(name, reason, is_number=name in numbers) for name, reason in reasons.items()] + list(more)
    unusable = {name: _is_unusable(name) for name in numbers}
    no_wall = pl.all_horizontal(pl.col(name).is_null() | unusable[name] for name in ("call_wall", "put_wall"))
    causes.append(pl.when(no_wall).then(pl.lit("walls:null")))
    missing = pl.concat_str(causes, separator=",", ignore_nulls=True)
    named = frame.with_columns(missing_inputs=pl.when(missing.str.len_bytes() > 0).then(missing))
    cleaned = named.with_columns(pl.when(~bad).then(pl.col(name)).alias(name) for name, bad in unusable.items())
    return _one_per_time(cleaned).select(OBSERVATION_SCHEMA.names()).cast(OBSERVATION_SCHEMA)


def _why_missing(name: str, reason: str, *, is_number: bool) -> pl.Expr:
    """Return ``name:why`` where an input is missing, null where it is there."""
    absent = pl.col(name).is_null()
    if name == "zero_gamma":
        # A profile without a crossing has no zero gamma: that is an answer, not a missing input.
        absent &= (pl.col("n_crossings") != 0).fill_null(value=True)
    parts = [pl.when(absent).then(pl.lit(f"{name}:{reason}"))]
    if is_number:
        parts.append(pl.when(_is_infinite(name)).then(pl.lit(f"{name}:not_finite")))
    if name in _PRICES:
        parts.append(pl.when(pl.col(name) <= 0).then(pl.lit(f"{name}:not_a_price")))
    return pl.coalesce(parts)


def _is_infinite(name: str) -> pl.Expr:
    return pl.col(name).is_infinite() | pl.col(name).is_nan()


def _is_unusable(name: str) -> pl.Expr:
    """Tell where a value is no number, or is no price where one is expected."""
    return _is_infinite(name) | (pl.col(name) <= 0) if name in _PRICES else _is_infinite(name)


def _one_per_time(frame: pl.DataFrame) -> pl.DataFrame:
    """Keep the first of equal keys in the order of all values, so that the order of arrival decides nothing; mark differing ones."""
    key = ("source", "ts")
    ordered = frame.unique(maintain_order=False).sort(*key, *(name for name in frame.columns if name not in key))
    return ordered.with_columns(is_conflict=pl.len().over(*key) > 1).unique(key, keep="first", maintain_order=True)
