"""Chain frames for tests: small ones by hand, and the private sample files with the settlement that their expected values use."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl

EASTERN = ZoneInfo("America/New_York")
OBSERVED_AT = datetime(2025, 3, 10, 14, 30, tzinfo=UTC)  # a Monday, 10:30 in New York
SPOT = 100.0
SCHEMA = {
    "observed_at": pl.Datetime("us", "UTC"),
    "option_symbol": pl.String,
    "market_date": pl.Date,
    "root": pl.String,
    "expiry": pl.Date,
    "settlement_at": pl.Datetime("us", "UTC"),
    "settle_style": pl.String,
    "right": pl.String,
    "strike": pl.Float64,
    "bid": pl.Float64,
    "ask": pl.Float64,
    "last": pl.Float64,
    "iv": pl.Float64,
    "volume": pl.Int64,
    "open_interest": pl.Int64,
    "open_interest_date": pl.Date,
    "vendor_delta": pl.Float64,
    "vendor_gamma": pl.Float64,
    "spot": pl.Float64,
    "multiplier": pl.Int32,
    "is_repeat": pl.Boolean,
    "source": pl.String,
}


@dataclass(frozen=True)
class Line:
    """One contract line; what a test does not name is plausible."""

    right: str
    strike: float
    open_interest: int | None = 10
    iv: float | None = 0.2
    expiry: date = date(2025, 3, 21)
    style: str = "PM"
    root: str = "SPXW"
    volume: int | None = 0
    vendor_gamma: float | None = 0.05
    vendor_delta: float | None = 0.5
    bid: float | None = 1.0
    ask: float | None = 1.2


def call(strike: float, open_interest: int | None = 10, **values: Any) -> Line:
    return Line("C", strike, open_interest, **values)


def put(strike: float, open_interest: int | None = 10, **values: Any) -> Line:
    return Line("P", strike, open_interest, **{"vendor_delta": -0.5, **values})


def chain(
    lines: Iterable[Line],
    *,
    spot: float | None = SPOT,
    observed_at: datetime = OBSERVED_AT,
    multiplier: int = 100,
    source: str = "cboe",
) -> pl.DataFrame:
    """Return a snapshot in the columns of the dataset ``chain``, in the order of the lines."""
    rows = []
    for line in lines:
        wall = time(9, 30) if line.style == "AM" else time(16, 0)
        rows.append(
            {
                "observed_at": observed_at,
                "option_symbol": f"{line.root}{line.expiry:%y%m%d}{line.right}{round(line.strike * 1000):08d}",
                "market_date": observed_at.date(),
                "settlement_at": datetime.combine(line.expiry, wall, EASTERN).astimezone(UTC),
                "settle_style": line.style,
                "last": 1.1,
                "spot": spot,
                "multiplier": multiplier,
                "is_repeat": False,
                "source": source,
                **{name: getattr(line, name) for name in _SHARED},
            }
        )
    return pl.DataFrame(rows, schema=SCHEMA)


_SHARED = (
    "root", "expiry", "right", "strike", "bid", "ask", "iv", "volume", "open_interest", "vendor_delta", "vendor_gamma",
)  # fmt: skip


def settled(line: Line, day: date = date(2025, 3, 7)) -> Line:
    """Return the line as a series that settled before the snapshot."""
    return replace(line, expiry=day)


def nominal_settlement(frame: pl.DataFrame) -> pl.DataFrame:
    """Return a chain whose series settle at 16:00 and 09:30 on every day: expected values of the sample files know no half days."""
    wall = (
        pl.when(pl.col("settle_style") == "AM").then(pl.duration(hours=9, minutes=30)).otherwise(pl.duration(hours=16))
    )
    local = (pl.col("expiry").cast(pl.Datetime("us")) + wall).dt.replace_time_zone("America/New_York")
    return frame.with_columns(settlement_at=local.dt.convert_time_zone("UTC"))
