"""Damaged, cut, foreign and contradicting DBN files: each is a numbered error, and nothing is stored."""

from __future__ import annotations

import itertools
import struct
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zstandard

from tests.databento.conftest import ES, TRADE_DATE
from trading_platform.databento.convert import Conversion
from trading_platform.databento.dbn import DbnFile
from trading_platform.databento.verify import Expectation, instrument_on, verify_dbn
from trading_platform.errors import VendorError
from trading_platform.lake import LocalLake
from trading_platform.simulation.dbn import dbn_metadata, dbn_zstd

Make = Callable[..., Path]
ConvertDay = Callable[..., tuple[Conversion, Path]]


def code_of(path: Path, expected: Expectation | None = None) -> str:
    with pytest.raises(VendorError) as caught:
        verify_dbn(path, expected).require()
    assert path.name in caught.value.what
    return caught.value.code


def test_l3_error_page_instead_of_a_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "page.dbn.zst"
    for content in (b"", b"DB", b"<html>504</html>", zstandard.compress(b"not a header at all")):
        path.write_bytes(content)
        assert code_of(path) == "E300"


def test_l3_damaged_metadata_are_refused(make_file: Make, records: Any, window_ns: tuple[int, int]) -> None:
    header = bytearray(dbn_metadata(ES, *window_ns))
    header[4:8] = struct.pack("<I", 2**31)
    assert code_of(make_file(records, name="huge.dbn", metadata=bytes(header))) == "E300"
    assert code_of(make_file(records, name="zero.dbn", metadata=b"DBN\x00" + bytes(header[4:]))) == "E300"
    header[4:8] = struct.pack("<I", 30)
    assert code_of(make_file(records[:0], name="torn.dbn", metadata=bytes(header[:38]))) == "E300"


def test_l3_dbn_version_four_is_refused_by_number(make_file: Make, records: Any, window_ns: tuple[int, int]) -> None:
    header = dbn_metadata(ES, *window_ns)
    path = make_file(records, metadata=b"DBN\x04" + header[4:])
    with pytest.raises(VendorError) as caught:
        DbnFile(path)
    assert caught.value.code == "E301"
    assert "version 4" in caught.value.what


def test_l3_other_schema_is_refused_by_name(make_file: Make, records: Any, window_ns: tuple[int, int]) -> None:
    path = make_file(records, metadata=dbn_metadata(ES, *window_ns, schema="mbp-1"))
    with pytest.raises(VendorError) as caught:
        DbnFile(path)
    assert caught.value.code == "E302"
    assert "mbp-1" in caught.value.what


def test_l3_file_cut_anywhere_is_refused(make_file: Make, records: Any) -> None:
    path = make_file(records[:400])
    whole = path.read_bytes()
    mark = len(whole) - 34  # the skippable frame with the synthetic mark
    for stop in (*range(4, 40), *range(40, mark, 997), *range(mark - 12, mark), *range(mark + 1, len(whole))):
        path.write_bytes(whole[:stop])
        assert code_of(path) in {"E303", "E304"}, stop
    path.write_bytes(whole[:mark])
    report = verify_dbn(path)
    assert (report.records, report.synthetic) == (400, False)


def test_l3_cut_between_two_records_is_seen_although_the_vendor_reads_on(
    make_file: Make, records: Any, window_ns: tuple[int, int], tmp_path: Path
) -> None:
    path = tmp_path / "cut.dbn.zst"
    compressor = zstandard.ZstdCompressor(write_checksum=True).compressobj()
    begun = compressor.compress(dbn_metadata(ES, *window_ns) + records[:100].tobytes())
    path.write_bytes(begun + compressor.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK))
    assert code_of(path) == "E303"
    plain = make_file(records[:100], name="plain.dbn")
    plain.write_bytes(plain.read_bytes()[:-368])
    assert verify_dbn(plain).records == 99  # a plain file has no end that could be missing: only the count tells
    assert code_of(plain, Expectation(records=100)) == "E306"
    plain.write_bytes(plain.read_bytes()[:-1])
    assert code_of(plain) == "E303"


def payload_of(path: Path) -> bytes | None:
    """Return the records of a file, or None if it is refused."""
    try:
        with DbnFile(path) as file:
            return b"".join(block.tobytes() for _, block in file.blocks())
    except VendorError:
        return None


def test_l3_flipped_bit_is_refused_unless_the_records_are_the_same(make_file: Make, records: Any) -> None:
    path = make_file(records[:50])
    whole = path.read_bytes()
    random = np.random.default_rng(1)
    stop = len(whole) - 34
    refused = 0
    for at in (*range(4, 12), *random.integers(12, stop, 60).tolist(), *range(stop - 4, stop)):
        damaged = bytearray(whole)
        damaged[at] ^= 1 << int(random.integers(0, 8))
        path.write_bytes(bytes(damaged))
        # Some bits of a frame's header change nothing but the memory that a reader sets aside.
        payload = payload_of(path)
        assert payload is None or payload == records[:50].tobytes(), at
        refused += payload is None
    assert refused >= 70


def test_l3_bytes_after_the_data_are_refused(make_file: Make, records: Any) -> None:
    path = make_file(records[:50])
    path.write_bytes(path.read_bytes() + b"trailing")
    assert code_of(path) == "E304"


def test_l3_several_frames_are_one_file(
    make_file: Make, records: Any, window_ns: tuple[int, int], tmp_path: Path
) -> None:
    path = tmp_path / "frames.dbn.zst"
    raw = dbn_metadata(ES, *window_ns) + records[:300].tobytes()
    cuts = [0, 5, 1_000, 50_000, len(raw)]
    parts = [raw[a:b] for a, b in itertools.pairwise(cuts)]
    path.write_bytes(b"".join(zstandard.ZstdCompressor(write_checksum=True).compress(part) for part in parts))
    assert verify_dbn(path).records == 300
    with DbnFile(path) as file:
        read = np.concatenate([block.copy() for _, block in file.blocks()])
    assert read.tobytes() == records[:300].tobytes()


def test_l3_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    assert code_of(tmp_path / "none.dbn") == "E305"
    folder = tmp_path / "folder.dbn"
    folder.mkdir()
    assert code_of(folder) == "E305"


def test_l3_missing_and_additional_records_are_refused(make_file: Make, records: Any) -> None:
    path = make_file(records[:100])
    assert verify_dbn(path, Expectation(records=100)).errors == ()
    assert code_of(path, Expectation(records=99)) == code_of(path, Expectation(records=101)) == "E306"


def test_l3_times_that_run_backwards_are_refused(make_file: Make, records: Any, convert_day: ConvertDay) -> None:
    swapped = records[:9_000].copy() if len(records) >= 9_000 else records.copy()
    swapped["ts_recv"][4_096] = swapped["ts_recv"][4_095] - 1  # the first record of a block
    path = make_file(swapped)
    assert code_of(path) == "E307"
    assert verify_dbn(path).decreases >= 1
    with pytest.raises(VendorError) as caught:
        convert_day(path)
    assert caught.value.code == "E307"
    assert "record 4096" in caught.value.what


def test_l3_records_outside_the_query_are_refused(make_file: Make, records: Any) -> None:
    received = records["ts_recv"]
    path = make_file(records)
    inside = Expectation(start_ns=int(received[0]), end_ns=int(received[-1]) + 1)
    assert verify_dbn(path, inside).errors == ()
    late = Expectation(start_ns=int(received[0]) + 1)
    assert code_of(path, late) == "E308"
    early = verify_dbn(path, Expectation(end_ns=int(received[-1])))
    assert early.outside_window == int((received == received[-1]).sum())


def test_l3_symbol_and_instrument_must_be_certain(make_file: Make, records: Any, window_ns: tuple[int, int]) -> None:
    path = make_file(records[:100])
    assert code_of(path, Expectation(symbol="NQU5")) == "E309"
    other = records[:100].copy()
    other["instrument_id"][50] = 7
    mixed = make_file(other, name="mixed.dbn.zst")
    assert verify_dbn(mixed, Expectation(symbol="ESU5")).errors == ()
    assert code_of(mixed, Expectation(symbol="ESU5", single_instrument=True)) == "E309"
    assert verify_dbn(mixed).instrument_ids == (7, 14_160)
    roll = dbn_metadata(
        ES,
        *window_ns,
        requested="ES.v.0",
        stype_in="continuous",
        intervals=[(date(2025, 9, 1), TRADE_DATE, "1"), (TRADE_DATE, date(2025, 9, 10), "2")],
    )
    with DbnFile(make_file(records[:10], name="roll.dbn.zst", metadata=roll)) as file:
        assert instrument_on(file, "ES.v.0", date(2025, 9, 2)) == 1
        assert instrument_on(file, "ES.v.0", TRADE_DATE) == 2
        for symbol, day in (("ES.v.0", date(2025, 9, 10)), ("ESU5", TRADE_DATE)):
            with pytest.raises(VendorError) as caught:
                instrument_on(file, symbol, day)
            assert caught.value.code == "E309"


def test_l3_records_of_other_types_are_refused(make_file: Make, records: Any) -> None:
    live = records[:100].copy()
    live["rtype"][60] = 1
    assert code_of(make_file(live)) == "E310"
    stamped = make_file(records[:3], name="stamped.dbn")
    header = stamped.read_bytes()[: -3 * 368]
    rows = b"".join(b"\x5e" + row.tobytes()[1:] + bytes(8) for row in records[:3])
    stamped.write_bytes(header + rows)
    assert code_of(stamped) == "E310"


def test_l3_other_dataset_is_refused(make_file: Make, records: Any) -> None:
    assert code_of(make_file(records[:10]), Expectation(dataset="XNAS.ITCH")) == "E311"


def test_l3_refused_file_leaves_an_older_partition_as_it_was(
    make_file: Make, records: Any, convert_day: ConvertDay, lake: LocalLake
) -> None:
    _, stored = convert_day(make_file(records))
    before = stored.read_bytes()
    with pytest.raises(VendorError):
        convert_day(make_file(records), expected=Expectation(records=len(records) + 1))
    assert stored.read_bytes() == before
    assert [path.name for path in stored.parent.iterdir() if path.suffix == ".tmp"] == []


def test_l3_file_without_records_gives_a_partition_without_rows(
    make_file: Make, records: Any, convert_day: ConvertDay
) -> None:
    done, stored = convert_day(make_file(records[:0]), expected=Expectation(records=0))
    assert done.rows == 0
    assert done.facts["vwap"] is None
    assert done.facts["first_ts_recv_ns"] is None
    assert stored.is_file()


def test_l3_frame_cut_by_the_writer_of_this_test_is_really_readable_elsewhere(
    records: Any, window_ns: tuple[int, int], tmp_path: Path
) -> None:
    """The vendor's own reader accepts the synthetic mark behind the data."""
    from databento import DBNStore

    path = tmp_path / "ES.dbn.zst"
    path.write_bytes(b"".join(dbn_zstd(dbn_metadata(ES, *window_ns), [records[:100]])))
    assert DBNStore.from_file(path).to_ndarray().tobytes() == records[:100].tobytes()
