"""Implied volatility against vollib and QuantLib, round trips over the whole plane, flags."""

from __future__ import annotations

import numpy as np
import pytest
import QuantLib
from hypothesis import given
from hypothesis import strategies as st
from vollib.black.implied_volatility import implied_volatility

from trading_platform.options import IvFlag, black76_greeks, black76_price, implied_vol
from trading_platform.options.implied_vol import CHUNK_OPTIONS, _bisect, _finish
from trading_platform.options.normalised import log_value

from . import cases

INDEX = 6480.84


def chain(count: int, seed: int = 7) -> cases.Cases:
    """Return options on one index: out of and in the money, one minute to two years."""
    random = np.random.default_rng(seed)
    strike = INDEX * random.uniform(0.7, 1.3, count)
    tau = random.choice([cases.MINUTE, 1 / 365, 0.1, 0.5, 2.0], count)
    sigma = random.uniform(0.05, 0.8, count)
    return cases.Cases(np.full(count, INDEX), strike, tau, sigma, np.exp(-0.043 * tau), random.random(count) < 0.5)


def solve(price: np.ndarray, options: cases.Cases) -> tuple[np.ndarray, np.ndarray]:
    return implied_vol(price, options.forward, options.strike, options.tau, options.discount, options.is_call)


def test_g4_volatility_equals_vollib_on_the_out_of_the_money_side() -> None:
    options = chain(4_000)
    options = options._replace(is_call=options.strike >= options.forward)
    price = black76_price(*options)
    quoted = price > 0.02
    options = cases.Cases(*(column[quoted] for column in options))
    sigma, flag = solve(price[quoted], options)
    expected = [
        implied_volatility(float(p / d), float(f), float(k), 0.0, float(t), "c" if call else "p")
        for p, f, k, t, d, call in zip(
            price[quoted], options.forward, options.strike, options.tau, options.discount, options.is_call, strict=True
        )
    ]
    assert quoted.sum() > 2_000
    assert set(flag) == {IvFlag.OK}
    assert np.max(np.abs(sigma - expected)) < 1e-11
    assert np.max(np.abs(sigma - options.sigma)) < 1e-11


def test_g4_volatility_equals_quantlib() -> None:
    for strike, tau, price, call in [
        (6500.0, 0.0958, 82.4, True),
        (5000.0, 0.5, 12.35, False),
        (6480.0, cases.MINUTE, 1.9, True),
    ]:
        kind = QuantLib.Option.Call if call else QuantLib.Option.Put
        deviation = QuantLib.blackFormulaImpliedStdDev(
            kind, strike, INDEX, price, 0.99, 0.0, 0.2 * tau**0.5, 1e-14, 500
        )
        sigma, _ = implied_vol(price, INDEX, strike, tau, 0.99, call)
        assert sigma == pytest.approx(deviation / tau**0.5, rel=1e-9)


def test_g4_both_sides_of_the_money_give_price_and_volatility_back_as_far_as_vega_allows() -> None:
    options = chain(60_000)
    price = black76_price(*options)
    sigma, flag = solve(price, options)
    solved = flag == IvFlag.OK
    assert set(flag) <= {IvFlag.OK, IvFlag.BELOW_INTRINSIC}
    again = black76_price(*options._replace(sigma=sigma))
    assert np.max(np.abs(again - price)[solved]) < 1e-9
    sensitive = black76_greeks(*options).vega > 1e-4
    assert solved[sensitive].all()
    assert np.max(np.abs(sigma - options.sigma)[sensitive & solved]) < 1e-8


def test_g4_round_trip_over_the_whole_plane_of_distance_and_deviation() -> None:
    """Forward 1, no discount: distances from 1e-7 to 20 and deviations from 1e-4 to 15, as far as a price is a normal float."""
    random = np.random.default_rng(3)
    x, s = (
        np.exp(random.uniform(np.log(1e-7), np.log(20), 100_000)),
        np.exp(random.uniform(np.log(1e-4), np.log(15), 100_000)),
    )
    x, s = x[x / s < 37], s[x / s < 37]
    price = black76_price(1.0, np.exp(x), 1.0, s, 1.0, True)
    solvable = price < 1.0
    sigma, flag = implied_vol(price, 1.0, np.exp(x), 1.0, 1.0, True)
    assert set(flag[solvable]) == {IvFlag.OK}
    assert np.max(np.abs(black76_price(1.0, np.exp(x), 1.0, sigma, 1.0, True) - price)[solvable]) < 1e-14
    sensitive = black76_greeks(1.0, np.exp(x), 1.0, s, 1.0, True).vega > 1e-4
    assert np.max(np.abs(sigma - s)[sensitive]) < 1e-11


@pytest.mark.parametrize("distance", [0.0, 1e-9, 1e-7, 1e-4, 0.01, 0.3, 2.0])
def test_g4_round_trip_across_the_inflection_point(distance: float) -> None:
    """At deviation ``sqrt(2 x)`` the solver changes its equation."""
    near = np.concatenate([-np.geomspace(1e-15, 0.5, 60), [0.0], np.geomspace(1e-15, 0.5, 60)])
    s = np.sqrt(2 * max(distance, 1e-12)) * (1 + near)
    price = black76_price(1.0, np.exp(distance), 1.0, s, 1.0, True)
    sigma, flag = implied_vol(price, 1.0, np.exp(distance), 1.0, 1.0, True)
    assert set(flag) == {IvFlag.OK}
    np.testing.assert_allclose(sigma, s, rtol=1e-11, atol=2e-15)


@given(
    log_strike=st.floats(-1.5, 1.5),
    tau=st.floats(cases.MINUTE, 5.0),
    sigma=st.floats(0.01, 4.0),
    discount=st.floats(0.7, 1.01),
    call=st.booleans(),
)
def test_g4_a_volatility_prices_back_and_is_the_one_it_came_from(
    *, log_strike: float, tau: float, sigma: float, discount: float, call: bool
) -> None:
    strike = INDEX * np.exp(log_strike)
    price = black76_price(INDEX, strike, tau, sigma, discount, call)
    found, flag = implied_vol(price, INDEX, strike, tau, discount, call)
    vega = black76_greeks(INDEX, strike, tau, sigma, discount, call).vega
    if flag == IvFlag.OK:
        assert black76_price(INDEX, strike, tau, found, discount, call) == pytest.approx(price, abs=1e-9, rel=0)
    if vega > 1e-4:
        assert flag == IvFlag.OK
        assert found == pytest.approx(sigma, abs=1e-8, rel=0)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, IvFlag.OK),
        ({"price": 9.8}, IvFlag.BELOW_INTRINSIC),
        ({"price": 9.0}, IvFlag.BELOW_INTRINSIC),
        ({"price": -1.0}, IvFlag.BELOW_INTRINSIC),
        ({"price": 0.0, "strike": 120.0}, IvFlag.BELOW_INTRINSIC),
        ({"price": 98.0}, IvFlag.ABOVE_UPPER_BOUND),
        ({"price": 98.0, "is_call": False}, IvFlag.ABOVE_UPPER_BOUND),
        ({"price": 88.3, "is_call": False}, IvFlag.ABOVE_UPPER_BOUND),
        ({"price": np.inf}, IvFlag.ABOVE_UPPER_BOUND),
        ({"price": np.nan}, IvFlag.NO_PRICE),
        ({"tau": 0.0}, IvFlag.EXPIRED),
        ({"tau": -0.1}, IvFlag.EXPIRED),
        ({"tau": np.nan, "price": np.nan}, IvFlag.EXPIRED),
        ({"forward": np.nan}, IvFlag.NO_FORWARD),
        ({"discount": np.nan}, IvFlag.NO_FORWARD),
        ({"discount": 0.0}, IvFlag.NO_FORWARD),
        ({"strike": 0.0}, IvFlag.NO_FORWARD),
        ({"forward": np.inf}, IvFlag.NO_FORWARD),
        ({"forward": 1e200, "strike": 1e200, "price": 1e198}, IvFlag.NOT_CONVERGED),
    ],
)
def test_g4_flag_says_why_there_is_no_volatility(change: dict[str, float], expected: IvFlag) -> None:
    """A call at 90 on a forward of 100, discounted by 0.98: intrinsic value 9.8, upper bound 98; put: 0 and 88.2."""
    arguments = {"price": 12.0, "forward": 100.0, "strike": 90.0, "tau": 0.5, "discount": 0.98, "is_call": True}
    sigma, flag = implied_vol(**(arguments | change))
    assert flag == expected
    assert flag.dtype == np.uint8
    assert np.isnan(sigma) == (expected != IvFlag.OK)


def test_g4_unsolvable_options_do_not_touch_their_neighbours() -> None:
    """More than one chunk, every third option without a price, every fifth settled."""
    options = chain(CHUNK_OPTIONS + 500)
    options = options._replace(is_call=options.strike >= options.forward)
    price = black76_price(*options)
    whole, whole_flag = solve(price, options)
    position = np.arange(price.size)
    tau = np.where(position % 5 == 0, 0.0, options.tau)
    part, part_flag = solve(np.where(position % 3 == 0, np.nan, price), options._replace(tau=tau))
    np.testing.assert_array_equal(part_flag[position % 5 == 0], IvFlag.EXPIRED)
    np.testing.assert_array_equal(part_flag[(position % 3 == 0) & (position % 5 != 0)], IvFlag.NO_PRICE)
    untouched = (position % 3 != 0) & (position % 5 != 0)
    np.testing.assert_array_equal(part_flag[untouched], whole_flag[untouched])
    np.testing.assert_allclose(part[untouched], whole[untouched], rtol=1e-14, atol=0)


def test_g4_shapes_are_broadcast_and_nothing_gives_nothing() -> None:
    sigma, flag = implied_vol([[5.0], [6.0]], 100.0, [100.0, 101.0, 102.0], 0.25, 1.0, True)
    assert sigma.shape == flag.shape == (2, 3)
    assert implied_vol([], 100.0, [], 0.25, 1.0, True).sigma.shape == (0,)
    assert implied_vol(5.0, 100.0, 100.0, 0.25, 1.0, True).sigma.shape == ()


@pytest.mark.parametrize("side", [1.0, -1.0])
def test_g4_last_resorts_find_the_same_deviation(side: float) -> None:
    x = np.array([0.01, 0.2, 1.5])
    edge = np.sqrt(2 * x)
    s = edge * (0.6 if side > 0 else 1.7)
    sides = np.full(3, side)
    target = log_value(x, s, sides)
    np.testing.assert_allclose(_bisect(x, edge, sides, target), s, rtol=1e-13)
    poor = edge * (0.1 if side > 0 else 8.0)
    np.testing.assert_allclose(_finish(x, poor, edge, sides, target), s, rtol=1e-13)
