"""Benchmark 7: one day of gamma feed history to ``gex_snapshots`` and ``gex_strikes``, beside loading the whole file."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from . import gex_feed_variants
from .measure import MEGABYTE, TMP, Series, Settings, Variant, measure, prepare
from .report import Line, Result

NAME = "gex_feed"
SNAPSHOTS, STRIKES = 23_400, 99
CPU_LIMIT_S, MEMORY_LIMIT_MB = 8.0, 300
OURS, PACKED = "ours, both datasets, JSON", "ours, both datasets, gzip"
SNAPSHOTS_ALONE, STRIKES_ALONE, PARSE = "ours, snapshots alone", "ours, strikes alone", "ours, parse alone"
NAIVE = "json.load, pandas"


def run(settings: Settings) -> Result:
    """Measure."""
    cadence_s = 10 if settings.quick else 1
    snapshots = SNAPSHOTS // cadence_s
    folder = TMP / f"gex-feed-{snapshots}"
    written = prepare(_function("write_files"), folder=str(folder), cadence_s=cadence_s, strikes=STRIKES)
    for path in written["files"]:
        prepare("bench.data:read_all", path=path)
    plain, packed = (str(Path(path).parent) for path in written["files"])
    out = TMP / "out" / "gex_feed"
    variants = [
        Variant(OURS, _function("together"), {"folder": plain, "out": str(out)}, _emptied(out)),
        Variant(PACKED, _function("together"), {"folder": packed, "out": str(out)}, _emptied(out)),
        Variant(SNAPSHOTS_ALONE, _function("snapshots_alone"), {"folder": plain, "out": str(out)}, _emptied(out)),
        Variant(STRIKES_ALONE, _function("strikes_alone"), {"folder": plain, "out": str(out)}, _emptied(out)),
        Variant(PARSE, _function("parse"), {"file": written["files"][0]}),
        Variant(NAIVE, _function("naive"), {"file": written["files"][0], "out": str(out)}, _emptied(out)),
    ]
    series = measure(variants, settings)
    _emptied(out)()
    prepare(_function("together"), folder=packed, out=str(out))
    prepare(_function("naive"), file=written["files"][0], out=str(out))
    prepare(_function("compare"), out=str(out))
    return Result(
        NAME,
        f"{snapshots:,} snapshots of {STRIKES} strikes ({written['bytes'] / MEGABYTE:,.0f} MB of JSON) of one category; strict parse, "
        "quarantine path, walls, sha256, checks, contract and commit with fsync are part of ours. The file is read once per dataset, and "
        "once more for the order of its timestamps.",
        list(series.values()),
        _lines(series, full=not settings.quick),
        OURS,
    )


def _lines(series: dict[str, Series], *, full: bool) -> list[Line]:
    ours, packed, naive = series[OURS], series[PACKED], series[NAIVE]
    limit_s = CPU_LIMIT_S if full else None
    return [
        Line("CPU, both datasets, JSON", ours.median(), "s", at_most=limit_s, noisy=ours.is_noisy),
        Line("CPU, both datasets, gzip", packed.median(), "s", at_most=limit_s, noisy=packed.is_noisy),
        Line("peak memory, both datasets, JSON", ours.peak_bytes / MEGABYTE, "MB", at_most=MEMORY_LIMIT_MB),
        Line("peak memory, both datasets, gzip", packed.peak_bytes / MEGABYTE, "MB", at_most=MEMORY_LIMIT_MB),
        Line("CPU, parse to columns alone", series[PARSE].median(), "s", noisy=series[PARSE].is_noisy),
        Line("peak memory, json.load", naive.peak_bytes / MEGABYTE, "MB"),
        Line("CPU, json.load / ours", naive.median() / ours.median(), "x", noisy=ours.is_noisy or naive.is_noisy),
        Line("Parquet written by ours", ours.median("bytes") / MEGABYTE, "MB"),
    ]


def _emptied(folder: Path) -> Callable[[], None]:
    def reset() -> None:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)

    return reset


def _function(name: str) -> str:
    return f"{gex_feed_variants.__name__}:{name}"
