"""What the stand-in sells: ten-level books of simulated futures and shares, and what its symbols mean.

Belongs here: which symbols exist, instrument numbers, continuous symbols, records of a window. Does not belong here: HTTP, bills, files.
"""

from __future__ import annotations

import re
import threading
import zlib
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Final

import numpy as np

from ...errors import ConfigurationError
from ...instruments import Contract, Instrument, InstrumentKind, Registry, RollTable
from ...sessions import Session, calendar_for
from ..archive import DEMO_TICKS_PER_FULL_DAY, demo_activity_share, demo_market
from ..dbn import MBP10_RECORD, DbnSymbol, Records, mbp10_records
from ..market import SimulatedMarket, SimulatedTicks

FUTURES_DATASET: Final = "GLBX.MDP3"
SHARES_DATASET: Final = "XNAS.ITCH"
PUBLISHERS: Final = {FUTURES_DATASET: 1, SHARES_DATASET: 2}

_BASE_DATE: Final = date(2025, 3, 3)
_START_PRICES: Final = {"ES": 5_850.0, "MES": 5_850.0, "NQ": 20_600.0, "MNQ": 20_600.0, "AAPL": 240.0, "MSFT": 400.0}
_START_PRICE: Final = 100.0
_CONTINUOUS: Final = re.compile(r"^(?P<root>[A-Z0-9]+)\.(?P<rule>[cnv])\.(?P<rank>\d)$")
_RAW_FUTURE: Final = re.compile(r"^(?P<root>[A-Z0-9]{1,3})(?P<month>[FGHJKMNQUVXZ])(?P<year>\d)$")
_SHARE: Final = re.compile(r"^[A-Z][A-Z.]{0,5}$")
_CACHED_DAYS: Final = 64
_DEMO_UPDATES_PER_TRADE: Final = (
    1.0  # the trades of the demo are many; with eight changes before each its books would take minutes
)
_EPOCH: Final = date(1970, 1, 1)
_DAY_NS: Final = 86_400 * 1_000_000_000


class UnknownSymbolError(ValueError):
    """The vendor knows no such symbol."""


@dataclass(frozen=True, slots=True)
class Interval:
    """What a requested symbol means on some dates.

    Attributes:
        first: first UTC date.
        end: first UTC date after them.
        raw_symbol: such as ``ESH5``.
        instrument_id: the vendor's number.
    """

    first: date
    end: date
    raw_symbol: str
    instrument_id: int


class StandInMarket:
    """The simulated market as the vendor sees it; safe to use from several threads.

    Args:
        registry: futures and their calendars.
        rolls: what continuous symbols mean.
        seed: of the market.
        ticks_per_full_day: rows of a full session; about nine book records come to each.
        updates_per_trade: changes of the book before a trade.
        shares: symbols of shares that exist, besides those of the registry.
    """

    def __init__(
        self,
        registry: Registry,
        rolls: RollTable,
        *,
        seed: int = 20_250_317,
        ticks_per_full_day: int = 20_000,
        updates_per_trade: float = 8.0,
        shares: Iterable[str] = ("AAPL", "MSFT", "NVDA"),
    ) -> None:
        self._registry = registry
        self._rolls = rolls
        self._seed = seed
        self._ticks = ticks_per_full_day
        self._updates = updates_per_trade
        self._is_demo = False
        known = (one.symbol for one in registry.instruments.values() if one.kind is InstrumentKind.EQUITY)
        self._shares = frozenset([*shares, *known])
        self._days: OrderedDict[tuple[str, date], Records] = OrderedDict()
        self._lock = threading.Lock()

    @classmethod
    def of_demo(
        cls, registry: Registry, rolls: RollTable, *, ticks_per_full_day: int = DEMO_TICKS_PER_FULL_DAY
    ) -> StandInMarket:
        """Return the market of the demo: futures have the trades that the demo's files of ticks hold, and books around them."""
        market = cls(registry, rolls, ticks_per_full_day=ticks_per_full_day, updates_per_trade=_DEMO_UPDATES_PER_TRADE)
        market._is_demo = True
        return market

    def calendar(self, dataset: str) -> str:
        """Return the calendar of a dataset."""
        return "CME_EQUITY" if dataset == FUTURES_DATASET else "NYSE"

    def resolve(self, dataset: str, symbol: str, stype_in: str, first: date, end: date) -> list[Interval]:
        """Return what a symbol means on the UTC dates from ``first`` to before ``end``.

        Raises:
            UnknownSymbolError: there is no such symbol in the dataset.
        """
        if stype_in == "raw_symbol":
            self._require_raw(dataset, symbol, first)
            return [Interval(first, end, symbol, instrument_id(symbol))]
        match = _CONTINUOUS.match(symbol)
        if stype_in != "continuous" or match is None or dataset != FUTURES_DATASET or match["rank"] != "0":
            raise UnknownSymbolError(symbol)
        found: list[Interval] = []
        for day in _days(first, end):
            raw = raw_symbol(self._front(match["root"], day, symbol))
            if found and found[-1].raw_symbol == raw:
                found[-1] = replace(found[-1], end=day + timedelta(days=1))
            else:
                found.append(Interval(day, day + timedelta(days=1), raw, instrument_id(raw)))
        return found

    def records(self, dataset: str, raw: str, start_ns: int, end_ns: int) -> Records:
        """Return the records of one raw symbol with ``start_ns <= ts_recv < end_ns``, in that order."""
        calendar = calendar_for(self.calendar(dataset))
        # A session begins up to a weekend and a holiday before its date.
        days = _days(_date(start_ns) - timedelta(days=1), _date(end_ns - 1) + timedelta(days=5))
        parts = [
            self._day(dataset, raw, session)
            for session in (calendar.session(day) for day in days)
            if session.opens_at is not None
            and session.closes_at is not None
            and _ns(session.opens_at) < end_ns
            and _ns(session.closes_at) + 10 * 1_000_000_000 > start_ns
        ]
        cut = [part[_between(part, start_ns, end_ns)] for part in parts]
        return np.concatenate([np.zeros(0, MBP10_RECORD), *cut])

    def dbn_symbol(self, dataset: str, raw: str) -> DbnSymbol:
        """Return numbers and names of a raw symbol for a file."""
        return DbnSymbol(dataset, raw, instrument_id(raw), PUBLISHERS.get(dataset, 2), self._tick_size(dataset, raw))

    def _day(self, dataset: str, raw: str, session: Session) -> Records:
        key = (raw, session.trade_date)
        with self._lock:
            known = self._days.get(key)
            if known is None:
                known = self._days[key] = self._make(dataset, raw, session)
                if len(self._days) > _CACHED_DAYS:
                    self._days.popitem(last=False)
            else:
                self._days.move_to_end(key)
            return known

    def _make(self, dataset: str, raw: str, session: Session) -> Records:
        instrument, contract = self._named(dataset, raw, session.trade_date)
        ticks = self._ticks_of(instrument, contract, session)
        if ticks is None:
            return np.zeros(0, MBP10_RECORD)
        symbol = self.dbn_symbol(dataset, raw)
        seed = self._seed + session.trade_date.toordinal()
        chunks = mbp10_records(ticks, symbol, seed=seed, updates_per_trade=self._updates)
        return np.concatenate([np.zeros(0, MBP10_RECORD), *chunks])

    def _ticks_of(self, instrument: Instrument, contract: Contract, session: Session) -> SimulatedTicks | None:
        """Return the trades of a session; None if the contract has expired."""
        price = _START_PRICES.get(instrument.symbol, _START_PRICE)
        if self._is_demo and instrument.kind is InstrumentKind.FUTURE:
            share = demo_activity_share(self._rolls, contract, session.trade_date)
            if share == 0.0:
                return None
            return demo_market(instrument, price, self._ticks, self._seed).ticks(
                session, contract, activity_share=share
            )
        market = SimulatedMarket(self._seed, instrument, price, self._ticks, base_date=_BASE_DATE)
        return market.ticks(session, contract)

    def _named(self, dataset: str, raw: str, day: date) -> tuple[Instrument, Contract]:
        if dataset == FUTURES_DATASET:
            contract = _contract(raw, day)
            return self._registry.get(contract.root), contract
        known = self._registry.instruments.get(raw)
        share = known if known is not None and known.kind is InstrumentKind.EQUITY else _share(raw)
        return share, Contract(raw, "H", _BASE_DATE.year)

    def _tick_size(self, dataset: str, raw: str) -> float:
        if dataset != FUTURES_DATASET:
            return 0.01
        match = _RAW_FUTURE.match(raw)
        return self._registry.get(match["root"]).tick_size if match else 0.01

    def _require_raw(self, dataset: str, symbol: str, day: date) -> None:
        if dataset == FUTURES_DATASET:
            match = _RAW_FUTURE.match(symbol)
            instrument = None if match is None else self._registry.instruments.get(match["root"])
            if match is not None and instrument is not None and match["month"] in instrument.months:
                contract = _contract(symbol, day)
                if contract.expiry_month + timedelta(days=31) > day:
                    return
        elif dataset == SHARES_DATASET and symbol in self._shares and _SHARE.match(symbol):
            return
        raise UnknownSymbolError(symbol)

    def _front(self, root: str, day: date, symbol: str) -> Contract:
        try:
            return self._rolls.front(root, day)
        except ConfigurationError as error:
            raise UnknownSymbolError(symbol) from error


def instrument_id(raw: str) -> int:
    """Return the number of a raw symbol: always the same one."""
    return zlib.crc32(raw.encode()) % 900_000 + 1_000


def raw_symbol(contract: Contract) -> str:
    """Return a contract's name at the vendor, with a one-digit year."""
    return f"{contract.root}{contract.month_code}{contract.year % 10}"


def _contract(raw: str, day: date) -> Contract:
    match = _RAW_FUTURE.match(raw)
    if match is None:
        raise UnknownSymbolError(raw)
    decade = (day.year - 1) // 10 * 10
    candidates = [Contract(match["root"], match["month"], decade + add + int(match["year"])) for add in (0, 10)]
    # The one that has not expired long ago.
    return next((c for c in candidates if c.expiry_month + timedelta(days=31) > day), candidates[-1])


def _share(symbol: str) -> Instrument:
    return Instrument(
        symbol=symbol,
        name=f"simulated share {symbol}",
        kind=InstrumentKind.EQUITY,
        exchange="NASDAQ",
        calendar="NYSE",
        tick_size=0.01,
        multiplier_usd=1.0,
        months="",
        price_band=(1.0, 90.0),
        allows_negative=False,
    )


def _between(records: Records, start_ns: int, end_ns: int) -> slice:
    first, last = np.searchsorted(records["ts_recv"], np.array([start_ns, end_ns], np.uint64))
    return slice(int(first), int(last))


def _days(first: date, end: date) -> list[date]:
    return [first + timedelta(days=offset) for offset in range((end - first).days)]


def _date(ns: int) -> date:
    return _EPOCH + timedelta(days=ns // _DAY_NS)


def _ns(instant: datetime) -> int:
    whole = instant - datetime(1970, 1, 1, tzinfo=UTC)
    return (whole.days * 86_400 + whole.seconds) * 1_000_000_000 + whole.microseconds * 1_000
