"""A tiny home with synthetic days, for the snippets of the documentation."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from trading_platform.bars import BarsBuilder
from trading_platform.clock import FixedClock
from trading_platform.instruments import load_registry, load_roll_table
from trading_platform.lake import DayBuilder, LocalLake, build_day
from trading_platform.sessions import calendar_for
from trading_platform.settings import Home, create_home
from trading_platform.sierra import SierraArchive, TicksBuilder
from trading_platform.simulation import write_demo_archive

# Days of the demo too, so that a reader who has run it gets rows from the same snippets.
DATES = (date(2025, 3, 14), date(2025, 3, 17))


@pytest.fixture(scope="session")
def small_home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """Return a home with ticks and bars of ES and MNQ on the two days around the roll."""
    folder = tmp_path_factory.mktemp("docs") / "home"
    home = create_home(folder, sierra_dir=folder / "sierra", demo=True)
    home.instruments_toml.write_text('active = ["ES", "MNQ"]\n', encoding="utf-8")
    registry = load_registry(home.instruments_toml)
    rolls = load_roll_table(registry, None)
    write_demo_archive(folder / "sierra", registry, rolls, trade_dates=DATES, ticks_per_full_day=600)
    lake, clock = LocalLake(home.lake_dir), FixedClock(datetime(2025, 6, 1, tzinfo=UTC))
    archive = SierraArchive(folder / "sierra", None, registry)
    for instrument in registry.active:
        calendar = calendar_for(instrument.calendar)
        builders: list[DayBuilder] = [
            TicksBuilder(instrument, lake, archive, rolls, calendar, clock),
            BarsBuilder(instrument, lake, calendar, "1s", clock),
            BarsBuilder(instrument, lake, calendar, "1m", clock),
        ]
        for builder in builders:
            for day in DATES:
                result = build_day(builder, day, lake)
                assert result.rows > 0, result.error
    return home


@pytest.fixture
def in_small_home(small_home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """Work in an empty folder with TP_HOME naming the small home."""
    monkeypatch.setenv("TP_HOME", str(small_home.path))
    monkeypatch.chdir(tmp_path)
    return small_home
