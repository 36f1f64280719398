"""Benchmark 1: a ``.scid`` file to one Parquet file per day, everything on, beside the least possible work and beside pandas."""

from __future__ import annotations

import shutil
from pathlib import Path

from . import scid_variants
from .data import scid_file
from .measure import MEGABYTE, TMP, Series, Settings, Variant, measure, prepare
from .report import Line, Result

NAME = "scid_to_parquet"
RECORDS, TRADE_DATES = 20_000_000, 30
LARGE_DAY_RECORDS, LARGE_DAYS = 5_000_000, 2
MEMORY_LIMIT_MB = 350
OURS, FLOOR, PANDAS = "ours, everything on", "floor: pread + split + encode", "numpy.fromfile + pandas + to_parquet"
LARGE = "ours, 2.5 M rows a day"


def run(settings: Settings) -> Result:
    """Measure."""
    records, dates = settings.size(RECORDS), settings.size(TRADE_DATES)
    file = scid_file(records, dates)
    large_file = scid_file(LARGE_DAY_RECORDS, LARGE_DAYS)
    for path in (file, large_file):
        prepare("bench.data:read_all", path=str(path))
    variants = [
        _variant(OURS, "ours", file, dates),
        _variant(FLOOR, "floor", file, dates),
        _variant(PANDAS, "pandas_per_day", file, dates),
        _variant(LARGE, "ours", large_file, LARGE_DAYS),
    ]
    series = measure(variants, settings)
    others = [str(_folder(FLOOR)), str(_folder(PANDAS))]
    prepare("bench.scid_variants:compare", ours_out=str(_folder(OURS)), others=others, trade_dates=dates)
    settings.known["real_day_wall_s"] = series[OURS].median("wall_s") / dates
    return Result(
        NAME,
        f"{records / 1e6:g} M records over {dates} trade dates ({file.stat().st_size / MEGABYTE:,.0f} MB) to the columns of `ticks`; "
        "index, sha256, checks, contract, quarantine path and commit with fsync are part of ours, index and hashes not cached before. "
        "The baselines write the same rows and types, compared after the runs.",
        list(series.values()),
        _lines(series, records),
        OURS,
    )


def _lines(series: dict[str, Series], records: int) -> list[Line]:
    ours, floor, pandas, large = (series[name] for name in (OURS, FLOOR, PANDAS, LARGE))
    return [
        Line("records per CPU second", records / ours.median() / 1e6, "M", at_least=6.0, noisy=ours.is_noisy),
        Line(
            "CPU, ours / floor", ours.median() / floor.median(), "x", at_most=1.5, noisy=ours.is_noisy or floor.is_noisy
        ),
        Line(
            "CPU, pandas / ours",
            pandas.median() / ours.median(),
            "x",
            at_least=2.0,
            noisy=ours.is_noisy or pandas.is_noisy,
        ),
        Line("peak memory, pandas / ours", pandas.peak_bytes / ours.peak_bytes, "x", at_least=8.0),
        Line("peak memory of ours", ours.peak_bytes / MEGABYTE, "MB", at_most=MEMORY_LIMIT_MB),
        Line("peak memory of ours, 2.5 M rows a day", large.peak_bytes / MEGABYTE, "MB", at_most=MEMORY_LIMIT_MB),
        Line("CPU of the whole process, imports included", ours.median("process_cpu_s"), "s", noisy=ours.is_noisy),
        Line("Parquet written by ours", ours.median("bytes") / MEGABYTE, "MB"),
        Line("Parquet written by pandas", pandas.median("bytes") / MEGABYTE, "MB"),
    ]


def _variant(name: str, function: str, scid: Path, trade_dates: int) -> Variant:
    folder = _folder(name)

    def reset() -> None:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)

    arguments = {"scid": str(scid), "out": str(folder), "trade_dates": trade_dates}
    return Variant(name, f"{scid_variants.__name__}:{function}", arguments, reset)


def _folder(name: str) -> Path:
    return TMP / "out" / "".join(letter if letter.isalnum() else "_" for letter in name)
