"""Which ``.scid`` file holds a contract.

Belongs here: the files of the Sierra Chart folder and of the register, their contracts, the choice between them. Does not belong here: what
is in a file (``index.py``, ``decode.py``).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

import numpy as np

from ..errors import SourceError, command
from ..instants import instant_of
from ..instruments import Contract, Registry, SierraSymbol, parse_sierra_symbol
from .format import EARLIEST_DT, EPOCH_OFFSET_US
from .index import ScidIndex, load_index
from .scid import ScidFile
from .sources import RegisteredSource, read_sources
from .usual_folders import name_a_folder

BARE_STYLE = "bare"
_TAIL_RECORDS = 4_096
# The year 2100: when only a decade is asked for, no clock is needed to tell damage from a date.
_LATEST_DT = 4_102_444_800_000_000 + EPOCH_OFFSET_US


@dataclass(frozen=True, slots=True)
class ScidSource:
    """A file that holds a contract, or would, if it could be read.

    Attributes:
        path: the file.
        contract: None if the decade of a one-digit year cannot be read from its data.
        style: key of the registry's price scales; ``bare`` for registered files whose name follows no style.
        registered: True if it comes from the register.
        error: why the file cannot be used; only files with a one-digit year are opened to tell.
    """

    path: Path
    contract: Contract | None
    style: str
    registered: bool = False
    error: SourceError | None = None


class SierraArchive:
    """The ``.scid`` files a user has.

    Args:
        directory: Sierra Chart's data folder; None if none is configured.
        sources_toml: register of files elsewhere; None for none.
        registry: known roots and their symbol styles.
        cache_dir: folder for cached indexes; None keeps them in memory only.
    """

    def __init__(
        self, directory: Path | None, sources_toml: Path | None, registry: Registry, cache_dir: Path | None = None
    ) -> None:
        self.directory = directory
        self._sources_toml = sources_toml
        self._registry = registry
        self._cache_dir = None if cache_dir is None else cache_dir / "scid_index"
        self._indexes: dict[Path, ScidIndex] = {}
        self._listed_at: tuple[int, int] | None = None
        self._listed: tuple[ScidSource, ...] = ()

    def files(self) -> tuple[ScidSource, ...]:
        """Return the files of known dated contracts: registered ones first, then the folder's by name.

        The folder is listed again only when it or the register has changed. An unreadable file carries its error; others are not affected.

        Raises:
            SourceError: E211 the configured folder does not exist; E216 the register cannot be read.
        """
        stamp = (self._stamp(self.directory, required=True), self._stamp(self._sources_toml, required=False))
        if stamp != self._listed_at or any(source.contract is None for source in self._listed):
            registered = tuple(self._registered(source) for source in read_sources(self._sources_toml))
            self._listed = (*registered, *self._in_folder())
            self._listed_at = stamp
        return self._listed

    def file_for(self, contract: Contract) -> ScidSource:
        """Return the file of a contract: a registered one, else the folder's, else the one of the preferred style.

        Raises:
            SourceError: E210 there is none; E211 no folder is configured; E212 it exists under several symbol styles; E216 bad register.
        """
        found = [source for source in self.files() if source.contract == contract]
        registered = [source for source in found if source.registered]
        if registered:
            return self._existing(registered[0])
        if len(found) > 1:
            sierra = self._registry.get(contract.root).sierra
            preferred = None if sierra is None else sierra.preferred_style
            chosen = [source for source in found if source.style == preferred]
            if len(chosen) != 1:
                raise _ambiguous(contract, found)
            return chosen[0]
        if not found:
            raise self._missing(contract)
        return found[0]

    def index(self, source: ScidSource, now: datetime, *, rescan: bool = False) -> ScidIndex:
        """Return the index of a file, extended to its current end.

        Raises:
            SourceError: E200 to E204, see ``load_index``.
        """
        known = self._indexes.get(source.path)
        index = load_index(source.path, self._cache_dir, now, known=known, rescan=rescan)
        self._indexes[source.path] = index
        return index

    def price_scale(self, source: ScidSource) -> float | None:
        """Return the registry's price scale for a file's contract and style; None if it has none."""
        sierra = None if source.contract is None else self._registry.get(source.contract.root).sierra
        return None if sierra is None else sierra.price_scales.get(source.style)

    def _stamp(self, path: Path | None, *, required: bool) -> int:
        if path is None:
            return 0
        try:
            return path.stat().st_mtime_ns
        except OSError as error:
            if not required:
                return 0
            raise _no_folder(f"the folder {path} cannot be read: {error.strerror or error}") from error

    def _registered(self, source: RegisteredSource) -> ScidSource:
        symbol = parse_sierra_symbol(_stem(source.path), self._registry)
        style = BARE_STYLE if symbol is None or symbol.root != source.contract.root else symbol.style
        return ScidSource(source.path, source.contract, style, registered=True)

    def _in_folder(self) -> list[ScidSource]:
        if self.directory is None:
            return []
        try:
            paths = sorted(path for path in self.directory.iterdir() if path.suffix.lower() == ".scid")
        except OSError as error:
            raise _no_folder(f"the folder {self.directory} cannot be read: {error.strerror or error}") from error
        found = []
        for path in paths:
            symbol = parse_sierra_symbol(_stem(path), self._registry)
            if symbol is not None:
                found.append(_source(path, symbol))
        return found

    def _existing(self, source: ScidSource) -> ScidSource:
        if source.path.exists():
            return source
        raise SourceError(
            "E210",
            f"the file registered for {source.contract} is gone: {source.path}",
            "it was moved or deleted after tp import; days already stored are intact",
            f"tp import scid FILE --contract {source.contract}",
        )

    def _missing(self, contract: Contract) -> SourceError:
        if self.directory is None:
            return _no_folder(f"{contract} is not registered and no Sierra Chart folder is configured")
        return SourceError(
            "E210",
            f"no .scid file of {contract} in {self.directory}",
            "Sierra Chart has not downloaded this contract, or the file has a name of another style",
            f"tp import scid FILE --contract {contract}",
        )


def _stem(path: Path) -> str:
    """Return the name without ``.scid``; ``Path.stem`` alone is right too, as the dot of ``MNQM6.CME`` is not the last one."""
    return path.name[: -len(path.suffix)] if path.suffix.lower() == ".scid" else path.name


def _source(path: Path, symbol: SierraSymbol) -> ScidSource:
    if len(symbol.year_digits) == 2:
        return ScidSource(path, symbol.contract(date.min), symbol.style)
    try:
        newest = newest_date(path)
    except SourceError as error:
        return ScidSource(path, None, symbol.style, error=error)
    return ScidSource(path, None if newest is None else symbol.contract(newest), symbol.style)


def newest_date(path: Path) -> date | None:
    """Return the UTC date of the newest plausible record among the last ones of a file; None if there is none.

    Raises:
        SourceError: E200 to E204 the file cannot be read.
    """
    with ScidFile(path) as file:
        tail = file.read(max(0, file.record_count - _TAIL_RECORDS), file.record_count)["dt"]
    plausible = tail[(tail >= EARLIEST_DT) & (tail <= _LATEST_DT)]
    return instant_of(int(np.max(plausible)) - EPOCH_OFFSET_US).date() if len(plausible) else None


def _ambiguous(contract: Contract, found: list[ScidSource]) -> SourceError:
    names = " and ".join(source.path.name for source in found)
    return SourceError(
        "E212",
        f"{contract} exists under several symbols: {names}",
        "they are different downloads with different content and are never merged; one symbol style must be chosen",
        f"tp instruments set {contract.root} --sierra-style {found[0].style}",
    )


def _no_folder(what: str) -> SourceError:
    return SourceError(
        "E211",
        what,
        "TP_SIERRA_DIR or the folder given to tp init must name Sierra Chart's Data folder; files elsewhere are imported one by one",
        command("tp", "init", "--sierra-dir", name_a_folder()),
    )
