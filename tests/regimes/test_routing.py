"""From a regime to a set of strategies."""

from __future__ import annotations

from pathlib import Path

import pytest

from trading_platform.errors import ConfigurationError
from trading_platform.regimes import STATES, State, load_routing
from trading_platform.regimes.routing import STRATEGIES


def test_r5_packaged_table_routes_every_regime_with_a_reason() -> None:
    table = load_routing()
    assert list(table.routes) == list(STATES)
    for state in STATES:
        route = table.route(state)
        assert route.state is state
        assert set(route.strategies) <= set(STRATEGIES)
        assert len(route.reason) > 10
        assert not route.is_custom
    used = {name for state in STATES for name in table.route(state).strategies}
    assert used == set(STRATEGIES)


def test_r5_packaged_routes() -> None:
    table = load_routing()
    assert {str(state): table.route(state).strategies for state in STATES} == {
        "positive_pin": ("iron_condor", "bull_put", "bear_call"),
        "positive": ("bull_put", "bear_call", "cash_secured_put", "covered_call"),
        "transition": (),
        "negative": ("bull_call", "bear_put"),
        "negative_expansion": ("bear_put",),
        "unknown": (),
    }


@pytest.mark.parametrize("state", ["unknown", State.UNKNOWN, None])
def test_r5_unknown_admits_nothing_and_says_why(state: State | str | None) -> None:
    route = load_routing().route(state)
    assert (route.state, route.strategies) == (State.UNKNOWN, ())
    assert "do not say" in route.reason


def test_r5_user_replaces_single_regimes(tmp_path: Path) -> None:
    path = tmp_path / "regime_routing.toml"
    assert load_routing(path).routes == load_routing().routes
    path.write_text('[transition]\nstrategies = ["iron_condor"]\nreason = "my own study"\n')
    table = load_routing(path)
    assert table.route("transition").strategies == ("iron_condor",)
    assert table.route("transition").is_custom
    assert table.route("positive") == load_routing().route("positive")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("[transition]\nstrategies = 3\nreason = 'x'\n", "E183"),
        ("[transition]\nstrategies = []\n", "E183"),
        ("[transition]\nstrategies = []\nreason = ' '\n", "E183"),
        ("[transition]\nreason = 'x'\n", "E183"),
        ("[transition]\nstrategies = ['bull_put', 'bull_put']\nreason = 'x'\n", "E183"),
        ("transition = []\n", "E183"),
        ("[transition]\nstrategies = ['straddle']\nreason = 'x'\n", "E184"),
        ("[unknown]\nstrategies = ['bull_put']\nreason = 'x'\n", "E184"),
        ("[sideways]\nstrategies = []\nreason = 'x'\n", "E181"),
        ("[transition]\nstrategies = []\nreason = 'x'\nweight = 1\n", "E181"),
        ("[transition\n", "E180"),
    ],
)
def test_u5_malformed_route_is_refused(tmp_path: Path, text: str, code: str) -> None:
    path = tmp_path / "regime_routing.toml"
    path.write_text(text)
    with pytest.raises(ConfigurationError) as refused:
        load_routing(path)
    assert refused.value.code == code


def test_u5_regime_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="E183"):
        load_routing().route("compression")
