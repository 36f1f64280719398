"""Synthetic DBN files and places to convert them to."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from trading_platform.databento.convert import Conversion, convert, ns_of, select, trading_hours
from trading_platform.databento.dbn import DbnFile
from trading_platform.databento.verify import Expectation
from trading_platform.instruments import Contract, load_registry
from trading_platform.lake import FooterFields, LocalLake, Outcome
from trading_platform.lake.contracts import L2
from trading_platform.sessions import Session, calendar_for
from trading_platform.simulation.dbn import DbnSymbol, dbn_metadata, dbn_zstd, mbp10_records
from trading_platform.simulation.market import SimulatedMarket

from .l2_shop import l2_shop  # noqa: F401 - a fixture
from .shop import shop  # noqa: F401 - a fixture

TRADE_DATE = date(2025, 9, 3)
ES = DbnSymbol("GLBX.MDP3", "ESU5", 14160, 1, 0.25)


@pytest.fixture(scope="session")
def session() -> Session:
    return calendar_for("CME_EQUITY").session(TRADE_DATE)


@pytest.fixture(scope="session")
def records(session: Session) -> Any:
    market = SimulatedMarket(7, load_registry().get("ES"), 6_400.0, ticks_per_full_day=900)
    chunks = list(mbp10_records(market.ticks(session, Contract.parse("ESU25")), ES))
    return np.concatenate(chunks)


@pytest.fixture(scope="session")
def window_ns(session: Session) -> tuple[int, int]:
    return ns_of(session.window_start), ns_of(session.window_end)


@pytest.fixture
def make_file(tmp_path: Path, window_ns: tuple[int, int]) -> Callable[..., Path]:
    def make(records: Any, *, name: str = "ES.dbn.zst", metadata: bytes | None = None) -> Path:
        path = tmp_path / name
        header = dbn_metadata(ES, *window_ns) if metadata is None else metadata
        if name.endswith(".zst"):
            path.write_bytes(b"".join(dbn_zstd(header, [records])))
        else:
            path.write_bytes(header + records.tobytes())
        return path

    return make


@pytest.fixture
def lake(tmp_path: Path) -> LocalLake:
    return LocalLake(tmp_path / "lake")


@pytest.fixture
def convert_day(lake: LocalLake, session: Session) -> Callable[..., tuple[Conversion, Path]]:
    """Return what converts one trade date of a file into the lake."""

    def run(
        path: Path, symbol: str = "ESU5", *, day: Session = session, expected: Expectation | None = None
    ) -> tuple[Conversion, Path]:
        with DbnFile(path) as file, lake.begin(L2, "ES", day.trade_date) as writer:
            selection = select(file, symbol, day)
            done = convert(file, selection, writer, expected=expected, hours=trading_hours(day))
            fields = FooterFields("f", "1", Outcome.WRITE, day.resolved(), facts=done.facts, rejected=done.rejected)
            return done, writer.commit(fields).path

    return run
