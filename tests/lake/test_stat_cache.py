"""The cache of source hashes."""

from __future__ import annotations

import os
import subprocess
import sys

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
