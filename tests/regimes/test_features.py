"""Features and tags on hand-made days."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from .frames import SIGMA, SPOT, chain, feed, piecewise, regimes


def test_r1_distances_of_a_hand_made_snapshot() -> None:
    row = regimes(chain(10, zero_gamma=6_400.0, call_wall=6_550.0, put_wall=6_450.0)).row(-1, named=True)
    assert row["sigma_points"] == pytest.approx(17.0346, abs=1e-3)  # 6500 x 0.15 x sqrt(30 / 98,280)
    assert (row["dist_flip_frac"], row["sigma_kind"]) == (100 / 6_500, "implied")
    assert row["dist_flip_sigma"] == pytest.approx(100 / SIGMA)
    assert row["dist_call_wall_sigma"] == pytest.approx(50 / SIGMA)
    assert row["dist_put_wall_sigma"] == pytest.approx(50 / SIGMA)
    assert row["gex_unit"] == "usd_per_1pct"


def test_r1_slopes_per_minute_of_all_windows() -> None:
    count = np.arange(40)
    day = chain(
        40,
        60,
        naive_gex_net=1e9 + count**2 * 1e6,
        zero_gamma=6_400.0 + count,
        call_wall=6_600.0 - count,
        put_wall=6_300.0,
    )
    row = regimes(day, chain_cadence_s=60).row(-1, named=True)
    # Windows of 5, 15, 30 minutes hold rows 35.., 25.., 10.. of 39.
    for name, first in (("short", 35), ("medium", 25), ("long", 10)):
        assert row[f"naive_gex_net_slope_{name}_per_min"] == (39**2 - first**2) * 1e6 / (39 - first)
        assert (row[f"n_obs_{name}"], row[f"coverage_{name}_frac"]) == (40 - first, 1.0)
    assert row["zero_gamma_slope_points_per_min"] == 1.0
    assert row["call_wall_slope_points_per_min"] == -1.0
    assert row["put_wall_slope_points_per_min"] == 0.0


def test_r1_window_features_are_null_below_seventy_percent() -> None:
    rows = regimes(chain(40, 60), chain_cadence_s=60)
    slope = rows["naive_gex_net_slope_medium_per_min"]
    known = (rows["coverage_medium_frac"] >= 0.7).to_list()
    assert known.index(True) == 10  # 11 of 15 minutes are the first 70 %
    assert slope.is_not_null().to_list() == known
    assert rows["call_wall_stability_frac"].is_not_null().to_list() == known


def test_r1_feed_measures_distance_in_realised_volatility() -> None:
    day = feed(2_400, spot=SPOT * np.exp(0.0005 * (np.arange(2_400) // 60 % 2)))
    row = regimes(day).row(-1, named=True)
    # One step of 5 bp in every minute: 5 bp x sqrt(30).
    assert row["sigma_points"] == pytest.approx(0.0005 * np.sqrt(30) * row["spot"], rel=1e-9)
    assert row["sigma_kind"] == "realised"
    early = regimes(day)["sigma_points"].is_null().to_list()
    assert early.index(False) == 1_259  # 70 % of 30 minutes
    assert row["zero_dte_frac"] is None


def test_r1_wall_that_carries_a_drifting_basis_is_the_same_wall() -> None:
    drift = np.arange(40) * 0.02
    rows = regimes(chain(40, 60, call_wall=6_600 + drift, put_wall=6_400 + drift * 50), chain_cadence_s=60)
    assert rows["call_wall_stability_frac"][-1] == 1.0
    assert rows["put_wall_stability_frac"][-1] == 1 / 15
    assert rows["wall_shift"][-1] is True
    assert regimes(chain(40, call_wall=6_600 + drift))["wall_shift"].to_list()[-1] is False


def test_r2_flip_risk_within_one_sigma() -> None:
    assert regimes(chain(3, zero_gamma=SPOT - 0.999 * SIGMA))["flip_risk"].to_list() == [True] * 3
    assert regimes(chain(3, zero_gamma=SPOT + 1.001 * SIGMA))["flip_risk"].to_list() == [False] * 3
    assert regimes(chain(3, zero_gamma=None))["flip_risk"].null_count() == 3
    assert regimes(chain(3, zero_gamma=None, n_crossings=0))["flip_risk"].to_list() == [False] * 3


def test_r2_level_break_where_spot_crosses_a_level_that_stood_before() -> None:
    spot = piecewise(40, {0: 6_500.0, 20: 6_590.0, 21: 6_610.0})
    rows = regimes(chain(40, 60, spot=spot, call_wall=6_600.0), chain_cadence_s=60)
    # The window of 5 minutes holds the start before the break for rows 21 to 24.
    assert [row for row, broken in enumerate(rows["level_break"]) if broken] == [21, 22, 23, 24]
    jumped = regimes(chain(40, 60, call_wall=piecewise(40, {0: 6_600.0, 20: 6_400.0})), chain_cadence_s=60)
    assert not any(jumped["level_break"][4:])  # the level moved, not spot


def test_r2_zero_dte_dominates_above_half_of_gross() -> None:
    rows = regimes(chain(3, zero_dte_frac=[0.5, 0.5001, None]))
    assert rows["zero_dte_dominant"].to_list() == [False, True, None]


def test_r2_row_is_known_after_the_latency_of_its_source() -> None:
    late = regimes(feed(3), feed_latency_ms=1_000)
    assert (late["known_at"] - late["ts"]).dt.total_milliseconds().to_list() == [1_000] * 3
    # A saved table says 14:30 until 14:30:59.
    saved = regimes(chain(3))
    assert (saved["known_at"] - saved["ts"]).dt.total_milliseconds().to_list() == [60_000] * 3
    prompt = regimes(chain(3), chain_latency_ms=0)
    assert prompt["known_at"].equals(prompt["ts"], check_names=False)


def test_r1_missing_inputs_give_nulls_and_never_zero_or_infinity() -> None:
    rows = regimes(chain(12, spot=None, atm_iv=None, zero_gamma=None, call_wall=None, missing_inputs="spot:null"))
    for name in ("sigma_points", "dist_flip_frac", "dist_flip_sigma", "dist_call_wall_sigma", "dist_put_wall_sigma"):
        assert rows[name].null_count() == 12, name
    assert rows["put_wall_slope_points_per_min"][-1] == 0.0
    assert rows.select(pl.col(pl.Float64).is_infinite().any()).row(0).count(True) == 0
