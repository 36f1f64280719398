"""The normal distribution against scipy and against digits worked out with 40 of them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special

from trading_platform.options import normal_cdf, normal_pdf
from trading_platform.options.normal import PRECISE, QUICK, Quotient, erfcx

# mpmath.ncdf with 40 digits.
DISTRIBUTION = [
    (-37.25, 5.2978887799272688e-304),
    (-30.5, 1.3029379131780764e-204),
    (-20.1, 3.6896808637213896e-90),
    (-12.3, 4.5287069561587847e-35),
    (-8.7, 1.6594208699647842e-18),
    (-5.0, 2.8665157187919391e-7),
    (-3.3, 0.00048342414238377751),
    (-1.0, 0.15865525393145705),
    (-0.3, 0.38208857781104737),
    (0.7, 0.75803634777692697),
    (2.2, 0.9860965524865014),
    (5.5, 0.99999998101043753),
]


@pytest.mark.parametrize(("x", "expected"), DISTRIBUTION)
def test_g4_distribution_keeps_its_relative_accuracy_in_the_tail(x: float, expected: float) -> None:
    assert normal_cdf(x) == pytest.approx(expected, rel=2e-15, abs=0)


def test_g4_distribution_agrees_with_scipy_from_the_far_left_to_the_right() -> None:
    x = np.linspace(-37.4, 12.0, 20_001)
    # scipy loses digits in the far tail; ours there is held by the digits above.
    np.testing.assert_allclose(normal_cdf(x), special.ndtr(x), rtol=3e-13, atol=0)
    near = x[np.abs(x) < 5]
    np.testing.assert_allclose(normal_cdf(near), special.ndtr(near), rtol=6e-15, atol=0)


def test_g4_distribution_of_special_values() -> None:
    x = np.array([np.nan, -np.inf, np.inf, 0.0, -40.0])
    np.testing.assert_array_equal(normal_cdf(x), [np.nan, 0.0, 1.0, 0.5, 0.0])


def test_g4_density_is_the_slope_of_the_distribution() -> None:
    x, step = np.linspace(-8.0, 8.0, 101), 1e-4
    slope = (
        normal_cdf(x - 2 * step) - 8 * normal_cdf(x - step) + 8 * normal_cdf(x + step) - normal_cdf(x + 2 * step)
    ) / (12 * step)
    np.testing.assert_allclose(normal_pdf(x), slope, rtol=1e-10, atol=1e-12)
    assert np.isnan(normal_pdf(np.nan))


@pytest.mark.parametrize(("quotient", "tolerance"), [(PRECISE, 2e-15), (QUICK, 5e-8)])
def test_g4_scaled_complement_agrees_with_scipy_over_the_whole_half_line(quotient: Quotient, tolerance: float) -> None:
    x = np.concatenate([[0.0], np.geomspace(1e-12, 1e19, 50_000)])
    np.testing.assert_allclose(erfcx(x, quotient), special.erfcx(x), rtol=tolerance, atol=0)
