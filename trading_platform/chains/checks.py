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

# Within 0.4 % in 25 genuine tables at all hours of the day.
SPOT_DEVIATION_WARN: Final = 0.02

CHECKS: Mapping[str, str] = {
    "rejects_below_limit": "At most 1 % of the contract lines are refused (error).",
    "files_used": "Every file of the day could be used: none unreadable, none a second one of the same minute (warning).",
    "no_duplicates": "No contract stands twice in a file; of those that do the first line is kept (warning).",
    "tables_whole": (
        "Every snapshot lists the contracts that were held in the one before it and have not settled, and the strikes of every expiry "
        "reach beyond the price (warning)."
    ),
    "spot_in_band": "The price of the underlying lies in the credible range of the instrument (error).",
    "spot_agrees_with_quotes": "The price is within 2 % of what calls and puts of one strike imply (warning).",
    "snapshots_inside_day": "Every snapshot lies in the time that the day owns (error).",
    "quotes_not_crossed": "At most 2 % of the quotes have a bid above the ask (warning).",
    "iv_where_open_interest": "At most 5 % of the open interest of live contracts has no implied volatility (warning).",
    "blank_cells": "No contract lacks bid, ask, implied volatility or open interest (warning).",
}
UNION_CHECKS: Mapping[str, str] = {
    "rows_equal_sources": "The day has as many rows as its sources together (error).",
    **{name: CHECKS[name] for name in ("snapshots_inside_day", "quotes_not_crossed", "iv_where_open_interest")},
}


def check_chain(facts: Mapping[str, Json], *, price_band: tuple[float, float] | None = None) -> tuple[CheckResult, ...]:
    """Judge a day of ``chain_cboe``; none without facts.

    Args:
        facts: of the day.
        price_band: lowest and highest credible price of the underlying, points; None if nobody knows them.
    """
    if not facts:
        return ()
    first = (_rejects(facts), _files(facts), _duplicates(facts), _whole_tables(facts))
    return (*first, _band(facts, price_band), _agreement(facts), *_common(facts), _blank(facts))


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


def _whole_tables(facts: Mapping[str, Json]) -> CheckResult:
    lacking, off = _by_file(facts, "lacking"), _by_file(facts, "expiries_off_price")
    said = [_lack_of(name, found) for name, found in lacking.items() if isinstance(found, Mapping)]
    said += [
        f"{name}: strikes end before the price in {'; '.join(str(one) for one in found)}"
        for name, found in off.items()
        if isinstance(found, list | tuple)
    ]
    return CheckResult(
        "tables_whole",
        not said,
        Severity.WARN,
        f"a download may have broken off: {' | '.join(said)}" if said else "nothing is missing that was listed before",
        {"files_lacking_contracts": len(lacking), "files_with_expiries_off_price": len(off)},
    )


def _lack_of(name: str, found: Mapping[str, Json]) -> str:
    total = _whole(found, "of_open_interest")
    share = _whole(found, "open_interest") / total if total else 0.0
    expiries = found.get("expiries")
    gone = [str(one) for one in expiries] if isinstance(expiries, list | tuple) else []
    whole = f", {len(gone)} expiries whole, the first {gone[0]}" if gone else ""
    return f"{name} lacks {_whole(found, 'contracts')} contracts of the table before it ({share:.2%} of the open interest there{whole})"


def _band(facts: Mapping[str, Json], band: tuple[float, float] | None) -> CheckResult:
    low, high = facts.get("lowest_spot"), facts.get("highest_spot")
    known = isinstance(low, int | float) and isinstance(high, int | float)
    inside = band is None or (known and band[0] <= float(str(low)) and float(str(high)) <= band[1])
    limits = "no range is known" if band is None else f"range {band[0]:g} to {band[1]:g}"
    return CheckResult(
        "spot_in_band",
        inside,
        Severity.ERROR,
        f"price of the underlying from {low} to {high}, {limits}",
        {"lowest_spot": low, "highest_spot": high},
    )


def _agreement(facts: Mapping[str, Json]) -> CheckResult:
    found = {name: value for name, value in _by_file(facts, "spot_deviation").items() if isinstance(value, int | float)}
    name = max(found, key=lambda one: abs(found[one]), default=None)
    largest = 0.0 if name is None else float(found[name])
    said = "no file has enough quotes" if name is None else f"{largest:+.3%} in {name}, limit {SPOT_DEVIATION_WARN:.0%}"
    return CheckResult(
        "spot_agrees_with_quotes",
        abs(largest) <= SPOT_DEVIATION_WARN,
        Severity.WARN,
        f"largest distance of the price from what calls and puts imply: {said}",
        {"spot_deviation_frac": None if name is None else largest},
    )


def _by_file(facts: Mapping[str, Json], name: str) -> Mapping[str, Json]:
    found = facts.get(name)
    return found if isinstance(found, Mapping) else {}


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
    crossed, share = _share(facts, "crossed", "rows")
    return CheckResult(
        "quotes_not_crossed",
        share <= CROSSED_FRAC_WARN,
        Severity.WARN,
        f"bid above ask at {crossed} rows ({share:.2%}), limit {CROSSED_FRAC_WARN:.0%}; they are kept and never priced",
        {"crossed": crossed, "crossed_frac": share},
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
            "iv_zero_with_oi": _whole(facts, "iv_zero_with_oi"),
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
