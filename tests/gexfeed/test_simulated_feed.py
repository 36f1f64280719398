"""The synthetic history files: vendor's form, exact earlier levels, drifting basis, label."""

from __future__ import annotations

import json
from datetime import date
from itertools import islice
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from trading_platform.gexfeed.archive import SYNTHETIC_SIDECAR
from trading_platform.instruments import Contract, load_registry
from trading_platform.lake import LocalLake
from trading_platform.sessions import calendar_for
from trading_platform.simulation.gex_feed import (
    GEX_SIDECAR,
    NQ_NDX_OPTIONS,
    GexFeedOptions,
    gex_file_name,
    gex_snapshots,
    spots_along,
    write_gex_day,
)
from trading_platform.simulation.market import SimulatedMarket

from .conftest import Build
from .feed_files import DAY, snapshot

SESSION = calendar_for("NYSE").session(DAY)


def test_g1_synthetic_snapshot_has_the_keys_and_shapes_of_the_vendor(shared_data: Path) -> None:
    example = json.loads((shared_data / "gex_feed" / "spx_gex_full_example.json").read_bytes())
    made = next(gex_snapshots(SESSION, "SPX"))
    assert list(made) == list(example) == list(snapshot())
    assert {type(made[key]) for key in ("timestamp", "min_dte")} == {int}
    assert [len(part) for part in (made["max_priors"], made["strikes"][0], made["strikes"][0][3])] == [6, 4, 5]


def test_g1_earlier_levels_are_what_the_file_showed_then() -> None:
    made = list(islice(gex_snapshots(SESSION, "NQ_NDX", options=NQ_NDX_OPTIONS), 1_900))
    now = {one["timestamp"]: [row[1] for row in one["strikes"]] for one in made}
    last = made[-1]
    for place, lag_s in enumerate((60, 300, 600, 900, 1_800)):
        assert [row[3][place] for row in last["strikes"]] == now[last["timestamp"] - lag_s]
    assert {value for row in made[0]["strikes"] for value in row[3]} == {0.0}


def test_g1_basis_of_a_mapped_series_drifts_and_the_grid_stays() -> None:
    options = GexFeedOptions(cadence_s=3_600, basis_points=107.21, basis_drift_points=-2.4)
    made = list(gex_snapshots(SESSION, "NQ_NDX", options=options))
    assert len(made) == 7
    for hour, one in enumerate(made):
        strikes = np.array([row[0] for row in one["strikes"]])
        np.testing.assert_allclose(np.diff(strikes), 10.0, atol=0.011)
        basis = 107.21 - 2.4 * hour / 6.5
        assert abs((strikes[0] - basis + 5) % 10 - 5) < 0.006


def test_g1_same_seed_gives_the_same_bytes_and_folders_are_labelled(tmp_path: Path) -> None:
    options = GexFeedOptions(cadence_s=60, strikes=9)
    first = write_gex_day(tmp_path / "a", SESSION, "NQ_NDX", options=options)
    second = write_gex_day(tmp_path / "b", SESSION, "NQ_NDX", options=options)
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    assert len({path.read_bytes() for path in first}) == 3
    assert GEX_SIDECAR == SYNTHETIC_SIDECAR
    assert "SYNTHETIC" in (tmp_path / "a" / GEX_SIDECAR).read_text(encoding="utf-8")
    assert first[0].name == gex_file_name(DAY, "NQ_NDX", "gex_full", is_gzip=True)


def test_g1_spot_follows_a_simulated_future() -> None:
    registry = load_registry()
    contract = Contract.parse("MNQH25")
    market = SimulatedMarket(1, registry.get("MNQ"), 20_600.0)
    traded = calendar_for("CME_EQUITY").session(DAY)
    spots = spots_along(market, contract, traded, SESSION)
    assert len(spots) == 23_400
    at_ten_us = np.array([1_741_615_200_000_000])  # 10:00 in New York, 1,800 s after the open
    bid = market.best_bid_ticks(traded, contract, at_ten_us)[0] * 0.25
    assert bid <= spots[1_800] < bid + 0.25
    made = next(gex_snapshots(SESSION, "NQ_NDX", options=NQ_NDX_OPTIONS, spot_per_second=spots))
    assert made["spot"] == round(spots[0], 2)
    with pytest.raises(ValueError, match="two open sessions"):
        spots_along(market, contract, traded, calendar_for("NYSE").session(date(2025, 3, 15)))


def test_g1_closed_day_and_short_path_are_refused() -> None:
    with pytest.raises(ValueError, match="open session"):
        next(gex_snapshots(calendar_for("NYSE").session(date(2025, 4, 18)), "SPX"))
    with pytest.raises(ValueError, match="23400 seconds"):
        next(gex_snapshots(SESSION, "SPX", spot_per_second=np.ones(10)))


@pytest.mark.parametrize("packed", [False, True])
def test_g1_synthetic_day_passes_every_check_and_is_marked(
    folder: Path, build: Build, lake: LocalLake, *, packed: bool
) -> None:
    options = GexFeedOptions(cadence_s=20, strikes=31, basis_points=107.21, basis_drift_points=-2.4)
    write_gex_day(folder, SESSION, "NQ_NDX", options=options, is_gzip=packed)
    for result in build():
        assert result.error is None
        assert result.synthetic
        assert [one.name for one in result.checks if not one.passed] == []
    found = lake.read("gex_snapshots", "NQ_NDX", DAY)
    assert found.height == 3 * 1_170
    assert set(found["grid_step"]) == {10.0}
    full = found.filter(pl.col("category") == "gex_full")
    drift = full["grid_offset"].to_numpy()
    assert (drift[0], drift[-1]) == (pytest.approx(7.21), pytest.approx(4.81, abs=0.02))
    assert full["pos_can2_pct"].null_count() == 0
