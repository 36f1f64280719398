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

from ..chains.roots import EUROPEAN_ROOTS
from ..options import Greeks
from .derived import Derived, derive
from .exposures import (
    Sides,
    StrikeTable,
    by_expiry,
    by_strike,
    charm_exposure,
    contracts_of,
    delta_exposure,
    gamma_exposure,
    own_greeks,
    per_gamma,
    sides,
    vanna_exposure,
)
from .flips import UNKNOWN_FLIP, Flip, disagree, flip_of_curve, flip_of_some, flips, slope_at
from .forward import ForwardPricing, atm_iv_30d, price_on_forward
from .inputs import KnownInputs, known_inputs
from .lines import Bools, ChainLines, Floats, Ints, lines_of
from .walls import BAND_FRAC, Walls, max_pain, walls
from .zero_gamma import profile_levels

NET_TO_GROSS_FLOOR: Final = 0.05
VENDOR_GAP_LIMIT_PCT: Final = 15.0


@dataclass(frozen=True, slots=True)
class Block:
    """Gamma exposure with one set of greeks, own or of the source; NaN in an array is unknown.

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
class ChainLevels:
    """What a chain snapshot says about gamma; docs of the datasets ``gex_levels`` and ``gex_profile`` name every number.

    Attributes:
        lines: the live lines.
        own: own greeks: volatility of the source, rates 0.
        vendor: greeks of the source; None if it has none.
        forward: volatilities from quotes on the parity forward.
        forward_total: both sides of ``forward`` over the expiries that have one; None if the others hold too much of open interest.
        forward_zero_dte: the same of the series that expire on the Eastern date of the snapshot; None likewise.
        forward_flip: its crossings; None likewise.
        flip: crossings of the own profile over all expiries.
        flip_slope: slope of that profile at its ``zero_gamma``, USD per 1 % and point.
        expiry_flips: crossings per expiry.
        flip_0dte: of all series that expire on the Eastern date of the snapshot; None if there are none.
        flip_next: of the next expiry date; None if there is none.
        zero_dte: own sides of those series.
        ex_zero_dte: own sides of all others.
        profile_levels: levels, 80 % to 120 % of spot.
        profile_net: own net exposure at these levels, USD per 1 %; NaN if a side is unknown.
        band_frac: half width of the band of the walls in the band, fraction of spot.
        band_max_dte_days: those walls count expiries up to so many days; None counts all.
        derived: normalised net, ramp, nearest wall, distances, compression score; of own greeks.
        vex: vanna exposure, USD per volatility point.
        chex: charm exposure, USD per calendar day.
        own_dex: delta exposure with own delta, USD.
        vendor_dex: with the delta of the source; None if it has none.
        open_interest: contracts, calls and puts; None unknown, like every side.
        volume: contracts, calls and puts.
        max_pain: per expiry.
        atm_iv_30d: per year; None if unknown.
        counts: ``lines.odd`` and ``iv_reimplied_n``, ``forward_iv_quotes_n``, ``forward_iv_chain_n``, ``forward_expiries_missing_n``,
            ``forward_expiries_neighbour_n``.
        inputs: what of the snapshot is unknown or left out.
        flags: words for a reader.
        input_sha256: hash of contracts, quotes and open interest.
    """

    lines: ChainLines
    own: Block
    vendor: Block | None
    forward: ForwardPricing
    forward_total: Sides | None
    forward_zero_dte: Sides | None
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
    band_frac: float
    band_max_dte_days: int | None
    derived: Derived
    vex: Sides
    chex: Sides
    own_dex: Sides
    vendor_dex: Sides | None
    open_interest: Sides
    volume: Sides
    max_pain: list[float | None]
    atm_iv_30d: float | None
    counts: Mapping[str, int]
    inputs: KnownInputs
    flags: tuple[str, ...]
    input_sha256: str

    @property
    def vendor_gap_pct(self) -> tuple[float | None, float | None]:
        """Return own call and put side against those of the source, percent; None where there is nothing to compare with."""
        if self.vendor is None:
            return None, None
        pairs = ((self.own.total.call, self.vendor.total.call), (self.own.total.put, self.vendor.total.put))
        call, put = (100.0 * (own / vendor - 1.0) if own is not None and vendor else None for own, vendor in pairs)
        return call, put


def compute_levels(
    chain: pl.DataFrame,
    *,
    asof: datetime | None = None,
    band_frac: float = BAND_FRAC,
    band_max_dte_days: int | None = None,
    name: str = "chain",
    next_command: str | None = None,
) -> ChainLevels:
    """Compute everything for one snapshot.

    Own greeks (``naive_``) are those of public studies: volatility of the source on every line, rate and carry yield 0, ACT/365 to the
    settlement instant. Lines without such a volatility (0 or null) are in no own sum; they are counted, and where their quotes give a
    volatility they are part of the ``forward`` sums, which are priced on the parity forward of each expiry. A sum of which nothing is
    known is None, see ``exposures.py``.

    Args:
        chain: one snapshot in the columns of the dataset ``chain``.
        asof: price it for this moment instead of the time of observation; series settled by then are left out.
        band_frac: half width of the band of ``call_wall_band`` and ``put_wall_band``.
        band_max_dte_days: count only expiries up to so many calendar days for these two walls; None counts all.
        name: what the chain is, for messages.
        next_command: what helps with a chain that cannot be used.

    Raises:
        QualityError: E481, E482, E485, E486, see ``lines_of``.
    """
    lines = lines_of(chain, asof=asof, name=name, next_command=next_command)
    greeks = own_greeks(lines)
    weights = per_gamma(lines, lines.open_interest)
    forward = price_on_forward(lines, weights)
    inputs = known_inputs(lines, forward)
    near = _up_to(lines, band_max_dte_days)
    own = _block(lines, greeks.gamma, band_frac, near)
    vendor = None if np.isnan(lines.vendor_gamma).all() else _block(lines, lines.vendor_gamma, band_frac, near)
    flip, expiry_flips, profile_net = flips(lines, weights, (own.total, own.expiry_call + own.expiry_put))
    parts = {
        **_same_day(lines, greeks.gamma, weights),
        **_on_forward(lines, forward, inputs),
        **_other_exposures(lines, greeks),
    }
    return ChainLevels(
        lines=lines,
        own=own,
        vendor=vendor,
        forward=forward,
        flip=flip,
        flip_slope=None if flip.zero_gamma is None else slope_at(lines, weights, flip.zero_gamma),
        expiry_flips=expiry_flips,
        profile_levels=profile_levels(lines.spot),
        profile_net=profile_net,
        band_frac=band_frac,
        band_max_dte_days=band_max_dte_days,
        derived=derive(
            own.strikes, own.walls, net_usd_per_1pct=own.total.net, spot=lines.spot, zero_gamma=flip.zero_gamma
        ),
        **parts,
        open_interest=sides(lines, contracts_of(lines.open_interest)),
        volume=sides(lines, contracts_of(lines.volume)),
        max_pain=max_pain(lines),
        atm_iv_30d=atm_iv_30d(np.array([expiry.tau_years for expiry in lines.expiries]), forward.atm_iv),
        counts={**lines.odd, **_volatility_counts(lines, forward), **_forward_counts(inputs)},
        inputs=inputs,
        flags=_flags(lines, own, vendor, inputs, flip, parts["forward_total"], parts["forward_flip"]),
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


def _block(lines: ChainLines, gamma: Floats, band_frac: float, near: Bools | None) -> Block:
    exposure = gamma_exposure(lines, gamma, lines.open_interest)
    of_volume = gamma_exposure(lines, gamma, lines.volume)
    table = by_strike(lines, exposure)
    near_table = None if near is None else by_strike(lines, exposure.where(near))
    return Block(
        sides(lines, exposure),
        sides(lines, of_volume),
        table,
        by_strike(lines, of_volume),
        *by_expiry(lines, exposure),
        *by_expiry(lines, of_volume),
        walls(table, lines.spot, near=near_table, band_frac=band_frac),
    )


def _same_day(lines: ChainLines, gamma: Floats, weights: Floats) -> dict[str, Any]:
    """Return own sides and crossings of the series that expire on the Eastern date of the snapshot, and of the others."""
    today = _expires_today(lines)
    exposure = gamma_exposure(lines, gamma, lines.open_interest)
    return {
        "zero_dte": sides(lines, exposure.where(today)),
        "ex_zero_dte": sides(lines, exposure.where(~today)),
        "flip_0dte": flip_of_some(lines, weights, exposure, today),
        "flip_next": flip_of_some(lines, weights, exposure, _next_expiry(lines)),
    }


def _on_forward(lines: ChainLines, forward: ForwardPricing, inputs: KnownInputs) -> dict[str, Any]:
    """Return the sums on parity forwards, all None without enough of them; lines of an expiry without one add nothing."""
    if not inputs.has_forwards:
        return dict.fromkeys(("forward_total", "forward_zero_dte", "forward_flip"))
    exposure = gamma_exposure(lines, forward.gamma, lines.open_interest)
    total = sides(lines, exposure)
    return {
        "forward_total": total,
        "forward_zero_dte": sides(lines, exposure.where(_expires_today(lines))),
        "forward_flip": UNKNOWN_FLIP if total.net is None else flip_of_curve(forward.curve, lines.spot),
    }


def _other_exposures(lines: ChainLines, greeks: Greeks) -> dict[str, Any]:
    vendor = None if np.isnan(lines.vendor_delta).all() else lines.vendor_delta
    return {
        "vex": sides(lines, vanna_exposure(lines, greeks.vanna)),
        "chex": sides(lines, charm_exposure(lines, greeks.charm)),
        "own_dex": sides(lines, delta_exposure(lines, greeks.delta)),
        "vendor_dex": None if vendor is None else sides(lines, delta_exposure(lines, vendor)),
    }


def _days_to_expiry(lines: ChainLines) -> Ints:
    return np.array([expiry.dte_days for expiry in lines.expiries], np.int64)[lines.group]


def _expires_today(lines: ChainLines) -> Bools:
    return np.asarray(_days_to_expiry(lines) == 0)


def _up_to(lines: ChainLines, days: int | None) -> Bools | None:
    return None if days is None else np.asarray(_days_to_expiry(lines) <= days)


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


def _forward_counts(inputs: KnownInputs) -> dict[str, int]:
    return {
        "forward_expiries_missing_n": inputs.forward_missing_n,
        "forward_expiries_neighbour_n": inputs.forward_neighbour_n,
    }


def _flags(
    lines: ChainLines,
    own: Block,
    vendor: Block | None,
    inputs: KnownInputs,
    flip: Flip,
    forward_total: Sides | None,
    forward_flip: Flip | None,
) -> tuple[str, ...]:
    small = own.total.net_to_gross
    flags = {
        "net_small": small is not None and abs(small) < NET_TO_GROSS_FLOOR,
        "vendor_missing": vendor is None,
        "american_exercise": not EUROPEAN_ROOTS.issuperset(lines.roots),
        **inputs.flags,
        "flip_side_disagrees": disagree(lines.spot, own.total, flip, forward_total, forward_flip),
        "asof_given": lines.asof != lines.observed_at,
    }
    return tuple(name for name, holds in flags.items() if holds)
