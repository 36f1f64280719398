"""Facts about a day of book measures and the checks that judge them.

Belongs here: pure functions from rows and counts to facts, and from facts to check results. The same checks keep a bad day out of the lake
and are published as asset checks. Does not belong here: reading files (``builder.py``), the column rules of the dataset contract.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from ..instants import MICROSECONDS
from ..lake.building import CheckResult, Json, Severity
from ..sessions import silence_limit_s, trading_spans
from .grid import Ints

if TYPE_CHECKING:
    from ..sessions import Session

# A file may begin up to ten minutes before its first snapshot, and a trade date has two files: 20 minutes of 23 hours are 1.5 %.
KNOWN_LEAST_FRAC: Final = 0.95
# A halt of the market (15 minutes at the first level of a circuit breaker) may leave a crossed book, 1.1 % of 23 hours; sides taken for
# each other or deletes that were lost cross it for most of the day.
CROSSED_MOST_FRAC: Final = 0.02
# Events of index futures rarely stop for one minute; where little is quoted, the limit follows the number of batches.
SILENCE_S: Final = 300
# Snapshots repair a lost event within minutes; more deletes without a level than this mean that many events are missing.
ABSENT_MOST_FRAC: Final = 0.001
CHECKS: Final[Mapping[str, str]] = {
    "update_counts_equal_events": "Every event and every ended batch of the events read is counted in exactly one second, without a gap.",
    "not_crossed_in_session": f"The best bid is above the best ask in at most {CROSSED_MOST_FRAC:.0%} of the seconds in trading hours.",
    "book_known_most_of_session": f"The book is known in at least {KNOWN_LEAST_FRAC:.0%} of the trading hours (warning).",
    "no_long_silence": f"No {SILENCE_S} s inside the trading hours without the end of a batch, longer where little is quoted (warning).",
    "deletes_find_their_level": f"At most {ABSENT_MOST_FRAC:.1%} of the updates delete a level that is not there (warning).",
}
Columns = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True, slots=True)
class EventTotals:
    """What the events that were read add up to, counted on their columns and not through the seconds.

    Attributes:
        events: rows.
        snapshot_rows: rows inside snapshots.
        batches: rows that end a batch.
    """

    events: int
    snapshot_rows: int
    batches: int


def _spans_s(session: Session) -> list[tuple[int, int]]:
    """Return the trading hours in epoch seconds; edges of sessions are whole seconds."""
    return [(first // MICROSECONDS, end // MICROSECONDS) for first, end in trading_spans(session)]


def inside(second: Ints, session: Session) -> npt.NDArray[np.bool_]:
    """Tell which seconds lie in trading hours."""
    found = np.zeros(len(second), np.bool_)
    for first, end in _spans_s(session):
        found |= (second >= first) & (second < end)
    return found


def silences(second: Ints, batches: Ints, session: Session) -> dict[str, Json]:
    """Measure how long no batch ended inside the trading hours, in whole seconds.

    The stretches before the first and after the last row count as well: a file that ends at noon shows as a silence until the close.

    Returns:
        max_gap_s, max_gap_from_us (epoch microseconds UTC, null without trading hours), long_gaps (of at least ``SILENCE_S``).
    """
    longest, longest_from, long_gaps = 0, None, 0
    busy = second[batches > 0]
    for first, end in _spans_s(session):
        heard = busy[(busy >= first) & (busy < end)]
        silent_from = np.concatenate((np.array([first]), heard + 1))
        silent_for = np.concatenate((heard, np.array([end]))) - silent_from
        at = int(silent_for.argmax())
        long_gaps += int(np.count_nonzero(silent_for >= SILENCE_S))
        if longest_from is None or int(silent_for[at]) > longest:
            longest, longest_from = int(silent_for[at]), int(silent_from[at]) * MICROSECONDS
    return {"max_gap_s": longest, "max_gap_from_us": longest_from, "long_gaps": long_gaps}


def metric_facts(columns: Columns, totals: EventTotals, upstream_rows: int, session: Session) -> dict[str, Json]:
    """Measure a day of rows.

    Args:
        columns: stored columns as arrays, ``ts`` as epoch microseconds, missing numbers as NaN.
        totals: counts over the events that were read.
        upstream_rows: rows in the footer of the events.
        session: the day's session.

    Returns:
        Small JSON values; deterministic, the input of ``check_facts``.
    """
    second = columns["ts"] // MICROSECONDS
    spread, in_session, known = columns["spread"], columns["in_session"], ~np.isnan(columns["age_ms"])
    crossed, both = spread < 0, ~np.isnan(spread)
    session_seconds = sum(end - first for first, end in _spans_s(session))
    known_in_session = int(np.count_nonzero(known & in_session))
    rows = len(second)
    inside_spread = spread[both & in_session]
    return {
        "rows": rows,
        "first_second_us": int(columns["ts"][0]) if rows else None,
        "last_second_us": int(columns["ts"][-1]) if rows else None,
        "missing_seconds": int(second[-1] - second[0]) + 1 - rows if rows else 0,
        "events": totals.events,
        "upstream_events": upstream_rows,
        "updates": int(columns["updates"].sum()),
        "snapshot_rows": int(columns["snapshot_rows"].sum()),
        "event_snapshot_rows": totals.snapshot_rows,
        "batches": int(columns["batches"].sum()),
        "event_batches": totals.batches,
        "seconds_unknown": int(np.count_nonzero(~known)),
        "seconds_one_sided": int(np.count_nonzero(known & ~both)),
        "session_seconds": session_seconds,
        "session_seconds_known": known_in_session,
        "session_seconds_two_sided": len(inside_spread),
        "crossed_seconds_in_session": int(np.count_nonzero(crossed & in_session)),
        "crossed_seconds_outside": int(np.count_nonzero(crossed & ~in_session)),
        "locked_seconds_in_session": int(np.count_nonzero(inside_spread == 0)),
        "min_spread": float(inside_spread.min()) if len(inside_spread) else None,
        "max_spread": float(inside_spread.max()) if len(inside_spread) else None,
        **silences(second, columns["batches"], session),
    }


def check_facts(facts: Mapping[str, Any], session: Session) -> tuple[CheckResult, ...]:
    """Judge a day by its facts and its trading hours; pure. Nothing to judge without rows and events."""
    if not facts.get("rows") and not facts.get("events"):
        return ()
    return (_counts(facts), _crossed(facts), _known(facts), _silence(facts, session), _absent(facts))


def _counts(facts: Mapping[str, Any]) -> CheckResult:
    counted = facts["updates"] + facts["snapshot_rows"]
    passed = (
        counted == facts["events"] == facts["upstream_events"]
        and facts["snapshot_rows"] == facts["event_snapshot_rows"]
        and facts["batches"] == facts["event_batches"]
        and facts["missing_seconds"] == 0
    )
    return CheckResult(
        "update_counts_equal_events",
        passed,
        Severity.ERROR,
        f"the seconds count {counted} events ({facts['snapshot_rows']} in snapshots) in {facts['batches']} batches, "
        f"{facts['missing_seconds']} seconds are missing; read were {facts['events']} ({facts['event_snapshot_rows']}) in "
        f"{facts['event_batches']}, the footer of the events says {facts['upstream_events']}",
        {"counted": counted, "events": facts["events"], "missing_seconds": facts["missing_seconds"]},
    )


def _crossed(facts: Mapping[str, Any]) -> CheckResult:
    crossed, seconds = facts["crossed_seconds_in_session"], facts["session_seconds_two_sided"]
    return CheckResult(
        "not_crossed_in_session",
        crossed <= CROSSED_MOST_FRAC * seconds,
        Severity.ERROR,
        f"{crossed} of {seconds} seconds with both sides in trading hours have a bid above the ask, at most {CROSSED_MOST_FRAC:.0%} are "
        f"credible; outside trading hours, where a crossed book is legitimate, there are {facts['crossed_seconds_outside']}",
        {"crossed_seconds": crossed, "seconds": seconds, "crossed_outside": facts["crossed_seconds_outside"]},
    )


def _known(facts: Mapping[str, Any]) -> CheckResult:
    known, seconds = facts["session_seconds_known"], facts["session_seconds"]
    return CheckResult(
        "book_known_most_of_session",
        known >= KNOWN_LEAST_FRAC * seconds,
        Severity.WARN,
        f"the book is known in {known} of {seconds} seconds of the trading hours, expected {KNOWN_LEAST_FRAC:.0%} (the rest of a session "
        "that still runs counts as unknown)",
        {"known_seconds": known, "session_seconds": seconds},
    )


def _silence(facts: Mapping[str, Any], session: Session) -> CheckResult:
    longest_s, limit_s = facts["max_gap_s"], silence_limit_s(session, facts["batches"], at_least_s=SILENCE_S)
    return CheckResult(
        "no_long_silence",
        longest_s < limit_s,
        Severity.WARN,
        f"{facts['long_gaps']} silences of {SILENCE_S} s or more in trading hours, the longest {longest_s} s, limit {limit_s:.0f} s at "
        "this number of batches (the rest of a session that still runs counts)",
        {"long_gaps": facts["long_gaps"], "max_gap_s": longest_s, "limit_s": limit_s},
    )


def _absent(facts: Mapping[str, Any]) -> CheckResult:
    absent, updates = facts["deletes_of_absent"], facts["updates"]
    return CheckResult(
        "deletes_find_their_level",
        absent <= ABSENT_MOST_FRAC * updates,
        Severity.WARN,
        f"{absent} of {updates} updates delete a level that is not there, at most {ABSENT_MOST_FRAC:.1%} are expected",
        {"deletes_of_absent": absent, "updates": updates},
    )
