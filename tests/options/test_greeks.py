"""Greeks against QuantLib, against differences of the price, against the reference's example."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, fields

import numpy as np
import pytest
from vollib.black_scholes_merton.greeks import analytical

from trading_platform.options import (
    Greeks,
    black76_greeks,
    black76_price,
    bsm_gamma,
    bsm_greeks,
    bsm_price,
    carry_of_forward,
)
from trading_platform.options.arrays import Floats

from . import cases


def difference(function: Callable[[Floats], Floats], step: float | Floats) -> Floats:
    """Return the first derivative at 0, by the five-point rule."""
    return np.asarray(
        (function(-2 * step) - 8 * function(-step) + 8 * function(step) - function(2 * step)) / (12 * step)
    )


def test_g4_reference_example_of_a_future_option() -> None:
    gamma = black76_greeks(29267.25, 29000.0, 0.019, 0.18, 1.0, [True, False]).gamma
    np.testing.assert_allclose(gamma, 0.00051070538634, rtol=0, atol=5e-15)


def test_g4_greeks_equal_quantlib_over_the_grid() -> None:
    grid = cases.grid()
    own = black76_greeks(*grid)
    oracle = cases.quantlib_black(grid)
    # QuantLib's spot greeks of a future: its spot is the forward.
    expected = {
        "delta": [calculator.deltaForward() for calculator in oracle],
        "gamma": [calculator.gammaForward() for calculator in oracle],
        "vega": [calculator.vega(float(tau)) for calculator, tau in zip(oracle, grid.tau, strict=True)],
    }
    for name, values in expected.items():
        np.testing.assert_allclose(
            getattr(own, name), values, rtol=1e-9, atol=1e-13 * np.max(np.abs(values)), err_msg=name
        )


@pytest.mark.parametrize("call", [True, False])
def test_g4_spot_greeks_equal_vollib(*, call: bool) -> None:
    flag = "c" if call else "p"
    arguments = (6460.26, 6500.0, 0.0958, 0.043, 0.13, 0.012)
    own = bsm_greeks(6460.26, 6500.0, 0.0958, 0.13, 0.043, 0.012, call)
    assert own.delta == pytest.approx(analytical.delta(flag, *arguments), rel=1e-12)
    assert own.gamma == pytest.approx(analytical.gamma(flag, *arguments), rel=1e-12)
    assert own.vega * 0.01 == pytest.approx(analytical.vega(flag, *arguments), rel=1e-12)
    assert own.theta / 365 == pytest.approx(analytical.theta(flag, *arguments), rel=1e-12)


TAU = np.array([5 / 365, 0.25, 2.0])[:, None, None]
STRIKE = np.array([70.0, 95.0, 100.0, 104.0, 150.0])[None, :, None]
CALL = np.array([True, False])


@pytest.mark.parametrize(("rate", "carry"), [(0.0, 0.0), (0.05, 0.0), (0.04, 0.015), (-0.01, 0.03)])
def test_g4_spot_greeks_equal_differences(rate: float, carry: float) -> None:
    spot, sigma = 100.0, 0.35

    def price(ds: Floats | float = 0.0, dv: Floats | float = 0.0, dt: Floats | float = 0.0) -> Floats:
        return bsm_price(spot + ds, STRIKE, TAU + dt, sigma + dv, rate, carry, CALL)

    def delta(dv: Floats | float = 0.0, dt: Floats | float = 0.0) -> Floats:
        return bsm_greeks(spot, STRIKE, TAU + dt, sigma + dv, rate, carry, CALL).delta

    own = bsm_greeks(spot, STRIKE, TAU, sigma, rate, carry, CALL)
    expected = Greeks(
        delta=difference(lambda h: price(ds=h), 1e-2),
        gamma=difference(lambda h: bsm_greeks(spot + h, STRIKE, TAU, sigma, rate, carry, CALL).delta, 1e-2),
        vega=difference(lambda h: price(dv=h), 1e-4),
        theta=-difference(lambda h: price(dt=h), 1e-4 * TAU),
        vanna=difference(lambda h: delta(dv=h), 1e-4),
        charm=-difference(lambda h: delta(dt=h), 1e-4 * TAU),
    )
    for field in fields(Greeks):
        np.testing.assert_allclose(
            getattr(own, field.name), getattr(expected, field.name), rtol=1e-7, atol=2e-8, err_msg=field.name
        )


def test_g4_forward_greeks_equal_differences_while_the_forward_stays() -> None:
    forward, sigma, rate = 100.0, 0.35, 0.06

    def price(df: Floats | float = 0.0, dv: Floats | float = 0.0, dt: Floats | float = 0.0) -> Floats:
        return black76_price(forward + df, STRIKE, TAU + dt, sigma + dv, np.exp(-rate * (TAU + dt)), CALL)

    def delta(df: Floats | float = 0.0, dv: Floats | float = 0.0, dt: Floats | float = 0.0) -> Floats:
        return black76_greeks(forward + df, STRIKE, TAU + dt, sigma + dv, np.exp(-rate * (TAU + dt)), CALL).delta

    own = black76_greeks(forward, STRIKE, TAU, sigma, np.exp(-rate * TAU), CALL)
    expected = Greeks(
        delta=difference(lambda h: price(df=h), 1e-2),
        gamma=difference(lambda h: delta(df=h), 1e-2),
        vega=difference(lambda h: price(dv=h), 1e-4),
        theta=-difference(lambda h: price(dt=h), 1e-4 * TAU),
        vanna=difference(lambda h: delta(dv=h), 1e-4),
        charm=-difference(lambda h: delta(dt=h), 1e-4 * TAU),
    )
    for field in fields(Greeks):
        np.testing.assert_allclose(
            getattr(own, field.name), getattr(expected, field.name), rtol=1e-7, atol=2e-8, err_msg=field.name
        )


def test_g4_without_rates_charm_is_the_density_times_d2_by_twice_the_time() -> None:
    spot, strike, tau, sigma = 6460.0, np.array([6300.0, 6460.0, 6700.0]), 0.05, 0.14
    deviation = sigma * np.sqrt(tau)
    d1 = np.log(spot / strike) / deviation + deviation / 2
    density = np.exp(-d1 * d1 / 2) / np.sqrt(2 * np.pi)
    own = bsm_greeks(spot, strike, tau, sigma, 0.0, 0.0, True)
    np.testing.assert_allclose(own.charm, density * (d1 - deviation) / (2 * tau), rtol=1e-12)
    np.testing.assert_allclose(own.vanna, -density * (d1 - deviation) / sigma, rtol=1e-12)


def test_g4_gamma_alone_equals_gamma_among_the_others() -> None:
    strikes = np.linspace(50.0, 150.0, 21)
    every = bsm_greeks(100.0, strikes, 0.3, 0.2, 0.05, 0.01, True)
    np.testing.assert_allclose(bsm_gamma(100.0, strikes, 0.3, 0.2, 0.05, 0.01), every.gamma, rtol=1e-12)


def test_g4_spot_greeks_with_the_carry_of_a_forward_are_those_of_the_forward_scaled() -> None:
    spot, forward, discount, tau = 6460.26, 6480.84, 0.99589, 0.09584
    rate, carry = carry_of_forward(spot, forward, discount, tau)
    assert rate == pytest.approx(-np.log(0.99589) / 0.09584, rel=1e-14)
    on_spot = bsm_greeks(spot, 6500.0, tau, 0.13, rate, carry, True)
    on_forward = black76_greeks(forward, 6500.0, tau, 0.13, discount, True)
    assert on_spot.delta == pytest.approx(on_forward.delta * forward / spot, rel=1e-12)
    assert on_spot.gamma == pytest.approx(on_forward.gamma * (forward / spot) ** 2, rel=1e-12)
    assert on_spot.vega == pytest.approx(on_forward.vega, rel=1e-12)


@pytest.mark.parametrize("position", range(5))
@pytest.mark.parametrize("value", [np.nan, 0.0, -1.0])
def test_g4_an_unknown_or_impossible_argument_gives_no_greeks(position: int, value: float) -> None:
    arguments = [100.0, 105.0, 0.5, 0.2, 0.98]
    arguments[position] = value
    assert all(np.isnan(greek) for greek in asdict(black76_greeks(*arguments, True)).values())
    if position < 4:
        assert np.isnan(bsm_gamma(*arguments[:4]))
        assert all(np.isnan(greek) for greek in asdict(bsm_greeks(*arguments[:4], 0.0, 0.0, True)).values())


def test_g4_an_unknown_option_does_not_touch_its_neighbours() -> None:
    alone = black76_greeks(100.0, [95.0, 105.0], 0.5, 0.2, 0.98, True)
    beside = black76_greeks(100.0, [95.0, np.nan, 105.0], 0.5, 0.2, 0.98, True)
    for field in fields(Greeks):
        np.testing.assert_array_equal(getattr(beside, field.name)[[0, 2]], getattr(alone, field.name))


@pytest.mark.parametrize("position", range(4))
def test_g4_carry_is_unknown_where_an_argument_is(position: int) -> None:
    arguments = [100.0, 101.0, 0.99, 0.5]
    arguments[position] = np.nan
    assert all(np.isnan(value) for value in carry_of_forward(*arguments))


def test_g4_every_greek_has_the_broadcast_shape() -> None:
    greeks = bsm_greeks(100.0, [[95.0], [105.0]], 0.5, 0.2, 0.0, 0.0, [True, False, True])
    assert {array.shape for array in asdict(greeks).values()} == {(2, 3)}
