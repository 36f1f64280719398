"""Build the stored dataset ``enriched_bars`` from the stored 1-second bars and the stored snapshots of the underlying.

Belongs here: the ``DayBuilder`` of the dataset. Does not belong here: arithmetic (``enriched_bars.py``), judgement (``checks.py``), commits
(``trading_platform.lake``), Dagster.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import TYPE_CHECKING, ClassVar, Final

import polars as pl

from ..bars.kernel import BAR_COLUMNS
from ..instants import MICROSECONDS, instant_of, us_of
from ..lake.building import BuildReport, CheckResult, DayPlan, Json, SourceSlice
from ..lake.contracts import ENRICHED_BARS
from .chain_levels import ChainsOfDay, read_levels
from .checks import BAR_CHECKS, check_bar_facts, enriched_facts, outside_hours_volume
from .day import EnrichedInstrument, Inputs, refuse_replaced, rows_missing
from .enriched_bars import GexOfDay, enrich_bars, gex_values
from .picture import preview_of
from .policy import AttachPolicy
from .upstream import Underlying, read_snapshots

if TYPE_CHECKING:
    from ..clock import Clock
    from ..instruments import Instrument
    from ..lake import Lake
    from ..lake.contract import DatasetContract
    from ..lake.writer import PartitionWriter
    from ..sessions import Session, TradingCalendar

CODE_VERSION: Final = "2"
BARS: Final = "bars_1s"


class EnrichedBarsBuilder:
    """The dense grid of one future with gamma columns, day by day.

    A day is made although the feed has nothing for it; its columns are then null, and it turns stale when the feed arrives. A day without
    trades has its seconds as well. In a session that is still running the rows after the last bar are null.

    Args:
        instrument: future with an underlying.
        lake: where the bars and snapshots are and the rows go.
        calendar: sessions of the future.
        clock: tells whether a session has begun and whether it is final.
        underlying: whose gamma exposure describes the future.
        policy: category, latency and limits.
        chain_underlying: the index whose option chains describe the future beside the feed; None leaves the columns of chains null.

    Attributes:
        CODE_VERSION: version of the transformation, for asset definitions.
        CHECKS: names of the checks and what they demand.
    """

    CODE_VERSION: ClassVar[str] = CODE_VERSION
    CHECKS: ClassVar[Mapping[str, str]] = BAR_CHECKS

    def __init__(
        self,
        instrument: Instrument,
        lake: Lake,
        calendar: TradingCalendar,
        clock: Clock,
        underlying: Underlying,
        policy: AttachPolicy,
        chain_underlying: Underlying | None = None,
    ) -> None:
        self._of = EnrichedInstrument(instrument, lake, calendar, underlying, clock, policy, chain_underlying)

    @property
    def contract(self) -> DatasetContract:
        """Return the contract of ``enriched_bars``."""
        return ENRICHED_BARS

    @property
    def symbol(self) -> str:
        """Return the root symbol."""
        return self._of.instrument.symbol

    @property
    def code_version(self) -> str:
        """Return the version of the transformation."""
        return CODE_VERSION

    def plan(self, trade_date: date) -> DayPlan:
        """Resolve a day from the footers of bars, snapshots and levels."""
        known_until = known_until_of(self._of, trade_date)
        chains = self._of.chain_underlying
        resolved: dict[str, Json] = {
            "chain_latency_ms": self._of.policy.chain_latency_ms,
            "chain_stale_after_ms": self._of.policy.chain_stale_after_ms,
            "chain_underlying": None if chains is None else chains.resolved(trade_date),
            "known_until_us": None if known_until is None else us_of(known_until),
        }
        return self._of.plan(self.contract.name, BARS, trade_date, resolved=resolved)

    def hash_sources(self, plan: DayPlan, *, verify: bool = False) -> tuple[SourceSlice, ...]:  # noqa: ARG002
        """Return the content hashes of the upstream partitions; they lie in their footers, so ``verify`` has nothing to add."""
        return plan.detail.sources() if isinstance(plan.detail, Inputs) else ()

    def build(self, plan: DayPlan, writer: PartitionWriter) -> BuildReport:
        """Make the rows of a day and hand them over.

        Raises:
            QualityError: E421, E425, E438 for unusable bars, E491 for unusable snapshots, E492 if an upstream partition was replaced since
                the plan.
            LakeError: E505 if a file is damaged.
        """
        inputs: Inputs = plan.detail
        of, day = self._of, plan.trade_date
        known_us = plan.resolved["known_until_us"]
        known_until = instant_of(known_us) if isinstance(known_us, int) else None
        bars = of.lake.read(BARS, self.symbol, day, columns=list(BAR_COLUMNS))
        frame = enrich_bars(bars, gex_of_day(of, inputs, day), plan.session, of.policy, known_until=known_until)
        refuse_replaced(inputs.all(), of.lake, f"{self.symbol}/{self.contract.name}", day)
        if frame.height:
            text = [pl.col(name).cast(pl.String) for name, kind in frame.schema.items() if kind == pl.Categorical]
            writer.append(frame.with_columns(text).to_arrow().cast(self.contract.arrow_schema))
        return BuildReport(
            sources=inputs.sources(),
            facts=self._facts(frame, bars, plan.session, inputs),
            preview=preview_of(frame, plan.session),
        )

    def check(self, facts: Mapping[str, Json], session: Session) -> tuple[CheckResult, ...]:
        """Judge a day by its facts."""
        return check_bar_facts(facts, session)

    def measure(self, trade_date: date) -> Mapping[str, Json]:
        """Recompute the facts from the stored rows and the stored bars.

        Raises:
            QualityError: E490 if the bars are gone.
            LakeError: E505 if a file is damaged, E507 if the rows are not there.
        """
        lake, session = self._of.lake, self._of.calendar.session(trade_date)
        frame = lake.read(self.contract.name, self.symbol, trade_date)
        if frame.is_empty():
            return {}
        if not lake.exists(BARS, self.symbol, trade_date):
            raise rows_missing(self.symbol, BARS, trade_date)
        bars = lake.read(BARS, self.symbol, trade_date, columns=["ts_open", "volume"])
        return self._facts(frame, bars, session, self._of.inputs(BARS, trade_date))

    def _facts(self, frame: pl.DataFrame, bars: pl.DataFrame, session: Session, inputs: Inputs) -> dict[str, Json]:
        regular = self._of.underlying.regular_us(session.trade_date)
        return {
            **enriched_facts(frame, session, regular),
            **self._of.feed_facts(inputs, session.trade_date),
            "outside_hours_volume": outside_hours_volume(bars, session),
            "bars_volume_sum": inputs.rows.facts.get("volume_sum"),
        }


def known_until_of(of: EnrichedInstrument, trade_date: date) -> datetime | None:
    """Return the end of the last bar of a session that is still running, None for one that is over.

    Not the time of the clock: the same bars give the same rows whenever they are made.
    """
    session = of.calendar.session(trade_date)
    if session.is_final(of.clock.now()):
        return None
    footer = of.lake.footer(BARS, of.instrument.symbol, trade_date)
    last_us = None if footer is None else footer.facts.get("last_ts_open_us")
    return instant_of(last_us + MICROSECONDS) if isinstance(last_us, int) else session.window_start


def gex_of_day(of: EnrichedInstrument, inputs: Inputs, day: date) -> GexOfDay:
    """Read what feed and chains offer to a trade date.

    Raises:
        QualityError: E491 if two snapshots of the category have one time.
        LakeError: E505 if a file is damaged.
    """
    from_us = of.underlying.preopen_from_us(day)
    snapshots = read_snapshots(of.lake, inputs.snapshots, gex_values(), category=of.policy.category, from_us=from_us)
    chains = of.chain_underlying
    return GexOfDay(
        of.underlying, snapshots, None if chains is None else ChainsOfDay(chains, read_levels(of.lake, inputs.levels))
    )
