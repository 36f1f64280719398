"""The dataset ``<UND>/chain``: the chains of all sources of one underlying, the only one that later stages read.

Belongs here: ``ChainBuilder`` and the merge by time. Does not belong here: how a source makes its chains.

A source is a dataset with the columns of ``chain`` but ``source``. Those without a partition of the day are left out; one is enough.
Snapshots are merged by time, one at a time, so that memory does not grow with their number.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from types import MappingProxyType
from typing import Any, ClassVar, Final

import polars as pl

from ..clock import Clock
from ..errors import SourceError
from ..lake import (
    BuildReport,
    CheckResult,
    DatasetContract,
    DayPlan,
    Footer,
    Json,
    Lake,
    Outcome,
    PartitionWriter,
    SourceChangedError,
    SourceSlice,
)
from ..lake.contracts import CHAIN, CHAIN_CBOE
from ..lake.upstream import UpstreamDay, plan_without
from ..sessions import Session, TradingCalendar
from .cboe import SOURCE
from .checks import UNION_CHECKS, check_union
from .days import window_of
from .facts import MEASURED, ChainFactCounter
from .stored import stored_rows, stored_snapshots

SOURCES: Final[Mapping[str, DatasetContract]] = MappingProxyType({SOURCE: CHAIN_CBOE})
"""Datasets by the name that the column ``source`` gives them."""


@cache
def _of_sources() -> tuple[str, ...]:
    """Return the columns that sources have; not at import, because the contract loads pandera."""
    return tuple(name for name in CHAIN.arrow_schema.names if name != "source")


@dataclass(frozen=True)
class _Upstream:
    """The partitions of a day as the plan saw them, by source."""

    days: Mapping[str, UpstreamDay]


class ChainBuilder:
    """Builds any day of ``<UND>/chain``.

    Args:
        symbol: the underlying, e.g. ``SPX``.
        lake: where the chains of the sources are and the union goes.
        calendar: the underlying's trading calendar.
        clock: tells whether a day can still change.
        sources: the datasets that are united, by source name.

    Attributes:
        CODE_VERSION: version of the transformation, for asset definitions.
        CHECKS: names of the checks and what they demand.
    """

    CODE_VERSION: ClassVar[str] = "1"
    CHECKS: ClassVar[Mapping[str, str]] = UNION_CHECKS

    def __init__(
        self,
        symbol: str,
        lake: Lake,
        calendar: TradingCalendar,
        clock: Clock,
        sources: Mapping[str, DatasetContract] = SOURCES,
    ) -> None:
        self._symbol = symbol
        self._lake = lake
        self._calendar = calendar
        self._clock = clock
        self._sources = dict(sorted(sources.items()))

    @property
    def contract(self) -> DatasetContract:
        """Return the contract of the dataset."""
        return CHAIN

    @property
    def symbol(self) -> str:
        """Return the underlying, the first part of the asset key."""
        return self._symbol

    @property
    def code_version(self) -> str:
        """Return the version of the transformation."""
        return self.CODE_VERSION

    def plan(self, trade_date: date) -> DayPlan:
        """Resolve a day from the footers of its sources.

        Returns:
            CLOSED without a session; if no source has the day, PENDING (E488) before it opens and MISSING (E252) afterwards; EMPTY if
            those that have it are empty; otherwise undecided.
        """
        session, now = self._calendar.session(trade_date), self._clock.now()
        common: dict[str, Any] = {"trade_date": trade_date, "session": session, "complete": session.is_final(now)}
        found = self._footers(trade_date) if session.is_open else {}
        if not found:
            key, missing = f"{self.symbol}/{CHAIN.name}", self._missing(trade_date)
            return plan_without(common, now, missing, pending="E488", key=key, made="chains", source="a chain")
        common["synthetic"] = any(footer.synthetic for footer in found.values())
        if all(footer.outcome.is_without_rows for footer in found.values()):
            return DayPlan(**common, decided=Outcome.EMPTY, reason=next(iter(found.values())).reason)
        days = {
            name: UpstreamDay(f"{self.symbol}/{footer.dataset}", footer.content_hash, footer.rows, footer.facts)
            for name, footer in found.items()
        }
        return DayPlan(**common, detail=_Upstream(days))

    def hash_sources(self, plan: DayPlan, *, verify: bool = False) -> tuple[SourceSlice, ...]:  # noqa: ARG002
        """Return the content hashes of the sources; they lie in their footers, so ``verify`` has nothing to add."""
        if not isinstance(plan.detail, _Upstream):
            return ()
        return tuple(SourceSlice(day.name, day.content_hash) for day in plan.detail.days.values())

    def build(self, plan: DayPlan, writer: PartitionWriter) -> BuildReport:
        """Merge the snapshots of all sources by time.

        Raises:
            SourceChangedError: E253 a source was rebuilt since the plan.
            LakeError: E505 if the file of a source is damaged, E507 if it is gone.
        """
        upstream: _Upstream = plan.detail
        counter = ChainFactCounter(window_of(plan.trade_date, self._calendar))
        streams = [
            self._snapshots(self._sources[name].name, name, plan.trade_date)
            for name, day in upstream.days.items()
            if day.rows
        ]
        for _, _, rows in heapq.merge(*streams, key=lambda snapshot: snapshot[:2]):
            counter.add(rows)
            writer.append(rows.select(CHAIN.arrow_schema.names).to_arrow())
        now = self._footers(plan.trade_date)
        for name, day in upstream.days.items():
            if not day.is_still(now.get(name), day.rows):
                raise self._replaced(day, plan.trade_date)
        source_rows = sum(day.rows for day in upstream.days.values())
        return BuildReport(self.hash_sources(plan), {**counter.facts(), "source_rows": source_rows})

    def check(self, facts: Mapping[str, Json], session: Session) -> tuple[CheckResult, ...]:  # noqa: ARG002
        """Judge a day by its facts."""
        return check_union(facts)

    def measure(self, trade_date: date) -> Mapping[str, Json]:
        """Recompute the facts from the stored file and the footers of the sources as they are now.

        Returns:
            Empty if the day has no file or no rows.

        Raises:
            LakeError: E505 if the stored file is damaged.
        """
        footer = self._lake.footer(CHAIN.name, self.symbol, trade_date)
        if footer is None or not footer.facts:
            return {}
        counter = ChainFactCounter(window_of(trade_date, self._calendar))
        for rows in stored_rows(self._lake, CHAIN.name, self.symbol, trade_date, MEASURED):
            counter.add(rows)
        source_rows = sum(source.rows for source in self._footers(trade_date).values())
        return {**counter.facts(), "source_rows": source_rows}

    def _snapshots(self, dataset: str, source: str, trade_date: date) -> Iterator[tuple[datetime, str, pl.DataFrame]]:
        """Yield time, source and rows of the snapshots of a source."""
        for rows in stored_snapshots(self._lake, dataset, self.symbol, trade_date, _of_sources()):
            yield rows["observed_at"][0], source, rows.with_columns(source=pl.lit(source))

    def _footers(self, trade_date: date) -> dict[str, Footer]:
        found = {
            name: self._lake.footer(contract.name, self.symbol, trade_date) for name, contract in self._sources.items()
        }
        return {name: footer for name, footer in found.items() if footer is not None}

    def _missing(self, trade_date: date) -> SourceError:
        names = ", ".join(f"{self.symbol}/{contract.name}" for contract in self._sources.values())
        first = next(iter(self._sources.values()))
        return SourceError(
            "E252",
            f"no chain of {self.symbol} {trade_date} is in the lake; looked for {names}",
            "the chains of a source were never built, or their build failed; nothing was written",
            f"tp backfill {self.symbol}/{first.name} --from {trade_date} --to {trade_date}",
        )

    def _replaced(self, upstream: UpstreamDay, trade_date: date) -> SourceChangedError:
        return SourceChangedError(
            "E253",
            f"{upstream.name} {trade_date} was replaced while the chains of all sources were merged",
            "another run rebuilt it; the chains on disk are the old ones",
            f"tp backfill {self.symbol}/{CHAIN.name} --from {trade_date} --to {trade_date}",
        )
