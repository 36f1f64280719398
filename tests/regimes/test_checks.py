"""Checks of a day of regimes, and its picture."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote
from xml.etree import ElementTree

import numpy as np
import polars as pl
import pytest

from trading_platform.lake.building import Preview, Severity
from trading_platform.regimes import RegimeParameters, regime_ribbon, regimes_of
from trading_platform.regimes.checks import CHECKS, RIBBON_LETTERS, check_facts, regime_facts

from .frames import CLOSE_US, DEFAULTS, OPEN_US, SPANS, chain, feed, random_chain

GOOD = regimes_of(chain(78), SPANS, DEFAULTS)
SPAN = (OPEN_US, CLOSE_US)


def failed(rows: pl.DataFrame, *, observations: int = 78, differences: int = 0) -> set[str]:
    facts = regime_facts(rows, observations, SPAN, DEFAULTS, differences)
    return {check.name for check in check_facts(facts) if not check.passed}


def test_m5_sound_day_passes_every_check() -> None:
    assert failed(GOOD) == set()
    facts = regime_facts(GOOD, 78, SPAN, DEFAULTS, 0)
    assert [check.name for check in check_facts(facts)] == list(CHECKS)


def with_states(states: dict[int, str]) -> pl.DataFrame:
    found = GOOD["state"].cast(pl.String).to_list()
    for row, state in states.items():
        found[row] = state
    return GOOD.with_columns(state=pl.Series(found))


@pytest.mark.parametrize(
    ("rows", "changes", "name"),
    [
        (GOOD, {"observations": 79}, "every_observation_has_a_regime"),
        (with_states({30: "compression"}), {}, "states_are_valid"),
        (GOOD.with_columns(reasons=pl.lit("")), {}, "every_row_has_a_reason"),
        (GOOD, {"differences": 1}, "replay_gives_the_same_rows"),
        (with_states(dict.fromkeys(range(2, 60), "unknown")), {}, "known_most_of_session"),
    ],
)
def test_m5_planted_fault_fails_exactly_its_check(rows: pl.DataFrame, changes: dict[str, Any], name: str) -> None:
    assert failed(rows, **changes) == {name}


def test_m5_state_that_ends_before_its_dwell_is_found() -> None:
    day = regimes_of(chain(120, 60), SPANS, DEFAULTS)
    states = day["state"].cast(pl.String).to_list()
    states[100] = "transition"
    hasty = day.with_columns(state=pl.Series(states))
    assert failed(hasty, observations=120) == {"states_last_their_dwell"}
    states[101] = "transition"
    assert failed(day.with_columns(state=pl.Series(states)), observations=120) == set()


def test_m5_much_unknown_is_a_warning_and_the_rest_are_errors() -> None:
    facts = regime_facts(GOOD, 78, SPAN, DEFAULTS, 0)
    warnings = [check.name for check in check_facts(facts) if check.severity is Severity.WARN]
    assert warnings == ["known_most_of_session"]


@pytest.mark.parametrize(
    ("day", "changes", "named"),
    [
        (
            lambda: feed(400, 5),
            {},
            "every 5 s (median), expected is one every 1 s: set feed_cadence_s, in regimes.toml",
        ),
        (
            lambda: chain(39, 600),
            {},
            "every 600 s (median), expected is one every 300 s: set chain_cadence_s (TP_CHAIN_",
        ),
        (
            lambda: chain(13, 1_800),
            {},
            "comes every 1800 s (median) and serves 600 s: chain_staleness_cadences, or chain_cadence_s",
        ),
        (lambda: feed(400, 90), {"feed_cadence_s": 90.0}, "serves 60 s: feed_staleness_s (TP_GEX_STALE_AFTER_MS)"),
    ],
)
def test_m5_warning_of_a_day_of_seldom_observations_names_the_parameter_and_the_measured_cadence(
    day: Callable[[], pl.DataFrame], changes: dict[str, float], named: str
) -> None:
    parameters = RegimeParameters(**changes)
    observed = day()
    facts = regime_facts(regimes_of(observed, SPANS, parameters), observed.height, SPAN, parameters, 0)
    (warning,) = [check for check in check_facts(facts) if not check.passed]
    assert warning.name == "known_most_of_session"
    assert named in warning.description


def test_m5_warning_of_a_day_unknown_for_another_reason_names_no_cadence() -> None:
    observed = chain(78, oi_dropped_pct=50.0)
    facts = regime_facts(regimes_of(observed, SPANS, DEFAULTS), 78, SPAN, DEFAULTS, 0)
    (warning,) = [check for check in check_facts(facts) if not check.passed]
    assert warning.description.endswith("at most 50%")


def preview(points: int = 120) -> Preview:
    price = 6_500 + 40 * np.sin(np.arange(points) / 9)
    price[:2] = np.nan
    return Preview(OPEN_US, 195_000_000, price, np.ones(points, np.int64))


def svg_of(picture: str) -> ElementTree.Element:
    found = re.fullmatch(r"!\[day\]\(data:image/svg\+xml,(.*)\)", picture)
    assert found
    return ElementTree.fromstring(unquote(found[1]))


def test_m6_ribbon_shows_the_runs_of_each_regime() -> None:
    ribbon = "u" * 4 + "p" * 20 + "P" * 8 + "t" * 4 + "n" * 10 + "N" * 6
    svg = svg_of(regime_ribbon(preview(), ribbon, alt="day", synthetic=True))
    paths = {path.get("stroke"): path.get("d") for path in svg if path.tag.endswith("path")}
    assert paths["silver"] == "M62,132h36"
    assert paths["lime"] == "M98,132h180"
    assert paths["darkred"] == "M476,132h54"
    assert set(paths) == {"navy", "silver", "lime", "green", "gold", "tomato", "darkred"}
    assert "SYNTHETIC DATA" in [text.text for text in svg]


def test_m6_picture_stays_small_however_often_the_regime_changes() -> None:
    rng = random.Random(3)
    worst = "".join(rng.choice("PptnNu") for _ in range(52))
    noisy = Preview(
        OPEN_US, 195_000_000, np.array([rng.uniform(6_000, 7_000) for _ in range(120)]), np.ones(120, np.int64)
    )
    picture = regime_ribbon(noisy, worst, alt="NQ_NDX gex_regimes 2025-09-02", synthetic=True)
    assert len(picture) < 1_000
    assert set(RIBBON_LETTERS.values()) == set("PptnNu")


def test_m6_ribbon_of_a_day_is_in_its_facts() -> None:
    rows = regimes_of(random_chain(), SPANS, DEFAULTS)
    ribbon = regime_facts(rows, rows.height, SPAN, DEFAULTS, 0)["ribbon"]
    assert isinstance(ribbon, str)
    assert len(ribbon) == 52
    letters = {str(state): letter for state, letter in RIBBON_LETTERS.items()}
    assert ribbon[-1] == letters[rows["state"].cast(pl.String)[-1]]


def test_m6_day_with_one_observation_names_its_spot_once() -> None:
    price = np.full(120, np.nan)
    price[60] = 6_500.0
    one = Preview(OPEN_US, 195_000_000, price, np.ones(120, np.int64))
    svg = svg_of(regime_ribbon(one, "." * 26 + "p" + "." * 25, alt="day", synthetic=False))
    assert [text.text for text in svg if text.tag.endswith("text") and text.text] == ["6500.00"]


def test_m6_day_without_a_spot_and_without_rows_can_be_drawn() -> None:
    nothing = Preview(OPEN_US, 195_000_000, np.full(120, np.nan), np.zeros(120, np.int64))
    svg = svg_of(regime_ribbon(nothing, "." * 52, alt="day", synthetic=False))
    assert len(svg) == 0
