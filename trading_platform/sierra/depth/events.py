"""The dataset ``<FUT>/depth_events``: one trade date of one root from the front contract's ``.depth`` files.

Belongs here: ``DepthEventsBuilder``, which resolves a day and streams it into a writer. Does not belong here: decoding (``decode.py``),
which records form a day (``window.py``), checks (``checks.py``), the book (``trading_platform.depth``), commit and events.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import ClassVar

import numpy as np

from ...clock import Clock
from ...errors import LakeError, SourceError, command
from ...instants import instant_of, us_of
from ...instruments import Contract, Instrument, RollTable
from ...lake import (
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
from ...lake.contracts import DEPTH_EVENTS
from ...sessions import Session, TradingCalendar
from ..checks import REJECTED_FRAC_MAX
from ..format import as_bytes, latest_dt
from ..guard import no_price_scale
from ..prices import PriceRule
from ..record_file import BLOCK_RECORDS
from ..row_group import RowGroup
from ..scan import ISLAND_RECORDS
from .archive import FOLDER, DepthArchive, DepthFileSource
from .checks import CHECKS, check_depth
from .decode import DepthColumns, DepthDecoder
from .facts import DepthFactCounter
from .format import RECORD
from .guard import guard_files
from .tables import BatchMaker, chunk_of, reject_batch, stored_chunks
from .window import FileSlice, expected_dates, slice_of, touched_dates

_SOURCE_FACTS = ("files", "missing_files", "rejected_rows", "zero_tail")
_OUTCOMES = {"E219": Outcome.UNAVAIL, "E227": Outcome.MISSING, "E230": Outcome.MISSING, "E231": Outcome.UNAVAIL}


@dataclass(frozen=True)
class _DaySource:
    """Where the bytes of a planned day are."""

    slices: tuple[FileSlice, ...]
    missing_files: tuple[str, ...]
    contract: Contract
    rule: PriceRule
    latest: int

    @property
    def zero_tail(self) -> int:
        return sum(one.zero_tail for one in self.slices)


class DepthEventsBuilder:
    """Builds any day of ``<FUT>/depth_events``.

    Args:
        instrument: a future with Sierra symbols.
        lake: where ``measure`` reads stored days.
        archive: finds the files of a contract.
        rolls: names the front contract.
        calendar: the instrument's trading calendar.
        clock: decides what has opened and what is complete.
        stat_cache: hashes of unchanged source bytes; None hashes every time.

    Attributes:
        CODE_VERSION: version of the transformation, for asset definitions.
        CHECKS: names of the checks and what they demand.
    """

    CODE_VERSION: ClassVar[str] = "1"
    CHECKS: ClassVar[Mapping[str, str]] = CHECKS

    def __init__(
        self,
        instrument: Instrument,
        lake: Lake,
        archive: DepthArchive,
        rolls: RollTable,
        calendar: TradingCalendar,
        clock: Clock,
        stat_cache: StatCache | None = None,
    ) -> None:
        self._instrument = instrument
        self._lake = lake
        self._archive = archive
        self._rolls = rolls
        self._calendar = calendar
        self._clock = clock
        self._stat_cache = stat_cache

    @property
    def contract(self) -> DatasetContract:
        """Return the contract of the dataset."""
        return DEPTH_EVENTS

    @property
    def symbol(self) -> str:
        """Return the root, the first part of the asset key."""
        return self._instrument.symbol

    @property
    def code_version(self) -> str:
        """Return the version of the transformation."""
        return self.CODE_VERSION

    def not_recorded(self, trade_date: date) -> str | None:
        """Return why the day lies before the first record of the root; None if its files should hold it.

        Raises:
            SourceError: E221 to E225 the first file cannot be used, and only it could tell.
        """
        try:
            first = self._archive.first_file(self.symbol)
        except SourceError as error:
            if error.code != "E231":
                raise
            return error.what
        if first is None:
            return f"there is no .depth file of {self.symbol} in {self._archive.directory}"
        end = self._calendar.session(trade_date).window_end
        began = datetime(first.utc_date.year, first.utc_date.month, first.utc_date.day, tzinfo=UTC)
        # A recording that was switched on in the evening has a file of that UTC day, and nothing of the trade date that had ended.
        if end > began and end < began + timedelta(days=1):
            first_us = self._archive.index(first, self._clock.now()).first_us
            began = end if first_us is None else instant_of(first_us)
        return None if end > began else f"the .depth files of {self.symbol} begin on {first.utc_date.isoformat()}"

    def plan(self, trade_date: date) -> DayPlan:
        """Resolve a day without reading its records.

        Returns:
            CLOSED without a session; PENDING (E232) before the session opens or while its first records are awaited; MISSING (E230 no file
            of any UTC day that the window touches, E227 one that fed the stored day is gone, E233 files without a record of an open
            session that is over); UNAVAIL (E231 no folder, E219 no price scale); otherwise undecided, with contract, prices and missing
            files as resolved inputs.

        Raises:
            SourceError: E221 to E225, E229: a file cannot be used.
        """
        session = self._calendar.session(trade_date)
        if session.opens_at is None:
            return DayPlan(trade_date, session, Outcome.CLOSED, session.reason or "no session on this date")
        now = self._clock.now()
        if now < session.opens_at:
            reason = f"the session opens {session.opens_at:%Y-%m-%d %H:%M} UTC"
            return _decided(session, Outcome.PENDING, self._not_yet(session, reason))
        over = session.is_final(now)
        try:
            day = self._locate(self._rolls.front(self.symbol, trade_date), session, now)
        except SourceError as error:
            outcome = _OUTCOMES.get(error.code)
            if not over and (outcome is Outcome.MISSING or error.code == "E221"):
                outcome = Outcome.PENDING  # Sierra Chart creates a file before it writes the header
            if outcome is None:
                raise
            return _decided(session, outcome, error)
        complete = over or self._has_ended(day, session, now)
        used = tuple(one for one in day.slices if one.spans)
        if not used:
            names = ", ".join(one.source.path.name for one in day.slices)
            if not complete:
                return _decided(session, Outcome.PENDING, self._not_yet(session, f"{names}: no records of it yet"))
            return _decided(session, Outcome.MISSING, self._no_records(session, names))
        # A tail that turns up behind a stored day must be judged; days without one keep their fingerprint.
        tail: dict[str, Json] = {"zero_tail": day.zero_tail} if day.zero_tail else {}
        return DayPlan(
            trade_date,
            session,
            resolved={
                **tail,
                "contract": day.contract.symbol,
                "price_scale": day.rule.price_scale,
                "tick_size": day.rule.tick_size,
                "price_band": list(day.rule.price_band),
                "allows_negative": day.rule.allows_negative,
                "missing_files": list(day.missing_files),
            },
            complete=complete,
            synthetic=any(one.index.file.synthetic for one in used),
            detail=_DaySource(used, day.missing_files, day.contract, day.rule, day.latest),
        )

    def hash_sources(self, plan: DayPlan, *, verify: bool = False) -> tuple[SourceSlice, ...]:
        """Return name and sha256 of the day's record bytes per file, from the stat cache if the file has only grown since.

        Raises:
            SourceChangedError: E225 a file shrank.
        """
        cache = self._stat_cache
        found = []
        for one in _day_of(plan).slices:
            digest = None if verify or cache is None else cache.get(one.hash_key, one.index.generation_status)
            if digest is None:
                hasher = hashlib.sha256()
                for _, _, block in one.blocks(np.empty(BLOCK_RECORDS, RECORD), lambda: BLOCK_RECORDS):
                    hasher.update(as_bytes(block).data)
                digest = hasher.hexdigest()
                self._remember(one, digest)
            found.append(SourceSlice(one.source.path.name, digest))
        return tuple(found)

    def build(self, plan: DayPlan, writer: PartitionWriter) -> BuildReport:
        """Stream the day into the writer: read, hash, decode, append, measure, in one pass over its bytes.

        Raises:
            SourceError: E207 price scale; E226 a zero record.
            SourceChangedError: E225 a file shrank; E234 one was rewritten.
        """
        day = _day_of(plan)
        guard_files(day.slices, self._instrument, day.rule)
        decoder = DepthDecoder(day.rule, day.latest)
        counter = DepthFactCounter(plan.session)
        output = RowGroup(
            writer,
            DepthColumns.empty,
            lambda columns: counter.add(chunk_of(columns)),
            BatchMaker(day.contract.symbol).batch,
        )
        buffer = np.empty(BLOCK_RECORDS, RECORD)
        sources = []
        for one in day.slices:
            decoder.begin(one)
            hasher = hashlib.sha256()
            for span, at, block in one.blocks(buffer, output.room):
                hasher.update(as_bytes(block).data)
                rejects = decoder.decode(block, at, output.columns, damaged=span.damaged)
                if decoder.other_day_rows:
                    # Its time of modification does not tell: scan it anew, so that the next plan sees what is there.
                    self._archive.index(one.source, self._clock.now(), rescan=True)
                    raise self._rewritten(plan.session, one.source, at)
                if rejects is not None:
                    writer.reject(reject_batch(rejects))
                if output.room() == 0:
                    output.flush()
            sources.append(SourceSlice(one.source.path.name, hasher.hexdigest()))
            self._remember(one, sources[-1].sha256)
        output.flush()
        return BuildReport(
            sources=tuple(sources),
            facts={**counter.facts(), **_source_facts(decoder, day)},
            rejected=dict(sorted(decoder.rejected.items())),
            preview=counter.preview(),
        )

    def check(self, facts: Mapping[str, Json], session: Session) -> tuple[CheckResult, ...]:
        """Judge a day by its facts; the clock only decides whether silence before the close means anything yet."""
        return check_depth(facts, session_over=session.is_final(self._clock.now()))

    def measure(self, trade_date: date) -> Mapping[str, Json]:
        """Recompute the facts from the stored file; what only the sources know is taken from its footer.

        Returns:
            Empty if the day has no file or no rows.

        Raises:
            LakeError: E505 if the stored file is damaged.
        """
        footer = self._lake.footer(DEPTH_EVENTS.name, self.symbol, trade_date)
        session = self._calendar.session(trade_date)
        if footer is None or not footer.facts or not session.is_open:
            return {}
        counter = DepthFactCounter(session)
        for chunk in stored_chunks(self._lake.path(DEPTH_EVENTS.name, self.symbol, trade_date)):
            counter.add(chunk)
        return {**counter.facts(), **{name: footer.facts.get(name) for name in _SOURCE_FACTS}}

    def _locate(self, contract: Contract, session: Session, now: datetime) -> _DaySource:
        touched, expected = touched_dates(session), expected_dates(session, now)
        sources = self._archive.files_for(contract, touched[0], touched[-1])
        if not sources:
            raise self._missing(contract, expected)
        scale = self._archive.price_scale(sources[0])
        if scale is None:
            raise no_price_scale(self.symbol, sources[0])
        found = {source.utc_date for source in sources}
        last = sources[-1]
        missing = [last.path.name.replace(str(last.utc_date), str(day)) for day in expected if day not in found]
        self._refuse_fragment(session, missing)
        slices = tuple(
            slice_of(source, self._archive.index(source, now), session, self._calendar, now) for source in sources
        )
        rule = PriceRule.of(self._instrument, scale)
        return _DaySource(slices, tuple(missing), contract, rule, latest_dt(now))

    def _refuse_fragment(self, session: Session, missing_files: Sequence[str]) -> None:
        """Refuse a day whose stored version was fed by files that are missing now: what is left must not replace the whole."""
        if not missing_files:
            return
        try:
            footer = self._lake.footer(DEPTH_EVENTS.name, self.symbol, session.trade_date)
        except LakeError:  # a damaged file protects nothing
            return
        fed = set() if footer is None else {source.name for source in footer.sources}
        gone = [name for name in missing_files if name in fed]
        if not gone:
            return
        day = session.trade_date.isoformat()
        raise SourceError(
            "E227",
            f"{', '.join(gone)}, which fed the stored day {self.symbol} {day}, is no longer there",
            "the day would shrink to what the other files hold; the stored day is kept: put the file back, or forget the day to build it "
            "from what is left",
            command("tp", "forget", f"{self.symbol}/{DEPTH_EVENTS.name}", "--day", day, "--dry-run"),
        )

    @staticmethod
    def _has_ended(day: _DaySource, session: Session, now: datetime) -> bool:
        """Tell whether more records follow a session than a few with a wrong date, after its end by the clock."""
        if now < session.window_end:
            return False
        later = day.slices[-1].index.ranges(us_of(session.window_end), us_of(now))
        return sum(stop - first for first, stop in later) > ISLAND_RECORDS

    def _remember(self, one: FileSlice, digest: str) -> None:
        if self._stat_cache is not None:
            self._stat_cache.put(one.hash_key, one.index.generation_status, digest)

    def _again(self, session: Session) -> str:
        return f"tp backfill {self.symbol}/{DEPTH_EVENTS.name} --from {session.trade_date} --to {session.trade_date}"

    def _missing(self, contract: Contract, expected: list[date]) -> SourceError:
        sierra = self._instrument.sierra
        exchange = "" if sierra is None else f"_FUT_{sierra.exchange}"
        names = ", ".join(f"{contract.symbol}{exchange}.{day}.depth" for day in expected)
        folder = None if self._archive.directory is None else self._archive.directory / FOLDER
        return SourceError(
            "E230",
            f"no market depth of {contract} in {folder}: looked for {names}, and for the same under other symbol styles",
            "Sierra Chart records market depth only if it is set to, and serves about 30 days of it: a day that was not kept is gone",
            "tp doctor",
        )

    def _not_yet(self, session: Session, reason: str) -> SourceError:
        return SourceError(
            "E232",
            f"{self.symbol}/{DEPTH_EVENTS.name} {session.trade_date} cannot be made yet: {reason}",
            "the source is not there yet; an older partition of the day is intact, and the next backfill tries again",
            self._again(session),
        )

    def _no_records(self, session: Session, names: str) -> SourceError:
        return SourceError(
            "E233",
            f"no records of the open session {session.trade_date} in {names}",
            "Sierra Chart was not connected in these hours or has not downloaded them; an open session without any order is not credible",
            self._again(session),
        )

    def _rewritten(self, session: Session, source: DepthFileSource, index: int) -> SourceChangedError:
        return SourceChangedError(
            "E234",
            f"{source.path.name} was rewritten while it was read: records from {index} on no longer belong to this day",
            "Sierra Chart or a copy replaced the content in place; nothing was stored, an older partition is intact",
            self._again(session),
        )


def _decided(session: Session, outcome: Outcome, error: SourceError) -> DayPlan:
    return DayPlan(session.trade_date, session, outcome, error.what, error, complete=False)


def _day_of(plan: DayPlan) -> _DaySource:
    if not isinstance(plan.detail, _DaySource):
        raise TypeError(f"Expected an undecided plan of DepthEventsBuilder.plan, was {plan}")
    return plan.detail


def _source_facts(decoder: DepthDecoder, day: _DaySource) -> dict[str, Json]:
    rejected = sum(decoder.rejected.values())
    facts: dict[str, Json] = {
        "files": [one.source.path.name for one in day.slices],
        "missing_files": list(day.missing_files),
        "rejected_rows": rejected,
        "zero_tail": day.zero_tail,
    }
    # A position in the file is no property of the day, so it must not be stored. Above the limit the day is refused and never stored, and
    # the position is what a person needs.
    if decoder.first_reject is not None and rejected > REJECTED_FRAC_MAX * (decoder.rows + rejected):
        name, index, reason = decoder.first_reject
        facts["first_reject"] = f"{name}, record {index}, {reason}"
    return facts
