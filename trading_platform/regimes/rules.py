"""Which state each row has by itself, for every state it may come from.

Belongs here: the table of rules and the conditions that make a row unknown. Does not belong here: dwell and recovery (``states.py``).

| first that holds | state |
|---|---|
| the data are bad (see ``UNKNOWN_CAUSES``) | unknown |
| abs(dist_flip_sigma) <= 0.25, or abs(net_to_gross) <= 0.05 | transition |
| net > 0, spot above zero gamma, a wall within 0.5 sigma that stood for 80 % of the window | positive_pin |
| net > 0, spot above zero gamma | positive |
| net < 0, spot below zero gamma, net falling over the medium window | negative_expansion |
| net < 0, spot below zero gamma | negative |
| otherwise: sign of net and side of zero gamma disagree, or (feed) the vendor's sum and its ladder do | transition |

Hysteresis: coming from a state of the same side, zero gamma may come closer (0.20) and the balance smaller (0.04) before it is
left; coming from positive_pin, the wall may be farther (0.625) and younger (64 %). A level that must be undercut to hold is left
at the level divided by the same factor 0.8.

A chain whose profile never crosses zero has no zero gamma: the sign of net then tells the side, unless net is balanced.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from .features import Features, SessionObservations
from .parameters import STATES, RegimeParameters, State
from .windows import Flags, Floats

Codes = npt.NDArray[np.int8]
CODE: Final = {state: code for code, state in enumerate(STATES)}

UNKNOWN_CAUSES: Final = {
    "outside_session": "outside the trading hours of the session",
    "conflict": "several observations of one time with different values",
    "missing": "an input is missing; missing_inputs says which and why",
    "stale": "the values have not changed for longer than the staleness limit",
    "gap": "the first observation after a silence longer than the staleness limit",
    "oi_dropped": "too much open interest without usable volatility",
    "vendor_gap": "own gamma too far from the vendor's",
    "no_crossing_balanced": "no zero gamma and a net too small for its sign to be believed",
    "coverage": "too little of the medium window was observed",
    "sigma": "no volatility, so distances cannot be judged",
    "slope": "net has no earlier value in the medium window",
}
"""Causes of unknown, in order of precedence. The last three are properties of the window and pass with it; the others are faults of the row
and start the recovery anew."""
_OF_THE_WINDOW: Final = ("coverage", "sigma", "slope")


@dataclass(frozen=True)
class RuleTable:
    """What the rules give for every row.

    Attributes:
        bad_row: cause of unknown that lies in the row, None where none does.
        bad_window: cause that lies in its window.
        candidate: for each state that may hold, the code of the state that the row asks for; rows that are bad are not to be looked up.
    """

    bad_row: list[str | None]
    bad_window: list[str | None]
    candidate: dict[State, Codes]


def rule_table(rows: SessionObservations, features: Features, parameters: RegimeParameters) -> RuleTable:
    """Evaluate every rule for every row."""
    bad_row = _causes(_row_faults(rows, features, parameters))
    bad_window = _causes(_window_faults(features, parameters))
    candidate = {state: _candidates(rows, features, parameters, state) for state in STATES}
    return RuleTable(bad_row, bad_window, candidate)


def side_of(state: State) -> int:
    """Return 1 for states of positive gamma, -1 for negative, 0 for the others."""
    if state in (State.POSITIVE, State.POSITIVE_PIN):
        return 1
    return -1 if state in (State.NEGATIVE, State.NEGATIVE_EXPANSION) else 0


def _row_faults(rows: SessionObservations, features: Features, parameters: RegimeParameters) -> dict[str, Flags]:
    columns = rows.columns
    limit = rows.staleness_us(parameters)
    gap = np.diff(rows.ts, prepend=rows.ts[:1]) > limit
    with np.errstate(invalid="ignore"):
        balanced = np.abs(columns["net_to_gross"]) < parameters.net_to_gross_enter
        return {
            "conflict": rows.is_conflict,
            "missing": np.array([names is not None for names in rows.missing], np.bool_),
            "stale": (features.age_us < 0) | (features.age_us > limit),
            "gap": gap,
            "oi_dropped": columns["oi_dropped_pct"] > parameters.max_oi_dropped_pct,
            "vendor_gap": columns["vendor_gap_pct"] > parameters.max_vendor_gap_pct,
            "no_crossing_balanced": (columns["n_crossings"] == 0) & balanced,
        }


def _window_faults(features: Features, parameters: RegimeParameters) -> dict[str, Flags]:
    numbers = features.numbers
    return {
        "coverage": numbers["coverage_medium_frac"] < parameters.min_coverage_frac,
        "sigma": np.isnan(numbers["sigma_points"]),
        "slope": np.isnan(numbers["naive_gex_net_slope_medium_per_min"]),
    }


def _causes(faults: dict[str, Flags]) -> list[str | None]:
    """Return the first fault of each row, in the order of ``UNKNOWN_CAUSES``."""
    names = [name for name in UNKNOWN_CAUSES if name in faults]
    stacked = np.stack([faults[name] for name in names])
    position = np.where(stacked.any(axis=0), stacked.argmax(axis=0), len(names))
    known: list[str | None] = [*names, None]
    return [known[at] for at in position.tolist()]


def _candidates(rows: SessionObservations, features: Features, parameters: RegimeParameters, current: State) -> Codes:
    """Return the state that each row asks for, coming from ``current``."""
    numbers, net = features.numbers, rows.columns["naive_gex_net"]
    distance, side = numbers["dist_flip_sigma"], side_of(current)
    with np.errstate(invalid="ignore"):
        no_flip = (rows.columns["n_crossings"] == 0) & np.isnan(distance)
        flip_level = np.where(np.sign(distance) == side, parameters.flip_exit_sigma, parameters.flip_enter_sigma)
        net_level = np.where(np.sign(net) == side, parameters.net_to_gross_exit, parameters.net_to_gross_enter)
        close = (np.abs(distance) <= flip_level) | (np.abs(rows.columns["net_to_gross"]) <= net_level)
        # Of the feed the two come from different fields, the vendor's sum and its ladder; where these disagree, no sign is known.
        sign = np.where(np.sign(net) == np.sign(rows.columns["net_to_gross"]), np.sign(net), 0)
        positive = (sign > 0) & ((distance > 0) | no_flip)
        negative = (sign < 0) & ((distance < 0) | no_flip)
        falling = numbers["naive_gex_net_slope_medium_per_min"] < 0
    pinned = pinning_wall(numbers, parameters, is_pinned=current is State.POSITIVE_PIN) != 0
    choices = (
        (close, State.TRANSITION),
        (positive & pinned, State.POSITIVE_PIN),
        (positive, State.POSITIVE),
        (negative & falling, State.NEGATIVE_EXPANSION),
        (negative, State.NEGATIVE),
    )
    codes = [np.int8(CODE[state]) for _, state in choices]
    return np.select([flag for flag, _ in choices], codes, np.int8(CODE[State.TRANSITION])).astype(np.int8)


def pinning_wall(numbers: dict[str, Floats], parameters: RegimeParameters, *, is_pinned: bool) -> npt.NDArray[np.int64]:
    """Return the nearest wall that is close and steady: 1 call wall, -1 put wall, 0 none; the call wall if both are equally near."""
    distance_level = parameters.pin_exit_sigma if is_pinned else parameters.pin_enter_sigma
    share_level = parameters.wall_stability_exit if is_pinned else parameters.wall_stability_enter
    far = np.full(len(numbers["sigma_points"]), np.inf)
    reach = []
    for name in ("call_wall", "put_wall"):
        distance = np.abs(numbers[f"dist_{name}_sigma"])
        with np.errstate(invalid="ignore"):
            holds = (distance <= distance_level) & (numbers[f"{name}_stability_frac"] >= share_level)
        reach.append(np.where(holds, distance, far))
    call, put = reach
    return np.where(np.isinf(call) & np.isinf(put), 0, np.where(call <= put, 1, -1))
