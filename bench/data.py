"""Inputs of the benchmarks: synthetic files below ``bench/tmp``, made once and reused.

Belongs here: writers of inputs and the objects that every variant of ours needs. Everything large is imported inside the functions: the
process that runs the benchmarks must stay small.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .measure import TMP, prepare

if TYPE_CHECKING:
    from trading_platform.sierra import TicksBuilder

SCID_NAME = "MNQZ25_FUT_CME.scid"
NOW = datetime(2025, 11, 3, tzinfo=UTC)
"""After the last benchmark date, so that every day is complete."""

LAST_DATE = date(2025, 11, 14)
"""Last trade date of the home with many small days."""


def scid_file(records: int, trade_dates: int) -> Path:
    """Return a benchmark file, written if it is not there."""
    path = TMP / f"scid-{records}-{trade_dates}" / SCID_NAME
    if not path.is_file():
        prepare("bench.data:write_scid_file", path=str(path), records=records, trade_dates=trade_dates)
    return path


def write_scid_file(path: str, records: int, trade_dates: int) -> Callable[[], None]:
    """Write a benchmark file."""
    from trading_platform.simulation import write_benchmark_scid

    return lambda: void(write_benchmark_scid(Path(path), records, trade_dates))


def read_all(path: str) -> Callable[[], None]:
    """Read a file once, so that it lies in the page cache."""

    def work() -> None:
        with Path(path).open("rb", buffering=0) as file:
            while file.read(1 << 24):
                pass

    return work


def ticks_builder(scid: Path, lake_root: Path, cache_dir: Path) -> TicksBuilder:
    """Return the real builder of ``MNQ/ticks`` over the folder of a benchmark file."""
    from trading_platform.clock import FixedClock
    from trading_platform.instruments import load_registry, load_roll_table
    from trading_platform.lake import LocalLake, StatCache
    from trading_platform.sessions import calendar_for
    from trading_platform.sierra import SierraArchive, TicksBuilder

    registry = load_registry()
    instrument = registry.get("MNQ")
    return TicksBuilder(
        instrument=instrument,
        lake=LocalLake(lake_root),
        archive=SierraArchive(scid.parent, None, registry, cache_dir),
        rolls=load_roll_table(registry, None),
        calendar=calendar_for(instrument.calendar),
        clock=FixedClock(NOW),
        stat_cache=StatCache(cache_dir / "source_hashes.sqlite"),
    )


def open_days(trade_dates: int) -> list[date]:
    """Return the trade dates of a benchmark file."""
    from trading_platform.sessions import calendar_for
    from trading_platform.simulation import BENCHMARK_FIRST_DATE

    calendar = calendar_for("CME_EQUITY")
    days = [BENCHMARK_FIRST_DATE]
    while len(days) < trade_dates:
        days.append(calendar.next_open(days[-1]))
    return days


def make_home(folder: str, days: int, ticks_per_day: int) -> Callable[[], dict[str, Any]]:
    """Create a home whose archive holds many small days of ES and MNQ, nothing built."""
    from trading_platform.home import create_home
    from trading_platform.instruments import load_registry, load_roll_table
    from trading_platform.sessions import first_of_last, weekdays_between
    from trading_platform.simulation import write_demo_archive

    def work() -> dict[str, Any]:
        root = Path(folder)
        shutil.rmtree(root, ignore_errors=True)
        home = create_home(root / "home", sierra_dir=root / "sierra")
        home.instruments_toml.write_text('active = ["ES", "MNQ"]\n', encoding="utf-8")
        registry = load_registry(home.instruments_toml)
        first = first_of_last(LAST_DATE, days)
        archive = write_demo_archive(
            root / "sierra",
            registry,
            load_roll_table(registry, None),
            trade_dates=weekdays_between(first, LAST_DATE),
            ticks_per_full_day=ticks_per_day,
        )
        return {"first": first.isoformat(), "rows": archive.rows}

    return work


def void(_: object) -> None:
    """Forget a value."""
