"""Crossings of re-priced profiles (G3)."""

from __future__ import annotations

from datetime import UTC, date, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trading_platform.gex import GammaCurve, compute_levels, crossings, nearest
from trading_platform.gex.zero_gamma import profile_levels, search_levels

from .frames import SPOT, call, chain, put

DAY = 1 / 365


def curve_of(*lines: tuple[float, float, float, float]) -> GammaCurve:
    """Return the curve of lines (signed contracts, strike, volatility, years)."""
    weight, strike, sigma, tau = (np.array(column, np.float64) for column in zip(*lines, strict=True))
    return GammaCurve.of_lines(weight * 100, strike, sigma, tau, np.zeros(len(lines), np.int64))


def found(curve: GammaCurve, spot: float = SPOT) -> list[float]:
    levels = search_levels(spot)
    return crossings(curve, levels, *curve.total(levels))


def test_g3_value_and_slope_are_those_of_the_formula() -> None:
    curve = curve_of((10, 102, 0.2, 30 * DAY), (-4, 97, 0.3, 60 * DAY))
    level, step = 99.5, 1e-4
    deviation = np.array([0.2, 0.3]) * np.sqrt(np.array([30, 60]) * DAY)
    d1 = np.log(level / np.array([102, 97])) / deviation + deviation / 2
    gamma = np.exp(-d1 * d1 / 2) / np.sqrt(2 * np.pi) / (level * deviation)
    value, slope = curve.total(np.array([level, level - step, level + step]))
    assert value[0] == pytest.approx((np.array([1000, -400]) * gamma).sum() * level**2 * 0.01, rel=1e-12)
    assert slope[0] == pytest.approx((value[2] - value[1]) / (2 * step), rel=1e-6)


def test_g3_equal_and_opposite_exposure_crosses_between_the_strikes() -> None:
    curve = curve_of((10, 104, 0.2, 30 * DAY), (-10, 96, 0.2, 30 * DAY))
    (level,) = found(curve)
    value, _ = curve.total(np.array([level - 0.01, level, level + 0.01]))
    assert value[0] < 0 < value[2]
    assert abs(value[1]) < 1e-6 * abs(value[0])
    assert level == pytest.approx(np.sqrt(104 * 96) / np.exp(0.5 * 0.04 * 30 * DAY), abs=0.01)  # both d1 of one size


def test_g3_touching_zero_without_a_change_of_sign_is_no_crossing() -> None:
    curve = curve_of((10, 100, 0.2, 30 * DAY))
    assert found(curve) == []
    levels = np.array([90.0, 100.0, 110.0])
    assert crossings(curve, levels, np.array([1.0, 0.0, 1.0]), np.zeros(3)) == []


def test_g3_no_lines_have_no_crossing() -> None:
    assert found(curve_of((0, 100, 0.2, DAY))) == []
    levels = compute_levels(chain([call(100), call(105)]))
    assert (levels.flip.zero_gamma, levels.flip.crossings, levels.flip_slope) == (None, [], None)


def test_g3_all_crossings_are_found_and_the_nearest_is_the_answer() -> None:
    curve = curve_of((10, 90, 0.1, 10 * DAY), (-10, 100, 0.1, 10 * DAY), (10, 110, 0.1, 10 * DAY))
    low, high = found(curve, 97.0)
    assert 90 < low < 100 < high < 110
    assert nearest([low, high], 97.0) == low
    assert nearest([95.0, 105.0], 100.0) == 95.0
    assert nearest([], 100.0) is None


def test_g3_a_dip_between_two_levels_of_the_grid_is_found() -> None:
    """Far from spot the grid is 0.7 % wide; a short-lived put makes a dip inside one step."""
    curve = curve_of((40, 88, 0.3, 60 * DAY), (-1.2, 88.475, 0.1, 0.33 * DAY))
    levels = profile_levels(SPOT)
    value, _ = curve.total(levels)
    assert (value > 0).all()
    low, high = found(curve)
    assert 88.136 < low < 88.475 < high < 88.814


def test_g3_a_minute_before_settlement_the_crossing_lies_between_neighbouring_strikes() -> None:
    expiry = date(2025, 3, 10)
    frame = chain(
        [call(5_005, 300, expiry=expiry), put(5_000, 300, expiry=expiry)],
        spot=5_003.0,
        observed_at=datetime(2025, 3, 10, 19, 59, tzinfo=UTC),
    )
    levels = compute_levels(frame)
    assert levels.flip.zero_gamma == pytest.approx(5_002.5, abs=0.01)
    assert levels.flip_0dte == levels.flip


def test_g3_profile_has_sixty_levels_and_holds_the_crossing() -> None:
    levels = compute_levels(chain([call(104), put(96)]))
    assert len(levels.profile_levels) == len(levels.profile_net) == 60
    assert (levels.profile_levels[0], levels.profile_levels[-1]) == (80.0, 120.0)
    value, slope = GammaCurve.of_lines(
        np.array([-1000.0, 1000.0]),
        np.array([96.0, 104.0]),
        np.array([0.2, 0.2]),
        levels.lines.tau,
        np.zeros(2, np.int64),
    ).total(levels.profile_levels)
    assert levels.profile_net == pytest.approx(value, rel=1e-12)
    at = int(np.searchsorted(levels.profile_levels, levels.flip.zero_gamma))
    assert levels.profile_net[at - 1] < 0 < levels.profile_net[at]
    assert levels.flip_slope == pytest.approx(slope[at], rel=0.1)


@given(
    st.lists(
        st.tuples(
            st.floats(-500, 500).filter(lambda weight: abs(weight) > 1),
            st.floats(85, 115),
            st.floats(0.05, 0.6),
            st.floats(2 * DAY, 1.0),
        ),
        min_size=1,
        max_size=6,
    )
)
@settings(max_examples=60, deadline=None)
def test_g3_crossings_equal_those_of_a_very_fine_grid(lines) -> None:
    curve = curve_of(*lines)
    fine = np.linspace(80, 120, 8_001)
    value, _ = curve.total(fine)
    # Where the sum is nothing but rounding its sign means nothing.
    sign = np.where(np.abs(value) < 1e-6 * np.abs(value).max(), 0, np.sign(value))
    known = np.flatnonzero(sign)
    at = np.flatnonzero(sign[known[:-1]] != sign[known[1:]])
    brackets = [(fine[known[i]], fine[known[i + 1]]) for i in at]
    levels = found(curve)
    for low, high in brackets:
        assert any(low - 0.02 <= level <= high + 0.02 for level in levels)
    for level in levels:
        below, above = curve.total(np.array([level - 0.02, level + 0.02]))[0]
        assert below * above <= 0
