"""Numbers with their nouns."""

from __future__ import annotations

import pytest

from trading_platform.words import are, counted


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0 trade dates are"), (1, "1 trade date is"), (2, "2 trade dates are"), (1_000, "1,000 trade dates are")],
)
def test_u6_one_is_one_and_several_are_several(number: int, text: str) -> None:
    assert f"{counted(number, 'trade date')} {are(number)}" == text
