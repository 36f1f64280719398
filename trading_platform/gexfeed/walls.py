"""Wall candidates and the change over 15 seconds: what a snapshot says beyond its own fields.

Belongs here: the rules, as functions of arrays. Does not belong here: parsing and storage.

Wall candidates, from GEX by volume and never by open interest, in the vendor's scale:

1. Rows with a finite strike and a finite GEX other than zero; GEX > 0 is the positive side, GEX < 0 the negative side.
2. The major of a side is its row nearest to the vendor's major strike, if one lies within 0.51 points, else its largest row.
3. Candidates are the two largest rows of the side farther than 0.51 points from the major; at equal size the lower strike first.
4. Percent is the size of a candidate against the largest row of its side, majors included.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from .columns import Floats, Ints

SAME_STRIKE_POINTS: Final = 0.51
WINDOW_S: Final = 15
SIDES: Final = (("pos", 1.0), ("neg", -1.0))
WALL_COLUMNS: Final = tuple(
    name
    for side, _ in SIDES
    for name in (
        f"major_{side}_vol_gamma",
        *(f"{side}_can{rank}_{part}" for rank in (1, 2) for part in ("strike", "value", "pct")),
    )
)
"""Columns of ``wall_candidates``, named as they are stored."""


def wall_candidates(
    strike: Floats, gex_vol: Floats, counts: Ints, major_pos_strike: Floats, major_neg_strike: Floats
) -> dict[str, Floats]:
    """Find the walls beside the majors.

    Args:
        strike: float64, points; ladder rows of all snapshots one after the other, each ladder in ascending order.
        gex_vol: float64, vendor scale, GEX by volume of these rows; NaN for null.
        counts: int64[n], ladder rows of each snapshot; 0 without a ladder.
        major_pos_strike: float64[n], points, the vendor's positive major; NaN for null.
        major_neg_strike: float64[n], the same for the negative side.

    Returns:
        ``WALL_COLUMNS``, each float64[n]: GEX of the major rows; strike (points), value (vendor scale, signed) and percent (0 to 100) of
        two candidates per side. NaN where there is none.
    """
    shape = (len(counts), int(counts.max(initial=0)))
    if 0 in shape:
        return {name: np.full(len(counts), np.nan) for name in WALL_COLUMNS}
    filled = np.arange(shape[1]) < counts[:, None]
    strikes = np.full(shape, np.nan)
    strikes[filled] = strike
    values = np.zeros(shape)
    values[filled] = np.nan_to_num(gex_vol, nan=0.0, posinf=0.0, neginf=0.0)
    values[~np.isfinite(strikes)] = 0.0
    found: dict[str, Floats] = {}
    for (side, sign), major in zip(SIDES, (major_pos_strike, major_neg_strike), strict=True):
        found |= _side(side, strikes, np.maximum(sign * values, 0.0), sign, major)
    return found


def _side(side: str, strikes: Floats, size: Floats, sign: float, vendor_major: Floats) -> dict[str, Floats]:
    """Return the columns of one side; ``size`` is 0 for rows that are not on it."""
    rows = np.arange(len(size))
    # argmax and argmin take the first of equals, which is the lower strike.
    largest = size.argmax(axis=1)
    greatest = size[rows, largest]
    distance = np.abs(strikes - vendor_major[:, None])
    distance[~(size > 0) | np.isnan(distance)] = np.inf
    nearest = distance.argmin(axis=1)
    major = np.where(distance[rows, nearest] <= SAME_STRIKE_POINTS, nearest, largest)
    exists = greatest > 0
    found = {f"major_{side}_vol_gamma": np.where(exists, sign * size[rows, major], np.nan)}
    with np.errstate(invalid="ignore"):
        left = np.where(np.abs(strikes - strikes[rows, major][:, None]) > SAME_STRIKE_POINTS, size, 0.0)
    for rank in (1, 2):
        best = left.argmax(axis=1)
        value = left[rows, best]
        some = value > 0
        found[f"{side}_can{rank}_strike"] = np.where(some, strikes[rows, best], np.nan)
        found[f"{side}_can{rank}_value"] = np.where(some, sign * value, np.nan)
        percent = np.clip(100.0 * value / np.where(exists, greatest, 1.0), 0.0, 100.0)
        found[f"{side}_can{rank}_pct"] = np.where(some, percent, np.nan)
        left[rows, best] = 0.0
    return found


def change_15s(timestamp_s: Ints, sum_gex_vol: Floats) -> tuple[Floats, Floats]:
    """Return how net GEX by volume has moved over the last 15 seconds.

    Args:
        timestamp_s: int64[n], whole seconds, strictly ascending; one category of one series.
        sum_gex_vol: float64[n], vendor scale; NaN for null.

    Returns:
        Two float64[n] over the snapshots with a value in [t - 15 s, t]: (last - first) / (number - 1), a mean step per snapshot, and
        (last - first) / (seconds between them). NaN for fewer than two, and where the snapshot itself has no value.
    """
    per_snapshot, per_second = np.full(len(timestamp_s), np.nan), np.full(len(timestamp_s), np.nan)
    known = np.flatnonzero(np.isfinite(sum_gex_vol))
    if not len(known):
        return per_snapshot, per_second
    times, values = timestamp_s[known], sum_gex_vol[known]
    first = np.searchsorted(times, times - WINDOW_S, side="left")
    steps = np.arange(len(times)) - first
    some = steps > 0
    change = (values - values[first])[some]
    per_snapshot[known[some]] = change / steps[some]
    per_second[known[some]] = change / (times - times[first])[some]
    return per_snapshot, per_second
