"""Which files of a folder hold which chain.

Belongs here: the files below the folder of chains, their underlying and time, the days they belong to. Does not belong here: what is in a
table (``cboe.py``), storage.

Every ``.csv`` file at any depth below the folder is looked at; folders and names mean nothing, because browsers call every download
``quotedata.csv``. Underlying and time come from the first 16 KiB. A file that is no quote table of Cboe, or whose time cannot be read, has
no day: it is listed with its error and holds up no other file. One whose time and underlying are known but not the price belongs to its day
with its error, so that the day names it. The days of a file are told once, when it is looked into.

What is no regular file is never opened (a named pipe would wait for a writer for ever); it is listed with its error, like a folder or a
link that the system does not follow.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Final

import structlog

from ..clock import Clock
from ..errors import PlatformError, SourceError, command
from ..sessions import TradingCalendar
from .cboe import first_underlying, unreadable
from .header import CLOCK_TOLERANCE, HEAD_BYTES, as_utf8, days_of, future_error, look_at_header

SUFFIX: Final = ".csv"

_log = structlog.get_logger()
_MOST_NAMED = 5
_Status = tuple[int, int, int, int]
_told: dict[str, set[tuple[str, int, int]]] = {}  # of each folder: a process has several archives of one


@dataclass(frozen=True, slots=True)
class ChainFile:
    """A quote table in the folder.

    Attributes:
        path: the file.
        name: path below the folder, with ``/``.
        status: what the system said when its head was read.
        symbol: the underlying; None if no day can have the file.
        observed_at: time in its head, UTC; None likewise.
        trade_date: the partition that it belongs to; None likewise.
        market_date: the session whose prices it shows; None likewise.
        error: why it cannot be used.
        synthetic: True if its head says that it was generated.
    """

    path: Path
    name: str
    status: os.stat_result
    symbol: str | None = None
    observed_at: datetime | None = None
    trade_date: date | None = None
    market_date: date | None = None
    error: PlatformError | None = None
    synthetic: bool = False


class ChainArchive:
    """The chain files a user has.

    Args:
        directory: the folder; None if none is configured.
        calendar: trading calendar of the underlyings, which decides on days.
        clock: tells which snapshots lie in the future.
    """

    def __init__(self, directory: Path | None, calendar: TradingCalendar, clock: Clock) -> None:
        self.directory = directory
        self._calendar = calendar
        self._clock = clock
        self._known: dict[str, tuple[_Status, ChainFile]] = {}
        self._listed: tuple[ChainFile, ...] = ()
        self._by_symbol: dict[str, list[ChainFile]] = {}

    def files(self) -> tuple[ChainFile, ...]:
        """Return all files below the folder by name, those with an error included.

        The folder is walked each time, because a download may replace a file in place; only new and changed files are opened.

        Raises:
            SourceError: E240 no folder is configured, or it cannot be read.
        """
        if self.directory is None:
            raise no_folder("no folder of option chains is configured")
        known: dict[str, tuple[_Status, ChainFile]] = {}
        for path, name, status in _walk(str(self.directory), ""):
            identity = (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)
            before = self._known.get(path)
            same = before is not None and before[0] == identity
            known[path] = before if same and before else (identity, self._look_into(Path(path), name, status))
        if known != self._known:
            self._known = known
            self._listed = tuple(sorted((file for _, file in known.values()), key=lambda file: file.name))
            self._by_symbol = {}
            for file in self._listed:
                if file.symbol is not None:
                    self._by_symbol.setdefault(file.symbol, []).append(file)
            for found in self._by_symbol.values():
                found.sort(key=lambda file: (_time(file), -file.status.st_size, file.name))
        listed = tuple(self._refuse_future(file) for file in self._listed)
        self._tell_refused([file for file in listed if file.error is not None])
        return listed

    def files_of(self, symbol: str, trade_date: date) -> tuple[ChainFile, ...]:
        """Return the files of an underlying that belong to a trade date, by time; also those that have no price.

        Of several of one minute the larger comes first, because a download may break off; of one size the first by name.

        Raises:
            SourceError: E240 no folder.
        """
        return tuple(file for file in self._of_the_past(symbol) if file.trade_date == trade_date)

    def before(self, file: ChainFile) -> ChainFile | None:
        """Return the last file of the same underlying before a file; of several of one minute the larger, then the first by name.

        Raises:
            SourceError: E240 no folder.
        """
        earlier = [one for one in self._of_the_past(file.symbol) if one.error is None and _time(one) < _time(file)]
        if not earlier:
            return None
        latest = _time(earlier[-1])
        return next(one for one in earlier if _time(one) == latest)

    def refused(self) -> tuple[ChainFile, ...]:
        """Return the files that cannot be used, each with its error.

        Raises:
            SourceError: E240 no folder.
        """
        return tuple(file for file in self.files() if file.error is not None)

    def without_day(self) -> str:
        """Name the files that cannot be used and belong to no day, with the numbers of their errors; empty if there are none.

        Raises:
            SourceError: E240 no folder.
        """
        return _named([file for file in self.files() if file.error is not None and file.trade_date is None])

    def trade_date(self, file: ChainFile) -> date:
        """Return the trade date to which a usable file belongs."""
        if file.trade_date is None:
            raise ValueError(f"Expected a usable file, was {file}")
        return file.trade_date

    def _of_the_past(self, symbol: str | None) -> list[ChainFile]:
        self.files()
        latest = self._clock.now() + CLOCK_TOLERANCE
        return [file for file in self._by_symbol.get(symbol or "", ()) if _time(file) <= latest]

    def _tell_refused(self, files: Sequence[ChainFile]) -> None:
        """Log files that this process did not refuse before: a folder whose other days are current would be silent about them."""
        seen = {(file.name, file.status.st_mtime_ns, file.status.st_ino) for file in files}
        before = _told.get(str(self.directory), set())
        new = [file for file in files if (file.name, file.status.st_mtime_ns, file.status.st_ino) not in before]
        _told[str(self.directory)] = seen
        if new:
            _log.warning("chain_files_refused", folder=str(self.directory), files=_named(new), next="tp doctor")

    def _look_into(self, path: Path, name: str, status: os.stat_result) -> ChainFile:
        if not stat.S_ISREG(status.st_mode):
            return ChainFile(path, name, status, error=_not_a_file(path, status))
        try:
            with path.open("rb") as stream:
                head = as_utf8(stream.read(HEAD_BYTES))
        except OSError as error:
            return ChainFile(path, name, status, error=unreadable(path, error))
        try:
            header, without_price = look_at_header(head, name)
            symbol = first_underlying(head, header, name)
            days = days_of(header.observed_at, self._calendar, name)
        except SourceError as refused:
            return ChainFile(path, name, status, error=refused)
        at = (header.observed_at, days.trade_date, days.market_date)
        return ChainFile(path, name, status, symbol, *at, error=without_price, synthetic=header.synthetic)

    def _refuse_future(self, file: ChainFile) -> ChainFile:
        """Refuse what lies in the future; not remembered, because it will not always."""
        now = self._clock.now()
        if file.observed_at is None or file.observed_at <= now + CLOCK_TOLERANCE:
            return file
        return ChainFile(file.path, file.name, file.status, error=future_error(file.name, file.observed_at, now))


def _time(file: ChainFile) -> datetime:
    if file.observed_at is None:
        raise ValueError(f"Expected a usable file, was {file}")
    return file.observed_at


def _walk(folder: str, below: str) -> Iterator[tuple[str, str, os.stat_result]]:
    """Yield path, name and status of the files below a folder; hidden ones and downloads under way have other names.

    Of a link that leads nowhere and of a folder that the system does not open the status is their own, so that they are listed and keep no
    other file from being read.
    """
    try:
        with os.scandir(folder) as found:
            entries = [entry for entry in found if not entry.name.startswith(".")]
    except OSError as error:
        raise no_folder(f"the folder {folder} cannot be read: {error.strerror or error}") from error
    for entry in entries:
        try:
            own = entry.stat(follow_symlinks=False)
            if stat.S_ISDIR(own.st_mode):  # a link to a folder could lead back up
                try:
                    yield from _walk(entry.path, f"{below}{entry.name}/")
                except SourceError as error:
                    if isinstance(error.__cause__, FileNotFoundError):
                        continue
                    yield entry.path, f"{below}{entry.name}/", own
            elif entry.name.lower().endswith(SUFFIX):
                yield entry.path, below + entry.name, _followed(entry, own)
        except FileNotFoundError:  # deleted since the folder was listed
            continue


def _followed(entry: os.DirEntry[str], own: os.stat_result) -> os.stat_result:
    try:
        return entry.stat()
    except OSError:
        return own


def _not_a_file(path: Path, status: os.stat_result) -> SourceError:
    if stat.S_ISLNK(status.st_mode):
        what = "a link that leads to no file"
    elif stat.S_ISDIR(status.st_mode):
        what = "a folder that cannot be read" if path.suffix.lower() != SUFFIX else "a folder"
    else:
        what = "no regular file"
    return SourceError(
        "E241",
        f"{path} is {what}",
        "only regular files are opened, because others may never end; it is left out and the others go on: move it out of the folder, or "
        "mend its permissions",
        "tp doctor",
    )


def _named(files: Sequence[ChainFile]) -> str:
    """Name files with the numbers of their errors."""
    first = [f"{file.name} ({file.error.code})" for file in files[:_MOST_NAMED] if file.error is not None]
    more = [f"{len(files) - _MOST_NAMED} more"] if len(files) > _MOST_NAMED else []
    return ", ".join([*first, *more])


def no_folder(what: str) -> SourceError:
    """Return the error for a folder that is not configured or not readable."""
    return SourceError(
        "E240",
        what,
        "option chains are read from the folder that TP_CHAIN_DIR names; stored days are intact",
        command("tp", "config"),
    )
