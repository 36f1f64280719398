"""Where a window lies, whatever the file looks like."""

from __future__ import annotations

import errno
import itertools
import os
import random
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trading_platform.sierra import index as index_module
from trading_platform.sierra.format import Timing
from trading_platform.sierra.index import FileState, ScidIndex, load_index

from .scid_bytes import HEADER, OFFSET_US, ZERO_RECORD, legacy, record, us, write

NOW = datetime(2025, 11, 20, tzinfo=UTC)
T0 = us("2025-09-02T14:00:00")
SECOND = 1_000_000


def times(index: ScidIndex, ranges: list[tuple[int, int]]) -> list[int]:
    return [int(dt) - OFFSET_US for a, b in ranges for dt in index.file.read(a, b)["dt"]]


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(-5, 20), min_size=0, max_size=300),
    st.integers(-100, 2_000),
    st.integers(0, 1_500),
)
def test_t6_bisect_equals_a_full_scan_also_where_time_decreases(
    tmp_path_factory: pytest.TempPathFactory, steps: list[int], start: int, length: int
) -> None:
    stamps = (T0 + np.cumsum(np.array(steps, np.int64)) * SECOND).tolist()
    path = write(tmp_path_factory.mktemp("scid") / "a.scid", [record(ts) for ts in stamps])
    index = load_index(path, None, NOW)
    begin, end = T0 + start * SECOND, T0 + (start + length) * SECOND
    ranges = index.ranges(begin, end)
    assert times(index, ranges) == [ts for ts in stamps if begin <= ts < end]
    assert all(a < b for a, b in ranges)
    assert all(b < c for (_, b), (c, _) in itertools.pairwise(ranges))


def test_t6_appended_records_extend_the_index_without_a_new_scan(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "a.scid", [record(T0 + i * SECOND) for i in range(5_000)])
    before = load_index(path, cache, NOW)
    with path.open("ab") as handle:
        handle.write(b"".join(record(T0 + i * SECOND) for i in range(5_000, 6_000)) + b"torn")
    scanned: list[int] = []
    genuine = index_module.extend_scan
    monkeypatch.setattr(
        index_module,
        "extend_scan",
        lambda file, state, latest: (scanned.append(state.count), genuine(file, state, latest)),
    )
    after = load_index(path, cache, NOW)
    assert scanned == [5_000]
    assert after.segments.tolist() == [[0, 6_000, T0, T0 + 5_999 * SECOND]]
    assert after.generation == before.generation
    assert after.generation_status.st_mtime_ns == before.generation_status.st_mtime_ns
    assert load_index(path, cache, NOW).segments.tolist() == after.segments.tolist()
    assert scanned == [5_000]


@pytest.mark.parametrize("change", ["rewritten", "truncated", "edited"])
def test_t6_any_other_change_starts_a_new_generation(tmp_path: Path, cache: Path, change: str) -> None:
    path = write(tmp_path / "a.scid", [record(T0 + i * SECOND) for i in range(5_000)])
    before = load_index(path, cache, NOW)
    stamps = [T0 + i * SECOND for i in range(5_000)]
    if change == "rewritten":
        stamps = [ts + 3_600 * SECOND for ts in stamps] + [T0 + 9_000 * SECOND]
    elif change == "truncated":
        stamps = stamps[:4_000]
    else:
        stamps[2_500] += SECOND // 2  # same size, far from the tail
    os.utime(write(path, [record(ts) for ts in stamps]), ns=(1, 1))
    after = load_index(path, cache, NOW, known=before)
    assert after.generation != before.generation
    assert times(after, after.ranges(0, 2**60)) == stamps
    assert load_index(path, None, NOW).segments.tolist() == after.segments.tolist()


@pytest.mark.parametrize("inode", [2**63 + 7, 2**100 + 7])
def test_t6_inode_beyond_64_bits_can_be_cached(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, inode: int
) -> None:
    path = write(tmp_path / "a.scid", [record(T0 + i * SECOND) for i in range(50)])
    genuine = FileState.of

    def large(status: os.stat_result) -> FileState:
        known = {name: getattr(status, name) for name in ("st_size", "st_mtime_ns", "st_ctime_ns")}
        return genuine(SimpleNamespace(**known, st_ino=inode))  # type: ignore[arg-type]

    monkeypatch.setattr(FileState, "of", large)
    first = load_index(path, cache, NOW)
    monkeypatch.setattr(index_module, "extend_scan", None)  # a second scan would fail
    assert load_index(path, cache, NOW).segments.tolist() == first.segments.tolist()


def test_t6_damaged_cache_is_scanned_again(tmp_path: Path, cache: Path) -> None:
    path = write(tmp_path / "a.scid", [record(T0)])
    load_index(path, cache, NOW)
    (stored,) = cache.glob("*.npz")
    stored.write_bytes(b"not an archive")
    assert load_index(path, cache, NOW).record_count == 1
    assert not list(cache.glob(".*"))


def test_t6_cache_that_cannot_be_written_costs_a_scan_and_nothing_else(tmp_path: Path, cache: Path) -> None:
    path = write(tmp_path / "a.scid", [record(T0)])
    cache.write_text("a file where the folder should be")
    first = load_index(path, cache, NOW)
    assert (first.record_count, first.generation_status) == (1, first.file.stat)
    assert load_index(path, cache, NOW, known=first) is first
    cache.unlink()
    again = load_index(path, cache, NOW)
    assert again.segments.tolist() == first.segments.tolist()
    assert again.generation_status.st_ino != again.file.stat.st_ino
    assert len(list(cache.iterdir())) == 2


@pytest.mark.parametrize("refused", ["generation", "npz"])
def test_t6_index_is_kept_with_the_marker_of_its_generation_or_not_at_all(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, refused: str
) -> None:
    path = write(tmp_path / "a.scid", [record(T0)])
    replace = Path.replace

    def full(self: Path, target: Path) -> Path:
        if target.suffix == f".{refused}":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return replace(self, target)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", full)
        assert load_index(path, cache, NOW).record_count == 1
    assert not list(cache.glob("*.npz"))
    assert not list(cache.glob(".*"))
    status = load_index(path, cache, NOW).generation_status
    (marker,) = cache.glob("*.generation")
    assert status.st_ino == marker.stat().st_ino


def test_t4_zero_tail_is_not_yet_written_and_continues_when_it_is(tmp_path: Path, cache: Path) -> None:
    path = write(tmp_path / "a.scid", [record(T0), record(T0 + 1)], tail=ZERO_RECORD * 3)
    index = load_index(path, cache, NOW)
    assert (index.record_count, index.zero_tail, index.bad_runs) == (2, 3, ())
    write(path, [record(T0 + i) for i in range(4)], tail=ZERO_RECORD)
    after = load_index(path, cache, NOW, known=index)
    assert (after.record_count, after.zero_tail) == (4, 1)
    assert after.generation == index.generation


def test_t4_bad_records_are_found_with_kind_and_neighbours(tmp_path: Path) -> None:
    future = us("2025-11-22T00:00:00")
    path = write(
        tmp_path / "a.scid",
        [record(T0), ZERO_RECORD, record(us("1989-12-31T23:59:59")), legacy(45_000.5), record(T0 + 1), record(future)],
    )
    index = load_index(path, None, NOW)
    assert [(run.first, run.stop, run.timing) for run in index.bad_runs] == [
        (1, 2, Timing.ZERO_RECORD),
        (2, 3, Timing.IMPLAUSIBLE),
        (3, 4, Timing.LEGACY_DATE),
        (5, 6, Timing.IMPLAUSIBLE),
    ]
    assert [(run.previous_us, run.next_us) for run in index.bad_runs] == [(T0, T0 + 1)] * 3 + [(T0 + 1, None)]
    assert index.ranges(0, 2**60) == [(0, 1), (4, 5)]


def test_t4_record_from_the_future_becomes_good_when_its_time_has_come(tmp_path: Path, cache: Path) -> None:
    future = us("2025-11-22T00:00:00")
    path = write(tmp_path / "a.scid", [record(T0), record(future)])
    assert len(load_index(path, cache, NOW).bad_runs) == 1
    later = load_index(path, cache, datetime(2025, 11, 21, tzinfo=UTC))
    assert later.bad_runs == ()
    assert later.last_us == future


@pytest.mark.parametrize("seed", range(8))
def test_t4_garbage_never_moves_records_to_other_times(tmp_path: Path, seed: int) -> None:
    source = random.Random(seed)
    stamps = [T0 + i * SECOND for i in range(3_000)]
    whole = bytearray(HEADER + b"".join(record(ts) for ts in stamps))
    begin = 56 + 40 * 1_000 + source.randrange(40)
    end = begin + 4_000 + source.randrange(400)
    whole[begin:end] = source.randbytes(end - begin)
    path = tmp_path / "a.scid"
    path.write_bytes(whole)
    index = load_index(path, None, NOW)
    assert set(times(index, index.ranges(0, 2**60))) <= set(stamps)
    lost = sum(run.stop - run.first for run in index.bad_runs)
    assert 95 <= lost <= 115


@pytest.mark.parametrize("days", [-5, 5])
def test_t4_torn_date_at_the_end_of_damage_joins_the_damage(tmp_path: Path, days: int) -> None:
    good = [record(T0 + i) for i in range(100)]
    torn = record(T0 + days * 86_400 * SECOND)
    path = write(tmp_path / "a.scid", [*good[:50], b"\xff" * 40, torn, *good[50:]])
    index = load_index(path, None, NOW)
    assert index.ranges(0, 2**60) == [(0, 50), (52, 102)]
    assert [(run.first, run.stop, run.timing) for run in index.bad_runs] == [
        (50, 51, Timing.IMPLAUSIBLE),
        (51, 52, Timing.PLAUSIBLE),
    ]
