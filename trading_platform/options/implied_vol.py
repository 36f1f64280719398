"""Implied volatility of European options, vectorised, to the last digits that the price carries.

Belongs here: volatility from price, and the reason where there is none. Does not belong here: which quotes are worth it (crossed, stale,
zero bid), forward and discount (``parity.py``).

Method: the time value (price less discounted intrinsic value) is the price of the out-of-the-money option of the same strike, by parity.
Its logarithm (above the inflection point: the logarithm of what is missing to the upper bound) is solved for ``sigma sqrt(tau)`` inside
the bracket that the inflection point gives. The first guess is good to some percent, each step of fourth order takes four times as many
digits, so nearly all options are done after two; the few others go on alone, at last by bisection.
Sources: P. Jaeckel, "Let's be rational", Wilmott 75 (2015) for the two branches and the step; docs of ``_first_guess`` for our guess.
"""

from __future__ import annotations

import math
from enum import IntEnum
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from .arrays import Bools, Flags, FloatLike, Floats, as_floats
from .normal import PRECISE, QUICK, Quotient, erfcx
from .normalised import log_step, log_value

# Long enough that the calls of numpy do not count, short enough that the work stays in the cache.
CHUNK_OPTIONS: Final = 16_384
# Fourth order: what is left after a step of this relative size is below 1e-14 of the deviation.
_LAST_STEP: Final = 3e-4
_MAX_STEPS: Final = 8
_BISECTIONS: Final = 200
_LARGEST_DEVIATION: Final = 200.0

# h^2 = v^2 ratio(v) inverts v = ln(1 + h / (n(h) - h N(-h))) to 1.5e-4 for every h > 0; least squares, own fit.
_BACHELIER: Final = Quotient(
    (1.4474270365249493e-05, 0.0036662132894024232, 0.028018254806402583, 0.15915741903035274),
    (7.241281491588153e-06, 0.001925678042235377, 0.02953968106139259, 0.17665877308174094, 1.0),
)


class IvFlag(IntEnum):
    """Why an implied volatility exists or not; stored as uint8."""

    OK = 0
    BELOW_INTRINSIC = 1
    ABOVE_UPPER_BOUND = 2
    NO_PRICE = 3
    EXPIRED = 4
    NOT_CONVERGED = 5
    NO_FORWARD = 6


class ImpliedVol(NamedTuple):
    """Answer of ``implied_vol``.

    Attributes:
        sigma: float64, 0.20 for 20 % a year; NaN where the flag is not OK.
        flag: uint8, an ``IvFlag``.
    """

    sigma: Floats
    flag: Flags


def implied_vol(
    price: FloatLike,
    forward: FloatLike,
    strike: FloatLike,
    tau: FloatLike,
    discount: FloatLike,
    is_call: npt.ArrayLike,
) -> ImpliedVol:
    """Return the volatility that gives these prices in Black-76.

    Args:
        price: in the unit of the forward; NaN where there is none.
        forward: price of the underlying for settlement, > 0.
        strike: in the unit of the forward, > 0.
        tau: years to settlement; NaN or not above zero for a settled series.
        discount: price today of 1 at settlement, > 0.
        is_call: True for calls, False for puts.

    Returns:
        Volatilities and flags of the broadcast shape. A volatility exists where ``discount max(+-(forward - strike), 0) < price <
        discount forward`` (puts: ``discount strike``), both strictly. Flags, the first that holds: EXPIRED (tau unknown or not above zero),
        NO_PRICE (price unknown), NO_FORWARD (forward, strike or discount unknown or not above zero), BELOW_INTRINSIC (at the lower bound or
        below it), ABOVE_UPPER_BOUND (at the upper bound or above it), NOT_CONVERGED (no root within 200 standard deviations).
    """
    numbers = np.broadcast_arrays(
        *as_floats(price, forward, strike, tau, discount), np.asarray(is_call, dtype=np.bool_)
    )
    shape = numbers[0].shape
    p, f, k, t, d, call = (array.reshape(-1) for array in numbers)
    sigma, flag = np.empty(p.shape), np.empty(p.shape, np.uint8)
    with np.errstate(all="ignore"):
        for start in range(0, p.size, CHUNK_OPTIONS):
            at = slice(start, start + CHUNK_OPTIONS)
            sigma[at], flag[at] = _solve(p[at], f[at], k[at], t[at], d[at], call[at])
    return ImpliedVol(sigma.reshape(shape), flag.reshape(shape))


def _solve(p: Floats, f: Floats, k: Floats, t: Floats, d: Floats, call: Bools) -> ImpliedVol:
    """Solve one chunk."""
    moneyness = np.where(call, f - k, k - f)
    value = p - d * np.maximum(moneyness, 0.0)
    smaller = np.minimum(f, k)
    solvable = (value > 0.0) & (value < d * smaller) & (t > 0.0) & (d > 0.0) & (smaller > 0.0) & (f + k < np.inf)
    flag = np.zeros(p.shape, np.uint8)
    every = bool(solvable.all())
    if not every:
        flag[~solvable] = _reasons(p, f, k, t, d, value)[~solvable]
        value, f, k, d, smaller = (array[solvable] for array in (value, f, k, d, smaller))
    if value.size == 0:
        return ImpliedVol(np.full(p.shape, np.nan), flag)
    root = np.sqrt(f * k)
    deviation = _deviation(np.abs(np.log(f / k)), value / (d * root), smaller / root)
    if every:
        sigma = deviation / np.sqrt(t)
    else:
        sigma = np.full(p.shape, np.nan)
        sigma[solvable] = deviation / np.sqrt(t[solvable])
    flag[solvable & np.isnan(sigma)] = IvFlag.NOT_CONVERGED
    return ImpliedVol(sigma, flag)


def _reasons(p: Floats, f: Floats, k: Floats, t: Floats, d: Floats, value: Floats) -> Flags:
    """Return the flag of every option that has no volatility; the last assignment wins."""
    flag = np.full(p.shape, IvFlag.ABOVE_UPPER_BOUND, np.uint8)
    flag[value <= 0.0] = IvFlag.BELOW_INTRINSIC
    flag[~((f > 0.0) & (k > 0.0) & (d > 0.0) & (f < np.inf) & (k < np.inf) & (d < np.inf))] = IvFlag.NO_FORWARD
    flag[np.isnan(p)] = IvFlag.NO_PRICE
    flag[~(t > 0.0)] = IvFlag.EXPIRED
    return flag


def _deviation(x: Floats, value: Floats, bound: Floats) -> Floats:
    """Return ``sigma sqrt(tau)`` of normalised values in (0, bound); NaN where no step converged."""
    root_x = np.sqrt(x)
    edge = math.sqrt(2.0) * root_x
    # To the last digit: near the money the inflection point is where two nearly equal numbers differ.
    decay = erfcx(root_x)
    # 1 below the inflection point, -1 above it.
    side = np.where(value < 0.5 * bound * (1.0 - decay), 1.0, -1.0)
    log_target = np.log(np.where(side > 0.0, value, bound - value))
    s = _first_guess(x, value, bound, edge, decay, side, log_target)
    s = _inside(s, log_step(x, s, log_target, side, QUICK), edge, side)
    step = log_step(x, s, log_target, side, PRECISE)
    s = _inside(s, step, edge, side)
    rest = np.flatnonzero(~(np.abs(step) < _LAST_STEP * s))
    if rest.size:
        s[rest] = _finish(x[rest], s[rest], edge[rest], side[rest], log_target[rest])
    return s


def _first_guess(
    x: Floats, value: Floats, bound: Floats, edge: Floats, decay: Floats, side: Floats, log_target: Floats
) -> Floats:
    """Return a guess inside the bracket.

    Below the inflection point: for a small deviation the value is that of the Bachelier model, ``x (n(h) / h - N(-h))``, inverted by a
    quotient; the factor ``exp(-t^2 / 2)`` that this leaves out turns h^2 into the root of a quadratic equation. Above it: with delta, the
    logarithm of what was missing at the inflection point by what is missing now, ``s`` leaves the point with slope a (exact) and ends as
    ``sqrt(8 delta)`` (exact); joined by the simplest algebraic function with these two ends.
    """
    below = side > 0.0
    logs = np.log(np.where(below, value + x, 0.5 * bound * (1.0 + decay)))
    logs -= log_target
    squared = logs * logs * _bachelier(logs)
    squared += np.sqrt(np.maximum(squared * squared - x * x, 0.0))
    lower = np.minimum(x / np.sqrt(0.5 * squared), edge)
    slope = math.sqrt(0.5 * math.pi) * (1.0 + decay)
    upper = edge + slope * logs / np.sqrt(1.0 + 0.125 * slope * slope * logs)
    return np.asarray(np.where(below, lower, upper))


def _bachelier(v: Floats) -> Floats:
    top, bottom = v * _BACHELIER.numerator[0], v * _BACHELIER.denominator[0]
    for coefficient in _BACHELIER.numerator[1:-1]:
        top += coefficient
        top *= v
    top += _BACHELIER.numerator[-1]
    for coefficient in _BACHELIER.denominator[1:-1]:
        bottom += coefficient
        bottom *= v
    bottom += _BACHELIER.denominator[-1]
    top /= bottom
    return top


def _inside(s: Floats, step: Floats, edge: Floats, side: Floats) -> Floats:
    """Take a step, at most to the half or the double, and not over the inflection point."""
    taken = np.clip(s + step, 0.5 * s, 2.0 * s)
    return np.asarray(np.where(side > 0.0, np.minimum(taken, edge), np.maximum(taken, edge)))


def _finish(x: Floats, s: Floats, edge: Floats, side: Floats, log_target: Floats) -> Floats:
    """Go on with the few options that two steps did not settle; the last resort is bisection."""
    s = s.copy()
    open_ = np.arange(s.size)
    for _ in range(_MAX_STEPS):
        step = log_step(x[open_], s[open_], log_target[open_], side[open_], PRECISE)
        s[open_] = _inside(s[open_], step, edge[open_], side[open_])
        open_ = open_[~(np.abs(step) < _LAST_STEP * s[open_])]
        if open_.size == 0:
            return s
    s[open_] = _bisect(x[open_], edge[open_], side[open_], log_target[open_])
    return s


def _bisect(x: Floats, edge: Floats, side: Floats, log_target: Floats) -> Floats:
    low = np.where(side > 0.0, 0.0, edge)
    high = np.where(side > 0.0, edge, _LARGEST_DEVIATION)
    for _ in range(_BISECTIONS):
        middle = 0.5 * (low + high)
        up = side * (log_value(x, middle, side) - log_target) < 0.0
        low, high = np.where(up, middle, low), np.where(up, high, middle)
    found = 0.5 * (low + high)
    return np.asarray(np.where(found < 0.999 * _LARGEST_DEVIATION, found, np.nan))
