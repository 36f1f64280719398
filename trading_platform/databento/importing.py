"""DBN files that the user owns already: verified like a download, then kept in the cache of raw files.

Belongs here: which instrument and trade dates a file holds, and putting it into the cache. Does not belong here: buying (``fetch.py``),
conversion (``convert.py``), the command.

A file keeps its own window: a batch of the vendor is cut at midnight UTC, so a futures session lies in two files, and each trade date takes
from each file what belongs to it. What no file covers is shown by the check ``window_covered``.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Final

import numpy as np

from ..clock import Clock
from ..errors import RefusedError, VendorError, command
from ..sessions import Session, calendar_for
from .convert import ns_of
from .dbn import DbnFile
from .format import Int64s, Records
from .query import Query, instant_of
from .raw_cache import Bought, DayFolder, RawCache, RawFile
from .symbols import MappedSymbol, future_root, in_capitals, raw_future, vendor_symbol
from .vendor import IMPORTED, Vendor
from .verify import DbnReport, Expectation, Verifier

_NEXT: Final = command("tp", "l2", "import", "--help")
_OPEN_END: Final = 2**63 - 1


@dataclass(frozen=True)
class OwnedFile:
    """A verified file and what it is good for.

    Attributes:
        path: the file.
        sha256: of its bytes.
        dataset: of the vendor.
        symbol: the platform's name: root of a future, share, or local name of the mapping file.
        raw_symbol: the vendor's name of the contract or share.
        symbol_in_file: how the file names it.
        records: in the file, of all instruments.
        synthetic: it carries the mark of simulated data.
        query: dataset, raw symbol and window as the file states them.
        window_ns: what the file really holds; ends with the last record if it was asked for with a limit that was reached.
        days: records of the instrument by trade date for which it is wanted.
        left_out: other trade dates in the file, and why.
    """

    path: Path
    sha256: str
    dataset: str
    symbol: str
    raw_symbol: str
    symbol_in_file: str
    records: int
    synthetic: bool
    query: Query
    window_ns: tuple[int, int]
    days: Mapping[date, int] = field(default_factory=dict)
    left_out: Mapping[date, str] = field(default_factory=dict)


def examine(path: Path, named: str | None, vendor: Vendor, clock: Clock) -> OwnedFile:
    """Read a whole file and find out what it is good for; nothing is written.

    Args:
        path: a ``.dbn`` or ``.dbn.zst`` file with books of ten levels.
        named: the contract or share, where the file holds several or names it by a rule (``ES.v.0``); ``ESH24`` and ``ESH4`` are the same.
        vendor: knows symbols, datasets and rolls; not asked.
        clock: a file without an end ends now.

    Raises:
        VendorError: E300 to E305, E307 to E310 the file is no good; E311 it is of another dataset than the symbol. RefusedError: E365,
            E388; E390 which instrument is meant cannot be told; E391 it is not in the file; E392 it has no record of an open trade date.
    """
    with DbnFile(path) as file:
        raw, in_file = instrument_of(file, named, vendor)
        symbol = own_name(raw, file.metadata.dataset, vendor)
        sessions = list(_sessions(file, vendor, symbol, clock.now()))
        counter = _DayCounter(sessions, file.metadata.instrument_ids(in_file))
        verifier = Verifier(file, Expectation(symbol=in_file, start_ns=file.metadata.start_ns, end_ns=end_of(file)))
        for _, records in file.blocks():
            verifier.add(records)
            counter.add(records)
        report = verifier.report().require()
        query, window = _window(file, report, raw)
        wanted, left_out = _wanted(symbol, raw, counter.counts(), vendor)
        if not wanted and not left_out:
            raise RefusedError(
                "E392",
                f"{path.name} holds no record of {raw} on an open trade date: {report.records} records, "
                f"{instant_of(window[0]):%Y-%m-%d %H:%M} to {instant_of(window[1]):%Y-%m-%d %H:%M} UTC",
                "there is nothing to import; nothing was stored",
                _NEXT,
            )
        for day in list(wanted)[:1]:
            _require_dataset(file, symbol, day, vendor)
        return OwnedFile(
            path,
            file.sha256,
            file.metadata.dataset,
            symbol,
            raw,
            in_file,
            report.records,
            file.synthetic,
            query,
            window,
            wanted,
            left_out,
        )


def register(owned: OwnedFile, cache: RawCache) -> dict[date, str]:
    """Put a file into the cache, once for each of its trade dates.

    Args:
        owned: as examined.
        cache: of real files, or of synthetic ones, as the file is.

    Returns:
        Trade dates that keep the file they have, and why; nothing is ever put in place of what was paid for.

    Raises:
        VendorError: E305 the file has changed since; E339 the disk refuses. LakeError: E501 somebody works on the day for too long.
    """
    kept: dict[date, str] = {}
    first: Path | None = None
    for day in owned.days:
        with cache.locked(owned.query, day) as folder:
            found = _usable(folder)
            if found is not None and found.sha256 == owned.sha256:
                first = found.path
                continue
            if found is not None and found.details.get("mode") != IMPORTED:
                kept[day] = "a file of the same window was bought before and stays"
                continue
            part = folder.new_part(1)
            _copy(owned.path if first is None else first, part, link=first is not None)
            details: dict[str, object] = {
                "mode": IMPORTED,
                "name": owned.path.name,
                "symbol_in_file": owned.symbol_in_file,
                "window": list(owned.window_ns),
            }
            made = folder.commit(Bought(part, owned.records, 0.0, details=details))
            if made.sha256 != owned.sha256:
                folder.quarantine(made.path)
                folder.sidecar_path.unlink()
                raise VendorError(
                    "E305",
                    f"{owned.path.name} changed while it was being imported",
                    "something still writes to it; nothing was stored",
                    _NEXT,
                )
            first = made.path
    return kept


class _DayCounter:
    """Counts records of an instrument by trade date."""

    def __init__(self, sessions: list[Session], instrument_ids: frozenset[int]) -> None:
        self._days = [session.trade_date for session in sessions]
        self._starts: Int64s = np.array([ns_of(session.window_start) for session in sessions], np.int64)
        self._ends: Int64s = np.array([ns_of(session.window_end) for session in sessions], np.int64)
        self._ids = np.array(sorted(instrument_ids), np.uint32)
        self._counts: Int64s = np.zeros(len(sessions), np.int64)

    def add(self, records: Records) -> None:
        if not self._days:
            return
        received = records["ts_recv"][np.isin(records["instrument_id"], self._ids)].astype(np.int64)
        place = np.searchsorted(self._starts, received, side="right") - 1
        owned = (place >= 0) & (received < self._ends[place])
        self._counts += np.bincount(place[owned], minlength=len(self._days))

    def counts(self) -> dict[date, int]:
        return {day: int(count) for day, count in zip(self._days, self._counts.tolist(), strict=True) if count}


def instrument_of(file: DbnFile, named: str | None, vendor: Vendor) -> tuple[str, str]:
    """Return the vendor's name of the instrument, and how the file names it."""
    metadata = file.metadata
    if named is None:
        if len(metadata.mappings) == 1 and metadata.stype_in == "raw_symbol":
            (only,) = metadata.mappings
            return only, only
        raise RefusedError(
            "E390",
            f"{file.name} does not say which one contract or share it is to be imported as: it was asked for by "
            f"{metadata.stype_in or 'several kinds of names'}, symbols {', '.join(sorted(metadata.mappings)[:5]) or 'none'}",
            "records of a wrong contract would fill the wrong days; nothing was stored",
            command("tp", "l2", "import", file.path, "--symbol", next(iter(sorted(metadata.mappings)), "ESH4")),
        )
    meant = vendor_symbol(
        named,
        instant_of(metadata.start_ns).date(),
        # What the file itself writes in small letters is no slip of the person who names it.
        mapping={name: MappedSymbol(name) for name in metadata.mappings if name != in_capitals(name)},
        registry=vendor.registry,
        rolls=vendor.rolls,
        default_dataset=metadata.dataset,
        schema=metadata.schema or "",
    )
    raw = meant.vendor_symbol
    if meant.stype_in != "raw_symbol":
        raise RefusedError(
            "E390",
            f"--symbol {named} is a rule and no contract",
            "which contract it meant on the dates of the file is known to the vendor only; nothing was stored",
            command("tp", "l2", "import", file.path, "--symbol", "ESH4"),
        )
    if raw in metadata.mappings:
        return raw, raw
    if len(metadata.mappings) == 1 and metadata.stype_in in {"continuous", "instrument_id"}:
        return raw, next(iter(metadata.mappings))
    raise RefusedError(
        "E391",
        f"{file.name} does not hold {raw}; it holds {', '.join(sorted(metadata.mappings)[:5]) or 'no symbol'}",
        "nothing was stored",
        _NEXT,
    )


def own_name(raw: str, dataset: str, vendor: Vendor) -> str:
    """Return the platform's name of a vendor's symbol: the root of a future, a local name of the mapping file, or the symbol itself."""
    root = future_root(raw, vendor.registry)
    if root is not None:
        return root
    for local, entry in vendor.mapping.items():
        if _means(entry, raw, dataset):
            return local
    return raw


def _means(entry: MappedSymbol, raw: str, dataset: str) -> bool:
    return entry.symbol == raw and entry.dataset in {None, dataset}


def _sessions(file: DbnFile, vendor: Vendor, symbol: str, now: datetime) -> Iterator[Session]:
    """Yield the open sessions that own a part of the file's window, ascending."""
    calendar = calendar_for(vendor.market(symbol).calendar)
    first = calendar.trade_date_at(max(instant_of(file.metadata.start_ns), _noon_of(calendar.first, now)))
    end = end_of(file)
    stop = min(now, now if end is None else instant_of(end - 1))
    last = calendar.trade_date_at(max(stop, instant_of(file.metadata.start_ns)))
    yield from (session for session in calendar.sessions(first, last) if session.is_open)


def _noon_of(day: date, like: datetime) -> datetime:
    return datetime(day.year, day.month, day.day, 12, tzinfo=like.tzinfo)


def end_of(file: DbnFile) -> int | None:
    """Return the end of the file's window; None for a query without an end."""
    end = file.metadata.end_ns
    return None if end is None or end >= _OPEN_END else end


def _window(file: DbnFile, report: DbnReport, raw: str) -> tuple[Query, tuple[int, int]]:
    start, end = file.metadata.start_ns, end_of(file)
    last = start if report.last_ns is None else report.last_ns
    stated = last + 1 if end is None else end
    query = Query(file.metadata.dataset, file.metadata.schema or "", raw, "raw_symbol", start, stated)
    cut = file.metadata.limit is not None and report.records >= file.metadata.limit
    return query, (start, last + 1 if cut else stated)


def _wanted(
    symbol: str, raw: str, counts: Mapping[date, int], vendor: Vendor
) -> tuple[dict[date, int], dict[date, str]]:
    """Split the trade dates of a file into those that are made from it and those that are not."""
    wanted: dict[date, int] = {}
    left_out: dict[date, str] = {}
    is_future = symbol in vendor.registry.instruments and vendor.registry.get(symbol).is_future
    for day, count in counts.items():
        front = raw_future(vendor.rolls.front(symbol, day)) if is_future else raw
        if front == raw:
            wanted[day] = count
        else:
            left_out[day] = f"{raw} is not in front ({front} is)"
    return wanted, left_out


def _require_dataset(file: DbnFile, symbol: str, day: date, vendor: Vendor) -> None:
    """Refuse a file of another venue than the one that the symbol is configured for: its days would never be found."""
    expected = vendor_symbol(
        symbol,
        day,
        mapping=vendor.mapping,
        registry=vendor.registry,
        rolls=vendor.rolls,
        default_dataset=vendor.settings.databento_dataset,
        schema=file.metadata.schema or "",
    ).dataset
    if file.metadata.dataset != expected:
        raise VendorError(
            "E311",
            f"{file.name} comes from dataset {file.metadata.dataset}, {symbol} is configured for {expected}",
            "another venue's book is another book; TP_DATABENTO_DATASET or the mapping file name the venue; nothing was stored",
            "tp config",
        )


def _usable(folder: DayFolder) -> RawFile | None:
    """Return the file that is there; a damaged one is put aside by looking at it, and the import takes its place."""
    try:
        return folder.find()
    except RefusedError:
        return None


def _copy(source: Path, target: Path, *, link: bool) -> None:
    """Copy a file, or link it if it lies in the cache already: a file of a month would else be there twenty times."""
    try:
        if link:
            os.link(source, target)
        else:
            shutil.copyfile(source, target)
    except OSError as error:
        target.unlink(missing_ok=True)
        raise VendorError(
            "E339",
            f"{target} cannot be written: {error.strerror or error}",
            "the disk is full or may not be written; nothing was stored",
            "tp config",
        ) from error
