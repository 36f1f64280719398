"""Opening and reading files that may be damaged or growing."""

from __future__ import annotations

import os
import random
import threading
from pathlib import Path

import numpy as np
import pytest

from trading_platform.errors import SourceError
from trading_platform.lake import SourceChangedError
from trading_platform.sierra.scid import ScidFile

from .scid_bytes import HEADER, OFFSET_US, golden_records, record, write


def refusal(path: Path) -> SourceError:
    with pytest.raises(SourceError) as caught:
        ScidFile(path)
    return caught.value


@pytest.mark.parametrize("size", [0, 1, 3, 40, 55])
def test_t4_file_shorter_than_its_header_is_e200(tmp_path: Path, size: int) -> None:
    path = tmp_path / "ESH23.scid"
    path.write_bytes(HEADER[:size])
    assert refusal(path).code == "E200"


@pytest.mark.parametrize("magic", [b"SCDD", b"PK\x03\x04"])
def test_t4_wrong_magic_is_e201_and_both_magics_are_named(tmp_path: Path, magic: bytes) -> None:
    error = refusal(write(tmp_path / "a.scid", [], header=magic + HEADER[4:]))
    assert error.code == "E201"
    assert "SCID" in error.what
    assert repr(magic) in error.what
    assert "SCDD" in error.why


@pytest.mark.parametrize(("offset", "value"), [(4, 55), (4, 10_000), (8, 24), (8, 0)])
def test_t4_wrong_header_or_record_size_is_e202(tmp_path: Path, offset: int, value: int) -> None:
    header = bytearray(HEADER)
    header[offset : offset + 4] = value.to_bytes(4, "little")
    assert refusal(write(tmp_path / "a.scid", [record(0)], header=bytes(header))).code == "E202"


def test_t4_folder_or_missing_file_is_e203(tmp_path: Path) -> None:
    assert refusal(tmp_path).code == "E203"
    assert refusal(tmp_path / "absent.scid").code == "E203"


def test_t4_longer_header_is_honoured(tmp_path: Path) -> None:
    header = HEADER[:4] + (96).to_bytes(4, "little") + HEADER[8:] + b"\xff" * 40
    file = ScidFile(write(tmp_path / "a.scid", golden_records(), header=header))
    assert file.record_count == 10
    assert file.timestamp_us(0) == 3886173439026000 - OFFSET_US


def test_t4_header_only_is_a_valid_file_without_records(tmp_path: Path) -> None:
    file = ScidFile(write(tmp_path / "a.scid", []))
    assert (file.record_count, file.remainder_bytes) == (0, 0)
    assert len(file.read(0, 0)) == 0


def test_t4_genuine_bytes_are_rebuilt_exactly(shared_data: Path, tmp_path: Path) -> None:
    genuine = (shared_data / "sierra" / "real_sample.scid").read_bytes()
    assert write(tmp_path / "a.scid", golden_records()).read_bytes() == genuine


def test_t3_truncation_at_every_byte_of_the_last_three_records_gives_whole_records_only(tmp_path: Path) -> None:
    whole = HEADER + b"".join(golden_records())
    path = tmp_path / "a.scid"
    for size in range(len(whole) - 120, len(whole) + 1):
        path.write_bytes(whole[:size])
        with ScidFile(path) as file:
            expected = (size - 56) // 40
            assert (file.record_count, file.remainder_bytes) == (expected, (size - 56) % 40)
            assert file.read(0, expected).tobytes() == whole[56 : 56 + expected * 40]


def test_t3_reading_beyond_the_records_seen_at_opening_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.scid", golden_records())
    file = ScidFile(path)
    write(path, golden_records() * 2)
    with pytest.raises(IndexError, match="11"):
        file.read(5, 11)


def test_t3_file_that_shrinks_under_the_reader_is_e204_after_retries(tmp_path: Path) -> None:
    path = write(tmp_path / "a.scid", golden_records())
    pauses: list[float] = []
    file = ScidFile(path, sleep=pauses.append)
    os.truncate(path, 56 + 80)
    with pytest.raises(SourceChangedError) as caught:
        file.read(0, 1)
    assert caught.value.code == "E204"
    assert len(pauses) == 2
    with pytest.raises(SourceChangedError):
        file.timestamp_us(9)


def test_t3_file_that_shrinks_and_recovers_is_read_again(tmp_path: Path) -> None:
    path = write(tmp_path / "a.scid", golden_records())
    whole = path.read_bytes()
    file = ScidFile(path, sleep=lambda _seconds: path.write_bytes(whole) and None)
    os.truncate(path, 100)
    assert file.read(0, 10).tobytes() == whole[56:]


def test_t3_live_appender_of_random_byte_counts_never_yields_a_torn_record(tmp_path: Path) -> None:
    path = write(tmp_path / "a.scid", [])
    stream = b"".join(record(i, close=float(i % 1000 + 1), buy=i % 7 + 1) for i in range(20_000))
    source = random.Random(3)
    done = threading.Event()
    # The reader hands out leave for some writes per look, so that neither side is through before the other has begun.
    leave = threading.Semaphore(20)

    def append() -> None:
        at = 0
        with path.open("ab", buffering=0) as handle:
            while at < len(stream):
                leave.acquire()
                step = source.randint(1, 997)
                handle.write(stream[at : at + step])
                at += step
        done.set()

    writer = threading.Thread(target=append)
    writer.start()
    partial = 0
    while not done.is_set():
        with ScidFile(path) as file:
            leave.release(5)
            partial += file.remainder_bytes > 0
            first = max(0, file.record_count - 500)
            assert file.read(first, file.record_count).tobytes() == stream[first * 40 : file.record_count * 40]
    writer.join()
    with ScidFile(path) as file:
        assert file.record_count == 20_000
        assert file.read(0, 20_000).tobytes() == stream
    assert partial > 100


def test_t3_streamed_blocks_cover_every_record_once(tmp_path: Path) -> None:
    path = write(tmp_path / "a.scid", [record(i) for i in range(1_000)])
    with ScidFile(path) as file:
        seen = np.concatenate([block["dt"].copy() for _, block in file.stream(10, 900, block_records=64)])
    assert (seen - OFFSET_US).tolist() == list(range(10, 900))
