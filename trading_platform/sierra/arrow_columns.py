"""Decoded numpy columns as Arrow data without copies, and stored files as batches: what ticks and depth events share.

Belongs here: conversions that know no column by name. Does not belong here: the columns of a dataset (``tables.py``, ``depth/tables.py``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ..lake import DatasetContract
from ..lake.footer import damaged
from ..lake.stream import ROW_GROUP_ROWS
from .decode import Bools, RejectedRows, pool_array


@dataclass(frozen=True)
class ConstantColumns:
    """Columns whose values do not come from the records: contract and row number.

    Args:
        contract: futures contract of every row, e.g. ``MNQZ25``.
    """

    contract: str

    def contracts(self, rows: int) -> pa.DictionaryArray:
        """Return the contract ``rows`` times; all calls share one array."""
        return self._contracts.slice(0, rows)

    def seq(self, first_seq: int, rows: int) -> pa.Array:
        """Return the row numbers from ``first_seq`` on."""
        seq: NDArray[np.uint32] = pool_array(rows, np.uint32)
        return as_array(np.add(self._places[:rows], np.uint32(first_seq), out=seq), pa.uint32())

    @cached_property
    def _contracts(self) -> pa.DictionaryArray:
        return pa.DictionaryArray.from_arrays(as_array(np.zeros(ROW_GROUP_ROWS, np.int32), pa.int32()), [self.contract])

    @cached_property
    def _places(self) -> NDArray[np.uint32]:
        return np.arange(ROW_GROUP_ROWS, dtype=np.uint32)


def as_array(values: Any, kind: pa.DataType, null: Bools | None = None) -> pa.Array:
    """Return a numpy array as an Arrow array over the same memory; ``null`` may be longer than the values."""
    rows = len(values)
    validity = None
    if null is not None and null[:rows].any():
        validity = as_bits(~null[:rows])
    return pa.Array.from_buffers(kind, rows, [validity, pa.py_buffer(values)])


def as_bits(truths: Bools) -> pa.Buffer:
    """Return truths as Arrow stores them, one bit each."""
    return pa.py_buffer(np.packbits(truths, bitorder="little"))


def reject_batch(
    contract: DatasetContract, fields: Mapping[str, Any], rejects: RejectedRows, reasons: Sequence[str]
) -> pa.RecordBatch:
    """Return refused records as a batch: the fields as stored, and why each was set aside.

    Args:
        contract: of the quarantined rows.
        fields: record fields by column name.
        rejects: numbers of the rows before and verdicts.
        reasons: by verdict.
    """
    schema = contract.arrow_schema
    columns = {name: np.ascontiguousarray(values) for name, values in fields.items()}
    columns["seq_before"] = rejects.seq_before
    arrays = [pa.array(columns[name], schema.field(name).type) for name in schema.names if name != "reason"]
    reason = pa.DictionaryArray.from_arrays(pa.array(rejects.verdicts, pa.int32()), pa.array(reasons))
    # Only the reasons that occur: a dictionary of all would change with every new reason.
    reason = reason.cast(pa.string()).dictionary_encode().cast(schema.field("reason").type)
    return pa.RecordBatch.from_arrays([*arrays, reason], schema=schema)


def stored_batches(path: Path, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Yield columns of a stored file, one row group's worth at a time; the checksums of the pages are verified.

    Raises:
        LakeError: E505 if the file is damaged.
    """
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as stored:
            yield from stored.iter_batches(batch_size=ROW_GROUP_ROWS, columns=list(columns))
    except (pa.ArrowException, OSError) as error:
        raise damaged(path, str(error)) from error
