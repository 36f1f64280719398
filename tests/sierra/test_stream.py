"""Ticks as a stream of frames."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from trading_platform.errors import SourceError
from trading_platform.instruments import Registry
from trading_platform.lake.contracts import TICKS
from trading_platform.sierra.format import RECORD
from trading_platform.sierra.stream import TickStream, running_vwap

from .scid_bytes import HEADER, ZERO_RECORD, bar, quote, record, us, write

NOW = datetime(2025, 11, 20, tzinfo=UTC)
T0 = us("2025-11-03T14:30:00")


def many(count: int) -> bytes:
    """Return records 1 ms apart with varying prices and sizes."""
    records = np.frombuffer(record(T0, 6800.0), RECORD).repeat(count)
    i = np.arange(count)
    records["dt"] += i * 1_000
    records["close"] += (i * 7919 % 400) * 0.25
    records["total_volume"] = records["ask_volume"] = i % 13 + 1
    return records.tobytes()


def test_t7_streamed_vwap_equals_the_batch_exactly(tmp_path: Path, registry: Registry) -> None:
    path = write(tmp_path / "ESZ25.scid", [many(300_000)])
    frames = list(TickStream(path, registry.get("ES"), "ESZ25", 1.0, NOW))
    assert [frame.height for frame in frames] == [15_360] * 19 + [8_160]
    assert all(frame.schema == TICKS.polars_schema for frame in frames)
    batch = pl.concat(frames)
    assert batch["seq"].to_list() == list(range(300_000))
    expected = float((batch["price"] * batch["volume"]).sum()) / int(batch["volume"].sum())
    *_, streamed = running_vwap(iter(frames), 0.25)
    assert streamed == expected
    *_, whole = running_vwap([batch], 0.25)
    assert whole == streamed


def test_t7_stream_cleans_counts_and_honours_its_window(tmp_path: Path, registry: Registry) -> None:
    rows = [record(T0 + i * 1_000_000, 6800.0) for i in range(20_000)]
    rows[50] = quote(T0 + 50_000_000)
    rows[60] = record(T0 + 60_000_000, float("nan"))
    path = write(tmp_path / "ESZ25.scid", rows)
    stream = TickStream(path, registry.get("ES"), "ESZ25", 1.0, NOW)
    assert sum(frame.height for frame in stream) == 19_998
    counts = stream.counts
    assert (counts.records, counts.rows, counts.quote_rows, counts.rejected) == (
        20_000,
        19_998,
        1,
        {"price_not_finite": 1},
    )
    begin = datetime(2025, 11, 3, 15, 0, tzinfo=UTC)
    part = TickStream(path, registry.get("ES"), "ESZ25", 1.0, NOW, start=begin, end=begin.replace(minute=1))
    assert sum(frame.height for frame in part) == 60


def test_t7_stream_refuses_what_the_import_refuses(tmp_path: Path, registry: Registry) -> None:
    def codes(rows: list[bytes], scale: float = 1.0) -> str:
        path = write(tmp_path / "ESZ25.scid", rows)
        with pytest.raises(SourceError) as caught:
            list(TickStream(path, registry.get("ES"), "ESZ25", scale, NOW))
        return caught.value.code

    assert codes([bar(T0 + i) for i in range(50)]) == "E206"
    assert codes([record(T0 + i) for i in range(50)], 0.01) == "E207"
    assert codes([record(T0), ZERO_RECORD, record(T0 + 1)]) == "E208"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="peak memory of one program is read from /proc")
def test_t7_one_gigabyte_streams_in_less_than_200_megabytes(tmp_path: Path) -> None:
    path = tmp_path / "ESZ25.scid"
    block = many(500_000)
    with path.open("wb") as handle:
        handle.write(HEADER)
        for _ in range(50):  # 50 x 20 MB; time goes back between the blocks, which a stream keeps in file order
            handle.write(block)
    # pandera imports hypothesis wherever it is installed (5 MB); a user's installation has none.
    program = f"""
import sys
sys.modules["hypothesis"] = None
from datetime import UTC, datetime
from pathlib import Path
from trading_platform.instruments import load_registry
from trading_platform.sierra.stream import TickStream, running_vwap
stream = TickStream(Path({str(path)!r}), load_registry().get("ES"), "ESZ25", 1.0, datetime(2025, 11, 20, tzinfo=UTC))
for vwap in running_vwap(stream, 0.25):
    pass
status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
print(stream.counts.rows, int(status["VmHWM"].split()[0]) // 1024)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    rows, peak_mb = map(int, done.stdout.split())
    assert rows == 25_000_000
    assert peak_mb < 200, peak_mb
