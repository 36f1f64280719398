"""Clock bars from ticks: any whole-second step from one second to one day.

Belongs here: the time grid of a session and the accumulator that turns chunks of ticks into bars. Does not belong here: bars by volume,
count or value (``alternative.py``), bars from bars (``resample.py``), files (``builder.py``).

Rules: a bar is stamped at its open in UTC and covers ``[ts_open, ts_open + step)``; seconds without a trade have no bar; open, high, low
and close are trade prices; open is the first and close the last trade by (time, file order). Steps are counted from the session's opening,
so a 4-hour bar of a 23-hour session starts with the session and its last bar is shorter. A bar never reaches over an edge of the session
window. All sums are integers, so the size of the chunks changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt
import polars as pl

from ..errors import QualityError
from ..instants import MICROSECONDS, us_of
from ..lake.stream import ROW_GROUP_ROWS
from .partials import (
    REPAIR,
    Floats,
    Ints,
    PartialBars,
    TickArrays,
    aggregate,
    concatenate,
    in_time_order,
    merge,
)

if TYPE_CHECKING:
    from ..sessions import Session

MAX_STEP_S: Final = 86_400
# The working set of a chunk then stays in the second-level cache.
CHUNK_TICKS: Final = ROW_GROUP_ROWS
TIMESTAMP: Final = pl.Datetime("us", "UTC")
TICK_COLUMNS: Final = ("ts", "seq", "price", "bid", "ask", "volume", "side")
BAR_COLUMNS: Final = (
    "ts_open",
    "open",
    "high",
    "low",
    "close",
    "volume",
    "vwap",
    "notional",
    "buy_volume",
    "sell_volume",
    "unknown_volume",
    "delta",
    "trades",
    "bid_close",
    "ask_close",
    "contract",
)


@dataclass(frozen=True, slots=True)
class BarWindow:
    """The span that owns the ticks of one partition, and the instant from which steps are counted.

    Attributes:
        start_us: epoch microseconds UTC, inclusive.
        end_us: epoch microseconds UTC, exclusive.
        anchor_us: epoch microseconds UTC; bars start a whole number of steps before or after it.
    """

    start_us: int
    end_us: int
    anchor_us: int

    @classmethod
    def of_session(cls, session: Session) -> BarWindow:
        """Return the window of a session, anchored at its opening (at the window's start on a closed date)."""
        start = us_of(session.window_start)
        opens_at = session.opens_at
        return cls(start, us_of(session.window_end), start if opens_at is None else us_of(opens_at))


UNBOUNDED: Final = BarWindow(start_us=-(2**62), end_us=2**62, anchor_us=0)


def check_step(step_s: int) -> int:
    """Return a step in microseconds.

    Raises:
        QualityError: E424 if it is not a whole number of seconds from 1 to 86,400.
    """
    if isinstance(step_s, bool) or not isinstance(step_s, int) or not 1 <= step_s <= MAX_STEP_S:
        raise QualityError(
            "E424",
            f"the bar step is {step_s!r} s, expected a whole number of seconds from 1 to {MAX_STEP_S}",
            "clock bars are anchored to the opening of one session and end with it; nothing was written",
            "tp export bars --help",
        )
    return step_s * MICROSECONDS


class ClockBars:
    """Collect chunks of ticks and give the bars at the end.

    Memory is that of the bars (at most one per second of the window), not of the ticks.

    Args:
        step_s: width of a bar in seconds.
        tick_size: points.
        window: session window and anchor.
    """

    def __init__(self, step_s: int, tick_size: float, window: BarWindow = UNBOUNDED) -> None:
        self._step_us = check_step(step_s)
        self._tick_size = tick_size
        self._window = window
        self._parts: list[PartialBars] = []

    def push(self, ticks: TickArrays) -> None:
        """Add the next ticks in file order.

        Raises:
            QualityError: E422 for a tick outside the window, E423 for a price or volume that cannot be summed.
        """
        if len(ticks.ts_us) == 0:
            return
        ticks = in_time_order(ticks)
        window = self._window
        if ticks.ts_us[0] < window.start_us or ticks.ts_us[-1] >= window.end_us:
            first, last = (np.datetime64(int(value), "us") for value in (ticks.ts_us[0], ticks.ts_us[-1]))
            raise QualityError(
                "E422",
                f"ticks from {first}Z to {last}Z reach outside the session window "
                f"{np.datetime64(window.start_us, 'us')}Z to {np.datetime64(window.end_us, 'us')}Z",
                "a bar must not cross the session window; the ticks were made with another calendar",
                REPAIR,
            )
        bucket = (ticks.ts_us - window.anchor_us) // self._step_us
        self._parts.append(aggregate(ticks, bucket, self._tick_size))

    def finish(self) -> PartialBars:
        """Return the bars so far, ascending; pushing may go on afterwards."""
        bars = merge(concatenate(self._parts))
        self._parts = [bars] if len(bars) else []
        return bars


def opening_times(bucket: Ints, step_us: int, window: BarWindow) -> Ints:
    """Return the opening time of clock bars, never before the window's start."""
    return np.maximum(bucket * step_us + window.anchor_us, window.start_us)


def bar_columns(bars: PartialBars, ts_open_us: Ints, tick_size: float) -> dict[str, Ints | Floats]:
    """Return the stored columns (without ``contract``) of finished bars; missing quotes are NaN.

    ``notional`` = whole ticks times tick size; ``vwap`` = notional / volume, held inside [low, high], out of which the rounding of a binary
    fraction could push it by one unit in the last place.
    """
    notional: Floats = np.multiply(bars.notional_ticks, tick_size, dtype=np.float64)
    vwap: Floats = np.clip(notional / bars.volume, bars.low, bars.high)
    return {
        "ts_open": ts_open_us,
        "open": bars.open,
        "high": bars.high,
        "low": bars.low,
        "close": bars.close,
        "volume": bars.volume,
        "vwap": vwap,
        "notional": notional,
        "buy_volume": bars.buy_volume,
        "sell_volume": bars.sell_volume,
        "unknown_volume": bars.unknown_volume,
        "delta": bars.buy_volume - bars.sell_volume,
        "trades": bars.trades,
        "bid_close": bars.bid_close,
        "ask_close": bars.ask_close,
    }


def bar_frame(bars: PartialBars, ts_open_us: Ints, tick_size: float, contract: str | None) -> pl.DataFrame:
    """Return finished bars as a frame with the columns of the contract ``bars_1s``, in its order."""
    frame = pl.DataFrame(bar_columns(bars, ts_open_us, tick_size))
    return frame.select(
        pl.col("ts_open").cast(pl.Datetime("us")).dt.replace_time_zone("UTC"),
        pl.col(BAR_COLUMNS[1:-3]),
        pl.col("bid_close", "ask_close").fill_nan(None),
        pl.lit(contract, pl.String).cast(pl.Categorical).alias("contract"),
    )


def single_contract(frame: pl.DataFrame) -> str | None:
    """Return the one contract of a frame, or None if it has no such column or no rows.

    Raises:
        QualityError: E425 if there are several: bars never mix two contracts.
    """
    if "contract" not in frame.columns or frame.is_empty():
        return None
    names = sorted(frame["contract"].unique().cast(pl.String).drop_nulls().to_list())
    if len(names) > 1:
        raise QualityError(
            "E425",
            f"the rows belong to the contracts {', '.join(names)}, expected one",
            "prices of two contracts differ by the carry, so a bar over both has no meaning; make bars day by day",
            "tp rolls show ROOT",
        )
    return str(names[0]) if names else None


def tick_arrays(ticks: pl.DataFrame) -> TickArrays:
    """Return the columns of a tick frame as arrays; no copy where there are no nulls and one chunk."""
    return TickArrays(
        ts_us=ticks["ts"].to_physical().to_numpy(),
        price=ticks["price"].to_numpy(),
        bid=ticks["bid"].to_numpy(),
        ask=ticks["ask"].to_numpy(),
        volume=ticks["volume"].to_numpy(),
        side=ticks["side"].to_numpy(),
    )


def strictly_increasing(values: npt.NDArray[np.integer]) -> bool:
    """Tell whether each value is greater than the one before it."""
    return bool((values[1:] > values[:-1]).all())


def check_ticks(ticks: pl.DataFrame) -> None:
    """Refuse a frame that is not ticks in file order.

    Raises:
        QualityError: E421 if a column is missing, ``ts`` is not ``datetime[us, UTC]``, a value that must exist is null, or ``seq`` does not
            strictly increase (shuffled or newest-first rows would swap open and close).
    """
    problem: str | None = None
    missing = [name for name in TICK_COLUMNS if name not in ticks.columns]
    if missing:
        problem = f"the ticks lack the columns {', '.join(missing)}"
    elif ticks.schema["ts"] != TIMESTAMP:
        problem = f"the column ts has the type {ticks.schema['ts']}, expected {TIMESTAMP}"
    elif sum(ticks.select(pl.col("ts", "seq", "price", "volume", "side").null_count()).row(0)):
        problem = "the ticks have nulls in ts, seq, price, volume or side"
    elif not strictly_increasing(ticks["seq"].to_numpy()):
        problem = "the ticks are not in file order: seq does not strictly increase"
    if problem is not None:
        raise QualityError(
            "E421",
            problem,
            "open and close of a bar are the first and the last trade, which only the file order tells; nothing was written",
            REPAIR,
        )


def chunks_of(ticks: pl.DataFrame, chunk_ticks: int = CHUNK_TICKS) -> Iterator[TickArrays]:
    """Yield the ticks of a frame in runs of a given length."""
    for frame in ticks.iter_slices(chunk_ticks):
        yield tick_arrays(frame)


def time_bars(
    ticks: pl.DataFrame,
    step_s: int,
    *,
    tick_size: float,
    window: BarWindow = UNBOUNDED,
    chunk_ticks: int = CHUNK_TICKS,
) -> pl.DataFrame:
    """Build clock bars from ticks.

    Args:
        ticks: columns of the dataset ``ticks`` in file order: ts datetime[us, UTC], seq u32, price f64 [points], bid and ask f64 or null,
            volume i32 [contracts], side i8 {+1 buyer, -1 seller, 0 unknown}; ``contract`` is carried over if present.
        step_s: width of a bar in seconds, 1 to 86,400.
        tick_size: points; prices are multiples of it.
        window: session window and anchor; by default unbounded, with steps counted from midnight UTC.
        chunk_ticks: rows handled at once; changes memory and speed, never the result.

    Returns:
        One row per step with a trade, ``ts_open`` strictly increasing, columns ``BAR_COLUMNS``: ts_open datetime[us, UTC], prices, vwap and
        notional f64 [points, points times contracts], volumes and trades i64, ``delta`` = buy - sell, bid_close and ask_close f64, null
        where the last trade of the bar had no quote.

    Raises:
        QualityError: E421 to E425, see docs/errors.md.
    """
    check_ticks(ticks)
    contract = single_contract(ticks)
    bars = ClockBars(step_s, tick_size, window)
    for chunk in chunks_of(ticks, chunk_ticks):
        bars.push(chunk)
    finished = bars.finish()
    return bar_frame(finished, opening_times(finished.bucket, check_step(step_s), window), tick_size, contract)
