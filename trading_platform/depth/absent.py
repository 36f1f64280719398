"""Count DELETE events whose level is not there.

Belongs here: the count alone, over events in their order. The book itself does not need it: removing nothing changes nothing.

A level was absent if the event before on the same level removed it, or emptied the whole book, or if there is none. Events are ordered by
level with a stable radix sort, so the event before is the neighbour. Counted are ended batches of a known book, from its first CLEAR on.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from .book import DELETE_BID
from .grid import Ints
from .levels import LevelArray

Index = npt.NDArray[np.intp]
_RADIX: Final = 1 << 16


class AbsentDeletes:
    """Counts deletes of absent levels.

    Attributes:
        count: of all ended batches so far.
    """

    def __init__(self) -> None:
        self.count = 0
        self._present = LevelArray()
        self._in_open_batch = 0
        self._entered = False

    def begin_segment(self) -> None:
        """Forget the book; what a batch that never ends has counted is dropped."""
        self._in_open_batch = 0
        self._entered = False

    def cover(self, lowest: int, highest: int) -> None:
        """Make room as the level array does, so that both have the same positions."""
        self._present.cover(lowest, highest)

    def push(
        self,
        index: Ints,
        command: npt.NDArray[np.uint8],
        amount: npt.NDArray[np.int32],
        clears: Index,
        ended: Index,
    ) -> None:
        """Take the next events of the segment.

        Args:
            index: int64, position of the level of each event.
            command: uint8.
            amount: int32, quantity after the event; 0 removes.
            clears: positions of CLEAR events, whose ``index`` means nothing.
            ended: positions of END_OF_BATCH events.
        """
        if not self._entered and len(clears) == 0:
            return
        absent = self._absent_deletes(index, command, amount, clears)
        if not self._entered:
            absent = absent[absent > clears[0]]
            self._entered = True
        if len(ended):
            done = int(np.count_nonzero(absent <= ended[-1]))
            self.count += self._in_open_batch + done
            self._in_open_batch = len(absent) - done
        else:
            self._in_open_batch += len(absent)
        start = 0
        if len(clears):
            self._present.clear()
            start = int(clears[-1]) + 1
        self._present.quantity[index[start:]] = amount[start:]

    def _absent_deletes(
        self, index: Ints, command: npt.NDArray[np.uint8], amount: npt.NDArray[np.int32], clears: Index
    ) -> Index:
        """Return the positions of deletes whose level is absent, in any order."""
        order = stable_order(index, len(self._present.quantity))
        # Positions in the sorted order of every delete and of its neighbour before.
        at = np.flatnonzero((command >= DELETE_BID)[order])
        if len(at) == 0:
            return np.empty(0, np.intp)
        delete, before = order[at], order[at - 1]
        level = index[delete]
        written, at_start = (at > 0) & (index[before] == level), self._present.quantity[level]
        if len(clears):
            # The neighbour may be a CLEAR, whose level means nothing: it is never behind the last CLEAR, so it counts as no write.
            last_clear = np.concatenate((np.full(1, -1, np.intp), clears))[np.searchsorted(clears, delete)]
            written &= before > last_clear
            at_start[last_clear >= 0] = 0
        absent: Index = delete[np.where(written, amount[before], at_start) == 0]
        return absent


def stable_order(index: Ints, size: int) -> Index:
    """Return the order of positions below ``size`` that keeps equal ones in their order.

    numpy sorts 16-bit integers by radix, ten times faster than wider ones; two passes make one of 32 bits.
    """
    order: Index = np.argsort(index.astype(np.uint16), kind="stable")
    if size > _RADIX:
        order = order[np.argsort((index >> 16).astype(np.uint16)[order], kind="stable")]
    return order
