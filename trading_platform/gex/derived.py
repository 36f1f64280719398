"""Figures derived from the exposures of one snapshot: normalised net, ramp, nearest wall, distances, compression score.

Belongs here: arithmetic on net exposure, exposures per strike, walls, zero gamma and spot. Does not belong here: those inputs
(``exposures.py``, ``walls.py``, ``zero_gamma.py``), regimes and their rules (``trading_platform.regimes``).

Source: the figures of the public repository BenGhabili/option-level-api (state of 2025-09-18), with its defects mended:

* net is the canonical exposure ``sign * gamma * OI * M * S**2 * 0.01`` of all live series; there it was ``OI * gamma * 100 * K`` of 15
  strikes of one expiry, rounded to 0.1 million, with spot rounded to whole points. Nothing is rounded here, so values differ from there.
* the strikes of the ramp are the listed ones around spot; there they lay on a fixed grid and were missing wherever the listing was wider.
* there is one nearest wall, and its distance is the distance of that strike; there two definitions met in one rule.
* a figure whose input is missing is None; there a missing ramp became 0 and a missing distance 1, which look computed.

Two units are in millions, because the weights of the compression score were chosen for millions. Distances are spot minus level:
above 0 if spot stands above the level.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from .exposures import StrikeTable
from .walls import Walls

Side = Literal["call", "put", "both"]

_MILLION: Final = 1e6
# Weights of the public score: net, ramp, closeness to zero gamma. They are conventions, fitted to nothing.
_NET_WEIGHT, _RAMP_WEIGHT, _FLIP_WEIGHT = 0.5, 0.3, 0.2
# A spot on zero gamma would divide by zero; the source of the formula stops at a millionth of a point.
_CLOSEST_POINTS: Final = 1e-6


@dataclass(frozen=True, slots=True)
class Ramp:
    """Change of net exposure from the listed strike at or below spot to the one above it.

    Attributes:
        lower_strike: the highest live strike at or below spot; None without one.
        upper_strike: the lowest live strike above spot; None without one.
        musd_per_1pct_per_point: million USD per 1 % and point; None if a strike is missing or a side of it unknown.
    """

    lower_strike: float | None
    upper_strike: float | None
    musd_per_1pct_per_point: float | None


@dataclass(frozen=True, slots=True)
class NearestWall:
    """The wall of the band that is nearest to spot.

    Attributes:
        strike: points.
        side: ``"call"``, ``"put"``, or ``"both"`` if call and put wall are this strike.
        dist_points: spot minus strike.
        dist_pct: the same in percent of spot.
    """

    strike: float
    side: Side
    dist_points: float
    dist_pct: float


@dataclass(frozen=True, slots=True)
class Derived:
    """All of them; None is unknown.

    Attributes:
        normalised_musd_per_1pct_per_point: net in million USD per 1 % divided by spot; None if a side is unknown.
        ramp: change of net around spot.
        nearest_wall: None without a wall in the band.
        dist_to_flip_points: spot minus zero gamma; None without a crossing.
        compression_score: 0 to 100, see :func:`compression_score`.
    """

    normalised_musd_per_1pct_per_point: float | None
    ramp: Ramp
    nearest_wall: NearestWall | None
    dist_to_flip_points: float | None
    compression_score: float | None


def derive(
    table: StrikeTable, chosen: Walls, *, net_usd_per_1pct: float | None, spot: float, zero_gamma: float | None
) -> Derived:
    """Return the derived figures of one snapshot.

    Args:
        table: exposures per live strike, NaN unknown.
        chosen: the walls of ``table``.
        net_usd_per_1pct: net exposure of all live lines; None unknown.
        spot: price of the underlying, above 0.
        zero_gamma: crossing nearest to spot; None without one.
    """
    normalised = None if net_usd_per_1pct is None else normalised_musd_per_1pct_per_point(net_usd_per_1pct, spot)
    around = ramp(table, spot)
    to_flip = None if zero_gamma is None else spot - zero_gamma
    return Derived(
        normalised,
        around,
        nearest_wall(chosen, spot),
        to_flip,
        compression_score(normalised, around.musd_per_1pct_per_point, to_flip),
    )


def normalised_musd_per_1pct_per_point(net_usd_per_1pct: float, spot: float) -> float:
    """Return ``net / 1e6 / spot``: million USD per 1 % and point of spot.

    100 times this number is the exposure in million USD for a move of one point, because 1 % of spot is ``spot / 100`` points.
    """
    return net_usd_per_1pct / _MILLION / spot


def ramp(table: StrikeTable, spot: float) -> Ramp:
    """Return ``(net[upper] - net[lower]) / 1e6 / (upper - lower)`` of the two live strikes around spot.

    ``lower`` is the highest strike at or below spot, ``upper`` the lowest above it; a strike of which a side is unknown is not skipped, the
    ramp is None then. Net per strike is call plus put side over all expiries.
    """
    above = int(np.searchsorted(table.strike, spot, side="right"))
    below = above - 1
    lower = float(table.strike[below]) if below >= 0 else None
    upper = float(table.strike[above]) if above < len(table.strike) else None
    if lower is None or upper is None:
        return Ramp(lower, upper, None)
    change = float(table.net[above] - table.net[below])
    if math.isnan(change):
        return Ramp(lower, upper, None)
    return Ramp(lower, upper, change / _MILLION / (upper - lower))


def nearest_wall(chosen: Walls, spot: float) -> NearestWall | None:
    """Return the nearer one of ``call_wall_band`` and ``put_wall_band``, the lower one of two equally near; None without one.

    The walls of the band count, because the strongest strike of all may lie far from spot.
    """
    call, put = chosen.call_wall_band, chosen.put_wall_band
    strikes = [wall.strike for wall in (call, put) if wall is not None]
    if not strikes:
        return None
    strike = min(strikes, key=lambda at: (abs(at - spot), at))
    is_call, is_put = (wall is not None and wall.strike == strike for wall in (call, put))
    side: Side = "both" if is_call and is_put else "call" if is_call else "put"
    return NearestWall(strike, side, spot - strike, 100.0 * (spot - strike) / spot)


def compression_score(
    normalised_musd: float | None, ramp_musd: float | None, dist_to_flip_points: float | None
) -> float | None:
    """Return how much exposure lies around spot, as one number: at least 0, below 100.

    ``score = 100 * raw / (1 + raw)`` with
    ``raw = 0.5 ln(1 + |normalised|) + 0.3 ln(1 + |ramp|) + 0.2 ln(1 + 1 / max(|dist_to_flip|, 1e-6))``.

    A descriptive figure: no rule of this platform uses it. Its weights were fitted to nothing; it grows with exposure of either sign, and
    because it mixes million USD, points of strike and points of distance, it can be compared over time for one underlying only.

    Args:
        normalised_musd: million USD per 1 % and point.
        ramp_musd: million USD per 1 % and point.
        dist_to_flip_points: spot minus zero gamma.

    Returns:
        The score in full precision; None if an input is None, never a score from the others.
    """
    if normalised_musd is None or ramp_musd is None or dist_to_flip_points is None:
        return None
    raw = (
        _NET_WEIGHT * math.log1p(abs(normalised_musd))
        + _RAMP_WEIGHT * math.log1p(abs(ramp_musd))
        + _FLIP_WEIGHT * math.log1p(1.0 / max(abs(dist_to_flip_points), _CLOSEST_POINTS))
    )
    return 100.0 * raw / (1.0 + raw)
