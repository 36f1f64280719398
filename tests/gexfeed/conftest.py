"""A temporary lake, a folder of history files, and the builders around them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from trading_platform.clock import FixedClock
from trading_platform.gexfeed import FeedArchive, GexSnapshotsBuilder, GexStrikesBuilder
from trading_platform.instruments import load_registry
from trading_platform.lake import DayResult, LocalLake, StatCache, build_day
from trading_platform.sessions import calendar_for

from .feed_files import DAY

LATER = datetime(2025, 4, 1, tzinfo=UTC)
FeedBuilders = tuple[GexSnapshotsBuilder, GexStrikesBuilder]
MakeBuilders = Callable[..., FeedBuilders]
Build = Callable[..., tuple[DayResult, DayResult]]


@pytest.fixture
def lake(tmp_path: Path) -> LocalLake:
    return LocalLake(tmp_path / "lake")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "feed"
    made.mkdir()
    return made


@pytest.fixture
def builders(lake: LocalLake, folder: Path) -> MakeBuilders:
    def make(
        symbol: str = "NQ_NDX",
        now: datetime = LATER,
        directory: Path | None = folder,
        stat_cache: StatCache | None = None,
    ) -> FeedBuilders:
        instrument = load_registry().get(symbol)
        archive, calendar = FeedArchive(directory), calendar_for(instrument.calendar)
        clock = FixedClock(now)
        return (
            GexSnapshotsBuilder(instrument, lake, archive, calendar, clock, stat_cache),
            GexStrikesBuilder(instrument, lake, archive, calendar, clock, stat_cache),
        )

    return make


@pytest.fixture
def build(lake: LocalLake, builders: MakeBuilders) -> Build:
    """Return a function that makes both datasets of a day."""

    def run(day: date = DAY, *, force: bool = False, **options: object) -> tuple[DayResult, DayResult]:
        snapshots, strikes = builders(**options)
        return build_day(snapshots, day, lake, force=force), build_day(strikes, day, lake, force=force)

    return run
