"""Replacing a file as a whole (P2)."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import BinaryIO

import pytest

from trading_platform.files import replace_file


def refusing(number: int, at_call: int):
    """Return an ``os.fsync`` that fails at its n-th call."""
    calls = iter(range(1, 100))

    def fsync(_: int) -> None:
        if next(calls) == at_call:
            raise OSError(number, os.strerror(number))

    return fsync


def half_written(file: BinaryIO) -> None:
    file.write(b"ne")
    raise ValueError("stopped in the middle")


def test_p2_file_is_replaced_and_its_folder_created(tmp_path: Path) -> None:
    target = tmp_path / "new" / "table.csv"
    for content in (b"old", b"new"):
        replace_file(target, lambda file, content=content: file.write(content))
        assert target.read_bytes() == content
    assert [path.name for path in target.parent.iterdir()] == ["table.csv"]


def test_p2_writer_sees_the_old_file_and_a_temporary_of_its_own(tmp_path: Path) -> None:
    target = tmp_path / "table.csv"
    target.write_bytes(b"old")
    seen = []

    def write(file: BinaryIO) -> None:
        seen.append((target.read_bytes(), Path(file.name)))
        file.write(b"new")

    replace_file(target, write)
    replace_file(target, write, durable=False)
    assert [old for old, _ in seen] == [b"old", b"new"]
    assert seen[0][1] != seen[1][1]
    assert {temporary.parent for _, temporary in seen} == {tmp_path}


def test_p2_writer_that_fails_leaves_the_old_file_and_no_temporary(tmp_path: Path) -> None:
    target = tmp_path / "table.csv"
    target.write_bytes(b"old")
    with pytest.raises(ValueError, match="in the middle"):
        replace_file(target, half_written)
    assert target.read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["table.csv"]


def test_p2_disk_that_refuses_leaves_the_old_file_and_no_temporary(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "table.csv"
    target.write_bytes(b"old")
    monkeypatch.setattr("os.fsync", refusing(errno.ENOSPC, at_call=1))
    with pytest.raises(OSError, match="No space left"):
        replace_file(target, lambda file: file.write(b"new"))
    assert target.read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["table.csv"]


def test_p2_target_that_is_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "table.csv").mkdir()
    with pytest.raises(IsADirectoryError):
        replace_file(tmp_path / "table.csv", lambda file: file.write(b"new"))
    assert [path.name for path in tmp_path.iterdir()] == ["table.csv"]


def test_p2_only_folders_that_cannot_be_synchronised_at_all_are_forgiven(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "table.csv"
    monkeypatch.setattr("os.fsync", refusing(errno.EINVAL, at_call=2))
    replace_file(target, lambda file: file.write(b"new"))
    assert target.read_bytes() == b"new"
    monkeypatch.setattr("os.fsync", refusing(errno.EIO, at_call=2))
    with pytest.raises(OSError, match="Input/output"):
        replace_file(target, lambda file: file.write(b"newer"))


def test_p2_what_may_be_lost_waits_for_no_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.fsync", refusing(errno.EIO, at_call=1))
    replace_file(tmp_path / "cache.bin", lambda file: file.write(b"new"), durable=False)
    assert (tmp_path / "cache.bin").read_bytes() == b"new"
