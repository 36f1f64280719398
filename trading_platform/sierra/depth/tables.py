"""Decoded columns as Arrow data, and stored rows as columns again.

Belongs here: zero-copy conversions between ``DepthColumns`` and the ``depth_events`` contract. Does not belong here: decoding and storage.
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

from ...lake.contracts import DEPTH_EVENTS, DEPTH_REJECTS
from ...lake.footer import damaged
from ...lake.stream import ROW_GROUP_ROWS
from ..decode import Bools, RejectedRows, pool_array
from .decode import DepthColumns, Verdict
from .facts import DepthChunk

_MEASURED = ["ts", "command", "flags", "batch_id", "snapshot", "segment"]


@dataclass(frozen=True)
class BatchMaker:
    """Makes record batches of the ``depth_events`` contract.

    Args:
        contract: futures contract of every row, e.g. ``MNQZ25``.
    """

    contract: str

    def batch(self, columns: DepthColumns, first_seq: int) -> pa.RecordBatch:
        """Return the filled rows without copying them; the columns must not be written to afterwards."""
        rows = columns.rows
        schema = DEPTH_EVENTS.arrow_schema
        arrays = {
            "ts": _array(columns.ts_us[:rows], pa.timestamp("us", "UTC")),
            "seq": _array(self._seq(first_seq, rows), pa.uint32()),
            "command": _array(columns.command[:rows], pa.uint8()),
            "flags": _array(columns.flags[:rows], pa.uint8()),
            "num_orders": _array(columns.num_orders[:rows], pa.uint16()),
            "price": _array(columns.price[:rows], pa.float64(), columns.price_null),
            "quantity": _array(columns.quantity[:rows], pa.uint32()),
            "batch_id": _array(columns.batch_id[:rows], pa.uint32()),
            "snapshot": pa.Array.from_buffers(pa.bool_(), rows, [None, _bits(columns.snapshot[:rows])]),
            "segment": _array(columns.segment[:rows], pa.uint8()),
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
    """Return rejects as a batch of the ``depth_rejects`` contract: the record as stored, and why it was set aside."""
    schema = DEPTH_REJECTS.arrow_schema
    columns: dict[str, Any] = {
        name: np.ascontiguousarray(rejects.records[name])
        for name in ("dt", "command", "flags", "num_orders", "price", "quantity")
    }
    columns["seq_before"] = rejects.seq_before
    arrays = [pa.array(columns[name], schema.field(name).type) for name in schema.names if name != "reason"]
    names = pa.array([verdict.reason for verdict in Verdict])
    reason = pa.DictionaryArray.from_arrays(pa.array(rejects.verdicts, pa.int32()), names)
    # Only the reasons that occur: a dictionary of all would change with every new reason.
    reason = reason.cast(pa.string()).dictionary_encode().cast(schema.field("reason").type)
    return pa.RecordBatch.from_arrays([*arrays, reason], schema=schema)


def stored_chunks(path: Path) -> Iterator[DepthChunk]:
    """Yield the rows of a stored ``depth_events`` file, one row group's worth at a time.

    Raises:
        LakeError: E505 if the file is damaged.
    """
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as stored:
            for batch in stored.iter_batches(batch_size=ROW_GROUP_ROWS, columns=_MEASURED):
                yield _chunk(batch)
    except (pa.ArrowException, OSError) as error:
        raise damaged(path, str(error)) from error


def chunk_of(columns: DepthColumns) -> DepthChunk:
    """Return the filled rows as a chunk to be measured."""
    rows = columns.rows
    return DepthChunk(
        columns.ts_us[:rows],
        columns.command[:rows],
        columns.flags[:rows],
        columns.batch_id[:rows],
        columns.snapshot[:rows],
        columns.segment[:rows],
    )


def _chunk(batch: pa.RecordBatch) -> DepthChunk:
    values = {name: batch.column(name).to_numpy(zero_copy_only=False) for name in _MEASURED if name != "ts"}
    return DepthChunk(batch.column("ts").cast(pa.int64()).to_numpy(zero_copy_only=False), **values)


def _array(values: Any, kind: pa.DataType, null: Bools | None = None) -> pa.Array:
    rows = len(values)
    validity = None
    if null is not None and null[:rows].any():
        validity = _bits(~null[:rows])
    return pa.Array.from_buffers(kind, rows, [validity, pa.py_buffer(values)])


def _bits(truths: Bools) -> pa.Buffer:
    return pa.py_buffer(np.packbits(truths, bitorder="little"))
