"""A small home with ticks of MNQ, the feed of NQ_NDX along them, and saved chains of SPX."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

from trading_platform.home import Home, create_home
from trading_platform.instruments import load_registry, load_roll_table
from trading_platform.sessions import calendar_for
from trading_platform.simulation import GexFeedOptions, spots_along, write_demo_chains, write_gex_day
from trading_platform.simulation.archive import demo_market

from .ticks_only import ticks_home

MONDAY, TUESDAY, WEDNESDAY = (date(2025, 3, day) for day in (10, 11, 12))
THREE_DAYS = (MONDAY, TUESDAY, WEDNESDAY)
FEED = GexFeedOptions(cadence_s=60, strikes=21, grid_step=50.0, basis_points=107.21, basis_drift_points=-2.4)


def gamma_home(
    folder: Path, *, days: Sequence[date] = THREE_DAYS, feed: Sequence[date] = (), chains: Sequence[date] = ()
) -> Home:
    """Create a home with MNQ and SPX active whose folders of gamma data are recorded in it."""
    home = ticks_home(folder, days, active=("MNQ", "SPX"))
    for name in ("gex", "chains"):
        (folder / name).mkdir()
    write_feed(folder / "gex", feed)
    write_demo_chains(folder / "chains", chains)
    return create_home(home.path, gex_dir=folder / "gex", chain_dir=folder / "chains")


def write_feed(folder: Path, days: Sequence[date]) -> None:
    """Write history files of NQ_NDX that follow the price of the small archive."""
    registry = load_registry()
    future, series = registry.get("MNQ"), registry.get("NQ_NDX")
    market, rolls = demo_market(future, 20_600.0), load_roll_table(registry)
    for day in days:
        session = calendar_for(series.calendar).session(day)
        spots = spots_along(market, rolls.front("MNQ", day), calendar_for(future.calendar).session(day), session)
        write_gex_day(folder, session, "NQ_NDX", ("gex_full",), FEED, spot_per_second=spots)


def feed_of(folder: Path, day: date) -> dict[int, dict[str, Any]]:
    """Read a history file again without any of our code: epoch second -> snapshot."""
    (path,) = folder.glob(f"{day}_NQ_NDX_classic_gex_full.json*")
    content = path.read_bytes()
    text = gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
    return {snapshot["timestamp"]: snapshot for snapshot in json.loads(text)}
