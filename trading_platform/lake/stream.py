"""One Parquet file in the making: rows in, row groups out, checked and hashed on the way.

Belongs here: row groups, encodings, order, validation and content hash of a temporary file, and its verified
publication. Does not belong here: locks and partitions (``writer.py``), contracts.

Memory stays bounded: at most ``VALIDATED_ROWS`` rows and ``VALIDATED_BYTES`` plus one append are held.
Source: writer settings were measured on 5 and 20 M ticks (zstd 3, row groups of 122,880, encodings per column).
"""

from __future__ import annotations

import contextlib
import itertools
import os
import uuid
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from ..errors import LakeError
from .contract import DatasetContract
from .files import FileOperations, lake_failure, try_lock
from .footer import FooterFields, encode_footer
from .hashing import ContentHasher
from .order import OrderCheck

ROW_GROUP_ROWS = 122_880
# pandera costs 3 to 4 ms per call whatever the size, so rows are validated eight row groups at a time.
VALIDATED_ROWS = 8 * ROW_GROUP_ROWS
# Wide rows (376 bytes of level 2 against 50 of a tick) are validated row group by row group: eight of them would hold 370 MB.
VALIDATED_BYTES = 64_000_000
_IN_PLACE = "the new file is whole and in place, but its name is not safely on the disk: a loss of power may bring an older one back"
_SHORT_DICTIONARY = 16
TEMPORARY_PREFIX = ".part-0."
TEMPORARY_SUFFIX = ".tmp"


def return_memory_to_the_system() -> None:
    """Let Arrow allocate as the rest of the process does, unless ``ARROW_DEFAULT_MEMORY_POOL`` names another pool.

    Arrow's own allocator keeps what a row group needed beside what Python keeps: a day of level 2 peaks at 309 MB with it, at 265 without,
    in the same time. Holds for the whole process; calling it again costs nothing.
    """
    if not os.environ.get("ARROW_DEFAULT_MEMORY_POOL"):
        pa.set_memory_pool(pa.system_memory_pool())


class FileStream:
    """A temporary file next to its target, locked as long as it is written.

    Args:
        contract: contract of the rows.
        target: final path; its folder exists.
        files: operations of the operating system.
    """

    def __init__(self, contract: DatasetContract, target: Path, files: FileOperations) -> None:
        self._contract = contract
        self._target = target
        self._files = files
        self._temporary = target.with_name(f"{TEMPORARY_PREFIX}{uuid.uuid4().hex}{TEMPORARY_SUFFIX}")
        self._pending: list[pa.RecordBatch] = []
        self._pending_rows = 0
        self._validated_rows = _validated_rows(contract.arrow_schema)
        self._hasher = ContentHasher(contract.arrow_schema)
        self._order = OrderCheck(contract)
        self._descriptor = -1
        self._sink: pa.NativeFile | None = None
        self._parquet: pq.ParquetWriter | None = None
        return_memory_to_the_system()
        try:
            self._descriptor = os.open(self._temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644)
            try_lock(self._descriptor)
            self._sink = files.open_sink(self._temporary)
            self._parquet = _open_parquet(self._sink, contract)
        except OSError as error:
            self.discard()
            raise lake_failure(error, target, 0) from error

    @property
    def rows(self) -> int:
        """Return the number of rows so far."""
        return self._hasher.rows

    def append(self, data: pa.Table | pa.RecordBatch) -> None:
        """Add rows of any number; see :meth:`PartitionWriter.append`."""
        for batch in _conform(data, self._contract):
            self._order.check(batch)
            self._hasher.update(batch)
            self._pending.append(batch)
            self._pending_rows += batch.num_rows
        while self._pending_rows >= self._validated_rows:
            self._flush(self._validated_rows)

    def finish(self, fields: FooterFields) -> str:
        """Write what is pending and the footer, reopen and verify the footer, fsync; return the content hash."""
        if self._pending_rows:
            self._flush(self._pending_rows)
        content_hash = self._hasher.hexdigest()
        footer = encode_footer(self._contract, fields, self.rows, content_hash)
        assert self._parquet is not None  # noqa: S101 finish is called once, before discard
        assert self._sink is not None  # noqa: S101
        try:
            self._parquet.add_key_value_metadata(footer)
            self._parquet.close()
            self._sink.close()
            self._verify(footer)
            self._files.fsync(self._descriptor)
        except OSError as error:
            raise lake_failure(error, self._target, self._written_bytes()) from error
        return content_hash

    def retarget(self, target: Path) -> None:
        """Let the file be published under another name in the same folder."""
        self._target = target

    def publish(self) -> int:
        """Rename the finished file onto its target and make the name durable; return the size in bytes."""
        try:
            size_bytes = os.fstat(self._descriptor).st_size
            self._files.replace(self._temporary, self._target)
        except OSError as error:
            raise lake_failure(error, self._target, self._written_bytes()) from error
        try:
            self._files.fsync_directory(self._target.parent)
        except OSError as error:
            raise lake_failure(error, self._target, size_bytes, _IN_PLACE) from error
        self._release()
        return size_bytes

    def discard(self) -> None:
        """Delete the temporary file, if it is still there, and let go of everything."""
        if self._parquet is not None:
            # Its destructor would write a footer into a file that is about to go, and fail on a full disk.
            self._parquet.is_open = False
        with contextlib.suppress(OSError):
            self._temporary.unlink()
        self._release()

    def _release(self) -> None:
        self._pending.clear()
        if self._sink is not None:
            with contextlib.suppress(OSError):
                self._sink.close()
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _flush(self, rows: int) -> None:
        """Validate the first pending rows and write them as row groups."""
        table = pa.Table.from_batches(self._pending, self._contract.arrow_schema)
        rest = table.slice(rows)
        table = table.slice(0, rows)
        self._pending = rest.to_batches()
        self._pending_rows -= rows
        self._contract.validate(_as_frame(table))
        if not _row_groups_are_whole(table):
            table = table.combine_chunks()
        assert self._parquet is not None  # noqa: S101 rows arrive before discard
        try:
            for start in range(0, rows, ROW_GROUP_ROWS):
                group = _with_canonical_dictionaries(table.slice(start, ROW_GROUP_ROWS))
                self._parquet.write_table(group, row_group_size=ROW_GROUP_ROWS)
        except OSError as error:
            raise lake_failure(error, self._target, self._written_bytes()) from error

    def _verify(self, footer: dict[str, str]) -> None:
        """Reopen the closed file and compare its footer with what was written.

        Compared are the lake's own entries, the number of rows, the schema, and the order by the extremes of the row groups. Pages are
        not decoded again, which would double the time of a commit; each carries a checksum that readers can verify.
        """
        try:
            with pq.ParquetFile(str(self._temporary)) as stored:
                metadata, schema = stored.metadata, stored.schema_arrow
        except pa.ArrowException as error:
            raise self._not_verified(str(error)) from error
        if metadata.num_rows != self.rows:
            raise self._not_verified(f"{metadata.num_rows} rows instead of {self.rows}")
        if not schema.equals(self._contract.arrow_schema):
            raise self._not_verified("other columns than the contract")
        if any(metadata.metadata.get(key.encode()) != value.encode() for key, value in footer.items()):
            raise self._not_verified("another footer")
        if not self._order.statistics_agree(metadata):
            raise self._not_verified("row groups out of order")

    def _not_verified(self, found: str) -> LakeError:
        return LakeError(
            "E506",
            f"{self._target}: the footer of the file just written reads back with {found}",
            "the disk or a library stored something else than was written (entries, rows, schema and order of row groups are compared, "
            "not every value); the file was deleted, an older one is intact",
            "tp config",
        )

    def _written_bytes(self) -> int:
        try:
            return os.fstat(self._descriptor).st_size
        except OSError:
            return 0


def _validated_rows(schema: pa.Schema) -> int:
    """Return how many rows are gathered before they are validated: whole row groups within both limits, at least one."""
    row_bits = sum(32 if pa.types.is_dictionary(field.type) else _bits(field.type) for field in schema)
    groups = VALIDATED_BYTES * 8 // (row_bits * ROW_GROUP_ROWS)
    return max(1, min(groups, VALIDATED_ROWS // ROW_GROUP_ROWS)) * ROW_GROUP_ROWS


def _bits(dtype: pa.DataType) -> int:
    """Return the width of a value; text counts as 16 bytes."""
    return 128 if _is_text(dtype) else int(dtype.bit_width)


def _open_parquet(sink: pa.NativeFile, contract: DatasetContract) -> pq.ParquetWriter:
    names = contract.arrow_schema.names
    return pq.ParquetWriter(
        sink,
        contract.arrow_schema,
        compression="zstd",
        compression_level=3,
        use_dictionary=list(contract.dictionary_columns),
        column_encoding=dict(contract.encodings),
        # Extremes of text cost more than encoding it and nobody asks for them, unless the text orders the rows.
        write_statistics=[
            field.name
            for field in contract.arrow_schema
            if not _is_text(field.type) or field.name in contract.sort_by[:1]
        ],
        write_page_index=True,
        # A damaged page must not decode into wrong numbers; costs nothing measurable.
        write_page_checksum=True,
        # One page per column and row group instead of one per 20,000 rows: 15 % less CPU, 7 % smaller.
        max_rows_per_page=ROW_GROUP_ROWS,
        write_batch_size=16_384,
        sorting_columns=[pq.SortingColumn(names.index(name)) for name in contract.sort_by],
    )


def _conform(data: pa.Table | pa.RecordBatch, contract: DatasetContract) -> list[pa.RecordBatch]:
    """Return the batches of the data with exactly the contract's schema; values are never copied where types are equal."""
    schema = contract.arrow_schema
    batches = [data] if isinstance(data, pa.RecordBatch) else data.to_batches()
    if data.schema.names != schema.names:
        raise contract.schema_refusal({field.name: _polars_name(field.type) for field in data.schema})
    return [_conform_batch(batch, contract) for batch in batches if batch.num_rows]


def _conform_batch(batch: pa.RecordBatch, contract: DatasetContract) -> pa.RecordBatch:
    arrays = []
    for array, field in zip(batch.columns, contract.arrow_schema, strict=True):
        if array.type.equals(field.type):
            arrays.append(array)
        elif _is_text(array.type) and _is_text(field.type):
            arrays.append(_as_text(array, field.type))
        else:
            raise contract.schema_refusal({f.name: _polars_name(f.type) for f in batch.schema})
    return pa.RecordBatch.from_arrays(arrays, schema=contract.arrow_schema)


def _is_text(dtype: pa.DataType) -> bool:
    """Tell whether a type holds text, in any of the layouts that polars and pyarrow use."""
    if pa.types.is_dictionary(dtype):
        return _is_text(dtype.value_type)
    return bool(pa.types.is_string(dtype) or pa.types.is_large_string(dtype) or pa.types.is_string_view(dtype))


def _as_text(array: pa.Array, dtype: pa.DataType) -> pa.Array:
    if not pa.types.is_dictionary(dtype):
        return array.cast(dtype)
    if not pa.types.is_dictionary(array.type):
        return array.cast(dtype.value_type).dictionary_encode().cast(dtype)
    return pa.DictionaryArray.from_arrays(array.indices.cast(dtype.index_type), array.dictionary.cast(dtype.value_type))


def _polars_name(dtype: pa.DataType) -> str:
    frame = pl.DataFrame(pl.from_arrow(pa.table({"column": pa.array([], dtype)})))
    return str(frame.schema["column"])


def _as_frame(table: pa.Table) -> pl.DataFrame:
    """Return the rows as polars columns, without copying numbers.

    A dictionary column of one value, such as the contract of a day, is repeated instead of converted: that would take longer than all
    other columns together.
    """
    plain = [field.name for field in table.schema if not pa.types.is_dictionary(field.type)]
    # All at once: column by column, seventy of them cost 15 ms a block in calls alone.
    frame = pl.DataFrame(pl.from_arrow(table.select(plain), rechunk=False))
    columns = {column.name: column for column in frame.get_columns()}
    for field in table.schema:
        if not pa.types.is_dictionary(field.type):
            continue
        column = table.column(field.name)
        if column.null_count == 0 and _words(column) == 1:
            value = pl.Series(field.name, pl.from_arrow(column.chunk(0).slice(0, 1)))
            columns[field.name] = value.new_from_index(0, len(column))
        else:
            columns[field.name] = pl.Series(field.name, pl.from_arrow(column, rechunk=False))
    return pl.DataFrame([columns[name] for name in table.schema.names])


def _words(column: pa.ChunkedArray) -> int:
    """Return how many different values the dictionaries of a column have."""
    return len({word for chunk in column.chunks for word in chunk.dictionary.to_pylist()})


def _row_groups_are_whole(table: pa.Table) -> bool:
    """Tell whether no row group is spread over several chunks: page borders would follow chunk borders."""
    ends = itertools.accumulate(batch.num_rows for batch in table.to_batches())
    return all(end % ROW_GROUP_ROWS == 0 or end == table.num_rows for end in ends)


def _with_canonical_dictionaries(group: pa.Table) -> pa.Table:
    """Give dictionary columns the values of this row group in order of appearance, whatever the caller's dictionary was."""
    for index, field in enumerate(group.schema):
        if not pa.types.is_dictionary(field.type):
            continue
        chunk = group.column(index).chunk(0)
        if (len(chunk.dictionary) > 1 or chunk.null_count) and not _is_canonical(chunk):
            canonical = chunk.cast(field.type.value_type).dictionary_encode().cast(field.type)
            group = group.set_column(index, field, pa.chunked_array([canonical]))
    return group


def _is_canonical(chunk: pa.DictionaryArray) -> bool:
    """Tell whether a short dictionary already lists its values in order of appearance: encoding anew costs 5 ms per row group."""
    words = len(chunk.dictionary)
    if chunk.null_count or chunk.dictionary.null_count or words > _SHORT_DICTIONARY:
        return False
    codes = chunk.indices.to_numpy()
    first = [int((codes == code).argmax()) for code in range(words)]
    present = all(codes[at] == code for code, at in enumerate(first))
    return present and first == sorted(first) and len(set(chunk.dictionary.to_pylist())) == words
