"""Making the tasks of ``tp l2 backfill``.

Belongs here: which of them run through assets, and what became of each. Does not belong here: what a task needs (``l2_tasks.py``), showing
it (``commands/l2_backfill.py``).

A symbol that is an active instrument is made by its asset, a whole day of the list by ``watchlist/l2``, so that both show in the web UI.
What is left is made by the same builder without an asset.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import PlatformError
from . import console

if TYPE_CHECKING:
    from jobs.backfill import AssetReport

    from ..databento.vendor import Vendor
    from ..lake import DayResult, LocalLake
    from .l2_progress import L2Progress
    from .l2_tasks import L2Task, L2Work
    from .platform import Platform


@dataclass(frozen=True)
class Done:
    """What became of one task.

    Attributes:
        task: the task.
        outcome: word of the outcome.
        rows: of the stored file.
        path: of the stored file; None if the day is not stored.
        cost_usd: paid by this run; None if the ledger cannot be read.
        raw_sha256: of the raw files.
        reason: why, for outcomes that have a reason.
        error: of a day that failed.
        synthetic: the rows were generated.
    """

    task: L2Task
    outcome: str
    rows: int
    path: Path | None
    cost_usd: float | None
    raw_sha256: tuple[str, ...]
    reason: str | None
    error: PlatformError | None
    synthetic: bool


@dataclass
class Made:
    """What ran.

    Attributes:
        reports: of the assets.
        others: results of the tasks without an asset.
    """

    reports: list[AssetReport] = field(default_factory=list)
    others: dict[tuple[str, date], DayResult] = field(default_factory=dict)


def run_tasks(
    platform: Platform | None,
    work: L2Work,
    vendor: Vendor,
    lake: LocalLake,
    *,
    force: bool,
    wait: bool,
    json_output: bool = False,
) -> Made:
    """Download ahead in threads; make the days meanwhile.

    Args:
        platform: the opened installation; None if no task has an asset.
        work: the tasks.
        vendor: of this command.
        lake: where days are stored.
        force: make every day, whatever is there.
        wait: wait for another backfill of the same partitions.
        json_output: lines instead of a bar, so that a program sees no control codes.

    Raises:
        ExecutionError: E602 another process works on the partitions.
    """
    from ..databento.ahead import DownloadAhead
    from ..lake import build_day
    from .l2_progress import L2Progress

    whole = work.choice.whole_days if platform is not None else frozenset()
    if platform is not None:
        from assets.partitions import TRADE_DATES

        whole = frozenset(day for day in whole if TRADE_DATES.has_partition_key(day.isoformat()))

    def place(task: L2Task) -> tuple[int, int, date]:
        """Return when a task is made: instruments one after the other, then the list day by day, then the others."""
        number = work.symbols.index(task.symbol)
        if task.symbol in work.assets:
            return 0, number, task.trade_date
        return (1, 0, task.trade_date) if task.trade_date in whole else (2, number, task.trade_date)

    ahead = [
        (task.builder, task.trade_date, task.view.target)
        for task in sorted(work.to_buy, key=place)
        if task.view is not None and task.view.target is not None
    ]
    made = Made()
    to_do = sum(not task.is_current for task in work.tasks)
    progress = L2Progress(vendor, to_do, plain=json_output or not console.err.is_terminal)
    with progress, DownloadAhead(vendor, ahead, vendor.settings.l2_max_workers, progress.note):
        if platform is not None:
            made.reports = _run_assets(platform, work, sorted(whole), progress, force=force, wait=wait)
        for task in work.tasks:
            if task.symbol not in work.assets and task.trade_date not in whole and not task.is_current:
                result = build_day(task.builder, task.trade_date, lake, force=force)
                made.others[task.symbol, task.trade_date] = result
                progress.day(task.symbol, result)
    return made


def _run_assets(
    platform: Platform, work: L2Work, whole_days: Sequence[date], progress: L2Progress, *, force: bool, wait: bool
) -> list[AssetReport]:
    from assets.keys import SQL_VIEWS, WATCHLIST
    from jobs.backfill import BackfillRequest
    from jobs.planning import Mode
    from jobs.ranges import contiguous_chunks
    from jobs.selection import select_assets

    from .commands.backfill import execute
    from .l2_tasks import ranges_of
    from .progress_bars import L2Reporter

    wanted = []
    for symbols, first, last in ranges_of(work.choice.tasks, work.assets):
        names = [f"{symbol}/{dataset}" for symbol in symbols for dataset in ("l2", "l2_metrics")]
        wanted.append((select_assets(platform.defs, names), first, last))
    wanted += [([WATCHLIST], chunk[0], chunk[-1]) for chunk in contiguous_chunks(whole_days, len(whole_days))]
    mode = Mode.FORCE if force else Mode.DEFAULT
    requests = [
        BackfillRequest([*keys, SQL_VIEWS] if number == len(wanted) else keys, first, last, mode, wait=wait)
        for number, (keys, first, last) in enumerate(wanted, start=1)
    ]
    return execute(platform, requests, reporter=L2Reporter(progress))


def done_tasks(work: L2Work, made: Made, vendor: Vendor, lake: LocalLake) -> list[Done]:
    """Return what became of every task, by date and symbol, whatever the number of workers."""
    results, kept = dict(made.others), set()
    for report in made.reports:
        symbol, dataset = report.key.path
        if symbol == "watchlist":
            for day in report.results:
                results |= {(task.symbol, day.trade_date): day for task in work.tasks if task.symbol not in work.assets}
                results |= {(part.symbol, day.trade_date): part.result for part in day.parts}
            kept = {day.trade_date for day in report.planned if day.state == "current"}
        elif dataset == "l2":
            results |= {(symbol, result.trade_date): result for result in report.results}
    paid = vendor.paid_usd()
    done = []
    for task in sorted(work.tasks, key=lambda task: (task.trade_date, task.symbol)):
        # What the asset has left as it is: its source is not there now.
        task.is_current = task.is_current or (task.trade_date in kept and task.symbol not in work.assets)
        cost_usd = None if paid is None else paid.get((task.symbol, task.trade_date), 0.0)
        done.append(_made(task, results.get((task.symbol, task.trade_date)), cost_usd, lake))
    return done


def _made(task: L2Task, result: DayResult | None, paid_usd: float | None, lake: LocalLake) -> Done:
    from ..databento.source_facts import files_of

    if result is not None:
        return Done(
            task,
            result.outcome.value,
            result.rows,
            result.path if result.outcome.is_materialized else None,
            paid_usd,
            tuple(str(file["sha256"]) for file in files_of(result.details)),
            result.reason,
            result.error,
            result.synthetic,
        )
    if task.is_current:
        stored = None if task.view is None else task.view.stored
        path = lake.path("l2", task.symbol, task.trade_date)
        raw_sha256 = () if stored is None else tuple(source.sha256 for source in stored.sources)
        return Done(
            task,
            "SKIP",
            0 if stored is None else stored.rows,
            path if stored is not None else None,
            0.0,
            raw_sha256,
            None if stored is None else stored.reason,
            None,
            stored is not None and stored.synthetic,
        )
    # Its session has not opened, so there was no partition to run.
    error = task.error or (None if task.view is None else task.view.error)
    return Done(task, "PENDING", 0, None, 0.0, (), task.reason, error, synthetic=False)
