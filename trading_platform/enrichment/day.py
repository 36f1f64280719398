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
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from ..bars.builder import TICKS
from ..bars.ticks_reader import TickFile
from ..errors import QualityError, command
from ..gexfeed.categories import stored_categories
from ..lake.building import DayPlan, Json, Outcome, SourceSlice
from ..lake.footer import damaged
from ..lake.upstream import plan_without
from ..sessions import calendar_for
from .policy import AttachPolicy, no_enrichment
from .upstream import LEVELS, SNAPSHOTS, Stored, Underlying

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
        snapshots: of the feed, the earlier day first.
        levels: of the chains, the earlier day first; none where they are not used.
    """

    rows: Stored
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
        chain_underlying: whose option chains describe it beside the feed; None if none do.
    """

    instrument: Instrument
    lake: Lake
    calendar: TradingCalendar
    underlying: Underlying
    clock: Clock
    policy: AttachPolicy
    chain_underlying: Underlying | None = None

    def plan(self, made: str, rows_dataset: str, trade_date: date, *, resolved: Mapping[str, Json]) -> DayPlan:
        """Resolve a day from the footers of what feeds it.

        Args:
            made: name of the dataset that is made, for messages.
            rows_dataset: dataset whose rows are enriched.
            trade_date: the day.
            resolved: inputs of this dataset alone that shape the rows.
        """
        session = self.calendar.session(trade_date)
        footer = self.lake.footer(rows_dataset, self.instrument.symbol, trade_date)
        inputs = self.inputs(rows_dataset, trade_date)
        common: dict[str, Any] = {
            "trade_date": trade_date,
            "session": session,
            "resolved": {**self.policy.resolved(), **self.underlying.resolved(trade_date), **resolved},
            "complete": session.is_final(self.clock.now()),
            "synthetic": any(one.synthetic for one in inputs.all()),
        }
        if footer is None:
            symbol = self.instrument.symbol
            missing = rows_missing(symbol, rows_dataset, trade_date)
            key = f"{symbol}/{made}"
            return plan_without(
                common, self.clock.now(), missing, pending="E494", key=key, made=made, source=rows_dataset
            )
        if footer.outcome is Outcome.CLOSED or not session.is_open:
            reason = footer.reason or session.reason or "no session on this date"
            return DayPlan(**common, decided=Outcome.CLOSED, reason=reason)
        return DayPlan(**common, detail=inputs)

    def inputs(self, rows_dataset: str, trade_date: date) -> Inputs:
        """Look at the footers of what feeds a day."""
        chains = self.chain_underlying
        return Inputs(
            Stored.of(self.lake, rows_dataset, self.instrument.symbol, trade_date),
            self.underlying.stored(self.lake, SNAPSHOTS, trade_date),
            () if chains is None else chains.stored(self.lake, LEVELS, trade_date),
        )

    def feed_facts(self, inputs: Inputs, trade_date: date) -> dict[str, Json]:
        """Return whether the feed has a partition of the day and should have one, which category is used, and which are there."""
        return {
            "gex_category": self.policy.category,
            "gex_categories": list(feed_categories(inputs)),
            "gex_day_is_stored": any(one.is_there for one in inputs.snapshots if not one.is_previous),
            "gex_day_is_expected": self.underlying.calendar.session(trade_date).is_open,
        }


def feed_categories(inputs: Inputs) -> tuple[str, ...]:
    """Return the categories of the feed's partition of the day; empty without one, and if its footer does not say."""
    of_day = [one for one in inputs.snapshots if not one.is_previous and one.rows]
    return stored_categories(of_day[0].facts) if of_day else ()


def underlying_of(instrument: Instrument, registry: Registry) -> Underlying:
    """Return the underlying of an instrument with its calendar.

    Raises:
        QualityError: E493 if it is no future, or nothing describes its gamma exposure.
        ConfigurationError: E120 if the registry does not know the underlying.
    """
    if not instrument.is_future:
        raise no_enrichment(
            f"{instrument.symbol} is no future",
            "only futures have ticks and bars of their own, to which gamma columns can be added",
            "tp instruments list",
        )
    if instrument.gex_underlying is None:
        raise no_enrichment(
            f"{instrument.symbol} has no gamma exposure: gex_underlying is not set in the registry",
            "its ticks and bars cannot be enriched",
            command("tp", "instruments", "show", instrument.symbol),
        )
    underlying = registry.get(instrument.gex_underlying)
    return Underlying(underlying.symbol, calendar_for(underlying.calendar))


def chain_underlying_of(instrument: Instrument, registry: Registry) -> Underlying | None:
    """Return the index whose option chains describe an instrument beside the feed; None if none do, or if it has no assets.

    Raises:
        ConfigurationError: E120 if the registry does not know it.
    """
    described_by = registry.chains_of(instrument)
    return None if described_by is None else Underlying(described_by.symbol, calendar_for(described_by.calendar))


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
