"""Build ``gex_levels`` and ``gex_profile`` from the stored chains.

Belongs here: the ``DayBuilder`` of both datasets. Does not belong here: computing (``levels.py``), judgement (``checks.py``), commits
(``trading_platform.lake``), Dagster.

Both datasets come from the chain, so neither waits for the other; one pass computes both kinds of rows in a fraction of a second per
snapshot. A snapshot without a spot or without live series has no levels: it is counted, and the others of the day go on.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any, ClassVar, Final

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from ..errors import QualityError
from ..lake.building import (
    BuildReport,
    CheckResult,
    DayPlan,
    Json,
    Outcome,
    SourceChangedError,
    SourceSlice,
)
from ..lake.contracts import CHAIN, GEX_LEVELS, GEX_PROFILE
from ..lake.footer import damaged
from ..lake.reader import no_such_days
from .checks import LEVEL_CHECKS, PROFILE_CHECKS, check_levels, check_profile, level_facts, profile_facts, totals_error
from .levels import compute_levels
from .pictures import level_lines, profile_points
from .tables import Snapshot, levels_table, profile_table
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


@dataclass(frozen=True, slots=True)
class _Upstream:
    """The chain partition as the plan saw it."""

    content_hash: str
    rows: int


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
        footer = self._lake.footer(CHAIN.name, self.symbol, trade_date)
        common: dict[str, Any] = {
            "trade_date": trade_date,
            "session": session,
            "resolved": {"band_frac": self._band_frac},
            "complete": session.is_final(self._clock.now()),
        }
        if footer is None:
            return self._plan_without_chain(common, session)
        common["synthetic"] = footer.synthetic
        if footer.outcome.is_without_rows:
            return DayPlan(**common, decided=footer.outcome, reason=footer.reason)
        return DayPlan(**common, detail=_Upstream(footer.content_hash, footer.rows))

    def hash_sources(self, plan: DayPlan, *, verify: bool = False) -> tuple[SourceSlice, ...]:  # noqa: ARG002
        """Return the content hash of the chain; it lies in its footer, so ``verify`` has nothing to add."""
        if not isinstance(plan.detail, _Upstream):
            return ()
        return (SourceSlice(f"{self.symbol}/{CHAIN.name}", plan.detail.content_hash),)

    @abstractmethod
    def build(self, plan: DayPlan, writer: PartitionWriter) -> BuildReport:
        """Compute the rows of every snapshot."""

    @abstractmethod
    def check(self, facts: Mapping[str, Json], session: Session) -> tuple[CheckResult, ...]:
        """Judge a day by its facts."""

    @abstractmethod
    def measure(self, trade_date: date) -> Mapping[str, Json]:
        """Recompute the facts from the stored rows and the stored chain."""

    def _plan_without_chain(self, common: dict[str, Any], session: Session) -> DayPlan:
        """Decide a day whose chain is not in the lake."""
        day = session.trade_date.isoformat()
        if not session.is_open:
            return DayPlan(**common, decided=Outcome.CLOSED, reason=session.reason or "no session on this date")
        if session.opens_at is not None and self._clock.now() < session.opens_at:
            reason = f"the session of {day} opens at {session.opens_at:%Y-%m-%d %H:%M} UTC"
            error = QualityError(
                "E484",
                f"{self.symbol} {day} has no gamma levels yet: {reason}",
                "a session without a chain that has not begun is asked again later; nothing was written",
                self._again(day),
            )
            return DayPlan(**common, decided=Outcome.PENDING, reason=reason, error=error)
        error = chain_missing(self.symbol, session.trade_date)
        return DayPlan(**common, decided=Outcome.MISSING, reason=error.what, error=error)

    def _chains(self, trade_date: date) -> Iterator[pl.DataFrame]:
        """Yield the stored snapshots of a day, one chain of one source at a time, in the order of the partition."""
        path = self._lake.path(CHAIN.name, self.symbol, trade_date)
        rest: pl.DataFrame | None = None
        try:
            with pq.ParquetFile(path, page_checksum_verification=True) as file:
                for group in range(file.num_row_groups):
                    rows = pl.DataFrame(pl.from_arrow(file.read_row_group(group, use_threads=False)))
                    # Every row group may have its own dictionaries; text is what they have in common.
                    rows = rows.with_columns(pl.col(pl.Categorical).cast(pl.String))
                    rows = rows if rest is None else pl.concat([rest, rows])
                    *whole, rest = rows.partition_by(_SAME, maintain_order=True)
                    yield from whole
        except FileNotFoundError as error:
            raise chain_missing(self.symbol, trade_date) from error
        except (pa.ArrowException, OSError) as error:
            raise damaged(path, str(error)) from error
        if rest is not None:
            yield rest

    def _snapshots(self, trade_date: date, unusable: dict[str, int]) -> Iterator[tuple[Snapshot, pl.DataFrame]]:
        """Yield the levels and the chain of every snapshot; those without levels are counted by error code.

        Raises:
            QualityError: E481 or E482 if no snapshot of the day has levels, E485 or E486 for a chain that breaks its contract.
        """
        first: QualityError | None = None
        usable = 0
        for chain in self._chains(trade_date):
            observed_at, source = chain["observed_at"][0], chain["source"][0]
            name = f"{self.symbol}/{CHAIN.name} of {observed_at:%Y-%m-%d %H:%M:%S} UTC ({source})"
            try:
                levels = compute_levels(chain, band_frac=self._band_frac, name=name)
            except QualityError as error:
                if error.code not in UNUSABLE:
                    raise
                first = first or error
                unusable[error.code] = unusable.get(error.code, 0) + 1
                continue
            usable += 1
            yield Snapshot(levels, source, chain["market_date"][0], bool(chain["is_repeat"][0])), chain
        if first is not None and usable == 0:
            raise QualityError(first.code, first.what, first.why, self._repair(trade_date.isoformat()))

    def _unchanged(self, plan: DayPlan) -> None:
        """Refuse a chain other than the planned one: the fingerprint names the planned content.

        The footer is read after the rows, so a replacement at any moment since the plan is seen.
        """
        footer = self._lake.footer(CHAIN.name, self.symbol, plan.trade_date)
        if footer is None or footer.content_hash != plan.detail.content_hash:
            day = plan.trade_date.isoformat()
            raise ChainReplacedError(
                "E483",
                f"{self.symbol}/{CHAIN.name} {day} was replaced while its gamma levels were being made",
                "another run rebuilt the chain; the levels on disk are the old ones",
                self._again(day),
            )

    def _stored(self, trade_date: date) -> tuple[pl.DataFrame, Footer]:
        """Return the stored rows and the footer.

        Raises:
            LakeError: E505 if the file is damaged, E507 if it is not there.
        """
        footer = self._lake.footer(self.contract.name, self.symbol, trade_date)
        if footer is None:
            raise no_such_days(self.contract.name, self.symbol, [trade_date])
        return self._lake.read(self.contract.name, self.symbol, trade_date).drop("symbol", "trade_date"), footer

    def _again(self, day: str) -> str:
        return f"tp backfill {self.symbol}/{self.contract.name} --from {day} --to {day}"

    def _repair(self, day: str) -> str:
        return f"tp backfill {self.symbol}/{CHAIN.name} --from {day} --to {day} --force"


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
        tables, largest_error = [], 0.0
        for snapshot, chain in self._snapshots(plan.trade_date, unusable):
            tables.append(levels_table([snapshot]))
            largest_error = max(largest_error, totals_error(snapshot.levels, chain))
        self._unchanged(plan)
        table = pa.concat_tables(tables).unify_dictionaries() if tables else GEX_LEVELS.empty().to_arrow()
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
            QualityError: E480 if the chain is gone.
            LakeError: E505 if a file is damaged, E507 if the levels are not there.
        """
        rows, footer = self._stored(trade_date)
        if footer.outcome.is_without_rows:
            return {}
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
        snapshots = [snapshot for snapshot, _ in self._snapshots(plan.trade_date, unusable)]
        self._unchanged(plan)
        table = profile_table(snapshots)
        if table.num_rows:
            writer.append(table)
        facts = profile_facts(_frame(table), unusable)
        if snapshots:
            facts["picture"] = profile_points(snapshots[-1].levels)
        return BuildReport(self.hash_sources(plan), facts)

    def check(self, facts: Mapping[str, Json], session: Session) -> tuple[CheckResult, ...]:  # noqa: ARG002
        """Judge a day by its facts."""
        return check_profile(facts)

    def measure(self, trade_date: date) -> Mapping[str, Json]:
        """Recompute the facts from the stored rows; unusable snapshots and the picture are those of the footer.

        Raises:
            LakeError: E505 if the file is damaged, E507 if it is not there.
        """
        rows, footer = self._stored(trade_date)
        if footer.outcome.is_without_rows:
            return {}
        unusable: Any = footer.facts.get("unusable_snapshots", {})
        kept = {name: footer.facts[name] for name in ("picture",) if name in footer.facts}
        return {**profile_facts(rows, unusable), **kept}


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
