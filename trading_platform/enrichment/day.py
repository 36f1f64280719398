"""What both builders of this room decide alike: plans, missing inputs, the inputs of the underlying.

Belongs here: resolving a trade date of a future whose ticks or bars are enriched. Does not belong here: rows (``alignment.py``,
``bars_builder.py``).

A missing day of ticks or bars is MISSING. A missing day of the feed is not: the rows are made with nulls, its absence is part of the
fingerprint, and the day turns stale when it arrives.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

import pyarrow as pa

from ..bars.builder import TICKS
from ..bars.ticks_reader import TickFile
from ..errors import QualityError, command
from ..lake.building import DayPlan, Json, Outcome, SourceSlice
from ..lake.footer import damaged
from ..sessions import calendar_for
from .policy import AttachPolicy, no_enrichment
from .upstream import SNAPSHOTS, Stored, Underlying

if TYPE_CHECKING:
    from ..clock import Clock
    from ..instruments import Instrument, Registry
    from ..lake import Lake
    from ..sessions import TradingCalendar


@dataclass(frozen=True, slots=True)
class Inputs:
    """The partitions that feed a day.

    Attributes:
        rows: ticks or bars of the day.
        facts: facts in the footer of these.
        snapshots: of the feed, the earlier day first.
        levels: of the chain, the earlier day first; none where they are not used.
    """

    rows: Stored
    facts: Mapping[str, Json]
    snapshots: tuple[Stored, ...]
    levels: tuple[Stored, ...] = ()

    def all(self) -> tuple[Stored, ...]:
        """Return every partition that belongs to the fingerprint; levels only where they are stored, since few symbols have any."""
        return (self.rows, *self.snapshots, *(one for one in self.levels if one.is_there))

    def sources(self) -> tuple[SourceSlice, ...]:
        """Return what the fingerprint says of them."""
        return tuple(one.source() for one in self.all())


@dataclass(frozen=True, slots=True)
class EnrichedInstrument:
    """A future and what its enrichment needs around it.

    Attributes:
        instrument: the future.
        lake: where inputs are and rows go.
        calendar: sessions of the future.
        underlying: whose gamma exposure describes it.
        clock: tells whether a session has begun and whether it is final.
        policy: latency and limits.
    """

    instrument: Instrument
    lake: Lake
    calendar: TradingCalendar
    underlying: Underlying
    clock: Clock
    policy: AttachPolicy

    def plan(
        self,
        made: str,
        rows_dataset: str,
        trade_date: date,
        *,
        levels_dataset: str | None,
        resolved: Mapping[str, Json],
    ) -> DayPlan:
        """Resolve a day from the footers of what feeds it.

        Args:
            made: dataset that is made.
            rows_dataset: ``ticks`` or ``bars_1s``.
            trade_date: the day.
            levels_dataset: levels of chains beside the feed, None if the dataset has none.
            resolved: further inputs for the fingerprint.
        """
        session = self.calendar.session(trade_date)
        footer = self.lake.footer(rows_dataset, self.instrument.symbol, trade_date)
        inputs = self.inputs(rows_dataset, trade_date, levels_dataset)
        complete = session.is_final(self.clock.now())
        plan = DayPlan(
            trade_date=trade_date,
            session=session,
            resolved={**self.policy.resolved(), **self.underlying.resolved(trade_date), **resolved},
            complete=complete,
            synthetic=any(one.synthetic for one in inputs.all()),
            detail=inputs,
        )
        if footer is None:
            return self._without_rows(plan, made, rows_dataset)
        if footer.outcome is Outcome.CLOSED or not session.is_open:
            return _decided(plan, Outcome.CLOSED, footer.reason or session.reason or "no session on this date")
        return plan

    def inputs(self, rows_dataset: str, trade_date: date, levels_dataset: str | None = None) -> Inputs:
        """Look at the footers of what feeds a day."""
        footer = self.lake.footer(rows_dataset, self.instrument.symbol, trade_date)
        return Inputs(
            Stored.of(self.lake, rows_dataset, self.instrument.symbol, trade_date),
            {} if footer is None else footer.facts,
            self.underlying.stored(self.lake, SNAPSHOTS, trade_date),
            () if levels_dataset is None else self.underlying.stored(self.lake, levels_dataset, trade_date),
        )

    def feed_facts(self, inputs: Inputs, trade_date: date) -> dict[str, Json]:
        """Return whether the feed has a partition of the day, and whether it should have one."""
        return {
            "gex_day_is_stored": any(one.is_there for one in inputs.snapshots if not one.is_previous),
            "gex_day_is_expected": self.underlying.calendar.session(trade_date).is_open,
        }

    def _without_rows(self, plan: DayPlan, made: str, rows_dataset: str) -> DayPlan:
        """Decide a day whose ticks or bars are not in the lake."""
        session, symbol, day = plan.session, self.instrument.symbol, plan.trade_date.isoformat()
        if not session.is_open:
            return _decided(plan, Outcome.CLOSED, session.reason or "no session on this date")
        if session.opens_at is not None and self.clock.now() < session.opens_at:
            reason = f"the session of {day} opens at {session.opens_at:%Y-%m-%d %H:%M} UTC"
            error = QualityError(
                "E494",
                f"{symbol} {day} has no {made} yet: {reason}",
                f"a session without {rows_dataset} that has not begun is asked again later; nothing was written",
                f"tp backfill {symbol}/{made} --from {day} --to {day}",
            )
            return _decided(plan, Outcome.PENDING, reason, error)
        missing = rows_missing(symbol, rows_dataset, plan.trade_date)
        return _decided(plan, Outcome.MISSING, missing.what, missing)


def underlying_of(instrument: Instrument, registry: Registry) -> Underlying:
    """Return the underlying of an instrument with its calendar.

    Raises:
        QualityError: E493 if nothing describes its gamma exposure.
        ConfigurationError: E120 if the registry does not know the underlying.
    """
    if instrument.gex_underlying is None:
        raise no_enrichment(
            f"{instrument.symbol} has no gamma exposure: gex_underlying is not set in the registry",
            "its ticks and bars cannot be enriched",
        )
    underlying = registry.get(instrument.gex_underlying)
    return Underlying(underlying.symbol, calendar_for(underlying.calendar))


def rows_missing(symbol: str, dataset: str, trade_date: date) -> QualityError:
    """Return the error for ticks or bars that are not in the lake."""
    return QualityError(
        "E490",
        f"upstream {symbol}/{dataset} {trade_date} is not there",
        "enrichment adds columns to stored rows, and that partition was never built or its build failed; nothing was written",
        command("tp", "backfill", f"{symbol}/{dataset}", "--from", trade_date, "--to", trade_date),
    )


def open_ticks(lake: Lake, symbol: str, trade_date: date) -> TickFile:
    """Open the ticks of a trade date.

    Raises:
        QualityError: E490 if they are not there.
        LakeError: E505 if the file is damaged.
    """
    path, day = lake.path(TICKS, symbol, trade_date), trade_date.isoformat()
    repair = command("tp", "backfill", f"{symbol}/{TICKS}", "--from", day, "--to", day, "--force")
    try:
        return TickFile(path, f"{symbol}/{TICKS} {day}", repair)
    except FileNotFoundError as error:
        raise rows_missing(symbol, TICKS, trade_date) from error
    except (pa.ArrowException, OSError) as error:
        raise damaged(path, str(error)) from error


def refuse_replaced(inputs: Sequence[Stored], lake: Lake, key: str, day: date) -> None:
    """Refuse a build from other rows than the planned ones; see ``Stored.refuse_if_replaced``."""
    for one in inputs:
        one.refuse_if_replaced(lake, key, day)


def _decided(plan: DayPlan, outcome: Outcome, reason: str, error: QualityError | None = None) -> DayPlan:
    return DayPlan(
        trade_date=plan.trade_date,
        session=plan.session,
        decided=outcome,
        reason=reason,
        error=error,
        resolved=plan.resolved,
        complete=plan.complete,
        synthetic=plan.synthetic,
    )
