"""Refusing a day before anything is written: wrong price scale.

Belongs here: questions that a sample of the day's records answers. Does not belong here: verdicts on single records (``decode.py``).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...instruments import Instrument
from ..guard import refuse_wrong_scale, sample_records
from ..prices import PriceRule
from .format import Command
from .window import FileSlice


def guard_files(slices: Sequence[FileSlice], instrument: Instrument, rule: PriceRule) -> None:
    """Look at a sample of each file of a day, spread evenly over its records.

    Args:
        slices: the day.
        instrument: whose book it should be.
        rule: price scale and band to be tried.

    Raises:
        SourceError: E207 the median is outside the price band, or fewer than 99.9 % of the prices are on the tick grid.
    """
    for one in slices:
        if not one.ranges:
            continue
        sample = sample_records(one.index.file, one.ranges)
        priced = (sample["command"] > Command.CLEAR_BOOK) & (sample["command"] <= Command.DELETE_ASK)
        stored = sample["price"][priced].astype(np.float64)
        stored = stored[np.isfinite(stored) & (stored != 0)]
        refuse_wrong_scale(one.source.path, one.ranges[0][0], stored, instrument, rule, one.source.style)
