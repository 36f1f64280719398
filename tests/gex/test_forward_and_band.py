"""The sums on parity forwards beside the own ones, near walls, what the rows say of their inputs, memory of a day (G3, G4)."""

from __future__ import annotations

import dataclasses
import json
import tracemalloc
from datetime import date, timedelta

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from trading_platform.gex import compute_levels
from trading_platform.gex.builder import GexProfileBuilder
from trading_platform.gex.report import as_json
from trading_platform.gex.tables import Snapshot, levels_row
from trading_platform.lake.contracts import GEX_LEVELS
from trading_platform.options import black76_price

from .frames import OBSERVED_AT, SPOT, Line, call, chain, put
from .test_builder import CALENDAR, DAY, LATER, FixedClock, lake, snapshots, store  # noqa: F401 - fixtures

TODAY = OBSERVED_AT.date()
TAU = (11 + 5.5 / 24) / 365


def market(
    interest: dict[tuple[str, float], int], lost: dict[tuple[str, float], float | None], width: float = 1e-4
) -> list[Line]:
    """Return a chain whose quotes have a volatility of 20 %; ``lost`` has what the source says instead."""
    lines = []
    for strike in np.arange(90.0, 111.0).tolist():
        for right in ("C", "P"):
            price = float(black76_price(SPOT, strike, TAU, 0.2, 1.0, right == "C"))
            iv = lost.get((right, strike), 0.2)
            lines.append(
                Line(right, strike, interest.get((right, strike), 1), iv=iv, bid=price - width, ask=price + width)
            )
    return lines


def row_of(frame: pl.DataFrame) -> dict:
    return levels_row(Snapshot(compute_levels(frame), "cboe", TODAY, is_repeat=False))


def test_g4_the_forward_block_is_stored_with_its_ratio_and_all_crossings() -> None:
    levels = compute_levels(chain(market({("C", 104.0): 60, ("P", 96.0): 60}, {})))
    row = levels_row(Snapshot(levels, "cboe", TODAY, is_repeat=False))
    call_side, put_side = row["forward_gex_call_usd_per_1pct"], row["forward_gex_put_usd_per_1pct"]
    assert row["forward_net_to_gross"] == pytest.approx((call_side + put_side) / (call_side - put_side), rel=1e-12)
    assert json.loads(row["forward_zero_gamma_crossings"]) == levels.forward_flip.crossings
    assert row["forward_n_crossings"] == len(levels.forward_flip.crossings) > 0
    assert (row["forward_gex_0dte_call_usd_per_1pct"], row["forward_gex_0dte_put_usd_per_1pct"]) == (0.0, 0.0)
    assert (
        row["naive_vex_call_usd_per_vol_point"] + row["naive_vex_put_usd_per_vol_point"] == row["vex_usd_per_vol_point"]
    )
    assert row["naive_chex_call_usd_per_day"] + row["naive_chex_put_usd_per_day"] == row["chex_usd_per_day"]


def test_g4_open_interest_dropped_by_own_and_by_forward_sums_differ() -> None:
    """Quotes still have the volatility of the call that the source lost."""
    row = row_of(chain(market({("C", 104.0): 60}, {("C", 104.0): 0.0})))
    assert row["oi_dropped_pct"] == pytest.approx(100 * 60 / 101)
    assert row["forward_oi_dropped_pct"] == 0.0


def test_g4_sides_of_spot_that_disagree_are_flagged() -> None:
    held = {("C", 104.0): 60, ("P", 96.0): 55}
    agreed = compute_levels(chain(market(held, {})))
    assert "flip_side_disagrees" not in agreed.flags
    # Without the volatility of the call nearly nothing but puts is left of the own sums.
    lost = compute_levels(chain(market(held, {("C", 104.0): 0.0})))
    assert lost.own.total.net < 0 < lost.forward_total.net
    assert "flip_side_disagrees" in lost.flags


def fit_of(monkeypatch: pytest.MonkeyPatch, **changes: np.ndarray) -> None:
    """Let parity give these values; quotes of tests are too good to break it."""
    from trading_platform.gex import forward

    fitted = forward.parity_forward
    monkeypatch.setattr(
        forward, "parity_forward", lambda *lines, **values: dataclasses.replace(fitted(*lines, **values), **changes)
    )


NEAR = date(2025, 3, 14)


def two_expiries(near_interest: int) -> list[Line]:
    later = market({("C", 104.0): 60, ("P", 96.0): 60}, {})
    return [*later, call(101, near_interest, expiry=NEAR), put(99, near_interest, expiry=NEAR)]


@pytest.mark.parametrize("lost", [np.nan, np.inf, -3.0], ids=["none", "infinite", "below zero"])
def test_g4_an_expiry_without_a_usable_forward_is_left_out_and_counted(monkeypatch, lost) -> None:
    frame = chain(two_expiries(3))
    whole, alone = row_of(frame), row_of(chain(market({("C", 104.0): 60, ("P", 96.0): 60}, {})))
    fit_of(monkeypatch, forward=np.array([lost, SPOT]))
    levels = compute_levels(frame)
    row = levels_row(Snapshot(levels, "cboe", TODAY, is_repeat=False))
    assert (row["forward_expiries_missing_n"], row["forward_missing_oi_pct"]) == (1, 100 * 6 / 166)
    assert 0 < row["forward_gex_call_usd_per_1pct"] < whole["forward_gex_call_usd_per_1pct"]
    assert row["forward_oi_dropped_pct"] == pytest.approx(100 * 6 / 166)
    assert "forward_missing" not in levels.flags
    assert row["forward_gex_net_usd_per_1pct"] == pytest.approx(alone["forward_gex_net_usd_per_1pct"], rel=1e-6)
    assert row["forward_zero_gamma"] == pytest.approx(alone["forward_zero_gamma"], abs=1e-3)
    assert np.isnan(levels.forward.fit.forward[0])


def test_g4_too_much_open_interest_without_a_forward_empties_the_sums(monkeypatch) -> None:
    fit_of(monkeypatch, forward=np.array([np.nan, SPOT]))
    levels = compute_levels(chain(two_expiries(6)))
    row = levels_row(Snapshot(levels, "cboe", TODAY, is_repeat=False))
    assert (row["forward_expiries_missing_n"], row["forward_missing_oi_pct"]) == (1, pytest.approx(100 * 12 / 172))
    assert "forward_missing" in levels.flags
    counted = {"forward_expiries_missing_n", "forward_missing_oi_pct", "forward_expiries_neighbour_n"}
    counted |= {"forward_neighbour_oi_pct", "forward_iv_quotes_n", "forward_iv_chain_n"}
    assert {name for name, value in row.items() if name.startswith("forward_") and value is not None} == counted


def test_g4_forwards_of_a_neighbour_are_counted_and_flagged_by_their_open_interest() -> None:
    """The near expiry has a single strike of each side and no pair: its forward is that of the other one."""
    few, many = (compute_levels(chain(two_expiries(interest))) for interest in (3, 6))
    for levels, share, flagged in ((few, 100 * 6 / 166, False), (many, 100 * 12 / 172, True)):
        row = levels_row(Snapshot(levels, "cboe", TODAY, is_repeat=False))
        assert (row["forward_expiries_neighbour_n"], row["forward_neighbour_oi_pct"]) == (1, pytest.approx(share))
        assert ("forward_of_neighbour" in levels.flags) == flagged
        assert (row["forward_expiries_missing_n"], row["forward_missing_oi_pct"]) == (0, 0.0)


def test_g4_of_real_tables_the_flag_of_neighbours_is_rare(sample) -> None:
    for stem, expiries in (("spx_2025-08-25_2139", 3), ("spx_2025-09-04_1430", 0), ("spy_2025-08-27_0116", 1)):
        levels = sample(stem).levels
        assert levels.counts["forward_expiries_neighbour_n"] == expiries
        assert "forward_of_neighbour" not in levels.flags


def test_g4_a_real_day_on_which_own_and_forward_disagree_is_flagged(sample) -> None:
    levels = sample("spx_2025-09-02_1937").levels
    assert levels.own.total.net < 0 < levels.forward_total.net
    assert "flip_side_disagrees" in levels.flags
    assert "flip_side_disagrees" not in sample("spx_2025-09-04_1430").levels.flags


def test_g3_near_walls_count_the_asked_band_and_days() -> None:
    near, far = date(2025, 3, 14), date(2025, 6, 20)
    lines = [
        call(101, 5, expiry=near),
        call(102, 90, expiry=far),
        call(104, 60, expiry=near),
        put(99, 5, expiry=near),
        put(98, 90, expiry=far),
    ]
    frame = chain(lines)
    assert compute_levels(frame).own.walls.call_wall_band.strike == 102
    walls = compute_levels(frame, band_max_dte_days=4).own.walls
    assert (walls.call_wall_band.strike, walls.put_wall_band.strike) == (101, 99)
    assert (walls.call_wall.strike, walls.put_wall.strike) == (102, 98)
    assert compute_levels(frame, band_max_dte_days=3).own.walls.call_wall_band is None
    wide = compute_levels(frame, band_frac=0.05, band_max_dte_days=4)
    assert wide.own.walls.call_wall_band.strike == 104
    assert as_json(wide, symbol="SPX", source="cboe")["band"] == {"width_pct": 5.0, "max_dte_days": 4}


def test_g3_the_day_of_open_interest_is_told_only_if_all_lines_agree() -> None:
    frame = chain([call(100), put(100), call(105)])
    day = date(2025, 3, 7)
    assert row_of(frame)["oi_asof"] is None
    assert row_of(frame.with_columns(open_interest_date=pl.lit(day)))["oi_asof"] == day
    first = pl.int_range(pl.len()) == 0
    of_some = frame.with_columns(open_interest_date=pl.when(first).then(pl.lit(day)))
    assert row_of(of_some)["oi_asof"] == day
    mixed = frame.with_columns(
        open_interest_date=pl.when(first).then(pl.lit(day)).otherwise(pl.lit(day - timedelta(days=1)))
    )
    assert row_of(mixed)["oi_asof"] is None


def test_g3_a_number_without_a_column_is_refused_and_a_column_without_a_number_too(monkeypatch) -> None:
    from trading_platform.gex import tables

    one = Snapshot(compute_levels(chain([call(100), put(95)])), "cboe", TODAY, is_repeat=False)
    assert list(levels_row(one)) == GEX_LEVELS.arrow_schema.names
    monkeypatch.setattr(tables, "other_exposures", lambda _: {"dex_used": 1.0})
    with pytest.raises(ValueError, match="chex_usd_per_day, dex_usd, dex_used"):
        levels_row(one)


def test_g3_walls_have_shares_from_zero_to_one() -> None:
    row = row_of(chain([call(100, 10), put(100, 12), call(105, 6), put(95, 9)]))
    assert row["naive_net_min_strike_usd_per_1pct"] < 0 < row["naive_net_min_strike_share"] <= 1


def test_g3_exercise_at_settlement_only_is_known_of_every_index_root() -> None:
    flags = {
        root: compute_levels(chain([call(100, root=root), put(95, root=root)])).flags
        for root in ("XEO", "SPX", "OEX", "SPY")
    }
    assert {root for root, words in flags.items() if "american_exercise" in words} == {"OEX", "SPY"}


class CountingWriter:
    """Takes tables as the writer of a partition does, and keeps their numbers of rows only."""

    def __init__(self) -> None:
        self.rows: list[int] = []

    def append(self, table: pa.Table) -> None:
        self.rows.append(table.num_rows)


def test_g3_a_day_of_profiles_needs_the_memory_of_one_snapshot(store) -> None:  # noqa: F811 - the fixture
    lake = store(*snapshots(12))  # noqa: F811
    builder = GexProfileBuilder("SPX", lake, CALENDAR, FixedClock(LATER))
    plan, writer = builder.plan(DAY), CountingWriter()
    builder.build(plan, writer)  # what is made at the first call stays
    tracemalloc.start()
    builder.build(plan, CountingWriter())
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert writer.rows == [64] * 12
    assert kept < 200_000
