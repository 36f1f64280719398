"""Synthetic observations: a chain every five minutes and a feed of one snapshot per second."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import numpy as np
import polars as pl

from trading_platform.lake.contract import DatasetContract
from trading_platform.regimes import RegimeParameters, regimes_of
from trading_platform.regimes.observations import OBSERVATION_SCHEMA

SECOND_US = 1_000_000
OPEN_US = int(datetime(2025, 9, 2, 13, 30, tzinfo=UTC).timestamp()) * SECOND_US
CLOSE_US = OPEN_US + 23_400 * SECOND_US
SPANS = ((OPEN_US, CLOSE_US),)
DEFAULTS = RegimeParameters()
CHAIN_STEP_S = 300
SPOT = 6_500.0
IV = 0.15
SIGMA = SPOT * IV * (30 / 98_280) ** 0.5
Values = Any


def chain(rows: int = 40, step_s: float = CHAIN_STEP_S, **changes: Values) -> pl.DataFrame:
    """Return observations of a chain: calm, positive, far from zero gamma and from both walls; every value can be replaced.

    Net changes a little with every row, so that no row repeats the one before.
    """
    count = np.arange(rows)
    columns: dict[str, Any] = {
        "ts": OPEN_US + (count * step_s * SECOND_US).astype(np.int64),
        "source": "cboe",
        "origin": "chain",
        "spot": SPOT,
        "naive_gex_net": 3e9 + count * 1e3,
        "net_to_gross": 0.3,
        "zero_gamma": SPOT - 5 * SIGMA,
        "n_crossings": 1,
        "call_wall": SPOT + 5 * SIGMA,
        "put_wall": SPOT - 6 * SIGMA,
        "oi_dropped_pct": 0.5,
        "vendor_gap_pct": 3.0,
        "zero_dte_frac": 0.2,
        "atm_iv": IV,
        "is_repeat": False,
        "missing_inputs": None,
        "is_conflict": False,
    }
    return _frame(rows, columns | changes)


def feed(rows: int = 2_400, step_s: float = 1.0, **changes: Values) -> pl.DataFrame:
    """Return observations of the feed, as :func:`chain`; spot swings, so that it has a realised volatility."""
    count = np.arange(rows)
    swing = 4.0 * np.sin(count * step_s / 240 * 2 * np.pi)
    columns: dict[str, Any] = {
        "source": "gex_full",
        "origin": "feed",
        "spot": SPOT + swing,
        "naive_gex_net": 1_000.0 + count * 1e-3,
        "zero_gamma": SPOT - 100.0,
        "call_wall": SPOT + 100.0,
        "put_wall": SPOT - 150.0,
        "n_crossings": None,
        "oi_dropped_pct": None,
        "vendor_gap_pct": None,
        "zero_dte_frac": None,
        "atm_iv": None,
        "is_repeat": None,
    }
    return chain(rows, step_s, **columns | changes)


def regimes(observations: pl.DataFrame, **changes: Any) -> pl.DataFrame:
    """Return the regimes of observations with parameters that differ from the defaults."""
    rows = regimes_of(observations, SPANS, RegimeParameters(**changes))
    return rows.with_columns(pl.col(pl.Categorical).cast(pl.String))


def states(observations: pl.DataFrame, **changes: Any) -> list[str]:
    """Return the states of observations."""
    return regimes(observations, **changes)["state"].to_list()


def piecewise(rows: int, parts: dict[int, float]) -> np.ndarray:
    """Return values that change at the given rows."""
    values = np.empty(rows)
    for first, value in sorted(parts.items()):
        values[first:] = value
    return values


def random_chain(seed: int = 1, rows: int = 78) -> pl.DataFrame:
    """Return a day of a chain that visits most states and has every kind of fault."""
    rng = np.random.default_rng(seed)
    walk: Callable[[float], np.ndarray] = lambda size: np.cumsum(rng.normal(0, size, rows))  # noqa: E731
    spot = SPOT + walk(4.0)
    net = 1e9 * (1.2 + walk(0.35))
    missing = [None] * rows
    missing[60] = "spot:null"
    return chain(
        rows,
        spot=spot,
        naive_gex_net=net,
        net_to_gross=np.clip(net / 1.5e10, -1, 1),
        zero_gamma=SPOT + walk(3.0) - 12,
        call_wall=SPOT + 10 + 5 * rng.integers(0, 2, rows),
        put_wall=SPOT - 20 - 5 * rng.integers(0, 2, rows),
        oi_dropped_pct=np.where(np.arange(rows) == 50, 6.0, 1.0),
        vendor_gap_pct=np.where(np.arange(rows) == 70, 16.0, 1.0),
        zero_dte_frac=rng.uniform(0.2, 0.8, rows),
        missing_inputs=missing,
    )


def random_feed(seed: int = 2, rows: int = 6_000) -> pl.DataFrame:
    """Return a good hour and a half of the feed with lost seconds, a gap and a frozen stretch."""
    rng = np.random.default_rng(seed)
    spot = 25_000 * np.exp(np.cumsum(rng.normal(0, 1e-5, rows)))
    net = np.cumsum(rng.normal(0, 30, rows)) + 500
    day = feed(
        rows,
        spot=spot,
        naive_gex_net=net,
        net_to_gross=np.clip(net / 8_000, -1, 1),
        zero_gamma=24_995 + np.cumsum(rng.normal(0, 0.1, rows)),
        call_wall=25_010.0 + 10 * (np.arange(rows) // 1_700),
        put_wall=24_960.0,
    )
    count = pl.int_range(pl.len())
    frozen = day.with_columns(
        pl.when(count.is_between(4_300, 4_400)).then(pl.col(name).get(4_300)).otherwise(name).alias(name)
        for name in ("spot", "naive_gex_net", "net_to_gross", "zero_gamma", "call_wall", "put_wall")
    )
    lost = rng.uniform(0, 1, rows) < 0.05
    return frozen.filter(~pl.Series(lost) & ~count.is_between(5_200, 5_290))


def contract_frame(contract: DatasetContract, rows: int, **columns: Values) -> pl.DataFrame:
    """Return rows of a dataset: the given columns; the others null, or 0 and empty where they must not be null."""
    schema = contract.polars_schema
    filled = []
    for doc in contract.columns:
        dtype = schema[doc.name]
        value = columns.get(doc.name)
        if doc.name not in columns and not doc.nullable:
            value = "x" if dtype in (pl.String, pl.Categorical) else 0 if dtype.is_numeric() else False
            value = datetime(2025, 9, 2, tzinfo=UTC).date() if dtype == pl.Date else value
        values = value if isinstance(value, (list, np.ndarray, pl.Series)) else [value] * rows
        filled.append(_series(doc.name, values, dtype))
    return pl.DataFrame(filled)


def _series(name: str, values: Values, dtype: pl.DataType) -> pl.Series:
    series = pl.Series(name, values)
    return series.cast(pl.String).cast(dtype) if dtype == pl.Categorical else series.cast(dtype)


def _frame(rows: int, columns: dict[str, Any]) -> pl.DataFrame:
    parts = []
    for name, dtype in OBSERVATION_SCHEMA.items():
        value = columns[name]
        values = value if isinstance(value, (list, np.ndarray)) else [value] * rows
        parts.append(pl.Series(name, values).cast(dtype))
    return pl.DataFrame(parts)
