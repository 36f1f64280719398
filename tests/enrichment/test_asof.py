"""The backward search and what is attached by it: boundaries, an oracle, the reference by numpy alone."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading_platform.enrichment import AttachPolicy
from trading_platform.enrichment.asof import Ints, backward_rows
from trading_platform.enrichment.attach import Attacher, RunsOfRows

NONE = np.array([], np.int64)


def ints(*values: int) -> Ints:
    return np.array(values, np.int64)


def attacher(snapshot_us: Ints, latency_ms: int = 0) -> Attacher:
    return Attacher.of(snapshot_us, 0, (), AttachPolicy(gex_latency_ms=latency_ms))


def test_g7_equal_times_match_and_later_snapshots_never_do() -> None:
    found = attacher(ints(1_000_000, 4_000_000)).attach(ints(0, 999_999, 1_000_000, 1_000_001, 5_000_000))
    assert found.row.tolist() == [-1, -1, 0, 0, 1]
    assert found.age_ms.tolist() == [-1, -1, 0, 0, 1_000]
    assert (found.row.dtype, found.age_ms.dtype) == (np.int32, np.int64)


def test_g7_latency_moves_when_a_snapshot_is_known_but_not_its_age() -> None:
    found = attacher(ints(1_000_000), latency_ms=1_000).attach(ints(1_999_999, 2_000_000))
    assert found.row.tolist() == [-1, 0]
    assert found.age_ms.tolist() == [-1, 1_000]


def test_g7_of_equal_snapshot_times_the_last_is_taken_and_nothing_is_no_error() -> None:
    assert backward_rows(ints(5), ints(5, 5)).tolist() == [1]
    assert backward_rows(NONE, ints(5)).tolist() == []
    found = attacher(NONE).attach(ints(5, 6))
    assert (found.row.tolist(), found.age_ms.tolist(), found.gap.tolist()) == ([-1, -1], [-1, -1], [True, True])


@pytest.mark.parametrize("order", [[0, 1, 2, 3, 4], [4, 0, 3, 1, 2]])
def test_g7_values_come_from_the_row_in_any_order(order: list[int]) -> None:
    rows = np.array([3, 0, 1, 2, 2], np.int32)[order]
    runs = RunsOfRows.of(rows)
    assert np.array_equal(
        runs.values(np.array([1.0, np.nan, 3.0, np.nan])),
        np.array([np.nan, 1.0, np.nan, 3.0, 3.0])[order],
        equal_nan=True,
    )
    assert runs.values(np.array([7, 8, 9, 0])).tolist() == np.array([0, 7, 8, 9, 9])[order].tolist()
    assert RunsOfRows.of(np.array([], np.int32)).values(np.array([1.0])).tolist() == []


@given(
    st.lists(st.integers(0, 60), max_size=60),
    st.lists(st.integers(0, 60), max_size=30),
    st.integers(0, 3),
)
def test_g7_rows_equal_a_search_through_all_snapshots(ticks: list[int], snaps: list[int], latency: int) -> None:
    snapshot_us, ts_us = np.sort(ints(*snaps)) * 1_000, ints(*ticks) * 1_000
    want = [max((i for i, s in enumerate(snapshot_us) if s + latency * 1_000 <= t), default=-1) for t in ts_us]
    assert backward_rows(ts_us, snapshot_us + latency * 1_000).tolist() == want
    by_time = np.sort(ts_us)
    found = attacher(snapshot_us, latency).attach(by_time)
    want = [max((i for i, s in enumerate(snapshot_us) if s + latency * 1_000 <= t), default=-1) for t in by_time]
    assert found.row.tolist() == want
    ages = [-1 if w < 0 else (t - snapshot_us[w]) // 1_000 for t, w in zip(by_time, want, strict=True)]
    assert found.age_ms.tolist() == ages


def test_g7_many_rows_equal_the_backward_join_of_polars() -> None:
    rng = np.random.default_rng(3)
    ts_us = np.sort(rng.integers(0, 500_000_000, 400_000))
    snapshot_us = np.unique(rng.integers(1_000_000, 490_000_000, 500))
    left = pl.DataFrame({"t": ts_us}).set_sorted("t")
    right = pl.DataFrame({"t": snapshot_us, "row": np.arange(len(snapshot_us))}).set_sorted("t")
    expected = left.join_asof(right, on="t", strategy="backward")["row"].fill_null(-1)
    assert backward_rows(ts_us, snapshot_us).tolist() == expected.to_list()


def test_g7_ten_million_ticks_equal_the_reference_by_numpy() -> None:
    """Attach and gather as the product does, row group by row group, against one search over everything."""
    hours_us, snapshots, ticks = 23 * 3_600_000_000, 23_400, 10_000_000
    rng = np.random.default_rng(11)
    ts_us = np.sort(rng.integers(0, hours_us, ticks))
    snapshot_us = 14 * 3_600_000_000 + 1_000_000 * np.arange(snapshots)
    regular = ((int(snapshot_us[0]), int(snapshot_us[-1]) + 1_000_000),)
    column = rng.normal(size=snapshots)
    column[::9] = np.nan
    padded = np.append(column, np.nan)
    work = Attacher.of(snapshot_us, 0, regular, AttachPolicy())
    row = np.searchsorted(snapshot_us, ts_us, side="right") - 1
    age_us = ts_us - snapshot_us[row]
    age_us[row < 0] = 0
    # The snapshots of the last minute stay fresh for ten minutes, because regular hours end before they are too old.
    last_minute = snapshot_us[row] + 60_000_000 >= regular[0][1]
    fresh = (row >= 0) & (age_us <= np.where(last_minute, 600_000_000, 60_000_000))
    expected = np.where(fresh, column[row], np.nan)
    for first in range(0, ticks, 122_880):
        part = slice(first, first + 122_880)
        found = work.attach(ts_us[part])
        assert np.array_equal(found.row, row[part])
        assert np.array_equal(found.gap, ~fresh[part])
        shown = RunsOfRows.of(np.where(found.shown, found.row, np.int32(snapshots)))
        assert np.array_equal(shown.values(padded), expected[part], equal_nan=True)
