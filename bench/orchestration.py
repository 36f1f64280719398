"""Benchmark 5: what Dagster and our event handling cost per asset and day, beside the work itself."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .data import LAST_DATE
from .measure import TMP, Settings, Variant, measure, prepare
from .report import Line, Result

NAME = "orchestration"
DAYS, TICKS_PER_DAY = 250, 200
ASSETS = ("ES/ticks", "ES/bars_1m", "MNQ/ticks", "MNQ/bars_1m")
RANGE, BARE = "backfill of tiny days", "bare Dagster: assets that only log one event per day"


def run(settings: Settings) -> Result:
    """Measure."""
    days = settings.size(DAYS)
    folder = TMP / f"orchestration-{days}"
    made = prepare("bench.data:make_home", folder=str(folder), days=days, ticks_per_day=TICKS_PER_DAY)
    home = folder / "home"

    def reset() -> None:
        for name in ("dagster", "lake", "cache"):
            shutil.rmtree(home / name, ignore_errors=True)

    arguments = {"home": str(home), "first": made["first"], "last": LAST_DATE.isoformat()}
    bare_arguments = {"home": str(home), "first": made["first"], "days": days}
    series = measure(
        [
            Variant(RANGE, "bench.orchestration:backfill", arguments, reset),
            Variant(BARE, "bench.orchestration:bare", bare_arguments, reset),
        ],
        settings,
        min(settings.rounds, 2),
    )
    measured, bare_ms = series[RANGE], 1e3 * series[BARE].median("run_wall_s") / series[BARE].median("asset_days")
    own_ms = 1e3 * (measured.median("run_wall_s") - measured.median("builder_s")) / measured.median("asset_days")
    lines = [
        Line(
            "Dagster's own cost, wall per asset-day", own_ms, "ms", at_most=30.0, noisy=measured.is_noisy_in_wall_time
        ),
        Line("bare Dagster, one event per asset-day and nothing else, wall", bare_ms, "ms"),
        Line("own cost / bare Dagster", own_ms / bare_ms, "x"),
        Line("build_day of a tiny day, wall", 1e3 * measured.median("builder_s") / measured.median("asset_days"), "ms"),
        Line("whole range, wall", measured.median("run_wall_s"), "s"),
        Line(
            "run history on disk, per asset-day",
            measured.median("history_bytes") / measured.median("asset_days") / 1e3,
            "KB",
        ),
    ]
    real_day_s = settings.known.get("real_day_wall_s")
    if real_day_s is not None:
        share = own_ms / (own_ms + real_day_s * 1e3)
        lines.insert(1, Line("its share of a real day of ticks (benchmark scid_to_parquet)", share * 100, "%"))
    return Result(
        NAME,
        f"{days} days x {len(ASSETS)} assets ({', '.join(ASSETS)}) by a real backfill, SQLite storage, {TICKS_PER_DAY} ticks a day. "
        "Own cost = wall of the run minus the wall inside `build_day`; planning, events, pictures and checks' events are in it.",
        list(series.values()),
        lines,
    )


def backfill(home: str, first: str, last: str) -> Callable[[], dict[str, Any]]:
    """Prepare a backfill over a home without any built day."""
    from datetime import date

    from trading_platform.cli.platform import open_platform
    from trading_platform.home import open_home

    def work() -> dict[str, Any]:
        opened = open_home(Path(home))
        for folder in (opened.dagster_dir, opened.lake_dir, opened.cache_dir):
            folder.mkdir(exist_ok=True)
        with open_platform(opened) as platform:
            from jobs.backfill import Backfill, BackfillRequest, Reporter
            from jobs.selection import select_assets

            engine = Backfill(platform.defs, platform.instance, opened.claims_dir, Reporter())
            keys = select_assets(platform.defs, ASSETS)
            started = time.perf_counter()
            request = BackfillRequest(keys, date.fromisoformat(first), date.fromisoformat(last))
            reports = list(engine.run(request))
            run_wall_s = time.perf_counter() - started
        results = [result for report in reports for result in report.results]
        bad = [str(result.error) for result in results if not result.outcome.is_materialized]
        if bad:
            raise RuntimeError(bad[0])
        history = sum(path.stat().st_size for path in opened.dagster_dir.rglob("*") if path.is_file())
        builder_s = sum(result.seconds for result in results)
        return {
            "run_wall_s": run_wall_s,
            "builder_s": builder_s,
            "asset_days": len(results),
            "history_bytes": history,
        }

    return work


def bare(home: str, first: str, days: int) -> Callable[[], dict[str, Any]]:
    """Prepare the same number of asset-days in runs of the same size, with assets that do nothing but log one event per day."""
    from datetime import date

    import dagster as dg

    from assets.partitions import TRADE_DATES
    from jobs.backfill import QUIET
    from jobs.ranges import TAG_RANGE_END, TAG_RANGE_START, contiguous_chunks
    from trading_platform.cli.platform import prepare_dagster_home
    from trading_platform.home import open_home
    from trading_platform.sessions import weekdays_between

    def asset(name: str) -> dg.AssetsDefinition:
        @dg.asset(key=name.split("/"), partitions_def=TRADE_DATES, backfill_policy=dg.BackfillPolicy.multi_run(60))
        def bare_asset(context) -> None:  # type: ignore[no-untyped-def]
            for day in context.partition_keys:
                context.log_event(
                    dg.AssetMaterialization(context.asset_key, partition=day, metadata={"outcome": "WRITE"})
                )
                context.add_asset_metadata({"outcome": "WRITE"}, partition_key=day)

        return bare_asset

    def work() -> dict[str, Any]:
        opened = open_home(Path(home))
        opened.dagster_dir.mkdir(exist_ok=True)
        prepare_dagster_home(opened)
        defs = dg.Definitions([asset(name) for name in ASSETS], executor=dg.in_process_executor)
        job = defs.resolve_implicit_global_asset_job_def()
        dates = weekdays_between(date.fromisoformat(first), LAST_DATE)[:days]
        done = 0
        with dg.DagsterInstance.get() as instance:
            started = time.perf_counter()
            for name in ASSETS:
                subset = job.get_subset(asset_selection={dg.AssetKey(name.split("/"))})
                for chunk in contiguous_chunks(dates, 60):
                    tags = {TAG_RANGE_START: chunk[0].isoformat(), TAG_RANGE_END: chunk[-1].isoformat()}
                    subset.execute_in_process(instance=instance, run_config=QUIET, tags=tags)
                    done += len(chunk)
            return {"run_wall_s": time.perf_counter() - started, "asset_days": done}

    return work
