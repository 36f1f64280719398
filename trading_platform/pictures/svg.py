"""The pieces of a small picture: one SVG in Markdown, below the limit up to which the web UI shows it inline.

Belongs here: what all such pictures share. Does not belong here: what is drawn.

The UI hides Markdown of 1,000 characters and more behind a link. So a picture has few points, whole relative coordinates, and is
percent-encoded by hand, where base64 would cost a third more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby, pairwise
from typing import Final, TypeVar
from urllib.parse import quote

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
_T = TypeVar("_T")

MARKDOWN_LIMIT: Final = 1_000
LABELS: Final = 62
"""Width of the margin at the left, in which the highest and the lowest value stand: no line runs through them."""

_SAFE: Final = "/:=',.-"


def as_markdown(parts: Sequence[str], size: tuple[int, int], *, alt: str, synthetic: bool, options: str = "") -> str:
    """Return an SVG as a Markdown image.

    Args:
        parts: elements, from the back to the front.
        size: width and height.
        alt: text for readers of the source.
        synthetic: adds the words SYNTHETIC DATA, so that generated numbers are never taken for real ones.
        options: further attributes of the root element.
    """
    width, height = size
    mark = [f"<text x='{width // 2}' y='12' fill='red'>SYNTHETIC DATA</text>"] if synthetic else []
    head = f"<svg xmlns='http://www.w3.org/2000/svg' width='{width}' height='{height}'{options}>"
    return embedded("".join([head, *parts, *mark, "</svg>"]), alt=alt)


def embedded(svg: str, *, alt: str) -> str:
    """Return a whole SVG as a Markdown image."""
    return f"![{alt}](data:image/svg+xml,{quote(svg, safe=_SAFE)})"


def first_short_enough(draw: Callable[[int], str], detail: Sequence[int]) -> str:
    """Return the most detailed picture below the limit, else the coarsest one.

    Args:
        draw: returns the Markdown for one level of detail.
        detail: levels to try, the most detailed one first.
    """
    drawn = ""
    for level in detail:
        drawn = draw(level)
        if len(drawn) < MARKDOWN_LIMIT:
            break
    return drawn


def parts_of(count: int, parts: int) -> list[tuple[int, int]]:
    """Return first and end of so many equal parts of ``count`` buckets; of fewer buckets, one part each."""
    edges = np.linspace(0, count, min(parts, count) + 1).astype(int).tolist()
    return list(pairwise(edges))


def last_of_parts(values: Floats, parts: int) -> Floats:
    """Return the last known value of each part, NaN where there is none; see ``parts_of``."""
    spans = parts_of(len(values), parts)
    shown = np.full(len(spans), np.nan)
    for index, (first, end) in enumerate(spans):
        known = values[first:end][~np.isnan(values[first:end])]
        if len(known):
            shown[index] = known[-1]
    return shown


def line(points: Sequence[tuple[int, int]]) -> str:
    """Return a path through points in relative steps; empty without points, a dash for a single one."""
    if not points:
        return ""
    path = f"M{points[0][0]},{points[0][1]}"
    if len(points) == 1:
        return f"{path}h1"
    steps = [(x - before_x, y - before_y) for (before_x, before_y), (x, y) in pairwise(points)]
    return f"{path}l" + ",".join(f"{x}{after(y)}" for x, y in steps)


def after(number: int) -> str:
    """Return a number as it follows another one: a minus separates as well as a comma does."""
    return f"{number}" if number < 0 else f",{number}"


def runs_of(values: Sequence[_T]) -> Iterator[tuple[_T, int, int]]:
    """Yield value, first and end of each run of equal values."""
    at = 0
    for value, group in groupby(values):
        length = len(list(group))
        yield value, at, at + length
        at += length


def labels(low: str, high: str, low_y: int, high_y: int = 12) -> str:
    """Return the lowest and the highest value as texts in the margin."""
    return f"<text y='{high_y}'>{high}</text><text y='{low_y}'>{low}</text>"
