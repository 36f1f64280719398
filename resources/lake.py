"""The lake as a resource."""

from __future__ import annotations

from pathlib import Path

import dagster as dg

from trading_platform.lake import LocalLake


class LakeResource(dg.ConfigurableResource[LocalLake]):
    """Where partitions are stored.

    Attributes:
        root: folder of the lake.
    """

    root: str

    def lake(self) -> LocalLake:
        """Return the lake."""
        return LocalLake(Path(self.root))
