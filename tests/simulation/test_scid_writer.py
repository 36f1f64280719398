"""The writer of .scid files: bytes taken apart by hand, whole files, appends."""

from __future__ import annotations

import hashlib
import struct
from pathlib import Path

import numpy as np
import pytest

from trading_platform.instruments import Contract
from trading_platform.sessions import Session
from trading_platform.sierra.format import SYNTHETIC_MARK as MARK_THE_READER_KNOWS
from trading_platform.simulation import (
    SCID_RECORD,
    SYNTHETIC_MARK,
    SimulatedMarket,
    SimulatedTicks,
    append_live,
    append_scid,
    scid_header,
    scid_records,
    write_scid,
)

M25 = Contract.parse("ESM25")


def three_ticks() -> SimulatedTicks:
    """Return a sell, then a sweep's first and last trade, at 2023-02-21 20:37:19.026 UTC and 43 seconds later."""
    return SimulatedTicks(
        ts_us=np.array([1_677_011_839_026_000, 1_677_011_882_105_000, 1_677_011_882_105_001]),
        price_ticks=np.array([16_192, 16_193, 16_194]),
        bid_ticks=np.array([16_192, 16_192, 0]),
        ask_ticks=np.array([16_195, 16_193, 0]),
        volume=np.array([1, 2, 3], dtype=np.uint32),
        bid_volume=np.array([1, 0, 0], dtype=np.uint32),
        ask_volume=np.array([0, 2, 3], dtype=np.uint32),
        bundle=np.array([0, 1, 2], dtype=np.uint8),
    )


def records_of(market: SimulatedMarket, session: Session) -> np.ndarray:
    return scid_records(market.ticks(session, M25, activity_share=0.05), 0.25, 0.01)


def test_t1_header_is_56_bytes_with_the_synthetic_mark_where_sierra_leaves_zeros() -> None:
    header = scid_header()
    assert len(header) == 56
    assert header[:20] == bytes.fromhex("53434944 38000000 28000000 0100 0000 00000000".replace(" ", ""))
    assert header[20:] == b"SYNTHETIC trading-platform" + b"\0" * 10
    assert scid_header(synthetic=False)[20:] == b"\0" * 36
    assert SYNTHETIC_MARK == MARK_THE_READER_KNOWS


def test_t1_records_are_laid_out_as_sierra_writes_them() -> None:
    raw = scid_records(three_ticks(), 0.25, 1.0).tobytes()
    assert len(raw) == 3 * 40
    # 3_886_173_439_026_000 is the DateTime that Sierra Chart stores for 2023-02-21 20:37:19.026 UTC.
    assert struct.unpack("<qffffIIII", raw[:40]) == (
        3_886_173_439_026_000,
        0.0,
        4_048.75,
        4_048.0,
        4_048.0,
        1,
        1,
        1,
        0,
    )
    assert struct.unpack_from("<qI", raw, 40) == (3_886_173_482_105_000, 0xFD709EF9)
    assert struct.unpack_from("<qI", raw, 80) == (3_886_173_482_105_001, 0xFD709F01)
    assert struct.unpack_from("<fffIIII", raw, 92) == (0.0, 0.0, 4_048.5, 1, 3, 0, 3)


def test_t5_price_scale_of_one_hundredth_stores_prices_times_hundred() -> None:
    records = scid_records(three_ticks(), 0.25, 0.01)
    assert records["close"].tolist() == [404_800.0, 404_825.0, 404_850.0]
    assert records["high"].tolist() == [404_875.0, 404_825.0, 0.0]


def test_t1_golden_rows_of_a_genuine_file_can_be_rebuilt_byte_for_byte(tmp_path: Path, shared_data: Path) -> None:
    genuine = (shared_data / "sierra" / "real_sample.scid").read_bytes()
    rows = [
        (3_886_173_439_026_000, 0x0, 4048.75, 4048.0, 4048.0, 1, 0),
        (3_886_173_463_699_000, 0x0, 4048.25, 4048.0, 4048.0, 1, 0),
        (3_886_173_470_544_000, 0x0, 4048.25, 4047.5, 4047.5, 1, 0),
        (3_886_173_482_105_000, 0xFD709EF9, 4048.25, 4047.75, 4047.75, 1, 0),
        (3_886_173_482_105_001, 0xFD709F01, 4048.25, 4047.75, 4047.75, 1, 0),
        (3_886_173_492_208_000, 0x0, 4048.5, 4048.0, 4048.0, 1, 0),
        (3_886_173_550_708_000, 0x0, 4047.0, 4046.5, 4047.0, 0, 1),
        (3_886_173_628_608_000, 0x0, 4048.0, 4047.5, 4048.0, 0, 1),
        (3_886_173_652_682_000, 0x0, 4049.0, 4048.5, 4048.5, 1, 0),
        (3_886_173_652_682_001, 0x0, 4049.0, 4048.5, 4048.25, 1, 0),
    ]
    sentinels = {0x0: 0, 0xFD709EF9: 1, 0xFD709F01: 2}
    dt, open_bits, ask, bid, price, bid_volume, ask_volume = (list(column) for column in zip(*rows, strict=True))
    ticks = SimulatedTicks(
        ts_us=np.array(dt) - 25_569 * 86_400_000_000,
        price_ticks=(np.array(price) * 4).astype(np.int64),
        bid_ticks=(np.array(bid) * 4).astype(np.int64),
        ask_ticks=(np.array(ask) * 4).astype(np.int64),
        volume=np.ones(10, dtype=np.uint32),
        bid_volume=np.array(bid_volume, dtype=np.uint32),
        ask_volume=np.array(ask_volume, dtype=np.uint32),
        bundle=np.array([sentinels[bits] for bits in open_bits], dtype=np.uint8),
    )
    path = tmp_path / "rebuilt.scid"
    write_scid(path, scid_records(ticks, 0.25, 1.0), synthetic=False)
    assert path.read_bytes() == genuine


def test_p4_same_seed_gives_the_same_file(tmp_path: Path, market: SimulatedMarket, monday: Session) -> None:
    digests = set()
    for name in ("a.scid", "b.scid"):
        assert write_scid(tmp_path / name, records_of(market, monday)) > 500
        digests.add(hashlib.sha256((tmp_path / name).read_bytes()).hexdigest())
    assert len(digests) == 1


def test_t1_parts_and_whole_give_the_same_file(tmp_path: Path, market: SimulatedMarket, monday: Session) -> None:
    records = records_of(market, monday)
    write_scid(tmp_path / "whole.scid", records)
    rows = write_scid(tmp_path / "parts.scid", iter([records[:100], records[100:100], records[100:]]))
    assert rows == len(records)
    assert (tmp_path / "parts.scid").read_bytes() == (tmp_path / "whole.scid").read_bytes()


def test_t1_a_failed_write_keeps_the_old_file_and_leaves_no_temporary(
    tmp_path: Path, market: SimulatedMarket, monday: Session
) -> None:
    path = tmp_path / "ESM25_FUT_CME.scid"
    records = records_of(market, monday)
    write_scid(path, records)
    before = path.read_bytes()

    def broken() -> object:
        yield records[:10]
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_scid(path, broken())
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_t1_an_identical_file_is_left_alone_when_asked(
    tmp_path: Path, market: SimulatedMarket, monday: Session
) -> None:
    path = tmp_path / "ESM25_FUT_CME.scid"
    records = records_of(market, monday)
    write_scid(path, records)
    before = path.stat()
    write_scid(path, records, keep_identical=True)
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    write_scid(path, records[:-1], keep_identical=True)
    assert path.stat().st_size == before.st_size - 40


def test_t1_records_of_another_layout_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="Expected records of 40 bytes"):
        write_scid(tmp_path / "x.scid", np.zeros(3, dtype=[("dt", "<i8")]))
    assert list(tmp_path.iterdir()) == []


def test_t3_append_keeps_every_old_byte(tmp_path: Path, market: SimulatedMarket, monday: Session) -> None:
    path = tmp_path / "ESM25_FUT_CME.scid"
    records = records_of(market, monday)
    assert append_scid(path, records[:100]) == 56 + 100 * 40
    before = path.read_bytes()
    assert append_scid(path, records[100:]) == 56 + len(records) * 40
    assert path.read_bytes()[: len(before)] == before
    np.testing.assert_array_equal(np.fromfile(path, dtype=SCID_RECORD, offset=56), records)


def test_t3_append_after_a_torn_record_is_refused(tmp_path: Path, market: SimulatedMarket, monday: Session) -> None:
    path = tmp_path / "ESM25_FUT_CME.scid"
    records = records_of(market, monday)
    append_scid(path, records[:100])
    with path.open("ab") as file:
        file.write(b"\x01" * 17)
    with pytest.raises(ValueError, match="17 bytes into the next one"):
        append_scid(path, records[100:])
    assert path.stat().st_size == 56 + 100 * 40 + 17


def test_t3_live_append_tears_records_and_ends_with_the_same_bytes(
    tmp_path: Path, market: SimulatedMarket, friday: Session, monday: Session
) -> None:
    live, whole = tmp_path / "live.scid", tmp_path / "whole.scid"
    for path in (live, whole):
        append_scid(path, records_of(market, friday))
    before = live.read_bytes()
    sizes = []
    for size in append_live(live, market, monday, M25, price_scale=0.01, activity_share=0.05, max_append_bytes=500):
        assert size == live.stat().st_size
        sizes.append(size)
    append_scid(whole, records_of(market, monday))
    assert live.read_bytes() == whole.read_bytes()
    assert live.read_bytes()[: len(before)] == before
    assert np.diff(sizes).max() <= 500
    assert np.mean([(size - 56) % 40 != 0 for size in sizes]) > 0.9


def test_t3_live_append_writes_nothing_before_it_is_stepped(
    tmp_path: Path, market: SimulatedMarket, monday: Session
) -> None:
    path = tmp_path / "live.scid"
    steps = append_live(path, market, monday, M25, price_scale=0.01, activity_share=0.05, seed=3)
    assert not path.exists()
    first = next(steps)
    assert path.stat().st_size == first
    assert 56 < first <= 56 + 4_096
