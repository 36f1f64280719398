"""``tp forget``: take stored days out of the lake and out of Dagster's memory."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...errors import ConfigurationError, command
from .. import console
from ..options import DayOption, DryRunOption, FirstOption, JsonOption, LastOption, day_of, ordered_range
from ..platform import locate_home, open_platform

if TYPE_CHECKING:
    from jobs.forget import ForgetPlan, ForgetRequest, StoredDay

_HELP = """
Remove stored days: their Parquet files, their refused rows, and that Dagster counts them as done. tp backfill makes them again.

Example: tp forget MNQ/ticks --day 2025-03-10 --dry-run

ASSETS are keys (MNQ/ticks), patterns (MNQ/*), or Dagster selections. It shows first what would go and what was made from it, then asks;
where nobody can be asked, --yes is needed. Source files are never touched, neither those of Sierra Chart nor those of the gamma feed and
saved option chains. A day whose source is gone is refused, because its copy in the lake is the only one; so is an enriched day that shows
gamma data which are not stored now, because a backfill would put nulls in their place.
"""
_SHOWN_DAYS = 30


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("forget", help=_HELP)(forget)


def forget(
    assets: Annotated[list[str], typer.Argument(metavar="ASSETS...", help="Assets, such as MNQ/ticks")],
    first: FirstOption = None,
    last: LastOption = None,
    day: DayOption = None,
    with_dependents: Annotated[
        bool, typer.Option("--with-dependents", help="Also remove what was made from these days (bars from ticks)")
    ] = False,
    even_if_unrecoverable: Annotated[
        bool, typer.Option("--even-if-unrecoverable", help="Also remove days that could not be made again")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do it without asking")] = False,
    dry_run: DryRunOption = False,
    json_output: JsonOption = False,
) -> None:
    """Remove stored days."""
    home = locate_home()
    span = _range(assets, day_of(first), day_of(last), day_of(day))
    with open_platform(home) as platform:
        from jobs.forget import ForgetRequest, Forgetting
        from jobs.selection import select_assets

        request = ForgetRequest(select_assets(platform.defs, assets), *span, with_dependents=with_dependents)
        engine = Forgetting(platform.defs, platform.instance, platform.home.claims_dir)
        plan = engine.plan(request)
        if not json_output:
            _print_plan(plan, dry_run=dry_run)
        if dry_run or not plan.days:
            _finish(plan, None, dry_run=dry_run, json_output=json_output)
            return
        if plan.lost and not even_if_unrecoverable:
            engine.run(plan)  # refuses, and says why
        if not yes:
            _ask(plan, request, json_output=json_output)
        freed = engine.run(plan, even_if_unrecoverable=even_if_unrecoverable)
        _finish(plan, freed, dry_run=False, json_output=json_output)


def _range(assets: Sequence[str], first: date | None, last: date | None, day: date | None) -> tuple[date, date]:
    if day is not None and (first is not None or last is not None):
        raise ConfigurationError(
            "E160",
            "--day and --from/--to exclude each other",
            "each of them says which days are meant; nothing was removed",
            command("tp", "forget", *assets, "--day", day, "--dry-run"),
        )
    begin, end = (day, day) if day is not None else (first, last)
    if begin is None or end is None:
        raise ConfigurationError(
            "E162",
            "no range of trade dates: --day, or --from and --to are needed",
            "it is never guessed what may be removed; nothing was removed",
            "tp forget --help",
        )
    return ordered_range(begin, end, "tp", "forget", *assets, "--dry-run")


def _ask(plan: ForgetPlan, request: ForgetRequest, *, json_output: bool) -> None:
    """Return if the person says yes; where nobody can be asked, refuse."""
    if json_output or not _can_ask():
        flags = ["--with-dependents"] if request.with_dependents else []
        raise ConfigurationError(
            "E106",
            f"{_partitions(len(plan.days))} would be removed, and nobody can be asked here",
            "standard input or output is no terminal; nothing was removed; look with --dry-run, then give --yes",
            command("tp", "forget", *_names(request), *_span(request), *flags, "--dry-run"),
        )
    typer.confirm(f"remove {_partitions(len(plan.days))}?", abort=True, err=True)


def _can_ask() -> bool:
    return sys.stdin.isatty() and console.out.is_terminal


def _finish(plan: ForgetPlan, freed: int | None, *, dry_run: bool, json_output: bool) -> None:
    if json_output:
        removed = 0 if freed is None else len(plan.days)
        console.print_json(
            {
                "dry_run": dry_run,
                "days": [_as_json(day) for day in plan.days],
                "dependents": [
                    {**_as_json(day), "can_be_made_without": day.key in plan.enriched} for day in plan.dependents
                ],
                "removed": removed,
                "freed_bytes": 0 if freed is None else freed,
            }
        )
    elif not plan.days:
        console.out.print("nothing to remove: none of these days is stored")
    elif freed is not None:
        console.out.print(f"removed {_partitions(len(plan.days))}, {freed:,} bytes")
        again = list(dict.fromkeys(day.key.to_user_string() for day in plan.days))
        days = [day.trade_date for day in plan.days]
        console.out.print(f"next: {command('tp', 'backfill', *again, '--from', min(days), '--to', max(days))}")


def _print_plan(plan: ForgetPlan, *, dry_run: bool) -> None:
    if not plan.days:
        return
    rows = [
        (
            day.key.to_user_string(),
            day.trade_date.isoformat(),
            day.rows,
            day.files.size_bytes,
            "yes" if day.files.refused else "",
            _remark(day),
        )
        for day in plan.days
    ]
    title = "would be removed (dry run, nothing was done)" if dry_run else "to be removed"
    columns = ("asset", "trade date", "rows", "bytes", "refused rows", "remark")
    console.print_table(columns, rows[:_SHOWN_DAYS], title=title)
    if len(rows) > _SHOWN_DAYS:
        console.out.print(f"… and {len(rows) - _SHOWN_DAYS:,} more, up to {rows[-1][0]} {rows[-1][1]}")
    if len(rows) == 1 and plan.days[0].files.rows is not None:
        console.out.print(f"file: {plan.days[0].files.rows}")
    total = sum(day.files.size_bytes for day in plan.days)
    console.out.print(f"total: {_partitions(len(plan.days))}, {total:,} bytes")
    _print_dependents(plan)
    for day in plan.lost[:5]:
        console.err.print(f"WARNING: {day.name} could not be made again: {day.lost}", style="bold red")
    if plan.lost:
        console.err.print(
            f"WARNING: the source no longer has {_partitions(len(plan.lost))}: the copy in the lake is the only one",
            style="bold red",
        )
    changed = sum(day.differs for day in plan.days)
    if changed:
        console.err.print(
            f"warning: source, settings or code of {_partitions(changed)} changed since; made again, they may hold other rows",
            style="yellow",
        )


def _print_dependents(plan: ForgetPlan) -> None:
    """Say what hangs on these days: what cannot be made without them, and what only shows something of them."""
    needing = [day for day in plan.dependents if day.key not in plan.enriched]
    if needing:
        console.out.print(
            f"{_partitions(len(needing))} of {_assets(needing)} were made from them and stay as they are, but cannot be made again or "
            "compared before these days are back; --with-dependents removes them too"
        )
    showing = [day for day in plan.dependents if day.key in plan.enriched]
    if showing:
        days = sorted({day.trade_date for day in showing})
        span = f"{days[0]}" if len(days) == 1 else f"{days[0]} to {days[-1]}"
        console.out.print(
            f"{_partitions(len(showing))} of {_assets(showing)} ({span}) show gamma data of them, on the day or before the opening of the "
            "next one, and stay as they are; a backfill before these days are back makes them again with nulls in their place; "
            "--with-dependents removes those of the same days too"
        )


def _assets(days: Sequence[StoredDay]) -> str:
    return ", ".join(sorted({day.key.to_user_string() for day in days}))


def _remark(day: StoredDay) -> str:
    if day.lost is not None:
        return "the only copy"
    if day.differs:
        return "source, settings or code changed since"
    if day.files.rows is None:
        return "no file, only Dagster counts it as done" if day.is_materialized else "only refused rows"
    return "" if day.is_materialized else "not materialized"


def _as_json(day: StoredDay) -> dict[str, Any]:
    return {
        "asset": day.key.to_user_string(),
        "trade_date": day.trade_date.isoformat(),
        "rows": day.rows,
        "size_bytes": day.files.size_bytes,
        "files": [str(path) for path in day.files.paths],
        "materialized": day.is_materialized,
        "unrecoverable": day.lost,
        "differs_from_source": day.differs,
    }


def _names(request: ForgetRequest) -> list[str]:
    return [key.to_user_string() for key in request.keys]


def _span(request: ForgetRequest) -> tuple[object, ...]:
    return ("--from", request.first, "--to", request.last)


def _partitions(number: int) -> str:
    return "1 partition" if number == 1 else f"{number:,} partitions"
