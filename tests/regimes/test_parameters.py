"""Parameters: ranges, the user's file, and that each of them does something."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import polars as pl
import pytest
from pydantic import ValidationError

from trading_platform.enrichment import AttachPolicy
from trading_platform.errors import ConfigurationError
from trading_platform.instruments import load_registry
from trading_platform.regimes import RegimeParameters, load_parameters
from trading_platform.settings import Settings

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
    "feed_latency_ms": 1_000,
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
def test_r2_every_parameter_changes_some_output(name: str, fixtures) -> None:
    assert CHANGED[name] != getattr(DEFAULTS, name)
    assert any(not regimes(day, **{name: CHANGED[name]}).select(COMPARED).equals(before) for day, before in fixtures)


@pytest.mark.parametrize("name", ["flip_exit_sigma", "pin_exit_sigma", "net_to_gross_exit", "wall_stability_exit"])
def test_r2_every_exit_level_changes_some_state(name: str, fixtures) -> None:
    changed = [regimes(day, **{name: CHANGED[name]}) for day, _ in fixtures]
    assert any(not new["rule"].equals(before["rule"]) for new, (_, before) in zip(changed, fixtures, strict=True))


@pytest.mark.parametrize("name", NAMES)
def test_r2_every_parameter_changes_the_hash(name: str) -> None:
    assert RegimeParameters(**{name: CHANGED[name]}).hash != DEFAULTS.hash


def test_r2_hash_tells_values_and_not_their_spelling() -> None:
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


def test_r2_settings_are_the_defaults_of_what_enrichment_limits_too_and_the_file_wins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = Settings(_env_file=None)
    assert load_parameters(None, "SPX", plain) == DEFAULTS
    policy = AttachPolicy.of(plain)
    assert policy.gex_latency_ms == DEFAULTS.feed_latency_ms
    assert policy.stale_after_ms == DEFAULTS.feed_staleness_s * 1_000
    assert (
        policy.chain_stale_after_ms == DEFAULTS.chain_staleness_cadences * DEFAULTS.chain_cadence_s * 1_000 == 600_000
    )
    assert policy.chain_latency_ms == DEFAULTS.chain_latency_ms == 60_000
    changed = {
        "GEX_LATENCY_MS": "250",
        "GEX_STALE_AFTER_MS": "15500",
        "CHAIN_CADENCE_S": "900",
        "CHAIN_LATENCY_MS": "5",
    }
    for name, value in changed.items():
        monkeypatch.setenv(f"TP_{name}", value)
    path = tmp_path / "regimes.toml"
    path.write_text("[symbols.SPX]\nchain_cadence_s = 60\nfeed_latency_ms = 7\n")
    settings = Settings(_env_file=None)
    assert load_parameters(path, "NQ_NDX", settings) == RegimeParameters(
        feed_latency_ms=250, feed_staleness_s=15.5, chain_cadence_s=900, chain_latency_ms=5
    )
    assert load_parameters(path, "SPX", settings) == RegimeParameters(
        feed_latency_ms=7, feed_staleness_s=15.5, chain_cadence_s=60, chain_latency_ms=5
    )


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("gex_latency_ms", (0, 600_000)),
        ("gex_stale_after_ms", (1, 3_600_000)),
        ("chain_cadence_s", (1, 3_600)),
        ("chain_latency_ms", (0, 3_600_000)),
    ],
)
def test_u5_whatever_the_settings_allow_the_regimes_can_use(name: str, values: tuple[int, ...]) -> None:
    for value in values:
        settings = Settings(_env_file=None, gex_stale_outside_ms=3_600_000, **{name: value})
        assert isinstance(load_parameters(None, "SPX", settings), RegimeParameters)
    for value in (values[0] - 1, values[1] + 1):
        with pytest.raises(ValidationError):
            Settings(_env_file=None, gex_stale_outside_ms=3_600_000, **{name: value})


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
        pytest.param(f"[all]\nmin_dwell_s = {10**400}\n", "E182", "1329 bits", id="more than a float holds"),
        pytest.param(f"[all]\nmin_dwell_s = 0x{'f' * 5_000}\n", "E182", "20000 bits", id="more than can be written"),
        pytest.param(f"[all]\nmin_dwell_s = {'9' * 5_000}\n", "E180", "regimes.toml", id="more than can be read"),
        pytest.param(f"[all]\nmin_dwell_s = {'[' * 5_000}", "E180", "regimes.toml", id="deeper than can be read"),
        ("[all]\nmin_dwell_s = inf\n", "E182", "was inf"),
        ("[symbols.SPXX]\nmin_dwell_s = 60\n", "E181", "did you mean SPX"),
        ("[symbols.spx]\nmin_dwell_s = 60\n", "E181", "did you mean SPX"),
        ("[symbols.MNQ]\nmin_dwell_s = 60\n", "E181", "[symbols]"),
    ],
)
def test_u5_malformed_file_of_parameters_is_refused(tmp_path: Path, text: str, code: str, named: str) -> None:
    path = tmp_path / "regimes.toml"
    path.write_text(text)
    with pytest.raises(ConfigurationError) as refused:
        load_parameters(path, "SPX", known_symbols=load_registry().with_own_gamma)
    assert (refused.value.code, named in refused.value.what) == (code, True)


def test_u5_file_that_is_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="E180"):
        load_parameters(tmp_path, "SPX")
