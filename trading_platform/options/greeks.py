"""Derivatives of European option prices: delta, gamma, vega, theta, vanna, charm.

Belongs here: closed forms for one option, per unit of its own underlying. Does not belong here: multipliers, open interest, signs of
dealers, per-1-percent and per-day scales (``gex``).

Conventions: per 1 of the underlying, per 1.00 of volatility, per year. Theta and charm are changes as time *passes*, so they are minus the
derivative by ``tau``. Source of the formulas: E. Haug, "The complete guide to option pricing formulas" (2007), chapter 2.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .arrays import FloatLike, Floats, as_floats
from .normal import normal_cdf, normal_pdf


@dataclass(frozen=True, slots=True)
class Greeks:
    """Derivatives per option, float64 of the broadcast shape.

    NaN where an argument is unknown, or tau, volatility, underlying, strike or discount is not above zero.

    Attributes:
        delta: change of the price per 1 of the underlying (Black-76: the forward, Black-Scholes-Merton: the spot); puts are negative.
        gamma: change of delta per 1 of the underlying; call = put.
        vega: change of the price per 1.00 of volatility; call = put.
        theta: change of the price per year of time passing.
        vanna: change of delta per 1.00 of volatility; call = put.
        charm: change of delta per year of time passing; per calendar day divide by 365.
    """

    delta: Floats
    gamma: Floats
    vega: Floats
    theta: Floats
    vanna: Floats
    charm: Floats


def black76_greeks(
    forward: FloatLike,
    strike: FloatLike,
    tau: FloatLike,
    sigma: FloatLike,
    discount: FloatLike,
    is_call: npt.ArrayLike,
) -> Greeks:
    """Return the derivatives of options on a forward or future, which stays where it is as time passes.

    Args:
        forward: price of the underlying for settlement, > 0.
        strike: in the unit of the forward, > 0.
        tau: years to settlement, > 0.
        sigma: volatility, 0.20 for 20 % a year, > 0.
        discount: price today of 1 at settlement, > 0; its rate is taken as constant.
        is_call: True for calls, False for puts.
    """
    f, k, t, v, d = as_floats(forward, strike, tau, sigma, discount)
    with np.errstate(all="ignore"):
        rate = -np.log(d) / t
        return _greeks(f, f, k, t, v, d, d, rate, rate, is_call)


def bsm_greeks(
    spot: FloatLike,
    strike: FloatLike,
    tau: FloatLike,
    sigma: FloatLike,
    rate: FloatLike,
    carry_yield: FloatLike,
    is_call: npt.ArrayLike,
) -> Greeks:
    """Return the derivatives of options on a spot.

    Args:
        spot: price of the underlying now, > 0.
        strike: in the unit of the spot, > 0.
        tau: years to settlement, > 0.
        sigma: volatility, 0.20 for 20 % a year, > 0.
        rate: interest rate, continuous per year.
        carry_yield: dividend yield or cost of carry, continuous per year.
        is_call: True for calls, False for puts.
    """
    s, k, t, v, r, q = as_floats(spot, strike, tau, sigma, rate, carry_yield)
    with np.errstate(all="ignore"):
        return _greeks(s, s * np.exp((r - q) * t), k, t, v, np.exp(-r * t), np.exp(-q * t), r, q, is_call)


def _greeks(
    underlying: Floats,
    forward: Floats,
    strike: Floats,
    tau: Floats,
    sigma: Floats,
    discount: Floats,
    carry: Floats,
    rate: Floats,
    carry_yield: Floats,
    is_call: npt.ArrayLike,
) -> Greeks:
    sign = np.where(np.asarray(is_call, dtype=np.bool_), 1.0, -1.0)
    possible = (tau > 0.0) & (sigma > 0.0) & (underlying > 0.0) & (strike > 0.0) & (discount > 0.0)
    root = np.sqrt(tau)
    # With the sign in, every greek has the broadcast shape, also those that are equal for calls and puts.
    deviation = np.where(possible & (sign != 0.0), sigma * root, np.nan)
    d1 = np.log(forward / strike) / deviation + 0.5 * deviation
    d2 = d1 - deviation
    density = carry * normal_pdf(d1)
    delta = sign * carry * normal_cdf(sign * d1)
    gamma = density / (underlying * deviation)
    vega = underlying * density * root
    paid = sign * strike * discount * normal_cdf(sign * d2)
    theta = carry_yield * underlying * delta - rate * paid - 0.5 * vega * sigma / tau
    vanna = -density * d2 / sigma
    charm = carry_yield * delta - density * ((rate - carry_yield) / deviation - 0.5 * d2 / tau)
    return Greeks(*(np.asarray(array) for array in (delta, gamma, vega, theta, vanna, charm)))


def bsm_gamma(
    spot: FloatLike,
    strike: FloatLike,
    tau: FloatLike,
    sigma: FloatLike,
    rate: FloatLike = 0.0,
    carry_yield: FloatLike = 0.0,
) -> Floats:
    """Return only gamma, the change of delta per 1 of the spot; the same for calls and puts.

    Args:
        spot: price of the underlying now, > 0.
        strike: in the unit of the spot, > 0.
        tau: years to settlement, > 0.
        sigma: volatility, 0.20 for 20 % a year, > 0.
        rate: interest rate, continuous per year.
        carry_yield: dividend yield or cost of carry, continuous per year; equal to ``rate`` for a future.

    Returns:
        float64, broadcast; NaN where an argument is unknown or not above zero.
    """
    s, k, t, v, r, q = as_floats(spot, strike, tau, sigma, rate, carry_yield)
    with np.errstate(all="ignore"):
        possible = (t > 0.0) & (v > 0.0) & (s > 0.0) & (k > 0.0)
        deviation = np.where(possible, v * np.sqrt(t), np.nan)
        d1 = (np.log(s / k) + (r - q) * t) / deviation + 0.5 * deviation
        return np.asarray(np.exp(-q * t) * normal_pdf(d1) / (s * deviation))


def carry_of_forward(spot: FloatLike, forward: FloatLike, discount: FloatLike, tau: FloatLike) -> tuple[Floats, Floats]:
    """Return the rate and the carry yield that lead from this spot to this forward and discount.

    Args:
        spot: price of the underlying now, > 0.
        forward: price of the underlying for settlement, > 0.
        discount: price today of 1 at settlement, > 0.
        tau: years to settlement, > 0.

    Returns:
        Rate and carry yield, float64, continuous per year, for ``bsm_greeks``; NaN where an argument is unknown or not above zero.
    """
    s, f, d, t = as_floats(spot, forward, discount, tau)
    with np.errstate(all="ignore"):
        known = (s > 0.0) & (f > 0.0) & (d > 0.0) & (t > 0.0)
        rate = np.where(known, -np.log(d) / t, np.nan)
        return rate, np.asarray(rate - np.log(f / s) / t)
