"""Crossings of the own profile, and of parts of it.

Belongs here: zero gamma of all lines, of each expiry, of the next one, whether two calculations disagree about it. Does not belong here:
the curve and the search (``zero_gamma.py``), sums (``exposures.py``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from .exposures import PerLine, Sides, per_gamma, sides
from .lines import Bools, ChainLines, Floats
from .zero_gamma import GammaCurve, crossings, nearest, profile_levels, search_levels


@dataclass(frozen=True, slots=True)
class Flip:
    """Crossings of a re-priced profile.

    Attributes:
        crossings: ascending, points; None if a side of the profile is unknown.
        zero_gamma: the one nearest to spot; None without one.
    """

    crossings: list[float] | None
    zero_gamma: float | None

    @property
    def n_crossings(self) -> int | None:
        """Return how many there are; None unknown, which is not 0."""
        return None if self.crossings is None else len(self.crossings)


UNKNOWN_FLIP: Final = Flip(None, None)


def own_curve(lines: ChainLines) -> GammaCurve:
    """Return the own exposure of live lines as a function of the level: the curve behind ``profile_net`` and ``flip``."""
    return curve_of(lines, per_gamma(lines, lines.open_interest))


def curve_of(lines: ChainLines, weights: Floats) -> GammaCurve:
    """Return the exposure of live lines, with these weights per line and the volatilities of the source, as a function of the level."""
    return GammaCurve.of_lines(weights, lines.strike, _known_iv(lines), lines.tau, lines.group)


def flips(lines: ChainLines, weights: Floats, own: tuple[Sides, Floats]) -> tuple[Flip, list[Flip], Floats]:
    """Return the crossings of all expiries together and of each one, and the net exposure at the levels of the profile.

    A profile of which one side is unknown would be that of the other side alone: its crossings are unknown.

    Args:
        lines: the live lines.
        weights: f64 per line, see ``per_gamma``.
        own: own sides of all lines, and net per expiry (NaN unknown).
    """
    total_sides, net_of_expiry = own
    curve = curve_of(lines, weights)
    levels = search_levels(lines.spot)
    value, slope = curve.values(levels)
    total, total_slope = value.sum(axis=1), slope.sum(axis=1)
    found = crossings(curve, levels, total, total_slope)
    each = {
        int(group): crossings(curve.of_group(index), levels, value[:, index], slope[:, index])
        for index, group in enumerate(curve.groups)
    }
    known = ~np.isnan(net_of_expiry)
    of_expiries = [
        _nearest_of(each.get(index, []), lines.spot) if known[index] else UNKNOWN_FLIP
        for index in range(len(lines.expiries))
    ]
    on_profile = total[np.searchsorted(levels, profile_levels(lines.spot))]
    if total_sides.net is None:
        return UNKNOWN_FLIP, of_expiries, np.full(len(on_profile), np.nan)
    return _nearest_of(found, lines.spot), of_expiries, on_profile


def flip_of_curve(curve: GammaCurve, spot: float) -> Flip:
    """Return the crossings of a curve of which both sides are known."""
    levels = search_levels(spot)
    return _nearest_of(crossings(curve, levels, *curve.total(levels)), spot)


def flip_of_some(lines: ChainLines, weights: Floats, exposure: PerLine, where: Bools) -> Flip | None:
    """Return the crossings of some lines together, None without lines."""
    if not where.any():
        return None
    if sides(lines, exposure.where(where)).net is None:
        return UNKNOWN_FLIP
    together = np.zeros(int(np.count_nonzero(where)), np.int64)
    curve = GammaCurve.of_lines(
        weights[where], lines.strike[where], _known_iv(lines)[where], lines.tau[where], together
    )
    return flip_of_curve(curve, lines.spot)


def slope_at(lines: ChainLines, weights: Floats, level: float) -> float:
    """Return the slope of the own profile at a level, USD per 1 % and point."""
    return float(curve_of(lines, weights).total(np.array([level]))[1][0])


def _nearest_of(found: list[float], spot: float) -> Flip:
    return Flip(found, nearest(found, spot))


def disagree(spot: float, own: Sides, flip: Flip, forward: Sides | None, forward_flip: Flip | None) -> bool:
    """Tell whether own and forward pricing put spot on different sides of zero gamma, or have nets of different signs."""
    pairs: list[tuple[float, float]] = []
    if forward_flip is not None and flip.zero_gamma is not None and forward_flip.zero_gamma is not None:
        pairs.append((spot - flip.zero_gamma, spot - forward_flip.zero_gamma))
    if forward is not None and own.net is not None and forward.net is not None:
        pairs.append((own.net, forward.net))
    return any(one * other < 0 for one, other in pairs)


def _known_iv(lines: ChainLines) -> Floats:
    return np.where(lines.iv > 0, lines.iv, np.nan)
