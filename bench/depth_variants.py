"""Ways to turn the ``.depth`` files of a day into book events and measures per second.

Belongs here: ours in its parts, and the loop over records and dictionaries that a user would write; ``compare`` proves that both say the
same of every second.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .data import NOW

if TYPE_CHECKING:
    from datetime import date

    from trading_platform.depth import DepthMetricsBuilder
    from trading_platform.lake import LocalLake
    from trading_platform.sierra.depth import DepthEventsBuilder

Work = Callable[[], dict[str, Any]]
SYMBOL, CONTRACT, DAY = "MNQ", "MNQZ25", "2025-10-01"
TICK_SIZE, PRICE_SCALE, START_PRICE = 0.25, 0.01, 24_500.0
_EPOCH_OFFSET_US = 2_209_161_600_000_000


def write_files(folder: str, events: int) -> Work:
    """Prepare writing the two files of one trade date, unless they are there."""
    from datetime import date

    from trading_platform.instruments import Contract, load_registry
    from trading_platform.simulation import SimulatedMarket, depth_benchmark_files

    root, registry = Path(folder), load_registry()

    def work() -> dict[str, Any]:
        marker = root / "written"
        if not marker.is_file():
            shutil.rmtree(root, ignore_errors=True)
            market = SimulatedMarket(1, registry.get(SYMBOL), START_PRICE)
            days = depth_benchmark_files(root, market, Contract.parse(CONTRACT), date.fromisoformat(DAY), events)
            marker.write_text("\n".join(str(day.path) for day in days), encoding="utf-8")
        paths = [Path(line) for line in marker.read_text(encoding="utf-8").splitlines()]
        return {
            "files": [str(path) for path in paths],
            "events": sum((path.stat().st_size - 64) // 24 for path in paths),
        }

    return work


def decode(folder: str) -> Work:
    """Prepare reading and decoding every record of the day to columns, nothing kept: verdicts, prices in points, batches, snapshots."""
    import numpy as np

    from trading_platform.lake.stream import ROW_GROUP_ROWS
    from trading_platform.sierra.depth.decode import DepthColumns, DepthDecoder
    from trading_platform.sierra.depth.format import RECORD
    from trading_platform.sierra.record_file import BLOCK_RECORDS

    events_builder, _, _, day = _builders(Path(folder), Path(folder) / "none")
    source = events_builder.plan(day).detail
    buffer = np.empty(BLOCK_RECORDS, RECORD)

    def work() -> dict[str, Any]:
        decoder = DepthDecoder(source.rule, source.latest)
        columns = DepthColumns.empty(ROW_GROUP_ROWS)
        for one in source.slices:
            decoder.begin(one)
            for _, at, block in one.blocks(buffer, lambda: columns.capacity - columns.rows):
                decoder.decode(block, at, columns)
                if columns.rows == columns.capacity:
                    columns.rows, columns.price_null = 0, None
        return {"events": decoder.rows}

    return work


def events_alone(folder: str, out: str) -> Work:
    """Prepare ``build_day`` of ``depth_events`` with everything on; nothing cached before."""
    events_builder, _, lake, day = _builders(Path(folder), Path(out))

    def work() -> dict[str, Any]:
        return _built(events_builder, lake, day)

    return work


def metrics_alone(folder: str, out: str) -> Work:
    """Prepare ``build_day`` of ``depth_metrics`` from stored events."""
    _, metrics_builder, lake, day = _builders(Path(folder), Path(out))

    def work() -> dict[str, Any]:
        return _built(metrics_builder, lake, day)

    return work


def together(folder: str, out: str) -> Work:
    """Prepare both, one after the other in one process, as a backfill does."""
    events_builder, metrics_builder, lake, day = _builders(Path(folder), Path(out))

    def work() -> dict[str, Any]:
        events, metrics = _built(events_builder, lake, day), _built(metrics_builder, lake, day)
        return {"rows": events["rows"], "bytes": events["bytes"], "seconds": metrics["rows"]}

    return work


def naive(file: str, out: str, events: int) -> Work:
    """Prepare what a user would write: records by ``struct``, two dictionaries, a row per second, two files by pandas.

    Args:
        file: the ``.depth`` file.
        out: folder for ``events.parquet`` and ``metrics.parquet``.
        events: how many records from the beginning of the file.
    """
    import struct

    import pandas as pd

    record, folder = struct.Struct("<qBBHfII"), Path(out)

    def work() -> dict[str, Any]:
        with Path(file).open("rb") as stream:
            stream.seek(64)
            content = stream.read(record.size * events)
        bids: dict[float, int] = {}
        asks: dict[float, int] = {}
        stored: list[tuple[Any, ...]] = []
        seconds: list[tuple[Any, ...]] = []
        book: tuple[dict[float, int], dict[float, int]] | None = None
        pending: list[tuple[int, float, int]] = []
        counts = [0, 0, 0]
        known = is_snapshot = False
        at_start, batch, now, last_us = True, 0, None, 0
        for seq, (dt, command, flags, orders, raw, quantity, _) in enumerate(record.iter_unpack(content)):
            ts = dt - _EPOCH_OFFSET_US
            second = ts // 1_000_000
            if now is not None and second != now:
                for silent in range(now, second):
                    seconds.append(_second(silent, book, counts, last_us))
                    counts = [0, 0, 0]
            now = second
            price = round(raw * PRICE_SCALE / TICK_SIZE) * TICK_SIZE
            if at_start:
                is_snapshot = command == 1
            stored.append(
                (
                    ts,
                    seq,
                    command,
                    flags,
                    orders,
                    None if command == 1 else price,
                    quantity,
                    batch,
                    is_snapshot,
                    0,
                    CONTRACT,
                )
            )
            counts[1 if is_snapshot else 0] += 1
            pending.append((command, price, quantity))
            at_start = bool(flags & 1)
            if at_start:
                for one, level, size in pending:
                    if one == 1:
                        bids, asks, known = {}, {}, True
                        continue
                    side = asks if one % 2 else bids
                    if one >= 6:
                        side.pop(level, None)
                    else:
                        side[level] = size
                pending = []
                book, last_us = (bids, asks) if known else None, ts
                counts[2] += 1
                batch += 1
        seconds.append(_second(now or 0, book, counts, last_us))
        _store(pd.DataFrame(stored, columns=_names("depth_events")), folder / "events.parquet", "depth_events")
        _store(pd.DataFrame(seconds, columns=_names("depth_metrics")), folder / "metrics.parquet", "depth_metrics")
        return {"events": len(stored), "seconds": len(seconds)}

    return work


def compare(ours_lake: str, naive_out: str) -> Work:
    """Prepare the comparison of the naive rows with the first ones of ours; the last second of the slice is cut off by it."""
    from datetime import date

    import polars as pl

    from trading_platform.lake import LocalLake

    def work() -> dict[str, Any]:
        ours = LocalLake(Path(ours_lake)).read("depth_metrics", SYMBOL, date.fromisoformat(DAY))
        other = pl.read_parquet(Path(naive_out) / "metrics.parquet")[:-1]
        for name in other.columns:
            if name in ("in_session", "contract"):
                continue
            left, right = ours[name][: other.height], other[name]
            if left.null_count() != right.null_count():
                raise ValueError(f"Expected nulls of {name} in {right.null_count()} rows, was {left.null_count()}")
            worst = (left.to_physical() - right.to_physical()).abs().max()
            if worst is not None and worst > 1e-9:
                raise ValueError(f"Expected {name} as the dictionaries have it, was off by {worst}")
        return {"seconds": other.height}

    return work


def _second(
    second: int, book: tuple[dict[float, int], dict[float, int]] | None, counts: list[int], last_us: int
) -> tuple[Any, ...]:
    """Return one row of measures."""
    nothing = (None,) * 12
    tail = (*counts, None if book is None else ((second + 1) * 1_000_000 - last_us) // 1_000, True, CONTRACT)
    if book is None:
        return (second * 1_000_000, *nothing, *tail)
    bids = sorted(book[0].items(), reverse=True)
    asks = sorted(book[1].items())
    if not bids or not asks:
        return (second * 1_000_000, *nothing, *tail)
    (bid, bid_size), (ask, ask_size) = bids[0], asks[0]
    mid = (bid + ask) / 2 if bid <= ask else None
    micro = (bid * ask_size + ask * bid_size) / (bid_size + ask_size) if bid <= ask else None
    imbalances = []
    for levels in (1, 5, 10):
        over, under = sum(size for _, size in bids[:levels]), sum(size for _, size in asks[:levels])
        imbalances.append((over - under) / (over + under))
    bid_depth = sum(size for level, size in bids[:11] if bid - level <= 10 * TICK_SIZE)
    ask_depth = sum(size for level, size in asks[:11] if level - ask <= 10 * TICK_SIZE)
    prices = (bid, ask, bid_size, ask_size, ask - bid, mid, micro)
    return (second * 1_000_000, *prices, *imbalances, bid_depth, ask_depth, *tail)


def _names(dataset: str) -> list[str]:
    from trading_platform.lake import CONTRACTS

    return list(CONTRACTS[dataset].arrow_schema.names)


def _store(frame: Any, path: Path, dataset: str) -> None:
    """Write a frame with the types of the dataset."""
    import pandas as pd

    from trading_platform.lake import CONTRACTS

    frame["ts"] = pd.to_datetime(frame["ts"], unit="us", utc=True).astype("datetime64[us, UTC]")
    for field in CONTRACTS[dataset].arrow_schema:
        if field.nullable and str(field.type) == "int64":
            frame[field.name] = frame[field.name].astype("Int64")
    frame.to_parquet(path, engine="pyarrow", compression="zstd", index=False, schema=CONTRACTS[dataset].arrow_schema)


def _builders(folder: Path, out: Path) -> tuple[DepthEventsBuilder, DepthMetricsBuilder, LocalLake, date]:
    """Return the real builders over the files of the benchmark; the imports of the work are done here."""
    from datetime import date

    from trading_platform.clock import FixedClock
    from trading_platform.depth import DepthMetricsBuilder
    from trading_platform.instruments import load_registry, load_roll_table
    from trading_platform.lake import LocalLake, StatCache
    from trading_platform.lake.contracts import DEPTH_EVENTS, DEPTH_METRICS
    from trading_platform.sessions import calendar_for
    from trading_platform.sierra.depth import DepthArchive, DepthEventsBuilder

    registry = load_registry()
    instrument = registry.get(SYMBOL)
    calendar, clock, lake = calendar_for(instrument.calendar), FixedClock(NOW), LocalLake(out / "lake")
    events = DepthEventsBuilder(
        instrument,
        lake,
        DepthArchive(folder, registry, None),
        load_roll_table(registry, None),
        calendar,
        clock,
        StatCache(out / "cache" / "source_hashes.sqlite"),
    )
    for contract in (DEPTH_EVENTS, DEPTH_METRICS):
        contract.validate(contract.empty())  # imports pandera
    return events, DepthMetricsBuilder(instrument, lake, calendar, clock), lake, date.fromisoformat(DAY)


def _built(builder: Any, lake: LocalLake, day: date) -> dict[str, Any]:
    from trading_platform.lake import build_day

    result = build_day(builder, day, lake)
    if result.outcome != "WRITE":
        raise RuntimeError(str(result.error))
    return {"rows": result.rows, "bytes": result.size_bytes}
