"""The levels of one snapshot as a JSON document.

Belongs here: nesting of ``tp gex chain --json``, dates as text. Does not belong here: computing, names of numbers (``values.py``), tables
for people (``cli``). Stored columns have the names of the blocks with the prefix ``naive_`` (own greeks), ``vendor_`` and ``forward_``.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any, Final

from ..lake.building import Json
from .levels import ChainLevels
from .values import (
    SPOT_SOURCE,
    Columns,
    contracts_block,
    conventions,
    counts,
    derived_block,
    expiry_columns,
    forward_block,
    level_columns,
    other_exposures,
    own_block,
    same_day_block,
    strike_columns,
    vendor_block,
)

_VENDOR_ZERO_GAMMA: Final = (
    "the gamma of the source holds at the spot only; this is the profile re-priced with the volatilities of the source"
)


def as_json(
    levels: ChainLevels,
    *,
    symbol: str,
    source: str,
    strikes: bool = False,
    file_facts: Mapping[str, Json] | None = None,
) -> dict[str, Any]:
    """Return the document.

    Args:
        levels: what was computed.
        symbol: the underlying.
        source: where the chain is from.
        strikes: also list every strike (some hundred).
        file_facts: of the decoded file, so that ``rows_in``, ``lines_in`` and ``dropped`` count what never became a contract line too.

    Returns:
        Plain values; null is unknown. Sums in USD per 1 % of the underlying unless the name says otherwise. ``rows_*`` count rows of the
        quote table (a call and a put), ``lines_*`` and ``dropped`` contract lines.
    """
    lines = levels.lines
    document: dict[str, Any] = {
        "symbol": symbol,
        "observed_at": _plain(lines.observed_at),
        "asof": _plain(lines.asof),
        "source": source,
        "spot": lines.spot,
        "spot_source": SPOT_SOURCE,
        "oi_asof": _plain(lines.open_interest_date),
        **_counted(levels, file_facts),
        "oi_unknown_pct": _of_sides(levels.inputs.oi_unknown_pct),
        "oi_dropped_pct": levels.inputs.oi_dropped_pct,
        "oi_dropped_side_pct": _of_sides(levels.inputs.oi_dropped_side_pct),
        "forward_missing_oi_pct": levels.inputs.forward_missing_pct,
        "forward_neighbour_oi_pct": levels.inputs.forward_neighbour_pct,
        **conventions(),
        "flags": list(levels.flags),
        **_blocks(levels),
        **_other_sums(levels),
        "band": {"width_pct": 100.0 * levels.band_frac, "max_dte_days": levels.band_max_dte_days},
        "atm_iv_30d": levels.atm_iv_30d,
        "by_expiry": _entries(expiry_columns(levels)),
        "profile": _entries(level_columns(levels)),
        "input_sha256": levels.input_sha256,
    }
    if strikes:
        document["by_strike"] = _entries(strike_columns(levels))
    return document


def dropped(levels: ChainLevels) -> dict[str, int]:
    """Return contract lines that are in no own sum, by reason.

    ``settled``: the series had settled; ``duplicated``: a repeated contract; ``iv_zero``: open interest but no volatility in the source
    (those with usable quotes are in the ``forward`` sums); ``open_interest_unknown``: no number of contracts.
    """
    return {
        "settled": levels.lines.lines_settled,
        "duplicated": levels.lines.lines_duplicated,
        "iv_zero": levels.counts["iv_zero_n"],
        "open_interest_unknown": levels.counts["open_interest_unknown_n"],
    }


def _counted(levels: ChainLevels, file_facts: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return counts; with those of the file also sides that were refused, by reason, and sides without a contract."""
    counted: dict[str, Any] = {**counts(levels), "dropped": dropped(levels), "counts": dict(levels.counts)}
    del counted["expiries"]
    if file_facts is None:
        return counted
    counted["rows_in"] = file_facts["rows_in"]
    counted["rows_settled"] = counted["rows_in"] - counted["rows_live"]
    counted["lines_in"] = file_facts["contracts_in"]
    refused = {f"refused_{reason}": number for reason, number in sorted(file_facts["rejected"].items())}
    absent = {"absent": file_facts["absent"]} if file_facts["absent"] else {}
    counted["dropped"] = {**counted["dropped"], **refused, **absent}
    return counted


def _blocks(levels: ChainLevels) -> dict[str, Any]:
    """Return the blocks of each set of greeks, and what compares them."""
    vendor = vendor_block(levels)
    return {
        "own": own_block(levels),
        "derived": derived_block(levels),
        "vendor": None if vendor is None else {**vendor, "zero_gamma_method": _VENDOR_ZERO_GAMMA},
        "forward": forward_block(levels),
        "vendor_gap_pct": _of_sides(levels.vendor_gap_pct),
    }


def _other_sums(levels: ChainLevels) -> dict[str, Any]:
    same_day, contracts = same_day_block(levels), contracts_block(levels)
    return {
        "zero_dte": {
            "gex_call_usd_per_1pct": same_day["gex_0dte_call_usd_per_1pct"],
            "gex_put_usd_per_1pct": same_day["gex_0dte_put_usd_per_1pct"],
            "zero_gamma": same_day["zero_gamma_0dte"],
        },
        "ex_zero_dte": {
            "gex_call_usd_per_1pct": same_day["gex_ex_0dte_call_usd_per_1pct"],
            "gex_put_usd_per_1pct": same_day["gex_ex_0dte_put_usd_per_1pct"],
        },
        "zero_gamma_next": same_day["zero_gamma_next"],
        "max_pain": [
            {"expiry": _plain(expiry.expiry), "settle_style": expiry.settle_style, "strike": strike}
            for expiry, strike in zip(levels.lines.expiries, levels.max_pain, strict=True)
        ],
        **other_exposures(levels),
        "open_interest": {"call": contracts["oi_call"], "put": contracts["oi_put"]},
        "volume": {"call": contracts["vol_call"], "put": contracts["vol_put"]},
    }


def _of_sides(values: tuple[float | None, float | None]) -> dict[str, float | None]:
    return dict(zip(("call", "put"), values, strict=True))


def _entries(columns: Columns) -> list[dict[str, Any]]:
    """Return columns as one entry per row."""
    rows = zip(*columns.values(), strict=True)
    return [dict(zip(columns, map(_plain, row), strict=True)) for row in rows]


def _plain(value: Any) -> Any:
    """Return a value as JSON has it: instants in UTC and dates as text."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    return value.isoformat() if isinstance(value, date) else value
