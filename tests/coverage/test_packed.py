"""Caches that are damaged, foreign or unwritable count as not there."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from trading_platform.coverage.files import DTYPE
from trading_platform.coverage.packed import Packed, load, save


def sample() -> Packed:
    table = np.zeros(5, DTYPE)
    table["day"] = range(5)
    table["upstream"][3, 2] = 9
    return Packed({"texts": ["", "é"]}, {"table": table, "other": np.arange(3).view([("n", "<i8")])})


def test_packed_arrays_and_header_come_back(tmp_path: Path) -> None:
    save(tmp_path / "a" / "file", "key", sample())
    found = load(tmp_path / "a" / "file", "key")
    assert found is not None
    assert found.header == {"texts": ["", "é"]}
    assert found.arrays["table"].dtype == DTYPE
    assert (found.arrays["table"] == sample().arrays["table"]).all()
    assert found.arrays["other"]["n"].tolist() == [0, 1, 2]
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["file"]


def test_packed_file_of_another_key_or_cut_anywhere_is_none(tmp_path: Path) -> None:
    path = tmp_path / "file"
    save(path, "key", sample())
    assert load(path, "other key") is None
    whole = path.read_bytes()
    for length in (*range(12), len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        assert load(path, "key") is None, length
    path.write_bytes(whole + b"x")
    assert load(path, "key") is None


def test_packed_file_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "folder").write_text("a file")
    save(tmp_path / "folder" / "file", "key", sample())
    assert load(tmp_path / "folder" / "file", "key") is None
