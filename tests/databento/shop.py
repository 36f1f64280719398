"""The stand-in for DataBento and everything on our side of the socket, ready to be used by tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from trading_platform.clock import Clock, FixedClock
from trading_platform.databento.budget import Budget
from trading_platform.databento.client import DataBentoClient
from trading_platform.databento.fetch import DayRequest, RawStore
from trading_platform.databento.ledger import SpendLedger
from trading_platform.databento.query import Query, nanoseconds_of
from trading_platform.databento.raw_cache import RawCache
from trading_platform.databento.verify import DbnReport, Expectation, verify_dbn
from trading_platform.instruments import load_registry, load_roll_table
from trading_platform.settings import Settings, load_settings
from trading_platform.simulation.databento import DataBentoStandIn, Fault, FaultKind, StandInMarket

DAY = date(2025, 9, 3)
NOW = datetime(2025, 10, 1, 12, tzinfo=UTC)
DATASET = "GLBX.MDP3"
KEY = "db-secret-of-the-test"


@cache
def market() -> StandInMarket:
    registry = load_registry()
    return StandInMarket(registry, load_roll_table(registry), ticks_per_full_day=700, updates_per_trade=3.0)


def a_query(day: date = DAY, symbol: str = "ESU5", hours: tuple[int, int] = (13, 20)) -> Query:
    start, end = (nanoseconds_of(datetime(day.year, day.month, day.day, hour, tzinfo=UTC)) for hour in hours)
    return Query(DATASET, "mbp-10", symbol, "raw_symbol", start, end)


def verifier(query: Query, records: int) -> Callable[[Path], DbnReport]:
    expected = Expectation(query.dataset, query.symbol, query.start_ns, query.end_ns, records, single_instrument=True)
    return lambda path: verify_dbn(path, expected).require()


@dataclass
class Shop:
    """One server and one home."""

    server: DataBentoStandIn
    home: Path
    clock: Clock = field(default_factory=lambda: FixedClock(NOW))

    def settings(self, **changes: Any) -> Settings:
        given: dict[str, Any] = {
            "databento_api_key": KEY,
            "databento_gateway": self.server.gateway,
            "databento_retry_base_ms": 1.0,
            "databento_retry_cap_ms": 2.0,
            "databento_timeout_s": 10.0,
        }
        return load_settings(**{**given, **changes})

    def client(self, **changes: Any) -> DataBentoClient:
        return DataBentoClient(self.settings(**changes), clock=self.clock)

    @property
    def ledger(self) -> SpendLedger:
        return SpendLedger(self.home / "spend.jsonl", self.clock)

    def store(self, run_id: str = "run-1", max_usd: float | None = None, **changes: Any) -> RawStore:
        settings = self.settings(**changes)
        cache_ = RawCache(self.home / "cache" / "dbn", lock_wait_s=30.0)
        return RawStore(
            DataBentoClient(settings, clock=self.clock),
            cache_,
            self.ledger,
            Budget.of(settings, max_usd),
            run_id,
            poll_s=0.01,
        )

    def fetch(self, store: RawStore | None = None, query: Query | None = None, **options: Any) -> Any:
        """Preview, then fetch one day with the verification that a backfill uses."""
        store, query = store or self.store(), query or a_query()
        preview = store.client.preview(query)
        day = datetime.fromtimestamp(query.start_ns / 1e9, UTC).date()
        return store.fetch(DayRequest(query, day, "ES", preview), verifier(query, preview.records), **options)

    def cached(self) -> list[str]:
        """Return the names of everything in the cache that is no folder."""
        root = self.home / "cache"
        return sorted(path.name for path in root.rglob("*") if path.is_file())

    def script(self, kind: FaultKind, **when: Any) -> None:
        self.server.faults.append(Fault(kind, **when))


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    """Serve the simulated market; nothing of the environment of the developer gets in."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DATABENTO_API_KEY", raising=False)
    with DataBentoStandIn(market(), keys=[KEY], available_until=NOW, folder=tmp_path / "vendor") as server:
        for name in ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "NO_PROXY"):
            monkeypatch.setenv(name, server.environment[name])
        yield Shop(server, tmp_path / "home")
