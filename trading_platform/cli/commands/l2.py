"""``tp l2``: level 2 history: what it would cost, what was spent; buying and importing are in modules beside this one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...clock import SystemClock
from ...errors import RefusedError, command
from ...instruments import load_registry, load_roll_table
from ...settings import Home, load_settings
from ...words import counted
from .. import console
from ..l2_choice import (
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
from ..l2_tasks import L2Task, L2Work, gather, open_if_needed
from ..options import FirstOption, JsonOption, LastOption, command_family
from ..platform import locate_home
from . import l2_backfill, l2_import, l2_reports

if TYPE_CHECKING:
    from ...databento.ledger import PaidCall
    from ...databento.vendor import Vendor

_ABOUT = "Level 2 history from DataBento: plan, buy once, import, see what was spent."

_PLAN_HELP = """
Show what a range of level 2 needs: window, calendar, the vendor's condition, records, bytes and dollars of every day, what is there
already, and the total against the budget. Everything that is asked is free.

Example: tp l2 plan --symbols ES,MNQ --from 2025-09-02 --to 2025-09-30

Without --symbols the list of --watchlist or TP_WATCHLIST says which symbols on which days; the other options narrow it. One symbol on one
day needs no list: tp l2 plan --symbol AAPL --date 2025-07-29

Exit codes: 0 done, 1 none of the days can be had or looked at (all end UNAVAIL or ERROR).
"""
_SPEND_HELP = """
Show what was paid, by month, by symbol and by run, and what is left of the limits. An attempt whose end is not known counts in full.

Example: tp l2 spend
"""


def register(app: typer.Typer) -> None:
    """Add the family."""
    family = command_family(_ABOUT)
    family.command("plan", help=_PLAN_HELP)(plan)
    l2_backfill.register(family)
    l2_import.register(family)
    l2_reports.register(family)
    family.command("spend", help=_SPEND_HELP)(spend)
    app.add_typer(family, name="l2")


def plan(
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
    json_output: JsonOption = False,
) -> None:
    """Show what a range of level 2 needs."""
    home = locate_home()
    clock = SystemClock()
    vendor = vendor_of(home, clock, max_usd=max_usd, rebuy=force, max_workers=max_workers)
    wanted = Wanted.of(symbols, symbol, days, watchlist, (first, last), since, last_days, max_tasks)
    choice = choose(wanted, vendor, clock, "plan")
    with open_if_needed(home, vendor, choice.symbols) as platform:
        from ...lake import LocalLake

        lake = LocalLake(home.lake_dir)
        work = gather(platform, vendor, lake, clock, choice, force=force, conditions=True)
    following = command("tp", "l2", "backfill", *wanted.options(), *options_given(max_usd, max_workers, force=force))
    show_plan(work, vendor, following, json_output=json_output)
    if work.is_out_of_reach:
        raise typer.Exit(console.EXIT_FAILED)


def spend(
    simulated: Annotated[
        bool,
        typer.Option(
            "--simulated", help="The ledger of the stand-in; default where the gateway is one, and in a demo home"
        ),
    ] = False,
    json_output: JsonOption = False,
) -> None:
    """Show the spend ledger."""
    from ...databento.account import is_simulated, ledger_of
    from ...databento.budget import Budget

    home, settings, clock = locate_home(), load_settings(), SystemClock()
    synthetic = simulated or is_simulated(home, settings)
    ledger = ledger_of(home, synthetic=synthetic, clock=clock)
    calls, totals = ledger.calls(), ledger.totals()
    limits = Budget.of(settings).limits(totals, "", clock.now())
    if json_output:
        console.print_json(
            {
                "synthetic": synthetic,
                "ledger": str(ledger.path),
                "usd": totals.usd,
                "calls": totals.calls,
                "unfinished": sum(call.outcome == "open" for call in calls),
                "by_month": totals.by_month,
                "by_symbol": totals.by_symbol,
                "by_run": totals.by_run,
                "limits": [
                    {"per": one.name, "limit_usd": one.limit_usd, "spent_usd": one.spent_usd, "left_usd": one.left_usd}
                    for one in limits
                ],
            }
        )
        return
    if synthetic:
        console.label_synthetic()
    for title, sums in (("month", totals.by_month), ("symbol", totals.by_symbol), ("run", totals.by_run)):
        console.print_table((title, "calls", "USD"), _rows(calls, title, sums), title=f"paid by {title}")
    rows = [(one.name, one.limit_usd, one.spent_usd, one.left_usd) for one in limits]
    console.print_table(("per", "limit USD", "spent USD", "left USD"), rows, title="limits")
    unfinished = sum(call.outcome == "open" for call in calls)
    console.out.print(f"SPEND usd={totals.usd:.6g} calls={totals.calls} unfinished={unfinished}")


def vendor_of(
    home: Home,
    clock: SystemClock,
    *,
    max_usd: float | None = None,
    rebuy: bool = False,
    max_workers: int | None = None,
    run_id: str | None = None,
) -> Vendor:
    """Open the vendor for one command; the name of its run is the time of day, as older tools had it."""
    from ...databento.account import open_vendor

    settings = load_settings()
    if max_workers is not None:
        settings = settings.model_copy(update={"l2_max_workers": max_workers})
    registry = load_registry(home.instruments_toml)
    return open_vendor(
        home,
        settings,
        registry,
        load_roll_table(registry, home.rolls_csv),
        clock=clock,
        run_id=run_id or f"{clock.now().astimezone(UTC):%Y%m%d-%H%M%S-%f}",
        max_usd=max_usd,
        rebuy=rebuy,
    )


def show_plan(work: L2Work, vendor: Vendor, following: str, *, json_output: bool, dry_run: bool = True) -> None:
    """Print the tasks and their total against the budget; ``following`` is the command that buys what is planned."""
    from ...databento.budget import PlannedDay, usd

    to_buy = work.to_buy
    total = sum(task.cost_usd for task in to_buy)
    over: RefusedError | None = None
    try:
        vendor.store.require_budget([PlannedDay(task.symbol, task.trade_date, task.cost_usd) for task in to_buy])
    except RefusedError as error:
        over = error
    totals = vendor.store.ledger.totals()
    limits = vendor.store.budget.limits(totals, vendor.store.run_id, vendor.store.client.clock.now())
    left = min(limit.left_usd for limit in limits)
    disk_mb = sum(task.disk_bytes for task in work.tasks) / 1e6
    if json_output:
        console.print_json(
            {
                "dry_run": dry_run,
                "synthetic": vendor.synthetic,
                "run_id": vendor.store.run_id,
                "requested_window_et": vendor.settings.l2_window_et,
                "task_count": len(work.tasks),
                "completed_tasks_count": sum(task.is_current for task in work.tasks),
                "symbol_count": len(work.symbols),
                "date_range": _date_range(work.tasks),
                "watchlist": work.choice.as_json(),
                "to_buy": len(to_buy),
                "records": sum(task.records or 0 for task in to_buy),
                "bytes": sum(task.billed_bytes for task in to_buy),
                "usd": total,
                "disk_bytes": round(disk_mb * 1e6),
                "budget": {
                    "left_usd": left,
                    "limits": {
                        limit.name: {"limit_usd": limit.limit_usd, "left_usd": limit.left_usd} for limit in limits
                    },
                    "fits": over is None,
                    "error": None if over is None else over.as_dict(),
                },
                "next": following if to_buy and over is None else None,
                "tasks": [task.as_json() for task in work.tasks],
            }
        )
        return
    if vendor.synthetic:
        console.label_synthetic()
    if work.tasks:
        console.print_table(
            ("symbol", "trade date", "window UTC", "calendar", "condition", "records", "MB", "USD", "there", "to do"),
            [_plan_row(task) for task in work.tasks],
            title="level 2, day by day (nothing was paid)",
        )
    tell(work.choice)
    for line in remarks(work.tasks):
        console.err.print(line)
    if over is not None:
        console.print_error(over)
    console.out.print(
        f"PLAN to_buy={len(to_buy)} usd={total:.6g} records={sum(task.records or 0 for task in to_buy)} "
        f"bytes={sum(task.billed_bytes for task in to_buy)} disk_mb={disk_mb:.1f} left_usd={left:.6g} total={len(work.tasks)}"
    )
    if to_buy and over is None:
        what = counted(len(to_buy), "day")
        console.err.print(f"{what} would cost {usd(total)} of {usd(left)} left; next: {following}")


def remarks(tasks: Sequence[L2Task]) -> list[str]:
    """Return why tasks end without data, and what is remarkable, once per symbol and kind, with the days it is about."""
    grouped: dict[tuple[str, str], list[L2Task]] = {}
    for task in tasks:
        if task.reason is not None and not task.is_current and task.step != "CLOSED":
            kind = task.reason if task.error is None else task.error.code
            grouped.setdefault((task.symbol, kind), []).append(task)
    lines = []
    for (symbol, _), those in grouped.items():
        first, last, error = those[0].trade_date, those[-1].trade_date, those[0].error
        days = f"{first}" if len(those) == 1 else f"{first} to {last} ({len(those)} days), first"
        following = "" if error is None else f"; next: {error.next_command}"
        lines.append(f"{symbol} {days}: {those[0].reason}{following}")
    return lines


def _plan_row(task: L2Task) -> tuple[Any, ...]:
    window = None
    if task.target is not None:
        start, end = task.target.window
        window = f"{start:%m-%d %H:%M} to {end:%m-%d %H:%M}"
    return (
        task.symbol,
        task.trade_date.isoformat(),
        window,
        task.calendar,
        task.condition_text,
        task.records,
        round(task.billed_bytes / 1e6, 2) if task.is_to_buy else None,
        f"{task.cost_usd:.4f}" if task.is_to_buy else None,
        task.there,
        task.to_do,
    )


def _date_range(tasks: Sequence[L2Task]) -> dict[str, date] | None:
    days = [task.trade_date for task in tasks]
    return {"min": min(days), "max": max(days)} if days else None


def _rows(calls: Sequence[PaidCall], by: str, sums: Mapping[str, float]) -> list[tuple[Any, ...]]:
    def key(call: PaidCall) -> str:
        return {"month": f"{call.at:%Y-%m}", "symbol": call.symbol, "run": call.run_id}[by]

    return [(name, sum(key(call) == name for call in calls), f"{amount:.4f}") for name, amount in sorted(sums.items())]
