"""Features of the regimes over one session of one source.

Belongs here: from observations to the numbers that the rules compare. Does not belong here: the rules (``rules.py``), window arithmetic
(``windows.py``).

* Slopes are **end differences**: (last - first known value of the window) / minutes between them. Theil-Sen would be steadier and costs a
  thousand times as much on a feed of one row per second; the dwell of the states takes its place.
* A feature over a window is null where less than ``min_coverage_frac`` of that window was observed. Windows begin anew with the session.
* **Sigma** is one standard deviation of spot over 30 minutes. Chains: at-the-money volatility x sqrt(30 / trading minutes of a
  year). The feed has no volatility: realised from its own spot over the long window, so on the feed the first 21 minutes of a
  session have none and are unknown. Spot that did not move at all gives null and not 0. The two are never mixed within one source.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl

from . import windows
from .observations import FEED
from .parameters import RegimeParameters
from .windows import Flags, Floats, Ints

_MINUTE_US: Final = 60_000_000
_VALUES: Final = ("spot", "naive_gex_net", "net_to_gross", "zero_gamma", "call_wall", "put_wall")


@dataclass(frozen=True)
class SessionObservations:
    """The rows of one source inside the trading hours of one session, as arrays; missing numbers are NaN.

    Attributes:
        ts: int64 epoch microseconds, strictly rising.
        origin: ``chain`` or ``feed``.
        columns: the number columns of ``OBSERVATION_SCHEMA``, ``n_crossings`` included, as float64.
        is_repeat: True where the source itself says that data repeat.
        is_conflict: True where rows with different values share the time.
        missing: names of missing inputs, None where none is.
    """

    ts: Ints
    origin: str
    columns: dict[str, Floats]
    is_repeat: Flags
    is_conflict: Flags
    missing: list[str | None]

    @classmethod
    def of(cls, frame: pl.DataFrame) -> SessionObservations:
        """Take the rows of one source in order of time (at least one)."""
        numbers = [name for name, dtype in frame.schema.items() if dtype in (pl.Float64, pl.Int32)]
        return cls(
            ts=frame["ts"].to_physical().to_numpy().astype(np.int64),
            origin=frame["origin"][0],
            columns={name: frame[name].cast(pl.Float64).fill_null(np.nan).to_numpy() for name in numbers},
            is_repeat=frame["is_repeat"].fill_null(value=False).to_numpy(),
            is_conflict=frame["is_conflict"].to_numpy(),
            missing=frame["missing_inputs"].to_list(),
        )

    def cadence_us(self, parameters: RegimeParameters) -> int:
        """Return the expected time between observations."""
        seconds = parameters.feed_cadence_s if self.origin == FEED else parameters.chain_cadence_s
        return round(seconds * 1_000_000)

    def staleness_us(self, parameters: RegimeParameters) -> int:
        """Return the age from which an observation says nothing."""
        if self.origin == FEED:
            return round(parameters.feed_staleness_s * 1_000_000)
        return round(parameters.chain_staleness_cadences * parameters.chain_cadence_s * 1_000_000)

    def latency_us(self, parameters: RegimeParameters) -> int:
        """Return the time from the stamp of an observation to when it can be known."""
        return 1_000 * (parameters.feed_latency_ms if self.origin == FEED else parameters.chain_latency_ms)


@dataclass(frozen=True)
class Features:
    """What the rules and tags look at; float64 arrays with NaN for null, named as in the contract of ``gex_regimes``.

    Attributes:
        numbers: column name to values.
        n_obs: rows in the short, medium and long window.
        age_us: time since the values last changed, -1 if they never did.
        data_repeat: the row repeats the one before, or the source says so.
        wall_shift, level_break, flip_risk, zero_dte_dominant: tags as float64: 1, 0, NaN for unknown.
    """

    numbers: dict[str, Floats]
    n_obs: dict[str, Ints]
    age_us: Ints
    data_repeat: Flags
    tags: dict[str, Floats]


def features_of(rows: SessionObservations, parameters: RegimeParameters) -> Features:
    """Compute the features of every row from it and the rows before it."""
    ts, columns = rows.ts, rows.columns
    spans = {
        "short": parameters.short_window_min * _MINUTE_US,
        "medium": parameters.medium_window_min * _MINUTE_US,
        "long": parameters.long_window_min * _MINUTE_US,
    }
    first = {name: windows.first_in_window(ts, span) for name, span in spans.items()}
    cadence = rows.cadence_us(parameters)
    covered = {name: windows.coverage(ts, first[name], span, cadence) for name, span in spans.items()}
    seen = {name: values >= parameters.min_coverage_frac for name, values in covered.items()}
    numbers: dict[str, Floats] = {f"coverage_{name}_frac": values for name, values in covered.items()}

    def slope(column: str, window: str) -> Floats:
        values = windows.end_difference_per_min(ts, columns[column], first[window])
        return np.where(seen[window], values, np.nan)

    for name in spans:
        numbers[f"naive_gex_net_slope_{name}_per_min"] = slope("naive_gex_net", name)
    for name in ("zero_gamma", "call_wall", "put_wall"):
        numbers[f"{name}_slope_points_per_min"] = slope(name, "medium")
    tolerance = parameters.same_wall_frac * columns["spot"]
    for name in ("call_wall", "put_wall"):
        share = windows.share_like_last(ts, columns[name], tolerance, first["medium"])
        numbers[f"{name}_stability_frac"] = np.where(seen["medium"], share, np.nan)
    numbers |= _distances(rows, parameters, first["long"], seen["long"])
    changed = _changed(columns) & ~rows.is_repeat
    last_change = windows.time_of_last_change(ts, changed)
    return Features(
        numbers=numbers,
        n_obs={name: np.arange(len(ts)) - start + 1 for name, start in first.items()},
        age_us=np.where(last_change < 0, -1, ts - last_change),
        data_repeat=~changed,
        tags=_tags(columns, numbers, parameters, first, seen),
    )


def _changed(columns: dict[str, Floats]) -> Flags:
    """Tell which rows differ from the row before in any value; the first one does."""
    differs = np.ones(len(columns["spot"]), np.bool_)
    differs[1:] = False
    for name in _VALUES:
        values = columns[name]
        both_null = np.isnan(values[1:]) & np.isnan(values[:-1])
        differs[1:] |= (values[1:] != values[:-1]) & ~both_null
    return differs


def _distances(
    rows: SessionObservations, parameters: RegimeParameters, first_long: Ints, seen_long: Flags
) -> dict[str, Floats]:
    """Return sigma and the distances of spot from the levels."""
    columns, spot = rows.columns, rows.columns["spot"]
    if rows.origin == FEED:
        step_us = round(parameters.realised_step_s * 1_000_000)
        per_min = windows.realised_variance_per_min(rows.ts, spot, first_long, step_us)
        sigma_frac = np.where(seen_long, np.sqrt(per_min * parameters.sigma_horizon_min), np.nan)
    else:
        sigma_frac = columns["atm_iv"] * np.sqrt(parameters.sigma_horizon_min / parameters.minutes_per_year)
    with np.errstate(invalid="ignore"):
        sigma = np.where(sigma_frac > 0, sigma_frac * spot, np.nan)
    return {
        "sigma_points": sigma,
        "dist_flip_frac": (spot - columns["zero_gamma"]) / spot,
        "dist_flip_sigma": (spot - columns["zero_gamma"]) / sigma,
        "dist_call_wall_sigma": (columns["call_wall"] - spot) / sigma,
        "dist_put_wall_sigma": (spot - columns["put_wall"]) / sigma,
    }


def _tags(
    columns: dict[str, Floats],
    numbers: dict[str, Floats],
    parameters: RegimeParameters,
    first: dict[str, Ints],
    seen: dict[str, Flags],
) -> dict[str, Floats]:
    """Return the tags: 1 set, 0 not set, NaN unknown."""
    with np.errstate(invalid="ignore"):
        flip_risk = np.abs(numbers["dist_flip_sigma"]) <= parameters.flip_risk_sigma
        dominant = columns["zero_dte_frac"] > parameters.zero_dte_dominant_frac
    no_flip = columns["n_crossings"] == 0
    shift = [_moved(columns, name, parameters, first["medium"], seen["medium"]) for name in ("call_wall", "put_wall")]
    broken = [
        _crossed(columns, name, first["short"], seen["short"]) for name in ("zero_gamma", "call_wall", "put_wall")
    ]
    return {
        "flip_risk": np.where(np.isnan(numbers["dist_flip_sigma"]) & ~no_flip, np.nan, flip_risk),
        "wall_shift": _any_known(shift),
        "level_break": _any_known(broken),
        "zero_dte_dominant": np.where(np.isnan(columns["zero_dte_frac"]), np.nan, dominant),
    }


def _moved(columns: dict[str, Floats], name: str, parameters: RegimeParameters, first: Ints, seen: Flags) -> Floats:
    """Tell where a level differs from the first one of the window."""
    values, spot = columns[name], columns["spot"]
    start = np.minimum(windows.first_known(values, first), np.arange(len(values)))
    distance = np.abs(values - values[start])
    with np.errstate(invalid="ignore"):
        moved = distance > parameters.same_wall_frac * spot
    return np.where(seen & ~np.isnan(distance) & ~np.isnan(spot), moved, np.nan)


def _crossed(columns: dict[str, Floats], name: str, first: Ints, seen: Flags) -> Floats:
    """Tell where spot lies on the other side of the level that held at the start of the window than it did then."""
    spot = columns["spot"]
    side = spot - columns[name]
    start = np.minimum(windows.first_known(side, first), np.arange(len(spot)))
    now = spot - columns[name][start]
    known = seen & ~np.isnan(now) & ~np.isnan(side[start])
    return np.where(known, np.sign(now) * np.sign(side[start]) < 0, np.nan)


def _any_known(tags: list[Floats]) -> Floats:
    """Combine tags: set if one is set, unknown if all are unknown."""
    stacked = np.stack(tags)
    known = ~np.isnan(stacked)
    return np.where(known.any(axis=0), (stacked == 1).any(axis=0), np.nan)
