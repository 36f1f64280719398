"""Facts about a day of regimes and the checks that judge them.

Belongs here: pure functions from rows to facts, and from facts to check results. Does not belong here: reading files
(``builder.py``), the row rules of the dataset contract.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Final

import numpy as np
import polars as pl

from ..instants import MICROSECONDS
from ..lake.building import CheckResult, Json, Severity
from .observations import FEED, UNITS
from .parameters import STATES, RegimeParameters, State

# Opening, recovery after one longer gap and the lunch hour of a slow source stay below; a day of which most is unknown is of no use.
UNKNOWN_MOST_FRAC: Final = 0.5
RIBBON_BUCKETS: Final = 52
RIBBON_LETTERS: Final[Mapping[State, str]] = {
    State.POSITIVE_PIN: "P",
    State.POSITIVE: "p",
    State.TRANSITION: "t",
    State.NEGATIVE: "n",
    State.NEGATIVE_EXPANSION: "N",
    State.UNKNOWN: "u",
}
NOTHING: Final = "."
_WHY: Final = "(?:^|;)why=([a-z_]+)"
CHECKS: Final[Mapping[str, str]] = {
    "every_observation_has_a_regime": "There is one row for every observation of the upstream, and no other row.",
    "states_are_valid": "Every state is one of the six regimes.",
    "every_row_has_a_reason": "Every row says by which rule and values it was decided.",
    "replay_gives_the_same_rows": "Made again (from part of the day, or from the stored upstream), the rows are the same.",
    "states_last_their_dwell": "A regime that is not unknown lasts at least the dwell before another one takes its place.",
    "known_most_of_session": f"At most {UNKNOWN_MOST_FRAC:.0%} of the observations in trading hours are unknown (warning).",
}


@dataclass(frozen=True, slots=True)
class Expected:
    """What the parameters expect of the time between two observations of one origin, and what changes that.

    Attributes:
        cadence_s: time between observations.
        staleness_s: silence after which nothing is known.
        cadence_names: parameter (and setting) of the cadence.
        staleness_names: the same of the silence.
    """

    cadence_s: float
    staleness_s: float
    cadence_names: str
    staleness_names: str

    @classmethod
    def of(cls, parameters: RegimeParameters, origin: str) -> Expected:
        """Return what is expected of the feed, or of chains."""
        if origin == FEED:
            names = ("feed_cadence_s", "feed_staleness_s (TP_GEX_STALE_AFTER_MS)")
            return cls(parameters.feed_cadence_s, parameters.feed_staleness_s, *names)
        staleness_s = parameters.chain_staleness_cadences * parameters.chain_cadence_s
        names = ("chain_cadence_s (TP_CHAIN_CADENCE_S)", "chain_staleness_cadences, or chain_cadence_s")
        return cls(parameters.chain_cadence_s, staleness_s, *names)


def regime_facts(
    rows: pl.DataFrame,
    observations: int,
    span: tuple[int, int],
    parameters: RegimeParameters,
    replay_differences: int,
) -> dict[str, Json]:
    """Measure a day of rows.

    Args:
        rows: columns of ``gex_regimes``.
        observations: observations that the upstream holds, each source and time once.
        span: first and last edge of the trading hours, epoch microseconds.
        parameters: with which the rows were made.
        replay_differences: rows that came out otherwise when made again.

    Returns:
        Small JSON values; deterministic, the input of ``check_facts``.
    """
    state = rows["state"].cast(pl.String)
    inside = rows.filter(~rows["reasons"].str.contains("why=outside_session", literal=True))
    known = int((inside["state"].cast(pl.String) != State.UNKNOWN).sum())
    ts = rows["ts"].to_physical()
    counts = {str(name): int((inside["state"].cast(pl.String) == name).sum()) for name in STATES}
    return {
        "rows": rows.height,
        "observations": observations,
        "rows_in_session": inside.height,
        "rows_known": known,
        "unknown_frac": None if inside.is_empty() else round(1 - known / inside.height, 6),
        "rows_by_state": counts,
        "unknown_by_cause": unknown_causes(inside),
        "invalid_states": int((~state.is_in([str(name) for name in STATES])).sum()),
        "rows_without_reason": int((~rows["reasons"].str.starts_with("rule=")).sum()),
        "state_changes": _changes(inside).height,
        "shortest_known_stay_s": _shortest_stay_s(inside),
        "min_dwell_s": parameters.min_dwell_s,
        "seconds_between": _seconds_between(inside),
        "expected": {
            origin: asdict(Expected.of(parameters, origin))
            for origin, unit in UNITS.items()
            if unit in rows["gex_unit"].cast(pl.String).unique().to_list()
        },
        "replay_differences": replay_differences,
        "sources": sorted(rows["source"].cast(pl.String).unique().to_list()),
        "parameters_hash": None if rows.is_empty() else str(rows["parameters_hash"][0]),
        "first_ts_us": None if rows.is_empty() else int(ts[0]),
        "last_ts_us": None if rows.is_empty() else int(ts[-1]),
        "ribbon": ribbon(rows, span),
    }


def unknown_causes(rows: pl.DataFrame) -> dict[str, Json]:
    """Count the causes of unknown rows; ``held`` counts rows whose rule is known and that wait for recovery or dwell."""
    reason = pl.col("reasons")
    cause = pl.when(reason.str.contains("held=", literal=True)).then(pl.lit("held")).otherwise(reason.str.extract(_WHY))
    unknown = rows.filter(pl.col("state").cast(pl.String) == State.UNKNOWN)
    counted = unknown.group_by(why=cause.fill_null("none")).len().sort("why")
    return {str(why): int(count) for why, count in counted.rows()}


def _changes(rows: pl.DataFrame) -> pl.DataFrame:
    """Return the rows at which a state was entered after another one, per source."""
    ordered = rows.select("source", "ts", state=pl.col("state").cast(pl.String)).sort("source", "ts")
    before = pl.col("state").shift().over("source")
    return ordered.with_columns(before=before).filter(before != pl.col("state"))


def _shortest_stay_s(rows: pl.DataFrame) -> float | None:
    """Return the shortest time from entering a known state to entering another known one; None if there is no such pair."""
    changes = _changes(rows)
    stay = pl.col("ts").shift(-1).over("source") - pl.col("ts")
    following = pl.col("state").shift(-1).over("source")
    unknown = str(State.UNKNOWN)
    stays = changes.with_columns(stay=stay, following=following).filter(
        (pl.col("state") != unknown) & (pl.col("following") != unknown)
    )
    shortest = stays["stay"].dt.total_microseconds().min()
    return None if shortest is None else float(shortest) / MICROSECONDS  # type: ignore[arg-type]  # an integer column


def _seconds_between(rows: pl.DataFrame) -> float | None:
    """Return the middle time between two observations of one source, None without two."""
    ordered = rows.select("source", "ts").sort("source", "ts")
    steps = ordered.select(step=pl.col("ts").diff().over("source"))["step"].drop_nulls().dt.total_microseconds()
    return None if steps.is_empty() else round(float(np.median(steps.to_numpy())) / MICROSECONDS, 3)


def ribbon(rows: pl.DataFrame, span: tuple[int, int]) -> str:
    """Return the state at the end of each of ``RIBBON_BUCKETS`` equal parts of the trading hours, one letter each, ``.`` without a row."""
    start, end = span
    ts = rows["ts"].to_physical().to_numpy()
    within = (ts >= start) & (ts < end)
    letters = (
        rows["state"]
        .cast(pl.String)
        .replace_strict(
            {str(state): letter for state, letter in RIBBON_LETTERS.items()}, default=NOTHING, return_dtype=pl.String
        )
    )
    bucket = ((ts - start) * RIBBON_BUCKETS // max(end - start, 1))[within]
    shown = np.full(RIBBON_BUCKETS, NOTHING)
    # With repeated positions numpy keeps the last value, which is the latest state.
    shown[bucket] = letters.to_numpy()[within]
    return "".join(shown.tolist())


def check_facts(facts: Mapping[str, Json]) -> tuple[CheckResult, ...]:
    """Judge a day by its facts, in the order of ``CHECKS``."""
    rows, observations = _count(facts, "rows"), _count(facts, "observations")
    invalid, unexplained = _count(facts, "invalid_states"), _count(facts, "rows_without_reason")
    differences = _count(facts, "replay_differences")
    dwell, shortest = facts.get("min_dwell_s"), facts.get("shortest_known_stay_s")
    is_short = isinstance(shortest, (int, float)) and isinstance(dwell, (int, float)) and shortest < dwell
    share = facts.get("unknown_frac")
    is_unknown = isinstance(share, (int, float)) and share > UNKNOWN_MOST_FRAC
    error, warning = Severity.ERROR, Severity.WARN
    shown_share = (
        "no observations in trading hours" if share is None else f"{share:.1%} of the observations are unknown"
    )
    remedy = _too_seldom(facts) if is_unknown else ""
    return (
        _result(
            "every_observation_has_a_regime", rows == observations, error, f"{rows} rows of {observations} observations"
        ),
        _result("states_are_valid", invalid == 0, error, f"{invalid} rows with a state that does not exist"),
        _result("every_row_has_a_reason", unexplained == 0, error, f"{unexplained} rows without a reason"),
        _result("replay_gives_the_same_rows", differences == 0, error, f"{differences} rows came out otherwise"),
        _result("states_last_their_dwell", not is_short, error, f"shortest stay {shortest} s, dwell {dwell} s"),
        _result(
            "known_most_of_session", not is_unknown, warning, f"{shown_share}, at most {UNKNOWN_MOST_FRAC:.0%}{remedy}"
        ),
    )


def _too_seldom(facts: Mapping[str, Json]) -> str:
    """Say which parameter is for observations that come less often than expected; empty if that is not why most is unknown."""
    causes, expected, seconds = facts.get("unknown_by_cause"), facts.get("expected"), facts.get("seconds_between")
    if not isinstance(causes, Mapping) or not isinstance(expected, Mapping) or not isinstance(seconds, float | int):
        return ""
    own = {str(cause): int(str(rows)) for cause, rows in causes.items() if cause != "held"}
    cause = max(own, key=lambda name: own[name], default="")
    for limits in expected.values():
        if not isinstance(limits, Mapping):
            continue
        cadence_s, staleness_s = float(str(limits["cadence_s"])), float(str(limits["staleness_s"]))
        if cause in ("gap", "stale") and seconds > staleness_s:
            return (
                f"; most by why={cause}: an observation comes every {seconds:g} s (median) and serves {staleness_s:g} s: "
                f"{limits['staleness_names']}"
            )
        if cause == "coverage" and seconds > cadence_s:
            return (
                f"; most by why=coverage: an observation comes every {seconds:g} s (median), expected is one every {cadence_s:g} s: "
                f"set {limits['cadence_names']}, in regimes.toml for one symbol"
            )
    return ""


def _count(facts: Mapping[str, Json], name: str) -> int:
    value = facts.get(name, 0)
    return value if isinstance(value, int) else 0


def _result(name: str, passed: bool, severity: Severity, description: str) -> CheckResult:  # noqa: FBT001
    return CheckResult(name, passed, severity, description)
