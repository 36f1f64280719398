"""Which files are looked at, and what happens to those that cannot be used."""

from __future__ import annotations

import os
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from trading_platform.chains import ChainArchive, trade_date_of
from trading_platform.clock import FixedClock
from trading_platform.errors import SourceError

from .conftest import LATER
from .tables import line, table

FRIDAY = date(2025, 8, 29)


def archive_of(folder: Path | None, calendar, now: datetime = LATER) -> ChainArchive:
    return ChainArchive(folder, calendar, FixedClock(now))


def dated(text: str) -> bytes:
    return table([line()], date=f'"Date: {text}"')


@pytest.mark.parametrize(
    ("observed_at", "expected"),
    [
        (datetime(2025, 8, 29, 4, 0, tzinfo=UTC), date(2025, 8, 29)),  # midnight in New York
        (datetime(2025, 8, 29, 3, 59, tzinfo=UTC), date(2025, 8, 28)),
        (datetime(2025, 8, 30, 3, 59, tzinfo=UTC), date(2025, 8, 29)),  # Friday night
        (datetime(2025, 8, 30, 4, 0, tzinfo=UTC), date(2025, 9, 2)),  # Saturday, Monday is Labor Day
        (datetime(2025, 9, 1, 12, 45, tzinfo=UTC), date(2025, 9, 2)),
        (datetime(2025, 9, 2, 12, 0, tzinfo=UTC), date(2025, 9, 2)),  # before the open
    ],
)
def test_g2_a_snapshot_belongs_to_its_day_or_to_the_next_open_one(
    observed_at: datetime, expected: date, calendar
) -> None:
    assert trade_date_of(observed_at, calendar) == expected


def test_g2_files_are_found_at_any_depth_by_what_is_in_them(folder: Path, calendar) -> None:
    (folder / "2025" / "aug").mkdir(parents=True)
    (folder / "2025" / "aug" / "quotedata.CSV").write_bytes(table([line()]))
    (folder / "quotedata (1).csv").write_bytes(table([line(root="SPY")], date='"Date: August 29, 2025 at 4:30 PM EDT"'))
    (folder / "notes.txt").write_bytes(table([line()]))
    (folder / ".quotedata.csv").write_bytes(table([line()]))
    archive = archive_of(folder, calendar)
    assert [(file.name, file.symbol) for file in archive.files()] == [
        ("2025/aug/quotedata.CSV", "SPX"),
        ("quotedata (1).csv", "SPY"),
    ]
    assert [file.name for file in archive.files_of("SPX", FRIDAY)] == ["2025/aug/quotedata.CSV"]
    assert archive.files_of("NDX", FRIDAY) == ()


def test_g2_a_bad_file_is_listed_with_its_error_and_holds_up_no_other(folder: Path, calendar) -> None:
    (folder / "a.csv").write_bytes(b"")
    (folder / "b.csv").write_bytes(dated("29. August 2025 um 16:29"))
    (folder / "c.csv").write_bytes(table([line()], name="S&P 500 INDEX"))
    (folder / "d.csv").write_bytes(table([]))
    (folder / "e.csv").write_bytes(dated("August 29, 2027 at 4:29 PM EDT"))
    (folder / "f.csv").write_bytes(table([line()]))
    archive = archive_of(folder, calendar)
    assert [(file.name, file.error.code) for file in archive.refused()] == [
        ("a.csv", "E242"),
        ("b.csv", "E243"),
        ("c.csv", "E244"),
        ("d.csv", "E247"),
        ("e.csv", "E246"),
    ]
    assert [file.name for file in archive.files_of("SPX", FRIDAY)] == ["f.csv"]


def test_g2_a_file_without_permission_is_listed_with_its_error(folder: Path, calendar, monkeypatch) -> None:
    path = folder / "a.csv"
    path.write_bytes(table([line()]))

    def refuse(self: Path, *_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "open", refuse)
    assert [file.error.code for file in archive_of(folder, calendar).refused()] == ["E241"]


def test_g2_a_file_of_the_future_is_taken_when_its_time_has_come(folder: Path, calendar) -> None:
    (folder / "a.csv").write_bytes(table([line()]))
    seen_at = datetime(2025, 8, 29, 20, 29, tzinfo=UTC)
    assert [file.error.code for file in archive_of(folder, calendar, seen_at - timedelta(hours=1)).files()] == ["E246"]
    assert archive_of(folder, calendar, seen_at).refused() == ()


def test_g2_a_file_replaced_under_its_name_is_looked_at_again(folder: Path, calendar) -> None:
    path = folder / "quotedata.csv"
    path.write_bytes(table([line()]))
    archive = archive_of(folder, calendar)
    assert len(archive.files_of("SPX", FRIDAY)) == 1
    before = path.stat()
    path.write_bytes(dated("August 28, 2025 at 4:29 PM EDT"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    assert archive.files_of("SPX", FRIDAY) == ()
    assert len(archive.files_of("SPX", date(2025, 8, 28))) == 1


def test_g2_unchanged_files_are_opened_once(folder: Path, calendar, monkeypatch) -> None:
    (folder / "a.csv").write_bytes(table([line()]))
    archive = archive_of(folder, calendar)
    first = archive.files()
    monkeypatch.setattr(Path, "open", None)
    assert archive.files() == first


def test_g2_the_snapshot_before_a_file_is_the_last_one_of_its_underlying(folder: Path, calendar) -> None:
    for name, text in (("a", "August 27, 2025 at 4:29 PM EDT"), ("b", "August 28, 2025 at 4:29 PM EDT")):
        (folder / f"{name}.csv").write_bytes(dated(text))
    (folder / "c.csv").write_bytes(table([line(root="SPY")], date='"Date: August 29, 2025 at 9:29 AM EDT"'))
    (folder / "d.csv").write_bytes(table([line()]))
    archive = archive_of(folder, calendar)
    (last,) = archive.files_of("SPX", FRIDAY)
    assert archive.before(last).name == "b.csv"
    assert archive.first_file("SPX").name == "a.csv"
    assert archive.before(archive.first_file("SPX")) is None
    assert archive.first_file("QQQ") is None


@pytest.mark.parametrize("name", ["absent", None])
def test_g2_no_folder_is_a_numbered_error_e240(tmp_path: Path, calendar, name: str | None) -> None:
    with pytest.raises(SourceError) as caught:
        archive_of(None if name is None else tmp_path / name, calendar).files()
    assert caught.value.code == "E240"
