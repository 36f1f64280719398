"""What the commands of ``tp export`` share: the trade dates that were asked for, and the table of what was written.

Belongs here: options to days, days to output. Does not belong here: what is exported (``commands/export.py``,
``commands/export_ticks.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING

from ..errors import ConfigurationError, command
from ..sessions import weekdays_between
from ..settings import SYNTHETIC_LABEL
from . import console
from .options import day_of, range_to_latest

if TYPE_CHECKING:
    from ..bars import ExportedDay


def days_asked(
    parts: Sequence[str],
    options: tuple[datetime | None, datetime | None, datetime | None],
    latest: Callable[[], date],
) -> list[date]:
    """Return the trade dates asked for; weekends own none.

    Args:
        parts: the command without its range, for messages.
        options: ``--day``, ``--from`` and ``--to``.
        latest: called for a range without an end.

    Raises:
        ConfigurationError: E160 for a day and a range, E162 for no range or one that runs backwards.
    """
    day, first, last = (day_of(one) for one in options)
    if day is not None and (first is not None or last is not None):
        raise ConfigurationError(
            "E160",
            "--day and --from exclude each other",
            "each of them says where the range begins; nothing was written",
            command(*parts, "--day", day),
        )
    if day is not None:
        first = last = day
    begin, end = range_to_latest(first, last, latest, *parts, choices="--day or --from")
    return weekdays_between(begin, end)


def report(exported: Sequence[ExportedDay], rows_are: str, *, dry_run: bool, json_output: bool) -> None:
    """Print what became of each day; ``rows_are`` heads the column of their number."""
    if json_output:
        days = [
            {
                "trade_date": one.trade_date,
                "path": None if one.path is None else str(one.path),
                "rows": one.rows,
                "reason": one.reason,
                "synthetic": one.synthetic,
                "remark": one.remark,
            }
            for one in exported
        ]
        console.print_json({"dry_run": dry_run, "days": days})
        return
    rows = [(one.trade_date, one.rows, one.path or f"no file: {one.reason}") for one in exported]
    title = "would be written (dry run, nothing was done)" if dry_run else None
    console.print_table(("trade date", rows_are, "file"), rows, title=title)
    for one in exported:
        if one.remark is not None:
            console.err.print(f"{one.trade_date} warning: {one.remark}")
    if any(one.synthetic for one in exported):
        console.out.print(SYNTHETIC_LABEL)
