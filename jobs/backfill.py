"""Backfills in this process: the engine behind ``tp backfill``, ``tp import`` and ``tp demo``.

Assets run in topological order, one in-process run per asset and chunk of contiguous days; after each asset the days of the next are
planned anew, so that one bad day holds up only itself. Belongs here: launching runs and collecting what became of each day. Does not
belong here: which days are to do (``planning``), how a day is made (``assets``), what people see (``trading_platform.cli``).
"""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg

from assets import keys as asset_keys
from assets.builders import Workbench, has_builder
from assets.partitions import FIRST_TRADE_DATE, TRADE_DATES
from assets.progress import TAG_FORCE, TAG_VERIFY, listening
from assets.recorded import nothing_to_add, required
from trading_platform.errors import ExecutionError, command
from trading_platform.lake import DayResult
from trading_platform.lake.building import Outcome
from trading_platform.process import ProcessIdentity
from trading_platform.sessions import weekdays_between

from .claims import claim, claim_of_runs, partition_name
from .dead_runs import end_dead_runs, end_runs_of
from .interrupts import InterruptWatch
from .planning import DayState, Mode, PlannedDay, blocked_days, plan_days
from .pools import wait_for_pool
from .ranges import TAG_RANGE_END, TAG_RANGE_START, contiguous_chunks, refuse_impossible_range

if TYPE_CHECKING:
    from dagster_shared.error import SerializableErrorInfo

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
_CLAIM_POLL_S = 0.5


class Reporter:
    """What a backfill tells while it works; the base class is silent."""

    def note(self, text: str) -> None:
        """Report something a person should know (a dead run ended, a pool that is full)."""

    def asset(self, key: dg.AssetKey, planned: Sequence[PlannedDay]) -> None:
        """Report the plan of the next asset."""

    def day(self, key: dg.AssetKey, result: DayResult) -> None:
        """Report one finished day."""


@dataclass(frozen=True)
class BackfillRequest:
    """What to backfill.

    Attributes:
        keys: assets in topological order; ``lake/sql_views`` may be among them.
        first: first trade date.
        last: last trade date, inclusive.
        mode: which days count as to do.
        wait: wait for another backfill of the same partitions instead of stopping.
    """

    keys: Sequence[dg.AssetKey]
    first: date
    last: date
    mode: Mode = Mode.DEFAULT
    wait: bool = False


@dataclass
class AssetReport:
    """What became of the days of one asset.

    Attributes:
        key: the asset.
        planned: the decision per day.
        results: results of the days that ran.
        blocked: days that could not run because their upstream is not there.
        seconds: wall time including Dagster's own.
    """

    key: dg.AssetKey
    planned: list[PlannedDay] = field(default_factory=list)
    results: list[DayResult] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def blocked(self) -> list[PlannedDay]:
        """Return the days whose upstream is not there."""
        return [day for day in self.planned if day.state is DayState.BLOCKED]

    @property
    def not_recorded(self) -> list[PlannedDay]:
        """Return the days before the recording of their source began; they count as MISSING and are no failures."""
        return [day for day in self.planned if day.state is DayState.NOT_RECORDED]

    @property
    def not_listed(self) -> list[PlannedDay]:
        """Return the days on which a list names nothing; they count as EMPTY, which is what a run would say of them."""
        return [day for day in self.planned if day.state is DayState.NOT_LISTED]

    @property
    def notes(self) -> list[PlannedDay]:
        """Return the days that stay as they are for a reason that people should know."""
        return [day for day in self.planned if day.state is DayState.CURRENT and day.why]

    @property
    def failures(self) -> list[DayResult]:
        """Return the days that ran and are not materialized."""
        return [result for result in self.results if not result.outcome.is_materialized]

    def counts(self) -> dict[Outcome, int]:
        """Count days by outcome; days that do not run: current SKIP, not open yet PENDING, not recorded MISSING, not listed EMPTY."""
        counts = dict.fromkeys(Outcome, 0)
        for result in self.results:
            counts[result.outcome] += 1
        counts[Outcome.SKIP] += sum(day.state is DayState.CURRENT for day in self.planned)
        counts[Outcome.PENDING] += sum(day.state is DayState.NOT_OPEN for day in self.planned)
        counts[Outcome.MISSING] += len(self.not_recorded)
        counts[Outcome.EMPTY] += len(self.not_listed)
        return counts


class Backfill:
    """A backfill over one home.

    Args:
        defs: the assembled platform.
        instance: the Dagster instance.
        claims_dir: folder for claims.
        reporter: told about progress.
    """

    def __init__(
        self, defs: dg.Definitions, instance: dg.DagsterInstance, claims_dir: Path, reporter: Reporter
    ) -> None:
        self._instance = instance
        self._claims_dir = claims_dir
        self._reporter = reporter
        self._graph = defs.resolve_asset_graph()
        self._job = defs.resolve_implicit_global_asset_job_def()
        self._jobs = {job.name: job for job in defs.resolve_all_job_defs()}
        self._workbench = Workbench.of(defs)
        self._catalog = Path((defs.resources or {})["duckdb"].database)

    def plan(self, request: BackfillRequest) -> list[AssetReport]:
        """Say what a run would do, without doing anything."""
        _refuse_impossible(request)
        reports: list[AssetReport] = []
        will_run: set[tuple[dg.AssetKey, date]] = set()
        for key in self._dated(request):
            report = AssetReport(key, self._plan_asset(key, request, reports))
            for index, day in enumerate(report.planned):
                changed = next((p for p in self._upstream(key) if (p, day.trade_date) in will_run), None)
                if changed is not None and day.state is DayState.CURRENT:
                    report.planned[index] = PlannedDay(
                        day.trade_date, DayState.STALE, f"{changed.to_user_string()} will change"
                    )
            will_run |= {(key, day.trade_date) for day in report.planned if day.is_to_run}
            reports.append(report)
        return reports

    def run(self, request: BackfillRequest) -> Iterator[AssetReport]:
        """Run what is to do, asset by asset.

        Yields:
            One report per asset, when it has finished.

        Raises:
            ExecutionError: E602 if another process works on the same partitions and ``wait`` is not set.
            KeyboardInterrupt: after Ctrl-C or SIGTERM; no further day is started, finished days stay done.
        """
        _refuse_impossible(request)
        ended = end_dead_runs(self._instance)
        for dead in ended:
            self._reporter.note(str(dead))
        if ended:
            self._workbench.lake.remove_stale_temporaries()
        wrote = False
        reports: list[AssetReport] = []
        with self._claimed(request), InterruptWatch() as watch:
            try:
                for key in self._dated(request):
                    report = self._run_asset(key, request, watch, reports)
                    reports.append(report)
                    wrote = wrote or any(result.outcome is not Outcome.SKIP for result in report.results)
                    yield report
                for key in asset_keys.CATALOG:
                    if key in request.keys:
                        asked_for_alone = not self._dated(request)
                        yield self._run_catalog(key, needed=wrote or asked_for_alone or request.mode is Mode.FORCE)
            except KeyboardInterrupt:
                end_runs_of(self._instance, ProcessIdentity.current())
                raise

    def _assets_of_job(self, name: str) -> AbstractSet[dg.AssetKey]:
        job = self._jobs.get(name)
        return frozenset() if job is None else frozenset(job.asset_layer.selected_asset_keys)

    def _dated(self, request: BackfillRequest) -> list[dg.AssetKey]:
        return [key for key in request.keys if has_builder(key)]

    def _upstream(self, key: dg.AssetKey) -> list[dg.AssetKey]:
        # Sorted, so that of several missing ones the same is named each time.
        return sorted(parent for parent in self._graph.get(key).parent_keys if has_builder(parent))

    def _blocked(
        self, key: dg.AssetKey, day: date, blocked: tuple[dg.AssetKey, str], before: Sequence[AssetReport]
    ) -> str:
        """Return why a day is blocked, and what makes it, unless the upstream is part of this backfill and has its own line."""
        parent, why = blocked
        if any(report.key == parent for report in before):
            return why
        if parent.path[-1] in asset_keys.PAID:
            asked = ("--symbols", parent.path[0], "--from", day, "--to", day)
            return f"{why}; next: {command('tp', 'l2', 'plan', *asked)}"
        names = [one.to_user_string() for one in (*self._not_there(parent, day), key)]
        return f"{why}; next: {command('tp', 'backfill', *names, '--day', day)}"

    def _not_there(self, key: dg.AssetKey, day: date) -> list[dg.AssetKey]:
        """Return what of the needed upstream of an asset has no such day, the asset itself last."""
        found: list[dg.AssetKey] = []
        for parent in required(key, self._upstream(key)):
            if blocked_days([day], [parent], self._workbench, self._instance):
                found += [one for one in self._not_there(parent, day) if one not in found]
        return [*found, key]

    def _days(self, key: dg.AssetKey, request: BackfillRequest) -> tuple[list[date], list[PlannedDay]]:
        """Split the range into days that have a partition key and an open session, and days that have not."""
        latest = self._workbench.opened(key.path[0])
        last_key = date.fromisoformat(TRADE_DATES.get_last_partition_key() or request.first.isoformat())
        runnable = min(request.last, latest, last_key)
        days = [] if request.first > runnable else weekdays_between(request.first, runnable)
        later = [day for day in weekdays_between(request.first, request.last) if day > runnable]
        return days, [PlannedDay(day, DayState.NOT_OPEN, "its session has not opened yet") for day in later]

    def _plan_asset(
        self, key: dg.AssetKey, request: BackfillRequest, before: Sequence[AssetReport]
    ) -> list[PlannedDay]:
        """Plan the days of an asset; ``before`` are the reports of the assets that come earlier."""
        days, later = self._days(key, request)
        planned = plan_days(key, self._workbench, self._instance, days, request.mode)
        upstream = self._upstream(key)
        # What is made from a day that nobody recorded is not recorded either, unless it is made without that day.
        needed = required(key, upstream)
        absent = {day.trade_date: day for one in before if one.key in needed for day in one.not_recorded}
        why = nothing_to_add(key, upstream, self._workbench)
        if why is not None:
            absent |= {day: PlannedDay(day, DayState.NOT_RECORDED, why) for day in days}
        return [absent.get(day.trade_date, day) if day.state is DayState.MISSING else day for day in planned] + later

    def _run_asset(
        self, key: dg.AssetKey, request: BackfillRequest, watch: InterruptWatch, before: Sequence[AssetReport]
    ) -> AssetReport:
        started = time.perf_counter()
        report = AssetReport(key, self._plan_asset(key, request, before))
        to_run = [day.trade_date for day in report.planned if day.is_to_run]
        blocked = blocked_days(to_run, required(key, self._upstream(key)), self._workbench, self._instance)
        report.planned = [
            PlannedDay(
                day.trade_date, DayState.BLOCKED, self._blocked(key, day.trade_date, blocked[day.trade_date], before)
            )
            if day.trade_date in blocked
            else day
            for day in report.planned
        ]
        self._reporter.asset(key, report.planned)
        runnable = [day for day in to_run if day not in blocked]
        policy = self._graph.get(key).backfill_policy
        size = (policy.max_partitions_per_run if policy is not None else None) or len(runnable) or 1

        def collect(asset_key: dg.AssetKey, result: DayResult) -> None:
            report.results.append(result)
            self._reporter.day(asset_key, result)
            watch.raise_if_interrupted()

        with listening(collect):
            for chunk in contiguous_chunks(runnable, size):
                tags = {TAG_RANGE_START: chunk[0].isoformat(), TAG_RANGE_END: chunk[-1].isoformat()}
                done = self._execute(key, request, tags)
                watch.raise_if_interrupted()
                finished = {result.trade_date for result in report.results}
                report.results += [_unfinished(key, day, done) for day in chunk if day not in finished]
        report.seconds = time.perf_counter() - started
        return report

    def _run_catalog(self, key: dg.AssetKey, *, needed: bool) -> AssetReport:
        started = time.perf_counter()
        report = AssetReport(key)
        if (
            needed
            or (key == asset_keys.SQL_VIEWS and not self._catalog.is_file())
            or self._instance.get_latest_materialization_event(key) is None
        ):
            self._execute(key, None, {})
        report.seconds = time.perf_counter() - started
        return report

    def _execute(
        self, key: dg.AssetKey, request: BackfillRequest | None, tags: dict[str, str]
    ) -> dg.ExecuteInProcessResult:
        node = self._graph.get(key)
        for pool in sorted(node.pools or ()):
            wait_for_pool(self._instance, pool, self._reporter.note)
        mode = Mode.DEFAULT if request is None else request.mode
        job = self._job.get_subset(
            asset_selection={key},
            asset_check_selection={check for check in self._graph.asset_check_keys if check.asset_key == key},
        )
        result = job.execute_in_process(
            instance=self._instance,
            raise_on_error=False,
            run_config=QUIET,
            tags={
                **tags,
                **ProcessIdentity.current().to_tags(),
                **({TAG_FORCE: "true"} if mode is Mode.FORCE else {}),
                **({TAG_VERIFY: "true"} if mode is Mode.VERIFY else {}),
            },
        )
        if not result.success and not node.is_partitioned:
            raise ExecutionError(
                "E603",
                f"{key.to_user_string()} failed in run {result.run_id[:8]}",
                "the run's page in the web UI shows the cause; partitions that were made before stay done",
                "tp ui",
            )
        return result

    @contextmanager
    def _claimed(self, request: BackfillRequest) -> Iterator[None]:
        """Hold the requested partitions for the length of the block."""
        names = {
            partition_name(key.to_user_string(), day.isoformat())
            for key in self._dated(request)
            for day in weekdays_between(request.first, request.last)
        }
        reported = False
        while True:
            with claim(self._claims_dir, names) as held_by_other:
                conflict = held_by_other or claim_of_runs(self._instance, names, self._assets_of_job)
                if conflict is None:
                    yield
                    return
            shared = sorted(conflict.partitions & names)
            if not request.wait:
                raise ExecutionError(
                    "E602",
                    f"{len(shared)} of the requested partitions are being made by {conflict.holder}, first {shared[0]}",
                    "two backfills of the same partitions would do the same work twice; nothing was started",
                    _again(request, "--wait"),
                )
            if not reported:
                self._reporter.note(
                    f"waiting for {conflict.holder}, which works on {len(shared)} of the requested partitions"
                )
                reported = True
            time.sleep(_CLAIM_POLL_S)


def _refuse_impossible(request: BackfillRequest) -> None:
    keys = [key.to_user_string() for key in request.keys]
    refuse_impossible_range(request.first, request.last, FIRST_TRADE_DATE, "tp", "backfill", *keys)


def _again(request: BackfillRequest, *options: str) -> str:
    """Return the command line of a request."""
    keys = [key.to_user_string() for key in request.keys]
    return shlex.join(
        ["tp", "backfill", *keys, "--from", request.first.isoformat(), "--to", request.last.isoformat(), *options]
    )


def _unfinished(key: dg.AssetKey, day: date, run: dg.ExecuteInProcessResult) -> DayResult:
    """Return the result of a day that its run never came to: something outside the day itself failed."""
    errors = [event.step_failure_data.error for event in run.all_events if event.is_step_failure]
    causes = [_root_cause(error) for error in errors if error is not None]
    name = day.isoformat()
    error = ExecutionError(
        "E605",
        f"{key.to_user_string()} {name} was not made: run {run.run_id[:8]} ended before it",
        f"{causes[0] if causes else 'the run says no cause'}; days that were made before stay done",
        f"tp backfill {key.to_user_string()} --from {name} --to {name}",
    )
    return DayResult(day, Outcome.ERROR, reason=error.what, error=error)


def _root_cause(error: SerializableErrorInfo) -> str:
    """Return the first line of what went wrong, below Dagster's own wrapping."""
    while error.cause is not None:
        error = error.cause
    return error.message.strip().splitlines()[0]


def latest_opened(defs: dg.Definitions, keys: Sequence[dg.AssetKey]) -> date:
    """Return the latest trade date whose session has opened, over the instruments of the assets."""
    with Workbench.of(defs) as workbench:
        symbols = {key.path[0] for key in keys if has_builder(key)} or {
            i.symbol for i in workbench.registry.with_assets
        }
        return max(workbench.opened(symbol) for symbol in symbols)
