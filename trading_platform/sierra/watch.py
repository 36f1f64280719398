"""What happened to a source file since it was last looked at, told by its content.

Belongs here: ``FileMark`` (what is remembered of a file), the kinds of change, and which trade dates a change can concern. It serves
``.scid`` and ``.depth`` files: both begin with magic, header size and record size, and every record begins with its time. Does not
belong here: whether a day really changed (its fingerprint says so), what is requested and when (``jobs``, ``sensors``).

A file that changed is read at its two ends only, never scanned: one record at its head, 64 KiB of whole records at its old tail and
at its new one. Times of modification lie on network shares and synchronised copies, so they only say when to look.
"""

from __future__ import annotations

import hashlib
import os
import stat
import struct
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

from ..errors import ConfigurationError
from ..instants import instant_of
from ..sessions import TradingCalendar
from .format import DEPTH_MAGIC, EARLIEST_DT, EPOCH_OFFSET_US, MAGIC, Int64s, latest_dt

ANCHOR_BYTES: Final = 64 * 1024
_HEAD: Final = struct.Struct("<4sII")
_LONGEST_HEADER: Final = 1 << 20
_SMALLEST_HEADER: Final = 16
_RECORD_BYTES: Final[Mapping[bytes, int]] = {MAGIC: 40, DEPTH_MAGIC: 24}
_DIGEST_BYTES: Final = 8  # 64 bits keep the remembered text short; a chance hit is one in 10**19
# How far back to look for a record with a plausible time behind zeros or damage at the end: 16 MiB.
_MOST_TAILS: Final = 256


class ChangeKind(StrEnum):
    """What happened to a file."""

    UNCHANGED = "unchanged"
    TOUCHED = "touched"
    """Times or inode differ, size and both ends do not: only comparing its days can tell an edit in the middle from a touch."""
    APPENDED = "appended"
    TRUNCATED = "truncated"
    REWRITTEN = "rewritten"
    REPLACED = "replaced"
    NEW = "new"
    UNREADABLE = "unreadable"
    GONE = "gone"

    @property
    def may_be_in_progress(self) -> bool:
        """Tell whether the change may be half of a copy or a download, which is better left until the file is still."""
        return self in {
            ChangeKind.TOUCHED, ChangeKind.TRUNCATED, ChangeKind.REWRITTEN, ChangeKind.REPLACED, ChangeKind.NEW
        }  # fmt: skip


class Stamp(NamedTuple):
    """The state of a file as the system tells it, without reading: bytes, two times in ns, inode."""

    size_bytes: int
    mtime_ns: int
    ctime_ns: int
    inode: int

    @classmethod
    def of(cls, status: os.stat_result) -> Stamp:
        """Take it from a stat result."""
        return cls(status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)


@dataclass(frozen=True, slots=True)
class FileMark:
    """What is remembered of a file.

    Attributes:
        stamp: its state when it was read.
        records: whole records.
        head: digest of the first record; empty without records.
        tail: digest of the last 64 KiB of whole records.
        first_us: time of the first record, epoch microseconds UTC; None if it is not plausible.
        last_us: latest plausible time near the end; None if there is none.
        trouble: why the file cannot be read as what its name says; empty if it can.
    """

    stamp: Stamp
    records: int = 0
    head: str = ""
    tail: str = ""
    first_us: int | None = None
    last_us: int | None = None
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class KnownFile:
    """What the last look at a file left behind.

    Attributes:
        stamp: see ``FileMark``.
        records: see ``FileMark``.
        head: see ``FileMark``.
        tail: see ``FileMark``.
        newest: trade date of its latest record; None if it had none.
        past: the last trade date that was over at that time and not newer than ``newest``; days after it count as new.
    """

    stamp: Stamp
    records: int
    head: str
    tail: str
    newest: date | None
    past: date | None

    @classmethod
    def of(cls, mark: FileMark, calendar: TradingCalendar, now: datetime) -> KnownFile:
        """Keep a mark, with the trade dates that its last record means."""
        newest = trade_date_of(mark.last_us, calendar)
        past = newest
        if newest is not None and not calendar.session(newest).is_final(now):
            past = calendar.previous_open(newest)
        return cls(mark.stamp, mark.records, mark.head, mark.tail, newest, past)


def stamp_of(path: Path) -> Stamp | None:
    """Return the state of a file; None if it is not there or cannot be asked for."""
    try:
        return Stamp.of(path.stat())
    except OSError:
        return None


def look(path: Path, now: datetime) -> FileMark | None:
    """Read both ends of a file.

    Args:
        path: a ``.scid`` or ``.depth`` file that may grow meanwhile.
        now: aware time; a record later than one day after it is implausible.

    Returns:
        None if there is no such file. A file that cannot be used has ``trouble`` and no digests.
    """
    return _look(path, now, None)[0]


def compare(known: KnownFile, path: Path, now: datetime) -> tuple[ChangeKind, FileMark | None]:
    """Say what happened to a file since it was last looked at.

    Content decides: a file that grew and still holds the old records at both ends was appended, also if a copy under a new inode took its
    place. The inode only tells whether other content was written into the file or came with another one.

    Returns:
        The kind of change, and the new mark; None for UNCHANGED and GONE.
    """
    stamp = stamp_of(path)
    if stamp == known.stamp:
        return ChangeKind.UNCHANGED, None
    mark, old_tail = (None, "") if stamp is None else _look(path, now, known.records)
    return (ChangeKind.GONE, None) if mark is None else (_judge(known, mark, old_tail), mark)


def _judge(known: KnownFile, mark: FileMark, old_tail: str) -> ChangeKind:
    if mark.trouble:
        return ChangeKind.UNREADABLE
    if known.records == 0:  # nothing was there that could have changed
        return ChangeKind.APPENDED if mark.records else ChangeKind.TOUCHED
    if mark.stamp.inode != known.stamp.inode and (mark.records < known.records or mark.head != known.head):
        return ChangeKind.REPLACED
    if mark.records < known.records and mark.head in {known.head, ""}:
        return ChangeKind.TRUNCATED
    if mark.head != known.head or old_tail != known.tail:
        return ChangeKind.REWRITTEN if mark.stamp.inode == known.stamp.inode else ChangeKind.REPLACED
    return ChangeKind.APPENDED if mark.records > known.records else ChangeKind.TOUCHED


def concerned_days(
    kind: ChangeKind,
    known: KnownFile | None,
    own_days: Iterable[date],
    span: tuple[date, date] | None,
    materialized: AbstractSet[date],
) -> dict[date, bool]:
    """Return the trade dates that a change can concern.

    Args:
        kind: what happened.
        known: what was known before; None for a new file.
        own_days: the trade dates that belong to the file (by roll table or by name) and whose sessions have opened.
        span: trade dates of the first and the latest record of the file now; None if it has none.
        materialized: trade dates of the asset that have been made.

    Returns:
        Day -> whether it is new to the file, so that it is wanted although it was never made; days beyond the latest record are not, as
        nothing is known of them. Days that are not new are only compared: an append concerns days from the old last one on, any other
        change every day that has been made.
    """
    if kind in {ChangeKind.UNCHANGED, ChangeKind.GONE, ChangeKind.UNREADABLE}:
        return {}
    found: dict[date, bool] = {}
    past = None if known is None else known.past
    for day in own_days:
        if span is not None and day <= span[1] and (day > past if past is not None else day >= span[0]):
            found[day] = True
        elif day in materialized and not _is_before_append(kind, known, day):
            found[day] = False
    return found


def trade_date_of(instant_us: int | None, calendar: TradingCalendar) -> date | None:
    """Return the trade date of an instant in epoch microseconds UTC; None for none, and for one that the calendar does not cover."""
    if instant_us is None:
        return None
    try:
        return calendar.trade_date_at(instant_of(instant_us))
    except ConfigurationError as error:
        if error.code != "E140":
            raise
        return None


def trade_dates_of_utc_date(utc_date: date, calendar: TradingCalendar) -> list[date]:
    """Return the trade dates that own a part of a UTC date, ascending: those of a ``.depth`` file."""
    start = datetime.combine(utc_date, time(), UTC)
    ends = (start, start + timedelta(days=1, microseconds=-1))
    first, last = (calendar.trade_date_at(end) for end in ends)
    found = [first]
    while found[-1] < last:
        found.append(calendar.next_open(found[-1]))
    return found


def _is_before_append(kind: ChangeKind, known: KnownFile | None, day: date) -> bool:
    return kind is ChangeKind.APPENDED and known is not None and known.newest is not None and day < known.newest


def _look(path: Path, now: datetime, old_records: int | None) -> tuple[FileMark | None, str]:
    """Read both ends, and the old tail if the file still reaches it."""
    try:
        # Without waiting: a pipe of that name would hold up the sensor for ever.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except FileNotFoundError:
        return None, ""
    except OSError as error:
        stamp = stamp_of(path)
        return (None if stamp is None else FileMark(stamp, trouble=error.strerror or str(error))), ""
    try:
        return _look_open(descriptor, now, old_records)
    except OSError as error:
        return FileMark(Stamp.of(os.fstat(descriptor)), trouble=error.strerror or str(error)), ""
    finally:
        os.close(descriptor)


def _look_open(descriptor: int, now: datetime, old_records: int | None) -> tuple[FileMark, str]:
    status = os.fstat(descriptor)
    stamp = Stamp.of(status)
    if not stat.S_ISREG(status.st_mode):
        return FileMark(stamp, trouble="it is no regular file"), ""
    raw = os.pread(descriptor, _HEAD.size, 0)
    if len(raw) < _HEAD.size:
        return FileMark(stamp, trouble=f"it has {stamp.size_bytes} bytes, fewer than a header"), ""
    magic, header_bytes, record_bytes = _HEAD.unpack(raw)
    if _RECORD_BYTES.get(magic) != record_bytes or not _SMALLEST_HEADER <= header_bytes <= _LONGEST_HEADER:
        return FileMark(stamp, trouble=f"it begins with {magic!r} and record size {record_bytes}"), ""
    ends = _Ends(descriptor, header_bytes, record_bytes)
    records = max(0, stamp.size_bytes - header_bytes) // record_bytes
    if records == 0:
        return FileMark(stamp), ""
    head, tail = ends.read(0, 1), ends.read(records - ends.anchor_records, records)
    old_tail = "" if not old_records or old_records > records else digest_of(ends.tail_before(old_records))
    mark = FileMark(
        stamp,
        records,
        digest_of(head),
        digest_of(tail),
        _latest_us(head, record_bytes, now),
        ends.latest_us(tail, records, now),
    )
    return mark, old_tail


def digest_of(raw: bytes) -> str:
    """Return the first eight bytes of the sha256, as hex digits."""
    return hashlib.sha256(raw).hexdigest()[: 2 * _DIGEST_BYTES]


@dataclass(frozen=True, slots=True)
class _Ends:
    """Reads runs of whole records of an open file."""

    descriptor: int
    header_bytes: int
    record_bytes: int

    @property
    def anchor_records(self) -> int:
        return ANCHOR_BYTES // self.record_bytes

    def read(self, first: int, stop: int) -> bytes:
        first = max(0, first)
        return os.pread(
            self.descriptor, (stop - first) * self.record_bytes, self.header_bytes + first * self.record_bytes
        )

    def tail_before(self, stop: int) -> bytes:
        return self.read(stop - self.anchor_records, stop)

    def latest_us(self, tail: bytes, records: int, now: datetime) -> int | None:
        """Return the latest plausible time of the last records; goes further back while there is none."""
        stop = records
        for _ in range(_MOST_TAILS):
            found = _latest_us(tail, self.record_bytes, now)
            stop -= self.anchor_records
            if found is not None or stop <= 0:
                return found
            tail = self.tail_before(stop)
        return None


def _latest_us(raw: bytes, record_bytes: int, now: datetime) -> int | None:
    layout: np.dtype[Any] = np.dtype({"names": ["dt"], "formats": ["<i8"], "itemsize": record_bytes})
    times: Int64s = np.frombuffer(raw, layout, len(raw) // record_bytes)["dt"]
    plausible = times[(times >= EARLIEST_DT) & (times <= latest_dt(now))]
    return int(plausible.max()) - EPOCH_OFFSET_US if len(plausible) else None
