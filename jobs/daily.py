"""The daily ingest: every active instrument's newest finished trade date, after the close, and those missed before.

Belongs here: the job and its schedule. The trade date comes from the exchange calendar, not from the clock time of the tick: a partition
cron would request Monday on a Saturday. Concept: https://docs.dagster.io/guides/automate/schedules

A tick that Dagster never made (daemon down, more than five ticks late) is lost to Dagster, so every tick looks back over the last sessions
itself. What was missed is requested with the tag ``tp/catch_up``, so that it can be told from the day that was due.
"""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import date
from typing import TYPE_CHECKING

import dagster as dg
import structlog

from assets.builders import RESOURCE_KEYS, Workbench, builder_for
from assets.keys import BROUGHT_LATER, CATALOG
from assets.partitions import TRADE_DATES
from assets.recorded import Parents, nothing_to_add, required
from trading_platform.errors import LakeError, SourceError
from trading_platform.instruments import Instrument
from trading_platform.lake.building import DayBuilder, RecordedSource
from trading_platform.sessions import calendar_for

from .dead_runs import UNFINISHED
from .planning import unfinished_days
from .ranges import TAG_PARTITION, days_of_run

if TYPE_CHECKING:
    from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

DAILY_INGEST = "daily_ingest"
TAG_CATCH_UP = "tp/catch_up"
TAG_WHY = "tp/why"
TAG_LEFT_OUT = "tp/left_out"
LOOK_BACK_SESSIONS = 10
# A day that fails again and again is left to a person; it is named on every tick.
MAX_RUNS_PER_DAY = 3
MISSED_DAYS = "missed_days"
ALERTS: Mapping[str, str] = {MISSED_DAYS: "docs/runbook.md#missed-days"}
"""Names of the log lines that this schedule writes, with the entry of the runbook."""

_MOST_NAMED = 6
_log = structlog.get_logger()


def daily_ingest_job(
    dated: Sequence[dg.AssetsDefinition], catalog: Sequence[dg.AssetsDefinition]
) -> "UnresolvedAssetJobDefinition":
    """Define the job that makes one trade date of all dated assets, then the SQL views and the coverage board."""
    return dg.define_asset_job(
        DAILY_INGEST,
        selection=dg.AssetSelection.assets(*[asset.key for asset in (*dated, *catalog)]),
        description="One trade date of every dated asset, then the SQL views and the coverage board.",
        executor_def=dg.in_process_executor,
    )


def daily_ingest_schedule(
    job: "UnresolvedAssetJobDefinition", instruments: Sequence[Instrument], dated: Sequence[dg.AssetsDefinition]
) -> dg.ScheduleDefinition:
    """Define the schedule: 18:30 New York on weekdays: CME's trade date ends at 18:00 and is final a quarter of an hour later."""
    parents = {asset.key: asset.asset_deps[asset.key] for asset in dated}

    @dg.schedule(
        name=f"{DAILY_INGEST}_after_close",
        job=job,
        cron_schedule="30 18 * * 1-5",
        execution_timezone="America/New_York",
        required_resource_keys=set(RESOURCE_KEYS),
        description="Requests the trade date whose session has just ended, and missed ones of the last sessions; skips holidays.",
    )
    def after_close(context: dg.ScheduleEvaluationContext) -> list[dg.RunRequest] | dg.SkipReason:
        local_day = context.scheduled_execution_time.date()
        is_due = _is_open(local_day, instruments) and TRADE_DATES.has_partition_key(local_day.isoformat())
        past = sessions_before(local_day, instruments, LOOK_BACK_SESSIONS)
        with Workbench.from_context(context) as workbench:
            missed = missed_days(workbench, context.instance, parents, past)
            absent = {day: not_recorded(workbench, parents, day) for day in {local_day, *missed}}
        requests, named = _catch_up(context.instance, missed)
        if alarming := [day for day, what in missed.items() if not all(map(_is_routine, what))]:
            _log.warning(
                MISSED_DAYS,
                days=[day.isoformat() for day in alarming],
                requested=[request.partition_key for request in requests],
                runbook=ALERTS[MISSED_DAYS],
                next="tp runs",
            )
        if is_due:
            requests.append(dg.RunRequest(run_key=local_day.isoformat(), partition_key=local_day.isoformat()))
        if requests:
            return [_without(request, absent, parents) for request in requests]
        reason = f"no active instrument has a session on {local_day.isoformat()}"
        return dg.SkipReason("; ".join([reason, *named]))

    return after_close


def sessions_before(day: date, instruments: Sequence[Instrument], number: int) -> list[date]:
    """Return the last dates before ``day`` on which any of the instruments has a session, ascending."""
    found: set[date] = set()
    for name in {instrument.calendar for instrument in instruments}:
        calendar, at = calendar_for(name), day
        for _ in range(number):
            at = calendar.previous_open(at)
            found.add(at)
    return sorted(found)[-number:]


def missed_days(
    workbench: Workbench,
    instance: dg.DagsterInstance,
    parents: Parents,
    days: Sequence[date],
) -> dict[date, list[str]]:
    """Return the days of which something could have been made and was not, or only in part.

    Args:
        workbench: opened resources.
        instance: where events are.
        parents: all dated assets, with what each is made from.
        days: finished sessions, ascending.

    Returns:
        Day -> what is missed, e.g. ``MNQ/ticks missing``; ascending. A day without a source is not missed, but absent.
    """
    states = {key: unfinished_days(key, workbench, instance, days) for key in parents}
    missed: dict[date, list[str]] = {}
    for day in days:
        if not any(day in found for found in states.values()):
            continue
        absent = not_recorded(workbench, parents, day)
        for key, above in parents.items():
            state = states[key].get(day)
            # What is made from another asset waits for it: a missed day upstream is reason enough.
            if state is None or any(day in states[parent] for parent in required(key, above) if parent in states):
                continue
            if key in absent:
                continue
            if _has_source(key, workbench, day):
                missed.setdefault(day, []).append(f"{key.to_user_string()} {state.value}")
    return missed


def not_recorded(workbench: Workbench, parents: Parents, day: date) -> frozenset[dg.AssetKey]:
    """Return the assets whose source was not recorded yet on a day or is brought later, with all that is made from them.

    A user who records no market depth must not find a failed run every evening, nor one who downloads the gamma feed in the morning.
    """
    absent: set[dg.AssetKey] = set()
    for key, above in parents.items():
        builder = builder_for(key, workbench)
        if (isinstance(builder, RecordedSource) and builder.not_recorded(day) is not None) or (
            nothing_to_add(key, above, workbench) is not None
            or (key.path[-1] in BROUGHT_LATER and _is_not_there(builder, day))
        ):
            absent.add(key)
    while more := {key for key, above in parents.items() if key not in absent and set(required(key, above)) & absent}:
        absent |= more
    return frozenset(absent)


def _is_not_there(builder: DayBuilder, day: date) -> bool:
    """Tell whether there is nothing to make a day from; a source that cannot be used is there, and its run says what is wrong."""
    try:
        plan = builder.plan(day)
    except (SourceError, LakeError):
        return False
    return plan.decided is not None and not plan.decided.is_materialized


def _without(
    request: dg.RunRequest,
    absent: Mapping[date, AbstractSet[dg.AssetKey]],
    parents: Parents,
) -> dg.RunRequest:
    """Return the request without the assets that the day cannot have; the tag says which."""
    left_out = absent[date.fromisoformat(request.partition_key or "")]
    if not left_out:
        return request
    chosen = [*(key for key in parents if key not in left_out), *CATALOG]
    names = ", ".join(sorted(key.to_user_string() for key in left_out))
    return dg.RunRequest(
        run_key=request.run_key,
        partition_key=request.partition_key,
        asset_selection=chosen,
        tags={**request.tags, TAG_LEFT_OUT: f"{names}: not recorded, or not brought yet"},
    )


def _is_routine(missed: str) -> bool:
    """Tell of an entry of ``missed_days`` whether it is usual: what people bring comes after the ingest, and its day ends after it."""
    return missed.partition(" ")[0].rpartition("/")[2] in BROUGHT_LATER


def _has_source(key: dg.AssetKey, workbench: Workbench, day: date) -> bool:
    """Tell whether a day can be made; a source that cannot be read cannot be told from one that is not there, and is reported elsewhere."""
    try:
        plan = builder_for(key, workbench).plan(day)
    except (SourceError, LakeError):  # a damaged upstream file as well; wrong settings are not hidden
        return False
    return plan.decided is None or plan.decided.is_materialized


def _catch_up(
    instance: dg.DagsterInstance, missed: Mapping[date, Sequence[str]]
) -> tuple[list[dg.RunRequest], list[str]]:
    """Request missed days, but none that is under way or has failed often enough; these are named."""
    requests: list[dg.RunRequest] = []
    named: list[str] = []
    unfinished = instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.QUEUED, *UNFINISHED])) if missed else []
    under_way = {day for run in unfinished for day in days_of_run(run.tags)}
    for day, what in missed.items():
        key = day.isoformat()
        runs = instance.get_runs(dg.RunsFilter(job_name=DAILY_INGEST, tags={TAG_PARTITION: key}))
        if day in under_way:
            named.append(f"{key} is under way")
        elif len(runs) >= MAX_RUNS_PER_DAY:
            named.append(f"{key} is left alone after {len(runs)} runs")
        else:
            why = ", ".join(what[:_MOST_NAMED]) + (
                f" and {len(what) - _MOST_NAMED} more" if len(what) > _MOST_NAMED else ""
            )
            # Dagster drops a key it has seen: the day that was due has its date alone, each further run a number.
            run_key = key if not runs else f"{key} run {len(runs) + 1}"
            requests.append(
                dg.RunRequest(run_key=run_key, partition_key=key, tags={TAG_CATCH_UP: "true", TAG_WHY: why})
            )
    return requests, named


def _is_open(day: date, instruments: Sequence[Instrument]) -> bool:
    calendars = {instrument.calendar for instrument in instruments}
    return any(calendar_for(name).session(day).is_open for name in calendars)
