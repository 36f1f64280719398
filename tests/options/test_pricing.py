"""Prices against QuantLib and vollib, put-call parity, limits and unknown arguments."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from vollib.black_scholes_merton import black_scholes_merton

from trading_platform.options import black76_price, bsm_price

from . import cases


def test_g4_prices_equal_quantlib_from_one_minute_to_five_years_and_into_the_wings() -> None:
    grid = cases.grid()
    expected = [calculator.value() for calculator in cases.quantlib_black(grid)]
    scale = np.maximum(grid.forward, grid.strike)
    assert np.max(np.abs(black76_price(*grid) - expected) / scale) < 1e-14


@pytest.mark.parametrize(
    ("strike", "tau", "sigma", "expected"),
    [
        (160.0, 30 / 365, 0.2, 1.0593021269948357e-16),
        (55.0, 0.25, 0.3, 8.4507798869544461e-5),
        (103.0, cases.MINUTE, 0.6, 2.6165380578853206e-282),
        (99.5, cases.MINUTE, 0.25, 8.3969855053464763e-51),
        (300.0, 1.0, 0.1, 3.4529165077419023e-28),
        (1.0, 2.0, 0.4, 1.2746163281246765e-16),
        (101.0, 7 / 365, 0.02, 1.1220507460510015e-5),
    ],
)
def test_g4_wings_keep_their_digits_down_to_the_smallest_prices(
    strike: float, tau: float, sigma: float, expected: float
) -> None:
    """Expected: 40 digits of mpmath, forward 100."""
    assert black76_price(100.0, strike, tau, sigma, 1.0, strike > 100.0) == pytest.approx(expected, rel=1e-10, abs=0)


def test_g4_reference_example_of_a_future_option() -> None:
    prices = black76_price(29267.25, 29000.0, 0.019, 0.18, 1.0, [True, False])
    np.testing.assert_allclose(prices, [441.4765816056, 174.2265816056], rtol=0, atol=5e-11)


def test_g4_spot_prices_equal_vollib() -> None:
    for spot, strike, tau, rate, sigma, carry, call in [
        (6460.26, 6500.0, 0.0958, 0.043, 0.13, 0.012, True),
        (6460.26, 6500.0, 0.0958, 0.043, 0.13, 0.012, False),
        (645.3, 560.0, 1.0, 0.043, 0.25, 0.0, False),
        (100.0, 100.0, 2.0, -0.005, 0.6, 0.03, True),
    ]:
        expected = black_scholes_merton("c" if call else "p", spot, strike, tau, rate, sigma, carry)
        assert bsm_price(spot, strike, tau, sigma, rate, carry, call) == pytest.approx(expected, rel=1e-12)


OPTION = {
    "forward": st.floats(1e-2, 1e5),
    "log_strike": st.floats(-3.0, 3.0),
    "tau": st.floats(cases.MINUTE, 10.0),
    "sigma": st.floats(0.0, 5.0),
    "discount": st.floats(0.5, 1.05),
}


@given(**OPTION)
def test_g4_call_less_put_is_the_discounted_distance(
    forward: float, log_strike: float, tau: float, sigma: float, discount: float
) -> None:
    strike = forward * np.exp(log_strike)
    call, put = black76_price(forward, strike, tau, sigma, discount, [True, False])
    assert call - put == pytest.approx(discount * (forward - strike), rel=1e-13, abs=1e-13 * (forward + strike))


@given(**OPTION, more=st.floats(0.0, 3.0))
def test_g4_price_lies_between_its_bounds_and_never_falls_with_volatility(
    forward: float, log_strike: float, tau: float, sigma: float, discount: float, more: float
) -> None:
    strike = forward * np.exp(log_strike)
    dust = 1e-14 * (forward + strike)
    low, high = black76_price(forward, strike, tau, [sigma, sigma + more], discount, True)
    assert low <= high + dust
    assert discount * max(forward - strike, 0.0) <= low
    assert high <= discount * forward + dust


def test_g4_no_volatility_leaves_the_discounted_intrinsic_value() -> None:
    prices = black76_price(100.0, [90.0, 100.0, 110.0], 0.5, 0.0, 0.98, [[True], [False]])
    np.testing.assert_allclose(prices, [[9.8, 0.0, 0.0], [0.0, 0.0, 9.8]], rtol=1e-15, atol=0)


@pytest.mark.parametrize("position", range(5))
@pytest.mark.parametrize("value", [np.nan, -1.0])
def test_g4_an_unknown_or_impossible_argument_gives_no_price(position: int, value: float) -> None:
    arguments = [100.0, 105.0, 0.5, 0.2, 0.98]
    arguments[position] = value
    assert np.isnan(black76_price(*arguments, True))
    assert np.isnan(bsm_price(*arguments, 0.0, True)) or position == 4


def test_g5_a_settled_series_has_no_price() -> None:
    assert np.isnan(black76_price(100.0, 90.0, 0.0, 0.2, 1.0, True))
