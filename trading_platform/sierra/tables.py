"""Decoded columns as Arrow data, and stored rows as columns again.

Belongs here: zero-copy conversions between ``TickColumns`` and the ``ticks`` contract. Does not belong here: decoding and storage.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pyarrow as pa

from ..lake.contracts import TICK_REJECTS, TICKS
from . import arrow_columns
from .arrow_columns import ConstantColumns, as_array, stored_batches
from .decode import Bools, RejectedRows, TickColumns, Verdict
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
            "ts": as_array(columns.ts_us[:rows], pa.timestamp("us", "UTC")),
            "seq": self._constant.seq(first_seq, rows),
            "price": as_array(columns.price[:rows], pa.float64()),
            "bid": as_array(columns.bid[:rows], pa.float64(), columns.bid_null),
            "ask": as_array(columns.ask[:rows], pa.float64(), columns.ask_null),
            "volume": as_array(columns.volume[:rows], pa.int32()),
            "side": as_array(columns.side[:rows], pa.int8()),
            "bundle": as_array(columns.bundle[:rows], pa.uint8()),
            "flags": as_array(columns.flags[:rows], pa.uint8()),
            "contract": self._constant.contracts(rows),
        }
        return pa.RecordBatch.from_arrays([arrays[name] for name in schema.names], schema=schema)

    @cached_property
    def _constant(self) -> ConstantColumns:
        return ConstantColumns(self.contract)


def reject_batch(rejects: RejectedRows) -> pa.RecordBatch:
    """Return rejects as a batch of the ``tick_rejects`` contract: the record as stored, and why it was set aside."""
    fields = {"ts" if name == "dt" else name: rejects.records[name] for name in RECORD.names or ()}
    return arrow_columns.reject_batch(TICK_REJECTS, fields, rejects, [verdict.reason for verdict in Verdict])


def stored_chunks(path: Path) -> Iterator[TickChunk]:
    """Yield the rows of a stored ``ticks`` file, one row group's worth at a time.

    Raises:
        LakeError: E505 if the file is damaged.
    """
    return map(_chunk, stored_batches(path, _MEASURED))


def _chunk(batch: pa.RecordBatch) -> TickChunk:
    plain = {
        name: batch.column(name).to_numpy(zero_copy_only=False)
        for name in ("price", "volume", "side", "bundle", "flags")
    }
    ts_us = batch.column("ts").cast(pa.int64()).to_numpy(zero_copy_only=False)
    return TickChunk(ts_us, bid_null=_nulls(batch.column("bid")), ask_null=_nulls(batch.column("ask")), **plain)


def _nulls(column: pa.Array) -> Bools | None:
    nulls: Bools | None = column.is_null().to_numpy(zero_copy_only=False) if column.null_count else None
    return nulls
