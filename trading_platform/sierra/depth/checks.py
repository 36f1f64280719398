"""Judging a day of book events by its facts.

Belongs here: the data checks of ``depth_events``, pure functions of facts. Does not belong here: measuring (``facts.py``) and checks that
need a book (crossed books: ``depth_metrics``).
"""

from __future__ import annotations

from collections.abc import Mapping

from ...lake import CheckResult, Json, Severity
from ..checks import GAP_WARN_S, check_rejects, check_zero_tail, number

# Snapshots come about every ten minutes, not on a strict grid.
BOOK_UNKNOWN_WARN_S = 20 * 60.0

CHECKS: Mapping[str, str] = {
    "rejects_below_limit": "At most 0.01 % of the records are refused (error).",
    "time_order": "Time never decreases in file order (warning).",
    "files_present": "Every UTC day on which the session trades has a file (warning).",
    "book_known": "The book is known within 20 minutes, summed over the files of the day (warning).",
    "session_edges": "Events begin and end within 30 minutes of the session's open and close (warning).",
    "zero_tail": "No zero records follow the last event of the day once its session is over (warning; error above 0.01 % of its rows).",
}


def check_depth(facts: Mapping[str, Json], *, session_over: bool) -> tuple[CheckResult, ...]:
    """Judge a day.

    Args:
        facts: as the builder reports and ``measure`` recomputes them; empty for a day without a file or without a session.
        session_over: False while the session may still add events: then the distance of the last one to the close says nothing.

    Returns:
        One result per check; none without facts.
    """
    if not facts:
        return ()
    return (
        check_rejects(facts),
        _time_order(facts),
        _files(facts),
        _book_known(facts),
        _edges(facts, session_over=session_over),
        check_zero_tail(facts),
    )


def _time_order(facts: Mapping[str, Json]) -> CheckResult:
    decreased, largest = int(number(facts, "ts_decreased_rows")), number(facts, "max_time_decrease_s")
    return CheckResult(
        "time_order",
        decreased == 0,
        Severity.WARN,
        f"time decreases at {decreased} rows, by {largest:.6f} s at most, expected 0; they are kept in file order",
        {"ts_decreased_rows": decreased, "max_time_decrease_s": largest},
    )


def _files(facts: Mapping[str, Json]) -> CheckResult:
    missing = facts.get("missing_files")
    names = [str(name) for name in missing] if isinstance(missing, list | tuple) else []
    return CheckResult(
        "files_present",
        not names,
        Severity.WARN,
        f"missing: {', '.join(names)}; the book of these hours is not known"
        if names
        else "every UTC day of the session has a file",
        {"missing_files": len(names)},
    )


def _book_known(facts: Mapping[str, Json]) -> CheckResult:
    seconds = number(facts, "seconds_before_first_snapshot")
    return CheckResult(
        "book_known",
        seconds <= BOOK_UNKNOWN_WARN_S,
        Severity.WARN,
        f"book unknown for {seconds:.0f} s before the first snapshots of the files had ended, limit {BOOK_UNKNOWN_WARN_S:.0f} s",
        {"seconds_before_first_snapshot": seconds},
    )


def _edges(facts: Mapping[str, Json], *, session_over: bool) -> CheckResult:
    gaps = {
        "open_gap_s": number(facts, "open_gap_s"),
        "close_gap_s": number(facts, "close_gap_s") if session_over else 0.0,
    }
    return CheckResult(
        "session_edges",
        number(facts, "rows") > 0 and all(gap <= GAP_WARN_S for gap in gaps.values()),
        Severity.WARN,
        f"first event {gaps['open_gap_s']:.0f} s after the open, last one {gaps['close_gap_s']:.0f} s before the close; "
        f"limit {GAP_WARN_S:.0f} s",
        gaps,
    )
