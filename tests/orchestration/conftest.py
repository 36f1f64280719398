"""A small platform in a temporary home: synthetic ES and MNQ archives, real builders, real Dagster."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from definitions import build_defs
from jobs.backfill import AssetReport, Backfill, BackfillRequest, Reporter
from jobs.planning import Mode
from jobs.selection import select_assets
from trading_platform.home import Home, create_home
from trading_platform.instruments import load_registry, load_roll_table
from trading_platform.lake import LocalLake
from trading_platform.simulation import write_demo_archive

FIVE_DAYS = tuple(date(2025, 3, day) for day in (10, 11, 12, 13, 14))
TICKS_PER_DAY = 600
DEPTH_EVENTS_PER_DAY = 600


@dataclass
class SmallPlatform:
    """One home with its definitions and instance."""

    home: Home
    instance: dg.DagsterInstance
    overrides: dict[str, Any]

    @property
    def defs(self) -> dg.Definitions:
        return build_defs(self.home, self.overrides)

    @property
    def lake(self) -> LocalLake:
        return LocalLake(self.home.lake_dir)

    def backfill(
        self,
        *assets: str,
        first: date = FIVE_DAYS[0],
        last: date = FIVE_DAYS[-1],
        mode: Mode = Mode.DEFAULT,
        reporter: Reporter | None = None,
    ) -> dict[str, AssetReport]:
        defs = self.defs
        request = BackfillRequest(select_assets(defs, assets), first, last, mode)
        engine = Backfill(defs, self.instance, self.home.claims_dir, reporter or Reporter())
        return {report.key.to_user_string(): report for report in engine.run(request)}

    def hashes(self) -> dict[str, str]:
        return lake_hashes(self.home.lake_dir)


def lake_hashes(lake_dir: Path) -> dict[str, str]:
    """Return sha256 by relative path of every partition file."""
    import hashlib

    return {
        str(path.relative_to(lake_dir)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(lake_dir.rglob("part-*.parquet"))
    }


def make_home(folder: Path, days: Sequence[date] = FIVE_DAYS, active: Sequence[str] = ("MNQ",)) -> Home:
    """Create a home whose archive holds small synthetic days."""
    home = create_home(folder / ".tp", sierra_dir=folder / "sierra")
    names = ", ".join(f'"{symbol}"' for symbol in active)
    home.instruments_toml.write_text(f"active = [{names}]\n", encoding="utf-8")
    if not days:
        return home
    registry = load_registry(home.instruments_toml)
    write_demo_archive(
        folder / "sierra",
        registry,
        load_roll_table(registry, None),
        trade_dates=days,
        ticks_per_full_day=TICKS_PER_DAY,
        depth_dates=days,
        depth_events_per_utc_day=DEPTH_EVENTS_PER_DAY,
    )
    return home


@pytest.fixture(scope="module")
def instance() -> Iterator[dg.DagsterInstance]:
    """Share one throw-away instance per module; tests that look at events take ``fresh_instance``."""
    with dg.DagsterInstance.ephemeral() as shared:
        yield shared


@pytest.fixture
def small_platform(tmp_path: Path) -> Iterator[SmallPlatform]:
    """Return a platform with five MNQ days, nothing materialized."""
    with dg.DagsterInstance.ephemeral() as fresh:
        yield SmallPlatform(make_home(tmp_path), fresh, {})


@pytest.fixture
def platform_of(tmp_path: Path) -> Iterator[Callable[..., SmallPlatform]]:
    """Return a maker of platforms with chosen days and instruments."""
    opened: list[Any] = []

    def make(days: Sequence[date] = FIVE_DAYS, active: Sequence[str] = ("MNQ",), **overrides: Any) -> SmallPlatform:
        manager = dg.DagsterInstance.ephemeral()
        opened.append(manager)
        return SmallPlatform(make_home(tmp_path, days, active), manager, overrides)

    yield make
    for manager in opened:
        manager.dispose()
