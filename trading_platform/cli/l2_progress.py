"""What ``tp l2 backfill`` shows while it buys: a bar on a terminal, one line per finished day elsewhere.

Belongs here: days of level 2 with what was paid for them. Does not belong here: other backfills (``progress_bars.py``). Dagster is not
imported here: a symbol without an asset needs none of it.
"""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from ..databento.budget import usd
from . import console

if TYPE_CHECKING:
    from ..databento.vendor import Vendor
    from ..lake import DayResult


class L2Progress:
    """Shows finished days on standard error.

    Args:
        vendor: knows what was paid.
        days: how many are to be made.
        plain: lines instead of a bar.
    """

    def __init__(self, vendor: Vendor, days: int, *, plain: bool) -> None:
        self._vendor = vendor
        self._bar: Progress | None = None
        if not plain:
            columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
            self._bar = Progress(*columns, TextColumn("{task.fields[latest]}"), console=console.err)
            self._task = self._bar.add_task("level 2", total=days, latest="")

    def __enter__(self) -> Self:
        """Show the bar."""
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the bar as it is."""
        if self._bar is not None:
            self._bar.stop()

    def note(self, text: str) -> None:
        """Write a note, above the bar if there is one."""
        (console.err if self._bar is None else self._bar.console).print(text)

    def day(self, symbol: str, result: DayResult) -> None:
        """Tell of a finished day: outcome, rows, dollars."""
        paid = self._vendor.paid_usd()
        cost = "paid not known" if paid is None else f"paid {usd(paid.get((symbol, result.trade_date), 0.0))}"
        text = f"{symbol} {result.trade_date} {result.outcome.value} {result.rows:,} rows {cost}"
        if self._bar is None:
            console.err.print(text)
        else:
            self._bar.update(self._task, advance=1, latest=text)
