"""Writing one partition: lock, stream rows and rejects, commit both or nothing.

Belongs here: the order of the steps of a commit. Does not belong here: what the rows mean, and file formats
(``stream.py``).

Commit: close, reopen and verify the footer, fsync, rename, fsync the folder; the quarantine file first. A crash between
the two leaves the older rows with their older fingerprint, so the day is rebuilt; the other order would leave new rows
that look current beside an old quarantine file.

Refused rows of a day that failed lie beside the quarantine file under a name of their own: the quarantine file belongs
to the stored rows, whose footer counts it.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from types import TracebackType
from typing import Self

import pyarrow as pa

from .contract import DatasetContract
from .files import FileOperations, lake_failure, locked_folder
from .footer import FooterFields
from .stream import TEMPORARY_PREFIX, TEMPORARY_SUFFIX, FileStream

FAILED_NAME = "failed-0.parquet"


@dataclass(frozen=True, slots=True)
class Committed:
    """A stored partition.

    Attributes:
        path: the file.
        rows: number of rows.
        size_bytes: size of the file.
        content_hash: hash of the column values.
    """

    path: Path
    rows: int
    size_bytes: int
    content_hash: str


class PartitionWriter:
    """Write one partition; leaving the ``with`` block without a commit leaves everything as it was.

    Made by ``lake.begin``, not by hand.

    Args:
        contract: contract of the rows.
        symbol: symbol of the partition.
        trade_date: trade date of the partition.
        path: final path of the rows.
        quarantine_path: final path of refused rows.
        files: operations of the operating system.
        lock_wait_s: how long to wait for another writer of this partition.
    """

    def __init__(
        self,
        contract: DatasetContract,
        symbol: str,
        trade_date: date,
        *,
        path: Path,
        quarantine_path: Path,
        files: FileOperations,
        lock_wait_s: float,
    ) -> None:
        self.contract = contract
        self.symbol = symbol
        self.trade_date = trade_date
        self._path = path
        self._quarantine_path = quarantine_path
        self._files = files
        self._lock_wait_s = lock_wait_s
        self._stack = ExitStack()
        self._accepted: FileStream | None = None
        self._refused: FileStream | None = None

    def __enter__(self) -> Self:
        """Take the lock of the partition and open the temporary file.

        Raises:
            LakeError: E501 if someone else writes it, E502 to E504 if the disk refuses.
        """
        self._make_directory(self._path)
        try:
            with ExitStack() as stack:
                stack.enter_context(locked_folder(self._path.parent, self._lock_wait_s))
                self._sweep()
                self._accepted = self._open(self.contract, self._path, stack)
                self._stack = stack.pop_all()
        except OSError as error:
            raise lake_failure(
                error, self._path, 0, "nothing was written; an older file of the day is intact"
            ) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Delete temporary files that were not committed and let go of the lock."""
        self._stack.close()

    @property
    def rows(self) -> int:
        """Return the number of rows appended so far."""
        return self._rows_of(self._accepted)

    @property
    def rejected_rows(self) -> int:
        """Return the number of refused rows so far."""
        return self._rows_of(self._refused)

    def append(self, table: pa.Table | pa.RecordBatch) -> None:
        """Add rows; any number, they are gathered into row groups of 122,880.

        Batches of exactly one row group are the fastest. Up to about one million rows are kept by reference until they are validated, so
        the memory behind the arrays must not be written to again.

        Args:
            table: columns of the contract in its order; text may come in any layout (string, large string, dictionary).

        Raises:
            QualityError: E400 wrong columns, E401 a rule is broken, E402 wrong order.
            LakeError: E502 disk full, E503 input/output error.
        """
        self._open_stream().append(table)

    def reject(self, table: pa.Table | pa.RecordBatch) -> None:
        """Add refused rows for the quarantine file; columns of ``contract.rejects``.

        Raises:
            ValueError: if the dataset has no contract for rejects.
            QualityError: as :meth:`append`.
            LakeError: as :meth:`append`.
        """
        if self.contract.rejects is None:
            raise ValueError(f"Expected a dataset with rejects, was {self.contract.name}")
        if table.num_rows == 0:
            return
        if self._refused is None:
            self._make_directory(self._quarantine_path)
            self._refused = self._open(self.contract.rejects, self._quarantine_path, self._stack)
        self._refused.append(table)

    def commit(self, fields: FooterFields) -> Committed:
        """Make the rows and the quarantine file the partition's content.

        Args:
            fields: what the footer says besides rows and content hash.

        Returns:
            Where the rows are and what they are.

        Raises:
            QualityError: if the last rows break the contract.
            LakeError: E502 to E504, E506 if the file does not read back as written; the older file is intact.
        """
        stream = self._open_stream()
        content_hash = stream.finish(fields)
        if self._refused is not None:
            self._publish_rejects(self._refused, fields)
        else:
            self._remove(self._quarantine_path)
        self._remove(self._failed_path)
        size_bytes = stream.publish()
        return Committed(self._path, stream.rows, size_bytes, content_hash)

    def commit_rejects(self, fields: FooterFields) -> Path | None:
        """Keep the refused rows of a day that is not stored, beside the quarantine file of the stored day, which is left alone.

        They replace those of an earlier failure and go when the day is committed.

        Args:
            fields: what the footer would have said.

        Returns:
            The path, or None if nothing was refused.

        Raises:
            QualityError: if the last refused rows break their contract.
            LakeError: E502 to E504, E506, as :meth:`commit`.
        """
        if self._refused is None:
            self._remove(self._failed_path)
            return None
        self._refused.retarget(self._failed_path)
        self._publish_rejects(self._refused, fields)
        return self._failed_path

    @property
    def _failed_path(self) -> Path:
        return self._quarantine_path.with_name(FAILED_NAME)

    @staticmethod
    def _publish_rejects(refused: FileStream, fields: FooterFields) -> None:
        refused.finish(replace(fields, facts={}))
        refused.publish()

    def _remove(self, path: Path) -> None:
        """Delete a file of refused rows, if it is there."""
        try:
            path.unlink()
        except FileNotFoundError:
            return
        except OSError as error:
            raise lake_failure(error, path, 0) from error
        try:
            self._files.fsync_directory(path.parent)
        except OSError as error:
            state = "older refused rows were deleted; the older rows of the day are intact"
            raise lake_failure(error, path, 0, state) from error

    def _sweep(self) -> None:
        """Delete what a killed writer of this partition left: under its lock, nobody else writes it."""
        for folder in (self._path.parent, self._quarantine_path.parent):
            for temporary in folder.glob(f"{TEMPORARY_PREFIX}*{TEMPORARY_SUFFIX}"):
                temporary.unlink(missing_ok=True)

    def _open(self, contract: DatasetContract, path: Path, stack: ExitStack) -> FileStream:
        stream = FileStream(contract, path, self._files)
        stack.callback(stream.discard)
        return stream

    def _open_stream(self) -> FileStream:
        if self._accepted is None:
            raise ValueError("Expected a writer inside its with block, was used outside")
        return self._accepted

    def _make_directory(self, path: Path) -> None:
        try:
            self._files.make_directory(path.parent)
        except OSError as error:
            raise lake_failure(error, path, 0) from error

    @staticmethod
    def _rows_of(stream: FileStream | None) -> int:
        return 0 if stream is None else stream.rows
