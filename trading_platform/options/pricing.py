"""Prices of European options: Black-76 on a forward, Black-Scholes-Merton as a thin form over it.

Belongs here: price from volatility. Does not belong here: derivatives of the price (``greeks.py``), volatility from price
(``implied_vol.py``), where forward and discount come from (``parity.py``).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .arrays import FloatLike, Floats, as_floats
from .normalised import otm_value


def black76_price(
    forward: FloatLike,
    strike: FloatLike,
    tau: FloatLike,
    sigma: FloatLike,
    discount: FloatLike,
    is_call: npt.ArrayLike,
) -> Floats:
    """Return the price of European options on a forward.

    Args:
        forward: price of the underlying for settlement, > 0.
        strike: in the unit of the forward, > 0.
        tau: years to settlement, > 0.
        sigma: volatility, 0.20 for 20 % a year; 0 gives the discounted intrinsic value.
        discount: price today of 1 at settlement, > 0.
        is_call: True for calls, False for puts.

    Returns:
        float64, broadcast, in the unit of the forward. NaN where an argument is unknown or outside its range: a settled series has no
        price. The out-of-the-money side keeps its relative accuracy far into the wings; the other is that plus the intrinsic value.

    Source: F. Black, "The pricing of commodity contracts", J. Financial Economics 3 (1976).
    """
    f, k, t, v, d = as_floats(forward, strike, tau, sigma, discount)
    sign = np.where(np.asarray(is_call, dtype=np.bool_), 1.0, -1.0)
    with np.errstate(all="ignore"):
        known = (f > 0.0) & (k > 0.0) & (t > 0.0) & (v >= 0.0) & (d > 0.0)
        value = np.sqrt(f * k) * otm_value(np.abs(np.log(f / k)), v * np.sqrt(t))
        return np.asarray(np.where(known, d * (value + np.maximum(sign * (f - k), 0.0)), np.nan))


def bsm_price(
    spot: FloatLike,
    strike: FloatLike,
    tau: FloatLike,
    sigma: FloatLike,
    rate: FloatLike,
    carry_yield: FloatLike,
    is_call: npt.ArrayLike,
) -> Floats:
    """Return the price of European options on a spot: Black-76 on the forward ``spot exp((rate - carry_yield) tau)``.

    Args:
        spot: price of the underlying now, > 0.
        strike: in the unit of the spot, > 0.
        tau: years to settlement, > 0.
        sigma: volatility, 0.20 for 20 % a year.
        rate: interest rate, continuous per year.
        carry_yield: dividend yield or cost of carry, continuous per year; equal to ``rate`` for a future.
        is_call: True for calls, False for puts.

    Returns:
        float64, broadcast, in the unit of the spot; NaN as for ``black76_price``.
    """
    s, t, r, q = as_floats(spot, tau, rate, carry_yield)
    with np.errstate(all="ignore"):
        return black76_price(s * np.exp((r - q) * t), strike, t, sigma, np.exp(-r * t), is_call)
