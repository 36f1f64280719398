"""Which files of a folder hold which chain.

Belongs here: the files below the folder of chains, their underlying and time, the days they belong to. Does not belong here: what is in a
table (``cboe.py``), storage.

Every ``.csv`` file at any depth below the folder is looked at; folders and names mean nothing, because browsers call every download
``quotedata.csv``. Underlying and time come from the first 16 KiB. A file that is no quote table of Cboe, or whose time cannot be read, has
no day: it is listed with its error and holds up no other file.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Final

from ..clock import Clock
from ..errors import PlatformError, SourceError, command
from ..sessions import TradingCalendar
from .cboe import first_underlying, unreadable
from .days import trade_date_of
from .header import CLOCK_TOLERANCE, HEAD_BYTES, as_utf8, future_error, read_header

SUFFIX: Final = ".csv"

_Status = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class ChainFile:
    """A quote table in the folder.

    Attributes:
        path: the file.
        name: path below the folder, with ``/``.
        status: what the system said when its head was read.
        symbol: the underlying; None if ``error`` is set.
        observed_at: time in its head, UTC; None if ``error`` is set.
        error: why it cannot be used.
        synthetic: True if its head says that it was generated.
    """

    path: Path
    name: str
    status: os.stat_result
    symbol: str | None = None
    observed_at: datetime | None = None
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
            known[path] = before if same and before else (identity, _look_into(Path(path), name, status))
        if known != self._known:
            self._known = known
            self._listed = tuple(sorted((file for _, file in known.values()), key=lambda file: file.name))
            self._by_symbol = {}
            for file in self._listed:
                if file.symbol is not None:
                    self._by_symbol.setdefault(file.symbol, []).append(file)
            for found in self._by_symbol.values():
                found.sort(key=lambda file: (_time(file), file.name))
        return tuple(self._refuse_future(file) for file in self._listed)

    def files_of(self, symbol: str, trade_date: date) -> tuple[ChainFile, ...]:
        """Return the files of an underlying that belong to a trade date, by time and name.

        Raises:
            SourceError: E240 no folder.
        """
        return tuple(file for file in self._usable(symbol) if self.trade_date(file) == trade_date)

    def before(self, file: ChainFile) -> ChainFile | None:
        """Return the file of the same underlying that comes last before a file; of several of one minute the first by name.

        Raises:
            SourceError: E240 no folder.
        """
        earlier = [one for one in self._usable(file.symbol) if _time(one) < _time(file)]
        if not earlier:
            return None
        latest = _time(earlier[-1])
        return next(one for one in earlier if _time(one) == latest)

    def first_file(self, symbol: str) -> ChainFile | None:
        """Return the earliest file of an underlying; None if there is none.

        Raises:
            SourceError: E240 no folder.
        """
        return next(iter(self._usable(symbol)), None)

    def refused(self) -> tuple[ChainFile, ...]:
        """Return the files that no day can use, each with its error.

        Raises:
            SourceError: E240 no folder.
        """
        return tuple(file for file in self.files() if file.error is not None)

    def trade_date(self, file: ChainFile) -> date:
        """Return the trade date to which a usable file belongs.

        Raises:
            ConfigurationError: E140 outside the dates that the calendar covers.
        """
        return trade_date_of(_time(file), self._calendar)

    def _usable(self, symbol: str | None) -> list[ChainFile]:
        self.files()
        latest = self._clock.now() + CLOCK_TOLERANCE
        return [file for file in self._by_symbol.get(symbol or "", ()) if _time(file) <= latest]

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


def _look_into(path: Path, name: str, status: os.stat_result) -> ChainFile:
    try:
        with path.open("rb") as stream:
            head = as_utf8(stream.read(HEAD_BYTES))
    except OSError as error:
        return ChainFile(path, name, status, error=unreadable(path, error))
    try:
        header = read_header(head, name)
        symbol = first_underlying(head, header, name)
    except SourceError as error:
        return ChainFile(path, name, status, error=error)
    return ChainFile(path, name, status, symbol, header.observed_at, synthetic=header.synthetic)


def _walk(folder: str, below: str) -> Iterator[tuple[str, str, os.stat_result]]:
    """Yield path, name and status of the files below a folder; hidden ones and downloads under way have other names."""
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if entry.is_dir(follow_symlinks=False):  # a link could lead back up
                    yield from _walk(entry.path, f"{below}{entry.name}/")
                elif entry.name.lower().endswith(SUFFIX):
                    try:
                        status = entry.stat()
                    except FileNotFoundError:  # deleted since the folder was listed
                        continue
                    yield entry.path, below + entry.name, status
    except OSError as error:
        raise no_folder(f"the folder {folder} cannot be read: {error.strerror or error}") from error


def no_folder(what: str) -> SourceError:
    """Return the error for a folder that is not configured or not readable."""
    return SourceError(
        "E240",
        what,
        "option chains are read from the folder that TP_CHAIN_DIR names; stored days are intact",
        command("tp", "config"),
    )
