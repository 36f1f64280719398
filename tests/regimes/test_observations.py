"""One frame from chains and from the feed: values, reasons for what is missing, order."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trading_platform.lake.contracts import GEX_LEVELS, GEX_SNAPSHOTS
from trading_platform.regimes.observations import (
    LEVEL_COLUMNS,
    OBSERVATION_SCHEMA,
    SNAPSHOT_COLUMNS,
    ladder_of,
    observations_of_levels,
    observations_of_snapshots,
)

from .frames import contract_frame, random_chain, regimes

AT = datetime(2025, 9, 2, 14, 0, tzinfo=UTC)
LEVEL: dict[str, Any] = {
    "observed_at": AT,
    "source": "cboe",
    "spot": 6_460.0,
    "naive_gex_call_usd_per_1pct": 170e9,
    "naive_gex_put_usd_per_1pct": -150e9,
    "naive_gex_0dte_call_usd_per_1pct": 60e9,
    "naive_gex_0dte_put_usd_per_1pct": -20e9,
    "naive_zero_gamma": 6_440.0,
    "naive_n_crossings": 1,
    "naive_call_wall": 7_000.0,
    "naive_put_wall": 6_000.0,
    "naive_call_wall_band": 6_500.0,
    "naive_put_wall_band": 6_400.0,
    "oi_dropped_pct": 1.5,
    "oi_dropped_call_pct": 2.5,
    "oi_dropped_put_pct": None,
    "oi_unknown_call_pct": 0.0,
    "oi_unknown_put_pct": 5.0,
    "vendor_gap_call_pct": -3.0,
    "vendor_gap_put_pct": 2.0,
    "atm_iv_30d": 0.13,
}
SNAPSHOT: dict[str, Any] = {
    "ts": AT,
    "category": "gex_full",
    "spot": 24_000.0,
    "zero_gamma": 23_950.0,
    "sum_gex_vol": 1_500.0,
    "sum_gex_oi": -900.0,
    "major_pos_vol_strike": 24_100.0,
    "major_neg_vol_strike": 23_900.0,
    "major_pos_oi_strike": 1.0,
}
LADDER = pl.DataFrame({"ts": [AT], "ladder_net": [30.0], "ladder_gross": [120.0]}).cast(
    {"ts": pl.Datetime("us", "UTC")}
)


def level(**changes: Any) -> pl.DataFrame:
    return contract_frame(GEX_LEVELS, 1, **LEVEL | changes).select(LEVEL_COLUMNS)


def snapshot(**changes: Any) -> pl.DataFrame:
    return contract_frame(GEX_SNAPSHOTS, 1, **SNAPSHOT | changes).select(SNAPSHOT_COLUMNS)


def test_r1_level_row_becomes_an_observation() -> None:
    row = observations_of_levels(level()).row(0, named=True)
    assert row == {
        "ts": AT,
        "source": "cboe",
        "origin": "chain",
        "spot": 6_460.0,
        "naive_gex_net": 20e9,
        "net_to_gross": 20 / 320,
        "zero_gamma": 6_440.0,
        "n_crossings": 1,
        "call_wall": 6_500.0,
        "put_wall": 6_400.0,
        "oi_dropped_pct": 1.5,
        "vendor_gap_pct": 3.0,
        "zero_dte_frac": 80 / 320,
        "atm_iv": 0.13,
        "is_repeat": False,
        "missing_inputs": None,
        "is_conflict": False,
    }


def test_r1_feed_row_becomes_an_observation_of_the_volume_series() -> None:
    row = observations_of_snapshots(snapshot(), LADDER, "gex_full").row(0, named=True)
    assert (row["naive_gex_net"], row["net_to_gross"], row["zero_gamma"]) == (1_500.0, 0.25, 23_950.0)
    assert (row["call_wall"], row["put_wall"]) == (24_100.0, 23_900.0)
    assert (row["source"], row["origin"], row["missing_inputs"]) == ("gex_full", "feed", None)
    # What the feed does not have by nature is null without being missing.
    assert [row[name] for name in ("oi_dropped_pct", "vendor_gap_pct", "zero_dte_frac", "atm_iv", "n_crossings")] == [
        None
    ] * 5


def test_r1_other_categories_are_other_series() -> None:
    assert observations_of_snapshots(snapshot(category="gex_zero"), LADDER, "gex_full").is_empty()


@pytest.mark.parametrize(
    ("changes", "missing"),
    [
        ({"naive_gex_call_usd_per_1pct": None}, "naive_gex_net:null,net_to_gross:no_gross"),
        ({"naive_gex_call_usd_per_1pct": 0.0, "naive_gex_put_usd_per_1pct": -0.0}, "net_to_gross:no_gross"),
        ({"naive_zero_gamma": None}, "zero_gamma:null"),
        ({"naive_zero_gamma": None, "naive_n_crossings": 0}, None),
        ({"naive_zero_gamma": None, "naive_n_crossings": None}, "n_crossings:null,zero_gamma:null"),
        ({"naive_zero_gamma": 0.0}, "zero_gamma:not_a_price"),
        ({"spot": float("inf")}, "spot:not_finite"),
        ({"atm_iv_30d": None}, "atm_iv:null"),
        ({"oi_dropped_pct": None}, "oi_dropped_pct:null"),
        ({"naive_call_wall_band": None}, None),
        ({"naive_call_wall_band": None, "naive_put_wall_band": None}, "walls:null"),
        ({"vendor_gap_call_pct": None, "vendor_gap_put_pct": None}, None),
        ({"oi_unknown_put_pct": 5.01}, "oi_unknown_put_pct:above_limit"),
        ({"oi_unknown_call_pct": 60.0}, "oi_unknown_call_pct:above_limit"),
        ({"oi_unknown_put_pct": None}, "oi_unknown_put_pct:null"),
        ({"oi_dropped_put_pct": 5.01}, "oi_dropped_put_pct:above_limit"),
        # What the rule "oi_dropped" says of both sides together is not said twice.
        ({"oi_dropped_call_pct": 9.0, "oi_dropped_pct": 5.01}, None),
    ],
)
def test_r1_missing_input_of_a_chain_is_named_with_its_reason(changes: dict[str, Any], missing: str | None) -> None:
    row = observations_of_levels(level(**changes)).row(0, named=True)
    assert row["missing_inputs"] == missing
    numbers = [value for value in row.values() if isinstance(value, float)]
    assert all(math.isfinite(value) for value in numbers)


def test_r1_the_limit_of_lost_open_interest_is_that_of_the_parameters() -> None:
    rows = level(oi_unknown_put_pct=8.0)
    assert observations_of_levels(rows, 8.0)["missing_inputs"].to_list() == [None]
    assert observations_of_levels(rows, 7.9)["missing_inputs"].to_list() == ["oi_unknown_put_pct:above_limit"]


@pytest.mark.parametrize(
    ("changes", "ladder", "missing"),
    [
        ({}, LADDER.clear(), "net_to_gross:no_ladder"),
        ({}, LADDER.with_columns(ladder_gross=0.0), "net_to_gross:no_ladder"),
        ({"sum_gex_vol": None}, LADDER, "naive_gex_net:null"),
        ({"zero_gamma": 0.0}, LADDER, "zero_gamma:not_a_price"),
        ({"major_pos_vol_strike": None}, LADDER, None),
        ({"major_pos_vol_strike": None, "major_neg_vol_strike": 0.0}, LADDER, "walls:null"),
    ],
)
def test_r1_missing_input_of_the_feed_is_named_with_its_reason(changes, ladder, missing: str | None) -> None:
    assert observations_of_snapshots(snapshot(**changes), ladder, "gex_full")["missing_inputs"].to_list() == [missing]


def test_r1_genuine_zero_is_kept() -> None:
    row = observations_of_snapshots(snapshot(sum_gex_vol=0.0), LADDER.with_columns(ladder_net=0.0), "gex_full").row(
        0, named=True
    )
    assert (row["naive_gex_net"], row["net_to_gross"], row["missing_inputs"]) == (0.0, 0.0, None)


def test_r1_ladder_sums_the_strikes_of_each_snapshot() -> None:
    later = AT.replace(second=1)
    strikes = pl.DataFrame(
        {"ts": [AT, AT, AT, later, later], "gex_vol": [5.0, -2.0, None, None, None]},
        schema={"ts": pl.Datetime("us", "UTC"), "gex_vol": pl.Float64},
    )
    assert ladder_of(strikes).rows() == [(AT, 3.0, 7.0), (later, 0.0, 0.0)]


def test_r2_rows_of_one_time_with_different_values_are_unknown_in_any_order() -> None:
    first, second = level(), level(spot=6_470.0)
    one = observations_of_levels(pl.concat([first, second]))
    other = observations_of_levels(pl.concat([second, first]))
    assert one.equals(other)
    assert one["is_conflict"].to_list() == [True]
    again = observations_of_levels(pl.concat([first, first]))
    assert again["is_conflict"].to_list() == [False]
    assert regimes(one.with_columns(is_conflict=True))["rule"].to_list() == ["unknown"]


@given(st.randoms(use_true_random=False))
@settings(max_examples=15, deadline=None)
def test_r2_order_of_arrival_changes_nothing(random) -> None:
    rows = []
    for minute in range(6):
        at = AT.replace(minute=minute)
        rows += [level(observed_at=at, spot=6_460.0 + minute), level(observed_at=at, source="ib", spot=6_461.0)]
        rows.append(level(observed_at=at, source="ib", spot=6_461.0 + minute % 2))
    ordered = observations_of_levels(pl.concat(rows))
    random.shuffle(rows)
    shuffled = observations_of_levels(pl.concat(rows))
    assert shuffled.equals(ordered)
    assert regimes(shuffled).equals(regimes(ordered))


def test_r1_frames_of_the_tests_have_the_schema_of_observations() -> None:
    assert random_chain().schema == OBSERVATION_SCHEMA
    assert observations_of_levels(level()).schema == OBSERVATION_SCHEMA
    assert observations_of_snapshots(snapshot(), LADDER, "gex_full").schema == OBSERVATION_SCHEMA
