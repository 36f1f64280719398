"""The board as one small picture for a page that shows pictures of less than a thousand characters only.

Belongs here: one SVG of worst states, coarsened until it fits, percent-encoded by hand. Does not belong here: the full board
(``html.py``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from urllib.parse import quote

import numpy as np

from .board import Board
from .packed import Array
from .states import CODE_OF, GRAVITY, LOOKS, State

MARKDOWN_LIMIT = 1_000
_SAFE_CHARACTERS = "/:=',.-"
_MOST_COLUMNS = 60
# Labels cost characters that cells need more, and beyond this many rows nobody could read them.
_MOST_LABELS = 7
# Lengths in units of 7 pixels, so that most coordinates have one or two digits: a cell is one wide or some, a row two high, a letter one.
_UNIT_PX = 7
_LABEL_WIDTH = 16
_LEAST_WIDTH = 24


def summary_picture(board: Board, *, alt: str, limit: int = MARKDOWN_LIMIT) -> str:
    """Draw one line per dataset and symbol and one cell per day, week or month, each showing its gravest day.

    A board that needs more characters is drawn with longer stretches of days, then with the symbols of a dataset in one line.

    Args:
        board: what to draw; rows without anything are left out.
        alt: text for readers of the source.
        limit: most characters.

    Returns:
        A Markdown image shorter than ``limit``; empty if there is nothing to draw.
    """
    rows = [row for row in range(len(board.series)) if row not in board.nothing_yet]
    if not rows or not board.days:
        return ""
    names = [board.series[row].name for row in rows]
    by_dataset = _by_dataset([board.series[row].dataset for row in rows])
    for codes, labels in (
        (board.codes[rows], names),
        (np.array([board.codes[rows][members].max(axis=0) for members in by_dataset.values()]), list(by_dataset)),
        (board.codes[rows].max(axis=0, keepdims=True), ["all"]),
    ):
        for edges in _coarser(board.days):
            if len(edges) <= _MOST_COLUMNS:
                picture = _draw(np.maximum.reduceat(codes, edges, axis=1), labels, board, alt)
                if len(picture) < limit:
                    return picture
    return ""


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
    is_labelled = rows <= _MOST_LABELS
    left, pitch = (_LABEL_WIDTH, 2) if is_labelled else (0, 1)
    cell = max(1, _MOST_COLUMNS // 2 // columns)
    width, cells_height = left + max(columns * cell, _LEAST_WIDTH), rows * pitch
    height = cells_height + (4 if board.is_synthetic else 2)
    size = f"width='{width * _UNIT_PX}' height='{height * _UNIT_PX}' viewBox='0 0 {width} {height}'"
    parts = [f"<svg xmlns='http://www.w3.org/2000/svg' {size} stroke-width='{pitch * 0.85:g}' font-size='1.6'>"]
    # Complete is the ground, and everything else is drawn over it: most cells are complete, and each run costs characters.
    ground = "".join(f"M{left},{_middle(row, pitch)}h{columns * cell}" for row in range(rows))
    parts.append(f"<path d='{ground}' stroke='{LOOKS[State.COMPLETE].named_colour}'/>")
    for state in GRAVITY:
        segments = "" if state is State.COMPLETE else "".join(_segments(codes == CODE_OF[state], left, pitch, cell))
        if segments:
            parts.append(f"<path d='{segments}' stroke='{LOOKS[state].named_colour}'/>")
    if is_labelled:
        parts += [f"<text y='{row * pitch + 1.6:g}'>{label}</text>" for row, label in enumerate(labels)]
    parts.append(f"<text x='{left}' y='{cells_height + 1.7:g}'>{board.days[0]} - {board.days[-1]}</text>")
    if board.is_synthetic:
        parts.append(f"<text x='{left}' y='{height - 0.4:g}' fill='red'>SYNTHETIC DATA</text>")
    parts.append("</svg>")
    return f"![{alt}](data:image/svg+xml,{quote(''.join(parts), safe=_SAFE_CHARACTERS)})"


def _middle(row: int, pitch: int) -> str:
    return f"{row * pitch + pitch / 2:g}"


def _segments(mask: Array, left: int, pitch: int, cell: int) -> Iterator[str]:
    """Yield the runs of true cells of each row: move there, draw as far as the run goes."""
    for row in np.flatnonzero(mask.any(axis=1)).tolist():
        edges = np.flatnonzero(np.diff(np.concatenate([[False], mask[row], [False]]).astype(np.int8)))
        for start, stop in edges.reshape(-1, 2).tolist():
            yield f"M{left + start * cell},{_middle(row, pitch)}h{(stop - start) * cell}"
