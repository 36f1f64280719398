"""The board as lines of characters.

Belongs here: layout only; every piece of text carries its style as rich spells it. Does not belong here: printing
(``trading_platform.cli``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date

from .board import Board
from .packed import Array
from .states import GRAVITY, LOOKS

Piece = tuple[str, str]
"""Text and style."""

Line = list[Piece]

_SEPARATORS = {"day": "week", "week": "month", "month": "year", "year": ""}
_UNITS = tuple(_SEPARATORS)


def lines_of(board: Board, width: int) -> Iterator[Line]:
    """Lay the board out.

    Args:
        board: what to show.
        width: columns of the terminal. Cells are days if they fit, else weeks, months or years, each showing its gravest day.

    Yields:
        Legend, heading, one line per row, and one line that names the rows without anything.
    """
    rows = [row for row in range(len(board.series)) if row not in board.nothing_yet]
    if rows and board.days:
        names = {row: board.series[row].name for row in rows}
        counts = {row: _counts_text(board, row) for row in rows}
        left = max(len(name) for name in names.values()) + 2
        right = max(_length(pieces) for pieces in counts.values()) + 2
        unit = _unit_that_fits(board.days, max(width - left - right, 12))
        edges = _edges(board.days, unit)
        worst = board.worst(edges)
        yield _legend(board, rows)
        yield [(f"one cell = one {unit}{'' if unit == 'day' else ', its gravest day'}", "dim")]
        for heading in _headings(board.days, edges, unit):
            yield [(" " * left + heading, "dim")]
        breaks = _breaks(board.days, edges, unit)
        for row in rows:
            yield [(f"{names[row]:<{left}}", "bold"), *_cells(worst[row], breaks), ("  ", ""), *counts[row]]
    nothing = [board.series[row].name for row in sorted(board.nothing_yet)]
    if nothing:
        yield [("nothing yet: ", "dim"), (", ".join(nothing), "")]


def _legend(board: Board, rows: Sequence[int]) -> Line:
    present = {state for row in rows for state in board.counts(row)}
    line: Line = []
    for state in reversed(GRAVITY):
        if state in present:
            line += [("   " if line else "", ""), (LOOKS[state].letter, LOOKS[state].style), (f" {state.value}", "")]
    return line


def _counts_text(board: Board, row: int) -> Line:
    line: Line = []
    for state, count in board.counts(row).items():
        line += [(f"{'  ' if line else ''}{count:,} ", ""), (LOOKS[state].letter, LOOKS[state].style)]
    return line


def _cells(codes: Array, breaks: frozenset[int]) -> Line:
    """Return the cells of one row, neighbours of one state in one piece."""
    line: Line = []
    for index, code in enumerate(codes.tolist()):
        look = LOOKS[GRAVITY[code]]
        text = (" " if index in breaks else "") + look.letter
        if line and line[-1][1] == look.style:
            line[-1] = (line[-1][0] + text, look.style)
        else:
            line.append((text, look.style))
    return line


def _unit_that_fits(days: Sequence[date], width: int) -> str:
    for unit in _UNITS:
        edges = _edges(days, unit)
        if len(edges) + len(_breaks(days, edges, unit)) <= width:
            return unit
    return _UNITS[-1]


def _edges(days: Sequence[date], unit: str) -> list[int]:
    """Return the first column of each unit."""
    return [index for index, day in enumerate(days) if index == 0 or _part(day, unit) != _part(days[index - 1], unit)]


def _breaks(days: Sequence[date], edges: Sequence[int], unit: str) -> frozenset[int]:
    """Return the cells with a gap before them: where the next larger unit begins."""
    larger = _SEPARATORS[unit]
    if not larger:
        return frozenset()
    parts = [_part(days[edge], larger) for edge in edges]
    return frozenset(index for index in range(1, len(parts)) if parts[index] != parts[index - 1])


def _part(day: date, unit: str) -> tuple[int, ...]:
    if unit == "day":
        return (day.toordinal(),)
    if unit == "week":
        return day.isocalendar()[:2]
    return (day.year, day.month) if unit == "month" else (day.year,)


def _headings(days: Sequence[date], edges: Sequence[int], unit: str) -> Iterator[str]:
    """Yield one line that names the months, or the years where cells are months or years."""
    form = "%Y" if unit in ("month", "year") else "%b"
    breaks = _breaks(days, edges, unit)
    text, gaps, previous = "", 0, ""
    for index, edge in enumerate(edges):
        gaps += index in breaks
        name = days[edge].strftime(form)
        if name != previous and (index == 0 or len(text) < index + gaps):
            text = f"{text:<{index + gaps}}{name[2:] if unit == 'year' else name}"
            previous = name
    yield text


def _length(pieces: Sequence[Piece]) -> int:
    return sum(len(text) for text, _ in pieces)
