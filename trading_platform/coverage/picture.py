"""The board as one small picture for a page that shows pictures of less than a thousand characters only.

Belongs here: one SVG of worst states, coarsened until it fits, percent-encoded by hand. Does not belong here: the full board
(``html.py``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

import numpy as np

from ..pictures.svg import MARKDOWN_LIMIT, embedded
from .board import Board
from .packed import Array
from .states import CODE_OF, GRAVITY, LOOKS, State

_MOST_COLUMNS = 60
# Names cost characters that cells need more; letters cost few, and beyond the alphabet lines are counted.
_MOST_NAMES = 7
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
# Nothing is drawn where nothing is: a ground that shines through at the edges would look like coverage.
_BLANK = (State.NOT_EXPECTED, State.NOT_DUE)
# Rows begin and end at whole pixels: 12 of 14 are drawn, 5 of 7.
_STROKES = {2: "1.714", 1: ".714"}
# Lengths in units of 7 pixels, so that most coordinates have one or two digits: a cell is one wide or some, a row two high, a letter one.
_UNIT_PX = 7
_NAME_WIDTH = 16
_LETTER_WIDTH = 2
_LEAST_WIDTH = 24


@dataclass(frozen=True)
class Picture:
    """A drawn board.

    Attributes:
        markdown: the image; empty if there is nothing to draw.
        line_of: line of each row of the board that is drawn, from 0 at the top; several rows may share one.
        labels: what stands before each line in the picture: the name, a letter, or nothing, which is an empty text.
    """

    markdown: str = ""
    line_of: Mapping[int, int] = field(default_factory=dict)
    labels: tuple[str, ...] = ()


def summary_picture(board: Board, *, alt: str, limit: int = MARKDOWN_LIMIT) -> Picture:
    """Draw one line per dataset and symbol and one cell per day, week or month, each showing its gravest day.

    A board that needs more characters is drawn with longer stretches of days, then with the symbols of a dataset in one line.

    Args:
        board: what to draw; rows without anything are left out.
        alt: text for readers of the source.
        limit: most characters.

    Returns:
        A Markdown image shorter than ``limit``, and which row of the board is which of its lines.
    """
    rows = [row for row in range(len(board.series)) if row not in board.nothing_yet]
    if not rows or not board.days:
        return Picture()
    names = [board.series[row].name for row in rows]
    by_dataset = _by_dataset([board.series[row].dataset for row in rows])
    for members, names_of_lines in (
        ([[index] for index in range(len(rows))], names),
        (list(by_dataset.values()), list(by_dataset)),
        ([list(range(len(rows)))], ["all"]),
    ):
        codes = np.array([board.codes[rows][line].max(axis=0) for line in members])
        labels = _labels(names_of_lines)
        for edges in _coarser(board.days):
            if len(edges) <= _MOST_COLUMNS:
                picture = _draw(np.maximum.reduceat(codes, edges, axis=1), labels, board, alt)
                if len(picture) < limit:
                    line_of = {rows[index]: line for line, indexes in enumerate(members) for index in indexes}
                    return Picture(picture, line_of, labels)
    return Picture()


def _labels(names: Sequence[str]) -> tuple[str, ...]:
    if len(names) <= _MOST_NAMES:
        return tuple(names)
    return tuple(_LETTERS[: len(names)]) if len(names) <= len(_LETTERS) else ("",) * len(names)


def _by_dataset(datasets: Sequence[str]) -> dict[str, list[int]]:
    members: dict[str, list[int]] = {}
    for index, dataset in enumerate(datasets):
        members.setdefault(dataset, []).append(index)
    return members


def _coarser(days: Sequence[date]) -> Iterator[list[int]]:
    """Yield the first columns of ever longer stretches: days, weeks, months, quarters, years, all."""
    keys = (
        date.toordinal,
        lambda day: day.isocalendar()[:2],
        lambda day: (day.year, day.month),
        lambda day: (day.year, (day.month - 1) // 3),
        lambda day: day.year,
        lambda _: 0,
    )
    for key in keys:
        yield [index for index, day in enumerate(days) if index == 0 or key(day) != key(days[index - 1])]


def _draw(codes: Array, labels: Sequence[str], board: Board, alt: str) -> str:
    rows, columns = codes.shape
    is_named, is_lettered = rows <= _MOST_NAMES, _MOST_NAMES < rows <= len(_LETTERS)
    left = _NAME_WIDTH if is_named else _LETTER_WIDTH if is_lettered else 0
    pitch = 2 if is_named or is_lettered else 1
    cell = max(1, _MOST_COLUMNS // 2 // columns)
    width, cells_height = left + max(columns * cell, _LEAST_WIDTH), rows * pitch
    height = cells_height + (4 if board.is_synthetic else 2)
    size = f"width='{width * _UNIT_PX}' height='{height * _UNIT_PX}' viewBox='0 0 {width} {height}'"
    parts = [f"<svg xmlns='http://www.w3.org/2000/svg' {size} stroke-width='{_STROKES[pitch]}' font-size='1.6'>"]
    # Complete is the ground, and everything else is drawn over it: most cells are complete, and each run costs characters.
    blank = [CODE_OF[state] for state in _BLANK]
    ground = "".join(_segments(~np.isin(codes, blank), left, pitch, cell))
    if ground:
        parts.append(f"<path d='{ground}' stroke='{LOOKS[State.COMPLETE].named_colour}'/>")
    for state in GRAVITY:
        is_drawn = state is not State.COMPLETE and state not in _BLANK
        segments = "" if not is_drawn else "".join(_segments(codes == CODE_OF[state], left, pitch, cell))
        if segments:
            parts.append(f"<path d='{segments}' stroke='{LOOKS[state].named_colour}'/>")
    if is_lettered:
        places = f"x='{','.join('0' * rows)}' y='{','.join(_middle(row, pitch) for row in range(rows))}'"
        parts.append(f"<text {places} dominant-baseline='central'>{''.join(labels)}</text>")
    if is_named:
        parts += [f"<text y='{row * pitch + 1.6:g}'>{label}</text>" for row, label in enumerate(labels)]
    parts.append(f"<text x='{left}' y='{cells_height + 1.7:g}'>{board.days[0]} - {board.days[-1]}</text>")
    if board.is_synthetic:
        parts.append(f"<text x='{left}' y='{height - 0.4:g}' fill='red'>SYNTHETIC DATA</text>")
    parts.append("</svg>")
    return embedded("".join(parts), alt=alt)


def _middle(row: int, pitch: int) -> str:
    return f"{row * pitch + pitch / 2:g}"


def _segments(mask: Array, left: int, pitch: int, cell: int) -> Iterator[str]:
    """Yield the runs of true cells of each row: move there, draw as far as the run goes."""
    for row in np.flatnonzero(mask.any(axis=1)).tolist():
        edges = np.flatnonzero(np.diff(np.concatenate([[False], mask[row], [False]]).astype(np.int8)))
        for start, stop in edges.reshape(-1, 2).tolist():
            yield f"M{left + start * cell},{_middle(row, pitch)}h{(stop - start) * cell}"
