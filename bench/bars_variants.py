"""Ways to make 1-second bars from the Parquet file of a day's ticks.

Belongs here: ours and what it is compared with; all write or return the columns of ``bars_1s``, and ``compare`` proves it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .data import NOW, open_days, ticks_builder

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

    Arrays = dict[str, np.ndarray[Any, Any]]

Work = Callable[[], dict[str, Any]]
TICK_SIZE = 0.25
REPETITIONS = 5
_BLOCK_ROWS = 122_880


def make_ticks(scid: str, folder: str, trade_dates: int) -> Work:
    """Prepare the import of the ticks, unless they are there."""
    from trading_platform.lake import LocalLake, build_day

    lake = LocalLake(Path(folder) / "lake")
    builder = ticks_builder(Path(scid), lake.root, Path(folder) / "cache")
    days = open_days(trade_dates)

    def work() -> dict[str, Any]:
        results = [build_day(builder, day, lake) for day in days]
        return {"path": str(results[0].path), "rows": sum(result.rows for result in results)}

    return work


def ours(folder: str, trade_dates: int) -> Work:
    """Prepare ``build_day`` of ``bars_1s``: checks, contract, hash and commit included."""
    from trading_platform.bars import BarsBuilder
    from trading_platform.clock import FixedClock
    from trading_platform.instruments import load_registry
    from trading_platform.lake import LocalLake, build_day
    from trading_platform.lake.contracts import BARS_1S
    from trading_platform.sessions import calendar_for

    lake = LocalLake(Path(folder) / "lake")
    builder = BarsBuilder(load_registry().get("MNQ"), lake, calendar_for("CME_EQUITY"), "1s", FixedClock(NOW))
    days = open_days(trade_dates)
    BARS_1S.validate(BARS_1S.empty())  # imports pandera

    def work() -> dict[str, Any]:
        results = [build_day(builder, day, lake) for day in days]
        bad = [str(result.error) for result in results if result.outcome != "WRITE"]
        if bad:
            raise RuntimeError(bad[0])
        return {"rows": sum(result.rows for result in results), "path": str(results[0].path)}

    return work


def polars_naive(ticks: str, out: str) -> Work:
    """Prepare what the polars guide shows: ``group_by_dynamic`` with filters inside the aggregation."""
    import polars as pl

    price, volume, side = pl.col("price"), pl.col("volume").cast(pl.Int64), pl.col("side")

    def work() -> dict[str, Any]:
        bars = (
            pl.scan_parquet(ticks)
            .rename({"ts": "ts_open"})
            .group_by_dynamic("ts_open", every="1s")
            .agg(
                open=price.first(),
                high=price.max(),
                low=price.min(),
                close=price.last(),
                volume=volume.sum(),
                notional=(price * volume).sum(),
                buy_volume=volume.filter(side > 0).sum(),
                sell_volume=volume.filter(side < 0).sum(),
                unknown_volume=volume.filter(side == 0).sum(),
                trades=pl.len().cast(pl.Int64),
                bid_close=pl.col("bid").last(),
                ask_close=pl.col("ask").last(),
                contract=pl.col("contract").first(),
            )
            .with_columns(
                vwap=pl.col("notional") / pl.col("volume"), delta=pl.col("buy_volume") - pl.col("sell_volume")
            )
            .select(_columns())
            .collect()
        )
        bars.write_parquet(out, compression="zstd", compression_level=3)
        return {"rows": bars.height}

    return work


def pandas_resample(ticks: str, out: str) -> Work:
    """Prepare what the pandas guide shows: ``resample`` and one aggregate per column."""
    import pandas as pd

    from trading_platform.lake.contracts import BARS_1S

    schema = BARS_1S.arrow_schema

    def work() -> dict[str, Any]:
        frame = pd.read_parquet(ticks).set_index("ts")
        volume, side = frame["volume"].astype("i8"), frame["side"]
        grouped = frame.resample("1s")
        price = grouped["price"]
        bars = pd.DataFrame({"open": price.first(), "high": price.max(), "low": price.min(), "close": price.last()})
        bars["volume"] = volume.resample("1s").sum()
        bars["notional"] = (frame["price"] * volume).resample("1s").sum()
        for name, chosen in (("buy", side > 0), ("sell", side < 0), ("unknown", side == 0)):
            bars[f"{name}_volume"] = (volume * chosen).resample("1s").sum()
        bars["trades"] = grouped.size()
        bars["bid_close"], bars["ask_close"] = grouped["bid"].last(), grouped["ask"].last()
        bars = bars[bars["trades"] > 0]
        bars["vwap"] = bars["notional"] / bars["volume"]
        bars["delta"] = bars["buy_volume"] - bars["sell_volume"]
        bars["contract"] = pd.Categorical.from_codes([0] * len(bars), pd.Index([frame["contract"].iloc[0]]))
        bars = bars.reset_index(names="ts_open")[schema.names]
        bars.to_parquet(out, engine="pyarrow", compression="zstd", index=False, schema=schema)
        return {"rows": len(bars)}

    return work


def duckdb_sql(ticks: str, out: str) -> Work:
    """Prepare one SQL statement."""
    import duckdb

    statement = f"""
        COPY (
            SELECT *, CAST(notional / volume AS DOUBLE) AS vwap, buy_volume - sell_volume AS delta FROM (
                SELECT time_bucket(INTERVAL 1 SECOND, ts) AS ts_open,
                    arg_min(price, seq) AS open, max(price) AS high, min(price) AS low, arg_max(price, seq) AS close,
                    sum(volume)::BIGINT AS volume, sum(price * volume) AS notional,
                    coalesce(sum(volume) FILTER (side > 0), 0)::BIGINT AS buy_volume,
                    coalesce(sum(volume) FILTER (side < 0), 0)::BIGINT AS sell_volume,
                    coalesce(sum(volume) FILTER (side = 0), 0)::BIGINT AS unknown_volume,
                    count(*) AS trades, arg_max(bid, seq) AS bid_close, arg_max(ask, seq) AS ask_close,
                    first(contract) AS contract
                FROM read_parquet('{ticks}') GROUP BY 1
            ) ORDER BY ts_open
        ) TO '{out}' (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 3)"""

    def work() -> dict[str, Any]:
        with duckdb.connect() as connection:
            connection.execute("SET TimeZone = 'UTC'")
            connection.execute(statement)
        return {}

    return work


def in_memory_ours(ticks: str) -> Work:
    """Prepare ``time_bars`` on a loaded frame, called several times."""
    from trading_platform.bars import time_bars

    frame = _loaded(ticks)
    time_bars(frame.head(1_000), 1, tick_size=TICK_SIZE)

    def work() -> dict[str, Any]:
        for _ in range(REPETITIONS):
            bars = time_bars(frame, 1, tick_size=TICK_SIZE)
        return {"rows": bars.height, "volume": int(bars["volume"].sum()), "notional": float(bars["notional"].sum())}

    return work


def in_memory_reduceat(ticks: str) -> Work:
    """Prepare tuned numpy: blocks that stay in the cache and end where a second ends, float sums, no checks."""
    frame = _loaded(ticks)
    arrays = {name: frame[name].to_numpy() for name in ("price", "bid", "ask", "volume", "side")}
    arrays["ts"] = frame["ts"].to_physical().to_numpy()

    def work() -> dict[str, Any]:
        for _ in range(REPETITIONS):
            bars = reduceat_bars(arrays)
        return {
            "rows": len(bars["ts_open"]),
            "volume": int(bars["volume"].sum()),
            "notional": float(bars["notional"].sum()),
        }

    return work


def reduceat_bars(arrays: Arrays) -> Arrays:
    """Return 1-second bars of sorted ticks by ``reduceat``."""
    import numpy as np

    rows, first, parts = len(arrays["ts"]), 0, []
    while first < rows:
        stop = min(first + _BLOCK_ROWS, rows)
        second = arrays["ts"][first:stop] // 1_000_000
        starts = np.concatenate(([0], np.flatnonzero(second[1:] != second[:-1]) + 1))
        if stop < rows and len(starts) > 1:
            stop = first + int(starts[-1])
            starts = starts[:-1]
        parts.append(_block_bars({name: values[first:stop] for name, values in arrays.items()}, second, starts))
        first = stop
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _block_bars(block: Arrays, second: np.ndarray[Any, Any], starts: np.ndarray[Any, Any]) -> Arrays:
    import numpy as np

    price, side = block["price"], block["side"]
    ends = np.append(starts[1:], len(price)) - 1
    size = block["volume"].astype("f8")
    total = np.add.reduceat(size, starts)
    notional = np.add.reduceat(price * size, starts)
    buy, sell = np.add.reduceat(size * (side > 0), starts), np.add.reduceat(size * (side < 0), starts)
    return {
        "ts_open": second[starts] * 1_000_000,
        "open": price[starts],
        "high": np.maximum.reduceat(price, starts),
        "low": np.minimum.reduceat(price, starts),
        "close": price[ends],
        "volume": total.astype("i8"),
        "vwap": notional / total,
        "notional": notional,
        "buy_volume": buy.astype("i8"),
        "sell_volume": sell.astype("i8"),
        "unknown_volume": (total - buy - sell).astype("i8"),
        "delta": (buy - sell).astype("i8"),
        "trades": ends - starts + 1,
        "bid_close": block["bid"][ends],
        "ask_close": block["ask"][ends],
    }


def compare(ours_path: str, others: list[str]) -> Callable[[], None]:
    """Prepare the comparison: every baseline must hold our bars.

    Raises:
        AssertionError: a baseline differs by more than the rounding of float sums.
    """
    import polars as pl
    from polars.testing import assert_frame_equal

    def read(path: str) -> pl.DataFrame:
        frame = pl.read_parquet(path)
        zoned = pl.col("ts_open").cast(pl.Datetime("us", "UTC"))
        return frame.select(_columns()).with_columns(zoned, pl.col("contract").cast(pl.String))

    def work() -> None:
        expected = read(ours_path)
        for other in others:
            assert_frame_equal(read(other), expected, rel_tol=1e-9)

    return work


def _columns() -> list[str]:
    from trading_platform.lake.contracts import BARS_1S

    return list(BARS_1S.arrow_schema.names)


def _loaded(ticks: str) -> pl.DataFrame:
    import polars as pl

    return pl.read_parquet(ticks).rechunk()
