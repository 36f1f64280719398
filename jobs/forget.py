"""Forgetting partitions: the engine behind ``tp forget``.

Order per asset, downstream first: Dagster's memory of the days, then their files. A kill in between leaves days without a materialization
whose files are there or not; ``tp backfill`` finds the former current and makes the latter again. Belongs here: what would go, what
hangs on it, whether it could be made again. Does not belong here: asking the person (``trading_platform.cli``), deleting (``events.py``,
the lake).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

import dagster as dg

from assets.builders import Workbench, builder_for, has_builder
from assets.keys import is_optional
from trading_platform.chains.builder import COMPARED
from trading_platform.enrichment.upstream import ABSENT
from trading_platform.errors import ConfigurationError, ExecutionError, LakeError, PlatformError, command
from trading_platform.lake.building import DayBuilder, fingerprint_of
from trading_platform.lake.footer import Footer
from trading_platform.lake.removal import StoredFiles, remove_partition, stored_files
from trading_platform.sessions import calendar_for, weekdays_between

from .claims import claim, claim_of_runs, partition_name
from .dead_runs import UNFINISHED, end_dead_runs
from .events import wipe_partitions
from .ranges import days_of_run

_MOST_NOTED_DAYS = 500


@dataclass(frozen=True)
class ForgetRequest:
    """What to forget.

    Attributes:
        keys: dated assets.
        first: first trade date.
        last: last trade date, inclusive.
        with_dependents: also what was made from these days.
    """

    keys: Sequence[dg.AssetKey]
    first: date
    last: date
    with_dependents: bool = False


@dataclass(frozen=True, slots=True)
class StoredDay:
    """One partition that is there in some form.

    Attributes:
        key: the asset.
        trade_date: the day.
        files: its files.
        rows: rows in its file; None without a file, or if the file cannot be read.
        is_materialized: Dagster counts it as done.
        lost: why it could not be made again; None if it can, or if there is nothing to lose.
        differs: True if it can be made again, but not with these bytes: source, settings or code changed since.
    """

    key: dg.AssetKey
    trade_date: date
    files: StoredFiles
    rows: int | None
    is_materialized: bool
    lost: str | None = None
    differs: bool = False

    @property
    def name(self) -> str:
        """Return ``MNQ/ticks 2025-03-10``."""
        return f"{self.key.to_user_string()} {self.trade_date.isoformat()}"


@dataclass
class ForgetPlan:
    """What a request means.

    Attributes:
        days: what would go, upstream first.
        dependents: days made from them that would stay.
        enriched: assets to which these days only add something: they are made without them as well, with nulls in their place.
    """

    days: list[StoredDay] = field(default_factory=list)
    dependents: list[StoredDay] = field(default_factory=list)
    enriched: frozenset[dg.AssetKey] = frozenset()

    @property
    def lost(self) -> list[StoredDay]:
        """Return the days that nobody could make again."""
        return [day for day in self.days if day.lost is not None]


class Forgetting:
    """Forget partitions of one home.

    Args:
        defs: the assembled platform.
        instance: the Dagster instance.
        claims_dir: folder for claims.
    """

    def __init__(self, defs: dg.Definitions, instance: dg.DagsterInstance, claims_dir: Path) -> None:
        self._instance = instance
        self._claims_dir = claims_dir
        self._graph = defs.resolve_asset_graph()
        self._jobs = {job.name: job for job in defs.resolve_all_job_defs()}
        self._workbench = Workbench.of(defs)

    def plan(self, request: ForgetRequest) -> ForgetPlan:
        """Say what would go and what would stay behind; nothing is changed.

        Raises:
            ConfigurationError: E107 if an asset has no trade dates to forget.
        """
        undated = [key.to_user_string() for key in request.keys if not has_builder(key)]
        if undated:
            raise ConfigurationError(
                "E107",
                f"{', '.join(undated)} has no partitions by trade date",
                "only dated assets can forget single days; nothing was removed",
                "tp forget --help",
            )
        downstream = self._downstream(request.keys)
        needing = self._downstream(request.keys, needed_only=True)
        chosen = self._ordered({*request.keys, *(downstream if request.with_dependents else ())})
        plan = ForgetPlan(enriched=frozenset(downstream - needing))
        lost: set[tuple[dg.AssetKey, date]] = set()
        for key in chosen:
            for day in self._stored(key, request.first, request.last):
                judged = self._judge(day, lost)
                plan.days.append(judged)
                if judged.lost is not None:
                    lost.add((key, judged.trade_date))
        gone = {day.trade_date for day in plan.days}
        listed = {(day.key, day.trade_date) for day in plan.days}
        for key in self._ordered(downstream):
            made_from = gone if key in needing else gone | self._later(key, gone)
            if made_from and (key in plan.enriched or key not in chosen):
                stored = self._stored(key, min(made_from), max(made_from))
                plan.dependents += [
                    day for day in stored if day.trade_date in made_from and (key, day.trade_date) not in listed
                ]
        return plan

    def _later(self, key: dg.AssetKey, days: set[date]) -> set[date]:
        """Return the trade dates of enrichment that look back to days: those up to the next open day of what it shows."""
        found: set[date] = set()
        for symbol in {above.path[0] for above in self._graph.get(key).parent_keys if is_optional(above, key)}:
            calendar = calendar_for(self._workbench.registry.get(symbol).calendar)
            for day in days:
                found.update(weekdays_between(day + timedelta(days=1), calendar.next_open(day)))
        return found

    def run(self, plan: ForgetPlan, *, even_if_unrecoverable: bool = False) -> int:
        """Remove what was planned.

        Args:
            plan: from :meth:`plan`.
            even_if_unrecoverable: also days that nobody could make again.

        Returns:
            Bytes that were freed.

        Raises:
            ExecutionError: E613 another process or run works on the days, E614 a day would be lost for good, E615 Dagster keeps them.
            LakeError: E501, E503, E504 a file cannot be deleted; the same call again removes the rest.
        """
        if plan.lost and not even_if_unrecoverable:
            raise _unrecoverable(plan.lost)
        end_dead_runs(self._instance)
        freed = 0
        with self._claimed(plan.days):
            for key in reversed(self._ordered({day.key for day in plan.days})):
                days = [day for day in plan.days if day.key == key]
                names = [day.trade_date.isoformat() for day in days]
                wipe_partitions(self._instance, key, names, _note(days))
                symbol, dataset = key.path
                for day in days:
                    freed += remove_partition(self._workbench.lake, dataset, symbol, day.trade_date)
        return freed

    def _ordered(self, keys: set[dg.AssetKey]) -> list[dg.AssetKey]:
        levels = self._graph.toposorted_asset_keys_by_level
        return [key for level in levels for key in sorted(level) if key in keys]

    def _downstream(self, keys: Sequence[dg.AssetKey], *, needed_only: bool = False) -> set[dg.AssetKey]:
        """Return what is made from assets, or only what cannot be made without them."""
        found: set[dg.AssetKey] = set()
        waiting = list(keys)
        while waiting:
            above = waiting.pop()
            children = {key for key in self._graph.get(above).child_keys if has_builder(key)} - found
            children = {key for key in children if not (needed_only and is_optional(above, key))}
            found |= children
            waiting += children
        return found - set(keys)

    def _stored(self, key: dg.AssetKey, first: date, last: date) -> Iterator[StoredDay]:
        symbol, dataset = key.path
        materialized = self._instance.get_materialized_partitions(key)
        for day in weekdays_between(first, last):
            files = stored_files(self._workbench.lake, dataset, symbol, day)
            is_materialized = day.isoformat() in materialized
            if files.paths or is_materialized:
                footer = self._footer(key, day)
                yield StoredDay(key, day, files, None if footer is None else footer.rows, is_materialized)

    def _footer(self, key: dg.AssetKey, day: date) -> Footer | None:
        symbol, dataset = key.path
        try:
            return self._workbench.lake.footer(dataset, symbol, day)
        except LakeError:  # a damaged file may be forgotten like any other
            return None

    def _judge(self, day: StoredDay, lost: set[tuple[dg.AssetKey, date]]) -> StoredDay:
        """Say whether the day could be made again, and whether it would be the same."""
        if not day.rows:  # no file, a damaged one, or one that only says that there is nothing
            return day
        why = self._lost_parent(day, lost)
        builder = builder_for(day.key, self._workbench)
        differs = False
        if why is None:
            why, differs = _outlook(builder, day.trade_date, self._footer(day.key, day.trade_date))
        return StoredDay(day.key, day.trade_date, day.files, day.rows, day.is_materialized, why, differs)

    def _lost_parent(self, day: StoredDay, lost: set[tuple[dg.AssetKey, date]]) -> str | None:
        """Return what the day was made from that could not be made again; enrichment also looks back to the previous open day."""
        for key in sorted(self._graph.get(day.key).parent_keys):
            if not is_optional(key, day.key):
                if (key, day.trade_date) in lost:
                    return f"{key.to_user_string()} of that day could not be made again"
                continue
            calendar = calendar_for(self._workbench.registry.get(key.path[0]).calendar)
            for shown in (day.trade_date, calendar.previous_open(day.trade_date)):
                if (key, shown) in lost:
                    return f"{key.to_user_string()} {shown} could not be made again, and this day would have nulls in its place"
        return None

    @contextmanager
    def _claimed(self, days: Sequence[StoredDay]) -> Iterator[None]:
        names = {partition_name(day.key.to_user_string(), day.trade_date.isoformat()) for day in days}
        with claim(self._claims_dir, names) as other:
            conflict = other or claim_of_runs(self._instance, names, self._assets_of_job)
            holder = conflict.holder if conflict is not None else self._waiting_run(names)
            if holder is not None:
                raise ExecutionError(
                    "E613",
                    f"{holder} makes some of the {len(names)} partitions that are to be forgotten",
                    "it would write them again, or find them gone half-way; nothing was removed",
                    "tp runs",
                )
            yield

    def _waiting_run(self, names: set[str]) -> str | None:
        """Return a run that has no process yet but will make one of the partitions."""
        statuses = [dg.DagsterRunStatus.QUEUED, *UNFINISHED]
        for run in self._instance.get_runs(dg.RunsFilter(statuses=statuses)):
            keys = run.asset_selection or self._assets_of_job(run.job_name)
            held = {
                partition_name(key.to_user_string(), day.isoformat()) for key in keys for day in days_of_run(run.tags)
            }
            if held & names:
                return f"run {run.run_id[:8]} ({run.status.value.lower()})"
        return None

    def _assets_of_job(self, name: str) -> frozenset[dg.AssetKey]:
        job = self._jobs.get(name)
        return frozenset() if job is None else frozenset(job.asset_layer.selected_asset_keys)


def _outlook(builder: DayBuilder, day: date, footer: Footer | None) -> tuple[str | None, bool]:
    """Return why a day could not be made again (None if it could), and whether it would come out otherwise."""
    try:
        plan = builder.plan(day)
        if plan.decided is not None and not plan.decided.is_materialized:
            return plan.reason or plan.decided.value, False
        sources = () if plan.decided is not None else builder.hash_sources(plan)
        fingerprint = fingerprint_of(builder, plan, sources)
    except PlatformError as error:
        return f"{error.code} {error.what}", False
    if footer is None or fingerprint == footer.fingerprint:
        return None, False
    now = {source.name: source.sha256 for source in sources}
    absent = [source.name for source in footer.sources if source.sha256 != ABSENT and now.get(source.name) == ABSENT]
    if absent:
        return (
            f"{', '.join(absent)}, which it shows, is not stored now; made again, the day would have nulls in its place",
            False,
        )
    if builder.contract.is_primary:
        changed = [
            source.name
            for source in footer.sources
            # What rows were only compared with fed none of them.
            if not source.name.startswith(COMPARED) and now.get(source.name, source.sha256) != source.sha256
        ]
        if changed:
            return f"{', '.join(changed)} no longer holds the records that this copy was made from", False
    return None, True


def _unrecoverable(lost: Sequence[StoredDay]) -> ExecutionError:
    first, last = min(day.trade_date for day in lost), max(day.trade_date for day in lost)
    names = sorted({day.key.to_user_string() for day in lost})
    return ExecutionError(
        "E614",
        f"{len(lost)} of the days could not be made again, first {lost[0].name}: this copy is the only one",
        f"{lost[0].lost}; nothing was removed. The next command shows what would go; to remove it for good, "
        "repeat it with --even-if-unrecoverable --yes instead of --dry-run",
        command("tp", "forget", *names, "--from", first, "--to", last, "--dry-run"),
    )


def _note(days: Sequence[StoredDay]) -> Mapping[str, object]:
    """Describe what was removed, for the page of the asset."""
    names = [day.trade_date.isoformat() for day in days]
    return {
        "forgotten": f"{len(names)} trade dates, {names[0]} to {names[-1]}, by tp forget",
        "trade_dates": ", ".join(names[:_MOST_NOTED_DAYS]),
        "size_bytes": sum(day.files.size_bytes for day in days),
    }
