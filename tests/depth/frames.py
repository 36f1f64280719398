"""Book events for tests: frames of ``depth_events`` made directly, by hand or by hypothesis."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import pairwise

import polars as pl
from hypothesis import strategies as st

from trading_platform.depth import EventArrays
from trading_platform.depth.book import ADD_ASK, ADD_BID, CLEAR, DELETE_ASK, DELETE_BID, MODIFY_ASK, MODIFY_BID

START_US = 1_773_151_200_000_000  # 2026-03-10 14:00:00 UTC, inside the session of MNQ
SECOND_US = 1_000_000
TICK = 0.25
CONTRACT = "MNQH26"


@dataclass(frozen=True)
class Event:
    """One book event; price in whole ticks."""

    command: int
    tick: int | None = None
    quantity: int = 0
    orders: int = 0
    end: bool = False
    after_us: int = 0
    segment: int = 0


def clear(**more: object) -> Event:
    return replace(Event(CLEAR), **more)  # type: ignore[arg-type]


def bid(tick: int, quantity: int, orders: int = 1, **more: object) -> Event:
    return replace(Event(ADD_BID, tick, quantity, orders), **more)  # type: ignore[arg-type]


def ask(tick: int, quantity: int, orders: int = 1, **more: object) -> Event:
    return replace(Event(ADD_ASK, tick, quantity, orders), **more)  # type: ignore[arg-type]


def modify_bid(tick: int, quantity: int, orders: int = 1, **more: object) -> Event:
    return replace(Event(MODIFY_BID, tick, quantity, orders), **more)  # type: ignore[arg-type]


def modify_ask(tick: int, quantity: int, orders: int = 1, **more: object) -> Event:
    return replace(Event(MODIFY_ASK, tick, quantity, orders), **more)  # type: ignore[arg-type]


def delete_bid(tick: int, **more: object) -> Event:
    return replace(Event(DELETE_BID, tick), **more)  # type: ignore[arg-type]


def delete_ask(tick: int, **more: object) -> Event:
    return replace(Event(DELETE_ASK, tick), **more)  # type: ignore[arg-type]


def event_frame(events: Sequence[Event], tick_size: float = TICK, start_us: int = START_US) -> pl.DataFrame:
    """Return the events as rows of ``depth_events``; ``after_us`` is the time since the event before."""
    rows, now, batch, in_snapshot, at_start, segment = [], start_us, 0, False, True, 0
    for seq, event in enumerate(events):
        now += event.after_us
        if event.segment != segment:
            segment, at_start = event.segment, True
        if at_start:
            in_snapshot = event.command == CLEAR
        at_start = event.end
        price = None if event.tick is None else price_of(event.tick, tick_size)
        rows.append(
            (now, seq, event.command, int(event.end), event.orders, price, event.quantity, batch, in_snapshot, segment)
        )
        batch += event.end
    frame = pl.DataFrame(
        rows,
        schema={
            "ts": pl.Int64,
            "seq": pl.UInt32,
            "command": pl.UInt8,
            "flags": pl.UInt8,
            "num_orders": pl.UInt16,
            "price": pl.Float64,
            "quantity": pl.UInt32,
            "batch_id": pl.UInt32,
            "snapshot": pl.Boolean,
            "segment": pl.UInt8,
        },
        orient="row",
    )
    return frame.with_columns(
        pl.col("ts").cast(pl.Datetime("us")).dt.replace_time_zone("UTC"),
        pl.lit(CONTRACT).cast(pl.Categorical).alias("contract"),
    )


def price_of(tick: int, tick_size: float) -> float:
    """Return the float64 nearest to the decimal price, by decimal arithmetic."""
    return float(Decimal(tick) * Decimal(repr(tick_size)))


def arrays_of(frame: pl.DataFrame) -> EventArrays:
    return EventArrays(
        ts_us=frame["ts"].to_physical().to_numpy(),
        command=frame["command"].to_numpy(),
        flags=frame["flags"].to_numpy(),
        price=frame["price"].fill_null(float("nan")).to_numpy(),
        quantity=frame["quantity"].to_numpy(),
        snapshot=frame["snapshot"].to_numpy(),
        segment=frame["segment"].to_numpy(),
    )


def chunks_of(frame: pl.DataFrame, cuts: Sequence[int]) -> Iterator[EventArrays]:
    """Yield the events cut at the given rows; parts may be empty."""
    arrays, edges = arrays_of(frame), [0, *sorted(cuts), frame.height]
    for start, stop in pairwise(edges):
        yield arrays.part(start, stop)


@st.composite
def days(draw: st.DrawFn, most: int = 60, center: int = 80_000) -> list[Event]:
    """Draw a day: few levels, so that events meet; snapshots, lone clears, segments, silences, batches over several seconds."""
    ticks = st.one_of(
        st.integers(center - 6, center + 6),
        st.integers(center - 40, center + 40),
        st.sampled_from([center - 9_000, center + 9_000, center + 70_000, 1]),
    )
    quantities = st.one_of(st.integers(0, 3), st.integers(1, 500), st.just(2**31 - 1))
    pauses = st.sampled_from([0, 0, 0, 1, 1_000, 250_000, 999_999, 1_000_000, 2_600_000, 7_000_000, -300_000])
    commands = st.sampled_from([1, 2, 2, 2, 3, 3, 3, 4, 5, 6, 6, 7, 7])
    events: list[Event] = []
    segment = 0
    for _ in range(draw(st.integers(1, most))):
        if events and draw(st.integers(0, 24)) == 0:
            segment += 1
        command = draw(commands)
        common = {"end": draw(st.booleans()), "after_us": draw(pauses), "segment": segment}
        if command == CLEAR:
            events.append(Event(CLEAR, **common))
            continue
        quantity = 0 if command >= DELETE_BID else draw(quantities)
        events.append(Event(command, draw(ticks), quantity, draw(st.integers(0, 9)), **common))
    if draw(st.booleans()):
        # Half of the days begin with a snapshot: unknown books would be most of what is tested.
        levels = draw(st.integers(0, 14))
        book = [bid(center - 1 - 2 * n, n + 1) for n in range(levels)] + [ask(center + n, n + 1) for n in range(levels)]
        first = [Event(CLEAR), *book]
        events = [*first[:-1], replace(first[-1], end=True), *events]
    return events


def many_events(count: int, seed: int = 5, center: int = 98_000, seconds: int = 400) -> list[Event]:
    """Return a seeded day of a plausible book that moves, with a snapshot every 90 s, for files of several row groups."""
    draw = random.Random(seed)
    sides: tuple[dict[int, int], dict[int, int]] = ({}, {})
    events: list[Event] = []
    pause = seconds * SECOND_US // count
    mid, next_snapshot = center, 0
    while len(events) < count:
        if len(events) * pause >= next_snapshot:
            next_snapshot += 90 * SECOND_US
            batch = [clear()]
            for ask_side, direction in enumerate((-1, 1)):
                sides[ask_side].clear()
                sides[ask_side].update({mid + direction * n: draw.randrange(1, 90) for n in range(1, 30)})
                batch += [Event(ADD_BID + ask_side, t, q, 1 + q // 7) for t, q in sides[ask_side].items()]
        else:
            mid += draw.choice((-1, 1)) if draw.random() < 0.02 else 0
            batch = [delete_bid(t) for t in sorted(sides[0]) if t >= mid]
            batch += [delete_ask(t) for t in sorted(sides[1]) if t <= mid]
            for event in batch:
                sides[event.command % 2].pop(event.tick or 0)
            batch += [_change(draw, sides, mid) for _ in range(draw.randrange(1, 4))]
        last = batch.pop()
        events += [Event(e.command, e.tick, e.quantity, e.orders, after_us=pause) for e in batch]
        events.append(Event(last.command, last.tick, last.quantity, last.orders, end=True, after_us=pause))
    return events


def _change(draw: random.Random, sides: tuple[dict[int, int], dict[int, int]], mid: int) -> Event:
    ask_side, distance, quantity = draw.randrange(2), draw.randrange(1, 25), draw.randrange(1, 90)
    side, tick = sides[ask_side], mid + distance * (2 * ask_side - 1)
    known = tick in side
    if known and draw.random() < 0.3:
        del side[tick]
        return Event(DELETE_BID + ask_side, tick)
    side[tick] = quantity
    return Event((MODIFY_BID if known else ADD_BID) + ask_side, tick, quantity, 1 + quantity // 7)
