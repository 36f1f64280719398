"""Judging a day of ticks by its facts.

Belongs here: the data checks of ``ticks``, pure functions of facts. Does not belong here: measuring (``facts.py``).
"""

from __future__ import annotations

from collections.abc import Mapping

from ..lake import CheckResult, Json, Severity
from ..sessions import Session, silence_limit_s

REJECTED_FRAC_MAX = 0.0001
CROSSED_FRAC_WARN, CROSSED_FRAC_MAX = 0.001, 0.05
ON_GRID_FRAC_MIN = 0.999
VOLUME_SPLIT_FRAC_WARN = 0.01
GAP_WARN_S = 30 * 60.0
# One step in price, from one trade to the next. A warning only: a step of a few percent has happened (flash crashes, reopenings after a
# halt), and a single price off by half or more is refused record by record before it gets here.
JUMP_FRAC_WARN = 0.01
# Doubled records double volumes, so above this share the numbers of the day are wrong.
DUPLICATE_FRAC_MAX = 0.001
ZERO_TAIL_FRAC_MAX = 0.0001
WHOLE_UNTIL_S = 5 * 60.0  # a day whose last row is closer to the close has most likely lost nothing to a zero tail

CHECKS: Mapping[str, str] = {
    "rejects_below_limit": "At most 0.01 % of the records are refused (error).",
    "time_order": "Time never decreases in file order, but where a repeated block begins (warning).",
    "duplicate_records": "No block of records stands in the file twice (warning; error above 0.1 % of the rows).",
    "crossed_quotes": "Bid above ask at no more than 0.1 % of the rows (warning), 5 % (error).",
    "on_tick_grid": "At least 99.9 % of the prices lie on the tick grid (error).",
    "inside_trading_hours": "No row lies outside the trading hours of the session (warning).",
    "price_jumps": "No price differs from the one before it by more than 1 % (warning).",
    "session_gaps": "No silence of more than 30 minutes inside trading hours, longer where little trades (warning).",
    "volume_split": "Volume equals bid plus ask volume at 99 % of the rows (warning).",
    "zero_tail": "No zero records follow the last day of the file once its session is over (warning; error above 0.01 % of its rows).",
    "stray_records": "No records of other days lie between the records of this day (warning).",
}


def check_ticks(facts: Mapping[str, Json], session: Session, *, session_over: bool) -> tuple[CheckResult, ...]:
    """Judge a day.

    Args:
        facts: as the builder reports and ``measure`` recomputes them; empty for a day without a file or without a session.
        session: the day's trading hours.
        session_over: False while the session may still add ticks: then the distance of the last tick to the close says nothing.

    Returns:
        One result per check; none without facts.
    """
    if not facts:
        return ()
    return (
        check_rejects(facts),
        _time_order(facts),
        _duplicates(facts),
        _crossed(facts),
        _grid(facts),
        _outside_hours(facts),
        _jumps(facts),
        _gaps(facts, session, session_over=session_over),
        _volume_split(facts),
        check_zero_tail(facts),
        _strays(facts),
    )


def number(facts: Mapping[str, Json], name: str) -> float:
    """Return a numeric fact; 0 if it is absent or null."""
    value = facts.get(name)
    return float(value) if isinstance(value, int | float) else 0.0


def _share(facts: Mapping[str, Json], name: str) -> float:
    rows = number(facts, "rows")
    return number(facts, name) / rows if rows else 0.0


def check_rejects(facts: Mapping[str, Json]) -> CheckResult:
    """Judge ``rejected_rows`` against ``rows``; ``first_reject`` is named if it is there."""
    rejected = number(facts, "rejected_rows")
    total = number(facts, "rows") + rejected
    share = rejected / total if total else 0.0
    first = facts.get("first_reject")
    return CheckResult(
        "rejects_below_limit",
        share <= REJECTED_FRAC_MAX,
        Severity.ERROR,
        f"{rejected:.0f} of {total:.0f} records refused ({share:.4%}), limit {REJECTED_FRAC_MAX:.2%}"
        + (f"; first: {first}" if isinstance(first, str) else ""),
        {"rejected_rows": int(rejected), "rejected_frac": share},
    )


def _time_order(facts: Mapping[str, Json]) -> CheckResult:
    decreased = int(number(facts, "ts_decreased_rows"))
    # Every repeated block begins with a decrease; that is what ``duplicate_records`` is there for.
    repeated = min(decreased, int(number(facts, "duplicate_blocks")))
    return CheckResult(
        "time_order",
        decreased == repeated,
        Severity.WARN,
        f"time decreases at {decreased} rows, {repeated} of them the beginning of a repeated block, expected no others; they are kept in "
        "file order and flagged",
        {"ts_decreased_rows": decreased, "duplicate_blocks": repeated},
    )


def _duplicates(facts: Mapping[str, Json]) -> CheckResult:
    records, share = int(number(facts, "duplicate_records")), _share(facts, "duplicate_records")
    return CheckResult(
        "duplicate_records",
        records == 0,
        Severity.ERROR if share > DUPLICATE_FRAC_MAX else Severity.WARN,
        f"{records} records in {number(facts, 'duplicate_blocks'):.0f} blocks repeat earlier ones byte by byte"
        + (f", the first from {facts.get('duplicate_at')} on" if records else "")
        + f", expected 0; error above {DUPLICATE_FRAC_MAX:.1%} of the rows",
        {"duplicate_records": records, "duplicate_frac": share},
    )


def _crossed(facts: Mapping[str, Json]) -> CheckResult:
    share = _share(facts, "crossed_rows")
    severity = Severity.ERROR if share > CROSSED_FRAC_MAX else Severity.WARN
    return CheckResult(
        "crossed_quotes",
        share <= CROSSED_FRAC_WARN,
        severity,
        f"bid above ask at {share:.3%} of the rows, warning above {CROSSED_FRAC_WARN:.1%}, error above {CROSSED_FRAC_MAX:.0%}",
        {"crossed_frac": share},
    )


def _grid(facts: Mapping[str, Json]) -> CheckResult:
    share = 1.0 - _share(facts, "off_tick_rows")
    return CheckResult(
        "on_tick_grid",
        share >= ON_GRID_FRAC_MIN,
        Severity.ERROR,
        f"{share:.3%} of the prices were on the tick grid, expected at least {ON_GRID_FRAC_MIN:.1%}",
        {"on_grid_frac": share},
    )


def _outside_hours(facts: Mapping[str, Json]) -> CheckResult:
    rows = int(number(facts, "outside_hours_rows"))
    return CheckResult(
        "inside_trading_hours",
        rows == 0,
        Severity.WARN,
        f"{rows} rows lie outside trading hours, expected 0; they belong to this trade date and are kept",
        {"outside_hours_rows": rows},
    )


def _jumps(facts: Mapping[str, Json]) -> CheckResult:
    """Judge the largest step against the largest price of the day: near zero (CL in April 2020) a price is no measure of itself."""
    level = max(abs(number(facts, "price_min")), abs(number(facts, "price_max")))
    jump = number(facts, "largest_jump")
    share = jump / level if level else 0.0
    return CheckResult(
        "price_jumps",
        share <= JUMP_FRAC_WARN,
        Severity.WARN,
        f"largest step from one trade to the next {jump:g} points at {facts.get('jump_at')}, {share:.2%} of the largest price of the day; "
        f"limit {JUMP_FRAC_WARN:.0%}",
        {"largest_jump": jump, "largest_jump_frac": share},
    )


def _gaps(facts: Mapping[str, Json], session: Session, *, session_over: bool) -> CheckResult:
    gaps = {
        "largest_gap_s": number(facts, "largest_gap_s"),
        "open_gap_s": number(facts, "open_gap_s"),
        "close_gap_s": number(facts, "close_gap_s") if session_over else 0.0,
    }
    limit_s = silence_limit_s(session, int(number(facts, "rows")), at_least_s=GAP_WARN_S)
    return CheckResult(
        "session_gaps",
        number(facts, "rows") > 0 and all(gap <= limit_s for gap in gaps.values()),
        Severity.WARN,
        f"longest silence inside trading hours {gaps['largest_gap_s']:.0f} s at {facts.get('gap_at')}, "
        f"{gaps['open_gap_s']:.0f} s after the open, {gaps['close_gap_s']:.0f} s before the close; limit {limit_s:.0f} s at this number of "
        "trades",
        {**gaps, "limit_s": limit_s},
    )


def _volume_split(facts: Mapping[str, Json]) -> CheckResult:
    share = _share(facts, "volume_split_rows")
    return CheckResult(
        "volume_split",
        share <= VOLUME_SPLIT_FRAC_WARN,
        Severity.WARN,
        f"volume differs from bid plus ask volume at {share:.3%} of the rows, limit {VOLUME_SPLIT_FRAC_WARN:.0%}",
        {"volume_split_frac": share},
    )


def check_zero_tail(facts: Mapping[str, Json]) -> CheckResult:
    """Judge ``zero_tail`` against ``rows`` and ``close_gap_s``."""
    zeros = int(number(facts, "zero_tail"))
    lost = zeros > ZERO_TAIL_FRAC_MAX * number(facts, "rows") and number(facts, "close_gap_s") > WHOLE_UNTIL_S
    return CheckResult(
        "zero_tail",
        zeros == 0,
        Severity.ERROR if lost else Severity.WARN,
        f"{zeros} zero records follow the last record of the file although the session is over, expected 0; records were lost, or "
        f"are still to be downloaded; error above "
        f"{ZERO_TAIL_FRAC_MAX:.2%} of the rows if the last one is more than {WHOLE_UNTIL_S:.0f} s before the close",
        {"zero_tail": zeros},
    )


def _strays(facts: Mapping[str, Json]) -> CheckResult:
    strays = int(number(facts, "stray_records"))
    return CheckResult(
        "stray_records",
        strays == 0,
        Severity.WARN,
        f"{strays} records of other days lie between the records of this day, expected 0; each is stored with its own day",
        {"stray_records": strays},
    )
