"""Where the re-priced gamma exposure of a chain changes its sign.

Belongs here: the exposure at any level of the underlying, per expiry and in total, its crossings and its slope. Does not belong here:
volatilities on parity forwards (``forward.py``) and the numbers at the spot (``exposures.py``).

Formula: each line keeps its volatility and time (sticky strike); at level L its exposure is
``sign * OI * M * L**2 * 0.01 * gamma(L) = 0.01 * weight * L * n(d1(L))`` with ``weight = sign * OI * M * carry / (sigma sqrt(tau))`` and
``d1(L) = (ln(L) + ln(F/S) - ln(K)) / (sigma sqrt(tau)) + sigma sqrt(tau) / 2``. Two stages: a grid, then every bracket is divided until
it is narrow. The sign change of exposure strike by strike, or of its cumulative sum, is another thing and not used.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Self

import numpy as np

from .lines import Bools, Floats, Ints

GRID_LOW, GRID_HIGH = 0.80, 1.20
PROFILE_LEVELS: Final = 60
# The wide grid has steps of 0.7 % of spot; near the spot exposures of the last hours before settlement are narrower than that.
FINE_BAND_FRAC, FINE_STEP_FRAC = 0.03, 0.0005
TOLERANCE_POINTS: Final = 0.01
# Below this share of the largest value the sum is rounding, far from every strike, and its sign means nothing.
NEGLIGIBLE_SHARE: Final = 1e-9
# Elements at a time: they stay in the second-level cache, and a small curve takes a few calls for all levels.
_BLOCK: Final = 16_384
# Many parts spare calls where a call costs more than its sums; few parts spare sums over many lines.
_PARTS, _PARTS_OF_MANY_LINES, _MANY_LINES = 16, 4, 4_000
_MOST_DIVISIONS: Final = 16
_ROOT_TWO_PI: Final = math.sqrt(2.0 * math.pi)


@dataclass(frozen=True, slots=True)
class GammaCurve:
    """Exposure as a function of the level; lines without exposure are left out.

    Attributes:
        weight: f64 per line, ``sign * OI * M * carry / (sigma sqrt(tau) sqrt(2 pi)) * 0.01``.
        steepness: f64 per line, ``1 / (sigma sqrt(tau))``.
        offset: f64 per line, d1 at level 1.
        starts: first line of each expiry that has lines.
        groups: expiries of ``starts``.
    """

    weight: Floats
    steepness: Floats
    offset: Floats
    starts: Ints
    groups: Ints

    @classmethod
    def of_lines(
        cls,
        exposure_per_gamma: Floats,
        strike: Floats,
        sigma: Floats,
        tau: Floats,
        group: Ints,
        *,
        forward_ratio: Floats | float = 1.0,
        carry: Floats | float = 1.0,
    ) -> Self:
        """Build the curve.

        Args:
            exposure_per_gamma: f64, ``sign * OI * M``; lines with 0 or NaN are left out.
            strike: f64.
            sigma: f64, NaN where unknown; such lines are left out.
            tau: f64, years.
            group: i64, ascending.
            forward_ratio: forward divided by spot.
            carry: ``e**(-q tau)``, which is discount times ``forward_ratio``.
        """
        ratio = np.broadcast_to(np.asarray(forward_ratio, np.float64), strike.shape)
        carries = np.broadcast_to(np.asarray(carry, np.float64), strike.shape)
        counted = (sigma > 0) & (np.abs(exposure_per_gamma) > 0) & (ratio > 0) & (carries > 0)
        deviation = sigma[counted] * np.sqrt(tau[counted])
        weight = 0.01 * exposure_per_gamma[counted] * carries[counted] / (deviation * _ROOT_TWO_PI)
        offset = np.log(ratio[counted] / strike[counted]) / deviation + 0.5 * deviation
        groups, starts = np.unique(group[counted], return_index=True)
        return cls(weight, 1.0 / deviation, offset, starts.astype(np.int64), groups)

    def __len__(self) -> int:
        """Return the number of lines."""
        return len(self.weight)

    def of_group(self, position: int) -> GammaCurve:
        """Return the curve of one expiry, by its position in ``groups``."""
        stop = self.starts[position + 1] if position + 1 < len(self.starts) else len(self.weight)
        part = slice(int(self.starts[position]), int(stop))
        return GammaCurve(
            self.weight[part],
            self.steepness[part],
            self.offset[part],
            np.zeros(1, np.int64),
            self.groups[position : position + 1],
        )

    def values(self, levels: Floats) -> tuple[Floats, Floats]:
        """Return exposure and its slope at some levels.

        Args:
            levels: f64, above zero.

        Returns:
            Two arrays [levels, groups]: USD per 1 %, and USD per 1 % and point.
        """
        value = np.zeros((len(levels), len(self.starts)))
        slope = np.zeros_like(value)
        if len(self.starts) == 0:
            return value, slope
        at_once = max(1, _BLOCK // len(self.weight))
        for first in range(0, len(levels), at_once):
            block = levels[first : first + at_once, None]
            d1 = np.log(block) * self.steepness
            d1 += self.offset
            term = d1 * d1
            term *= -0.5
            np.exp(term, out=term)
            term *= self.weight
            value[first : first + at_once] = np.add.reduceat(term, self.starts, axis=1) * block
            # d/dL of L n(d1) is n(d1) (1 - d1 * steepness).
            d1 *= -self.steepness
            d1 += 1.0
            term *= d1
            slope[first : first + at_once] = np.add.reduceat(term, self.starts, axis=1)
        return value, slope

    def total(self, levels: Floats) -> tuple[Floats, Floats]:
        """Return exposure and slope summed over the expiries, each [levels]."""
        value, slope = self.values(levels)
        return value.sum(axis=1), slope.sum(axis=1)


def profile_levels(spot: float) -> Floats:
    """Return the levels of the published profile, 80 % to 120 % of spot."""
    return np.linspace(GRID_LOW * spot, GRID_HIGH * spot, PROFILE_LEVELS)


def search_levels(spot: float) -> Floats:
    """Return the levels at which crossings are looked for: those of the profile and 5 basis points apart within 3 % of spot."""
    steps = round(FINE_BAND_FRAC / FINE_STEP_FRAC)
    fine = spot * (1.0 + FINE_STEP_FRAC * np.arange(-steps, steps + 1))
    return np.unique(np.concatenate((profile_levels(spot), fine)))


def crossings(curve: GammaCurve, levels: Floats, value: Floats, slope: Floats) -> list[float]:
    """Return every level at which the exposure changes its sign, ascending.

    Args:
        curve: the whole curve, or that of one expiry.
        levels: f64, ascending.
        value: exposure at the levels, USD per 1 %.
        slope: its slope.

    Returns:
        Levels, exact to 0.01 points. Touching zero is no crossing.
    """
    if len(curve) == 0 or len(value) == 0:
        return []
    limit = NEGLIGIBLE_SHARE * float(np.abs(value).max())
    found: list[float] = []
    for low, high in _brackets(levels, value, slope, limit):
        found += _divided(curve, low, high, _MOST_DIVISIONS)
    return sorted(found)


def nearest(found: list[float], spot: float) -> float | None:
    """Return the crossing nearest to the spot, the lower one of two equally near; None without one."""
    return min(found, key=lambda level: (abs(level - spot), level), default=None)


def _signs(value: Floats, limit: float) -> Ints:
    return np.where(np.abs(value) <= limit, 0, np.sign(value)).astype(np.int64)


def _brackets(levels: Floats, value: Floats, slope: Floats, limit: float) -> list[tuple[float, float]]:
    """Return stretches that hold a sign change, or may hide two of them between equal signs."""
    sign = _signs(value, limit)
    known = np.flatnonzero(sign)
    left, right = known[:-1], known[1:]
    change = sign[left] != sign[right]
    hidden = ~change & (right == left + 1) & _may_dip(levels, value, slope, left, right)
    picked = np.flatnonzero(change | hidden)
    return [(float(levels[left[i]]), float(levels[right[i]])) for i in picked]


def _may_dip(levels: Floats, value: Floats, slope: Floats, left: Ints, right: Ints) -> Bools:
    """Tell between which neighbours of equal sign the curve heads for zero from both sides, by where its tangents meet."""
    sign = np.sign(value[left])
    from_left, from_right = sign * slope[left], sign * slope[right]
    heads = (from_left < 0) & (from_right > 0)
    width = levels[right] - levels[left]
    with np.errstate(divide="ignore", invalid="ignore"):
        met = (sign * (value[right] - value[left]) - from_right * width) / (from_left - from_right)
        lowest = sign * value[left] + from_left * met
    return np.asarray(heads & (lowest < 0))


def _divided(curve: GammaCurve, low: float, high: float, divisions: int) -> list[float]:
    """Return the crossings in a stretch: it is cut into parts, and parts that hold a crossing are cut again until they are narrow."""
    levels = np.linspace(low, high, 1 + (_PARTS if len(curve) < _MANY_LINES else _PARTS_OF_MANY_LINES))
    value, slope = curve.total(levels)
    if high - low > TOLERANCE_POINTS and divisions > 0:
        return [
            level
            for first, last in _brackets(levels, value, slope, 0.0)
            for level in _divided(curve, first, last, divisions - 1)
        ]
    sign = _signs(value, 0.0)
    known = np.flatnonzero(sign)
    if len(known) < 2 or sign[known[0]] == sign[known[-1]]:
        return []
    at = int(np.flatnonzero(sign[known[:-1]] != sign[known[1:]])[0])
    a, b = known[at], known[at + 1]
    return [float(levels[b] - (levels[b] - levels[a]) * value[b] / (value[b] - value[a]))]
