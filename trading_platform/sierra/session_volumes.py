"""Contracts traded per contract and trade date, over every file of a root.

Belongs here: summing ``TotalVolume`` of the trades of each session, and remembering the sums. Does not belong here: what is decided from
them (``instruments.crossover``), stored ticks.

A volume is known only of a whole session: not of the one a file begins or ends in, not if the file is silent for long, and not if bars or
damage stand where trades should be. Half a session would look like a contract that is traded half as much.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import PlatformError, SourceError
from ..files import replace_file
from ..instants import us_of
from ..instruments import Contract, Instrument, Registry, parse_sierra_symbol
from ..instruments.crossover import ContractVolumes, SessionVolume
from ..sessions import Session, TradingCalendar, silence_limit_s
from .archive import ScidSource, SierraArchive
from .checks import REJECTED_FRAC_MAX
from .damage import NEAR_EDGE, covered_date, owners
from .format import EPOCH_OFFSET_US, INT32_MAX, OPEN_FIRST_BITS, OPEN_LAST_BITS, RECORD, Records
from .index import ScidIndex
from .islands import find_islands, without
from .records import RecordKind, record_kinds
from .scid import BLOCK_RECORDS

# Rises when a sum means something else, so that remembered ones are not used.
_LAYOUT = 1
_SILENCE_S = 1_800.0  # as in the check session_gaps of ticks
_NEAR_EDGE_US = int(NEAR_EDGE.total_seconds()) * 1_000_000


@dataclass(frozen=True, slots=True)
class UnreadableFile:
    """A file that could not be summed; the others are not affected.

    Attributes:
        name: file name.
        error: why.
    """

    name: str
    error: PlatformError


@dataclass(frozen=True)
class ArchiveVolumes:
    """What an archive says about one root.

    Attributes:
        contracts: volumes by contract; one whose file is unreadable carries the problem.
        unreadable: files that could not be summed.
        synthetic: True if any of the files says that it was generated.
    """

    contracts: Mapping[Contract, ContractVolumes]
    unreadable: tuple[UnreadableFile, ...]
    synthetic: bool

    @property
    def first(self) -> date | None:
        """Return the first trade date with records of any contract; None if there is none."""
        return min((min(found.sessions) for found in self.contracts.values() if found.sessions), default=None)

    @property
    def last(self) -> date | None:
        """Return the last trade date with records of any contract; None if there is none."""
        return max((max(found.sessions) for found in self.contracts.values() if found.sessions), default=None)


def session_volumes(
    archive: SierraArchive,
    registry: Registry,
    instrument: Instrument,
    calendar: TradingCalendar,
    now: datetime,
    *,
    first: date | None = None,
    last: date | None = None,
    cache_dir: Path | None = None,
) -> ArchiveVolumes:
    """Sum the volume of every contract of a root in the archive, per trade date.

    Args:
        archive: the files.
        registry: to tell whose file it is if its contract is not clear.
        instrument: the future.
        calendar: its trading calendar.
        now: aware time; records later than one day after it are implausible.
        first: first trade date to sum; None for the first in a file.
        last: last trade date to sum, inclusive; None for the last in a file.
        cache_dir: folder of the home's cache, in which the sums are remembered; None remembers nothing.

    Returns:
        Volumes in contracts per contract and open trade date that has records. Quotes are no trades and count nothing.

    Raises:
        SourceError: E211 the configured folder does not exist; E216 the register cannot be read.
    """
    found: dict[Contract, ContractVolumes] = {}
    unreadable: list[UnreadableFile] = []
    synthetic = False
    for contract in sorted(
        {source.contract for source in archive.files() if source.contract and source.contract.root == instrument.symbol}
    ):
        try:
            source = archive.file_for(contract)
            index = archive.index(source, now)
            summing = _FileVolumes(index, calendar, _Remembered.load(cache_dir, source.path, index.generation))
            found[contract] = ContractVolumes(summing.volumes(first, last))
            synthetic = synthetic or index.file.synthetic
        except SourceError as error:
            found[contract] = ContractVolumes({}, f"{error.code} {error.what}")
            unreadable.append(UnreadableFile(_name_of(contract, archive), error))
    unreadable += [
        UnreadableFile(source.path.name, source.error)
        for source in archive.files()
        if source.error is not None and _is_of(source, instrument.symbol, registry)
    ]
    return ArchiveVolumes(found, tuple(unreadable), synthetic)


@dataclass(frozen=True, slots=True)
class _Sums:
    """What the records of one session add up to.

    Attributes:
        volume: contracts traded.
        trades: records that are trades.
        refused: records that are neither trades nor quotes.
        silence_us: longest time within trading hours without a record.
    """

    volume: int
    trades: int
    refused: int
    silence_us: int


class _FileVolumes:
    """Sums one file.

    Args:
        index: of the file.
        calendar: windows of trade dates.
        remembered: sums from before.
    """

    def __init__(self, index: ScidIndex, calendar: TradingCalendar, remembered: _Remembered) -> None:
        self._index = index
        self._calendar = calendar
        self._remembered = remembered
        self._islands = find_islands(index, calendar)
        self._buffer: Records = np.empty(BLOCK_RECORDS, RECORD)
        self._lost: dict[date, int] = {}
        for run in index.bad_runs:
            for day in owners(run, calendar):
                self._lost[day] = self._lost.get(day, 0) + run.stop - run.first

    def volumes(self, first: date | None, last: date | None) -> dict[date, SessionVolume]:
        """Return the volume of each open trade date that has records."""
        begin, end = self._covered()
        if begin is None or end is None:
            return {}
        sessions = [
            (session, ranges)
            for session in self._calendar.sessions(begin, end)
            if session.is_open and (ranges := self._ranges(session))
        ]
        found = {}
        for position, (session, ranges) in enumerate(sessions):
            if (first is None or first <= session.trade_date) and (last is None or session.trade_date <= last):
                is_first, is_last = position == 0, position == len(sessions) - 1
                found[session.trade_date] = self._volume(session, ranges, is_first=is_first, is_last=is_last)
        self._remembered.save()
        return found

    def _covered(self) -> tuple[date | None, date | None]:
        """Return the trade dates of the earliest and the latest good time."""
        first_us, last_us = self._index.first_us, self._index.last_us
        if first_us is None or last_us is None:
            return None, None
        return covered_date(first_us, self._calendar), covered_date(last_us, self._calendar)

    def _ranges(self, session: Session) -> list[tuple[int, int]]:
        return without(self._index.ranges(us_of(session.window_start), us_of(session.window_end)), self._islands)

    def _volume(
        self, session: Session, ranges: list[tuple[int, int]], *, is_first: bool, is_last: bool
    ) -> SessionVolume:
        cut = self._cut_off(session, ranges, is_first=is_first, is_last=is_last)
        if cut is not None:
            return SessionVolume(None, cut)
        sums = self._remembered.get(session, ranges)
        if sums is None:
            sums = self._sum(session, ranges)
            self._remembered.put(session, ranges, sums)
        refused = sums.refused + self._lost.get(session.trade_date, 0)
        if refused > REJECTED_FRAC_MAX * (sums.trades + refused):
            there = sums.trades + refused
            return SessionVolume(None, f"{refused:,} of {there:,} records are no single trades (bars or damage)")
        silence_s = sums.silence_us / 1_000_000
        if silence_s > silence_limit_s(session, sums.trades, at_least_s=_SILENCE_S):
            return SessionVolume(None, f"no record for {silence_s / 60:.0f} minutes of trading hours")
        return SessionVolume(sums.volume)

    def _cut_off(self, session: Session, ranges: list[tuple[int, int]], *, is_first: bool, is_last: bool) -> str | None:
        """Tell whether the file begins or ends in the middle of a session."""
        opens_us, closes_us = _hours_us(session)
        time_of = self._index.file.timestamp_us
        if is_first and min(time_of(first) for first, _ in ranges) > opens_us + _NEAR_EDGE_US:
            return "the file begins in the middle of the session"
        if is_last and max(time_of(stop - 1) for _, stop in ranges) < closes_us - _NEAR_EDGE_US:
            return "the file ends in the middle of the session"
        return None

    def _sum(self, session: Session, ranges: list[tuple[int, int]]) -> _Sums:
        """Read the records of a session once; parts that lie out of order in the file are taken in the order of time."""
        sums = _Sums(0, 0, 0, 0)
        opens_us, closes_us = _hours_us(session)
        before_us = opens_us
        for first, stop in sorted(ranges, key=lambda part: self._index.file.timestamp_us(part[0])):
            for at in range(first, stop, BLOCK_RECORDS):
                block = self._buffer[: min(BLOCK_RECORDS, stop - at)]
                self._index.file.read_into(block, at)
                times = np.clip(block["dt"] - EPOCH_OFFSET_US, opens_us, closes_us)
                silence_us = int(np.diff(times, prepend=before_us).max())
                before_us = int(times[-1])
                volume, trades, refused = _sum_of_trades(block)
                sums = _Sums(
                    sums.volume + volume,
                    sums.trades + trades,
                    sums.refused + refused,
                    max(sums.silence_us, silence_us),
                )
        return replace(sums, silence_us=max(sums.silence_us, closes_us - before_us))


def _hours_us(session: Session) -> tuple[int, int]:
    if session.opens_at is None or session.closes_at is None:
        raise ValueError(f"Expected an open session, was {session.trade_date} ({session.reason})")
    return us_of(session.opens_at), us_of(session.closes_at)


def _sum_of_trades(records: Records) -> tuple[int, int, int]:
    """Return contracts, trades, and records that are neither trades nor quotes.

    What is a trade is decided as for ``ticks``, except that prices are not looked at.
    """
    total = np.ascontiguousarray(records["total_volume"])
    bits = np.ascontiguousarray(records["open"]).view(np.uint32)
    opened = np.count_nonzero(bits)
    if opened:
        opened -= np.count_nonzero(bits == OPEN_FIRST_BITS) + np.count_nonzero(bits == OPEN_LAST_BITS)
    num_trades = np.ascontiguousarray(records["num_trades"])
    if not opened and num_trades.min() == num_trades.max() == 1 and total.min() >= 1 and total.max() <= INT32_MAX:
        return int(total.sum(dtype=np.int64)), len(records), 0
    kinds = record_kinds(records)
    is_trade = (kinds == RecordKind.TRADE) & (total >= 1) & (total <= INT32_MAX)
    quotes = int(np.count_nonzero(kinds == RecordKind.QUOTE))
    trades = int(np.count_nonzero(is_trade))
    return int(total[is_trade].sum(dtype=np.int64)), trades, len(records) - trades - quotes


class _Remembered:
    """Sums of one file by trade date, valid for one generation of its index and exactly the same record ranges.

    Args:
        path: JSON file; None remembers nothing. It may be deleted at any time.
        generation: of the index: what was true of a record range stays true while it holds.
        days: sums by trade date.
    """

    def __init__(self, path: Path | None, generation: str, days: dict[str, Any]) -> None:
        self._path = path
        self._generation = generation
        self._days = days
        self._changed = False

    @classmethod
    def load(cls, cache_dir: Path | None, file: Path, generation: str) -> _Remembered:
        """Read what is remembered of a file; whatever cannot be read counts as nothing."""
        if cache_dir is None:
            return cls(None, generation, {})
        name = hashlib.sha256(str(file.absolute()).encode()).hexdigest()[:32]
        path = cache_dir / "session_volumes" / f"{name}.json"
        try:
            saved = json.loads(path.read_text(encoding="ascii"))
            days = saved["days"] if (saved["layout"], saved["generation"]) == (_LAYOUT, generation) else {}
        except (OSError, ValueError, KeyError, TypeError):
            days = {}
        return cls(path, generation, days)

    def get(self, session: Session, ranges: Sequence[tuple[int, int]]) -> _Sums | None:
        """Return the sums of exactly these records and trading hours, if they are known."""
        match self._days.get(session.trade_date.isoformat()):
            case [list(known), int(volume), int(trades), int(refused), int(silence_us)]:
                return _Sums(volume, trades, refused, silence_us) if known == _key(session, ranges) else None
        return None

    def put(self, session: Session, ranges: Sequence[tuple[int, int]], sums: _Sums) -> None:
        """Remember sums."""
        known = (sums.volume, sums.trades, sums.refused, sums.silence_us)
        self._days[session.trade_date.isoformat()] = [_key(session, ranges), *known]
        self._changed = True

    def save(self) -> None:
        """Write what is new; a disk that refuses costs time at the next call and nothing else."""
        if self._path is None or not self._changed:
            return
        document = json.dumps({"layout": _LAYOUT, "generation": self._generation, "days": self._days})
        with contextlib.suppress(OSError):
            replace_file(self._path, lambda file: file.write(document.encode("ascii")), durable=False)


def _key(session: Session, ranges: Sequence[tuple[int, int]]) -> list[list[int]]:
    return [list(_hours_us(session)), *(list(part) for part in ranges)]


def _name_of(contract: Contract, archive: SierraArchive) -> str:
    """Return the names of all files that could hold a contract."""
    return ", ".join(source.path.name for source in archive.files() if source.contract == contract)


def _is_of(source: ScidSource, root: str, registry: Registry) -> bool:
    symbol = parse_sierra_symbol(source.path.name.rpartition(".")[0], registry)
    return symbol is not None and symbol.root == root
