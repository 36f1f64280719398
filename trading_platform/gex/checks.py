"""Judgement of stored gamma levels and profiles.

Belongs here: measurements of rows and the checks over them. Does not belong here: computing levels, reading files.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import polars as pl

from ..instants import us_of
from ..lake.building import CheckResult, Json, Severity
from ..options import bsm_gamma
from .levels import VENDOR_GAP_LIMIT_PCT, ChainLevels
from .lines import lines_of

TOTALS_TOLERANCE: Final = 1e-9
OI_DROPPED_LIMIT_PCT: Final = 5.0
CROSSED_LIMIT_FRAC: Final = 0.01
GAMMA_ZERO_LIMIT_FRAC: Final = 0.5

LEVEL_CHECKS: Final[Mapping[str, str]] = {
    "totals_equal_live_rows": "Totals equal those of a second calculation that never sees settled rows.",
    "numbers_are_finite": "No stored number is NaN or infinite.",
    "sides_have_their_sign": "Call sides are at least 0 and put sides at most 0.",
    "snapshots_usable": "Every snapshot has a spot and live series (warning).",
    "vendor_gap_small": f"Own call and put sides lie within {VENDOR_GAP_LIMIT_PCT:g} % of those of the source (warning).",
    "volatility_known": f"At most {OI_DROPPED_LIMIT_PCT:g} % of open interest has no volatility (warning).",
    "contracts_once": "No contract is listed twice in a snapshot (warning).",
    "quotes_not_crossed": f"At most {CROSSED_LIMIT_FRAC:.0%} of live lines have a bid above the ask (warning).",
    "vendor_gamma_known": f"At most {GAMMA_ZERO_LIMIT_FRAC:.0%} of live lines have open interest and vendor gamma 0 (warning).",
}
PROFILE_CHECKS: Final[Mapping[str, str]] = {
    "strikes_equal_expiries": "Summed over strikes the exposures equal those summed over expiries.",
    "numbers_are_finite": LEVEL_CHECKS["numbers_are_finite"],
    "sides_have_their_sign": LEVEL_CHECKS["sides_have_their_sign"],
    "snapshots_usable": LEVEL_CHECKS["snapshots_usable"],
}


def totals_error(levels: ChainLevels, chain: pl.DataFrame) -> float:
    """Return how far the totals are from those of a calculation over live rows alone, relative.

    Args:
        levels: computed from the whole chain.
        chain: the same chain; its settled rows are removed here before anything else.
    """
    lines = lines_of(chain.filter(pl.col("settlement_at") > levels.lines.asof), asof=levels.lines.asof)
    sigma = np.where(lines.iv > 0, lines.iv, np.nan)
    interest = np.nan_to_num(lines.open_interest)
    dollars = interest * lines.multiplier * lines.spot**2 * 0.01
    own = np.nan_to_num(bsm_gamma(lines.spot, lines.strike, lines.tau, sigma)) * dollars
    pairs = [(levels.own.total.call, own[lines.is_call].sum()), (-levels.own.total.put, own[~lines.is_call].sum())]
    pairs += [
        (levels.open_interest.call, interest[lines.is_call].sum()),
        (levels.open_interest.put, interest[~lines.is_call].sum()),
    ]
    if levels.vendor is not None:
        vendor = np.nan_to_num(lines.vendor_gamma) * dollars
        pairs.append((levels.vendor.total.call, vendor[lines.is_call].sum()))
        pairs.append((-levels.vendor.total.put, vendor[~lines.is_call].sum()))
    return max(float(abs(stored - again) / max(abs(stored), 1.0)) for stored, again in pairs)


def level_facts(rows: pl.DataFrame, largest_error: float, unusable: Mapping[str, int]) -> dict[str, Json]:
    """Measure rows of ``gex_levels``.

    Args:
        rows: the rows of a day, in order of time.
        largest_error: largest :func:`totals_error` of its snapshots.
        unusable: snapshots that have no levels, by error code.
    """
    facts: dict[str, Json] = {
        "snapshots": rows.height,
        "unusable_snapshots": dict(sorted(unusable.items())),
        "totals_error": largest_error,
        "nonfinite_n": _nonfinite(rows),
        "wrong_sign_n": _wrong_sign(rows),
    }
    if rows.height == 0:
        return facts
    last = rows.row(-1, named=True)
    return {
        **facts,
        **{name: int(rows[name].sum()) for name in _SUMS},
        "repeats": int(rows["is_repeat"].sum()),
        "without_crossing": int(rows["naive_zero_gamma"].null_count()),
        "first_observed_us": us_of(rows["observed_at"][0]),
        "last_observed_us": us_of(rows["observed_at"][-1]),
        "oi_dropped_pct_max": rows["oi_dropped_pct"].max(),  # type: ignore[dict-item]  # a float column
        "vendor_gap_pct_max": _largest(rows, ("vendor_gap_call_pct", "vendor_gap_put_pct")),
        "last": {name: last[name] for name in _HEADLINES},
    }


_SUMS: Final = (
    "rows_in",
    "rows_live",
    "rows_settled",
    "lines_live",
    "iv_zero_n",
    "iv_reimplied_n",
    "gamma_zero_n",
    "crossed_n",
    "bid_zero_n",
    "duplicated_n",
    "open_interest_unknown_n",
)
_HEADLINES: Final = (
    "spot",
    "naive_gex_call_usd_per_1pct",
    "naive_gex_put_usd_per_1pct",
    "naive_gex_net_usd_per_1pct",
    "vendor_gex_net_usd_per_1pct",
    "naive_zero_gamma",
    "naive_call_wall",
    "naive_put_wall",
)


def check_levels(facts: Mapping[str, Any]) -> tuple[CheckResult, ...]:
    """Judge a day of ``gex_levels`` by its facts; pure. Nothing to judge without snapshots."""
    if not facts.get("snapshots"):
        return ()
    gap = facts["vendor_gap_pct_max"]
    dropped, lines = facts["oi_dropped_pct_max"], facts["lines_live"]
    return (
        _result(
            "totals_equal_live_rows",
            facts["totals_error"] <= TOTALS_TOLERANCE,
            f"totals differ by {facts['totals_error']:.1e} from those without the {facts['rows_settled']} settled rows, "
            f"limit {TOTALS_TOLERANCE:.0e}",
            {"totals_error": facts["totals_error"], "rows_settled": facts["rows_settled"]},
        ),
        *_common(facts),
        _result(
            "vendor_gap_small",
            gap is None or gap <= VENDOR_GAP_LIMIT_PCT,
            "the source has no gamma to compare with"
            if gap is None
            else f"own and vendor sides differ by {gap:.1f} %, limit {VENDOR_GAP_LIMIT_PCT:g} %",
            {"vendor_gap_pct_max": gap},
            warns=True,
        ),
        _result(
            "volatility_known",
            dropped is None or dropped <= OI_DROPPED_LIMIT_PCT,
            "no open interest"
            if dropped is None
            else f"{facts['iv_zero_n']} lines with {dropped:.2f} % of open interest have no volatility, "
            f"{facts['iv_reimplied_n']} of them have one by their quotes; limit {OI_DROPPED_LIMIT_PCT:g} %",
            {"iv_zero_n": facts["iv_zero_n"], "iv_reimplied_n": facts["iv_reimplied_n"], "oi_dropped_pct": dropped},
            warns=True,
        ),
        _result(
            "contracts_once",
            facts["duplicated_n"] == 0,
            f"{facts['duplicated_n']} lines repeat a contract",
            {"duplicated_n": facts["duplicated_n"]},
            warns=True,
        ),
        _result(
            "quotes_not_crossed",
            facts["crossed_n"] <= CROSSED_LIMIT_FRAC * lines,
            f"{facts['crossed_n']} of {lines} live lines have a bid above the ask",
            {"crossed_n": facts["crossed_n"], "lines_live": lines},
            warns=True,
        ),
        _result(
            "vendor_gamma_known",
            facts["gamma_zero_n"] <= GAMMA_ZERO_LIMIT_FRAC * lines,
            f"{facts['gamma_zero_n']} of {lines} live lines have open interest and vendor gamma 0",
            {"gamma_zero_n": facts["gamma_zero_n"], "lines_live": lines},
            warns=True,
        ),
    )


def profile_facts(rows: pl.DataFrame, unusable: Mapping[str, int]) -> dict[str, Json]:
    """Measure rows of ``gex_profile``; ``picture`` holds the points of the last snapshot, see ``pictures.py``."""
    facts: dict[str, Json] = {
        "rows": rows.height,
        "snapshots": rows.select("observed_at", "source").n_unique() if rows.height else 0,
        "unusable_snapshots": dict(sorted(unusable.items())),
        "nonfinite_n": _nonfinite(rows),
        "wrong_sign_n": _wrong_sign(rows),
    }
    if rows.height == 0:
        return facts
    sides = [name for name in rows.columns if name.endswith(("_call_usd_per_1pct", "_put_usd_per_1pct"))]
    sums = rows.group_by("observed_at", "source", "kind").agg(pl.col(sides).sum())
    strikes, expiries = (
        sums.filter(pl.col("kind").cast(pl.String) == kind).sort("observed_at", "source").select(sides).to_numpy()
        for kind in ("strike", "expiry")
    )
    scale = np.maximum(np.abs(strikes), 1.0)
    return {
        **facts,
        "strikes_error": float((np.abs(strikes - expiries) / scale).max()),
        "last_observed_us": us_of(rows["observed_at"][-1]),
    }


def check_profile(facts: Mapping[str, Any]) -> tuple[CheckResult, ...]:
    """Judge a day of ``gex_profile`` by its facts; pure. Nothing to judge without rows."""
    if not facts.get("rows"):
        return ()
    return (
        _result(
            "strikes_equal_expiries",
            facts["strikes_error"] <= TOTALS_TOLERANCE,
            f"sums over strikes and over expiries differ by {facts['strikes_error']:.1e}, limit {TOTALS_TOLERANCE:.0e}",
            {"strikes_error": facts["strikes_error"]},
        ),
        *_common(facts),
    )


def _common(facts: Mapping[str, Any]) -> tuple[CheckResult, ...]:
    unusable = facts["unusable_snapshots"]
    return (
        _result("numbers_are_finite", facts["nonfinite_n"] == 0, f"{facts['nonfinite_n']} numbers are not finite", {}),
        _result(
            "sides_have_their_sign",
            facts["wrong_sign_n"] == 0,
            f"{facts['wrong_sign_n']} sides have the wrong sign",
            {},
        ),
        _result(
            "snapshots_usable",
            not unusable,
            f"{sum(unusable.values())} snapshots have no levels: {', '.join(f'{n} x {code}' for code, n in unusable.items())}"
            if unusable
            else "every snapshot has levels",
            dict(unusable),
            warns=True,
        ),
    )


def _result(name: str, passed: bool, text: str, values: Mapping[str, Json], *, warns: bool = False) -> CheckResult:  # noqa: FBT001
    return CheckResult(name, passed, Severity.WARN if warns else Severity.ERROR, text, values)


def _nonfinite(rows: pl.DataFrame) -> int:
    numbers = rows.select(pl.selectors.float().is_not_null() & ~pl.selectors.float().is_finite())
    return sum(int(column.sum()) for column in numbers)


def _wrong_sign(rows: pl.DataFrame) -> int:
    wrong = 0
    for name in rows.columns:
        if name.endswith("call_usd_per_1pct"):
            wrong += int((rows[name] < 0).sum())
        elif name.endswith("put_usd_per_1pct"):
            wrong += int((rows[name] > 0).sum())
    return wrong


def _largest(rows: pl.DataFrame, names: tuple[str, ...]) -> float | None:
    values = [float(value) for name in names if (value := rows[name].abs().max()) is not None]  # type: ignore[arg-type]  # float columns
    return max(values, default=None)
