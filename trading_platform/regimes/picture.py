"""A small picture of a day: spot over a ribbon of regimes.

Belongs here: a pure function from preview and facts to Markdown that the web UI shows inline, below its limit of 1,000 characters.
Does not belong
here: larger charts.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import groupby, pairwise
from typing import Final
from urllib.parse import quote

import numpy as np

from ..lake.building import Preview
from .checks import NOTHING, RIBBON_LETTERS
from .parameters import State

MARKDOWN_LIMIT: Final = 1_000
COLOURS: Final[Mapping[State, str]] = {
    State.POSITIVE_PIN: "green",
    State.POSITIVE: "lime",
    State.TRANSITION: "gold",
    State.NEGATIVE: "tomato",
    State.NEGATIVE_EXPANSION: "darkred",
    State.UNKNOWN: "silver",
}
_WIDTH: Final = 468
_TOP, _HEIGHT, _RIBBON = 18, 99, 132
_SAFE: Final = "/:=',.-"
_POINTS: Final = (52, 39, 26, 13)


def regime_ribbon(preview: Preview, ribbon: str, *, alt: str, synthetic: bool) -> str:
    """Draw spot as a line above the regimes as a ribbon: green pinned, lime positive, gold transition, red negative, dark red expansion.

    Args:
        preview: spot in equal buckets over the trading hours.
        ribbon: one letter per part of the trading hours, the fact ``ribbon`` of the day.
        alt: text for readers of the source.
        synthetic: adds the words SYNTHETIC DATA.

    Returns:
        A Markdown image, shorter than ``MARKDOWN_LIMIT``; a day of very many changes is drawn coarser.
    """
    for points in _POINTS:
        picture = _draw(preview, ribbon, points, alt=alt, synthetic=synthetic)
        if len(picture) < MARKDOWN_LIMIT:
            break
    return picture


def _draw(preview: Preview, ribbon: str, points: int, *, alt: str, synthetic: bool) -> str:
    parts = [f"<svg xmlns='http://www.w3.org/2000/svg' width='{_WIDTH}' height='{_RIBBON + 9}'>"]
    step = _WIDTH // points
    price = _last_of_parts(preview.price, points)
    known = [(at, float(value)) for at, value in enumerate(price) if not math.isnan(value)]
    if known:
        low, high = min(value for _, value in known), max(value for _, value in known)
        scale = _HEIGHT / ((high - low) or 1.0)
        line = _line([(at * step, _TOP + round((high - value) * scale)) for at, value in known])
        parts.append(f"<path d='{line}' fill='none' stroke='navy'/>")
        parts.append(f"<text y='12'>{high:.2f}</text><text y='{_TOP + _HEIGHT + 3}'>{low:.2f}</text>")
    letters = _ribbon_of(ribbon, points)
    for state, letter in RIBBON_LETTERS.items():
        runs, at = "", 0
        for value, group in groupby(letters):
            length = len(list(group))
            if value == letter:
                runs += f"M{at * step},{_RIBBON}h{length * step}"
            at += length
        if runs:
            parts.append(f"<path d='{runs}' stroke='{COLOURS[state]}' stroke-width='16'/>")
    if synthetic:
        parts.append(f"<text x='{_WIDTH // 2}' y='12' fill='red'>SYNTHETIC DATA</text>")
    parts.append("</svg>")
    return f"![{alt}](data:image/svg+xml,{quote(''.join(parts), safe=_SAFE)})"


def _last_of_parts(values: np.ndarray, parts: int) -> list[float]:
    """Return the last known value of each of so many equal parts, NaN where there is none."""
    edges = np.linspace(0, len(values), parts + 1).astype(int)
    shown = []
    for first, stop in pairwise(edges):
        known = values[first:stop][~np.isnan(values[first:stop])]
        shown.append(float(known[-1]) if len(known) else math.nan)
    return shown


def _ribbon_of(ribbon: str, parts: int) -> str:
    """Return the last known letter of each of so many equal parts."""
    edges = np.linspace(0, len(ribbon), parts + 1).astype(int)
    texts = [ribbon[first:stop].rstrip(NOTHING) for first, stop in pairwise(edges)]
    return "".join(text[-1] if text else NOTHING for text in texts)


def _line(points: list[tuple[int, int]]) -> str:
    """Return a path of relative steps."""
    (x, y), path = points[0], ""
    for next_x, next_y in points[1:]:
        path += f"{',' if path else ''}{next_x - x}{',' if next_y >= y else ''}{next_y - y}"
        x, y = next_x, next_y
    return f"M{points[0][0]},{points[0][1]}" + (f"l{path}" if path else "h1")
