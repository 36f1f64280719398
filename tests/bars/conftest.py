"""A temporary lake with ticks of one trade date, and what the builders need around it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from trading_platform.bars import BarsBuilder
from trading_platform.clock import FixedClock
from trading_platform.instants import us_of
from trading_platform.instruments import Instrument, load_registry
from trading_platform.lake import FooterFields, LocalLake, Outcome
from trading_platform.lake.contracts import TICKS
from trading_platform.sessions import TradingCalendar, calendar_for

from . import frames

DAY = date(2025, 3, 10)
LATER = datetime(2025, 4, 1, tzinfo=UTC)
StoreTicks = Callable[..., LocalLake]


@pytest.fixture
def lake(tmp_path: Path) -> LocalLake:
    return LocalLake(tmp_path / "lake")


@pytest.fixture(scope="session")
def instrument() -> Instrument:
    return load_registry().get("MNQ")


@pytest.fixture(scope="session")
def calendar(instrument: Instrument) -> TradingCalendar:
    return calendar_for(instrument.calendar)


@pytest.fixture
def store_ticks(lake: LocalLake, calendar: TradingCalendar) -> StoreTicks:
    """Return a function that commits ticks (or none) as one trade date, the way the tick importer does."""

    def store(
        ticks: pl.DataFrame | None,
        day: date = DAY,
        *,
        outcome: Outcome = Outcome.WRITE,
        synthetic: bool = False,
        reason: str | None = None,
        facts: dict[str, int] | None = None,
    ) -> LocalLake:
        session = calendar.session(day)
        with lake.begin(TICKS, "MNQ", day) as writer:
            volume_sum = 0
            if ticks is not None:
                complete = ticks.with_columns(
                    pl.lit(0, pl.UInt8).alias("bundle"),
                    pl.lit(0, pl.UInt8).alias("flags"),
                    pl.col("contract").cast(pl.String),
                )
                table = complete.select(TICKS.arrow_schema.names).to_arrow().cast(TICKS.arrow_schema)
                writer.append(table)
                volume_sum = int(ticks["volume"].cast(pl.Int64).sum())
            writer.commit(
                FooterFields(
                    fingerprint="f" * 64,
                    code_version="1",
                    outcome=outcome,
                    session=session.resolved(),
                    reason=reason,
                    facts={"volume_sum": volume_sum} if facts is None else facts,
                    synthetic=synthetic,
                )
            )
        return lake

    return store


@pytest.fixture
def builder_of(lake: LocalLake, instrument: Instrument, calendar: TradingCalendar) -> Callable[..., BarsBuilder]:
    def make(step: str = "1s", now: datetime = LATER) -> BarsBuilder:
        return BarsBuilder(instrument, lake, calendar, step, FixedClock(now))

    return make


@pytest.fixture(scope="session")
def session_ticks(calendar: TradingCalendar) -> pl.DataFrame:
    """Return 300,000 seeded ticks over the trading hours of DAY (three row groups), one of them out of order."""
    session = calendar.session(DAY)
    rows, rng = 300_000, np.random.default_rng(11)
    ts = np.sort(rng.integers(us_of(session.opens_at), us_of(session.closes_at), rows))
    ts[150_000], ts[150_001] = ts[150_001] + 1, ts[150_000]
    price = (80_000 + rng.integers(-2, 3, rows).cumsum()) * 0.25
    return frames.tick_frame(ts, price, rng.integers(1, 50, rows), rng.integers(-1, 2, rows))
