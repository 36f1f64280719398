"""``tp l2``: level 2 history: what it would cost, what was spent; buying and importing are in modules beside this one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...clock import SystemClock
from ...errors import command
from ...settings import load_settings
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
)
from ..l2_options import ForceOption, MaxUsdOption, WorkersOption, options_given
from ..l2_plan import show_plan, vendor_of
from ..l2_tasks import gather, open_if_needed
from ..options import FirstOption, JsonOption, LastOption, command_family
from ..platform import locate_home
from . import l2_backfill, l2_import, l2_reports

if TYPE_CHECKING:
    from ...databento.ledger import PaidCall

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


def _rows(calls: Sequence[PaidCall], by: str, sums: Mapping[str, float]) -> list[tuple[Any, ...]]:
    def key(call: PaidCall) -> str:
        return {"month": f"{call.at:%Y-%m}", "symbol": call.symbol, "run": call.run_id}[by]

    return [(name, sum(key(call) == name for call in calls), f"{amount:.4f}") for name, amount in sorted(sums.items())]
