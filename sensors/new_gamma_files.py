"""A sensor that keeps stored days equal to the files of the gamma feed and the saved option chains beside a running platform.

It looks at the folders of TP_GEX_DIR and TP_CHAIN_DIR, tells which days have other files than before, compares them, and requests exactly
those that differ, once, with everything that is made from them. On first sight of a folder it only remembers: bulk is the work of
``tp backfill``. Belongs here: the definition, and how a look is told. Does not belong here: the decisions (``jobs/gamma_watching.py``,
``jobs/refresh.py``), files of Sierra Chart (``new_files.py``).
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path

import dagster as dg

from assets.builders import RESOURCE_KEYS, Workbench
from jobs.claims import claimed_partitions
from jobs.gamma_cursor import SENSOR, GammaCursor
from jobs.gamma_watching import (
    Seen,
    Watched,
    directory_of,
    list_folder,
    queue_later_days,
    remember,
    sight,
)
from jobs.lineage import Makeable
from jobs.refresh import Refresher, RefreshSettings, spans
from resources.gamma import GammaResource
from trading_platform.chains import ChainArchive
from trading_platform.clock import Clock, SystemClock
from trading_platform.errors import ExecutionError, SourceError
from trading_platform.words import counted

from .telling import ALERTS, CURSOR_LOST, FOLDER_LOST, tell_files_gone, tell_given_up, tell_look, to_run_request, warn

NAME = SENSOR
_MOST_NAMED = 3

__all__ = ["ALERTS", "NAME", "new_gamma_files_sensors"]


def new_gamma_files_sensors(
    dated: Sequence[dg.AssetsDefinition],
    claims_dir: Path,
    settings: RefreshSettings,
    *,
    interval_s: int,
    monotonic: Callable[[], float] = time.monotonic,
) -> list[dg.SensorDefinition]:
    """Define the sensor; none if no asset is made from such files.

    Args:
        dated: all dated assets.
        claims_dir: where running backfills claim their partitions.
        settings: the pace.
        interval_s: shortest time between two looks.
        monotonic: seconds that only grow (tests).
    """
    parents = {asset.key: asset.asset_deps[asset.key] for asset in dated}
    watched = Watched.of(parents)
    if not watched.chains:
        return []
    wanted = {key for chain in watched.chains.values() for key in chain}
    chains_read = _ChainsRead()

    @dg.sensor(
        name=NAME,
        asset_selection=dg.AssetSelection.assets(*sorted(wanted)),
        minimum_interval_seconds=interval_s,
        default_status=dg.DefaultSensorStatus.RUNNING,
        required_resource_keys=set(RESOURCE_KEYS),
        description="Looks at files of the gamma feed and saved option chains and requests exactly the days whose content changed; nothing "
        "on first sight of a folder.",
    )
    def look_at_gamma_files(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        with Workbench.from_context(context) as opened:
            workbench = replace(opened, chain_archive=chains_read.of(context.resources.gamma, opened))
            cursor, notes = _remembered(context.cursor, workbench)
            looked, parts = _look_at_folders(cursor, watched, workbench)
            refresher = Refresher(
                workbench,
                context.instance,
                looked,
                settings,
                lambda: claimed_partitions(claims_dir),
                monotonic,
                also_compared=watched.from_files,
                makeable=Makeable(parents, workbench, context.instance),
            )
            look = refresher.look(cursor)
            queue_later_days(cursor, look.ended, watched, workbench)
        tell_given_up(look)
        text = "; ".join([*notes, *parts, *tell_look(look)])
        if look.requests:
            context.log.info(text)
            return dg.SensorResult(run_requests=list(map(to_run_request, look.requests)), cursor=cursor.dump())
        return dg.SensorResult(skip_reason=text, cursor=cursor.dump())

    return [look_at_gamma_files]


class _ChainsRead:
    """The archive of chains, kept from look to look: a folder of years has thousands of files, and only new ones need to be opened.

    It is a clock as well, that of the present look: which chains lie in the future changes from one to the next.
    """

    def __init__(self) -> None:
        self._archive: ChainArchive | None = None
        self._clock: Clock = SystemClock()

    def now(self) -> datetime:
        """Return the time of the present look."""
        return self._clock.now()

    def of(self, gamma: GammaResource, workbench: Workbench) -> ChainArchive:
        """Return the archive of a look."""
        self._clock = workbench.clock
        if self._archive is None or self._archive.directory != workbench.chain_archive.directory:
            self._archive = gamma.chain_archive(self)
        return self._archive


def _remembered(text: str | None, workbench: Workbench) -> tuple[GammaCursor, list[str]]:
    """Return what was remembered, or an empty memory with the reason for it."""
    nothing = GammaCursor(workbench.clock.now().isoformat(timespec="seconds"))
    if not text:
        return nothing, []
    try:
        return GammaCursor.parse(text), []
    except ExecutionError as error:
        warn(CURSOR_LOST, error)
        return nothing, [f"{error.code} {error.what}"]


def _look_at_folders(
    cursor: GammaCursor, watched: Watched, workbench: Workbench
) -> tuple[dict[str, tuple[dg.AssetKey, ...]], list[str]]:
    """Look at both folders; what cannot be read of one holds up nothing of the other.

    Returns:
        What may be compared and requested now, and what to say. Of a folder that cannot be read nothing is compared, so that what is
        remembered of its days stays until it is back.
    """
    chains = dict(watched.chains)
    parts: list[str] = []
    gone: list[str] = []
    for source, roots in watched.sources.items():
        # An asset that is no longer active is forgotten: if it comes back, it is seen for the first time.
        for asset in [asset for asset in cursor.seen if _source_of(asset, watched) is None]:
            cursor.forget(asset)
        folder = directory_of(source, workbench)
        parts += _changed_folder(cursor, source, "" if folder is None else str(folder), watched)
        if folder is None:
            parts.append(f"no folder for the {source}")
        elif (error := _look_at(cursor, source, watched, workbench, parts, gone)) is None:
            continue
        else:
            parts.append(f"{error.code} {error.what}; next: {error.next_command}")
        for asset in roots:
            chains.pop(asset)
    tell_files_gone(gone)
    return chains, parts


def _changed_folder(cursor: GammaCursor, source: str, folder: str, watched: Watched) -> list[str]:
    """Forget what was seen in another folder; say so."""
    before = cursor.folders.get(source)
    cursor.folders[source] = folder
    if before is None or before == folder:
        return []
    for asset in watched.sources[source]:
        cursor.forget(asset)
    cursor.lost.discard(source)
    return [f"the folder for the {source} is now {folder or 'none'}, it was {before or 'none'}"]


def _look_at(
    cursor: GammaCursor, source: str, watched: Watched, workbench: Workbench, parts: list[str], gone: list[str]
) -> SourceError | None:
    """Look at one folder; return why it cannot be read."""
    roots = watched.sources[source]
    try:
        folder = list_folder(source, roots, workbench)
    except SourceError as error:
        if source not in cursor.lost:
            warn(FOLDER_LOST, error)
        cursor.lost.add(source)
        return error
    cursor.lost.discard(source)
    fresh = remember(cursor, folder, roots)
    seen = sight(cursor, folder, roots)
    parts.append(f"{source}: watching {counted(folder.number, 'file')}")
    if first_seen := sorted(asset for asset in fresh if folder.days.get(asset)):
        todo = "remembered as they are, nothing requested; days that are not stored yet are made by: tp backfill --from D --to D"
        parts.append(f"first sight of {', '.join(first_seen)}: {todo}")
    parts += _tell(seen)
    if folder.refused:
        more = f" and {len(folder.refused) - _MOST_NAMED} more" if len(folder.refused) > _MOST_NAMED else ""
        parts.append(f"of no day: {', '.join(folder.refused[:_MOST_NAMED])}{more}")
    gone += [f"{asset} {spans(days)}" for asset, days in seen.news.items()]
    return None


def _source_of(asset: str, watched: Watched) -> str | None:
    return next((source for source, roots in watched.sources.items() if asset in roots), None)


def _tell(seen: Seen) -> list[str]:
    """Say what happened to files, one part per kind."""
    kinds: Mapping[str, Mapping[str, list[date]]] = {
        "new": seen.new,
        "changed": seen.changed,
        "still changing": seen.unsettled,
        "gone (their stored days are kept)": seen.gone,
    }
    return [
        f"{kind}: {', '.join(f'{asset} {spans(days)}' for asset, days in found.items())}"
        for kind, found in kinds.items()
        if found
    ]
