"""Edits of instruments.toml keep what a person wrote."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading_platform.errors import ConfigurationError
from trading_platform.instruments import load_registry
from trading_platform.instruments.edit import (
    activate,
    new_instruments_toml,
    set_price_scale,
    set_sierra_style,
    set_value,
)

REGISTRY = load_registry()

BY_HAND = """\
# my instruments
active = [
  "ES",  # the big one
  "MNQ",
]

[instruments.MNQ.sierra.price_scales]  # unscaled feed
fut = 1.0   # checked on 2025-11-11
dash = 1.0

[instruments."6E".sierra]
preferred_style = "dot"
"""


def test_u3_new_file_is_loadable_and_explains_itself(tmp_path: Path) -> None:
    path = tmp_path / "instruments.toml"
    path.write_text(new_instruments_toml(["MNQ", "ES"]), encoding="utf-8")

    assert [i.symbol for i in load_registry(path).active] == ["MNQ", "ES"]
    assert "tp instruments set" in path.read_text(encoding="utf-8")


def test_u3_new_file_without_symbols_has_an_empty_list() -> None:
    assert tomllib.loads(new_instruments_toml([])) == {"active": []}


def test_u3_activate_adds_one_symbol_and_keeps_the_rest() -> None:
    text = activate(BY_HAND, "CL", REGISTRY)

    assert 'active = ["ES", "MNQ", "CL"]' in text
    assert text.partition("\n\n")[2] == BY_HAND.partition("\n\n")[2]
    assert text.startswith("# my instruments\n")


def test_u3_activate_an_active_symbol_changes_nothing() -> None:
    assert activate(BY_HAND, "ES", REGISTRY) == BY_HAND


def test_u3_activate_writes_into_an_empty_file() -> None:
    assert activate("", "ES", REGISTRY) == 'active = ["ES"]\n'


def test_u3_activate_stands_below_the_introduction_and_above_tables() -> None:
    text = activate('# intro\n\npreferred_style = "fut"\n[instruments.ES]\nname = "x"\n', "ES", REGISTRY)

    assert text == '# intro\n\nactive = ["ES"]\npreferred_style = "fut"\n[instruments.ES]\nname = "x"\n'


def test_u3_price_scale_replaces_the_number_and_keeps_its_comment() -> None:
    text = set_price_scale(BY_HAND, "MNQ", "fut", 0.01, REGISTRY)

    assert text == BY_HAND.replace("fut = 1.0 ", "fut = 0.01 ")


def test_u3_price_scale_of_a_new_style_goes_into_the_existing_table() -> None:
    text = set_price_scale(BY_HAND, "MNQ", "dot", 0.01, REGISTRY)

    assert tomllib.loads(text)["instruments"]["MNQ"]["sierra"]["price_scales"] == {"fut": 1.0, "dash": 1.0, "dot": 0.01}


def test_u3_price_scale_of_another_instrument_appends_a_table(tmp_path: Path) -> None:
    path = tmp_path / "instruments.toml"
    path.write_text(set_price_scale(BY_HAND, "ES", "fut", 1, REGISTRY), encoding="utf-8")

    sierra = load_registry(path).get("ES").sierra

    assert path.read_text(encoding="utf-8") == f"{BY_HAND}\n[instruments.ES.sierra.price_scales]\nfut = 1.0\n"
    assert sierra is not None
    assert sierra.price_scales["fut"] == 1.0


def test_u3_style_is_set_in_tables_with_quoted_and_nested_names() -> None:
    assert set_sierra_style(BY_HAND, "6E", "dash", REGISTRY) == BY_HAND.replace('"dot"', '"dash"')
    style = tomllib.loads(set_sierra_style(BY_HAND, "MNQ", "fut", REGISTRY))["instruments"]["MNQ"]["sierra"]

    assert style == {"price_scales": {"fut": 1.0, "dash": 1.0}, "preferred_style": "fut"}


@pytest.mark.parametrize(
    "text",
    [
        "[instruments.MNQ]\nsierra = { price_scales = { fut = 1.0 } }\n",
        "[instruments]\nMNQ.sierra.price_scales.fut = 1.0\n",
    ],
)
def test_u3_layout_that_cannot_be_edited_is_refused_with_the_line_to_write(text: str) -> None:
    with pytest.raises(
        ConfigurationError, match=r"E127 cannot set instruments\.MNQ\.sierra\.price_scales\.fut"
    ) as caught:
        set_price_scale(text, "MNQ", "fut", 0.01, REGISTRY)

    assert "instruments.MNQ.sierra.price_scales.fut = 0.01 by hand" in caught.value.why


def test_u3_text_that_is_no_toml_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="E121"):
        activate("active = [", "ES", REGISTRY)


def test_u3_unknown_symbol_is_refused() -> None:
    for edit in (
        lambda: activate("", "XYZ", REGISTRY),
        lambda: set_price_scale("", "XYZ", "fut", 1.0, REGISTRY),
        lambda: set_sierra_style("", "XYZ", "fut", REGISTRY),
    ):
        with pytest.raises(ConfigurationError, match="E120"):
            edit()


NAMES = st.sampled_from(["ES", "6E", "MNQ", "a b", 'q"x'])


@given(
    st.lists(
        st.tuples(
            st.lists(NAMES, max_size=2), st.sampled_from(["x", "y-z"]), st.floats(0.001, 1e6) | st.text("ab#\"\\'[]= ")
        ),
        max_size=6,
    )
)
def test_u3_any_sequence_of_edits_gives_the_same_as_a_dictionary(
    edits: list[tuple[list[str], str, float | str]],
) -> None:
    text, model = BY_HAND, tomllib.loads(BY_HAND)
    for path, key, value in edits:
        table = ("t", *path)
        text = set_value(text, table, key, value)
        place = model
        for part in table:
            place = place.setdefault(part, {})
        place[key] = value

    assert tomllib.loads(text) == model
    assert "# the big one" in text
