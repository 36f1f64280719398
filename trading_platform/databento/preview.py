"""The picture's worth of a day of ``l2``: mid price and traded volume in equal time buckets.

Belongs here: collecting it while row groups stream by. Does not belong here: drawing.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..lake import Preview
from .decode import L2Columns
from .format import FLAG_LAST, UNDEF_SIZE

BUCKETS = 120
_SECOND_NS = 1_000_000_000
_TRADE = ord("T")


class L2Preview:
    """Collects the last mid and the volume of each bucket.

    Args:
        window_ns: what the picture spans, epoch nanoseconds UTC, half-open. Rows outside are left out.
    """

    def __init__(self, window_ns: tuple[int, int]) -> None:
        start, end = window_ns
        step = -(-max(end - start, 1) // BUCKETS)
        self._start = start
        self._step = max(_SECOND_NS, -(-step // _SECOND_NS) * _SECOND_NS)
        count = -(-max(end - start, 1) // self._step)
        self._mid: NDArray[np.float64] = np.full(count, np.nan)
        self._volume: NDArray[np.int64] = np.zeros(count, np.int64)
        self._has_rows = False

    def add(self, columns: L2Columns) -> None:
        """Add the filled rows of a row group."""
        rows = columns.rows
        if rows == 0:
            return
        self._has_rows = True
        bid, ask = columns.books[0][:, :rows]
        # A level that is not there is NaN, and comparisons with it are false.
        shown = np.flatnonzero((columns.flags[:rows] >= FLAG_LAST) & (bid <= ask))
        buckets, inside = self._place(columns.ts_recv[shown])
        # With repeated positions numpy keeps the last value, which is the latest mid.
        self._mid[buckets] = (bid[shown[inside]] + ask[shown[inside]]) / 2
        sizes = columns.size[:rows]
        trades = np.flatnonzero((columns.action[:rows] == _TRADE) & (sizes != UNDEF_SIZE))
        buckets, inside = self._place(columns.ts_recv[trades])
        np.add.at(self._volume, buckets, sizes[trades[inside]].astype(np.int64))

    def preview(self) -> Preview | None:
        """Return what was collected; None without a row."""
        if not self._has_rows:
            return None
        return Preview(self._start // 1_000, self._step // 1_000, self._mid, self._volume)

    def _place(self, received: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Return the buckets of the rows that have one, and which rows these are."""
        buckets = (received - self._start) // self._step
        inside = (buckets >= 0) & (buckets < len(self._mid))
        return buckets[inside], inside
