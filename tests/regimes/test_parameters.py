"""Parameters: ranges, the user's file, and that each of them does something."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import polars as pl
import pytest

from trading_platform.errors import ConfigurationError
from trading_platform.regimes import RegimeParameters, load_parameters

from .frames import DEFAULTS, random_chain, random_feed, regimes

NAMES = [item.name for item in fields(RegimeParameters)]
# As far away as other parameters and the small fixtures allow.
CHANGED = {
    "short_window_min": 3,
    "medium_window_min": 20,
    "long_window_min": 20,
    "min_coverage_frac": 0.5,
    "full_coverage_frac": 1.0,
    "feed_cadence_s": 2.0,
    "chain_cadence_s": 200.0,
    "feed_staleness_s": 95.0,
    "chain_staleness_cadences": 1.0,
    "feed_latency_ms": 0,
    "chain_latency_ms": 500,
    "sigma_horizon_min": 60.0,
    "minutes_per_year": 525_600.0,
    "realised_step_s": 30.0,
    "net_to_gross_enter": 0.15,
    "net_to_gross_exit": 0.0,
    "flip_enter_sigma": 1.0,
    "flip_exit_sigma": 0.0,
    "pin_enter_sigma": 0.2,
    "pin_exit_sigma": 3.0,
    "wall_stability_enter": 0.65,
    "wall_stability_exit": 0.0,
    "same_wall_frac": 0.01,
    "max_oi_dropped_pct": 10.0,
    "max_vendor_gap_pct": 20.0,
    "min_dwell_s": 900.0,
    "min_observations": 4,
    "flip_risk_sigma": 0.5,
    "zero_dte_dominant_frac": 0.3,
}
COMPARED = pl.all().exclude("parameters_hash", "reasons")


@pytest.fixture(scope="module")
def fixtures() -> list[tuple[pl.DataFrame, pl.DataFrame]]:
    days = [random_chain(seed) for seed in (1, 2, 3, 4)] + [random_feed()]
    return [(day, regimes(day).select(COMPARED)) for day in days]


@pytest.mark.parametrize("name", NAMES)
def test_r4_every_parameter_changes_some_output(name: str, fixtures) -> None:
    assert CHANGED[name] != getattr(DEFAULTS, name)
    assert any(not regimes(day, **{name: CHANGED[name]}).select(COMPARED).equals(before) for day, before in fixtures)


@pytest.mark.parametrize("name", ["flip_exit_sigma", "pin_exit_sigma", "net_to_gross_exit", "wall_stability_exit"])
def test_r4_every_exit_level_changes_some_state(name: str, fixtures) -> None:
    changed = [regimes(day, **{name: CHANGED[name]}) for day, _ in fixtures]
    assert any(not new["rule"].equals(before["rule"]) for new, (_, before) in zip(changed, fixtures, strict=True))


@pytest.mark.parametrize("name", NAMES)
def test_r4_every_parameter_changes_the_hash(name: str) -> None:
    assert RegimeParameters(**{name: CHANGED[name]}).hash != DEFAULTS.hash


def test_r4_hash_tells_values_and_not_their_spelling() -> None:
    assert RegimeParameters(min_dwell_s=120).hash == RegimeParameters(min_dwell_s=120.0).hash


@pytest.mark.parametrize("name", NAMES)
def test_u5_every_parameter_has_a_range(name: str) -> None:
    item = next(item for item in fields(RegimeParameters) if item.name == name)
    for value in (item.metadata["high"] + 1, item.metadata["low"] - 1, "1", None, True, float("nan")):
        with pytest.raises(ConfigurationError) as refused:
            RegimeParameters(**{name: value})
        assert refused.value.code == "E182"
        assert name in refused.value.what


@pytest.mark.parametrize(
    "changes",
    [
        {"short_window_min": 20},
        {"flip_exit_sigma": 0.3},
        {"pin_exit_sigma": 0.4},
        {"net_to_gross_exit": 0.06},
        {"wall_stability_exit": 0.9},
        {"full_coverage_frac": 0.6},
    ],
)
def test_u5_contradicting_levels_are_refused(changes: dict[str, float]) -> None:
    with pytest.raises(ConfigurationError, match="E182"):
        RegimeParameters(**changes)


def test_r2_file_of_the_user_changes_all_symbols_or_one(tmp_path: Path) -> None:
    path = tmp_path / "regimes.toml"
    assert load_parameters(path, "SPX") == load_parameters(None, "SPX") == DEFAULTS
    path.write_text("[all]\nmin_dwell_s = 180\nmin_observations = 3\n[symbols.SPX]\nmin_dwell_s = 60.0\n")
    assert load_parameters(path, "SPX") == RegimeParameters(min_dwell_s=60, min_observations=3)
    assert load_parameters(path, "NQ_NDX") == RegimeParameters(min_dwell_s=180, min_observations=3)


@pytest.mark.parametrize(
    ("text", "code", "named"),
    [
        ("[all\n", "E180", "regimes.toml"),
        ("[al]\nmin_dwell_s = 1\n", "E181", "did you mean all"),
        ("[all]\nmin_dwel_s = 1\n", "E181", "did you mean min_dwell_s"),
        ("[symbols.ES_SPX]\nmin_dwel_s = 1\n", "E181", "[symbols.ES_SPX]"),
        ("all = 3\n", "E182", "expected a table"),
        ("[all]\nmin_dwell_s = -1\n", "E182", "from 0 to 3600"),
        ("[all]\nmin_observations = 2.5\n", "E182", "a whole number"),
    ],
)
def test_u5_malformed_file_of_parameters_is_refused(tmp_path: Path, text: str, code: str, named: str) -> None:
    path = tmp_path / "regimes.toml"
    path.write_text(text)
    with pytest.raises(ConfigurationError) as refused:
        load_parameters(path, "SPX")
    assert (refused.value.code, named in refused.value.what) == (code, True)


def test_u5_file_that_is_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="E180"):
        load_parameters(tmp_path, "SPX")
