"""Forward and discount: made-up chains with known answers, the rules of acceptance, a real chain."""

from __future__ import annotations

import csv
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading_platform.instants import us_of
from trading_platform.options import (
    ParityFit,
    ParityFlag,
    ParitySource,
    black76_price,
    implied_vol,
    parity_forward,
    years_act365,
)

SPOT, RATE, CARRY = 6460.0, 0.043, 0.012
SPREAD = 0.4


class Lines(NamedTuple):
    """Contract lines of a synthetic chain."""

    group: np.ndarray
    strike: np.ndarray
    is_call: np.ndarray
    bid: np.ndarray
    ask: np.ndarray

    def shuffled(self, seed: int) -> Lines:
        order = np.random.default_rng(seed).permutation(self.group.size)
        return Lines(*(column[order] for column in self))

    def where(self, mask: np.ndarray) -> Lines:
        return Lines(*(column[mask] for column in self))


def forward_at(tau: np.ndarray | float) -> np.ndarray:
    return np.asarray(SPOT * np.exp((RATE - CARRY) * np.asarray(tau)))


def chain(tau: list[float], strikes: int = 13, noise: float = 0.0) -> Lines:
    """Return a synthetic chain: strikes 25 points apart around the spot, quotes as wide as SPREAD around the model, plus noise of calls."""
    group, strike, is_call = (
        column.ravel()
        for column in np.meshgrid(
            np.arange(len(tau)), SPOT + 25.0 * (np.arange(strikes) - strikes // 2), [True, False], indexing="ij"
        )
    )
    years = np.asarray(tau)[group]
    middle = black76_price(forward_at(years), strike, years, 0.15, np.exp(-RATE * years), is_call)
    middle = middle + np.where(is_call, noise * np.random.default_rng(1).standard_normal(group.size), 0.0)
    return Lines(group, strike, is_call, middle - SPREAD / 2, middle + SPREAD / 2)


def fit(lines: Lines, tau: list[float]) -> ParityFit:
    return parity_forward(*lines, spot=SPOT, tau=tau)


def test_g4_regression_finds_forward_and_discount_of_every_expiry() -> None:
    tau = [0.05, 0.25, 1.0]
    found = fit(chain(tau), tau)
    np.testing.assert_allclose(found.forward, forward_at(np.array(tau)), rtol=1e-12)
    np.testing.assert_allclose(found.discount, np.exp(-RATE * np.array(tau)), rtol=1e-11)
    np.testing.assert_allclose(found.median_spread, SPREAD, rtol=1e-9)
    assert found.flag.tolist() == [ParityFlag.OK] * 3
    assert found.source.tolist() == [ParitySource.OWN] * 3
    assert found.n.tolist() == [13] * 3
    assert np.all(found.rms < 1e-9)


def test_g4_residuals_and_rate_error_are_those_of_a_plain_least_squares() -> None:
    tau = [0.25]
    lines = chain(tau, noise=0.1)
    found = fit(lines, tau)
    middle = (lines.bid + lines.ask) / 2
    strike, difference = lines.strike[lines.is_call], middle[lines.is_call] - middle[~lines.is_call]
    (slope, intercept), covariance = np.polyfit(strike - SPOT, difference, 1, cov="unscaled")
    residual = difference - intercept - slope * (strike - SPOT)
    assert found.discount[0] == pytest.approx(-slope, rel=1e-12)
    assert found.forward[0] == pytest.approx(SPOT - intercept / slope, rel=1e-12)
    assert found.rms[0] == pytest.approx(np.sqrt(np.mean(residual**2)), rel=1e-9)
    error = np.sqrt(covariance[0, 0] * np.sum(residual**2) / (strike.size - 2))
    assert found.rate_error[0] == pytest.approx(error / -slope / 0.25, rel=1e-9)


@given(seed=st.integers(0, 2**32 - 1))
def test_g4_order_of_the_lines_changes_nothing(seed: int) -> None:
    tau = [0.05, 0.25]
    lines = chain(tau, noise=0.05)
    plain, shuffled = fit(lines, tau), fit(lines.shuffled(seed), tau)
    np.testing.assert_array_equal(plain.forward, shuffled.forward)
    np.testing.assert_array_equal(plain.discount, shuffled.discount)


def test_g4_lines_without_two_usable_sides_are_left_out() -> None:
    """Unknown bid, bid 0, unknown ask, crossed quote, one side missing, strike outside the band: six of twelve strikes."""
    tau = [0.25]
    lines = chain(tau, strikes=12)
    bid, ask, strike = lines.bid.copy(), lines.ask.copy(), lines.strike.copy()
    bid[0], bid[3], ask[4], ask[7] = np.nan, 0.0, np.nan, bid[7] - 0.05
    strike[8:10] = SPOT * 1.031
    lines = lines._replace(bid=bid, ask=ask, strike=strike).where(np.arange(24) != 10)
    found = fit(lines, tau)
    assert found.n[0] == 6
    assert found.flag[0] == ParityFlag.OK
    assert found.forward[0] == pytest.approx(forward_at(0.25), rel=1e-12)


def test_g4_of_a_repeated_contract_the_first_usable_line_counts() -> None:
    tau = [0.25]
    lines = chain(tau)
    twice = Lines(*(np.concatenate([column, column]) for column in lines))
    twice = twice._replace(
        bid=np.concatenate([lines.bid, lines.bid + 5]), ask=np.concatenate([lines.ask, lines.ask + 5])
    )
    assert fit(twice, tau).n[0] == 13
    assert fit(twice, tau).forward[0] == fit(lines, tau).forward[0]


def test_g4_too_few_strikes_take_the_rate_of_the_neighbour_and_their_own_forward() -> None:
    tau = [0.05, 0.25, 0.30]
    lines = chain(tau)
    lines = lines.where((lines.group != 1) | (np.abs(lines.strike - SPOT) <= 50))
    found = fit(lines, tau)
    assert found.n.tolist() == [13, 5, 13]
    assert found.flag.tolist() == [ParityFlag.OK, ParityFlag.TOO_FEW_STRIKES, ParityFlag.OK]
    assert found.source.tolist() == [ParitySource.OWN, ParitySource.NEIGHBOUR_RATE, ParitySource.OWN]
    assert found.neighbour.tolist() == [-1, 2, -1]
    assert found.forward[1] == pytest.approx(forward_at(0.25), rel=1e-10)
    assert found.discount[1] == pytest.approx(np.exp(-RATE * 0.25), rel=1e-10)


def test_g4_an_expiry_without_quotes_takes_the_carry_of_the_neighbour_too() -> None:
    tau = [0.05, 0.25]
    lines = chain(tau)
    found = fit(lines.where(lines.group == 1), tau)
    assert found.source[0] == ParitySource.NEIGHBOUR_CARRY
    assert found.n[0] == 0
    assert np.isnan(found.own_forward[0])
    assert found.forward[0] == pytest.approx(forward_at(0.05), rel=1e-10)


@pytest.mark.parametrize(("rate", "accepted"), [(0.418, True), (0.425, False), (-0.019, True), (-0.021, False)])
def test_g4_discount_must_lie_above_090_and_up_to_1005(*, rate: float, accepted: bool) -> None:
    """A quarter of a year: 0.9008, 0.8992, 1.0048, 1.0053."""
    tau = [0.25]
    lines = chain(tau)
    shift = np.where(lines.is_call, (np.exp(-rate * 0.25) - np.exp(-RATE * 0.25)) * (SPOT - lines.strike), 0.0)
    found = fit(lines._replace(bid=lines.bid + shift + 20, ask=lines.ask + shift + 20), tau)
    assert found.own_discount[0] == pytest.approx(np.exp(-rate * 0.25), rel=1e-9)
    assert (found.flag[0] == ParityFlag.OK) == accepted
    assert found.flag[0] in {ParityFlag.OK, ParityFlag.DISCOUNT_OUT_OF_RANGE}


def test_g4_residuals_must_be_below_half_the_median_spread() -> None:
    tau = [0.25, 0.26]
    calm, wild = chain(tau, noise=0.15), chain(tau, noise=0.4)
    found = fit(Lines(*(np.where(calm.group == 0, w, c) for c, w in zip(calm, wild, strict=True))), tau)
    assert found.rms[0] > SPREAD / 2 > found.rms[1]
    assert found.flag.tolist() == [ParityFlag.RESIDUALS_TOO_LARGE, ParityFlag.OK]
    assert found.source.tolist() == [ParitySource.NEIGHBOUR_RATE, ParitySource.OWN]


def test_g4_a_neighbour_that_does_not_know_its_own_rate_is_passed_over() -> None:
    """The nearest accepted expiry has two days and noisy quotes; the rate comes from the one half a year away."""
    tau = [2 / 365, 9 / 365, 0.5]
    lines = chain(tau)
    noisy = chain(tau, noise=0.1)
    lines = Lines(*(np.where(lines.group == 0, n, c) for c, n in zip(lines, noisy, strict=True)))
    found = fit(lines.where((lines.group != 1) | (lines.strike == SPOT)), tau)
    assert found.flag[0] == ParityFlag.OK
    assert found.rate_error[0] > 0.001
    assert found.neighbour[1] == 2


def test_g4_without_any_accepted_expiry_there_is_no_forward() -> None:
    tau = [0.05, 0.25]
    found = fit(chain(tau, strikes=5), tau)
    assert np.isnan(found.forward).all()
    assert np.isnan(found.discount).all()
    assert found.flag.tolist() == [ParityFlag.TOO_FEW_STRIKES] * 2
    assert found.source.tolist() == [ParitySource.NONE] * 2


def test_g5_a_settled_expiry_has_no_forward_and_lends_none() -> None:
    tau = [0.05, 0.25]
    lines = chain(tau)
    found = fit(lines.where((lines.group == 0) | (lines.strike == SPOT)), [np.nan, 0.25])
    assert found.flag.tolist() == [ParityFlag.SETTLED, ParityFlag.TOO_FEW_STRIKES]
    assert found.source.tolist() == [ParitySource.NONE, ParitySource.NONE]
    assert np.isnan(found.forward).all()


def test_g4_no_lines_and_no_groups_are_no_error() -> None:
    empty = Lines(*(np.array([], kind) for kind in (np.int64, float, bool, float, float)))
    assert fit(empty, [0.1]).source.tolist() == [ParitySource.NONE]
    assert fit(empty, []).forward.shape == (0,)


def october_lines(path: Path) -> tuple[float, Lines, np.ndarray]:
    """Return spot, lines and the file's volatilities of SPXW 2025-10-03; a reader of its own, by position."""
    rows = list(csv.reader(path.read_text(encoding="utf-8-sig").splitlines()))
    first = next(index for index, row in enumerate(rows) if row and row[0] == "Expiration Date")
    spot = float(rows[first - 2][1].removeprefix("Last: "))
    lines = [
        (0, float(row[11]), base == 1, float(row[base + 3]), float(row[base + 4]), float(row[base + 6]))
        for row in rows[first + 1 :]
        if row and row[1].startswith("SPXW251003")
        for base in (1, 12)
    ]
    group, strike, is_call, bid, ask, volatility = (np.array(column) for column in zip(*lines, strict=True))
    return spot, Lines(group, strike, is_call, bid, ask), volatility


def test_g4_real_chain_gives_the_known_forward_and_the_volatilities_of_its_vendor(shared_data: Path) -> None:
    spot, lines, vendor = october_lines(shared_data / "chains" / "spx_2025-08-29_1629.csv")
    asof = us_of(datetime(2025, 8, 29, 16, 29, tzinfo=ZoneInfo("America/New_York")))
    tau = years_act365(asof, [us_of(datetime(2025, 10, 3, 20, 0, tzinfo=UTC))])
    found = parity_forward(*lines, spot=spot, tau=tau)
    assert found.flag[0] == ParityFlag.OK
    assert round(found.forward[0], 2) == 6480.84
    assert round(found.discount[0], 5) == 0.99589
    assert round(tau[0], 5) == 0.09584
    out = np.where(lines.is_call, lines.strike >= found.forward[0], lines.strike < found.forward[0])
    quoted = out & (lines.bid > 0) & (lines.ask >= lines.bid) & (vendor > 0)
    sigma, _ = implied_vol(
        ((lines.bid + lines.ask) / 2)[quoted],
        found.forward[0],
        lines.strike[quoted],
        tau[0],
        found.discount[0],
        lines.is_call[quoted],
    )
    gap = np.abs(sigma - vendor[quoted])
    assert quoted.sum() == 141
    assert np.median(gap) == pytest.approx(1.1e-4, abs=5e-6)
    assert np.quantile(gap, 0.95) == pytest.approx(2.3e-3, abs=5e-5)
