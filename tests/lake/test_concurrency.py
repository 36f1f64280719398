"""Several processes on one lake: kills, readers during replacements, two writers, the sweeper."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from trading_platform.errors import LakeError
from trading_platform.lake import LocalLake
from trading_platform.lake.contracts import TICKS

from .samples import DAY, footer_fields, store, temporaries, tick_table

REPOSITORY = Path(__file__).resolve().parents[2]
SMALL, LARGE = 1_000, 60_000

WRITER = f"""
import sys
from pathlib import Path
from tests.lake.samples import store, tick_table
from trading_platform.lake import LocalLake
lake = LocalLake(Path(sys.argv[1]))
tables = [tick_table({SMALL}), tick_table({LARGE})]
for number in range(int(sys.argv[2])):
    store(lake, tables[number % 2])
    print(number, flush=True)
"""

READER = f"""
import sys
from pathlib import Path
from tests.lake.samples import DAY
from trading_platform.lake import LocalLake
lake = LocalLake(Path(sys.argv[1]))
reads = 0
print("ready", flush=True)
while not (Path(sys.argv[1]) / "stop").exists():
    frame, footer = lake.read("ticks", "MNQ", DAY), lake.footer("ticks", "MNQ", DAY)
    lazily = lake.scan("ticks", "MNQ", DAY).select("seq").collect()
    assert footer.rows in ({SMALL}, {LARGE}), footer.rows
    for rows in (frame, lazily):
        assert rows.height in ({SMALL}, {LARGE}), rows.height
        assert rows["seq"].to_list() == list(range(rows.height))
    reads += 1
print(reads, flush=True)
"""


def start(script: str, *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", script, *map(str, arguments)],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "POLARS_MAX_THREADS": "1"},
    )


@pytest.mark.slow
@pytest.mark.parametrize("kills", [5])
def test_p1_killed_writer_leaves_a_whole_file_and_the_next_one_goes_on(tmp_path, kills):
    lakes = [LocalLake(tmp_path / str(number)) for number in range(kills)]
    writers = [start(WRITER, lake.root, 10_000) for lake in lakes]
    for number, (lake, writer) in enumerate(zip(lakes, writers, strict=True)):
        with writer:
            for _ in range(2 + number):
                assert writer.stdout.readline()
            while not any(path.exists() and path.stat().st_size > 0 for path in temporaries(lake.root)):
                assert writer.poll() is None
            writer.kill()
        stored = lake.read("ticks", "MNQ", DAY)
        assert stored.height in (SMALL, LARGE)
        assert stored["seq"].to_list() == list(range(stored.height))
        assert lake.footer("ticks", "MNQ", DAY).rows == stored.height
        lake.remove_stale_temporaries()
        assert temporaries(lake.root) == []
        store(lake, tick_table(5))
        assert lake.read("ticks", "MNQ", DAY).height == 5


@pytest.mark.slow
@pytest.mark.parametrize("replacements", [500])
def test_p1_reader_never_sees_a_torn_or_missing_file_during_replacements(tmp_path, replacements):
    lake = LocalLake(tmp_path)
    small, large = tick_table(SMALL), tick_table(LARGE)
    store(lake, small)
    with start(READER, tmp_path) as reader:
        assert reader.stdout.readline() == "ready\n"
        for number in range(replacements):
            # Mostly small files, so that the loop is quick; every tenth spans several reads of the other process.
            store(lake, large if number % 10 == 0 else small)
            assert reader.poll() is None
        (tmp_path / "stop").touch()
        reads = reader.stdout.readline()
    assert reader.returncode == 0
    assert int(reads) > 10


def test_p1_second_writer_is_told_who_is_in_the_way_and_the_first_one_wins(tmp_path):
    lake = LocalLake(tmp_path)
    with lake.begin(TICKS, "MNQ", DAY) as first:
        first.append(tick_table(7))
        with pytest.raises(LakeError) as caught:
            store(lake, tick_table(9))
        assert caught.value.code == "E501"
        first.commit(footer_fields())
    assert lake.read("ticks", "MNQ", DAY).height == 7
    store(lake, tick_table(9))
    assert lake.read("ticks", "MNQ", DAY).height == 9


def test_p1_second_writer_may_wait_and_other_partitions_are_free(tmp_path):
    impatient = LocalLake(tmp_path, lock_wait_s=0.1)
    with impatient.begin(TICKS, "MNQ", DAY):
        with pytest.raises(LakeError, match=r"held the partition for 0\.1 s"):
            store(impatient, tick_table(9))
        store(impatient, tick_table(3), symbol="ES")
    assert impatient.read("ticks", "ES", DAY).height == 3


def test_p1_sweeper_removes_only_temporaries_without_a_living_writer(tmp_path):
    lake = LocalLake(tmp_path)
    with lake.begin(TICKS, "MNQ", DAY) as writer:
        abandoned = lake.path("ticks", "ES", DAY).with_name(".part-0.0123.tmp")
        abandoned_reject = lake.quarantine_path("ticks", "ES", DAY).with_name(".part-0.4567.tmp")
        for path in (abandoned, abandoned_reject):
            path.parent.mkdir(parents=True)
            path.write_bytes(b"torn")
        assert lake.remove_stale_temporaries() == 2
        assert len(temporaries(tmp_path)) == 1
        writer.append(tick_table(2))
        writer.commit(footer_fields())
    assert lake.remove_stale_temporaries() == 0
    assert lake.read("ticks", "MNQ", DAY).height == 2


def test_p1_sweeper_spares_a_temporary_that_is_locked_itself(tmp_path):
    import fcntl

    lake = LocalLake(tmp_path)
    temporary = lake.path("ticks", "ES", DAY).with_name(".part-0.0123.tmp")
    temporary.parent.mkdir(parents=True)
    with temporary.open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert lake.remove_stale_temporaries() == 0
    assert lake.remove_stale_temporaries() == 1


def test_p2_next_writer_of_a_partition_deletes_what_a_killed_one_left(tmp_path: Path) -> None:
    lake = LocalLake(tmp_path)
    folder = lake.path("ticks", "MNQ", DAY).parent
    folder.mkdir(parents=True)
    left = folder / ".part-0.0123456789abcdef.tmp"
    left.write_bytes(b"half a file")
    with lake.begin(TICKS, "MNQ", DAY):
        assert not left.exists()
