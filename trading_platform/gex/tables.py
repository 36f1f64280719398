"""The levels of snapshots as rows of ``gex_levels`` and ``gex_profile``.

Belongs here: which number goes into which column. Does not belong here: computing, names of numbers (``values.py``), where rows are stored
(``builder.py``).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Any

import polars as pl
import pyarrow as pa

from ..lake.contract import DatasetContract
from ..lake.contracts import GEX_LEVELS, GEX_PROFILE
from .inputs import KnownInputs
from .levels import ChainLevels
from .values import (
    SPOT_SOURCE,
    Columns,
    Value,
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


def levels_row(snapshot: Snapshot) -> dict[str, Value]:
    """Return the row of ``gex_levels``, every column of the contract and no other, in its order.

    Raises:
        ValueError: a number has no column or a column no number, which is a mistake in the code.
    """
    levels, contracts = snapshot.levels, contracts_block(snapshot.levels)
    gap_call, gap_put = levels.vendor_gap_pct
    row: dict[str, Value] = {
        "observed_at": levels.lines.observed_at,
        "source": snapshot.source,
        "market_date": snapshot.market_date,
        "spot": levels.lines.spot,
        "spot_source": SPOT_SOURCE,
        "oi_asof": levels.lines.open_interest_date,
        "is_repeat": snapshot.is_repeat,
        **counts(levels),
        **levels.counts,
        **_known(levels.inputs),
        **conventions(),
        **_prefixed("naive", own_block(levels)),
        **_prefixed("naive", derived_block(levels)),
        **_prefixed("naive", same_day_block(levels)),
        **_vendor(levels),
        "vendor_gap_call_pct": gap_call,
        "vendor_gap_put_pct": gap_put,
        **_forward(levels),
        **other_exposures(levels),
        **contracts,
        "pcr_oi": _ratio(levels.open_interest.put, levels.open_interest.call),
        "atm_iv_30d": levels.atm_iv_30d,
        "flags": ";".join(levels.flags),
        "input_sha256": levels.input_sha256,
    }
    return _in_order(row, GEX_LEVELS)


def levels_table(rows: Sequence[Mapping[str, Value]]) -> pa.Table:
    """Return rows as ``levels_row`` gives them in the columns of ``gex_levels``, in the given order."""
    return _table({name: [row[name] for row in rows] for name in GEX_LEVELS.arrow_schema.names}, GEX_LEVELS)


def profile_table(snapshot: Snapshot, first_seq: int) -> pa.Table:
    """Return the rows of ``gex_profile`` of one snapshot: strikes, then levels, then expiries.

    Args:
        snapshot: what was computed.
        first_seq: position of its first row in the partition.

    Raises:
        ValueError: as ``levels_row``.
    """
    parts = (
        ("strike", _renamed(strike_columns(snapshot.levels), "strike")),
        ("level", _renamed(level_columns(snapshot.levels), "level")),
        ("expiry", _renamed(expiry_columns(snapshot.levels), None)),
    )
    names = {name for _, columns in parts for name in columns} | {"seq", "observed_at", "source", "kind"}
    columns: Columns = {name: [] for name in _in_order(dict.fromkeys(names), GEX_PROFILE)}
    for kind, part in parts:
        count = len(next(iter(part.values())))
        first = first_seq + len(columns["seq"])
        columns["seq"] += range(first, first + count)
        columns["observed_at"] += [snapshot.levels.lines.observed_at] * count
        columns["source"] += [snapshot.source] * count
        columns["kind"] += [kind] * count
        for name in names - {"seq", "observed_at", "source", "kind"}:
            columns[name] += part.get(name) or [None] * count
    return _table(columns, GEX_PROFILE)


def _prefixed(prefix: str, block: Mapping[str, Value]) -> dict[str, Value]:
    """Return a block with a prefix before every name; lists as JSON text."""
    return {f"{prefix}_{name}": _stored(value) for name, value in block.items()}


def _vendor(levels: ChainLevels) -> dict[str, Value]:
    """Return the columns of the greeks of the source; null without them."""
    block = vendor_block(levels)
    return dict.fromkeys(_names_with("vendor_")) if block is None else _prefixed("vendor", block)


def _forward(levels: ChainLevels) -> dict[str, Value]:
    """Return the columns of the sums on parity forwards; null if too much has no forward."""
    block = forward_block(levels)
    return dict.fromkeys(_names_with("forward_")) if block is None else _prefixed("forward", block)


def _known(inputs: KnownInputs) -> dict[str, Value]:
    """Return the columns of what is unknown or left out."""
    unknown_call, unknown_put = inputs.oi_unknown_pct
    dropped_call, dropped_put = inputs.oi_dropped_side_pct
    return {
        "oi_unknown_call_pct": unknown_call,
        "oi_unknown_put_pct": unknown_put,
        "oi_dropped_pct": inputs.oi_dropped_pct,
        "oi_dropped_call_pct": dropped_call,
        "oi_dropped_put_pct": dropped_put,
        "forward_missing_oi_pct": inputs.forward_missing_pct,
        "forward_neighbour_oi_pct": inputs.forward_neighbour_pct,
    }


_COUNTED = (
    "forward_iv_quotes_n",
    "forward_iv_chain_n",
    "forward_expiries_missing_n",
    "forward_missing_oi_pct",
    "forward_expiries_neighbour_n",
    "forward_neighbour_oi_pct",
    "vendor_gap_call_pct",
    "vendor_gap_put_pct",
)


@cache
def _names_with(prefix: str) -> tuple[str, ...]:
    """Return the columns of a block; not at import, because the contract loads pandera."""
    return tuple(name for name in GEX_LEVELS.arrow_schema.names if name.startswith(prefix) and name not in _COUNTED)


def _renamed(columns: Columns, price: str | None) -> Columns:
    """Return columns by their stored names: own gamma sums with ``naive_``, the strike or level as ``price``, lists as JSON text."""
    renamed: Columns = {} if price is not None else {"price": [None] * len(columns["expiry"])}
    for name, values in columns.items():
        stored = "price" if name == price else f"naive_{name}" if name.startswith("gex_") else name
        renamed[stored] = [_stored(value) for value in values]
    return renamed


def _stored(value: Value) -> Value:
    return json.dumps(value) if isinstance(value, list) else value


def _ratio(part: float | None, whole: float | None) -> float | None:
    return None if part is None or not whole else part / whole


def _in_order(row: Mapping[str, Any], contract: DatasetContract) -> dict[str, Any]:
    """Return a row in the order of the contract; refuse a missing or another name, which would be null for ever or lost."""
    names = contract.arrow_schema.names
    if difference := set(names) ^ set(row):
        raise ValueError(f"Expected the columns of {contract.name}, differs in {', '.join(sorted(difference))}")
    return {name: row[name] for name in names}


def _table(columns: Columns, contract: DatasetContract) -> pa.Table:
    frame = pl.DataFrame(columns, schema=dict(contract.polars_schema), strict=True)
    return frame.to_arrow().cast(contract.arrow_schema)
