"""Dollar exposures of contract lines and their sums.

Belongs here: gamma, delta, vanna and charm exposure per line, sides, per strike and per expiry. Does not belong here: volatilities on
parity forwards (``forward.py``), walls (``walls.py``), levels other than the spot (``zero_gamma.py``).

Formulas: ``gex_usd_per_1pct = sign * gamma * OI * M * S**2 * 0.01`` (dollars of delta to be traded for a move of 1 %), summed over lines;
``DEX = delta * OI * M * S`` without a dealer sign; ``VEX = sign * vanna * OI * M * S * 0.01`` per volatility point;
``CHEX = sign * charm * OI * M * S / 365`` per calendar day. The sign is naive: +1 for calls, -1 for puts.

Null rule, the same for every sum (whole side, expiry, strike): a line without contracts adds 0 whatever its greeks; a line whose number of
contracts or whose greek is unknown adds nothing, and a sum that has such lines and no known one is unknown, never 0. The sum over no line
at all is 0. What combines two sums is unknown if one of them is.
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
        call: sum over calls; None unknown.
        put: sum over puts; at most 0 for gamma exposure; None unknown.
    """

    call: float | None
    put: float | None

    @property
    def net(self) -> float | None:
        """Return the sum of both sides; None if one is unknown."""
        return None if self.call is None or self.put is None else self.call + self.put

    @property
    def gross(self) -> float | None:
        """Return the sum of the sizes of both sides; None if one is unknown."""
        return None if self.call is None or self.put is None else abs(self.call) + abs(self.put)

    @property
    def net_to_gross(self) -> float | None:
        """Return net divided by gross, -1 to 1; None if there is no exposure or a side is unknown."""
        net, gross = self.net, self.gross
        return None if net is None or not gross else net / gross


@dataclass(frozen=True, slots=True)
class StrikeTable:
    """Exposures per strike, summed over expiries; NaN is unknown.

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


@dataclass(frozen=True, slots=True)
class PerLine:
    """What every line adds to a sum.

    Attributes:
        value: f64, 0 where unknown.
        known: bool, lines with contracts and a known value.
        unknown: bool, lines whose value is unknown. A line that is neither has no contracts.
    """

    value: Floats
    known: Bools
    unknown: Bools

    def where(self, chosen: Bools) -> PerLine:
        """Return the values of some lines; the others add nothing, as if they were not there."""
        return PerLine(self.value * chosen, self.known & chosen, self.unknown & chosen)


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


def gamma_exposure(lines: ChainLines, gamma: Floats, contracts: Floats) -> PerLine:
    """Return naive gamma exposure per line, USD per 1 %.

    Args:
        lines: the live lines.
        gamma: per USD of spot; NaN unknown.
        contracts: open interest or volume; NaN unknown.
    """
    value = per_gamma(lines, contracts) * np.nan_to_num(gamma) * (lines.spot**2 * 0.01)
    return _per_line(value, gamma, contracts)


def delta_exposure(lines: ChainLines, delta: Floats) -> PerLine:
    """Return delta exposure per line without a dealer sign, USD."""
    value = np.nan_to_num(delta * lines.open_interest) * lines.multiplier * lines.spot
    return _per_line(value, delta, lines.open_interest)


def vanna_exposure(lines: ChainLines, vanna: Floats) -> PerLine:
    """Return naive vanna exposure per line, USD of delta per volatility point; ``vanna`` per 1.00 of volatility."""
    value = per_gamma(lines, lines.open_interest) * np.nan_to_num(vanna) * (lines.spot * 0.01)
    return _per_line(value, vanna, lines.open_interest)


def charm_exposure(lines: ChainLines, charm: Floats) -> PerLine:
    """Return naive charm exposure per line, USD of delta per calendar day; ``charm`` per year."""
    value = per_gamma(lines, lines.open_interest) * np.nan_to_num(charm) * (lines.spot / 365.0)
    return _per_line(value, charm, lines.open_interest)


def contracts_of(contracts: Floats) -> PerLine:
    """Return numbers of contracts as what is summed: 0 is a known number."""
    unknown = np.isnan(contracts)
    return PerLine(np.nan_to_num(contracts), ~unknown, unknown)


def sides(lines: ChainLines, exposure: PerLine) -> Sides:
    """Return the sums over calls and over puts."""
    return Sides(_sum(exposure, lines.is_call), _sum(exposure, ~lines.is_call))


def by_expiry(lines: ChainLines, exposure: PerLine) -> tuple[Floats, Floats]:
    """Return call and put side per expiry, each [expiries]; NaN unknown."""
    return split_sums(lines, exposure, lines.group, len(lines.expiries))


def by_strike(lines: ChainLines, exposure: PerLine) -> StrikeTable:
    """Return call and put side per listed strike."""
    strike, position = np.unique(lines.strike, return_inverse=True)
    call, put = split_sums(lines, exposure, position.astype(np.int64), len(strike))
    return StrikeTable(strike, call, put)


def split_sums(lines: ChainLines, exposure: PerLine, position: Ints, count: int) -> tuple[Floats, Floats]:
    """Return call and put side of so many groups; ``position`` is the group of each line, NaN an unknown sum."""
    # Both sums in one pass: puts count in the second half.
    at = position + count * ~lines.is_call
    both = np.bincount(at, weights=exposure.value, minlength=2 * count) + 0.0
    if exposure.unknown.any():
        lost = np.bincount(at[exposure.unknown], minlength=2 * count) > 0
        lost &= np.bincount(at[exposure.known], minlength=2 * count) == 0
        both[lost] = np.nan
    return np.asarray(both[:count], np.float64), np.asarray(both[count:], np.float64)


def _per_line(value: Floats, greek: Floats, contracts: Floats) -> PerLine:
    has_contracts = contracts != 0
    missing = np.isnan(greek) | np.isnan(contracts)
    return PerLine(value, has_contracts & ~missing, has_contracts & missing)


def _sum(exposure: PerLine, chosen: Bools) -> float | None:
    if (exposure.unknown & chosen).any() and not (exposure.known & chosen).any():
        return None
    # Adding 0.0 turns the -0.0 of an empty put side into 0.0.
    return float(exposure.value[chosen].sum()) + 0.0
