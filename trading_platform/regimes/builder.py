"""Build the dataset ``gex_regimes`` from stored gamma levels or feed snapshots.

Belongs here: the ``DayBuilder``. Does not belong here: the regimes (``regimes.py``), judgement (``checks.py``), commits
(``trading_platform.lake``), Dagster.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import TYPE_CHECKING, Any, ClassVar, Final

import numpy as np
import polars as pl
import pyarrow as pa

from ..errors import LakeError, QualityError
from ..instants import us_of
from ..lake.building import (
    BuildReport,
    CheckResult,
    DayPlan,
    Json,
    Preview,
    SourceChangedError,
    SourceSlice,
)
from ..lake.contracts import GEX_REGIMES
from ..lake.reader import read
from ..lake.upstream import UpstreamDay, plan_without
from ..sessions import trading_spans
from .checks import CHECKS, check_facts, regime_facts
from .parameters import RegimeParameters
from .regimes import regimes_of
from .upstream import DATASETS, SNAPSHOTS, read_observations

if TYPE_CHECKING:
    from ..clock import Clock
    from ..instruments import Instrument
    from ..lake import Lake
    from ..lake.contract import DatasetContract
    from ..lake.writer import PartitionWriter
    from ..sessions import Session, TradingCalendar

CODE_VERSION: Final = "1"


class GexReplacedError(SourceChangedError):
    """The upstream was rebuilt between plan and build (E498); ``build_day`` plans once more."""

    family = "E4"


class GexRegimesBuilder:
    """Regimes of one underlying, day by day.

    Args:
        instrument: an index or share with option chains, or a vendor series.
        lake: where the gamma levels are and the regimes go.
        calendar: sessions of the instrument.
        clock: tells whether a session has begun and whether it is final.
        parameters: of this symbol, from ``load_parameters``.
        upstream: ``gex_levels`` or ``gex_snapshots``; ``upstream_of`` gives the usual one.
        category: of the feed; not looked at for ``gex_levels``.

    Attributes:
        CODE_VERSION: version of the transformation, for asset definitions.
        CHECKS: names of the checks and what they demand.
    """

    CODE_VERSION: ClassVar[str] = CODE_VERSION
    CHECKS: ClassVar[Mapping[str, str]] = CHECKS

    def __init__(
        self,
        instrument: Instrument,
        lake: Lake,
        calendar: TradingCalendar,
        clock: Clock,
        parameters: RegimeParameters,
        upstream: str,
        category: str = "gex_full",
    ) -> None:
        if upstream not in DATASETS:
            raise ValueError(f"Expected an upstream of {', '.join(DATASETS)}, was {upstream!r}")
        self._instrument = instrument
        self._lake = lake
        self._calendar = calendar
        self._clock = clock
        self._parameters = parameters
        self._upstream = upstream
        self._category = category

    @property
    def contract(self) -> DatasetContract:
        """Return the contract of ``gex_regimes``."""
        return GEX_REGIMES

    @property
    def symbol(self) -> str:
        """Return the symbol of the underlying."""
        return self._instrument.symbol

    @property
    def code_version(self) -> str:
        """Return the version of the transformation."""
        return CODE_VERSION

    @property
    def upstream_datasets(self) -> tuple[str, ...]:
        """Return the datasets that a day is made from."""
        return DATASETS[self._upstream]

    def plan(self, trade_date: date) -> DayPlan:
        """Resolve a day from the footers of its upstream."""
        session = self._calendar.session(trade_date)
        footers = {name: self._lake.footer(name, self.symbol, trade_date) for name in self.upstream_datasets}
        found = [footer for footer in footers.values() if footer is not None]
        resolved: dict[str, Json] = {"upstream": self._upstream, "parameters": self._parameters.resolved()}
        if self._upstream == SNAPSHOTS:
            resolved["category"] = self._category
        common: dict[str, Any] = {
            "trade_date": trade_date,
            "session": session,
            "resolved": resolved,
            "complete": session.is_final(self._clock.now()),
            "synthetic": any(footer.synthetic for footer in found),
        }
        main = footers[self._upstream]
        if main is not None and main.outcome.is_without_rows:
            return DayPlan(**common, decided=main.outcome, reason=main.reason)
        absent = [name for name, footer in footers.items() if footer is None]
        if absent:
            missing, key = self._missing(absent[0], trade_date), f"{self.symbol}/{GEX_REGIMES.name}"
            now = self._clock.now()
            return plan_without(common, now, missing, pending="E497", key=key, made="regimes", source="gamma data")
        planned = (
            UpstreamDay(f"{self.symbol}/{footer.dataset}", footer.content_hash, footer.rows, footer.facts)
            for footer in found
        )
        return DayPlan(**common, detail=tuple(planned))

    def hash_sources(self, plan: DayPlan, *, verify: bool = False) -> tuple[SourceSlice, ...]:  # noqa: ARG002
        """Return the content hashes of the upstream; they lie in its footers, so ``verify`` has nothing to add."""
        planned: tuple[UpstreamDay, ...] = plan.detail or ()
        return tuple(SourceSlice(one.name, one.content_hash) for one in planned)

    def build(self, plan: DayPlan, writer: PartitionWriter) -> BuildReport:
        """Make the regimes of the day and hand them over.

        Raises:
            QualityError: E496 if the upstream is gone, E498 if it was replaced since the plan, E499 if the category is not in it.
            LakeError: E505 if a file is damaged.
        """
        day, spans = plan.trade_date, trading_spans(plan.session)
        observations = self._observations(day)
        self._check_unchanged(plan.detail, day)
        rows = regimes_of(observations, spans, self._parameters)
        if rows.height:
            writer.append(_table(rows))
        # Half of the day made without the other half must give the same rows: no row may know what came after it.
        earlier = observations.filter(pl.col("ts") <= observations["ts"].median())
        again = regimes_of(earlier, spans, self._parameters)
        same = rows.filter(pl.col("ts") <= observations["ts"].median())
        facts = self._facts(rows, observations.height, plan.session, _differences(again, same))
        return BuildReport(sources=self.hash_sources(plan), facts=facts, preview=preview_of(rows, _whole(plan.session)))

    def check(self, facts: Mapping[str, Json], session: Session) -> tuple[CheckResult, ...]:  # noqa: ARG002
        """Judge a day by its facts."""
        return check_facts(facts)

    def measure(self, trade_date: date) -> Mapping[str, Json]:
        """Recompute the facts from the stored rows, and the rows from the stored upstream.

        Raises:
            QualityError: E496 if the upstream is gone.
            LakeError: E505 if a file is damaged, E507 if the regimes are not there.
        """
        session = self._calendar.session(trade_date)
        rows = read(self._lake, GEX_REGIMES.name, self.symbol, trade_date, columns=GEX_REGIMES.arrow_schema.names)
        rows = rows.drop("symbol", "trade_date")
        if rows.is_empty():
            return self._facts(rows, 0, session, 0)
        observations = self._observations(trade_date)
        again = regimes_of(observations, trading_spans(session), self._parameters)
        return self._facts(rows, observations.height, session, _differences(again, rows))

    def _facts(self, rows: pl.DataFrame, observations: int, session: Session, differences: int) -> dict[str, Json]:
        return regime_facts(rows, observations, _whole(session), self._parameters, differences)

    def _observations(self, day: date) -> pl.DataFrame:
        try:
            limit = self._parameters.max_oi_dropped_pct
            return read_observations(self._lake, self.symbol, day, self._upstream, self._category, limit)
        except LakeError as error:
            if error.code != "E507":
                raise
            raise self._missing(self._upstream, day) from error

    def _check_unchanged(self, planned: tuple[UpstreamDay, ...], day: date) -> None:
        """Refuse an upstream other than the planned one: the fingerprint names the planned content.

        The footers are read after the rows, so a replacement at any moment since the plan is seen.
        """
        now = [self._lake.footer(name, self.symbol, day) for name in self.upstream_datasets]
        if not all(one.is_still(footer, one.rows) for footer, one in zip(now, planned, strict=True)):
            raise GexReplacedError(
                "E498",
                f"{self.symbol}/{self._upstream} {day} was replaced while its regimes were being made",
                "another run rebuilt the gamma data; the regimes on disk are the old ones",
                self._command(GEX_REGIMES.name, day),
            )

    def _missing(self, dataset: str, day: date) -> QualityError:
        return QualityError(
            "E496",
            f"upstream {self.symbol}/{dataset} {day} is not there",
            "regimes are made from stored gamma data, and that partition was never built or its build failed; nothing was written",
            self._command(dataset, day),
        )

    def _command(self, dataset: str, day: date) -> str:
        return f"tp backfill {self.symbol}/{dataset} --from {day} --to {day}"


def preview_of(rows: pl.DataFrame, span: tuple[int, int]) -> Preview | None:
    """Return spot and number of observations in equal buckets over the trading hours, None without rows in them."""
    ts = rows["ts"].to_physical().to_numpy()
    if not ((ts >= span[0]) & (ts < span[1])).any():
        return None
    spot = rows["spot"].fill_null(np.nan).to_numpy()
    return Preview.of_rows(span, ts, spot, np.ones(rows.height, np.int64))


def _whole(session: Session) -> tuple[int, int]:
    """Return opening and close in epoch microseconds; the window on a date without trading."""
    return us_of(session.opens_at or session.window_start), us_of(session.closes_at or session.window_end)


def _table(rows: pl.DataFrame) -> pa.Table:
    texts = [name for name, dtype in rows.schema.items() if dtype == pl.Categorical]
    return rows.with_columns(pl.col(texts).cast(pl.String)).to_arrow().cast(GEX_REGIMES.arrow_schema)


def _differences(left: pl.DataFrame, right: pl.DataFrame) -> int:
    """Count rows that differ in any column, a missing row included; floats are compared to the last digit."""
    if left.height != right.height:
        return max(left.height, right.height)
    text = [pl.col(name).cast(pl.String) for name, dtype in left.schema.items() if dtype == pl.Categorical]
    one, other = left.with_columns(text), right.with_columns(text)
    same = pl.all_horizontal(one[name].eq_missing(other[name]).alias(name) for name in one.columns)
    return int((~one.select(same).to_series()).sum()) if one.height else 0
