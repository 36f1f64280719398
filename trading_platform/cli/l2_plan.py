"""What ``tp l2`` would do, before it does it: the vendor of a command, and the table of days against the budget.

Belongs here: what plan, backfill and reports share. Does not belong here: the commands, and how days are planned (``l2_tasks.py``).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date
from typing import TYPE_CHECKING, Any

from ..clock import SystemClock
from ..errors import RefusedError
from ..home import Home
from ..instruments import load_registry, load_roll_table
from ..settings import load_settings
from ..words import counted
from . import console
from .l2_choice import tell
from .l2_tasks import L2Task, L2Work

if TYPE_CHECKING:
    from ..databento.vendor import Vendor


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
    from ..databento.account import open_vendor

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
    from ..databento.budget import PlannedDay, usd

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
