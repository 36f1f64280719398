"""Listing partition files: what counts as one, and that helper processes say the same."""

from __future__ import annotations

import os
import sys
from datetime import date
from pathlib import Path

import pytest

from trading_platform.coverage.listing import NO_DAY, Listing, stored_files

FIRST, LAST = date(2025, 3, 10), date(2025, 3, 14)


def store(folder: Path, name: str) -> Path:
    path = folder / name / "part-0.parquet"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"x")
    return path


def days_of(found: tuple[int, object]) -> list[date]:
    numbers = list(found[1])  # type: ignore[call-overload]
    return [date.fromordinal(day) for day in numbers[::3]]


def test_p12_only_folders_named_like_a_trade_date_count(tmp_path: Path) -> None:
    path = store(tmp_path, "date=2025-03-11")
    for name in ("date=2025-03-12 copy", "date=20250312", "2025-03-12", "date=2025-13-01"):
        store(tmp_path, name)
    (tmp_path / "date=2025-03-13").mkdir()
    (tmp_path / "date=2025-03-14").write_bytes(b"")
    first_day, found = stored_files(str(tmp_path), FIRST.toordinal(), LAST.toordinal())
    status = path.stat()
    assert list(found) == [date(2025, 3, 11).toordinal(), status.st_ino, status.st_ctime_ns]
    assert first_day == date(2025, 3, 11).toordinal()


def test_p12_first_stored_day_may_lie_outside_the_range(tmp_path: Path) -> None:
    assert stored_files(str(tmp_path / "absent"), FIRST.toordinal(), LAST.toordinal())[0] == NO_DAY
    assert stored_files(str(tmp_path), FIRST.toordinal(), LAST.toordinal())[0] == NO_DAY
    store(tmp_path, "date=2025-03-17")
    assert stored_files(str(tmp_path), FIRST.toordinal(), LAST.toordinal())[0] == date(2025, 3, 17).toordinal()
    store(tmp_path, "date=2025-03-03")
    (tmp_path / "date=2025-02-03").mkdir()
    assert stored_files(str(tmp_path), FIRST.toordinal(), LAST.toordinal())[0] == date(2025, 3, 3).toordinal()


def folders(tmp_path: Path) -> list[str]:
    for symbol in ("A", "B", "C"):
        for day in (10, 12):
            store(tmp_path / symbol, f"date=2025-03-{day}")
    return [str(tmp_path / symbol) for symbol in ("A", "B", "C", "none")]


def test_p12_helpers_say_what_this_process_would(tmp_path: Path) -> None:
    wanted = folders(tmp_path)
    alone = Listing(wanted, FIRST, LAST).results()
    helped = Listing(wanted, FIRST, LAST, worth_help=1)
    assert helped.results() == alone
    assert [days_of(alone[folder]) for folder in wanted] == [[FIRST, date(2025, 3, 12)]] * 3 + [[]]


def test_p12_helpers_that_fail_are_replaced_by_own_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = folders(tmp_path)
    expected = Listing(wanted, FIRST, LAST).results()
    monkeypatch.setattr(sys, "executable", "/bin/false")
    assert Listing(wanted, FIRST, LAST, worth_help=1).results() == expected
    monkeypatch.setattr(sys, "executable", str(tmp_path / "no such program"))
    assert Listing(wanted, FIRST, LAST, worth_help=1).results() == expected


def test_p12_helpers_end_when_nobody_waits_for_them(tmp_path: Path) -> None:
    listing = Listing(folders(tmp_path), FIRST, LAST, worth_help=1)
    helpers = list(listing._helpers)
    assert len(helpers) == 2
    listing.close()
    assert all(helper.returncode is not None for helper in helpers)
    assert os.getpid() not in {helper.pid for helper in helpers}
