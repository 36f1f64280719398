"""From a user's symbol to the vendor's: roots, contracts, shares, continuous symbols, the mapping file."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from trading_platform.databento.symbols import (
    DATASET_ALIASES,
    MappedSymbol,
    VendorSymbol,
    canonical_dataset,
    read_symbol_mapping,
    vendor_symbol,
)
from trading_platform.errors import RefusedError
from trading_platform.instruments import load_registry, load_roll_table

REGISTRY = load_registry()
ROLLS = load_roll_table(REGISTRY)
DAY = date(2025, 9, 3)


def named(symbol: str, day: date = DAY, mapping: Any = None) -> VendorSymbol:
    return vendor_symbol(
        symbol,
        day,
        mapping=mapping or {},
        registry=REGISTRY,
        rolls=ROLLS,
        default_dataset="XNAS.ITCH",
        schema="mbp-10",
    )


@pytest.mark.parametrize(
    ("symbol", "day", "vendor", "stype_in", "dataset"),
    [
        ("ES", date(2025, 9, 12), "ESU5", "raw_symbol", "GLBX.MDP3"),
        ("ES", date(2025, 9, 15), "ESZ5", "raw_symbol", "GLBX.MDP3"),  # the Monday of expiry week
        ("MNQ", date(2029, 12, 3), "MNQZ9", "raw_symbol", "GLBX.MDP3"),
        ("MNQ", date(2030, 1, 7), "MNQH0", "raw_symbol", "GLBX.MDP3"),
        ("ESH24", DAY, "ESH4", "raw_symbol", "GLBX.MDP3"),
        ("ESH4", DAY, "ESH4", "raw_symbol", "GLBX.MDP3"),
        ("ES.v.0", DAY, "ES.v.0", "continuous", "GLBX.MDP3"),
        ("MNQ.c.1", DAY, "MNQ.c.1", "continuous", "GLBX.MDP3"),
        ("AAPL", DAY, "AAPL", "raw_symbol", "XNAS.ITCH"),
        ("BRK.B", DAY, "BRK.B", "raw_symbol", "XNAS.ITCH"),
    ],
)
def test_l4_a_symbol_becomes_what_the_vendor_is_asked_for(
    symbol: str, day: date, vendor: str, stype_in: str, dataset: str
) -> None:
    assert named(symbol, day) == VendorSymbol(symbol, vendor, stype_in, dataset, "mbp-10")


def test_l4_explicit_rolls_win(tmp_path: Path) -> None:
    (tmp_path / "rolls.csv").write_text("root,contract,first_trade_date\nES,ESZ25,2025-09-11\n")
    rolls = load_roll_table(REGISTRY, tmp_path / "rolls.csv")
    found = vendor_symbol(
        "ES", date(2025, 9, 12), mapping={}, registry=REGISTRY, rolls=rolls, default_dataset="X", schema="mbp-10"
    )
    assert found.vendor_symbol == "ESZ5"


@pytest.mark.parametrize("symbol", ["", " ES", "ALL_SYMBOLS", "ES,NQ", "ÉS"])
def test_l4_what_is_no_symbol_is_e367(symbol: str) -> None:
    with pytest.raises(RefusedError) as raised:
        named(symbol)
    assert raised.value.code == "E367"


def test_s4_older_names_of_datasets_are_understood() -> None:
    assert {canonical_dataset(name) for name in DATASET_ALIASES} == set(DATASET_ALIASES.values())
    assert canonical_dataset(" nasdaq.itch ") == canonical_dataset("XNAS.ITCH") == "XNAS.ITCH"


@pytest.mark.parametrize("name", ["", "GLBX", "XNAS ITCH", "glbx-mdp3", "NASDAQ.ITCHY.X"])
def test_s4_what_is_no_dataset_is_e366(name: str) -> None:
    with pytest.raises(RefusedError) as raised:
        canonical_dataset(name)
    assert raised.value.code == "E366"


def test_s4_both_forms_of_the_mapping_file(tmp_path: Path) -> None:
    path = tmp_path / "map.json"
    path.write_text(
        '{"FB": "META",\n "NAT": {"dataset": "nyse.pillar", "schema": "mbp-10"}, "MNQ": {"symbol": "MNQ.v.0"}}'
    )
    mapping = read_symbol_mapping(path)
    assert mapping == {
        "FB": MappedSymbol("META"),
        "NAT": MappedSymbol("NAT", "XNYS.PILLAR", "mbp-10"),
        "MNQ": MappedSymbol("MNQ.v.0"),
    }
    assert named("FB", mapping=mapping).vendor_symbol == "META"
    assert named("NAT", mapping=mapping).dataset == "XNYS.PILLAR"
    assert named("MNQ", mapping=mapping) == VendorSymbol("MNQ", "MNQ.v.0", "continuous", "GLBX.MDP3", "mbp-10")
    assert named("AAPL", mapping=mapping).vendor_symbol == "AAPL"
    assert read_symbol_mapping(None) == {}


def test_s4_the_mapping_file_of_an_older_installation(shared_data: Path) -> None:
    assert read_symbol_mapping(shared_data / "databento" / "symbol_mapping.json") == {
        "NAT": MappedSymbol("NAT", "BATS.PITCH", "mbp-10"),
        "WFI": MappedSymbol("WFI", "XNYS.PILLAR", "mbp-10"),
    }


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ('{"A": "B",\n "C": }', 2, "Expecting value"),
        ("[]", 1, "list"),
        ('"A"', 1, "str"),
        ('{\n"A": 5}', 2, "'A' is 5"),
        ('{\n\n"A": null}', 3, "None"),
        ('{"A": "B",\n"C": {"symbl": "D"}}', 2, "'symbl'"),
        ('{"A": "B",\n"C": {"symbol": ""}}', 2, "symbol of 'C'"),
        ('{"A": "B",\n"C": {"schema": 10}}', 2, "schema of 'C'"),
        ('{\n"C": {"dataset": "nowhere"}}', 2, "nowhere"),
        ('{"A": "B",\n"A": "C"}', 1, "twice"),
        ('{"": "B"}', 1, "empty"),
        ('{"A": ["B"]}', 1, "expected text"),
    ],
)
def test_s4_a_malformed_mapping_is_e365_and_names_the_line(tmp_path: Path, text: str, line: int, says: str) -> None:
    path = tmp_path / "map.json"
    path.write_text(text)
    with pytest.raises(RefusedError) as raised:
        read_symbol_mapping(path)
    assert raised.value.code == "E365"
    assert f"map.json line {line}:" in raised.value.what
    assert says in raised.value.what


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00", b"[" * 100_000])
def test_s4_a_mapping_that_cannot_be_read_is_e365(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "map.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(RefusedError) as raised:
        read_symbol_mapping(path)
    assert raised.value.code == "E365"


@pytest.mark.parametrize(
    ("typed", "symbol", "vendor", "dataset"),
    [
        ("nvda", "NVDA", "NVDA", "XNAS.ITCH"),
        ("brk.b", "BRK.B", "BRK.B", "XNAS.ITCH"),
        ("es", "ES", "ESU5", "GLBX.MDP3"),
        ("esz25", "ESZ25", "ESZ5", "GLBX.MDP3"),
        ("es.v.0", "ES.v.0", "ES.v.0", "GLBX.MDP3"),
        ("ES.V.0", "ES.v.0", "ES.v.0", "GLBX.MDP3"),
        ("mine", "mine", "META", "XNAS.ITCH"),  # as the mapping file writes it
    ],
)
def test_l2_symbol_has_one_spelling_whatever_its_case(typed: str, symbol: str, vendor: str, dataset: str) -> None:
    found = named(typed, mapping={"mine": MappedSymbol("META")})
    assert (found.symbol, found.vendor_symbol, found.dataset) == (symbol, vendor, dataset)
