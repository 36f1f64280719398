"""Instants as whole microseconds (T4)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading_platform.instants import MICROSECONDS, UNIX_EPOCH, instant_of, us_of


@pytest.mark.parametrize(
    ("instant", "us"),
    [
        (UNIX_EPOCH, 0),
        (datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC), MICROSECONDS),
        (datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC), -1),
        (datetime(2025, 3, 10, 14, 30, 0, 1, tzinfo=UTC), 1_741_617_000_000_001),
        (datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC), 253_402_300_799_999_999),
    ],
)
def test_t4_microseconds_of_known_instants(instant: datetime, us: int) -> None:
    assert us_of(instant) == us
    assert instant_of(us) == instant


@given(st.datetimes(timezones=st.just(UTC)))
def test_t4_no_microsecond_is_lost_on_the_way_there_and_back(instant: datetime) -> None:
    assert instant_of(us_of(instant)) == instant


def test_t4_time_zone_changes_the_text_of_an_instant_and_not_its_number() -> None:
    chicago = timezone(timedelta(hours=-5))
    assert us_of(datetime(2025, 3, 10, 9, 30, tzinfo=chicago)) == us_of(datetime(2025, 3, 10, 14, 30, tzinfo=UTC))


def test_t4_naive_datetime_is_refused() -> None:
    with pytest.raises(TypeError):
        us_of(datetime(2025, 3, 10))  # noqa: DTZ001


def test_t4_number_of_an_array_is_taken_and_the_result_is_in_utc() -> None:
    found = instant_of(np.array([1_741_617_000_000_001])[0])
    assert (found.isoformat(), found.tzinfo) == ("2025-03-10T14:30:00.000001+00:00", UTC)
