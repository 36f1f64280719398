"""Snapshots to columns: null, missing and zero apart; ladders of every shape."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from trading_platform.gexfeed.columns import LADDER, SnapshotColumns, concatenate
from trading_platform.gexfeed.decode import read_batches
from trading_platform.gexfeed.elements import Refusal

from .feed_files import ladder, snapshot, without


@dataclass
class Decoded:
    columns: SnapshotColumns
    positions: list[int]
    refusals: list[Refusal]


def decode(*elements: dict[str, Any]) -> Decoded:
    batches = list(read_batches([json.dumps(elements).encode()]))
    return Decoded(
        concatenate([batch.columns for batch in batches]),
        [position for batch in batches for position in batch.positions.tolist()],
        [refusal for batch in batches for refusal in batch.refusals],
    )


def reasons(batch: Decoded) -> list[tuple[int, str]]:
    return [(one.position, one.reason) for one in batch.refusals]


def test_g1_golden_snapshot_keeps_every_number() -> None:
    batch = decode(snapshot())
    columns = batch.columns
    assert columns.timestamp_s.tolist() == [1_741_613_400]
    assert columns.ticker.tolist() == ["NQ_NDX"]
    assert columns.scalar("major_pos_vol_strike")[0] == 20_617.21
    assert columns.scalar("sum_gex_oi")[0] == -250.5
    assert columns.scalar("sec_min_dte")[0] == 1
    # The order of changes is now, 1, 5, 10, 15, 30 minutes; a reversed list would show 3,000 first.
    assert [columns.scalar(f"max_prior_{minutes}_change")[0] for minutes in (0, 1, 5, 10, 15, 30)] == [
        0.0,
        100.0,
        500.0,
        1_000.0,
        1_500.0,
        3_000.0,
    ]
    assert dict(zip(LADDER, columns.ladder[0].tolist(), strict=True)) == {
        "strike": 20_587.21,
        "gex_vol": -40.0,
        "gex_oi": 1.5,
        "prior_1": 1.0,
        "prior_5": 5.0,
        "prior_10": 10.0,
        "prior_15": 15.0,
        "prior_30": 30.0,
    }


def test_g1_null_zero_and_missing_are_three_things() -> None:
    batch = decode(snapshot(0, spot=None), snapshot(1, spot=0), without("spot", 2))
    spot = batch.columns.scalar("spot")
    assert np.isnan(spot[0])
    assert spot[1] == 0.0
    assert reasons(batch) == [(2, "missing_key")]
    assert "`spot`" in batch.refusals[0].detail


def test_g1_a_genuine_zero_never_gives_way_to_another_field() -> None:
    batch = decode(snapshot(0, major_pos_vol=0, sum_gex_vol=0))
    assert batch.columns.scalar("major_pos_vol_strike")[0] == 0.0
    assert batch.columns.scalar("sum_gex_vol")[0] == 0.0


@pytest.mark.parametrize("elements", [1, 3])
def test_g1_nulls_inside_ladders_and_changes_stay_null(elements: int) -> None:
    rows = [[20_590, None, -2.5, [None, 0, 1, 2, 3]], [20_600, 0, None, [0, 0, 0, 0, 0]]]
    whole = snapshot(0, strikes=rows, max_priors=[None, [None, 5.0], *[[20_600, 1.0]] * 4])
    others = [snapshot(second) for second in range(1, elements)]
    columns = decode(whole, *others).columns
    assert np.isnan(columns.ladder[0, [1, 3]]).all()
    assert columns.ladder[1, 1] == 0.0
    assert np.isnan(columns.scalar("max_prior_0_change")[0])
    assert np.isnan(columns.scalar("max_prior_1_strike")[0])
    assert columns.scalar("max_prior_1_change")[0] == 5.0


def test_g1_null_ladder_empty_ladder_and_null_priors_are_kept_apart() -> None:
    no_priors = [[20_590, 4.0, 2.0, None]]
    columns = decode(
        snapshot(0, strikes=None), snapshot(1, strikes=[]), snapshot(2, strikes=no_priors), snapshot(3, max_priors=None)
    ).columns
    assert columns.has_ladder.tolist() == [False, True, True, True]
    assert columns.counts.tolist() == [0, 0, 1, 4]
    assert columns.ladder[0, :3].tolist() == [20_590.0, 4.0, 2.0]
    assert np.isnan(columns.ladder[0, 3:]).all()
    assert np.isnan(columns.scalar("max_prior_30_strike")[3])


@pytest.mark.parametrize(
    "rows",
    [
        [[20_590, 4.0, 2.0]],
        [[20_590, 4.0, 2.0, [1, 2, 3, 4]]],
        [[20_590, 4.0, 2.0, [1, 2, 3, 4, 5, 6]]],
        [[20_590, "4.0", 2.0, [1, 2, 3, 4, 5]]],
        [[None, 4.0, 2.0, [1, 2, 3, 4, 5]]],
        [[20_590, 4.0, [2.0], [1, 2, 3, 4, 5]]],
        [20_590, 4.0, 2.0, [1, 2, 3, 4, 5]],
        {"20590": 4.0},
        "none",
        [[20_590, True, 2.0, [1, 2, 3, 4, 5]]],
    ],
)
def test_g1_ladder_of_another_shape_refuses_its_snapshot_only(rows: Any) -> None:
    batch = decode(snapshot(0), snapshot(1, strikes=rows), snapshot(2))
    assert reasons(batch) == [(1, "bad_ladder")]
    assert batch.refusals[0].raw == json.dumps(snapshot(1, strikes=rows)).encode()
    assert batch.positions == [0, 2]
    assert batch.columns.counts.tolist() == [4, 4]
    assert batch.columns.ladder[4:].tolist() == decode(snapshot(2)).columns.ladder.tolist()


def test_g1_ladder_out_of_order_is_sorted_and_a_repeated_strike_refused() -> None:
    batch = decode(
        snapshot(0, strikes=ladder((20_600, 2.0), (20_590, 1.0))),
        snapshot(1, strikes=ladder((20_590, 1.0), (20_600, 2.0), (20_590, 3.0))),
        snapshot(2, strikes=ladder((20_580, 1.0))),
    )
    assert reasons(batch) == [(1, "repeated_strike")]
    assert batch.columns.ladder[:, 0].tolist() == [20_590.0, 20_600.0, 20_580.0]
    assert batch.columns.ladder[:, 1].tolist() == [1.0, 2.0, 1.0]


def test_g1_numbers_that_no_market_has_refuse_the_snapshot() -> None:
    batch = decode(snapshot(0, sum_gex_vol=1e16), snapshot(1), snapshot(2, strikes=ladder((20_590, 1e300))))
    assert reasons(batch) == [(0, "absurd_number"), (2, "absurd_number")]
    assert len(batch.columns) == 1


def test_g1_unknown_keys_are_left_alone_and_max_priors_needs_six() -> None:
    batch = decode(snapshot(0, new_measure={"a": [1]}), snapshot(1, max_priors=[[1, 2]] * 5))
    assert reasons(batch) == [(1, "wrong_type")]


def test_g1_vendor_example_is_read_as_documented(shared_data: Any) -> None:
    text = (shared_data / "gex_feed" / "spx_gex_full_example.json").read_bytes()
    (batch,) = read_batches([b"[", text, b"]"])
    columns = batch.columns
    assert columns.timestamp_s.tolist() == [1_777_492_800]
    assert columns.scalar("spot")[0] == 7_138.55
    assert columns.scalar("major_neg_oi_strike")[0] == 6_900.0
    assert columns.ladder[1].tolist() == [6_895.0, -48.47, 69.76, -49.05, -46.76, -45.55, -45.53, -42.97]
    assert columns.ladder[2, 3] == 0.0
    assert columns.scalar("max_prior_0_change")[0] == 170_979.742
    assert columns.scalar("max_prior_30_change")[0] == 1_131_150.488
