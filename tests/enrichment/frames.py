"""Synthetic bars, ticks and snapshots, and an oracle that walks second by second."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np
import polars as pl

from trading_platform.enrichment import AttachPolicy, Underlying
from trading_platform.instants import MICROSECONDS, us_of
from trading_platform.lake.contracts import BARS_1S, GEX_SNAPSHOTS, TICKS
from trading_platform.lake.contracts.enrichment import GEX_VALUES
from trading_platform.sessions import Session, trading_spans

UTC_US = pl.Datetime("us", "UTC")


def times(values_us: Sequence[int] | np.ndarray) -> pl.Series:
    return pl.Series(np.asarray(values_us, np.int64)).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")


def bars(
    seconds_us: Sequence[int] | np.ndarray, close: Sequence[float] | np.ndarray, contract: str = "MNQH25"
) -> pl.DataFrame:
    """Return one-second bars of three contracts in two trades, the close given, the open a tick below it."""
    close = np.asarray(close, np.float64)
    volume = np.full(len(close), 3, np.int64)
    frame = pl.DataFrame(
        {
            "ts_open": times(seconds_us),
            "open": close - 0.25,
            "high": close + 0.25,
            "low": close - 0.5,
            "close": close,
            "volume": volume,
            "vwap": close - 0.25,
            "notional": (close - 0.25) * volume,
            "buy_volume": volume - 1,
            "sell_volume": volume - 2,
            "unknown_volume": volume - 3,
            "delta": volume - 2,
            "trades": volume - 1,
            "bid_close": close - 0.25,
            "ask_close": close + 0.25,
        }
    )
    return frame.with_columns(pl.lit(contract).cast(pl.Categorical).alias("contract")).select(
        BARS_1S.arrow_schema.names
    )


def ticks(ts_us: Sequence[int] | np.ndarray, price: float = 20_000.0) -> pl.DataFrame:
    rows = len(ts_us)
    values: dict[str, Any] = {
        "ts": times(ts_us),
        "seq": np.arange(rows, dtype=np.uint32),
        "price": np.full(rows, price),
        "bid": np.full(rows, price - 0.25),
        "ask": np.full(rows, price),
        "volume": np.ones(rows, np.int32),
        "side": np.ones(rows, np.int8),
        "bundle": np.zeros(rows, np.uint8),
        "flags": np.zeros(rows, np.uint8),
        "contract": pl.Series(["MNQH25"] * rows, dtype=pl.Categorical),
    }
    return pl.DataFrame(values).select(TICKS.arrow_schema.names)


def snapshots(
    ts_us: Sequence[int] | np.ndarray,
    *,
    category: str = "gex_full",
    level: float = 19_950.0,
    seed: int = 5,
    **fixed: Any,
) -> pl.DataFrame:
    """Return snapshots with random values in every column and, in one of seven, a null zero gamma."""
    rows, rng = len(ts_us), np.random.default_rng(seed)
    values: dict[str, Any] = {"ts": times(ts_us), "category": [category] * rows, "vendor_ticker": ["NQ_NDX"] * rows}
    for name, kind in GEX_SNAPSHOTS.polars_schema.items():
        if name in values:
            continue
        if kind == pl.Int32:
            values[name] = pl.Series(rng.integers(0, 5, rows), dtype=pl.Int32)
        elif name.endswith("_pct"):
            values[name] = rng.uniform(0, 100, rows)
        elif name.startswith("neg_can"):
            values[name] = -rng.uniform(1, 100, rows)
        else:
            values[name] = rng.uniform(1, 100, rows)
    values["spot"] = level + rng.normal(0, 5, rows).cumsum()
    values["zero_gamma"] = [None if i % 7 == 3 else level - 20 + i % 11 for i in range(rows)]
    frame = pl.DataFrame({**values, **fixed}, strict=False)
    return frame.cast(dict(GEX_SNAPSHOTS.polars_schema)).select(GEX_SNAPSHOTS.polars_schema.names())


def both_days(snapshot_frame: pl.DataFrame) -> pl.DataFrame:
    """Return what the builders hand to ``enrich_bars``: time and values of one category."""
    return snapshot_frame.select("ts", *GEX_VALUES)


def slow_enriched(
    bar_frame: pl.DataFrame,
    snapshot_frame: pl.DataFrame,
    session: Session,
    underlying: Underlying,
    policy: AttachPolicy,
) -> list[dict[str, Any]]:
    """Return the rows of a session by a loop over its seconds that looks at every snapshot; knows nothing of the code under test."""
    bar_of = {us_of(row["ts_open"]): row for row in bar_frame.iter_rows(named=True)}
    snaps = sorted(snapshot_frame.iter_rows(named=True), key=lambda row: row["ts"])
    previous = underlying.calendar.session(underlying.calendar.previous_open(session.trade_date))
    earliest = us_of(previous.opens_at)
    spans = [
        (us_of(one.opens_at), us_of(one.closes_at))
        for one in (previous, underlying.calendar.session(session.trade_date))
        if one.opens_at is not None
    ]
    opens = us_of(session.opens_at)
    rows, last = [], None
    before = [us for us in sorted(bar_of) if us < opens]
    if before:
        last = bar_of[before[-1]]["close"]
    for first, end in trading_spans(session):
        for second in range(first, end, MICROSECONDS):
            row: dict[str, Any] = {"ts": second}
            bar = bar_of.get(second)
            row["tick_gap"] = bar is None
            for name in ("open", "high", "low", "close"):
                row[name] = last if bar is None else bar[name]
            row["volume"], row["trades"] = (0, 0) if bar is None else (bar["volume"], bar["trades"])
            last = row["close"]
            row |= _slow_gex(second, snaps, earliest, opens, spans, policy)
            known = None not in (row["close"], row["spot"]) and not row["gex_gap"]
            row["basis"] = row["close"] - row["spot"] if known else None
            rows.append(row)
    return rows


def _slow_gex(
    second: int,
    snaps: Sequence[Mapping[str, Any]],
    earliest: int,
    opens: int,
    spans: Sequence[tuple[int, int]],
    policy: AttachPolicy,
) -> dict[str, Any]:
    found = None
    for snap in snaps:
        at = us_of(snap["ts"])
        if at >= earliest and at + policy.gex_latency_ms * 1_000 <= second:
            found = snap
    row: dict[str, Any] = dict.fromkeys(GEX_VALUES)
    if found is None:
        return {**row, "gex_gap": True, "source": None, "gex_age_ms": None, "preopen": False}
    taken = us_of(found["ts"])
    gap = second - taken > policy.stale_outside_ms * 1_000
    # Too old in some moment of regular hours since it was taken, hence too old for good.
    too_old_from = taken + policy.stale_after_ms * 1_000 + 1
    gap = gap or any(max(first, too_old_from) <= min(second, end - 1) for first, end in spans)
    preopen = taken < opens
    if not gap or preopen:
        row = {name: found[name] for name in GEX_VALUES}
    return {**row, "gex_gap": gap, "source": taken, "gex_age_ms": (second - taken) // 1_000, "preopen": preopen}


def as_rows(frame: pl.DataFrame) -> list[dict[str, Any]]:
    """Return enriched rows in the words of the oracle."""
    renamed = frame.rename({"source_snapshot_ts": "source", "is_preopen_snapshot": "preopen"}).with_columns(
        pl.col("ts", "source").to_physical()
    )
    names = ["ts", "tick_gap", "open", "high", "low", "close", "volume", "trades", *GEX_VALUES]
    return renamed.select(*names, "gex_gap", "source", "gex_age_ms", "preopen", "basis").to_dicts()


def at(text: str) -> int:
    """Return epoch microseconds of an ISO instant in UTC."""
    return us_of(datetime.fromisoformat(f"{text}+00:00"))
