"""Every genuine ten-level file converts and equals its source record by record."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tests.databento.digest import coldigest, stored_columns, vendor_columns
from trading_platform.databento.convert import Conversion, stored_facts, trading_hours
from trading_platform.databento.dbn import DbnFile
from trading_platform.databento.verify import Expectation, verify_dbn
from trading_platform.errors import VendorError
from trading_platform.sessions import calendar_for

ConvertDay = Callable[..., tuple[Conversion, Path]]
T13 = "50e8f6263558c5f0201d071243093d89c11c85a378681d66276fef5d09607ab2"
# name, symbol, instrument, calendar, date, version, records, digest: from the README beside the files
FILES = [
    (
        "glbx_ESH1_mbp-10_2020-12-28",
        "ESH1",
        5482,
        3,
        4,
        "8f1fa9efc06b2f96788e7a209d4a8be6b0a73c4ada3eb88b8d37c575d86d486e",
    ),
    ("glbx_ESH1_mbp-10_2020-12-28T13_dbn-v1", "ESH1", 5482, 1, 2, T13),
    ("glbx_ESH1_mbp-10_2020-12-28T13_dbn-v2-uncompressed", "ESH1", 5482, 2, 2, T13),
    ("glbx_ESH1_mbp-10_2020-12-28T13_dbn-v2", "ESH1", 5482, 2, 2, T13),
    ("glbx_ESH1_mbp-10_2020-12-28T13_dbn-v3", "ESH1", 5482, 3, 2, T13),
    (
        "xnas_AAPL_mbp-10_2024-10-21_5000rows",
        "AAPL",
        38,
        3,
        5000,
        "eaa197cf7509f469b705f0a6bdce92a137cf36b1a6ca7fb5f3686da430d5ca49",
    ),
    (
        "xnas_NVDA_mbp-10_2020-12-28",
        "NVDA",
        6155,
        3,
        4,
        "4fb0c1aa14fdb461cc3fea946c211afb8ff94cfae31a6ed39efeeddc990fde28",
    ),
]


def source(shared_data: Path, name: str) -> Path:
    return shared_data / "databento" / (f"{name}.dbn" if name.endswith("uncompressed") else f"{name}.dbn.zst")


def day_of(name: str):  # type: ignore[no-untyped-def]
    calendar = "CME_EQUITY" if name.startswith("glbx") else "NYSE"
    return calendar_for(calendar).session(date(2024, 10, 21) if "AAPL" in name else date(2020, 12, 28))


def test_l4_list_of_genuine_files_is_complete(shared_data: Path) -> None:
    assert {path.name.split(".")[0] for path in (shared_data / "databento").glob("*mbp-10*.dbn*")} == {
        name for name, *_ in FILES
    }


@pytest.mark.parametrize(("name", "symbol", "instrument", "version", "records", "digest"), FILES)
def test_l4_genuine_file_equals_its_source_record_by_record(
    shared_data: Path,
    convert_day: ConvertDay,
    name: str,
    symbol: str,
    instrument: int,
    version: int,
    records: int,
    digest: str,
) -> None:
    path = source(shared_data, name)
    expected = Expectation(symbol=symbol, records=records, single_instrument=True)
    done, stored = convert_day(path, symbol, day=day_of(name), expected=expected)
    vendor, ours = vendor_columns(path), stored_columns(stored)
    assert vendor.keys() == ours.keys()
    for column, values in vendor.items():
        assert np.array_equal(values, ours[column]), column
    assert coldigest(ours) == coldigest(vendor) == digest
    assert (done.rows, done.rejected, done.reports[0].metadata.version) == (records, {}, version)
    assert done.reports[0].instrument_ids == (instrument,)
    rows = pl.read_parquet(stored)
    assert rows["seq"].to_list() == list(range(records))
    assert set(rows["raw_symbol"]) == {symbol}
    assert rows["is_last"].to_list() == [bool(flags & 128) for flags in rows["flags"]]


def test_l4_aapl_sample_has_the_reference_numbers(shared_data: Path, convert_day: ConvertDay) -> None:
    day = day_of("xnas_AAPL")
    done, stored = convert_day(source(shared_data, FILES[5][0]), "AAPL", day=day)
    rows = pl.read_parquet(stored)
    trades = rows.filter(pl.col("action") == "T")
    assert (trades.height, trades["size"].sum()) == (286, 15_959)
    assert done.facts["trades"] == 286
    assert done.facts["volume"] == 15_959
    assert round(float(done.facts["vwap"]), 9) == 233.813495833  # type: ignore[arg-type]
    assert done.facts["last_rows"] == 4_925
    assert dict(rows["action"].value_counts().iter_rows()) == {"A": 2_695, "C": 2_019, "T": 286}
    assert dict(rows["side"].value_counts().iter_rows()) == {"A": 2_383, "B": 2_497, "N": 120}
    assert dict(rows["flags"].value_counts().iter_rows()) == {0: 75, 128: 46, 130: 4_879}
    assert set(rows["session"]) == {"ETH"}
    prices = [column for column in rows.columns if "_px_" in column]
    nulls = {name: rows[name].null_count() for name in prices if rows[name].null_count()}
    assert nulls == {"bid_px_02": 1}
    assert rows["bid_px_02"][20] is None
    assert rows.row(0, named=True)["bid_px_00"] == 233.67
    assert rows.row(-1, named=True)["ask_px_00"] == 233.56
    last = rows.filter(pl.col("is_last"))
    assert (last["bid_px_00"] >= last["ask_px_00"]).sum() == 0


def test_l4_facts_of_the_stored_file_equal_those_of_the_conversion(shared_data: Path, convert_day: ConvertDay) -> None:
    day = day_of("xnas_AAPL")
    done, stored = convert_day(source(shared_data, FILES[5][0]), "AAPL", day=day)
    again = stored_facts(stored, trading_hours(day))
    assert again == {name: done.facts[name] for name in again}
    assert set(done.facts) - set(again) == {
        "source_records",
        "vendor_records",
        "other_day_records",
        "other_instrument_records",
        "rejected_records",
    }


def test_l4_thin_book_keeps_levels_that_are_not_there_as_null(shared_data: Path, convert_day: ConvertDay) -> None:
    _, stored = convert_day(source(shared_data, FILES[6][0]), "NVDA", day=day_of("xnas_NVDA"))
    rows = pl.read_parquet(stored)
    prices = [column for column in rows.columns if "_px_" in column]
    assert sum(rows[name].null_count() for name in prices) == 70
    first = rows.row(0, named=True)
    assert (first["bid_px_00"], first["bid_sz_00"], first["bid_ct_00"]) == (502.0, 2, 1)
    assert (first["ask_px_00"], first["ask_sz_00"], first["ask_ct_00"]) == (None, 0, 0)
    assert (rows["bid_px_00"][-1], rows["ask_px_00"][-1]) == (512.01, 539.0)


def test_l4_es_sample_has_the_reference_book(shared_data: Path, convert_day: ConvertDay) -> None:
    _, stored = convert_day(source(shared_data, FILES[0][0]), "ESH1", day=day_of("glbx"))
    first = pl.read_parquet(stored).row(0, named=True)
    assert (first["bid_px_00"], first["bid_sz_00"], first["bid_ct_00"]) == (3702.25, 19, 11)
    assert (first["ask_px_00"], first["ask_sz_00"], first["ask_ct_00"]) == (3702.75, 13, 13)
    assert first["ts_recv"].isoformat() == "2020-12-28T00:00:00.006150+00:00"


def test_l4_every_other_schema_is_refused_by_name(shared_data: Path) -> None:
    others = [path for path in sorted((shared_data / "databento").glob("*.dbn*")) if "mbp-10" not in path.name]
    assert len(others) == 28
    for path in others:
        with pytest.raises(VendorError) as caught:
            DbnFile(path)
        assert caught.value.code == "E302"
        assert path.name.split("_")[2] in caught.value.what


def test_l4_genuine_file_verifies_on_its_own(shared_data: Path) -> None:
    report = verify_dbn(source(shared_data, FILES[5][0]), Expectation("XNAS.ITCH", "AAPL", records=5_000))
    assert report.require() is report
    assert (report.records, report.decreases, report.synthetic) == (5_000, 0, False)
    assert (report.first_ns, report.last_ns) == (1_729_511_669_221_230_963, 1_729_515_860_131_008_559)
