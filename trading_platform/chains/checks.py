"""Judging a day of chains by its facts.

Belongs here: the data checks of ``chain_cboe`` and ``chain``, pure functions of facts. Does not belong here: measuring (``facts.py``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ..lake import CheckResult, Json, Severity

REJECTED_FRAC_MAX: Final = 0.01
# Real files after the close have up to 0.6 % crossed quotes, because asks are withdrawn before bids.
CROSSED_FRAC_WARN: Final = 0.02
# 0.06 to 4.0 % of the open interest has no implied volatility in the real files; it is lost to vendor greeks only.
WITHOUT_IV_FRAC_WARN: Final = 0.05

CHECKS: Mapping[str, str] = {
    "rejects_below_limit": "At most 1 % of the contract lines are refused (error).",
    "files_used": "Every file of the day could be used: none unreadable, none a second one of the same minute (warning).",
    "no_duplicates": "No contract stands twice in a file; of those that do the first line is kept (warning).",
    "snapshots_inside_day": "Every snapshot lies in the time that the day owns (error).",
    "quotes_not_crossed": "At most 2 % of the quotes have a bid above the ask (warning).",
    "iv_where_open_interest": "At most 5 % of the open interest of live contracts has no implied volatility (warning).",
    "blank_cells": "No contract lacks bid, ask, implied volatility or open interest (warning).",
}
UNION_CHECKS: Mapping[str, str] = {
    "rows_equal_sources": "The day has as many rows as its sources together (error).",
    **{name: CHECKS[name] for name in ("snapshots_inside_day", "quotes_not_crossed", "iv_where_open_interest")},
}


def check_chain(facts: Mapping[str, Json]) -> tuple[CheckResult, ...]:
    """Judge a day of ``chain_cboe``; none without facts."""
    if not facts:
        return ()
    return (_rejects(facts), _files(facts), _duplicates(facts), *_common(facts), _blank(facts))


def check_union(facts: Mapping[str, Json]) -> tuple[CheckResult, ...]:
    """Judge a day of ``chain``; none without facts."""
    return (_rows_of_sources(facts), *_common(facts)) if facts else ()


def _common(facts: Mapping[str, Json]) -> tuple[CheckResult, ...]:
    return (_inside(facts), _crossed(facts), _without_iv(facts))


def _rejects(facts: Mapping[str, Json]) -> CheckResult:
    refused = _whole(facts, "rejected_lines")
    total = _whole(facts, "rows") + refused
    share = refused / total if total else 0.0
    return CheckResult(
        "rejects_below_limit",
        share <= REJECTED_FRAC_MAX,
        Severity.ERROR,
        f"{refused} of {total} contract lines refused ({share:.3%}), limit {REJECTED_FRAC_MAX:.0%}",
        {"rejected_lines": refused, "rejected_frac": share},
    )


def _files(facts: Mapping[str, Json]) -> CheckResult:
    refused = facts.get("refused_files")
    named = [str(one) for one in refused] if isinstance(refused, list | tuple) else []
    return CheckResult(
        "files_used",
        not named,
        Severity.WARN,
        f"left out: {'; '.join(named)}" if named else f"all {_whole(facts, 'files')} files were used",
        {"refused_files": len(named), "copies": _whole(facts, "copies")},
    )


def _duplicates(facts: Mapping[str, Json]) -> CheckResult:
    twice = _whole(facts, "duplicate_contracts")
    return CheckResult(
        "no_duplicates",
        twice == 0,
        Severity.WARN,
        f"{twice} contract lines repeat a contract of the same file, expected 0; the first line was kept",
        {"duplicate_contracts": twice},
    )


def _inside(facts: Mapping[str, Json]) -> CheckResult:
    outside = _whole(facts, "rows_outside_day")
    return CheckResult(
        "snapshots_inside_day",
        outside == 0,
        Severity.ERROR,
        f"{outside} rows of snapshots outside the time that the day owns, expected 0",
        {"rows_outside_day": outside},
    )


def _crossed(facts: Mapping[str, Json]) -> CheckResult:
    crossed, share = _share(facts, "crossed_quotes", "rows")
    return CheckResult(
        "quotes_not_crossed",
        share <= CROSSED_FRAC_WARN,
        Severity.WARN,
        f"bid above ask at {crossed} rows ({share:.2%}), limit {CROSSED_FRAC_WARN:.0%}; they are kept and never priced",
        {"crossed_quotes": crossed, "crossed_frac": share},
    )


def _without_iv(facts: Mapping[str, Json]) -> CheckResult:
    without, share = _share(facts, "open_interest_without_iv", "open_interest_live")
    return CheckResult(
        "iv_where_open_interest",
        share <= WITHOUT_IV_FRAC_WARN,
        Severity.WARN,
        f"{without} contracts of open interest ({share:.2%}) without implied volatility, limit {WITHOUT_IV_FRAC_WARN:.0%}",
        {
            "open_interest_without_iv_frac": share,
            "iv_zero_with_open_interest": _whole(facts, "iv_zero_with_open_interest"),
        },
    )


def _blank(facts: Mapping[str, Json]) -> CheckResult:
    cells = facts.get("blank_cells")
    counted = dict(cells) if isinstance(cells, Mapping) else {}
    needed = {name: int(str(counted.get(name, 0))) for name in ("bid", "ask", "iv", "open_interest")}
    return CheckResult(
        "blank_cells",
        not any(needed.values()),
        Severity.WARN,
        "blank cells are unknown, never 0: " + ", ".join(f"{name} {count}" for name, count in needed.items()),
        needed,
    )


def _rows_of_sources(facts: Mapping[str, Json]) -> CheckResult:
    rows, expected = _whole(facts, "rows"), _whole(facts, "source_rows")
    return CheckResult(
        "rows_equal_sources",
        rows == expected,
        Severity.ERROR,
        f"{rows} rows, {expected} rows in the sources",
        {"rows": rows, "source_rows": expected},
    )


def _whole(facts: Mapping[str, Json], name: str) -> int:
    value = facts.get(name)
    return int(value) if isinstance(value, int | float) else 0


def _share(facts: Mapping[str, Json], part: str, whole: str) -> tuple[int, float]:
    counted, total = _whole(facts, part), _whole(facts, whole)
    return counted, counted / total if total else 0.0
