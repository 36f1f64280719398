"""Benchmark: implied volatility of a million options, beside loops over the scalar libraries and a bisection in numpy.

Options are synthetic: out of the money, strikes 0.7 to 1.3 of the forward, one day to two years, 5 % to 80 % volatility, price above 0.02.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .measure import Settings, Variant, measure
from .report import Line, Result

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

NAME = "implied_vol"
OPTIONS, SCALAR_OPTIONS = 1_000_000, 20_000
OURS, BISECTION = "ours", "numpy and scipy, 50 bisections"
VOLLIB, QUANTLIB = "vollib, a loop", "QuantLib, a loop"

Work = Callable[[], dict[str, Any]]


def run(settings: Settings) -> Result:
    """Measure."""
    many, few = settings.size(OPTIONS), settings.size(SCALAR_OPTIONS)
    series = measure(
        [
            Variant(OURS, "bench.implied_vol:ours", {"options": many}),
            Variant(BISECTION, "bench.implied_vol:bisection", {"options": many}),
            Variant(VOLLIB, "bench.implied_vol:vollib_loop", {"options": few}),
            Variant(QUANTLIB, "bench.implied_vol:quantlib_loop", {"options": few}),
        ],
        settings,
    )
    mine = series[OURS]
    return Result(
        NAME,
        f"{many:,} synthetic options on forwards, all out of the money; the loops over scalar libraries take {few:,}. Errors are against "
        "the volatilities that made the prices.",
        list(series.values()),
        [
            Line(f"{many:,} options, CPU", mine.median(), "s", at_most=2.5, noisy=mine.is_noisy),
            *(
                Line(f"{name} / ours, CPU per option", _per_option(series[name]) / _per_option(mine), "x")
                for name in (VOLLIB, QUANTLIB, BISECTION)
            ),
            Line("largest error of a volatility, ours", mine.median("largest_error"), "", at_most=1e-8),
            *(
                Line(f"largest error of a volatility, {name}", series[name].median("largest_error"), "")
                for name in (VOLLIB, QUANTLIB, BISECTION)
            ),
        ],
    )


def ours(options: int) -> Work:
    """Prepare our solver."""
    from trading_platform.options import implied_vol

    price, forward, strike, tau, sigma, is_call = _options(options)

    def work() -> dict[str, Any]:
        return _answer(implied_vol(price, forward, strike, tau, 1.0, is_call).sigma, sigma)

    return work


def bisection(options: int) -> Work:
    """Prepare the vectorised way that needs no thought."""
    import numpy as np
    from scipy.special import ndtr

    price, forward, strike, tau, sigma, is_call = _options(options)

    def work() -> dict[str, Any]:
        sign = np.where(is_call, 1.0, -1.0)
        root, distance = np.sqrt(tau), np.log(forward / strike)
        low, high = np.full(price.size, 1e-4), np.full(price.size, 5.0)
        for _ in range(50):
            middle = 0.5 * (low + high)
            deviation = middle * root
            d1 = distance / deviation + 0.5 * deviation
            over = sign * (forward * ndtr(sign * d1) - strike * ndtr(sign * (d1 - deviation))) > price
            high, low = np.where(over, middle, high), np.where(over, low, middle)
        return _answer(0.5 * (low + high), sigma)

    return work


def vollib_loop(options: int) -> Work:
    """Prepare one call per option of the scalar reference."""
    import numpy as np
    from vollib.black.implied_volatility import implied_volatility

    price, forward, strike, tau, sigma, is_call = _options(options)
    rows = list(
        zip(*(column.tolist() for column in (price, forward, strike, tau)), np.where(is_call, "c", "p"), strict=True)
    )

    def work() -> dict[str, Any]:
        found = [implied_volatility(p, f, k, 0.0, t, flag) for p, f, k, t, flag in rows]
        return _answer(np.array(found), sigma)

    return work


def quantlib_loop(options: int) -> Work:
    """Prepare one call per option, to twelve digits."""
    import numpy as np
    import QuantLib

    price, forward, strike, tau, sigma, is_call = _options(options)
    kinds = [QuantLib.Option.Call if call else QuantLib.Option.Put for call in is_call.tolist()]
    rows = list(zip(kinds, *(column.tolist() for column in (strike, forward, price, np.sqrt(tau))), strict=True))

    def work() -> dict[str, Any]:
        solve = QuantLib.blackFormulaImpliedStdDev
        found = [solve(kind, k, f, p, 1.0, 0.0, 0.2 * root, 1e-12, 500) / root for kind, k, f, p, root in rows]
        return _answer(np.array(found), sigma)

    return work


def _answer(found: npt.NDArray[np.float64], sigma: npt.NDArray[np.float64]) -> dict[str, Any]:
    import numpy as np

    return {"options": found.size, "largest_error": float(np.max(np.abs(found - sigma)))}


def _per_option(series: Any) -> float:
    return float(series.median() / series.median("options"))


def _options(count: int) -> tuple[npt.NDArray[Any], ...]:
    """Return price, forward, strike, tau, sigma, is_call of the options."""
    import numpy as np

    from trading_platform.options import black76_price

    random = np.random.default_rng(5)
    drawn = count + count // 10
    forward = random.uniform(4_000.0, 7_000.0, drawn)
    strike = forward * random.uniform(0.7, 1.3, drawn)
    tau, sigma = random.uniform(1 / 365, 2.0, drawn), random.uniform(0.05, 0.8, drawn)
    is_call = strike >= forward
    price = black76_price(forward, strike, tau, sigma, 1.0, is_call)
    quoted = np.flatnonzero(price > 0.02)[:count]
    return tuple(column[quoted] for column in (price, forward, strike, tau, sigma, is_call))
