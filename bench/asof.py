"""Benchmark: ticks aligned with gamma snapshots, in memory and from Parquet to Parquet."""

from __future__ import annotations

from pathlib import Path

from . import enrichment_variants
from .measure import MEGABYTE, TMP, Series, Settings, Variant, measure, prepare
from .report import Line, Result

NAME = "asof"
TICKS = 10_000_000
INDEX, OURS = "in memory: ours, row, age and flags", "in memory: ours, with eight columns"
POLARS, PANDAS, DUCKDB = "in memory: polars join_asof", "in memory: pandas merge_asof", "in memory: duckdb asof join"
STORED, TICK_FILE = "to Parquet: ours, gex_alignment", "to Parquet: ours, enriched ticks"
POLARS_FILE, DUCKDB_FILE = "to Parquet: polars join_asof", "to Parquet: duckdb asof join"


def run(settings: Settings) -> Result:
    """Measure."""
    ticks = settings.size(TICKS)
    folder = lake_folder(ticks)
    out = TMP / "out" / "asof"
    out.mkdir(parents=True, exist_ok=True)
    of_lake = {"folder": str(folder)}
    in_memory = {OURS: "attach_and_gather", POLARS: "polars_join", PANDAS: "pandas_merge", DUCKDB: "duckdb_asof"}
    files = {TICK_FILE: "ours_ticks", POLARS_FILE: "polars_lazy", DUCKDB_FILE: "duckdb_copy"}
    variants = [
        Variant(INDEX, _function("attach_only"), of_lake),
        *(Variant(name, _function(function), of_lake) for name, function in in_memory.items()),
        Variant(STORED, _function("ours_stored"), of_lake),
        *(
            Variant(name, _function(function), {**of_lake, "out": str(_file(out, function))})
            for name, function in files.items()
        ),
    ]
    prepare(_function("ours_stored"), **of_lake)  # a round may begin with the file that is looked up through it
    series = measure(variants, settings)
    sums = {name: dict(series[name].samples[-1].values) for name in in_memory}
    written = [str(_file(out, function)) for function in files.values()]
    prepare(_function("compare"), sums=sums, written=written)
    return Result(
        NAME,
        f"{ticks / 1e6:g} M ticks of a 23-hour session and {enrichment_variants.SNAPSHOTS:,} snapshots. In memory both sides are sorted "
        "and the eight columns are attached unless named otherwise; sums agree. Ours is the path of the product: a row group at a time "
        "is made and handed on, with gaps and pre-open snapshots told. The stored alignment includes checks, contract, hash and "
        "commit; the files hold four columns of the ticks and the eight of the snapshot, ours also the flags of gaps.",
        list(series.values()),
        _lines(series),
        OURS,
    )


def lake_folder(ticks: int) -> Path:
    """Return the folder with the inputs, made if they are not there."""
    folder = TMP / f"enrichment-{ticks}"
    made = prepare(_function("make_lake"), folder=str(folder), ticks=ticks)
    for path in made.values():
        prepare("bench.data:read_all", path=path)
    return folder


def _lines(series: dict[str, Series]) -> list[Line]:
    index, ours, stored, tick_file = (series[name] for name in (INDEX, OURS, STORED, TICK_FILE))
    return [
        Line("CPU in memory, row, age and flags", index.median(), "s", noisy=index.is_noisy),
        Line("CPU in memory, with eight columns", ours.median(), "s", at_most=0.4, noisy=ours.is_noisy),
        *(
            Line(
                f"CPU, {name.split(': ')[1]} / ours, with eight columns",
                series[name].median() / ours.median(),
                "x",
                noisy=series[name].is_noisy or ours.is_noisy,
            )
            for name in (POLARS, PANDAS, DUCKDB)
        ),
        Line("CPU, Parquet to stored alignment", stored.median(), "s", at_most=2.5, noisy=stored.is_noisy),
        Line(
            "wall time, Parquet to stored alignment", stored.median("wall_s"), "s", noisy=stored.is_noisy_in_wall_time
        ),
        Line("peak memory, stored alignment", stored.peak_bytes / MEGABYTE, "MB", at_most=600.0),
        Line("CPU, enriched ticks to Parquet", tick_file.median(), "s", noisy=tick_file.is_noisy),
        Line("peak memory, enriched ticks to Parquet", tick_file.peak_bytes / MEGABYTE, "MB", at_most=600.0),
        *(
            Line(
                f"CPU, {name.split(': ')[1]} / ours, enriched ticks to Parquet",
                series[name].median() / tick_file.median(),
                "x",
                noisy=series[name].is_noisy or tick_file.is_noisy,
            )
            for name in (POLARS_FILE, DUCKDB_FILE)
        ),
    ]


def _file(out: Path, function: str) -> Path:
    return out / f"{function}.parquet"


def _function(name: str) -> str:
    return f"{enrichment_variants.__name__}:{name}"
