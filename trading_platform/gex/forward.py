"""Volatilities from quotes on the parity forward of each expiry, and gamma from them.

Belongs here: what is priced without a guess of rates, dividends or the volatility of the source. Does not belong here: the sums that are
comparable with public studies (``exposures.py``: rates 0, volatility of the source).

Per strike the volatility of the side out of the money is taken, from the middle of its quotes (bid above 0, not crossed), for call and
put alike; the volatility of the source where quotes give none. American exercise is not priced: for shares and funds the forward is
approximate, which the flag ``american_exercise`` says.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..options import IvFlag, ParityFit, ParitySource, bsm_gamma, carry_of_forward, implied_vol, parity_forward
from .lines import Bools, ChainLines, Floats, Ints
from .zero_gamma import GammaCurve

_THIRTY_DAYS_YEARS = 30 / 365


@dataclass(frozen=True, slots=True)
class ForwardPricing:
    """What quotes say.

    Attributes:
        fit: forward and discount per expiry; NaN, and its source ``NONE``, where there is no usable one.
        sigma: f64 per line, NaN unknown.
        from_quotes: bool per line, True where ``sigma`` follows from quotes; elsewhere it is that of the source or unknown.
        gamma: f64 per line, per USD of spot; NaN unknown.
        curve: exposure at any level.
        atm_iv: f64 per expiry, volatility at the forward, from quotes; NaN unknown.
        excluded: i64 per expiry, lines with open interest whose quotes give no volatility.
    """

    fit: ParityFit
    sigma: Floats
    from_quotes: Bools
    gamma: Floats
    curve: GammaCurve
    atm_iv: Floats
    excluded: Ints


def price_on_forward(lines: ChainLines, exposure_per_gamma: Floats) -> ForwardPricing:
    """Price every line on the parity forward of its expiry.

    Args:
        lines: the live lines.
        exposure_per_gamma: f64 per line, ``sign * OI * M``, for the curve.
    """
    tau = np.array([expiry.tau_years for expiry in lines.expiries], np.float64)
    fit = _usable(
        parity_forward(lines.group, lines.strike, lines.is_call, lines.bid, lines.ask, spot=lines.spot, tau=tau)
    )
    forward, discount, years = fit.forward[lines.group], fit.discount[lines.group], tau[lines.group]
    quoted = _from_quotes(lines, forward, discount, years)
    from_quotes = ~np.isnan(quoted)
    sigma = np.where(from_quotes, quoted, np.where(lines.iv > 0, lines.iv, np.nan))
    rate, carry_yield = carry_of_forward(lines.spot, fit.forward, fit.discount, tau)
    gamma = bsm_gamma(lines.spot, lines.strike, years, sigma, rate[lines.group], carry_yield[lines.group])
    curve = GammaCurve.of_lines(
        exposure_per_gamma,
        lines.strike,
        sigma,
        years,
        lines.group,
        forward_ratio=np.nan_to_num(forward / lines.spot),
        carry=np.nan_to_num(discount * forward / lines.spot),
    )
    excluded = np.bincount(lines.group, weights=lines.has_interest & ~from_quotes, minlength=len(tau))
    return ForwardPricing(
        fit, sigma, from_quotes, gamma, curve, _at_the_forward(lines, quoted, fit.forward), excluded.astype(np.int64)
    )


def _usable(fit: ParityFit) -> ParityFit:
    """Take away forwards that are no price: the rate of a neighbour that settles in minutes can lie anywhere."""
    good = (fit.forward > 0) & (fit.forward < np.inf) & (fit.discount > 0) & (fit.discount < np.inf)
    return replace(
        fit,
        forward=np.where(good, fit.forward, np.nan),
        discount=np.where(good, fit.discount, np.nan),
        source=np.where(good, fit.source, ParitySource.NONE).astype(np.uint8),
    )


def _from_quotes(lines: ChainLines, forward: Floats, discount: Floats, tau: Floats) -> Floats:
    """Return for every line the volatility that the quotes of its strike's side out of the money give, NaN without one."""
    outside = np.where(lines.is_call, lines.strike >= forward, lines.strike < forward)
    usable = outside & (lines.bid > 0) & (lines.ask >= lines.bid) & ~np.isnan(forward)
    at = np.flatnonzero(usable)
    middle = 0.5 * (lines.bid[at] + lines.ask[at])
    found = implied_vol(middle, forward[at], lines.strike[at], tau[at], discount[at], lines.is_call[at])
    good = found.flag == IvFlag.OK
    # Call and put of a strike lie side by side.
    new = np.ones(len(lines), np.bool_)
    new[1:] = (np.diff(lines.group) != 0) | (np.diff(lines.strike) != 0)
    pair = np.cumsum(new) - 1
    of_pair = np.full(int(pair[-1]) + 1, np.nan)
    of_pair[pair[at[good]]] = found.sigma[good]
    return np.asarray(of_pair[pair])


def _at_the_forward(lines: ChainLines, sigma: Floats, forward: Floats) -> Floats:
    """Return the volatility at the forward, linear between the two listed strikes around it; NaN where there are none."""
    found = np.full(len(forward), np.nan)
    edges = np.searchsorted(lines.group, np.arange(len(forward) + 1))
    for index, level in enumerate(forward):
        part = slice(int(edges[index]), int(edges[index + 1]))
        known = ~np.isnan(sigma[part])
        strike = lines.strike[part][known]
        if len(strike) > 1 and strike[0] <= level <= strike[-1]:
            found[index] = np.interp(level, strike, sigma[part][known])
    return found


def atm_iv_30d(tau: Floats, atm_iv: Floats) -> float | None:
    """Return the volatility at the forward for 30 days, linear in total variance between the expiries around them.

    Args:
        tau: years per expiry, ascending.
        atm_iv: volatility per expiry, NaN unknown.

    Returns:
        None unless known expiries lie on both sides of 30 days.
    """
    known = ~np.isnan(atm_iv)
    years, variance = tau[known], atm_iv[known] ** 2 * tau[known]
    if len(years) == 0 or not years[0] <= _THIRTY_DAYS_YEARS <= years[-1]:
        return None
    return float(np.sqrt(np.interp(_THIRTY_DAYS_YEARS, years, variance) / _THIRTY_DAYS_YEARS))


def source_name(source: int) -> str:
    """Return where forward and discount of an expiry come from, in words of the datasets."""
    return ParitySource(source).name.lower()
