"""Derived figures on a snapshot that can be worked out by hand, and what is unknown without an input (R1)."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading_platform.gex import Derived, StrikeTable, compute_levels, walls
from trading_platform.gex.derived import compression_score, derive, nearest_wall, ramp
from trading_platform.gex.values import derived_block

from .frames import EASTERN, SPOT, call, chain, put

MILLION = 1e6
TAU = (11 + 5.5 / 24) / 365  # from Monday 10:30 to 16:00 of Friday, 21 March


def table(*rows: tuple[float, float, float]) -> StrikeTable:
    """Return exposures per strike: strike, calls and puts in million USD per 1 %."""
    strike, calls, puts = (np.array(column, np.float64) for column in zip(*rows, strict=True))
    return StrikeTable(strike, calls * MILLION, puts * MILLION)


# Net per strike: -6, -10, +26, +8 million; all together 46 of calls - 28 of puts = 18 million.
SNAPSHOT = table((95, 2, -8), (98, 5, -15), (103, 30, -4), (105, 9, -1))


def derived(
    exposures: StrikeTable = SNAPSHOT, *, spot: float = 100.0, zero_gamma: float | None = 99.0, unknown: float = 0.0
) -> Derived:
    """Return the figures of a table, with nothing known of the strike ``unknown``."""
    net = float(exposures.net.sum())
    call, put = (np.where(exposures.strike == unknown, np.nan, side) for side in (exposures.call, exposures.put))
    known = StrikeTable(exposures.strike, call, put)
    return derive(known, walls(known, spot), net_usd_per_1pct=net, spot=spot, zero_gamma=zero_gamma)


def test_r1_every_figure_of_a_snapshot_by_hand() -> None:
    found = derived()
    # 18 million / 100 points.
    assert found.normalised_musd_per_1pct_per_point == pytest.approx(0.18, rel=1e-14)
    # From -10 million at 98 to +26 million at 103: 36 / 5.
    assert (found.ramp.lower_strike, found.ramp.upper_strike) == (98.0, 103.0)
    assert found.ramp.musd_per_1pct_per_point == pytest.approx(7.2, rel=1e-14)
    # The band of 3 % holds 98 and 103: call wall 103 is 3 points away, put wall 98 is 2.
    assert found.nearest_wall is not None
    assert (found.nearest_wall.strike, found.nearest_wall.side) == (98.0, "put")
    assert (found.nearest_wall.dist_points, found.nearest_wall.dist_pct) == (2.0, 2.0)
    assert found.dist_to_flip_points == 1.0
    # 0.5 ln 1.18 + 0.3 ln 8.2 + 0.2 ln 2 = 0.0827572 + 0.6312402 + 0.1386294 = 0.8526269; 85.26269 / 1.8526269 = 46.0226.
    assert found.compression_score == pytest.approx(46.022591, abs=5e-7)


def test_r1_nothing_is_rounded() -> None:
    found = derived(table((98, 0, -0.01), (103, 0.02, 0)), spot=100.49, zero_gamma=100.4875)
    assert found.normalised_musd_per_1pct_per_point == pytest.approx(0.01 / 100.49, rel=1e-14)
    assert found.ramp.musd_per_1pct_per_point == pytest.approx(0.006, rel=1e-14)
    assert found.dist_to_flip_points == pytest.approx(0.0025, rel=1e-9)
    assert found.nearest_wall is not None
    assert found.nearest_wall.dist_points == pytest.approx(2.49, rel=1e-12)


def test_r1_a_level_above_spot_has_a_negative_distance() -> None:
    found = derived(spot=101.0, zero_gamma=104.5)
    assert found.dist_to_flip_points == -3.5
    assert found.nearest_wall is not None
    assert (found.nearest_wall.strike, found.nearest_wall.side) == (103.0, "call")
    assert found.nearest_wall.dist_points == -2.0
    assert found.nearest_wall.dist_pct == pytest.approx(-200 / 101, rel=1e-14)


def test_r1_a_strike_at_spot_is_the_lower_one_of_the_ramp() -> None:
    at = ramp(SNAPSHOT, 98.0)
    just_below = ramp(SNAPSHOT, 97.99)
    assert (at.lower_strike, at.upper_strike) == (98.0, 103.0)
    assert (just_below.lower_strike, just_below.upper_strike) == (95.0, 98.0)
    # From -6 to -10 million over 3 points.
    assert just_below.musd_per_1pct_per_point == pytest.approx(-4 / 3, rel=1e-14)


@pytest.mark.parametrize(("spot", "lower", "upper"), [(94.0, None, 95.0), (105.0, 105.0, None), (110.0, 105.0, None)])
def test_r1_without_a_strike_on_either_side_ramp_and_score_are_unknown(
    spot: float, lower: float | None, upper: float | None
) -> None:
    found = derived(spot=spot)
    assert (found.ramp.lower_strike, found.ramp.upper_strike) == (lower, upper)
    assert (found.ramp.musd_per_1pct_per_point, found.compression_score) == (None, None)
    assert found.normalised_musd_per_1pct_per_point == pytest.approx(18 / spot, rel=1e-14)
    assert found.dist_to_flip_points == spot - 99


@pytest.mark.parametrize("unknown", [98.0, 103.0])
def test_r1_a_strike_of_which_nothing_is_known_is_not_skipped(unknown: float) -> None:
    found = derived(unknown=unknown)
    assert (found.ramp.lower_strike, found.ramp.upper_strike) == (98.0, 103.0)
    assert (found.ramp.musd_per_1pct_per_point, found.compression_score) == (None, None)
    assert derived(unknown=95.0).ramp.musd_per_1pct_per_point == pytest.approx(7.2, rel=1e-14)


def test_r1_without_a_crossing_distance_and_score_are_unknown_and_the_rest_is_not() -> None:
    found = derived(zero_gamma=None)
    assert (found.dist_to_flip_points, found.compression_score) == (None, None)
    assert (found.ramp, found.nearest_wall) == (derived().ramp, derived().nearest_wall)


def test_r1_the_nearest_wall_is_one_of_the_band_and_the_lower_of_two_equally_near() -> None:
    near = nearest_wall(walls(table((98, 0, -5), (102, 5, 0)), 100.0), 100.0)
    assert (near.strike, near.side) == (98.0, "put")
    near = nearest_wall(walls(table((98, 5, 0), (102, 0, -5)), 100.0), 100.0)
    assert (near.strike, near.side) == (98.0, "call")
    # The strongest strikes lie beyond the band, so they are not walls here.
    near = nearest_wall(walls(table((90, 0, -50), (101, 1, 0), (110, 50, 0)), 100.0), 100.0)
    assert (near.strike, near.side) == (101.0, "call")
    assert nearest_wall(walls(table((90, 0, -50), (110, 50, 0)), 100.0), 100.0) is None


def test_r1_a_strike_that_is_both_walls_says_so() -> None:
    near = nearest_wall(walls(table((98, 1, -1), (101, 9, -9)), 100.0), 100.0)
    assert (near.strike, near.side, near.dist_points, near.dist_pct) == (101.0, "both", -1.0, -1.0)


@pytest.mark.parametrize("missing", [0, 1, 2])
def test_r1_a_score_is_never_made_from_the_other_inputs(missing: int) -> None:
    inputs: list[float | None] = [0.18, 7.2, 1.0]
    assert compression_score(*inputs) is not None
    inputs[missing] = None
    assert compression_score(*inputs) is None


def test_r1_spot_on_zero_gamma_has_a_finite_score() -> None:
    # 0.2 ln(1 + 1e6) = 2.7631023; 276.31023 / 3.7631023 = 73.4262.
    assert compression_score(0.0, 0.0, 0.0) == pytest.approx(73.42618, abs=5e-5)
    # 0.2 ln(1 + 1 / 4) = 0.0446287; 4.46287 / 1.0446287 = 4.27221.
    assert compression_score(0.0, 0.0, 4.0) == pytest.approx(4.27221, abs=5e-5)


numbers = st.floats(-1e9, 1e9)


@given(numbers, numbers, numbers)
def test_r1_the_score_lies_between_0_and_100_and_no_sign_matters(
    normalised: float, slope: float, points: float
) -> None:
    score = compression_score(normalised, slope, points)
    assert 0 <= score < 100
    assert compression_score(-normalised, -slope, -points) == score
    assert compression_score(2 * normalised, 2 * slope, points / 2) >= score * (1 - 1e-12)


def gamma(strike: float) -> float:
    deviation = 0.2 * math.sqrt(TAU)
    d1 = math.log(SPOT / strike) / deviation + deviation / 2
    return math.exp(-d1 * d1 / 2) / math.sqrt(2 * math.pi) / (SPOT * deviation)


def test_r1_figures_of_a_chain_are_those_of_its_gammas() -> None:
    levels = compute_levels(chain([put(98, 30), call(98, 10), call(101, 40), put(101, 5), call(120, 1)]))
    block = derived_block(levels)
    dollars = 100 * SPOT**2 * 0.01  # per gamma and contract
    lower, upper = (10 - 30) * gamma(98) * dollars, (40 - 5) * gamma(101) * dollars
    net = lower + upper + gamma(120) * dollars
    assert block["gex_normalised_musd_per_1pct_per_point"] == pytest.approx(net / MILLION / SPOT, rel=1e-12)
    assert block["gex_ramp_musd_per_1pct_per_point"] == pytest.approx((upper - lower) / MILLION / 3, rel=1e-12)
    assert (block["ramp_lower_strike"], block["ramp_upper_strike"]) == (98.0, 101.0)
    assert (block["nearest_wall"], block["nearest_wall_side"]) == (101.0, "call")
    assert block["dist_to_flip_points"] == SPOT - levels.flip.zero_gamma
    assert block["dist_to_flip_pct"] == pytest.approx(block["dist_to_flip_points"], rel=1e-12)  # spot is 100
    assert 0 < block["compression_score"] < 100


def test_r1_a_hundred_times_the_normalised_net_is_million_dollars_per_point() -> None:
    block = derived_block(compute_levels(chain([call(100, 10), call(101, 0)])))
    per_point = gamma(100) * 10 * 100 * SPOT  # gamma * contracts * multiplier * spot
    assert 100 * block["gex_normalised_musd_per_1pct_per_point"] == pytest.approx(per_point / MILLION, rel=1e-12)


def test_r1_settled_strikes_are_no_neighbours_of_spot() -> None:
    today = datetime(2025, 3, 10, tzinfo=UTC).date()
    lines = [put(98), call(103), call(100, expiry=today), put(101, expiry=today)]
    early = derived_block(compute_levels(chain(lines)))
    late = derived_block(compute_levels(chain(lines, observed_at=datetime(2025, 3, 10, 20, 0, tzinfo=UTC))))
    assert (early["ramp_lower_strike"], early["ramp_upper_strike"]) == (100.0, 101.0)
    assert (late["ramp_lower_strike"], late["ramp_upper_strike"]) == (98.0, 103.0)


def test_r1_no_volatility_leaves_nothing_to_derive_and_no_interest_is_zero() -> None:
    lost = derived_block(compute_levels(chain([call(100, 10, iv=0.0), put(101, 10, iv=None)])))
    assert (lost.pop("ramp_lower_strike"), lost.pop("ramp_upper_strike")) == (100.0, 101.0)
    assert set(lost.values()) == {None}
    # Nobody holds these contracts: net and ramp are computed and zero, but there is no crossing and no wall.
    idle = derived_block(compute_levels(chain([call(100, 0), put(101, 0)])))
    assert (idle["gex_normalised_musd_per_1pct_per_point"], idle["gex_ramp_musd_per_1pct_per_point"]) == (0.0, 0.0)
    assert (idle["nearest_wall"], idle["dist_to_flip_points"], idle["compression_score"]) == (None, None, None)


def clock(moment: datetime) -> datetime:
    return moment.astimezone(EASTERN).replace(tzinfo=None)


@pytest.mark.parametrize("stem", ["spx_2025-08-29_1629", "spx_2025-09-04_1430", "spy_2025-08-25_2139"])
def test_r1_figures_of_real_chains_are_those_of_a_loop_over_their_rows(sample, stem: str) -> None:
    data = sample(stem)
    block, spot, asof = derived_block(data.levels), data.levels.lines.spot, data.levels.lines.observed_at
    net: dict[float, float] = {}
    for row in data.chain.iter_rows(named=True):
        # Calendar time on the clock of New York.
        years = (clock(row["settlement_at"]) - clock(asof)).total_seconds() / (365 * 86_400)
        if years <= 0:
            continue
        net.setdefault(row["strike"], 0.0)
        if not row["iv"] or not row["open_interest"]:
            continue
        deviation = row["iv"] * math.sqrt(years)
        d1 = math.log(spot / row["strike"]) / deviation + deviation / 2
        exposure = math.exp(-d1 * d1 / 2) / math.sqrt(2 * math.pi) / deviation * row["open_interest"] * spot
        net[row["strike"]] += exposure if row["right"] == "C" else -exposure
    lower, upper = max(k for k in net if k <= spot), min(k for k in net if k > spot)
    assert (block["ramp_lower_strike"], block["ramp_upper_strike"]) == (lower, upper)
    expected = (net[upper] - net[lower]) / (upper - lower) / MILLION
    assert block["gex_ramp_musd_per_1pct_per_point"] == pytest.approx(expected, rel=1e-9)
    assert block["gex_normalised_musd_per_1pct_per_point"] == pytest.approx(
        math.fsum(net.values()) / MILLION / spot, rel=1e-9
    )
    band = [data.levels.own.walls.call_wall_band.strike, data.levels.own.walls.put_wall_band.strike]
    assert abs(block["dist_to_nearest_wall_points"]) == min(abs(spot - strike) for strike in band)
    assert 0 < block["compression_score"] < 100
