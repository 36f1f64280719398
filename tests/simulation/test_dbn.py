"""The writer of DBN files: what the vendor's own client makes of them, and a book that holds together."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from databento import DBNStore

from trading_platform.instruments import Contract, load_registry
from trading_platform.sessions import calendar_for
from trading_platform.simulation.dbn import MBP10_RECORD, DbnSymbol, dbn_metadata, dbn_zstd, mbp10_records
from trading_platform.simulation.market import SimulatedMarket, SimulatedTicks

ES = DbnSymbol("GLBX.MDP3", "ESU5", 14160, 1, 0.25)
SESSION = calendar_for("CME_EQUITY").session(date(2025, 9, 3))
START_NS, END_NS = (int(at.timestamp()) * 10**9 for at in (SESSION.window_start, SESSION.window_end))


@pytest.fixture(scope="module")
def ticks() -> SimulatedTicks:
    market = SimulatedMarket(7, load_registry().get("ES"), 6_400.0, ticks_per_full_day=2_000)
    return market.ticks(SESSION, Contract.parse("ESU25"))


@pytest.fixture(scope="module")
def records(ticks: SimulatedTicks) -> Any:
    return np.concatenate(list(mbp10_records(ticks, ES)))


def test_s4_layout_is_that_of_the_vendors_library() -> None:
    from databento_dbn import MBP10Msg

    ours = [(name, MBP10_RECORD.fields[name]) for name in MBP10_RECORD.names or ()]  # type: ignore[index]
    theirs = np.dtype(MBP10Msg._dtypes)
    assert MBP10_RECORD.itemsize == theirs.itemsize == 368
    assert [(name, kind, offset) for name, (kind, offset, *_) in ours] == [
        (name, theirs.fields[name][0], theirs.fields[name][1])  # type: ignore[index]
        for name in theirs.names or ()
    ]


def test_s4_vendors_client_reads_what_was_written(records: Any, tmp_path: Path) -> None:
    path = tmp_path / "ES.dbn.zst"
    path.write_bytes(b"".join(dbn_zstd(dbn_metadata(ES, START_NS, END_NS), [records[:700], records[700:]])))
    store = DBNStore.from_file(path)
    assert store.to_ndarray().tobytes() == records.tobytes()
    assert (str(store.schema), store.dataset, store.symbols) == ("mbp-10", "GLBX.MDP3", ["ESU5"])
    assert (store.metadata.start, store.metadata.end) == (START_NS, END_NS)
    first = next(iter(store.to_df(count=1)))
    assert first["symbol"].to_list() == ["ESU5"]
    assert b"SYNTHETIC trading-platform" in path.read_bytes()[-40:]


def test_s4_every_trade_is_printed_once_with_its_side(ticks: SimulatedTicks, records: Any) -> None:
    trades = records[records["action"] == b"T"]
    traded = ticks.volume > 0
    assert trades["price"].tolist() == (ticks.price_ticks[traded] * 250_000_000).tolist()
    assert trades["size"].tolist() == ticks.volume[traded].tolist()
    assert trades["ts_event"].tolist() == (ticks.ts_us[traded] * 1_000).tolist()
    assert int(trades["size"][trades["side"] == b"B"].sum()) == int(ticks.ask_volume.sum())
    assert set(trades["flags"]) == {0}


def test_s4_books_are_ordered_uncrossed_and_consistent(records: Any) -> None:
    assert (records["bid_px_00"] < records["ask_px_00"]).all()
    for level in range(1, 10):
        assert (records[f"bid_px_{level:02d}"] < records[f"bid_px_{level - 1:02d}"]).all()
        assert (records[f"ask_px_{level:02d}"] > records[f"ask_px_{level - 1:02d}"]).all()
    assert all((records[f"{side}_sz_{level:02d}"] >= 1).all() for side in ("bid", "ask") for level in range(10))
    assert (records["bid_ct_00"] <= records["bid_sz_00"]).all()
    assert set(records["flags"][records["action"] != b"T"]) == {130}


def test_s4_times_and_numbers_ascend_inside_the_session(records: Any) -> None:
    received = records["ts_recv"].astype(np.int64)
    assert (np.diff(received) >= 0).all()
    assert received[0] >= START_NS
    assert received[-1] < END_NS
    assert (received - records["ts_event"].astype(np.int64) >= 0).all()
    assert (np.diff(records["sequence"].astype(np.int64)) >= 0).all()


def test_s4_same_seed_same_records_and_another_seed_others(ticks: SimulatedTicks, records: Any) -> None:
    assert np.concatenate(list(mbp10_records(ticks, ES))).tobytes() == records.tobytes()
    assert np.concatenate(list(mbp10_records(ticks, ES, seed=2))).tobytes() != records.tobytes()


def test_s4_continuous_symbol_maps_to_instruments_by_date(tmp_path: Path) -> None:
    intervals = [(date(2025, 9, 2), date(2025, 9, 3), "1"), (date(2025, 9, 3), date(2025, 9, 4), "2")]
    header = dbn_metadata(ES, START_NS, END_NS, intervals=intervals, requested="ES.v.0", stype_in="continuous")
    path = tmp_path / "roll.dbn.zst"
    path.write_bytes(b"".join(dbn_zstd(header, [np.zeros(0, MBP10_RECORD)])))
    store = DBNStore.from_file(path)
    assert [entry["symbol"] for entry in store.mappings["ES.v.0"]] == ["1", "2"]
    assert str(store.stype_in) == "continuous"


def test_s4_no_trade_makes_no_record_and_no_quote_is_refused(ticks: SimulatedTicks) -> None:
    none = SimulatedTicks(*(getattr(ticks, name)[:0] for name in SimulatedTicks.__slots__))
    assert list(mbp10_records(none, ES)) == []
    blind = SimulatedTicks(
        *(getattr(ticks, name)[:9] * (name not in {"bid_ticks", "ask_ticks"}) for name in SimulatedTicks.__slots__)
    )
    with pytest.raises(ValueError, match="at least one row with a quote"):
        list(mbp10_records(blind, ES))
