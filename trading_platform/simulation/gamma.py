"""The demo's gamma exposure: history files of the feed along the simulated futures, and saved option chains of SPX.

Belongs here: which series, dates and sizes the demo shows. Does not belong here: the form of the files (``gex_feed.py``, ``chains.py``).

The feed follows the price of the front contract, so the basis between the future and its series is that of the feed and no accident. The
chains of SPX have a price path of their own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, time
from pathlib import Path
from typing import Final

from ..instruments import Registry, RollTable
from ..sessions import calendar_for
from .archive import DEMO_DEPTH_DATES, demo_market
from .chains import write_demo_chains
from .gex_feed import GexFeedOptions, spots_along, write_gex_day

DEMO_GEX_DATES: Final = DEMO_DEPTH_DATES[1:]
"""Trade dates of the demo with gamma exposure; there are ticks and market depth of them too."""

DEMO_FEEDS: Final[Mapping[str, GexFeedOptions]] = {
    "MNQ": GexFeedOptions(
        cadence_s=30, strikes=41, grid_step=25.0, basis_points=107.21, basis_drift_points=-2.4, start_price=20_600.0
    ),
}
"""Root of a future -> the feed of its series. Sparser than the vendor's, which has a snapshot per second and a hundred strikes."""

DEMO_CHAIN_SYMBOL: Final = "SPX"

DEMO_CHAIN_TIMES: Final = (time(10, 15), time(14, 45), time(16, 30))
"""When the chains of the demo were saved, New York; the last ones after the close."""

DEMO_REGIMES: Final = """\
# Written by `tp demo`: its feed is sparser than the real one, which has a snapshot per second.
[symbols.NQ_NDX]
feed_cadence_s = 30.0
"""
"""Parameters of the demo's regimes."""


@dataclass(frozen=True, slots=True)
class DemoGamma:
    """What ``write_demo_gamma`` has written.

    Attributes:
        feed_files: history files, series by series and day by day.
        chain_files: saved chains, by time.
    """

    feed_files: tuple[Path, ...]
    chain_files: tuple[Path, ...]


def write_demo_gamma(
    feed_dir: Path,
    chain_dir: Path,
    registry: Registry,
    rolls: RollTable,
    *,
    trade_dates: Sequence[date] = DEMO_GEX_DATES,
) -> DemoGamma:
    """Write the history files and chains of some trade dates; a chain file that has its bytes already is left alone.

    Args:
        feed_dir: folder of history files, created if needed.
        chain_dir: folder of chains, created if needed.
        registry: gives the series of a future and the calendars.
        rolls: says which contract is front on a date.
        trade_dates: open dates, ascending.

    Raises:
        ConfigurationError: the registry does not know an instrument of the demo.
        OSError: the disk refuses.
    """
    feed_files: list[Path] = []
    for root, options in DEMO_FEEDS.items():
        series = registry.get(registry.get(root).gex_underlying or root)
        future = registry.get(root)
        market = demo_market(future, options.start_price)
        for day in trade_dates:
            session = calendar_for(series.calendar).session(day)
            traded = calendar_for(future.calendar).session(day)
            spots = spots_along(market, rolls.front(root, day), traded, session)
            feed_files += write_gex_day(feed_dir, session, series.symbol, ("gex_full",), options, spot_per_second=spots)
    chain_files = write_demo_chains(chain_dir, list(trade_dates), symbol=DEMO_CHAIN_SYMBOL, times=DEMO_CHAIN_TIMES)
    return DemoGamma(tuple(feed_files), tuple(chain_files))
