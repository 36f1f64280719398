"""Time windows against plain loops."""

from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from trading_platform.regimes import windows

SECOND = 1_000_000
TIMES = st.lists(st.integers(1, 90), min_size=1, max_size=60).map(lambda steps: np.cumsum(steps) * SECOND)


def test_r1_window_is_open_on_the_left_and_closed_on_the_right() -> None:
    ts = np.array([0, 100, 200, 300]) * SECOND
    assert windows.first_in_window(ts, 100 * SECOND).tolist() == [0, 1, 2, 3]
    assert windows.first_in_window(ts, 101 * SECOND).tolist() == [0, 0, 1, 2]


def test_r1_coverage_of_regular_rows_is_observed_over_expected() -> None:
    ts = np.arange(20) * 10 * SECOND
    first = windows.first_in_window(ts, 100 * SECOND)
    found = windows.coverage(ts, first, 100 * SECOND, 10 * SECOND)
    assert found.tolist() == [min(1.0, (row + 1) / 10) for row in range(20)]


def test_r1_bursts_count_once_and_jitter_does_not_matter() -> None:
    burst = np.array([100, 101, 102, 103]) * SECOND
    first = windows.first_in_window(burst, 50 * SECOND)
    assert windows.coverage(burst, first, 50 * SECOND, 10 * SECOND)[-1] == 13 / 50
    jitter = np.array([0, 303, 598, 901, 1_204]) * SECOND
    first = windows.first_in_window(jitter, 900 * SECOND)
    assert windows.coverage(jitter, first, 900 * SECOND, 300 * SECOND)[-1] > 0.99


@given(TIMES, st.integers(5, 400), st.integers(1, 60))
@settings(max_examples=60, deadline=None)
def test_r1_coverage_equals_a_count_of_seconds(ts: np.ndarray, window_s: int, cadence_s: int) -> None:
    first = windows.first_in_window(ts, window_s * SECOND)
    found = windows.coverage(ts, first, window_s * SECOND, cadence_s * SECOND)
    seconds = (ts // SECOND).tolist()
    for row, now in enumerate(seconds):
        seen = [at for at in seconds[: row + 1] if at > now - window_s]
        covered = {second for at in seen for second in range(at - cadence_s + 1, at + 1) if second > now - window_s}
        assert found[row] == pytest.approx(len(covered) / window_s)


@given(TIMES, st.integers(5, 400), st.data())
@settings(max_examples=60, deadline=None)
def test_r1_slope_equals_last_minus_first_known_value(ts: np.ndarray, window_s: int, data) -> None:
    floats = st.one_of(st.just(np.nan), st.floats(-1e6, 1e6))
    values = np.array(data.draw(st.lists(floats, min_size=len(ts), max_size=len(ts))))
    found = windows.end_difference_per_min(ts, values, windows.first_in_window(ts, window_s * SECOND))
    for row in range(len(ts)):
        known = [at for at in range(row + 1) if ts[at] > ts[row] - window_s * SECOND and not np.isnan(values[at])]
        if np.isnan(values[row]) or len(known) < 2:
            assert np.isnan(found[row])
        else:
            minutes = (ts[row] - ts[known[0]]) / (60 * SECOND)
            assert found[row] == (values[row] - values[known[0]]) / minutes


@given(TIMES, st.integers(5, 400), st.data())
@settings(max_examples=60, deadline=None)
def test_r1_stability_equals_a_count_of_like_values(ts: np.ndarray, window_s: int, data) -> None:
    strikes = st.sampled_from([100.0, 100.4, 105.0, 105.3, np.nan])
    values = np.array(data.draw(st.lists(strikes, min_size=len(ts), max_size=len(ts))))
    tolerance = np.full(len(ts), 0.5)
    found = windows.share_like_last(ts, values, tolerance, windows.first_in_window(ts, window_s * SECOND))
    for row in range(len(ts)):
        inside = [at for at in range(row + 1) if ts[at] > ts[row] - window_s * SECOND]
        like = sum(abs(values[at] - values[row]) <= 0.5 for at in inside)
        if np.isnan(values[row]):
            assert np.isnan(found[row])
        else:
            assert found[row] == like / len(inside)


def test_r1_realised_variance_of_a_hand_made_series() -> None:
    # Returns of 1 % and -1 % over steps of 60 s: 1e-4 per minute, whatever the sign.
    ts = np.arange(6) * 60 * SECOND
    price = 100 * np.exp(np.array([0, 0.01, 0.0, 0.01, 0.0, 0.01]))
    found = windows.realised_variance_per_min(ts, price, windows.first_in_window(ts, 180 * SECOND), 60 * SECOND)
    assert np.isnan(found[0])
    assert found[1:].tolist() == pytest.approx([1e-4] * 5)


def test_r1_returns_over_a_gap_are_left_out() -> None:
    ts = np.array([0, 60, 120, 1_000, 1_060]) * SECOND
    price = np.array([100.0, 101.0, 100.0, 200.0, 202.0])
    found = windows.realised_variance_per_min(ts, price, windows.first_in_window(ts, 3_600 * SECOND), 60 * SECOND)
    small = np.log(1.01) ** 2
    assert found[3] == pytest.approx(small)
    assert found[4] == pytest.approx(small)


@given(TIMES, st.integers(60, 600), st.integers(5, 90))
@settings(max_examples=60, deadline=None)
def test_r1_realised_variance_equals_a_loop(ts: np.ndarray, window_s: int, step_s: int) -> None:
    price = 100 * np.exp(np.sin(np.arange(len(ts)) * 1.7) / 100)
    found = windows.realised_variance_per_min(
        ts, price, windows.first_in_window(ts, window_s * SECOND), step_s * SECOND
    )
    for row in range(len(ts)):
        squares, minutes = 0.0, 0.0
        for at in range(row + 1):
            bases = [base for base in range(at) if ts[at] - ts[base] >= step_s * SECOND]
            if not bases or ts[at] - ts[bases[-1]] > 5 * step_s * SECOND:
                continue
            if ts[bases[-1]] > ts[row] - window_s * SECOND:
                squares += np.log(price[at] / price[bases[-1]]) ** 2
                minutes += (ts[at] - ts[bases[-1]]) / 60 / SECOND
        if minutes:
            assert found[row] == pytest.approx(squares / minutes, rel=1e-9, abs=1e-15)
        else:
            assert np.isnan(found[row])
