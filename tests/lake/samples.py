"""Small synthetic partitions and faulty disks for the tests of the lake."""

from __future__ import annotations

import io
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa

from trading_platform.lake import FooterFields, LocalLake, Outcome
from trading_platform.lake.contracts import TICK_REJECTS, TICKS
from trading_platform.lake.files import FileOperations
from trading_platform.sessions import Session

DAY = date(2025, 9, 2)
SESSION = Session(
    trade_date=DAY,
    calendar="SYNTHETIC",
    window_start=datetime(2025, 9, 1, 22, tzinfo=UTC),
    window_end=datetime(2025, 9, 2, 21, tzinfo=UTC),
    opens_at=datetime(2025, 9, 1, 22, tzinfo=UTC),
    closes_at=datetime(2025, 9, 2, 21, tzinfo=UTC),
    breaks=(),
    reason=None,
)


def tick_frame(rows: int, *, seed: int = 1, contracts: tuple[str, ...] = ("MNQZ25",)) -> pl.DataFrame:
    """Return synthetic ticks that obey the contract; several contracts follow each other in runs of 100 rows."""
    random = np.random.default_rng(seed)
    price = 20_000 + 0.25 * random.integers(-2, 3, rows).cumsum()
    index = np.arange(rows)
    names = np.array(contracts)[(index // 100) % len(contracts)]
    return pl.DataFrame(
        {
            "ts": pl.Series(1_756_800_000_000_000 + random.integers(0, 50_000, rows).cumsum()).cast(
                pl.Datetime("us", "UTC")
            ),
            "seq": index.astype(np.uint32),
            "price": price,
            "bid": pl.Series(price - 0.25).set(pl.Series(random.random(rows) < 0.1), None),
            "ask": price + 0.25,
            "volume": random.integers(1, 9, rows).astype(np.int32),
            "side": random.integers(-1, 2, rows).astype(np.int8),
            "bundle": random.integers(0, 3, rows).astype(np.uint8),
            "flags": random.integers(0, 16, rows).astype(np.uint8),
            "contract": pl.Series(names.tolist(), dtype=pl.Categorical),
        },
        schema=TICKS.polars_schema,
    )


def tick_table(rows: int, *, seed: int = 1, contracts: tuple[str, ...] = ("MNQZ25",)) -> pa.Table:
    """Return :func:`tick_frame` as Arrow."""
    return tick_frame(rows, seed=seed, contracts=contracts).to_arrow()


def reject_table(rows: int, reason: str = "zero_volume") -> pa.Table:
    """Return synthetic refused records."""
    zeros = pl.Series([0] * rows)
    columns = {name: zeros.cast(dtype) for name, dtype in TICK_REJECTS.polars_schema.items() if name != "reason"}
    reasons = pl.Series([reason] * rows, dtype=pl.Categorical)
    return pl.DataFrame({**columns, "reason": reasons}, schema=TICK_REJECTS.polars_schema).to_arrow()


def bar_frame(bars: int, step: timedelta = timedelta(seconds=1)) -> pl.DataFrame:
    """Return synthetic bars of two contracts each, which obey the invariants."""
    start = datetime(2025, 9, 2, 13, 30, tzinfo=UTC)
    return pl.DataFrame(
        {
            "ts_open": pl.Series([start + step * i for i in range(bars)], dtype=pl.Datetime("us", "UTC")),
            "open": [100.0] * bars,
            "high": [101.0] * bars,
            "low": [99.0] * bars,
            "close": [100.5] * bars,
            "volume": pl.Series([4] * bars, dtype=pl.Int64),
            "vwap": [100.25] * bars,
            "notional": [401.0] * bars,
            "buy_volume": pl.Series([2] * bars, dtype=pl.Int64),
            "sell_volume": pl.Series([1] * bars, dtype=pl.Int64),
            "unknown_volume": pl.Series([1] * bars, dtype=pl.Int64),
            "delta": pl.Series([1] * bars, dtype=pl.Int64),
            "trades": pl.Series([3] * bars, dtype=pl.Int64),
            "bid_close": pl.Series([None] * bars, dtype=pl.Float64),
            "ask_close": [100.75] * bars,
            "contract": pl.Series(["MNQZ25"] * bars, dtype=pl.Categorical),
        }
    )


def footer_fields(fingerprint: str = "a" * 64, *, outcome: Outcome = Outcome.WRITE) -> FooterFields:
    """Return the footer of a partition made from nothing in particular."""
    return FooterFields(fingerprint, "1", outcome, SESSION.resolved(), synthetic=True)


def store(lake: LocalLake, table: pa.Table, *, symbol: str = "MNQ", day: date = DAY) -> Path:
    """Write one partition of ticks and return its path."""
    with lake.begin(TICKS, symbol, day) as writer:
        writer.append(table)
        return writer.commit(footer_fields()).path


def temporaries(root: Path) -> list[Path]:
    """List every temporary file below a lake."""
    return sorted(root.rglob(".part-0.*.tmp"))


class FaultyFiles(FileOperations):
    """A disk that fails at one step.

    Args:
        step: ``open``, ``write``, ``fsync``, ``replace`` or ``fsync_directory``; empty for none.
        error_number: what the operating system says.
        writable_bytes: bytes that ``write`` accepts before it fails.
    """

    def __init__(self, step: str = "", error_number: int = 0, *, writable_bytes: int = 1_000) -> None:
        self.step = step
        self.error_number = error_number
        self.writable_bytes = writable_bytes

    def open_sink(self, path: Path) -> pa.NativeFile:
        self._fail("open")
        if self.step == "write":
            return pa.PythonFile(_FullDisk(path, self.writable_bytes, self.error_number), mode="w")
        return super().open_sink(path)

    def fsync(self, descriptor: int) -> None:
        """Fail, or skip the wait for the disk, which proves nothing in a test."""
        self._fail("fsync")

    def replace(self, source: Path, target: Path) -> None:
        self._fail("replace")
        super().replace(source, target)

    def fsync_directory(self, directory: Path) -> None:
        if directory.name.startswith("date="):
            self._fail("fsync_directory")

    def _fail(self, step: str) -> None:
        if step == self.step:
            raise OSError(self.error_number, "injected")


class _FullDisk(io.FileIO):
    """A file that takes a number of bytes and then fails."""

    def __init__(self, path: Path, writable_bytes: int, error_number: int) -> None:
        super().__init__(path, "w")
        self._left = writable_bytes
        self._error_number = error_number

    def write(self, data: bytes) -> int:  # type: ignore[override]  # pyarrow passes bytes only
        self._left -= len(data)
        if self._left < 0:
            raise OSError(self._error_number, "injected")
        return super().write(data)
