"""Percentiles against earlier sessions at the same time of day."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest

from trading_platform.regimes import trailing_percentile

FIRST = date(2025, 2, 3)


def day(number: int, value: float | None, *, hour: int = 15, source: str = "gex_full") -> dict[str, object]:
    trade_date = FIRST + timedelta(days=number)
    at = datetime.combine(trade_date, datetime.min.time(), UTC) + timedelta(hours=hour)
    return {"trade_date": trade_date, "ts": at, "source": source, "net": value}


def frame(rows: list[dict[str, object]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema_overrides={"ts": pl.Datetime("us", "UTC"), "net": pl.Float64})


def test_r1_percentile_is_the_share_of_earlier_sessions_not_above() -> None:
    history = frame([day(number, float(number)) for number in range(20)])
    present = frame([day(20, 4.0), day(20, -1.0), day(20, 99.0), day(20, None)])
    assert trailing_percentile(present, history, "net").to_list() == [0.25, 0.0, 1.0, None]


def test_r1_too_little_history_gives_null() -> None:
    history = frame([day(number, float(number)) for number in range(19)])
    assert trailing_percentile(frame([day(20, 4.0)]), history, "net").to_list() == [None]
    assert trailing_percentile(frame([day(20, 4.0)]), history, "net", least=19).to_list() == [5 / 19]


def test_r1_only_the_last_sessions_count() -> None:
    history = frame([day(number, 100.0 if number < 10 else 0.0) for number in range(30)])
    assert trailing_percentile(frame([day(30, 1.0)]), history, "net", sessions=20).to_list() == [1.0]
    assert trailing_percentile(frame([day(30, 1.0)]), history, "net", sessions=30).to_list() == [pytest.approx(2 / 3)]


def test_r1_sessions_of_the_same_and_later_days_change_nothing() -> None:
    history = [day(number, float(number)) for number in range(20)]
    present = frame([day(20, 4.0)])
    alone = trailing_percentile(present, frame(history), "net")
    later = frame([*history, *(day(number, -5.0) for number in range(20, 60))])
    assert trailing_percentile(present, later, "net").equals(alone)


def test_r1_other_minutes_and_other_sources_are_not_compared() -> None:
    history = frame(
        [day(number, 0.0, hour=16) for number in range(20)]
        + [day(number, 0.0, source="gex_zero") for number in range(20)]
    )
    assert trailing_percentile(frame([day(20, 4.0)]), history, "net").to_list() == [None]


def test_r1_minute_is_that_of_new_york_across_a_clock_change() -> None:
    # 15:00 UTC is 10:00 in New York before 2025-03-09 and 11:00 afterwards.
    history = frame([day(number, 0.0, hour=15) for number in range(20)])
    after = FIRST + timedelta(days=36)
    assert after == date(2025, 3, 11)
    assert trailing_percentile(frame([day(36, 4.0, hour=15)]), history, "net").to_list() == [None]
    assert trailing_percentile(frame([day(36, 4.0, hour=14)]), history, "net").to_list() == [1.0]


def test_r1_last_value_of_a_minute_stands_for_it() -> None:
    rows = []
    for number in range(20):
        early, late = day(number, 9.0), day(number, 1.0)
        late["ts"] = late["ts"] + timedelta(seconds=30)
        rows += [late, early]
    assert trailing_percentile(frame([day(20, 5.0)]), frame(rows), "net").to_list() == [1.0]
