"""The stored partitions that regimes are made from.

Belongs here: which datasets feed which kind of instrument, and reading them into observations. Does not belong here: what the
rows mean (``observations.py``).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from ..gexfeed.categories import category_missing
from ..instruments.model import InstrumentKind
from ..lake.contracts import GEX_STRIKES
from ..lake.reader import read, row_groups
from .observations import LEVEL_COLUMNS, SNAPSHOT_COLUMNS, ladder_of, observations_of_levels, observations_of_snapshots

if TYPE_CHECKING:
    from ..instruments import Instrument
    from ..lake import Lake

LEVELS: Final = "gex_levels"
SNAPSHOTS: Final = "gex_snapshots"
STRIKES: Final = "gex_strikes"
DATASETS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType({LEVELS: (LEVELS,), SNAPSHOTS: (SNAPSHOTS, STRIKES)})
"""Upstream -> the datasets whose partitions of the day are read."""


def upstream_of(instrument: Instrument) -> str:
    """Return ``gex_snapshots`` for a vendor series, ``gex_levels`` for everything with an option chain of its own."""
    return SNAPSHOTS if instrument.kind is InstrumentKind.VENDOR_SERIES else LEVELS


def read_observations(
    lake: Lake, symbol: str, day: date, upstream: str, category: str, max_oi_dropped_pct: float
) -> pl.DataFrame:
    """Read the observations of a trade date.

    Args:
        lake: where the partitions are.
        symbol: of the partitions.
        day: trade date.
        upstream: ``gex_levels`` or ``gex_snapshots``.
        category: of the feed; not looked at for chains.
        max_oi_dropped_pct: of chains; see ``observations_of_levels``.

    Raises:
        LakeError: E505 if a file is damaged, E507 if one is not there.
        QualityError: E499 if the feed has snapshots of other categories only.
    """
    if upstream == LEVELS:
        return observations_of_levels(read(lake, LEVELS, symbol, day, columns=LEVEL_COLUMNS), max_oi_dropped_pct)
    snapshots = read(lake, SNAPSHOTS, symbol, day, columns=SNAPSHOT_COLUMNS)
    there = snapshots["category"].cast(pl.String).unique().sort().to_list()
    if there and category not in there:
        raise category_missing(symbol, day, category, there, "regimes")
    return observations_of_snapshots(snapshots, ladder_of(_strikes(lake, symbol, day, category)), category)


def _strikes(lake: Lake, symbol: str, day: date, category: str) -> pl.DataFrame:
    """Return ts and gex_vol of one category, row group by row group: a day holds millions of strikes of three categories."""
    chosen = []
    for table in row_groups(lake, STRIKES, symbol, day, ["category", "ts", "gex_vol"]):
        of_category = pc.equal(table.column("category").cast(pa.string()), category)
        chosen.append(table.select(["ts", "gex_vol"]).filter(of_category))
    if not chosen:
        return GEX_STRIKES.empty().select("ts", "gex_vol")
    return pl.DataFrame(pl.from_arrow(pa.concat_tables(chosen)))
