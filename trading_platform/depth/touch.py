"""What is measured of a book at one moment, collected for many moments and computed at once.

Belongs here: sums over the levels next to the touch, and the columns of ``depth_metrics`` that follow from them. Does not belong here:
how a book comes about (``seconds.py``, ``levels.py``).

A moment is one state of the book that lasts from a second on; a row of the dataset repeats the last state that began in or before its
second.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from .grid import Floats, Ints, PriceGrid
from .levels import DEPTH_TICKS, MOST_LEVELS, WINDOW, LevelArray, Quantities

BLOCK_STATES: Final = 4_096
_FEW_LEVELS: Final = 5
Bools = npt.NDArray[np.bool_]
_NOTHING: Final = memoryview(np.zeros(WINDOW, np.int32).data)


@dataclass(frozen=True, slots=True)
class SideSums:
    """One side of the book in many states; all int64, 0 where the side is empty or the book unknown.

    Attributes:
        tick: price of the best level, ticks.
        best: contracts at the best level.
        best_5: contracts at the best five levels, or as many as there are.
        best_10: contracts at the best ten levels, or as many as there are.
        depth: contracts from the best level to ``DEPTH_TICKS`` ticks behind it.
    """

    tick: Ints
    best: Ints
    best_5: Ints
    best_10: Ints
    depth: Ints

    def take(self, rows: npt.NDArray[np.intp]) -> SideSums:
        """Return the states at the given positions."""
        return SideSums(self.tick[rows], self.best[rows], self.best_5[rows], self.best_10[rows], self.depth[rows])


class _Side:
    """Collects one side; windows run away from the best level for asks and towards it for bids (``step`` -1)."""

    def __init__(self, step: int) -> None:
        window = np.zeros((BLOCK_STATES, WINDOW), np.int32)
        self._step = step
        self._window = window
        # Slices of memoryviews cost a third of those of arrays.
        self.view = memoryview(window.ravel().data)
        self.ticks: list[int] = []
        self.sparse: list[tuple[int, Quantities]] = []
        self._parts: list[SideSums] = []

    def flush(self) -> None:
        """Compute the sums of the collected states and begin the next block."""
        window = self._window[: len(self.ticks), :: self._step]
        rank = np.cumsum(window != 0, axis=1, dtype=np.int8)
        best_5 = np.where(rank <= _FEW_LEVELS, window, 0).sum(axis=1, dtype=np.int64)
        best_10 = np.where(rank <= MOST_LEVELS, window, 0).sum(axis=1, dtype=np.int64)
        for row, levels in self.sparse:
            best_5[row] = levels[:_FEW_LEVELS].sum(dtype=np.int64)
            best_10[row] = levels.sum(dtype=np.int64)
        depth = window[:, : DEPTH_TICKS + 1].sum(axis=1, dtype=np.int64)
        best = window[:, 0].astype(np.int64)
        self._parts.append(SideSums(np.array(self.ticks, np.int64), best, best_5, best_10, depth))
        self.ticks.clear()
        self.sparse.clear()

    def collected(self) -> SideSums:
        """Return all states; called after the last flush."""
        return SideSums(
            *(np.concatenate([getattr(part, name) for part in self._parts]) for name in SideSums.__dataclass_fields__)
        )


class StateCollector:
    """States of the book in order of time."""

    def __init__(self) -> None:
        self._since: list[int] = []
        self._known: list[bool] = []
        self._bids = _Side(-1)
        self._asks = _Side(1)

    def unknown(self, since: int) -> None:
        """Note that from this second on the book is not known."""
        self._empty(self._bids)
        self._empty(self._asks)
        self._next(since, known=False)

    def add(self, since: int, levels: LevelArray) -> None:
        """Note the book as it is from this second on; ``levels.bid`` and ``levels.ask`` are its best positions."""
        view, position = levels.view, levels.bid
        if position == levels.no_bid:
            self._empty(self._bids)
        else:
            side = self._bids
            row = len(side.ticks)
            window = view[position + 1 - WINDOW : position + 1]
            side.view[row * WINDOW : (row + 1) * WINDOW] = window
            side.ticks.append(position - levels.bid_offset)
            # Ten levels side by side are the common case, and the fastest to see.
            if not all(window[-MOST_LEVELS:]) and np.count_nonzero(window) < MOST_LEVELS:
                side.sparse.append((row, levels.best_bids(position)))
        position = levels.ask
        if position == levels.no_ask:
            self._empty(self._asks)
        else:
            side = self._asks
            row = len(side.ticks)
            window = view[position : position + WINDOW]
            side.view[row * WINDOW : (row + 1) * WINDOW] = window
            side.ticks.append(position - levels.ask_offset)
            if not all(window[:MOST_LEVELS]) and np.count_nonzero(window) < MOST_LEVELS:
                side.sparse.append((row, levels.best_asks(position)))
        self._next(since, known=True)

    def rows(self, seconds: Ints) -> BookRows:
        """Return the state at the end of each second.

        Args:
            seconds: ascending, not before the first state.
        """
        self._flush()
        # Several states may begin in one second, when it was read in parts; the last one holds at its end.
        at = np.searchsorted(np.array(self._since, np.int64), seconds, "right") - 1
        known = np.array(self._known, np.bool_)[at]
        return BookRows(known, self._bids.collected().take(at), self._asks.collected().take(at))

    @staticmethod
    def _empty(side: _Side) -> None:
        row = len(side.ticks)
        side.view[row * WINDOW : (row + 1) * WINDOW] = _NOTHING
        side.ticks.append(0)

    def _next(self, since: int, *, known: bool) -> None:
        self._since.append(since)
        self._known.append(known)
        if len(self._bids.ticks) == BLOCK_STATES:
            self._flush()

    def _flush(self) -> None:
        self._bids.flush()
        self._asks.flush()


@dataclass(frozen=True, slots=True)
class BookRows:
    """The book at the end of every second.

    Attributes:
        known: False while no snapshot has ended in the segment.
        bids: int64 sums per row.
        asks: int64 sums per row.
    """

    known: Bools
    bids: SideSums
    asks: SideSums

    def columns(self, grid: PriceGrid) -> Iterator[tuple[str, Floats | Ints, Bools]]:
        """Yield name, values and where they are null, in the order of the dataset.

        Formulas: spread = ask - bid, from whole ticks; mid = (bid + ask) / 2; microprice = (bid * ask_quantity + ask * bid_quantity) /
        (bid_quantity + ask_quantity); imbalance_n = (bids - asks) / (bids + asks) over the contracts of the best n levels of each side.
        """
        bids, asks = self.bids, self.asks
        no_bid, no_ask = bids.best == 0, asks.best == 0
        one_sided = no_bid | no_ask
        crossed = one_sided | (bids.tick > asks.tick)
        yield "bid", grid.points(bids.tick), no_bid
        yield "ask", grid.points(asks.tick), no_ask
        yield "bid_quantity", bids.best, no_bid
        yield "ask_quantity", asks.best, no_ask
        yield "spread", grid.points(asks.tick - bids.tick), one_sided
        yield "mid", grid.points(bids.tick + asks.tick) / 2, crossed
        yield "microprice", grid.points(self._microprice_ticks(crossed)), crossed
        yield "imbalance_1", _imbalance(bids.best, asks.best), one_sided
        yield "imbalance_5", _imbalance(bids.best_5, asks.best_5), one_sided
        yield "imbalance_10", _imbalance(bids.best_10, asks.best_10), one_sided
        yield "bid_depth_10_ticks", bids.depth, no_bid
        yield "ask_depth_10_ticks", asks.depth, no_ask

    @property
    def crossed(self) -> Bools:
        """Tell where the best bid is above the best ask."""
        both: Bools = (self.bids.best > 0) & (self.asks.best > 0) & (self.bids.tick > self.asks.tick)
        return both

    def _microprice_ticks(self, crossed: Bools) -> Floats:
        bid, ask = self.bids.tick.astype(np.float64), self.asks.tick.astype(np.float64)
        bid_quantity, ask_quantity = self.bids.best.astype(np.float64), self.asks.best.astype(np.float64)
        total = bid_quantity + ask_quantity
        # Weights instead of products: prices times quantities may be too large for exact sums, and the clip keeps the last digit inside.
        weighed = bid + (ask - bid) * np.divide(bid_quantity, total, out=np.zeros_like(total), where=total > 0)
        result: Floats = np.clip(weighed, np.where(crossed, weighed, bid), np.where(crossed, weighed, ask))
        return result


def _imbalance(bids: Ints, asks: Ints) -> Floats:
    total = bids + asks
    result: Floats = np.divide(bids - asks, total, out=np.zeros(len(total)), where=total > 0)
    return result
