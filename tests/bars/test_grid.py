"""The dense session grid: every second of trading hours once, gaps told apart by cause, nothing from the future."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trading_platform.bars import BAR_COLUMNS
from trading_platform.bars.grid import GRID_COLUMNS, TickGapCause, dense_grid, grid_facts
from trading_platform.errors import QualityError
from trading_platform.sessions import Session, calendar_for

OPENS = datetime(2025, 3, 10, 13, 30, tzinfo=UTC)
WHOLE = ("volume", "buy_volume", "sell_volume", "unknown_volume", "delta", "trades")


def short_session(seconds: int, break_at: tuple[int, int] | None = None) -> Session:
    """Return a session of a few seconds, with a break if wanted."""
    closes = OPENS + timedelta(seconds=seconds)
    breaks = () if break_at is None else (tuple(OPENS + timedelta(seconds=at) for at in break_at),)
    return Session(date(2025, 3, 10), "TEST", OPENS - timedelta(hours=1), closes, OPENS, closes, breaks=breaks)


def bars_at(*seconds: int, contract: str = "MNQH25") -> pl.DataFrame:
    """Return a bar at each second after the opening: open 100 + s, high + 1, low - 1, close + 0.5; 3 bought, 1 sold, 1 unknown."""
    s = np.array(seconds, np.int64)
    start = int(OPENS.timestamp()) * 1_000_000
    whole = {"volume": 5, "buy_volume": 3, "sell_volume": 1, "unknown_volume": 1, "delta": 2, "trades": 4}
    return pl.DataFrame(
        {
            "ts_open": pl.Series(start + s * 1_000_000).cast(pl.Datetime("us")).dt.replace_time_zone("UTC"),
            "open": 100.0 + s,
            "high": 101.0 + s,
            "low": 99.0 + s,
            "close": 100.5 + s,
            "vwap": 100.25 + s,
            "notional": 5 * (100.25 + s),
            **{name: np.full(len(s), value) for name, value in whole.items()},
            "bid_close": pl.Series(100.25 + s, dtype=pl.Float64).set(pl.Series(s % 2 == 1), None),
            "ask_close": 100.75 + s,
            "contract": pl.Series([contract] * len(s), dtype=pl.Categorical),
        }
    ).select(BAR_COLUMNS)


def causes(grid: pl.DataFrame) -> list[str | None]:
    return grid["tick_gap_cause"].cast(pl.String).to_list()


def test_b2_second_without_a_trade_shows_the_last_price_and_no_volume() -> None:
    grid = dense_grid(bars_at(1, 4), short_session(6))
    assert grid.columns == list(GRID_COLUMNS)
    assert grid["ts"].to_list() == [OPENS + timedelta(seconds=s) for s in range(6)]
    assert grid.schema["ts"] == pl.Datetime("us", "UTC")
    assert grid.select("open", "high", "low", "close").rows() == [
        (None, None, None, None),
        (101.0, 102.0, 100.0, 101.5),
        (101.5, 101.5, 101.5, 101.5),
        (101.5, 101.5, 101.5, 101.5),
        (104.0, 105.0, 103.0, 104.5),
        (104.5, 104.5, 104.5, 104.5),
    ]
    assert grid["volume"].to_list() == [0, 5, 0, 0, 5, 0]
    assert grid["trades"].to_list() == [0, 4, 0, 0, 4, 0]
    assert grid["delta"].to_list() == [0, 2, 0, 0, 2, 0]
    assert grid["notional"].to_list() == [0.0, 506.25, 0.0, 0.0, 521.25, 0.0]
    assert grid["vwap"].to_list() == [None, 101.25, None, None, 104.25, None]
    assert grid["bid_close"].to_list() == [None, None, None, None, 104.25, None]
    assert grid["ask_close"].to_list() == [None, 101.75, None, None, 104.75, None]
    assert grid["contract"].cast(pl.String).to_list() == ["MNQH25"] * 6
    assert grid["tick_gap"].to_list() == [True, False, True, True, False, True]
    assert causes(grid) == ["before_first_trade", None, "no_trade", "no_trade", None, "no_trade"]
    assert grid["last_trade_age_s"].to_list() == [None, 0, 1, 2, 0, 1]


def test_b2_trade_before_the_opening_is_the_first_price_and_gets_no_row() -> None:
    session, bars = short_session(3), bars_at(-600, 2)
    grid = dense_grid(bars, session)
    assert grid["close"].to_list() == [-499.5, -499.5, 102.5]
    assert causes(grid) == ["no_trade", "no_trade", None]
    assert grid["last_trade_age_s"].to_list() == [600, 601, 0]
    assert grid_facts(grid, bars, session) == {
        "rows": 3,
        "traded_s": 1,
        "no_trade_s": 2,
        "before_first_trade_s": 0,
        "feed_gap_s": 0,
        "not_known_yet_s": 0,
        "outside_hours_bars": 1,
    }


def test_b2_long_silence_is_laid_to_the_feed_from_the_limit_on() -> None:
    grid = dense_grid(bars_at(0, 6), short_session(8), feed_gap_s=3)
    assert causes(grid) == [None, "no_trade", "no_trade", "feed_gap", "feed_gap", "feed_gap", None, "no_trade"]
    assert grid["close"].to_list() == [100.5] * 6 + [106.5] * 2
    default = dense_grid(bars_at(0), short_session(400))
    assert causes(default) == [None, *["no_trade"] * 299, *["feed_gap"] * 100]


def test_b2_break_has_no_rows_and_is_no_silence() -> None:
    """Seconds 2 to 99 are a break; a stray bar at 50 is no row, but the price of what follows."""
    session = short_session(103, break_at=(2, 100))
    plain = dense_grid(bars_at(0), session, feed_gap_s=4)
    assert plain.height == 5
    assert plain["ts"][2] == OPENS + timedelta(seconds=100)
    assert causes(plain) == [None, "no_trade", "no_trade", "no_trade", "feed_gap"]
    assert plain["last_trade_age_s"].to_list() == [0, 1, 100, 101, 102]
    bars = bars_at(0, 50)
    stray = dense_grid(bars, session, feed_gap_s=4)
    assert stray["close"].to_list() == [100.5, 100.5, 150.5, 150.5, 150.5]
    assert stray["last_trade_age_s"].to_list() == [0, 1, 50, 51, 52]
    assert causes(stray) == [None, "no_trade", "no_trade", "no_trade", "no_trade"]
    assert grid_facts(stray, bars, session)["outside_hours_bars"] == 1


def test_b2_what_is_not_known_yet_is_null_and_not_zero() -> None:
    """Known until 3.5 s after the opening: the second that this cuts is not known, although a bar of its first half is there."""
    bars = bars_at(1, 3)
    grid = dense_grid(bars, short_session(5), known_until=OPENS + timedelta(seconds=3.5))
    assert causes(grid) == ["before_first_trade", None, "no_trade", "not_known_yet", "not_known_yet"]
    assert grid["tick_gap"].to_list() == [True, False, True, True, True]
    assert grid["close"].to_list() == [None, 101.5, 101.5, None, None]
    assert grid["volume"].to_list() == [0, 5, 0, None, None]
    assert grid["notional"].to_list() == [0.0, 506.25, 0.0, None, None]
    assert grid["last_trade_age_s"].to_list() == [None, 0, 1, None, None]
    assert grid["contract"].null_count() == 0
    whole = dense_grid(bars, short_session(5), known_until=OPENS + timedelta(seconds=4))
    assert causes(whole)[3:] == [None, "not_known_yet"]


@pytest.mark.parametrize(
    ("calendar", "day", "rows", "first", "last"),
    [
        ("CME_EQUITY", date(2025, 3, 7), 82_800, "2025-03-06 23:00:00", "2025-03-07 21:59:59"),  # standard time
        (
            "CME_EQUITY",
            date(2025, 3, 10),
            82_800,
            "2025-03-09 22:00:00",
            "2025-03-10 20:59:59",
        ),  # the clocks went forward
        ("CME_EQUITY", date(2025, 11, 3), 82_800, "2025-11-02 23:00:00", "2025-11-03 21:59:59"),  # and back
        (
            "CME_EQUITY",
            date(2025, 11, 28),
            69_300,
            "2025-11-27 23:00:00",
            "2025-11-28 18:14:59",
        ),  # closes at 12:15 Chicago
        ("CME_EQUITY", date(2025, 12, 25), 0, None, None),
    ],
)
def test_b2_one_row_per_second_of_trading_hours(
    calendar: str, day: date, rows: int, first: str | None, last: str | None
) -> None:
    grid = dense_grid(bars_at(), calendar_for(calendar).session(day), contract="MNQH25")
    assert grid.height == rows
    assert grid.columns == list(GRID_COLUMNS)
    if rows == 0:
        return
    ends = grid["ts"].dt.strftime("%Y-%m-%d %H:%M:%S")
    assert (ends[0], ends[-1]) == (first, last)
    assert (grid["ts"].diff().drop_nulls() == timedelta(seconds=1)).all()
    assert grid["close"].null_count() == rows
    assert grid["contract"].cast(pl.String).unique().to_list() == ["MNQH25"]


def test_b2_cash_hours_make_a_smaller_grid_of_the_same_bars() -> None:
    """New York's regular hours of a full and of a half day over bars of a future: 23,400 and 12,600 rows."""
    full = Session(date(2025, 3, 10), "CASH", OPENS, OPENS, OPENS, OPENS + timedelta(hours=6, minutes=30))
    grid = dense_grid(bars_at(-7_200, 0, 23_399, 23_400), full)
    assert grid.height == 23_400
    assert grid["close"][-1] == 100.5 + 23_399
    half = Session(date(2025, 3, 10), "CASH", OPENS, OPENS, OPENS, OPENS + timedelta(hours=3, minutes=30))
    assert dense_grid(bars_at(0), half).height == 12_600


def slow_grid(bars: pl.DataFrame, session: Session, feed_gap_s: int, known_until: datetime) -> list[tuple[Any, ...]]:
    """Walk second by second with a dictionary of bars: the rule as a person would state it."""
    by_time = {row["ts_open"]: row for row in bars.to_dicts()}
    assert session.opens_at is not None
    assert session.closes_at is not None
    rows, close, last, quiet = [], None, None, 0
    for early in sorted(time for time in by_time if time < session.opens_at):
        close, last = by_time[early]["close"], early
    now = session.opens_at
    while now < session.closes_at:
        bar = by_time.get(now)
        if any(start <= now < end for start, end in session.breaks):
            if bar is not None:
                close, last, quiet = bar["close"], now, 0
        elif now + timedelta(seconds=1) > known_until:
            rows.append((now, None, None, None, True, "not_known_yet", None))
        elif bar is not None:
            close, last, quiet = bar["close"], now, 0
            rows.append((now, bar["open"], close, bar["volume"], False, None, 0))
        else:
            quiet += 1
            cause = "before_first_trade" if last is None else "feed_gap" if quiet >= feed_gap_s else "no_trade"
            age = None if last is None else int((now - last).total_seconds())
            rows.append((now, close, close, 0, True, cause, age))
        now += timedelta(seconds=1)
    return rows


@settings(deadline=None, max_examples=60)
@given(
    seconds=st.sets(st.integers(-5, 45), max_size=30),
    break_at=st.none() | st.tuples(st.integers(1, 20), st.integers(21, 39)),
    feed_gap_s=st.integers(1, 8),
    known_s=st.integers(0, 45),
)
def test_b2_grid_equals_a_walk_second_by_second(
    seconds: set[int], break_at: tuple[int, int] | None, feed_gap_s: int, known_s: int
) -> None:
    session, bars = short_session(40, break_at), bars_at(*sorted(seconds))
    until = OPENS + timedelta(seconds=known_s)
    grid = dense_grid(bars, session, feed_gap_s=feed_gap_s, known_until=until)
    columns = ("ts", "open", "close", "volume", "tick_gap", "tick_gap_cause", "last_trade_age_s")
    assert grid.select(columns).rows() == slow_grid(bars, session, feed_gap_s, until)
    facts = grid_facts(grid, bars, session)
    assert facts["rows"] == facts["traded_s"] + sum(facts[f"{cause}_s"] for cause in TickGapCause)
    # Cutting off the future changes no row that was over before.
    past = dense_grid(bars.filter(pl.col("ts_open") < until), session, feed_gap_s=feed_gap_s, contract="MNQH25")
    over = dense_grid(bars, session, feed_gap_s=feed_gap_s, contract="MNQH25").filter(
        pl.col("ts") + timedelta(seconds=1) <= until
    )
    assert past.head(over.height).equals(over)


@pytest.mark.parametrize(
    ("code", "bars", "arguments"),
    [
        ("E438", bars_at(1).with_columns(pl.col("ts_open") + timedelta(milliseconds=1)), {}),
        ("E438", bars_at(1), {"feed_gap_s": 0}),
        ("E438", bars_at(1), {"known_until": datetime(2025, 3, 10, 14, 0)}),  # noqa: DTZ001
        ("E421", bars_at(2, 1), {}),
        ("E421", bars_at(1).drop("close"), {}),
        ("E425", pl.concat([bars_at(1), bars_at(2, contract="MNQM25")]), {}),
    ],
)
def test_b2_unusable_bars_and_limits_are_refused(code: str, bars: pl.DataFrame, arguments: dict[str, Any]) -> None:
    with pytest.raises(QualityError) as caught:
        dense_grid(bars, short_session(5), **arguments)
    assert caught.value.code == code
