"""Stream one stored partition of ticks, a row group at a time.

Belongs here: the only place of this room that opens tick files. Does not belong here: paths and footers (``trading_platform.lake``), sums.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from ..errors import QualityError
from ..lake.footer import damaged
from .partials import TickArrays

_REQUIRED: Final = ("ts", "price", "volume", "side")
_COLUMNS: Final = (*_REQUIRED, "bid", "ask")


class TickFile:
    """An open tick partition; a replacement of the file on disk does not change what this object reads.

    ``seq`` is not read: the commit of the lake verified that it runs 0..n-1 in the order of the rows.

    Args:
        path: Parquet file of the dataset ``ticks``.
        key: asset key and day for messages, e.g. ``MNQ/ticks 2025-03-10``.
        repair: the command that rebuilds the partition.
    """

    def __init__(self, path: Path, key: str, repair: str) -> None:
        self._path = path
        # Verifies the checksums of pages that have them (2 % of the read): a flipped bit can decode to a plausible time or price.
        self._file = pq.ParquetFile(path, page_checksum_verification=True)
        self._key = key
        self._repair = repair

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._file.close()

    @property
    def rows(self) -> int:
        """Return the number of ticks."""
        return int(self._file.metadata.num_rows)

    def contract_symbol(self) -> str | None:
        """Return the contract of the day, None without rows.

        Raises:
            QualityError: E425 if there are several.
        """
        names: set[str] = set()
        position = self._file.schema_arrow.get_field_index("contract")
        for group in range(self._file.num_row_groups):
            statistics = self._file.metadata.row_group(group).column(position).statistics
            if statistics is not None and statistics.has_min_max and statistics.min == statistics.max:
                names.add(str(statistics.min))
            else:
                column = self._file.read_row_group(group, columns=["contract"], use_threads=False).column(0)
                names.update(str(name) for name in column.unique().to_pylist())
        if len(names) > 1:
            raise QualityError(
                "E425",
                f"{self._key} holds the contracts {', '.join(sorted(names))}, expected one",
                "prices of two contracts differ by the carry, so a bar over both has no meaning; nothing was written",
                self._repair,
            )
        return names.pop() if names else None

    def chunks(self) -> Iterator[TickArrays]:
        """Yield the ticks of each row group, in file order."""
        for table in self.tables(_COLUMNS):
            arrays = {name: self._array(table, name) for name in _COLUMNS}
            arrays["ts_us"] = arrays.pop("ts")
            yield TickArrays(**arrays)

    def prices_and_volumes(self) -> Iterator[tuple[npt.NDArray[np.float64], npt.NDArray[np.signedinteger]]]:
        """Yield only price and volume of each row group."""
        for table in self.tables(("price", "volume")):
            yield self._array(table, "price"), self._array(table, "volume")

    def times(self) -> Iterator[npt.NDArray[np.int64]]:
        """Yield only the times of each row group, epoch microseconds UTC, in file order."""
        for table in self.tables(("ts",)):
            yield self._array(table, "ts")

    def tables(self, columns: Sequence[str]) -> Iterator[pa.Table]:
        """Yield columns of each row group.

        Raises:
            LakeError: E505 if the file is damaged.
        """
        # One thread: two row groups in flight would double the memory for no gain, the kernel is the other half of the time.
        for group in range(self._file.num_row_groups):
            try:
                table = self._file.read_row_group(group, columns=list(columns), use_threads=False)
            except (pa.ArrowException, OSError) as error:
                raise damaged(self._path, str(error)) from error
            yield table

    def _array(self, table: pa.Table, name: str) -> npt.NDArray[Any]:
        column = table.column(name).combine_chunks()
        if isinstance(column, pa.ChunkedArray):
            column = pa.concat_arrays(column.chunks)
        if name in _REQUIRED and column.null_count:
            raise QualityError(
                "E421",
                f"{self._key} has {column.null_count} nulls in {name}",
                "the partition breaks the contract of ticks; nothing was written",
                self._repair,
            )
        if name == "ts":
            column = column.view(pa.int64())
        values: npt.NDArray[Any] = column.to_numpy(zero_copy_only=False)
        return values
