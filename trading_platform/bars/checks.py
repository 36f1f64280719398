"""Facts about a day of bars and the checks that judge them.

Belongs here: pure functions from bars and tick totals to facts, and from facts to check results. The same checks keep a bad day out of the
lake and are published as asset checks. Does not belong here: reading files (``builder.py``), the column rules of the dataset contract.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from ..instants import MICROSECONDS
from ..lake.building import CheckResult, Json, Severity
from ..sessions import silence_limit_s, trading_spans
from .partials import Floats, Ints

if TYPE_CHECKING:
    from ..sessions import Session

# Index futures rarely stay silent for five minutes while the market is open; shorter silences are normal at night.
SESSION_GAP_S: Final = 300
# One step in price, from the close of a bar to the open of the next. A warning only: a step of a few percent has happened.
JUMP_FRAC_WARN: Final = 0.01
CROSSED_FRAC_WARN: Final = 0.001
CHECKS: Final[Mapping[str, str]] = {
    "bar_volume_equals_tick_volume": "Volume and trades of the bars equal those of the ticks read and of their footer.",
    "buy_sell_unknown_sum": "Buy, sell and unknown volume add up to volume in every bar and equal those of the ticks; delta is buy - sell.",
    "ordered": "Every bar opens after the bar before it, so none is there twice.",
    "price_range_equals_ticks": "The lowest low and the highest high are those of the ticks.",
    "session_gaps": f"No silence of {SESSION_GAP_S} s or more inside the trading hours, longer where little trades (warning).",
    "price_jumps": "No bar opens more than 1 % away from the close of the bar before it (warning).",
    "crossed_quotes": "Bid above ask at the close of no more than 0.1 % of the bars (warning).",
}
_SIDES: Final = ("buy_volume", "sell_volume", "unknown_volume")


@dataclass
class TickTotals:
    """What the ticks that were actually read add up to, measured on the raw columns and not through the bars.

    Attributes:
        ticks: rows.
        volume: contracts.
        low: points, None without ticks.
        high: points, None without ticks.
    """

    ticks: int = 0
    volume: int = 0
    low: float | None = None
    high: float | None = None

    def add(self, price: Floats, volume: np.ndarray[tuple[int, ...], np.dtype[np.signedinteger]]) -> None:
        """Add the next ticks."""
        if len(price) == 0:
            return
        low, high = float(price.min()), float(price.max())
        self.ticks += len(price)
        self.volume += int(volume.sum(dtype=np.int64))
        self.low = low if self.low is None else min(self.low, low)
        self.high = high if self.high is None else max(self.high, high)


def session_gaps(ts_open_us: Ints, step_s: int, session: Session) -> dict[str, Json]:
    """Measure the silences of at least ``max(SESSION_GAP_S, step)`` inside the trading hours.

    The stretches before the first and after the last bar count as well: a file that ends at noon shows as a gap until the close.

    Returns:
        gap_count, gap_seconds (their sum), gap_longest_s, gap_longest_from_us (epoch microseconds UTC, null without a gap).
    """
    step_us = step_s * MICROSECONDS
    limit_us = max(SESSION_GAP_S * MICROSECONDS, step_us)
    count, total, longest, longest_from = 0, 0, 0, None
    for first, last in trading_spans(session):
        inside = ts_open_us[(ts_open_us + step_us > first) & (ts_open_us < last)]
        silent_from = np.concatenate((np.array([first], np.int64), inside + step_us))
        silent_for = np.concatenate((inside, np.array([last], np.int64))) - silent_from
        gaps = np.flatnonzero(silent_for >= limit_us)
        count += len(gaps)
        total += int(silent_for[gaps].sum())
        if len(gaps) and int(silent_for.max()) > longest:
            longest, longest_from = int(silent_for.max()), int(silent_from[silent_for.argmax()])
    return {
        "gap_count": count,
        "gap_seconds": total // MICROSECONDS,
        "gap_longest_s": longest // MICROSECONDS,
        "gap_longest_from_us": longest_from,
    }


def price_jumps(columns: Mapping[str, Ints | Floats]) -> dict[str, Json]:
    """Measure the largest step in price between two bars.

    Returns:
        largest_jump: points from a close to the next open, null without two bars. jump_at_us: ``ts_open`` of the bar after it, epoch
        microseconds UTC, null without a step.
    """
    steps = np.abs(columns["open"][1:] - columns["close"][:-1])
    if len(steps) == 0:
        return {"largest_jump": None, "jump_at_us": None}
    at = int(steps.argmax())
    largest = float(steps[at])
    return {"largest_jump": largest, "jump_at_us": int(columns["ts_open"][at + 1]) if largest > 0 else None}


def bar_facts(
    columns: Mapping[str, Ints | Floats],
    totals: TickTotals,
    upstream: Mapping[str, Json],
    step_s: int,
    session: Session,
) -> dict[str, Json]:
    """Measure a day of bars.

    Args:
        columns: stored columns as arrays, ``ts_open`` as epoch microseconds.
        totals: sums over the ticks that were read.
        upstream: facts in the footer of the ticks: volume_sum, buy_volume, sell_volume, unknown_volume where it has them.
        step_s: width of a bar in seconds.
        session: the day's session.

    Returns:
        Small JSON values; deterministic, the input of ``check_facts``.
    """
    opens = columns["ts_open"].astype(np.int64)
    rows = len(opens)
    parts = columns["buy_volume"] + columns["sell_volume"] + columns["unknown_volume"]
    return {
        "rows": rows,
        "volume_sum": int(columns["volume"].sum()),
        "tick_volume_sum": totals.volume,
        "upstream_volume_sum": upstream.get("volume_sum"),
        "ticks": totals.ticks,
        "trades_sum": int(columns["trades"].sum()),
        "buy_volume_sum": int(columns["buy_volume"].sum()),
        "sell_volume_sum": int(columns["sell_volume"].sum()),
        "unknown_volume_sum": int(columns["unknown_volume"].sum()),
        **{f"upstream_{side}_sum": upstream.get(side) for side in _SIDES},
        "unbalanced_bars": int((parts != columns["volume"]).sum()),
        "wrong_delta_bars": int((columns["buy_volume"] - columns["sell_volume"] != columns["delta"]).sum()),
        "disordered_bars": int((np.diff(opens) <= 0).sum()),
        "low": float(columns["low"].min()) if rows else None,
        "high": float(columns["high"].max()) if rows else None,
        "tick_low": totals.low,
        "tick_high": totals.high,
        "first_ts_open_us": int(opens[0]) if rows else None,
        "last_ts_open_us": int(opens[-1]) if rows else None,
        "crossed_bars": int((columns["bid_close"] > columns["ask_close"]).sum()),
        **price_jumps(columns),
        **session_gaps(opens, step_s, session),
    }


def _error(name: str, passed: bool, description: str, **values: Json) -> CheckResult:  # noqa: FBT001
    return CheckResult(name, passed, Severity.ERROR, description, values)


def check_facts(facts: Mapping[str, Json], session: Session) -> tuple[CheckResult, ...]:
    """Judge a day of bars by its facts; pure.

    Args:
        facts: as ``bar_facts`` returned them.
        session: the day's trading hours.

    Returns:
        bar_volume_equals_tick_volume, buy_sell_unknown_sum, ordered, price_range_equals_ticks (errors), session_gaps, price_jumps and
        crossed_quotes (warnings).
    """
    if not facts.get("rows") and not facts.get("ticks"):
        return ()
    volume, ticks, upstream = facts["volume_sum"], facts["tick_volume_sum"], facts["upstream_volume_sum"]
    same_volume = volume == ticks and upstream in (None, ticks) and facts["trades_sum"] == facts["ticks"]
    sides = all(facts[f"upstream_{side}_sum"] in (None, facts[f"{side}_sum"]) for side in _SIDES)
    balanced = facts["unbalanced_bars"] == 0 and facts["wrong_delta_bars"] == 0 and sides
    same_range = facts["low"] == facts["tick_low"] and facts["high"] == facts["tick_high"]
    return (
        _error(
            "bar_volume_equals_tick_volume",
            same_volume,
            f"bars hold {volume} contracts in {facts['trades_sum']} trades, the ticks read {ticks} in {facts['ticks']}, "
            f"their footer says {'nothing' if upstream is None else upstream}",
            bar_volume=volume,
            tick_volume=ticks,
            upstream_volume=upstream,
        ),
        _error(
            "buy_sell_unknown_sum",
            balanced,
            f"{facts['unbalanced_bars']} bars with buy + sell + unknown other than volume, "
            f"{facts['wrong_delta_bars']} with delta other than buy - sell; buy, sell and unknown volume of the day "
            f"{'equal' if sides else 'differ from'} those in the footer of the ticks",
            unbalanced_bars=facts["unbalanced_bars"],
            wrong_delta_bars=facts["wrong_delta_bars"],
        ),
        _error(
            "ordered",
            facts["disordered_bars"] == 0,
            f"{facts['disordered_bars']} bars do not open after the bar before them",
            disordered_bars=facts["disordered_bars"],
        ),
        _error(
            "price_range_equals_ticks",
            same_range,
            f"bars range from {facts['low']} to {facts['high']}, ticks from {facts['tick_low']} to {facts['tick_high']}",
            low=facts["low"],
            high=facts["high"],
            tick_low=facts["tick_low"],
            tick_high=facts["tick_high"],
        ),
        _silence(facts, session),
        _jump(facts),
        _crossed(facts),
    )


def _silence(facts: Mapping[str, Json], session: Session) -> CheckResult:
    longest_s = _number(facts, "gap_longest_s")
    limit_s = silence_limit_s(session, int(_number(facts, "ticks")), at_least_s=SESSION_GAP_S)
    return CheckResult(
        "session_gaps",
        longest_s < limit_s,
        Severity.WARN,
        f"{facts['gap_count']} silences of {SESSION_GAP_S} s or more in trading hours, together {facts['gap_seconds']} s, the longest "
        f"{longest_s:.0f} s, limit {limit_s:.0f} s at this number of trades (the rest of a session that still runs counts)",
        {
            "gap_count": facts["gap_count"],
            "gap_seconds": facts["gap_seconds"],
            "gap_longest_s": facts["gap_longest_s"],
            "limit_s": limit_s,
        },
    )


def _jump(facts: Mapping[str, Json]) -> CheckResult:
    """Judge the largest step against the largest price of the day: near zero (CL in April 2020) a price is no measure of itself."""
    level = max(abs(_number(facts, "low")), abs(_number(facts, "high")))
    jump = _number(facts, "largest_jump")
    share = jump / level if level else 0.0
    at = facts.get("jump_at_us")
    return CheckResult(
        "price_jumps",
        share <= JUMP_FRAC_WARN,
        Severity.WARN,
        f"largest step from a close to the next open {jump:g} points"
        + (f" at {np.datetime64(at, 'us')}Z" if isinstance(at, int) else "")
        + f", {share:.2%} of the largest price of the day; limit {JUMP_FRAC_WARN:.0%}",
        {"largest_jump": jump, "largest_jump_frac": share},
    )


def _crossed(facts: Mapping[str, Json]) -> CheckResult:
    rows = _number(facts, "rows")
    share = _number(facts, "crossed_bars") / rows if rows else 0.0
    return CheckResult(
        "crossed_quotes",
        share <= CROSSED_FRAC_WARN,
        Severity.WARN,
        f"bid above ask at the close of {share:.3%} of the bars, limit {CROSSED_FRAC_WARN:.1%}",
        {"crossed_frac": share},
    )


def _number(facts: Mapping[str, Json], name: str) -> float:
    """Return a numeric fact; 0 if it is absent or null."""
    value = facts.get(name)
    return float(value) if isinstance(value, int | float) else 0.0
