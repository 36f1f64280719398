"""Build the stored dataset ``depth_metrics`` from the stored book events.

Belongs here: the ``DayBuilder`` of the dataset. Does not belong here: the replay (``seconds.py``), judgement (``checks.py``), commits
(``trading_platform.lake``), Dagster.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from ..errors import QualityError
from ..instants import MICROSECONDS, us_of
from ..lake.building import (
    BuildReport,
    CheckResult,
    DayPlan,
    Json,
    Preview,
    SourceChangedError,
    SourceSlice,
)
from ..lake.contracts import DEPTH_METRICS
from ..lake.footer import damaged
from ..lake.reader import no_such_days
from ..lake.upstream import UpstreamDay, plan_from, plan_without, sources_of
from .checks import CHECKS, EventTotals, check_facts, inside, metric_facts
from .events_reader import EVENTS, EventFile, open_events
from .grid import PriceGrid
from .seconds import DaySeconds, SecondReplay

if TYPE_CHECKING:
    from ..clock import Clock
    from ..instruments import Instrument
    from ..lake import Lake
    from ..lake.contract import DatasetContract
    from ..lake.writer import PartitionWriter
    from ..sessions import Session, TradingCalendar

CODE_VERSION: Final = "1"
_FACT_COLUMNS: Final = ("ts", "spread", "updates", "snapshot_rows", "batches", "age_ms", "in_session")
# Counted while the book is replayed; the stored rows do not show them.
_REPLAY_FACTS: Final = ("snapshots", "segments", "deletes_of_absent", "unfinished_events")


class EventsReplacedError(SourceChangedError):
    """The events were rebuilt between plan and build (E434); ``build_day`` plans once more."""

    family = "E4"


class DepthMetricsBuilder:
    """Book measures per second of one instrument, day by day.

    A day counts as complete once its session is final, whatever its events hold: their footer does not say whether they were complete.
    When they are built again with other content, their content hash changes and the measures turn stale.

    Args:
        instrument: future with its tick size.
        lake: where the events are and the measures go.
        calendar: sessions of the instrument.
        clock: tells whether a session has begun and whether it is final.

    Attributes:
        CODE_VERSION: version of the transformation, for asset definitions.
        CHECKS: names of the checks and what they demand.
    """

    CODE_VERSION: ClassVar[str] = CODE_VERSION
    CHECKS: ClassVar[Mapping[str, str]] = CHECKS

    def __init__(self, instrument: Instrument, lake: Lake, calendar: TradingCalendar, clock: Clock) -> None:
        self._instrument = instrument
        self._lake = lake
        self._calendar = calendar
        self._clock = clock

    @property
    def contract(self) -> DatasetContract:
        """Return the contract of ``depth_metrics``."""
        return DEPTH_METRICS

    @property
    def symbol(self) -> str:
        """Return the root symbol."""
        return self._instrument.symbol

    @property
    def code_version(self) -> str:
        """Return the version of the transformation."""
        return CODE_VERSION

    def plan(self, trade_date: date) -> DayPlan:
        """Resolve a day from the footer of its events."""
        session = self._calendar.session(trade_date)
        footer = self._lake.footer(EVENTS, self.symbol, trade_date)
        now = self._clock.now()
        common: dict[str, Any] = {
            "trade_date": trade_date,
            "session": session,
            "resolved": {"tick_size": self._instrument.tick_size},
            "complete": session.is_final(now),
        }
        if footer is None:
            missing = events_missing(self.symbol, trade_date)
            key = f"{self.symbol}/{self.contract.name}"
            return plan_without(common, now, missing, pending="E435", key=key, made="book measures", source="events")
        return plan_from(common, f"{self.symbol}/{EVENTS}", footer)

    def hash_sources(self, plan: DayPlan, *, verify: bool = False) -> tuple[SourceSlice, ...]:  # noqa: ARG002
        """Return the content hash of the events; it lies in their footer, so ``verify`` has nothing to add."""
        return sources_of(plan)

    def build(self, plan: DayPlan, writer: PartitionWriter) -> BuildReport:
        """Stream the events through the replay and hand over the seconds.

        Raises:
            QualityError: E431, E432, E433, E436 for unusable events, E434 if their partition was replaced since the plan.
            LakeError: E505 if the file of the events is damaged.
        """
        upstream: UpstreamDay = plan.detail
        day, session = plan.trade_date, plan.session
        grid = PriceGrid(self._instrument.tick_size)
        replay = SecondReplay(grid, (us_of(session.window_start), us_of(session.window_end)))
        snapshot_rows = batches = 0
        with self._open_events(day) as events:
            self._check_unchanged(upstream, events, day)
            contract = events.contract_symbol()
            try:
                for chunk in events.chunks():
                    snapshot_rows += int(np.count_nonzero(chunk.snapshot))
                    batches += int(np.count_nonzero(chunk.flags & 1))
                    replay.push(chunk)
            except QualityError as error:
                what = f"{self.symbol}/{EVENTS} {day}: {error.what}"
                raise QualityError(error.code, what, error.why, self._repair(day.isoformat())) from error
            totals = EventTotals(events.rows, snapshot_rows, batches)
        day_seconds = replay.finish()
        table = metrics_table(day_seconds, grid, session, contract)
        if table.num_rows:
            writer.append(table)
        facts = metric_facts(fact_columns(table), totals, upstream.rows, session)
        return BuildReport(
            sources=self.hash_sources(plan),
            facts={**facts, **{name: day_seconds.counters[name] for name in _REPLAY_FACTS}},
            preview=preview_of(table, session),
        )

    def check(self, facts: Mapping[str, Json], session: Session) -> tuple[CheckResult, ...]:
        """Judge a day by its facts and its trading hours."""
        return check_facts(facts, session)

    def measure(self, trade_date: date) -> Mapping[str, Json]:
        """Recompute the facts from the stored rows and the stored events.

        Those that only a replay can count (``snapshots``, ``segments``, ``deletes_of_absent``, ``unfinished_events``) come from the footer.

        Raises:
            QualityError: E430 if the events are gone.
            LakeError: E505 if a file is damaged, E507 if the measures are not there.
        """
        session = self._calendar.session(trade_date)
        path = self._lake.path(self.contract.name, self.symbol, trade_date)
        footer = self._lake.footer(self.contract.name, self.symbol, trade_date)
        if footer is None:
            raise no_such_days(self.contract.name, self.symbol, [trade_date])
        table = _read_table(path)
        upstream = self._lake.footer(EVENTS, self.symbol, trade_date)
        if upstream is None and table.num_rows:
            raise events_missing(self.symbol, trade_date)
        totals = EventTotals(0, 0, 0)
        if upstream is not None:
            with self._open_events(trade_date) as events:
                totals = EventTotals(events.rows, *events.counts())
        facts = metric_facts(fact_columns(table), totals, 0 if upstream is None else upstream.rows, session)
        return {**facts, **{name: footer.facts.get(name, 0) for name in _REPLAY_FACTS}}

    def _repair(self, day: str) -> str:
        return f"tp backfill {self.symbol}/{EVENTS} --from {day} --to {day} --force"

    def _open_events(self, trade_date: date) -> EventFile:
        day = trade_date.isoformat()
        try:
            return open_events(self._lake.path(EVENTS, self.symbol, trade_date), self.symbol, day)
        except FileNotFoundError as error:
            raise events_missing(self.symbol, trade_date) from error

    def _check_unchanged(self, upstream: UpstreamDay, events: EventFile, day: date) -> None:
        """Refuse events other than the planned ones."""
        if not upstream.is_still(self._lake.footer(EVENTS, self.symbol, day), events.rows):
            raise EventsReplacedError(
                "E434",
                f"{self.symbol}/{EVENTS} {day} was replaced while its measures were being made",
                "another run rebuilt the events; the measures on disk are the old ones",
                f"tp backfill {self.symbol}/{self.contract.name} --from {day} --to {day}",
            )


def events_missing(symbol: str, trade_date: date) -> QualityError:
    """Return the error for events that are not in the lake."""
    return QualityError(
        "E430",
        f"upstream {symbol}/{EVENTS} {trade_date} is not there",
        "book measures are made from stored events, and that partition was never built or its build failed; nothing was written",
        f"tp backfill {symbol}/{EVENTS} --from {trade_date} --to {trade_date}",
    )


def metrics_table(day: DaySeconds, grid: PriceGrid, session: Session, contract: str | None) -> pa.Table:
    """Return the rows of a day in the columns of the dataset."""
    schema = DEPTH_METRICS.arrow_schema
    nothing = np.zeros(len(day), np.bool_)
    age_ms = ((day.second + 1) * MICROSECONDS - day.last_batch_us) // 1_000
    columns: dict[str, tuple[npt.NDArray[Any], npt.NDArray[np.bool_]]] = {
        name: (values, nulls) for name, values, nulls in day.book.columns(grid)
    }
    columns |= {
        "updates": (day.updates, nothing),
        "snapshot_rows": (day.snapshot_rows, nothing),
        "batches": (day.batches, nothing),
        "age_ms": (age_ms, ~day.book.known),
        "in_session": (inside(day.second, session), nothing),
    }
    arrays = []
    for name in schema.names:
        kind = schema.field(name).type
        if name == "ts":
            arrays.append(pa.array(day.second * MICROSECONDS).view(kind))
        elif name == "contract":
            codes = pa.array(np.zeros(len(day), np.int32))
            arrays.append(pa.DictionaryArray.from_arrays(codes, pa.array([contract], pa.string())).cast(kind))
        else:
            values, nulls = columns[name]
            arrays.append(pa.array(values, kind, mask=nulls if nulls.any() else None))
    return pa.Table.from_arrays(arrays, schema=schema)


def fact_columns(table: pa.Table) -> dict[str, npt.NDArray[Any]]:
    """Return the columns that facts are made of as arrays: ``ts`` as epoch microseconds, missing numbers as NaN."""
    columns = {name: table.column(name).to_numpy() for name in _FACT_COLUMNS}
    columns["ts"] = columns["ts"].astype("datetime64[us]").astype(np.int64)
    columns["age_ms"] = columns["age_ms"].astype(np.float64)
    return columns


def preview_of(table: pa.Table, session: Session) -> Preview | None:
    """Return last mid and number of updates in equal buckets over the trading hours, None without rows."""
    if table.num_rows == 0:
        return None
    columns = {name: table.column(name).to_numpy() for name in ("ts", "mid", "updates")}
    start = us_of(session.opens_at or session.window_start)
    end = us_of(session.closes_at or session.window_end)
    at_us = columns["ts"].astype("datetime64[us]").astype(np.int64)
    return Preview.of_rows((start, end), at_us, columns["mid"], columns["updates"])


def _read_table(path: Path) -> pa.Table:
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            return file.read(columns=list(_FACT_COLUMNS), use_threads=False)
    except (pa.ArrowException, OSError) as error:
        raise damaged(path, str(error)) from error
