"""The picture of a day with prices: last price as a line over volume as an area.

Belongs here: a pure function from a preview to Markdown. Does not belong here: level lines and regimes, which have pictures of their own.
"""

from __future__ import annotations

import numpy as np

from ..lake.building import Preview
from .svg import LABELS, after, as_markdown, labels, last_of_parts, line, parts_of

_POINTS = 52
_STEP = 9
_WIDTH = LABELS + _POINTS * _STEP
_TOP, _HEIGHT = 18, 99
_BASE, _VOLUME_HEIGHT = 160, 34


def price_and_volume(preview: Preview, *, alt: str, synthetic: bool) -> str:
    """Draw last price as a line over volume as an area.

    Args:
        preview: equal time buckets; a bucket without trades has no point, the line joins the prices around it.
        alt: text for readers of the source.
        synthetic: adds the words SYNTHETIC DATA, so that generated prices are never taken for real ones.

    Returns:
        A Markdown image, shorter than ``MARKDOWN_LIMIT``.
    """
    price = last_of_parts(preview.price, _POINTS)
    volume = [int(preview.volume[first:end].sum()) for first, end in parts_of(len(preview.volume), _POINTS)]
    peak = max(*volume, 1) if volume else 1
    heights = [round(v / peak * _VOLUME_HEIGHT) for v in volume]
    parts = [f"<path d='M{LABELS},{_BASE}{_steps([-h for h in heights])}V{_BASE}' fill='lightblue'/>"]
    known = [(index, value) for index, value in enumerate(price.tolist()) if not np.isnan(value)]
    if known:
        low, high = min(value for _, value in known), max(value for _, value in known)
        scale = _HEIGHT / ((high - low) or 1.0)
        points = [(LABELS + index * _STEP, _TOP + round((high - value) * scale)) for index, value in known]
        parts.append(f"<path d='{line(points)}' fill='none' stroke='navy'/>")
        parts.append(labels(f"{low:.10g}", f"{high:.10g}", _TOP + _HEIGHT))
    return as_markdown(parts, (_WIDTH, _BASE), alt=alt, synthetic=synthetic)


def _steps(levels: list[int]) -> str:
    """Return relative steps, one per bucket, from the base line to each level."""
    path, y = "l", 0
    for index, level in enumerate(levels):
        dx = _STEP if index else 0
        path += f"{'' if path == 'l' else ','}{dx}{after(level - y)}"
        y = level
    return path
