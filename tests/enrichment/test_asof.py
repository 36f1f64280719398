"""The backward search: boundaries, an oracle, orders that are refused."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading_platform.enrichment.asof import align, backward_rows, backward_rows_any_order, gather, known_from
from trading_platform.errors import QualityError

NONE = np.array([], np.int64)


def ints(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def test_g7_equal_times_match_and_later_snapshots_never_do() -> None:
    rows, age_ms = align(ints(0, 999_999, 1_000_000, 1_000_001, 5_000_000), ints(1_000_000, 4_000_000))
    assert rows.tolist() == [-1, -1, 0, 0, 1]
    assert age_ms.tolist() == [-1, -1, 0, 0, 1_000]
    assert (rows.dtype, age_ms.dtype) == (np.int32, np.int64)


def test_g7_latency_moves_when_a_snapshot_is_known_but_not_its_age() -> None:
    rows, age_ms = align(ints(1_999_999, 2_000_000), ints(1_000_000), latency_ms=1_000)
    assert rows.tolist() == [-1, 0]
    assert age_ms.tolist() == [-1, 1_000]


def test_g7_of_equal_snapshot_times_the_last_is_taken_and_nothing_is_no_error() -> None:
    assert backward_rows(ints(5), ints(5, 5)).tolist() == [1]
    assert backward_rows(NONE, ints(5)).tolist() == []
    assert [values.tolist() for values in align(ints(5, 6), NONE)] == [[-1, -1], [-1, -1]]


@pytest.mark.parametrize("order", [[0, 1, 2, 3, 4], [4, 0, 3, 1, 2]])
def test_g7_gathered_values_come_from_the_row_and_are_nan_without_one(order: list[int]) -> None:
    rows = np.array([-1, 0, 1, 2, 2], np.int32)[order]
    first, second = gather([np.array([1.0, np.nan, 3.0]), np.array([7, 8, 9])], rows)
    assert np.array_equal(first, np.array([np.nan, 1.0, np.nan, 3.0, 3.0])[order], equal_nan=True)
    assert np.array_equal(second, np.array([np.nan, 7.0, 8.0, 9.0, 9.0])[order], equal_nan=True)
    assert gather([], rows) == []
    assert np.isnan(gather([np.array([])], np.array([-1, -1], np.int32))[0]).all()


@given(
    st.lists(st.integers(0, 60), max_size=60),
    st.lists(st.integers(0, 60), max_size=30),
    st.integers(0, 3),
)
def test_g7_rows_equal_a_search_through_all_snapshots(ticks: list[int], snaps: list[int], latency: int) -> None:
    snapshot_us = np.sort(ints(*snaps)) * 1_000
    expected = [
        max((i for i, s in enumerate(snapshot_us) if s + latency * 1_000 <= t), default=-1) for t in ints(*ticks)
    ]
    assert backward_rows_any_order(ints(*ticks), known_from(snapshot_us, latency)).tolist() == expected
    by_time = np.sort(ints(*ticks))
    rows, age_ms = align(by_time * 1_000, snapshot_us, latency)
    want = [
        max((i for i, s in enumerate(snapshot_us) if s + latency * 1_000 <= t * 1_000), default=-1) for t in by_time
    ]
    assert rows.tolist() == want
    assert age_ms.tolist() == [-1 if w < 0 else t - snapshot_us[w] // 1_000 for t, w in zip(by_time, want, strict=True)]


def test_g7_many_rows_equal_the_backward_join_of_polars() -> None:
    rng = np.random.default_rng(3)
    ts_us = np.sort(rng.integers(0, 500_000_000, 400_000))
    snapshot_us = np.unique(rng.integers(1_000_000, 490_000_000, 500))
    left = pl.DataFrame({"t": ts_us}).set_sorted("t")
    right = pl.DataFrame({"t": snapshot_us, "row": np.arange(len(snapshot_us))}).set_sorted("t")
    expected = left.join_asof(right, on="t", strategy="backward")["row"].fill_null(-1)
    assert backward_rows(ts_us, snapshot_us).tolist() == expected.to_list()


@pytest.mark.parametrize(("ticks", "snaps", "latency"), [((2, 1), (0,), 0), ((1,), (3, 2), 0), ((1,), (0,), -1)])
def test_g7_unordered_times_and_negative_latency_are_refused_e495(ticks, snaps, latency) -> None:
    with pytest.raises(QualityError) as caught:
        align(ints(*ticks), ints(*snaps), latency)
    assert caught.value.code == "E495"
