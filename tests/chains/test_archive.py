"""Which files are looked at, and what happens to those that cannot be used."""

from __future__ import annotations

import os
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
import structlog

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
    # What has a day but no price belongs to it, so that the day names it.
    assert [file.name for file in archive.files_of("SPX", FRIDAY)] == ["f.csv", "c.csv"]
    assert archive.without_day() == "a.csv (E242), b.csv (E243), d.csv (E247), e.csv (E246)"


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
    (first,) = archive.files_of("SPX", date(2025, 8, 27))
    assert archive.before(first) is None


@pytest.mark.parametrize("name", ["absent", None])
def test_g2_no_folder_is_a_numbered_error_e240(tmp_path: Path, calendar, name: str | None) -> None:
    with pytest.raises(SourceError) as caught:
        archive_of(None if name is None else tmp_path / name, calendar).files()
    assert caught.value.code == "E240"


@pytest.mark.parametrize(
    "text", ["September 3, 1998 at 4:29 PM EDT", "December 31, 9999, 11:29 PM EST", "January 1, 0001 at 9:00 AM EST"]
)
def test_g2_a_file_of_a_time_without_a_trading_day_is_refused_and_holds_up_no_other(
    folder: Path, calendar, text: str
) -> None:
    (folder / "a.csv").write_bytes(dated(text))
    (folder / "b.csv").write_bytes(table([line()]))
    archive = archive_of(folder, calendar)
    assert [(file.name, file.error.code) for file in archive.refused()] == [("a.csv", "E243")]
    assert [file.name for file in archive.files_of("SPX", FRIDAY)] == ["b.csv"]
    (good,) = archive.files_of("SPX", FRIDAY)
    assert (good.trade_date, good.market_date) == (FRIDAY, FRIDAY)
    assert archive.before(good) is None


def test_g2_days_are_told_once_and_not_for_every_question(folder: Path, calendar, monkeypatch) -> None:
    for day in range(25, 30):
        (folder / f"{day}.csv").write_bytes(dated(f"August {day}, 2025 at 4:29 PM EDT"))
    archive = archive_of(folder, calendar)
    archive.files()
    monkeypatch.setattr("trading_platform.chains.archive.days_of", None)
    assert [len(archive.files_of("SPX", date(2025, 8, day))) for day in (24, 25, 29)] == [0, 1, 1]


def test_g2_the_next_command_of_a_refused_file_is_none_that_fails_the_same_way(folder: Path, calendar) -> None:
    (folder / "a.csv").write_bytes(b"")
    (folder / "b.csv").write_bytes(dated("29. August 2025 um 16:29"))
    (folder / "c.csv").write_bytes(table([line()], name="S&P 500 INDEX"))
    (folder / "d.csv").write_bytes(table([]))
    (folder / "e.csv").write_bytes(dated("August 29, 2027 at 4:29 PM EDT"))
    following = [file.error.next_command for file in archive_of(folder, calendar).refused()]
    assert following == ["tp gex chain --help"] * 4 + ["tp doctor"]


def test_g2_a_named_pipe_is_listed_and_never_opened(folder: Path, calendar) -> None:
    os.mkfifo(folder / "a.csv")
    (folder / "b.csv").write_bytes(table([line()]))
    archive = archive_of(folder, calendar)
    assert [(file.name, file.error.code) for file in archive.refused()] == [("a.csv", "E241")]
    assert "is no regular file" in archive.refused()[0].error.what
    assert [file.name for file in archive.files_of("SPX", FRIDAY)] == ["b.csv"]


def test_g2_links_that_lead_nowhere_are_listed_and_hold_up_no_other(folder: Path, calendar) -> None:
    (folder / "loop.csv").symlink_to("loop.csv")
    (folder / "dangling.csv").symlink_to("absent")
    (folder / "up").symlink_to(folder)
    (folder / "up.csv").symlink_to(folder)
    (folder / "a.txt").write_bytes(table([line()]))
    (folder / "good.csv").symlink_to("a.txt")
    archive = archive_of(folder, calendar)
    assert archive.without_day() == "dangling.csv (E241), loop.csv (E241), up.csv (E241)"
    assert [file.name for file in archive.files_of("SPX", FRIDAY)] == ["good.csv"]


def test_g2_a_folder_below_that_cannot_be_read_is_listed_and_holds_up_no_other(
    folder: Path, calendar, monkeypatch
) -> None:
    (folder / "locked").mkdir()
    (folder / "gone").mkdir()
    (folder / "a.csv").write_bytes(table([line()]))
    scandir = os.scandir

    def refuse(path: str) -> object:
        if path.endswith("locked"):
            raise PermissionError(13, "Permission denied", path)
        if path.endswith("gone"):
            raise FileNotFoundError(2, "No such file or directory", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    archive = archive_of(folder, calendar)
    assert [(file.name, file.error.code) for file in archive.refused()] == [("locked/", "E241")]
    assert "a folder that cannot be read" in archive.refused()[0].error.what
    assert [file.name for file in archive.files_of("SPX", FRIDAY)] == ["a.csv"]


def test_g2_of_many_files_without_a_day_the_first_are_named(folder: Path, calendar) -> None:
    for name in "abcdefg":
        (folder / f"{name}.csv").write_bytes(b"")
    named = archive_of(folder, calendar).without_day()
    assert named == "a.csv (E242), b.csv (E242), c.csv (E242), d.csv (E242), e.csv (E242), 2 more"


def test_g2_refused_files_are_told_once_and_again_when_they_change(folder: Path, calendar) -> None:
    (folder / "a.csv").write_bytes(b"")
    (folder / "b.csv").write_bytes(dated("August 29, 2027 at 4:29 PM EDT"))
    archive = archive_of(folder, calendar)
    with structlog.testing.capture_logs() as told:
        archive.files()
        archive.files()
    assert [entry["files"] for entry in told] == ["a.csv (E242), b.csv (E246)"]
    (folder / "c.csv").write_bytes(table([line()], name="S&P 500 INDEX,Last: 6.460,2598,Change: 1"))
    with structlog.testing.capture_logs() as told:
        archive.files()
    assert [entry["files"] for entry in told] == ["c.csv (E244)"]


def test_g2_refused_files_are_told_once_by_all_archives_of_a_folder(folder: Path, calendar) -> None:
    (folder / "a.csv").write_bytes(b"")
    with structlog.testing.capture_logs() as told:
        for _ in range(3):
            archive_of(folder, calendar).files()
    assert [(entry["event"], entry["files"]) for entry in told] == [("chain_files_refused", "a.csv (E242)")]


def test_g2_a_table_without_a_price_is_not_the_snapshot_before_another(folder: Path, calendar) -> None:
    (folder / "a.csv").write_bytes(dated("August 27, 2025 at 4:29 PM EDT"))
    (folder / "b.csv").write_bytes(table([line()], name="S&P 500 INDEX", date='"Date: August 28, 2025 at 4:29 PM EDT"'))
    (folder / "c.csv").write_bytes(table([line()]))
    archive = archive_of(folder, calendar)
    assert archive.before(archive.files_of("SPX", FRIDAY)[0]).name == "a.csv"
