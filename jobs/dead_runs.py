"""Runs whose process is gone: end them, so that they hold nothing up.

A killed in-process run stays STARTED and keeps its pool slot; Dagster's run monitoring cannot look into such a process, and the next run
that needs the slot waits for ever. Belongs here: finding and ending them. Does not belong here: when that happens (``sensors``, ``tp``).
"""

from __future__ import annotations

from dataclasses import dataclass

import dagster as dg

from trading_platform.process import ProcessIdentity

UNFINISHED = [
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


@dataclass(frozen=True, slots=True)
class DeadRun:
    """A run that was ended because its process is gone."""

    run_id: str
    process: ProcessIdentity

    def __str__(self) -> str:
        """Render for people."""
        return f"ended run {self.run_id[:8]} of dead {self.process}"


def end_dead_runs(instance: dg.DagsterInstance, *, dry_run: bool = False) -> list[DeadRun]:
    """End every unfinished run of this host whose process no longer lives, and free its pool slots.

    Runs of other hosts, and runs that carry no process (queued ones, or started by something else), are left alone.

    Args:
        instance: the Dagster instance.
        dry_run: only report.

    Returns:
        The runs that were (or would be) ended.
    """
    dead: list[DeadRun] = []
    for run in instance.get_runs(dg.RunsFilter(statuses=UNFINISHED)):
        process = ProcessIdentity.from_tags(run.tags)
        if process is None or not process.is_on_this_host or process.is_alive:
            continue
        dead.append(DeadRun(run.run_id, process))
        if not dry_run:
            _end(instance, run, f"{process} is gone: killed, crashed or lost power. Finished days stay done.")
    return dead


def end_runs_of(instance: dg.DagsterInstance, process: ProcessIdentity) -> None:
    """End the unfinished runs of a process that gives up on them (Ctrl-C between two steps leaves a run that nobody goes on with)."""
    for run in instance.get_runs(dg.RunsFilter(statuses=UNFINISHED, tags=process.to_tags())):
        _end(instance, run, f"{process} was interrupted. Finished days stay done.")


def _end(instance: dg.DagsterInstance, run: dg.DagsterRun, message: str) -> None:
    instance.report_run_failed(run, message=message)
    instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
