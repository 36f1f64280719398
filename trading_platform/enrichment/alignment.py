"""Build the stored dataset ``gex_alignment``: for each tick the snapshot that was known when it traded.

Belongs here: the ``DayBuilder`` of the dataset. Does not belong here: the rules (``attach.py``), judgement (``checks.py``), the columns of
the snapshots, which are looked up when they are needed (``enriched_ticks.py``).

A day has millions of ticks and thousands of snapshots, so the number of a snapshot is stored and not its columns: 2 bytes per tick after
compression instead of 30.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, ClassVar, Final

import numpy as np
import pyarrow as pa

from ..bars.builder import TICKS
from ..lake.building import BuildReport, CheckResult, DayPlan, Json, SourceSlice
from ..lake.contracts import GEX_ALIGNMENT
from .asof import NO_ROW, Bools, Ints, Rows, within
from .attach import Attacher, Attachment
from .checks import ALIGNMENT_CHECKS, check_alignment_facts
from .day import EnrichedInstrument, Inputs, open_ticks, refuse_replaced, rows_missing
from .policy import AttachPolicy
from .upstream import FROM_PREVIOUS, SNAPSHOT_ROW, Underlying, open_instant_us, read_snapshots, times_us

if TYPE_CHECKING:
    import polars as pl

    from ..clock import Clock
    from ..instruments import Instrument
    from ..lake import Lake
    from ..lake.contract import DatasetContract
    from ..lake.writer import PartitionWriter
    from ..sessions import Session, TradingCalendar

CODE_VERSION: Final = "1"


@dataclass
class AlignmentTotals:
    """What the rows add up to, measured while they pass by.

    Attributes:
        rows: number of rows.
        attached: rows with a snapshot.
        gaps: rows without one, or with one that is too old.
        preopen: rows with one from before the opening.
        regular_rows: rows in regular hours of the underlying.
        regular_gaps: gaps among them.
        negative_ages: rows with a snapshot from their future.
        largest_age_ms: age of the oldest snapshot, None without any.
    """

    rows: int = 0
    attached: int = 0
    gaps: int = 0
    preopen: int = 0
    regular_rows: int = 0
    regular_gaps: int = 0
    negative_ages: int = 0
    largest_age_ms: int | None = None

    def add(self, some: Bools, age_ms: Ints, gap: Bools, preopen: Bools, regular: Bools) -> None:
        """Add the next rows; ages count where there is a snapshot."""
        attached = int(np.count_nonzero(some))
        self.rows += len(some)
        self.attached += attached
        self.gaps += int(np.count_nonzero(gap))
        self.preopen += int(np.count_nonzero(preopen))
        self.regular_rows += int(np.count_nonzero(regular))
        self.regular_gaps += int(np.count_nonzero(regular & gap))
        if attached:
            ages = age_ms if attached == len(some) else age_ms[some]
            self.negative_ages += int(np.count_nonzero(ages < 0))
            self.largest_age_ms = max(int(ages.max()), self.largest_age_ms or 0)

    def facts(self, ticks: int) -> dict[str, Json]:
        """Return small JSON values; shares are null without rows."""
        return {
            "rows": self.rows,
            "ticks": ticks,
            "attached": self.attached,
            "negative_ages": self.negative_ages,
            "largest_age_ms": self.largest_age_ms,
            "gex_gap_frac": self.gaps / self.rows if self.rows else None,
            "gex_gap_regular_frac": self.regular_gaps / self.regular_rows if self.regular_rows else None,
            "preopen_frac": self.preopen / self.rows if self.rows else None,
        }


class GexAlignmentBuilder:
    """Snapshot and age per tick of one future, day by day.

    A day is made although the feed has nothing for it; every tick is then a gap, and the day turns stale when the feed arrives.

    Args:
        instrument: future with an underlying.
        lake: where ticks and snapshots are and the rows go.
        calendar: sessions of the future.
        clock: tells whether a session has begun and whether it is final.
        underlying: whose gamma exposure describes the future.
        policy: category, latency and limits.

    Attributes:
        CODE_VERSION: version of the transformation, for asset definitions.
        CHECKS: names of the checks and what they demand.
    """

    CODE_VERSION: ClassVar[str] = CODE_VERSION
    CHECKS: ClassVar[Mapping[str, str]] = ALIGNMENT_CHECKS

    def __init__(
        self,
        instrument: Instrument,
        lake: Lake,
        calendar: TradingCalendar,
        clock: Clock,
        underlying: Underlying,
        policy: AttachPolicy,
    ) -> None:
        self._of = EnrichedInstrument(instrument, lake, calendar, underlying, clock, policy)

    @property
    def contract(self) -> DatasetContract:
        """Return the contract of ``gex_alignment``."""
        return GEX_ALIGNMENT

    @property
    def symbol(self) -> str:
        """Return the root symbol."""
        return self._of.instrument.symbol

    @property
    def code_version(self) -> str:
        """Return the version of the transformation."""
        return CODE_VERSION

    def plan(self, trade_date: date) -> DayPlan:
        """Resolve a day from the footers of ticks and snapshots."""
        return self._of.plan(self.contract.name, TICKS, trade_date, resolved={})

    def hash_sources(self, plan: DayPlan, *, verify: bool = False) -> tuple[SourceSlice, ...]:  # noqa: ARG002
        """Return the content hashes of the upstream partitions; they lie in their footers, so ``verify`` has nothing to add."""
        return plan.detail.sources() if isinstance(plan.detail, Inputs) else ()

    def build(self, plan: DayPlan, writer: PartitionWriter) -> BuildReport:
        """Stream the times of the ticks past the snapshots and hand over the rows.

        Raises:
            QualityError: E491 for unusable snapshots, E492 if an upstream partition was replaced since the plan, E421 for ticks without a
                time.
            LakeError: E505 if a file is damaged.
        """
        inputs: Inputs = plan.detail
        of, day = self._of, plan.trade_date
        snapshots = snapshots_of_day(of, inputs, day)
        rows = AlignmentRows.of(snapshots, plan.session, of)
        regular_us = of.underlying.regular_us(day)
        totals, schema = AlignmentTotals(), self.contract.arrow_schema
        with open_ticks(of.lake, self.symbol, day) as ticks:
            refuse_replaced(inputs.all(), of.lake, f"{self.symbol}/{self.contract.name}", day)
            for ts_us in ticks.times():
                attached = rows.attacher.attach(ts_us)
                first = totals.rows
                totals.add(
                    attached.row >= 0, attached.age_ms, attached.gap, attached.preopen, within(ts_us, regular_us)
                )
                writer.append(rows.batch(attached, first, schema))
            ticks_read = ticks.rows
        refuse_replaced(inputs.all(), of.lake, f"{self.symbol}/{self.contract.name}", day)
        return BuildReport(sources=inputs.sources(), facts={**totals.facts(ticks_read), **of.feed_facts(inputs, day)})

    def check(self, facts: Mapping[str, Json], session: Session) -> tuple[CheckResult, ...]:
        """Judge a day by its facts."""
        return check_alignment_facts(facts, session)

    def measure(self, trade_date: date) -> Mapping[str, Json]:
        """Recompute the facts from the stored rows and the times of the stored ticks.

        Raises:
            QualityError: E490 if the ticks are gone.
            LakeError: E505 if a file is damaged, E507 if the rows are not there.
        """
        of = self._of
        names = (SNAPSHOT_ROW, "gex_age_ms", "gex_gap", "is_preopen_snapshot")
        frame = of.lake.read(self.contract.name, self.symbol, trade_date, columns=names)
        if frame.is_empty():
            return {}
        if not of.lake.exists(TICKS, self.symbol, trade_date):
            raise rows_missing(self.symbol, TICKS, trade_date)
        totals, regular_us = AlignmentTotals(), of.underlying.regular_us(trade_date)
        with open_ticks(of.lake, self.symbol, trade_date) as ticks:
            for ts_us in ticks.times():
                part = frame.slice(totals.rows, len(ts_us))
                totals.add(
                    part[SNAPSHOT_ROW].is_not_null().to_numpy(),
                    part["gex_age_ms"].fill_null(NO_ROW).to_numpy(),
                    part["gex_gap"].to_numpy(),
                    part["is_preopen_snapshot"].to_numpy(),
                    within(ts_us, regular_us)[: part.height],
                )
            ticks_read = ticks.rows
        return {**totals.facts(ticks_read), **of.feed_facts(of.inputs(TICKS, trade_date), trade_date)}


@dataclass(frozen=True, slots=True)
class AlignmentRows:
    """Turns attachments into rows of ``gex_alignment``.

    Attributes:
        attacher: of the day.
        stored_row: int32[m], position of each snapshot in its partition.
        from_previous: bool[m], it is of the earlier partition.
    """

    attacher: Attacher
    stored_row: Rows
    from_previous: Bools

    @classmethod
    def of(cls, snapshots: pl.DataFrame, session: Session, of: EnrichedInstrument) -> AlignmentRows:
        """Return the rows of a session; ``snapshots`` as ``snapshots_of_day`` returned them."""
        regular_us = of.underlying.regular_us(session.trade_date)
        attacher = Attacher.of(times_us(snapshots), open_instant_us(session), regular_us, of.policy)
        return cls(attacher, snapshots[SNAPSHOT_ROW].to_numpy(), snapshots[FROM_PREVIOUS].to_numpy())

    def batch(self, attached: Attachment, first: int, schema: pa.Schema) -> pa.RecordBatch:
        """Return rows from attachments; ``first`` is the number of the first tick."""
        none = attached.row < 0
        mask = none if none.any() else None
        stored, previous = attached.row, np.zeros(len(none), np.bool_)
        if len(self.stored_row):
            stored = np.take(self.stored_row, attached.row, mode="clip")
            previous = np.take(self.from_previous, attached.row, mode="clip") & ~none
        columns = {
            "seq": pa.array(np.arange(first, first + len(none), dtype=np.uint32)),
            SNAPSHOT_ROW: pa.array(stored, mask=mask),
            FROM_PREVIOUS: pa.array(previous),
            "gex_age_ms": pa.array(attached.age_ms, mask=mask),
            "gex_gap": pa.array(attached.gap),
            "is_preopen_snapshot": pa.array(attached.preopen),
        }
        return pa.RecordBatch.from_arrays([columns[name] for name in schema.names], schema=schema)


def snapshots_of_day(of: EnrichedInstrument, inputs: Inputs, day: date, columns: tuple[str, ...] = ()) -> pl.DataFrame:
    """Read the snapshots that a day may show; columns and errors as ``read_snapshots``."""
    return read_snapshots(
        of.lake, inputs.snapshots, columns, category=of.policy.category, from_us=of.underlying.preopen_from_us(day)
    )
