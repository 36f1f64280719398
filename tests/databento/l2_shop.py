"""A home beside the stand-in, and what makes days of level 2 in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from trading_platform.clock import Clock, FixedClock
from trading_platform.databento.account import open_vendor
from trading_platform.databento.l2_builder import L2Builder
from trading_platform.databento.ledger import SpendLedger
from trading_platform.databento.vendor import Vendor
from trading_platform.home import Home, create_home
from trading_platform.instruments import load_registry, load_roll_table
from trading_platform.lake import DayResult, LocalLake, build_day
from trading_platform.settings import load_settings
from trading_platform.simulation.databento import DataBentoStandIn, Fault, FaultKind

from .shop import KEY, NOW, market


@dataclass
class L2Shop:
    """One stand-in and one home."""

    server: DataBentoStandIn
    home: Home
    clock: Clock = field(default_factory=lambda: FixedClock(NOW))

    @property
    def lake(self) -> LocalLake:
        return LocalLake(self.home.lake_dir)

    @property
    def ledger(self) -> SpendLedger:
        return SpendLedger(self.home.simulated_spend_ledger, self.clock)

    def vendor(
        self, run_id: str = "run-1", *, max_usd: float | None = None, rebuy: bool = False, **changes: Any
    ) -> Vendor:
        registry = load_registry(self.home.instruments_toml)
        return open_vendor(
            self.home,
            load_settings(**changes),
            registry,
            load_roll_table(registry, self.home.rolls_csv),
            clock=self.clock,
            run_id=run_id,
            max_usd=max_usd,
            rebuy=rebuy,
        )

    def builder(self, symbol: str = "ES", vendor: Vendor | None = None) -> L2Builder:
        return L2Builder(symbol, self.lake, vendor or self.vendor(), self.clock)

    def build(
        self, day: date, symbol: str = "ES", vendor: Vendor | None = None, *, force: bool = False, **changes: Any
    ) -> DayResult:
        """Make one day with a vendor of its own run."""
        return build_day(self.builder(symbol, vendor or self.vendor(**changes)), day, self.lake, force=force)

    def script(self, kind: FaultKind, **when: Any) -> None:
        self.server.faults.append(Fault(kind, **when))

    def seen(self) -> int:
        return len(self.server.requests)


@pytest.fixture
def l2_shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[L2Shop]:
    """Serve the simulated market to a home for real data, in which the days of the stand-in are labelled synthetic."""
    with serving(tmp_path, monkeypatch) as server:
        yield L2Shop(server, create_home(tmp_path / "home"))


def serving(folder: Path, monkeypatch: pytest.MonkeyPatch, **options: Any) -> DataBentoStandIn:
    """Return a stand-in that sets the environment of this process when it starts."""
    monkeypatch.chdir(folder)
    server = DataBentoStandIn(market(), keys=[KEY], available_until=NOW, folder=folder / "vendor", **options)
    start: Callable[[], None] = server.start

    def start_and_tell() -> None:
        start()
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("TP_DATABENTO_RETRY_BASE_MS", "1")
        monkeypatch.setenv("TP_DATABENTO_RETRY_CAP_MS", "2")

    server.start = start_and_tell  # type: ignore[method-assign]  # so that "with" sets the environment too
    return server
