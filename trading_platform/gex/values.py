"""The numbers of one snapshot by their names, in plain values.

Belongs here: which number has which name; the JSON document and the stored rows both read it. Does not belong here: computing
(``levels.py``), nesting of the document (``report.py``), prefixes and types of columns (``tables.py``).

None is unknown. Names without a unit are points, counts or shares, as the contract of ``gex_levels`` says.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Final

import numpy as np

from .exposures import Sides, contracts_of, split_sums
from .flips import Flip
from .forward import source_name
from .levels import Block, ChainLevels
from .lines import CLOCK, Floats, Ints
from .walls import WALL_NAMES, Wall

Value = str | int | float | bool | date | datetime | list[float] | None
Values = Mapping[str, Value]
Columns = dict[str, list[Value]]

SIGN_CONVENTION: Final = "naive"
GREEKS_SOURCE: Final = "own"
SPOT_SOURCE: Final = "chain"


def counts(levels: ChainLevels) -> dict[str, Value]:
    """Return what was counted; ``rows_*`` count rows of the quote table (a call and a put), ``lines_*`` contract lines."""
    lines = levels.lines
    return {
        "rows_in": lines.rows_in,
        "rows_live": lines.rows_live,
        "rows_settled": lines.rows_in - lines.rows_live,
        "lines_in": lines.lines_in,
        "lines_live": len(lines),
        "expiries": len(lines.expiries),
    }


def conventions() -> dict[str, Value]:
    """Return the conventions of all own numbers."""
    return {"greeks_source": GREEKS_SOURCE, "clock": CLOCK, "sign_convention": SIGN_CONVENTION}


def own_block(levels: ChainLevels) -> dict[str, Value]:
    """Return gamma exposure with own greeks."""
    return {
        **_sums(levels.own),
        **_flip(levels.flip),
        "zero_gamma_slope_usd_per_1pct_per_point": levels.flip_slope,
        "dist_to_flip_pct": dist_to_flip_pct(levels),
        **_walls(levels.own),
        "vex_call_usd_per_vol_point": levels.vex.call,
        "vex_put_usd_per_vol_point": levels.vex.put,
        "chex_call_usd_per_day": levels.chex.call,
        "chex_put_usd_per_day": levels.chex.put,
    }


def vendor_block(levels: ChainLevels) -> dict[str, Value] | None:
    """Return gamma exposure with the greeks of the source, None if it has none; zero gamma is that of the own block."""
    if levels.vendor is None:
        return None
    return {**_sums(levels.vendor), **_flip(levels.flip), **_walls(levels.vendor)}


def forward_block(levels: ChainLevels) -> dict[str, Value] | None:
    """Return gamma exposure on parity forwards with volatilities from quotes, None where too much has no forward."""
    total, today, flip = levels.forward_total, levels.forward_zero_dte, levels.forward_flip
    if total is None or today is None or flip is None:
        return None
    return {
        **_sides("gex", total),
        "gex_net_usd_per_1pct": total.net,
        "net_to_gross": total.net_to_gross,
        **_flip(flip),
        **_sides("gex_0dte", today),
        "oi_dropped_pct": levels.inputs.forward_oi_dropped_pct,
    }


def derived_block(levels: ChainLevels) -> dict[str, Value]:
    """Return what follows from the own exposures; distances are spot minus level. Formulas and null rules: ``derived.py``."""
    derived = levels.derived
    ramp, wall = derived.ramp, derived.nearest_wall
    return {
        "gex_normalised_musd_per_1pct_per_point": derived.normalised_musd_per_1pct_per_point,
        "ramp_lower_strike": ramp.lower_strike,
        "ramp_upper_strike": ramp.upper_strike,
        "gex_ramp_musd_per_1pct_per_point": ramp.musd_per_1pct_per_point,
        "nearest_wall": None if wall is None else wall.strike,
        "nearest_wall_side": None if wall is None else wall.side,
        "dist_to_nearest_wall_points": None if wall is None else wall.dist_points,
        "dist_to_nearest_wall_pct": None if wall is None else wall.dist_pct,
        "dist_to_flip_points": derived.dist_to_flip_points,
        "dist_to_flip_pct": dist_to_flip_pct(levels),
        "compression_score": derived.compression_score,
    }


def same_day_block(levels: ChainLevels) -> dict[str, Value]:
    """Return own sides and zero gamma of the series that expire on the Eastern date of the snapshot, of the others, of the next expiry."""
    return {
        **_sides("gex_0dte", levels.zero_dte),
        **_sides("gex_ex_0dte", levels.ex_zero_dte),
        "zero_gamma_0dte": None if levels.flip_0dte is None else levels.flip_0dte.zero_gamma,
        "zero_gamma_next": None if levels.flip_next is None else levels.flip_next.zero_gamma,
    }


def other_exposures(levels: ChainLevels) -> dict[str, Value]:
    """Return delta, vanna and charm exposure of all lines."""
    return {
        "dex_usd": None if levels.vendor_dex is None else levels.vendor_dex.net,
        "own_dex_usd": levels.own_dex.net,
        "vex_usd_per_vol_point": levels.vex.net,
        "chex_usd_per_day": levels.chex.net,
    }


def contracts_block(levels: ChainLevels) -> dict[str, Value]:
    """Return open interest and volume of live lines."""
    interest, volume = levels.open_interest, levels.volume
    return {
        "oi_call": _whole(interest.call),
        "oi_put": _whole(interest.put),
        "vol_call": _whole(volume.call),
        "vol_put": _whole(volume.put),
    }


def dist_to_flip_pct(levels: ChainLevels) -> float | None:
    """Return spot minus zero gamma in percent of spot."""
    zero = levels.flip.zero_gamma
    return None if zero is None else 100.0 * (levels.lines.spot - zero) / levels.lines.spot


def expiry_columns(levels: ChainLevels) -> Columns:
    """Return what is known of each live expiry, in order of settlement."""
    lines, forward, own, vendor = levels.lines, levels.forward, levels.own, levels.vendor
    expiries, flips = lines.expiries, levels.expiry_flips
    nothing: list[Value] = [None] * len(expiries)
    return {
        "expiry": [expiry.expiry for expiry in expiries],
        "settle_style": [expiry.settle_style for expiry in expiries],
        "settlement_at": [expiry.settlement_at for expiry in expiries],
        "dte_days": [expiry.dte_days for expiry in expiries],
        "tau_years": [expiry.tau_years for expiry in expiries],
        "forward": _numbers(forward.fit.forward),
        "discount": _numbers(forward.fit.discount),
        "parity_rms": _numbers(forward.fit.rms),
        "parity_source": [source_name(int(source)) for source in forward.fit.source],
        "atm_iv": _numbers(forward.atm_iv),
        "iv_excluded_n": [int(n) for n in forward.excluded],
        "gex_call_usd_per_1pct": _numbers(own.expiry_call),
        "gex_put_usd_per_1pct": _numbers(own.expiry_put),
        "gex_net_usd_per_1pct": _numbers(own.expiry_call + own.expiry_put),
        "gex_abs_usd_per_1pct": _numbers(own.expiry_call - own.expiry_put),
        "gex_vol_call_usd_per_1pct": _numbers(own.expiry_volume_call),
        "gex_vol_put_usd_per_1pct": _numbers(own.expiry_volume_put),
        "vendor_gex_call_usd_per_1pct": nothing if vendor is None else _numbers(vendor.expiry_call),
        "vendor_gex_put_usd_per_1pct": nothing if vendor is None else _numbers(vendor.expiry_put),
        "vendor_gex_net_usd_per_1pct": nothing if vendor is None else _numbers(vendor.expiry_call + vendor.expiry_put),
        "zero_gamma": [flip.zero_gamma for flip in flips],
        "zero_gamma_crossings": [flip.crossings for flip in flips],
        "n_crossings": [flip.n_crossings for flip in flips],
        "max_pain": list(levels.max_pain),
        **_contracts(levels, lines.group, len(expiries)),
    }


def strike_columns(levels: ChainLevels) -> Columns:
    """Return what is known of each listed strike, ascending."""
    own, vendor = levels.own, levels.vendor
    listed = own.strikes.strike
    nothing: list[Value] = [None] * len(listed)
    return {
        "strike": _numbers(listed),
        "gex_call_usd_per_1pct": _numbers(own.strikes.call),
        "gex_put_usd_per_1pct": _numbers(own.strikes.put),
        "gex_net_usd_per_1pct": _numbers(own.strikes.net),
        "gex_abs_usd_per_1pct": _numbers(own.strikes.absolute),
        "gex_vol_call_usd_per_1pct": _numbers(own.strikes_volume.call),
        "gex_vol_put_usd_per_1pct": _numbers(own.strikes_volume.put),
        "vendor_gex_call_usd_per_1pct": nothing if vendor is None else _numbers(vendor.strikes.call),
        "vendor_gex_put_usd_per_1pct": nothing if vendor is None else _numbers(vendor.strikes.put),
        "vendor_gex_net_usd_per_1pct": nothing if vendor is None else _numbers(vendor.strikes.net),
        **_contracts(levels, np.searchsorted(listed, levels.lines.strike).astype(np.int64), len(listed)),
    }


def level_columns(levels: ChainLevels) -> Columns:
    """Return the own profile: net exposure if the underlying stood at each level."""
    return {"level": _numbers(levels.profile_levels), "gex_net_usd_per_1pct": _numbers(levels.profile_net)}


def _sums(block: Block) -> dict[str, Value]:
    return {
        **_sides("gex", block.total),
        "gex_net_usd_per_1pct": block.total.net,
        "net_to_gross": block.total.net_to_gross,
        **_sides("gex_vol", block.volume),
    }


def _sides(name: str, sides: Sides) -> dict[str, Value]:
    return {f"{name}_call_usd_per_1pct": sides.call, f"{name}_put_usd_per_1pct": sides.put}


def _flip(flip: Flip) -> dict[str, Value]:
    return {
        "zero_gamma": flip.zero_gamma,
        "zero_gamma_crossings": flip.crossings,
        "n_crossings": flip.n_crossings,
    }


def _walls(block: Block) -> dict[str, Value]:
    found: dict[str, Value] = {}
    for name in WALL_NAMES:
        wall: Wall | None = getattr(block.walls, name)
        found[name] = None if wall is None else wall.strike
        found[f"{name}_usd_per_1pct"] = None if wall is None else wall.usd_per_1pct
        found[f"{name}_share"] = None if wall is None else wall.share
    return found


def _contracts(levels: ChainLevels, position: Ints, count: int) -> Columns:
    """Return open interest and volume of both sides in so many groups."""
    lines = levels.lines
    found: Columns = {}
    for name, contracts in (("oi", lines.open_interest), ("vol", lines.volume)):
        for side, sums in zip(
            ("call", "put"), split_sums(lines, contracts_of(contracts), position, count), strict=True
        ):
            found[f"{name}_{side}"] = [None if value is None else int(value) for value in _known(sums)]
    return found


def _numbers(values: Floats) -> list[Value]:
    return list(_known(values))


def _known(values: Floats) -> list[float | None]:
    """Return floats with None for NaN."""
    if np.isnan(values).any():
        return [None if value != value else value for value in values.tolist()]  # noqa: PLR0124
    return list(values.tolist())


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)
