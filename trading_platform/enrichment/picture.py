"""The day's level lines over price, as a small picture.

Belongs here: the points for the footer, and the SVG made from them. Does not belong here: where a picture is shown (``assets``), pictures
of chains (``trading_platform.gex``).
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt
import polars as pl

from ..lake.building import Preview
from ..pictures.colours import LEVEL_COLOURS
from ..pictures.svg import LABELS, as_markdown, first_short_enough, labels, last_of_parts, line, parts_of, runs_of
from ..sessions import trading_spans
from .upstream import times_us

if TYPE_CHECKING:
    from ..sessions import Session

    Floats = npt.NDArray[np.float64]

LINES: Final = {
    "zero gamma": "zero_gamma",
    "call wall": "major_pos_vol_strike",
    "put wall": "major_neg_vol_strike",
}
"""Name of a line, which decides its colour, -> column of ``enriched_bars``. The walls are the vendor's majors by volume."""

# The most points, and fewer for a day whose levels move too often.
_POINTS: Final = (40, 32, 24, 16, 8)
_WIDTH, _HEIGHT = 480, 150
_TOP, _BOTTOM = 18, 146
# Levels this many price ranges away from the price are left out of the scale, so that the price does not become a flat line.
_FARTHEST_RANGES: Final = 2.0
# But never those this near, as a fraction of the price: one snapshot has no range.
_NEAR_FRAC: Final = 0.01
_BAND_FRAC: Final = 0.035


def preview_of(frame: pl.DataFrame, session: Session) -> Preview | None:
    """Return price, volume and level lines in equal buckets over the trading hours, None without rows.

    A bucket shows the last known value in it; it is shaded if the feed had a gap in more than half of its seconds.
    """
    spans = trading_spans(session)
    if frame.is_empty() or not spans:
        return None
    span, ts = (spans[0][0], spans[-1][1]), times_us(frame)
    traded = frame["close"].to_numpy().copy()
    traded[frame["tick_gap"].to_numpy()] = np.nan
    drawn = Preview.of_rows(span, ts, traded, frame["volume"].fill_null(0).to_numpy())
    gap = frame["gex_gap"].to_numpy()
    seconds = np.ones(frame.height, np.int64)
    gaps, all_of_them = (Preview.of_rows(span, ts, traded, counted).volume for counted in (gap * seconds, seconds))
    lines = {name: Preview.of_rows(span, ts, frame[column].to_numpy(), seconds).price for name, column in LINES.items()}
    return replace(drawn, lines=lines, shaded=2 * gaps > all_of_them)


def levels_over_price(preview: Preview, *, alt: str, synthetic: bool) -> str:
    """Draw the price in navy, level lines as steps in their colours, and gaps of the feed in grey.

    Args:
        preview: as ``preview_of`` returned it.
        alt: text for readers of the source.
        synthetic: adds the words SYNTHETIC DATA.

    Returns:
        A Markdown image, shorter than ``MARKDOWN_LIMIT``: where levels move too often, the lines get coarser.
    """
    return first_short_enough(lambda points: _image(preview, points, alt=alt, synthetic=synthetic), _POINTS)


def _image(preview: Preview, points: int, *, alt: str, synthetic: bool) -> str:
    spans = parts_of(len(preview.price), points)
    price = last_of_parts(preview.price, points)
    lines = {name: last_of_parts(values, points) for name, values in preview.lines.items()}
    step = _WIDTH // len(spans)
    scale = _scale(price, list(lines.values()))
    parts = []
    if preview.shaded is not None:
        shaded = [bool(preview.shaded[first:end].mean() > 0.5) for first, end in spans]
        runs = [(first, end) for flag, first, end in runs_of(shaded) if flag]
        grey = "".join(f"M{LABELS + a * step},0h{(b - a) * step}v{_HEIGHT}H{LABELS + a * step}" for a, b in runs)
        if grey:
            parts.append(f"<path d='{grey}' fill='lightgray'/>")
    if scale is not None:
        low, high = scale
        for name, values in lines.items():
            path = _steps(values, low, high, step)
            if path:
                parts.append(f"<path d='{path}' stroke='{LEVEL_COLOURS[name]}'/>")
        known = [(index, value) for index, value in enumerate(price.tolist()) if not math.isnan(value)]
        path = line([(LABELS + index * step + step // 2, _y(value, low, high)) for index, value in known])
        parts.append(f"<path d='{path}' stroke='navy'/>")
        parts.append(f"<g fill='black'>{labels(f'{low:.6g}' if low < high else '', f'{high:.6g}', _BOTTOM)}</g>")
    return as_markdown(parts, (LABELS + _WIDTH, _HEIGHT), alt=alt, synthetic=synthetic, options=" fill='none'")


def _scale(price: Floats, lines: list[Floats]) -> tuple[float, float] | None:
    """Return the lowest and the highest value shown: the price, and levels not too far from it; None without any value."""
    traded = price[~np.isnan(price)]
    levels = np.concatenate([np.empty(0), *(line[~np.isnan(line)] for line in lines)])
    if len(traded):
        moved = traded.max() - traded.min()
        # A price that did not move cannot become flatter: then every wall within its band of 3 % is shown.
        reach = max(_FARTHEST_RANGES * moved, (_NEAR_FRAC if moved else _BAND_FRAC) * traded.max())
        levels = levels[(levels >= traded.min() - reach) & (levels <= traded.max() + reach)]
    shown = np.concatenate((traded, levels))
    return (float(shown.min()), float(shown.max())) if len(shown) else None


def _y(value: float, low: float, high: float) -> int:
    return _TOP + round((high - value) / ((high - low) or 1.0) * (_BOTTOM - _TOP))


def _steps(values: Floats, low: float, high: float, step: int) -> str:
    """Return horizontal runs of equal height; levels outside the scale have none."""
    heights = [
        _y(value, low, high) if value == value and low <= value <= high else None  # noqa: PLR0124
        for value in values.tolist()
    ]
    path, pen = "", False
    for height, first, end in runs_of(heights):
        if height is not None:
            path += f"V{height}" if pen else f"M{LABELS + first * step},{height}"
            path += f"h{(end - first) * step}"
        pen = height is not None
    return path
