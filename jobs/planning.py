"""What is to do: compare every requested day with what is materialized, stored and at hand in the sources.

Belongs here: the decision, day by day. It rests on the materialized partitions, the latest event's metadata and the footer, never on
``get_status_by_partition``, which turns good days red after a later failed run. Does not belong here: running anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum

import dagster as dg

from assets.builders import Workbench, subject_of
from assets.metadata import is_done
from trading_platform.clock import SystemClock
from trading_platform.errors import LakeError, PlatformError
from trading_platform.l2.watchlist_days import WatchlistDays
from trading_platform.lake.building import DayBuilder, RecordedSource, ReplacingSource, present_fingerprint
from trading_platform.lake.reader import is_intact
from trading_platform.sessions import calendar_for


class DayState(StrEnum):
    """Where a requested day stands before a backfill."""

    CURRENT = "current"
    MISSING = "missing"
    PARTIAL = "partial"
    STALE = "stale"
    FORCED = "forced"
    UNREADABLE = "unreadable"
    NOT_OPEN = "not open"
    NOT_RECORDED = "not recorded"
    NOT_LISTED = "not listed"
    REFRESH_FAILED = "refresh failed"
    BLOCKED = "blocked"


class Mode(StrEnum):
    """Which days a backfill runs."""

    DEFAULT = "default"
    MISSING_ONLY = "missing_only"
    FORCE = "force"
    VERIFY = "verify"


TO_RUN = frozenset(
    {
        DayState.MISSING,
        DayState.PARTIAL,
        DayState.STALE,
        DayState.FORCED,
        DayState.UNREADABLE,
        DayState.REFRESH_FAILED,
    }
)


@dataclass(frozen=True, slots=True)
class PlannedDay:
    """One day of one asset, with the reason for what happens to it."""

    trade_date: date
    state: DayState
    why: str = ""

    @property
    def is_to_run(self) -> bool:
        """Tell whether the backfill runs it."""
        return self.state in TO_RUN


def plan_days(
    key: dg.AssetKey,
    workbench: Workbench,
    instance: dg.DagsterInstance,
    days: Sequence[date],
    mode: Mode,
) -> list[PlannedDay]:
    """Decide for each day whether it must run.

    Args:
        key: a dated asset.
        workbench: opened resources.
        instance: where events are.
        days: requested trade dates that have a partition key, ascending.
        mode: which days count as to do.

    Returns:
        One entry per day, in the same order.
    """
    materialized = instance.get_materialized_partitions(key)
    if mode is Mode.FORCE:
        builder = subject_of(key, workbench)
        forced = {day: PlannedDay(day, DayState.FORCED, "forced") for day in days}
        # Nothing forces a source to hold what was recorded later, or a list to name a symbol.
        new = (_first_time(builder, day) for day in days if day.isoformat() not in materialized)
        return list((forced | {one.trade_date: one for one in new if not one.is_to_run}).values())
    known = [day for day in days if day.isoformat() in materialized]
    builder = subject_of(key, workbench)
    finished = _finished(key, builder, workbench, instance, known) if mode is not Mode.MISSING_ONLY else {}
    failed = _failed_since(key, instance, known) if mode is not Mode.MISSING_ONLY else frozenset()
    planned: list[PlannedDay] = []
    for day in days:
        if day.isoformat() not in materialized:
            planned.append(_first_time(builder, day))
        elif mode is Mode.MISSING_ONLY:
            planned.append(PlannedDay(day, DayState.CURRENT))
        elif not finished.get(day.isoformat(), False):
            planned.append(PlannedDay(day, DayState.PARTIAL, "made before its session had ended"))
        else:
            judged = _judge(builder, workbench, day, verify=mode is Mode.VERIFY)
            if day in failed and judged == PlannedDay(day, DayState.CURRENT):
                # The source is again what it was: a run stores nothing, and its event says so wherever the failure is shown.
                judged = PlannedDay(
                    day, DayState.REFRESH_FAILED, "its last refresh failed, and its source is good again"
                )
            planned.append(judged)
    return planned


def unfinished_days(
    key: dg.AssetKey, workbench: Workbench, instance: dg.DagsterInstance, days: Sequence[date]
) -> dict[date, DayState]:
    """Return the days that were never made (MISSING) or before their session had ended (PARTIAL), without comparing any source."""
    materialized = instance.get_materialized_partitions(key)
    known = [day for day in days if day.isoformat() in materialized]
    finished = _finished(key, subject_of(key, workbench), workbench, instance, known)
    states = {day: DayState.PARTIAL for day in known if not finished.get(day.isoformat(), False)}
    return states | {day: DayState.MISSING for day in days if day.isoformat() not in materialized}


def _failed_since(key: dg.AssetKey, instance: dg.DagsterInstance, days: Sequence[date]) -> frozenset[date]:
    """Return the materialized days whose latest event is a failed attempt (days that fail leave an observation)."""
    names = {day.isoformat() for day in days}
    if not names:
        return frozenset()
    observed = instance.get_latest_storage_id_by_partition(key, dg.DagsterEventType.ASSET_OBSERVATION, names)
    if not observed:
        return frozenset()
    made = instance.get_latest_storage_id_by_partition(key, dg.DagsterEventType.ASSET_MATERIALIZATION, set(observed))
    return frozenset(date.fromisoformat(name) for name, number in observed.items() if number > made.get(name, -1))


def blocked_days(
    days: Iterable[date], upstream: Sequence[dg.AssetKey], workbench: Workbench, instance: dg.DagsterInstance
) -> Mapping[date, tuple[dg.AssetKey, str]]:
    """Return the days whose upstream partition is not there, with the first such asset of the upstream and the reason."""
    blocked: dict[date, tuple[dg.AssetKey, str]] = {}
    stored = {key: instance.get_materialized_partitions(key) for key in upstream}
    for day in days:
        for key, partitions in stored.items():
            reason = _unusable(workbench, key, day) if day.isoformat() in partitions else "is not there"
            if reason is not None:
                blocked[day] = (key, f"{key.to_user_string()} of that day {reason}")
                break
    return blocked


def _unusable(workbench: Workbench, key: dg.AssetKey, day: date) -> str | None:
    symbol, dataset = key.path
    try:
        return None if workbench.lake.footer(dataset, symbol, day) is not None else "has no file"
    except LakeError as error:
        return f"cannot be read: {error.code}"


def _first_time(builder: DayBuilder | WatchlistDays, day: date) -> PlannedDay:
    if isinstance(builder, WatchlistDays):
        nothing = builder.nothing_listed(day)
        if nothing is not None:
            return PlannedDay(day, DayState.NOT_LISTED, nothing)
        return PlannedDay(day, DayState.MISSING, "no materialization")
    why = builder.not_recorded(day) if isinstance(builder, RecordedSource) else None
    if why is not None:
        return PlannedDay(day, DayState.NOT_RECORDED, why)
    return PlannedDay(day, DayState.MISSING, "no materialization")


def _judge(builder: DayBuilder | WatchlistDays, workbench: Workbench, day: date, *, verify: bool) -> PlannedDay:
    """Compare a day; what cannot be compared is run, so that its error becomes the outcome of that day and of no other."""
    try:
        if isinstance(builder, WatchlistDays):
            return _compare_listed(builder, workbench, day, verify=verify)
        return _compare(builder, workbench, day, verify=verify)
    except PlatformError as error:
        return PlannedDay(day, DayState.UNREADABLE, f"{error.code} {error.what}")


def _finished(
    key: dg.AssetKey,
    builder: DayBuilder | WatchlistDays,
    workbench: Workbench,
    instance: dg.DagsterInstance,
    days: Sequence[date],
) -> dict[str, bool]:
    """Tell for each materialized day whether its session had ended when it was made."""
    # Many files have many ages, so for a list the events decide.
    late = [] if isinstance(builder, WatchlistDays) else [d for d in days if _was_written_late(builder, workbench, d)]
    finished = {day.isoformat(): True for day in late}
    return finished | _finished_by_events(key, instance, sorted(set(days) - set(late)))


def _was_written_late(builder: DayBuilder, workbench: Workbench, day: date) -> bool:
    """Tell whether the file is younger than the end of its session, so that no event needs to be read (most days, most of the time).

    A copied lake has younger files; that does no harm, because a day whose source has grown since is found by its fingerprint. An injected
    clock says nothing about the times of files, so then the events decide.
    """
    if not isinstance(workbench.clock, SystemClock):
        return False
    session = calendar_for(workbench.registry.get(builder.symbol).calendar).session(day)
    try:
        written_s = workbench.lake.path(builder.contract.name, builder.symbol, day).stat().st_mtime
    except OSError:  # gone, or the lake is not what it should be: then the comparison says so
        return False
    return session.is_final(datetime.fromtimestamp(written_s, UTC))


def _finished_by_events(key: dg.AssetKey, instance: dg.DagsterInstance, days: Sequence[date]) -> dict[str, bool]:
    if not days:
        return {}
    # The storage ids of the latest events come from an index; only those events are read, not every earlier one.
    names = {day.isoformat() for day in days}
    latest = instance.get_latest_storage_id_by_partition(key, dg.DagsterEventType.ASSET_MATERIALIZATION, names)
    wanted = dg.AssetRecordsFilter(asset_key=key, storage_ids=list(latest.values()))
    records = instance.fetch_materializations(wanted, limit=len(latest)).records
    events = [record.asset_materialization for record in records]
    return {
        event.partition: is_done(event.metadata)
        for event in events
        if event is not None and event.partition is not None
    }


def _compare(builder: DayBuilder, workbench: Workbench, day: date, *, verify: bool) -> PlannedDay:
    footer = workbench.lake.footer(builder.contract.name, builder.symbol, day)
    if footer is None:
        return PlannedDay(day, DayState.MISSING, "materialized, but its file is gone")
    if isinstance(builder, ReplacingSource) and builder.replaces(footer):
        return PlannedDay(day, DayState.STALE, "the stored day is synthetic")
    plan = builder.plan(day)
    if plan.decided is not None and not plan.decided.is_materialized:
        return PlannedDay(day, DayState.CURRENT, f"source not there now ({plan.reason}); stored data kept")
    if present_fingerprint(builder, plan, verify=verify) == footer.fingerprint:
        path = workbench.lake.path(builder.contract.name, builder.symbol, day)
        if verify and not is_intact(path):
            return PlannedDay(day, DayState.UNREADABLE, "its stored file is damaged")
        return PlannedDay(day, DayState.CURRENT)
    return PlannedDay(day, DayState.STALE, "source, settings or code changed since it was made")


def _compare_listed(listed: WatchlistDays, workbench: Workbench, day: date, *, verify: bool) -> PlannedDay:
    """Compare the file of each symbol of a day: one that is not there or not current makes the day stale."""
    if not listed.has_list:
        return PlannedDay(day, DayState.CURRENT, "there is no watchlist now; stored files kept")
    found = {symbol: _compare(one, workbench, day, verify=verify) for symbol, one in listed.builders(day).items()}
    changed = {symbol: one for symbol, one in found.items() if one.is_to_run}
    if not changed:
        kept = [f"{symbol}: {one.why}" for symbol, one in found.items() if one.why]
        return PlannedDay(day, DayState.CURRENT, "; ".join(kept))
    new = [symbol for symbol, one in changed.items() if one.state is DayState.MISSING]
    why = f"{', '.join(new)} not stored" if new else f"{', '.join(changed)} changed since it was made"
    return PlannedDay(day, DayState.STALE, why)
