"""A temporary lake with ticks, bars and snapshots of a few trade dates, and the builders around it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest

from trading_platform.clock import FixedClock
from trading_platform.enrichment import (
    AttachPolicy,
    EnrichedBarsBuilder,
    GexAlignmentBuilder,
    Underlying,
    chain_underlying_of,
    underlying_of,
)
from trading_platform.instruments import Instrument, Registry, load_registry
from trading_platform.lake import FooterFields, LocalLake, Outcome
from trading_platform.lake.contracts import CONTRACTS
from trading_platform.sessions import TradingCalendar, calendar_for

MONDAY, TUESDAY, FRIDAY_BEFORE = date(2025, 3, 10), date(2025, 3, 11), date(2025, 3, 7)
LATER = datetime(2026, 4, 1, tzinfo=UTC)
Store = Callable[..., LocalLake]


@pytest.fixture
def lake(tmp_path: Path) -> LocalLake:
    return LocalLake(tmp_path / "lake")


@pytest.fixture(scope="session")
def instrument() -> Instrument:
    return load_registry().get("MNQ")


@pytest.fixture(scope="session")
def calendar(instrument: Instrument) -> TradingCalendar:
    return calendar_for(instrument.calendar)


@pytest.fixture(scope="session")
def underlying(instrument: Instrument) -> Underlying:
    return underlying_of(instrument, load_registry())


@pytest.fixture(scope="session")
def chain_underlying() -> Underlying:
    """Return the index of MNQ, as if it were active."""
    registry = load_registry()
    active = Registry(registry.instruments, (registry.get("MNQ"), registry.get("NDX")))
    found = chain_underlying_of(active.get("MNQ"), active)
    assert found is not None
    return found


@pytest.fixture
def store(lake: LocalLake, calendar: TradingCalendar, underlying: Underlying) -> Store:
    """Return a function that commits a frame (or none) as one partition of any dataset."""

    def commit(
        dataset: str,
        frame: pl.DataFrame | None,
        day: date,
        *,
        outcome: Outcome = Outcome.WRITE,
        reason: str | None = None,
        synthetic: bool = False,
        facts: dict[str, object] | None = None,
    ) -> LocalLake:
        contract = CONTRACTS[dataset]
        is_future = dataset in ("ticks", "bars_1s")
        known = dict(facts or {})
        symbol = "MNQ" if is_future else "NDX" if dataset == "gex_levels" else underlying.symbol
        with lake.begin(contract, symbol, day) as writer:
            if frame is not None:
                text = [pl.col(name).cast(pl.String) for name, kind in frame.schema.items() if kind == pl.Categorical]
                writer.append(frame.with_columns(text).to_arrow().cast(contract.arrow_schema))
                if dataset == "bars_1s" and frame.height:
                    last = int(frame["ts_open"].to_physical()[-1])
                    known = {"volume_sum": int(frame["volume"].sum()), "last_ts_open_us": last}
            writer.commit(
                FooterFields(
                    fingerprint="f" * 64,
                    code_version="1",
                    outcome=outcome,
                    session=(calendar if is_future else underlying.calendar).session(day).resolved(),
                    reason=reason,
                    facts=known,
                    synthetic=synthetic,
                )
            )
        return lake

    return commit


@pytest.fixture
def bars_builder(
    lake: LocalLake,
    instrument: Instrument,
    calendar: TradingCalendar,
    underlying: Underlying,
    chain_underlying: Underlying,
):
    def make(now: datetime = LATER, *, with_chains: bool = False, **policy: object) -> EnrichedBarsBuilder:
        chains = chain_underlying if with_chains else None
        clock, attach = FixedClock(now), AttachPolicy(**policy)
        return EnrichedBarsBuilder(instrument, lake, calendar, clock, underlying, attach, chains)

    return make


@pytest.fixture
def alignment_builder(lake: LocalLake, instrument: Instrument, calendar: TradingCalendar, underlying: Underlying):
    def make(now: datetime = LATER, **policy: object) -> GexAlignmentBuilder:
        return GexAlignmentBuilder(instrument, lake, calendar, FixedClock(now), underlying, AttachPolicy(**policy))

    return make
