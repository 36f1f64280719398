"""The levels of one snapshot as a JSON document.

Belongs here: names and nesting of ``tp gex chain --json``. Does not belong here: computing, tables for people (``cli``). Stored columns
have the names of the blocks with the prefix ``naive_`` (own greeks) and ``vendor_``.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

import numpy as np

from .forward import source_name
from .levels import Block, ChainLevels, Flip
from .lines import CLOCK, Bools, Floats, Ints
from .walls import WALL_NAMES, Wall

SIGN_CONVENTION: Final = "naive"
GREEKS_SOURCE: Final = "own"
_VENDOR_ZERO_GAMMA: Final = (
    "the gamma of the source holds at the spot only; this is the profile re-priced with the volatilities of the source"
)


def as_json(levels: ChainLevels, *, symbol: str, source: str, strikes: bool = False) -> dict[str, Any]:
    """Return the document.

    Args:
        levels: what was computed.
        symbol: the underlying.
        source: where the chain is from.
        strikes: also list every strike (some hundred).

    Returns:
        Plain values; null is unknown. Sums in USD per 1 % of the underlying unless the name says otherwise. ``rows_*`` count rows of the
        quote table (a call and a put), ``lines_*`` and ``dropped`` contract lines.
    """
    lines = levels.lines
    document: dict[str, Any] = {
        "symbol": symbol,
        "observed_at": _instant(lines.observed_at),
        "asof": _instant(lines.asof),
        "source": source,
        "spot": lines.spot,
        "rows_in": lines.rows_in,
        "rows_live": lines.rows_live,
        "rows_settled": lines.rows_in - lines.rows_live,
        "lines_in": lines.lines_in,
        "lines_live": len(lines),
        "dropped": dropped(levels),
        "counts": dict(levels.counts),
        "oi_dropped_pct": levels.oi_dropped_pct,
        "greeks_source": GREEKS_SOURCE,
        "clock": CLOCK,
        "sign_convention": SIGN_CONVENTION,
        "flags": list(levels.flags),
        "own": own_block(levels),
        "vendor": vendor_block(levels),
        "forward": forward_block(levels),
        "vendor_gap_pct": dict(zip(("call", "put"), levels.vendor_gap_pct, strict=True)),
        "zero_dte": {
            "gex_call_usd_per_1pct": levels.zero_dte.call,
            "gex_put_usd_per_1pct": levels.zero_dte.put,
            "zero_gamma": None if levels.flip_0dte is None else levels.flip_0dte.zero_gamma,
        },
        "ex_zero_dte": {
            "gex_call_usd_per_1pct": levels.ex_zero_dte.call,
            "gex_put_usd_per_1pct": levels.ex_zero_dte.put,
        },
        "zero_gamma_next": None if levels.flip_next is None else levels.flip_next.zero_gamma,
        "max_pain": [
            {"expiry": expiry.expiry.isoformat(), "settle_style": expiry.settle_style, "strike": strike}
            for expiry, strike in zip(lines.expiries, levels.max_pain, strict=True)
        ],
        "dex_usd": None if levels.vendor_dex is None else levels.vendor_dex.net,
        "vex_usd_per_vol_point": levels.vex.net,
        "chex_usd_per_day": levels.chex.net,
        "open_interest": {"call": levels.open_interest.call, "put": levels.open_interest.put},
        "volume": {"call": levels.volume.call, "put": levels.volume.put},
        "atm_iv_30d": levels.atm_iv_30d,
        "by_expiry": expiries_of(levels),
        "profile": [
            {"level": float(level), "gex_net_usd_per_1pct": float(net)}
            for level, net in zip(levels.profile_levels, levels.profile_net, strict=True)
        ],
        "input_sha256": levels.input_sha256,
    }
    if strikes:
        document["by_strike"] = strikes_of(levels)
    return document


def dropped(levels: ChainLevels) -> dict[str, int]:
    """Return contract lines that are in no own sum, by reason.

    ``settled``: the series had settled; ``duplicated``: a repeated contract; ``iv_zero``: open interest but no volatility in the source
    (those with usable quotes are in the ``forward`` sums); ``open_interest_unknown``: no number of contracts.
    """
    lines, counts = levels.lines, levels.counts
    return {
        "settled": lines.lines_settled,
        "duplicated": lines.lines_duplicated,
        "iv_zero": counts["iv_zero_n"],
        "open_interest_unknown": counts["open_interest_unknown_n"],
    }


def own_block(levels: ChainLevels) -> dict[str, Any]:
    """Return gamma exposure with own greeks; other exposures of own greeks lie beside it."""
    return {
        **_sums(levels.own),
        **_flip(levels.flip),
        "zero_gamma_slope_usd_per_1pct_per_point": levels.flip_slope,
        "dist_to_flip_pct": dist_to_flip_pct(levels),
        **_walls(levels.own),
        "dex_usd": levels.own_dex.net,
        "vex_call_usd_per_vol_point": levels.vex.call,
        "vex_put_usd_per_vol_point": levels.vex.put,
        "chex_call_usd_per_day": levels.chex.call,
        "chex_put_usd_per_day": levels.chex.put,
    }


def vendor_block(levels: ChainLevels) -> dict[str, Any] | None:
    """Return gamma exposure with the greeks of the source, None if it has none."""
    if levels.vendor is None:
        return None
    return {
        **_sums(levels.vendor),
        **_flip(levels.flip),
        "zero_gamma_method": _VENDOR_ZERO_GAMMA,
        **_walls(levels.vendor),
        "dex_usd": None if levels.vendor_dex is None else levels.vendor_dex.net,
    }


def forward_block(levels: ChainLevels) -> dict[str, Any] | None:
    """Return gamma exposure on parity forwards with volatilities from quotes, None where an expiry has no forward."""
    total, flip = levels.forward_total, levels.forward_flip
    if total is None or flip is None:
        return None
    return {
        "gex_call_usd_per_1pct": total.call,
        "gex_put_usd_per_1pct": total.put,
        "gex_net_usd_per_1pct": total.net,
        "net_to_gross": total.net_to_gross,
        **_flip(flip),
        "iv_quotes_n": levels.counts["forward_iv_quotes_n"],
        "iv_chain_n": levels.counts["forward_iv_chain_n"],
    }


def dist_to_flip_pct(levels: ChainLevels) -> float | None:
    """Return spot minus zero gamma in percent of spot."""
    zero = levels.flip.zero_gamma
    return None if zero is None else 100.0 * (levels.lines.spot - zero) / levels.lines.spot


def expiries_of(levels: ChainLevels) -> list[dict[str, Any]]:
    """Return one entry per live expiry, in order of settlement."""
    lines, forward, own, vendor = levels.lines, levels.forward, levels.own, levels.vendor
    is_call = lines.is_call
    count = len(lines.expiries)
    oi_call, oi_put = (_contracts(lines.group, lines.open_interest, where, count) for where in (is_call, ~is_call))
    vol_call, vol_put = (_contracts(lines.group, lines.volume, where, count) for where in (is_call, ~is_call))
    return [
        {
            "expiry": expiry.expiry.isoformat(),
            "settle_style": expiry.settle_style,
            "settlement_at": _instant(expiry.settlement_at),
            "dte_days": expiry.dte_days,
            "tau_years": expiry.tau_years,
            "forward": _number(forward.fit.forward[at]),
            "discount": _number(forward.fit.discount[at]),
            "parity_rms": _number(forward.fit.rms[at]),
            "parity_source": source_name(int(forward.fit.source[at])),
            "atm_iv": _number(forward.atm_iv[at]),
            "iv_excluded_n": int(forward.excluded[at]),
            "gex_call_usd_per_1pct": float(own.expiry_call[at]),
            "gex_put_usd_per_1pct": float(own.expiry_put[at]),
            "gex_net_usd_per_1pct": float(own.expiry_call[at] + own.expiry_put[at]),
            "gex_vol_call_usd_per_1pct": float(own.expiry_volume_call[at]),
            "gex_vol_put_usd_per_1pct": float(own.expiry_volume_put[at]),
            "vendor_gex_call_usd_per_1pct": None if vendor is None else float(vendor.expiry_call[at]),
            "vendor_gex_put_usd_per_1pct": None if vendor is None else float(vendor.expiry_put[at]),
            "zero_gamma": levels.expiry_flips[at].zero_gamma,
            "zero_gamma_crossings": levels.expiry_flips[at].crossings,
            "n_crossings": len(levels.expiry_flips[at].crossings),
            "max_pain": levels.max_pain[at],
            "oi_call": oi_call[at],
            "oi_put": oi_put[at],
            "vol_call": vol_call[at],
            "vol_put": vol_put[at],
        }
        for at, expiry in enumerate(lines.expiries)
    ]


def strikes_of(levels: ChainLevels) -> list[dict[str, Any]]:
    """Return one entry per listed strike, ascending."""
    lines, own, vendor = levels.lines, levels.own, levels.vendor
    listed = own.strikes.strike
    position = np.searchsorted(listed, lines.strike)
    is_call, count = lines.is_call, len(listed)
    oi_call, oi_put = (_contracts(position, lines.open_interest, where, count) for where in (is_call, ~is_call))
    vol_call, vol_put = (_contracts(position, lines.volume, where, count) for where in (is_call, ~is_call))
    return [
        {
            "strike": float(strike),
            "gex_call_usd_per_1pct": float(own.strikes.call[at]),
            "gex_put_usd_per_1pct": float(own.strikes.put[at]),
            "gex_net_usd_per_1pct": float(own.strikes.net[at]),
            "gex_abs_usd_per_1pct": float(own.strikes.absolute[at]),
            "gex_vol_call_usd_per_1pct": float(own.strikes_volume.call[at]),
            "gex_vol_put_usd_per_1pct": float(own.strikes_volume.put[at]),
            "vendor_gex_call_usd_per_1pct": None if vendor is None else float(vendor.strikes.call[at]),
            "vendor_gex_put_usd_per_1pct": None if vendor is None else float(vendor.strikes.put[at]),
            "oi_call": oi_call[at],
            "oi_put": oi_put[at],
            "vol_call": vol_call[at],
            "vol_put": vol_put[at],
        }
        for at, strike in enumerate(listed)
    ]


def _sums(block: Block) -> dict[str, Any]:
    return {
        "gex_call_usd_per_1pct": block.total.call,
        "gex_put_usd_per_1pct": block.total.put,
        "gex_net_usd_per_1pct": block.total.net,
        "net_to_gross": block.total.net_to_gross,
        "gex_vol_call_usd_per_1pct": block.volume.call,
        "gex_vol_put_usd_per_1pct": block.volume.put,
    }


def _flip(flip: Flip) -> dict[str, Any]:
    return {
        "zero_gamma": flip.zero_gamma,
        "zero_gamma_crossings": flip.crossings,
        "n_crossings": len(flip.crossings),
    }


def _walls(block: Block) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in WALL_NAMES:
        wall: Wall | None = getattr(block.walls, name)
        found[name] = None if wall is None else wall.strike
        found[f"{name}_usd_per_1pct"] = None if wall is None else wall.usd_per_1pct
        found[f"{name}_share"] = None if wall is None else wall.share
    return found


def _contracts(position: Ints, values: Floats, where: Bools, count: int) -> list[int]:
    return [int(n) for n in np.bincount(position, weights=np.nan_to_num(values) * where, minlength=count)]


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _instant(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat()
