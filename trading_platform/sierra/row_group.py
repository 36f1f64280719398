"""The row group being filled, and where it goes when it is full.

Belongs here: the hand-over from decoded columns to measuring and storing, the same for ticks and depth events. Does not belong here: the
columns themselves (``decode.py``).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

import pyarrow as pa

from ..lake import PartitionWriter
from ..lake.stream import ROW_GROUP_ROWS


class Columns(Protocol):
    """Columns that are filled from the front."""

    rows: int

    @property
    def capacity(self) -> int:
        """Return the number of rows that fit."""
        ...


C = TypeVar("C", bound=Columns)


class RowGroup(Generic[C]):
    """Fills one row group after the other.

    Args:
        writer: where rows go.
        empty: makes columns of a capacity.
        measure: is shown the filled columns.
        batch: makes a record batch of filled columns and the number of their first row, without copying.

    Attributes:
        columns: what is being filled; another object after each flush.
    """

    def __init__(
        self,
        writer: PartitionWriter,
        empty: Callable[[int], C],
        measure: Callable[[C], None],
        batch: Callable[[C, int], pa.RecordBatch],
    ) -> None:
        self._writer = writer
        self._empty = empty
        self._measure = measure
        self._batch = batch
        self._rows = 0
        self.columns = empty(ROW_GROUP_ROWS)

    def room(self) -> int:
        """Return how many more rows fit."""
        return self.columns.capacity - self.columns.rows

    def flush(self) -> None:
        """Measure and store what is there."""
        if self.columns.rows == 0:
            return
        self._measure(self.columns)
        self._writer.append(self._batch(self.columns, self._rows))
        self._rows += self.columns.rows
        # The writer keeps batches by reference until they are validated: the next group gets memory of its own.
        self.columns = self._empty(ROW_GROUP_ROWS)
