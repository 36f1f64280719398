"""Opening and reading ``.depth`` files that may be damaged or growing."""

from __future__ import annotations

import random
import struct
import threading
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from trading_platform.errors import SourceError
from trading_platform.lake import SourceChangedError
from trading_platform.sierra.depth.file import DepthFile
from trading_platform.sierra.index import load_index

from ..scid_bytes import us
from .depth_bytes import HEADER, ZERO_RECORD, modify, snapshot, write

NOW = datetime(2025, 11, 20, tzinfo=UTC)
BEGIN = us("2025-11-03T14:30:00")


def refusal(path: Path) -> SourceError:
    with pytest.raises(SourceError) as caught:
        DepthFile(path)
    return caught.value


@pytest.mark.parametrize("size", [0, 3, 4, 15])
def test_t6_file_shorter_than_its_header_is_e221(tmp_path: Path, size: int) -> None:
    path = tmp_path / "a.depth"
    path.write_bytes(HEADER[:size])
    assert refusal(path).code == "E221"


@pytest.mark.parametrize("magic", [b"SCID", b"PK\x03\x04"])
def test_t6_wrong_magic_is_e222_and_both_magics_are_named(tmp_path: Path, magic: bytes) -> None:
    error = refusal(write(tmp_path / "a.depth", [], header=magic + HEADER[4:]))
    assert error.code == "E222"
    assert "SCDD" in error.what
    assert repr(magic) in error.what
    assert "SCID" in error.why


@pytest.mark.parametrize(("offset", "value"), [(4, 15), (4, 10_000), (8, 40), (8, 0)])
def test_t6_wrong_header_or_record_size_is_e223(tmp_path: Path, offset: int, value: int) -> None:
    header = bytearray(HEADER)
    header[offset : offset + 4] = value.to_bytes(4, "little")
    assert refusal(write(tmp_path / "a.depth", [modify(BEGIN)], header=bytes(header))).code == "E223"


def test_t6_folder_or_missing_file_is_e224(tmp_path: Path) -> None:
    assert refusal(tmp_path).code == "E224"
    assert refusal(tmp_path / "absent.depth").code == "E224"


@pytest.mark.parametrize("size", [16, 40, 64, 96])
def test_t6_header_size_of_the_file_is_honoured(tmp_path: Path, size: int) -> None:
    header = (HEADER[:4] + struct.pack("<I", size) + HEADER[8:] + b"\xff" * 64)[:size]
    file = DepthFile(write(tmp_path / "a.depth", [modify(BEGIN), modify(BEGIN + 7)], header=header))
    assert (file.record_count, file.remainder_bytes, file.synthetic) == (2, 0, False)
    assert [file.timestamp_us(0), file.timestamp_us(1)] == [BEGIN, BEGIN + 7]


def test_t6_header_alone_is_a_valid_file_without_records(tmp_path: Path) -> None:
    assert DepthFile(write(tmp_path / "a.depth", [])).record_count == 0


def test_t6_truncation_at_every_byte_of_the_last_records_loses_only_torn_ones(tmp_path: Path) -> None:
    content = HEADER + b"".join(snapshot(BEGIN))
    path = tmp_path / "a.depth"
    for cut in range(1, 3 * 24 + 1):
        path.write_bytes(content[: len(content) - cut])
        with DepthFile(path) as file:
            assert file.record_count == 7 - -(-cut // 24)
            assert file.remainder_bytes == -cut % 24
            assert file.read(0, file.record_count).tobytes() == content[64 : 64 + 24 * file.record_count]


def test_t6_zero_filled_tail_is_not_written_yet(tmp_path: Path) -> None:
    path = write(tmp_path / "a.depth", [*snapshot(BEGIN), *[ZERO_RECORD] * 3], tail=bytes(11))
    index = load_index(path, None, NOW, open_file=DepthFile)
    assert (index.record_count, index.zero_tail, index.bad_runs) == (7, 3, ())


def test_t6_file_that_shrinks_while_it_is_read_is_e225(tmp_path: Path) -> None:
    path = write(tmp_path / "a.depth", snapshot(BEGIN))
    file = DepthFile(path, sleep=lambda _seconds: None)
    path.write_bytes(HEADER)
    with pytest.raises(SourceChangedError) as caught:
        file.read(0, 7)
    assert caught.value.code == "E225"


def test_t6_live_writer_never_shows_a_torn_record(tmp_path: Path) -> None:
    content = b"".join(modify(BEGIN + i, 6800.0 + 0.25 * (i % 40), i) for i in range(5_000))
    path = write(tmp_path / "a.depth", [])
    done = threading.Event()

    def append() -> None:
        steps = random.Random(6)
        with path.open("ab", buffering=0) as handle:
            at = 0
            while at < len(content):
                at += handle.write(content[at : at + steps.randint(1, 900)])
        done.set()

    writer = threading.Thread(target=append)
    writer.start()
    torn, finished = 0, False
    while not finished:
        finished = done.is_set()  # one more look after the last write
        with DepthFile(path) as file:
            torn += file.read(0, file.record_count).tobytes() != content[: 24 * file.record_count]
    writer.join()
    with DepthFile(path) as file:
        assert (torn, file.record_count) == (0, 5_000)
        assert np.array_equal(file.read(0, 5_000)["quantity"], np.arange(5_000))
