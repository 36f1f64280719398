"""Decoded columns as Arrow data, and stored rows as columns again.

Belongs here: zero-copy conversions between ``DepthColumns`` and the ``depth_events`` contract. Does not belong here: decoding and storage.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pyarrow as pa

from ...lake.contracts import DEPTH_EVENTS, DEPTH_REJECTS
from .. import arrow_columns
from ..arrow_columns import ConstantColumns, as_array, as_bits, stored_batches
from ..decode import RejectedRows
from .decode import DepthColumns, Verdict
from .facts import DepthChunk
from .format import RECORD

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
            "ts": as_array(columns.ts_us[:rows], pa.timestamp("us", "UTC")),
            "seq": self._constant.seq(first_seq, rows),
            "command": as_array(columns.command[:rows], pa.uint8()),
            "flags": as_array(columns.flags[:rows], pa.uint8()),
            "num_orders": as_array(columns.num_orders[:rows], pa.uint16()),
            "price": as_array(columns.price[:rows], pa.float64(), columns.price_null),
            "quantity": as_array(columns.quantity[:rows], pa.uint32()),
            "batch_id": as_array(columns.batch_id[:rows], pa.uint32()),
            "snapshot": pa.Array.from_buffers(pa.bool_(), rows, [None, as_bits(columns.snapshot[:rows])]),
            "segment": as_array(columns.segment[:rows], pa.uint8()),
            "contract": self._constant.contracts(rows),
        }
        return pa.RecordBatch.from_arrays([arrays[name] for name in schema.names], schema=schema)

    @cached_property
    def _constant(self) -> ConstantColumns:
        return ConstantColumns(self.contract)


def reject_batch(rejects: RejectedRows) -> pa.RecordBatch:
    """Return rejects as a batch of the ``depth_rejects`` contract: the record as stored, and why it was set aside."""
    fields = {name: rejects.records[name] for name in DEPTH_REJECTS.arrow_schema.names if name in (RECORD.names or ())}
    return arrow_columns.reject_batch(DEPTH_REJECTS, fields, rejects, [verdict.reason for verdict in Verdict])


def stored_chunks(path: Path) -> Iterator[DepthChunk]:
    """Yield the rows of a stored ``depth_events`` file, one row group's worth at a time.

    Raises:
        LakeError: E505 if the file is damaged.
    """
    return map(_chunk, stored_batches(path, _MEASURED))


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
