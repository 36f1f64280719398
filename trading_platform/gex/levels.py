"""Everything a chain snapshot says about gamma, in one object.

Belongs here: the composition of exposures, walls, zero gamma and forward pricing. Does not belong here: formulas (their modules), the
JSON document (``report.py``), rows of datasets (``tables.py``).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import numpy as np
import polars as pl

from ..options import Greeks
from .exposures import (
    Sides,
    StrikeTable,
    by_expiry,
    by_strike,
    charm_exposure,
    delta_exposure,
    gamma_exposure,
    own_greeks,
    per_gamma,
    sides,
    vanna_exposure,
)
from .forward import ForwardPricing, atm_iv_30d, price_on_forward
from .lines import Bools, ChainLines, Floats, counters, lines_of
from .walls import BAND_FRAC, Walls, max_pain, walls
from .zero_gamma import GammaCurve, crossings, nearest, profile_levels, search_levels

# Index options that are exercised at settlement only (Cboe, Nasdaq contract specifications); everything else may be exercised earlier.
EUROPEAN_ROOTS: Final = frozenset(
    {"DJX", "MRUT", "NDX", "NDXP", "RUT", "RUTW", "SPX", "SPXW", "VIX", "VIXW", "XND", "XSP"}
)
NET_TO_GROSS_FLOOR: Final = 0.05
VENDOR_GAP_LIMIT_PCT: Final = 15.0


@dataclass(frozen=True, slots=True)
class Block:
    """Gamma exposure with one set of greeks, own or of the source.

    Attributes:
        total: both sides, USD per 1 %.
        volume: the same with the volume of the day instead of open interest.
        strikes: exposures per strike.
        strikes_volume: the same with volume.
        expiry_call: call side per expiry, as are the put side, and both with volume.
        expiry_put: put side per expiry.
        expiry_volume_call: call side per expiry with volume.
        expiry_volume_put: put side per expiry with volume.
        walls: strikes that stand out.
    """

    total: Sides
    volume: Sides
    strikes: StrikeTable
    strikes_volume: StrikeTable
    expiry_call: Floats
    expiry_put: Floats
    expiry_volume_call: Floats
    expiry_volume_put: Floats
    walls: Walls


@dataclass(frozen=True, slots=True)
class Flip:
    """Crossings of a re-priced profile.

    Attributes:
        crossings: ascending, points.
        zero_gamma: the one nearest to spot; None without one.
    """

    crossings: list[float]
    zero_gamma: float | None


@dataclass(frozen=True, slots=True)
class ChainLevels:
    """What a chain snapshot says about gamma; docs of the datasets ``gex_levels`` and ``gex_profile`` name every number.

    Attributes:
        lines: the live lines.
        own: own greeks: volatility of the source, rates 0.
        vendor: greeks of the source; None if it has none.
        forward: volatilities from quotes on the parity forward.
        forward_total: both sides of ``forward``; None if an expiry has no forward, because the sums would miss it.
        forward_flip: its crossings; None likewise.
        flip: crossings of the own profile over all expiries.
        flip_slope: slope of that profile at its ``zero_gamma``, USD per 1 % and point.
        expiry_flips: crossings per expiry.
        flip_0dte: of all series that expire on the Eastern date of the snapshot; None if there are none.
        flip_next: of the next expiry date; None if there is none.
        zero_dte: own sides of those series.
        ex_zero_dte: own sides of all others.
        profile_levels: levels, 80 % to 120 % of spot.
        profile_net: own net exposure at these levels, USD per 1 %.
        vex: vanna exposure, USD per volatility point.
        chex: charm exposure, USD per calendar day.
        own_dex: delta exposure with own delta, USD.
        vendor_dex: with the delta of the source; None if it has none.
        open_interest: contracts, calls and puts.
        volume: contracts, calls and puts.
        max_pain: per expiry.
        atm_iv_30d: per year; None if unknown.
        counts: what is odd in the lines, see ``counters``; besides ``iv_reimplied_n``, ``forward_iv_quotes_n``, ``forward_iv_chain_n``.
        oi_dropped_pct: open interest on lines without volatility, percent; None without open interest.
        flags: words for a reader.
        input_sha256: hash of contracts, quotes and open interest.
    """

    lines: ChainLines
    own: Block
    vendor: Block | None
    forward: ForwardPricing
    forward_total: Sides | None
    forward_flip: Flip | None
    flip: Flip
    flip_slope: float | None
    expiry_flips: list[Flip]
    flip_0dte: Flip | None
    flip_next: Flip | None
    zero_dte: Sides
    ex_zero_dte: Sides
    profile_levels: Floats
    profile_net: Floats
    vex: Sides
    chex: Sides
    own_dex: Sides
    vendor_dex: Sides | None
    open_interest: Sides
    volume: Sides
    max_pain: list[float | None]
    atm_iv_30d: float | None
    counts: Mapping[str, int]
    oi_dropped_pct: float | None
    flags: tuple[str, ...]
    input_sha256: str

    @property
    def vendor_gap_pct(self) -> tuple[float | None, float | None]:
        """Return own call and put side against those of the source, percent; None where there is nothing to compare with."""
        if self.vendor is None:
            return None, None
        pairs = ((self.own.total.call, self.vendor.total.call), (self.own.total.put, self.vendor.total.put))
        call, put = (100.0 * (own / vendor - 1.0) if vendor else None for own, vendor in pairs)
        return call, put


def compute_levels(
    chain: pl.DataFrame, *, asof: datetime | None = None, band_frac: float = BAND_FRAC, name: str = "chain"
) -> ChainLevels:
    """Compute everything for one snapshot.

    Own greeks (``naive_``) are those of public studies: volatility of the source on every line, rate and carry yield 0, ACT/365 to the
    settlement instant. Lines without such a volatility (0 or null) are in no own sum; they are counted, and where their quotes give a
    volatility they are part of the ``forward`` sums, which are priced on the parity forward of each expiry.

    Args:
        chain: one snapshot in the columns of the dataset ``chain``.
        asof: price it for this moment instead of the time of observation; series settled by then are left out.
        band_frac: half width of the band of ``call_wall_band`` and ``put_wall_band``.
        name: what the chain is, for messages.

    Raises:
        QualityError: E481, E482, E485, E486, see ``lines_of``.
    """
    lines = lines_of(chain, asof=asof, name=name)
    greeks = own_greeks(lines)
    weights = per_gamma(lines, lines.open_interest)
    curve = GammaCurve.of_lines(weights, lines.strike, _known_iv(lines), lines.tau, lines.group)
    forward = price_on_forward(lines, weights)
    own = _block(lines, greeks.gamma, band_frac)
    vendor = None if np.isnan(lines.vendor_gamma).all() else _block(lines, lines.vendor_gamma, band_frac)
    has_forwards = not np.isnan(forward.fit.forward).any()
    today = _expires_today(lines)
    exposure = gamma_exposure(lines, greeks.gamma, lines.open_interest)
    flip, expiry_flips, profile_net = _flips(curve, lines)
    counts = {**counters(lines), **_volatility_counts(lines, forward)}
    return ChainLevels(
        lines=lines,
        own=own,
        vendor=vendor,
        forward=forward,
        forward_total=_forward_total(lines, forward) if has_forwards else None,
        forward_flip=_flip(forward.curve, lines.spot) if has_forwards else None,
        flip=flip,
        flip_slope=None if flip.zero_gamma is None else float(curve.total(np.array([flip.zero_gamma]))[1][0]),
        expiry_flips=expiry_flips,
        flip_0dte=_flip_of(lines, weights, today),
        flip_next=_flip_of(lines, weights, _next_expiry(lines)),
        zero_dte=sides(lines, exposure, today),
        ex_zero_dte=sides(lines, exposure, ~today),
        profile_levels=profile_levels(lines.spot),
        profile_net=profile_net,
        **_other_exposures(lines, greeks),
        open_interest=sides(lines, np.nan_to_num(lines.open_interest)),
        volume=sides(lines, np.nan_to_num(lines.volume)),
        max_pain=max_pain(lines),
        atm_iv_30d=atm_iv_30d(np.array([expiry.tau_years for expiry in lines.expiries]), forward.atm_iv),
        counts=counts,
        oi_dropped_pct=_dropped_pct(lines),
        flags=_flags(lines, own, vendor, forward),
        input_sha256=input_hash(chain),
    )


def input_hash(chain: pl.DataFrame) -> str:
    """Return the sha256 of contracts, quotes and open interest, whatever the order of rows, the time and the spot."""
    columns = chain.select(
        pl.col("option_symbol").cast(pl.String),
        *(pl.col(name).cast(pl.Float64) for name in ("bid", "ask", "open_interest")),
    ).sort("option_symbol", "bid", "ask", "open_interest")
    digest = hashlib.sha256("\n".join(columns["option_symbol"].to_list()).encode())
    for name in ("bid", "ask", "open_interest"):
        digest.update(columns[name].fill_null(-1.0).to_numpy().tobytes())
    return digest.hexdigest()


def _known_iv(lines: ChainLines) -> Floats:
    return np.where(lines.iv > 0, lines.iv, np.nan)


def _block(lines: ChainLines, gamma: Floats, band_frac: float) -> Block:
    exposure = gamma_exposure(lines, gamma, lines.open_interest)
    of_volume = gamma_exposure(lines, gamma, lines.volume)
    table = by_strike(lines, exposure)
    return Block(
        sides(lines, exposure),
        sides(lines, of_volume),
        table,
        by_strike(lines, of_volume),
        *by_expiry(lines, exposure),
        *by_expiry(lines, of_volume),
        walls(table, lines.spot, band_frac=band_frac),
    )


def _forward_total(lines: ChainLines, forward: ForwardPricing) -> Sides:
    return sides(lines, gamma_exposure(lines, forward.gamma, lines.open_interest))


def _other_exposures(lines: ChainLines, greeks: Greeks) -> dict[str, Any]:
    vendor = None if np.isnan(lines.vendor_delta).all() else lines.vendor_delta
    return {
        "vex": sides(lines, vanna_exposure(lines, greeks.vanna)),
        "chex": sides(lines, charm_exposure(lines, greeks.charm)),
        "own_dex": sides(lines, delta_exposure(lines, greeks.delta)),
        "vendor_dex": None if vendor is None else sides(lines, delta_exposure(lines, vendor)),
    }


def _flips(curve: GammaCurve, lines: ChainLines) -> tuple[Flip, list[Flip], Floats]:
    """Return the crossings of all expiries together and of each one, and the net exposure at the levels of the profile."""
    levels = search_levels(lines.spot)
    value, slope = curve.values(levels)
    total, total_slope = value.sum(axis=1), slope.sum(axis=1)
    found = crossings(curve, levels, total, total_slope)
    each = {
        int(group): crossings(curve.of_group(index), levels, value[:, index], slope[:, index])
        for index, group in enumerate(curve.groups)
    }
    flips = [_nearest_of(each.get(index, []), lines.spot) for index in range(len(lines.expiries))]
    on_profile = np.searchsorted(levels, profile_levels(lines.spot))
    return _nearest_of(found, lines.spot), flips, total[on_profile]


def _flip(curve: GammaCurve, spot: float) -> Flip:
    levels = search_levels(spot)
    return _nearest_of(crossings(curve, levels, *curve.total(levels)), spot)


def _flip_of(lines: ChainLines, weights: Floats, where: Bools) -> Flip | None:
    """Return the crossings of some lines together, None without lines."""
    if not where.any():
        return None
    together = np.zeros(int(np.count_nonzero(where)), np.int64)
    curve = GammaCurve.of_lines(
        weights[where], lines.strike[where], _known_iv(lines)[where], lines.tau[where], together
    )
    return _flip(curve, lines.spot)


def _nearest_of(found: list[float], spot: float) -> Flip:
    return Flip(found, nearest(found, spot))


def _expires_today(lines: ChainLines) -> Bools:
    return np.array([expiry.dte_days == 0 for expiry in lines.expiries], np.bool_)[lines.group]


def _next_expiry(lines: ChainLines) -> Bools:
    """Tell which lines expire on the first expiry date after the Eastern date of the snapshot; AM and PM series together."""
    days = np.array([expiry.dte_days for expiry in lines.expiries], np.int64)
    later = days[days > 0]
    first = later.min() if len(later) else -1
    return np.asarray((days == first)[lines.group])


def _volatility_counts(lines: ChainLines, forward: ForwardPricing) -> dict[str, int]:
    interest = lines.has_interest
    unknown = ~(lines.iv > 0)
    return {
        "iv_reimplied_n": int(np.count_nonzero(interest & unknown & forward.from_quotes)),
        "forward_iv_quotes_n": int(np.count_nonzero(interest & forward.from_quotes & ~np.isnan(forward.gamma))),
        "forward_iv_chain_n": int(np.count_nonzero(interest & ~forward.from_quotes & ~np.isnan(forward.gamma))),
    }


def _dropped_pct(lines: ChainLines) -> float | None:
    interest = np.nan_to_num(lines.open_interest)
    whole = float(interest.sum())
    return 100.0 * float(interest[~(lines.iv > 0)].sum()) / whole if whole > 0 else None


def _flags(lines: ChainLines, own: Block, vendor: Block | None, forward: ForwardPricing) -> tuple[str, ...]:
    small = own.total.net_to_gross
    flags = {
        "net_small": small is not None and abs(small) < NET_TO_GROSS_FLOOR,
        "vendor_missing": vendor is None,
        "american_exercise": not EUROPEAN_ROOTS.issuperset(lines.roots),
        "forward_missing": bool(np.isnan(forward.fit.forward).any()),
        "forward_of_neighbour": bool(np.isin(forward.fit.source, (1, 2)).any()),
        "asof_given": lines.asof != lines.observed_at,
    }
    return tuple(name for name, holds in flags.items() if holds)
