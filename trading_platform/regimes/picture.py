"""A small picture of a day: spot over a ribbon of regimes.

Belongs here: a pure function from preview and facts to Markdown that the web UI shows inline. Does not belong here: larger charts.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

from ..lake.building import Preview
from ..pictures.svg import LABELS, as_markdown, first_short_enough, labels, last_of_parts, line, parts_of, runs_of
from .checks import NOTHING, RIBBON_LETTERS
from .parameters import State

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
    return first_short_enough(lambda points: _draw(preview, ribbon, points, alt=alt, synthetic=synthetic), _POINTS)


def _draw(preview: Preview, ribbon: str, points: int, *, alt: str, synthetic: bool) -> str:
    parts = []
    step = _WIDTH // points
    price = last_of_parts(preview.price, points).tolist()
    known = [(at, value) for at, value in enumerate(price) if not math.isnan(value)]
    if known:
        low, high = min(value for _, value in known), max(value for _, value in known)
        scale = _HEIGHT / ((high - low) or 1.0)
        path = line([(LABELS + at * step, _TOP + round((high - value) * scale)) for at, value in known])
        parts.append(f"<path d='{path}' fill='none' stroke='navy'/>")
        # Of a price that did not move, the number stands once, where the line is.
        parts.append(labels(f"{low:.2f}" if low < high else "", f"{high:.2f}", _TOP + _HEIGHT + 3))
    letters = _ribbon_of(ribbon, points)
    for state, letter in RIBBON_LETTERS.items():
        runs = [(first, end) for value, first, end in runs_of(letters) if value == letter]
        if runs:
            path = "".join(f"M{LABELS + first * step},{_RIBBON}h{(end - first) * step}" for first, end in runs)
            parts.append(f"<path d='{path}' stroke='{COLOURS[state]}' stroke-width='16'/>")
    return as_markdown(parts, (LABELS + _WIDTH, _RIBBON + 9), alt=alt, synthetic=synthetic)


def _ribbon_of(ribbon: str, parts: int) -> str:
    """Return the last known letter of each of so many equal parts."""
    texts = [ribbon[first:end].rstrip(NOTHING) for first, end in parts_of(len(ribbon), parts)]
    return "".join(text[-1] if text else NOTHING for text in texts)
