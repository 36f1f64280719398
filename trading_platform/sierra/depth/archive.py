"""Which ``.depth`` files hold a contract's book.

Belongs here: the files of the market depth folder, their contracts and dates, the choice between them. Does not belong here: what is in a
file (``file.py``, ``decode.py``).

Sierra Chart keeps one file per symbol and UTC day, ``<SYMBOL>.YYYY-MM-DD.depth`` in ``Data/MarketDepthData``; ``.dept`` occurs as well.
"""

from __future__ import annotations

import itertools
import os
import re
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

from ...errors import SourceError, command
from ...instruments import Contract, Registry, SierraSymbol, parse_sierra_symbol
from ...lake.contracts import DEPTH_EVENTS
from ..index import ScidIndex, load_index
from ..usual_folders import name_a_folder
from .file import DepthFile

FOLDER = "MarketDepthData"
# Taken apart from the right: MNQM6.CME.2026-03-10.depth has dots on the left.
_NAME = re.compile(r"^(?P<symbol>.+)\.(?P<date>[0-9]{4}-[0-9]{2}-[0-9]{2})\.depth?$", re.IGNORECASE)
# An index keeps its file open; a day needs two to five, and thousands of open files are more than a process may have.
_KEPT_INDEXES = 16


@dataclass(frozen=True, slots=True)
class DepthFileSource:
    """A file with one contract's book events of one UTC day.

    Attributes:
        path: the file.
        contract: e.g. ``MNQZ25``; a one-digit year got its decade from the date.
        style: key of the registry's price scales.
        utc_date: date in the file's name.
    """

    path: Path
    contract: Contract
    style: str
    utc_date: date


class DepthArchive:
    """The ``.depth`` files a user has.

    Args:
        directory: Sierra Chart's data folder; None if none is configured. Files are looked for in its folder ``MarketDepthData`` and
            directly in it.
        registry: known roots and their symbol styles.
        cache_dir: folder for cached indexes; None keeps them in memory only.
    """

    def __init__(self, directory: Path | None, registry: Registry, cache_dir: Path | None = None) -> None:
        self.directory = directory
        self._registry = registry
        self._cache_dir = None if cache_dir is None else cache_dir / "depth_index"
        self._indexes: OrderedDict[Path, ScidIndex] = OrderedDict()
        self._symbols: dict[str, SierraSymbol | None] = {}
        self._listed_at: tuple[int, int] | None = None
        self._listed: tuple[DepthFileSource, ...] = ()
        self._by_contract: dict[Contract, list[DepthFileSource]] = {}

    def files(self) -> tuple[DepthFileSource, ...]:
        """Return the files of known dated contracts, by folder and name; other names are left alone.

        The folders are listed again only when one of them has changed; no file is opened.

        Raises:
            SourceError: E231 no folder is configured, or the configured one cannot be read.
        """
        if self.directory is None:
            raise _no_folder("no Sierra Chart folder is configured")
        stamp = (_stamp(self.directory / FOLDER, required=False), _stamp(self.directory, required=True))
        if stamp != self._listed_at:
            found = [*self._in_folder(self.directory / FOLDER), *self._in_folder(self.directory)]
            by_contract: dict[Contract, list[DepthFileSource]] = {}
            for source in found:
                by_contract.setdefault(source.contract, []).append(source)
            self._listed, self._by_contract, self._listed_at = tuple(found), by_contract, stamp
        return self._listed

    def files_for(self, contract: Contract, first_utc_date: date, last_utc_date: date) -> tuple[DepthFileSource, ...]:
        """Return a contract's files of some UTC dates, both ends included, by date; dates without a file are left out.

        All are of one symbol style: the only one there is, else the preferred one.

        Raises:
            SourceError: E231 no folder; E229 the dates exist under several symbol styles, or one of them twice.
        """
        self.files()
        mine = self._by_contract.get(contract, ())
        found = [source for source in mine if first_utc_date <= source.utc_date <= last_utc_date]
        if len({source.style for source in found}) > 1:
            sierra = self._registry.get(contract.root).sierra
            preferred = None if sierra is None else sierra.preferred_style
            chosen = [source for source in found if source.style == preferred]
            if not chosen:
                raise _ambiguous_styles(contract, found)
            found = chosen
        found.sort(key=lambda source: source.utc_date)
        for one, other in itertools.pairwise(found):
            if one.utc_date == other.utc_date:
                raise _twice(contract, one, other)
        return tuple(found)

    def first_file(self, root: str) -> DepthFileSource | None:
        """Return the file of the earliest UTC date of any contract of a root; None if there is none.

        Raises:
            SourceError: E231 no folder.
        """
        self.files()
        return min(
            (source for contract, found in self._by_contract.items() if contract.root == root for source in found),
            key=lambda source: source.utc_date,
            default=None,
        )

    def index(self, source: DepthFileSource, now: datetime, *, rescan: bool = False) -> ScidIndex:
        """Return the index of a file, extended to its current end.

        Raises:
            SourceError: E221 to E225 the file cannot be used.
        """
        known = self._indexes.pop(source.path, None)
        index = load_index(source.path, self._cache_dir, now, known=known, rescan=rescan, open_file=DepthFile)
        self._indexes[source.path] = index
        if len(self._indexes) > _KEPT_INDEXES:
            self._indexes.popitem(last=False)
        return index

    def price_scale(self, source: DepthFileSource) -> float | None:
        """Return the registry's price scale for a file's style, the same as for ``.scid`` files; None if it has none."""
        sierra = self._registry.get(source.contract.root).sierra
        return None if sierra is None else sierra.price_scales.get(source.style)

    def _in_folder(self, folder: Path) -> Iterable[DepthFileSource]:
        try:
            names = sorted(os.listdir(folder))  # noqa: PTH208 a path per entry would triple the time for thousands of files
        except FileNotFoundError:
            return
        except OSError as error:
            raise _no_folder(f"the folder {folder} cannot be read: {error.strerror or error}") from error
        for name in names:
            source = self._source(folder, name)
            if source is not None:
                yield source

    def _source(self, folder: Path, name: str) -> DepthFileSource | None:
        match = _NAME.match(name)
        if match is None:
            return None
        try:
            utc_date = date.fromisoformat(match["date"])
        except ValueError:
            return None
        symbol_name = match["symbol"]
        if symbol_name not in self._symbols:
            self._symbols[symbol_name] = parse_sierra_symbol(symbol_name, self._registry)
        symbol = self._symbols[symbol_name]
        if symbol is None:
            return None
        return DepthFileSource(folder / name, symbol.contract(utc_date), symbol.style, utc_date)


def make_again(source: DepthFileSource) -> str:
    """Return the command that makes the trade dates to which a file belongs: its evening belongs to the next one."""
    day = source.utc_date
    asset = f"{source.contract.root}/{DEPTH_EVENTS.name}"
    return command("tp", "backfill", asset, "--from", day, "--to", day + timedelta(days=1))


def _stamp(folder: Path, *, required: bool) -> int:
    try:
        return folder.stat().st_mtime_ns
    except OSError as error:
        if not required:
            return 0
        raise _no_folder(f"the folder {folder} cannot be read: {error.strerror or error}") from error


def _ambiguous_styles(contract: Contract, found: list[DepthFileSource]) -> SourceError:
    names = " and ".join(source.path.name for source in _one_per_style(found))
    return SourceError(
        "E229",
        f"the market depth of {contract} exists under several symbols: {names}",
        "they are different downloads with different content and are never merged; one symbol style must be chosen",
        f"tp instruments set {contract.root} --sierra-style {found[0].style}",
    )


def _one_per_style(found: list[DepthFileSource]) -> list[DepthFileSource]:
    styles: dict[str, DepthFileSource] = {}
    for source in found:
        styles.setdefault(source.style, source)
    return list(styles.values())


def _twice(contract: Contract, one: DepthFileSource, other: DepthFileSource) -> SourceError:
    return SourceError(
        "E229",
        f"the market depth of {contract} on {one.utc_date} exists twice: {one.path} and {other.path}",
        "which of them is right cannot be told and they are never merged; move one of them out of the folder",
        make_again(one),
    )


def _no_folder(what: str) -> SourceError:
    return SourceError(
        "E231",
        what,
        f"market depth is read from {FOLDER} in Sierra Chart's Data folder, which TP_SIERRA_DIR or tp init must name",
        command("tp", "init", "--sierra-dir", name_a_folder()),
    )
