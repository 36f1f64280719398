"""Judging a day of ``l2`` by its facts.

Belongs here: the data checks of ``l2``, pure functions of facts. Does not belong here: measuring (``facts.py``), refusing a file as a whole
(``verify.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ..lake import CheckResult, Json, Severity

Judge = Callable[[Mapping[str, Json]], CheckResult]

REJECTED_FRAC_MAX = 0.0001
# Auctions and resumptions inside trading hours may show a crossed book for some rows; a feed out of step shows one for long.
CROSSED_FRAC_WARN, CROSSED_FRAC_MAX = 0.0, 0.01

CHECKS: Mapping[str, str] = {
    "record_count": "The file has as many records as the vendor counts, and each is a row, refused, or of another partition (error).",
    "rejects_below_limit": "At most 0.01 % of the records are refused (error).",
    "books_uncrossed": "No consistent book in continuous trading is crossed or locked (warning; error above 1 % of them).",
    "levels_ordered": "In every consistent book in continuous trading each level is worse than the one before it (error).",
    "sequence_order": "The venue's message numbers never decrease (warning).",
    "trade_prices": "The volume-weighted price lies between the lowest and the highest trade (error).",
    "vendor_flags": "The vendor marks no receive time and no book as doubtful (warning).",
    "window_covered": "The raw files cover the wanted trading hours; imported ones may not (warning).",
}


def check_l2(facts: Mapping[str, Json]) -> tuple[CheckResult, ...]:
    """Judge a day.

    Args:
        facts: as the conversion reports them; empty for a day without a file or without a session.

    Returns:
        One result per check; none without facts.
    """
    if not facts:
        return ()
    judges: Mapping[str, tuple[Judge, Severity]] = {
        "record_count": (_records, Severity.ERROR),
        "rejects_below_limit": (_rejects, Severity.ERROR),
        "books_uncrossed": (_crossed, Severity.ERROR),
        "levels_ordered": (_levels, Severity.ERROR),
        "sequence_order": (_sequence, Severity.WARN),
        "trade_prices": (_trades, Severity.ERROR),
        "vendor_flags": (_flags, Severity.WARN),
        "window_covered": (_window, Severity.WARN),
    }
    return tuple(judged(name, judge, facts, severity) for name, (judge, severity) in judges.items())


class FactAbsentError(LookupError):
    """A check needs a fact that nobody has measured."""


def judged(name: str, judge: Judge, facts: Mapping[str, Json], severity: Severity) -> CheckResult:
    """Return the result of a check; one that needs a fact that is absent fails, as what was not measured was not proved.

    Args:
        name: of the check.
        judge: looks at the facts through :func:`fact` and :func:`count`.
        facts: of the day.
        severity: of a failure for want of a fact.
    """
    try:
        return judge(facts)
    except FactAbsentError as error:
        return CheckResult(name, False, severity, f"fact {error} is absent", {})


def fact(facts: Mapping[str, Json], name: str) -> Json:
    """Return a fact that may be null.

    Raises:
        FactAbsentError: it is not there.
    """
    if name not in facts:
        raise FactAbsentError(name)
    return facts[name]


def count(facts: Mapping[str, Json], name: str) -> int:
    """Return a fact that is a whole number.

    Raises:
        FactAbsentError: it is not there, or no whole number.
    """
    value = fact(facts, name)
    if not isinstance(value, int):
        raise FactAbsentError(name)
    return value


def _records(facts: Mapping[str, Json]) -> CheckResult:
    source, vendor = count(facts, "source_records"), fact(facts, "vendor_records")
    parts = ("rows", "rejected_records", "other_day_records", "other_instrument_records")
    accounted = sum(count(facts, name) for name in parts)
    told = "the vendor's count is not known" if vendor is None else f"the vendor counts {vendor}"
    return CheckResult(
        "record_count",
        source == accounted and vendor in {None, source},
        Severity.ERROR,
        f"{source} records in the file, {told}; {accounted} are rows, refused, or of other partitions",
        {"source_records": source, "vendor_records": vendor, "accounted_records": accounted},
    )


def _rejects(facts: Mapping[str, Json]) -> CheckResult:
    rejected = count(facts, "rejected_records")
    total = rejected + count(facts, "rows")
    share = rejected / total if total else 0.0
    return CheckResult(
        "rejects_below_limit",
        share <= REJECTED_FRAC_MAX,
        Severity.ERROR,
        f"{rejected} of {total} records refused ({share:.4%}), limit {REJECTED_FRAC_MAX:.2%}",
        {"rejected_records": rejected, "rejected_frac": share},
    )


def _crossed(facts: Mapping[str, Json]) -> CheckResult:
    crossed, locked, judged = (count(facts, name) for name in ("crossed_rows", "locked_rows", "judged_rows"))
    share = (crossed + locked) / judged if judged else 0.0
    return CheckResult(
        "books_uncrossed",
        share <= CROSSED_FRAC_WARN,
        Severity.ERROR if share > CROSSED_FRAC_MAX else Severity.WARN,
        f"{crossed} crossed and {locked} locked of {judged} consistent books in continuous trading ({share:.4%}), "
        f"error above {CROSSED_FRAC_MAX:.0%}",
        {"crossed_rows": crossed, "locked_rows": locked, "judged_rows": judged},
    )


def _levels(facts: Mapping[str, Json]) -> CheckResult:
    disordered, judged = count(facts, "disordered_rows"), count(facts, "judged_rows")
    return CheckResult(
        "levels_ordered",
        disordered == 0,
        Severity.ERROR,
        f"{disordered} of {judged} consistent books have a level that is not worse than the one before it, expected 0",
        {"disordered_rows": disordered, "judged_rows": judged},
    )


def _sequence(facts: Mapping[str, Json]) -> CheckResult:
    """Judge order only: other instruments share the numbering, so a step above one proves no loss; the largest is shown."""
    decreases, step = count(facts, "sequence_decreases"), count(facts, "sequence_step_max")
    return CheckResult(
        "sequence_order",
        decreases == 0,
        Severity.WARN,
        f"message numbers decrease {decreases} times, expected 0; largest step {step}",
        {"sequence_decreases": decreases, "sequence_step_max": step},
    )


def _trades(facts: Mapping[str, Json]) -> CheckResult:
    vwap, low, high = (fact(facts, name) for name in ("vwap", "price_min", "price_max"))
    known = isinstance(vwap, float) and isinstance(low, float) and isinstance(high, float)
    volume = count(facts, "volume")
    # Half a unit of the last place of the vendor's prices covers the rounding of the quotient.
    inside = known and low - 5e-10 <= vwap <= high + 5e-10  # type: ignore[operator]  # known says that they are floats
    return CheckResult(
        "trade_prices",
        inside or (volume == 0 and not known),
        Severity.ERROR,
        f"volume {volume} at {vwap} on average, between {low} and {high}",
        {"volume": volume, "vwap": vwap, "price_min": low, "price_max": high},
    )


def _flags(facts: Mapping[str, Json]) -> CheckResult:
    times, books = count(facts, "bad_ts_recv_rows"), count(facts, "maybe_bad_book_rows")
    return CheckResult(
        "vendor_flags",
        times == books == 0,
        Severity.WARN,
        f"{times} receive times and {books} books marked as doubtful by the vendor, expected 0",
        {"bad_ts_recv_rows": times, "maybe_bad_book_rows": books},
    )


def _window(facts: Mapping[str, Json]) -> CheckResult:
    uncovered = count(facts, "uncovered_s")
    return CheckResult(
        "window_covered",
        uncovered == 0,
        Severity.WARN,
        f"{uncovered} s of the wanted trading hours are in none of the raw files, expected 0",
        {"uncovered_s": uncovered},
    )
