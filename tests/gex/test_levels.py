"""Lines, exposures, walls and max pain on chains that can be worked out by hand (G3, G5)."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trading_platform.errors import QualityError
from trading_platform.gex import Sides, StrikeTable, compute_levels, lines_of, walls

from .frames import OBSERVED_AT, SPOT, Line, call, chain, put, settled

DOLLARS = 100 * SPOT**2 * 0.01  # per gamma and contract


def gamma(strike: float, sigma: float, tau: float) -> float:
    deviation = sigma * math.sqrt(tau)
    d1 = math.log(SPOT / strike) / deviation + deviation / 2
    return math.exp(-d1 * d1 / 2) / math.sqrt(2 * math.pi) / (SPOT * deviation)


TAU = (11 + 5.5 / 24) / 365  # from Monday 10:30 to 16:00 of Friday, 21 March


def test_g3_own_exposure_is_gamma_times_contracts_times_dollars() -> None:
    levels = compute_levels(chain([call(100, 10), call(105, 4, iv=0.3), put(95, 7, iv=0.25)]))
    expected_call = DOLLARS * (10 * gamma(100, 0.2, TAU) + 4 * gamma(105, 0.3, TAU))
    expected_put = -DOLLARS * 7 * gamma(95, 0.25, TAU)
    assert levels.own.total.call == pytest.approx(expected_call, rel=1e-12)
    assert levels.own.total.put == pytest.approx(expected_put, rel=1e-12)
    assert levels.own.total.net_to_gross == pytest.approx(
        (expected_call + expected_put) / (expected_call - expected_put), rel=1e-12
    )


def test_g3_vendor_exposure_uses_the_gamma_of_the_source() -> None:
    levels = compute_levels(chain([call(100, 10, vendor_gamma=0.03), put(95, 7, vendor_gamma=0.01)]))
    assert levels.vendor.total == Sides(pytest.approx(10 * 0.03 * DOLLARS), pytest.approx(-7 * 0.01 * DOLLARS))
    assert levels.vendor_dex == Sides(pytest.approx(10 * 0.5 * 100 * SPOT), pytest.approx(-7 * 0.5 * 100 * SPOT))


def test_g3_volume_and_open_interest_are_apart() -> None:
    levels = compute_levels(chain([call(100, 10, volume=3), put(95, 0, volume=5)]))
    assert (levels.own.total.put, levels.own.volume.put < 0) == (0.0, True)
    assert levels.own.volume.call == pytest.approx(0.3 * levels.own.total.call, rel=1e-12)
    assert (levels.open_interest, levels.volume) == (Sides(10, 0), Sides(3, 5))


def test_g3_vanna_and_charm_have_the_signs_of_their_formulas() -> None:
    levels = compute_levels(chain([call(105, 10), put(95, 10)]))
    deviation = 0.2 * math.sqrt(TAU)
    for strike, sign, vex, chex in (
        (105, 1, levels.vex.call, levels.chex.call),
        (95, -1, levels.vex.put, levels.chex.put),
    ):
        d1 = math.log(SPOT / strike) / deviation + deviation / 2
        density, d2 = math.exp(-d1 * d1 / 2) / math.sqrt(2 * math.pi), d1 - deviation
        assert vex == pytest.approx(sign * -density * d2 / 0.2 * 10 * 100 * SPOT * 0.01, rel=1e-12)
        assert chex == pytest.approx(sign * density * d2 / (2 * TAU) * 10 * 100 * SPOT / 365, rel=1e-12)


def test_g5_a_series_counts_until_its_settlement_and_not_at_it() -> None:
    lines = [call(100, 10, expiry=date(2025, 3, 10)), call(100, 1)]
    closes = datetime(2025, 3, 10, 20, 0, tzinfo=UTC)
    before = lines_of(chain(lines, observed_at=closes - timedelta(microseconds=1)))
    at = lines_of(chain(lines, observed_at=closes))
    assert (before.rows_live, before.lines_settled) == (2, 0)
    assert (at.rows_live, at.lines_settled, at.rows_in) == (1, 1, 2)
    assert before.expiries[0].tau_years == pytest.approx(60 / (365 * 86_400))  # never below a minute


def test_g5_am_series_of_a_date_are_gone_while_pm_series_live() -> None:
    both = [
        call(100, 10, style=style, root=root, expiry=date(2025, 3, 10))
        for style, root in (("AM", "SPX"), ("PM", "SPXW"))
    ]
    early = lines_of(chain(both, observed_at=datetime(2025, 3, 10, 13, 0, tzinfo=UTC)))
    late = lines_of(chain(both))
    assert [expiry.settle_style for expiry in early.expiries] == ["AM", "PM"]
    assert [expiry.settle_style for expiry in late.expiries] == ["PM"]
    assert (early.rows_in, late.rows_in, late.rows_live) == (2, 2, 1)


def test_g5_another_moment_settles_other_series() -> None:
    frame = chain([call(100, 10, expiry=date(2025, 3, 10)), call(100, 1)])
    later = datetime(2025, 3, 10, 20, 30, tzinfo=UTC)
    levels = compute_levels(frame, asof=later)
    assert (levels.lines.rows_live, levels.lines.asof, levels.lines.observed_at) == (1, later, OBSERVED_AT)
    assert "asof_given" in levels.flags


def test_g5_a_day_on_which_clocks_change_counts_as_one_day() -> None:
    # Clocks went forward on Sunday, 9 March: 47 real hours from Friday 16:00 to Sunday 16:00.
    friday = datetime(2025, 3, 7, 20, 59, 0, tzinfo=UTC)  # 15:59 in New York
    (expiry,) = lines_of(chain([call(100)], observed_at=friday)).expiries
    assert expiry.tau_years * 365 == pytest.approx(14 + 1 / 1440, rel=1e-12)
    assert expiry.dte_days == 14


def test_g3_rows_count_pairs_and_lines_count_contracts() -> None:
    lines = lines_of(chain([call(100), put(100), call(105), settled(call(100)), call(100)]))
    assert (lines.rows_in, lines.rows_live) == (3, 2)
    assert (lines.lines_in, len(lines), lines.lines_settled, lines.lines_duplicated) == (5, 3, 1, 1)


def test_g3_the_first_of_repeated_contracts_counts() -> None:
    levels = compute_levels(chain([call(100, 3), call(100, 9), put(95, 1)]))
    assert levels.open_interest == Sides(3, 1)


def test_g3_lines_without_volatility_are_counted_and_in_no_own_sum() -> None:
    quoted = call(110, 5, iv=0.0, bid=0.1, ask=0.2)
    levels = compute_levels(chain([call(100, 10), quoted, call(120, 3, iv=None, bid=0.0), call(130, None), put(95, 2)]))
    alone = compute_levels(chain([call(100, 10), put(95, 2)]))
    assert levels.own.total == alone.own.total
    assert (levels.counts["iv_zero_n"], levels.counts["open_interest_unknown_n"], levels.counts["bid_zero_n"]) == (
        2,
        1,
        1,
    )
    assert levels.inputs.oi_dropped_pct == pytest.approx(100 * 8 / 20)


def test_g4_volatility_is_implied_again_where_quotes_allow_it() -> None:
    """A smile of 20 %: the source lost the volatility of one line, whose quotes still hold it."""
    from trading_platform.options import black76_price

    strikes = np.arange(90.0, 111.0)
    lines = []
    for strike in strikes:
        for right in ("C", "P"):
            price = float(black76_price(SPOT, strike, TAU, 0.2, 1.0, right == "C"))
            lost = strike == 104 and right == "C"
            lines.append(Line(right, float(strike), iv=0.0 if lost else 0.2, bid=price - 1e-4, ask=price + 1e-4))
    levels = compute_levels(chain(lines))
    assert (levels.counts["iv_zero_n"], levels.counts["iv_reimplied_n"]) == (1, 1)
    lost = 10 * DOLLARS * gamma(104, 0.2, TAU)
    assert levels.forward_total.call == pytest.approx(levels.own.total.call + lost, rel=1e-3)
    assert levels.forward_total.put == pytest.approx(levels.own.total.put, rel=1e-3)
    assert levels.forward.fit.forward == pytest.approx([SPOT], rel=1e-5)
    assert levels.forward.atm_iv == pytest.approx([0.2], rel=1e-4)
    assert levels.forward.excluded.tolist() == [0]


def test_g3_same_day_and_other_expiries_add_up() -> None:
    today, tomorrow = date(2025, 3, 10), date(2025, 3, 11)
    lines = [
        call(100, 5, expiry=today),
        put(101, 5, expiry=today),
        call(102, 5, expiry=tomorrow),
        put(98, 5, expiry=tomorrow),
    ]
    levels = compute_levels(chain([*lines, call(100), put(100)]))
    assert levels.zero_dte.call + levels.ex_zero_dte.call == pytest.approx(levels.own.total.call, rel=1e-12)
    assert levels.zero_dte.put == pytest.approx(compute_levels(chain(lines[:2])).own.total.put, rel=1e-12)
    assert levels.own.expiry_call.tolist()[0] == pytest.approx(levels.zero_dte.call, rel=1e-12)
    # The put lies above the call: short gamma above the crossing.
    assert 100 < levels.flip_0dte.zero_gamma < 101
    assert levels.flip_next.zero_gamma == levels.expiry_flips[1].zero_gamma
    assert 98 < levels.flip_next.zero_gamma < 102


def test_g3_without_a_series_of_the_day_its_numbers_are_zero_and_its_crossing_is_unknown() -> None:
    levels = compute_levels(chain([call(100), put(100, 20)]))
    assert (levels.zero_dte, levels.flip_0dte) == (Sides(0.0, 0.0), None)


def test_g3_a_source_without_greeks_has_no_vendor_sums() -> None:
    levels = compute_levels(
        chain([call(100, vendor_gamma=None, vendor_delta=None), put(95, vendor_gamma=None, vendor_delta=None)])
    )
    assert (levels.vendor, levels.vendor_dex, levels.vendor_gap_pct) == (None, None, (None, None))
    assert "vendor_missing" in levels.flags


def table(*rows: tuple[float, float, float]) -> StrikeTable:
    strike, call_side, put_side = (np.array(column, np.float64) for column in zip(*rows, strict=True))
    return StrikeTable(strike, call_side, put_side)


def test_g3_one_sided_walls_and_the_net_pair_are_different_strikes() -> None:
    found = walls(table((90, 0, -3), (100, 8, -7), (110, 6, -1)), 100.0)
    strikes = (found.call_wall.strike, found.put_wall.strike, found.net_max_strike.strike, found.net_min_strike.strike)
    assert (*strikes, found.abs_gamma_strike.strike) == (100, 100, 110, 90, 100)
    assert (found.call_wall.usd_per_1pct, found.call_wall.share) == (8.0, 8 / 14)
    assert (found.put_wall.usd_per_1pct, found.put_wall.share) == (-7.0, 7 / 11)
    assert (found.net_min_strike.usd_per_1pct, found.net_min_strike.share) == (-3.0, 3 / 25)
    assert (found.abs_gamma_strike.usd_per_1pct, found.abs_gamma_strike.share) == (15.0, 15 / 25)


def test_g3_of_equal_walls_the_nearest_counts_then_the_lower_one() -> None:
    assert walls(table((95, 5, 0), (106, 5, 0), (110, 5, 0)), 100.0).call_wall.strike == 95
    assert walls(table((95, 5, 0), (105, 5, 0)), 100.0).call_wall.strike == 95
    assert walls(table((94, 5, 0), (105, 5, 0)), 100.0).call_wall.strike == 105


def test_g3_band_walls_lie_within_the_band_and_its_edges_belong_to_it() -> None:
    found = walls(table((96.9, 9, -9), (97, 1, -2), (103, 3, -1), (103.1, 9, -9)), 100.0)
    assert (found.call_wall_band.strike, found.put_wall_band.strike) == (103, 97)
    assert walls(table((96.9, 9, -9), (97, 0, -2)), 100.0).call_wall_band is None
    assert walls(table((90, 9, -9)), 100.0, band_frac=0.1).call_wall_band.strike == 90


def test_g3_without_exposure_there_is_no_wall() -> None:
    found = walls(table((100, 0, -5)), 100.0)
    assert (found.call_wall, found.put_wall.strike) == (None, 100)
    levels = compute_levels(chain([call(100, 0), put(100, 0)]))
    assert levels.own.walls.put_wall is None
    assert (levels.own.total.net_to_gross, levels.flip.zero_gamma, levels.inputs.oi_dropped_pct) == (None, None, None)
    assert levels.max_pain == [None]


def test_g3_max_pain_is_the_strike_of_the_smallest_payout_the_lowest_of_equals() -> None:
    assert compute_levels(chain([call(90, 1), call(100, 5), put(100, 3), put(110, 2)])).max_pain == [100.0]
    # Between the put of 90 and the call of 110 nothing is paid at either strike.
    assert compute_levels(chain([put(90, 4), call(110, 4), call(100, 0)])).max_pain == [90.0]


def test_g3_max_pain_equals_the_sum_over_every_strike() -> None:
    generator = np.random.default_rng(3)
    strikes = np.arange(80, 120.5, 2.5)
    interest = generator.integers(0, 900, (2, len(strikes)))
    lines = [call(k, int(n)) for k, n in zip(strikes, interest[0], strict=True)]
    lines += [put(k, int(n)) for k, n in zip(strikes, interest[1], strict=True)]
    pain = [
        sum(interest[0] * np.maximum(x - strikes, 0)) + sum(interest[1] * np.maximum(strikes - x, 0)) for x in strikes
    ]
    assert compute_levels(chain(lines)).max_pain == [strikes[int(np.argmin(pain))]]


def test_g3_max_pain_keeps_am_and_pm_series_of_a_date_apart() -> None:
    day = date(2025, 3, 21)
    lines = [put(90, 4, style="AM", root="SPX", expiry=day), call(110, 4, expiry=day), put(105, 9, expiry=day)]
    assert compute_levels(chain(lines)).max_pain == [90.0, 105.0]


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (chain([call(100)], spot=None), "E481"),
        (chain([call(100)], spot=0.0), "E481"),
        (pl.concat([chain([call(100)]), chain([call(105)], spot=101.0)]), "E481"),
        (chain([settled(call(100))]), "E482"),
        (chain([]), "E482"),
        (pl.concat([chain([call(100)]), chain([call(105)], observed_at=OBSERVED_AT + timedelta(minutes=1))]), "E485"),
        (chain([call(100)]).drop("iv", "root"), "E486"),
    ],
    ids=["no spot", "spot 0", "two spots", "all settled", "no rows", "two moments", "columns"],
)
def test_g3_a_chain_that_cannot_be_used_is_refused_with_its_number(frame, code) -> None:
    with pytest.raises(QualityError) as refused:
        compute_levels(frame, name="SPX chain")
    assert refused.value.code == code
    assert "SPX chain" in refused.value.what


@pytest.mark.parametrize(
    "moment", ["0001-01-01T00:00:00+14:00", "0001-01-01T00:00:00+00:00", "9999-12-31T23:59:59-12:00"]
)
def test_g5_a_moment_beyond_the_calendar_is_refused_with_its_number(moment) -> None:
    with pytest.raises(QualityError) as refused:
        compute_levels(chain([call(100)]), asof=datetime.fromisoformat(moment), name="SPX chain")
    assert refused.value.code == "E489"
    assert moment in refused.value.what


line = st.builds(
    Line,
    right=st.sampled_from("CP"),
    strike=st.integers(80, 120).map(float),
    open_interest=st.integers(0, 5_000),
    iv=st.sampled_from((0.0, 0.08, 0.2, 0.55, None)),
    expiry=st.sampled_from((date(2025, 3, 10), date(2025, 3, 14), date(2025, 6, 20))),
    volume=st.integers(0, 900),
)
chains = st.lists(line, min_size=1, max_size=25, unique_by=lambda one: (one.right, one.strike, one.expiry))


@given(chains, st.integers(2, 9))
@settings(max_examples=40, deadline=None)
def test_g3_more_open_interest_scales_totals_and_moves_no_level(lines, factor) -> None:
    frame = chain(lines)
    one, many = compute_levels(frame), compute_levels(frame.with_columns(pl.col("open_interest") * factor))
    for scaled, side in ((many.own.total.call, one.own.total.call), (many.own.total.put, one.own.total.put)):
        assert scaled == (None if side is None else pytest.approx(factor * side, rel=1e-12))
    assert many.flip.n_crossings == one.flip.n_crossings
    if one.flip.crossings is not None:
        assert many.flip.crossings == pytest.approx(one.flip.crossings, abs=0.01)
    assert many.max_pain == one.max_pain
    strikes = [None if wall is None else wall.strike for wall in (one.own.walls.call_wall, one.own.walls.put_wall)]
    assert [
        None if wall is None else wall.strike for wall in (many.own.walls.call_wall, many.own.walls.put_wall)
    ] == strikes


@given(chains, st.randoms(use_true_random=False))
@settings(max_examples=40, deadline=None)
def test_g3_the_order_of_rows_changes_no_digit(lines, random) -> None:
    shuffled = list(lines)
    random.shuffle(shuffled)
    one, other = compute_levels(chain(lines)), compute_levels(chain(shuffled))
    assert (one.own.total, one.vex, one.flip, one.max_pain) == (other.own.total, other.vex, other.flip, other.max_pain)
    assert (one.own.walls, one.input_sha256) == (other.own.walls, other.input_sha256)
    assert np.array_equal(one.profile_net, other.profile_net, equal_nan=True)


@given(chains, chains)
@settings(max_examples=40, deadline=None)
def test_g5_added_settled_rows_change_nothing(lines, gone) -> None:
    one, other = compute_levels(chain(lines)), compute_levels(chain([*lines, *map(settled, gone)]))
    assert (one.own.total, one.vendor, one.flip, one.max_pain)[0] == other.own.total
    assert (one.vendor.total, one.flip, one.max_pain, one.own.walls) == (
        other.vendor.total, other.flip, other.max_pain, other.own.walls,
    )  # fmt: skip
    assert other.lines.lines_settled == len(gone)


@given(chains)
@settings(max_examples=40, deadline=None)
def test_g3_calls_are_at_least_zero_and_puts_at_most_zero(lines) -> None:
    levels = compute_levels(chain(lines))
    for block in (levels.own, levels.vendor):
        assert block.total.call is None or block.total.call >= 0
        assert block.total.put is None or block.total.put <= 0
        assert not (block.strikes.call < 0).any()
        assert not (block.strikes.put > 0).any()
        assert np.nansum(block.strikes.call) == pytest.approx(np.nansum(block.expiry_call), rel=1e-12)
