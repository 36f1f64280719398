"""Prices as whole ticks and back, without losing a digit.

Belongs here: the tick grid of one instrument. Does not belong here: books and files.

Source: prices of ``depth_events`` are the float64 nearest to the decimal price. The tick is a fraction p/q of integers, so ticks * p is
exact and one correctly rounded division by q gives that float64 again; ``ticks * 0.00005`` would be off by one unit in the last place now
and then.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from ..errors import QualityError

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

# Distance from the grid, in ticks, that binary fractions such as 0.1 or 0.00005 can cause; a real off-grid price is off by far more.
TOLERANCE_TICKS: Final = 1e-3
# 4,194,304 ticks are a million points of an index future; both sides of such a book take 32 MB.
MOST_TICKS: Final = 1 << 22


@dataclass(frozen=True)
class PriceGrid:
    """The tick grid of an instrument.

    Attributes:
        tick_size: smallest price step, points.
    """

    tick_size: float

    def ticks(self, price: Floats) -> Floats:
        """Return prices as whole numbers of ticks, in float64.

        Args:
            price: points; no NaN.

        Raises:
            QualityError: E433 if a price is not finite or not on the grid.
        """
        numerator, denominator = self._ratio
        scaled = price * (denominator / numerator)
        whole = np.rint(scaled)
        with np.errstate(invalid="ignore"):
            np.subtract(scaled, whole, out=scaled)
        # A NaN makes both comparisons false, so it is caught as well.
        if len(scaled) and not (scaled.max() <= TOLERANCE_TICKS and scaled.min() >= -TOLERANCE_TICKS):
            at = int(np.flatnonzero(~(np.abs(scaled) <= TOLERANCE_TICKS))[0])
            raise QualityError(
                "E433",
                f"a book event has the price {float(price[at])!r}, expected a finite multiple of {self.tick_size}",
                "levels of a book are kept by whole ticks; the tick size of the registry does not fit these prices",
                "tp instruments list",
            )
        return whole

    def points(self, ticks: npt.NDArray[Any]) -> Floats:
        """Return ticks (also fractions of them) as points; for whole ticks the float64 nearest to the decimal price."""
        numerator, denominator = self._ratio
        scaled: Floats = ticks * numerator / denominator
        return scaled

    @cached_property
    def _ratio(self) -> tuple[float, float]:
        tick = Fraction(repr(self.tick_size))
        return float(tick.numerator), float(tick.denominator)


def too_far_apart(lowest: int, highest: int) -> QualityError:
    """Return the error for levels that no array can hold."""
    return QualityError(
        "E433",
        f"book events range from {lowest:,} to {highest:,} ticks, expected at most {MOST_TICKS:,} ticks from the lowest to the highest",
        "no book is that deep: a price is damaged, or the tick size of the registry does not fit; nothing was written",
        "tp instruments list",
    )
