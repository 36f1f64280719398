"""Facts about a day of snapshots and the checks that judge them.

Belongs here: pure functions from columns to facts, and from facts to check results. Does not belong here: reading files, rules for single
rows (the contract).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from ..instants import MICROSECONDS
from ..lake import CheckResult, Json, Severity
from ..sessions import Session, trading_spans
from .acceptance import CONFLICT, DUPLICATES
from .columns import PRIOR_MINUTES, Floats, Ints

# Minutes of snapshots that a day may lose and still be used: 4 of 390.
REJECTED_MOST_FRAC: Final = 0.01
# Damage can make one refused element of many; its bytes tell. Elements differ in length, hence twice the share.
REFUSED_BYTES_MOST_FRAC: Final = 0.02
# Two observations of one second that differ mean two writers; a few come from a reconnect.
CONFLICTS_MOST_FRAC: Final = 0.01
# No strike with the largest exposure lies farther from spot; an amount of gamma taken for a strike does.
MAJOR_MOST_FRAC: Final = 0.20
FAR_MOST_FRAC: Final = 0.01
COVERED_LEAST_FRAC: Final = 0.95
GAP_WARN_S: Final = 60
# Fewer snapshots may well be equal.
CONSTANT_LEAST_ROWS: Final = 300

MAJORS: Final = ("major_pos_vol_strike", "major_pos_oi_strike", "major_neg_vol_strike", "major_neg_oi_strike")
# Sums of many moving parts: never equal for a whole day.
MOVING: Final = (
    "spot",
    "zero_gamma",
    "sum_gex_vol",
    "sum_gex_oi",
    *(f"max_prior_{minutes}_change" for minutes in PRIOR_MINUTES),
)
# Strikes and rounded measures: equal for a whole day only on a very quiet one.
SLOW: Final = ("delta_risk_reversal", "major_pos_vol_strike", "major_neg_vol_strike")
FACT_COLUMNS: Final = tuple(dict.fromkeys(("ts", "category", *MOVING, *SLOW, *MAJORS, "strikes_n")))

CHECKS: Final[Mapping[str, str]] = {
    "rejects_below_limit": f"At most {REJECTED_MOST_FRAC:.0%} of the elements of the files, and {REFUSED_BYTES_MOST_FRAC:.0%} of their "
    "bytes, are malformed or foreign (error).",
    "one_snapshot_per_second": f"No second has two different snapshots (warning; error above {CONFLICTS_MOST_FRAC:.0%}).",
    "times_in_order": "Times ascend in the files; rows are stored in order anyway (warning).",
    "spot_in_band": "Every category has a spot, and its median lies in the instrument's price band (error).",
    "majors_near_spot": f"Major strikes lie within {MAJOR_MOST_FRAC:.0%} of spot in all but {FAR_MOST_FRAC:.0%} of the snapshots (error).",
    "columns_move": "No sum, level or change is the same all day (error).",
    "strikes_move": "No major strike or skew is the same all day (warning).",
    "session_covered": f"At least {COVERED_LEAST_FRAC:.0%} of the minutes of trading hours have a snapshot (warning).",
    "files_of_closed_days": "No file is dated on a day without trading since the trade date before (warning, E280).",
    "no_long_gap": f"No {GAP_WARN_S} s of trading hours without a snapshot (warning).",
}
Columns = Mapping[str, npt.NDArray[Any]]


def snapshot_facts(columns: Columns, session: Session) -> dict[str, Json]:
    """Measure a day of rows.

    Args:
        columns: ``FACT_COLUMNS`` as arrays; ts as epoch seconds, missing numbers as NaN.
        session: the day's session.

    Returns:
        Small JSON values by category where they differ; deterministic, the input of ``check_snapshots``.
    """
    seconds, category = columns["ts"], columns["category"]
    facts: dict[str, Json] = {
        "rows": len(seconds),
        "first_s": int(seconds.min()) if len(seconds) else None,
        "last_s": int(seconds.max()) if len(seconds) else None,
    }
    snapshots: dict[str, Json] = {}
    spots: dict[str, Json] = {}
    covered: dict[str, Json] = {}
    gaps: dict[str, Json] = {}
    moving: list[str] = []
    slow: list[str] = []
    for name in sorted(set(category.tolist())):
        rows = category == name
        own = {key: values[rows] for key, values in columns.items()}
        snapshots[name] = len(own["ts"])
        known = own["spot"][~np.isnan(own["spot"])]
        spots[name] = float(np.median(known)) if len(known) else None
        covered[name], gaps[name] = _coverage(own["ts"], session)
        moving += [f"{name}.{key}" for key in MOVING if is_constant(own[key])]
        slow += [f"{name}.{key}" for key in SLOW if is_constant(own[key])]
    far, compared = _far_majors(columns)
    return {
        **facts,
        "snapshots": snapshots,
        "median_spot": spots,
        "covered_frac": covered,
        "max_gap_s": gaps,
        "constant_columns": moving,
        "constant_strikes": slow,
        "far_majors": far,
        "compared_majors": compared,
        "without_ladder": int(np.count_nonzero(np.isnan(columns["strikes_n"]))),
    }


def is_constant(values: Floats) -> bool:
    """Tell whether a column holds one value in at least ``CONSTANT_LEAST_ROWS`` rows that have one; nulls are no values."""
    known = values[~np.isnan(values)]
    return len(known) >= CONSTANT_LEAST_ROWS and bool((known == known[0]).all())


def _coverage(seconds: Ints, session: Session) -> tuple[float | None, int | None]:
    """Return the share of minutes of trading hours with a snapshot, and the longest time without one; None without trading hours."""
    minutes = heard_minutes = longest = 0
    spans = [(first // MICROSECONDS, end // MICROSECONDS) for first, end in trading_spans(session)]
    for first, end in spans:
        heard = seconds[(seconds >= first) & (seconds < end)]
        minutes += (end - first) // 60
        heard_minutes += len(np.unique((heard - first) // 60))
        edges = np.concatenate(([first], heard, [end]))
        longest = max(longest, int(np.diff(edges).max()))
    return (heard_minutes / minutes if minutes else None, longest) if spans else (None, None)


def _far_majors(columns: Columns) -> tuple[int, int]:
    """Return how many snapshots have a major strike far from spot, and how many could be compared."""
    spot = columns["spot"]
    with np.errstate(invalid="ignore"):
        distance = np.abs(np.column_stack([columns[name] for name in MAJORS]) / spot[:, None] - 1.0)
        far = (distance > MAJOR_MOST_FRAC).any(axis=1)
    return int(np.count_nonzero(far)), int(np.count_nonzero(~np.isnan(distance).all(axis=1)))


def check_snapshots(
    facts: Mapping[str, Any], *, price_band: tuple[float, float], session_over: bool
) -> tuple[CheckResult, ...]:
    """Judge a day by its facts; pure.

    Args:
        facts: as the builder reports and ``measure`` recomputes them; empty for a day without a file.
        price_band: lowest and highest credible median of the instrument, points.
        session_over: False while the session may still add snapshots: then silence at its end means nothing.

    Returns:
        One result per check; none for a day whose files hold no element.
    """
    if not facts or not facts.get("elements"):
        return ()
    return (
        check_rejects(facts),
        _conflicts(facts),
        _order(facts),
        _spot(facts, price_band),
        _majors(facts),
        _constant("columns_move", facts["constant_columns"], Severity.ERROR),
        _constant("strikes_move", facts["constant_strikes"], Severity.WARN),
        _closed_days(facts),
        *(_coverage_checks(facts) if session_over else ()),
    )


def check_rejects(facts: Mapping[str, Any]) -> CheckResult:
    """Judge the share of refused elements and of their bytes, second observations left out."""
    bad = {reason: number for reason, number in facts["refused"].items() if reason not in DUPLICATES}
    refused, elements = sum(bad.values()), facts["elements"]
    named = ", ".join(f"{reason} {number}" for reason, number in bad.items())
    # Days stored before bytes were counted have none.
    lost, read = facts.get("bytes_refused") or 0, facts.get("bytes_read") or 0
    return CheckResult(
        "rejects_below_limit",
        refused <= REJECTED_MOST_FRAC * elements and lost <= REFUSED_BYTES_MOST_FRAC * read,
        Severity.ERROR,
        f"{refused} of {elements} elements refused{f' ({named})' if named else ''}, at most {REJECTED_MOST_FRAC:.0%} allowed; they hold "
        f"{lost} of {read} bytes, at most {REFUSED_BYTES_MOST_FRAC:.0%} allowed",
        {"refused": refused, "elements": elements, "bytes_refused": lost, "bytes_read": read},
    )


def _conflicts(facts: Mapping[str, Any]) -> CheckResult:
    conflicts, elements = facts["refused"].get(CONFLICT, 0), facts["elements"]
    grave = conflicts > CONFLICTS_MOST_FRAC * elements
    return CheckResult(
        "one_snapshot_per_second",
        conflicts == 0,
        Severity.ERROR if grave else Severity.WARN,
        f"{conflicts} snapshots differ from an earlier one of the same second, expected 0; the first one was kept",
        {"conflicts": conflicts, "elements": elements},
    )


def _order(facts: Mapping[str, Any]) -> CheckResult:
    late = facts["out_of_order"]
    return CheckResult(
        "times_in_order",
        late == 0,
        Severity.WARN,
        f"{late} snapshots stand behind a later one in their file, expected 0; they were stored in the order of their times",
        {"out_of_order": late},
    )


def _spot(facts: Mapping[str, Any], price_band: tuple[float, float]) -> CheckResult:
    low, high = price_band
    spots = {name: value for name, value in facts["median_spot"].items() if value is not None}
    outside = {name: value for name, value in spots.items() if not low <= value <= high}
    unknown = [name for name, value in facts["median_spot"].items() if value is None]
    shown = ", ".join(
        [*(f"{name} {value:,.2f}" for name, value in (outside or spots).items()), *(f"{name} none" for name in unknown)]
    )
    return CheckResult(
        "spot_in_band",
        not outside and not unknown,
        Severity.ERROR,
        f"median spot {shown or 'none'}, expected {low:,.0f} to {high:,.0f}",
        {"median_spot": spots},
    )


def _majors(facts: Mapping[str, Any]) -> CheckResult:
    far, compared = facts["far_majors"], facts["compared_majors"]
    return CheckResult(
        "majors_near_spot",
        far <= FAR_MOST_FRAC * compared,
        Severity.ERROR,
        f"{far} of {compared} snapshots have a major strike more than {MAJOR_MOST_FRAC:.0%} from spot, at most {FAR_MOST_FRAC:.0%} "
        "allowed: majors are strikes and no amounts",
        {"far_majors": far, "compared_majors": compared},
    )


def _constant(name: str, constant: Sequence[str], severity: Severity) -> CheckResult:
    return CheckResult(
        name,
        not constant,
        severity,
        f"the same in all rows: {', '.join(constant)}" if constant else "every column changes during the day",
        {"constant": list(constant)},
    )


def _closed_days(facts: Mapping[str, Any]) -> CheckResult:
    # Days stored before this was looked at have no such fact.
    unused = facts.get("files_of_closed_days") or []
    return CheckResult(
        "files_of_closed_days",
        not unused,
        Severity.WARN,
        "; ".join(unused) or "no file is dated on a day without trading since the trade date before",
        {"files_of_closed_days": list(unused)},
    )


def _coverage_checks(facts: Mapping[str, Any]) -> tuple[CheckResult, CheckResult]:
    covered = {name: value for name, value in facts["covered_frac"].items() if value is not None}
    gaps = {name: value for name, value in facts["max_gap_s"].items() if value is not None}
    least, longest = min(covered.values(), default=0.0), max(gaps.values(), default=0)
    return (
        CheckResult(
            "session_covered",
            least >= COVERED_LEAST_FRAC,
            Severity.WARN,
            f"{least:.1%} of the minutes of trading hours have a snapshot, expected {COVERED_LEAST_FRAC:.0%}",
            {"covered_frac": covered},
        ),
        CheckResult(
            "no_long_gap",
            longest < GAP_WARN_S,
            Severity.WARN,
            f"longest time without a snapshot in trading hours {longest} s, limit {GAP_WARN_S} s",
            {"max_gap_s": gaps},
        ),
    )
