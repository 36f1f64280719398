"""The dataset ``<UND>/chain_cboe``: one trade date of one underlying from quote tables of Cboe.

Belongs here: ``ChainCboeBuilder``. Does not belong here: decoding (``cboe.py``), which files form a day (``archive.py``, ``days.py``),
checks (``checks.py``), commit and events.

A day begins with its window, not with trading: a file that was downloaded before the open is stored at once, and the day stays partial
until its calendar day has ended. A day without a file is not recorded: nobody can fetch a chain of the past.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import ClassVar, Final

import polars as pl

from ..clock import Clock
from ..errors import LakeError, SourceError, command
from ..lake import (
    BuildReport,
    CheckResult,
    DatasetContract,
    DayPlan,
    Json,
    Lake,
    Outcome,
    PartitionWriter,
    SourceChangedError,
    SourceSlice,
    StatCache,
)
from ..lake.contracts import CHAIN_CBOE
from ..sessions import Session, TradingCalendar
from .archive import ChainArchive, ChainFile
from .cboe import DecodedChain, decode_quote_table, read_bytes
from .checks import CHECKS, check_chain
from .day_run import DayRun
from .days import window_of
from .facts import MEASURED, ChainFactCounter
from .stored import stored_rows

COMPARED: Final = "compared with "
"""What the name of a source begins with that fed no row of the day: the snapshot before it, which decides on repeats and tells what is
lacking."""

SECOND_OF_MINUTE: Final = "second_file_of_the_minute"
_SOURCE_FACTS = (
    "files", "copies", "refused_files", "rejected_lines", "duplicate_contracts", "absent_sides", "expiries_beyond_calendar",
    "other_name_dates", "lacking", "expiries_off_price", "spot_deviation",
)  # fmt: skip


@dataclass(frozen=True)
class _DaySource:
    """The files of a planned day, by time, and the last usable snapshot before the first of them."""

    files: tuple[ChainFile, ...]
    before: ChainFile | None


class ChainCboeBuilder:
    """Builds any day of ``<UND>/chain_cboe``.

    Args:
        symbol: the underlying, e.g. ``SPX``.
        lake: where ``measure`` reads stored days.
        archive: finds the files of a day.
        calendar: the underlying's trading calendar.
        clock: decides what lies in the future and what is complete.
        stat_cache: hashes of unchanged files; None hashes every time.
        price_band: lowest and highest credible price of the underlying, points; None if nobody knows them.

    Attributes:
        CODE_VERSION: version of the transformation, for asset definitions.
        CHECKS: names of the checks and what they demand.
    """

    CODE_VERSION: ClassVar[str] = "2"
    CHECKS: ClassVar[Mapping[str, str]] = CHECKS

    def __init__(
        self,
        symbol: str,
        lake: Lake,
        archive: ChainArchive,
        calendar: TradingCalendar,
        clock: Clock,
        stat_cache: StatCache | None = None,
        *,
        price_band: tuple[float, float] | None = None,
    ) -> None:
        self._symbol = symbol
        self._lake = lake
        self._archive = archive
        self._calendar = calendar
        self._clock = clock
        self._stat_cache = stat_cache
        self._price_band = price_band

    @property
    def contract(self) -> DatasetContract:
        """Return the contract of the dataset."""
        return CHAIN_CBOE

    @property
    def symbol(self) -> str:
        """Return the underlying, the first part of the asset key."""
        return self._symbol

    @property
    def code_version(self) -> str:
        """Return the version of the transformation."""
        return self.CODE_VERSION

    def not_recorded(self, trade_date: date) -> str | None:
        """Return why there is no chain of a day; None if a file has it.

        The same holds for a closed day and for one that still lasts: nobody has to save a chain every day, and a file that comes later is
        found later. A range over years with a few files takes as many runs as there are files, and none for every holiday between them.
        Files that cannot be used and whose day nobody knows are named: one of them may be the file of this day.
        """
        try:
            if self._archive.files_of(self.symbol, trade_date):
                return None
            unknown = self._archive.without_day()
        except SourceError as error:
            return error.what
        so_far = "" if self._calendar.session(trade_date).is_final(self._clock.now()) else " so far"
        beside = f"; files of an unknown day that cannot be used: {unknown}" if unknown else ""
        return f"no chain file of {self.symbol} was saved on {trade_date.isoformat()}{so_far}{beside}"

    def plan(self, trade_date: date) -> DayPlan:
        """Resolve a day from the heads of its files.

        Returns:
            CLOSED without a session; UNAVAIL (E240) without a folder; PENDING (E249) without a file while the day lasts; MISSING (E248 no
            file, E250 one that fed the stored day is gone); otherwise undecided.
        """
        session = self._calendar.session(trade_date)
        if not session.is_open:
            return DayPlan(trade_date, session, Outcome.CLOSED, session.reason or "no session on this date")
        complete = session.is_final(self._clock.now())
        try:
            files = self._archive.files_of(self.symbol, trade_date)
        except SourceError as error:
            return _decided(session, Outcome.UNAVAIL, error)
        if not files and not complete:
            return _decided(session, Outcome.PENDING, self._not_yet(session))
        if not files:
            return _decided(session, Outcome.MISSING, self._missing(session))
        gone = self._gone(session, files)
        if gone is not None:
            return _decided(session, Outcome.MISSING, gone)
        return DayPlan(
            trade_date,
            session,
            complete=complete,
            synthetic=any(file.synthetic for file in files),
            detail=_DaySource(files, self._before(files[0])),
        )

    def hash_sources(self, plan: DayPlan, *, verify: bool = False) -> tuple[SourceSlice, ...]:
        """Return name and sha256 of the day's files and of the snapshot before them, from the stat cache where they are unchanged.

        Raises:
            SourceError: E241 a file cannot be read.
        """
        day = _day_of(plan)
        found = [SourceSlice(file.name, self._hash(file, verify=verify)) for file in day.files]
        if day.before is not None:
            found.append(SourceSlice(COMPARED + day.before.name, self._hash(day.before, verify=verify)))
        return tuple(found)

    def build(self, plan: DayPlan, writer: PartitionWriter) -> BuildReport:
        """Decode the files of the day into the writer, one after the other.

        A file that cannot be used is put into quarantine as one line, and the others go on.

        Raises:
            SourceError: E241 to E247, E255 or E256 if no file of the day can be used: the error of the first one.
            SourceChangedError: E251 a file was replaced since the plan.
        """
        day = _day_of(plan)
        run = DayRun(writer, ChainFactCounter(window_of(plan.trade_date, self._calendar)))
        sources = []
        for file in day.files:
            content = read_bytes(file.path)
            digest = hashlib.sha256(content).hexdigest()
            sources.append(SourceSlice(file.name, digest))
            if digest in run.digests:
                run.copies += 1
            elif run.observed_at == file.observed_at:
                run.refuse(
                    file,
                    SECOND_OF_MINUTE,
                    f"another file has the time {file.observed_at:%Y-%m-%d %H:%M} UTC: {run.name}",
                )
            else:
                self._add(run, file, content, day.before)
            run.digests.add(digest)
        if day.before is not None:
            sources.append(SourceSlice(COMPARED + day.before.name, self._hash(day.before, verify=False)))
        if run.first_error is not None and run.observed_at is None:
            raise run.first_error
        return BuildReport(
            sources=tuple(sources),
            facts={**run.counter.facts(), **run.source_facts(len(day.files))},
            rejected=dict(sorted(run.rejected.items())),
        )

    def check(self, facts: Mapping[str, Json], session: Session) -> tuple[CheckResult, ...]:  # noqa: ARG002
        """Judge a day by its facts."""
        return check_chain(facts, price_band=self._price_band)

    def measure(self, trade_date: date) -> Mapping[str, Json]:
        """Recompute the facts from the stored file; what only the files know is taken from its footer.

        Returns:
            Empty if the day has no file or no rows.

        Raises:
            LakeError: E505 if the stored file is damaged.
        """
        footer = self._lake.footer(self.contract.name, self.symbol, trade_date)
        if footer is None or not footer.facts:
            return {}
        counter = ChainFactCounter(window_of(trade_date, self._calendar))
        for rows in stored_rows(self._lake, self.contract.name, self.symbol, trade_date, MEASURED):
            counter.add(rows)
        return {**counter.facts(), **{name: footer.facts.get(name) for name in _SOURCE_FACTS}}

    def _add(self, run: DayRun, file: ChainFile, content: bytes, before: ChainFile | None) -> None:
        try:
            chain = self._decode(file, content)
        except SourceChangedError:
            raise
        except SourceError as error:
            run.first_error = run.first_error or error
            run.refuse(file, f"file_{error.code}", error.what)
            return
        if run.whole is None and before is not None:
            run.begin(self._decoded_before(before), same_session=before.market_date == file.market_date)
        run.accept(chain, file)

    def _decode(self, file: ChainFile, content: bytes) -> DecodedChain:
        chain = decode_quote_table(content, file.name, symbol=self.symbol, calendar=self._calendar)
        if chain.header.observed_at != file.observed_at:
            raise self._replaced(file)
        return chain

    def _decoded_before(self, before: ChainFile) -> pl.DataFrame | None:
        """Return the snapshot before the day; None if it cannot be used, which its own day reports."""
        try:
            return self._decode(before, read_bytes(before.path)).frame
        except SourceChangedError:
            raise
        except SourceError:
            return None

    def _before(self, first: ChainFile) -> ChainFile | None:
        """Return the snapshot before a day: it tells whether the first one of the day is a repeat, and what that one lacks."""
        return self._archive.before(first)

    def _hash(self, file: ChainFile, *, verify: bool) -> str:
        key = f"chain:{file.path}"
        cache = self._stat_cache
        digest = None if verify or cache is None else cache.get(key, file.status)
        if digest is None:
            digest = hashlib.sha256(read_bytes(file.path)).hexdigest()
            if cache is not None:
                cache.put(key, file.status, digest)
        return digest

    def _gone(self, session: Session, files: tuple[ChainFile, ...]) -> SourceError | None:
        """Return the error for a day whose stored version was fed by files that are missing now; what is left must not replace it.

        A file that has another name now, or of which a copy is there, is not missing.
        """
        try:
            footer = self._lake.footer(self.contract.name, self.symbol, session.trade_date)
        except LakeError:  # a damaged file protects nothing
            return None
        present = {file.name for file in files}
        fed = [] if footer is None else [source for source in footer.sources if not source.name.startswith(COMPARED)]
        without_name = [source for source in fed if source.name not in present]
        if not without_name:
            return None
        try:
            digests = {self._hash(file, verify=False) for file in files}
        except SourceError as error:  # nobody knows whether the file is the one that fed the day
            return error
        gone = [source.name for source in without_name if source.sha256 not in digests]
        if not gone:
            return None
        day = session.trade_date.isoformat()
        return SourceError(
            "E250",
            f"{', '.join(gone)}, which fed the stored day {self.symbol} {day}, is no longer a chain file of that day",
            "the day would shrink to what the other files hold; the stored day is kept: put the file back, or forget the day to build it "
            "from what is left",
            command("tp", "forget", f"{self.symbol}/{self.contract.name}", "--day", day, "--dry-run"),
        )

    def _again(self, day: date) -> str:
        return f"tp backfill {self.symbol}/{self.contract.name} --from {day} --to {day}"

    def _missing(self, session: Session) -> SourceError:
        refused = self._archive.refused()
        error = refused[0].error if refused else None
        more = (
            ""
            if error is None
            else f"; {len(refused)} files there cannot be used, the first: {error.code} {error.what}"
        )
        return SourceError(
            "E248",
            f"no chain file of {self.symbol} for {session.trade_date} below {self._archive.directory}{more}",
            "nobody saved one on that day, and a chain of the past cannot be fetched later; the time inside the file counts, not its name",
            "tp doctor",
        )

    def _not_yet(self, session: Session) -> SourceError:
        return SourceError(
            "E249",
            f"{self.symbol}/{self.contract.name} {session.trade_date} cannot be made yet: no chain file of the day so far",
            "the day lasts until midnight in New York; the next backfill tries again",
            self._again(session.trade_date),
        )

    def _replaced(self, file: ChainFile) -> SourceChangedError:
        day = self._archive.trade_date(file)
        return SourceChangedError(
            "E251",
            f"{file.name} was replaced while it was read: its head has another time now",
            "a download was saved under the same name; nothing was stored, an older partition is intact",
            self._again(day),
        )


def _decided(session: Session, outcome: Outcome, error: SourceError) -> DayPlan:
    return DayPlan(session.trade_date, session, outcome, error.what, error, complete=False)


def _day_of(plan: DayPlan) -> _DaySource:
    if not isinstance(plan.detail, _DaySource):
        raise TypeError(f"Expected an undecided plan of ChainCboeBuilder.plan, was {plan}")
    return plan.detail
