"""The cache of source hashes."""

from __future__ import annotations

import os
import subprocess
import sys
from types import SimpleNamespace

import pytest

from trading_platform.lake import StatCache

KEY, HASH = "MNQZ25.scid:0-100", "a" * 64


def test_p8_hash_is_remembered_as_long_as_the_file_is_unchanged(tmp_path):
    source = tmp_path / "source"
    source.write_bytes(b"1234")
    cache = StatCache(tmp_path / "cache" / "stat.sqlite")
    assert cache.get(KEY, source.stat()) is None
    cache.put(KEY, source.stat(), HASH)
    assert cache.get(KEY, source.stat()) == HASH
    assert cache.get("another key", source.stat()) is None
    with source.open("ab") as file:
        file.write(b"5")
    assert cache.get(KEY, source.stat()) is None
    cache.put(KEY, source.stat(), "b" * 64)
    assert cache.get(KEY, source.stat()) == "b" * 64


def test_p8_edit_in_place_with_the_time_set_back_is_noticed(tmp_path):
    source = tmp_path / "source"
    source.write_bytes(b"1234")
    status = source.stat()
    cache = StatCache(tmp_path / "stat.sqlite")
    cache.put(KEY, status, HASH)
    while source.stat().st_ctime_ns == status.st_ctime_ns:
        source.write_bytes(b"4321")
        os.utime(source, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert source.stat().st_mtime_ns == status.st_mtime_ns
    assert cache.get(KEY, source.stat()) is None


def test_p8_cache_survives_its_process_and_is_shared(tmp_path):
    source = tmp_path / "source"
    source.write_bytes(b"1234")
    here = StatCache(tmp_path / "stat.sqlite")
    script = (
        "import sys; from pathlib import Path; from trading_platform.lake.stat_cache import StatCache;"
        "StatCache(Path(sys.argv[1])).put(sys.argv[3], Path(sys.argv[2]).stat(), 'c' * 64)"
    )
    subprocess.run([sys.executable, "-c", script, tmp_path / "stat.sqlite", source, KEY], check=True)
    assert here.get(KEY, source.stat()) == "c" * 64
    here.close()


def test_p8_damaged_cache_is_replaced_by_an_empty_one(tmp_path):
    path = tmp_path / "stat.sqlite"
    path.write_bytes(b"this is no database at all, whatever its name says" * 100)
    cache = StatCache(path)
    assert cache.get(KEY, path.stat()) is None
    cache.put(KEY, path.stat(), HASH)


def filled(path, source, entries=500):
    """Return a cache with so many entries that they lie on several pages."""
    first = StatCache(path)
    for number in range(entries):
        first.put(f"{KEY}/{number}", source.stat(), HASH)
    first.close()
    return StatCache(path)


@pytest.mark.parametrize("operation", ["get", "put"])
def test_p8_page_damaged_after_opening_is_a_miss_and_the_cache_starts_anew(tmp_path, operation):
    source = tmp_path / "source"
    source.write_bytes(b"1234")
    path = tmp_path / "stat.sqlite"
    cache = filled(path, source)
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (path.stat().st_size - 4096))
    if operation == "get":
        assert cache.get(f"{KEY}/7", source.stat()) is None
    cache.put(f"{KEY}/7", source.stat(), HASH)
    cache.put(f"{KEY}/8", source.stat(), HASH)
    assert cache.get(f"{KEY}/8", source.stat()) == HASH
    cache.close()
    again = StatCache(path)
    assert again.get(f"{KEY}/8", source.stat()) == HASH
    assert again.get(f"{KEY}/9", source.stat()) is None


def test_p8_full_disk_only_costs_the_memory_of_a_hash(tmp_path):
    source = tmp_path / "source"
    source.write_bytes(b"1234")
    cache = filled(tmp_path / "stat.sqlite", source)
    cache._database.execute("PRAGMA max_page_count = 1")  # rounded up to the present size
    for number in range(500):
        cache.put(f"new/{number}", source.stat(), HASH)
    assert cache.get(f"{KEY}/7", source.stat()) == HASH
    assert cache.get("new/499", source.stat()) is None


@pytest.mark.parametrize("inode", [2**63, 2**64 - 1, 2**100])
def test_p8_inode_beyond_64_bits_is_remembered_exactly(tmp_path, inode):
    def status(number):
        return SimpleNamespace(st_size=4, st_mtime_ns=1, st_ctime_ns=2, st_ino=number)

    cache = StatCache(tmp_path / "stat.sqlite")
    cache.put(KEY, status(inode), HASH)
    assert cache.get(KEY, status(inode)) == HASH
    assert cache.get(KEY, status(inode - 1)) is None


def test_p8_key_that_is_no_unicode_is_a_miss(tmp_path):
    cache = StatCache(tmp_path / "stat.sqlite")
    key = os.fsdecode(b"\xff.scid")
    cache.put(key, tmp_path.stat(), HASH)
    assert cache.get(key, tmp_path.stat()) is None


def test_p8_closed_cache_is_a_miss(tmp_path):
    cache = StatCache(tmp_path / "stat.sqlite")
    cache.close()
    cache.put(KEY, tmp_path.stat(), HASH)
    assert cache.get(KEY, tmp_path.stat()) is None


def test_p8_folder_that_takes_no_file_leaves_a_cache_that_remembers_nothing(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    cache = StatCache(tmp_path / "file" / "stat.sqlite")
    cache.put(KEY, tmp_path.stat(), HASH)
    assert cache.get(KEY, tmp_path.stat()) is None
