"""The market: what its rows look like, and that they depend on the seed alone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from itertools import pairwise

import numpy as np
import pytest

from trading_platform.instruments import Contract, Registry
from trading_platform.sessions import Session
from trading_platform.simulation import SimulatedMarket, SimulatedTicks
from trading_platform.simulation.market import _counter

H25 = Contract.parse("ESH25")
M25 = Contract.parse("ESM25")
MakeSession = Callable[..., Session]


def epoch_us(instant: datetime) -> int:
    return int(instant.timestamp()) * 1_000_000


def same(one: SimulatedTicks, other: SimulatedTicks) -> bool:
    return all(
        np.array_equal(getattr(one, name), getattr(other, name))
        for name in ("ts_us", "price_ticks", "bid_ticks", "ask_ticks", "volume", "bid_volume", "ask_volume", "bundle")
    )


def test_p4_same_seed_gives_the_same_rows_whatever_was_asked_before(
    market: SimulatedMarket, registry: Registry, friday: Session, monday: Session
) -> None:
    expected = market.ticks(monday, M25)
    again = SimulatedMarket(7, registry.get("ES"), 5_850.0, ticks_per_full_day=20_000)
    again.ticks(friday, H25)
    assert same(again.ticks(monday, M25), expected)
    other_seed = SimulatedMarket(8, registry.get("ES"), 5_850.0, ticks_per_full_day=20_000)
    assert not same(other_seed.ticks(monday, M25), expected)


def test_p4_instruments_move_independently(registry: Registry, monday: Session) -> None:
    es = SimulatedMarket(7, registry.get("ES"), 5_850.0)
    mnq = SimulatedMarket(7, registry.get("MNQ"), 5_850.0)
    assert not np.array_equal(es.path_ticks(monday), mnq.path_ticks(monday))


def test_t1_path_continues_from_one_trade_date_to_the_next(
    market: SimulatedMarket, friday: Session, monday: Session, make_session: MakeSession
) -> None:
    assert market.path_ticks(monday)[0] == pytest.approx(market.path_ticks(friday)[-1], abs=1e-6)
    # Also before the date on which the path starts at the start price.
    days = [date(2025, 2, 26), date(2025, 2, 27), date(2025, 2, 28), date(2025, 3, 3), date(2025, 3, 4)]
    paths = [
        market.path_ticks(make_session(day, datetime(*day.timetuple()[:3], 14, 0, tzinfo=UTC), at_21(day)))
        for day in days
    ]
    for before, after in pairwise(paths):
        assert after[0] == pytest.approx(before[-1], abs=1e-6)
    assert paths[3][0] == pytest.approx(5_850.0 / 0.25, abs=1e-6)


def at_21(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 21, tzinfo=UTC)


def test_t1_path_stays_near_its_start_for_years(market: SimulatedMarket, make_session: MakeSession) -> None:
    for year in (2005, 2015, 2035):
        day = date(year, 6, 15 if year != 2035 else 13)
        path = market.path_ticks(make_session(day, datetime(year, 6, day.day, 14, tzinfo=UTC), at_21(day)))
        assert path.min() * 0.25 > 0.75 * 5_850.0
        assert path.max() * 0.25 < 1.25 * 5_850.0


def test_s3_next_contract_is_the_same_path_plus_a_constant_spread(
    market: SimulatedMarket, friday: Session, monday: Session
) -> None:
    # 0.3 % of 5,850 points for each of three months, in ticks of 0.25: 210.6, rounded to the tick.
    assert market.calendar_spread_ticks(H25) == 0
    assert market.calendar_spread_ticks(M25) == 211
    for session in (friday, monday):
        assert session.opens_at is not None
        times = epoch_us(session.opens_at) + np.arange(0, 82_800_000_000, 977_000_000)
        spread = market.best_bid_ticks(session, M25, times) - market.best_bid_ticks(session, H25, times)
        assert set(spread.tolist()) == {211}
    rows = market.ticks(monday, M25)
    quoted = rows.bid_ticks > 0
    expected = market.best_bid_ticks(monday, M25, rows.ts_us // 1_000 * 1_000)
    np.testing.assert_array_equal(rows.bid_ticks[quoted], expected[quoted])


@pytest.mark.parametrize("name", ["friday", "monday", "half_day"])
def test_s1_no_row_outside_trading_hours(name: str, market: SimulatedMarket, request: pytest.FixtureRequest) -> None:
    session: Session = request.getfixturevalue(name)
    assert session.opens_at is not None
    assert session.closes_at is not None
    ts = market.ticks(session, M25).ts_us
    assert ts[0] >= epoch_us(session.opens_at)
    assert ts[-1] < epoch_us(session.closes_at)
    # Both ends of trading hours are used.
    assert ts[0] < epoch_us(session.opens_at) + 600_000_000
    assert ts[-1] > epoch_us(session.closes_at) - 600_000_000


def test_s1_cash_hours_are_busiest_at_the_same_local_time_in_winter_and_summer(
    market: SimulatedMarket, friday: Session, monday: Session
) -> None:
    # 09:30 New York is 14:30 UTC in standard time and 13:30 UTC in daylight time.
    for session, cash_open in (
        (friday, datetime(2025, 3, 7, 14, 30, tzinfo=UTC)),
        (monday, datetime(2025, 3, 10, 13, 30, tzinfo=UTC)),
    ):
        since_open_min = (market.ticks(session, H25).ts_us - epoch_us(cash_open)) // 60_000_000
        per_minute = np.array([(since_open_min // 30 == block).mean() / 30 for block in range(-31, 15)])
        first, midday, last, night = per_minute[31], per_minute[37], per_minute[43], per_minute[:13].mean()
        assert first > 2.0 * midday
        assert last > 2.0 * midday
        assert midday > 5.0 * night


def test_s1_no_row_in_a_break(market: SimulatedMarket, make_session: MakeSession) -> None:
    pause = (datetime(2025, 1, 9, 14, 30, tzinfo=UTC), datetime(2025, 1, 9, 16, 0, tzinfo=UTC))
    session = make_session(
        date(2025, 1, 9), datetime(2025, 1, 8, 23, tzinfo=UTC), datetime(2025, 1, 9, 22, tzinfo=UTC), (pause,)
    )
    ts = market.ticks(session, H25).ts_us
    assert ((ts >= epoch_us(pause[0])) & (ts < epoch_us(pause[1]))).sum() == 0
    path = market.path_ticks(session)
    first, last = 15 * 3_600 + 1_800, 17 * 3_600
    assert path[first] == path[last]
    assert path[first - 1] != path[first]


def test_s1_a_closed_session_has_no_market(market: SimulatedMarket) -> None:
    noon = datetime(2025, 4, 18, 12, tzinfo=UTC)
    closed = Session(date(2025, 4, 18), "CME_EQUITY", noon, noon, None, None, (), "Good Friday")
    with pytest.raises(ValueError, match="Expected an open session, was 2025-04-18"):
        market.ticks(closed, M25)


def test_t1_rows_per_day_follow_the_parameters(market: SimulatedMarket, monday: Session, half_day: Session) -> None:
    full = market.ticks(monday, M25).rows
    assert 13_000 < full < 29_000
    assert market.ticks(monday, M25, activity_share=0.1).rows == pytest.approx(full * 0.1, rel=0.15)
    assert 0.5 * full < market.ticks(half_day, M25).rows < 20_000 * 1.2


def test_t4_counter_numbers_the_rows_of_a_millisecond(market: SimulatedMarket, monday: Session) -> None:
    ts = market.ticks(monday, M25).ts_us
    assert (np.diff(ts) > 0).all()
    expected: list[int] = []
    previous = -1
    for millisecond in (ts // 1_000).tolist():
        expected.append(expected[-1] + 1 if millisecond == previous else 0)
        previous = millisecond
    assert (ts % 1_000).tolist() == expected
    shared_frac = 1 - len(np.unique(ts // 1_000)) / len(ts)
    assert 0.35 < shared_frac < 0.55


def test_t4_counter_stays_at_999_after_a_thousand_rows() -> None:
    counter = _counter(np.array([5] * 3 + [6] * 1_002 + [7]))
    assert counter[:5].tolist() == [0, 1, 2, 0, 1]
    assert counter[1_001:].tolist() == [998, 999, 999, 999, 0]


def test_t4_sweeps_begin_with_first_end_with_last_and_go_one_way(market: SimulatedMarket, monday: Session) -> None:
    rows = market.ticks(monday, M25)
    first = np.flatnonzero(rows.bundle == 1)
    last = np.flatnonzero(rows.bundle == 2)
    assert len(first) > 500
    assert len(first) == len(last)
    levels = 0
    for begin, end in zip(first.tolist(), last.tolist(), strict=True):
        legs = slice(begin, end + 1)
        assert end > begin
        assert len(set((rows.ts_us[legs] // 1_000).tolist())) == 1
        assert not rows.bundle[begin + 1 : end].any()
        is_buy = rows.ask_volume[begin] > 0
        taken = rows.ask_volume[legs] if is_buy else rows.bid_volume[legs]
        np.testing.assert_array_equal(taken, rows.volume[legs])
        moves = np.diff(rows.price_ticks[legs]) * (1 if is_buy else -1)
        assert set(moves.tolist()) <= {0, 1}
        levels += int(moves.sum())
    assert (first[1:] > last[:-1]).all()
    assert levels > 100


def test_t4_trades_are_at_bid_or_ask_with_the_volume_on_the_right_side(
    market: SimulatedMarket, monday: Session
) -> None:
    rows = market.ticks(monday, M25)
    seller, buyer, neither = rows.bid_volume > 0, rows.ask_volume > 0, (rows.bid_volume + rows.ask_volume) == 0
    assert not (seller & buyer).any()
    np.testing.assert_array_equal(rows.bid_volume[seller], rows.volume[seller])
    np.testing.assert_array_equal(rows.ask_volume[buyer], rows.volume[buyer])
    quoted, outside_sweep = rows.bid_ticks > 0, rows.bundle == 0
    in_sweep = np.cumsum(rows.bundle == 1) > np.cumsum(rows.bundle == 2)
    plain = quoted & outside_sweep & ~in_sweep
    np.testing.assert_array_equal(rows.price_ticks[plain & seller], rows.bid_ticks[plain & seller])
    np.testing.assert_array_equal(rows.price_ticks[plain & buyer], rows.ask_ticks[plain & buyer])
    quote_only = rows.volume == 0
    assert 0 < quote_only.sum() < 0.01 * rows.rows
    assert (rows.bid_ticks[quote_only] > 0).all()
    assert 0 < (neither & ~quote_only).sum() < 0.01 * rows.rows
    assert 0 < (~quoted).sum() < 0.005 * rows.rows
    assert not rows.ask_ticks[~quoted].any()
    spread = (rows.ask_ticks - rows.bid_ticks)[quoted]
    assert spread.min() == 1
    assert (spread == 1).mean() > 0.94
    assert 0.4 < buyer.mean() < 0.6


def test_t4_sizes_are_mostly_small_with_a_few_blocks(market: SimulatedMarket, monday: Session) -> None:
    volume = market.ticks(monday, M25).volume
    trades = volume[volume > 0]
    assert (trades == 1).mean() == pytest.approx(0.45, abs=0.02)
    assert 2.0 < trades.mean() < 3.5
    assert trades.max() > 30
