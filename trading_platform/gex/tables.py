"""The levels of snapshots as rows of ``gex_levels`` and ``gex_profile``.

Belongs here: which number goes into which column. Does not belong here: computing, and where rows are stored (``builder.py``).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import polars as pl
import pyarrow as pa

from ..lake.contracts import GEX_LEVELS, GEX_PROFILE
from .levels import ChainLevels
from .lines import CLOCK
from .report import (
    GREEKS_SOURCE,
    SIGN_CONVENTION,
    dist_to_flip_pct,
    expiries_of,
    forward_block,
    own_block,
    strikes_of,
    vendor_block,
)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Levels with what the chain says about the snapshot itself.

    Attributes:
        levels: what was computed.
        source: source of the chain.
        market_date: the session whose prices are shown.
        is_repeat: True if the snapshot repeats the one before it.
    """

    levels: ChainLevels
    source: str
    market_date: date
    is_repeat: bool


def levels_row(snapshot: Snapshot) -> dict[str, Any]:
    """Return the row of ``gex_levels``; columns of which nothing is known are null."""
    levels = snapshot.levels
    lines, forward = levels.lines, forward_block(levels) or {}
    gap_call, gap_put = levels.vendor_gap_pct
    row: dict[str, Any] = {
        "observed_at": lines.observed_at,
        "source": snapshot.source,
        "market_date": snapshot.market_date,
        "spot": lines.spot,
        "is_repeat": snapshot.is_repeat,
        "rows_in": lines.rows_in,
        "rows_live": lines.rows_live,
        "rows_settled": lines.rows_in - lines.rows_live,
        "lines_in": lines.lines_in,
        "lines_live": len(lines),
        "expiries": len(lines.expiries),
        **levels.counts,
        "oi_dropped_pct": levels.oi_dropped_pct,
        "greeks_source": GREEKS_SOURCE,
        "clock": CLOCK,
        "sign_convention": SIGN_CONVENTION,
        **_prefixed("naive", own_block(levels)),
        "naive_dist_to_flip_pct": dist_to_flip_pct(levels),
        "naive_gex_0dte_call_usd_per_1pct": levels.zero_dte.call,
        "naive_gex_0dte_put_usd_per_1pct": levels.zero_dte.put,
        "naive_gex_ex_0dte_call_usd_per_1pct": levels.ex_zero_dte.call,
        "naive_gex_ex_0dte_put_usd_per_1pct": levels.ex_zero_dte.put,
        "naive_zero_gamma_0dte": None if levels.flip_0dte is None else levels.flip_0dte.zero_gamma,
        "naive_zero_gamma_next": None if levels.flip_next is None else levels.flip_next.zero_gamma,
        **_prefixed("vendor", vendor_block(levels) or {}),
        "vendor_gap_call_pct": gap_call,
        "vendor_gap_put_pct": gap_put,
        **_prefixed("forward", forward),
        "dex_usd": None if levels.vendor_dex is None else levels.vendor_dex.net,
        "own_dex_usd": levels.own_dex.net,
        "vex_usd_per_vol_point": levels.vex.net,
        "chex_usd_per_day": levels.chex.net,
        "oi_call": int(levels.open_interest.call),
        "oi_put": int(levels.open_interest.put),
        "vol_call": int(levels.volume.call),
        "vol_put": int(levels.volume.put),
        "pcr_oi": levels.open_interest.put / levels.open_interest.call if levels.open_interest.call else None,
        "atm_iv_30d": levels.atm_iv_30d,
        "flags": ";".join(levels.flags),
        "input_sha256": levels.input_sha256,
    }
    names = GEX_LEVELS.arrow_schema.names
    return {name: row.get(name) for name in names}


def profile_rows(snapshot: Snapshot) -> list[dict[str, Any]]:
    """Return the rows of ``gex_profile`` of one snapshot: strikes, then levels, then expiries, without ``seq``."""
    levels = snapshot.levels
    same = {"observed_at": levels.lines.observed_at, "source": snapshot.source}
    rows: list[dict[str, Any]] = [
        {**same, "kind": "strike", "price": strike.pop("strike"), **_naive(strike)} for strike in strikes_of(levels)
    ]
    rows += [
        {**same, "kind": "level", "price": level, "naive_gex_net_usd_per_1pct": net}
        for level, net in zip(levels.profile_levels.tolist(), levels.profile_net.tolist(), strict=True)
    ]
    for entry in expiries_of(levels):
        entry["expiry"] = date.fromisoformat(entry["expiry"])
        entry["settlement_at"] = datetime.fromisoformat(entry["settlement_at"])
        entry["zero_gamma_crossings"] = json.dumps(entry["zero_gamma_crossings"])
        rows.append({**same, "kind": "expiry", **_naive(entry)})
    return rows


def levels_table(snapshots: Sequence[Snapshot]) -> pa.Table:
    """Return the rows of ``gex_levels`` in the columns of the dataset, in the given order."""
    return _table([levels_row(snapshot) for snapshot in snapshots], GEX_LEVELS)


def profile_table(snapshots: Sequence[Snapshot]) -> pa.Table:
    """Return the rows of ``gex_profile`` in the columns of the dataset, in the given order."""
    rows = [row for snapshot in snapshots for row in profile_rows(snapshot)]
    for position, row in enumerate(rows):
        row["seq"] = position
    return _table(rows, GEX_PROFILE)


def _prefixed(prefix: str, block: dict[str, Any]) -> dict[str, Any]:
    row = {f"{prefix}_{name}": value for name, value in block.items()}
    crossings = block.get("zero_gamma_crossings")
    row[f"{prefix}_zero_gamma_crossings"] = None if crossings is None else json.dumps(crossings)
    return row


def _naive(entry: dict[str, Any]) -> dict[str, Any]:
    """Return an entry with ``naive_`` before its own gamma sums, and the net of the source beside its sides."""
    row = {f"naive_{name}" if name.startswith("gex_") else name: value for name, value in entry.items()}
    call, put = entry["vendor_gex_call_usd_per_1pct"], entry["vendor_gex_put_usd_per_1pct"]
    row["vendor_gex_net_usd_per_1pct"] = None if call is None else call + put
    row.setdefault("naive_gex_abs_usd_per_1pct", entry["gex_call_usd_per_1pct"] - entry["gex_put_usd_per_1pct"])
    return row


def _table(rows: list[dict[str, Any]], contract: Any) -> pa.Table:
    frame = pl.from_dicts(rows, schema=dict(contract.polars_schema)) if rows else contract.empty()
    return frame.to_arrow().cast(contract.arrow_schema)
