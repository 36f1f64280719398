"""A sensor that keeps stored days equal to the source files beside which the platform runs.

It looks at the files of the active instruments, tells by content what happened to each, compares the days concerned, and requests exactly
those that differ, once. On first sight of a folder it only remembers: bulk is the work of ``tp backfill``. Belongs here: the definition,
and how a look is told. Does not belong here: the decisions (``jobs/watching.py``, ``jobs/refresh.py``).
"""

import time
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import date
from pathlib import Path

import dagster as dg

from assets import keys
from assets.builders import RESOURCE_KEYS, Workbench
from assets.recorded import nothing_to_add
from jobs.claims import claimed_partitions
from jobs.lineage import made_from
from jobs.refresh import Refresher, RefreshSettings
from jobs.watch_cursor import Cursor
from jobs.watching import Sighting, WatchedFile, baseline, sight, watched_files
from trading_platform.errors import ExecutionError, PlatformError, SourceError
from trading_platform.sierra.watch import ChangeKind

from .telling import ALERTS, CURSOR_LOST, FOLDER_LOST, tell_files_gone, tell_given_up, tell_look, to_run_request, warn

NAME = "new_files"

_MADE_FROM_FILES = (keys.TICKS, keys.DEPTH_EVENTS)

__all__ = ["ALERTS", "NAME", "chains_of", "new_files_sensor"]


def new_files_sensor(
    dated: Sequence[dg.AssetsDefinition],
    claims_dir: Path,
    settings: RefreshSettings,
    *,
    interval_s: int,
    monotonic: Callable[[], float] = time.monotonic,
) -> dg.SensorDefinition:
    """Define the sensor.

    Args:
        dated: all dated assets; those made from files are watched, and what is made from them is requested with them.
        claims_dir: where running backfills claim their partitions.
        settings: the pace.
        interval_s: shortest time between two looks.
        monotonic: seconds that only grow (tests).
    """
    all_chains = chains_of(dated)
    parents = {asset.key: asset.asset_deps[asset.key] for asset in dated}

    @dg.sensor(
        name=NAME,
        asset_selection=dg.AssetSelection.assets(*[asset.key for asset in dated]),
        minimum_interval_seconds=interval_s,
        default_status=dg.DefaultSensorStatus.RUNNING,
        required_resource_keys=set(RESOURCE_KEYS),
        description="Looks at the source files and requests exactly the days whose content changed; nothing on first sight of a folder.",
    )
    def look_at_files(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        with Workbench.from_context(context) as workbench:
            # What enriches is left to those who have it: without a feed, every refresh would make nulls.
            idle = {key for key, above in parents.items() if nothing_to_add(key, above, workbench) is not None}
            chains = {asset: tuple(key for key in chain if key not in idle) for asset, chain in all_chains.items()}
            try:
                refresher = Refresher(workbench, context.instance, chains, settings, claimed, monotonic)
                return _look(context, workbench, refresher, chains)
            except SourceError as error:
                return _folder_lost(context.cursor, error)

    def claimed() -> frozenset[str]:
        return claimed_partitions(claims_dir)

    return look_at_files


def chains_of(dated: Sequence[dg.AssetsDefinition]) -> dict[str, tuple[dg.AssetKey, ...]]:
    """Return per asset made from files what to make when a file changes: itself, then everything made from it, upstream first."""
    parents = {asset.key: asset.asset_deps[asset.key] for asset in dated}
    return {root.to_user_string(): made_from([root], parents) for root in parents if root.path[1] in _MADE_FROM_FILES}


def _look(
    context: dg.SensorEvaluationContext,
    workbench: Workbench,
    refresher: Refresher,
    chains: Mapping[str, Sequence[dg.AssetKey]],
) -> dg.SensorResult:
    cursor, notes = _remembered(context.cursor, workbench)
    files = watched_files(workbench, chains.keys(), cursor)
    notes += _meet(cursor, files, workbench, chains.keys())

    def materialized(asset: str) -> frozenset[date]:
        days = context.instance.get_materialized_partitions(dg.AssetKey(asset.split("/")))
        return frozenset(map(date.fromisoformat, days))

    seen = sight(cursor, files, workbench, materialized)
    look = refresher.look(cursor)
    tell_files_gone([sighting.name for sighting in seen if sighting.is_news and sighting.kind is ChangeKind.GONE])
    tell_given_up(look)
    text = "; ".join([f"watching {len(files)} files", *notes, *_tell(seen), *tell_look(look)])
    if look.requests:
        context.log.info(text)
        return dg.SensorResult(run_requests=list(map(to_run_request, look.requests)), cursor=cursor.dump())
    return dg.SensorResult(skip_reason=text, cursor=cursor.dump())


def _remembered(text: str | None, workbench: Workbench) -> tuple[Cursor, list[str]]:
    """Return what was remembered, or an empty memory with the reason for it."""
    folder = "" if workbench.archive.directory is None else str(workbench.archive.directory)
    nothing = Cursor(workbench.clock.now().isoformat(timespec="seconds"), folder)
    if not text:
        return nothing, []
    try:
        cursor = Cursor.parse(text)
    except ExecutionError as error:
        warn(CURSOR_LOST, error)
        return nothing, [f"{error.code} {error.what}"]
    if cursor.folder != folder:
        return nothing, [f"the data folder is now {folder or 'none'}, it was {cursor.folder or 'none'}"]
    cursor.is_folder_lost = False
    return cursor, []


def _meet(cursor: Cursor, files: Sequence[WatchedFile], workbench: Workbench, assets: AbstractSet[str]) -> list[str]:
    """Remember the files of assets that were never looked at as they are; say so."""
    # An asset that is no longer active is forgotten: if it comes back, it is seen for the first time.
    for asset in cursor.files.keys() - assets:
        for part in (cursor.files, cursor.queue, cursor.pending):
            part.pop(asset, None)
    fresh = assets - cursor.files.keys()
    first_seen = [file for file in files if file.asset in fresh]
    readable = baseline(cursor, first_seen, workbench, workbench.clock.now())
    for asset in fresh:
        cursor.files.setdefault(asset, {})
    if not first_seen:
        return []
    names = ", ".join(sorted({file.asset for file in first_seen}))
    todo = "remembered as they are, nothing requested; days that are not stored yet are made by: tp backfill --from D --to D"
    return [f"first sight of {readable} files of {names}: {todo}"]


def _folder_lost(text: str | None, error: PlatformError) -> dg.SensorResult:
    """Say so, and keep the memory: when the folder is back, its files are compared with what they were."""
    try:
        cursor = Cursor.parse(text) if text else None
    except ExecutionError:
        cursor = None
    if cursor is None or not cursor.is_folder_lost:
        warn(FOLDER_LOST, error)
    if cursor is not None:
        cursor.is_folder_lost = True
    reason = f"{error.code} {error.what}; next: {error.next_command}"
    return dg.SensorResult(skip_reason=reason, cursor=text if cursor is None else cursor.dump())


def _tell(seen: Sequence[Sighting]) -> list[str]:
    """Say what happened to files, one part per kind."""
    kinds: dict[ChangeKind, list[str]] = {}
    for sighting in seen:
        kinds.setdefault(sighting.kind, []).append(sighting.name + (f" ({sighting.note})" if sighting.note else ""))
    return [f"{kind.value}: {', '.join(names)}" for kind, names in kinds.items()]
