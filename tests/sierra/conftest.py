"""A small platform around one Sierra folder: registry, rolls, archive, lake, builder."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from trading_platform.clock import FixedClock
from trading_platform.instruments import Registry, load_registry, load_roll_table
from trading_platform.lake import LocalLake, StatCache
from trading_platform.sessions import calendar_for
from trading_platform.sierra.archive import SierraArchive
from trading_platform.sierra.ticks import TicksBuilder

NOW = datetime(2025, 11, 20, tzinfo=UTC)


@pytest.fixture(scope="session")
def registry() -> Registry:
    return load_registry()


@pytest.fixture
def sierra_dir(tmp_path: Path) -> Path:
    folder = tmp_path / "Data"
    folder.mkdir()
    return folder


@pytest.fixture
def lake(tmp_path: Path) -> LocalLake:
    return LocalLake(tmp_path / "lake")


@pytest.fixture
def make_builder(tmp_path: Path, sierra_dir: Path, lake: LocalLake, registry: Registry) -> Callable[..., TicksBuilder]:
    def make(symbol: str = "ES", now: datetime = NOW, *, folder: Path | None = sierra_dir) -> TicksBuilder:
        instrument = registry.get(symbol)
        archive = SierraArchive(folder, tmp_path / "sources.toml", registry, tmp_path / "cache")
        return TicksBuilder(
            instrument,
            lake,
            archive,
            load_roll_table(registry),
            calendar_for(instrument.calendar),
            FixedClock(now),
            StatCache(tmp_path / "cache" / "hashes.sqlite"),
        )

    return make
