"""How stored float32 prices become prices in points.

Belongs here: scale, tick grid and credible range of one file's prices. Does not belong here: judging a record (``decode.py``) and finding
the scale (``guard.py``).
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from math import frexp

import numpy as np
from numpy.typing import NDArray

from ..instruments import Instrument

# A float32 of an unscaled price such as 1.08505 is off by up to 6e-8 of its value, 0.0013 ticks of 0.00005 and below 0.01 ticks for every
# price under 167,772 ticks; a twentieth of a tick is far from both that and from a price that is on no grid.
GRID_TOLERANCE_TICKS = 0.05

# The registry's band bounds the median of a day; one price is refused only when it is ten times further out, as damage and not as a move.
BAND_SLACK = 10.0

# No future of the registry moves by half within a session (price limits and circuit breakers stop it at a fifth), and a wrong scale, a
# shifted decimal point or another instrument is further off.
NEAR_FACTOR = 1.5

Float64s = NDArray[np.float64]


@dataclass(frozen=True)
class PriceRule:
    """How stored float32 prices of one file become prices in points.

    Attributes:
        price_scale: factor from the stored number to points.
        tick_size: smallest price step in points.
        price_band: credible range of the median, points.
        allows_negative: True if prices below zero are legal.
    """

    price_scale: float
    tick_size: float
    price_band: tuple[float, float]
    allows_negative: bool

    @classmethod
    def of(cls, instrument: Instrument, price_scale: float) -> PriceRule:
        """Return the rule of a file that stores an instrument's prices with a scale."""
        return cls(price_scale, instrument.tick_size, instrument.price_band, instrument.allows_negative)

    @cached_property
    def tick(self) -> Fraction:
        """Return the tick size as the exact decimal that its shortest form shows."""
        return Fraction(repr(self.tick_size))

    @property
    def ticks_per_stored(self) -> float:
        """Return the factor from the stored number to ticks."""
        return float(Fraction(repr(self.price_scale)) / self.tick)

    @property
    def tick_bounds(self) -> tuple[float, float]:
        """Return the lowest and highest credible single price, in ticks."""
        low, high = self.price_band
        top = float(Fraction(high * BAND_SLACK) / self.tick)
        return (-top, top) if self.allows_negative else (float(Fraction(low / BAND_SLACK) / self.tick), top)

    def near(self, reference: float) -> tuple[float, float]:
        """Return the lowest and highest credible single price of a day at a price level in points, in ticks."""
        low, high = self.tick_bounds
        level = reference / self.tick_size
        return max(low, level / NEAR_FACTOR), min(high, level * NEAR_FACTOR)

    def points(self, ticks: Float64s, out: Float64s) -> None:
        """Convert whole ticks to points; exact: the result is the float64 nearest to the decimal price.

        The tick is a fraction p/q of integers, so ticks * p is exact and one correctly rounded division by q gives the nearest
        float64, which is what the literal ``1.08505`` is. ``ticks * 0.00005`` would be off by one unit in the last place now and then.
        """
        numerator, denominator = self._tick_ratio
        if _is_power_of_two(denominator):
            # Such a tick, 0.25 for one, is a float64 itself, and multiplying by it is exact and faster.
            np.multiply(ticks, numerator / denominator, out=out)
            return
        if numerator != 1.0:
            np.multiply(ticks, numerator, out=out)
            ticks = out
        np.divide(ticks, denominator, out=out)

    @cached_property
    def _tick_ratio(self) -> tuple[float, float]:
        return float(self.tick.numerator), float(self.tick.denominator)


def _is_power_of_two(number: float) -> bool:
    return frexp(number)[0] == 0.5
