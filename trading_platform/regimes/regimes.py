"""The regimes of one session: from observations to the rows of ``gex_regimes``.

Belongs here: putting features, rules, walk and reasons together, one source at a time. Does not belong here: any of them, and files.

A pure function of the observations, the trading hours and the parameters: no clock, no order of arrival, no memory of other sessions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import polars as pl

from ..lake.contracts import GEX_REGIMES
from .features import Features, SessionObservations, features_of
from .observations import OBSERVATION_SCHEMA, UNITS
from .parameters import RegimeParameters, State
from .reasons import ReasonWriter
from .rules import rule_table
from .states import Step, walk
from .windows import Flags, Floats, Ints

Spans = Sequence[tuple[int, int]]
_INPUTS: Final = (
    "spot",
    "naive_gex_net",
    "net_to_gross",
    "zero_gamma",
    "n_crossings",
    "call_wall",
    "put_wall",
    "oi_dropped_pct",
    "vendor_gap_pct",
    "zero_dte_frac",
    "missing_inputs",
)


def regimes_of(observations: pl.DataFrame, spans: Spans, parameters: RegimeParameters) -> pl.DataFrame:
    """Return the regime at every observation of one session.

    Args:
        observations: rows of one underlying and one trade date, columns of ``OBSERVATION_SCHEMA``, one row per (source, ts), in that order.
            Chains of several sources are walked apart.
        spans: trading hours of the session, half-open, epoch microseconds. Rows outside are unknown and seen by no window: an
            end-of-day chain
            made after the close labels nothing of its day.
        parameters: of this symbol.

    Returns:
        Columns of ``gex_regimes`` in order of (ts, source), one row per observation.
    """
    names = list(GEX_REGIMES.arrow_schema.names)
    parts = []
    for _, frame in observations.group_by("source", maintain_order=True):
        ts = frame["ts"].to_physical().to_numpy()
        inside = _inside(ts, spans)
        if inside.any():
            parts.append(_walked(frame.filter(pl.Series(inside)), spans, parameters))
        if not inside.all():
            parts.append(_outside(frame.filter(pl.Series(~inside)), parameters))
    if not parts:
        return GEX_REGIMES.empty()
    rows = pl.concat([part.select(names) for part in parts], how="vertical")
    return rows.sort("ts", "source").cast(GEX_REGIMES.polars_schema)


def _inside(ts: Ints, spans: Spans) -> Flags:
    found = np.zeros(len(ts), np.bool_)
    for start, end in spans:
        found |= (ts >= start) & (ts < end)
    return found


def _walked(frame: pl.DataFrame, spans: Spans, parameters: RegimeParameters) -> pl.DataFrame:
    """Return the rows of one source inside trading hours."""
    rows = SessionObservations.of(frame)
    features = features_of(rows, parameters)
    table = rule_table(rows, features, parameters)
    steps = walk(rows, features, table, parameters)
    writer = ReasonWriter(rows, features, table, parameters)
    reasons = [writer.reason(row, step) for row, step in enumerate(steps)]
    numbers = {name: _floats(values) for name, values in features.numbers.items()}
    n_obs = {f"n_obs_{name}": pl.Series(values, dtype=pl.Int32) for name, values in features.n_obs.items()}
    tags = {name: _flags(values) for name, values in features.tags.items()}
    age_ms = pl.Series(features.age_us // 1_000)
    return _labelled(frame, parameters, rows.latency_us(parameters)).with_columns(
        **_step_columns(steps, rows.ts, reasons),
        **numbers,
        **n_obs,
        **tags,
        data_repeat=pl.Series(features.data_repeat),
        gex_age_ms=age_ms.set(age_ms < 0, None),
        sigma_kind=pl.when(pl.Series(~np.isnan(features.numbers["sigma_points"]))).then(
            pl.when(pl.col("origin") == "chain").then(pl.lit("implied")).otherwise(pl.lit("realised"))
        ),
        valid_until=pl.Series(_valid_until(rows, features, spans, parameters)).cast(OBSERVATION_SCHEMA["ts"]),
    )


def _step_columns(steps: list[Step], ts: Ints, reasons: list[str]) -> dict[str, pl.Series]:
    entered = np.array([step.entered_us for step in steps], np.int64)
    return {
        "state": pl.Series([str(step.state) for step in steps], dtype=pl.String),
        "rule": pl.Series([str(step.rule) for step in steps], dtype=pl.String),
        "previous_state": pl.Series(
            [None if step.previous is None else str(step.previous) for step in steps], dtype=pl.String
        ),
        "dwell_s": pl.Series((ts - entered) / 1e6),
        "reasons": pl.Series(reasons, dtype=pl.String),
    }


def _valid_until(rows: SessionObservations, features: Features, spans: Spans, parameters: RegimeParameters) -> Ints:
    """Return when a row loses its meaning without a newer one: its values too old, or trading over.

    The newer one is known as late as this one was, so the latency counts: otherwise a chain whose successor failed would end before the
    one after that is known.
    """
    serves_us = rows.latency_us(parameters) + rows.staleness_us(parameters)
    stale = np.where(features.age_us < 0, rows.ts, rows.ts - features.age_us + serves_us)
    ends = np.array([end for _, end in spans], np.int64)
    trading_ends = ends[np.searchsorted(ends, rows.ts, side="right")]
    return np.maximum(np.minimum(stale, trading_ends), rows.ts)


def _outside(frame: pl.DataFrame, parameters: RegimeParameters) -> pl.DataFrame:
    """Return rows outside trading hours: unknown, without features."""
    schema = GEX_REGIMES.polars_schema
    latency = SessionObservations.of(frame).latency_us(parameters)
    labelled = _labelled(frame, parameters, latency)
    unknown = str(State.UNKNOWN)
    zero = {name: pl.lit(0, pl.Int32) for name in schema if name.startswith("n_obs_")}
    none_seen = {name: pl.lit(0.0) for name in schema if name.startswith("coverage_")}
    filled = labelled.with_columns(
        state=pl.lit(unknown),
        rule=pl.lit(unknown),
        previous_state=pl.lit(None, pl.String),
        dwell_s=pl.lit(0.0),
        reasons=pl.lit(f"rule={unknown};why=outside_session;prev=none;dwell_s=0;params={parameters.hash}"),
        data_repeat=pl.lit(value=False),
        valid_until=pl.col("ts"),
        **zero,
        **none_seen,
    )
    absent = {name: dtype for name, dtype in schema.items() if name not in filled.columns}
    return filled.with_columns(
        pl.lit(None, pl.String if dtype == pl.Categorical else dtype).alias(name) for name, dtype in absent.items()
    )


def _labelled(frame: pl.DataFrame, parameters: RegimeParameters, latency_us: int) -> pl.DataFrame:
    """Return the inputs of the rows with what is the same for all of them."""
    return frame.select("ts", "source", "origin", *_INPUTS).with_columns(
        gex_unit=pl.col("origin").replace_strict(UNITS, return_dtype=pl.String),
        known_at=pl.col("ts") + pl.duration(microseconds=latency_us),
        parameters_hash=pl.lit(parameters.hash),
    )


def _floats(values: Floats) -> pl.Series:
    return pl.Series(values, dtype=pl.Float64).fill_nan(None)


def _flags(values: Floats) -> pl.Series:
    return _floats(values).cast(pl.Boolean)
