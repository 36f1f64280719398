"""What is to do: compare every requested day with what is materialized, stored and at hand in the sources.

Belongs here: the decision, day by day. It rests on the materialized partitions, the latest event's metadata and the footer, never on
``get_status_by_partition``, which turns good days red after a later failed run. Does not belong here: running anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

import dagster as dg

from assets.builders import Workbench, builder_for
from assets.metadata import is_done
from trading_platform.lake.building import DayBuilder, Outcome, fingerprint_of


class DayState(StrEnum):
    """Where a requested day stands before a backfill."""

    CURRENT = "current"
    MISSING = "missing"
    PARTIAL = "partial"
    STALE = "stale"
    FORCED = "forced"
    NOT_OPEN = "not open"
    BLOCKED = "blocked"


class Mode(StrEnum):
    """Which days a backfill runs."""

    DEFAULT = "default"
    MISSING_ONLY = "missing_only"
    FORCE = "force"
    VERIFY = "verify"


TO_RUN = frozenset({DayState.MISSING, DayState.PARTIAL, DayState.STALE, DayState.FORCED})


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
    if mode is Mode.FORCE:
        return [PlannedDay(day, DayState.FORCED, "forced") for day in days]
    materialized = instance.get_materialized_partitions(key)
    known = [day for day in days if day.isoformat() in materialized]
    finished = _finished(key, instance, known) if mode is not Mode.MISSING_ONLY else {}
    builder = builder_for(key, workbench)
    planned: list[PlannedDay] = []
    for day in days:
        if day.isoformat() not in materialized:
            planned.append(PlannedDay(day, DayState.MISSING, "no materialization"))
        elif mode is Mode.MISSING_ONLY:
            planned.append(PlannedDay(day, DayState.CURRENT))
        elif not finished.get(day.isoformat(), False):
            planned.append(PlannedDay(day, DayState.PARTIAL, "made before its session had ended"))
        else:
            planned.append(_compare(builder, workbench, day, verify=mode is Mode.VERIFY))
    return planned


def blocked_days(
    days: Iterable[date], upstream: Sequence[dg.AssetKey], workbench: Workbench, instance: dg.DagsterInstance
) -> Mapping[date, str]:
    """Return the days whose upstream partition is not there, with the reason."""
    blocked: dict[date, str] = {}
    stored = {key: instance.get_materialized_partitions(key) for key in upstream}
    for day in days:
        for key, partitions in stored.items():
            symbol, dataset = key.path
            if day.isoformat() not in partitions or workbench.lake.footer(dataset, symbol, day) is None:
                blocked[day] = f"{key.to_user_string()} has no {day.isoformat()}"
                break
    return blocked


def _finished(key: dg.AssetKey, instance: dg.DagsterInstance, days: Sequence[date]) -> dict[str, bool]:
    if not days:
        return {}
    # Newest first; a partition has two events per run (one from the day itself, one from the end of the run).
    finished: dict[str, bool] = {}
    cursor: str | None = None
    names = [day.isoformat() for day in days]
    while len(finished) < len(names):
        page = instance.fetch_materializations(
            dg.AssetRecordsFilter(asset_key=key, asset_partitions=names), limit=1000, cursor=cursor
        )
        for record in page.records:
            event = record.asset_materialization
            if event is not None and event.partition is not None:
                finished.setdefault(event.partition, is_done(event.metadata))
        if not page.has_more:
            break
        cursor = page.cursor
    return finished


def _compare(builder: DayBuilder, workbench: Workbench, day: date, *, verify: bool) -> PlannedDay:
    footer = workbench.lake.footer(builder.contract.name, builder.symbol, day)
    if footer is None:
        return PlannedDay(day, DayState.MISSING, "materialized, but its file is gone")
    plan = builder.plan(day)
    if plan.decided is not None and not plan.decided.is_materialized:
        return PlannedDay(day, DayState.CURRENT, f"source not there now ({plan.reason}); stored data kept")
    sources = () if plan.decided in {Outcome.CLOSED, Outcome.EMPTY} else builder.hash_sources(plan, verify=verify)
    if fingerprint_of(builder, plan, sources) == footer.fingerprint:
        return PlannedDay(day, DayState.CURRENT)
    return PlannedDay(day, DayState.STALE, "source, settings or code changed since it was made")
