"""Which source files are watched, and which days their changes concern.

Belongs here: the step from files on disk to days that must be compared. Does not belong here: comparing and requesting them
(``refresh.py``), telling one kind of change from another (``trading_platform.sierra.watch``).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from assets import keys
from assets.builders import Workbench
from assets.partitions import FIRST_TRADE_DATE, TRADE_DATES
from trading_platform.errors import ConfigurationError
from trading_platform.instruments import Contract
from trading_platform.sessions import calendar_for, opened, weekdays_between
from trading_platform.sierra.depth.archive import DepthArchive
from trading_platform.sierra.watch import (
    ChangeKind,
    FileMark,
    KnownFile,
    Stamp,
    compare,
    concerned_days,
    look,
    stamp_of,
    trade_date_of,
    trade_dates_of_utc_date,
)

from .watch_cursor import Cursor

# There is one file of depth per contract and UTC date, and Dagster stores the cursor with every look: only those of the newest dates are
# remembered. Older ones do not change; those that come in after a long pause are newer than all that is remembered, and so are seen.
WATCHED_DEPTH_DATES = 10
# A change that is not an append may be half of a copy: it is looked at when the file is as it was at the look before, at the latest
# after this time, because the file of the front contract is never still while the market trades.
SETTLE_S = 120
_DEPTH_DATE = re.compile(r"\.(\d{4}-\d\d-\d\d)\.depth?$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class WatchedFile:
    """A file whose days belong to an asset.

    Attributes:
        path: where it is.
        name: path below the data folder, else the whole path.
        asset: the asset made from it, named ``MNQ/ticks``.
        contract: whose days it holds.
        utc_date: the date of a ``.depth`` file; None for others.
    """

    path: Path
    name: str
    asset: str
    contract: Contract
    utc_date: date | None = None


@dataclass(frozen=True, slots=True)
class Sighting:
    """What was seen of one file.

    Attributes:
        name: name of the file.
        asset: the asset made from it.
        kind: what happened to it.
        note: what people should know, or nothing.
        is_news: False for a state that the look before has reported already.
    """

    name: str
    asset: str
    kind: ChangeKind
    note: str = ""
    is_news: bool = True


def watched_files(workbench: Workbench, roots: AbstractSet[str], cursor: Cursor) -> list[WatchedFile]:
    """List the files of the given assets.

    Args:
        workbench: opened resources.
        roots: names of the assets that are made from files.
        cursor: what is remembered of them.

    Raises:
        SourceError: E211, E216 or E231: the folder or the register cannot be read.
    """
    archive = workbench.archive
    found = [
        _watched(source.path, archive.directory, keys.TICKS, source.contract)
        for source in archive.files()
        if source.contract is not None
    ]
    if archive.directory is not None and any(root.endswith(f"/{keys.DEPTH_EVENTS}") for root in roots):
        depth = [
            _watched(source.path, archive.directory, keys.DEPTH_EVENTS, source.contract, source.utc_date)
            for source in DepthArchive(archive.directory, workbench.registry).files()
        ]
        found += _newest_dates(depth, cursor)
    return [file for file in found if file.asset in roots]


def baseline(cursor: Cursor, files: Sequence[WatchedFile], workbench: Workbench, now: datetime) -> int:
    """Remember files as they are, without asking for anything; returns how many could be read."""
    readable = 0
    for file in files:
        mark = look(file.path, now)
        if mark is None:
            continue
        readable += not mark.trouble
        calendar = calendar_for(workbench.registry.get(file.contract.root).calendar)
        known = KnownFile.of(mark, calendar, now)
        if mark.trouble:
            # What it holds is not known, so all of it counts as the past; no state equals this one, so it is looked at again.
            known = KnownFile(Stamp(-1, -1, -1, -1), 0, "", "", None, calendar.previous_open(calendar.opened(now)))
        cursor.files.setdefault(file.asset, {})[file.name] = known
    return readable


def sight(
    cursor: Cursor,
    files: Sequence[WatchedFile],
    workbench: Workbench,
    materialized: Callable[[str], AbstractSet[date]],
) -> list[Sighting]:
    """Look at every file and queue the days that changes concern.

    Args:
        cursor: changed in place.
        files: from ``watched_files``; their assets must all be in ``cursor.files``.
        workbench: opened resources.
        materialized: made trade dates of an asset, asked for only where something changed.

    Returns:
        What was seen, unchanged files left out.
    """
    now = workbench.clock.now()
    seen: list[Sighting] = []
    for file in files:
        known = cursor.files[file.asset].get(file.name)
        kind, mark = _look_again(known, file, now)
        if kind is ChangeKind.UNCHANGED:
            cursor.unsettled.pop(file.name, None)
            continue
        if kind is ChangeKind.GONE or mark is None:
            continue  # it vanished between listing and looking: the next look reports it
        if mark.trouble:
            # Not remembered: the trouble may pass without a trace in the times of the file, so it is tried again every time.
            seen.append(Sighting(file.name, file.asset, kind, mark.trouble))
            continue
        if kind.may_be_in_progress and not _is_settled(cursor, file, mark, now):
            seen.append(Sighting(file.name, file.asset, kind, "still changing"))
            continue
        cursor.unsettled.pop(file.name, None)
        _queue(cursor, file, kind, known, mark, workbench, materialized)
        calendar = calendar_for(workbench.registry.get(file.contract.root).calendar)
        cursor.files[file.asset][file.name] = KnownFile.of(mark, calendar, now)
        seen.append(Sighting(file.name, file.asset, kind))
    return [*seen, *_vanished(cursor, files, workbench.archive.directory)]


def _look_again(known: KnownFile | None, file: WatchedFile, now: datetime) -> tuple[ChangeKind, FileMark | None]:
    if known is not None:
        return compare(known, file.path, now)
    mark = look(file.path, now)
    return (ChangeKind.UNREADABLE if mark is not None and mark.trouble else ChangeKind.NEW), mark


def _is_settled(cursor: Cursor, file: WatchedFile, mark: FileMark, now: datetime) -> bool:
    """Tell whether the file was the same at the look before, or has been changing for long enough."""
    now_s = int(now.timestamp())
    before, since_s = cursor.unsettled.get(file.name, (None, now_s))
    if before == mark.stamp or now_s - since_s >= SETTLE_S:
        return True
    cursor.unsettled[file.name] = (mark.stamp, since_s)
    return False


def _queue(
    cursor: Cursor,
    file: WatchedFile,
    kind: ChangeKind,
    known: KnownFile | None,
    mark: FileMark,
    workbench: Workbench,
    materialized: Callable[[str], AbstractSet[date]],
) -> None:
    calendar = calendar_for(workbench.registry.get(file.contract.root).calendar)
    made = materialized(file.asset)
    first = trade_date_of(mark.first_us, calendar)
    own = _own_days(file, workbench, min((day for day in (first, *made) if day is not None), default=None))
    queue = cursor.queue.setdefault(file.asset, {})
    last = trade_date_of(mark.last_us, calendar)
    span = None if last is None else (last if first is None else first, last)
    for day, is_new in concerned_days(kind, known, own, span, made).items():
        queue[day] = queue.get(day, False) or is_new


def _own_days(file: WatchedFile, workbench: Workbench, earliest: date | None) -> list[date]:
    """Return the opened trade dates that the roll table gives to the contract of a file, of a ``.depth`` file those of its UTC date."""
    instrument = workbench.registry.get(file.contract.root)
    last_key = TRADE_DATES.get_last_partition_key()
    latest = opened(workbench.clock.now(), instrument)
    if last_key is not None:
        latest = min(latest, date.fromisoformat(last_key))
    if file.utc_date is not None:
        try:
            days = trade_dates_of_utc_date(file.utc_date, calendar_for(instrument.calendar))
        except ConfigurationError as error:
            if error.code != "E140":
                raise
            days = []  # a date in a name that no calendar covers: one odd file must not hold up the others
    else:
        days = [] if earliest is None else weekdays_between(max(earliest, FIRST_TRADE_DATE), latest)
    return [
        day
        for day in days
        if FIRST_TRADE_DATE <= day <= latest and workbench.rolls.front(instrument.symbol, day) == file.contract
    ]


def _vanished(cursor: Cursor, files: Sequence[WatchedFile], folder: Path | None) -> list[Sighting]:
    """Report remembered files that are no longer there; they stay remembered, to be compared when they come back."""
    listed = {(file.asset, file.name) for file in files}
    dates = [file.utc_date for file in files]
    oldest = _oldest_watched(dates)
    gone: list[Sighting] = []
    for asset, known in cursor.files.items():
        for name in [name for name in known if (asset, name) not in listed]:
            aged = oldest is not None and date.min < _date_in(name) < oldest
            if aged or stamp_of(Path(name) if folder is None else folder / name) is not None:
                del known[name]  # too old to be watched, or another contract by its data
            else:
                gone.append(
                    Sighting(name, asset, ChangeKind.GONE, "its stored days are kept", is_news=name not in cursor.gone)
                )
    cursor.gone = {sighting.name for sighting in gone}
    return gone


def _newest_dates(depth: Sequence[WatchedFile], cursor: Cursor) -> list[WatchedFile]:
    """Return the files of the newest dates, and those that came in since the last look."""
    oldest = _oldest_watched(file.utc_date for file in depth)
    remembered = {asset: max(map(_date_in, files), default=None) for asset, files in cursor.files.items()}
    return [
        file
        for file in depth
        if file.utc_date is not None
        and (
            file.utc_date >= (oldest or file.utc_date)
            or file.utc_date > (remembered.get(file.asset) or file.utc_date)
            or file.name in cursor.unsettled
        )
    ]


def _date_in(name: str) -> date:
    """Return the date in the name of a ``.depth`` file; the earliest date for other names."""
    match = _DEPTH_DATE.search(name)
    return date.min if match is None else date.fromisoformat(match[1])


def _watched(
    path: Path, folder: Path | None, dataset: str, contract: Contract, utc_date: date | None = None
) -> WatchedFile:
    inside = folder is not None and path.is_relative_to(folder)
    name = str(path.relative_to(folder)) if inside and folder is not None else str(path)
    return WatchedFile(path, name, keys.asset_key(contract.root, dataset).to_user_string(), contract, utc_date)


def _oldest_watched(dates: Iterable[date | None]) -> date | None:
    """Return the oldest UTC date that is watched, None if all are."""
    newest = sorted({day for day in dates if day is not None}, reverse=True)
    return newest[WATCHED_DEPTH_DATES - 1] if len(newest) >= WATCHED_DEPTH_DATES else None
