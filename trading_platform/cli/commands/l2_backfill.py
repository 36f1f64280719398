"""``tp l2 backfill``: buy what is missing, once, within the budget, and make it.

Belongs here: the command. Does not belong here: how days are planned (``trading_platform.cli.l2_tasks``), bought and made
(``trading_platform.databento``), run (``jobs.backfill``).
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...clock import SystemClock
from ...errors import RefusedError, command
from ...words import counted
from .. import console
from ..l2_choice import (
    Choice,
    DateOption,
    LastDaysOption,
    MaxTasksOption,
    SinceOption,
    SymbolOption,
    SymbolsOption,
    Wanted,
    WatchlistOption,
    choose,
    tell,
)
from ..l2_options import ForceOption, MaxUsdOption, WorkersOption, options_given
from ..l2_plan import show_plan, vendor_of
from ..l2_run import Done, done_tasks, run_tasks
from ..options import DryRunOption, FirstOption, JsonOption, LastOption
from ..platform import locate_home

if TYPE_CHECKING:
    from jobs.backfill import AssetReport

    from ...databento.vendor import Vendor
    from ..l2_tasks import L2Work

_HELP = """
Buy the days of level 2 that are missing, and make them. A day is paid once: stopped at any moment and started again, only what is
missing is asked for. More than the budget is refused before the first paid call (exit code 3).

Example: tp l2 backfill --symbols ES,MNQ --from 2025-09-02 --to 2025-09-30 --max-usd 5

Without --symbols the list of --watchlist or TP_WATCHLIST says which symbols on which days; the other options narrow it. One symbol on one
day needs no list: tp l2 backfill --symbol AAPL --date 2025-07-29

Exit codes: 0 done, 1 a day ended ERROR or UNAVAIL (with --strict also PENDING or MISSING), 3 over the budget.
"""
_BUDGET = frozenset({"E350", "E351"})


def register(family: typer.Typer) -> None:
    """Add the command to the family ``tp l2``."""
    family.command("backfill", help=_HELP)(backfill)


def backfill(
    symbols: SymbolsOption = None,
    first: FirstOption = None,
    last: LastOption = None,
    watchlist: WatchlistOption = None,
    symbol: SymbolOption = None,
    days: DateOption = None,
    since: SinceOption = None,
    last_days: LastDaysOption = None,
    max_tasks: MaxTasksOption = None,
    max_usd: MaxUsdOption = None,
    max_workers: WorkersOption = None,
    force: ForceOption = False,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 also for PENDING and MISSING days")] = False,
    yes: Annotated[
        bool, typer.Option("--yes", help="Do not ask before paying; never asked without a terminal")
    ] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for another backfill of the same partitions")] = False,
    dry_run: DryRunOption = False,
    json_output: JsonOption = False,
) -> None:
    """Buy and make days of level 2."""
    from ...lake import LocalLake
    from ..l2_tasks import gather, open_if_needed

    started = time.perf_counter()
    home, clock = locate_home(), SystemClock()
    vendor = vendor_of(home, clock, max_usd=max_usd, rebuy=force, max_workers=max_workers)
    wanted = Wanted.of(symbols, symbol, days, watchlist, (first, last), since, last_days, max_tasks)
    choice = choose(wanted, vendor, clock, "backfill")
    lake = LocalLake(home.lake_dir)
    with_list = bool(choice.whole_days) and not dry_run
    with _telling_what_was_paid(vendor), open_if_needed(home, vendor, choice.symbols, always=with_list) as platform:
        work = gather(platform, vendor, lake, clock, choice, force=force)
        if dry_run:
            given = options_given(max_usd, max_workers, force=force)
            show_plan(work, vendor, command("tp", "l2", "backfill", *wanted.options(), *given), json_output=json_output)
            raise typer.Exit(console.EXIT_FAILED if work.is_out_of_reach else console.EXIT_DONE)
        refusal = _admit(work, vendor)
        if refusal is None and not yes:
            _confirm(work, vendor)
        made = run_tasks(platform, work, vendor, lake, force=force, wait=wait, json_output=json_output)
    done = done_tasks(work, made, vendor, lake)
    metrics = [report for report in made.reports if report.key.path[-1] == "l2_metrics"]
    seconds = time.perf_counter() - started
    _show(done, metrics, vendor, choice, seconds, json_output=json_output)
    if refusal is not None:
        if not json_output:
            console.print_error(refusal)
        raise typer.Exit(console.EXIT_REFUSED)
    raise typer.Exit(_exit_code(done, metrics, strict=strict))


@contextmanager
def _telling_what_was_paid(vendor: Vendor) -> Iterator[None]:
    """Say what an interrupted run has paid: typer would end the process without a word."""
    from ...databento.budget import usd

    try:
        yield
    except (KeyboardInterrupt, typer.Abort, typer.Exit) as error:
        if isinstance(error, typer.Exit) and error.exit_code != console.EXIT_INTERRUPTED:
            raise
        paid = vendor.paid_usd()
        if paid is None:
            console.err.print("interrupted: what was paid is not known, the ledger cannot be read: tp l2 spend")
        elif not any(paid.values()):
            console.err.print("interrupted: nothing was paid")
        else:
            bought = f"interrupted: {usd(sum(paid.values()))} was paid for {counted(len(paid), 'day')}"
            console.err.print(f"{bought}, which are kept: start the same command again to go on")
        raise typer.Exit(console.EXIT_INTERRUPTED) from error


def summary_line(outcomes: Sequence[str], *, concurrency: int, seconds: float) -> str:
    """Return the one line that scripts look for, also for zero tasks; the order of the words is part of it."""
    from ...lake.building import Outcome

    counts = " ".join(f"{word.value}={sum(outcome == word.value for outcome in outcomes)}" for word in Outcome)
    return f"SUMMARY {counts} total={len(outcomes)} concurrency={concurrency} duration={seconds:.3f}s"


def _admit(work: L2Work, vendor: Vendor) -> RefusedError | None:
    """Compare the plan with the budget; if it is refused, days that cost nothing are still made, and none is bought."""
    from ...databento.budget import PlannedDay

    wanted = [
        (task.view.target, PlannedDay(task.symbol, task.trade_date, task.cost_usd))
        for task in work.to_buy
        if task.view is not None and task.view.target is not None
    ]
    try:
        vendor.admit(wanted)
    except RefusedError as error:
        return error
    return None


def _confirm(work: L2Work, vendor: Vendor) -> None:
    from ...databento.budget import usd

    total = sum(task.cost_usd for task in work.to_buy)
    if not work.to_buy or not (sys.stdin.isatty() and console.err.is_terminal):
        return
    kind = "simulated " if vendor.synthetic else ""
    if not typer.confirm(f"buy {counted(len(work.to_buy), 'day')} for {kind}{usd(total)}?", err=True):
        console.err.print("nothing was paid")
        raise typer.Exit(console.EXIT_FAILED)


def _show(
    done: Sequence[Done],
    metrics: Sequence[AssetReport],
    vendor: Vendor,
    choice: Choice,
    seconds: float,
    *,
    json_output: bool,
) -> None:
    from .backfill import remarks

    line = summary_line([one.outcome for one in done], concurrency=vendor.settings.l2_max_workers, seconds=seconds)
    costs_usd = [one.cost_usd for one in done]
    paid = None if None in costs_usd else sum(cost for cost in costs_usd if cost is not None)
    synthetic = vendor.synthetic or any(one.synthetic for one in done)
    if json_output:
        console.print_json(
            {
                "synthetic": synthetic,
                "run_id": vendor.store.run_id,
                "concurrency": vendor.settings.l2_max_workers,
                "cost_usd": paid,
                "watchlist": choice.as_json(),
                "tasks": [_as_json(one) for one in done],
                "metrics_failed": [
                    f"{report.key.path[0]} {result.trade_date}" for report in metrics for result in report.failures
                ],
                "duration_s": round(seconds, 3),
                "summary": line,
            }
        )
        return
    if synthetic:
        console.label_synthetic()
    rows = [
        (
            one.task.symbol,
            one.task.trade_date.isoformat(),
            one.outcome,
            one.rows,
            "not known" if one.cost_usd is None else f"{one.cost_usd:.4f}",
            one.reason or "",
        )
        for one in done
        if one.outcome != "SKIP"
    ]
    if rows:
        console.print_table(("symbol", "trade date", "outcome", "rows", "paid USD", "reason"), rows, title="level 2")
    tell(choice)
    for following, number in _next_commands(done).items():
        console.err.print(f"next ({counted(number, 'day')}): {following}")
    for text in remarks([report for report in metrics if report.failures]):
        console.err.print(text)
    console.out.print(line)


def _next_commands(done: Sequence[Done]) -> dict[str, int]:
    """Return what helps, each command once; days over the budget are answered by the budget's own message."""
    found: dict[str, int] = {}
    for one in done:
        if one.error is not None and one.error.code not in _BUDGET:
            found[one.error.next_command] = found.get(one.error.next_command, 0) + 1
    if len(found) <= 3:
        return found
    symbols = ",".join(dict.fromkeys(one.task.symbol for one in done if one.error is not None))
    days = [one.task.trade_date for one in done if one.error is not None]
    return {command("tp", "l2", "plan", "--symbols", symbols, "--from", min(days), "--to", max(days)): len(days)}


def _as_json(one: Done) -> dict[str, Any]:
    target = one.task.target
    return {
        "symbol": one.task.symbol,
        "date": one.task.trade_date,
        "status": one.outcome,
        "rows": one.rows,
        "path": None if one.path is None else str(one.path),
        "raw_sha256": list(one.raw_sha256),
        "cost_usd": one.cost_usd,
        "window": None if one.task.window is None else dict(zip(("start", "end"), one.task.window, strict=True)),
        "condition": one.task.condition_text,
        "raw_symbol": None if target is None else target.raw_symbol,
        "reason": one.reason,
        "synthetic": one.synthetic,
        "error": None if one.error is None else one.error.as_dict(),
    }


def _exit_code(done: Sequence[Done], metrics: Sequence[AssetReport], *, strict: bool) -> int:
    bad = {"ERROR", "UNAVAIL", *(("PENDING", "MISSING") if strict else ())}
    refused = [one for one in done if one.error is not None and one.error.code in _BUDGET]
    if any(one.outcome in bad for one in done if one not in refused):
        return console.EXIT_FAILED
    if refused:
        return console.EXIT_REFUSED
    return console.EXIT_FAILED if any(report.failures for report in metrics) else console.EXIT_DONE
