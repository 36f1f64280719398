"""Names of Sierra Chart files and contract symbols."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading_platform.errors import ConfigurationError
from trading_platform.instruments import MONTH_CODES, Contract, load_registry, parse_sierra_symbol

REGISTRY = load_registry()
DATA_DATE = date(2026, 1, 15)


@pytest.mark.parametrize(
    ("stem", "contract", "style", "exchange"),
    [
        ("MNQZ25_FUT_CME", "MNQZ25", "fut", "CME"),
        ("ESU25_FUT_CME", "ESU25", "fut", "CME"),
        ("MESH26_FUT_CME", "MESH26", "fut", "CME"),
        ("NQM26-CME", "NQM26", "dash", "CME"),
        ("YMM26-CBOT", "YMM26", "dash", "CBOT"),
        ("YMH26_FUT_CME", "YMH26", "fut", "CME"),
        ("CLK26-NYMEX", "CLK26", "dash", "NYMEX"),
        ("GCJ26-COMEX", "GCJ26", "dash", "COMEX"),
        ("MNQM6.CME", "MNQM26", "dot", "CME"),
        ("ESZ20", "ESZ20", "bare", None),
        ("6EZ25", "6EZ25", "bare", None),
        ("6EZ25_FUT_CME", "6EZ25", "fut", "CME"),
        ("M2KZ25", "M2KZ25", "bare", None),
        ("M2KU25_FUT_CME", "M2KU25", "fut", "CME"),
        ("RTYU25_FUT_CME", "RTYU25", "fut", "CME"),
        ("MYMZ25_FUT_CBOT", "MYMZ25", "fut", "CBOT"),
        ("ZNZ25_FUT_CBOT", "ZNZ25", "fut", "CBOT"),
        ("mnqz25_fut_cme", "MNQZ25", "fut", "CME"),
    ],
)
def test_s2_every_file_name_style_resolves(stem: str, contract: str, style: str, exchange: str | None) -> None:
    symbol = parse_sierra_symbol(stem, REGISTRY)

    assert symbol is not None
    assert symbol.contract(DATA_DATE).symbol == contract
    assert (symbol.style, symbol.exchange) == (style, exchange)


@pytest.mark.parametrize(
    "stem",
    [
        "AAPL", "EURUSD", "MNQ", "BTCUSDT_PERP_BINANCE", "SPY", "", "Z25", "ESZ", "ESZ205", "ESA25", "ESZ25_FUT_", "ESZ25-",
        "ESZ25CME", "ESZ25_FUT_CME_COPY", "ESZ25_FUT_EUREX", "M6EZ25", "SPXZ25", "ESZ25.2025-11-11", "BTCZ25_FUT_CME",
    ],
)  # fmt: skip
def test_s2_other_names_are_no_dated_contract_of_ours(stem: str) -> None:
    assert parse_sierra_symbol(stem, REGISTRY) is None


@pytest.mark.parametrize(
    ("stem", "newest_record", "contract"),
    [
        ("MNQM6.CME", date(2026, 6, 18), "MNQM26"),
        ("MNQM6.CME", date(2026, 7, 2), "MNQM26"),  # a late correction after expiry
        ("MNQM6.CME", date(2026, 8, 3), "MNQM36"),
        ("ESZ9.CME", date(2019, 11, 1), "ESZ19"),
        ("ESZ9.CME", date(2009, 11, 1), "ESZ09"),
        ("ESH0.CME", date(2019, 12, 30), "ESH20"),  # next decade
        ("ESZ9.CME", date(2020, 1, 10), "ESZ19"),  # last decade, just expired
        ("CLZ1.NYMEX", date(2026, 1, 5), "CLZ31"),  # far contract
        ("ESZ0.CME", date(2020, 12, 1), "ESZ20"),
    ],
)
def test_s2_one_digit_year_takes_its_decade_from_the_data(stem: str, newest_record: date, contract: str) -> None:
    symbol = parse_sierra_symbol(stem, REGISTRY)

    assert symbol is not None
    assert symbol.contract(newest_record).symbol == contract


@given(
    st.sampled_from([s for s, i in REGISTRY.instruments.items() if i.is_future]),
    st.sampled_from(MONTH_CODES),
    st.integers(2000, 2069),
    st.sampled_from(["{}_FUT_CME", "{}-CME", "{}.CME", "{}"]),
)
def test_s2_all_forms_of_a_contract_resolve_to_one_record(root: str, month: str, year: int, form: str) -> None:
    contract = Contract(root, month, year)

    symbol = parse_sierra_symbol(form.format(contract.symbol), REGISTRY)

    assert symbol is not None
    assert (
        symbol.contract(DATA_DATE)
        == contract
        == Contract.parse(contract.symbol)
        == Contract.parse(f"{root}{month}{year}")
    )


def test_s2_contracts_order_by_delivery_month() -> None:
    symbols = ["ESZ25", "ESH26", "ESM25", "ESU25", "ESZ99"]

    assert [str(c) for c in sorted(map(Contract.parse, symbols))] == ["ESZ99", "ESM25", "ESU25", "ESZ25", "ESH26"]
    assert Contract.parse("ESH26") > Contract.parse("ESZ25") >= Contract.parse("ESZ25") <= Contract.parse("ESZ25")
    assert Contract.parse("ESZ25").expiry_month == date(2025, 12, 1)


@pytest.mark.parametrize("text", ["", "ES", "ESZ5", "ESA25", "ESZ25 ", "TOOLONGZ25"])
def test_s2_text_that_is_no_contract_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="E126 not a futures contract"):
        Contract.parse(text)


def test_s2_lower_case_letters_name_the_same_contract() -> None:
    assert Contract.parse("esz25") == Contract.parse("ESZ25")


def test_s2_impossible_contract_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="E126"):
        Contract("ES", "A", 2025)
