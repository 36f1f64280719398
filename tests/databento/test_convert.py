"""What a record becomes: exact prices, nulls, quarantine, session tags, row groups."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.databento.digest import nanos, stored_columns, vendor_columns
from trading_platform.databento.checks import check_l2
from trading_platform.databento.convert import Conversion, ns_of, regular_hours_ns, trading_hours
from trading_platform.databento.decode import L2Columns, L2Decoder, Selection
from trading_platform.databento.facts import L2Facts
from trading_platform.databento.format import RECORD, RECORD_HEAD, UNDEF_PRICE
from trading_platform.databento.tables import BatchMaker
from trading_platform.databento.verify import Expectation
from trading_platform.lake import LocalLake
from trading_platform.lake.contracts import L2
from trading_platform.sessions import Session

Make = Callable[..., Path]
ConvertDay = Callable[..., tuple[Conversion, Path]]
EVERYTHING = Selection(1, "ESU5", 0, 2**62)


def record(ts: int, price: int = 5_000_000_000, **fields: Any) -> Any:
    row = np.zeros(1, RECORD)
    row.view(np.uint16)[0] = RECORD_HEAD
    row["instrument_id"], row["ts_recv"], row["ts_event"], row["price"] = 1, ts, ts - 5, price
    row["action"], row["side"], row["flags"], row["size"] = ord("A"), ord("B"), 130, 3
    row["levels"]["bid_px"], row["levels"]["ask_px"] = 4_000_000_000, 6_000_000_000
    for name, value in fields.items():
        row[name] = value
    return row


def batch_of(rows: Any, selection: Selection = EVERYTHING) -> pa.RecordBatch:
    columns = L2Columns.empty(len(rows) + 5)
    assert L2Decoder(selection).decode(rows, columns) is None
    return BatchMaker(selection).batch(columns, 0)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=40))
def test_l4_price_is_the_float_nearest_to_the_stored_integer(prices: list[int]) -> None:
    rows = np.concatenate([record(10 + at, price) for at, price in enumerate(prices)])
    found = batch_of(rows).column("price").to_pylist()
    assert found == [None if price == UNDEF_PRICE else price / 10**9 for price in prices]


@pytest.mark.parametrize("text", ["5528.75", "0.0001", "233.813495833", "-37.63", "9007199.254740992", "0.000000001"])
def test_l4_price_equals_the_decimal_literal(text: str) -> None:
    whole = nanos(float(text))
    assert batch_of(record(10, whole)).column("price").to_pylist() == [float(text)]


def test_l4_undefined_values_are_null_and_zero_stays_zero() -> None:
    clear = record(10, UNDEF_PRICE, action=ord("R"), side=ord("N"), size=2**32 - 1, ts_event=2**64 - 1)
    clear["levels"]["bid_px"] = clear["levels"]["ask_px"] = UNDEF_PRICE
    plain = record(11, 0, size=0)
    rows = batch_of(np.concatenate([plain, clear])).to_pylist()
    assert [row["price"] for row in rows] == [0.0, None]
    assert [row["size"] for row in rows] == [0, None]
    assert [row["ts_event"] is None for row in rows] == [False, True]
    assert all(rows[1][f"{side}_px_{level:02d}"] is None for level in range(10) for side in ("bid", "ask"))
    assert rows[1]["bid_sz_00"] == 0
    assert [row["action"] + row["side"] for row in rows] == ["AB", "RN"]


def test_l4_synthetic_day_equals_its_source_over_several_row_groups(
    make_file: Make, records: Any, convert_day: ConvertDay, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("convert", "tables"):
        monkeypatch.setattr(f"trading_platform.databento.{module}.ROW_GROUP_ROWS", 1_000)
    path = make_file(records)
    done, stored = convert_day(path)
    vendor, ours = vendor_columns(path), stored_columns(stored)
    for column, values in vendor.items():
        assert np.array_equal(values, ours[column]), column
    assert done.rows == len(records)
    assert done.reports[0].synthetic
    trades = records[records["action"] == b"T"]
    assert done.facts["volume"] == int(trades["size"].sum())
    assert done.facts["buy_volume"] == int(trades["size"][trades["side"] == b"B"].sum())
    assert done.facts["price_max"] == trades["price"].max() / 1e9
    assert (done.facts["crossed_rows"], done.facts["disordered_rows"]) == (0, 0)


def test_l4_same_file_gives_the_same_bytes(make_file: Make, records: Any, convert_day: ConvertDay) -> None:
    path = make_file(records)
    first = convert_day(path)[1].read_bytes()
    assert convert_day(path)[1].read_bytes() == first


def test_l4_records_of_other_instruments_and_days_are_left_out_and_counted(
    make_file: Make, records: Any, convert_day: ConvertDay, session: Session
) -> None:
    mixed = records.copy()
    mixed["instrument_id"][10:15] = 7
    mixed["ts_recv"][-3:] = ns_of(session.window_end)
    done, stored = convert_day(make_file(mixed))
    assert (done.other_instrument_records, done.other_day_records, done.rejected) == (5, 3, {})
    assert pl.read_parquet(stored).height == done.rows == len(records) - 8


def test_l4_undecipherable_records_go_to_quarantine(
    make_file: Make, records: Any, convert_day: ConvertDay, lake: LocalLake
) -> None:
    odd = records[:100].copy()
    odd["action"][3], odd["side"][5], odd["depth"][7] = b"?", b"Z", 11
    odd["ts_recv"][99] = 2**64 - 1
    done, stored = convert_day(make_file(odd[:99]))
    assert done.rejected == {"action_unknown": 1, "depth_unknown": 1, "side_unknown": 1}
    assert done.rows == 96
    refused = pl.read_parquet(
        next(lake.path("l2", "ES", session_date(stored)).parents[3].rglob("quarantine/**/part-0.parquet"))
    )
    assert refused.select("seq_before", "reason").rows() == [
        (3, "action_unknown"),
        (4, "side_unknown"),
        (5, "depth_unknown"),
    ]
    assert refused["action"][0] == ord("?")
    assert refused["bid_px_00"][0] == odd["bid_px_00"][3]


def session_date(stored: Path) -> Any:
    from datetime import date

    return date.fromisoformat(stored.parent.name.partition("=")[2])


def test_l4_undefined_receive_time_is_a_reject() -> None:
    decoder = L2Decoder(EVERYTHING)
    rejects = decoder.decode(record(2**64 - 1), L2Columns.empty(4))
    assert rejects is not None
    assert decoder.rejected == {"timestamp_undefined": 1}


def test_l4_rows_are_tagged_with_the_trading_session(session: Session) -> None:
    regular = regular_hours_ns(session.trade_date)
    assert regular == (
        ns_of(session.opens_at) + 15_500_000_000 * 3_600,
        ns_of(session.opens_at) + 22 * 3_600_000_000_000,
    )  # type: ignore[arg-type]
    start, end = regular
    rows = np.concatenate([record(ts) for ts in (start - 1, start, end - 1, end)])
    selection = Selection(1, "ESU5", 0, 2**62, regular)
    assert batch_of(rows, selection).column("session").to_pylist() == ["ETH", "RTH", "RTH", "ETH"]
    assert batch_of(rows[1:], selection).column("session").to_pylist() == ["RTH", "RTH", "ETH"]
    assert batch_of(rows[1:3], selection).column("session").to_pylist() == ["RTH", "RTH"]
    assert batch_of(rows).column("session").to_pylist() == ["ETH"] * 4


def test_l5_crossed_books_count_after_the_opening_on_consistent_rows_only(session: Session) -> None:
    opens = ns_of(session.opens_at)  # type: ignore[arg-type]
    crossed: Any = np.zeros((1, 10), RECORD["levels"].subdtype[0])  # type: ignore[index]
    crossed["bid_px"], crossed["ask_px"] = UNDEF_PRICE, UNDEF_PRICE
    crossed["bid_px"][0, 0], crossed["ask_px"][0, 0] = 2_000_000_000, 1_000_000_000
    locked, good, disordered = crossed.copy(), crossed.copy(), crossed.copy()
    locked["ask_px"][0, 0] = 2_000_000_000
    good["ask_px"][0, 0] = 3_000_000_000
    disordered["ask_px"][0, :2] = 3_000_000_000
    books = [(opens - 5, crossed, 130), (opens, crossed, 130), (opens + 1, crossed, 0), (opens + 2, crossed, 130)]
    books += [(opens + 3, locked, 130), (opens + 4, good, 130), (opens + 5, disordered, 130)]
    rows = np.concatenate([record(ts, levels=levels, flags=flags) for ts, levels, flags in books])
    columns = L2Columns.empty(len(rows))
    L2Decoder(EVERYTHING).decode(rows, columns)
    facts = L2Facts(trading_hours(session))
    facts.add_books(columns)
    facts.add(columns)
    found = facts.facts()
    assert {name: found[name] for name in ("judged_rows", "crossed_rows", "locked_rows", "disordered_rows")} == {
        "judged_rows": 4,
        "crossed_rows": 1,
        "locked_rows": 1,
        "disordered_rows": 1,
    }


def test_l5_decreasing_sequences_are_counted_across_parts() -> None:
    facts = L2Facts(None)
    for numbers in ([5, 9, 9], [8, 20], [20]):
        columns = L2Columns.empty(len(numbers))
        rows = np.concatenate([record(10, sequence=number) for number in numbers])
        L2Decoder(EVERYTHING).decode(rows, columns)
        facts.add(columns)
    assert (facts.facts()["sequence_decreases"], facts.facts()["sequence_step_max"]) == (1, 12)


def test_l4_stored_types_are_those_of_the_contract(make_file: Make, records: Any, convert_day: ConvertDay) -> None:
    _, stored = convert_day(make_file(records))
    schema = pq.read_schema(stored)
    assert schema.names == L2.arrow_schema.names
    assert len(schema.names) == 13 + 60 + 3
    assert schema.field("ts_recv").type == pa.timestamp("ns", "UTC")
    assert schema.field("bid_px_09").nullable
    assert not schema.field("bid_sz_09").nullable


def test_l5_simulated_day_passes_its_checks(make_file: Make, records: Any, convert_day: ConvertDay) -> None:
    done, _ = convert_day(make_file(records), expected=Expectation(records=len(records)))
    # What no file covers is known to who chose the files.
    results = check_l2({**done.facts, "uncovered_s": 0})
    assert [result.name for result in results if not result.passed] == []
