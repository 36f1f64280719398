"""Step and offset of ladders."""

from __future__ import annotations

import math

import numpy as np
import pytest

from trading_platform.gexfeed.grid import ladder_grids


@pytest.mark.parametrize(
    ("strikes", "step", "offset"),
    [
        ([25_187.21, 25_197.21, 25_217.21], 10.0, 7.21),
        ([7_100.0, 7_105.0, 7_135.0], 5.0, 0.0),
        ([25_190.0, 25_199.99, 25_210.01], 10.0, 0.0),  # rounded to two decimals
        ([25_187.21, 25_197.22, 25_207.21], 10.0, 7.21),
        ([100.0, 200.0, 400.0], 100.0, 0.0),
        ([590.5, 591.0, 593.5], 0.5, 0.0),
        ([100.0, 103.1, 107.7], math.nan, math.nan),
        ([100.0, 110.0], math.nan, math.nan),
        ([], math.nan, math.nan),
    ],
)
def test_g1_offset_of_a_mapped_series_is_its_basis_modulo_the_step(
    strikes: list[float], step: float, offset: float
) -> None:
    found = ladder_grids(np.array(strikes, np.float64), np.array([len(strikes)]))
    assert found[0][0] == pytest.approx(step, nan_ok=True)
    assert found[1][0] == pytest.approx(offset, abs=1e-9, nan_ok=True)


def test_g1_grids_of_several_ladders_do_not_mix() -> None:
    ladders = [[25_187.21, 25_197.21, 25_207.21], [], [5.0, 7.3], [1.0, 2.0, 3.0], [10.4, 35.4, 60.4]]
    step, offset = ladder_grids(
        np.array([strike for one in ladders for strike in one]), np.array([len(one) for one in ladders])
    )
    np.testing.assert_array_equal(step, [10.0, np.nan, np.nan, 1.0, 25.0])
    np.testing.assert_allclose(offset, [7.21, np.nan, np.nan, 0.0, 10.4])
