"""Which history files of the gamma feed there are.

Belongs here: the files of a folder, the series, category and day of each, the choice between them. Does not belong here: parsing a whole
file (``decode.py``).

Names tell what a file is. Where a name does not have the vendor's form, its beginning is looked at: ticker and day come from the first
snapshot, the category must still stand in the name or in that of the folder, because no field of a snapshot tells it.
"""

from __future__ import annotations

import filecmp
import os
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Final

from ..errors import SourceError
from ..instants import MICROSECONDS, NEW_YORK, instant_of
from .names import CATEGORIES, FeedName, file_name, is_hidden, read_name
from .reading import GZIP_MAGIC, build_again, unreadable

SYNTHETIC_SIDECAR: Final = "SYNTHETIC.txt"
"""A file of this name beside history files says that they were generated: JSON of the vendor's form has no place for a label."""

_PEEK_BYTES: Final = 64 * 1024
_ENDINGS: Final = (".json", ".gz", ".txt")
_CATEGORY = re.compile(r"gex_(?:full|one|zero)(?![a-z0-9])", re.IGNORECASE)
_TICKER = re.compile(rb'"ticker"\s*:\s*"([A-Za-z0-9_]+)"')
_TIMESTAMP = re.compile(rb'"timestamp"\s*:\s*(\d{9,11})\b')


@dataclass(frozen=True, slots=True)
class FeedFile:
    """A history file.

    Attributes:
        path: the file.
        name: its day, series and category.
        is_synthetic: True if the folder says that its files were generated.
        copies: how many other files of the folder hold the same bytes under a name of the same day; known for the files of a day.
    """

    path: Path
    name: FeedName
    is_synthetic: bool = False
    copies: int = 0


@dataclass(frozen=True, slots=True)
class UnusableFile:
    """A file that looks like the feed and cannot be filed.

    Attributes:
        path: the file.
        error: why (E265).
        trade_date: its day.
        ticker: its series.
    """

    path: Path
    error: SourceError
    trade_date: date
    ticker: str


class FeedArchive:
    """The history files a user has.

    Args:
        directory: folder with history files, in it and in folders below it; None if none is configured.
    """

    def __init__(self, directory: Path | None) -> None:
        self.directory = directory
        self._listed: dict[tuple[str, date, str], list[FeedFile]] = {}
        self._unusable: list[UnusableFile] = []
        self._stamps: dict[Path, int] | None = None
        self._peeked: dict[tuple[Path, int, int], FeedName | UnusableFile | None] = {}

    def files(self, ticker: str | None = None) -> tuple[FeedFile, ...]:
        """Return the files of a series, or of all, by day and category.

        Folders are listed again when one of them has changed; only files with an unusual name are opened.

        Raises:
            SourceError: E263 no folder is configured, or it cannot be read.
        """
        self._refresh()
        found = (one for files in self._listed.values() for one in files)
        return tuple(
            sorted(
                (one for one in found if ticker is None or one.name.ticker == ticker),
                key=lambda one: (one.name.trade_date, one.name.ticker, one.name.category, str(one.path)),
            )
        )

    def unusable(self) -> tuple[UnusableFile, ...]:
        """Return the files that look like the feed and cannot be filed.

        Raises:
            SourceError: E263 no folder is configured, or it cannot be read.
        """
        self._refresh()
        return tuple(self._unusable)

    def day(self, ticker: str, trade_date: date) -> tuple[FeedFile, ...]:
        """Return the files of one series and day, one per category, in the order in which categories are stored.

        Of files with equal bytes the first one counts.

        Raises:
            SourceError: E260 one of two files cannot be read; E263 no folder; E264 a category exists twice with different bytes; E265 a
                file of this series and day has an unknown category.
        """
        self._refresh()
        for one in self._unusable:
            if one.trade_date == trade_date and one.ticker == ticker:
                raise one.error
        chosen = []
        for category in CATEGORIES:
            files = self._listed.get((ticker, trade_date, category), [])
            for other in files[1:]:
                if not _is_copy(files[0].path, other.path):
                    raise _twice(files[0], other)
            chosen += [replace(one, copies=len(files) - 1) for one in files[:1]]
        return tuple(chosen)

    def between(self, ticker: str, first: date, last: date) -> tuple[FeedFile, ...]:
        """Return all files of a series with a day from ``first`` to ``last``, both included, by day and category.

        Raises:
            SourceError: E263 no folder is configured, or it cannot be read.
        """
        return tuple(one for one in self.files(ticker) if first <= one.name.trade_date <= last)

    def first_day(self, ticker: str, first: date, last: date) -> date | None:
        """Return the earliest day of a series; None if there is none.

        Args:
            ticker: the series.
            first: first day that counts: a mistyped year would make all days since then missing ones.
            last: last day that counts.

        Raises:
            SourceError: E263 no folder is configured, or it cannot be read.
        """
        self._refresh()
        return min((day for name, day, _ in self._listed if name == ticker and first <= day <= last), default=None)

    def _refresh(self) -> None:
        if self.directory is None:
            raise _no_folder("no folder with history files of the gamma feed is configured")
        try:
            stamps = dict(_folders(self.directory))
            if stamps == self._stamps:
                return
            self._listed, self._unusable = {}, []
            for folder in stamps:
                self._list(folder)
        except OSError as error:
            raise _no_folder(f"the folder {self.directory} cannot be read: {error.strerror or error}") from error
        self._stamps = stamps

    def _list(self, folder: Path) -> None:
        labelled = [folder, *folder.parents[: len(folder.parts) - len(self.directory.parts)]] if self.directory else []
        synthetic = any((one / SYNTHETIC_SIDECAR).is_file() for one in labelled)
        for path in sorted(folder.iterdir()):
            if path.name != SYNTHETIC_SIDECAR and not is_hidden(path) and path.is_file():
                self._file(path, synthetic=synthetic)

    def _file(self, path: Path, *, synthetic: bool) -> None:
        name = read_name(path.name)
        found: FeedName | UnusableFile | None = name
        if name is None:
            found = self._by_content(path)
        elif not name.is_known:
            found = _of_unknown_category(path, name, f"the category {name.category}")
        if isinstance(found, UnusableFile):
            self._unusable.append(found)
        elif found is not None:
            key = (found.ticker, found.trade_date, found.category)
            self._listed.setdefault(key, []).append(FeedFile(path, found, synthetic))

    def _by_content(self, path: Path) -> FeedName | UnusableFile | None:
        """Look into a file whose name has another form; None if it is not of the feed."""
        if not path.name.lower().endswith(_ENDINGS) and _CATEGORY.search(path.name) is None:
            return None
        status = path.stat()
        key = (path, status.st_size, status.st_mtime_ns)
        if key not in self._peeked:
            self._peeked[key] = _peeked(path)
        return self._peeked[key]


def _folders(root: Path) -> Iterator[tuple[Path, int]]:
    """Yield the folder and those below it with their times of modification, sorted by name."""
    yield root, root.stat().st_mtime_ns
    for folder, names, _ in os.walk(root):
        names[:] = sorted(name for name in names if not name.startswith("."))
        for name in names:
            path = Path(folder, name)
            yield path, path.stat().st_mtime_ns


def _peeked(path: Path) -> FeedName | UnusableFile | None:
    text = _beginning(path)
    ticker, stamp = _TICKER.search(text), _TIMESTAMP.search(text)
    if ticker is None or stamp is None or b'"strikes"' not in text:
        return None
    day = instant_of(int(stamp[1]) * MICROSECONDS).astimezone(NEW_YORK).date()
    series = ticker[1].decode().upper()
    category = _CATEGORY.search(path.name) or _CATEGORY.search(path.parent.name)
    if category is None:
        return _of_unknown_category(path, FeedName(day, series, ""), "no category")
    return FeedName(day, series, category[0].lower())


def _beginning(path: Path) -> bytes:
    """Return the first bytes of a file, unpacked; nothing if it cannot be read or unpacked, which is for others to say."""
    try:
        with path.open("rb") as file:
            packed = file.read(_PEEK_BYTES)
    except OSError:
        return b""
    if not packed.startswith(GZIP_MAGIC):
        return packed
    try:
        return zlib.decompressobj(16 + zlib.MAX_WBITS).decompress(packed, _PEEK_BYTES)
    except zlib.error:
        return b""


def _no_folder(what: str) -> SourceError:
    return SourceError(
        "E263",
        what,
        "history files of the gamma feed are read from the folder that TP_GEX_DIR names; nothing was done",
        "tp config",
    )


def _is_copy(one: Path, other: Path) -> bool:
    """Tell whether two files hold the same bytes."""
    try:
        if one.stat().st_size != other.stat().st_size:
            return False
        filecmp.clear_cache()  # it trusts size and time of a file, and a file system may keep only whole seconds
        return filecmp.cmp(one, other, shallow=False)
    except OSError as error:
        raise unreadable(Path(error.filename or one), error) from error


def of_closed_day(one: FeedFile, reason: str, following: date) -> SourceError:
    """Return the error of a file that is dated on a day without trading.

    Args:
        one: the file.
        reason: why there is no trading on its day.
        following: the next open day, whose event names the file.
    """
    return SourceError(
        "E280",
        f"{one.path.name} is dated on {one.name.trade_date}, no trade date of {one.name.ticker} ({reason}); nothing of it is stored",
        "a trade date of the feed is a New York calendar day with trading, and snapshots are never moved to another day; if the date in "
        "the name is wrong, correct it, else move the file out of the folder",
        build_again(replace(one.name, trade_date=following)),
    )


def _twice(one: FeedFile, other: FeedFile) -> SourceError:
    name = one.name
    return SourceError(
        "E264",
        f"{name.ticker} {name.category} of {name.trade_date} exists twice: {one.path} and {other.path}",
        "their bytes differ, which of them is right cannot be told and they are never merged; move one of them out of the folder",
        build_again(name),
    )


def _of_unknown_category(path: Path, name: FeedName, found: str) -> UnusableFile:
    error = SourceError(
        "E265",
        f"{path} holds gamma snapshots and names {found}, expected one of {', '.join(CATEGORIES)}",
        "the category stands in the name only, and filing it under a guessed one would mix different exposures; give the file its "
        f"name {file_name(name.trade_date, name.ticker, 'CATEGORY', is_gzip=False)} or move it out of the folder",
        build_again(name),
    )
    return UnusableFile(path, error, name.trade_date, name.ticker)
