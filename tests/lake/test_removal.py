"""Taking a partition out of the lake: what goes, in which order, and what a failing disk leaves (M2)."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from trading_platform.errors import LakeError
from trading_platform.lake import LocalLake
from trading_platform.lake.files import FileOperations, locked_folder
from trading_platform.lake.removal import remove_partition, stored_files

DAY = date(2025, 3, 11)


@pytest.fixture
def lake(tmp_path: Path) -> LocalLake:
    """Return a lake with one day of ticks, its quarantine file and the refused rows of a later attempt."""
    made = LocalLake(tmp_path / "lake")
    for path, size in (
        (made.path("ticks", "MNQ", DAY), 100),
        (made.quarantine_path("ticks", "MNQ", DAY), 20),
        (made.failed_rejects_path("ticks", "MNQ", DAY), 3),
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(size))
    return made


def test_m2_rows_go_before_refused_rows_and_empty_folders_after_them(lake: LocalLake) -> None:
    steps: list[str] = []

    class Listens(FileOperations):
        def fsync_directory(self, directory: Path) -> None:
            left = stored_files(lake, "ticks", "MNQ", DAY)
            steps.append(f"{'rows ' if left.rows else ''}{len(left.refused)} refused")
            super().fsync_directory(directory)

    assert stored_files(lake, "ticks", "MNQ", DAY).size_bytes == 123
    assert remove_partition(lake, "ticks", "MNQ", DAY, Listens()) == 123
    assert steps == ["2 refused", "1 refused", "0 refused", "0 refused", "0 refused"]
    assert not lake.path("ticks", "MNQ", DAY).parent.exists()
    assert not lake.quarantine_path("ticks", "MNQ", DAY).parent.exists()
    assert lake.path("ticks", "MNQ", DAY).parent.parent.is_dir()


def test_m2_files_of_a_person_stay(lake: LocalLake) -> None:
    notes = lake.path("ticks", "MNQ", DAY).with_name("notes.txt")
    notes.write_text("mine")
    remove_partition(lake, "ticks", "MNQ", DAY)
    assert notes.read_text() == "mine"


def test_m2_removing_nothing_is_no_error(lake: LocalLake) -> None:
    remove_partition(lake, "ticks", "MNQ", DAY)
    assert remove_partition(lake, "ticks", "MNQ", DAY) == 0
    assert remove_partition(lake, "bars_1m", "ES", DAY) == 0


@pytest.mark.parametrize("failing_step", range(5))
def test_m2_a_failing_disk_is_e503_and_the_next_call_removes_the_rest(lake: LocalLake, failing_step: int) -> None:
    class Refuses(FileOperations):
        step = 0

        def fsync_directory(self, directory: Path) -> None:
            self.step += 1
            if self.step > failing_step:
                raise OSError(5, "Input/output error", str(directory))

    with pytest.raises(LakeError) as raised:
        remove_partition(lake, "ticks", "MNQ", DAY, Refuses())
    assert raised.value.code == "E503"
    assert not lake.exists("ticks", "MNQ", DAY)  # never rows without their quarantine file
    remove_partition(lake, "ticks", "MNQ", DAY)
    assert stored_files(lake, "ticks", "MNQ", DAY).paths == ()


def test_m2_a_partition_that_is_being_written_is_e501(lake: LocalLake) -> None:
    writing = locked_folder(lake.path("ticks", "MNQ", DAY).parent, 0.0)
    with writing, pytest.raises(LakeError) as raised:
        remove_partition(lake, "ticks", "MNQ", DAY)
    assert raised.value.code == "E501"
    assert lake.exists("ticks", "MNQ", DAY)
