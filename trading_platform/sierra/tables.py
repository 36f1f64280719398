"""Decoded columns as Arrow data, and stored rows as columns again.

Belongs here: zero-copy conversions between ``TickColumns`` and the ``ticks`` contract. Does not belong here: decoding and storage.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ..lake.contracts import TICK_REJECTS, TICKS
from ..lake.footer import damaged
from ..lake.stream import ROW_GROUP_ROWS
from .decode import Bools, RejectedRows, TickColumns, Verdict, pool_array
from .facts import TickChunk
from .format import RECORD

_MEASURED = ["ts", "price", "bid", "ask", "volume", "side", "bundle", "flags"]


@dataclass(frozen=True)
class BatchMaker:
    """Makes record batches of the ``ticks`` contract.

    Args:
        contract: futures contract of every row, e.g. ``MNQZ25``.
    """

    contract: str

    def batch(self, columns: TickColumns, first_seq: int) -> pa.RecordBatch:
        """Return the filled rows without copying them; the columns must not be written to afterwards."""
        rows = columns.rows
        schema = TICKS.arrow_schema
        arrays = {
            "ts": _array(columns.ts_us[:rows], pa.timestamp("us", "UTC")),
            "seq": _array(self._seq(first_seq, rows), pa.uint32()),
            "price": _array(columns.price[:rows], pa.float64()),
            "bid": _array(columns.bid[:rows], pa.float64(), columns.bid_null),
            "ask": _array(columns.ask[:rows], pa.float64(), columns.ask_null),
            "volume": _array(columns.volume[:rows], pa.int32()),
            "side": _array(columns.side[:rows], pa.int8()),
            "bundle": _array(columns.bundle[:rows], pa.uint8()),
            "flags": _array(columns.flags[:rows], pa.uint8()),
            "contract": self._contracts.slice(0, rows),
        }
        return pa.RecordBatch.from_arrays([arrays[name] for name in schema.names], schema=schema)

    @cached_property
    def _contracts(self) -> pa.DictionaryArray:
        """Return the contract once per row of a row group; all batches share it."""
        return pa.DictionaryArray.from_arrays(_array(np.zeros(ROW_GROUP_ROWS, np.int32), pa.int32()), [self.contract])

    @cached_property
    def _places(self) -> NDArray[np.uint32]:
        return np.arange(ROW_GROUP_ROWS, dtype=np.uint32)

    def _seq(self, first_seq: int, rows: int) -> NDArray[np.uint32]:
        seq: NDArray[np.uint32] = pool_array(rows, np.uint32)
        return np.add(self._places[:rows], np.uint32(first_seq), out=seq)


def reject_batch(rejects: RejectedRows) -> pa.RecordBatch:
    """Return rejects as a batch of the ``tick_rejects`` contract: the record as stored, and why it was set aside."""
    schema = TICK_REJECTS.arrow_schema
    records = rejects.records
    columns: dict[str, Any] = {name: np.ascontiguousarray(records[name]) for name in RECORD.names or ()}
    columns["ts"] = columns.pop("dt")
    columns["seq_before"] = rejects.seq_before
    arrays = [pa.array(columns[name], schema.field(name).type) for name in schema.names if name != "reason"]
    names = pa.array([verdict.reason for verdict in Verdict])
    reason = pa.DictionaryArray.from_arrays(pa.array(rejects.verdicts, pa.int32()), names)
    # Only the reasons that occur: a dictionary of all would change with every new reason.
    reason = reason.cast(pa.string()).dictionary_encode().cast(schema.field("reason").type)
    return pa.RecordBatch.from_arrays([*arrays, reason], schema=schema)


def stored_chunks(path: Path) -> Iterator[TickChunk]:
    """Yield the rows of a stored ``ticks`` file, one row group's worth at a time.

    Raises:
        LakeError: E505 if the file is damaged.
    """
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as stored:
            for batch in stored.iter_batches(batch_size=ROW_GROUP_ROWS, columns=_MEASURED):
                yield _chunk(batch)
    except (pa.ArrowException, OSError) as error:
        raise damaged(path, str(error)) from error


def _chunk(batch: pa.RecordBatch) -> TickChunk:
    plain = {
        name: batch.column(name).to_numpy(zero_copy_only=False)
        for name in ("price", "volume", "side", "bundle", "flags")
    }
    ts_us = batch.column("ts").cast(pa.int64()).to_numpy(zero_copy_only=False)
    return TickChunk(ts_us, bid_null=_nulls(batch.column("bid")), ask_null=_nulls(batch.column("ask")), **plain)


def _array(values: Any, kind: pa.DataType, null: Bools | None = None) -> pa.Array:
    rows = len(values)
    validity = None
    if null is not None and null[:rows].any():
        validity = pa.py_buffer(np.packbits(~null[:rows], bitorder="little"))
    return pa.Array.from_buffers(kind, rows, [validity, pa.py_buffer(values)])


def _nulls(column: pa.Array) -> Bools | None:
    nulls: Bools | None = column.is_null().to_numpy(zero_copy_only=False) if column.null_count else None
    return nulls
