"""The grid on which the strikes of a ladder lie.

Belongs here: step and offset of ladders. Does not belong here: the basis between a future and its index, which needs both prices.

A series that is mapped to a future carries the basis in its strikes: 25187.21, 25197.21, ... are an index grid of 10 points moved by 7.21,
or by 107.21, or by -2.79: from strikes alone the basis is known only up to a multiple of the step. The offset drifts during the day, so
strikes as sent must not be grouped over time.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from .columns import Floats, Ints

# Steps between listed strikes of index and fund options, points.
STEPS: Final = (100.0, 50.0, 25.0, 10.0, 5.0, 2.5, 1.0, 0.5)
# Strikes come with two decimals; two roundings may add up to 0.01.
TOLERANCE: Final = 0.011


def ladder_grids(strike: Floats, counts: Ints) -> tuple[Floats, Floats]:
    """Find step and offset of each ladder.

    Args:
        strike: float64, points, all ladders one after the other.
        counts: int64, rows of each ladder.

    Returns:
        float64 per ladder: the largest of ``STEPS`` on which all its strikes lie, and the offset of the strikes from multiples of that
        step, in [0, step), rounded to 0.01; both NaN for a ladder of fewer than three rows or on no such grid.
    """
    step = np.full(len(counts), np.nan)
    offset = np.full(len(counts), np.nan)
    filled = np.flatnonzero(counts >= 3)
    if not len(filled):
        return step, offset
    # Only rows of these ladders, so that the segments of reduceat touch each other.
    keep = np.repeat(counts >= 3, counts)
    values, lengths = strike[keep], counts[filled]
    edges = np.concatenate(([0], np.cumsum(lengths)[:-1]))
    anchor = values[edges]
    distance = values - np.repeat(anchor, lengths)
    open_ladders = np.ones(len(filled), np.bool_)
    for candidate in STEPS:
        off_grid = np.abs(distance - np.round(distance / candidate) * candidate)
        fits = open_ladders & (np.maximum.reduceat(off_grid, edges) <= TOLERANCE)
        found = filled[fits]
        step[found] = candidate
        # A remainder a hair below the step is the next multiple.
        offset[found] = np.round(anchor[fits] % candidate, 2) % candidate
        open_ladders &= ~fits
        if not open_ladders.any():
            break
    return step, offset
