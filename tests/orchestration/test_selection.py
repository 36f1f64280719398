"""Which assets a name means (U2)."""

from __future__ import annotations

import dagster as dg
import pytest

from jobs.selection import select_assets
from trading_platform.errors import ConfigurationError


def _defs(*names: str) -> dg.Definitions:
    return dg.Definitions(assets=[dg.AssetSpec(name.split("/")) for name in names])


def _selected(defs: dg.Definitions, *wanted: str) -> list[str]:
    return [key.to_user_string() for key in select_assets(defs, wanted)]


def test_u2_keys_and_patterns_may_be_written_in_other_capitals() -> None:
    defs = _defs("MNQ/ticks", "MNQ/bars_1m", "ES/ticks")
    assert _selected(defs, "mnq/ticks") == ["MNQ/ticks"]
    assert _selected(defs, "mnq/*") == ["MNQ/bars_1m", "MNQ/ticks"]
    assert _selected(defs, "*/Ticks") == ["ES/ticks", "MNQ/ticks"]


def test_u2_capitals_decide_where_two_names_differ_in_nothing_else() -> None:
    defs = _defs("MNQ/ticks", "mnq/ticks")
    assert _selected(defs, "mnq/*") == ["mnq/ticks"]
    with pytest.raises(ConfigurationError) as raised:
        _selected(defs, "Mnq/ticks")
    assert raised.value.code == "E161"
