"""The dataset ``<UND>/chain_cboe``: one trade date of one underlying from quote tables of Cboe.

Belongs here: ``ChainCboeBuilder``. Does not belong here: decoding (``cboe.py``), which files form a day (``archive.py``, ``days.py``),
checks (``checks.py``), commit and events.

A day begins with its window, not with trading: a file that was downloaded before the open is stored at once, and the day stays partial
until its calendar day has ended. A day without a file is not recorded: nobody can fetch a chain of the past.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
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
from .days import market_date_of
from .facts import ChainFactCounter, stored_rows
from .repeats import is_repeat

COMPARED: Final = "compared with "
"""What the name of a source begins with that fed no row of the day: the snapshot before it, which decides on repeats."""

SECOND_OF_MINUTE: Final = "second_file_of_the_minute"
_SOURCE_FACTS = (
    "files", "copies", "refused_files", "rejected_lines", "duplicate_contracts", "absent_sides", "expiries_beyond_calendar",
)  # fmt: skip


@dataclass(frozen=True)
class _DaySource:
    """The files of a planned day, by time, and the snapshot before the first of them if it shows the same session."""

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

    Attributes:
        CODE_VERSION: version of the transformation, for asset definitions.
        CHECKS: names of the checks and what they demand.
    """

    CODE_VERSION: ClassVar[str] = "1"
    CHECKS: ClassVar[Mapping[str, str]] = CHECKS

    def __init__(
        self,
        symbol: str,
        lake: Lake,
        archive: ChainArchive,
        calendar: TradingCalendar,
        clock: Clock,
        stat_cache: StatCache | None = None,
    ) -> None:
        self._symbol = symbol
        self._lake = lake
        self._archive = archive
        self._calendar = calendar
        self._clock = clock
        self._stat_cache = stat_cache

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
        """
        try:
            found = self._archive.files_of(self.symbol, trade_date)
        except SourceError as error:
            return error.what
        so_far = "" if self._calendar.session(trade_date).is_final(self._clock.now()) else " so far"
        return None if found else f"no chain file of {self.symbol} was saved on {trade_date.isoformat()}{so_far}"

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
            SourceError: E241 to E247 if no file of the day can be used: the error of the first one.
            SourceChangedError: E251 a file was replaced since the plan.
        """
        day = _day_of(plan)
        run = _Run(writer, ChainFactCounter(self._window(plan.trade_date)))
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
        return check_chain(facts)

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
        counter = ChainFactCounter(self._window(trade_date))
        for rows in stored_rows(self._lake.path(self.contract.name, self.symbol, trade_date)):
            counter.add(rows)
        return {**counter.facts(), **{name: footer.facts.get(name) for name in _SOURCE_FACTS}}

    def _add(self, run: _Run, file: ChainFile, content: bytes, before: ChainFile | None) -> None:
        try:
            chain = self._decode(file, content)
        except SourceChangedError:
            raise
        except SourceError as error:
            run.first_error = run.first_error or error
            run.refuse(file, f"file_{error.code}", error.what)
            return
        if run.last is None and before is not None:
            run.last = self._decoded_before(before)
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
        """Return the snapshot before a day if it shows the same session: otherwise the first one of the day is no repeat."""
        before = self._archive.before(first)
        if before is None or self._market_date(before) != self._market_date(first):
            return None
        return before

    def _market_date(self, file: ChainFile) -> date | None:
        return None if file.observed_at is None else market_date_of(file.observed_at, self._calendar)

    def _window(self, trade_date: date) -> tuple[datetime, datetime]:
        """Return the span of instants that a day owns: from the end of the previous open calendar day to its own end."""
        previous = self._calendar.session(self._calendar.previous_open(trade_date))
        return previous.window_end, self._calendar.session(trade_date).window_end

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
        """Return the error for a day whose stored version was fed by files that are missing now; what is left must not replace it."""
        try:
            footer = self._lake.footer(self.contract.name, self.symbol, session.trade_date)
        except LakeError:  # a damaged file protects nothing
            return None
        present = {file.name for file in files}
        fed = (
            [] if footer is None else [source.name for source in footer.sources if not source.name.startswith(COMPARED)]
        )
        gone = [name for name in fed if name not in present]
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
        more = (
            f"; {len(refused)} files there cannot be used, the first: {refused[0].error.what}"
            if refused and refused[0].error
            else ""
        )
        return SourceError(
            "E248",
            f"no chain file of {self.symbol} for {session.trade_date} below {self._archive.directory}{more}",
            "nobody saved one on that day, and a chain of the past cannot be fetched later; the time inside the file counts, not its name",
            self._again(session.trade_date),
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


@dataclass
class _Run:
    """What is known while the files of a day are read."""

    writer: PartitionWriter
    counter: ChainFactCounter
    last: pl.DataFrame | None = None
    observed_at: datetime | None = None
    name: str = ""
    copies: int = 0
    digests: set[str] = field(default_factory=set)
    first_error: SourceError | None = None
    rejected: dict[str, int] = field(default_factory=dict)
    refused_files: list[str] = field(default_factory=list)
    absent: int = 0
    beyond: int = 0

    def accept(self, chain: DecodedChain, file: ChainFile) -> None:
        frame = chain.frame
        if self.last is not None and is_repeat(self.last, frame):
            frame = frame.with_columns(is_repeat=pl.lit(value=True))
        self.last, self.observed_at, self.name = frame, file.observed_at, file.name
        self.counter.add(frame)
        self.writer.append(frame.drop("source").to_arrow())
        self._reject(chain.rejects, chain.header.observed_at)
        self.absent += int(str(chain.facts["absent"]))
        self.beyond = max(self.beyond, int(str(chain.facts["expiries_beyond_calendar"])))

    def refuse(self, file: ChainFile, reason: str, text: str) -> None:
        self.refused_files.append(f"{file.name} ({reason})")
        row = {"file": [file.name], "row": [0], "right": [None], "reason": [reason], "text": [text]}
        if file.observed_at is None:
            raise ValueError(f"Expected a file with a time, was {file}")
        self._reject(pl.DataFrame(row, schema_overrides={"right": pl.String}), file.observed_at)

    def _reject(self, rows: pl.DataFrame, observed_at: datetime) -> None:
        if rows.is_empty():
            return
        at = pl.lit(observed_at, pl.Datetime("us", "UTC")).alias("observed_at")
        self.writer.reject(rows.select(at, pl.all()).to_arrow())
        for reason, count in rows.group_by("reason").len().iter_rows():
            self.rejected[reason] = self.rejected.get(reason, 0) + count

    def source_facts(self, files: int) -> dict[str, Json]:
        lines = sum(self.rejected.values()) - len(self.refused_files)
        return {
            "files": files,
            "copies": self.copies,
            "refused_files": list(self.refused_files),
            "rejected_lines": lines,
            "duplicate_contracts": self.rejected.get("duplicate_contract", 0),
            "absent_sides": self.absent,
            "expiries_beyond_calendar": self.beyond,
        }


def _decided(session: Session, outcome: Outcome, error: SourceError) -> DayPlan:
    return DayPlan(session.trade_date, session, outcome, error.what, error, complete=False)


def _day_of(plan: DayPlan) -> _DaySource:
    if not isinstance(plan.detail, _DaySource):
        raise TypeError(f"Expected an undecided plan of ChainCboeBuilder.plan, was {plan}")
    return plan.detail
