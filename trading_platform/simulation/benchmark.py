"""A large ``.scid`` file for benchmarks: the right sizes and statistics, made at disk speed.

Belongs here: the file that ``make bench`` converts. Does not belong here: anything whose prices are looked at; the demo
and the tests use ``market.py``, which is richer and about three times slower.

The file has what decides the cost of an import: the share of rows in one millisecond, small volumes, a price on the
tick grid that mostly stands still, sweep sentinels.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any, Final

import numpy as np

from ..sessions import Session, TradingCalendar, calendar_for
from .activity import activity_per_second
from .files import Records
from .scid import FIRST_SUB_TRADE, LAST_SUB_TRADE, SCID_RECORD, SIERRA_EPOCH_OFFSET_US, write_scid

BENCHMARK_FIRST_DATE: Final = date(2025, 9, 22)
"""First of 30 open weekdays on which MNQZ25 is front: no holiday, no clock change, no roll until 2025-10-31."""

_CHUNK_RECORDS: Final = (
    131_072  # 5 MB of records; 16,384 and 524,288 were slower (4.3 and 3.1 s against 2.5 s for 20 M)
)
_SAME_MILLISECOND_FRAC: Final = 0.45
_STORED_PER_TICK: Final = 25  # MNQ: 0.25 points per tick, stored x 100
_START_TICKS: Final = 98_000  # 24,500 points
_STEP_FRAC: Final = 0.10  # rows that move the price by one tick, half of them up
_SWEEP_FRAC: Final = 0.30  # same-millisecond groups that are one sweep


def write_benchmark_scid(
    path: Path,
    records: int = 20_000_000,
    trade_dates: int = 30,
    seed: int = 1,
    *,
    first_date: date = BENCHMARK_FIRST_DATE,
    calendar: TradingCalendar | None = None,
) -> int:
    """Write one contract's file with equal numbers of records on consecutive open sessions.

    Name the file ``MNQZ25_FUT_CME.scid`` to import it as MNQ: prices are stored x 100 on MNQ's grid.

    Args:
        path: final name.
        records: records in all, at least one per trade date.
        trade_dates: number of open sessions.
        seed: same seed, same bytes.
        first_date: where to begin.
        calendar: whose sessions; default is that of CME equity futures.

    Returns:
        Number of records written, which is ``records``.
    """
    sessions = _open_sessions(calendar or calendar_for("CME_EQUITY"), first_date, trade_dates)
    return write_scid(path, _chunks(np.random.default_rng(seed), sessions, records))


def _open_sessions(calendar: TradingCalendar, first_date: date, count: int) -> list[Session]:
    """Return the first open sessions from a date on."""
    session = calendar.session(first_date)
    sessions = [session] if session.is_open else []
    while len(sessions) < count:
        session = calendar.session(calendar.next_open(session.trade_date))
        sessions.append(session)
    return sessions


def _chunks(random: np.random.Generator, sessions: list[Session], records: int) -> Iterator[Records]:
    """Yield the file in parts; each begins a new millisecond, so only price carries over."""
    size_table = _geometric_table()
    bid = _START_TICKS
    for day, session in enumerate(sessions):
        rows = records * (day + 1) // len(sessions) - records * day // len(sessions)
        elapsed, seconds = _day_clock(session)
        for done in range(0, rows, _CHUNK_RECORDS):
            count = min(_CHUNK_RECORDS, rows - done)
            chunk = np.zeros(count, dtype=SCID_RECORD)
            starts = _fill_times(random, chunk, elapsed, seconds, (done / rows, (done + count) / rows))
            bid = _fill_trades(random, chunk, starts, bid, size_table)
            yield chunk


def _day_clock(session: Session) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Return cumulative activity (0 to 1) and the epoch second at which it is reached."""
    if session.opens_at is None or session.closes_at is None:
        raise ValueError(f"Expected an open session, was {session.trade_date} ({session.reason})")
    activity = activity_per_second(session.trade_date, session.opens_at, session.closes_at, tuple(session.breaks))
    elapsed = np.concatenate([[0.0], np.cumsum(activity)])
    return elapsed / elapsed[-1], np.arange(len(elapsed)) + int(session.opens_at.timestamp())


def _fill_times(
    random: np.random.Generator,
    chunk: Records,
    elapsed: np.ndarray[Any, Any],
    seconds: np.ndarray[Any, Any],
    part_of_day: tuple[float, float],
) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Fill the times of a part of a day; return where a new millisecond begins."""
    count = len(chunk)
    starts = random.random(count, dtype=np.float32) >= _SAME_MILLISECOND_FRAC
    starts[0] = True
    index = np.flatnonzero(starts)
    gaps = random.standard_exponential(len(index) + 1, dtype=np.float32)
    arrivals = np.cumsum(gaps, dtype=np.float64)
    arrivals = part_of_day[0] + (part_of_day[1] - part_of_day[0]) * arrivals[:-1] / arrivals[-1]
    millisecond = (np.interp(arrivals, elapsed, seconds) * 1_000).astype(np.int64)
    # Neighbours that fell into one millisecond by chance join it.
    new = np.concatenate([[True], millisecond[1:] != millisecond[:-1]])
    starts[index] = new
    index, millisecond = index[new], millisecond[new]
    lengths = np.diff(np.append(index, count))
    counter = np.arange(count) - np.repeat(index, lengths)
    chunk["dt"] = np.repeat(millisecond, lengths) * 1_000 + SIERRA_EPOCH_OFFSET_US + np.minimum(counter, 999)
    return starts


def _fill_trades(
    random: np.random.Generator,
    chunk: Records,
    starts: np.ndarray[Any, np.dtype[np.bool_]],
    bid: int,
    size_table: np.ndarray[Any, np.dtype[np.uint32]],
) -> int:
    """Fill prices, sizes, sides and sentinels; return the last bid in ticks."""
    count = len(chunk)
    draws = random.integers(0, 1 << 16, (3, count), dtype=np.uint16)
    limit = int(_STEP_FRAC * (1 << 16))
    steps = ((draws[0] < limit) & starts).astype(np.int32)
    steps[draws[0] < limit // 2] *= -1
    bids = bid + np.cumsum(steps, dtype=np.int32)
    is_buy = (draws[1] & 1).astype(np.bool_)
    chunk["low"] = bids * _STORED_PER_TICK
    chunk["high"] = (bids + 1) * _STORED_PER_TICK
    chunk["close"] = (bids + is_buy) * _STORED_PER_TICK
    chunk["num_trades"] = 1
    volume = size_table[draws[2]]
    chunk["total_volume"] = volume
    chunk["ask_volume"] = volume * is_buy
    chunk["bid_volume"] = volume * ~is_buy
    first = np.flatnonzero(starts)
    last = np.append(first[1:], count) - 1
    sweep = (last > first) & (random.random(len(first), dtype=np.float32) < _SWEEP_FRAC)
    chunk["open"][first[sweep]] = FIRST_SUB_TRADE
    chunk["open"][last[sweep]] = LAST_SUB_TRADE
    return int(bids[-1])


def _geometric_table() -> np.ndarray[Any, np.dtype[np.uint32]]:
    """Return 65,536 quantiles of a geometric size (mean 2.2 contracts), so that a draw is one look-up."""
    quantiles = (np.arange(1 << 16) + 0.5) / (1 << 16)
    sizes: np.ndarray[Any, np.dtype[np.uint32]] = np.ceil(np.log1p(-quantiles) / np.log1p(-0.45)).astype(np.uint32)
    return sizes
