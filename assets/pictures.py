"""Small pictures for partition pages.

Belongs here: which pictures a day has, and pure functions from a preview to Markdown that the web UI shows inline. The UI hides Markdown
of 1,000 characters and more behind a link, so a picture is one SVG with relative integer coordinates, percent-encoded by hand instead of
base64. Does not belong here: pictures of gamma, which lie beside what they show; large charts, which are written to files.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any
from urllib.parse import quote

import dagster as dg
import numpy as np

from trading_platform.enrichment import levels_over_price
from trading_platform.gex.pictures import profile_picture
from trading_platform.lake import DayResult
from trading_platform.lake.building import Preview
from trading_platform.regimes import regime_ribbon

MARKDOWN_LIMIT = 1_000
_POINTS = 52
_STEP = 9
_WIDTH = _POINTS * _STEP
_PRICE_TOP, _PRICE_HEIGHT = 18, 99
_BASE, _VOLUME_HEIGHT = 160, 34
_SAFE_CHARACTERS = "/:=',.-"


def pictures_of(result: DayResult, *, title: str) -> dict[str, dg.MetadataValue[Any]]:
    """Return the pictures of a day by the name of their entry: a line over price and volume, levels over price, regimes, a gamma profile.

    Which of them a day has follows from what its builder left behind: level lines in the preview, a ribbon or a picture among the facts.
    """
    drawn: dict[str, str] = {}
    ribbon, profile = result.facts.get("ribbon"), result.facts.get("picture")
    if result.preview is not None:
        if result.preview.lines:
            drawn["levels_over_price"] = levels_over_price(result.preview, alt=title, synthetic=result.synthetic)
        elif isinstance(ribbon, str):
            drawn["regimes"] = regime_ribbon(result.preview, ribbon, alt=title, synthetic=result.synthetic)
        else:
            drawn["price_and_volume"] = price_and_volume(result.preview, alt=title, synthetic=result.synthetic)
    if isinstance(profile, Mapping):
        drawn["gamma_profile"] = profile_picture(profile, alt=title, synthetic=result.synthetic)
    return {name: dg.MetadataValue.md(picture) for name, picture in drawn.items()}


def price_and_volume(preview: Preview, *, alt: str, synthetic: bool) -> str:
    """Draw last price as a line over volume as an area.

    Args:
        preview: equal time buckets; a bucket without trades has no point, the line joins the prices around it.
        alt: text for readers of the source.
        synthetic: adds the words SYNTHETIC DATA, so that generated prices are never taken for real ones.

    Returns:
        A Markdown image, shorter than ``MARKDOWN_LIMIT``.
    """
    price, volume = _coarsen(preview)
    parts = [f"<svg xmlns='http://www.w3.org/2000/svg' width='{_WIDTH}' height='{_BASE}'>"]
    peak = max(int(volume.max(initial=0)), 1)
    heights = [round(int(v) / peak * _VOLUME_HEIGHT) for v in volume]
    parts.append(f"<path d='M0,{_BASE}{_steps([-h for h in heights])}V{_BASE}' fill='lightblue'/>")
    known = [(index, float(value)) for index, value in enumerate(price) if not math.isnan(value)]
    if known:
        low, high = min(value for _, value in known), max(value for _, value in known)
        parts.append(f"<path d='{_line(known, low, high)}' fill='none' stroke='navy'/>")
        parts.append(f"<text y='12'>{high:.10g}</text><text y='{_PRICE_TOP + _PRICE_HEIGHT}'>{low:.10g}</text>")
    if synthetic:
        parts.append(f"<text x='{_WIDTH // 2}' y='12' fill='red'>SYNTHETIC DATA</text>")
    parts.append("</svg>")
    return f"![{alt}](data:image/svg+xml,{quote(''.join(parts), safe=_SAFE_CHARACTERS)})"


def _coarsen(preview: Preview) -> tuple[np.ndarray, np.ndarray]:
    """Return at most ``_POINTS`` buckets: last known price and summed volume of each."""
    edges = np.linspace(0, len(preview.price), min(_POINTS, len(preview.price)) + 1).astype(int)
    price = np.full(len(edges) - 1, np.nan)
    volume = np.zeros(len(edges) - 1, np.int64)
    for index, (first, stop) in enumerate(pairwise(edges)):
        known = preview.price[first:stop][~np.isnan(preview.price[first:stop])]
        price[index] = known[-1] if len(known) else np.nan
        volume[index] = preview.volume[first:stop].sum()
    return price, volume


def _line(known: Sequence[tuple[int, float]], low: float, high: float) -> str:
    scale = _PRICE_HEIGHT / ((high - low) or 1.0)
    x, y = known[0][0] * _STEP, _PRICE_TOP + round((high - known[0][1]) * scale)
    path = f"M{x},{y}l"
    for index, value in known[1:]:
        next_x, next_y = index * _STEP, _PRICE_TOP + round((high - value) * scale)
        path += f"{_separated(path, next_x - x)}{_after(next_y - y)}"
        x, y = next_x, next_y
    return path.removesuffix("l")


def _steps(levels: Sequence[int]) -> str:
    """Return relative steps, one per bucket, from the base line to each level."""
    path, y = "l", 0
    for index, level in enumerate(levels):
        path += f"{_separated(path, _STEP if index else 0)}{_after(level - y)}"
        y = level
    return path


def _separated(path: str, dx: int) -> str:
    return f"{dx}" if path.endswith("l") else f",{dx}"


def _after(dy: int) -> str:
    return f"{dy}" if dy < 0 else f",{dy}"
