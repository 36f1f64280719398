"""Judgement of stored gamma levels and profiles.

Belongs here: measurements of rows and the checks over them. Does not belong here: computing levels, reading files, judging quotes (crossed
ones are judged once, where chains are made).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import polars as pl

from ..instants import us_of
from ..lake.building import CheckResult, Json, Severity
from ..options import bsm_gamma
from .inputs import OI_DROPPED_LIMIT_PCT, OI_UNKNOWN_LIMIT_PCT
from .levels import VENDOR_GAP_LIMIT_PCT, ChainLevels
from .lines import lines_of

TOTALS_TOLERANCE: Final = 1e-9
GAMMA_ZERO_LIMIT_FRAC: Final = 0.5

LEVEL_CHECKS: Final[Mapping[str, str]] = {
    "totals_equal_live_rows": "Totals equal those of a second calculation that never sees settled rows.",
    "numbers_are_finite": "No stored number is NaN or infinite.",
    "sides_have_their_sign": "Call sides are at least 0 and put sides at most 0.",
    "snapshots_usable": "Every snapshot has a spot and live series (warning).",
    "vendor_gap_small": f"Own call and put sides lie within {VENDOR_GAP_LIMIT_PCT:g} % of those of the source (warning).",
    "open_interest_known": f"At most {OI_UNKNOWN_LIMIT_PCT:g} % of the live lines of a side have no number for open interest (warning).",
    "volatility_known": f"At most {OI_DROPPED_LIMIT_PCT:g} % of the open interest of a side has no volatility (warning).",
    "contracts_once": "No contract is listed twice in a snapshot (warning).",
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
    compared = [(levels.own.total, own, -1), (levels.open_interest, interest, 1)]
    if levels.vendor is not None:
        compared.append((levels.vendor.total, np.nan_to_num(lines.vendor_gamma) * dollars, -1))
    errors = []
    for stored, again, put_sign in compared:
        for side, size in (
            (stored.call, again[lines.is_call].sum()),
            (stored.put, put_sign * again[~lines.is_call].sum()),
        ):
            # An unknown side has no known line, so nothing may be found in it.
            errors.append(abs((side or 0.0) - size) / max(abs(side or 0.0), 1.0))
    return float(max(errors))


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
        "oi_unknown_pct_max": _largest(rows, ("oi_unknown_call_pct", "oi_unknown_put_pct")),
        "oi_dropped_pct_max": _largest(rows, ("oi_dropped_call_pct", "oi_dropped_put_pct")),
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
    "volume_unknown_n",
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
    return (
        _totals(facts),
        *_common(facts),
        _vendor_gap(facts),
        _interest(facts),
        _volatility(facts),
        _result(
            "contracts_once",
            facts["duplicated_n"] == 0,
            f"{facts['duplicated_n']} lines repeat a contract",
            {"duplicated_n": facts["duplicated_n"]},
            warns=True,
        ),
        _result(
            "vendor_gamma_known",
            facts["gamma_zero_n"] <= GAMMA_ZERO_LIMIT_FRAC * facts["lines_live"],
            f"{facts['gamma_zero_n']} of {facts['lines_live']} live lines have open interest and vendor gamma 0",
            {"gamma_zero_n": facts["gamma_zero_n"], "lines_live": facts["lines_live"]},
            warns=True,
        ),
    )


def _totals(facts: Mapping[str, Any]) -> CheckResult:
    return _result(
        "totals_equal_live_rows",
        facts["totals_error"] <= TOTALS_TOLERANCE,
        f"totals differ by {facts['totals_error']:.1e} from those without the {facts['rows_settled']} settled rows, "
        f"limit {TOTALS_TOLERANCE:.0e}",
        {"totals_error": facts["totals_error"], "rows_settled": facts["rows_settled"]},
    )


def _vendor_gap(facts: Mapping[str, Any]) -> CheckResult:
    gap = facts["vendor_gap_pct_max"]
    return _result(
        "vendor_gap_small",
        gap is None or gap <= VENDOR_GAP_LIMIT_PCT,
        "there is no gamma of the source and an own one to compare"
        if gap is None
        else f"own and vendor sides differ by {gap:.1f} %, limit {VENDOR_GAP_LIMIT_PCT:g} %",
        {"vendor_gap_pct_max": gap},
        warns=True,
    )


def _interest(facts: Mapping[str, Any]) -> CheckResult:
    unknown = facts["oi_unknown_pct_max"]
    return _result(
        "open_interest_known",
        unknown is None or unknown <= OI_UNKNOWN_LIMIT_PCT,
        f"{facts['open_interest_unknown_n']} of {facts['lines_live']} live lines have no number for open interest, up to "
        f"{unknown or 0.0:.2f} % of a side, limit {OI_UNKNOWN_LIMIT_PCT:g} %; sums of that side are too small",
        {"open_interest_unknown_n": facts["open_interest_unknown_n"], "oi_unknown_pct": unknown},
        warns=True,
    )


def _volatility(facts: Mapping[str, Any]) -> CheckResult:
    dropped = facts["oi_dropped_pct_max"]
    return _result(
        "volatility_known",
        dropped is None or dropped <= OI_DROPPED_LIMIT_PCT,
        "no open interest"
        if dropped is None
        else f"{facts['iv_zero_n']} lines with up to {dropped:.2f} % of the open interest of a side have no volatility, "
        f"{facts['iv_reimplied_n']} of them have one by their quotes; limit {OI_DROPPED_LIMIT_PCT:g} %",
        {"iv_zero_n": facts["iv_zero_n"], "iv_reimplied_n": facts["iv_reimplied_n"], "oi_dropped_pct": dropped},
        warns=True,
    )


class ProfileFacts:
    """Measures rows of ``gex_profile``, snapshot by snapshot."""

    def __init__(self) -> None:
        self.rows = 0
        self._snapshots = 0
        self._wrong = {"nonfinite_n": 0, "wrong_sign_n": 0}
        self._strikes_error = 0.0
        self._last_us: int | None = None

    def add(self, snapshot: pl.DataFrame) -> None:
        """Measure the rows of one snapshot."""
        self.rows += snapshot.height
        self._snapshots += 1
        self._wrong["nonfinite_n"] += _nonfinite(snapshot)
        self._wrong["wrong_sign_n"] += _wrong_sign(snapshot)
        self._last_us = us_of(snapshot["observed_at"][-1])
        sides = [name for name in snapshot.columns if name.endswith(("_call_usd_per_1pct", "_put_usd_per_1pct"))]
        # Unknown sums hold no known line, so they add nothing to either.
        strikes, expiries = (
            snapshot.filter(pl.col("kind").cast(pl.String) == kind).select(pl.col(sides).sum()).to_numpy()
            for kind in ("strike", "expiry")
        )
        error = np.abs(strikes - expiries) / np.maximum(np.abs(strikes), 1.0)
        self._strikes_error = max(self._strikes_error, float(error.max()))

    def facts(self, unusable: Mapping[str, int]) -> dict[str, Json]:
        """Return the measurements.

        Args:
            unusable: snapshots that have no levels, by error code.
        """
        facts: dict[str, Json] = {
            "rows": self.rows,
            "snapshots": self._snapshots,
            "unusable_snapshots": dict(sorted(unusable.items())),
            **self._wrong,
        }
        if self._last_us is not None:
            facts |= {"strikes_error": self._strikes_error, "last_observed_us": self._last_us}
        return facts


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
