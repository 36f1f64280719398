"""The dataset ``<FUT>/ticks``: one trade date of one root from the front contract's ``.scid`` file.

Belongs here: ``TicksBuilder``, which resolves a day and streams it into a writer. Does not belong here: decoding (``decode.py``), checks
(``checks.py``), commit and events.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import ClassVar

import numpy as np

from ..clock import Clock
from ..errors import SourceError
from ..instants import us_of
from ..instruments import Contract, Instrument, RollTable
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
from ..lake.contracts import TICKS
from ..sessions import Session, TradingCalendar
from .archive import ScidSource, SierraArchive
from .checks import CHECKS, REJECTED_FRAC_MAX, check_ticks
from .damage import owners
from .decode import TickColumns, TickDecoder, Verdict
from .duplicates import find_duplicates
from .facts import FactCounter, chunk_of
from .format import RECORD, Records, Timing, as_bytes, latest_dt
from .guard import bar_storage, guard_day, legacy_dates, no_price_scale, reference_price
from .index import ScidIndex
from .islands import Island, find_islands, without
from .prices import PriceRule
from .row_group import RowGroup
from .scan import ISLAND_RECORDS
from .scid import BLOCK_RECORDS
from .spans import Span, hash_key, read_blocks, undamaged
from .tables import BatchMaker, reject_batch, stored_chunks

_SOURCE_FACTS = (
    "quote_rows",
    "rejected_rows",
    "stray_records",
    "zero_tail",
    "duplicate_records",
    "duplicate_blocks",
    "duplicate_at",
)
_MISSING = {"E210": Outcome.MISSING, "E211": Outcome.UNAVAIL}


@dataclass(frozen=True)
class _DaySource:
    """Where the bytes of a planned day are."""

    source: ScidSource
    index: ScidIndex
    contract: Contract
    rule: PriceRule
    spans: tuple[Span, ...]
    stray_records: int
    zero_tail: int
    latest: int

    @property
    def ranges(self) -> list[tuple[int, int]]:
        return undamaged(self.spans)

    def blocks(self, buffer: Records, room: Callable[[], int]) -> Iterator[tuple[Span, int, Records]]:
        """Yield span, index and records block by block in one reused buffer; ``room`` says how many records a block may have."""
        return read_blocks(self.index.file, self.spans, buffer, room)

    @property
    def hash_key(self) -> str:
        return hash_key(self.source.path, self.spans)


class TicksBuilder:
    """Builds any day of ``<FUT>/ticks``.

    Args:
        instrument: a future with Sierra symbols.
        lake: where ``measure`` reads stored days.
        archive: finds the file of a contract.
        rolls: names the front contract.
        calendar: the instrument's trading calendar.
        clock: decides what has opened and what is complete.
        stat_cache: hashes of unchanged source bytes; None hashes every time.

    Attributes:
        CODE_VERSION: version of the transformation, for asset definitions.
        CHECKS: names of the checks and what they demand.
    """

    CODE_VERSION: ClassVar[str] = "2"
    CHECKS: ClassVar[Mapping[str, str]] = CHECKS

    def __init__(
        self,
        instrument: Instrument,
        lake: Lake,
        archive: SierraArchive,
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
        self._owned: tuple[ScidIndex, dict[date, list[Span]], tuple[Island, ...]] | None = None

    @property
    def contract(self) -> DatasetContract:
        """Return the contract of the dataset."""
        return TICKS

    @property
    def symbol(self) -> str:
        """Return the root, the first part of the asset key."""
        return self._instrument.symbol

    @property
    def code_version(self) -> str:
        """Return the version of the transformation."""
        return self.CODE_VERSION

    def plan(self, trade_date: date) -> DayPlan:
        """Resolve a day without reading its records.

        Returns:
            CLOSED without a session; PENDING (E213) before the session opens or while its first records are awaited; MISSING (E210 no
            file, E214 a file without records of an open session that is over); UNAVAIL (E211 no folder, E219 no Sierra symbol); otherwise
            undecided, with contract, prices and stray records as resolved inputs.

        Raises:
            SourceError: E200 to E205, E212, E216: the file cannot be used.
        """
        session = self._calendar.session(trade_date)
        if session.opens_at is None:
            return DayPlan(trade_date, session, Outcome.CLOSED, session.reason or "no session on this date")
        now = self._clock.now()
        if now < session.opens_at:
            return _decided(
                session,
                Outcome.PENDING,
                self._not_yet(session, f"the session opens {session.opens_at:%Y-%m-%d %H:%M} UTC"),
            )
        contract = self._rolls.front(self.symbol, trade_date)
        over = session.is_final(now)
        try:
            source = self._archive.file_for(contract)
            day = self._locate(source, contract, session, now)
        except SourceError as error:
            outcome = self._outcome_of(error, session, over=over)
            if outcome is None:
                raise
            return _decided(session, outcome, error)
        complete = over or self._has_ended(day.index, session, now)
        if not day.spans:
            if not complete:
                return _decided(
                    session, Outcome.PENDING, self._not_yet(session, f"{source.path.name} has no records of it yet")
                )
            return _decided(session, Outcome.MISSING, self._no_records(session, source))
        # A tail that turns up behind a stored day must be judged; days without one keep their fingerprint.
        tail: dict[str, Json] = {"zero_tail": day.zero_tail} if day.zero_tail else {}
        return DayPlan(
            trade_date,
            session,
            resolved={
                **tail,
                "contract": contract.symbol,
                "price_scale": day.rule.price_scale,
                "tick_size": day.rule.tick_size,
                "price_band": list(day.rule.price_band),
                "allows_negative": day.rule.allows_negative,
                "stray_records": day.stray_records,
            },
            complete=complete,
            synthetic=day.index.file.synthetic,
            detail=day,
        )

    def hash_sources(self, plan: DayPlan, *, verify: bool = False) -> tuple[SourceSlice, ...]:
        """Return name and sha256 of the day's record bytes, from the stat cache if the file has only grown since.

        Raises:
            SourceChangedError: E204 the file shrank.
        """
        day = _day_of(plan)
        cache = self._stat_cache
        digest = None if verify or cache is None else cache.get(day.hash_key, day.index.generation_status)
        if digest is None:
            hasher = hashlib.sha256()
            for _, _, block in day.blocks(np.empty(BLOCK_RECORDS, RECORD), lambda: BLOCK_RECORDS):
                hasher.update(as_bytes(block).data)
            digest = hasher.hexdigest()
            self._remember(day, digest)
        return (SourceSlice(day.source.path.name, digest),)

    def build(self, plan: DayPlan, writer: PartitionWriter) -> BuildReport:
        """Stream the day into the writer: read, hash, decode, append, measure, in one pass over its bytes.

        Raises:
            SourceError: E205 legacy dates; E206 bars; E207 price scale; E208 a zero record; E209 no common price level; E220 volumes too
                large to sum exactly.
            SourceChangedError: E204 the file shrank; E218 it was rewritten.
        """
        day = _day_of(plan)
        file, session = day.index.file, plan.session
        sample = guard_day(file, day.ranges, self._instrument, day.rule, style=day.source.style)
        decoder = TickDecoder(
            file.path,
            day.rule,
            us_of(session.window_start),
            us_of(session.window_end),
            day.latest,
            reference=reference_price(file.path, sample, day.rule),
        )
        counter = FactCounter(session, day.rule, f"tp sierra inspect {file.path}")
        output = RowGroup(
            writer,
            TickColumns.empty,
            lambda columns: counter.add(chunk_of(columns)),
            BatchMaker(day.contract.symbol).batch,
        )
        hasher = hashlib.sha256()
        for span, at, block in day.blocks(np.empty(BLOCK_RECORDS, RECORD), output.room):
            hasher.update(as_bytes(block).data)
            rejects = decoder.decode(block, at, output.columns, damaged=span.damaged)
            if decoder.other_day_rows:
                # Its time of modification does not tell: scan it anew, so that the next plan sees what is there.
                self._archive.index(day.source, self._clock.now(), rescan=True)
                raise _rewritten(file.name, at)
            if rejects is not None:
                writer.reject(reject_batch(rejects))
            if output.room() == 0:
                output.flush()
        output.flush()
        self._refuse_wrong_storage(day, decoder)
        digest = hasher.hexdigest()
        self._remember(day, digest)
        return BuildReport(
            sources=(SourceSlice(file.name, digest),),
            facts={**counter.facts(), **_source_facts(file.name, decoder, day)},
            rejected=dict(sorted(decoder.rejected.items())),
            preview=counter.preview(),
        )

    def check(self, facts: Mapping[str, Json], session: Session) -> tuple[CheckResult, ...]:
        """Judge a day by its facts; the clock only decides whether silence before the close means anything yet."""
        return check_ticks(facts, session, session_over=session.is_final(self._clock.now()))

    def measure(self, trade_date: date) -> Mapping[str, Json]:
        """Recompute the facts from the stored file; what only the source knows is taken from its footer.

        Returns:
            Empty if the day has no file or no rows.

        Raises:
            LakeError: E505 if the stored file is damaged.
            SourceError: E220 if its sums are too large to be exact.
        """
        footer = self._lake.footer(TICKS.name, self.symbol, trade_date)
        session = self._calendar.session(trade_date)
        if footer is None or not footer.facts or not session.is_open:
            return {}
        again = f"tp backfill {self.symbol}/ticks --from {trade_date} --to {trade_date} --force"
        counter = FactCounter(session, self._rule(1.0), again)
        for chunk in stored_chunks(self._lake.path(TICKS.name, self.symbol, trade_date)):
            counter.add(chunk)
        return {**counter.facts(), **{name: footer.facts.get(name) for name in _SOURCE_FACTS}}

    def _locate(self, source: ScidSource, contract: Contract, session: Session, now: datetime) -> _DaySource:
        scale = self._archive.price_scale(source)
        if scale is None:
            raise no_price_scale(self.symbol, source)
        index = self._archive.index(source, now)
        if not len(index.segments) and any(run.timing is Timing.LEGACY_DATE for run in index.bad_runs):
            raise legacy_dates(source.path, index.bad_runs[0].first)
        damaged, islands = self._damage(index)
        islands = tuple(island for island in islands if island.holds_at(now))
        ranges = without(index.ranges(us_of(session.window_start), us_of(session.window_end)), islands)
        own = [
            Span(island.first, island.stop, damaged=True) for island in islands if island.owner == session.trade_date
        ]
        spans = [*(Span(a, b, damaged=False) for a, b in ranges), *damaged.get(session.trade_date, []), *own]
        zero_tail = 0
        if index.zero_tail and session.is_final(now) and _is_last(index, ranges, session, islands):
            zero_tail = index.zero_tail
        return _DaySource(
            source,
            index,
            contract,
            self._rule(scale),
            tuple(sorted(spans, key=lambda span: span.first)),
            _stray_records(index, ranges, islands),
            zero_tail,
            latest_dt(now),
        )

    @staticmethod
    def _has_ended(index: ScidIndex, session: Session, now: datetime) -> bool:
        """Tell whether more records follow a session than a few with a wrong date, after its end by the clock."""
        if now < session.window_end:
            return False
        later = index.ranges(us_of(session.window_end), us_of(now))
        return sum(stop - first for first, stop in later) > ISLAND_RECORDS

    def _damage(self, index: ScidIndex) -> tuple[dict[date, list[Span]], tuple[Island, ...]]:
        if self._owned is None or self._owned[0] is not index:
            found: dict[date, list[Span]] = {}
            for run in index.bad_runs:
                for day in owners(run, self._calendar):
                    found.setdefault(day, []).append(Span(run.first, run.stop, damaged=True))
            self._owned = (index, found, find_islands(index, self._calendar))
        return self._owned[1], self._owned[2]

    def _rule(self, price_scale: float) -> PriceRule:
        return PriceRule.of(self._instrument, price_scale)

    def _remember(self, day: _DaySource, digest: str) -> None:
        if self._stat_cache is not None:
            self._stat_cache.put(day.hash_key, day.index.generation_status, digest)

    @staticmethod
    def _refuse_wrong_storage(day: _DaySource, decoder: TickDecoder) -> None:
        """Name a setting only if it explains most rejects: random damage also looks like an old date or a bar now and then."""
        total = sum(decoder.rejected.values())
        if total <= REJECTED_FRAC_MAX * (decoder.rows + total):
            return
        if 2 * decoder.rejected.get(Verdict.LEGACY_DATE.reason, 0) > total:
            runs = (run.first for run in day.index.bad_runs if run.timing is Timing.LEGACY_DATE)
            raise legacy_dates(day.source.path, next(runs, 0))
        bars = decoder.rejected.get(Verdict.BAR_RECORD.reason, 0)
        if 2 * bars > total and decoder.first_reject is not None:
            raise bar_storage(day.source.path, bars / (decoder.rows + total), decoder.first_reject[0])

    def _outcome_of(self, error: SourceError, session: Session, *, over: bool) -> Outcome | None:
        """Return the outcome that an error of the source means, None for a plain error."""
        if error.code == "E219":
            return Outcome.UNAVAIL
        if error.code == "E200" and not over and session.is_open:
            return Outcome.PENDING  # Sierra Chart creates the file before it writes the header
        outcome = _MISSING.get(error.code)
        return Outcome.PENDING if outcome is Outcome.MISSING and not over else outcome

    def _not_yet(self, session: Session, reason: str) -> SourceError:
        day = session.trade_date
        return SourceError(
            "E213",
            f"{self.symbol}/ticks {day} cannot be made yet: {reason}",
            "the source is not there yet; an older partition of the day is intact, and the next backfill tries again",
            f"tp backfill {self.symbol}/ticks --from {day} --to {day}",
        )

    def _no_records(self, session: Session, source: ScidSource) -> SourceError:
        return SourceError(
            "E214",
            f"{source.path.name} holds no records of the open session {session.trade_date}",
            "Sierra Chart was not connected that day or has not downloaded it; a day without any trade of the front contract is not "
            "credible",
            f"tp sierra inspect {source.path}",
        )


def _decided(session: Session, outcome: Outcome, error: SourceError) -> DayPlan:
    return DayPlan(session.trade_date, session, outcome, error.what, error, complete=False)


def _day_of(plan: DayPlan) -> _DaySource:
    if not isinstance(plan.detail, _DaySource):
        raise TypeError(f"Expected an undecided plan of TicksBuilder.plan, was {plan}")
    return plan.detail


def _stray_records(index: ScidIndex, ranges: list[tuple[int, int]], islands: tuple[Island, ...]) -> int:
    """Count good records between the first and the last record of a day that belong to other days."""
    if not ranges:
        return 0
    first, stop = ranges[0][0], ranges[-1][1]
    own = sum(b - a for a, b in ranges)
    lost = [*((run.first, run.stop) for run in index.bad_runs), *((island.first, island.stop) for island in islands)]
    bad = sum(b - a for a, b in lost if first <= a < stop)
    return stop - first - own - bad


def _is_last(index: ScidIndex, ranges: list[tuple[int, int]], session: Session, islands: tuple[Island, ...]) -> bool:
    """Tell whether a day is the last one of the file that has records."""
    last_us = index.last_us
    if not ranges or last_us is None:
        return False
    return not without(index.ranges(us_of(session.window_end), last_us + 1), islands)


def _source_facts(name: str, decoder: TickDecoder, day: _DaySource) -> dict[str, Json]:
    rejected = sum(decoder.rejected.values())
    duplicates = find_duplicates(day.index, day.ranges)
    facts: dict[str, Json] = {
        "quote_rows": decoder.quote_rows,
        "rejected_rows": rejected,
        "stray_records": day.stray_records,
        "zero_tail": day.zero_tail,
        "duplicate_records": duplicates.records,
        "duplicate_blocks": duplicates.blocks,
        "duplicate_at": duplicates.first_at,
    }
    # A position in the file is no property of the day (an earlier backfill shifts it), so it must not be stored. Above the limit the day is
    # refused and never stored, and the position is what a person needs.
    if decoder.first_reject is not None and rejected > REJECTED_FRAC_MAX * (decoder.rows + rejected):
        facts["first_reject"] = f"{name}, record {decoder.first_reject[0]}, {decoder.first_reject[1]}"
    return facts


def _rewritten(name: str, index: int) -> SourceChangedError:
    return SourceChangedError(
        "E218",
        f"{name} was rewritten while it was read: records from {index} on no longer belong to this day",
        "Sierra Chart or a copy replaced the content in place; nothing was stored, an older partition is intact",
        "tp runs",
    )
