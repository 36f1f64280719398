"""``python -m bench [NAME…] [--quick] [--rounds N]``: run the benchmarks and print what they found."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from . import (
    asof,
    current_range,
    depth,
    enriched_bars,
    gex_chain,
    gex_feed,
    implied_vol,
    locate_day,
    mbp10,
    orchestration,
    scid_to_parquet,
    sensor,
    status,
    ticks_to_bars,
)
from .measure import Settings, touch_memory
from .report import Report, Result, as_markdown

BENCHMARKS: Mapping[str, Callable[[Settings], Result]] = {
    module.NAME: module.run
    for module in (
        scid_to_parquet,
        locate_day,
        current_range,
        ticks_to_bars,
        depth,
        mbp10,
        implied_vol,
        gex_chain,
        gex_feed,
        asof,
        enriched_bars,
        orchestration,
        sensor,
        status,
    )
}


def main() -> int:
    """Run; the exit code is 1 if a target was missed."""
    parser = argparse.ArgumentParser(
        prog="python -m bench", description="Measure speed and memory beside the alternatives."
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which to run: {', '.join(BENCHMARKS)}; default: all")
    parser.add_argument("--quick", action="store_true", help="a tenth of the size; nothing is kept")
    parser.add_argument("--rounds", type=int, default=3, help="how often each variant runs (default: 3)")
    options = parser.parse_args()
    unknown = [name for name in options.names if name not in BENCHMARKS]
    if unknown or options.rounds < 1:
        parser.error(f"no benchmark {', '.join(unknown)}" if unknown else "--rounds must be at least 1")
    settings = Settings(quick=options.quick, rounds=options.rounds, say=_say)
    load_before = os.getloadavg()[0]
    report = Report(datetime.now(UTC).date().isoformat(), options.quick, touch_memory(_say), load_before)
    for name in options.names or BENCHMARKS:
        _say(f"{name} …")
        started = time.perf_counter()
        report.results.append(BENCHMARKS[name](settings))
        _say(f"{name} took {time.perf_counter() - started:.0f} s")
    for result in report.results:
        print("\n".join(as_markdown(result)))
    if options.quick or options.names:
        _say("quick and partial runs are not kept in bench/results")
    else:
        _say(f"kept as bench/results/{report.save().name} and bench/results/latest.md")
    missed = [line.text for result in report.results for line in result.lines if line.verdict.startswith("MISSED")]
    _say(f"missed: {'; '.join(missed)}" if missed else "all targets met")
    return 1 if missed and not options.quick else 0


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
