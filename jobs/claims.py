"""Who is working on which partitions, so that two backfills never do the same day at the same time.

Belongs here: claims, small files whose lock lives exactly as long as the process that holds it; a killed process leaves a file without a
lock, which the next one removes. Does not belong here: the lock on a single partition file (``trading_platform.lake``), which protects
bytes, while a claim protects people from doing work twice.
"""

from __future__ import annotations

import fcntl
import json
import os
import uuid
from collections.abc import Callable, Iterable, Iterator
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import dagster as dg

from trading_platform.process import ProcessIdentity

from .dead_runs import UNFINISHED
from .ranges import days_of_run


@dataclass(frozen=True, slots=True)
class Claim:
    """Partitions that a living process works on.

    Attributes:
        holder: text that names the process or run.
        partitions: ``asset/key|day`` entries.
    """

    holder: str
    partitions: frozenset[str]


def partition_name(asset: str, day: str) -> str:
    """Return the name of one partition inside a claim."""
    return f"{asset}|{day}"


@contextmanager
def claim(folder: Path, partitions: Iterable[str]) -> Iterator[Claim | None]:
    """Claim partitions for the length of the block.

    Args:
        folder: where claims are kept; created if needed.
        partitions: names from ``partition_name``.

    Yields:
        None if the claim is held, else the conflicting claim of another process, and nothing is held.
    """
    folder.mkdir(parents=True, exist_ok=True)
    wanted = frozenset(partitions)
    path = folder / f"{uuid.uuid4().hex}.claim"
    with (folder / "guard.lock").open("a") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        conflict = next((other for other in _living(folder) if other.partitions & wanted), None)
        held = None if conflict is not None else _hold(path, wanted)
    try:
        yield conflict
    finally:
        if held is not None:
            path.unlink(missing_ok=True)
            os.close(held)


def claimed_partitions(folder: Path) -> frozenset[str]:
    """Return the partitions that living processes have claimed, as names from ``partition_name``."""
    if not folder.is_dir():
        return frozenset()
    with (folder / "guard.lock").open("a") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        return frozenset().union(*(other.partitions for other in _living(folder)))


def remove_dead_claims(folder: Path) -> int:
    """Delete claims whose process is gone and return how many there were; the next claim would do it too."""
    guard_path = folder / "guard.lock"
    if not guard_path.is_file():
        return 0
    with guard_path.open("a") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        before = len(list(folder.glob("*.claim")))
        return before - sum(1 for _ in _living(folder))


def claim_of_runs(
    instance: dg.DagsterInstance,
    partitions: AbstractSet[str],
    assets_of_job: Callable[[str], AbstractSet[dg.AssetKey]],
) -> Claim | None:
    """Return the claim of a run that is under way outside ``tp`` (web UI, schedule) on any of the partitions, or None.

    Args:
        instance: where runs are.
        partitions: names from ``partition_name``.
        assets_of_job: the assets of a job by its name; a run of a whole job names no assets of its own.
    """
    for run in instance.get_runs(dg.RunsFilter(statuses=UNFINISHED)):
        process = ProcessIdentity.from_tags(run.tags)
        if process is None or (process.is_on_this_host and not process.is_alive):
            continue
        keys = run.asset_selection or assets_of_job(run.job_name)
        held = frozenset(
            partition_name(key.to_user_string(), day.isoformat()) for key in keys for day in days_of_run(run.tags)
        )
        if process != ProcessIdentity.current() and held & partitions:
            return Claim(f"run {run.run_id[:8]}, {process}", held)
    return None


def _hold(path: Path, partitions: frozenset[str]) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    content = {"holder": str(ProcessIdentity.current()), "partitions": sorted(partitions)}
    os.write(descriptor, json.dumps(content).encode())
    return descriptor


def _living(folder: Path) -> Iterator[Claim]:
    for path in sorted(folder.glob("*.claim")):
        try:
            with path.open("rb") as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    content = json.loads(file.read())
                    yield Claim(content["holder"], frozenset(content["partitions"]))
                else:
                    path.unlink(missing_ok=True)
        except FileNotFoundError:  # its holder finished meanwhile
            continue
