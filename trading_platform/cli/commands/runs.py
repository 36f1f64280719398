"""``tp runs``: runs that have not finished, and the dead ones among them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from ...home import Home
from ...process import ProcessIdentity
from .. import console
from ..options import DryRunOption, JsonOption
from ..platform import locate_home, open_instance

if TYPE_CHECKING:
    import dagster as dg

_HELP = """
List unfinished runs with the process that works on them. A run whose process is gone holds up others until it is ended.

Example: tp runs --end-dead

Every tp backfill ends dead runs of this host by itself; this command is for looking, and for doing it without a backfill.
"""


@dataclass(frozen=True, slots=True)
class UnfinishedRun:
    """One unfinished run.

    Attributes:
        run: its id.
        status: queued, starting, started, ….
        started: when it was created, UTC.
        assets: what it makes.
        days: its trade dates.
        process: process and host, empty if the run carries none (it waits in the queue).
        alive: ``yes``, ``no`` or ``unknown`` (another host, or no process yet).
    """

    run: str
    status: str
    started: str
    assets: str
    days: str
    process: str
    alive: str


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("runs", help=_HELP)(runs)


def runs(
    end_dead: Annotated[
        bool,
        typer.Option(
            "--end-dead", help="End runs of this host whose process is gone, and delete what dead processes left"
        ),
    ] = False,
    dry_run: DryRunOption = False,
    json_output: JsonOption = False,
) -> None:
    """List unfinished runs and end dead ones."""
    home = locate_home()
    with open_instance(home) as instance:
        found = unfinished_runs(instance)
        from jobs.dead_runs import end_dead_runs

        ended = [str(dead) for dead in end_dead_runs(instance, dry_run=dry_run)] if end_dead else []
    removed = _remove_left_overs(home) if end_dead and not dry_run else 0
    if json_output:
        console.print_json(
            {"dry_run": dry_run, "unfinished": [asdict(run) for run in found], "ended": ended, "removed": removed}
        )
        return
    if found:
        rows = [(r.run[:8], r.status, r.started, r.assets, r.days, r.process, r.alive) for r in found]
        console.print_table(("run", "status", "created", "assets", "trade dates", "process", "alive"), rows)
    else:
        console.out.print("no unfinished runs")
    for text in ended:
        console.out.print(f"would be {text}" if dry_run else text)
    if removed:
        console.out.print(f"removed {removed} claims and temporary files of dead processes")
    if not end_dead and any(run.alive == "no" for run in found):
        console.out.print("next: tp runs --end-dead")


def _remove_left_overs(home: Home) -> int:
    from jobs.claims import remove_dead_claims

    from ...lake import LocalLake

    return remove_dead_claims(home.claims_dir) + LocalLake(home.lake_dir).remove_stale_temporaries()


def unfinished_runs(instance: dg.DagsterInstance) -> list[UnfinishedRun]:
    """Return the unfinished runs of an instance, newest first."""
    import dagster as dg

    from jobs.dead_runs import UNFINISHED

    statuses = [dg.DagsterRunStatus.QUEUED, *UNFINISHED]
    records = instance.get_run_records(dg.RunsFilter(statuses=statuses))
    return [_describe(record) for record in records]


def _describe(record: dg.RunRecord) -> UnfinishedRun:
    run = record.dagster_run
    process = ProcessIdentity.from_tags(run.tags)
    alive = "unknown"
    if process is not None and process.is_on_this_host:
        alive = "yes" if process.is_alive else "no"
    keys = sorted(key.to_user_string() for key in run.asset_selection or ())
    return UnfinishedRun(
        run=run.run_id,
        status=run.status.value.lower(),
        started=record.create_timestamp.replace(tzinfo=UTC)
        .isoformat(sep=" ", timespec="seconds")
        .removesuffix("+00:00")
        if record.create_timestamp.tzinfo is None
        else _utc(record.create_timestamp),
        assets=", ".join(keys) or run.job_name,
        days=_days_of(run.tags),
        process="" if process is None else str(process),
        alive=alive,
    )


def _utc(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat(sep=" ", timespec="seconds").removesuffix("+00:00")


def _days_of(tags: Mapping[str, str]) -> str:
    from jobs.ranges import TAG_PARTITION, TAG_RANGE_END, TAG_RANGE_START

    first = tags.get(TAG_RANGE_START) or tags.get(TAG_PARTITION, "")
    last = tags.get(TAG_RANGE_END) or tags.get(TAG_PARTITION, "")
    return first if first == last else f"{first} to {last}"
