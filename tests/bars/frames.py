"""Frames that several tests of bars use: answer files, the golden ticks of the real sample, random ticks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
from hypothesis import strategies as st

from trading_platform.bars.kernel import BAR_COLUMNS

HERE = Path(__file__).parent
START_US = 1_741_613_400_000_000  # 2025-03-10 13:30:00 UTC

# Time, price, bid, ask and side of the ten rows in the format reference of the .scid file; every size is 1.
GOLDEN = (
    ("20:37:19.026000", 4048.0, 4048.0, 4048.75, -1),
    ("20:37:43.699000", 4048.0, 4048.0, 4048.25, -1),
    ("20:37:50.544000", 4047.5, 4047.5, 4048.25, -1),
    ("20:38:02.105000", 4047.75, 4047.75, 4048.25, -1),
    ("20:38:02.105001", 4047.75, 4047.75, 4048.25, -1),
    ("20:38:12.208000", 4048.0, 4048.0, 4048.5, -1),
    ("20:39:10.708000", 4047.0, 4046.5, 4047.0, 1),
    ("20:40:28.608000", 4048.0, 4047.5, 4048.0, 1),
    ("20:40:52.682000", 4048.5, 4048.5, 4049.0, -1),
    ("20:40:52.682001", 4048.25, 4048.5, 4049.0, -1),
)


def tick_frame(
    ts_us: np.ndarray, price: np.ndarray, volume: np.ndarray, side: np.ndarray, contract: str = "MNQH25"
) -> pl.DataFrame:
    """Return ticks with a bid one tick below and an ask one tick above, null at every seventh row."""
    rows = len(ts_us)
    quoted = np.arange(rows) % 7 != 3
    return pl.DataFrame(
        {
            "ts": pl.Series(np.asarray(ts_us, np.int64)).cast(pl.Datetime("us")).dt.replace_time_zone("UTC"),
            "seq": np.arange(rows, dtype=np.uint32),
            "price": np.asarray(price, np.float64),
            "bid": pl.Series(np.where(quoted, price - 0.25, np.nan)).fill_nan(None),
            "ask": pl.Series(np.where(quoted, price + 0.25, np.nan)).fill_nan(None),
            "volume": np.asarray(volume, np.int32),
            "side": np.asarray(side, np.int8),
        }
    ).with_columns(pl.lit(contract).cast(pl.Categorical).alias("contract"))


def golden_ticks() -> pl.DataFrame:
    """Return the ten rows of the real sample."""
    return pl.DataFrame(
        {
            "ts": [f"2023-02-21T{row[0]}Z" for row in GOLDEN],
            "seq": pl.Series(range(len(GOLDEN)), dtype=pl.UInt32),
            "price": [row[1] for row in GOLDEN],
            "bid": [row[2] for row in GOLDEN],
            "ask": [row[3] for row in GOLDEN],
            "volume": pl.Series([1] * len(GOLDEN), dtype=pl.Int32),
            "side": pl.Series([row[4] for row in GOLDEN], dtype=pl.Int8),
            "contract": pl.Series(["ESH23"] * len(GOLDEN), dtype=pl.Categorical),
        }
    ).with_columns(pl.col("ts").str.to_datetime(time_unit="us", time_zone="UTC", format="%Y-%m-%dT%H:%M:%S%.fZ"))


def answer_ticks() -> pl.DataFrame:
    """Return the hand-written tick list."""
    return read_csv("answers_ticks.csv", "ts").with_columns(
        pl.col("seq").cast(pl.UInt32),
        pl.col("volume").cast(pl.Int32),
        pl.col("side").cast(pl.Int8),
        pl.lit("MNQH25").cast(pl.Categorical).alias("contract"),
    )


def answer_bars(name: str) -> pl.DataFrame:
    """Return hand-worked bars without the contract."""
    return read_csv(name, "ts_open").select(BAR_COLUMNS[:-1])


def read_csv(name: str, time: str) -> pl.DataFrame:
    """Read an answer file and parse its time column as UTC."""
    frame = pl.read_csv(HERE / name)
    return frame.with_columns(
        pl.col(time).str.to_datetime(time_unit="us", time_zone="UTC", format="%Y-%m-%dT%H:%M:%S%.fZ")
    )


@st.composite
def ticks(draw: st.DrawFn, *, ordered: bool = True, tick_size: float = 0.25, max_rows: int = 200) -> pl.DataFrame:
    """Draw ticks: bursts, long silences, all sides; times may step back unless ``ordered``."""
    rows = draw(st.integers(1, max_rows))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    lowest = 0 if ordered else -3_000_000
    longest = draw(st.sampled_from([2, 1_000, 3_000_000, 400_000_000]))
    steps = rng.integers(lowest, longest, rows) * rng.integers(0, 2, rows)
    price = (20_000 + rng.integers(-50, 51, rows).cumsum()) * tick_size
    side = rng.integers(-1, 2, rows)
    return tick_frame(START_US + steps.cumsum(), price, rng.integers(1, 2_000, rows), side)
