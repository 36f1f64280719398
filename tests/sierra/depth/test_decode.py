"""Records to events: verdicts, prices, batches, snapshots."""

from __future__ import annotations

import struct
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pytest

from trading_platform.errors import SourceError
from trading_platform.instruments import Contract
from trading_platform.sierra.depth.archive import DepthFileSource
from trading_platform.sierra.depth.decode import DepthColumns, DepthDecoder, Verdict
from trading_platform.sierra.depth.file import DepthFile
from trading_platform.sierra.depth.format import RECORD
from trading_platform.sierra.depth.window import FileSlice
from trading_platform.sierra.format import latest_dt
from trading_platform.sierra.index import load_index
from trading_platform.sierra.prices import PriceRule

from ..scid_bytes import us
from .depth_bytes import (
    ADD_ASK,
    ADD_BID,
    CLEAR,
    DELETE_ASK,
    DELETE_BID,
    END,
    MODIFY_ASK,
    MODIFY_BID,
    ZERO_RECORD,
    event,
    modify,
    snapshot,
    write,
)

NOW = datetime(2025, 11, 20, tzinfo=UTC)
DAY = (us("2025-11-03T00:00:00"), us("2025-11-04T00:00:00"))
BEGIN = us("2025-11-03T14:30:00")
ES = PriceRule(1.0, 0.25, (300.0, 30_000.0), allows_negative=False)

# Records as hexadecimal digits, worked out by hand: time since 1899-12-30, command, flags, orders, float32, quantity, reserved.
#   2025-11-03 14:30:00.000123 UTC = 1,762,180,200,000,123 us since 1970 = 3,971,341,800,000,123 us since 1899-12-30 = 0x000E1BEA11454A7B
#   6800.25 as float32 = 0x45D48200
ANSWERS = (
    ("7b4a4511ea1b0e00 01 01 0000 00000000 00000000 00000000", (1, 1, 0, None, 0)),
    ("7b4a4511ea1b0e00 02 00 0300 0082d445 0a000000 00000000", (2, 0, 3, 6800.25, 10)),
    ("7b4a4511ea1b0e00 07 01 ffff 0082d445 ffffff7f 78563412", (7, 1, 65_535, 6800.25, 2_147_483_647)),
)


def decoder_of(tmp_path: Path, records: list[bytes], rule: PriceRule = ES) -> tuple[DepthDecoder, DepthFile]:
    path = write(tmp_path / "ESZ25-CME.2025-11-03.depth", records)
    index = load_index(path, None, NOW, open_file=DepthFile)
    source = DepthFileSource(path, Contract.parse("ESZ25"), "dash", date(2025, 11, 3))
    decoder = DepthDecoder(rule, latest_dt(NOW))
    decoder.begin(FileSlice(source, index, (), *DAY, *DAY, 0))
    return decoder, DepthFile(path)


def decode(
    tmp_path: Path, records: list[bytes], rule: PriceRule = ES, block: int = 1_000, capacity: int = 1_000
) -> tuple[DepthColumns, dict[str, int], DepthDecoder]:
    decoder, file = decoder_of(tmp_path, records, rule)
    columns = DepthColumns.empty(capacity)
    for at in range(0, file.record_count, block):
        decoder.decode(file.read(at, min(at + block, file.record_count)), at, columns)
    return columns, decoder.rejected, decoder


def test_t6_records_decode_as_worked_out_by_hand(tmp_path: Path) -> None:
    columns, rejected, _ = decode(tmp_path, [bytes.fromhex(text.replace(" ", "")) for text, _ in ANSWERS])
    assert rejected == {}
    assert columns.rows == len(ANSWERS)
    assert columns.price_null is not None
    for row, (_, (command, flags, orders, price, quantity)) in enumerate(ANSWERS):
        assert columns.ts_us[row] == us("2025-11-03T14:30:00.000123")
        assert (columns.command[row], columns.flags[row]) == (command, flags)
        assert (columns.num_orders[row], columns.quantity[row]) == (orders, quantity)
        assert bool(columns.price_null[row]) is (price is None)
        assert columns.price[row] == (0.0 if price is None else price)


@pytest.mark.parametrize(
    ("scale", "tick", "stored", "points"),
    [(0.01, 0.25, 680_025.0, 6800.25), (0.0001, 0.00005, 11_712.5, 1.17125), (1.0, 0.00005, 1.08505, 1.08505)],
)
def test_t6_prices_are_the_nearest_float_of_the_decimal_price(
    tmp_path: Path, scale: float, tick: float, stored: float, points: float
) -> None:
    rule = PriceRule(scale, tick, (points / 2, points * 2), allows_negative=False)
    columns, rejected, _ = decode(tmp_path, [event(BEGIN, ADD_BID, stored, 1)], rule)
    assert rejected == {}
    assert columns.price[0] == points


def test_t6_batches_are_numbered_and_snapshots_marked(tmp_path: Path) -> None:
    records = [
        modify(BEGIN),  # batch 0
        event(BEGIN, ADD_BID, 6800.0, 1),  # batch 1: a clear in the middle
        event(BEGIN, CLEAR),
        event(BEGIN, ADD_BID, 6799.0, 1),
        event(BEGIN, ADD_ASK, 6801.0, 1, end=END),
        event(BEGIN, CLEAR, end=END),  # batch 2: an empty book
        modify(BEGIN),  # batch 3
        *snapshot(BEGIN),  # batch 4
        event(BEGIN, DELETE_BID, 6800.0),  # batch 5, unfinished
    ]
    expected_batches = [0, 1, 1, 1, 1, 2, 3, *[4] * 7, 5]
    expected_marks = [False, False, True, True, True, True, False, *[True] * 7, False]
    for block in (1, 2, 3, 4, 5, 100):
        columns, _, _ = decode(tmp_path, records, block=block)
        assert columns.batch_id[: columns.rows].tolist() == expected_batches, block
        assert columns.snapshot[: columns.rows].tolist() == expected_marks, block


def test_t6_a_new_file_is_a_new_segment_and_ends_the_batch(tmp_path: Path) -> None:
    records = [modify(BEGIN), event(BEGIN, CLEAR), event(BEGIN, ADD_BID, 6800.0, 1)]
    decoder, file = decoder_of(tmp_path, records)
    columns = DepthColumns.empty(100)
    decoder.decode(file.read(0, 3), 0, columns)
    decoder.begin(decoder._current)
    decoder.decode(file.read(2, 3), 2, columns)
    assert columns.batch_id[:4].tolist() == [0, 1, 1, 2]
    assert columns.segment[:4].tolist() == [0, 0, 0, 1]
    assert columns.snapshot[:4].tolist() == [False, True, True, False]


def nan_price(ts_us: int, bits: int) -> bytes:
    return struct.pack("<qBBHIII", ts_us + 2_209_161_600_000_000, ADD_BID, END, 1, bits, 1, 0)


REFUSED = (
    (event(BEGIN, 0, 6800.0, 1), "command_unknown"),
    (event(BEGIN, 8, 6800.0, 1), "command_unknown"),
    (event(BEGIN, 255, 6800.0, 1), "command_unknown"),
    (nan_price(BEGIN, 0x7FC00000), "price_not_finite"),
    (nan_price(BEGIN, 0x7F800000), "price_not_finite"),
    (event(BEGIN, ADD_BID, 0.0, 1), "price_zero"),
    (event(BEGIN, DELETE_ASK, -6800.0), "price_negative"),
    (event(BEGIN, MODIFY_ASK, 6800.1, 1), "price_off_grid"),
    (event(BEGIN, ADD_BID, 5.0, 1), "price_out_of_band"),
    (event(BEGIN, ADD_BID, 3e30, 1), "price_out_of_band"),
    (event(BEGIN, MODIFY_BID, 6800.0, 2**31), "quantity_too_large"),
)


@pytest.mark.parametrize(("record", "reason"), REFUSED, ids=range(len(REFUSED)))
def test_t6_bad_record_is_refused_with_its_reason_and_the_others_stay(
    tmp_path: Path, record: bytes, reason: str
) -> None:
    columns, rejected, decoder = decode(tmp_path, [*snapshot(BEGIN), record, modify(BEGIN + 1)])
    assert rejected == {reason: 1}
    assert columns.rows == 8
    assert columns.batch_id[:8].tolist() == [*[0] * 7, 1]
    assert decoder.first_reject == ("ESZ25-CME.2025-11-03.depth", 7, reason)


def test_t6_every_reason_has_a_test() -> None:
    tested = {reason for _, reason in REFUSED}
    by_time = {"timestamp_implausible", "timestamp_torn", "timestamp_outside_file", "legacy_date"}  # test_hostile_files
    assert tested | by_time == {verdict.reason for verdict in Verdict if verdict > Verdict.OTHER_DAY}


@pytest.mark.parametrize("stored", [0.0, -5.0, 123.456, float("nan"), float("inf"), 3e38])
def test_t6_what_clear_book_stores_as_price_means_nothing(tmp_path: Path, stored: float) -> None:
    columns, rejected, _ = decode(tmp_path, [event(BEGIN, CLEAR, stored, end=END), modify(BEGIN)])
    assert rejected == {}
    assert columns.price_null is not None
    assert columns.price_null[:2].tolist() == [True, False]


@pytest.mark.parametrize("command", [CLEAR, DELETE_BID, DELETE_ASK])
@pytest.mark.parametrize(("stored", "kept"), [(2**31, 0), (2**32 - 1, 0), (2**31 - 1, 2**31 - 1), (7, 7)])
def test_t6_what_clear_and_delete_store_as_quantity_refuses_nothing(
    tmp_path: Path, command: int, stored: int, kept: int
) -> None:
    records = [event(BEGIN, ADD_BID, 6800.0, 5), event(BEGIN, command, 6800.0, stored, 65_535, end=END), modify(BEGIN)]
    columns, rejected, _ = decode(tmp_path, records)
    assert rejected == {}
    assert columns.command[:3].tolist() == [ADD_BID, command, MODIFY_BID]
    assert columns.quantity[:3].tolist() == [5, kept, 5]
    assert columns.batch_id[:3].tolist() == [0, 0, 1]


def test_t6_huge_quantity_of_a_delete_saves_no_add_of_the_same_block(tmp_path: Path) -> None:
    huge = [event(BEGIN, command, 6800.0, 2**31) for command in (DELETE_BID, ADD_BID, DELETE_ASK, MODIFY_ASK, CLEAR)]
    columns, rejected, _ = decode(tmp_path, huge)
    assert rejected == {"quantity_too_large": 2}
    assert columns.command[: columns.rows].tolist() == [DELETE_BID, DELETE_ASK, CLEAR]
    assert columns.quantity[: columns.rows].tolist() == [0, 0, 0]


def test_t6_negative_prices_are_events_where_the_instrument_allows_them(tmp_path: Path) -> None:
    rule = PriceRule(0.01, 0.01, (5.0, 300.0), allows_negative=True)
    columns, rejected, _ = decode(tmp_path, [event(BEGIN, ADD_BID, -3763.0, 4, end=END)], rule)
    assert (rejected, columns.price[0]) == ({}, -37.63)


def test_t6_one_refused_record_of_a_block_changes_nothing_else(tmp_path: Path) -> None:
    rng = np.random.default_rng(6)
    good = [
        event(
            BEGIN + i, int(rng.integers(1, 8)), 6800.0 + 0.25 * int(rng.integers(-40, 40)), i, end=int(rng.integers(2))
        )
        for i in range(500)
    ]
    expected, _, _ = decode(tmp_path, good)
    for at in (0, 1, 250, 499, 500):
        columns, rejected, _ = decode(tmp_path, [*good[:at], event(BEGIN, 9), *good[at:]], block=64)
        assert rejected == {"command_unknown": 1}
        for name in ("ts_us", "price", "quantity", "batch_id", "num_orders", "command", "flags", "segment", "snapshot"):
            assert np.array_equal(getattr(columns, name)[:500], getattr(expected, name)[:500]), (at, name)


def test_t6_zero_record_is_e226_with_its_index(tmp_path: Path) -> None:
    decoder, _ = decoder_of(tmp_path, snapshot(BEGIN))
    records = np.frombuffer(modify(BEGIN) + ZERO_RECORD + modify(BEGIN), RECORD)
    with pytest.raises(SourceError) as caught:
        decoder.decode(records, 40, DepthColumns.empty(10), damaged=True)
    assert caught.value.code == "E226"
    assert "record 41" in caught.value.what
    assert caught.value.next_command.startswith("tp backfill ES/depth_events --from 20")


@pytest.mark.parametrize("seed", range(5))
def test_t6_random_records_are_either_events_or_rejects_however_they_are_cut(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    records = np.zeros(400, RECORD)
    for field in ("command", "flags", "num_orders", "quantity", "reserved"):
        records[field] = np.frombuffer(rng.bytes(400 * RECORD[field].itemsize), RECORD[field])
    records["command"] %= 10
    records["price"] = np.where(rng.random(400) < 0.5, 6800.0 + 0.25 * rng.integers(-9, 9, 400), 0.0)
    random_prices = rng.random(400) < 0.1
    records["price"][random_prices] = np.frombuffer(rng.bytes(1_600), "<f4")[random_prices]
    records["dt"] = BEGIN + rng.integers(0, 10**9, 400) + 2_209_161_600_000_000
    content = [records[n : n + 1].tobytes() for n in range(400)]
    whole, rejected, _ = decode(tmp_path, content)
    assert whole.rows + sum(rejected.values()) == 400
    legal = (records["command"] >= 1) & (records["command"] <= 7)
    assert rejected.get("command_unknown", 0) == np.count_nonzero(~legal)
    assert set(whole.command[: whole.rows]) <= set(range(1, 8))
    assert np.isfinite(whole.price[: whole.rows]).all()
    for block in (1, 7, 399):
        parts, again, _ = decode(tmp_path, content, block=block)
        assert (parts.rows, again) == (whole.rows, rejected)
        for name in ("ts_us", "price", "quantity", "batch_id", "command", "flags", "snapshot"):
            assert np.array_equal(getattr(parts, name)[: whole.rows], getattr(whole, name)[: whole.rows]), name
