"""A seeded market: one price path per instrument, and the trades of its contracts along it.

Belongs here: prices, times, sides and sizes, in ticks and epoch microseconds. Does not belong here: file formats
(``scid.py``), which contracts and dates a demo shows (``archive.py``).

Nothing depends on the order of calls: every day and contract draws from random streams of its own, named by seed,
instrument, trade date and contract. The path is a Brownian bridge between two daily anchors in activity time, so any
single day can be made alone and still begins where the day before ended.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from .activity import FloatArray, activity_per_second, full_day_activity

if TYPE_CHECKING:
    from ..instruments import Contract, Instrument
    from ..sessions import Session

IntArray = np.ndarray[Any, np.dtype[np.int64]]
BoolArray = np.ndarray[Any, np.dtype[np.bool_]]
VolumeArray = np.ndarray[Any, np.dtype[np.uint32]]

FIRST: Final = 1
LAST: Final = 2

_COUNTER_LIMIT: Final = 999
_MAX_WALK_LOG: Final = 0.20  # the path stays within about 20 % of its start price however long it runs

# Shares of the kinds of events; a burst is several trades in one millisecond, a sweep one order filled in several.
_BURST_SHARE: Final = 0.26
_SWEEP_SHARE: Final = 0.12
_QUOTE_ONLY_SHARE: Final = 0.002
_NO_SIDE_SHARE: Final = 0.004
_NO_QUOTE_SHARE: Final = 0.0005
_BURST_LEGS_P: Final = 0.50  # legs = 1 + geometric(p): 3 on average
_SWEEP_LEGS_P: Final = 0.60  # 2.67 on average
_MEAN_LEGS: Final = (
    1.0 - _BURST_SHARE - _SWEEP_SHARE + _BURST_SHARE * (1 + 1 / _BURST_LEGS_P) + _SWEEP_SHARE * (1 + 1 / _SWEEP_LEGS_P)
)
_SIZE_P: Final = 0.45
_BLOCK_SHARE: Final = 0.01


@dataclass(frozen=True, slots=True)
class SimulatedTicks:
    """Rows of one session and contract, in file order. All arrays have the same length.

    Attributes:
        ts_us: int64, epoch microseconds UTC, never decreasing; the last three digits number the rows inside one
            millisecond and stay at 999 beyond that.
        price_ticks: int64, trade price in units of the tick size; the bid for a quote-only row.
        bid_ticks: int64, best bid; 0 where the row carries no quote.
        ask_ticks: int64, best ask; 0 where the row carries no quote.
        volume: uint32, contracts; 0 marks a quote-only row.
        bid_volume: uint32, equal to volume if a seller was the aggressor, else 0.
        ask_volume: uint32, equal to volume if a buyer was the aggressor, else 0. Few trades have neither.
        bundle: uint8, 1 first and 2 last trade of a sweep, else 0 (also between the two).
    """

    ts_us: IntArray
    price_ticks: IntArray
    bid_ticks: IntArray
    ask_ticks: IntArray
    volume: VolumeArray
    bid_volume: VolumeArray
    ask_volume: VolumeArray
    bundle: np.ndarray[Any, np.dtype[np.uint8]]

    @property
    def rows(self) -> int:
        """Return the number of rows, quote-only ones included."""
        return len(self.ts_us)


@dataclass(frozen=True, slots=True)
class SimulatedMarket:
    """The market of one instrument.

    Attributes:
        seed: same seed, same market.
        instrument: symbol and tick size are used.
        start_price: points at the open of ``base_date``, for a contract that expires in that month.
        ticks_per_full_day: rows of a full session when all activity is in one contract; half days have fewer in
            proportion.
        base_date: where the path starts; it extends in both directions.
        daily_volatility_frac: standard deviation of a day's move relative to the price.
        carry_per_month_frac: how much dearer each later month of expiry is, relative to the start price.
    """

    seed: int
    instrument: Instrument
    start_price: float
    ticks_per_full_day: int = 60_000
    base_date: date = date(2025, 3, 3)
    daily_volatility_frac: float = 0.008
    carry_per_month_frac: float = 0.003

    def calendar_spread_ticks(self, contract: Contract) -> int:
        """Return the constant distance of a contract from the path, in whole ticks."""
        expiry = contract.expiry_month
        months = (expiry.year - self.base_date.year) * 12 + expiry.month - self.base_date.month
        return round(self.carry_per_month_frac * months * self.start_price / self.instrument.tick_size)

    def path_ticks(self, session: Session) -> FloatArray:
        """Return the path at the edges of each second of trading hours.

        Returns:
            float64[seconds + 1], in ticks. The first value is the day before's last; trading halts keep the price.

        Raises:
            ValueError: the session is closed.
        """
        activity = _activity(session)
        elapsed = np.concatenate([[0.0], np.cumsum(activity)])
        elapsed /= elapsed[-1]
        random = self._random("path", session.trade_date.toordinal())
        walk = np.concatenate([[0.0], np.cumsum(random.standard_normal(len(activity)) * np.sqrt(np.diff(elapsed)))])
        start, end = self._anchors_ticks(session.trade_date)
        swing_ticks = self.daily_volatility_frac * start
        path: FloatArray = start + (end - start) * elapsed + swing_ticks * (walk - walk[-1] * elapsed)
        return path

    def best_bid_ticks(self, session: Session, contract: Contract, ts_us: IntArray) -> IntArray:
        """Return a contract's best bid at given times inside trading hours (epoch microseconds), in ticks."""
        path = self._path_at(self.path_ticks(session), session, ts_us)
        return np.floor(path).astype(np.int64) + self.calendar_spread_ticks(contract)

    def ticks(self, session: Session, contract: Contract, *, activity_share: float = 1.0) -> SimulatedTicks:
        """Make the rows of one contract in one session.

        Args:
            session: an open session; every row lies in [opens_at, closes_at) and outside its breaks.
            contract: shifts the price by the calendar spread and names the random streams.
            activity_share: part of the instrument's activity in this contract, above 0 and up to 1; there is always at
                least one event.

        Raises:
            ValueError: the session is closed.
        """
        activity = _activity(session)
        ordinal = session.trade_date.toordinal()
        busy_frac = float(np.exp(0.12 * self._random("busy", ordinal).standard_normal()))
        rows_wanted = self.ticks_per_full_day * activity_share * busy_frac * activity.sum() / full_day_activity()
        random = self._random("trades", ordinal, zlib.crc32(contract.symbol.encode()))
        event_ms = _event_times_ms(random, session, activity, max(1, round(rows_wanted / _MEAN_LEGS)))
        path = self._path_at(self.path_ticks(session), session, event_ms * 1_000)
        return _rows(random, event_ms, path + self.calendar_spread_ticks(contract))

    def _anchors_ticks(self, trade_date: date) -> tuple[float, float]:
        """Return the path at the open and the close of a trade date; the close is the next weekday's open."""
        day = int(np.busday_count(self.base_date, trade_date))
        steps = self._random("days", 1 if day >= 0 else 0).standard_normal(max(day + 1, -day))
        walk = np.concatenate([[0.0], np.cumsum(steps)])
        open_walk, close_walk = (walk[day], walk[day + 1]) if day >= 0 else (walk[-day], walk[-day - 1])
        start_ticks = self.start_price / self.instrument.tick_size

        def anchor(deviations: float) -> float:
            log_move = _MAX_WALK_LOG * np.tanh(self.daily_volatility_frac * deviations / _MAX_WALK_LOG)
            return float(start_ticks * np.exp(log_move))

        return anchor(open_walk), anchor(close_walk)

    def _path_at(self, path: FloatArray, session: Session, ts_us: IntArray) -> FloatArray:
        """Interpolate the path at epoch microseconds."""
        since_open_s = ts_us / 1e6 - _seconds(session)[0]
        return np.interp(since_open_s, np.arange(len(path)), path)

    def _random(self, purpose: str, *keys: int) -> np.random.Generator:
        """Return the random stream of one purpose of this instrument."""
        names = (purpose, self.instrument.symbol)
        return np.random.default_rng([self.seed, *(zlib.crc32(name.encode()) for name in names), *keys])


def _seconds(session: Session) -> tuple[int, int]:
    """Return trading hours as epoch seconds, half-open."""
    if session.opens_at is None or session.closes_at is None:
        raise ValueError(f"Expected an open session, was {session.trade_date} ({session.reason})")
    return int(session.opens_at.timestamp()), int(session.closes_at.timestamp())


def _activity(session: Session) -> FloatArray:
    """Return relative activity per second of trading hours."""
    if session.opens_at is None or session.closes_at is None:
        raise ValueError(f"Expected an open session, was {session.trade_date} ({session.reason})")
    return activity_per_second(session.trade_date, session.opens_at, session.closes_at, tuple(session.breaks))


def _event_times_ms(random: np.random.Generator, session: Session, activity: FloatArray, count: int) -> IntArray:
    """Draw sorted event times, epoch milliseconds, dense where activity is high."""
    elapsed = np.cumsum(activity)
    drawn = np.sort(random.random(count)) * np.nextafter(elapsed[-1], 0.0)
    second = np.searchsorted(elapsed, drawn, side="right")  # never a second without activity
    inside = (drawn - elapsed[second]) / activity[second] + 1.0
    millisecond = np.clip((inside * 1_000).astype(np.int64), 0, 999)
    times_ms: IntArray = (_seconds(session)[0] + second) * 1_000 + millisecond
    return times_ms


def _rows(random: np.random.Generator, event_ms: IntArray, path: FloatArray) -> SimulatedTicks:
    """Expand events into rows: legs, quotes, prices, sizes, sides."""
    count = len(event_ms)
    kind = random.random(count)
    is_sweep = kind < _SWEEP_SHARE
    is_burst = (kind >= _SWEEP_SHARE) & (kind < _SWEEP_SHARE + _BURST_SHARE)
    legs = np.ones(count, dtype=np.int64)
    legs[is_sweep] += random.geometric(_SWEEP_LEGS_P, int(is_sweep.sum()))
    legs[is_burst] += random.geometric(_BURST_LEGS_P, int(is_burst.sum()))

    event = np.repeat(np.arange(count), legs)
    first_row = np.cumsum(legs) - legs
    leg = np.arange(len(event)) - first_row[event]
    sweep = is_sweep[event]

    bid = np.floor(path).astype(np.int64)
    spread = 1 + (random.random(count) < 0.03) + (random.random(count) < 0.004)
    bid_rows, ask_rows = bid[event], (bid + spread)[event]

    is_buy = _aggressor_is_buyer(random, path - bid, event, is_burst)
    depth = _levels_taken(random, leg, sweep)
    price = np.where(is_buy, ask_rows + depth, bid_rows - depth)
    volume = _sizes(random, len(event))

    oddity = random.random(count)
    oddity[is_sweep | is_burst] = 1.0
    quote_only = (oddity < _QUOTE_ONLY_SHARE)[event]
    no_side = ((oddity >= _QUOTE_ONLY_SHARE) & (oddity < _QUOTE_ONLY_SHARE + _NO_SIDE_SHARE))[event]
    no_quote = ((oddity < 1.0) & (oddity >= 1.0 - _NO_QUOTE_SHARE))[event]
    volume[quote_only] = 0
    price[quote_only] = bid_rows[quote_only]
    has_side = ~no_side
    bundle = np.zeros(len(event), dtype=np.uint8)
    bundle[sweep & (leg == 0)] = FIRST
    bundle[sweep & (leg == legs[event] - 1)] = LAST
    row_ms = event_ms[event]
    return SimulatedTicks(
        ts_us=row_ms * 1_000 + _counter(row_ms),
        price_ticks=price,
        bid_ticks=np.where(no_quote, 0, bid_rows),
        ask_ticks=np.where(no_quote, 0, ask_rows),
        volume=volume,
        bid_volume=volume * (has_side & ~is_buy),
        ask_volume=volume * (has_side & is_buy),
        bundle=bundle,
    )


def _aggressor_is_buyer(
    random: np.random.Generator, path_above_bid: FloatArray, event: IntArray, is_burst: BoolArray
) -> BoolArray:
    """Draw the side of each row: buyers where the path nears the ask; a burst may hold both sides, a sweep only one."""
    buyer = random.random(len(path_above_bid)) < 0.2 + 0.6 * path_above_bid
    opposite = is_burst[event] & (random.random(len(event)) < 0.2)
    return buyer[event] ^ opposite


def _levels_taken(random: np.random.Generator, leg: IntArray, sweep: BoolArray) -> IntArray:
    """Return how many levels beyond the best a sweep's leg trades: never fewer than the leg before it."""
    steps = (sweep & (leg > 0) & (random.random(len(leg)) < 0.4)).astype(np.int64)
    total = np.cumsum(steps)
    return total - np.maximum.accumulate(np.where(leg == 0, total, 0))


def _sizes(random: np.random.Generator, count: int) -> VolumeArray:
    """Draw geometric sizes with a few blocks."""
    size = random.geometric(_SIZE_P, count)
    blocks = random.random(count) < _BLOCK_SHARE
    size[blocks] *= random.integers(5, 40, int(blocks.sum()))
    return size.astype(np.uint32)


def _counter(row_ms: IntArray) -> IntArray:
    """Number the rows inside each millisecond: 0, 1, 2, ..., and 999 from the thousandth on."""
    index = np.arange(len(row_ms))
    starts = np.concatenate([[True], row_ms[1:] != row_ms[:-1]])
    return np.minimum(index - np.maximum.accumulate(np.where(starts, index, 0)), _COUNTER_LIMIT)
