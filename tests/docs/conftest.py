"""A tiny home with synthetic days, for the snippets of the documentation."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from trading_platform.bars import BarsBuilder
from trading_platform.clock import Clock, FixedClock
from trading_platform.databento.account import open_vendor
from trading_platform.databento.l2_builder import L2Builder
from trading_platform.depth import DepthMetricsBuilder
from trading_platform.home import Home, create_home
from trading_platform.instruments import Registry, RollTable, load_registry, load_roll_table
from trading_platform.l2.metrics_builder import L2MetricsBuilder
from trading_platform.lake import DayBuilder, LocalLake, build_day
from trading_platform.sessions import calendar_for
from trading_platform.settings import load_settings
from trading_platform.sierra import SierraArchive, TicksBuilder
from trading_platform.sierra.depth import DepthArchive, DepthEventsBuilder
from trading_platform.simulation import write_demo_archive
from trading_platform.simulation.databento import DataBentoStandIn, StandInMarket

# Days of the demo too, so that a reader who has run it gets rows from the same snippets.
DATES = (date(2025, 3, 14), date(2025, 3, 17))
DEPTH_DATE = date(2025, 3, 12)
# Gaps as `tp rolls gaps --write` leaves them; the snippets need one to adjust with, whatever its size.
GAPS = """root,from_contract,to_contract,first_trade_date,from_price,to_price,measured_at,apart_us
ES,ESH25,ESM25,2025-03-17,5885.0,5937.5,2025-03-14T20:58:51.000000+00:00,400000
MNQ,MNQH25,MNQM25,2025-03-17,20618.0,20803.0,2025-03-14T20:58:25.091000+00:00,276998
"""


@pytest.fixture(scope="session")
def small_home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """Return a home with ticks and bars of ES and MNQ on the two days around the roll, one day of market depth and one of level 2."""
    folder = tmp_path_factory.mktemp("docs") / "home"
    home = create_home(folder, sierra_dir=folder / "sierra", demo=True)
    home.instruments_toml.write_text('active = ["ES", "MNQ"]\n', encoding="utf-8")
    registry = load_registry(home.instruments_toml)
    rolls = load_roll_table(registry, None)
    write_demo_archive(
        folder / "sierra",
        registry,
        rolls,
        trade_dates=DATES,
        depth_dates=(DEPTH_DATE,),
        ticks_per_full_day=600,
        depth_events_per_utc_day=600,
    )
    home.roll_gaps_csv.write_text(GAPS, encoding="utf-8")
    lake, clock = LocalLake(home.lake_dir), FixedClock(datetime(2025, 6, 1, tzinfo=UTC))
    archive, depth = SierraArchive(folder / "sierra", None, registry), DepthArchive(folder / "sierra", registry)
    for instrument in registry.active:
        calendar = calendar_for(instrument.calendar)
        builders: list[DayBuilder] = [
            TicksBuilder(instrument, lake, archive, rolls, calendar, clock),
            BarsBuilder(instrument, lake, calendar, "1s", clock),
            BarsBuilder(instrument, lake, calendar, "1m", clock),
        ]
        books: list[DayBuilder] = [
            DepthEventsBuilder(instrument, lake, depth, rolls, calendar, clock),
            DepthMetricsBuilder(instrument, lake, calendar, clock),
        ]
        work = [(builder, day) for builder in builders for day in DATES] + [(builder, DEPTH_DATE) for builder in books]
        for builder, day in work:
            result = build_day(builder, day, lake)
            assert result.rows > 0, result.error
    _buy_level_2(home, registry, rolls, clock)
    return home


def _buy_level_2(home: Home, registry: Registry, rolls: RollTable, clock: Clock) -> None:
    """Make one day of level 2 of ES, from a stand-in that ends with this function."""
    lake = LocalLake(home.lake_dir)
    market = StandInMarket.of_demo(registry, rolls, ticks_per_full_day=600)
    with DataBentoStandIn(market) as server, pytest.MonkeyPatch.context() as patch:
        for name, value in server.environment.items():
            patch.setenv(name, value)
        vendor = open_vendor(home, load_settings(), registry, rolls, clock=clock, run_id="docs")
        for builder in (
            L2Builder("ES", lake, vendor, clock),
            L2MetricsBuilder("ES", lake, calendar_for("CME_EQUITY"), clock),
        ):
            result = build_day(builder, DEPTH_DATE, lake)
            assert result.rows > 0, result.error


@pytest.fixture
def in_small_home(small_home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """Work in an empty folder with TP_HOME naming the small home."""
    monkeypatch.setenv("TP_HOME", str(small_home.path))
    monkeypatch.chdir(tmp_path)
    return small_home
