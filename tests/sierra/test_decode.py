"""What a record means, and every bad input that a record can be."""

from __future__ import annotations

import itertools
import struct
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trading_platform.errors import SourceError
from trading_platform.sierra.decode import PriceRule, RejectedRows, TickColumns, TickDecoder, Verdict
from trading_platform.sierra.format import RECORD, latest_dt
from trading_platform.sierra.tables import BatchMaker, reject_batch

from .scid_bytes import (
    FIRST_OPEN,
    LAST_OPEN,
    OFFSET_US,
    ZERO_RECORD,
    bar,
    golden_records,
    legacy,
    quote,
    record,
    us,
)

ES = PriceRule(1.0, 0.25, (500.0, 20_000.0), allows_negative=False)
CL = PriceRule(1.0, 0.01, (5.0, 300.0), allows_negative=True)
START, END = us("2023-02-20T23:00:00"), us("2023-02-21T23:00:00")
T0 = us("2023-02-21T15:00:00")
LATEST = latest_dt(datetime(2025, 11, 20, tzinfo=UTC))


def decode(
    *records: bytes, rule: PriceRule = ES, damaged: bool = False
) -> tuple[dict[str, list[Any]], TickDecoder, RejectedRows | None]:
    decoder = TickDecoder(Path("ESH23.scid"), rule, START, END, LATEST)
    out = TickColumns.empty(1_000)
    rejects = decoder.decode(np.frombuffer(b"".join(records), RECORD), 100, out, damaged=damaged)
    return BatchMaker("ESH23").batch(out, 0).to_pydict(), decoder, rejects


def test_t4_golden_rows_of_a_genuine_file() -> None:
    rows, decoder, rejects = decode(*golden_records())
    assert rejects is None
    assert [ts.isoformat() for ts in rows["ts"]] == [
        "2023-02-21T20:37:19.026000+00:00",
        "2023-02-21T20:37:43.699000+00:00",
        "2023-02-21T20:37:50.544000+00:00",
        "2023-02-21T20:38:02.105000+00:00",
        "2023-02-21T20:38:02.105001+00:00",
        "2023-02-21T20:38:12.208000+00:00",
        "2023-02-21T20:39:10.708000+00:00",
        "2023-02-21T20:40:28.608000+00:00",
        "2023-02-21T20:40:52.682000+00:00",
        "2023-02-21T20:40:52.682001+00:00",
    ]
    assert rows["price"] == [4048.0, 4048.0, 4047.5, 4047.75, 4047.75, 4048.0, 4047.0, 4048.0, 4048.5, 4048.25]
    assert rows["ask"] == [4048.75, 4048.25, 4048.25, 4048.25, 4048.25, 4048.5, 4047.0, 4048.0, 4049.0, 4049.0]
    assert rows["bid"] == [4048.0, 4048.0, 4047.5, 4047.75, 4047.75, 4048.0, 4046.5, 4047.5, 4048.5, 4048.5]
    assert rows["side"] == [-1, -1, -1, -1, -1, -1, 1, 1, -1, -1]
    assert rows["bundle"] == [0, 0, 0, 1, 2, 0, 0, 0, 0, 0]
    assert rows["flags"] == [0] * 10
    assert rows["volume"] == [1] * 10
    assert rows["seq"] == list(range(10))
    assert set(rows["contract"]) == {"ESH23"}
    assert decoder.quote_rows == 0


@pytest.mark.parametrize(
    ("tick", "scale", "price"),
    [
        (0.00005, 1.0, "1.08505"),
        (0.00005, 1.0, "1.17335"),
        (0.0000005, 1.0, "0.0066375"),
        (0.01, 1.0, "71.23"),
        (0.1, 1.0, "4000.1"),
        (0.015625, 1.0, "110.015625"),
        (0.25, 0.01, "25742.75"),
        (0.1, 0.1, "2054.3"),
        (1.0, 1.0, "44821"),
    ],
)
def test_t4_price_is_exactly_the_float64_literal(tick: float, scale: float, price: str) -> None:
    rule = PriceRule(scale, tick, (float(price) / 2, float(price) * 2), allows_negative=False)
    stored = float(Decimal(price) / Decimal(repr(scale)))
    rows, _, rejects = decode(record(T0, stored, bid=stored, ask=stored), rule=rule)
    assert rejects is None
    assert rows["price"] == rows["bid"] == rows["ask"] == [float(price)]
    assert rows["flags"] == [0]


@settings(max_examples=200, deadline=None)
@given(
    st.integers(10_000, 4_000_000),
    st.sampled_from([("0.00005", 1), ("0.0001", 1), ("0.01", 1), ("0.25", 100), ("0.1", 10)]),
)
def test_t4_every_price_on_the_grid_comes_back_as_its_decimal(ticks: int, grid: tuple[str, int]) -> None:
    price = Decimal(ticks) * Decimal(grid[0])
    stored = float(price * grid[1])
    rule = PriceRule(1 / grid[1], float(grid[0]), (float(price) * 0.9, float(price) * 1.1), allows_negative=False)
    if abs(np.float32(stored) / float(grid[0]) / grid[1] - ticks) > 0.05:
        return  # float32 cannot hold this price: nothing could bring it back
    rows, _, _ = decode(record(T0, stored), rule=rule)
    assert rows["price"] == [float(price)]


TRADES = st.lists(
    st.tuples(
        st.integers(0, 3_600_000_000),
        st.integers(2_000, 79_000),
        st.integers(1, 500),
        st.sampled_from([-1, 1]),
        st.sampled_from([0, FIRST_OPEN, LAST_OPEN]),
    ),
    min_size=1,
    max_size=50,
)


@settings(max_examples=100, deadline=None)
@given(TRADES)
def test_t4_bytes_to_ticks_to_bytes_is_the_identity(trades: list[tuple[int, int, int, int, int]]) -> None:
    source = b"".join(
        record(
            T0 + at,
            ticks / 4,
            bid=ticks / 4 - 0.25,
            ask=ticks / 4,
            buy=size if side > 0 else 0,
            sell=size if side < 0 else 0,
            open_bits=bits,
        )
        for at, ticks, size, side, bits in trades
    )
    rows, _, rejects = decode(source)
    assert rejects is None
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    rebuilt = b""
    for i in range(len(trades)):
        since = rows["ts"][i] - epoch
        ts_us = (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
        size, side = rows["volume"][i], rows["side"][i]
        rebuilt += struct.pack("<qI", ts_us + OFFSET_US, (0, FIRST_OPEN, LAST_OPEN)[rows["bundle"][i]])
        rebuilt += struct.pack("<fff", rows["ask"][i], rows["bid"][i], rows["price"][i])
        rebuilt += struct.pack("<IIII", 1, size, size if side < 0 else 0, size if side > 0 else 0)
    assert rebuilt == source
    decreased = [b[0] < a[0] for a, b in itertools.pairwise(trades)]
    assert [bool(flag & 1) for flag in rows["flags"]] == [False, *decreased]


NAN, INF = float("nan"), float("inf")
LATE = LATEST - OFFSET_US + 1


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (record(us("1989-12-31T23:59:59")), "timestamp_implausible"),
        (record(LATE), "timestamp_implausible"),
        (legacy(44_977.5), "legacy_date"),
        (bar(T0), "bar_record"),
        (record(T0, num_trades=0), "malformed_record"),
        (record(T0, open_bits=0x7FC00000), "malformed_record"),
        (record(T0, NAN), "price_not_finite"),
        (record(T0, INF), "price_not_finite"),
        (record(T0, -INF), "price_not_finite"),
        (record(T0, 0.0), "price_zero"),
        (record(T0, -4048.0), "price_negative"),
        (record(T0, 1e20), "price_out_of_band"),
        (record(T0, 1.0), "price_out_of_band"),
        (record(T0, 4048.0, bid=0.0, total=0), "volume_zero"),
        (record(T0, total=2**31), "volume_too_large"),
        (record(T0, buy=2**31, total=1), "volume_too_large"),
    ],
)
def test_t4_bad_record_is_set_aside_with_its_reason_and_bytes(bad: bytes, reason: str) -> None:
    good = record(T0)
    rows, decoder, rejects = decode(good, good, bad, good)
    assert rows["seq"] == [0, 1, 2]
    assert decoder.rejected == {reason: 1}
    assert decoder.first_reject == (102, reason)
    assert rejects is not None
    stored = reject_batch(rejects).to_pydict()
    assert stored["reason"] == [reason]
    assert stored["seq_before"] == [2]
    assert rejects.records.tobytes() == bad
    assert stored["ts"] == [struct.unpack_from("<q", bad)[0]]


def test_t4_zero_record_in_the_middle_is_e208_with_its_index() -> None:
    with pytest.raises(SourceError) as caught:
        decode(record(T0), ZERO_RECORD, record(T0))
    assert caught.value.code == "E208"
    assert "ESH23.scid, record 101" in caught.value.what


def test_t4_quote_only_records_are_counted_and_are_neither_trades_nor_rejects() -> None:
    rows, decoder, rejects = decode(record(T0), quote(T0 + 1), quote(T0 + 2), record(T0 + 3))
    assert rejects is None
    assert (len(rows["seq"]), decoder.quote_rows, decoder.rejected) == (2, 2, {})


def test_t4_missing_quotes_are_null_and_the_trade_stays() -> None:
    rows, _, rejects = decode(record(T0, bid=0.0), record(T0, ask=NAN), record(T0, bid=INF, ask=0.0), record(T0))
    assert rejects is None
    assert rows["bid"] == [None, 4048.0, None, 4048.0]
    assert rows["ask"] == [4048.25, None, None, 4048.25]
    assert rows["flags"] == [0, 0, 0, 0]


def test_t4_flags_tell_decrease_off_tick_crossed_and_split() -> None:
    rows, _, _ = decode(
        record(T0 + 10),
        record(T0 + 9),
        record(T0 + 10, 4048.1),
        record(T0 + 10, bid=4048.5),
        record(T0 + 10, buy=2, sell=1, total=5),
    )
    assert rows["flags"] == [0, 1, 2, 4, 8]
    assert rows["price"][2] == 4048.0
    assert rows["volume"][4] == 5


def test_t4_side_comes_from_volumes_alone() -> None:
    rows, _, _ = decode(record(T0, buy=3), record(T0, sell=3), record(T0, buy=1, sell=1), record(T0, total=4))
    assert rows["side"] == [1, -1, 0, 0]


def test_t4_minus_zero_open_is_zero_and_near_sentinels_are_no_sentinels() -> None:
    rows, decoder, _ = decode(record(T0, open_bits=0x80000000), record(T0, open_bits=FIRST_OPEN + 1))
    assert rows["bundle"] == [0]
    assert decoder.rejected == {"malformed_record": 1}


def test_t4_negative_prices_are_kept_where_the_instrument_allows_them() -> None:
    rows, _, rejects = decode(record(T0, -37.63, bid=-37.64, ask=-37.6), record(T0, 0.0), rule=CL)
    assert rows["price"] == [-37.63]
    assert (rows["bid"], rows["ask"]) == ([-37.64], [-37.6])
    assert rejects is not None
    assert rejects.verdicts.tolist() == [Verdict.PRICE_ZERO]


def test_t4_two_thousand_trades_in_one_millisecond_are_all_kept() -> None:
    decoder = TickDecoder(Path("ESH23.scid"), ES, START, END, LATEST)
    out = TickColumns.empty(2_000)
    stamps = [T0 + min(i, 999) for i in range(2_000)]
    decoder.decode(np.frombuffer(b"".join(record(ts) for ts in stamps), RECORD), 0, out)
    assert out.ts_us[: out.rows].tolist() == stamps
    assert not out.flags[: out.rows].any()


def test_t4_records_of_a_damaged_run_are_never_trades() -> None:
    rows, decoder, rejects = decode(record(T0), record(us("1980-01-01")), damaged=True)
    assert rows["seq"] == []
    assert decoder.rejected == {"timestamp_torn": 1, "timestamp_implausible": 1}
    assert rejects is not None
    assert rejects.seq_before.tolist() == [0, 0]


def test_t4_records_of_other_days_are_counted_and_not_decoded() -> None:
    rows, decoder, rejects = decode(record(START - 1), record(START), record(END - 1), record(END))
    assert (len(rows["seq"]), decoder.other_day_rows, rejects) == (2, 2, None)
