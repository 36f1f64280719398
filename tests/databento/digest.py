"""The order-sensitive digest of a ten-level book, from DBN bytes as the vendor reads them and from stored Parquet."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

UNDEFINED = 2**63 - 1
PLAIN = ("ts_recv", "ts_event", "sequence", "price", "size", "action", "side", "flags", "depth", "ts_in_delta")
FAMILIES = ("bid_px", "ask_px", "bid_sz", "ask_sz", "bid_ct", "ask_ct")
NAMES = (*PLAIN, *(f"{family}_{level:02d}" for family in FAMILIES for level in range(10)))


def vendor_columns(path: Path) -> dict[str, Any]:
    """Read a file with the vendor's client; every column as int64."""
    from databento import DBNStore

    array = DBNStore.from_file(path).to_ndarray()
    return {name: _whole(array[name]) for name in (*NAMES, "publisher_id", "instrument_id")}


def stored_columns(path: Path) -> dict[str, Any]:
    """Read a stored partition; every column as int64, prices exactly from their decimals."""
    frame = pl.read_parquet(path)
    return {name: _stored(frame[name]) for name in (*NAMES, "publisher_id", "instrument_id")}


def coldigest(columns: dict[str, Any]) -> str:
    hasher = hashlib.sha256()
    for name in NAMES:
        hasher.update(np.ascontiguousarray(columns[name], dtype="<i8").tobytes())
    return hasher.hexdigest()


def nanos(price: float | None) -> int:
    """Return a price as whole 1e-9 by decimal arithmetic, independent of the converter."""
    if price is None:
        return UNDEFINED
    return int((Decimal(repr(price)) * 1_000_000_000).to_integral_value(ROUND_HALF_EVEN))


def _whole(values: Any) -> Any:
    if values.dtype.kind == "S":
        return values.view(np.uint8).astype(np.int64)
    return values.astype(np.int64)


def _stored(values: pl.Series) -> Any:
    readers: dict[Any, Callable[[pl.Series], Any]] = {
        pl.Float64: lambda column: np.array([nanos(price) for price in column.to_list()], np.int64),
        pl.Categorical: lambda column: np.array([ord(letter) for letter in column.to_list()], np.int64),
    }
    read = readers.get(values.dtype.base_type())
    return values.to_physical().cast(pl.Int64).to_numpy() if read is None else read(values)
