"""The day's level lines over price, as a small picture.

Belongs here: the points for the footer, and the SVG made from them. Does not belong here: where a picture is shown (``assets``), pictures
of chains (``trading_platform.gex``).

The web UI hides Markdown of 1,000 characters and more behind a link, so the picture has few points, whole relative coordinates, and
percent-encoding by hand.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby, pairwise
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

import numpy as np
import numpy.typing as npt
import polars as pl

from ..instants import MICROSECONDS
from ..lake.building import Preview
from ..sessions import trading_spans
from .upstream import times_us

if TYPE_CHECKING:
    from ..sessions import Session

    Floats = npt.NDArray[np.float64]

MARKDOWN_LIMIT: Final = 1_000
LINES: Final = {
    "zero gamma": ("zero_gamma", "orange"),
    "call wall": ("major_pos_vol_strike", "green"),
    "put wall": ("major_neg_vol_strike", "red"),
}
"""Name of a line -> column of ``enriched_bars`` and colour. The walls are the vendor's majors by volume."""

PREVIEW_BUCKETS: Final = 120
_POINTS: Final = 40
_STEP: Final = 12
_WIDTH, _HEIGHT = _POINTS * _STEP, 150
_TOP, _BOTTOM = 18, 146
_SAFE: Final = "/:=',.-"
# Levels this many price ranges away from the price are left out of the scale, so that the price does not become a flat line.
_FARTHEST_RANGES: Final = 2.0


def preview_of(frame: pl.DataFrame, session: Session) -> Preview | None:
    """Return price, volume and level lines in equal buckets over the trading hours, None without rows.

    A bucket shows the last known value in it; it is shaded if the feed had a gap in more than half of its seconds.
    """
    spans = trading_spans(session)
    if frame.is_empty() or not spans:
        return None
    start_us, end_us = spans[0][0], spans[-1][1]
    step_us = -(-(end_us - start_us) // PREVIEW_BUCKETS)
    step_us = max(MICROSECONDS, -(-step_us // MICROSECONDS) * MICROSECONDS)
    count = -(-(end_us - start_us) // step_us)
    bucket = (times_us(frame) - start_us) // step_us
    seconds = np.bincount(bucket, minlength=count)
    gaps = np.bincount(bucket, weights=frame["gex_gap"].to_numpy(), minlength=count)
    traded = frame["close"].to_numpy().copy()
    traded[frame["tick_gap"].to_numpy()] = np.nan
    volume = np.bincount(bucket, weights=frame["volume"].fill_null(0).to_numpy(), minlength=count)
    return Preview(
        start_us=start_us,
        step_us=step_us,
        price=_last(bucket, traded, count),
        volume=volume.astype(np.int64),
        lines={name: _last(bucket, frame[column].to_numpy(), count) for name, (column, _) in LINES.items()},
        shaded=2 * gaps > seconds,
    )


def levels_over_price(preview: Preview, *, alt: str, synthetic: bool) -> str:
    """Draw the price in navy, level lines as steps in their colours, and gaps of the feed in grey.

    Args:
        preview: as ``preview_of`` returned it.
        alt: text for readers of the source.
        synthetic: adds the words SYNTHETIC DATA.

    Returns:
        A Markdown image, shorter than ``MARKDOWN_LIMIT``: where levels move too often, the lines get coarser.
    """
    for points in (_POINTS, 32, 24, 16, 8):
        text = _image(preview, points, alt=alt, synthetic=synthetic)
        if len(text) < MARKDOWN_LIMIT:
            return text
    return text


def _image(preview: Preview, points: int, *, alt: str, synthetic: bool) -> str:
    edges = np.linspace(0, len(preview.price), min(points, len(preview.price)) + 1).astype(int)
    price = _coarse(preview.price, edges)
    lines = {name: _coarse(values, edges) for name, values in preview.lines.items()}
    step = _WIDTH // (len(edges) - 1)
    low, high = _scale(price, list(lines.values()))
    parts = [f"<svg xmlns='http://www.w3.org/2000/svg' width='{_WIDTH}' height='{_HEIGHT}' fill='none'>"]
    if preview.shaded is not None:
        shaded = [bool(preview.shaded[first:stop].mean() > 0.5) for first, stop in pairwise(edges)]
        spans = "".join(f"M{a * step},0h{(b - a) * step}v{_HEIGHT}H{a * step}" for a, b in _runs(shaded))
        if spans:
            parts.append(f"<path d='{spans}' fill='lightgray'/>")
    if high > low:
        for name, values in lines.items():
            path = _steps(values, low, high, step)
            if path:
                parts.append(f"<path d='{path}' stroke='{LINES[name][1]}'/>")
        parts.append(f"<path d='{_polyline(price, low, high, step)}' stroke='navy'/>")
        parts.append(f"<g fill='black'><text y='12'>{high:.6g}</text><text y='{_BOTTOM}'>{low:.6g}</text></g>")
    if synthetic:
        parts.append(f"<text x='{_WIDTH // 2}' y='12' fill='red'>SYNTHETIC DATA</text>")
    parts.append("</svg>")
    return f"![{alt}](data:image/svg+xml,{quote(''.join(parts), safe=_SAFE)})"


def _last(bucket: npt.NDArray[np.int64], values: Floats, count: int) -> Floats:
    """Return the last known value in each bucket, NaN where there is none."""
    known = ~np.isnan(values)
    last = np.full(count, np.nan)
    # With repeated positions numpy keeps the last value.
    last[bucket[known]] = values[known]
    return last


def _coarse(values: Floats, edges: npt.NDArray[np.int64]) -> Floats:
    """Return the last known value between each pair of edges, NaN where there is none."""
    coarse = np.full(len(edges) - 1, np.nan)
    for index, (first, stop) in enumerate(pairwise(edges)):
        known = values[first:stop][~np.isnan(values[first:stop])]
        if len(known):
            coarse[index] = known[-1]
    return coarse


def _scale(price: Floats, lines: list[Floats]) -> tuple[float, float]:
    """Return the lowest and the highest value shown: the price, and levels not too far from it."""
    traded = price[~np.isnan(price)]
    levels = np.concatenate([np.empty(0), *(line[~np.isnan(line)] for line in lines)])
    if len(traded):
        reach = _FARTHEST_RANGES * (traded.max() - traded.min())
        levels = levels[(levels >= traded.min() - reach) & (levels <= traded.max() + reach)]
    shown = np.concatenate((traded, levels))
    return (float(shown.min()), float(shown.max())) if len(shown) else (0.0, 0.0)


def _y(value: float, low: float, high: float) -> int:
    return _TOP + round((high - value) / (high - low) * (_BOTTOM - _TOP))


def _runs(flags: list[bool]) -> Iterator[tuple[int, int]]:
    """Yield first and end of each run of set flags."""
    at = 0
    for flag, group in groupby(flags):
        length = len(list(group))
        if flag:
            yield at, at + length
        at += length


def _polyline(values: Floats, low: float, high: float, step: int) -> str:
    """Return a line through the middles of the buckets with a value."""
    known = [(index * step + step // 2, _y(value, low, high)) for index, value in enumerate(values) if value == value]  # noqa: PLR0124
    if not known:
        return ""
    (x, y), path = known[0], f"M{known[0][0]},{known[0][1]}l"
    for next_x, next_y in known[1:]:
        path += f"{',' if path[-1] != 'l' else ''}{next_x - x}{_after(next_y - y)}"
        x, y = next_x, next_y
    return path.removesuffix("l")


def _steps(values: Floats, low: float, high: float, step: int) -> str:
    """Return horizontal runs of equal height; levels outside the scale have none."""
    heights = [
        _y(value, low, high) if value == value and low <= value <= high else None  # noqa: PLR0124
        for value in values.tolist()
    ]
    path, at, pen = "", 0, None
    for height, group in groupby(heights):
        length = len(list(group))
        if height is not None:
            path += f"V{height}" if pen is not None else f"M{at * step},{height}"
            path += f"h{length * step}"
        pen, at = height, at + length
    return path


def _after(dy: int) -> str:
    return f"{dy}" if dy < 0 else f",{dy}"
