"""What counts as odd in a contract line, null and 0 told apart."""

from __future__ import annotations

import polars as pl
import pytest

from trading_platform.chains.counts import ODD_LINES, count_odd
from trading_platform.chains.facts import ChainFactCounter
from trading_platform.lake.contracts import CHAIN

from .tables import line, table

GOOD = {"bid": 1.0, "ask": 1.1, "iv": 0.2, "vendor_gamma": 0.01, "open_interest": 5, "volume": 0}


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        ({}, set()),
        ({"bid": 1.1}, set()),  # locked is not crossed
        ({"bid": 1.2}, {"crossed"}),
        ({"bid": 0.0}, {"bid_zero"}),
        ({"bid": None}, {"bid_zero"}),
        ({"ask": None}, {"ask_zero"}),
        ({"ask": 0.0}, {"ask_zero", "crossed"}),
        ({"bid": 0.0, "ask": 0.0}, {"bid_zero", "ask_zero"}),
        ({"iv": 0.0}, {"iv_zero_with_oi"}),
        ({"iv": None}, {"iv_zero_with_oi"}),
        ({"iv": 0.0, "open_interest": 0}, set()),
        ({"iv": None, "open_interest": None}, {"open_interest_unknown"}),
        ({"vendor_gamma": 0.0}, {"gamma_zero_with_oi"}),
        ({"vendor_gamma": None}, set()),
        ({"vendor_gamma": 0.0, "open_interest": 0}, set()),
        ({"volume": None}, {"volume_unknown"}),
    ],
)
def test_g2_an_odd_line_counts_by_its_rule_and_null_is_no_zero(
    cells: dict[str, float | None], expected: set[str]
) -> None:
    schema = {name: CHAIN.polars_schema[name] for name in GOOD}
    found = count_odd(pl.DataFrame([GOOD | cells], schema=schema))
    assert list(found) == list(ODD_LINES)
    assert {name for name, number in found.items() if number} == expected


def test_g2_the_facts_of_a_day_count_every_line_by_the_same_rules() -> None:
    from trading_platform.chains import decode_quote_table

    lines = [
        line(6460, call={"bid": 2, "ask": 1}),
        line(6465, call={"bid": 0, "ask": 0}, put={"iv": 0, "gamma": 0}),
        line(6470, call={"bid": None, "iv": None}, put={"oi": None, "volume": None}),
    ]
    frame = decode_quote_table(table(lines), "f.csv").frame
    at = frame["observed_at"][0]
    counter = ChainFactCounter((at, at))
    counter.add(frame.head(4))
    counter.add(frame.tail(2))
    facts = counter.facts()
    assert {name: facts[name] for name in ODD_LINES} == {
        "crossed": 1,
        "bid_zero": 2,
        "ask_zero": 1,
        "iv_zero_with_oi": 2,
        "gamma_zero_with_oi": 1,
        "open_interest_unknown": 1,
        "volume_unknown": 1,
    }
    assert (facts["rows"], facts["blank_cells"]) == (6, {"bid": 1, "iv": 1, "volume": 1, "open_interest": 1})
