"""Both sides of a book as one array of quantities, and the quantities near the touch as rows of a matrix.

Belongs here: where a price level lies in the array, growing, scanning for the best level, picking the levels next to it. Does not belong
here: which events end in which second (``seconds.py``), measures.

Layout: ``[stop][pad][bids][asks][pad][stop]``, ascending price inside each side. The stops are never zero, so a scan for the best level
always ends; reaching one means that the side is empty. The pads let a window of levels be cut without looking at the edges.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from .grid import MOST_TICKS, Ints, too_far_apart

Quantities = npt.NDArray[np.int32]

WINDOW: Final = 32
"""Levels next to the touch that are kept per state; fewer than ten of them in use are counted exactly from the whole side."""
DEPTH_TICKS: Final = 10
MOST_LEVELS: Final = 10

_FIRST: Final = 1 + WINDOW  # position of the lowest bid
_STOP: Final = 1
_MARGIN_TICKS: Final = 1_024
_MOST_MARGIN_TICKS: Final = 1 << 16
_STEPS_ONE_BY_ONE: Final = 24
_FIRST_BLOCK: Final = 256


class LevelArray:
    """Quantities by side and tick.

    Attributes:
        quantity: int32, contracts; 0 where there is no level. Written to by ``seconds.py`` at positions from ``positions``.
        no_bid: position that stands for "no bid", below every bid.
        no_ask: position that stands for "no ask", above every ask.
        bid_offset: position of a bid minus its tick.
        ask_offset: position of an ask minus its tick.
        view: the same quantities, faster to read one by one.
        bid: position of the best bid after ``settle``.
        ask: position of the best ask after ``settle``.
    """

    no_bid: Final = 0

    def __init__(self) -> None:
        self._base = 0
        self._size = 0
        self.bid = self.no_bid
        self.ask = self.no_ask = 0
        self._allocate(0, 0)

    def cover(self, lowest: int, highest: int) -> bool:
        """Make room for prices from ``lowest`` to ``highest``, ticks; tell whether positions have changed by it.

        Raises:
            QualityError: E433 if all prices so far span more than ``MOST_TICKS``.
        """
        end = self._base + self._size
        if self._size and self._base <= lowest and highest < end:
            return False
        if self._size:
            lowest, highest = min(lowest, self._base), max(highest, end - 1)
        span = highest - lowest + 1
        if span > MOST_TICKS:
            raise too_far_apart(lowest, highest)
        # A margin that grows with the span: a market that trends makes few copies, not one per chunk.
        margin = _MARGIN_TICKS + min(span // 2, _MOST_MARGIN_TICKS)
        self._allocate(lowest - margin, span + 2 * margin)
        return True

    def positions(self, ticks: Ints, is_ask: npt.NDArray[np.bool_]) -> Ints:
        """Return the positions of levels."""
        # Products, here and elsewhere, instead of np.where: on random masks its branches take ten times as long.
        found: Ints = is_ask * np.int64(self._size)
        found += ticks
        found += self.bid_offset
        return found

    def clear(self) -> None:
        """Remove all levels."""
        self.quantity[1:-1] = 0
        self.bid, self.ask = self.no_bid, self.no_ask

    def settle(self, highest_bid: int, lowest_ask: int) -> None:
        """Find the best levels after writes.

        Args:
            highest_bid: position of the highest bid written, or ``no_bid``.
            lowest_ask: position of the lowest ask written, or ``no_ask``.
        """
        bid, ask = self.bid, self.ask
        bid = max(bid, highest_bid)
        ask = min(ask, lowest_ask)
        self.bid = bid if self.view[bid] else self.bid_from(bid)
        self.ask = ask if self.view[ask] else self.ask_from(ask)

    def bid_from(self, position: int) -> int:
        """Return the position of the highest bid at or below ``position``, ``no_bid`` if there is none."""
        quantity = self.view
        for _ in range(_STEPS_ONE_BY_ONE):
            if quantity[position]:
                return position
            position -= 1
        block = _FIRST_BLOCK
        while True:
            low = max(0, position + 1 - block)
            found = np.flatnonzero(self.quantity[low : position + 1])
            if len(found):
                return low + int(found[-1])
            position, block = low - 1, block * 4

    def ask_from(self, position: int) -> int:
        """Return the position of the lowest ask at or above ``position``, ``no_ask`` if there is none."""
        quantity = self.view
        for _ in range(_STEPS_ONE_BY_ONE):
            if quantity[position]:
                return position
            position += 1
        block = _FIRST_BLOCK
        while True:
            found = np.flatnonzero(self.quantity[position : position + block])
            if len(found):
                return position + int(found[0])
            position, block = position + block, block * 4

    def best_bids(self, position: int) -> Quantities:
        """Return the quantities of the best ten bids, or of all if there are fewer, from the best bid on downwards."""
        low, block = position + 1, _FIRST_BLOCK
        while True:
            low = max(_FIRST, low - block)
            side = self.quantity[low : position + 1]
            found = np.flatnonzero(side)
            if len(found) >= MOST_LEVELS or low == _FIRST:
                best: Quantities = side[found[-MOST_LEVELS:]][::-1]
                return best
            block *= 4

    def best_asks(self, position: int) -> Quantities:
        """Return the quantities of the best ten asks, or of all if there are fewer, from the best ask on upwards."""
        end, high, block = _FIRST + 2 * self._size, position, _FIRST_BLOCK
        while True:
            high = min(end, high + block)
            side = self.quantity[position:high]
            found = np.flatnonzero(side)
            if len(found) >= MOST_LEVELS or high == end:
                best: Quantities = side[found[:MOST_LEVELS]]
                return best
            block *= 4

    def _allocate(self, base: int, size: int) -> None:
        bid, ask, shift = self.bid, self.ask, self._base - base
        had_bid, had_ask = bid != self.no_bid, ask != self.no_ask
        quantity = np.zeros(2 * (1 + WINDOW + size), np.int32)
        quantity[0] = quantity[-1] = _STOP
        if self._size:
            # Both sides keep their levels at the new distance from the beginning.
            start = _FIRST + shift
            bids = self.quantity[_FIRST : _FIRST + self._size]
            asks = self.quantity[_FIRST + self._size : _FIRST + 2 * self._size]
            quantity[start : start + self._size] = bids
            quantity[start + size : start + size + self._size] = asks
        self.no_ask = len(quantity) - 1
        self.bid = bid + shift if had_bid else self.no_bid
        self.ask = ask + shift + size - self._size if had_ask else self.no_ask
        self._base, self._size = base, size
        self.bid_offset = _FIRST - base
        self.ask_offset = _FIRST + size - base
        self.quantity: Quantities = quantity
        # Single elements of a memoryview cost half of those of an array.
        self.view = memoryview(quantity.data)
