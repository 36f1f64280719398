"""Arrow tables in the columns of the contracts.

Belongs here: columns to tables. Does not belong here: where they come from.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ..instants import MICROSECONDS
from ..lake.contracts import GEX_FEED_REJECTS, GEX_SNAPSHOTS, GEX_STRIKES
from .columns import LADDER, Floats, Ints
from .elements import Refusal
from .names import CATEGORIES

# More than a thousand times a snapshot; what is longer is no snapshot and is told by its beginning.
_RAW_BYTES: Final = 1024 * 1024
_STAMP: Final = re.compile(rb'"timestamp"\s*:\s*(\d{1,18})\s*[,}]')


def snapshot_table(columns: Mapping[str, npt.NDArray[Any]], timestamp_s: Ints, category: str, ticker: str) -> pa.Table:
    """Return snapshots of one category; NaN becomes null.

    Args:
        columns: float64 columns of ``gex_snapshots`` by name, counts as float64 too.
        timestamp_s: ascending epoch seconds.
        category: of all rows.
        ticker: of all rows.
    """
    rows = len(timestamp_s)
    made = {
        "ts": times(timestamp_s),
        "category": one_word(category, rows),
        "vendor_ticker": one_word(ticker, rows),
    }
    schema = GEX_SNAPSHOTS.arrow_schema
    arrays = [made[field.name] if field.name in made else numbers(columns[field.name], field.type) for field in schema]
    return pa.Table.from_arrays(arrays, schema=schema)


def strike_batch(timestamp_s: Ints, codes: npt.NDArray[np.int32], values: Floats) -> pa.RecordBatch:
    """Return ladder rows; NaN becomes null.

    Args:
        timestamp_s: epoch seconds of each row.
        codes: int32, index of each row's category in ``CATEGORIES``.
        values: float64[len(LADDER) + 1, rows]: the ladder columns and the grid offset.
    """
    names = (*LADDER, "grid_offset")
    first = int(codes[0])
    if codes[-1] == first:
        category = one_word(CATEGORIES[first], len(codes))
    else:
        used = CATEGORIES[first : int(codes[-1]) + 1]
        category = pa.DictionaryArray.from_arrays(pa.array(codes - first), pa.array(used, pa.string()))
    made: dict[str, pa.Array] = {"ts": times(timestamp_s), "category": category}
    made |= {name: numbers(values[index], pa.float64()) for index, name in enumerate(names)}
    schema = GEX_STRIKES.arrow_schema
    return pa.RecordBatch.from_arrays([made[name] for name in schema.names], schema=schema)


def reject_table(refusals: Sequence[Refusal], category: str) -> pa.Table:
    """Return refused elements of one category."""
    rows = {
        "category": one_word(category, len(refusals)),
        "position": pa.array([one.position for one in refusals], pa.int64()),
        "timestamp": pa.array([_timestamp(one.raw) for one in refusals], pa.int64()),
        "reason": pa.array([one.reason for one in refusals], pa.string()).dictionary_encode(),
        "detail": pa.array([one.detail for one in refusals], pa.string()),
        "raw": pa.array([_text(one.raw) for one in refusals], pa.string()),
    }
    schema = GEX_FEED_REJECTS.arrow_schema
    return pa.Table.from_arrays([rows[name] for name in schema.names], schema=schema)


def times(timestamp_s: Ints) -> pa.Array:
    """Return epoch seconds as times in UTC."""
    return pa.array(timestamp_s * MICROSECONDS).view(pa.timestamp("us", "UTC"))


def one_word(word: str, rows: int) -> pa.DictionaryArray:
    """Return a dictionary column that holds one word in all rows."""
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int32)), pa.array([word], pa.string()))


def numbers(values: npt.NDArray[Any], kind: pa.DataType) -> pa.Array:
    """Return floats with null for NaN, as whole numbers if the column holds these."""
    found = pa.array(values, from_pandas=True)
    return found if found.type.equals(kind) else found.cast(kind)


def _timestamp(raw: bytes) -> int | None:
    """Return the timestamp of a refused element, if it has a readable one."""
    match = _STAMP.search(raw)
    return None if match is None else int(match[1])


def _text(raw: bytes) -> str:
    kept = raw[:_RAW_BYTES]
    return kept.decode("utf-8", "backslashreplace") + ("" if len(kept) == len(raw) else f" … {len(raw)} bytes in all")
