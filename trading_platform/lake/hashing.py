"""Hash of the values of a table, column by column, while they stream by.

Belongs here: the definition of the logical content hash. Does not belong here: file hashes and fingerprints
(``building.py``).

Two tables have the same hash if and only if their columns have the same names, types and values in the same order:
chunk borders, bytes under nulls, absent validity bitmaps and dictionary layout make no difference, nor do file format
and library versions.
Source: xxh3_128 runs at memory speed; a hash that must withstand an attacker is not needed here, sources are hashed
with sha256.
"""

from __future__ import annotations

import json
import struct

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import xxhash


class ContentHasher:
    """Hash batches of one schema.

    Args:
        schema: the Arrow schema; every batch must have exactly these types.
    """

    def __init__(self, schema: pa.Schema) -> None:
        self._schema = schema
        self._columns = [_column_hasher(field.type) for field in schema]
        self.rows = 0

    def update(self, batch: pa.RecordBatch) -> None:
        """Add the rows of a batch."""
        for hasher, array in zip(self._columns, batch.columns, strict=True):
            hasher.update(array, self.rows)
        self.rows += batch.num_rows

    def hexdigest(self) -> str:
        """Return the hash of all rows so far as 32 hex digits."""
        parts = [
            [field.name, str(field.type), *hasher.digests()]
            for field, hasher in zip(self._schema, self._columns, strict=True)
        ]
        return xxhash.xxh3_128_hexdigest(json.dumps([self.rows, parts], separators=(",", ":")).encode())


class _FixedWidth:
    """Values of 1 to 8 bytes: the values that are not null in order, and the row numbers of nulls."""

    def __init__(self, width: int) -> None:
        self._width = width
        self._values = xxhash.xxh3_128()
        self._nulls = xxhash.xxh3_128()

    def update(self, array: pa.Array, first_row: int) -> None:
        if array.null_count:
            self._nulls.update(_null_rows(array, first_row))
            array = array.drop_null()
        if len(array):
            values = array.buffers()[1]
            self._values.update(values.slice(array.offset * self._width, len(array) * self._width))

    def digests(self) -> tuple[str, str]:
        return self._values.hexdigest(), self._nulls.hexdigest()


class _Boolean(_FixedWidth):
    """Truth values, one byte each, because the bits of a slice do not start at a byte."""

    def __init__(self) -> None:
        super().__init__(1)

    def update(self, array: pa.Array, first_row: int) -> None:
        super().update(array.cast(pa.uint8()), first_row)


class _Text:
    """Strings: lengths, bytes, and the row numbers of nulls."""

    def __init__(self) -> None:
        self._lengths = xxhash.xxh3_128()
        self._bytes = xxhash.xxh3_128()
        self._nulls = xxhash.xxh3_128()

    def update(self, array: pa.Array, first_row: int) -> None:
        if array.null_count:
            self._nulls.update(_null_rows(array, first_row))
            array = array.drop_null()
        if len(array):
            offsets = np.frombuffer(array.buffers()[1], dtype="<i4")[array.offset : array.offset + len(array) + 1]
            self._lengths.update(np.diff(offsets).tobytes())
            text = array.buffers()[2]
            if text is not None:
                self._bytes.update(text.slice(int(offsets[0]), int(offsets[-1] - offsets[0])))

    def digests(self) -> tuple[str, str, str]:
        return self._lengths.hexdigest(), self._bytes.hexdigest(), self._nulls.hexdigest()


class _RunLength:
    """Dictionary columns: runs of equal values. A day of ticks has one contract, hence one run and next to no work."""

    def __init__(self) -> None:
        self._runs = xxhash.xxh3_128()
        self._value: str | None = None
        self._length = 0

    def update(self, array: pa.DictionaryArray, first_row: int) -> None:  # noqa: ARG002 runs know their place
        if len(array) == 0:
            return
        if len(array.dictionary) == 1 and array.null_count == 0:
            self._add(array.dictionary[0].as_py(), len(array))
            return
        indices = pc.fill_null(array.indices, -1) if array.null_count else array.indices
        codes = indices.to_numpy(zero_copy_only=False)
        starts = np.concatenate(([0], np.flatnonzero(codes[1:] != codes[:-1]) + 1))
        lengths = np.diff(starts, append=len(codes))
        words = array.dictionary.to_pylist()
        distinct = len(set(words)) == len(words)
        if distinct and codes.min() >= 0 and len({len(word.encode()) for word in words}) == 1:
            self._add_equally_long(codes[starts], lengths, words)
            return
        for code, length in zip(codes[starts].tolist(), lengths.tolist(), strict=True):
            self._add(None if code < 0 else words[code], length)

    def _add_equally_long(self, codes: np.ndarray, lengths: np.ndarray, words: list[str]) -> None:
        """Add many runs at once: letters change with almost every row, and a call per run would cost half a second per million.

        The bytes are those of ``_encoded``. The first run may continue the last one and the last may go on, so both are added singly.
        """
        self._add(words[int(codes[0])], int(lengths[0]))
        if len(codes) == 1:
            return
        self._add(words[int(codes[1])], int(lengths[1]))
        if len(codes) > 2:
            width = len(words[0].encode())
            runs = np.empty(len(codes) - 2, np.dtype([("length", "<u8"), ("width", "<i8"), ("text", f"V{width}")]))
            runs["length"], runs["width"] = lengths[1:-1], width
            runs["text"] = np.array([word.encode() for word in words], f"S{width}").view(f"V{width}")[codes[1:-1]]
            self._runs.update(runs.tobytes())
            self._value, self._length = words[int(codes[-1])], int(lengths[-1])

    def digests(self) -> tuple[str]:
        runs = self._runs.copy()
        runs.update(self._encoded())
        return (runs.hexdigest(),)

    def _add(self, value: str | None, length: int) -> None:
        if value == self._value:
            self._length += length
            return
        self._runs.update(self._encoded())
        self._value, self._length = value, length

    def _encoded(self) -> bytes:
        if self._length == 0:
            return b""
        if self._value is None:
            return struct.pack("<Qq", self._length, -1)
        text = self._value.encode()
        return struct.pack("<Qq", self._length, len(text)) + text


_ColumnHasher = _FixedWidth | _Text | _RunLength


def _column_hasher(dtype: pa.DataType) -> _ColumnHasher:
    if pa.types.is_dictionary(dtype):
        return _RunLength()
    if pa.types.is_boolean(dtype):
        return _Boolean()
    if pa.types.is_string(dtype):
        return _Text()
    return _FixedWidth(dtype.bit_width // 8)


def _null_rows(array: pa.Array, first_row: int) -> bytes:
    rows = np.flatnonzero(array.is_null().to_numpy(zero_copy_only=False)) + first_row
    return rows.astype("<i8").tobytes()
