"""The lake on a local disk.

Belongs here: paths, listing, sweeping, and the narrow protocol behind which an object store can come later. Does not
belong here: how a file is written (``writer.py``) and queried (``reader.py``, ``sql.py``).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import BinaryIO, Literal, Protocol

import polars as pl

from ..errors import LakeError
from . import reader
from .contract import DatasetContract
from .contracts import CONTRACTS
from .files import FileOperations, locked_folder, try_lock
from .footer import Footer, read_footer
from .stream import TEMPORARY_PREFIX, TEMPORARY_SUFFIX
from .writer import FAILED_NAME, PartitionWriter

PART_NAME = "part-0.parquet"
_QUARANTINE = "quarantine"


class Lake(Protocol):
    """What the platform needs from a store of partitions: open, put, exists, list."""

    def open(self, dataset: str, symbol: str, trade_date: date) -> BinaryIO:
        """Open the file of a partition for reading."""
        ...

    def begin(self, contract: DatasetContract, symbol: str, trade_date: date) -> PartitionWriter:
        """Start to write a partition; nothing changes before the writer commits."""
        ...

    def exists(self, dataset: str, symbol: str, trade_date: date) -> bool:
        """Tell whether the partition has a file."""
        ...

    def days(self, dataset: str, symbol: str) -> list[date]:
        """List the trade dates that have a file, ascending."""
        ...

    def footer(self, dataset: str, symbol: str, trade_date: date) -> Footer | None:
        """Read what a partition says about itself, or None."""
        ...

    def path(self, dataset: str, symbol: str, trade_date: date) -> Path:
        """Return where the partition lies or would lie."""
        ...

    def read(
        self,
        dataset: str,
        symbol: str,
        days: reader.Day | tuple[reader.Day, reader.Day],
        columns: Sequence[str] | None = None,
        missing: Literal["error", "skip"] = "error",
    ) -> pl.DataFrame:
        """Read one trade date or a range of them."""
        ...


# Three datasets read the footer of the same ticks; 20 years of one symbol fit.
_MOST_FOOTERS = 5_000


class LocalLake:
    """Partitions as files: ``<root>/<dataset>/symbol=<S>/date=<YYYY-MM-DD>/part-0.parquet``.

    Args:
        root: folder of the lake; made when the first partition is written.
        lock_wait_s: how long a writer waits for another writer of the same partition before it gives up (E501).
        files: operations of the operating system, replaced in fault tests.
    """

    def __init__(self, root: Path, *, lock_wait_s: float = 0.0, files: FileOperations | None = None) -> None:
        self.root = Path(root)
        self._lock_wait_s = lock_wait_s
        self._files = FileOperations() if files is None else files
        self._footers: dict[Path, tuple[tuple[int, int, int], Footer]] = {}

    def path(self, dataset: str, symbol: str, trade_date: date) -> Path:
        """Return the path of a partition; exact, without looking at the disk."""
        return self._folder(dataset, symbol) / f"date={trade_date.isoformat()}" / PART_NAME

    def quarantine_path(self, dataset: str, symbol: str, trade_date: date) -> Path:
        """Return the path of the refused rows of a partition."""
        return self.root / _QUARANTINE / dataset / f"symbol={symbol}" / f"date={trade_date.isoformat()}" / PART_NAME

    def failed_rejects_path(self, dataset: str, symbol: str, trade_date: date) -> Path:
        """Return the path of the rows that the last failed attempt at a partition refused; no reader and no view sees it."""
        return self.quarantine_path(dataset, symbol, trade_date).with_name(FAILED_NAME)

    def exists(self, dataset: str, symbol: str, trade_date: date) -> bool:
        """Tell whether the partition has a file."""
        return self.path(dataset, symbol, trade_date).is_file()

    def open(self, dataset: str, symbol: str, trade_date: date) -> BinaryIO:
        """Open a partition's file; a later replacement does not disturb the open one.

        Raises:
            LakeError: E507 if there is none.
        """
        try:
            return self.path(dataset, symbol, trade_date).open("rb")
        except FileNotFoundError as error:
            raise reader.no_such_days(dataset, symbol, [trade_date]) from error

    def begin(self, contract: DatasetContract, symbol: str, trade_date: date) -> PartitionWriter:
        """Return the writer of a partition, to be used in a ``with`` statement, which takes the lock."""
        return PartitionWriter(
            contract,
            symbol,
            trade_date,
            path=self.path(contract.name, symbol, trade_date),
            quarantine_path=self.quarantine_path(contract.name, symbol, trade_date),
            files=self._files,
            lock_wait_s=self._lock_wait_s,
        )

    def footer(self, dataset: str, symbol: str, trade_date: date) -> Footer | None:
        """Read the footer of a partition, or None if it has no file.

        Raises:
            LakeError: E505 if the file is damaged.
        """
        path = self.path(dataset, symbol, trade_date)
        try:
            status = path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        identity = (status.st_mtime_ns, status.st_size, status.st_ino)
        known = self._footers.get(path)
        if known is not None and known[0] == identity:
            return known[1]
        footer = read_footer(path)
        if footer is not None:
            if len(self._footers) >= _MOST_FOOTERS:
                self._footers.clear()
            self._footers[path] = (identity, footer)
        return footer

    def days(self, dataset: str, symbol: str) -> list[date]:
        """List the trade dates that have a file, ascending; folders of other names (``date=2025-11-03 copy``) are ignored."""
        folder = self._folder(dataset, symbol)
        if not folder.is_dir():
            return []
        days = sorted(day for entry in folder.iterdir() if (day := _day_of(entry.name)) is not None)
        return [day for day in days if self.exists(dataset, symbol, day)]

    def read(
        self,
        dataset: str,
        symbol: str,
        days: reader.Day | tuple[reader.Day, reader.Day],
        columns: Sequence[str] | None = None,
        missing: Literal["error", "skip"] = "error",
    ) -> pl.DataFrame:
        """Read one trade date or a range of them; see :func:`trading_platform.lake.reader.read`."""
        return reader.read(self, dataset, symbol, days, columns=columns, missing=missing)

    def scan(
        self,
        dataset: str,
        symbol: str,
        days: reader.Day | tuple[reader.Day, reader.Day],
        missing: Literal["error", "skip"] = "error",
    ) -> pl.LazyFrame:
        """Read lazily; see :func:`trading_platform.lake.reader.scan`."""
        return reader.scan(self, dataset, symbol, days, missing)

    def remove_stale_temporaries(self) -> int:
        """Delete temporary files whose writer is dead and return how many there were.

        Only a temporary whose folder and file can both be locked has no living writer.
        """
        pattern = f"symbol=*/date=*/{TEMPORARY_PREFIX}*{TEMPORARY_SUFFIX}"
        found = [*self.root.glob(f"*/{pattern}"), *self.root.glob(f"{_QUARANTINE}/*/{pattern}")]
        return sum(self._remove_if_stale(path) for path in found)

    def _remove_if_stale(self, path: Path) -> bool:
        # A quarantine file is written under the lock of the partition it belongs to.
        partition = self.root / Path(
            *(part for part in path.parent.relative_to(self.root).parts if part != _QUARANTINE)
        )
        folder = partition if partition.is_dir() else path.parent
        try:
            with locked_folder(folder, 0.0):
                descriptor = os.open(path, os.O_RDONLY)
                try:
                    if not try_lock(descriptor):
                        return False
                    path.unlink()
                finally:
                    os.close(descriptor)
        except (FileNotFoundError, LakeError):
            return False
        return True

    def _folder(self, dataset: str, symbol: str) -> Path:
        contract = CONTRACTS.get(dataset)
        return self.root / (dataset if contract is None else contract.folder) / f"symbol={symbol}"


def _day_of(name: str) -> date | None:
    """Return the trade date that a folder is named after, exactly as ``path`` would name it."""
    text = name.removeprefix("date=")
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if name == f"date={day.isoformat()}" else None
