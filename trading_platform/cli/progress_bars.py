"""What a backfill shows while it works: bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Self

import dagster as dg
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from jobs.backfill import Reporter
from jobs.planning import PlannedDay

from ..lake import DayResult
from . import console
from .l2_progress import L2Progress


class PlainReporter(Reporter):
    """One line per asset and per remarkable event, on standard error."""

    def __enter__(self) -> Self:
        """Start; nothing to prepare."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End; nothing to clean up."""

    def note(self, text: str) -> None:
        """Write a note."""
        console.err.print(text)

    def asset(self, key: dg.AssetKey, planned: Sequence[PlannedDay]) -> None:
        """Write the size of the next asset's work."""
        todo = sum(day.is_to_run for day in planned)
        console.err.print(f"{key.to_user_string()}: {todo} of {len(planned)} days to do")


class L2Reporter(PlainReporter):
    """What is bought, day by day, whatever asset it is bought for.

    Args:
        days: what shows them.
    """

    def __init__(self, days: L2Progress) -> None:
        self._days = days

    def note(self, text: str) -> None:
        """Write a note."""
        self._days.note(text)

    def asset(self, key: dg.AssetKey, planned: Sequence[PlannedDay]) -> None:
        """Write the size of the next asset's work."""
        todo = sum(day.is_to_run for day in planned)
        self._days.note(f"{key.to_user_string()}: {todo} of {len(planned)} days to do")

    def day(self, key: dg.AssetKey, result: DayResult) -> None:
        """Tell of a finished day; what is computed from it costs nothing and is soon done."""
        symbol, dataset = key.path
        if dataset != "l2":
            return
        if not result.parts:
            self._days.day(symbol, result)
        for part in result.parts:
            self._days.day(part.symbol, part.result)


class ProgressBars(Reporter):
    """One bar per asset."""

    def __init__(self) -> None:
        self._progress = Progress(
            TextColumn("{task.description:<24}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[latest]}"),
            console=console.err,
        )
        self._tasks: dict[dg.AssetKey, TaskID] = {}

    def __enter__(self) -> Self:
        """Show the bars."""
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the bars as they are."""
        self._progress.stop()

    def note(self, text: str) -> None:
        """Write a note above the bars."""
        self._progress.console.print(text)

    def asset(self, key: dg.AssetKey, planned: Sequence[PlannedDay]) -> None:
        """Add the asset's bar, or lengthen it for one more range; days without work count as done."""
        current = sum(not day.is_to_run for day in planned)
        if key not in self._tasks:
            self._tasks[key] = self._progress.add_task(key.to_user_string(), total=0, latest="current")
        total = self._progress.tasks[self._tasks[key]].total or 0
        self._progress.update(self._tasks[key], total=total + len(planned), advance=current)

    def day(self, key: dg.AssetKey, result: DayResult) -> None:
        """Advance the asset's bar by one day."""
        self._progress.update(
            self._tasks[key],
            advance=1,
            latest=f"{result.trade_date.isoformat()} {result.outcome.value} {result.rows:,} rows",
        )
