"""Every real quote table: lines, live lines and expiries of the list that comes with them."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest

from trading_platform.chains import ChainArchive, market_date_of, read_quote_table
from trading_platform.chains.credible import expiries_off_price, lacking
from trading_platform.clock import FixedClock

from .conftest import LATER

# name: price of the underlying, lines, live lines, expiries, IV 0 with open interest (live), market date, trade date
EXPECTED = {
    "spx_2022-02-05_2009": (4500.5298, 10257, 10257, 40, 138, date(2022, 2, 4), date(2022, 2, 7)),
    "spx_2022-06-11_2047": (3900.8601, 9835, 9610, 44, 218, date(2022, 6, 10), date(2022, 6, 13)),
    "spx_2022-07-12_1155": (3856.28, 9689, 9689, 47, 303, date(2022, 7, 12), date(2022, 7, 12)),
    "spx_2023-08-20_2242": (4369.71, 10171, 9433, 50, 584, date(2023, 8, 18), date(2023, 8, 21)),
    "spx_2023-09-14_1631": (4505.1001, 9960, 9812, 53, 614, date(2023, 9, 14), date(2023, 9, 14)),
    "spx_2025-08-20_2257": (6395.7798, 12259, 12060, 55, 250, date(2025, 8, 20), date(2025, 8, 20)),
    "spx_2025-08-22_1822": (6466.9102, 12198, 11935, 54, 654, date(2025, 8, 22), date(2025, 8, 22)),
    "spx_2025-08-22_2128": (6466.9102, 12198, 11935, 54, 654, date(2025, 8, 22), date(2025, 8, 22)),
    "spx_2025-08-24_1604": (6466.9102, 11935, 11935, 53, 654, date(2025, 8, 22), date(2025, 8, 25)),
    "spx_2025-08-24_1741": (6466.9102, 11935, 11935, 53, 654, date(2025, 8, 22), date(2025, 8, 25)),
    "spx_2025-08-25_2139": (6439.3198, 12218, 12012, 54, 232, date(2025, 8, 25), date(2025, 8, 25)),
    "spx_2025-08-27_0116": (6465.9399, 12172, 11962, 54, 219, date(2025, 8, 26), date(2025, 8, 27)),
    "spx_2025-08-27_2130": (6481.3999, 12017, 11807, 53, 270, date(2025, 8, 27), date(2025, 8, 27)),
    "spx_2025-08-29_1629": (6460.2598, 12036, 11627, 53, 250, date(2025, 8, 29), date(2025, 8, 29)),
    "spx_2025-08-31_2233": (6460.2598, 11627, 11627, 52, 417, date(2025, 8, 29), date(2025, 9, 2)),
    "spx_2025-09-01_0845": (6460.2598, 11861, 11861, 54, 114, date(2025, 8, 29), date(2025, 9, 2)),
    "spx_2025-09-02_1937": (6415.54, 11861, 11653, 54, 450, date(2025, 9, 2), date(2025, 9, 2)),
    "spx_2025-09-04_1430": (6485.6401, 12020, 12020, 54, 620, date(2025, 9, 4), date(2025, 9, 4)),
    "spx_2025-09-05_1016": (6515.9399, 12061, 12061, 54, 258, date(2025, 9, 5), date(2025, 9, 5)),
    "spy_2023-09-14_1631": (450.81, 3646, 3521, 31, 776, date(2023, 9, 14), date(2023, 9, 14)),
    "spy_2025-08-19_2042": (639.22, 4384, 4268, 33, 175, date(2025, 8, 19), date(2025, 8, 19)),
    "spy_2025-08-20_2257": (638.11, 4311, 4187, 32, 149, date(2025, 8, 20), date(2025, 8, 20)),
    "spy_2025-08-25_2139": (642.47, 4443, 4307, 33, 197, date(2025, 8, 25), date(2025, 8, 25)),
    "spy_2025-08-27_0116": (645.16, 4592, 4456, 34, 290, date(2025, 8, 26), date(2025, 8, 27)),
    "xsp_2023-09-14_1630": (450.51, 5441, 5301, 51, 151, date(2023, 9, 14), date(2023, 9, 14)),
}


@pytest.fixture(scope="session")
def real_chains(shared_data: Path) -> Path:
    return shared_data / "chains"


@pytest.mark.parametrize("name", EXPECTED)
def test_g2_real_file_decodes_without_a_refused_line(real_chains: Path, name: str, calendar) -> None:
    spot, lines, live_lines, expiries, iv_zero, market_date, _ = EXPECTED[name]
    chain = read_quote_table(real_chains / f"{name}.csv", now=LATER)
    frame = chain.frame
    assert chain.symbol == name[:3].upper()
    assert (chain.facts["rows_in"], chain.facts["rows"], chain.facts["rejected"]) == (lines, 2 * lines, {})
    live = frame.filter(pl.col("settlement_at") > pl.col("observed_at"))
    assert (live.height, frame["expiry"].n_unique()) == (2 * live_lines, expiries)
    assert live.filter((pl.col("iv") == 0) & (pl.col("open_interest") > 0)).height == iv_zero
    assert frame["spot"].unique().to_list() == [spot]
    assert frame["market_date"].unique().to_list() == [market_date]
    assert market_date_of(chain.header.observed_at, calendar) == market_date
    # The files are named by their own time, in New York.
    observed = (
        frame["observed_at"].dt.convert_time_zone("America/New_York").dt.strftime("%Y-%m-%d_%H%M").unique().to_list()
    )
    assert observed == [name[4:]]


def test_g2_real_files_are_found_with_their_underlying_and_day(real_chains: Path, calendar) -> None:
    archive = ChainArchive(real_chains, calendar, FixedClock(LATER))
    found = {file.name.removesuffix(".csv"): file for file in archive.files()}
    assert set(found) == set(EXPECTED)
    assert archive.refused() == ()
    for name, file in found.items():
        assert (file.symbol, archive.trade_date(file)) == (name[:3].upper(), EXPECTED[name][-1])
        assert not file.synthetic


def test_g2_file_name_and_time_inside_are_both_recorded(real_chains: Path, tmp_path: Path) -> None:
    renamed = tmp_path / "cboe_spx_quotedata_all_25-08-25.csv"
    renamed.write_bytes((real_chains / "spy_2025-08-27_0116.csv").read_bytes())
    chain = read_quote_table(renamed)
    assert chain.facts["file_name_date"] == "2025-08-25"
    assert chain.header.observed_at == datetime(2025, 8, 27, 5, 16, tzinfo=UTC)
    assert chain.header.date_text == "27 de agosto de 2025 às 01:16 GMT-4"


@pytest.mark.parametrize("name", EXPECTED)
def test_g2_every_real_table_is_whole_and_its_price_is_that_of_its_quotes(real_chains: Path, name: str) -> None:
    content = (real_chains / f"{name}.csv").read_bytes()
    assert content.endswith(b"\n")
    assert b'"' not in content[content.index(b"Expiration Date") :]
    chain = read_quote_table(real_chains / f"{name}.csv", now=LATER)
    assert expiries_off_price(chain.frame) == []
    assert abs(chain.facts["spot_deviation"]) < 0.004


def test_g2_no_contract_leaves_a_real_table_before_it_settles(real_chains: Path) -> None:
    last: dict[str, pl.DataFrame] = {}
    found = {}
    for name in sorted(EXPECTED):
        frame = read_quote_table(real_chains / f"{name}.csv", now=LATER).frame
        if name[:3] in last:
            found[name] = lacking(last[name[:3]], frame, 0)
        last[name[:3]] = frame
    # The table of 2023-09-14 ends with 2025-12-19; the one four weeks before it had three later expiries.
    assert found.pop("spx_2023-09-14_1631") == {
        "contracts": 264,
        "open_interest": 161_447,
        "of_open_interest": 15_793_357,
        "expiries": ["2026-12-18", "2027-12-17", "2028-12-15"],
    }
    assert len(found) == 21
    assert set(found.values()) == {None}
