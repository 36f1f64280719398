"""Facts and data checks of ``l2_metrics``.

Belongs here: what is measured about the stored seconds and how it is judged. Does not belong here: the measures themselves.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl

from ..lake.building import CheckResult, Json, Severity

CROSSED_FRAC_WARN = 0.001

CHECKS: Mapping[str, str] = {
    "seconds_without_gap": "There is one row for every second from the first to the last event (error).",
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
    at = frame["ts"].to_physical()
    inside = frame.filter(pl.col("in_session") & pl.col("spread").is_not_null())
    seconds = 0 if frame.height == 0 else (int(at[-1]) - int(at[0])) // 1_000_000 + 1
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
    """Judge a day by its facts; nothing to judge for a day without facts."""
    if not facts:
        return ()
    rows, seconds = _whole(facts, "rows"), _whole(facts, "seconds")
    volume, trades = _whole(facts, "volume"), _whole(facts, "trades")
    updates = _whole(facts, "updates")
    expected_updates = _whole(facts, "l2_rows") - _whole(facts, "l2_snapshot_rows")
    inside, crossed = _whole(facts, "session_seconds"), _whole(facts, "crossed_seconds")
    share = crossed / inside if inside else 0.0
    return (
        CheckResult(
            "seconds_without_gap",
            rows == seconds,
            Severity.ERROR,
            f"{rows} rows for {seconds} seconds",
            {"rows": rows, "seconds": seconds},
        ),
        CheckResult(
            "volume_equals_rows",
            volume == facts.get("l2_volume") and trades == facts.get("l2_trades"),
            Severity.ERROR,
            f"volume {volume} in {trades} trades, in l2 {facts.get('l2_volume')} in {facts.get('l2_trades')}",
            {"volume": volume, "trades": trades},
        ),
        CheckResult(
            "updates_equal_rows",
            updates == expected_updates,
            Severity.ERROR,
            f"{updates} rows counted, {expected_updates} in l2 without snapshots",
            {"updates": updates, "expected": expected_updates},
        ),
        CheckResult(
            "spread_positive",
            share <= CROSSED_FRAC_WARN,
            Severity.WARN,
            f"{crossed} of {inside} seconds inside trading hours crossed or locked ({share:.4%}), limit {CROSSED_FRAC_WARN:.1%}",
            {"crossed_seconds": crossed, "session_seconds": inside},
        ),
        _value_area(facts),
    )


def _value_area(facts: Mapping[str, Json]) -> CheckResult:
    names = ("price_min", "value_area_low", "point_of_control", "value_area_high", "price_max")
    values = [facts.get(name) for name in names]
    known = [value for value in values if isinstance(value, (int, float))]
    passed = known == sorted(known) and len(known) in (0, len(names))
    shown = ", ".join(f"{name} {value}" for name, value in zip(names, values, strict=True))
    return CheckResult(
        "value_area_inside", passed, Severity.ERROR, shown, dict(zip(names[1:4], values[1:4], strict=True))
    )


def _whole(facts: Mapping[str, Json], name: str) -> int:
    """Return a count; 0 if it is absent or null."""
    value = facts.get(name)
    return value if isinstance(value, int) else 0
