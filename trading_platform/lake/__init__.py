"""The lake: contracts, the commit protocol, readers and SQL views.

Belongs here: everything about stored partitions, whatever their content. Does not belong here: sources, calculations,
Dagster.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING

from .build_day import DayResult, build_day
from .building import (
    BuildReport,
    CheckResult,
    DayBuilder,
    DayPlan,
    Json,
    Outcome,
    Preview,
    Severity,
    SourceChangedError,
    SourceSlice,
    fingerprint_of,
)
from .contract import ColumnDoc, DatasetContract
from .contracts import BARS_1M, BARS_1S, CONTRACTS, L2, L2_METRICS, L2_REJECTS, TICK_REJECTS, TICKS
from .footer import Footer, FooterFields
from .local import Lake, LocalLake
from .reader import Missing
from .stat_cache import StatCache
from .writer import Committed, PartitionWriter

if TYPE_CHECKING:
    import polars as pl


def read(
    dataset: str,
    symbol: str,
    days: date | tuple[date, date],
    columns: Sequence[str] | None = None,
    missing: Missing = "error",
) -> pl.DataFrame:
    """Read from the lake of the current home folder; see :func:`trading_platform.lake.reader.read`.

    Example:
        ``lake.read("ticks", "MNQ", date(2025, 9, 2))``
    Raises:
        ConfigurationError: if there is no home folder.
        LakeError: E505 damaged file, E507 day without a file, E508 unknown dataset or column.
    """
    from ..settings import find_home

    return LocalLake(find_home().lake_dir).read(dataset, symbol, days, columns=columns, missing=missing)


__all__ = [
    "BARS_1M",
    "BARS_1S",
    "CONTRACTS",
    "L2",
    "L2_METRICS",
    "L2_REJECTS",
    "TICKS",
    "TICK_REJECTS",
    "BuildReport",
    "CheckResult",
    "ColumnDoc",
    "Committed",
    "DatasetContract",
    "DayBuilder",
    "DayPlan",
    "DayResult",
    "Footer",
    "FooterFields",
    "Json",
    "Lake",
    "LocalLake",
    "Missing",
    "Outcome",
    "PartitionWriter",
    "Preview",
    "Severity",
    "SourceChangedError",
    "SourceSlice",
    "StatCache",
    "build_day",
    "fingerprint_of",
    "read",
]
