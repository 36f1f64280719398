"""Build ``gex_levels`` and ``gex_profile`` from the stored chains.

Belongs here: the ``DayBuilder`` of both datasets. Does not belong here: computing (``levels.py``), judgement (``checks.py``), commits
(``trading_platform.lake``), Dagster.

Both datasets come from the chain, so neither waits for the other; each computes a snapshot in a fraction of a second and keeps only its
rows. A snapshot without a spot or without live series has no levels: it is counted, and the others of the day go on.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from datetime import date
from typing import TYPE_CHECKING, Any, ClassVar, Final

import polars as pl
import pyarrow as pa

from ..chains.stored import stored_snapshots
from ..errors import QualityError
from ..lake.building import BuildReport, CheckResult, DayPlan, Json, SourceChangedError, SourceSlice
from ..lake.contracts import CHAIN, GEX_LEVELS, GEX_PROFILE
from ..lake.reader import no_such_days
from ..lake.upstream import UpstreamDay, plan_from, plan_without, sources_of
from .checks import LEVEL_CHECKS, PROFILE_CHECKS, ProfileFacts, check_levels, check_profile, level_facts, totals_error
from .levels import compute_levels
from .lines import NEEDED_COLUMNS
from .pictures import level_lines, profile_points
from .tables import Snapshot, levels_row, levels_table, profile_table
from .walls import BAND_FRAC

if TYPE_CHECKING:
    from ..clock import Clock
    from ..lake import Lake
    from ..lake.contract import DatasetContract
    from ..lake.footer import Footer
    from ..lake.writer import PartitionWriter
    from ..sessions import Session, TradingCalendar

CODE_VERSION: Final = "1"
UNUSABLE: Final = ("E481", "E482")
_SAME: Final = ["observed_at", "source"]
# A chain has columns that no level needs, and a day of it is large.
_CHAIN_COLUMNS: Final = (*NEEDED_COLUMNS, "source", "market_date", "is_repeat")


class ChainReplacedError(SourceChangedError):
    """The chain was rebuilt between plan and build (E483); ``build_day`` plans once more."""

    family = "E4"


class _ChainDayBuilder(ABC):
    """What both builders share: the plan of a day and its snapshots one by one.

    Args:
        symbol: the underlying, e.g. ``SPX``.
        lake: where the chain is and the rows go.
        calendar: the underlying's trading calendar.
        clock: tells whether a session has begun and whether it is final.
        band_frac: half width of the band of ``call_wall_band`` and ``put_wall_band``, a fraction of spot.
    """

    CODE_VERSION: ClassVar[str] = CODE_VERSION
    CHECKS: ClassVar[Mapping[str, str]]

    def __init__(
        self, symbol: str, lake: Lake, calendar: TradingCalendar, clock: Clock, *, band_frac: float = BAND_FRAC
    ) -> None:
        self._symbol = symbol
        self._lake = lake
        self._calendar = calendar
        self._clock = clock
        self._band_frac = band_frac

    @property
    @abstractmethod
    def contract(self) -> DatasetContract:
        """Return the contract of the dataset."""

    @property
    def symbol(self) -> str:
        """Return the underlying, the first part of the asset key."""
        return self._symbol

    @property
    def code_version(self) -> str:
        """Return the version of the transformation."""
        return self.CODE_VERSION

    def plan(self, trade_date: date) -> DayPlan:
        """Resolve a day from the footer of its chain.

        Returns:
            CLOSED without a session; PENDING (E484) or MISSING (E480) without a chain; the outcome of a chain without rows; otherwise
            undecided.
        """
        session = self._calendar.session(trade_date)
        now = self._clock.now()
        footer = self._lake.footer(CHAIN.name, self.symbol, trade_date)
        common: dict[str, Any] = {
            "trade_date": trade_date,
            "session": session,
            "resolved": {"band_frac": self._band_frac},
            "complete": session.is_final(now),
        }
        if footer is None:
            missing = chain_missing(self.symbol, trade_date)
            key = f"{self.symbol}/{self.contract.name}"
            return plan_without(common, now, missing, pending="E484", key=key, made="gamma levels", source="a chain")
        return plan_from(common, f"{self.symbol}/{CHAIN.name}", footer)

    def hash_sources(self, plan: DayPlan, *, verify: bool = False) -> tuple[SourceSlice, ...]:  # noqa: ARG002
        """Return the content hash of the chain; it lies in its footer, so ``verify`` has nothing to add."""
        return sources_of(plan)

    @abstractmethod
    def build(self, plan: DayPlan, writer: PartitionWriter) -> BuildReport:
        """Compute the rows of every snapshot."""

    @abstractmethod
    def check(self, facts: Mapping[str, Json], session: Session) -> tuple[CheckResult, ...]:
        """Judge a day by its facts."""

    @abstractmethod
    def measure(self, trade_date: date) -> Mapping[str, Json]:
        """Recompute the facts from the stored rows and the stored chain."""

    def _snapshots(self, trade_date: date, unusable: dict[str, int]) -> Iterator[tuple[Snapshot, pl.DataFrame]]:
        """Yield the levels and the chain of every snapshot; those without levels are counted by error code.

        Raises:
            QualityError: E481 or E482 if no snapshot of the day has levels, E485 or E486 for a chain that breaks its contract.
            LakeError: E505 if the chain is damaged, E507 if it is gone.
        """
        first: QualityError | None = None
        usable = 0
        for chain in stored_snapshots(self._lake, CHAIN.name, self.symbol, trade_date, _CHAIN_COLUMNS, by=_SAME):
            observed_at, source = chain["observed_at"][0], chain["source"][0]
            name = f"{self.symbol}/{CHAIN.name} of {observed_at:%Y-%m-%d %H:%M:%S} UTC ({source})"
            try:
                levels = compute_levels(
                    chain, band_frac=self._band_frac, name=name, next_command=self._look(trade_date)
                )
            except QualityError as error:
                if error.code not in UNUSABLE:
                    raise
                first = first or error
                unusable[error.code] = unusable.get(error.code, 0) + 1
                continue
            usable += 1
            yield Snapshot(levels, source, chain["market_date"][0], bool(chain["is_repeat"][0])), chain
        if first is not None and usable == 0:
            raise first

    def _unchanged(self, plan: DayPlan) -> None:
        """Refuse a chain other than the planned one: the fingerprint names the planned content.

        The footer is read after the rows, so a replacement at any moment since the plan is seen.
        """
        upstream: UpstreamDay = plan.detail
        footer = self._lake.footer(CHAIN.name, self.symbol, plan.trade_date)
        if not upstream.is_still(footer, upstream.rows):
            day = plan.trade_date.isoformat()
            raise ChainReplacedError(
                "E483",
                f"{self.symbol}/{CHAIN.name} {day} was replaced while its gamma levels were being made",
                "another run rebuilt the chain; the levels on disk are the old ones",
                self._again(day),
            )

    def _footer(self, trade_date: date) -> Footer:
        """Return the footer of the stored rows.

        Raises:
            LakeError: E505 if the file is damaged, E507 if it is not there.
        """
        footer = self._lake.footer(self.contract.name, self.symbol, trade_date)
        if footer is None:
            raise no_such_days(self.contract.name, self.symbol, [trade_date])
        return footer

    def _again(self, day: str) -> str:
        return f"tp backfill {self.symbol}/{self.contract.name} --from {day} --to {day}"

    def _look(self, trade_date: date) -> str:
        """Return the command that shows what the stored snapshots of a day have and lack."""
        columns = "observed_at, source, spot, max(settlement_at) as last_settlement"
        which = f"symbol = '{self.symbol}' and trade_date = '{trade_date}'"
        return f'tp sql "select {columns} from chain where {which} group by all order by all"'  # noqa: S608 - a text for a person


class GexLevelsBuilder(_ChainDayBuilder):
    """Gamma levels of one underlying, day by day: one row per snapshot of its chain.

    Attributes:
        CODE_VERSION: version of the transformation, for asset definitions.
        CHECKS: names of the checks and what they demand.
    """

    CHECKS: ClassVar[Mapping[str, str]] = LEVEL_CHECKS

    @property
    def contract(self) -> DatasetContract:
        """Return the contract of ``gex_levels``."""
        return GEX_LEVELS

    def build(self, plan: DayPlan, writer: PartitionWriter) -> BuildReport:
        """Compute the levels of every snapshot and hand them over.

        Raises:
            QualityError: E481, E482 if no snapshot has levels, E483 if the chain was replaced since the plan, E485, E486.
            LakeError: E505 if the chain is damaged.
        """
        unusable: dict[str, int] = {}
        found, largest_error = [], 0.0
        for snapshot, chain in self._snapshots(plan.trade_date, unusable):
            # A row, not a table of one row: that takes fifty times the memory.
            found.append(levels_row(snapshot))
            largest_error = max(largest_error, totals_error(snapshot.levels, chain))
        self._unchanged(plan)
        table = levels_table(found)
        if table.num_rows:
            writer.append(table)
        rows = _frame(table)
        return BuildReport(
            self.hash_sources(plan), level_facts(rows, largest_error, unusable), preview=level_lines(rows, plan.session)
        )

    def check(self, facts: Mapping[str, Json], session: Session) -> tuple[CheckResult, ...]:  # noqa: ARG002
        """Judge a day by its facts."""
        return check_levels(facts)

    def measure(self, trade_date: date) -> Mapping[str, Json]:
        """Recompute the facts from the stored rows and the stored chain.

        Raises:
            LakeError: E505 if a file is damaged, E507 if levels or chain are not there.
        """
        if self._footer(trade_date).outcome.is_without_rows:
            return {}
        rows = self._lake.read(self.contract.name, self.symbol, trade_date).drop("symbol", "trade_date")
        unusable: dict[str, int] = {}
        largest_error = 0.0
        for snapshot, chain in self._snapshots(trade_date, unusable):
            largest_error = max(largest_error, totals_error(snapshot.levels, chain))
        return level_facts(rows, largest_error, unusable)


class GexProfileBuilder(_ChainDayBuilder):
    """Gamma exposure by strike, level and expiry of one underlying, day by day.

    Attributes:
        CODE_VERSION: version of the transformation, for asset definitions.
        CHECKS: names of the checks and what they demand.
    """

    CHECKS: ClassVar[Mapping[str, str]] = PROFILE_CHECKS

    @property
    def contract(self) -> DatasetContract:
        """Return the contract of ``gex_profile``."""
        return GEX_PROFILE

    def build(self, plan: DayPlan, writer: PartitionWriter) -> BuildReport:
        """Compute the profile of every snapshot and hand its rows over.

        Raises:
            QualityError: E481, E482 if no snapshot has levels, E483 if the chain was replaced since the plan, E485, E486.
            LakeError: E505 if the chain is damaged.
        """
        unusable: dict[str, int] = {}
        counted = ProfileFacts()
        picture: dict[str, Json] = {}
        for snapshot, _ in self._snapshots(plan.trade_date, unusable):
            table = profile_table(snapshot, counted.rows)
            counted.add(_frame(table))
            writer.append(table)
            picture = {"picture": profile_points(snapshot.levels)}
        self._unchanged(plan)
        return BuildReport(self.hash_sources(plan), {**counted.facts(unusable), **picture})

    def check(self, facts: Mapping[str, Json], session: Session) -> tuple[CheckResult, ...]:  # noqa: ARG002
        """Judge a day by its facts."""
        return check_profile(facts)

    def measure(self, trade_date: date) -> Mapping[str, Json]:
        """Recompute the facts from the stored rows; unusable snapshots and the picture are those of the footer.

        Raises:
            LakeError: E505 if the file is damaged, E507 if it is not there.
        """
        footer = self._footer(trade_date)
        if footer.outcome.is_without_rows:
            return {}
        unusable: Any = footer.facts.get("unusable_snapshots", {})
        kept = {name: footer.facts[name] for name in ("picture",) if name in footer.facts}
        counted = ProfileFacts()
        for rows in stored_snapshots(self._lake, self.contract.name, self.symbol, trade_date, by=_SAME):
            counted.add(rows)
        return {**counted.facts(unusable), **kept}


def chain_missing(symbol: str, trade_date: date) -> QualityError:
    """Return the error for a chain that is not in the lake."""
    return QualityError(
        "E480",
        f"upstream {symbol}/{CHAIN.name} {trade_date} is not there",
        "gamma levels are made from stored chains, and that partition was never built or its build failed; nothing was written",
        f"tp backfill {symbol}/{CHAIN.name} --from {trade_date} --to {trade_date}",
    )


def _frame(table: pa.Table) -> pl.DataFrame:
    return pl.DataFrame(pl.from_arrow(table))
