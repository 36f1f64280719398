"""Small pictures of gamma: the profile by strike, and level lines over price.

Belongs here: the points that a footer keeps, and the SVG of the profile. Does not belong here: where a picture is shown (``assets``), large
charts (``plot.py``), the SVG of lines over price, which is that of enriched bars.

The web UI shows short Markdown only (``trading_platform.pictures.svg``), so the picture has few bars.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import polars as pl

from ..instants import MICROSECONDS, us_of
from ..lake.building import Json, Preview
from ..pictures.colours import LEVEL_COLOURS
from ..pictures.svg import embedded, first_short_enough
from .levels import ChainLevels
from .lines import Floats, Ints

if TYPE_CHECKING:
    from ..sessions import Session

BAND_FRAC: Final = 0.05
BARS: Final = 36
LINES: Final[Mapping[str, str]] = {
    "zero gamma": "naive_zero_gamma",
    "call wall": "naive_call_wall_band",
    "put wall": "naive_put_wall_band",
}
"""Name of a line, which decides its colour, -> column of ``gex_levels``. The walls are those near spot: a far one is not in the picture."""

_STEP: Final = 13
_WIDTH, _HEIGHT, _TOP, _BASE = BARS * _STEP, 160, 30, 95
_TALLEST: Final = 60
_PARTS: Final = 1_000
# Strikes merged into one bar, the finest picture first.
_MERGED: Final = (1, 2, 3, 4)


def profile_points(levels: ChainLevels) -> dict[str, Json]:
    """Return the points of a profile picture: exposure by strike in equal steps within 5 % of spot.

    Returns:
        spot, zero_gamma, call_wall, put_wall [points, null unknown; the walls within the band around spot]; low and step [points]: edge of
        the first bar, width of bars; call and put: own exposure per bar in thousandths of the largest bar; unit_usd_per_1pct: what one of
        them stands for. A strike on an edge belongs to the bar above it.
    """
    spot, table, walls = levels.lines.spot, levels.own.strikes, levels.own.walls
    low, step = spot * (1 - BAND_FRAC), 2 * BAND_FRAC * spot / BARS
    bar = np.floor((table.strike - low) / step).astype(np.int64)
    inside = (bar >= 0) & (bar < BARS)
    # A side that is unknown has nothing to draw.
    call, put = (
        np.bincount(bar[inside], weights=np.nan_to_num(side)[inside], minlength=BARS)
        for side in (table.call, table.put)
    )
    unit = max(float(call.max()), float(-put.min())) / _PARTS
    per_unit = 1.0 / unit if unit > 0 else 0.0
    return {
        "spot": spot,
        "zero_gamma": levels.flip.zero_gamma,
        "call_wall": None if walls.call_wall_band is None else walls.call_wall_band.strike,
        "put_wall": None if walls.put_wall_band is None else walls.put_wall_band.strike,
        "low": low,
        "step": step,
        "unit_usd_per_1pct": unit,
        "call": [round(value * per_unit) for value in call.tolist()],
        "put": [round(value * per_unit) for value in put.tolist()],
    }


def profile_picture(points: Mapping[str, Any], *, alt: str, synthetic: bool) -> str:
    """Draw exposure by strike: calls upwards in green, puts downwards in red, with spot, zero gamma and walls as lines.

    Args:
        points: as ``profile_points`` returned them.
        alt: text for readers of the source.
        synthetic: adds the words SYNTHETIC DATA, so that generated numbers are never taken for real ones.

    Returns:
        A Markdown image, shorter than ``MARKDOWN_LIMIT``. A level beyond the edges is not drawn.
    """
    return first_short_enough(lambda merged: _profile(points, merged, alt=alt, synthetic=synthetic), _MERGED)


def _profile(points: Mapping[str, Any], merged: int, *, alt: str, synthetic: bool) -> str:
    """Draw with so many bars merged into one."""
    sides = {side: np.add.reduceat(np.array(points[side]), np.arange(0, BARS, merged)) for side in ("call", "put")}
    largest = max(int(np.abs(values).max()) for values in sides.values()) or 1
    parts = [f"<svg xmlns='http://www.w3.org/2000/svg' width='{_WIDTH}' height='{_HEIGHT}'>"]
    for side, colour in (("call", "lightgreen"), ("put", "pink")):
        heights = [round(value / largest * _TALLEST) for value in sides[side].tolist()]
        if any(heights):
            parts.append(f"<path d='M0,{_BASE}{_bars(heights, merged * _STEP)}z' fill='{colour}'/>")
    for name, colour in LEVEL_COLOURS.items():
        at = _across(points[name.replace(" ", "_")], points)
        if at is not None:
            parts.append(f"<path d='M{at},{_TOP}V{_HEIGHT}' stroke='{colour}'/>")
    first, last = points["low"], points["low"] + BARS * points["step"]
    texts = [(0, f"{first:.5g}"), (_WIDTH - 45, f"{last:.5g}")]
    zero = points["zero_gamma"]
    texts.append((_WIDTH // 3, f"spot {points['spot']:.6g}" + ("" if zero is None else f", zero {zero:.6g}")))
    parts += [f"<text x='{x}' y='12'>{text}</text>" for x, text in texts]
    if synthetic:
        parts.append("<text y='27' fill='red'>SYNTHETIC DATA</text>")
    parts.append("</svg>")
    return embedded("".join(parts), alt=alt)


def level_lines(rows: pl.DataFrame, session: Session) -> Preview | None:
    """Return spot and level lines in equal buckets over the trading hours and all snapshots, None without rows.

    Args:
        rows: a day of ``gex_levels``; its own source only, or several, of which the last one in a bucket counts.
        session: the day's session.

    Returns:
        Price is the spot of snapshots; a level holds until the next snapshot; there is no volume.
    """
    if rows.height == 0:
        return None
    times = rows["observed_at"].dt.timestamp("us").to_numpy()
    hours = (session.opens_at or session.window_start, session.closes_at or session.window_end)
    start, end = min(us_of(hours[0]), int(times[0])), max(us_of(hours[1]), int(times[-1]) + MICROSECONDS)
    drawn = Preview.of_rows((start, end), times, rows["spot"].to_numpy(), np.zeros(rows.height, np.int64))
    bucket = (times - start) // drawn.step_us
    lines = {}
    for name, column in LINES.items():
        values = np.full(len(drawn.price), np.nan)
        # With repeated positions numpy keeps the last value, which is the latest snapshot, and unlike a price it may say unknown.
        values[bucket] = rows[column].to_numpy()
        lines[name] = _held(values, bucket)
    return replace(drawn, lines=lines)


def _held(values: Floats, known: Ints) -> Floats:
    """Return values carried from each known bucket to the next one; unknown stays unknown where a snapshot says so."""
    at = np.full(len(values), -1, np.int64)
    at[known] = known
    at = np.maximum.accumulate(at)
    return np.where(at >= 0, values[np.maximum(at, 0)], np.nan)


def _bars(heights: Sequence[int], width: int) -> str:
    """Return vertical and horizontal steps from the base line over every bar of this width and back to it."""
    path, y, run = "", 0, 0
    for height in heights:
        if height != y:
            path += f"h{run}" * (run > 0) + f"v{y - height}"
            y, run = height, 0
        run += width
    return f"{path}h{run}V{_BASE}"


def _across(level: float | None, points: Mapping[str, Any]) -> int | None:
    if level is None:
        return None
    at = round((level - points["low"]) / points["step"] * _STEP)
    return at if 0 <= at <= _WIDTH else None
