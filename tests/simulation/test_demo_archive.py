"""The demo's files: which contracts and dates they hold."""

from __future__ import annotations

import hashlib
import os
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pytest

from trading_platform.instruments import Contract, Registry, RollTable
from trading_platform.simulation import DEMO_DATES, SCID_RECORD, DemoArchive, write_demo_archive
from trading_platform.simulation.archive import activity_share

H25 = Contract.parse("ESH25")
M25 = Contract.parse("ESM25")


CLOSED = date(2025, 4, 18)
H25_DATES = tuple(day for day in DEMO_DATES if day <= date(2025, 3, 19))


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory, registry: Registry, rolls: RollTable) -> DemoArchive:
    return write_demo_archive(tmp_path_factory.mktemp("sierra"), registry, rolls, ticks_per_full_day=6_000)


def unix_us(archive: DemoArchive, index: int) -> np.ndarray:
    records = np.fromfile(archive.files[index].path, dtype=SCID_RECORD, offset=56)
    return records["dt"] - 25_569 * 86_400_000_000


def hours_utc(day: date) -> tuple[datetime, datetime]:
    """Return trading hours of each demo date, worked out by hand from the CME calendar."""
    before = day.fromordinal(day.toordinal() - 1)
    opens = 23 if day < date(2025, 3, 10) else 22
    closes = 17 if day == date(2025, 5, 26) else opens - 1
    return (
        datetime(before.year, before.month, before.day, opens, tzinfo=UTC),
        datetime(day.year, day.month, day.day, closes, tzinfo=UTC),
    )


def test_u1_demo_has_two_contracts_per_instrument_and_says_how_many_rows(archive: DemoArchive) -> None:
    assert [file.path.name for file in archive.files] == [
        "ESH25_FUT_CME.scid",
        "ESM25_FUT_CME.scid",
        "MNQH25_FUT_CME.scid",
        "MNQM25_FUT_CME.scid",
    ]
    assert sorted(entry.name for entry in archive.directory.iterdir()) == [file.path.name for file in archive.files]
    for file in archive.files:
        assert file.path.stat().st_size == file.size_bytes == 56 + 40 * file.rows
        expected = H25_DATES if file.contract.endswith("H25") else tuple(day for day in DEMO_DATES if day != CLOSED)
        assert tuple(day for day, _ in file.rows_by_trade_date) == expected
        assert all(rows > 0 for _, rows in file.rows_by_trade_date)
    assert archive.rows == sum(file.rows for file in archive.files)
    assert archive.trade_dates == DEMO_DATES
    assert len(DEMO_DATES) == 14


def test_u1_demo_files_are_labelled_synthetic(archive: DemoArchive) -> None:
    assert archive.files
    for file in archive.files:
        assert file.path.read_bytes()[20:46] == b"SYNTHETIC trading-platform"


def test_s1_demo_rows_lie_in_the_trading_hours_of_their_trade_date(archive: DemoArchive) -> None:
    assert archive.files
    for index, file in enumerate(archive.files):
        ts = unix_us(archive, index)
        assert (np.diff(ts) >= 0).all()
        position = 0
        for day, rows in file.rows_by_trade_date:
            opens_at, closes_at = hours_utc(day)
            own = ts[position : position + rows]
            assert own[0] >= opens_at.timestamp() * 1e6, (file.contract, day)
            assert own[-1] < closes_at.timestamp() * 1e6, (file.contract, day)
            position += rows
        assert position == len(ts)


def test_s3_volume_moves_to_the_next_contract_around_the_roll(archive: DemoArchive) -> None:
    for old, new in (archive.files[:2], archive.files[2:]):
        old_rows, new_rows = dict(old.rows_by_trade_date), dict(new.rows_by_trade_date)
        for day in H25_DATES:
            next_is_front = day >= date(2025, 3, 17)
            assert (new_rows[day] > old_rows[day]) is next_is_front, day
        assert new_rows[date(2025, 3, 5)] < 0.02 * old_rows[date(2025, 3, 5)]
        assert old_rows[date(2025, 3, 17)] > 0.1 * new_rows[date(2025, 3, 17)]
        assert new_rows[date(2025, 3, 14)] > 0.1 * old_rows[date(2025, 3, 14)]


def test_s3_an_expired_contract_has_no_activity(rolls: RollTable) -> None:
    windows = rolls.windows("ES", DEMO_DATES[0], DEMO_DATES[-1])
    assert activity_share(H25, date(2025, 3, 21), windows) == pytest.approx(0.002, abs=0.002)
    assert activity_share(H25, date(2025, 3, 24), windows) == 0.0
    assert activity_share(M25, date(2025, 5, 26), windows) == pytest.approx(1.0)
    for day in H25_DATES:
        assert activity_share(H25, day, windows) + activity_share(M25, day, windows) == pytest.approx(1.0, abs=0.003)


@pytest.mark.parametrize(("index", "band"), [(0, (5_000, 7_000)), (2, (17_000, 25_000))])
def test_t5_demo_prices_are_stored_times_hundred_on_the_grid(
    archive: DemoArchive, index: int, band: tuple[int, int]
) -> None:
    records = np.fromfile(archive.files[index].path, dtype=SCID_RECORD, offset=56)
    close = records["close"].astype(np.float64)
    assert (close % 25 == 0).all()
    assert band[0] * 100 < close.min()
    assert close.max() < band[1] * 100
    assert (records["num_trades"] == 1).all()


def test_p4_demo_is_the_same_bytes_again_and_an_existing_one_is_not_touched(
    archive: DemoArchive, tmp_path: Path, registry: Registry, rolls: RollTable
) -> None:
    again = write_demo_archive(tmp_path, registry, rolls, ticks_per_full_day=6_000)
    for one, other in zip(archive.files, again.files, strict=True):
        digests = {hashlib.sha256(file.path.read_bytes()).hexdigest() for file in (one, other)}
        assert len(digests) == 1
    times = [os.stat(file.path).st_mtime_ns for file in again.files]  # noqa: PTH116
    repeated = write_demo_archive(tmp_path, registry, rolls, ticks_per_full_day=6_000)
    assert repeated == again
    assert [file.path.stat().st_mtime_ns for file in again.files] == times
