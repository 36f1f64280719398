"""Per-second measures of a ten-level book: the rows of ``l2_metrics``.

Belongs here: formulas. Does not belong here: reading and storing partitions.

Only rows with the flag LAST show a consistent book; all measures of the book look at those alone. Rows are taken in parts of any size and
what continues from one to the next is carried, so memory does not grow with the day.

Source: order flow imbalance after Cont, Kukanov, Stoikov, "The price impact of order book events" (2014), equation 4:
``e = [b >= b'] q_b - [b <= b'] q_b' - [a <= a'] q_a + [a >= a'] q_a'`` for best prices b, a and quantities q against those before (primed).
Microprice: ``(bid * ask quantity + ask * bid quantity) / (bid quantity + ask quantity)``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ..databento.format import FLAG_LAST, FLAG_SNAPSHOT, LEVELS
from ..errors import QualityError
from ..instants import MICROSECONDS
from ..lake.contracts import L2_METRICS

DEPTHS = (1, 5, 10)
BID_SIZES = [f"bid_sz_{level:02d}" for level in range(LEVELS)]
ASK_SIZES = [f"ask_sz_{level:02d}" for level in range(LEVELS)]
COLUMNS = ["ts_recv", "action", "side", "price", "size", "flags", "bid_px_00", "ask_px_00", *BID_SIZES, *ASK_SIZES]

# A trade without a price or a size, of which venues know a few, counts as a trade and adds nothing to any sum.
IS_PRICED = pl.col("price").is_not_null() & pl.col("size").is_not_null()

_NANOS = 1_000_000_000
_END_OF_TIME_NS = 2**63 - 1
_COUNTS = ("rows", "snapshot_rows", "events", "flow", "trades", "volume", "buy_volume", "sell_volume")
_SUMS = ("spread", "spreads", "imbalance", "imbalances", "notional")

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Bools = NDArray[np.bool_]


def l2_metrics(
    parts: Iterable[pl.DataFrame],
    raw_symbol: str,
    hours: Sequence[tuple[int, int]] = (),
    windows: Sequence[tuple[int, int]] | None = None,
) -> pl.DataFrame:
    """Measure a day second by second.

    Args:
        parts: rows of ``l2`` in their order, with at least ``COLUMNS``; any number of rows each.
        raw_symbol: symbol of the venue, repeated in every row.
        hours: trading hours for ``in_session`` as ``sessions.trading_spans`` gives them: half-open, epoch microseconds UTC; none: never in
            session.
        windows: what the raw files cover: half-open, epoch nanoseconds UTC, ascending; None: everything.

    Returns:
        Rows of the ``l2_metrics`` contract, one per covered second from the first to the last row; no rows for no rows. Where a window
        begins the book is unknown until the first consistent one, and nothing is known of seconds that no file covers.

    Raises:
        QualityError: E450 if a column is missing, E451 if ``ts_recv`` decreases.
    """
    measures = L2Measures(windows)
    for part in parts:
        measures.add(part)
    return measures.frame(raw_symbol, hours)


class Coverage:
    """Which time the raw files cover.

    Args:
        windows: half-open, epoch nanoseconds UTC, ascending; windows that touch are one. None: everything.
    """

    def __init__(self, windows: Sequence[tuple[int, int]] | None) -> None:
        joined: list[list[int]] = []
        for start, end in [(0, _END_OF_TIME_NS)] if windows is None else windows:
            if joined and start <= joined[-1][1]:
                joined[-1][1] = max(end, joined[-1][1])
            else:
                joined.append([start, end])
        self._starts: Integers = np.array([start for start, _ in joined], np.int64)
        self._ends: Integers = np.array([end for _, end in joined], np.int64)

    def window_of(self, ns: Integers) -> Integers:
        """Return the number of the last window that began by then, -1 for none."""
        number: Integers = np.searchsorted(self._starts, ns, side="right") - 1
        return number

    def of_seconds(self, seconds: Integers) -> tuple[Integers, Bools]:
        """Return when the window of each second began (epoch nanoseconds), and whether it covers any of that second."""
        number = np.searchsorted(self._starts, (seconds + 1) * _NANOS, side="left") - 1
        began: Integers = np.where(number >= 0, self._starts[number], _END_OF_TIME_NS)
        covered: Bools = (number >= 0) & (self._ends[number] > seconds * _NANOS)
        return began, covered

    def seconds_between(self, first_s: int, last_s: int) -> int:
        """Return how many seconds from ``first_s`` to ``last_s``, both included (epoch seconds), are covered at least in part."""
        return int(self.of_seconds(np.arange(first_s, last_s + 1))[1].sum())


class L2Measures:
    """Collects sums and last states per second.

    Args:
        windows: what the raw files cover, see :func:`l2_metrics`.
    """

    def __init__(self, windows: Sequence[tuple[int, int]] | None = None) -> None:
        self._coverage = Coverage(windows)
        self._window: int | None = None
        self._base: int | None = None
        self._last_ns = 0
        self._counts: dict[str, Integers] = {name: np.zeros(0, np.int64) for name in _COUNTS}
        self._sums: dict[str, Floats] = {name: np.zeros(0) for name in _SUMS}
        self._state: Floats = np.zeros((0, 2 + 2 * len(DEPTHS)))  # prices, then cumulated quantities of both sides
        self._state_ns: Integers = np.zeros(0, np.int64)
        self._best: tuple[float, float, int, int] | None = None

    def add(self, rows: pl.DataFrame) -> None:
        """Add the next rows; see :func:`l2_metrics`."""
        missing = [name for name in COLUMNS if name not in rows.columns]
        if missing:
            raise _not_measurable("E450", f"columns are missing: {', '.join(missing)}", "the rows are not those of l2")
        if rows.height == 0:
            return
        received = rows["ts_recv"].to_physical().to_numpy()
        if received[0] < self._last_ns or (received[1:] < received[:-1]).any():
            raise _not_measurable("E451", "ts_recv decreases", "the rows are not in the order in which they are stored")
        self._last_ns = int(received[-1])
        seconds = received // _NANOS
        if self._base is None:
            self._base = int(seconds[0])
        self._grow(int(seconds[-1]) - self._base + 1)
        place = seconds - self._base
        flags = rows["flags"].to_numpy()
        self._count("rows", place)
        snapshot = (flags & FLAG_SNAPSHOT) > 0
        if snapshot.any():
            self._count("snapshot_rows", place[snapshot])
        self._add_trades(rows, place)
        last = np.flatnonzero(flags >= FLAG_LAST)
        if len(last):
            self._add_books(rows, last, place[last], received[last], snapshot[last])

    def frame(self, raw_symbol: str, hours: Sequence[tuple[int, int]] = ()) -> pl.DataFrame:
        """Return the rows so far; see :func:`l2_metrics`."""
        if self._base is None:
            return L2_METRICS.empty()
        seconds = np.arange(self._base, self._base + len(self._state_ns))
        known = np.maximum.accumulate(np.where(self._state_ns > 0, np.arange(len(seconds)), -1))
        began_ns, is_covered = self._coverage.of_seconds(seconds)
        # A book from before a hole says nothing about the time after it.
        known = np.where((known >= 0) & (self._state_ns[known] >= began_ns), known, -1)
        state = np.where((known >= 0)[:, None], self._state[known], np.nan)
        columns = {
            "ts": pl.Series(seconds * 1_000_000).cast(pl.Datetime("us", "UTC")),
            **_book_columns(state),
            **self._sum_columns(),
            "age_ms": _nullable(((seconds + 1) * _NANOS - self._state_ns[known]) // 1_000_000, known < 0, pl.Int64),
            "in_session": pl.Series(_inside(seconds, hours)),
            "raw_symbol": pl.Series([raw_symbol], dtype=pl.Categorical).new_from_index(0, len(seconds)),
        }
        frame = pl.DataFrame(columns).select(L2_METRICS.polars_schema.names())
        is_kept = is_covered | (self._counts["rows"] > 0)
        return frame if is_kept.all() else frame.filter(pl.Series(is_kept))

    def _grow(self, seconds: int) -> None:
        """Make room for seconds; they are added part by part, so copies stay few."""
        more = seconds - len(self._state_ns)
        if more <= 0:
            return
        for name in _COUNTS:
            self._counts[name] = np.concatenate([self._counts[name], np.zeros(more, np.int64)])
        for name in _SUMS:
            self._sums[name] = np.concatenate([self._sums[name], np.zeros(more)])
        self._state = np.concatenate([self._state, np.full((more, self._state.shape[1]), np.nan)])
        self._state_ns = np.concatenate([self._state_ns, np.zeros(more, np.int64)])

    def _count(self, name: str, place: Integers, weights: NDArray[Any] | None = None) -> None:
        """Add ones or whole weights by second."""
        if not len(place):
            return
        first = int(place[0])
        counted = np.bincount(place - first, weights=weights)
        self._counts[name][first : first + len(counted)] += counted.astype(np.int64)

    def _sum(self, name: str, number: str, place: Integers, values: Floats) -> None:
        """Add values by second, and how many there are; NaN is no value."""
        known = ~np.isnan(values)
        if not known.all():
            place, values = place[known], values[known]
        if not len(place):
            return
        first = int(place[0])
        counted = np.bincount(place - first)
        here = slice(first, first + len(counted))
        self._sums[name][here] += np.bincount(place - first, weights=values)
        self._sums[number][here] += counted

    def _add_trades(self, rows: pl.DataFrame, place: Integers) -> None:
        trades = (rows["action"] == "T").arg_true().to_numpy()
        if not len(trades):
            return
        self._count("trades", place[trades])
        few = rows.select("side", "price", "size", IS_PRICED.alias("is_priced"))[trades]
        priced = few["is_priced"].to_numpy()
        few, at = few.filter("is_priced"), place[trades][priced]
        if not len(at):
            return
        size = few["size"].to_numpy().astype(np.int64)
        self._count("volume", at, size)
        for name, letter in (("buy_volume", "B"), ("sell_volume", "A")):
            self._count(name, at, np.where((few["side"] == letter).to_numpy(), size, 0))
        first = int(at[0])
        money = np.bincount(at - first, weights=few["price"].to_numpy() * size)
        self._sums["notional"][first : first + len(money)] += money

    def _add_books(
        self, rows: pl.DataFrame, last: NDArray[np.intp], place: Integers, ns: Integers, snapshot: Bools
    ) -> None:
        """Add the consistent books: sums over all of them, and the last of each second."""
        self._count("events", place)
        bid, ask = (rows[name].to_numpy()[last] for name in ("bid_px_00", "ask_px_00"))
        bid_size, ask_size = (rows[name].to_numpy()[last].astype(np.int64) for name in ("bid_sz_00", "ask_sz_00"))
        self._add_flow(place, (bid, ask, bid_size, ask_size), snapshot | self._begins_window(ns))
        self._sum("spread", "spreads", place, ask - bid)
        self._sum("imbalance", "imbalances", place, _ratio(bid_size, ask_size))
        final = np.flatnonzero(np.append(place[1:] != place[:-1], True))
        at, chosen = place[final], last[final]
        self._state_ns[at] = ns[final]
        self._state[at, 0], self._state[at, 1] = bid[final], ask[final]
        ends = rows.select(*BID_SIZES, *ASK_SIZES)[chosen].cast(pl.Int64).to_numpy()
        for number, depth in enumerate(DEPTHS):
            self._state[at, 2 + 2 * number] = ends[:, :depth].sum(axis=1)
            self._state[at, 3 + 2 * number] = ends[:, LEVELS : LEVELS + depth].sum(axis=1)

    def _begins_window(self, ns: Integers) -> Bools:
        """Tell which books are the first of their window: the change against the book before the hole is no flow of orders."""
        number = self._coverage.window_of(ns)
        before = number[0] if self._window is None else self._window
        self._window = int(number[-1])
        begins: Bools = number != _shifted(number, before)
        return begins

    def _add_flow(self, place: Integers, best: tuple[Floats, Floats, Integers, Integers], snapshot: Bools) -> None:
        """Add order flow; a side that is not there counts as a bid below or an ask above every price, of size zero."""
        bid, ask, bid_size, ask_size = best
        bid, ask = np.where(np.isnan(bid), -np.inf, bid), np.where(np.isnan(ask), np.inf, ask)
        before = self._best or (float(bid[0]), float(ask[0]), int(bid_size[0]), int(ask_size[0]))
        old_bid, old_ask = _shifted(bid, before[0]), _shifted(ask, before[1])
        old_bid_size, old_ask_size = _shifted(bid_size, before[2]), _shifted(ask_size, before[3])
        flow = np.where(bid >= old_bid, bid_size, 0) - np.where(bid <= old_bid, old_bid_size, 0)
        flow += np.where(ask >= old_ask, old_ask_size, 0) - np.where(ask <= old_ask, ask_size, 0)
        # A snapshot lists the book anew; a difference to the book before is no flow of orders.
        flow[snapshot] = 0
        self._count("flow", place, flow)
        self._best = (float(bid[-1]), float(ask[-1]), int(bid_size[-1]), int(ask_size[-1]))

    def _sum_columns(self) -> dict[str, pl.Series]:
        counts, sums = self._counts, self._sums
        means = {}
        for name, total, number in (
            ("spread_mean", sums["spread"], sums["spreads"]),
            ("imbalance_1_mean", sums["imbalance"], sums["imbalances"]),
            ("vwap", sums["notional"], counts["volume"]),
        ):
            means[name] = _nullable(_divided(total, number), number == 0, pl.Float64)
        means["imbalance_1_mean"] = means["imbalance_1_mean"].clip(-1.0, 1.0)
        return {
            **means,
            "order_flow_imbalance": pl.Series(counts["flow"]),
            "trades": pl.Series(counts["trades"]),
            "volume": pl.Series(counts["volume"]),
            "buy_volume": pl.Series(counts["buy_volume"]),
            "sell_volume": pl.Series(counts["sell_volume"]),
            "updates": pl.Series(counts["rows"] - counts["snapshot_rows"]),
            "snapshot_rows": pl.Series(counts["snapshot_rows"]),
            "events": pl.Series(counts["events"]),
        }


def _book_columns(state: Floats) -> dict[str, pl.Series]:
    """Return what the last book of each second says; NaN means unknown or not there."""
    bid, ask, bid_size, ask_size = (state[:, number] for number in range(4))
    no_bid, no_ask = ~(bid_size > 0), ~(ask_size > 0)
    two_sided = ~no_bid & ~no_ask
    crossed = two_sided & (bid > ask)
    middle = two_sided & ~crossed
    columns = {
        "bid": _nullable(bid, no_bid, pl.Float64),
        "ask": _nullable(ask, no_ask, pl.Float64),
        "bid_quantity": _nullable(np.where(no_bid, 0, bid_size), no_bid, pl.Int64),
        "ask_quantity": _nullable(np.where(no_ask, 0, ask_size), no_ask, pl.Int64),
        "spread": _nullable(ask - bid, ~two_sided, pl.Float64),
        "mid": _nullable((bid + ask) / 2, ~middle, pl.Float64),
        # Rounding must not carry it beyond the quotes.
        "microprice": _nullable(
            np.clip(_divided(bid * ask_size + ask * bid_size, bid_size + ask_size), bid, ask), ~middle, pl.Float64
        ),
    }
    for number, depth in enumerate(DEPTHS):
        bids, asks = state[:, 2 + 2 * number], state[:, 3 + 2 * number]
        columns[f"imbalance_{depth}"] = _nullable(_ratio(bids, asks), ~(bids + asks > 0), pl.Float64)
    return columns


def _ratio(bids: NDArray[Any], asks: NDArray[Any]) -> Floats:
    """Return ``(bids - asks) / (bids + asks)``; NaN where both are zero."""
    return _divided(bids - asks, bids + asks)


def _divided(above: NDArray[Any], below: NDArray[Any]) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        quotient: Floats = np.divide(above, below, dtype=np.float64)
    return quotient


def _shifted(values: NDArray[Any], first: float) -> NDArray[Any]:
    shifted = np.empty_like(values)
    shifted[0] = first
    shifted[1:] = values[:-1]
    return shifted


def _nullable(values: NDArray[Any], null: Bools, dtype: type[pl.DataType]) -> pl.Series:
    filled = np.where(null, 0, values)
    series = pl.Series(filled.astype(np.int64) if dtype is pl.Int64 else filled, dtype=dtype)
    return series.set(pl.Series(null), None) if null.any() else series


def _inside(seconds: Integers, hours: Sequence[tuple[int, int]]) -> Bools:
    inside: Bools = np.zeros(len(seconds), np.bool_)
    for start, end in hours:
        inside |= (seconds >= start // MICROSECONDS) & (seconds < end // MICROSECONDS)
    return inside


def _not_measurable(code: str, what: str, why: str) -> QualityError:
    return QualityError(
        code, f"level 2 rows cannot be measured: {what}", f"{why}; nothing was stored", 'tp sql "describe l2"'
    )
