"""Pages that are made from code, and numbers that pages take from code, say what the code says."""

from __future__ import annotations

import re

from jobs.watching import WATCHED_DEPTH_DATES
from tests.conftest import REPOSITORY
from trading_platform.cli.settings_page import settings_page
from trading_platform.lake.contracts import CONTRACTS
from trading_platform.lake.dictionary import data_dictionary
from trading_platform.settings import LEGACY_NAMES, Settings, variable_of


def test_u6_settings_page_equals_the_model() -> None:
    page = (REPOSITORY / "docs" / "settings.md").read_text(encoding="utf-8")
    assert page == settings_page(), "run: python -m trading_platform.cli.settings_page > docs/settings.md"


def test_u6_settings_page_names_every_setting_and_every_older_name() -> None:
    rows = [line for line in settings_page().splitlines() if line.startswith("| `")]
    named = {row.split("`")[1] for row in rows}
    assert named >= {variable_of(name) for name in Settings.model_fields} | set(LEGACY_NAMES)


def test_m3_data_dictionary_equals_the_contracts() -> None:
    page = (REPOSITORY / "docs" / "data-dictionary.md").read_text(encoding="utf-8")
    assert page == data_dictionary(), "run: python -m trading_platform.lake.dictionary > docs/data-dictionary.md"


def test_m3_data_dictionary_has_one_row_per_column() -> None:
    page = data_dictionary()
    assert CONTRACTS
    for contract in CONTRACTS.values():
        section = page.split(f"\n## {contract.name}\n")[1].split("\n## ")[0]
        rows = [line for line in section.splitlines() if line.startswith("| `")]
        assert [row.split("`")[1] for row in rows] == contract.arrow_schema.names
        nullable = {row.split("`")[1] for row in rows if row.split(" | ")[3] == "yes"}
        assert nullable == {field.name for field in contract.arrow_schema if field.nullable}


def test_p7_page_names_as_many_watched_days_of_depth_as_the_sensor_looks_at() -> None:
    page = (REPOSITORY / "docs" / "sierra-chart.md").read_text(encoding="utf-8")
    found = re.findall(r"watched for the newest (\d+) UTC days", " ".join(page.split()))
    assert [int(number) for number in found] == [WATCHED_DEPTH_DATES]
