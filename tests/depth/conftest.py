"""A temporary lake with book events of one trade date, and the builder around it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest

from trading_platform.clock import FixedClock
from trading_platform.depth import DepthMetricsBuilder
from trading_platform.instruments import Instrument, load_registry
from trading_platform.lake import FooterFields, LocalLake, Outcome
from trading_platform.lake.contracts import DEPTH_EVENTS
from trading_platform.sessions import TradingCalendar, calendar_for

from . import frames

DAY = date(2026, 3, 10)
LATER = datetime(2026, 4, 1, tzinfo=UTC)
StoreEvents = Callable[..., LocalLake]


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
def store_events(lake: LocalLake, calendar: TradingCalendar) -> StoreEvents:
    """Return a function that commits events (or none) as one trade date, the way the importer does."""

    def store(
        events: Sequence[frames.Event] | pl.DataFrame | None,
        day: date = DAY,
        *,
        outcome: Outcome = Outcome.WRITE,
        synthetic: bool = False,
        reason: str | None = None,
    ) -> LocalLake:
        frame = events if isinstance(events, pl.DataFrame) or events is None else frames.event_frame(events)
        with lake.begin(DEPTH_EVENTS, "MNQ", day) as writer:
            if frame is not None:
                frame = frame.with_columns(pl.col("contract").cast(pl.String))
                writer.append(frame.select(DEPTH_EVENTS.arrow_schema.names).to_arrow().cast(DEPTH_EVENTS.arrow_schema))
            writer.commit(
                FooterFields(
                    fingerprint="f" * 64,
                    code_version="1",
                    outcome=outcome,
                    session=calendar.session(day).resolved(),
                    reason=reason,
                    synthetic=synthetic,
                )
            )
        return lake

    return store


@pytest.fixture
def builder_of(
    lake: LocalLake, instrument: Instrument, calendar: TradingCalendar
) -> Callable[..., DepthMetricsBuilder]:
    def make(now: datetime = LATER) -> DepthMetricsBuilder:
        return DepthMetricsBuilder(instrument, lake, calendar, FixedClock(now))

    return make


@pytest.fixture(scope="session")
def busy_day() -> pl.DataFrame:
    """Return 130,000 events over 400 s: two row groups, snapshots in both."""
    return frames.event_frame(frames.many_events(130_000))
