"""Which history files of the gamma feed there are.

Belongs here: the files of a folder, the series, category and day of each, the choice between them. Does not belong here: parsing a whole
file (``decode.py``).

Names tell what a file is. Where a name does not have the vendor's form, its beginning is looked at: ticker and day come from the first
snapshot, the category must still stand in the name or in that of the folder, because no field of a snapshot tells it.
"""

from __future__ import annotations

import os
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from ..errors import SourceError, command
from ..instants import MICROSECONDS, instant_of
from .names import CATEGORIES, FeedName, is_hidden, read_name
from .reading import GZIP_MAGIC

SYNTHETIC_SIDECAR: Final = "SYNTHETIC.txt"
"""A file of this name beside history files says that they were generated: JSON of the vendor's form has no place for a label."""

_NEW_YORK = ZoneInfo("America/New_York")
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
    """

    path: Path
    name: FeedName
    is_synthetic: bool = False


@dataclass(frozen=True, slots=True)
class UnusableFile:
    """A file that looks like the feed and cannot be filed.

    Attributes:
        path: the file.
        error: why (E265).
        trade_date: its day, if known.
        ticker: its series, if known.
    """

    path: Path
    error: SourceError
    trade_date: date | None = None
    ticker: str | None = None


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

        Raises:
            SourceError: E263 no folder; E264 a category exists twice; E265 a file of this series and day has an unknown category.
        """
        self._refresh()
        for one in self._unusable:
            if one.trade_date == trade_date and one.ticker == ticker:
                raise one.error
        chosen = []
        for category in CATEGORIES:
            files = self._listed.get((ticker, trade_date, category), [])
            if len(files) > 1:
                raise _twice(files[0], files[1])
            chosen += files
        return tuple(chosen)

    def first_day(self, ticker: str) -> date | None:
        """Return the earliest day of a series; None if there is none.

        Raises:
            SourceError: E263 no folder is configured, or it cannot be read.
        """
        self._refresh()
        return min((day for name, day, _ in self._listed if name == ticker), default=None)

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
            error = _unknown_category(path, f"the category {name.category}")
            found = UnusableFile(path, error, name.trade_date, name.ticker)
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
    day = instant_of(int(stamp[1]) * MICROSECONDS).astimezone(_NEW_YORK).date()
    series = ticker[1].decode().upper()
    category = _CATEGORY.search(path.name) or _CATEGORY.search(path.parent.name)
    if category is None:
        return UnusableFile(path, _unknown_category(path, "no category"), day, series)
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


def _twice(one: FeedFile, other: FeedFile) -> SourceError:
    name = one.name
    return SourceError(
        "E264",
        f"{name.ticker} {name.category} of {name.trade_date} exists twice: {one.path} and {other.path}",
        "which of them is right cannot be told and they are never merged; move one of them out of the folder",
        command("tp", "backfill", f"{name.ticker}/gex_snapshots", "--from", name.trade_date, "--to", name.trade_date),
    )


def _unknown_category(path: Path, found: str) -> SourceError:
    return SourceError(
        "E265",
        f"{path.name} holds gamma snapshots and names {found}, expected one of {', '.join(CATEGORIES)}",
        "the category stands in the name only, and filing it under a guessed one would mix different exposures; give the file its "
        "name YYYY-MM-DD_TICKER_classic_CATEGORY.json or move it out of the folder",
        "tp gex fetch --help",
    )
