"""Benchmark: one day of enriched bars from stored bars and snapshots."""

from __future__ import annotations

from . import enrichment_variants
from .asof import TICKS, lake_folder
from .measure import MEGABYTE, TMP, Settings, Variant, measure
from .report import Line, Result

NAME = "enriched_bars"
OURS, PANDAS = "ours", "pandas reindex and merge_asof"


def run(settings: Settings) -> Result:
    """Measure."""
    folder = str(lake_folder(settings.size(TICKS)))
    out = TMP / "out" / "enriched_bars.parquet"
    out.parent.mkdir(parents=True, exist_ok=True)
    variants = [
        Variant(OURS, _function("ours_bars"), {"folder": folder}),
        Variant(PANDAS, _function("pandas_bars"), {"folder": folder, "out": str(out)}),
    ]
    series = measure(variants, settings)
    ours, pandas = series[OURS], series[PANDAS]
    return Result(
        NAME,
        f"82,800 seconds of a trade date from stored bars_1s and two partitions of {enrichment_variants.SNAPSHOTS:,} snapshots in three "
        "categories to 70 columns. Ours also validates, checks, hashes and commits; the script knows one limit and no causes of gaps.",
        list(series.values()),
        [
            Line("CPU", ours.median(), "s", at_most=1.0, noisy=ours.is_noisy),
            Line("wall time", ours.median("wall_s"), "s", at_most=1.0, noisy=ours.is_noisy_in_wall_time),
            Line("peak memory", ours.peak_bytes / MEGABYTE, "MB"),
            Line("CPU, pandas / ours", pandas.median() / ours.median(), "x", noisy=ours.is_noisy or pandas.is_noisy),
        ],
        OURS,
    )


def _function(name: str) -> str:
    return f"{enrichment_variants.__name__}:{name}"
