"""Dollar exposures of contract lines and their sums.

Belongs here: gamma, delta, vanna and charm exposure per line, sides, per strike and per expiry. Does not belong here: volatilities on
parity forwards (``forward.py``), walls (``walls.py``), levels other than the spot (``zero_gamma.py``).

Formulas: ``gex_usd_per_1pct = sign * gamma * OI * M * S**2 * 0.01`` (dollars of delta to be traded for a move of 1 %), summed over lines;
``DEX = delta * OI * M * S`` without a dealer sign; ``VEX = sign * vanna * OI * M * S * 0.01`` per volatility point;
``CHEX = sign * charm * OI * M * S / 365`` per calendar day. The sign is naive: +1 for calls, -1 for puts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..options import Greeks, bsm_greeks
from .lines import Bools, ChainLines, Floats, Ints


@dataclass(frozen=True, slots=True)
class Sides:
    """Two sides of an exposure, kept apart because their sum is a small difference of large numbers.

    Attributes:
        call: sum over calls.
        put: sum over puts; at most 0 for gamma exposure.
    """

    call: float
    put: float

    @property
    def net(self) -> float:
        """Return the sum of both sides."""
        return self.call + self.put

    @property
    def gross(self) -> float:
        """Return the sum of the sizes of both sides."""
        return abs(self.call) + abs(self.put)

    @property
    def net_to_gross(self) -> float | None:
        """Return net divided by gross, -1 to 1; None if there is no exposure."""
        return self.net / self.gross if self.gross > 0 else None


@dataclass(frozen=True, slots=True)
class StrikeTable:
    """Exposures per strike, summed over expiries.

    Attributes:
        strike: f64, ascending, distinct.
        call: call side, USD per 1 %, at least 0.
        put: put side, at most 0.
    """

    strike: Floats
    call: Floats
    put: Floats

    @property
    def net(self) -> Floats:
        """Return the sum of both sides per strike."""
        return self.call + self.put

    @property
    def absolute(self) -> Floats:
        """Return the sum of the sizes of both sides per strike."""
        return self.call - self.put


def own_greeks(lines: ChainLines) -> Greeks:
    """Return greeks per line from the volatility of the source, with rate and carry yield 0.

    Rates of 0 make the numbers those of public studies; what a forward changes is published beside them (``forward.py``).

    Returns:
        Greeks per USD of spot, per 1.00 of volatility and per year; NaN where the source has no volatility (0 or null).
    """
    sigma = np.where(lines.iv > 0, lines.iv, np.nan)
    return bsm_greeks(lines.spot, lines.strike, lines.tau, sigma, 0.0, 0.0, lines.is_call)


def per_gamma(lines: ChainLines, contracts: Floats) -> Floats:
    """Return the signed exposure of each line per unit of gamma and per S**2 * 0.01: ``sign * contracts * M``; NaN counts as 0."""
    return np.nan_to_num(lines.sign * contracts * lines.multiplier)


def gamma_exposure(lines: ChainLines, gamma: Floats, contracts: Floats) -> Floats:
    """Return naive gamma exposure per line, USD per 1 %.

    Args:
        lines: the live lines.
        gamma: per USD of spot; NaN counts as no exposure (its number is counted elsewhere).
        contracts: open interest or volume; NaN likewise.
    """
    return per_gamma(lines, contracts) * np.nan_to_num(gamma) * (lines.spot**2 * 0.01)


def delta_exposure(lines: ChainLines, delta: Floats) -> Floats:
    """Return delta exposure per line without a dealer sign, USD."""
    return np.nan_to_num(delta * lines.open_interest) * lines.multiplier * lines.spot


def vanna_exposure(lines: ChainLines, vanna: Floats) -> Floats:
    """Return naive vanna exposure per line, USD of delta per volatility point; ``vanna`` per 1.00 of volatility."""
    return per_gamma(lines, lines.open_interest) * np.nan_to_num(vanna) * (lines.spot * 0.01)


def charm_exposure(lines: ChainLines, charm: Floats) -> Floats:
    """Return naive charm exposure per line, USD of delta per calendar day; ``charm`` per year."""
    return per_gamma(lines, lines.open_interest) * np.nan_to_num(charm) * (lines.spot / 365.0)


def sides(lines: ChainLines, exposure: Floats, where: Bools | None = None) -> Sides:
    """Return the sums over calls and over puts, of some lines or of all."""
    calls = lines.is_call if where is None else lines.is_call & where
    puts = ~lines.is_call if where is None else ~lines.is_call & where
    # Adding 0.0 turns the -0.0 of an empty put side into 0.0.
    return Sides(float(exposure[calls].sum()) + 0.0, float(exposure[puts].sum()) + 0.0)


def by_expiry(lines: ChainLines, exposure: Floats) -> tuple[Floats, Floats]:
    """Return call and put side per expiry, each [expiries]."""
    return _split_sums(lines, exposure, lines.group, len(lines.expiries))


def by_strike(lines: ChainLines, exposure: Floats) -> StrikeTable:
    """Return call and put side per listed strike."""
    strike, position = np.unique(lines.strike, return_inverse=True)
    call, put = _split_sums(lines, exposure, position.astype(np.int64), len(strike))
    return StrikeTable(strike, call, put)


def _split_sums(lines: ChainLines, values: Floats, position: Ints, count: int) -> tuple[Floats, Floats]:
    # Both sums in one pass: puts count in the second half.
    both = np.bincount(position + count * ~lines.is_call, weights=values, minlength=2 * count)
    return np.asarray(both[:count] + 0.0, np.float64), np.asarray(both[count:] + 0.0, np.float64)
