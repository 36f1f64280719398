"""Benchmark 4: ticks to 1-second bars, from Parquet to Parquet and in memory."""

from __future__ import annotations

import shutil
from pathlib import Path

from . import bars_variants
from .data import scid_file
from .measure import MEGABYTE, TMP, Series, Settings, Variant, measure, prepare
from .report import Line, Result

NAME = "ticks_to_bars"
TICKS, SPREAD_DAYS = 10_000_000, 10
OURS, OURS_SPREAD = "ours", "ours, the same ticks over ten days"
POLARS, PANDAS, DUCKDB = "polars group_by_dynamic", "pandas resample", "duckdb"
MEMORY, REDUCEAT = "in memory, five times: ours", "in memory, five times: tuned numpy reduceat"


def run(settings: Settings) -> Result:
    """Measure."""
    ticks = settings.size(TICKS)
    one, one_path = _lake(ticks, 1)
    spread, _ = _lake(ticks, SPREAD_DAYS)
    out = TMP / "out" / "bars"
    out.mkdir(parents=True, exist_ok=True)
    others = {POLARS: "polars_naive", PANDAS: "pandas_resample", DUCKDB: "duckdb_sql"}
    variants = [
        _ours(OURS, one, 1),
        _ours(OURS_SPREAD, spread, SPREAD_DAYS),
        *(
            Variant(name, _function(function), {"ticks": one_path, "out": str(out / f"{function}.parquet")})
            for name, function in others.items()
        ),
        Variant(MEMORY, _function("in_memory_ours"), {"ticks": one_path}),
        Variant(REDUCEAT, _function("in_memory_reduceat"), {"ticks": one_path}),
    ]
    series = measure(variants, settings)
    written = [str(out / f"{function}.parquet") for function in others.values()]
    prepare(_function("compare"), ours_path=series[OURS].samples[-1].values["path"], others=written)
    _check_sums(series)
    return Result(
        NAME,
        f"{ticks / 1e6:g} M ticks to bars of one second, Parquet to Parquet; all read one file (but one of ours, as named) and write "
        "the columns of `bars_1s`, compared after the runs. Ours also validates, hashes and commits.",
        list(series.values()),
        _lines(series),
        OURS,
    )


def _lines(series: dict[str, Series]) -> list[Line]:
    ours, spread, memory, reduceat = (series[name] for name in (OURS, OURS_SPREAD, MEMORY, REDUCEAT))
    return [
        Line("CPU, Parquet to Parquet", ours.median(), "s", at_most=0.8, noisy=ours.is_noisy),
        Line("peak memory", ours.peak_bytes / MEGABYTE, "MB", at_most=450.0),
        Line("CPU, ten days", spread.median(), "s", at_most=0.8, noisy=spread.is_noisy),
        Line("peak memory, ten days", spread.peak_bytes / MEGABYTE, "MB", at_most=450.0),
        Line(
            "CPU in memory, ours / tuned reduceat",
            memory.median() / reduceat.median(),
            "x",
            at_most=2.0,
            noisy=memory.is_noisy or reduceat.is_noisy,
        ),
        *(
            Line(f"CPU, {name} / ours", series[name].median() / ours.median(), "x", noisy=series[name].is_noisy)
            for name in (POLARS, PANDAS, DUCKDB)
        ),
    ]


def _check_sums(series: dict[str, Series]) -> None:
    ours, other = (series[name].samples[-1].values for name in (MEMORY, REDUCEAT))
    same_notional = abs(ours["notional"] - other["notional"]) <= 1e-9 * abs(ours["notional"])
    if (ours["rows"], ours["volume"]) != (other["rows"], other["volume"]) or not same_notional:
        raise ValueError(f"Expected equal sums in memory, was {ours} and {other}")


def _lake(ticks: int, days: int) -> tuple[Path, str]:
    """Return a folder with a lake that holds the ticks, and the file of the first day."""
    folder = TMP / f"bars-{ticks}-{days}"
    made = prepare(_function("make_ticks"), scid=str(scid_file(ticks, days)), folder=str(folder), trade_dates=days)
    prepare("bench.data:read_all", path=made["path"])
    return folder, str(made["path"])


def _ours(name: str, folder: Path, days: int) -> Variant:
    def reset() -> None:
        shutil.rmtree(folder / "lake" / "bars_1s", ignore_errors=True)

    return Variant(name, _function("ours"), {"folder": str(folder), "trade_dates": days}, reset)


def _function(name: str) -> str:
    return f"{bars_variants.__name__}:{name}"
