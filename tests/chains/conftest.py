"""A temporary lake, a folder of chains, and the builders around them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from trading_platform.chains import ChainArchive, ChainBuilder, ChainCboeBuilder
from trading_platform.clock import FixedClock
from trading_platform.lake import LocalLake, StatCache
from trading_platform.sessions import TradingCalendar, calendar_for

LATER = datetime(2026, 1, 1, tzinfo=UTC)
MakeBuilder = Callable[..., ChainCboeBuilder]


@pytest.fixture(scope="session")
def calendar() -> TradingCalendar:
    return calendar_for("NYSE")


@pytest.fixture
def lake(tmp_path: Path) -> LocalLake:
    return LocalLake(tmp_path / "lake")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "chains"
    folder.mkdir()
    return folder


@pytest.fixture
def make_builder(lake: LocalLake, folder: Path, calendar: TradingCalendar) -> MakeBuilder:
    def make(
        symbol: str = "SPX", now: datetime = LATER, directory: Path | None = folder, stat_cache: StatCache | None = None
    ) -> ChainCboeBuilder:
        clock = FixedClock(now)
        return ChainCboeBuilder(symbol, lake, ChainArchive(directory, calendar, clock), calendar, clock, stat_cache)

    return make


@pytest.fixture
def make_union(lake: LocalLake, calendar: TradingCalendar) -> Callable[..., ChainBuilder]:
    def make(symbol: str = "SPX", now: datetime = LATER, **sources: object) -> ChainBuilder:
        return ChainBuilder(symbol, lake, calendar, FixedClock(now), **sources)  # type: ignore[arg-type]

    return make
