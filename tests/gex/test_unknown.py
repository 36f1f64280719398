"""Null is unknown, 0 was computed: sums of which no line is known, and everything made from them (G3)."""

from __future__ import annotations

from datetime import date

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trading_platform.gex import Sides, compute_levels
from trading_platform.gex.exposures import PerLine, sides
from trading_platform.gex.lines import lines_of
from trading_platform.gex.plot import profile_figure
from trading_platform.gex.report import as_json
from trading_platform.gex.tables import Snapshot, levels_row, levels_table, profile_table
from trading_platform.gex.values import derived_block, own_block
from trading_platform.lake.contracts import GEX_LEVELS, GEX_PROFILE

from .frames import OBSERVED_AT, Line, call, chain, put

TODAY = OBSERVED_AT.date()
LATER = date(2025, 4, 17)
LINES = (
    call(100, 10),
    put(100, 12, volume=3),
    call(105, 6, volume=2),
    put(95, 9),
    call(101, 3, expiry=TODAY),
    put(99, 3, expiry=TODAY),
)
UNKNOWN = Sides(None, None)


def without(*columns: str) -> pl.DataFrame:
    """Return a chain in which nothing is known of some columns, as a source without them gives it."""
    return chain(LINES).with_columns(pl.lit(None).cast(chain(LINES).schema[name]).alias(name) for name in columns)


def snapshot(frame: pl.DataFrame) -> Snapshot:
    return Snapshot(compute_levels(frame), "cboe", TODAY, is_repeat=False)


def test_g3_without_volatilities_every_own_number_is_unknown() -> None:
    levels = compute_levels(without("iv"))
    assert (levels.own.total, levels.own.volume, levels.zero_dte, levels.ex_zero_dte) == (UNKNOWN,) * 4
    assert (levels.vex, levels.chex, levels.own_dex) == (UNKNOWN,) * 3
    assert (levels.flip.crossings, levels.flip.n_crossings, levels.flip_0dte.crossings) == (None, None, None)
    assert [flip.n_crossings for flip in levels.expiry_flips] == [None, None]
    assert np.isnan(levels.profile_net).all()
    # What needs no volatility is known.
    assert (levels.open_interest, levels.volume) == (Sides(19, 24), Sides(2, 3))
    assert levels.vendor.total.call > 0 > levels.vendor.total.put
    assert levels.vendor_gap_pct == (None, None)
    row = levels_row(snapshot(without("iv")))
    of_contracts = {"naive_ramp_lower_strike", "naive_ramp_upper_strike"}
    assert {name for name, value in row.items() if name.startswith("naive_") and value is not None} == of_contracts
    assert (row["own_dex_usd"], row["vex_usd_per_vol_point"], row["chex_usd_per_day"]) == (None, None, None)


def test_g3_without_volume_sums_of_volume_are_unknown_and_counted() -> None:
    row = levels_row(snapshot(without("volume")))
    assert (row["vol_call"], row["vol_put"], row["volume_unknown_n"]) == (None, None, 6)
    assert (row["naive_gex_vol_call_usd_per_1pct"], row["vendor_gex_vol_put_usd_per_1pct"]) == (None, None)
    assert row["naive_gex_call_usd_per_1pct"] > 0
    assert levels_row(snapshot(chain(LINES)))["volume_unknown_n"] == 0


def test_g3_without_open_interest_its_sums_are_unknown_and_those_of_volume_are_not() -> None:
    row = levels_row(snapshot(without("open_interest")))
    assert (row["oi_call"], row["oi_put"], row["pcr_oi"]) == (None, None, None)
    for prefix in ("naive", "vendor"):
        assert [row[f"{prefix}_gex_{side}_usd_per_1pct"] for side in ("call", "put", "net")] == [None] * 3
        assert row[f"{prefix}_call_wall"] is None
        assert row[f"{prefix}_n_crossings"] is None
    assert row["naive_gex_vol_call_usd_per_1pct"] > 0
    assert row["dex_usd"] is None


def test_g3_nobody_holding_a_contract_is_zero_and_not_unknown() -> None:
    levels = compute_levels(chain([call(100, 0), put(100, 0, iv=None)]))
    assert (levels.own.total, levels.vex, levels.own_dex) == (Sides(0.0, 0.0),) * 3
    assert (levels.flip.crossings, levels.flip.n_crossings) == ([], 0)


def test_g3_one_side_without_volatilities_leaves_the_net_unknown() -> None:
    levels = compute_levels(chain([call(100, 10, iv=0.0), call(105, 3, iv=None), put(100, 5)]))
    assert levels.own.total.call is None
    assert levels.own.total.put < 0
    assert (levels.own.total.net, levels.own.total.net_to_gross, levels.flip.zero_gamma) == (None, None, None)
    assert levels.own.walls.put_wall.strike == 100
    assert (levels.own.walls.call_wall, levels.own.walls.net_max_strike) == (None, None)


def test_g3_one_known_line_makes_a_sum() -> None:
    levels = compute_levels(chain([call(100, 10), call(105, 3, iv=None), call(110, None), put(95, 2)]))
    assert levels.own.total == compute_levels(chain([call(100, 10), put(95, 2)])).own.total
    assert levels.open_interest == Sides(13, 2)


def test_g3_an_expiry_and_a_strike_without_volatilities_are_null_in_the_profile() -> None:
    frame = chain([*LINES, call(102, 4, expiry=LATER, iv=0.0), put(102, 5, expiry=LATER, iv=None)])
    rows = pl.DataFrame(pl.from_arrow(profile_table(snapshot(frame), 0)))
    kind = pl.col("kind").cast(pl.String)
    lost = rows.filter((kind == "expiry") & (pl.col("expiry") == LATER))
    strike = rows.filter((kind == "strike") & (pl.col("price") == 102.0))
    for row in (lost.row(0, named=True), strike.row(0, named=True)):
        own = {row[f"naive_gex_{name}_usd_per_1pct"] for name in ("call", "put", "net", "abs")}
        assert own == {None}
        assert (row["oi_call"], row["oi_put"]) == (4, 5)
        assert row["vendor_gex_net_usd_per_1pct"] is not None
    assert (lost["n_crossings"][0], lost["zero_gamma_crossings"][0]) == (None, None)
    assert rows.filter(kind == "level")["naive_gex_net_usd_per_1pct"].null_count() == 0


def test_g3_a_strike_with_an_unknown_side_is_no_end_of_the_ramp() -> None:
    known = [put(98, 30), call(98, 10), call(101, 40), put(101, 5)]
    assert derived_block(compute_levels(chain(known)))["gex_ramp_musd_per_1pct_per_point"] is not None
    lost = derived_block(compute_levels(chain([*known[:3], put(101, 5, iv=0.0)])))
    assert (lost["ramp_upper_strike"], lost["gex_ramp_musd_per_1pct_per_point"]) == (101.0, None)


@pytest.mark.parametrize(
    "columns", [("iv",), ("open_interest",), ("volume",), ("iv", "volume", "vendor_gamma", "vendor_delta")]
)
def test_g3_unknown_numbers_can_be_stored_and_shown(columns) -> None:
    one = snapshot(without(*columns))
    for table, contract in ((levels_table([levels_row(one)]), GEX_LEVELS), (profile_table(one, 0), GEX_PROFILE)):
        contract.validate(pl.DataFrame(pl.from_arrow(table), schema_overrides=dict(contract.polars_schema)))
    document = as_json(one.levels, symbol="SPX", source="cboe", strikes=True)
    if "iv" in columns:
        assert document["own"]["gex_net_usd_per_1pct"] is None
        assert document["own"]["n_crossings"] is None
        assert document["profile"][0]["gex_net_usd_per_1pct"] is None
    above, _ = profile_figure(one.levels, symbol="SPX", synthetic=False).axes
    assert ("calls unknown" in above.get_title()) == (columns != ("volume",))


line = st.builds(
    Line,
    right=st.sampled_from("CP"),
    strike=st.integers(95, 105).map(float),
    open_interest=st.sampled_from((None, 0, 3, 70)),
    iv=st.sampled_from((0.0, 0.2, None)),
    expiry=st.sampled_from((TODAY, LATER)),
)


@given(st.lists(line, min_size=1, max_size=12, unique_by=lambda one: (one.right, one.strike, one.expiry)))
@settings(max_examples=60, deadline=None)
def test_g3_a_sum_is_unknown_exactly_if_it_has_unknown_lines_and_no_known_one(lines) -> None:
    total = compute_levels(chain(lines)).own.total
    for right, side in (("C", total.call), ("P", total.put)):
        held = [one for one in lines if one.right == right and one.open_interest != 0]
        known = [one for one in held if one.open_interest and one.iv]
        assert (side is None) == (bool(held) and not known)


def test_g3_other_lines_are_not_there_for_a_sum_over_some() -> None:
    lines = lines_of(chain([call(100, 1), call(105, 2), put(100, 4)]))
    values = PerLine(np.array([3.0, 0.0, 5.0]), np.array([True, False, True]), np.array([False, True, False]))
    # Lines lie in the order of strikes: the put of 100 is unknown.
    assert sides(lines, values) == Sides(8.0, None)
    assert sides(lines, values.where(lines.strike == 105)) == Sides(5.0, 0.0)
    assert sides(lines, values.where(lines.strike == 100)) == Sides(3.0, None)


def test_g3_own_block_of_a_known_chain_has_no_unknown_sum() -> None:
    block = own_block(compute_levels(chain(LINES)))
    assert {name for name, value in block.items() if value is None} == set()


def test_g3_a_share_of_unknown_open_interest_is_published_per_side_and_flagged() -> None:
    """Of 40 puts one is unknown: the side has a sum, which is too small, and the row says by how many lines."""
    lines = [call(100 + n, 10) for n in range(40)] + [put(60 + n, None if n == 39 else 10) for n in range(40)]
    levels = compute_levels(chain(lines))
    row = levels_row(Snapshot(levels, "cboe", TODAY, is_repeat=False))
    assert row["naive_gex_put_usd_per_1pct"] < 0
    assert (row["oi_unknown_call_pct"], row["oi_unknown_put_pct"]) == (0.0, 2.5)
    assert "open_interest_unknown" in levels.flags
    assert as_json(levels, symbol="SPX", source="cboe")["oi_unknown_pct"] == {"call": 0.0, "put": 2.5}
    # One of 120 lines of a side is below the limit of 1 %.
    many = [call(100 + n / 4, None if n == 0 else 10) for n in range(120)]
    few = compute_levels(chain([*many, put(95)]))
    assert few.inputs.oi_unknown_pct == (pytest.approx(100 / 120), 0.0)
    assert "open_interest_unknown" not in few.flags


def test_g3_a_side_without_lines_has_no_share_and_an_unknown_one_has_all() -> None:
    assert compute_levels(chain([call(100)])).inputs.oi_unknown_pct == (0.0, None)
    assert compute_levels(chain([call(100), put(100, None), put(95, None)])).inputs.oi_unknown_pct == (0.0, 100.0)


def test_g3_open_interest_without_volatility_is_published_per_side() -> None:
    """A tenth of the calls is lost, but only a fiftieth of all."""
    levels = compute_levels(chain([call(100, 18), call(105, 2, iv=0.0), put(95, 80)]))
    row = levels_row(Snapshot(levels, "cboe", TODAY, is_repeat=False))
    assert (row["oi_dropped_pct"], row["oi_dropped_call_pct"], row["oi_dropped_put_pct"]) == (2.0, 10.0, 0.0)
    assert "volatility_unknown" in levels.flags
    assert "volatility_unknown" not in compute_levels(chain([call(100, 18), put(95, 80)])).flags
    assert compute_levels(chain([call(100, 0), put(95, 8)])).inputs.oi_dropped_side_pct == (None, 0.0)
