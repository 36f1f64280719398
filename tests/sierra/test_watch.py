"""What happened to a file is told by its content, and which days that concerns (T2)."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from trading_platform.sessions import calendar_for
from trading_platform.sierra.watch import (
    ANCHOR_BYTES,
    ChangeKind,
    KnownFile,
    Stamp,
    compare,
    concerned_days,
    look,
    trade_dates_of_utc_date,
)

from .scid_bytes import HEADER, ZERO_RECORD, record, us, write

NOW = datetime(2025, 3, 13, 15, tzinfo=UTC)
CALENDAR = calendar_for("CME_EQUITY")
DEPTH_HEADER = struct.pack("<4sIII48s", b"SCDD", 64, 24, 1, b"")
RECORDS = 3 * ANCHOR_BYTES // 40


def records(count: int, *, since: str = "2025-03-12T15:00:00", price: float = 100.0) -> list[bytes]:
    start = us(since)
    return [record(start + 1_000 * n, price) for n in range(count)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write(tmp_path / "MNQH25_FUT_CME.scid", records(RECORDS))


def known(path: Path, now: datetime = NOW) -> KnownFile:
    mark = look(path, now)
    assert mark is not None
    assert mark.trouble == ""
    return KnownFile.of(mark, CALENDAR, now)


def patch(path: Path, index: int, raw: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(56 + 40 * index)
        file.write(raw)


def swap(path: Path, content: bytes) -> None:
    """Let another file take the place of this one, as a copying tool does."""
    other = path.with_name("other.tmp")
    other.write_bytes(content)
    other.replace(path)


OTHER = record(us("2025-03-12T15:00:00"), 101.0)


def grow(path: Path) -> None:
    with path.open("ab") as file:
        file.write(OTHER)


def grow_by_copy(path: Path) -> None:
    swap(path, path.read_bytes() + OTHER)


def touch(path: Path) -> None:
    os.utime(path, ns=(1, 1))


def copy(path: Path) -> None:
    swap(path, path.read_bytes())


def cut(path: Path) -> None:
    os.truncate(path, 56 + 40 * 100 + 3)


def empty(path: Path) -> None:
    os.truncate(path, 56)


def edit_tail(path: Path) -> None:
    patch(path, RECORDS - 1, OTHER)


def edit_head(path: Path) -> None:
    patch(path, 0, OTHER)


def edit_old_tail_and_grow(path: Path) -> None:
    edit_tail(path)
    grow(path)


def edit_middle(path: Path) -> None:
    patch(path, RECORDS // 2, OTHER)


def other_content(path: Path) -> None:
    swap(path, HEADER + b"".join(records(RECORDS, price=7.0)))


def shorter_copy(path: Path) -> None:
    swap(path, HEADER + b"".join(records(100)))


def longer_other_content(path: Path) -> None:
    swap(path, HEADER + b"".join(records(2 * RECORDS, price=7.0)))


def garbage(path: Path) -> None:
    path.write_bytes(b"no such header, and no records")


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        (lambda path: None, ChangeKind.UNCHANGED),
        (touch, ChangeKind.TOUCHED),
        (copy, ChangeKind.TOUCHED),
        (edit_middle, ChangeKind.TOUCHED),  # both ends are as they were: its days must be compared
        (grow, ChangeKind.APPENDED),
        (grow_by_copy, ChangeKind.APPENDED),
        (cut, ChangeKind.TRUNCATED),
        (empty, ChangeKind.TRUNCATED),
        (edit_tail, ChangeKind.REWRITTEN),
        (edit_head, ChangeKind.REWRITTEN),
        (edit_old_tail_and_grow, ChangeKind.REWRITTEN),
        (other_content, ChangeKind.REPLACED),
        (shorter_copy, ChangeKind.REPLACED),
        (longer_other_content, ChangeKind.REPLACED),
        (garbage, ChangeKind.UNREADABLE),
        (Path.unlink, ChangeKind.GONE),
    ],
)
def test_t2_kinds_of_change_are_told_apart_by_content(
    path: Path, change: Callable[[Path], None], kind: ChangeKind
) -> None:
    before = known(path)
    change(path)
    found, mark = compare(before, path, NOW)
    assert found is kind
    assert (mark is None) == (kind in {ChangeKind.UNCHANGED, ChangeKind.GONE})


def test_t2_edit_that_restores_the_modification_time_is_looked_at(path: Path) -> None:
    before, times = known(path), path.stat()
    edit_tail(path)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert compare(before, path, NOW)[0] is ChangeKind.REWRITTEN


def test_t3_torn_last_record_is_left_out_and_its_rest_is_an_append(path: Path) -> None:
    with path.open("ab") as file:
        file.write(OTHER[:17])
    before = known(path)
    assert before.records == RECORDS
    with path.open("ab") as file:
        file.write(OTHER[17:])
    assert compare(before, path, NOW)[0] is ChangeKind.APPENDED


def test_t2_records_written_over_a_zero_tail_are_found(tmp_path: Path) -> None:
    path = write(tmp_path / "MNQH25.scid", [*records(100), *[ZERO_RECORD] * 50])
    before = known(path)
    patch(path, 100, OTHER)
    assert compare(before, path, NOW)[0] is ChangeKind.REWRITTEN


def test_t2_newest_date_is_found_behind_a_long_zero_tail(tmp_path: Path) -> None:
    path = write(tmp_path / "MNQH25.scid", [*records(10), *[ZERO_RECORD] * (3 * ANCHOR_BYTES // 40)])
    assert known(path).newest == date(2025, 3, 12)


def test_t2_newest_date_ignores_times_that_cannot_be(tmp_path: Path) -> None:
    stray = [record(us("2031-01-01T00:00:00")), record(us("1975-01-01T00:00:00"))]
    path = write(tmp_path / "MNQH25.scid", [*records(10), *stray])
    assert known(path).newest == date(2025, 3, 12)


@pytest.mark.parametrize(
    ("since", "newest", "past"),
    [
        ("2025-03-12T15:00:00", date(2025, 3, 12), date(2025, 3, 12)),  # yesterday is over
        ("2025-03-13T14:00:00", date(2025, 3, 13), date(2025, 3, 12)),  # today trades: more of it is new
        ("2025-03-12T22:30:00", date(2025, 3, 13), date(2025, 3, 12)),  # the evening belongs to the next trade date
    ],
)
def test_t2_day_that_trades_is_not_the_past(tmp_path: Path, since: str, newest: date, past: date) -> None:
    file = known(write(tmp_path / "MNQH25.scid", records(3, since=since)))
    assert (file.newest, file.past) == (newest, past)


def test_t2_depth_files_are_looked_at_the_same_way(tmp_path: Path) -> None:
    def depth(count: int) -> bytes:
        return DEPTH_HEADER + b"".join(records(1)[0][:8] + bytes([1]) + bytes(15) for _ in range(count))

    path = tmp_path / "MNQH25_FUT_CME.2025-03-12.depth"
    path.write_bytes(depth(5_000))
    before = known(path)
    assert (before.records, before.newest) == (5_000, date(2025, 3, 12))
    path.write_bytes(depth(5_001))
    assert compare(before, path, NOW)[0] is ChangeKind.APPENDED


@pytest.mark.parametrize(
    ("raw", "trouble"),
    [
        (b"", "it has 0 bytes, fewer than a header"),
        (HEADER[:11], "it has 11 bytes, fewer than a header"),
        (b"SCDD" + HEADER[4:], "it begins with b'SCDD' and record size 40"),
        (HEADER[:4] + struct.pack("<I", 5) + HEADER[8:], "it begins with b'SCID' and record size 40"),
    ],
)
def test_t4_file_that_is_none_says_why(tmp_path: Path, raw: bytes, trouble: str) -> None:
    path = tmp_path / "MNQH25.scid"
    path.write_bytes(raw)
    mark = look(path, NOW)
    assert mark is not None
    assert mark.trouble == trouble


def test_t4_pipe_and_folder_hold_nothing_up(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.scid")
    (tmp_path / "folder.scid").mkdir()
    for name in ("pipe.scid", "folder.scid"):
        mark = look(tmp_path / name, NOW)
        assert mark is not None
        assert mark.trouble
    assert look(tmp_path / "absent.scid", NOW) is None


WEEK = [date(2025, 3, day) for day in (10, 11, 12, 13, 14)]


def file_until(newest: date | None, past: date | None) -> KnownFile:
    return KnownFile(known_stamp(), 10, "", "", newest, past)


def known_stamp() -> Stamp:
    return Stamp(1, 1, 1, 1)


@pytest.mark.parametrize(
    ("kind", "file", "materialized", "expected"),
    [
        # An append concerns days from the old last one on; the last one only if it was made, or still traded.
        (ChangeKind.APPENDED, (WEEK[2], WEEK[2]), WEEK[:3], {WEEK[2]: False, WEEK[3]: True, WEEK[4]: True}),
        (ChangeKind.APPENDED, (WEEK[2], WEEK[2]), [], {WEEK[3]: True, WEEK[4]: True}),
        (ChangeKind.APPENDED, (WEEK[2], WEEK[1]), [], {WEEK[2]: True, WEEK[3]: True, WEEK[4]: True}),
        # Anything else concerns every day that was made, and new days.
        (ChangeKind.REWRITTEN, (WEEK[3], WEEK[3]), WEEK[:2], {WEEK[0]: False, WEEK[1]: False, WEEK[4]: True}),
        (ChangeKind.TRUNCATED, (WEEK[4], WEEK[4]), WEEK[1:3], {WEEK[1]: False, WEEK[2]: False}),
        (ChangeKind.REPLACED, (WEEK[4], WEEK[4]), [], {}),
        (ChangeKind.TOUCHED, (WEEK[4], WEEK[4]), WEEK[:1], {WEEK[0]: False}),
        # A file without records, or one that was not there, brings new days only.
        (ChangeKind.APPENDED, (None, None), [], {WEEK[1]: True, WEEK[2]: True, WEEK[3]: True, WEEK[4]: True}),
        (ChangeKind.NEW, None, [], {WEEK[1]: True, WEEK[2]: True, WEEK[3]: True, WEEK[4]: True}),
        (ChangeKind.GONE, (WEEK[4], WEEK[4]), WEEK, {}),
        (ChangeKind.UNREADABLE, (WEEK[4], WEEK[4]), WEEK, {}),
        (ChangeKind.UNCHANGED, (WEEK[4], WEEK[4]), WEEK, {}),
    ],
)
def test_t2_change_concerns_exactly_these_days(
    kind: ChangeKind,
    file: tuple[date | None, date | None] | None,
    materialized: list[date],
    expected: dict[date, bool],
) -> None:
    before = None if file is None else file_until(*file)
    assert concerned_days(kind, before, WEEK, (WEEK[1], WEEK[4]), set(materialized)) == expected


def test_t2_days_beyond_the_latest_record_are_not_wanted() -> None:
    before = file_until(WEEK[1], WEEK[1])
    assert concerned_days(ChangeKind.APPENDED, before, WEEK, (WEEK[0], WEEK[2]), set()) == {WEEK[2]: True}
    assert concerned_days(ChangeKind.TRUNCATED, before, WEEK, None, {WEEK[0]}) == {WEEK[0]: False}


@pytest.mark.parametrize(
    ("utc_date", "trade_dates"),
    [
        (date(2025, 3, 11), [date(2025, 3, 11), date(2025, 3, 12)]),
        (date(2025, 3, 9), [date(2025, 3, 10)]),  # Sunday evening
        (date(2025, 3, 14), [date(2025, 3, 14), date(2025, 3, 17)]),  # Friday night belongs to Monday
        (date(2025, 4, 17), [date(2025, 4, 17), date(2025, 4, 21)]),  # over Good Friday
    ],
)
def test_t2_utc_date_of_a_depth_file_has_two_trade_dates(utc_date: date, trade_dates: list[date]) -> None:
    assert trade_dates_of_utc_date(utc_date, CALENDAR) == trade_dates
    for trade_date in trade_dates:
        session = CALENDAR.session(trade_date)
        start = datetime.combine(utc_date, datetime.min.time(), UTC)
        assert session.window_start < start + timedelta(days=1)
        assert session.window_end > start
