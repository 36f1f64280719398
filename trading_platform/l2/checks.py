"""Facts and data checks of ``l2_metrics``.

Belongs here: what is measured about the stored seconds and how it is judged. Does not belong here: the measures themselves.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl

from ..databento.checks import Judge, count, fact, judged
from ..databento.day_view import windows_of
from ..lake.building import CheckResult, Json, Severity
from .measures import Coverage

CROSSED_FRAC_WARN = 0.001

CHECKS: Mapping[str, str] = {
    "seconds_without_gap": "There is one row for every second from the first to the last event that a raw file covers (error).",
    "volume_equals_rows": "Volume and trades of all seconds add up to those of l2 (error).",
    "updates_equal_rows": "Rows counted per second add up to the rows of l2 (error).",
    "spread_positive": "At most 0.1 % of the seconds inside trading hours end with a crossed or locked book (warning).",
    "value_area_inside": "Point of control and value area lie between the lowest and the highest trade (error).",
}


def metric_facts(frame: pl.DataFrame, upstream: Mapping[str, Json]) -> dict[str, Json]:
    """Measure the seconds of a day.

    Args:
        frame: rows of ``l2_metrics`` in their order, with at least ts, spread, volume, trades, updates, in_session.
        upstream: facts of the ``l2`` partition that they come from.
    """
    at = frame["ts"].to_physical() // 1_000_000
    inside = frame.filter(pl.col("in_session") & pl.col("spread").is_not_null())
    covered = Coverage(windows_of(upstream))
    seconds = 0 if frame.height == 0 else covered.seconds_between(int(at[0]), int(at[-1]))
    return {
        "rows": frame.height,
        "seconds": seconds,
        "volume": int(frame["volume"].sum()),
        "trades": int(frame["trades"].sum()),
        "updates": int(frame["updates"].sum()),
        "session_seconds": inside.height,
        "crossed_seconds": int((inside["spread"] <= 0).sum()),
        # Of one array: sums of a frame depend on how it is split in memory.
        "spread_mean": None if inside.height == 0 else float(np.mean(inside["spread"].to_numpy())),
        "l2_volume": upstream.get("volume"),
        "l2_trades": upstream.get("trades"),
        "l2_rows": upstream.get("rows"),
        "l2_snapshot_rows": upstream.get("snapshot_rows"),
        "price_min": upstream.get("price_min"),
        "price_max": upstream.get("price_max"),
    }


def check_facts(facts: Mapping[str, Json]) -> tuple[CheckResult, ...]:
    """Judge a day by its facts; nothing to judge for a day without facts. A check that needs a fact that is absent fails."""
    if not facts:
        return ()
    judges: Mapping[str, tuple[Judge, Severity]] = {
        "seconds_without_gap": (_gaps, Severity.ERROR),
        "volume_equals_rows": (_volume, Severity.ERROR),
        "updates_equal_rows": (_updates, Severity.ERROR),
        "spread_positive": (_spread, Severity.WARN),
        "value_area_inside": (_value_area, Severity.ERROR),
    }
    return tuple(judged(name, judge, facts, severity) for name, (judge, severity) in judges.items())


def _gaps(facts: Mapping[str, Json]) -> CheckResult:
    rows, seconds = count(facts, "rows"), count(facts, "seconds")
    return CheckResult(
        "seconds_without_gap",
        rows == seconds,
        Severity.ERROR,
        f"{rows} rows for {seconds} seconds",
        {"rows": rows, "seconds": seconds},
    )


def _volume(facts: Mapping[str, Json]) -> CheckResult:
    volume, trades = count(facts, "volume"), count(facts, "trades")
    expected_volume, expected_trades = count(facts, "l2_volume"), count(facts, "l2_trades")
    return CheckResult(
        "volume_equals_rows",
        (volume, trades) == (expected_volume, expected_trades),
        Severity.ERROR,
        f"volume {volume} in {trades} trades, in l2 {expected_volume} in {expected_trades}",
        {"volume": volume, "trades": trades},
    )


def _updates(facts: Mapping[str, Json]) -> CheckResult:
    updates = count(facts, "updates")
    expected = count(facts, "l2_rows") - count(facts, "l2_snapshot_rows")
    return CheckResult(
        "updates_equal_rows",
        updates == expected,
        Severity.ERROR,
        f"{updates} rows counted, {expected} in l2 without snapshots",
        {"updates": updates, "expected": expected},
    )


def _spread(facts: Mapping[str, Json]) -> CheckResult:
    inside, crossed = count(facts, "session_seconds"), count(facts, "crossed_seconds")
    share = crossed / inside if inside else 0.0
    return CheckResult(
        "spread_positive",
        share <= CROSSED_FRAC_WARN,
        Severity.WARN,
        f"{crossed} of {inside} seconds inside trading hours crossed or locked ({share:.4%}), limit {CROSSED_FRAC_WARN:.1%}",
        {"crossed_seconds": crossed, "session_seconds": inside},
    )


def _value_area(facts: Mapping[str, Json]) -> CheckResult:
    names = ("price_min", "value_area_low", "point_of_control", "value_area_high", "price_max")
    values = [fact(facts, name) for name in names]
    known = [value for value in values if isinstance(value, (int, float))]
    passed = known == sorted(known) and len(known) in (0, len(names))
    shown = ", ".join(f"{name} {value}" for name, value in zip(names, values, strict=True))
    return CheckResult(
        "value_area_inside", passed, Severity.ERROR, shown, dict(zip(names[1:4], values[1:4], strict=True))
    )
