"""Taking one partition out of the lake.

Belongs here: what a partition consists of on the disk, and its removal in an order that survives a crash. Does not belong here: whether it
may go (``jobs/forget.py``), files that a killed writer left (``local.py``).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

from .files import FileOperations, lake_failure, locked_folder
from .local import LocalLake


@dataclass(frozen=True, slots=True)
class StoredFiles:
    """The files of one partition that are there.

    Attributes:
        rows: the partition itself; None if it has no file.
        refused: quarantine file and refused rows of the last failed attempt, those that exist.
        size_bytes: of all of them together.
    """

    rows: Path | None
    refused: tuple[Path, ...]
    size_bytes: int

    @property
    def paths(self) -> tuple[Path, ...]:
        """Return all files, in the order in which they are to go."""
        return (*([] if self.rows is None else [self.rows]), *self.refused)


def stored_files(lake: LocalLake, dataset: str, symbol: str, trade_date: date) -> StoredFiles:
    """Return the files of a partition; nothing is opened."""
    part = lake.path(dataset, symbol, trade_date)
    beside = (
        lake.quarantine_path(dataset, symbol, trade_date),
        lake.failed_rejects_path(dataset, symbol, trade_date),
    )
    refused = tuple(path for path in beside if path.is_file())
    rows = part if part.is_file() else None
    size_bytes = sum(path.stat().st_size for path in (*refused, *([] if rows is None else [rows])))
    return StoredFiles(rows, refused, size_bytes)


def remove_partition(
    lake: LocalLake, dataset: str, symbol: str, trade_date: date, files: FileOperations | None = None
) -> int:
    """Delete the files of a partition and its empty folders; each step is durable before the next.

    The rows go first: without them the day counts as missing and is made anew, quarantine and all. The other order could leave rows whose
    quarantine file is gone, and nobody would notice.

    Args:
        lake: where it is.
        dataset: dataset of the partition.
        symbol: symbol of the partition.
        trade_date: trade date of the partition.
        files: operations of the operating system, replaced in fault tests.

    Returns:
        Bytes that were freed; 0 if there was nothing.

    Raises:
        LakeError: E501 someone else writes it; E503, E504 the disk refuses: what is left is removed by the next call.
    """
    operations = FileOperations() if files is None else files
    folder = lake.path(dataset, symbol, trade_date).parent
    if folder.is_dir():
        with locked_folder(folder, 0.0):
            return _remove(stored_files(lake, dataset, symbol, trade_date), folder, operations)
    return _remove(stored_files(lake, dataset, symbol, trade_date), folder, operations)


def _remove(stored: StoredFiles, folder: Path, operations: FileOperations) -> int:
    try:
        for path in stored.paths:
            path.unlink(missing_ok=True)
            operations.fsync_directory(path.parent)
        for directory in dict.fromkeys((folder, *(path.parent for path in stored.refused))):
            _remove_empty(directory, operations)
    except OSError as error:
        state = "files that are still there stay readable; the same command removes the rest"
        raise lake_failure(error, Path(error.filename or folder), 0, state) from error
    return stored.size_bytes


def _remove_empty(directory: Path, operations: FileOperations) -> None:
    """Delete a ``date=`` folder unless something else lies in it."""
    if directory.is_dir() and not any(directory.iterdir()):
        directory.rmdir()
        operations.fsync_directory(directory.parent)
