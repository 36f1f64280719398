"""The lake: contracts, the commit protocol, readers and SQL views.

Belongs here: everything about stored partitions, whatever their content. Does not belong here: sources, calculations,
Dagster.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from .build_day import DayPart, DayResult, build_day
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
from .continuous_series import Adjustment
from .continuous_series import continuous as _continuous
from .contract import ColumnDoc, DatasetContract
from .contracts import CONTRACTS
from .footer import Footer, FooterFields
from .local import Lake, LocalLake
from .reader import Day, Missing
from .stat_cache import StatCache
from .writer import Committed, PartitionWriter

if TYPE_CHECKING:
    import polars as pl


def read(
    dataset: str,
    symbol: str,
    days: Day | tuple[Day, Day],
    columns: Sequence[str] | None = None,
    missing: Missing = "error",
) -> pl.DataFrame:
    """Read from the lake of the current home folder; see :func:`trading_platform.lake.reader.read`.

    Example:
        ``lake.read("ticks", "MNQ", "2025-09-02")``
    Raises:
        ConfigurationError: if there is no home folder; E108 if a day is no date.
        LakeError: E505 damaged file, E507 day without a file, E508 unknown dataset or column.
    """
    from ..home import find_home

    return LocalLake(find_home().lake_dir).read(dataset, symbol, days, columns=columns, missing=missing)


def continuous(
    symbol: str,
    days: Day | tuple[Day, Day],
    *,
    dataset: str = "bars_1m",
    adjust: Adjustment = "none",
    columns: Sequence[str] | None = None,
    missing: Missing = "error",
) -> pl.DataFrame:
    """Read the front contracts of a future as one series, with the rolls and gaps of the current home folder.

    See :func:`trading_platform.lake.continuous_series.continuous`. The series is a view for Python; the SQL views show stored prices.

    Example:
        ``lake.continuous("ES", ("2025-03-03", "2025-06-27"), adjust="difference")``
    Raises:
        ConfigurationError: if there is no home folder; E108 a day is no date; E13x its roll table or ``roll_gaps.csv`` cannot be used.
        LakeError: E505, E507, E508 as :func:`read`; E550 to E553 the series cannot be made.
    """
    from ..home import find_home
    from ..instruments import load_registry, load_roll_table
    from ..instruments.roll_gaps_csv import read_roll_gaps

    home = find_home()
    registry = load_registry(home.instruments_toml)
    rolls = load_roll_table(registry, home.rolls_csv)
    gaps = read_roll_gaps(home.roll_gaps_csv, registry)
    lake = LocalLake(home.lake_dir)
    return _continuous(
        lake, rolls, gaps, symbol, days, dataset=dataset, adjust=adjust, columns=columns, missing=missing
    )


__all__ = [
    "CONTRACTS",
    "Adjustment",
    "BuildReport",
    "CheckResult",
    "ColumnDoc",
    "Committed",
    "DatasetContract",
    "Day",
    "DayBuilder",
    "DayPart",
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
    "continuous",
    "fingerprint_of",
    "read",
]
