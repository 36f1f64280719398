"""The benchmark file: small here, the same statistics as the large one."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from trading_platform.simulation import SCID_RECORD, write_benchmark_scid

RECORDS = 300_001


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bench") / "MNQZ25_FUT_CME.scid"
    assert write_benchmark_scid(path, RECORDS, 30, seed=5) == RECORDS
    return path


@pytest.fixture(scope="module")
def records(path: Path) -> np.ndarray:
    return np.fromfile(path, dtype=SCID_RECORD, offset=56)


def test_t7_benchmark_file_has_the_asked_number_of_records_and_the_mark(path: Path, records: np.ndarray) -> None:
    assert len(records) == RECORDS
    assert path.read_bytes()[:4] == b"SCID"
    assert path.read_bytes()[20:46] == b"SYNTHETIC trading-platform"


def test_t7_benchmark_file_spans_thirty_weekdays_within_trading_hours(records: np.ndarray) -> None:
    unix_us = records["dt"] - 25_569 * 86_400_000_000
    assert (np.diff(unix_us) >= 0).all()
    # Daylight time throughout: a session is 22:00 to 21:00 UTC, so two hours later its rows have the trade date's date.
    day = (unix_us + 2 * 3_600_000_000) // 86_400_000_000
    days, rows = np.unique(day, return_counts=True)
    weekdays = [date(2025, 9, 22) + timedelta(days=offset) for offset in range(40)]
    expected = [each for each in weekdays if each.weekday() < 5][:30]
    assert [(datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=int(each))).date() for each in days] == expected
    assert set(rows.tolist()) <= {10_000, 10_001}
    assert ((unix_us + 2 * 3_600_000_000) % 86_400_000_000 < 23 * 3_600_000_000).all()


def test_t7_benchmark_file_has_the_statistics_that_decide_the_cost(records: np.ndarray) -> None:
    millisecond = records["dt"] // 1_000
    assert 1 - len(np.unique(millisecond)) / RECORDS == pytest.approx(0.45, abs=0.01)
    starts = np.concatenate([[True], np.diff(millisecond) > 0])
    counter = records["dt"] % 1_000
    assert not counter[starts].any()
    assert (np.diff(counter)[~starts[1:]] == 1).all()
    assert (records["close"] % 25 == 0).all()
    assert (records["high"] - records["low"] == 25).all()
    np.testing.assert_array_equal(records["bid_volume"] + records["ask_volume"], records["total_volume"])
    seller = records["bid_volume"] > 0
    np.testing.assert_array_equal(records["close"], np.where(seller, records["low"], records["high"]))
    assert records["total_volume"].mean() == pytest.approx(1 / 0.45, abs=0.02)
    assert set(np.abs(np.diff(records["low"])).tolist()) == {0.0, 25.0}
    bits = records["open"].view(np.uint32) if records["open"].flags.contiguous else records["open"].copy().view("<u4")
    first, last = np.flatnonzero(bits == 0xFD709EF9), np.flatnonzero(bits == 0xFD709F01)
    assert len(first) == len(last) > 1_000
    np.testing.assert_array_equal(millisecond[first], millisecond[last])
    assert (last > first).all()


def test_p4_benchmark_file_depends_on_the_seed_alone(tmp_path: Path, path: Path) -> None:
    write_benchmark_scid(tmp_path / "same.scid", RECORDS, 30, seed=5)
    assert (tmp_path / "same.scid").read_bytes() == path.read_bytes()
    write_benchmark_scid(tmp_path / "other.scid", RECORDS, 30, seed=6)
    assert (tmp_path / "other.scid").read_bytes() != path.read_bytes()
