"""``tp status``: what is there and what is not, per dataset, symbol and trade date."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...clock import SystemClock
from ...errors import command
from ...words import are, counted
from .. import console
from ..options import FirstOption, JsonOption, LastOption, day_of, ordered_range
from ..platform import load_definitions, locate_home, open_instance, open_platform, put_repository_on_path

if TYPE_CHECKING:
    from ...coverage.board import Board, Group
    from ...coverage.files import Hidden
    from ...coverage.series import Series
    from ...home import Home

_HELP = """
Show the coverage board: for each dataset and symbol, which trade dates are complete, partial, missing, stale and so on, and why.

Example: tp status MNQ/ticks "ES/*" --from 2025-01-02

Without dates: the last 60 weekdays, in a demo up to its last stored day. Nothing is changed. The exit code is 0 whatever the board says,
unless --strict is given: then it is 1 if any day is missing, stale, refresh_failed, or partial although its session is over. Source files
are compared only with --verify-sources; tp backfill always compares them.
"""

_WEEKDAYS = 60
_SHOWN_GROUPS = 25
_NOTICE_S = 1.0


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("status", help=_HELP)(status)


def status(
    keys: Annotated[
        list[str] | None,
        typer.Argument(metavar="[KEY]...", help="Assets or patterns, e.g. MNQ/ticks or MNQ/*; none means all"),
    ] = None,
    first: FirstOption = None,
    last: LastOption = None,
    json_output: JsonOption = False,
    html: Annotated[
        Path | None, typer.Option("--html", help="Also write the board as one self-contained HTML file")
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="End with exit code 1 if a backfill would have to repair a day")
    ] = False,
    verify: Annotated[
        bool,
        typer.Option(
            "--verify-sources", help="Also compare stored days with their source files, as a backfill does (slower)"
        ),
    ] = False,
) -> None:
    """Show the coverage board."""
    home = locate_home()
    board, hidden = board_of(home, keys or [], day_of(first), day_of(last), verify=verify)
    if html is not None:
        from ...coverage.html import write_page

        write_page(board, html)
    if json_output:
        console.print_json(as_json(board, hidden))
    else:
        print_board(board)
        for line in hints(hidden, keys or []):
            console.out.print(line)
        if html is not None:
            console.out.print(f"written: {html}")
    if strict and board.needs_work():
        raise typer.Exit(console.EXIT_FAILED)


def board_of(
    home: Home, wanted: Sequence[str], first: date | None, last: date | None, *, verify: bool
) -> tuple[Board, Hidden]:
    """Make the board, and tell which stored days lie outside it; those that were left out on purpose are not told.

    Raises:
        ConfigurationError: E161 a name matches nothing; E162, E174, E175 the range runs backwards, begins before the first partition or
            is a weekend; E140 it lies outside the calendar.
        LakeError: E546 the run history cannot be read.
    """
    put_repository_on_path()
    from jobs.board import history_of, rows_of
    from jobs.ranges import refuse_impossible_range

    from ...coverage.assemble import Surroundings, latest_due, make_board
    from ...coverage.files import Hidden, hidden_days
    from ...sessions import first_of_last

    rows = rows_of(home, lambda: load_definitions(home))
    chosen = _choose(rows.series, wanted)
    now = SystemClock().now()
    from_first, to_last = first is not None, last is not None
    last = latest_due(chosen, home.lake_dir, now, is_demo=home.is_demo) if last is None else last
    first = first_of_last(last, _WEEKDAYS) if first is None else first
    first = first if from_first else max(first, rows.first_trade_date)
    first, last = ordered_range(first, last, "tp", "status", *wanted)
    refuse_impossible_range(first, last, rows.first_trade_date, "tp", "status", *wanted)
    found = hidden_days(home.lake_dir, chosen, first, last)
    older = Hidden() if from_first else Hidden(older=found.older, first=found.first)
    hidden = older if to_last else replace(older, newer=found.newer, last=found.last)
    with history_of(home, lambda: open_instance(home)) as history:
        around = Surroundings(
            home.lake_dir, home.coverage_cache_dir, history, now, rows.calendars, _Notice(), rows.fronts
        )
        known = {row.name: row for row in rows.series}
        board = make_board(chosen, known, first, last, around, from_first=from_first, has_holes=home.is_demo)
    if verify:
        from jobs.board import verify_sources

        with open_platform(home) as platform:
            from assets.builders import Workbench

            with Workbench.of(platform.defs) as workbench:
                verify_sources(board, workbench, platform.instance)
    return board, hidden


def hints(hidden: Hidden, wanted: Sequence[str]) -> list[str]:
    """Return how to see the stored days that the board does not show, one line each."""
    lines = []
    for number, kind, day, bound, option in (
        (hidden.older, "older", hidden.first, "first", "--from"),
        (hidden.newer, "newer", hidden.last, "last", "--to"),
    ):
        if day is not None:
            following = command("tp", "status", *wanted, option, day)
            lines.append(
                f"{counted(number, f'{kind} stored day')} {are(number)} not shown ({bound} {day}): {following}"
            )
    return lines


def as_json(board: Board, hidden: Hidden) -> dict[str, Any]:
    """Return counts per row and every day that is not settled, with reason and next command, and how many stored days are not shown."""
    rows = []
    for row, series in enumerate(board.series):
        rows.append(
            {
                "asset": series.name,
                "dataset": series.dataset,
                "symbol": series.symbol,
                "nothing_yet": row in board.nothing_yet,
                "counts": {state.value: count for state, count in board.counts(row).items()},
                "days": [
                    {"trade_date": cell.trade_date.isoformat(), "state": cell.state.value, "reason": cell.reason}
                    for cell in board.unsettled(row)
                ],
                "next": [group.next_command for group in board.groups(row)],
            }
        )
    return {
        "first": board.days[0].isoformat() if board.days else None,
        "last": board.days[-1].isoformat() if board.days else None,
        "as_of": board.made_at.isoformat(),
        "synthetic": board.is_synthetic,
        "days_to_repair": board.needs_work(),
        "older_days": hidden.older,
        "first_older_day": None if hidden.first is None else hidden.first.isoformat(),
        "newer_days": hidden.newer,
        "last_newer_day": None if hidden.last is None else hidden.last.isoformat(),
        "rows": rows,
    }


def print_board(board: Board) -> None:
    """Write the board and the reasons, the gravest first."""
    from rich.text import Text

    from ...coverage.text import lines_of

    if board.is_synthetic:
        console.label_synthetic()
    if not board.series:
        console.out.print("no dated assets: no instrument is active")
        console.out.print("next: tp instruments list")
        return
    console.out.print(f"{board.days[0]} to {board.days[-1]}")
    width = console.out.width if console.out.is_terminal else 160
    for line in lines_of(board, width):
        console.out.print(Text.assemble(*line))
    groups = board.reasons_in_order()
    for group in groups[:_SHOWN_GROUPS]:
        console.out.print(_group_text(group))
    if len(groups) > _SHOWN_GROUPS:
        console.out.print(f"and {len(groups) - _SHOWN_GROUPS:,} more of these: tp status --json, or --html FILE")


def _group_text(group: Group) -> Any:
    from rich.text import Text

    from ...coverage.states import LOOKS

    text = Text(f"\n{LOOKS[group.state].letter} {group.state.value}", style=LOOKS[group.state].style)
    text.append(f"  {group.names}  {group.dates}\n", style="bold")
    text.append("why:  ", style="dim").append(f"{group.why}\n", style="")
    return text.append("next: ", style="dim").append(group.next_command, style="cyan")


def _choose(series: Sequence[Series], wanted: Sequence[str]) -> list[Series]:
    from jobs.names import names_meant, no_such_name

    if not wanted:
        return list(series)
    names = [row.name for row in series]
    chosen: set[str] = set()
    for text in wanted:
        found = names_meant(text, names)
        if not found:
            raise no_such_name(text, names, kind="asset with trade dates")
        chosen |= found
    return [row for row in series if row.name in chosen]


class _Notice:
    """Say on standard error that summaries are being read, if that takes longer than a second."""

    def __init__(self) -> None:
        self._read = 0
        self._said_at = time.monotonic()

    def __call__(self, number: int) -> None:
        """Count what was read."""
        self._read += number
        if time.monotonic() - self._said_at > _NOTICE_S:
            self._said_at = time.monotonic()
            console.err.print(f"reading what changed since the last look: {self._read:,} files and events", style="dim")
