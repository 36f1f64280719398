"""Which contract the roll table has in front, many days at once.

Belongs here: the windows of the roll table in the form that a board compares and a cache keeps. Does not belong here: the roll table
(``trading_platform.instruments``), which contract a stored day holds (``files.py``).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

import numpy as np

from ..instruments import Registry, RollTable
from .files import Texts
from .packed import Array

UNKNOWN = 0
"""Number of the empty text: nothing is known of the contract."""


@dataclass(frozen=True)
class Fronts:
    """The contracts of one root that follow each other in front.

    Attributes:
        starts: ordinals of the first day of each window, ascending.
        contracts: such as ``MNQZ26``, one per window.
        end: ordinal after the last day of the last window.
    """

    starts: tuple[int, ...]
    contracts: tuple[str, ...]
    end: int

    def on(self, day: int) -> str:
        """Return the contract in front on the day with this ordinal; empty outside the windows."""
        at = bisect_right(self.starts, day) - 1
        return self.contracts[at] if at >= 0 and day < self.end else ""

    def differ(self, days: Array, held: Array, texts: Texts) -> Array:
        """Tell which days hold another contract than the one in front.

        Args:
            days: int32[n], ordinals.
            held: uint32[n], number of the contract that each day holds, ``UNKNOWN`` where nobody can tell.
            texts: what the numbers mean.

        Returns:
            bool[n]; False where nobody can tell, and outside the windows.
        """
        # A contract that no day holds has no number; it differs from all that have one.
        numbers = np.array([texts.find(contract) for contract in self.contracts], np.int64)
        at = np.searchsorted(np.array(self.starts, np.int64), days, "right") - 1
        result: Array = (held != UNKNOWN) & (at >= 0) & (days < self.end)
        result &= numbers[np.clip(at, 0, None)] != held
        return result


def fronts_of(
    registry: Registry, rolls: RollTable, symbols: Iterable[str], first: date, last: date
) -> dict[str, Fronts]:
    """Return the windows of every future among some symbols that hold a date of ``first`` to ``last``.

    Raises:
        ConfigurationError: E132 a date lies outside the roll table.
    """
    found = {}
    for symbol in sorted(set(symbols)):
        if registry.get(symbol).is_future:
            windows = rolls.windows(symbol, first, last)
            found[symbol] = Fronts(
                tuple(window.first_trade_date.toordinal() for window in windows),
                tuple(window.contract.symbol for window in windows),
                windows[-1].end_trade_date.toordinal(),
            )
    return found


def as_json(fronts: Mapping[str, Fronts]) -> dict[str, list[object]]:
    """Return windows in the form of the header of a cache file."""
    return {root: [one.starts, one.contracts, one.end] for root, one in fronts.items()}


def from_json(values: Mapping[str, tuple[list[int], list[str], int]]) -> dict[str, Fronts]:
    """Read what :func:`as_json` wrote."""
    return {root: Fronts(tuple(starts), tuple(contracts), end) for root, (starts, contracts, end) in values.items()}
