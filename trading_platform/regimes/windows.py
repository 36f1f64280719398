"""Time windows over observations of one session.

Belongs here: pure array functions over windows ``(t - w, t]``, right-closed, by time and never by number of rows. Does not belong
here: which measures the regimes need (``features.py``).

All functions take ``ts`` as int64 epoch microseconds, strictly rising, of one source and one session; nothing before its first row is
seen, and row i depends on rows 0..i only.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


def first_in_window(ts: Ints, window_us: int) -> Ints:
    """Return for each row the first row inside ``(t - window, t]``."""
    return np.searchsorted(ts, ts - window_us, side="right")


def coverage(ts: Ints, first: Ints, window_us: int, cadence_us: int) -> Floats:
    """Return the observed share of each window, 0 to 1.

    An observation stands for the cadence before it, at most back to the observation before. With regular data this is observed
    over expected number; bursts count once and jitter does not matter.

    Args:
        ts: times of the rows.
        first: from :func:`first_in_window`.
        window_us: width of the window.
        cadence_us: expected time between observations.
    """
    covered = np.minimum(np.diff(ts, prepend=ts[:1] - cadence_us), cadence_us)
    total = np.cumsum(covered)
    at_edge = np.minimum(covered[first], ts[first] - (ts - window_us))
    result: Floats = (total - total[first] + at_edge) / window_us
    return np.minimum(result, 1.0)


def first_known(values: Floats, first: Ints) -> Ints:
    """Return for each row the first row of its window with a value; the row itself or a later one if there is none."""
    n = len(values)
    at = np.where(np.isnan(values), n, np.arange(n))
    following = np.minimum.accumulate(at[::-1])[::-1]
    result: Ints = following[first]
    return result


def end_difference_per_min(ts: Ints, values: Floats, first: Ints) -> Floats:
    """Return (last - first known value of the window) / minutes between them; NaN without two values."""
    rows = np.arange(len(ts))
    start = first_known(values, first)
    is_pair = (start < rows) & ~np.isnan(values)
    start = np.where(is_pair, start, rows)
    minutes = (ts - ts[start]) / 60_000_000
    with np.errstate(invalid="ignore", divide="ignore"):
        slope = (values - values[start]) / minutes
    return np.where(is_pair, slope, np.nan)


def share_like_last(ts: Ints, values: Floats, tolerance: Floats, first: Ints) -> Floats:
    """Return the share of the rows of each window whose value is within ``tolerance[i]`` of that of row i; NaN where row i has none.

    Compared pair by pair: a value that drifts (strikes that carry a basis) would leave any fixed grid of bins.
    """
    rows = np.arange(len(ts))
    alike = np.ones(len(ts), np.int64)
    longest = int((rows - first).max(initial=0))
    for lag in range(1, longest + 1):
        inside = rows[lag:] - first[lag:] >= lag
        with np.errstate(invalid="ignore"):
            near = np.abs(values[lag:] - values[:-lag]) <= tolerance[lag:]
        alike[lag:] += near & inside
    result: Floats = alike / (rows - first + 1)
    return np.where(np.isnan(values), np.nan, result)


def realised_variance_per_min(ts: Ints, price: Floats, first: Ints, step_us: int) -> Floats:
    """Return the mean of squared log returns per minute of each window, NaN without a return.

    Returns overlap: each row against the latest row at least ``step_us`` earlier, both inside the window. A return over more than
    five steps (a gap) is left out.

    Source: averaging over all offsets of a grid of returns, Zhang, Mykland and Ait-Sahalia 2005, "second best" estimator.
    """
    base = np.searchsorted(ts, ts - step_us, side="right") - 1
    at = np.maximum(base, 0)
    elapsed = ts - ts[at]
    with np.errstate(invalid="ignore"):
        change = np.log(price / price[at])
    usable = (base >= 0) & (elapsed <= 5 * step_us) & ~np.isnan(change)
    squares = np.concatenate(([0.0], np.cumsum(np.where(usable, change * change, 0.0))))
    minutes = np.concatenate(([0.0], np.cumsum(np.where(usable, elapsed / 60_000_000, 0.0))))
    rows = np.arange(len(ts))
    start = np.minimum(np.searchsorted(base, first, side="left"), rows + 1)
    time = minutes[rows + 1] - minutes[start]
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(time > 0, (squares[rows + 1] - squares[start]) / time, np.nan)


def time_of_last_change(ts: Ints, changed: Flags) -> Ints:
    """Return for each row the time of the latest row up to it that is marked, -1 before the first."""
    return np.maximum.accumulate(np.where(changed, ts, -1))
