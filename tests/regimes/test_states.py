"""The six regimes: each reachable, every threshold, hysteresis, staleness, no look-ahead."""

from __future__ import annotations

import random

import hypothesis.strategies as st
import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, Phase, find, given, settings

from trading_platform.lake.contracts import GEX_REGIMES
from trading_platform.regimes import RegimeParameters, State, parse_reason, regimes_of
from trading_platform.regimes.rules import side_of

from .frames import (
    CLOSE_US,
    DEFAULTS,
    OPEN_US,
    SECOND_US,
    SIGMA,
    SPANS,
    SPOT,
    chain,
    feed,
    piecewise,
    random_chain,
    random_feed,
    regimes,
    states,
)

NEGATIVE = {"naive_gex_net": -3e9 + np.arange(40) * 1e3, "net_to_gross": -0.3, "zero_gamma": SPOT + 5 * SIGMA}
FALLING = {**NEGATIVE, "naive_gex_net": -3e9 - np.arange(40) * 1e3}
CHAIN_DAYS = {
    State.POSITIVE_PIN: {"call_wall": SPOT + 0.4 * SIGMA},
    State.POSITIVE: {},
    State.TRANSITION: {"zero_gamma": SPOT - 0.1 * SIGMA},
    State.NEGATIVE: NEGATIVE,
    State.NEGATIVE_EXPANSION: FALLING,
    State.UNKNOWN: {"oi_dropped_pct": 6.0},
}
COUNT = np.arange(2_400)
FEED_DAYS: dict[State, dict[str, object]] = {
    State.POSITIVE_PIN: {"call_wall": SPOT},
    State.POSITIVE: {},
    State.TRANSITION: {"zero_gamma": SPOT},
    State.NEGATIVE: {"naive_gex_net": -1e4 + COUNT, "net_to_gross": -0.3, "zero_gamma": SPOT + 100},
    State.NEGATIVE_EXPANSION: {"naive_gex_net": -1e3 - COUNT, "net_to_gross": -0.3, "zero_gamma": SPOT + 100},
    State.UNKNOWN: {"missing_inputs": "net_to_gross:no_ladder", "net_to_gross": None},
}


@pytest.mark.parametrize("state", State)
def test_r2_every_state_is_reached_by_a_chain_with_default_settings(state: State) -> None:
    assert states(chain(**CHAIN_DAYS[state]))[-1] == state


@pytest.mark.parametrize("state", State)
def test_r2_every_state_is_reached_by_the_feed_with_default_settings(state: State) -> None:
    assert states(feed(**FEED_DAYS[state]))[-1] == state


INPUTS = st.fixed_dictionaries(
    {
        "net_to_gross": st.sampled_from(np.linspace(-1, 1, 41).tolist()),
        "flip": st.sampled_from(np.linspace(-6, 6, 49).tolist()),
        "wall": st.sampled_from(np.linspace(-1, 1, 21).tolist()),
        "step": st.sampled_from([-1e3, 1e3]),
        "oi_dropped_pct": st.sampled_from(np.linspace(0, 6, 13).tolist()),
    }
)


def _last_state(inputs: dict[str, float]) -> str:
    ratio = inputs["net_to_gross"]
    day = chain(
        12,
        naive_gex_net=1e10 * ratio + inputs["step"] * np.arange(12),
        net_to_gross=ratio,
        zero_gamma=SPOT - inputs["flip"] * SIGMA,
        call_wall=SPOT + inputs["wall"] * SIGMA,
        oi_dropped_pct=inputs["oi_dropped_pct"],
    )
    return states(day)[-1]


@pytest.mark.parametrize("state", State)
def test_r2_a_search_over_inputs_finds_every_state(state: State) -> None:
    options = settings(
        max_examples=400,
        derandomize=True,
        database=None,
        phases=[Phase.generate],  # any example will do, the smallest one is not asked for
        suppress_health_check=list(HealthCheck),
    )
    find(INPUTS, lambda inputs: _last_state(inputs) == state, settings=options)


EPSILON = 1e-6


def _rule(**changes: object) -> dict[str, object]:
    row = regimes(chain(12, **changes)).row(-1, named=True)
    return {"rule": row["rule"], **parse_reason(row["reasons"])}


@pytest.mark.parametrize(
    ("changes", "below", "above"),
    [
        (lambda d: {"zero_gamma": SPOT - (0.25 + d) * SIGMA}, "transition", "positive"),
        (lambda d: {"net_to_gross": 0.05 + d}, "transition", "positive"),
        (lambda d: {"call_wall": SPOT + (0.5 + d) * SIGMA}, "positive_pin", "positive"),
        (lambda d: {"put_wall": SPOT - (0.5 + d) * SIGMA}, "positive_pin", "positive"),
        (lambda d: {"oi_dropped_pct": 5 + d}, "positive", "unknown"),
        (lambda d: {"vendor_gap_pct": 15 + d}, "positive", "unknown"),
        (lambda d: {"n_crossings": 0, "zero_gamma": None, "net_to_gross": 0.05 + d}, "unknown", "positive"),
        (lambda d: {"naive_gex_net": d * 1e9 * (1 + np.arange(12)), "net_to_gross": 0.3}, "transition", "positive"),
    ],
    ids=["flip", "balance", "call wall", "put wall", "open interest", "vendor gap", "no crossing", "sign of net"],
)
def test_r2_rule_changes_exactly_at_its_threshold(changes, below: str, above: str) -> None:
    assert _rule(**changes(-EPSILON))["rule"] == below
    assert _rule(**changes(EPSILON))["rule"] == above


@pytest.mark.parametrize(
    ("changes", "below", "above"),
    [
        (lambda d: {"zero_gamma": SPOT + (0.25 + d) * SIGMA}, "transition", "negative"),
        (lambda d: {"net_to_gross": -0.05 - d}, "transition", "negative"),
        (lambda d: {"naive_gex_net": -3e9 + d * np.arange(12)}, "negative_expansion", "negative"),
    ],
    ids=["flip", "balance", "slope"],
)
def test_r2_negative_rule_changes_exactly_at_its_threshold(changes, below: str, above: str) -> None:
    base = {"naive_gex_net": -3e9 + np.arange(12) * 1e3, "net_to_gross": -0.3, "zero_gamma": SPOT + 5 * SIGMA}
    assert _rule(**base | changes(-1e-4))["rule"] == below
    assert _rule(**base | changes(1e-4))["rule"] == above


@pytest.mark.parametrize(("others", "rule"), [(3, "positive_pin"), (4, "positive")])
def test_r2_wall_must_have_stood_for_four_fifths_of_the_window(others: int, rule: str) -> None:
    # 15 rows per window of 15 minutes: 12 of 15 with the present wall are exactly 0.8.
    near, far = SPOT + 0.4 * SIGMA, SPOT + 4 * SIGMA
    day = chain(40, 60, call_wall=np.where((np.arange(40) >= 30) & (np.arange(40) < 30 + others), far, near))
    assert regimes(day, chain_cadence_s=60)["rule"][-1] == rule


def test_r2_coverage_below_seventy_percent_is_unknown() -> None:
    # One row per second; a window of 900 s with 630 s covered has exactly 0.7.
    day = feed(2_400, missing_inputs=None)
    ts = day["ts"].to_physical().to_numpy()
    seconds = (ts - OPEN_US) // SECOND_US
    # The gaps stay below the staleness limit of 60 s: each minute loses its last 18 (or 19) seconds.
    for lost, expected in ((18, "positive"), (19, "unknown")):
        rows = regimes(day.filter(pl.Series(seconds % 60 < 60 - lost)), full_coverage_frac=0.7)
        at = rows.filter(pl.col("ts").to_physical() == OPEN_US + 2_399 // 60 * 60 * SECOND_US - SECOND_US * (lost + 1))
        assert at["rule"].to_list() == [expected], lost


def test_r2_disagreeing_sign_and_side_are_a_transition_with_its_reason() -> None:
    row = _rule(zero_gamma=SPOT + 5 * SIGMA)
    assert (row["rule"], row["why"]) == ("transition", "sign_conflict")


def test_r2_profile_without_a_crossing_goes_by_the_sign_of_net() -> None:
    row = _rule(n_crossings=0, zero_gamma=None)
    assert (row["rule"], row["n_crossings"]) == ("positive", "0")


def test_r2_distance_keeps_a_side_until_the_exit_level() -> None:
    # 0.22 sigma lies between exit (0.20) and entry (0.25).
    far, between, close = 5.0, 0.22, 0.19
    day = chain(40, zero_gamma=SPOT - SIGMA * piecewise(40, {0: far, 10: between, 20: close, 30: between}))
    found = states(day)
    assert found[9] == "positive"
    assert found[19] == "positive"
    assert found[29] == "transition"
    assert found[39] == "transition"
    assert (
        regimes(day)["reasons"]
        .to_list()[29]
        .startswith("rule=transition;why=near_flip;dist_flip_sigma=0.19;limit=0.25")
    )


def test_r2_pin_is_kept_until_the_exit_level() -> None:
    between = 0.6
    day = chain(40, call_wall=SPOT + SIGMA * piecewise(40, {0: 0.4, 12: between, 24: 0.7}), same_wall_frac=0.01)
    found = states(day, same_wall_frac=0.01)
    assert (found[11], found[23], found[39]) == ("positive_pin", "positive_pin", "positive")
    assert states(chain(40, call_wall=SPOT + between * SIGMA))[-1] == "positive"


def test_r2_new_state_waits_for_observations_that_span_the_dwell() -> None:
    day = chain(60, 60, zero_gamma=SPOT - SIGMA * piecewise(60, {0: 5.0, 30: 0.1, 31: 5.0, 40: 0.1}))
    rows = regimes(day, chain_cadence_s=60)
    # A single row at 30 changes nothing; from row 40 on, row 42 is the first that spans 120 s.
    assert rows["state"].to_list()[29:42] == ["positive"] * 13
    assert rows["state"][42] == "transition"
    assert rows["rule"][41] == "transition"
    assert parse_reason(rows["reasons"][41])["held"] == "dwell"
    assert (rows["previous_state"][42], rows["dwell_s"][42], rows["dwell_s"][44]) == ("positive", 0.0, 120.0)


def test_r2_interrupted_candidate_starts_anew() -> None:
    near = np.isin(np.arange(60), [40, 41, 43, 44])
    day = chain(60, 60, zero_gamma=SPOT - SIGMA * np.where(near, 0.1, 5.0))
    assert set(states(day, chain_cadence_s=60)[20:]) == {"positive"}


def test_r2_value_that_trembles_around_an_entry_level_is_judged_by_the_state_waited_for() -> None:
    # 0.26 sigma asks for positive, 0.22 keeps it: without the levels of the state waited for, no two rows would agree.
    trembling = np.where(np.arange(60) % 2 == 0, 0.26, 0.22)
    rows = regimes(chain(60, 60, zero_gamma=SPOT - SIGMA * trembling), chain_cadence_s=60)
    assert rows["state"].to_list()[14:] == ["positive"] * 46
    assert "state=unknown;held=recovery" in rows["reasons"][13]


def test_r2_rows_that_change_between_states_of_one_side_give_the_plain_state() -> None:
    net = -3e9 + 1e6 * (np.arange(60) // 2 % 2)  # two rows falling, two rows rising over a window of 15
    base = {"net_to_gross": -0.3, "zero_gamma": SPOT + 5 * SIGMA}
    rows = regimes(chain(60, 60, naive_gex_net=net, **base), chain_cadence_s=60)
    assert set(rows["rule"][20:]) == {"negative", "negative_expansion"}
    assert rows["state"].to_list()[14:] == ["negative"] * 46


def test_r2_plain_state_lasts_its_dwell_before_the_finer_one() -> None:
    # The pin stands from row 13 on; at row 14 only the side has held for 120 s.
    wall = SPOT + SIGMA * np.where(np.arange(60) >= 13, 0.4, 3.0)
    rows = regimes(chain(60, 60, call_wall=wall), chain_cadence_s=60, same_wall_frac=0.01)
    assert rows["rule"][14] == "positive_pin"
    assert rows["state"].to_list()[14:18] == ["positive", "positive", "positive_pin", "positive_pin"]


def test_r2_feed_whose_ladder_contradicts_its_sum_has_no_sign() -> None:
    reason = parse_reason(regimes(feed(2_400, net_to_gross=-0.3))["reasons"][-1])
    assert (reason["rule"], reason["why"], float(reason["net"]) > 0) == ("transition", "sign_conflict", True)


def test_r2_unknown_is_entered_at_once_and_left_after_a_full_window() -> None:
    day = chain(60, 60, oi_dropped_pct=np.where(np.arange(60) == 20, 9.0, 0.5))
    found = states(day, chain_cadence_s=60)
    assert found[:14] == ["unknown"] * 14  # rows of 14 minutes and their cadence are the first full window
    assert found[14:20] == ["positive"] * 6
    assert found[20:35] == ["unknown"] * 15
    assert found[35:] == ["positive"] * 25
    reason = parse_reason(regimes(day, chain_cadence_s=60)["reasons"][30])
    assert (reason["rule"], reason["state"], reason["held"], reason["good_s"]) == (
        "positive",
        "unknown",
        "recovery",
        "540",
    )


def test_r2_repeated_values_turn_stale_at_the_limit() -> None:
    frozen = feed(2_400)
    held = frozen.with_columns(
        pl.when(pl.int_range(pl.len()) >= 2_000).then(pl.col(name).get(2_000)).otherwise(name).alias(name)
        for name in ("spot", "naive_gex_net")
    )
    rows = regimes(held)
    assert rows["gex_age_ms"][2_060] == 60_000
    assert rows["state"][2_060] == "positive"
    assert rows["state"][2_061] == "unknown"
    assert parse_reason(rows["reasons"][2_061])["why"] == "stale"
    assert rows["data_repeat"].to_list()[1_999:2_002] == [False, False, True]
    # Who sees no newer row knows from the last good one when it stops to hold.
    assert rows["valid_until"].to_physical()[2_030] == OPEN_US + 2_060 * SECOND_US


def test_r2_silence_longer_than_the_limit_is_unknown_afterwards() -> None:
    day = feed(3_000)
    count = np.arange(3_000)
    short = regimes(day.filter(pl.Series(~((count > 2_000) & (count < 2_060)))))
    long = regimes(day.filter(pl.Series(~((count > 2_000) & (count < 2_061)))))
    assert short["state"].to_list()[2_001] == "positive"
    assert long["state"].to_list()[2_001] == "unknown"
    assert parse_reason(long["reasons"][2_001]) | {"params": ""} == {
        "rule": "unknown",
        "why": "gap",
        "gap_ms": "61000",
        "limit_ms": "60000",
        "prev": "positive",
        "dwell_s": "0",
        "params": "",
    }
    assert long["valid_until"].to_physical()[2_000] == OPEN_US + 2_060 * SECOND_US


def test_r2_chain_that_repeats_an_earlier_day_has_no_age_and_is_unknown() -> None:
    rows = regimes(chain(20, is_repeat=[True] * 10 + [False] * 10))
    assert rows["gex_age_ms"][:10].null_count() == 10
    assert parse_reason(rows["reasons"][5])["gex_age_ms"] == "unknown"
    assert rows["state"][-1] == "positive"


def test_r2_rows_outside_trading_hours_are_unknown_and_seen_by_no_window() -> None:
    before = chain(10).with_columns(pl.col("ts") - pl.duration(hours=1))
    after = chain(3).with_columns(pl.col("ts") + pl.duration(minutes=390))
    day = chain(78)
    rows = regimes(pl.concat([before, day, after]))
    alone = regimes(day)
    assert rows[10:88].equals(alone)
    assert rows["reasons"][0].startswith("rule=unknown;why=outside_session;")
    assert (rows["state"][88], rows["n_obs_long"][88]) == ("unknown", 0)
    assert alone["valid_until"].to_physical()[77] == CLOSE_US


def test_r2_last_row_before_the_close_is_in_the_session_and_the_close_is_not() -> None:
    day = chain(2).with_columns(ts=pl.Series([CLOSE_US - 1, CLOSE_US]).cast(pl.Datetime("us", "UTC")))
    outside = ["outside_session" in text for text in regimes(day)["reasons"]]
    assert outside == [False, True]


def test_r2_sources_of_one_underlying_are_walked_apart() -> None:
    one = chain(40)
    other = chain(40, **CHAIN_DAYS[State.NEGATIVE], source="ib")
    both = regimes(pl.concat([one, other]))
    assert both.filter(pl.col("source") == "cboe").equals(regimes(one))
    assert both.filter(pl.col("source") == "ib").equals(regimes(other))


@pytest.mark.parametrize("day", [random_chain(), random_feed()], ids=["chain", "feed"])
def test_r2_cutting_the_day_leaves_every_earlier_row_unchanged(day: pl.DataFrame) -> None:
    whole = regimes(day)
    rng = random.Random(5)
    for rows in sorted(rng.sample(range(1, day.height), 8)):
        assert regimes(day[:rows]).equals(whole[:rows]), rows


@given(st.integers(0, 2**32 - 1), st.integers(1, 77))
@settings(max_examples=20, deadline=None)
def test_r2_cut_at_any_time_changes_nothing_before_it(seed: int, rows: int) -> None:
    day = random_chain(seed)
    assert regimes(day[:rows]).equals(regimes(day)[:rows])


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_r2_known_states_last_their_dwell_and_reasons_agree_with_columns(seed: int) -> None:
    rows = regimes(random_chain(seed))
    GEX_REGIMES.validate(regimes_of(random_chain(seed), SPANS, DEFAULTS))
    changes = rows.filter(pl.col("state") != pl.col("state").shift())
    for row in changes.iter_rows(named=True):
        if row["state"] != "unknown":
            assert side_of(State(row["rule"])) == side_of(State(row["state"]))
            assert row["dwell_s"] == 0
    for row in rows.iter_rows(named=True):
        reason = parse_reason(row["reasons"])
        assert reason["rule"] == row["rule"]
        assert reason.get("state", row["rule"]) == row["state"]
        assert ("held" in reason) == (row["rule"] != row["state"])
        assert float(reason["dwell_s"]) == row["dwell_s"]
        assert reason["prev"] == (row["previous_state"] or "none")
        assert reason["params"] == DEFAULTS.hash
        if "limit" in reason:
            assert float(reason["limit"]) in DEFAULTS.resolved().values()


def test_r2_window_without_volatility_is_unknown() -> None:
    still = feed(2_400, spot=SPOT)
    assert parse_reason(regimes(still)["reasons"][-1])["why"] == "sigma"
    assert regimes(still)["sigma_points"].null_count() == 2_400


@pytest.mark.parametrize("state", [*State])
def test_r2_reason_names_the_values_it_was_decided_by(state: State) -> None:
    keys = {
        State.POSITIVE_PIN: {"net_to_gross", "dist_flip_sigma", "wall", "wall_dist_sigma", "wall_stability"},
        State.POSITIVE: {"net_to_gross", "dist_flip_sigma"},
        State.TRANSITION: {"why", "dist_flip_sigma", "limit"},
        State.NEGATIVE: {"net_to_gross", "dist_flip_sigma"},
        State.NEGATIVE_EXPANSION: {"net_to_gross", "dist_flip_sigma", "net_slope_per_min"},
        State.UNKNOWN: {"why", "oi_dropped_pct", "limit"},
    }
    reason = parse_reason(regimes(chain(**CHAIN_DAYS[state]))["reasons"][-1])
    assert set(reason) == keys[state] | {"rule", "prev", "dwell_s", "params"}


def test_r2_parameters_of_another_run_are_named_in_every_row() -> None:
    rows = regimes(chain(5), min_dwell_s=60)
    expected = RegimeParameters(min_dwell_s=60).hash
    assert rows["parameters_hash"].unique().to_list() == [expected]
    assert expected != DEFAULTS.hash


def test_r2_contract_knows_the_same_states() -> None:
    from trading_platform.lake.contracts.regimes import _STATES

    assert tuple(str(state) for state in State) == _STATES
