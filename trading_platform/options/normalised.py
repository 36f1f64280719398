"""The out-of-the-money option in units in which only two numbers are left.

Belongs here: the value of an out-of-the-money option as a function of distance and deviation, and its logarithm with three derivatives.
Does not belong here: currency, time, calls and puts (``pricing.py``), the search for a volatility (``implied_vol.py``).

Units: ``x = abs(ln(forward / strike))``, ``s = sigma sqrt(tau)``, value in units of ``discount sqrt(forward strike)``; call and put are the
same function. With ``h = x / s``, ``t = s / 2``, ``p = (h - t) / sqrt 2``, ``q = (h + t) / sqrt 2``, ``e = exp(-(h^2 + t^2) / 2) / 2``:

* ``p >= 0`` (deviation below ``sqrt(2 x)``, where the value as a function of it is convex): value ``= e (erfcx(p) - erfcx(q))``;
* ``p < 0``: what is missing to the upper bound ``exp(-x / 2)`` is ``e (erfcx(-p) + erfcx(q))``.

Neither form underflows in its factor or needs a distribution function near 1.
Source: P. Jaeckel, "Let's be rational", Wilmott 75 (2015), sections 3 and 6 (normalised Black function, derivatives).
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from .arrays import Floats
from .normal import Quotient, erfcx

_SQRT_HALF: Final = math.sqrt(0.5)
_SQRT_TWO_BY_PI: Final = math.sqrt(2.0 / math.pi)
_SMALLEST: Final = 1e-300


def otm_value(x: Floats, s: Floats) -> Floats:
    """Return the value of an out-of-the-money option.

    Args:
        x: float64, >= 0, absolute logarithm of forward by strike.
        s: float64, >= 0, volatility times the square root of time.

    Returns:
        float64 in [0, exp(-x / 2)], NaN for NaN. Relative error about 1e-16 (1 + h^2 + x / s^2): ten digits still hold where a minute is
        left and the value is 1e-200.
    """
    deviation = np.maximum(s, _SMALLEST)
    h, t = x / deviation, 0.5 * deviation
    p, q = (h - t) * _SQRT_HALF, (h + t) * _SQRT_HALF
    near, far = erfcx(np.abs(p)), erfcx(q)
    scale = 0.5 * np.exp(-0.5 * (h * h + t * t))
    below, above = scale * (near - far), np.exp(-0.5 * x) - scale * (near + far)
    return np.asarray(np.where(p < 0.0, above, below))


def log_value(x: Floats, s: Floats, side: Floats) -> Floats:
    """Return the logarithm of the value (``side`` = 1) or of what is missing to the upper bound (``side`` = -1).

    Args:
        x: float64, >= 0.
        s: float64, > 0, at most ``sqrt(2 x)`` for side 1 and at least that for side -1.
        side: float64, 1 or -1.
    """
    h, t = x / s, 0.5 * s
    p, q = (h - t) * _SQRT_HALF, (h + t) * _SQRT_HALF
    total = erfcx(side * p) - side * erfcx(q)
    return np.asarray(np.log(0.5 * total) - 0.5 * (h * h + t * t))


def log_step(x: Floats, s: Floats, log_target: Floats, side: Floats, quotient: Quotient) -> Floats:
    """Return the step from ``s`` towards the deviation that gives a value, by Householder's method of fourth order.

    It solves ``ln y(s) = log_target``, where y is the value itself (``side`` = 1) or what is missing to the upper bound (``side`` = -1): in
    logarithms both are nearly straight lines in the wings.

    Args:
        x: as for ``log_value``.
        s: as for ``log_value``.
        log_target: float64, what ``log_value`` shall become.
        side: as for ``log_value``.
        quotient: accuracy of the error function.

    Returns:
        float64, to be added to ``s``.
    """
    h, t = x / s, 0.5 * s
    p, q = (h - t) * _SQRT_HALF, (h + t) * _SQRT_HALF
    p *= side
    total = erfcx(q, quotient)
    total *= -side
    total += erfcx(p, quotient)
    h *= h
    t *= t
    slope = side * _SQRT_TWO_BY_PI / total
    total *= 0.5
    newton = np.log(total)
    newton -= 0.5 * (h + t)
    newton -= log_target
    newton /= -slope
    # y'' / y' = (h^2 - t^2) / s for both sides; the rest follows from the chain rule of the logarithm.
    bend = (h - t) / s
    twist = bend * bend - 3.0 * h / (s * s) - 0.25
    second = bend - slope
    third = twist + slope * (2.0 * slope - 3.0 * bend)
    step: Floats = newton * (1.0 + 0.5 * second * newton) / (1.0 + newton * (second + third * newton / 6.0))
    return step
