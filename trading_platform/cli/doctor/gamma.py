"""Checks of the folders with gamma data: history files of the feed, saved option chains.

Belongs here: whether the folders can be read, and which files in them are not understood or not used. Does not belong here: what a file
holds beyond its beginning (``tp backfill``, ``tp gex chain``).
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from ...clock import FixedClock
from ...errors import PlatformError, SourceError, command
from ...words import are, counted
from .verdict import Situation, Status, Verdict, ok

if TYPE_CHECKING:
    from ...gexfeed.archive import FeedArchive

_FEED_ENDINGS = (".json", ".gz")


def gamma_feed(situation: Situation) -> Verdict:
    """Look for history files of the gamma feed, and for files whose series, day or category is not known."""
    folder = situation.gex_dir
    if folder is None:
        return _not_named("history files of the gamma feed", "TP_GEX_DIR", "--gex-dir")
    from ...gexfeed.archive import FeedArchive

    lost = _lost(folder, "history files of the gamma feed", "TP_GEX_DIR", "--gex-dir")
    if lost is not None:
        return lost
    archive = FeedArchive(folder)
    files = archive.files()
    unclear = _unclear_feed_files(archive, folder)
    if unclear is not None:
        return unclear
    if not files:
        return Verdict(Status.WARN, f"{folder} holds no history file of the gamma feed", "tp gex fetch --help")
    days: dict[str, list[date]] = {}
    for one in files:
        days.setdefault(one.name.ticker, []).append(one.name.trade_date)
    return _used(folder, "history file", days, _used_symbols(situation, chains=False))


def _unclear_feed_files(archive: FeedArchive, folder: Path) -> Verdict | None:
    """Return what is wrong with names: no known category, a category twice, or nothing that tells what a file is."""
    files, unusable = archive.files(), archive.unusable()
    if unusable:
        return _not_understood(folder, [(one.path.name, one.error) for one in unusable])
    for one, other in pairwise(files):  # sorted by day, series and category
        if one.name == other.name:
            try:
                archive.day(one.name.ticker, one.name.trade_date)
            except SourceError as error:
                return Verdict(Status.WARN, f"{error.code} {error.what}", error.next_command)
    known = {one.path for one in files}
    strange = [path for path in _visible_files(folder) if path.name.lower().endswith(_FEED_ENDINGS)]
    strange = sorted(path for path in strange if path not in known)
    if not strange:
        return None
    what = (
        f"{counted(len(strange), 'file')} in {folder} {are(len(strange))} no history file by name and beginning, first "
        f"{strange[0].relative_to(folder)}; the vendor's name is YYYY-MM-DD_TICKER_classic_CATEGORY.json"
    )
    return Verdict(Status.WARN, what, "tp gex fetch --help")


def _visible_files(folder: Path) -> Iterator[Path]:
    """Yield the files that the archive looks at."""
    from ...gexfeed.names import is_hidden

    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (path for name in names if not is_hidden(path := Path(parent, name)))


def option_chains(situation: Situation) -> Verdict:
    """Look for saved option chains, and for tables whose form, underlying or time is not known."""
    folder = situation.chain_dir
    if folder is None:
        return _not_named("saved option chains", "TP_CHAIN_DIR", "--chain-dir")
    from ...chains.archive import ChainArchive
    from ...chains.cboe import CALENDAR
    from ...sessions import calendar_for

    lost = _lost(folder, "saved option chains", "TP_CHAIN_DIR", "--chain-dir")
    if lost is not None:
        return lost
    archive = ChainArchive(folder, calendar_for(CALENDAR), FixedClock(situation.now))
    files = archive.files()
    refused = [(file.name, file.error) for file in files if file.error is not None]
    if refused:
        return _not_understood(folder, refused)
    if not files:
        return Verdict(Status.WARN, f"{folder} holds no .csv file", "tp gex chain --help")
    days: dict[str, list[date]] = {}
    for file in files:
        if file.symbol is not None and file.trade_date is not None:
            days.setdefault(file.symbol, []).append(file.trade_date)
    return _used(folder, "saved chain", days, _used_symbols(situation, chains=True))


def _not_named(what: str, variable: str, option: str) -> Verdict:
    return Verdict(Status.SKIP, f"no folder with {what} is named, so there are none ({variable}, or tp init {option})")


def _lost(folder: Path, what: str, variable: str, option: str) -> Verdict | None:
    if folder.is_dir():
        return None
    text = f"the folder {folder} with {what} does not exist; mount it, or name another one by {variable} or tp init {option}"
    return Verdict(Status.FAIL, text, "tp config")


def _not_understood(folder: Path, files: list[tuple[str, PlatformError]]) -> Verdict:
    name, error = files[0]
    number = len(files)
    what = (
        f"{counted(number, 'file')} in {folder} {are(number)} not understood, first {name}: {error.code} {error.what}"
    )
    return Verdict(Status.WARN, what, error.next_command)


def _used(folder: Path, noun: str, days: Mapping[str, Iterable[date]], used: Mapping[str, bool]) -> Verdict:
    """Say what is there; warn if no active instrument uses any of it."""
    known = {symbol: sorted(found) for symbol, found in sorted(days.items())}
    idle = [symbol for symbol in known if not used.get(symbol, False)]
    number = sum(map(len, known.values()))
    spans = ", ".join(f"{symbol} {found[0]} to {found[-1]}" for symbol, found in known.items() if symbol not in idle)
    if not spans:
        what = f"{folder}: {counted(number, noun)} of {', '.join(idle)}, which no active instrument uses"
        first = next((symbol for symbol in idle if symbol in used), None)
        following = "tp instruments list" if first is None else command("tp", "instruments", "activate", first)
        return Verdict(Status.WARN, what, following)
    rest = f"; not used by an active instrument: {', '.join(idle)}" if idle else ""
    return ok(f"{folder}: {counted(number, noun)}, {spans}{rest}")


def _used_symbols(situation: Situation, *, chains: bool) -> dict[str, bool]:
    """Tell for each instrument with a feed of its own, or with option chains, whether it has assets."""
    from ...instruments import load_registry

    registry = load_registry(situation.known_home.instruments_toml)
    with_assets = {one.symbol for one in registry.with_assets}
    known = [one for one in registry.instruments.values() if (one.has_chains if chains else one.has_own_gamma)]
    return {one.symbol: one.symbol in with_assets for one in known}
