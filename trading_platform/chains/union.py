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
from pathlib import Path
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
from ..sessions import Session, TradingCalendar
from .cboe import SOURCE
from .checks import UNION_CHECKS, check_union
from .facts import ChainFactCounter, stored_rows

SOURCES: Final[Mapping[str, DatasetContract]] = MappingProxyType({SOURCE: CHAIN_CBOE})
"""Datasets by the name that the column ``source`` gives them."""

_TEXT = ("root", "settle_style", "right")


@dataclass(frozen=True)
class _Upstream:
    """The partitions of a day as the plan saw them, by source."""

    footers: Mapping[str, Footer]


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
            CLOSED without a session; MISSING (E252) if no source has the day; EMPTY if those that have it are empty; otherwise undecided.
        """
        session = self._calendar.session(trade_date)
        if not session.is_open:
            return DayPlan(trade_date, session, Outcome.CLOSED, session.reason or "no session on this date")
        found = self._footers(trade_date)
        common: dict[str, Any] = {
            "trade_date": trade_date,
            "session": session,
            "complete": session.is_final(self._clock.now()),
            "synthetic": any(footer.synthetic for footer in found.values()),
        }
        if not found:
            error = self._missing(trade_date)
            return DayPlan(**common, decided=Outcome.MISSING, reason=error.what, error=error)
        if all(footer.outcome.is_without_rows for footer in found.values()):
            return DayPlan(**common, decided=Outcome.EMPTY, reason=next(iter(found.values())).reason)
        return DayPlan(**common, detail=_Upstream(found))

    def hash_sources(self, plan: DayPlan, *, verify: bool = False) -> tuple[SourceSlice, ...]:  # noqa: ARG002
        """Return the content hashes of the sources; they lie in their footers, so ``verify`` has nothing to add."""
        if not isinstance(plan.detail, _Upstream):
            return ()
        return tuple(
            SourceSlice(f"{self.symbol}/{footer.dataset}", footer.content_hash)
            for footer in plan.detail.footers.values()
        )

    def build(self, plan: DayPlan, writer: PartitionWriter) -> BuildReport:
        """Merge the snapshots of all sources by time.

        Raises:
            SourceChangedError: E253 a source was rebuilt since the plan.
            LakeError: E505 if the file of a source is damaged.
        """
        upstream: _Upstream = plan.detail
        counter = ChainFactCounter(self._window(plan.trade_date))
        streams = [
            snapshots(self._lake.path(footer.dataset, self.symbol, plan.trade_date), name)
            for name, footer in upstream.footers.items()
            if footer.rows
        ]
        for _, _, rows in heapq.merge(*streams, key=lambda snapshot: snapshot[:2]):
            counter.add(rows)
            writer.append(rows.select(CHAIN.arrow_schema.names).to_arrow())
        now = self._footers(plan.trade_date)
        for name, footer in upstream.footers.items():
            if name not in now or now[name].content_hash != footer.content_hash:
                raise self._replaced(footer, plan.trade_date)
        source_rows = sum(footer.rows for footer in upstream.footers.values())
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
        counter = ChainFactCounter(self._window(trade_date))
        for rows in stored_rows(self._lake.path(CHAIN.name, self.symbol, trade_date)):
            counter.add(rows)
        source_rows = sum(source.rows for source in self._footers(trade_date).values())
        return {**counter.facts(), "source_rows": source_rows}

    def _footers(self, trade_date: date) -> dict[str, Footer]:
        found = {
            name: self._lake.footer(contract.name, self.symbol, trade_date) for name, contract in self._sources.items()
        }
        return {name: footer for name, footer in found.items() if footer is not None}

    def _window(self, trade_date: date) -> tuple[datetime, datetime]:
        previous = self._calendar.session(self._calendar.previous_open(trade_date))
        return previous.window_end, self._calendar.session(trade_date).window_end

    def _missing(self, trade_date: date) -> SourceError:
        names = ", ".join(f"{self.symbol}/{contract.name}" for contract in self._sources.values())
        first = next(iter(self._sources.values()))
        return SourceError(
            "E252",
            f"no chain of {self.symbol} {trade_date} is in the lake; looked for {names}",
            "the chains of a source were never built, or their build failed; nothing was written",
            f"tp backfill {self.symbol}/{first.name} --from {trade_date} --to {trade_date}",
        )

    def _replaced(self, footer: Footer, trade_date: date) -> SourceChangedError:
        return SourceChangedError(
            "E253",
            f"{self.symbol}/{footer.dataset} {trade_date} was replaced while the chains of all sources were merged",
            "another run rebuilt it; the chains on disk are the old ones",
            f"tp backfill {self.symbol}/{CHAIN.name} --from {trade_date} --to {trade_date}",
        )


def snapshots(path: Path, source: str) -> Iterator[tuple[datetime, str, pl.DataFrame]]:
    """Yield the snapshots of a stored chain by time: time, source, rows with the column ``source``.

    Raises:
        LakeError: E505 if the file is damaged.
    """
    rest: pl.DataFrame | None = None
    columns = tuple(name for name in CHAIN.arrow_schema.names if name != "source")
    for group in stored_rows(path, columns):
        # Every file has its own dictionaries; text is what they have in common.
        rows = group.with_columns(pl.col(_TEXT).cast(pl.String))
        rows = rows if rest is None else pl.concat([rest, rows])
        *whole, rest = rows.partition_by("observed_at", maintain_order=True)
        for snapshot in whole:
            yield snapshot["observed_at"][0], source, snapshot.with_columns(source=pl.lit(source))
    if rest is not None:
        yield rest["observed_at"][0], source, rest.with_columns(source=pl.lit(source))
