"""The demo: a folder of ``.scid`` files as a Sierra Chart user with ES and MNQ would have it.

Belongs here: which contracts, dates and volumes the demo shows. Does not belong here: how a market moves
(``market.py``), how a file is laid out (``scid.py``).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Final

import numpy as np

from ..instruments import Contract, Instrument, Registry, RollTable, RollWindow, SierraSymbology
from ..sessions import Session, calendar_for
from .depth import DepthDay, DepthOptions, write_depth_day
from .files import Records
from .market import SimulatedMarket
from .scid import HEADER_BYTES, RECORD_BYTES, scid_records, write_scid

DEMO_ROOTS: Final = ("ES", "MNQ")

DEMO_DATES: Final[tuple[date, ...]] = (
    *(date(2025, 3, day) for day in (5, 6, 7)),  # standard time
    *(date(2025, 3, day) for day in (10, 11, 12, 13, 14)),  # daylight time since Sunday the 9th
    *(date(2025, 3, day) for day in (17, 18, 19)),  # Monday the 17th: M25 takes over from H25
    date(2025, 4, 17),
    date(2025, 4, 18),  # Good Friday, closed
    date(2025, 5, 26),  # Memorial Day, a half day
)
"""Trade dates of the demo: a clock change, a roll, a holiday and a half day."""

DEMO_DEPTH_DATES: Final[tuple[date, ...]] = tuple(date(2025, 3, day) for day in (10, 11, 12))
"""Trade dates of the demo with market depth; the first one begins on a Sunday evening, hours after a clock change."""

DEMO_L2_DATES: Final = DEMO_DEPTH_DATES[1:]
"""Trade dates of the demo with level 2; there are ticks and market depth of them too, so that all three can be looked at side by side."""

DEMO_TICKS_PER_FULL_DAY: Final = 60_000
_SEED: Final = 20_250_317
_DEPTH_OPTIONS: Final = DepthOptions(levels=20)
_START_PRICES: Final = {"ES": 5_850.0, "MNQ": 20_600.0}  # near the market of early March 2025
_FILE_STYLE: Final = "fut"
_OVERLAP_STEEPNESS: Final = 1.5  # two weekdays before the roll the next contract has a tenth of the volume
_MINIMUM_SHARE: Final = 0.002


@dataclass(frozen=True, slots=True)
class DemoFile:
    """One file of the demo.

    Attributes:
        path: where it lies.
        root: symbol of the instrument, e.g. ``MNQ``.
        contract: e.g. ``MNQH25``.
        rows_by_trade_date: records of each trade date in file order; quote-only records are counted too.
    """

    path: Path
    root: str
    contract: str
    rows_by_trade_date: tuple[tuple[date, int], ...]

    @property
    def rows(self) -> int:
        """Return the number of records."""
        return sum(rows for _, rows in self.rows_by_trade_date)

    @property
    def size_bytes(self) -> int:
        """Return the size of the file."""
        return HEADER_BYTES + self.rows * RECORD_BYTES


@dataclass(frozen=True, slots=True)
class DemoArchive:
    """What ``write_demo_archive`` has written.

    Attributes:
        directory: the folder, usable as a Sierra Chart data folder.
        files: one per contract.
        trade_dates: all dates of the demo, the closed one included.
        depth_files: one per front contract and UTC day.
    """

    directory: Path
    files: tuple[DemoFile, ...]
    trade_dates: tuple[date, ...]
    depth_files: tuple[DepthDay, ...] = ()

    @property
    def rows(self) -> int:
        """Return the number of ticks in all files."""
        return sum(file.rows for file in self.files)

    @property
    def depth_rows(self) -> int:
        """Return the number of book events in all files."""
        return sum(file.rows for file in self.depth_files)


def write_demo_archive(
    directory: Path,
    registry: Registry,
    rolls: RollTable,
    *,
    trade_dates: Sequence[date] = DEMO_DATES,
    depth_dates: Sequence[date] = (),
    ticks_per_full_day: int = DEMO_TICKS_PER_FULL_DAY,
    depth_events_per_utc_day: int = 8_000,
    seed: int = _SEED,
) -> DemoArchive:
    """Write the demo's files for ES and MNQ, each with the contracts that are front on any of the dates.

    The same arguments give the same bytes; a file that has them already is left alone.

    Args:
        directory: created if needed; files of other names are not touched.
        registry: gives tick sizes, calendars and the price scale of ``ESH25_FUT_CME`` style names.
        rolls: says which contract is front on a date.
        trade_dates: ascending; closed dates are allowed and get no records.
        depth_dates: trade dates that get market depth as well, such as ``DEMO_DEPTH_DATES``.
        ticks_per_full_day: rows per instrument on a full day, about, summed over its contracts.
        depth_events_per_utc_day: depth records per contract and UTC day besides snapshots, about.
        seed: of the market.

    Raises:
        ConfigurationError: the registry does not know ES or MNQ.
        OSError: the disk refuses.
    """
    files: list[DemoFile] = []
    depth_files: list[DepthDay] = []
    for root in DEMO_ROOTS:
        market = demo_market(registry.get(root), _START_PRICES[root], ticks_per_full_day, seed)
        sessions = [calendar_for(market.instrument.calendar).session(day) for day in trade_dates]
        windows = rolls.windows(root, trade_dates[0], trade_dates[-1])
        files += [_write_contract(directory, market, window.contract, sessions, windows) for window in windows]
        depth_files += _write_depth(directory, market, rolls, depth_dates, depth_events_per_utc_day)
    return DemoArchive(directory, tuple(files), tuple(trade_dates), tuple(depth_files))


def demo_market(
    instrument: Instrument,
    start_price: float,
    ticks_per_full_day: int = DEMO_TICKS_PER_FULL_DAY,
    seed: int = _SEED,
) -> SimulatedMarket:
    """Return the market that the demo's files record; whoever else shows that market takes it from here."""
    return SimulatedMarket(seed, instrument, start_price, ticks_per_full_day, base_date=DEMO_DATES[0])


def demo_activity_share(rolls: RollTable, contract: Contract, trade_date: date) -> float:
    """Return a contract's part of the activity on one date of the demo."""
    return activity_share(contract, trade_date, rolls.windows(contract.root, DEMO_DATES[0], DEMO_DATES[-1]))


def activity_share(contract: Contract, trade_date: date, windows: Sequence[RollWindow]) -> float:
    """Return a contract's part of the activity on one date.

    Activity moves to the next contract over about five weekdays around the roll; a contract that is not front yet
    trades a little, one that has expired (third Friday of its month) not at all.

    Args:
        contract: the contract asked about.
        trade_date: the date asked about.
        windows: the contracts of the archive with the dates on which they are front, ascending.
    """
    if trade_date > _third_friday(contract.expiry_month):
        return 0.0
    share = 1.0
    for window in windows[1:]:
        weekdays_since_roll = int(np.busday_count(window.first_trade_date, trade_date))
        moved = 1 / (1 + math.exp(-_OVERLAP_STEEPNESS * (weekdays_since_roll + 0.5)))
        share *= max(moved if contract >= window.contract else 1.0 - moved, _MINIMUM_SHARE)
    return share


def _write_contract(
    directory: Path,
    market: SimulatedMarket,
    contract: Contract,
    sessions: Sequence[Session],
    windows: Sequence[RollWindow],
) -> DemoFile:
    """Write one contract's file."""
    instrument = market.instrument
    symbology = _symbology(instrument)
    price_scale = symbology.price_scales[_FILE_STYLE]  # 0.01: names of this style store prices x 100
    rows: list[tuple[date, int]] = []

    def chunks() -> Iterator[Records]:
        for session in sessions:
            share = activity_share(contract, session.trade_date, windows)
            if not session.is_open or share == 0.0:
                continue
            ticks = market.ticks(session, contract, activity_share=share)
            rows.append((session.trade_date, ticks.rows))
            yield scid_records(ticks, instrument.tick_size, price_scale)

    path = directory / f"{contract.symbol}_FUT_{symbology.exchange}.scid"
    write_scid(path, chunks(), keep_identical=True)
    return DemoFile(path, instrument.symbol, contract.symbol, tuple(rows))


def _write_depth(
    directory: Path, market: SimulatedMarket, rolls: RollTable, trade_dates: Sequence[date], events_per_utc_day: int
) -> Iterator[DepthDay]:
    """Write the front contracts' files of each UTC day on which one of the trade dates has trading hours."""
    front = {day: rolls.front(market.instrument.symbol, day) for day in trade_dates}
    evenings = {day - timedelta(days=1) for day in trade_dates}
    for utc_date in sorted(evenings | set(trade_dates)):
        here = [day for day in (utc_date, utc_date + timedelta(days=1)) if day in front]
        for contract in sorted({front[day] for day in here}):
            own = [day for day in here if front[day] == contract]
            written = write_depth_day(
                directory,
                market,
                contract,
                utc_date,
                events=events_per_utc_day,
                options=_DEPTH_OPTIONS,
                trade_dates=own,
            )
            if written is not None:
                yield written


def _symbology(instrument: Instrument) -> SierraSymbology:
    """Return how Sierra Chart names the instrument."""
    if instrument.sierra is None:
        raise ValueError(f"Expected an instrument with Sierra Chart files, was {instrument.symbol}")
    return instrument.sierra


def _third_friday(month: date) -> date:
    """Return the last trading day of an equity-index contract."""
    first = month.replace(day=1)
    return first + timedelta(days=(4 - first.weekday()) % 7 + 14)
