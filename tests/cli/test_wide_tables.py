"""A table that does not fit the terminal is written record by record (U2)."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from trading_platform.cli import console


def render(monkeypatch: pytest.MonkeyPatch, width: int, columns: int) -> str:
    target = io.StringIO()
    monkeypatch.setattr(console, "out", Console(file=target, width=width, force_terminal=True, color_system=None))
    console.print_table([f"column_{i}" for i in range(columns)], [[1234.5] * columns])
    return target.getvalue()


def test_u2_wide_table_is_written_record_by_record(monkeypatch: pytest.MonkeyPatch) -> None:
    text = render(monkeypatch, 80, 12)
    assert "-- row 1 " in text
    assert [line for line in text.splitlines() if line.startswith("column_11")] == ["column_11  1,234.50"]


def test_u2_table_that_fits_stays_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    text = render(monkeypatch, 200, 12)
    assert "-- row" not in text
    assert text.count("1,234.50") == 12
