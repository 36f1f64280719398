"""Strikes that stand out: walls, the strike of the largest absolute exposure, max pain.

Belongs here: choosing strikes from sums per strike. Does not belong here: the sums (``exposures.py``).

Ties: the strike nearest to spot, then the lower one; max pain: the lowest strike.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np

from .exposures import StrikeTable
from .lines import Bools, ChainLines, Floats, Ints

BAND_FRAC: Final = 0.03


@dataclass(frozen=True, slots=True)
class Wall:
    """A strike with its exposure.

    Attributes:
        strike: points.
        usd_per_1pct: exposure there; at most 0 for a put wall.
        share: the size of the same as part of its side, for net and absolute strikes as part of the gross of both sides; 0 to 1.
    """

    strike: float
    usd_per_1pct: float
    share: float


@dataclass(frozen=True, slots=True)
class Walls:
    """All of them; None where there is no exposure to choose from.

    Attributes:
        call_wall: largest call side, un-netted.
        put_wall: most negative put side, un-netted.
        net_max_strike: largest sum of both sides; another pair than the walls.
        net_min_strike: smallest sum of both sides.
        abs_gamma_strike: largest sum of the sizes of both sides.
        call_wall_band: like ``call_wall``, within the band around spot.
        put_wall_band: like ``put_wall``, within the band around spot.
    """

    call_wall: Wall | None
    put_wall: Wall | None
    net_max_strike: Wall | None
    net_min_strike: Wall | None
    abs_gamma_strike: Wall | None
    call_wall_band: Wall | None
    put_wall_band: Wall | None


WALL_NAMES: Final = tuple(Walls.__dataclass_fields__)


def walls(table: StrikeTable, spot: float, *, near: StrikeTable | None = None, band_frac: float = BAND_FRAC) -> Walls:
    """Return the walls of a table; a strike whose exposure is unknown (NaN) is none.

    Args:
        table: exposures per strike.
        spot: price of the underlying.
        near: exposures for the walls in the band, if those count other lines (only near expiries); default: ``table``.
        band_frac: half width of the band as a fraction of spot; both edges belong to it.
    """
    call, put = float(np.nansum(table.call)), float(-np.nansum(table.put))
    near = table if near is None else near
    # A strike exactly at the edge belongs to the band whatever the rounding of spot times a fraction.
    inside = np.abs(near.strike - spot) <= band_frac * spot * (1 + 1e-12)
    near = StrikeTable(near.strike[inside], near.call[inside], near.put[inside])
    return Walls(
        call_wall=_wall(table.strike, table.call, spot, call),
        put_wall=_wall(table.strike, -table.put, spot, put, negated=True),
        net_max_strike=_wall(table.strike, table.net, spot, call + put, signed=True),
        net_min_strike=_wall(table.strike, -table.net, spot, call + put, negated=True, signed=True),
        abs_gamma_strike=_wall(table.strike, table.absolute, spot, call + put),
        call_wall_band=_wall(near.strike, near.call, spot, call),
        put_wall_band=_wall(near.strike, -near.put, spot, put, negated=True),
    )


def _wall(
    strike: Floats, value: Floats, spot: float, whole: float, *, negated: bool = False, signed: bool = False
) -> Wall | None:
    """Return the strike of the largest value, None without any exposure.

    Args:
        strike: f64.
        value: what is largest at the wall; NaN is no candidate.
        spot: decides between equals.
        whole: what the share refers to.
        negated: the value is shown with the other sign.
        signed: the value may be of either sign; otherwise a wall needs a value above 0.
    """
    known = ~np.isnan(value)
    strike, value = strike[known], value[known]
    if len(value) == 0 or whole <= 0 or (not signed and value.max() <= 0):
        return None
    best = np.flatnonzero(value == value.max())
    at = min(best, key=lambda index: (abs(strike[index] - spot), strike[index]))
    usd = float(-value[at] if negated else value[at]) + 0.0
    return Wall(float(strike[at]), usd, abs(usd) / whole)


def max_pain(lines: ChainLines, group: Ints | None = None, count: int | None = None) -> list[float | None]:
    """Return for each expiry the listed strike at which holders of options get least at settlement.

    Args:
        lines: the live lines.
        group: i64 per line, ascending; default: the expiries of the lines, AM and PM apart.
        count: number of groups; default: that of the expiries.

    Returns:
        Per group the argmin over listed strikes X of ``sum OI_call * max(X - K, 0) + OI_put * max(K - X, 0)``, the lowest of equals; None
        where there is no open interest.
    """
    group = lines.group if group is None else group
    count = len(lines.expiries) if count is None else count
    interest = np.nan_to_num(lines.open_interest)
    edges = np.searchsorted(group, np.arange(count + 1))
    return [
        _pain_of_one(lines.strike[part], interest[part], lines.is_call[part])
        for part in (slice(int(first), int(stop)) for first, stop in pairwise(edges))
    ]


def _pain_of_one(strike: Floats, interest: Floats, is_call: Bools) -> float | None:
    if not interest.any():
        return None
    listed, position = np.unique(strike, return_inverse=True)
    calls = np.bincount(position, weights=interest * is_call, minlength=len(listed))
    puts = np.bincount(position, weights=interest * ~is_call, minlength=len(listed))
    # Whole contracts times strikes are exact in float64, so equal totals are equal numbers.
    from_calls = np.cumsum(calls) * listed - np.cumsum(calls * listed)
    above = puts[::-1].cumsum()[::-1]
    from_puts = (puts * listed)[::-1].cumsum()[::-1] - above * listed
    return float(listed[int(np.argmin(from_calls + from_puts))])
