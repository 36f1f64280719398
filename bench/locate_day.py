"""Benchmark 2: where one day lies in a large ``.scid`` file."""

from __future__ import annotations

import shutil
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .data import NOW, open_days, scid_file
from .measure import TMP, Settings, Variant, measure, prepare
from .report import Line, Result

NAME = "locate_day"
RECORDS, TRADE_DATES = 20_000_000, 30
BUILD, LOCATE, NUMPY = (
    "ours: build the index",
    "ours: load the index, locate every day",
    "numpy.fromfile + mask, one day",
)
_REPETITIONS = 20
_CACHE = TMP / "locate-cache"

Work = Callable[[], dict[str, Any]]


def run(settings: Settings) -> Result:
    """Measure."""
    records, dates = settings.size(RECORDS), settings.size(TRADE_DATES)
    file = scid_file(records, dates)
    prepare("bench.data:read_all", path=str(file))
    arguments = {"scid": str(file), "trade_dates": dates}
    series = measure(
        [
            Variant(BUILD, "bench.locate_day:build", arguments, lambda: shutil.rmtree(_CACHE, ignore_errors=True)),
            Variant(LOCATE, "bench.locate_day:locate", arguments),
            Variant(NUMPY, "bench.locate_day:numpy_mask", arguments),
        ],
        settings,
    )
    located, built, masked = series[LOCATE], series[BUILD], series[NUMPY]
    return Result(
        NAME,
        f"The record range of one trade date in a file of {records / 1e6:g} M records; median and maximum over all {dates} days.",
        list(series.values()),
        [
            Line("one day, index loaded, median", located.median("median_ms"), "ms", at_most=1.0),
            Line("one day, index loaded, slowest", located.median("slowest_ms"), "ms"),
            Line("index loaded from its cache", located.median("load_ms"), "ms"),
            Line("index built from the file", built.median("wall_s"), "s", noisy=built.is_noisy),
            Line("numpy.fromfile + mask / ours", masked.median("wall_s") * 1e3 / located.median("median_ms"), "x"),
        ],
    )


def build(scid: str, trade_dates: int) -> Work:  # noqa: ARG001 same arguments for all variants
    """Prepare the first scan of a file."""
    from trading_platform.sierra.index import load_index

    def work() -> dict[str, Any]:
        return {"records": load_index(Path(scid), _CACHE, NOW).record_count}

    return work


def locate(scid: str, trade_dates: int) -> Work:
    """Prepare the search of every day, with the index from its cache."""
    from trading_platform.sierra.index import load_index

    windows = _windows(trade_dates)
    load_index(Path(scid), _CACHE, NOW)

    def work() -> dict[str, Any]:
        started = time.perf_counter()
        index = load_index(Path(scid), _CACHE, NOW)
        load_ms = (time.perf_counter() - started) * 1e3
        times_ms = []
        for _ in range(_REPETITIONS):
            for start_us, end_us in windows:
                started = time.perf_counter()
                ranges = index.ranges(start_us, end_us)
                times_ms.append((time.perf_counter() - started) * 1e3)
                if not ranges:
                    raise ValueError("Expected every day to have records, was empty")
        return {"load_ms": load_ms, "median_ms": statistics.median(times_ms), "slowest_ms": max(times_ms)}

    return work


def numpy_mask(scid: str, trade_dates: int) -> Work:
    """Prepare the usual way: read the whole file and mask one day."""
    import numpy as np

    from .scid_variants import EPOCH_OFFSET_US, HEADER_BYTES, record_type

    start_us, end_us = _windows(trade_dates)[trade_dates // 2]

    def work() -> dict[str, Any]:
        times = np.fromfile(scid, dtype=record_type(), offset=HEADER_BYTES)["dt"]
        mask = (times >= start_us + EPOCH_OFFSET_US) & (times < end_us + EPOCH_OFFSET_US)
        return {"records": int(np.count_nonzero(mask))}

    return work


def _windows(trade_dates: int) -> list[tuple[int, int]]:
    from trading_platform.instants import us_of
    from trading_platform.sessions import calendar_for

    sessions = [calendar_for("CME_EQUITY").session(day) for day in open_days(trade_dates)]
    return [(us_of(session.window_start), us_of(session.window_end)) for session in sessions]
