"""Facts about a day of enriched rows and the checks that judge them.

Belongs here: pure functions from rows to facts, and from facts to check results. The same checks keep a bad day out of the lake and are
published as asset checks. Does not belong here: reading files (the builders), the column rules of the dataset contracts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

from ..instants import MICROSECONDS
from ..lake.building import CheckResult, Json, Severity
from ..sessions import trading_spans
from .asof import within
from .upstream import times_us

if TYPE_CHECKING:
    from ..sessions import Session

# A price and the spot of its index differ by the carry, a few percent; a factor of 100 or another instrument is far outside.
PRICE_NEAR_SPOT_FRAC: Final = 0.20
# The feed comes once a second; a twentieth of the regular hours without it deserves a look.
GEX_GAP_FRAC_WARN: Final = 0.05
# Fewer different snapshots may well agree in a value.
CONSTANT_MIN_SNAPSHOTS: Final = 600
MEASURED: Final = ("spot", "zero_gamma", "sum_gex_vol", "sum_gex_oi", "delta_risk_reversal")
"""Columns that a live feed moves all the time. Strikes and days to expiry may stay the same for a day."""

_COMMON: Final = {
    "ordered": "One row per time, in order.",
    "age_not_negative": "No row shows a snapshot from its future.",
}
BAR_CHECKS: Final[Mapping[str, str]] = {
    "rows_equal_session_seconds": "One row for every second of the trading hours.",
    **_COMMON,
    "volume_equals_bars": "Volume of the rows and of the bars outside trading hours add up to that of the bars.",
    "price_near_spot": f"The middle ratio of price to fresh spot lies within {PRICE_NEAR_SPOT_FRAC:.0%} of 1.",
    "features_vary": f"No measured column has one value over {CONSTANT_MIN_SNAPSHOTS} snapshots or more.",
    "gex_gaps": f"At most {GEX_GAP_FRAC_WARN:.0%} of the underlying's regular hours without a fresh snapshot (warning).",
}
ALIGNMENT_CHECKS: Final[Mapping[str, str]] = {
    "rows_equal_ticks": "One row per tick.",
    "age_not_negative": _COMMON["age_not_negative"],
    "gex_gaps": "The share of ticks in the underlying's regular hours without a fresh snapshot "
    f"is at most {GEX_GAP_FRAC_WARN:.0%} (warning).",
}


def session_seconds(session: Session) -> int:
    """Return the number of seconds of a session's trading hours."""
    return sum((end - first) // MICROSECONDS for first, end in trading_spans(session))


def outside_hours_volume(bars: pl.DataFrame, session: Session) -> int:
    """Return the volume of the bars that have no row, because they lie outside the trading hours or in a break."""
    opens = times_us(bars, "ts_open")
    inside = within(opens, tuple(trading_spans(session)))
    return int(bars["volume"].filter(pl.Series(~inside)).sum())


def enriched_facts(frame: pl.DataFrame, session: Session, regular_us: tuple[tuple[int, int], ...]) -> dict[str, Json]:
    """Measure a day of ``enriched_bars``.

    Args:
        frame: the rows.
        session: whose grid they are.
        regular_us: regular hours of the underlying, half-open spans, epoch microseconds UTC.

    Returns:
        Small JSON values, deterministic. Shares end in ``_frac`` and are null without rows.
    """
    times = times_us(frame)
    regular = within(times, regular_us)
    attached = frame.filter(pl.col("spot").is_not_null()).unique("source_snapshot_ts", maintain_order=True)
    fresh = frame.filter(~pl.col("gex_gap"))
    ratio = (fresh["close"] / fresh["spot"]).drop_nulls()
    age_ms = frame["gex_age_ms"]
    gap = frame["gex_gap"]
    return {
        "rows": frame.height,
        "session_seconds": session_seconds(session),
        "disordered_rows": int((np.diff(times) <= 0).sum()),
        "negative_ages": int((age_ms < 0).sum()),
        "largest_age_ms": _whole(age_ms.max()),
        "snapshots_shown": frame["source_snapshot_ts"].drop_nulls().n_unique(),
        "tick_gap_frac": _share(frame["tick_gap"]),
        "gex_gap_frac": _share(gap),
        "gex_gap_regular_frac": _share(gap.filter(pl.Series(regular))),
        "preopen_frac": _share(frame["is_preopen_snapshot"]),
        "chain_gap_frac": _share(frame["chain_gap"]),
        "volume_sum": int(frame["volume"].sum()),
        "first_ts_us": int(times[0]) if len(times) else None,
        "last_ts_us": int(times[-1]) if len(times) else None,
        "price_to_spot": None if ratio.is_empty() else float(np.median(ratio.to_numpy())),
        "basis_median": _number(frame["basis"].median()),
        "constant_features": _constant(attached),
        "snapshots_with_values": attached.height,
    }


def check_bar_facts(facts: Mapping[str, Json], session: Session) -> tuple[CheckResult, ...]:  # noqa: ARG001
    """Judge a day of ``enriched_bars`` by its facts; pure. The order is that of ``BAR_CHECKS``."""
    if not facts:
        return ()
    rows, seconds = facts["rows"], facts["session_seconds"]
    return (
        _error(
            "rows_equal_session_seconds",
            rows == seconds,
            f"{rows} rows, the session has {seconds} seconds of trading hours",
            rows=rows,
            session_seconds=seconds,
        ),
        _error(
            "ordered",
            facts["disordered_rows"] == 0,
            f"{facts['disordered_rows']} rows do not follow the one before them",
        ),
        _ages(facts),
        _volume(facts),
        _near_spot(facts),
        _varies(facts),
        _gaps(facts),
    )


def check_alignment_facts(facts: Mapping[str, Json], session: Session) -> tuple[CheckResult, ...]:  # noqa: ARG001
    """Judge a day of ``gex_alignment`` by its facts; pure. The order is that of ``ALIGNMENT_CHECKS``."""
    if not facts:
        return ()
    rows, ticks = facts["rows"], facts["ticks"]
    return (
        _error("rows_equal_ticks", rows == ticks, f"{rows} rows, {ticks} ticks", rows=rows, ticks=ticks),
        _ages(facts),
        _gaps(facts),
    )


def _ages(facts: Mapping[str, Json]) -> CheckResult:
    return _error(
        "age_not_negative",
        facts["negative_ages"] == 0,
        f"{facts['negative_ages']} rows show a snapshot from their future; the oldest one shown is {facts['largest_age_ms']} ms old",
        negative_ages=facts["negative_ages"],
        largest_age_ms=facts["largest_age_ms"],
    )


def _volume(facts: Mapping[str, Json]) -> CheckResult:
    volume, outside, of_bars = facts["volume_sum"], facts.get("outside_hours_volume"), facts.get("bars_volume_sum")
    whole = volume if not isinstance(outside, int) or not isinstance(volume, int) else volume + outside
    return _error(
        "volume_equals_bars",
        of_bars in (None, whole),
        f"rows hold {volume} contracts and the bars outside trading hours {outside or 0}, the footer of the bars says {of_bars}",
        volume=volume,
        bars_volume=of_bars,
    )


def _near_spot(facts: Mapping[str, Json]) -> CheckResult:
    ratio = facts["price_to_spot"]
    return _error(
        "price_near_spot",
        not isinstance(ratio, float) or abs(ratio - 1) <= PRICE_NEAR_SPOT_FRAC,
        "no row has both a price and a fresh spot"
        if ratio is None
        else f"middle ratio of price to spot {ratio:.4f}, limit 1 +- {PRICE_NEAR_SPOT_FRAC:.2f}",
        price_to_spot=ratio,
    )


def _varies(facts: Mapping[str, Json]) -> CheckResult:
    constant = facts["constant_features"]
    names = list(constant) if isinstance(constant, list | tuple) else []
    return _error(
        "features_vary",
        not names,
        f"{', '.join(map(str, names))} never change over {facts['snapshots_with_values']} snapshots"
        if names
        else f"every measured column varies, or there are fewer than {CONSTANT_MIN_SNAPSHOTS} snapshots",
        snapshots=facts["snapshots_with_values"],
    )


def _gaps(facts: Mapping[str, Json]) -> CheckResult:
    share = facts["gex_gap_regular_frac"]
    known = float(share) if isinstance(share, float) else 0.0
    expected = facts.get("gex_day_is_expected") is not False
    there = facts.get("gex_day_is_stored") is not False
    category, there_are, lacks_category = facts.get("gex_category"), facts.get("gex_categories"), False
    text = f"{known:.2%} of the underlying's regular hours without a fresh snapshot, limit {GEX_GAP_FRAC_WARN:.0%}"
    if not expected:
        text = "the underlying has no session on this date"
    elif not there:
        text = "the feed has no partition of this date: every row is a gap, and shows the last snapshot of the day before if that is stored"
    elif isinstance(there_are, list | tuple) and there_are and category not in there_are:
        lacks_category = True
        text = (
            f"the feed's partition of this date has no {category}, only {', '.join(map(str, there_are))}: every row is a gap; "
            "TP_GEX_CATEGORY chooses the category, tp gex fetch brings another one"
        )
    return CheckResult(
        "gex_gaps",
        not expected or (there and not lacks_category and known <= GEX_GAP_FRAC_WARN),
        Severity.WARN,
        text,
        {"gex_gap_regular_frac": share, "gex_gap_frac": facts["gex_gap_frac"]},
    )


def _constant(attached: pl.DataFrame) -> list[str]:
    """Return the measured columns that have one value in all of many snapshots."""
    if attached.height < CONSTANT_MIN_SNAPSHOTS:
        return []
    values = {name: attached[name].drop_nulls() for name in MEASURED}
    return [
        name for name, known in values.items() if len(known) >= CONSTANT_MIN_SNAPSHOTS and known.min() == known.max()
    ]


def _share(flags: pl.Series) -> float | None:
    return None if flags.is_empty() else int(flags.sum()) / len(flags)


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) else None


def _error(name: str, passed: bool, description: str, **values: Json) -> CheckResult:  # noqa: FBT001
    return CheckResult(name, passed, Severity.ERROR, description, values)
