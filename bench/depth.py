"""Benchmark 6: ``.depth`` files of one large day to book events and measures per second, beside the loop a user would write."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from . import depth_variants
from .measure import MEGABYTE, TMP, Series, Settings, Variant, measure, prepare
from .report import Line, Result

NAME = "depth"
EVENTS, NAIVE_EVENTS = 30_000_000, 1_000_000
MEMORY_LIMIT_MB = 350
OURS, DECODE = "ours, events and measures together", "ours, decode alone"
STORED, MEASURED = "ours, events alone", "ours, measures alone"
NAIVE = "struct, dictionaries, pandas"


def run(settings: Settings) -> Result:
    """Measure."""
    events, naive_events = settings.size(EVENTS), settings.size(NAIVE_EVENTS)
    folder = TMP / f"depth-{events}"
    written = prepare(_function("write_files"), folder=str(folder), events=events)
    for path in written["files"]:
        prepare("bench.data:read_all", path=path)
    out, naive_out = TMP / "out" / "depth", TMP / "out" / "depth_naive"
    lake, source = {"folder": str(folder), "out": str(out)}, {"folder": str(folder)}
    naive = {"file": written["files"][0], "out": str(naive_out), "events": naive_events}
    variants = [
        Variant(OURS, _function("together"), lake, _emptied(out, out)),
        Variant(DECODE, _function("decode"), source),
        Variant(STORED, _function("events_alone"), lake, _emptied(out, out)),
        Variant(MEASURED, _function("metrics_alone"), lake, _emptied(out / "lake" / "depth_metrics", out)),
        Variant(NAIVE, _function("naive"), naive, _emptied(naive_out, naive_out)),
    ]
    shutil.rmtree(out, ignore_errors=True)  # what an earlier call of the benchmark left would be skipped
    prepare(_function("events_alone"), **lake)  # a round may begin with the measures
    series = measure(variants, settings)
    prepare(_function("compare"), ours_lake=str(out / "lake"), naive_out=str(naive_out))
    return Result(
        NAME,
        f"{written['events'] / 1e6:.1f} M events of one trade date in two files ({written['events'] * 24 / MEGABYTE:,.0f} MB) to the "
        "columns of `depth_events` and `depth_metrics`; index, sha256, checks, contract, quarantine path, replay and commit with fsync are "
        f"part of ours. The loop takes the first {naive_events / 1e6:g} M events; its seconds are compared with ours after the runs.",
        list(series.values()),
        _lines(series, written["events"], naive_events),
        OURS,
    )


def _lines(series: dict[str, Series], events: int, naive_events: int) -> list[Line]:
    ours, decode, stored, measured, naive = (series[name] for name in (OURS, DECODE, STORED, MEASURED, NAIVE))
    rate, naive_rate = events / ours.median() / 1e6, naive_events / naive.median() / 1e6
    return [
        Line("events per CPU second, together", rate, "M", at_least=4.0, noisy=ours.is_noisy),
        Line("wall time, together", ours.median("wall_s"), "s", at_most=8.0, noisy=ours.is_noisy_in_wall_time),
        Line("peak memory, together", ours.peak_bytes / MEGABYTE, "MB", at_most=MEMORY_LIMIT_MB),
        Line(
            "events per CPU second, decode alone",
            events / decode.median() / 1e6,
            "M",
            at_least=20.0,
            noisy=decode.is_noisy,
        ),
        Line("events per CPU second, events alone", events / stored.median() / 1e6, "M", noisy=stored.is_noisy),
        Line("events per CPU second, measures alone", events / measured.median() / 1e6, "M", noisy=measured.is_noisy),
        Line("peak memory, measures alone", measured.peak_bytes / MEGABYTE, "MB", at_most=MEMORY_LIMIT_MB),
        Line("events per CPU second, loop", naive_rate, "M", noisy=naive.is_noisy),
        Line("CPU per event, loop / ours", rate / naive_rate, "x", noisy=ours.is_noisy or naive.is_noisy),
        Line("Parquet written by ours", ours.median("bytes") / MEGABYTE, "MB"),
    ]


def _emptied(folder: Path, kept: Path) -> Callable[[], None]:
    """Return a function that empties a folder and leaves another one in place."""

    def reset() -> None:
        shutil.rmtree(folder, ignore_errors=True)
        kept.mkdir(parents=True, exist_ok=True)

    return reset


def _function(name: str) -> str:
    return f"{depth_variants.__name__}:{name}"
