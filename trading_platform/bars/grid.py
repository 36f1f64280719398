"""The dense grid of a session: one row for every second of trading hours, with the seconds without a trade told apart by cause.

Belongs here: filling stored 1-second bars up to the grid that enrichment joins on. Does not belong here: making bars (``kernel.py``),
joining gamma or anything else to the grid, files.

A row uses only what was known when its second ended, so cutting off the future changes no earlier row. What is filled in is the last price,
never a volume: where nothing traded volume is truly 0, and where nothing is known yet every value is null.

Source: docs/architecture.md, "The dense grid".
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

from ..errors import QualityError
from ..instants import MICROSECONDS, us_of
from ..sessions import trading_spans
from .checks import SESSION_GAP_S
from .kernel import BAR_COLUMNS, TIMESTAMP, single_contract, strictly_increasing
from .partials import REPAIR, Ints

if TYPE_CHECKING:
    from ..sessions import Session

    Bools = np.ndarray[tuple[int, ...], np.dtype[np.bool_]]

_PRICES: Final = ("open", "high", "low", "close")
_QUOTES: Final = ("vwap", "bid_close", "ask_close")
_AMOUNTS: Final = ("volume", "notional", "buy_volume", "sell_volume", "unknown_volume", "delta", "trades")


class TickGapCause(StrEnum):
    """Why a second of the grid has no trade.

    Attributes:
        NO_TRADE: a quiet second; the last trade is recent.
        BEFORE_FIRST_TRADE: nothing has traded in this session yet, so there is no price to show.
        FEED_GAP: no trade for so long that the feed, not the market, is the likely cause (or a halt that no calendar knows).
        NOT_KNOWN_YET: the second lies beyond what has been recorded; nothing can be said about it.
    """

    NO_TRADE = "no_trade"
    BEFORE_FIRST_TRADE = "before_first_trade"
    FEED_GAP = "feed_gap"
    NOT_KNOWN_YET = "not_known_yet"


CAUSE: Final = pl.Enum([cause.value for cause in TickGapCause])
_CATEGORIES: Final = pl.Series(CAUSE.categories, dtype=CAUSE)
_CODES: Final = {cause: code for code, cause in enumerate(TickGapCause)}
GRID_COLUMNS: Final = ("ts", *BAR_COLUMNS[1:], "tick_gap", "tick_gap_cause", "last_trade_age_s")


def dense_grid(
    bars: pl.DataFrame,
    session: Session,
    *,
    contract: str | None = None,
    feed_gap_s: int = SESSION_GAP_S,
    known_until: datetime | None = None,
) -> pl.DataFrame:
    """Spread the 1-second bars of one trade date over every second of a session's trading hours.

    Args:
        bars: columns of the dataset ``bars_1s``, ``ts_open`` strictly increasing, of one trade date and contract. Bars before the opening
            count as trades of the session; bars outside trading hours get no row of their own (``grid_facts`` counts them).
        session: whose trading hours make the grid, half-open [opens_at, closes_at) without its breaks; need not be the session that made
            the bars (New York's cash hours over the bars of a future).
        contract: futures contract, for a day without bars; else that of the bars.
        feed_gap_s: trading seconds without a trade from which on the silence is laid to the feed. The default is that of the check
            ``session_gaps``: index futures rarely stay silent for five minutes while the market is open. The cause changes at that moment
            and not back to the start of the silence, which nobody could know then.
        known_until: aware; first instant about which nothing is known yet, for a day that is still running. None: the day is over.

    Returns:
        82,800 rows for a full CME day, none for a closed date; columns ``GRID_COLUMNS``, sorted by ``ts``:

        ts datetime[us, UTC], start of the second. open, high, low, close f64 [points]: those of the bar; without a trade all four are the
        previous close of the session, null before any trade. volume, buy_volume, sell_volume, unknown_volume, delta, trades i64 and
        notional f64: those of the bar, 0 without a trade. vwap, bid_close, ask_close f64: those of the bar, null without a trade. contract
        categorical. tick_gap bool: no trade in this second. tick_gap_cause enum ``TickGapCause``, null in a second with a trade.
        last_trade_age_s i64: seconds on the clock since the second of the last trade, 0 with a trade, null before any. From
        ``known_until`` on (a second that it cuts is not known) every value but ts, contract, tick_gap and tick_gap_cause is null.

    Raises:
        QualityError: E421 if the bars lack columns or are not in order; E425 for two contracts; E438 if they are not bars of one second,
            ``feed_gap_s`` is below 1, or ``known_until`` has no time zone.
    """
    _refuse_unusable(bars, feed_gap_s, known_until)
    found = single_contract(bars)
    seconds = _seconds(session)
    opens = bars["ts_open"].to_physical().to_numpy()
    latest = np.searchsorted(opens, seconds, side="right") - 1
    known = np.full(len(seconds), True)
    if known_until is not None:
        known = seconds + MICROSECONDS <= us_of(known_until)
    some = latest >= 0
    traded_us = opens[np.maximum(latest, 0)] if len(opens) else np.zeros(len(seconds), np.int64)
    traded = some & (traded_us == seconds) & known
    # Positions in the grid and not times on the clock, so that a break does not count as silence.
    silent_s = np.arange(len(seconds)) - (np.searchsorted(seconds, traded_us, side="right") - 1)
    # No trade yet, then a long silence, then what lies beyond the record: the later test wins.
    cause = np.full(len(seconds), _CODES[TickGapCause.NO_TRADE])
    cause[silent_s >= feed_gap_s] = _CODES[TickGapCause.FEED_GAP]
    cause[~some] = _CODES[TickGapCause.BEFORE_FIRST_TRADE]
    cause[~known] = _CODES[TickGapCause.NOT_KNOWN_YET]
    of_bar, of_last = _where(latest, traded), _where(latest, some & known)
    filled = bars.select(
        *(pl.coalesce(pl.col(name).gather(of_bar), pl.col("close").gather(of_last)).alias(name) for name in _PRICES),
        *(pl.col(name).gather(of_bar) for name in (*_AMOUNTS, *_QUOTES)),
    )
    quiet = pl.lit(pl.Series(known & ~traded))
    return (
        filled.with_columns(
            pl.when(quiet).then(0).otherwise(pl.col(name)).cast(bars.schema[name]).alias(name) for name in _AMOUNTS
        )
        .with_columns(
            pl.Series("ts", seconds).cast(pl.Datetime("us")).dt.replace_time_zone("UTC"),
            pl.lit(contract if found is None else found, pl.String).cast(pl.Categorical).alias("contract"),
            pl.Series("tick_gap", ~traded),
            pl.Series(_CATEGORIES).gather(_where(cause, ~traded)).alias("tick_gap_cause"),
            pl.Series((seconds - traded_us) // MICROSECONDS)
            .gather(_where(np.arange(len(seconds)), some & known))
            .alias("last_trade_age_s"),
        )
        .select(GRID_COLUMNS)
    )


def grid_facts(grid: pl.DataFrame, bars: pl.DataFrame, session: Session) -> dict[str, int]:
    """Count what a grid is made of.

    Args:
        grid: as ``dense_grid`` returned it.
        bars: the bars that it was made from.
        session: the session that it was made for.

    Returns:
        ``rows``; ``traded_s``, the seconds with a trade; ``<cause>_s`` for every cause (their sum and ``traded_s`` make ``rows``);
        ``outside_hours_bars``, the bars that have no row because they lie outside the trading hours or in a break.
    """
    opens = bars["ts_open"].to_physical().to_numpy()
    inside = sum(int(np.diff(np.searchsorted(opens, span))[0]) for span in trading_spans(session))
    counted = dict(grid["tick_gap_cause"].drop_nulls().value_counts().iter_rows())
    return {
        "rows": grid.height,
        "traded_s": grid.height - grid["tick_gap"].sum(),
        **{f"{cause}_s": counted.get(cause.value, 0) for cause in TickGapCause},
        "outside_hours_bars": len(opens) - inside,
    }


def _seconds(session: Session) -> Ints:
    """Return the start of every second of trading hours, epoch microseconds UTC, ascending."""
    spans = [
        first + MICROSECONDS * np.arange((last - first) // MICROSECONDS, dtype=np.int64)
        for first, last in trading_spans(session)
    ]
    return np.concatenate(spans) if spans else np.empty(0, np.int64)


def _where(positions: Ints, wanted: Bools) -> pl.Series:
    """Return positions to gather, null (which gathers null) where not wanted."""
    return pl.Series(positions, dtype=pl.Int64).set(pl.Series(~wanted), None)


def _refuse_unusable(bars: pl.DataFrame, feed_gap_s: int, known_until: datetime | None) -> None:
    missing = [name for name in BAR_COLUMNS[:-1] if name not in bars.columns]
    if missing or bars.schema["ts_open"] != TIMESTAMP:
        raise _not_bars(f"the bars lack {', '.join(missing) or 'a ts_open of the type ' + str(TIMESTAMP)}")
    opens = bars["ts_open"].to_physical().to_numpy()
    if not strictly_increasing(opens):
        raise _not_bars("the bars are not in order: ts_open does not strictly increase")
    if (opens % MICROSECONDS).any():
        raise _no_grid(
            "the bars do not start on whole seconds", "the grid has one row per second and takes bars of one second"
        )
    if feed_gap_s < 1:
        raise _no_grid(
            f"feed_gap_s is {feed_gap_s}, expected at least 1", "a second with a trade would count as a gap of the feed"
        )
    if known_until is not None and known_until.tzinfo is None:
        raise _no_grid(
            f"known_until has no time zone: {known_until}", "it would be read in the time zone of the process"
        )


def _not_bars(what: str) -> QualityError:
    return QualityError(
        "E421",
        what,
        "the price that a quiet second shows is the close of the bar before it; nothing was written",
        REPAIR,
    )


def _no_grid(what: str, why: str) -> QualityError:
    return QualityError("E438", what, why, "tp export bars --help")
