"""Options that more than one test prices, and the oracles' answers for them."""

from __future__ import annotations

from itertools import product
from typing import NamedTuple

import numpy as np
import QuantLib

from trading_platform.options.arrays import Bools, Floats

MINUTE = 1.0 / (365 * 24 * 60)


class Cases(NamedTuple):
    """Options on a forward, one element each."""

    forward: Floats
    strike: Floats
    tau: Floats
    sigma: Floats
    discount: Floats
    is_call: Bools


def grid() -> Cases:
    """Return a grid from one minute to five years, 1 % to 300 % volatility, up to nine deviations from the forward, calls and puts."""
    rows = [
        (forward, forward * np.exp(deviations * sigma * np.sqrt(tau)), tau, sigma, np.exp(-rate * tau), is_call)
        for forward, tau, sigma, deviations, rate, is_call in product(
            (0.85, 6480.84),
            (MINUTE, 1 / 365, 30 / 365, 1.0, 5.0),
            (0.01, 0.15, 0.8, 3.0),
            (-9.0, -4.0, -1.0, -0.1, -1e-6, 0.0, 0.3, 2.0, 6.0, 9.0),
            (0.0, 0.05),
            (True, False),
        )
    ]
    columns = [np.array(column) for column in zip(*rows, strict=True)]
    return Cases(*columns[:5], columns[5].astype(np.bool_))


def quantlib_black(cases: Cases) -> list[QuantLib.BlackCalculator]:
    """Return QuantLib's calculator of every option."""
    return [
        QuantLib.BlackCalculator(
            QuantLib.PlainVanillaPayoff(QuantLib.Option.Call if call else QuantLib.Option.Put, float(strike)),
            float(forward),
            float(sigma * np.sqrt(tau)),
            float(discount),
        )
        for forward, strike, tau, sigma, discount, call in zip(*cases, strict=True)
    ]
