"""The dataset ``<UND>/gex_snapshots``: one row per snapshot and category of a day.

Belongs here: ``GexSnapshotsBuilder``. Does not belong here: the choice of files (``builder.py``), walls (``walls.py``), checks
(``snapshot_checks.py``).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pyarrow as pa

from ..instants import us_of
from ..lake import BuildReport, CheckResult, DatasetContract, DayPlan, Json, Preview, SourceSlice
from ..lake.contracts import GEX_SNAPSHOTS
from ..lake.reader import row_groups
from ..sessions import Session
from .acceptance import Acceptance
from .archive import FeedFile
from .builder import DayFiles, FeedBuilder, files_of, source_facts
from .columns import GEX_VOL, SCALARS, STRIKE, Floats, Ints, SnapshotColumns
from .grid import ladder_grids
from .snapshot_checks import CHECKS, FACT_COLUMNS, check_snapshots, snapshot_facts
from .tables import reject_table, snapshot_table
from .walls import WALL_COLUMNS, change_15s, wall_candidates

if TYPE_CHECKING:
    from ..lake import PartitionWriter

_SOURCE_FACTS = (
    "categories",
    "elements",
    "refused",
    "out_of_order",
    "bytes_read",
    "bytes_refused",
    "files",
    "copies",
    "files_of_closed_days",
)
_LADDER_COLUMNS = (*WALL_COLUMNS, "grid_step", "grid_offset", "strikes_n")


class GexSnapshotsBuilder(FeedBuilder):
    """Builds any day of ``<UND>/gex_snapshots``; arguments as :class:`FeedBuilder`.

    Attributes:
        CODE_VERSION: version of the transformation, for asset definitions.
        CHECKS: names of the checks and what they demand.
    """

    CODE_VERSION: ClassVar[str] = "1"
    CHECKS: ClassVar[Mapping[str, str]] = CHECKS

    @property
    def contract(self) -> DatasetContract:
        """Return the contract of the dataset."""
        return GEX_SNAPSHOTS

    @property
    def code_version(self) -> str:
        """Return the version of the transformation."""
        return self.CODE_VERSION

    def build(self, plan: DayPlan, writer: PartitionWriter) -> BuildReport:
        """Read each file once; its snapshots are kept as columns, about 10 MB for a day, and sorted by time.

        Raises:
            SourceError: E260 to E262, E270 to E272: a file cannot be used.
            SourceChangedError: E268 a file changed while it was read.
        """
        day, session = files_of(plan), plan.session
        judges: dict[str, Acceptance] = {}
        sources: list[SourceSlice] = []
        tables = []
        for one in day.files:
            judge, table = self._category(one, day, session, sources, writer)
            judges[one.name.category] = judge
            tables.append(table)
        stored = pa.concat_tables(tables)
        facts = snapshot_facts(fact_columns(stored), session)
        facts |= source_facts(judges) | day.facts()
        rejected: dict[str, int] = {}
        for judge in judges.values():
            for reason, number in judge.rejected.items():
                rejected[reason] = rejected.get(reason, 0) + number
        return BuildReport(tuple(sources), facts, dict(sorted(rejected.items())), preview_of(tables[0], session))

    def check(self, facts: Mapping[str, Json], session: Session) -> tuple[CheckResult, ...]:
        """Judge a day by its facts; the clock only decides whether silence before the close means anything yet."""
        over = session.is_final(self._clock.now())
        return check_snapshots(facts, price_band=self._instrument.price_band, session_over=over)

    def measure(self, trade_date: date) -> Mapping[str, Json]:
        """Recompute the facts from the stored file; what only the history files know is taken from its footer.

        Returns:
            Empty if the day has no file or no rows.

        Raises:
            LakeError: E505 if the stored file is damaged.
        """
        footer = self._lake.footer(GEX_SNAPSHOTS.name, self.symbol, trade_date)
        if footer is None or not footer.facts:
            return {}
        parts = list(row_groups(self._lake, GEX_SNAPSHOTS.name, self.symbol, trade_date, FACT_COLUMNS))
        table = pa.concat_tables(parts) if parts else GEX_SNAPSHOTS.arrow_schema.empty_table()
        facts = snapshot_facts(fact_columns(table), self._calendar.session(trade_date))
        return {**facts, **{name: footer.facts.get(name) for name in _SOURCE_FACTS}}

    def _category(
        self, one: FeedFile, day: DayFiles, session: Session, sources: list[SourceSlice], writer: PartitionWriter
    ) -> tuple[Acceptance, pa.Table]:
        judge, batches = self._snapshots(one, day, session, sources)
        rows = _Rows()
        for columns, refusals in batches:
            if refusals:
                writer.reject(reject_table(refusals, one.name.category))
            rows.add(columns)
        timestamp_s, found = rows.by_time()
        delta, slope = change_15s(timestamp_s, found["sum_gex_vol"])
        found |= {"gex_delta_15s": delta, "gex_slope_15s_per_s": slope}
        table = snapshot_table(found, timestamp_s, one.name.category, self.symbol)
        if table.num_rows:
            writer.append(table)
        return judge, table


class _Rows:
    """Gathers the columns of a category.

    In blocks of a megabyte, because the many small arrays of a day would stay in the memory of the process as holes.
    """

    _BLOCK_ROWS: ClassVar[int] = 4_096

    def __init__(self) -> None:
        self._blocks: list[Floats] = []
        self._filled = self._BLOCK_ROWS

    def add(self, columns: SnapshotColumns) -> None:
        """Add snapshots and what is kept of their ladders; epoch seconds are exact as floats."""
        if not len(columns):
            return
        new = np.column_stack([columns.timestamp_s, columns.scalars, _from_ladders(columns)])
        while len(new):
            if self._filled == self._BLOCK_ROWS:
                self._blocks.append(np.empty((self._BLOCK_ROWS, new.shape[1])))
                self._filled = 0
            take = min(len(new), self._BLOCK_ROWS - self._filled)
            self._blocks[-1][self._filled : self._filled + take] = new[:take]
            self._filled += take
            new = new[take:]

    def by_time(self) -> tuple[Ints, dict[str, Floats]]:
        """Return epoch seconds and the other columns by name, in ascending time; the rows are handed over."""
        names = (*SCALARS, *_LADDER_COLUMNS)
        if not self._blocks:
            return np.zeros(0, np.int64), {name: np.zeros(0) for name in names}
        self._blocks[-1] = self._blocks[-1][: self._filled]
        values = np.concatenate(self._blocks)
        self._blocks.clear()
        timestamp_s = values[:, 0].astype(np.int64)
        if (timestamp_s[1:] < timestamp_s[:-1]).any():
            order = np.argsort(timestamp_s, kind="stable")
            timestamp_s, values = timestamp_s[order], values[order]
        return timestamp_s, dict(zip(names, values.T[1:], strict=True))


def _from_ladders(columns: SnapshotColumns) -> Floats:
    """Return what is kept of the ladders: float64[n, len(_LADDER_COLUMNS)]."""
    strike, gex_vol = np.ascontiguousarray(columns.ladder[:, STRIKE]), np.ascontiguousarray(columns.ladder[:, GEX_VOL])
    walls = wall_candidates(
        strike,
        gex_vol,
        columns.counts,
        columns.scalar("major_pos_vol_strike"),
        columns.scalar("major_neg_vol_strike"),
    )
    step, offset = ladder_grids(strike, columns.counts)
    number = np.where(columns.has_ladder, columns.counts.astype(np.float64), np.nan)
    return np.column_stack([*(walls[name] for name in WALL_COLUMNS), step, offset, number])


def fact_columns(table: pa.Table) -> dict[str, np.ndarray[Any, Any]]:
    """Return the columns that facts are made of as arrays: ``ts`` as epoch seconds, missing numbers as NaN."""
    columns = {name: table.column(name).to_numpy() for name in FACT_COLUMNS if name not in {"ts", "category"}}
    columns["ts"] = table.column("ts").to_numpy().astype("datetime64[s]").astype(np.int64)
    columns["category"] = np.asarray(table.column("category").cast(pa.string()).to_numpy(zero_copy_only=False), np.str_)
    return columns


def preview_of(table: pa.Table, session: Session) -> Preview | None:
    """Return last spot and number of snapshots in equal buckets over the trading hours, None without rows.

    Args:
        table: rows of one category in ascending time.
        session: the day.
    """
    if table.num_rows == 0 or session.opens_at is None or session.closes_at is None:
        return None
    at_us = table.column("ts").cast(pa.int64()).to_numpy()
    span_us = us_of(session.opens_at), us_of(session.closes_at)
    return Preview.of_rows(span_us, at_us, table.column("spot").to_numpy(), np.ones(table.num_rows, np.int64))
