"""``build_day``: the only path from a source to a committed file.

Belongs here: the order of plan, comparison, build, checks and commit for one partition, and what each end of it is
called. Does not belong here: Dagster events (``assets/progress.py``) and the work itself (a ``DayBuilder``).
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import LakeError, PlatformError, QualityError
from .building import (
    BuildReport,
    CheckResult,
    DayBuilder,
    DayEndsError,
    DayPlan,
    Json,
    Outcome,
    Preview,
    Severity,
    SourceChangedError,
    SourceSlice,
    fingerprint_of,
)
from .footer import Footer, FooterFields
from .local import Lake
from .reader import is_intact
from .superseded import keep, loses_rows
from .writer import FAILED_NAME, PartitionWriter

if TYPE_CHECKING:
    from ..sessions import Session

_NO_FILE = frozenset({Outcome.PENDING, Outcome.MISSING, Outcome.UNAVAIL})


@dataclass(frozen=True)
class DayResult:
    """What became of one partition, with everything an event or a table shows.

    Attributes:
        trade_date: the partition.
        outcome: see :class:`Outcome`.
        reason: why, for outcomes that have a reason.
        rows: rows of the stored file; 0 for failed days.
        size_bytes: size of the stored file; 0 for failed days.
        path: the stored file, or None for failed days, whose older file, if any, is untouched.
        fingerprint: of the stored file, None for failed days.
        content_hash: of the stored file, None for failed days.
        complete: False while the session may still add data, and for failed days.
        synthetic: True if the rows were generated.
        facts: what was measured; also for a day that failed its checks.
        rejected: quarantined rows by reason code.
        checks: answers of the data checks.
        preview: points for a picture of the day, if it has rows.
        error: why the day failed.
        seconds: wall time.
        plan: what was resolved, None if that failed.
        session: the session, None if it could not be resolved.
        details: what the event shows besides the facts, such as what was paid.
        parts: what became of each file, where the partition holds several.
    """

    trade_date: date
    outcome: Outcome
    reason: str | None = None
    rows: int = 0
    size_bytes: int = 0
    path: Path | None = None
    fingerprint: str | None = None
    content_hash: str | None = None
    complete: bool = False
    synthetic: bool = False
    facts: Mapping[str, Json] = field(default_factory=dict)
    rejected: Mapping[str, int] = field(default_factory=dict)
    checks: tuple[CheckResult, ...] = ()
    preview: Preview | None = None
    error: PlatformError | None = None
    seconds: float = 0.0
    plan: DayPlan | None = None
    session: Session | None = None
    details: Mapping[str, Json] = field(default_factory=dict)
    parts: tuple[DayPart, ...] = ()


@dataclass(frozen=True, slots=True)
class DayPart:
    """One file of a partition that holds several.

    Attributes:
        symbol: whose file it is.
        result: what became of it.
        cost_usd: what this run paid for it, USD; None if that is not known.
    """

    symbol: str
    result: DayResult
    cost_usd: float | None = 0.0


def build_day(
    builder: DayBuilder, trade_date: date, lake: Lake, *, force: bool = False, verify: bool = False
) -> DayResult:
    """Bring one partition up to date.

    Args:
        builder: the dataset.
        trade_date: the partition.
        lake: where it is stored.
        force: build although nothing has changed.
        verify: hash the source bytes again instead of trusting the stat cache, and check every page of the stored file.

    Returns:
        The outcome. Errors are part of it (outcome ERROR) and never raised, so one bad day does not hold up the others; only what ends the
        process (``BaseException``: Ctrl-C, interrupts of a run) passes through, after temporary files were deleted.
    """
    started = time.perf_counter()
    attempt = _Attempt(builder, trade_date, lake, force=force, verify=verify)
    try:
        try:
            result = attempt.run()
        except SourceChangedError:
            # The source grew or was replaced between plan and build: resolve it again, once.
            result = attempt.run()
    except DayEndsError as end:
        result = attempt.failed(end.error, end.outcome)
    except PlatformError as error:
        result = attempt.failed(error)
    except Exception as error:
        result = attempt.failed(_unexpected(builder, trade_date, error))
    return replace(result, seconds=time.perf_counter() - started)


class _Attempt:
    """One call of ``build_day``; keeps what is known so far for the result of a day that fails."""

    def __init__(self, builder: DayBuilder, trade_date: date, lake: Lake, *, force: bool, verify: bool) -> None:
        self._builder = builder
        self._trade_date = trade_date
        self._lake = lake
        self._force = force
        self._verify = verify
        self._known = DayResult(trade_date, Outcome.ERROR)

    def run(self) -> DayResult:
        plan = self._builder.plan(self._trade_date)
        self._known = DayResult(
            self._trade_date,
            Outcome.ERROR,
            reason=plan.reason,
            synthetic=plan.synthetic,
            plan=plan,
            session=plan.session,
            details=plan.details,
        )
        if plan.decided in _NO_FILE:
            return replace(self._known, outcome=plan.decided, error=plan.error)
        if plan.decided is not None and plan.decided.is_without_rows:
            return self._store_nothing(plan, plan.decided)
        if plan.decided is not None:
            raise ValueError(f"Expected a plan decided as without rows or as one of {_NO_FILE}, was {plan.decided}")
        return self._skip(plan) or self._build(plan)

    def failed(self, error: PlatformError, outcome: Outcome = Outcome.ERROR) -> DayResult:
        return replace(self._known, outcome=outcome, reason=error.what, error=error, complete=False)

    def _store_nothing(self, plan: DayPlan, outcome: Outcome) -> DayResult:
        """Commit a file without rows, unless the same one is there."""
        fingerprint = fingerprint_of(self._builder, plan, ())
        footer = self._footer()
        if footer is not None and footer.fingerprint == fingerprint and not self._force:
            return self._stored(plan, footer, outcome)
        with self._lake.begin(self._builder.contract, self._builder.symbol, self._trade_date) as writer:
            fields = self._fields(plan, BuildReport((), {}), fingerprint, outcome, plan.reason)
            return self._commit(plan, writer, fields)

    def _skip(self, plan: DayPlan) -> DayResult | None:
        """Return the stored partition if it was made from what would make it now."""
        if self._force:
            return None
        footer = self._footer()
        if footer is None:
            return None
        sources = self._builder.hash_sources(plan, verify=self._verify)
        if footer.fingerprint != fingerprint_of(self._builder, plan, sources):
            return None
        path = self._lake.path(self._builder.contract.name, self._builder.symbol, self._trade_date)
        if self._verify and not is_intact(path):
            return None
        return self._stored(plan, footer, Outcome.SKIP)

    def _stored(self, plan: DayPlan, footer: Footer, outcome: Outcome) -> DayResult:
        checks = self._builder.check(footer.facts, plan.session) if outcome is Outcome.SKIP else ()
        return replace(
            self._known,
            outcome=outcome,
            reason=footer.reason,
            rows=footer.rows,
            size_bytes=footer.size_bytes,
            path=self._lake.path(footer.dataset, self._builder.symbol, self._trade_date),
            fingerprint=footer.fingerprint,
            content_hash=footer.content_hash,
            complete=plan.complete,
            synthetic=footer.synthetic,
            facts=footer.facts,
            rejected=footer.rejected,
            checks=checks,
            preview=footer.preview,
        )

    def _build(self, plan: DayPlan) -> DayResult:
        with self._lake.begin(self._builder.contract, self._builder.symbol, self._trade_date) as writer:
            report = self._builder.build(plan, writer)
            checks = self._builder.check(report.facts, plan.session)
            self._known = replace(
                self._known,
                facts=report.facts,
                rejected=report.rejected,
                checks=checks,
                preview=report.preview,
                details={**plan.details, **report.details},
            )
            fingerprint = fingerprint_of(self._builder, plan, report.sources)
            outcome, reason = _outcome_of(report, nothing=writer.rows == 0 and writer.rejected_rows == 0)
            fields = self._fields(plan, report, fingerprint, outcome, reason)
            problem = self._count_error(report, writer) or self._check_error(checks)
            if problem is not None:
                # The refused rows are kept for a person to look at, although the day is not; those of the stored day stay.
                writer.commit_rejects(fields)
                raise problem
            return self._commit(plan, writer, fields)

    def _commit(self, plan: DayPlan, writer: PartitionWriter, fields: FooterFields) -> DayResult:
        kept = self._keep_what_would_be_lost(fields.sources, writer.rows)
        committed = writer.commit(fields)
        return replace(
            self._known,
            outcome=fields.outcome,
            reason=kept or fields.reason,
            rows=committed.rows,
            size_bytes=committed.size_bytes,
            path=committed.path,
            fingerprint=fields.fingerprint,
            content_hash=committed.content_hash,
            complete=plan.complete,
        )

    def _keep_what_would_be_lost(self, sources: tuple[SourceSlice, ...], rows: int) -> str | None:
        """Keep the stored file if its source has lost rows since, and say so."""
        footer = self._footer() if self._builder.contract.is_primary else None
        if footer is None or not loses_rows(footer, sources, rows):
            return None
        path = self._lake.path(self._builder.contract.name, self._builder.symbol, self._trade_date)
        kept = keep(path, footer.content_hash)
        folders = "/".join(kept.parts[-5:])
        return f"the source has lost rows: {rows:,} now, {footer.rows:,} stored before; the older file is kept as {folders}"

    def _fields(
        self, plan: DayPlan, report: BuildReport, fingerprint: str, outcome: Outcome, reason: str | None
    ) -> FooterFields:
        return FooterFields(
            fingerprint=fingerprint,
            code_version=self._builder.code_version,
            outcome=outcome,
            session=plan.session.resolved(),
            sources=report.sources,
            reason=reason,
            facts=report.facts,
            rejected=report.rejected,
            synthetic=plan.synthetic,
            preview=report.preview,
        )

    def _footer(self) -> Footer | None:
        """Read the stored footer; a damaged file counts as none, because building it again heals it."""
        try:
            return self._lake.footer(self._builder.contract.name, self._builder.symbol, self._trade_date)
        except LakeError as error:
            if error.code == "E505":
                return None
            raise

    def _count_error(self, report: BuildReport, writer: PartitionWriter) -> QualityError | None:
        claimed = sum(report.rejected.values())
        if claimed == writer.rejected_rows:
            return None
        return QualityError(
            "E404",
            f"{self._day()}: {claimed} rows reported as refused, {writer.rejected_rows} put into quarantine",
            "rows in must equal clean plus refused rows; nothing was written, an older file of the day is intact",
            self._again(),
        )

    def _check_error(self, checks: tuple[CheckResult, ...]) -> QualityError | None:
        failed = [check for check in checks if not check.passed and check.severity is Severity.ERROR]
        if not failed:
            return None
        return QualityError(
            "E403",
            f"{self._day()}: checks failed: " + "; ".join(f"{check.name} ({check.description})" for check in failed),
            "the data are not what they should be; the day was not stored, an older file and its quarantine are intact; rows refused now "
            f"are in the quarantine folder of the day as {FAILED_NAME}",
            self._again(),
        )

    def _day(self) -> str:
        return f"{self._builder.symbol}/{self._builder.contract.name} {self._trade_date.isoformat()}"

    def _again(self) -> str:
        return _backfill(self._builder, self._trade_date)


def _outcome_of(report: BuildReport, *, nothing: bool) -> tuple[Outcome, str | None]:
    if nothing:
        return Outcome.EMPTY, "the source holds no rows for this session"
    return (Outcome.WRITE if report.degraded is None else Outcome.DEGRADED), report.degraded


def _unexpected(builder: DayBuilder, trade_date: date, error: Exception) -> LakeError:
    wrapped = LakeError(
        "E529",
        f"{builder.symbol}/{builder.contract.name} {trade_date.isoformat()} ended with an unexpected error",
        f"{type(error).__name__}: {error}; this is a defect of the program; an older file of the day is intact",
        _backfill(builder, trade_date),
    )
    wrapped.__cause__ = error
    return wrapped


def _backfill(builder: DayBuilder, trade_date: date) -> str:
    day = trade_date.isoformat()
    return f"tp backfill {builder.symbol}/{builder.contract.name} --from {day} --to {day}"
