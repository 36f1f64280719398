"""Wall candidates and the 15-second change, beside numbers worked out by hand and a plain loop."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trading_platform.gexfeed import change_15s, wall_candidates
from trading_platform.gexfeed.decode import read_batches
from trading_platform.gexfeed.walls import WALL_COLUMNS

Row = tuple[float, float]


def walls(rows: list[Row], major_pos: float = math.nan, major_neg: float = math.nan) -> dict[str, float | None]:
    found = wall_candidates(
        np.array([strike for strike, _ in rows], np.float64),
        np.array([value for _, value in rows], np.float64),
        np.array([len(rows)]),
        np.array([major_pos]),
        np.array([major_neg]),
    )
    return {name: None if math.isnan(values[0]) else float(values[0]) for name, values in found.items()}


def by_hand(rows: list[Row], major: float, side: str, sign: float) -> dict[str, float | None]:
    """Follow the four rules one after the other."""
    own = [(strike, value) for strike, value in rows if value * sign > 0]
    named: dict[str, float | None] = dict.fromkeys(name for name in WALL_COLUMNS if f"{side}_" in name)
    if not own:
        return named
    largest = max(abs(value) for _, value in own)
    near = [(abs(strike - major), strike, value) for strike, value in own if abs(strike - major) <= 0.51]
    chosen = min(near)[1:] if near else min(own, key=lambda row: (-abs(row[1]), row[0]))
    named[f"major_{side}_vol_gamma"] = chosen[1]
    left = sorted((row for row in own if abs(row[0] - chosen[0]) > 0.51), key=lambda row: (-abs(row[1]), row[0]))
    for rank, (strike, value) in enumerate(left[:2], 1):
        named[f"{side}_can{rank}_strike"] = strike
        named[f"{side}_can{rank}_value"] = value
        named[f"{side}_can{rank}_pct"] = abs(value) / largest * 100
    return named


def test_g1_vendor_example_gives_the_published_walls(shared_data: Any) -> None:
    text = (shared_data / "gex_feed" / "spx_gex_full_example.json").read_bytes()
    (batch,) = read_batches([b"[" + text + b"]"])
    ladder = batch.columns.ladder
    rows = list(zip(ladder[:, 0].tolist(), ladder[:, 1].tolist(), strict=True))
    found = walls(rows, 7_135.0, 7_100.0)
    assert (found["pos_can1_strike"], found["pos_can1_value"]) == (7_385.0, 5.5)
    assert found["pos_can1_pct"] == pytest.approx(12.4547, abs=5e-5)
    assert (found["neg_can1_strike"], found["neg_can1_value"]) == (6_895.0, -48.47)
    assert found["neg_can1_pct"] == pytest.approx(21.2578, abs=5e-5)
    assert found["pos_can2_strike"] is None
    assert found["neg_can2_pct"] is None


def test_g1_major_need_not_be_the_largest_row_and_percent_refers_to_the_largest() -> None:
    found = walls([(100, 10.0), (110, 40.0), (120, 20.0)], major_pos=100.3)
    assert found["major_pos_vol_gamma"] == 10.0
    assert [found[f"pos_can1_{part}"] for part in ("strike", "value", "pct")] == [110.0, 40.0, 100.0]
    assert [found[f"pos_can2_{part}"] for part in ("strike", "value", "pct")] == [120.0, 20.0, 50.0]


def test_g1_equal_sizes_give_the_lower_strike_first() -> None:
    found = walls([(90, -5.0), (100, -9.0), (110, -5.0), (120, -5.0)])
    assert (found["neg_can1_strike"], found["neg_can2_strike"]) == (90.0, 110.0)


def test_g1_rows_within_half_a_point_of_the_major_are_the_major() -> None:
    found = walls([(100, 10.0), (100.5, 9.0), (101, 8.0)], major_pos=100.0)
    assert (found["pos_can1_strike"], found["pos_can2_strike"]) == (101.0, None)


def test_g1_zero_null_and_absent_rows_are_no_walls() -> None:
    assert set(walls([(100, 0.0), (110, math.nan)]).values()) == {None}
    assert set(walls([]).values()) == {None}
    assert walls([(100, -1.0)])["major_pos_vol_gamma"] is None


STRIKES = st.lists(st.integers(0, 60), max_size=14, unique=True).map(
    lambda steps: [s * 0.25 + 100 for s in sorted(steps)]
)


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_g1_walls_equal_the_rules_followed_by_hand(data: st.DataObject) -> None:
    snapshots = data.draw(st.lists(STRIKES, min_size=1, max_size=5))
    values = st.sampled_from([-7.5, -3.0, -0.5, 0.0, 0.5, 3.0, 7.5, math.nan])
    rows = [[(strike, data.draw(values)) for strike in strikes] for strikes in snapshots]
    majors = [data.draw(st.sampled_from([math.nan, 100.0, 103.3, 108.6])) for _ in snapshots]
    found = wall_candidates(
        np.array([strike for one in rows for strike, _ in one], np.float64),
        np.array([value for one in rows for _, value in one], np.float64),
        np.array([len(one) for one in rows]),
        np.array(majors),
        np.array(majors),
    )
    for index, one in enumerate(rows):
        expected = by_hand(one, majors[index], "pos", 1.0) | by_hand(one, majors[index], "neg", -1.0)
        for name, value in expected.items():
            assert found[name][index] == pytest.approx(math.nan if value is None else value, nan_ok=True), name


def test_g1_change_over_15_seconds_by_hand() -> None:
    times = np.array([0, 5, 15, 16, 40])
    values = np.array([100.0, 110.0, 130.0, 160.0, 500.0])
    per_snapshot, per_second = change_15s(times, values)
    # t=15: 0, 5, 15 lie in the window, both ends included; t=16: 5, 15, 16; t=40 is alone.
    assert per_snapshot.tolist()[1:4] == [10.0, 15.0, 25.0]
    assert per_second.tolist()[1:4] == [2.0, 2.0, pytest.approx(50 / 11)]
    assert np.isnan(per_snapshot[[0, 4]]).all()


def test_g1_change_skips_nulls_and_is_null_where_the_snapshot_has_no_value() -> None:
    per_snapshot, per_second = change_15s(np.array([0, 1, 2, 3]), np.array([np.nan, 10.0, np.nan, 16.0]))
    assert np.isnan(per_snapshot[:3]).all()
    assert (per_snapshot[3], per_second[3]) == (6.0, 3.0)
    assert np.isnan(change_15s(np.array([0, 1]), np.array([np.nan, np.nan]))[0]).all()
