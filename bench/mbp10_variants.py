"""Ways to turn a day of ten-level books from DBN into Parquet.

Belongs here: ours, the least possible work, and what the vendor's client offers. The vendor's ways write their own columns; ``compare``
proves that ours and the floor hold the same rows as the file.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

Work = Callable[[], dict[str, Any]]

TRADE_DATE = date(2025, 9, 3)
SYMBOL = "ESU5"
TICKS_PER_RECORD = 0.107


def write_file(path: str, records: int) -> Work:
    """Prepare the synthetic file: one ES session with at least ``records`` records."""
    from trading_platform.instruments import Contract, load_registry
    from trading_platform.sessions import calendar_for
    from trading_platform.simulation.dbn import DbnSymbol, dbn_metadata, dbn_zstd, mbp10_records
    from trading_platform.simulation.market import SimulatedMarket

    def work() -> dict[str, Any]:
        session = calendar_for("CME_EQUITY").session(TRADE_DATE)
        symbol = DbnSymbol("GLBX.MDP3", SYMBOL, 14160, 1, 0.25)
        market = SimulatedMarket(
            7, load_registry().get("ES"), 6_400.0, ticks_per_full_day=round(records * TICKS_PER_RECORD)
        )
        start, end = (int(at.timestamp()) * 10**9 for at in (session.window_start, session.window_end))
        rows = 0

        def counted() -> Any:
            nonlocal rows
            for chunk in mbp10_records(market.ticks(session, Contract.parse("ESU25")), symbol):
                rows += len(chunk)
                yield chunk

        temporary = Path(path).with_suffix(f".{os.getpid()}")
        with temporary.open("wb") as file:
            file.writelines(dbn_zstd(dbn_metadata(symbol, start, end), counted(), level=3))
        temporary.replace(path)
        return {"rows": rows}

    Path(path).parent.mkdir(parents=True, exist_ok=True)
    return work


def count(path: str) -> Work:
    """Prepare counting the records, as the vendor would tell before a download."""
    from trading_platform.databento.verify import verify_dbn

    return lambda: {"rows": verify_dbn(Path(path)).records}


def ours(path: str, out: str, records: int) -> Work:
    """Prepare the conversion with everything on: frames, count, order, window, mapping, facts, contract, hashes, commit with fsync."""
    import databento_dbn  # noqa: F401 imports are not measured
    import zstandard  # noqa: F401

    from trading_platform.databento.convert import convert, select, trading_hours
    from trading_platform.databento.dbn import DbnFile
    from trading_platform.databento.verify import Expectation
    from trading_platform.lake import FooterFields, LocalLake, Outcome
    from trading_platform.lake.contracts import L2
    from trading_platform.sessions import calendar_for

    L2.validate(L2.empty())  # imports pandera
    session = calendar_for("CME_EQUITY").session(TRADE_DATE)

    def work() -> dict[str, Any]:
        with DbnFile(Path(path)) as file, LocalLake(Path(out) / "lake").begin(L2, "ES", TRADE_DATE) as writer:
            chosen = select(file, SYMBOL, session)
            expected = Expectation("GLBX.MDP3", SYMBOL, chosen.start_ns, chosen.end_ns, records, single_instrument=True)
            done = convert(file, chosen, writer, expected=expected, hours=trading_hours(session))
            fields = FooterFields("f", "1", Outcome.WRITE, session.resolved(), facts=done.facts, synthetic=True)
            stored = writer.commit(fields)
        return {"rows": stored.rows, "bytes": stored.size_bytes}

    return work


def floor(path: str, out: str, records: int) -> Work:  # noqa: ARG001 the same arguments for all
    """Prepare decode, split and encode alone: same columns and writer settings, nothing looked at, nothing hashed."""
    import databento_dbn  # noqa: F401
    import numpy as np
    import pyarrow as pa
    import zstandard

    from trading_platform.databento.convert import select
    from trading_platform.databento.dbn import BLOCK_RECORDS, DbnFile
    from trading_platform.databento.decode import L2Columns, L2Decoder
    from trading_platform.databento.format import RECORD, as_bytes
    from trading_platform.databento.tables import BatchMaker
    from trading_platform.lake.contracts import L2
    from trading_platform.lake.stream import ROW_GROUP_ROWS, _open_parquet
    from trading_platform.sessions import calendar_for

    session = calendar_for("CME_EQUITY").session(TRADE_DATE)
    L2.validate(L2.empty())

    def work() -> dict[str, Any]:
        target = Path(out) / "floor.parquet"
        with DbnFile(Path(path)) as described:
            chosen = select(described, SYMBOL, session)
            skip = described._header_bytes  # noqa: SLF001
        decoder, maker = L2Decoder(chosen), BatchMaker(chosen)
        block = np.empty(BLOCK_RECORDS, RECORD)
        memory = memoryview(as_bytes(block).data)
        columns, sent = L2Columns.empty(ROW_GROUP_ROWS), 0
        with Path(path).open("rb") as file, pa.OSFile(str(target), "wb") as sink, _open_parquet(sink, L2) as writer:
            reader = zstandard.ZstdDecompressor().stream_reader(file, read_size=65_536)
            reader.read(skip)
            while True:
                done = 0
                while done < len(memory) and (got := reader.readinto(memory[done:])):
                    done += got
                records_here = block[: done // block.itemsize]
                at = 0
                while at < len(records_here):
                    part = records_here[at : at + columns.capacity - columns.rows]
                    at += len(part)
                    decoder._append(part, columns)  # noqa: SLF001
                    if columns.rows == columns.capacity:
                        writer.write_batch(maker.batch(columns, sent), row_group_size=ROW_GROUP_ROWS)
                        sent += columns.rows
                        del columns
                        columns = L2Columns.empty(ROW_GROUP_ROWS)
                if done < len(memory):
                    break
            writer.write_batch(maker.batch(columns, sent), row_group_size=ROW_GROUP_ROWS)
        return {"rows": sent + columns.rows, "bytes": target.stat().st_size}

    return work


def vendor_to_parquet(path: str, out: str, records: int) -> Work:
    """Prepare ``DBNStore.to_parquet`` with its defaults."""
    from databento import DBNStore

    def work() -> dict[str, Any]:
        target = Path(out) / "vendor.parquet"
        DBNStore.from_file(path).to_parquet(target)
        return {"rows": records, "bytes": target.stat().st_size}

    return work


def vendor_frame(path: str, out: str, records: int) -> Work:
    """Prepare ``DBNStore.to_df`` and pandas' ``to_parquet`` with their defaults."""
    from databento import DBNStore

    def work() -> dict[str, Any]:
        target = Path(out) / "frame.parquet"
        DBNStore.from_file(path).to_df().to_parquet(target)
        return {"rows": records, "bytes": target.stat().st_size}

    return work


def compare(ours_out: str, floor_out: str, vendor_out: str) -> Work:
    """Prepare the comparison: ours equals the floor column by column, and the vendor's rows in all columns both have."""
    import polars as pl

    from trading_platform.lake import LocalLake

    def work() -> dict[str, Any]:
        mine = LocalLake(Path(ours_out) / "lake").path("l2", "ES", TRADE_DATE)
        names = pl.read_parquet_schema(mine)
        for name in names:
            column = pl.read_parquet(mine, columns=[name])[name]
            other = pl.read_parquet(Path(floor_out) / "floor.parquet", columns=[name])[name]
            if not column.equals(other):
                raise ValueError(f"Expected {name} of the floor to equal ours, was different")
        vendor = Path(vendor_out) / "vendor.parquet"
        shared = [name for name in pl.read_parquet_schema(vendor) if name in names]
        for name in shared:
            column = pl.read_parquet(mine, columns=[name])[name]
            other = pl.read_parquet(vendor, columns=[name])[name]
            if column.dtype == pl.Categorical:
                column, other = column.cast(pl.String), other.cast(pl.String)
            if other.dtype.is_float():
                other = other.fill_nan(None)
            if not column.cast(other.dtype).equals(other):
                raise ValueError(f"Expected {name} of the vendor to equal ours, was different")
        return {"columns": len(shared)}

    return work


def metrics(ours_out: str, records: int) -> Work:
    """Prepare the measures per second of the stored partition."""
    import polars as pl
    import pyarrow.parquet as pq

    from trading_platform.l2 import COLUMNS, L2Measures
    from trading_platform.lake import LocalLake
    from trading_platform.lake.contracts import L2_METRICS

    L2_METRICS.validate(L2_METRICS.empty())

    def work() -> dict[str, Any]:
        measures = L2Measures()
        with pq.ParquetFile(LocalLake(Path(ours_out) / "lake").path("l2", "ES", TRADE_DATE), pre_buffer=False) as file:
            for group in range(file.num_row_groups):
                measures.add(pl.DataFrame(pl.from_arrow(file.read_row_group(group, columns=COLUMNS))))
        found = measures.frame(SYMBOL)
        L2_METRICS.validate(found)
        if int(found["updates"].sum() + found["snapshot_rows"].sum()) != records:
            raise ValueError("Expected every record to be measured, was another number")
        return {"rows": found.height}

    return work


def side_by_side(path: str, out: str, records: int) -> Work:
    """Prepare the conversion of one day alone and then of two days at once, each in a process of its own."""
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor

    jobs = [(path, f"{out}/{number}", records) for number in range(3)]
    for _, folder, _ in jobs:
        Path(folder).mkdir(parents=True)
    pool = ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn"))
    list(pool.map(_warm, range(8)))

    def work() -> dict[str, Any]:
        alone_s, alone_cpu_s = pool.submit(_one_day, *jobs[0]).result()
        both = [future.result() for future in [pool.submit(_one_day, *job) for job in jobs[1:]]]
        pool.shutdown()
        return {
            "scaling": 2 * alone_s / max(wall_s for wall_s, _ in both),
            "cpu_growth": sum(cpu_s for _, cpu_s in both) / (2 * alone_cpu_s),
        }

    return work


def _one_day(path: str, out: str, records: int) -> tuple[float, float]:
    """Convert one day; return wall and CPU seconds without the imports."""
    work = ours(path, out, records)
    started, cpu_s = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - started, time.process_time() - cpu_s


def _warm(number: int) -> int:
    """Import what a conversion needs, in whichever process of the pool takes the call."""
    import databento_dbn  # noqa: F401

    from trading_platform.lake.contracts import L2

    L2.validate(L2.empty())
    time.sleep(0.05)
    return number
