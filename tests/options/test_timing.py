"""Years to settlement and the instants of settlement."""

from __future__ import annotations

from datetime import UTC, date, datetime, time

import numpy as np
import pytest

from trading_platform.instants import us_of
from trading_platform.options import settlement_at, settlements_us, years_act365

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


def test_g5_settlement_follows_the_eastern_clock_in_summer_and_winter() -> None:
    assert settlement_at(date(2025, 10, 3), "PM") == datetime(2025, 10, 3, 20, 0, tzinfo=UTC)
    assert settlement_at(date(2025, 10, 17), "AM") == datetime(2025, 10, 17, 13, 30, tzinfo=UTC)
    assert settlement_at(date(2025, 12, 19), "PM") == datetime(2025, 12, 19, 21, 0, tzinfo=UTC)
    assert settlement_at(date(2025, 12, 19), "AM") == datetime(2025, 12, 19, 14, 30, tzinfo=UTC)


def test_g5_a_half_day_settles_at_its_early_close_and_an_am_series_as_ever() -> None:
    friday = date(2025, 11, 28)
    assert settlement_at(friday, "PM", time(13, 0)) == datetime(2025, 11, 28, 18, 0, tzinfo=UTC)
    assert settlement_at(friday, "AM", time(13, 0)) == datetime(2025, 11, 28, 14, 30, tzinfo=UTC)


def test_g5_many_settlements_equal_single_ones() -> None:
    days = [date(2025, 11, 28), date(2025, 10, 3), date(2025, 11, 28), date(2025, 12, 19)]
    am = [False, False, True, True]
    closes = {date(2025, 11, 28): time(13, 0)}
    expected = [
        us_of(settlement_at(day, "AM" if is_am else "PM", closes.get(day, time(16, 0))))
        for day, is_am in zip(days, am, strict=True)
    ]
    found = settlements_us(days, am, closes)
    assert found.tolist() == expected
    assert found.dtype == np.int64
    assert settlements_us([], []).shape == (0,)


def test_g5_an_unknown_settlement_style_is_not_taken_for_pm() -> None:
    with pytest.raises(KeyError):
        settlement_at(date(2025, 10, 3), "pm")  # type: ignore[arg-type]
