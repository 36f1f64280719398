"""How much of what the sums need is known, and how much is left out.

Belongs here: shares of lines and of open interest that no sum, or one of the sums, can count, and their limits. Does not belong here: the
sums (``exposures.py``, ``forward.py``), judgement of a stored day (``checks.py``).

A sum over known lines alone is too small without saying so; these shares say it. Of lines whose open interest is unknown nobody knows how
many contracts they are, so their share is one of lines; every other share is one of open interest.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from ..options import ParitySource
from .forward import ForwardPricing
from .lines import Bools, ChainLines

OI_UNKNOWN_LIMIT_PCT: Final = 1.0
OI_DROPPED_LIMIT_PCT: Final = 5.0
FORWARD_MISSING_LIMIT_PCT: Final = 5.0
FORWARD_NEIGHBOUR_LIMIT_PCT: Final = 5.0

OfSides = tuple[float | None, float | None]


@dataclass(frozen=True, slots=True)
class KnownInputs:
    """What is unknown of a snapshot, in percent; a share of nothing is None.

    Attributes:
        oi_unknown_pct: live calls and live puts whose open interest is unknown, of the live lines of that side.
        oi_dropped_pct: open interest that is in no own sum, for want of a volatility in the source.
        oi_dropped_side_pct: the same, calls of calls and puts of puts.
        forward_oi_dropped_pct: open interest that is in no sum on parity forwards: no volatility, or an expiry without a forward.
        forward_missing_pct: open interest of expiries without a forward.
        forward_missing_n: those expiries.
        forward_neighbour_pct: open interest of expiries without a usable pair of quotes, whose forward follows from another expiry.
        forward_neighbour_n: those expiries. One that borrows the rate only has a forward from its own quotes and is not counted.
        has_forwards: whether the sums on parity forwards are worth their name: at least one expiry has a forward, and those without one
            hold at most ``FORWARD_MISSING_LIMIT_PCT`` of open interest.
    """

    oi_unknown_pct: OfSides
    oi_dropped_pct: float | None
    oi_dropped_side_pct: OfSides
    forward_oi_dropped_pct: float | None
    forward_missing_pct: float | None
    forward_missing_n: int
    forward_neighbour_pct: float | None
    forward_neighbour_n: int
    has_forwards: bool

    @property
    def flags(self) -> dict[str, bool]:
        """Return the words for a reader, and whether they hold."""
        return {
            "open_interest_unknown": _above(self.oi_unknown_pct, OI_UNKNOWN_LIMIT_PCT),
            "volatility_unknown": _above(self.oi_dropped_side_pct, OI_DROPPED_LIMIT_PCT),
            "forward_missing": not self.has_forwards,
            "forward_of_neighbour": _above((self.forward_neighbour_pct,), FORWARD_NEIGHBOUR_LIMIT_PCT),
        }


def known_inputs(lines: ChainLines, forward: ForwardPricing) -> KnownInputs:
    """Measure what is known of the live lines."""
    calls, puts = lines.is_call, ~lines.is_call
    unknown, dropped = np.isnan(lines.open_interest), ~(lines.iv > 0)
    missing = forward.fit.source == ParitySource.NONE
    neighbour = forward.fit.source == ParitySource.NEIGHBOUR_CARRY
    missing_pct = _interest_pct(lines, missing[lines.group])
    return KnownInputs(
        oi_unknown_pct=(_lines_pct(unknown, calls), _lines_pct(unknown, puts)),
        oi_dropped_pct=_interest_pct(lines, dropped),
        oi_dropped_side_pct=(_interest_pct(lines, dropped, calls), _interest_pct(lines, dropped, puts)),
        forward_oi_dropped_pct=_interest_pct(lines, np.isnan(forward.gamma)),
        forward_missing_pct=missing_pct,
        forward_missing_n=int(np.count_nonzero(missing)),
        forward_neighbour_pct=_interest_pct(lines, neighbour[lines.group]),
        forward_neighbour_n=int(np.count_nonzero(neighbour)),
        has_forwards=not missing.all() and not _above((missing_pct,), FORWARD_MISSING_LIMIT_PCT),
    )


def _interest_pct(lines: ChainLines, chosen: Bools, among: Bools | None = None) -> float | None:
    """Return the open interest of some lines in percent of that of all, or of all ``among`` them; None without open interest."""
    interest = np.nan_to_num(lines.open_interest)
    if among is not None:
        interest = interest * among
    whole = float(interest.sum())
    return 100.0 * float(interest[chosen].sum()) / whole if whole > 0 else None


def _lines_pct(chosen: Bools, among: Bools) -> float | None:
    """Return how many of the lines ``among`` are chosen, percent; None without lines."""
    whole = int(np.count_nonzero(among))
    return 100.0 * int(np.count_nonzero(chosen & among)) / whole if whole else None


def _above(shares: tuple[float | None, ...], limit: float) -> bool:
    return any(share is not None and share > limit for share in shares)
