"""From an asset key to the object that makes its days.

Belongs here: one table from dataset to ``DayBuilder``, shared by the asset bodies and by the planner of ``tp backfill``, so that both
compute the same fingerprints. Does not belong here: the builders themselves (``trading_platform.sierra``, ``bars``, ``depth``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from types import TracebackType
from typing import Any, Protocol, Self

import dagster as dg

from trading_platform.bars import BarsBuilder
from trading_platform.chains import ChainArchive, ChainBuilder, ChainCboeBuilder
from trading_platform.clock import Clock
from trading_platform.databento.l2_builder import L2Builder
from trading_platform.databento.targets import SHARES_CALENDAR
from trading_platform.databento.vendor import Vendor
from trading_platform.depth import DepthMetricsBuilder
from trading_platform.enrichment import (
    AttachPolicy,
    EnrichedBarsBuilder,
    GexAlignmentBuilder,
    chain_underlying_of,
    underlying_of,
)
from trading_platform.gex.builder import GexLevelsBuilder, GexProfileBuilder
from trading_platform.gexfeed import FeedArchive, GexSnapshotsBuilder, GexStrikesBuilder
from trading_platform.instruments import Instrument, Registry, RollTable
from trading_platform.l2.metrics_builder import L2MetricsBuilder
from trading_platform.l2.watchlist_days import WatchlistDays
from trading_platform.lake import DayResult, LocalLake, build_day
from trading_platform.lake.building import DayBuilder, PreparedBuilder
from trading_platform.lake.stat_cache import StatCache
from trading_platform.regimes import GexRegimesBuilder, RegimeParameters, upstream_of
from trading_platform.sessions import calendar_for, opened
from trading_platform.sierra import SierraArchive, TicksBuilder
from trading_platform.sierra.depth import DepthArchive, DepthEventsBuilder

from . import keys

RESOURCE_KEYS = frozenset({"lake", "sierra", "databento", "gamma", "reference_data", "clock"})


class _HasResources(Protocol):
    """Any context of Dagster with resources."""

    @property
    def resources(self) -> Any:
        """Return the resources by attribute."""
        ...


class DayMaker(Protocol):
    """What the body of a dated asset asks for."""

    def prepare(self, days: Sequence[date]) -> None:
        """Look at all days of a run before the first one is made; never raises, what is refused becomes the outcome of its days."""
        ...

    def make(self, trade_date: date, *, force: bool = False, verify: bool = False) -> DayResult:
        """Make one day; never raises, errors are part of the result."""
        ...

    def close(self) -> None:
        """End what ``prepare`` began; called after the last day, and when a run is interrupted."""
        ...


@dataclass(frozen=True)
class Workbench:
    """Everything a builder may need, opened once per run. Use as a context manager where the process goes on.

    Attributes:
        lake: where partitions are read and written.
        registry: instruments.
        rolls: front contract per trade date.
        archive: Sierra Chart tick files.
        depth_archive: Sierra Chart market depth files.
        stat_cache: hashes of unchanged source ranges.
        clock: time of day.
        vendor: DataBento, for this run; nothing is asked before a day needs it.
        feed_archive: history files of the gamma feed.
        chain_archive: saved option chains.
        attach_policy: which gamma snapshots a row may show, and for how long.
        regime_parameters: parameters of the regimes of a symbol.
    """

    lake: LocalLake
    registry: Registry
    rolls: RollTable
    archive: SierraArchive
    depth_archive: DepthArchive
    stat_cache: StatCache
    clock: Clock
    vendor: Vendor
    feed_archive: FeedArchive
    chain_archive: ChainArchive
    attach_policy: AttachPolicy
    regime_parameters: Callable[[str], RegimeParameters]

    def opened(self, symbol: str) -> date:
        """Return the latest trade date that has opened for the first part of an asset key; for a list, that of shares."""
        if symbol == keys.WATCHLIST.path[0]:
            return calendar_for(SHARES_CALENDAR).opened(self.clock.now())
        return opened(self.clock.now(), self.registry.get(symbol))

    @classmethod
    def open(cls, resources: Mapping[str, Any]) -> Self:
        """Open the resources named in ``RESOURCE_KEYS``; others are ignored."""
        registry = resources["reference_data"].registry()
        rolls = resources["reference_data"].rolls(registry)
        clock = resources["clock"].clock()
        return cls(
            lake=resources["lake"].lake(),
            registry=registry,
            rolls=rolls,
            archive=resources["sierra"].archive(registry),
            depth_archive=resources["sierra"].depth_archive(registry),
            stat_cache=resources["sierra"].stat_cache(),
            clock=clock,
            vendor=resources["databento"].vendor(registry, rolls, clock),
            feed_archive=resources["gamma"].feed_archive(),
            chain_archive=resources["gamma"].chain_archive(clock),
            attach_policy=resources["gamma"].policy(),
            regime_parameters=partial(resources["gamma"].regime_parameters, registry=registry),
        )

    @classmethod
    def of(cls, defs: dg.Definitions) -> Self:
        """Open the resources of the assembled platform."""
        return cls.open(defs.resources or {})

    @classmethod
    def from_context(cls, context: _HasResources) -> Self:
        """Open the resources of a run, a check, a sensor or a schedule."""
        return cls.open({name: getattr(context.resources, name) for name in RESOURCE_KEYS})

    def __enter__(self) -> Self:
        """Return the workbench."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file of remembered hashes; afterwards nothing is remembered, and everything else still works."""
        self.stat_cache.close()


def _ticks(instrument: Instrument, bench: Workbench) -> DayBuilder:
    return TicksBuilder(
        instrument=instrument,
        lake=bench.lake,
        archive=bench.archive,
        rolls=bench.rolls,
        calendar=calendar_for(instrument.calendar),
        clock=bench.clock,
        stat_cache=bench.stat_cache,
    )


def _bars(step: str) -> Callable[[Instrument, Workbench], DayBuilder]:
    def make(instrument: Instrument, bench: Workbench) -> DayBuilder:
        return BarsBuilder(
            instrument=instrument,
            lake=bench.lake,
            calendar=calendar_for(instrument.calendar),
            clock=bench.clock,
            step=step,
        )

    return make


def _depth_events(instrument: Instrument, bench: Workbench) -> DayBuilder:
    return DepthEventsBuilder(
        instrument=instrument,
        lake=bench.lake,
        archive=bench.depth_archive,
        rolls=bench.rolls,
        calendar=calendar_for(instrument.calendar),
        clock=bench.clock,
        stat_cache=bench.stat_cache,
    )


def _depth_metrics(instrument: Instrument, bench: Workbench) -> DayBuilder:
    return DepthMetricsBuilder(
        instrument=instrument, lake=bench.lake, calendar=calendar_for(instrument.calendar), clock=bench.clock
    )


def _l2(instrument: Instrument, bench: Workbench) -> DayBuilder:
    return L2Builder(instrument.symbol, bench.lake, bench.vendor, bench.clock)


def _l2_metrics(instrument: Instrument, bench: Workbench) -> DayBuilder:
    return L2MetricsBuilder(instrument.symbol, bench.lake, calendar_for(instrument.calendar), bench.clock)


def _feed(kind: type[GexSnapshotsBuilder | GexStrikesBuilder]) -> Callable[[Instrument, Workbench], DayBuilder]:
    def make(instrument: Instrument, bench: Workbench) -> DayBuilder:
        return kind(
            instrument=instrument,
            lake=bench.lake,
            archive=bench.feed_archive,
            calendar=calendar_for(instrument.calendar),
            clock=bench.clock,
            stat_cache=bench.stat_cache,
        )

    return make


def _chain_cboe(instrument: Instrument, bench: Workbench) -> DayBuilder:
    return ChainCboeBuilder(
        symbol=instrument.symbol,
        lake=bench.lake,
        archive=bench.chain_archive,
        calendar=calendar_for(instrument.calendar),
        clock=bench.clock,
        stat_cache=bench.stat_cache,
        price_band=instrument.price_band,
    )


def _from_chains(
    kind: type[ChainBuilder | GexLevelsBuilder | GexProfileBuilder],
) -> Callable[[Instrument, Workbench], DayBuilder]:
    def make(instrument: Instrument, bench: Workbench) -> DayBuilder:
        return kind(instrument.symbol, bench.lake, calendar_for(instrument.calendar), bench.clock)

    return make


def _alignment(instrument: Instrument, bench: Workbench) -> DayBuilder:
    return GexAlignmentBuilder(
        instrument=instrument,
        lake=bench.lake,
        calendar=calendar_for(instrument.calendar),
        clock=bench.clock,
        underlying=underlying_of(instrument, bench.registry),
        policy=bench.attach_policy,
    )


def _enriched_bars(instrument: Instrument, bench: Workbench) -> DayBuilder:
    return EnrichedBarsBuilder(
        instrument=instrument,
        lake=bench.lake,
        calendar=calendar_for(instrument.calendar),
        clock=bench.clock,
        underlying=underlying_of(instrument, bench.registry),
        policy=bench.attach_policy,
        chain_underlying=chain_underlying_of(instrument, bench.registry),
    )


def _regimes(instrument: Instrument, bench: Workbench) -> DayBuilder:
    return GexRegimesBuilder(
        instrument=instrument,
        lake=bench.lake,
        calendar=calendar_for(instrument.calendar),
        clock=bench.clock,
        parameters=bench.regime_parameters(instrument.symbol),
        upstream=upstream_of(instrument),
        category=bench.attach_policy.category,
    )


_BUILDERS: Mapping[str, Callable[[Instrument, Workbench], DayBuilder]] = {
    keys.TICKS: _ticks,
    keys.BARS_1S: _bars("1s"),
    keys.BARS_1M: _bars("1m"),
    keys.DEPTH_EVENTS: _depth_events,
    keys.DEPTH_METRICS: _depth_metrics,
    keys.L2: _l2,
    keys.L2_METRICS: _l2_metrics,
    keys.GEX_SNAPSHOTS: _feed(GexSnapshotsBuilder),
    keys.GEX_STRIKES: _feed(GexStrikesBuilder),
    keys.CHAIN_CBOE: _chain_cboe,
    keys.CHAIN: _from_chains(ChainBuilder),
    keys.GEX_LEVELS: _from_chains(GexLevelsBuilder),
    keys.GEX_PROFILE: _from_chains(GexProfileBuilder),
    keys.GEX_REGIMES: _regimes,
    keys.GEX_ALIGNMENT: _alignment,
    keys.ENRICHED_BARS: _enriched_bars,
}


def builder_for(key: dg.AssetKey, bench: Workbench) -> DayBuilder:
    """Return the builder behind a dated asset.

    Raises:
        KeyError: if the key is not one of ``keys`` (the catalogue views have no builder), or that of the watchlist, which has many.
    """
    symbol, dataset = key.path
    if key == keys.WATCHLIST:
        raise KeyError(key)
    return _BUILDERS[dataset](bench.registry.get(symbol), bench)


def subject_of(key: dg.AssetKey, bench: Workbench) -> DayBuilder | WatchlistDays:
    """Return what is planned: the builder of an asset with one file per day, or the days of the list."""
    if key == keys.WATCHLIST:
        return WatchlistDays(bench.vendor.settings.watchlist, bench.lake, bench.vendor, bench.clock)
    return builder_for(key, bench)


def maker_for(key: dg.AssetKey, bench: Workbench) -> DayMaker:
    """Return what makes the days of a dated asset.

    Raises:
        KeyError: see :func:`builder_for`.
    """
    subject = subject_of(key, bench)
    return subject if isinstance(subject, WatchlistDays) else _OneFile(subject, bench.lake)


@dataclass(frozen=True)
class _OneFile:
    """Makes days that are one file each."""

    builder: DayBuilder
    lake: LocalLake

    def prepare(self, days: Sequence[date]) -> None:
        """Let the builder look at all days, if it wants to."""
        if isinstance(self.builder, PreparedBuilder):
            self.builder.prepare(days)

    def make(self, trade_date: date, *, force: bool = False, verify: bool = False) -> DayResult:
        """Make one day."""
        return build_day(self.builder, trade_date, self.lake, force=force, verify=verify)

    def close(self) -> None:
        """Do nothing."""


def has_builder(key: dg.AssetKey) -> bool:
    """Tell whether the asset is made of dated partitions."""
    return len(key.path) == 2 and key.path[1] in _BUILDERS
