"""The stored partitions that regimes are made from.

Belongs here: which datasets feed which kind of instrument, their state, and reading them into observations. Does not belong here: what the
rows mean (``observations.py``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ..errors import QualityError
from ..instruments.model import InstrumentKind
from ..lake.footer import Footer, damaged
from ..lake.reader import read
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


@dataclass(frozen=True, slots=True)
class Partition:
    """One upstream partition as the plan saw it."""

    dataset: str
    content_hash: str
    rows: int

    @classmethod
    def of(cls, footer: Footer) -> Partition:
        """Take what identifies the content."""
        return cls(footer.dataset, footer.content_hash, footer.rows)


def read_observations(lake: Lake, symbol: str, day: date, upstream: str, category: str) -> pl.DataFrame:
    """Read the observations of a trade date.

    Args:
        lake: where the partitions are.
        symbol: of the partitions.
        day: trade date.
        upstream: ``gex_levels`` or ``gex_snapshots``.
        category: of the feed; not looked at for chains.

    Raises:
        LakeError: E505 if a file is damaged, E507 if one is not there.
        QualityError: E499 if the feed has snapshots of other categories only.
    """
    if upstream == LEVELS:
        return observations_of_levels(read(lake, LEVELS, symbol, day, columns=LEVEL_COLUMNS))
    snapshots = read(lake, SNAPSHOTS, symbol, day, columns=SNAPSHOT_COLUMNS)
    there = snapshots["category"].cast(pl.String).unique().sort().to_list()
    if there and category not in there:
        raise QualityError(
            "E499",
            f"{symbol}/{SNAPSHOTS} {day} has no snapshots of {category}, only of {', '.join(there)}",
            "regimes are made from one category of the feed, and its history file of that day was not imported; nothing was written",
            f"tp backfill {symbol}/{SNAPSHOTS} --from {day} --to {day}",
        )
    return observations_of_snapshots(
        snapshots, ladder_of(_strikes(lake.path(STRIKES, symbol, day), category)), category
    )


def _strikes(path: Path, category: str) -> pl.DataFrame:
    """Return ts and gex_vol of one category, row group by row group: a day holds millions of strikes of three categories."""
    tables = []
    try:
        with path.open("rb") as opened, pq.ParquetFile(opened, page_checksum_verification=True) as file:
            schema = file.schema_arrow
            for group in range(file.num_row_groups):
                table = file.read_row_group(group, columns=["category", "ts", "gex_vol"], use_threads=False)
                chosen = pc.equal(table.column("category").cast(pa.string()), category)
                tables.append(table.drop_columns("category").filter(chosen).select(["ts", "gex_vol"]))
    except (pa.ArrowException, OSError) as error:
        raise damaged(path, str(error)) from error
    empty = pa.schema([schema.field("ts"), schema.field("gex_vol")]).empty_table()
    return pl.DataFrame(pl.from_arrow(pa.concat_tables([*tables, empty])))
