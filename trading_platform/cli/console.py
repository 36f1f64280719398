"""How commands speak: tables and colours for people, JSON for programs, exit codes for both.

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 data refused, 130 stopped by Ctrl-C.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..errors import ConfigurationError, PlatformError, QualityError, RefusedError, SourceError
from ..settings import SYNTHETIC_LABEL

EXIT_DONE, EXIT_FAILED, EXIT_USAGE, EXIT_REFUSED, EXIT_INTERRUPTED = 0, 1, 2, 3, 130

# Neither ":1m:" nor "[USD]" is markup here: both occur in data.
out = Console(highlight=False, soft_wrap=True, emoji=False, markup=False)
err = Console(stderr=True, highlight=False, soft_wrap=True, emoji=False, markup=False)

# Where output goes to a file or a program there is no width to fit into; cells must arrive whole.
_PIPE_WIDTH = 1_000


def print_json(value: Any) -> None:
    """Write one JSON document to standard output; what JSON cannot hold becomes null or text."""
    out.print(json.dumps(_plain(value), indent=2, default=str, allow_nan=False))


# Up to this many columns fold well enough.
_WIDE_COLUMNS = 8


def print_table(columns: Sequence[str], rows: Sequence[Sequence[Any]], *, title: str | None = None) -> None:
    """Write a table; numbers are right-aligned. A table too wide for the terminal is written record by record."""
    cells = [[_cell(value) for value in row] for row in rows]
    widest = [
        max(len(line) for cell in column for line in cell.splitlines() or [""])
        for column in zip(columns, *cells, strict=True)
    ]
    if out.is_terminal and len(columns) > _WIDE_COLUMNS and sum(widest) + 3 * len(columns) + 1 > out.width:
        _print_records(columns, cells, title)
        return
    table = Table(title=None if title is None else Text(title), title_justify="left", header_style="bold")
    for index, name in enumerate(columns):
        numeric = bool(rows) and all(isinstance(row[index], (int, float)) or row[index] is None for row in rows)
        table.add_column(Text(name), justify="right" if numeric else "left", overflow="fold")
    for row in cells:
        table.add_row(*[Text(cell) for cell in row])
    target = out if out.is_terminal else Console(file=out.file, width=_PIPE_WIDTH, highlight=False, emoji=False)
    target.print(table)


def _print_records(columns: Sequence[str], cells: Sequence[Sequence[str]], title: str | None) -> None:
    names = [name.replace("\n", " ") for name in columns]
    width = max(len(name) for name in names)
    if title is not None:
        out.print(Text(title, style="italic"))
    for number, row in enumerate(cells, 1):
        out.print(Text(f"-- row {number} " + "-" * 20, style="dim"))
        for name, cell in zip(names, row, strict=True):
            out.print(Text(f"{name:<{width}}  {cell}"))


def print_error(error: PlatformError) -> None:
    """Write an error to standard error, its number in red."""
    text = Text(error.code, style="bold red")
    text.append(f" {error.what}\n", style="bold")
    text.append("why:  ", style="dim").append(f"{error.why}\n")
    text.append("next: ", style="dim").append(error.next_command, style="cyan")
    err.print(text)


def label_synthetic() -> None:
    """Say on standard error that what is shown was made from generated data; standard output stays as it is for programs."""
    err.print(SYNTHETIC_LABEL, style="yellow")


def exit_code_of(error: PlatformError) -> int:
    """Return the exit code that stands for a kind of error."""
    if isinstance(error, ConfigurationError):
        return EXIT_USAGE
    if isinstance(error, (SourceError, QualityError, RefusedError)):
        return EXIT_REFUSED
    return EXIT_FAILED


def _plain(value: Any) -> Any:
    """Replace NaN and infinities, which are no JSON, by null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.2f}"
    return str(value)
