"""Snapshots as columns: what the decoder delivers and everything else works on.

Belongs here: the layout of a batch and picking rows of it. Does not belong here: parsing (``decode.py``), stored columns
(``trading_platform.lake.contracts.gex_feed``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

PRIOR_MINUTES: Final = (0, 1, 5, 10, 15, 30)
SCALARS: Final = (
    "spot",
    "zero_gamma",
    "major_pos_vol_strike",
    "major_pos_oi_strike",
    "major_neg_vol_strike",
    "major_neg_oi_strike",
    "sum_gex_vol",
    "sum_gex_oi",
    "delta_risk_reversal",
    "min_dte",
    "sec_min_dte",
    *(f"max_prior_{minutes}_{part}" for minutes in PRIOR_MINUTES for part in ("strike", "change")),
)
"""Columns of ``SnapshotColumns.scalars``, named as they are stored."""

LADDER: Final = ("strike", "gex_vol", "gex_oi", "prior_1", "prior_5", "prior_10", "prior_15", "prior_30")
"""Columns of ``SnapshotColumns.ladder``, named as they are stored."""

STRIKE: Final = 0
GEX_VOL: Final = 1


@dataclass(frozen=True, slots=True)
class SnapshotColumns:
    """Snapshots of one file as arrays.

    Attributes:
        timestamp_s: int64[n], epoch seconds UTC as sent.
        ticker: the vendor's series of each snapshot.
        scalars: float64[n, len(SCALARS)], NaN for null.
        counts: int64[n], rows of each ladder; 0 for an empty one and for null.
        has_ladder: bool[n], False where the vendor sent null instead of a ladder.
        ladder: float64[counts.sum(), len(LADDER)], NaN for null; the rows of a snapshot in ascending order of strikes.
    """

    timestamp_s: Ints
    ticker: npt.NDArray[Any]
    scalars: Floats
    counts: Ints
    has_ladder: Mask
    ladder: Floats

    def __len__(self) -> int:
        """Return the number of snapshots."""
        return len(self.timestamp_s)

    def scalar(self, name: str) -> Floats:
        """Return one of ``SCALARS``."""
        column: Floats = self.scalars[:, SCALARS.index(name)]
        return column

    @property
    def starts(self) -> Ints:
        """Return the index of the first ladder row of each snapshot."""
        return np.cumsum(self.counts) - self.counts

    def where(self, keep: Mask) -> SnapshotColumns:
        """Return the snapshots for which ``keep`` is true."""
        if keep.all():
            return self
        return SnapshotColumns(
            self.timestamp_s[keep],
            self.ticker[keep],
            self.scalars[keep],
            self.counts[keep],
            self.has_ladder[keep],
            self.ladder[np.repeat(keep, self.counts)],
        )


def concatenate(parts: list[SnapshotColumns]) -> SnapshotColumns:
    """Return the snapshots of several batches as one.

    Raises:
        ValueError: for no batch.
    """
    return SnapshotColumns(
        np.concatenate([part.timestamp_s for part in parts]),
        np.concatenate([part.ticker for part in parts]),
        np.concatenate([part.scalars for part in parts]),
        np.concatenate([part.counts for part in parts]),
        np.concatenate([part.has_ladder for part in parts]),
        np.concatenate([part.ladder for part in parts]),
    )
