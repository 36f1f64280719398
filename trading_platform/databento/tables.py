"""Decoded columns as Arrow data.

Belongs here: zero-copy conversion of ``L2Columns`` to the ``l2`` contract, and of refused records to that of its quarantine. Does not
belong here: decoding and storage.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ..lake.contracts import L2, L2_REJECTS
from ..lake.stream import ROW_GROUP_ROWS
from .decode import EVENT_PRICE, Bools, L2Columns, RejectedRows, Selection, Verdict, undefined_sizes
from .format import FLAG_LAST, LEVELS

REGULAR = "RTH"
EXTENDED = "ETH"


class BatchMaker:
    """Makes record batches of the ``l2`` contract.

    Args:
        selection: what all rows have in common.
    """

    def __init__(self, selection: Selection) -> None:
        self._selection = selection

    def batch(self, columns: L2Columns, first_seq: int) -> pa.RecordBatch:
        """Return the filled rows without copying them; the columns must not be written to afterwards."""
        rows = columns.rows
        seq = np.arange(first_seq, first_seq + rows, dtype=np.uint32)
        event, gaps = columns.ts_event[:rows], columns.undefined
        arrays: dict[str, pa.Array] = {
            "ts_recv": _array(columns.ts_recv[:rows], pa.timestamp("ns", "UTC")),
            "ts_event": _array(event, pa.timestamp("ns", "UTC"), event < 0 if rows and event.min() < 0 else None),
            "seq": _array(seq, pa.uint32()),
            "action": _letters(columns.action[:rows]),
            "side": _letters(columns.side[:rows]),
            "price": _array(columns.price[:rows], pa.float64(), gaps.get(EVENT_PRICE)),
            "size": _array(columns.size[:rows], pa.uint32(), undefined_sizes(columns)),
            "depth": _array(columns.depth[:rows], pa.uint8()),
            "flags": _array(columns.flags[:rows], pa.uint8()),
            "is_last": pa.array(columns.flags[:rows] >= FLAG_LAST),
            "sequence": _array(columns.sequence[:rows], pa.uint32()),
            "ts_in_delta": _array(columns.ts_in_delta[:rows], pa.int32()),
            "publisher_id": _array(columns.publisher_id[:rows], pa.uint16()),
            "instrument_id": self._numbers.slice(0, rows),
            "raw_symbol": self._symbols.slice(0, rows),
            "session": self._sessions(columns.ts_recv[:rows]),
        }
        for level in range(LEVELS):
            for side, name in enumerate(("bid", "ask")):
                row = 2 * level + side
                arrays[f"{name}_px_{level:02d}"] = _array(
                    columns.books[level][side, :rows], pa.float64(), gaps.get(row)
                )
                arrays[f"{name}_sz_{level:02d}"] = _array(columns.amounts[level][side, :rows], pa.uint32())
                arrays[f"{name}_ct_{level:02d}"] = _array(columns.amounts[level][2 + side, :rows], pa.uint32())
        schema = L2.arrow_schema
        return pa.RecordBatch.from_arrays([arrays[name] for name in schema.names], schema=schema)

    @cached_property
    def _numbers(self) -> pa.Array:
        """Return the instrument id once per row of a row group; all batches share it."""
        return _array(np.full(ROW_GROUP_ROWS, self._selection.instrument_id, np.uint32), pa.uint32())

    @cached_property
    def _symbols(self) -> pa.DictionaryArray:
        return _constant(self._selection.raw_symbol)

    @cached_property
    def _hours(self) -> dict[str, pa.DictionaryArray]:
        return {name: _constant(name) for name in (REGULAR, EXTENDED)}

    def _sessions(self, received: NDArray[np.int64]) -> pa.DictionaryArray:
        """Tag rows; they ascend by time, so two searches decide, and most row groups lie on one side."""
        rows = len(received)
        regular = self._selection.regular_ns
        first, stop = (0, 0) if regular is None else np.searchsorted(received, regular).tolist()
        if first >= stop:
            return self._hours[EXTENDED].slice(0, rows)
        if (first, stop) == (0, rows):
            return self._hours[REGULAR].slice(0, rows)
        words = [EXTENDED, REGULAR] if first else [REGULAR, EXTENDED]
        codes: NDArray[np.int32] = np.full(rows, words.index(EXTENDED), np.int32)
        codes[first:stop] = words.index(REGULAR)
        return pa.DictionaryArray.from_arrays(pa.array(codes), words)


def reject_batch(rejects: RejectedRows) -> pa.RecordBatch:
    """Return rejects as a batch of the ``l2_rejects`` contract: fields as stored, and why the record was set aside."""
    schema = L2_REJECTS.arrow_schema
    records = rejects.records
    levels = ("bid_px", "ask_px", "bid_sz", "ask_sz")
    columns: dict[str, Any] = {f"{name}_00": records["levels"][name][:, 0] for name in levels}
    columns |= {name: records[name] for name in records.dtype.names or () if name != "levels"}
    columns["seq_before"] = rejects.seq_before
    arrays = [
        pa.array(np.ascontiguousarray(columns[field.name]), field.type) for field in schema if field.name != "reason"
    ]
    reason = pa.array([Verdict(code).reason for code in rejects.verdicts.tolist()]).dictionary_encode()
    return pa.RecordBatch.from_arrays([*arrays, reason.cast(schema.field("reason").type)], schema=schema)


def _letters(codes: NDArray[np.uint8]) -> pa.DictionaryArray:
    """Return characters as text, the dictionary in order of appearance as the lake stores it."""
    present = np.flatnonzero(np.bincount(codes, minlength=256))
    first = [int((codes == letter).argmax()) for letter in present]
    ordered = present[np.argsort(first)]
    place: NDArray[np.int32] = np.zeros(256, np.int32)
    place[ordered] = np.arange(len(ordered))
    return pa.DictionaryArray.from_arrays(
        pa.array(place[codes]), pa.array([chr(letter) for letter in ordered], pa.string())
    )


def _constant(text: str) -> pa.DictionaryArray:
    """Return a text once per row of a row group."""
    return pa.DictionaryArray.from_arrays(_array(np.zeros(ROW_GROUP_ROWS, np.int32), pa.int32()), [text])


def _array(values: Any, kind: pa.DataType, null: Bools | None = None) -> pa.Array:
    rows = len(values)
    validity = None
    if null is not None and null[:rows].any():
        validity = pa.py_buffer(np.packbits(~null[:rows], bitorder="little"))
    return pa.Array.from_buffers(kind, rows, [validity, pa.py_buffer(values)])
