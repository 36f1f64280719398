"""Ways to turn a ``.scid`` file into one Parquet file per day with the columns of ``ticks``.

Belongs here: ours and what it is compared with. All of them write the same columns and types; ``compare`` proves it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .data import open_days, ticks_builder

if TYPE_CHECKING:
    import numpy as np

CONTRACT = "MNQZ25"
HEADER_BYTES = 56
RECORD_BYTES = 40
EPOCH_OFFSET_US = 2_209_161_600_000_000
ROW_GROUP_ROWS = 122_880
BLOCK_RECORDS = 16_384
FIRST_BITS, LAST_BITS = 0xFD709EF9, 0xFD709F01

Work = Callable[[], dict[str, Any]]


def record_type() -> np.dtype[np.void]:
    """Return the layout of a record."""
    import numpy as np

    prices = [(name, "<f4") for name in ("open", "high", "low", "close")]
    counts = [(name, "<u4") for name in ("num_trades", "total_volume", "bid_volume", "ask_volume")]
    return np.dtype([("dt", "<i8"), *prices, *counts])


def ours(scid: str, out: str, trade_dates: int) -> Work:
    """Prepare ``build_day`` with everything on: index, hash, checks, contract, quarantine path, commit; nothing cached before."""
    from trading_platform.lake import LocalLake, build_day
    from trading_platform.lake.contracts import TICKS

    lake = LocalLake(Path(out) / "lake")
    builder = ticks_builder(Path(scid), Path(out) / "lake", Path(out) / "cache")
    days = open_days(trade_dates)
    TICKS.validate(TICKS.empty())  # imports pandera

    def work() -> dict[str, Any]:
        results = [build_day(builder, day, lake) for day in days]
        bad = [str(result.error) for result in results if result.outcome != "WRITE"]
        if bad:
            raise RuntimeError(bad[0])
        return {
            "rows": sum(result.rows for result in results),
            "bytes": sum(result.size_bytes for result in results),
            "longest_day_s": max(result.seconds for result in results),
        }

    return work


def floor(scid: str, out: str, trade_dates: int) -> Work:
    """Prepare the least that any importer must do: pread, split, encode; same columns and writer settings, nothing checked.

    The record range of each day is known beforehand: the file holds equal numbers of records per day.
    """
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    from trading_platform.lake.contracts import TICKS

    schema, names = TICKS.arrow_schema, TICKS.arrow_schema.names
    settings: dict[str, Any] = {
        "compression": "zstd",
        "compression_level": 3,
        "use_dictionary": list(TICKS.dictionary_columns),
        "column_encoding": dict(TICKS.encodings),
        "write_statistics": [name for name in names if name != "contract"],
        "write_page_index": True,
        "max_rows_per_page": ROW_GROUP_ROWS,
        "write_batch_size": BLOCK_RECORDS,
        "sorting_columns": [pq.SortingColumn(names.index("seq"))],
    }
    days = open_days(trade_dates)
    block = np.empty(BLOCK_RECORDS, record_type())
    column = {
        name: np.empty(ROW_GROUP_ROWS, kind)
        for name, kind in zip(names[:-1], ("i8", "u4", "f8", "f8", "f8", "i4", "i1", "u1", "u1"), strict=True)
    }
    column["flags"][:] = 0
    codes = np.zeros(ROW_GROUP_ROWS, "i4")
    seller = np.empty(BLOCK_RECORDS, np.bool_)

    def split(records: np.ndarray[Any, Any], at: int) -> None:
        here = slice(at, at + len(records))
        np.subtract(records["dt"], EPOCH_OFFSET_US, out=column["ts"][here])
        for name, source in (("price", "close"), ("bid", "low"), ("ask", "high")):
            np.divide(records[source], 100.0, out=column[name][here])
        column["volume"][here] = records["total_volume"]
        sold = np.greater(records["bid_volume"], 0, out=seller[: len(records)])
        np.subtract((records["ask_volume"] > 0).view("i1"), sold.view("i1"), out=column["side"][here])
        bits = np.ascontiguousarray(records["open"]).view("u4")
        np.equal(bits, FIRST_BITS, out=column["bundle"][here].view(np.bool_))
        column["bundle"][here][bits == LAST_BITS] = 2

    def batch(rows: int, first_seq: int) -> pa.RecordBatch:
        column["seq"][:rows] = np.arange(first_seq, first_seq + rows)
        arrays = [
            pa.Array.from_buffers(schema.field(name).type, rows, [None, pa.py_buffer(column[name][:rows])])
            for name in names[:-1]
        ]
        contract = pa.DictionaryArray.from_arrays(pa.array(codes[:rows]), [CONTRACT])
        return pa.RecordBatch.from_arrays([*arrays, contract], schema=schema)

    def convert(descriptor: int, first: int, stop: int, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        with pq.ParquetWriter(str(path), schema, **settings) as writer:
            for group in range(first, stop, ROW_GROUP_ROWS):
                rows = min(ROW_GROUP_ROWS, stop - group)
                for at in range(0, rows, BLOCK_RECORDS):
                    records = block[: min(BLOCK_RECORDS, rows - at)]
                    os.preadv(descriptor, [records.view("u1").data], HEADER_BYTES + (group + at) * RECORD_BYTES)
                    split(records, at)
                writer.write_batch(batch(rows, group - first), row_group_size=ROW_GROUP_ROWS)

    def work() -> dict[str, Any]:
        total = (Path(scid).stat().st_size - HEADER_BYTES) // RECORD_BYTES
        with Path(scid).open("rb", buffering=0) as file:
            for number, day in enumerate(days):
                first, stop = (total * (number + k) // trade_dates for k in (0, 1))
                convert(file.fileno(), first, stop, Path(out) / f"{day}.parquet")
        return {"rows": total, "bytes": sum(path.stat().st_size for path in Path(out).glob("*.parquet"))}

    return work


def pandas_per_day(scid: str, out: str, trade_dates: int) -> Work:  # noqa: ARG001 it finds the days by itself
    """Prepare what most people write: numpy.fromfile, a DataFrame, ``to_parquet`` per day; same columns and types."""
    import numpy as np
    import pandas as pd

    from trading_platform.lake.contracts import TICKS

    schema = TICKS.arrow_schema

    def work() -> dict[str, Any]:
        records = np.fromfile(scid, dtype=record_type(), offset=HEADER_BYTES)
        bits = records["open"].copy().view("u4")
        frame = pd.DataFrame(
            {
                "ts": pd.to_datetime(records["dt"] - EPOCH_OFFSET_US, unit="us", utc=True),
                "price": records["close"].astype("f8") / 100,
                "bid": records["low"].astype("f8") / 100,
                "ask": records["high"].astype("f8") / 100,
                "volume": records["total_volume"].astype("i4"),
                "side": np.where(records["ask_volume"] > 0, 1, np.where(records["bid_volume"] > 0, -1, 0)).astype("i1"),
                "bundle": np.select([bits == FIRST_BITS, bits == LAST_BITS], [1, 2], 0).astype("u1"),
                "flags": np.zeros(len(records), "u1"),
                "contract": pd.Categorical.from_codes(np.zeros(len(records), "i1"), pd.Index([CONTRACT])),
            }
        )
        # Daylight saving time throughout: a session runs from 22:00 to 21:00 UTC.
        trade_date = (frame["ts"] + pd.Timedelta(hours=2)).dt.normalize()
        for day, rows in frame.groupby(trade_date):
            rows.insert(1, "seq", np.arange(len(rows), dtype="u4"))
            path = Path(out) / f"{day.date()}.parquet"
            rows.to_parquet(path, engine="pyarrow", compression="zstd", index=False, schema=schema)
        return {"rows": len(frame), "bytes": sum(path.stat().st_size for path in Path(out).glob("*.parquet"))}

    Path(out).mkdir(parents=True, exist_ok=True)
    return work


def compare(ours_out: str, others: list[str], trade_dates: int) -> Callable[[], None]:
    """Prepare the comparison of the first and the last day: every baseline must hold exactly our rows.

    Raises:
        ValueError: a baseline differs.
    """
    import pyarrow.parquet as pq

    from trading_platform.lake import LocalLake

    lake, days = LocalLake(Path(ours_out) / "lake"), open_days(trade_dates)

    def work() -> None:
        for day in (days[0], days[-1]):
            expected = pq.ParquetFile(lake.path("ticks", "MNQ", day)).read()
            for other in others:
                found = pq.ParquetFile(Path(other) / f"{day}.parquet").read()
                if not found.replace_schema_metadata().equals(expected.replace_schema_metadata()):
                    raise ValueError(f"Expected {other} to hold the rows of our {day}, was different")

    return work
