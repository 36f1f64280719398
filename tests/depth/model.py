"""The oracle: per-second rows by dictionaries, exact fractions and one event at a time.

Written from the rules, not from the code under test: it shares neither the replay nor a formula with it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import polars as pl

_MEASURES = (
    "bid",
    "ask",
    "bid_quantity",
    "ask_quantity",
    "spread",
    "mid",
    "microprice",
    "imbalance_1",
    "imbalance_5",
    "imbalance_10",
    "bid_depth",
    "ask_depth",
)


@dataclass
class Model:
    """One book and what is known about it."""

    bids: dict[Fraction, int] = field(default_factory=dict)
    asks: dict[Fraction, int] = field(default_factory=dict)
    known: bool = False
    last_end_us: int | None = None


@dataclass
class ModelDay:
    """What the oracle says about a day."""

    rows: list[dict[str, Any]]
    batches: list[tuple[int, dict[Fraction, int] | None, dict[Fraction, int] | None]]
    deletes_of_absent: int
    unfinished_events: int
    snapshots: int


def model_day(frame: pl.DataFrame, tick: Fraction = Fraction(1, 4)) -> ModelDay:
    """Replay a day batch by batch; state at the end of each second from the first to the last event."""
    state, rows, batches = Model(), [], []
    absent = unfinished = snapshots = 0
    pending: list[dict[str, Any]] = []
    segment = None
    now = None
    counts: dict[int, list[int]] = {}
    ends: dict[int, Model] = {}
    for event in frame.with_columns(ts_us=pl.col("ts").to_physical()).iter_rows(named=True):
        now = event["ts_us"] if now is None else max(now, event["ts_us"])
        second = now // 1_000_000
        if event["segment"] != segment:
            segment = event["segment"]
            unfinished += len(pending)
            pending = []
            state = Model()
            ends[second] = state
        tally = counts.setdefault(second, [0, 0, 0])
        tally[1 if event["snapshot"] else 0] += 1
        pending.append(event)
        if event["flags"] & 1:
            tally[2] += 1
            state = Model(dict(state.bids), dict(state.asks), state.known, now)
            cleared = False
            for one in pending:
                cleared |= one["command"] == 1
                absent += _apply(state, one, known=state.known or cleared)
            state.known |= cleared
            snapshots += cleared
            pending = []
            ends[second] = state
            sides = (state.bids, state.asks) if state.known else (None, None)
            batches.append((event["seq"], *sides))
    unfinished += len(pending)
    current, measured = Model(), _measures(Model(), tick)
    for second in range(min(counts), max(counts) + 1) if counts else ():
        if second in ends:
            current, measured = ends[second], _measures(ends[second], tick)
        updates, snapshot_rows, ended = counts.get(second, [0, 0, 0])
        known = current.known and current.last_end_us is not None
        rows.append(
            {
                "second": second,
                "updates": updates,
                "snapshot_rows": snapshot_rows,
                "batches": ended,
                **measured,
                "age_ms": ((second + 1) * 1_000_000 - current.last_end_us) // 1_000 if known else None,
            }
        )
    return ModelDay(rows, batches, absent, unfinished, snapshots)


def _apply(state: Model, event: dict[str, Any], *, known: bool) -> int:
    """Apply an event; return 1 for a delete of a level that a known book does not have."""
    command = event["command"]
    if command == 1:
        state.bids, state.asks = {}, {}
        return 0
    if not known:
        return 0
    side = {0: state.bids, 1: state.asks}[command % 2]
    price = Fraction(repr(event["price"]))
    if command in (6, 7):
        return 0 if side.pop(price, 0) else 1
    side.pop(price, None)
    if event["quantity"] > 0:
        side[price] = event["quantity"]
    return 0


def _measures(state: Model, tick: Fraction) -> dict[str, Any]:
    found: dict[str, Any] = dict.fromkeys(_MEASURES)
    if not state.known:
        return found
    bids = sorted(state.bids.items(), reverse=True)
    asks = sorted(state.asks.items())
    if bids:
        found |= {"bid": bids[0][0], "bid_quantity": bids[0][1], "bid_depth": _depth(bids, tick)}
    if asks:
        found |= {"ask": asks[0][0], "ask_quantity": asks[0][1], "ask_depth": _depth(asks, tick)}
    if not bids or not asks:
        return found
    (bid, bid_quantity), (ask, ask_quantity) = bids[0], asks[0]
    found["spread"] = ask - bid
    if bid <= ask:
        found["mid"] = (bid + ask) / 2
        found["microprice"] = (bid * ask_quantity + ask * bid_quantity) / Fraction(bid_quantity + ask_quantity)
    for levels in (1, 5, 10):
        over = sum(quantity for _, quantity in bids[:levels])
        under = sum(quantity for _, quantity in asks[:levels])
        found[f"imbalance_{levels}"] = Fraction(over - under, over + under)
    return found


def _depth(side: list[tuple[Fraction, int]], tick: Fraction) -> int:
    """Return the quantity from the best level to ten ticks behind it."""
    return sum(quantity for price, quantity in side if abs(price - side[0][0]) <= 10 * tick)
