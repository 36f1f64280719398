"""Read one stored partition of book events, a row group at a time.

Belongs here: the only place of this room that opens event files. Does not belong here: paths and footers
(``trading_platform.lake``), books.
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
from .book import END_OF_BATCH
from .seconds import EventArrays

_COLUMNS: Final = ("ts", "command", "flags", "price", "quantity", "snapshot", "segment")
_NULLABLE: Final = "price"


EVENTS: Final = "depth_events"


def open_events(path: Path, symbol: str, day: str) -> EventFile:
    """Open the events of a trade date.

    Raises:
        FileNotFoundError: there are none.
        LakeError: E505 if the file is damaged.
    """
    try:
        return EventFile(
            path, f"{symbol}/{EVENTS} {day}", f"tp backfill {symbol}/{EVENTS} --from {day} --to {day} --force"
        )
    except FileNotFoundError:
        raise
    except (pa.ArrowException, OSError) as error:
        raise damaged(path, str(error)) from error


class EventFile:
    """An open partition of ``depth_events``; a replacement of the file on disk does not change what this object reads.

    ``seq`` is not read: the commit of the lake verified that it runs 0..n-1 in the order of the rows.

    Args:
        path: Parquet file of the dataset.
        key: asset key and day for messages, e.g. ``MNQ/depth_events 2026-03-10``.
        repair: the command that rebuilds the partition.
    """

    def __init__(self, path: Path, key: str, repair: str) -> None:
        self._path = path
        # Verifies the checksums of pages: a flipped bit can decode to a plausible time or price.
        self._file = pq.ParquetFile(path, page_checksum_verification=True)
        self._names = self._file.schema_arrow.names
        self._key = key
        self._repair = repair

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._file.close()

    @property
    def rows(self) -> int:
        """Return the number of events."""
        return int(self._file.metadata.num_rows)

    @property
    def groups(self) -> int:
        """Return the number of row groups."""
        return int(self._file.num_row_groups)

    def extremes(self, group: int, column: str) -> tuple[Any, Any] | None:
        """Return minimum and maximum of a column in a row group from its statistics, None if it has none or holds nulls."""
        statistics = self._file.metadata.row_group(group).column(self._names.index(column)).statistics
        if statistics is None or not statistics.has_min_max or statistics.null_count:
            return None
        return statistics.min, statistics.max

    def contract_symbol(self, groups: int | None = None) -> str | None:
        """Return the contract of the first row groups (of the day without a number), None without rows.

        Raises:
            QualityError: E436 if there are several.
        """
        names: set[str] = set()
        for group in range(self.groups if groups is None else min(groups, self.groups)):
            column = self._table(group, ("contract",)).column(0)
            # The words of a dictionary are few; the rows need not be looked at.
            names.update(word for chunk in column.chunks for word in chunk.dictionary.to_pylist())
        if len(names) > 1:
            raise QualityError(
                "E436",
                f"{self._key} holds the contracts {', '.join(sorted(names))}, expected one",
                "each contract has a book of its own, and one over both has no meaning; nothing was written",
                self._repair,
            )
        return names.pop() if names else None

    def chunks(self) -> Iterator[EventArrays]:
        """Yield the events of each row group, in the order of the partition.

        Raises:
            QualityError: E431 for missing values.
            LakeError: E505 if the file is damaged.
        """
        for group in range(self.groups):
            arrays = self.arrays(group, _COLUMNS)
            arrays["ts_us"] = arrays.pop("ts")
            yield EventArrays(**arrays)

    def counts(self) -> tuple[int, int]:
        """Return the numbers of snapshot rows and of ended batches, from their columns alone."""
        snapshot_rows = batches = 0
        for group in range(self.groups):
            arrays = self.arrays(group, ("flags", "snapshot"))
            snapshot_rows += int(np.count_nonzero(arrays["snapshot"]))
            batches += int(np.count_nonzero(arrays["flags"] & END_OF_BATCH))
        return snapshot_rows, batches

    def arrays(self, group: int, columns: Sequence[str]) -> dict[str, npt.NDArray[Any]]:
        """Return columns of a row group as arrays: ``ts`` as epoch microseconds, price null as NaN.

        Raises:
            QualityError: E431 for missing values.
            LakeError: E505 if the file is damaged.
        """
        rows = self._file.metadata.row_group(group).num_rows
        constant = {name: value for name in columns if (value := self._constant(group, name)) is not None}
        table = self._table(group, [name for name in columns if name not in constant])
        return {name: constant[name].repeat(rows) if name in constant else self._array(table, name) for name in columns}

    def _constant(self, group: int, name: str) -> npt.NDArray[Any] | None:
        """Return the one value of a column, from its statistics: most row groups hold no snapshot and one segment."""
        if name not in ("snapshot", "segment"):
            return None
        extremes = self.extremes(group, name)
        if extremes is None or extremes[0] != extremes[1]:
            return None
        return np.array([extremes[0]], np.bool_ if name == "snapshot" else np.uint8)

    def _table(self, group: int, columns: Sequence[str]) -> pa.Table:
        try:
            # One thread: two row groups in flight would double the memory for no gain.
            return self._file.read_row_group(group, columns=list(columns), use_threads=False)
        except (pa.ArrowException, OSError) as error:
            raise damaged(self._path, str(error)) from error

    def _array(self, table: pa.Table, name: str) -> npt.NDArray[Any]:
        column = table.column(name).combine_chunks()
        if isinstance(column, pa.ChunkedArray):
            column = pa.concat_arrays(column.chunks)
        if name != _NULLABLE and column.null_count:
            raise QualityError(
                "E431",
                f"{self._key} has {column.null_count} nulls in {name}",
                "the partition breaks the contract of depth_events; nothing was written",
                self._repair,
            )
        if name == "ts":
            column = column.view(pa.int64())
        values: npt.NDArray[Any] = column.to_numpy(zero_copy_only=False)
        return values
