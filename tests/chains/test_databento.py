"""Definitions and statistics of DataBento as a chain."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from trading_platform.chains.databento import chain_from_records
from trading_platform.errors import SourceError
from trading_platform.lake.contracts import CHAIN
from trading_platform.sessions import calendar_for

RECEIVED_AT = datetime(2025, 2, 20, 11, 30, 8, 943_854, tzinfo=UTC)
OPEN_AT = datetime(2025, 2, 20, 14, 30, tzinfo=UTC)
NS = 1_740_051_008_943_854_625
UNSET, UNSET_U64, UNSET_I32 = 2**63 - 1, 2**64 - 1, 2**31 - 1


@pytest.fixture(scope="session")
def records(shared_data: Path):
    databento = pytest.importorskip("databento")

    def read(name: str) -> np.ndarray[Any, Any]:
        return databento.DBNStore.from_file(shared_data / "databento" / name).to_ndarray()

    return read


def definition(**fields: object) -> dict[str, object]:
    return {
        "instrument_id": 1, "ts_recv": NS, "publisher_id": 30, "raw_symbol": "AAPL  250221C00250000", "asset": "AAPL",
        "underlying": "AAPL", "instrument_class": "C", "expiration": 1_740_096_000_000_000_000, "strike_price": 250_000_000_000,
        "contract_multiplier": UNSET_I32, "unit_of_measure_qty": UNSET, "security_update_action": "A",
    } | fields  # fmt: skip


def statistic(**fields: object) -> dict[str, object]:
    return {
        "instrument_id": 1, "ts_recv": NS, "ts_ref": UNSET_U64, "publisher_id": 30, "sequence": 1, "stat_type": 9, "price": UNSET,
        "quantity": 100, "update_action": 1,
    } | fields  # fmt: skip


def frame_of(rows: list[dict[str, object]]) -> pl.DataFrame:
    wide = dict.fromkeys(("ts_recv", "ts_ref", "expiration"), pl.UInt64) | {"instrument_id": pl.UInt32}
    return pl.DataFrame(rows, schema_overrides={name: dtype for name, dtype in wide.items() if name in rows[0]})


def chain(definitions: list[dict[str, object]], statistics: list[dict[str, object]] | None = None, **options: Any):
    options = {"symbol": "AAPL", "observed_at": OPEN_AT, "calendar": calendar_for("NYSE")} | options
    return chain_from_records(frame_of(definitions), frame_of(statistics or [statistic(instrument_id=999)]), **options)


def test_g2_opra_sample_is_one_call_and_its_open_interest_counts_once(records) -> None:
    found = chain_from_records(
        records("opra_AAPL250221C250_definition_2025-02-20.dbn.zst"),
        records("opra_AAPL250221C250_statistics_2025-02-20.dbn.zst"),
        symbol="AAPL",
        observed_at=OPEN_AT,
        calendar=calendar_for("NYSE"),
        spot=245.5,
    )
    (row,) = found.frame.to_dicts()
    assert row["open_interest"] == 57_924  # four publishers, not 231,696
    assert (row["option_symbol"], row["root"], row["right"], row["strike"]) == (
        "AAPL250221C00250000",
        "AAPL",
        "C",
        250.0,
    )
    assert (row["expiry"], row["settlement_at"]) == (date(2025, 2, 21), datetime(2025, 2, 21, 21, tzinfo=UTC))
    assert (row["settle_style"], row["multiplier"], row["spot"], row["source"]) == ("PM", 100, 245.5, "databento")
    assert [row[name] for name in ("bid", "ask", "last", "iv", "volume", "vendor_delta", "vendor_gamma")] == [None] * 7
    assert (
        found.facts["statistics"],
        found.facts["repeated_statistics"],
        found.facts["open_interest_disagreements"],
    ) == (4, 3, 0)
    CHAIN.validate(found.frame.cast(dict(CHAIN.polars_schema)))


def test_g2_nothing_received_later_is_in_the_chain(records) -> None:
    definitions = records("opra_AAPL250221C250_definition_2025-02-20.dbn.zst")
    statistics = records("opra_AAPL250221C250_statistics_2025-02-20.dbn.zst")
    options = {"symbol": "AAPL", "calendar": calendar_for("NYSE")}
    early = RECEIVED_AT - timedelta(microseconds=1)
    before = chain_from_records(definitions, statistics, observed_at=early, **options)
    assert (before.frame.height, before.facts["definitions"], before.facts["statistics"]) == (0, 0, 0)
    at = chain_from_records(definitions, statistics, observed_at=RECEIVED_AT, **options)
    assert at.frame["open_interest"].to_list() == [57_924]


@pytest.mark.parametrize(
    ("definitions", "left_out"),
    [("glbx_ESH1_definition_2020-12-28.dbn.zst", 1), ("glbx_ESU4-NQU4_definition_2024-07-01.dbn.zst", 2)],
)
def test_g2_futures_are_no_options_and_undefined_quantities_no_open_interest(
    records, definitions: str, left_out: int
) -> None:
    statistics = records("glbx_ESH1_statistics_2020-12-28.dbn.zst")
    found = chain_from_records(
        records(definitions), statistics, symbol="ES", observed_at=OPEN_AT, calendar=calendar_for("CME_EQUITY")
    )
    assert (found.frame.height, found.facts["left_out"]) == (0, {"not_an_option": left_out})


def test_g2_an_option_on_a_future_settles_at_its_instant_with_its_own_multiplier() -> None:
    expires = datetime(2024, 9, 20, 13, 30, tzinfo=UTC)
    found = chain(
        [
            definition(
                raw_symbol="ESU4 C5500", asset="ES", underlying="ESU4", strike_price=5_500_000_000_000,
                expiration=int(expires.timestamp()) * 10**9, unit_of_measure_qty=50_000_000_000,
            )
        ],
        [statistic(stat_type=14, price=152_500_000), statistic(stat_type=15, price=-450_000_000), statistic(ts_ref=NS, quantity=7)],
        symbol="ES",
    )  # fmt: skip
    (row,) = found.frame.to_dicts()
    assert (row["root"], row["settlement_at"], row["settle_style"], row["multiplier"]) == ("ES", expires, "AM", 50)
    assert (row["option_symbol"], row["expiry"], row["strike"]) == ("ESU4 C5500", date(2024, 9, 20), 5500.0)
    assert (row["open_interest"], row["open_interest_date"]) == (7, date(2025, 2, 20))
    assert (row["iv"], row["vendor_delta"]) == (pytest.approx(0.1525), pytest.approx(-0.45))


def test_g2_the_last_word_of_each_publisher_counts_and_disagreement_is_counted() -> None:
    told = [
        statistic(publisher_id=30, quantity=100, sequence=1),
        statistic(publisher_id=30, quantity=120, sequence=2),
        statistic(publisher_id=31, quantity=130, sequence=3),
        statistic(instrument_id=2, quantity=5),
        statistic(instrument_id=2, quantity=5, update_action=2, sequence=9),
    ]
    found = chain(
        [definition(), definition(instrument_id=2, raw_symbol="AAPL  250221P00250000", instrument_class="P")], told
    )
    assert found.frame["open_interest"].to_list() == [130, None]
    assert (found.facts["open_interest_disagreements"], found.facts["without_open_interest"]) == (1, 1)


def test_g2_one_bad_definition_is_left_out_with_its_reason_and_no_other() -> None:
    found = chain(
        [
            definition(),
            definition(instrument_id=2, instrument_class="K"),
            definition(instrument_id=3, strike_price=UNSET),
            definition(instrument_id=4, expiration=UNSET_U64),
            definition(instrument_id=5, raw_symbol="MSFT  250221C00250000", asset="MSFT", underlying="MSFT"),
            definition(instrument_id=6, raw_symbol="AAPL1 250221C00250000"),
            definition(instrument_id=7, raw_symbol="AAPL X", asset="AAPL"),
            definition(instrument_id=8, security_update_action="D"),
        ]
    )
    assert found.frame["option_symbol"].to_list() == ["AAPL250221C00250000"]
    assert found.facts["left_out"] == {
        "adjusted_contract": 1,
        "no_multiplier": 1,
        "no_strike_or_expiry": 2,
        "not_an_option": 1,
        "other_underlying": 1,
    }


def test_g2_of_several_definitions_the_last_counts_once() -> None:
    found = chain(
        [definition(publisher_id=30), definition(publisher_id=31, strike_price=255_000_000_000, ts_recv=NS + 1)]
    )
    assert found.frame["strike"].to_list() == [255.0]


def test_g2_an_opening_series_settles_at_the_opening() -> None:
    third_friday = 1_740_096_000_000_000_000
    found = chain(
        [
            definition(
                raw_symbol="SPX   250221C06000000",
                asset="SPX",
                underlying="SPX",
                expiration=third_friday,
                strike_price=6_000 * 10**9,
            )
        ],
        symbol="SPX",
    )
    assert found.frame["settlement_at"].to_list() == [datetime(2025, 2, 21, 14, 30, tzinfo=UTC)]


def test_g2_records_of_another_schema_are_refused_e254(records) -> None:
    with pytest.raises(SourceError, match="not of the schema definition") as caught:
        chain_from_records(
            records("opra_AAPL250221C250_trades_2025-02-20.dbn.zst"),
            records("opra_AAPL250221C250_statistics_2025-02-20.dbn.zst"),
            symbol="AAPL",
            observed_at=OPEN_AT,
            calendar=calendar_for("NYSE"),
        )
    assert caught.value.code == "E254"
