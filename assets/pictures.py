"""Small pictures for partition pages.

Belongs here: pure functions from a preview to an SVG of at most 6 KB, which the web UI shows inline. Does not belong here: large
charts, which are written to files.
"""

from __future__ import annotations

import base64
import math

from trading_platform.lake.building import Preview

_WIDTH, _PRICE_HEIGHT, _VOLUME_HEIGHT, _MARGIN = 480, 96, 36, 4
_HEIGHT = _PRICE_HEIGHT + _VOLUME_HEIGHT + 26
MAX_SIZE_BYTES = 6 * 1024


def price_and_volume_svg(preview: Preview, *, title: str, synthetic: bool) -> str:
    """Draw last price as a line and volume as bars over the session.

    Args:
        preview: equal time buckets; buckets without trades interrupt nothing, the line joins the prices around them.
        title: text at the top left.
        synthetic: adds the words SYNTHETIC DATA, so that generated prices are never taken for real ones.

    Returns:
        An SVG document as text.
    """
    points = [(i, float(p)) for i, p in enumerate(preview.price) if not math.isnan(p)]
    parts = [
        f"<svg xmlns='http://www.w3.org/2000/svg' width='{_WIDTH}' height='{_HEIGHT}' font-family='sans-serif' font-size='11'>",
        "<rect width='100%' height='100%' fill='#fff'/>",
        f"<text x='{_MARGIN}' y='13' fill='#333'>{title}</text>",
    ]
    if synthetic:
        parts.append(f"<text x='{_WIDTH - _MARGIN}' y='13' text-anchor='end' fill='#b00'>SYNTHETIC DATA</text>")
    if points:
        parts += _plot(preview, points)
    parts.append("</svg>")
    return "".join(parts)


def as_markdown_image(svg: str, alt: str) -> str:
    """Return the SVG as an inline Markdown image."""
    return f"![{alt}](data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()})"


def _plot(preview: Preview, points: list[tuple[int, float]]) -> list[str]:
    low, high = min(p for _, p in points), max(p for _, p in points)
    span = (high - low) or 1.0
    step = (_WIDTH - 2 * _MARGIN) / max(len(preview.price), 1)
    top = 20

    def x(index: int) -> float:
        return _MARGIN + (index + 0.5) * step

    line = " ".join(f"{x(i):.0f},{top + (high - p) / span * _PRICE_HEIGHT:.1f}" for i, p in points)
    peak = max(int(preview.volume.max()), 1)
    base = top + _PRICE_HEIGHT + _VOLUME_HEIGHT + 4
    bars = "".join(
        f"M{x(i):.0f} {base}v-{v / peak * _VOLUME_HEIGHT:.1f}" for i, v in enumerate(preview.volume.tolist()) if v
    )
    return [
        f"<path d='{bars}' stroke='#9db4d0' stroke-width='{max(step * 0.8, 1):.1f}' fill='none'/>",
        f"<polyline points='{line}' fill='none' stroke='#1559b7' stroke-width='1.4'/>",
        f"<text x='{_WIDTH - _MARGIN}' y='{top + 10}' text-anchor='end' fill='#666'>{high:,.10g}</text>",
        f"<text x='{_WIDTH - _MARGIN}' y='{top + _PRICE_HEIGHT}' text-anchor='end' fill='#666'>{low:,.10g}</text>",
    ]
