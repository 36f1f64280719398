"""Years to settlement."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from trading_platform.instants import us_of
from trading_platform.options import years_act365

ASOF = us_of(datetime(2025, 8, 29, 16, 29, tzinfo=UTC))
DAY_US = 86_400_000_000


def test_g5_time_is_counted_in_years_of_365_days() -> None:
    settlement = us_of(datetime(2025, 10, 3, 20, 0, tzinfo=UTC))
    asof = us_of(datetime(2025, 8, 29, 20, 29, tzinfo=UTC))
    assert years_act365(asof, settlement) == pytest.approx((35 - 29 / 1440) / 365, rel=1e-15)
    assert years_act365(asof, settlement) == pytest.approx(0.09584, abs=5e-6)


def test_g5_a_live_series_has_at_least_a_minute_and_a_settled_one_has_none() -> None:
    settlement = ASOF + np.array([-DAY_US, 0, 1, 30_000_000, 60_000_000, 61_000_000, 365 * DAY_US])
    minute = 60 / (365 * 86_400)
    years = years_act365(ASOF, settlement)
    np.testing.assert_allclose(years, [np.nan, np.nan, minute, minute, minute, minute * 61 / 60, 1.0], rtol=1e-14)
    assert years.dtype == np.float64


def test_g5_floor_can_be_changed() -> None:
    assert years_act365(ASOF, ASOF + 1_000_000, floor_s=0) == pytest.approx(1 / (365 * 86_400), rel=1e-14)
