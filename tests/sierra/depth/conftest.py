"""A builder of ``ES/depth_events`` around one Sierra folder."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from trading_platform.clock import FixedClock
from trading_platform.instruments import Registry, load_roll_table
from trading_platform.lake import LocalLake, StatCache
from trading_platform.sessions import calendar_for
from trading_platform.sierra.depth import DepthArchive, DepthEventsBuilder

NOW = datetime(2025, 11, 20, tzinfo=UTC)


@pytest.fixture
def depth_dir(sierra_dir: Path) -> Path:
    folder = sierra_dir / "MarketDepthData"
    folder.mkdir()
    return folder


@pytest.fixture
def make_depth(
    tmp_path: Path, sierra_dir: Path, lake: LocalLake, registry: Registry
) -> Callable[..., DepthEventsBuilder]:
    def make(
        symbol: str = "ES", now: datetime = NOW, *, folder: Path | None = sierra_dir, known: Registry = registry
    ) -> DepthEventsBuilder:
        instrument = known.get(symbol)
        return DepthEventsBuilder(
            instrument,
            lake,
            DepthArchive(folder, known, tmp_path / "cache"),
            load_roll_table(known),
            calendar_for(instrument.calendar),
            FixedClock(now),
            StatCache(tmp_path / "cache" / "hashes.sqlite"),
        )

    return make
