"""History files of the vendor's gamma feed: decode, judge, store, download.

Belongs here: everything that knows the form of these files. Does not belong here: gamma computed from option chains
(``trading_platform.gex``), joining snapshots to prices (``trading_platform.enrichment``), Dagster.
"""

from __future__ import annotations

from .archive import FeedArchive, FeedFile, UnusableFile
from .names import CATEGORIES, DEFAULT_CATEGORY
from .snapshots import GexSnapshotsBuilder
from .strikes import GexStrikesBuilder
from .walls import change_15s, wall_candidates

__all__ = [
    "CATEGORIES",
    "DEFAULT_CATEGORY",
    "FeedArchive",
    "FeedFile",
    "GexSnapshotsBuilder",
    "GexStrikesBuilder",
    "UnusableFile",
    "change_15s",
    "wall_candidates",
]
