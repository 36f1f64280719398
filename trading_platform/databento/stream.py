"""One query streamed into a file. This costs money, every time.

Belongs here: attempts at a stream, what becomes of their files. Does not belong here: batch jobs (``batch.py``), where a file is kept
(``raw_cache.py``), limits and ledger (``fetch.py``).

The library neither tries a stream again nor notices one that was cut cleanly, so the file alone says whether an attempt succeeded: one that
is whole is paid and is used, whatever the library raised after its last byte. Another attempt is paid again, so it is made only where it
can help: after damage of the transfer, and once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ..errors import VendorError
from .client import DataBentoClient
from .disk import UNREADABLE
from .failures import CallFailedError, Failure, FailureKind
from .raw_cache import CUT_SHORT, DayFolder
from .vendor_warnings import vendor_warnings

# Attempts that may have been billed. Those that certainly were not are limited by the setting alone.
PAID_ATTEMPTS: Final = 2
_DAMAGED: Final = "E304"
OTHER_COUNT: Final = "E306"
# What the file of a transfer that broke off is, or of a page that answered in place of the vendor.
_NO_WHOLE_FILE: Final = frozenset({CUT_SHORT, "E300"})


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt at a download.

    Attributes:
        number: counted from 1.
        failure: None if it succeeded.
        received_bytes: bytes that arrived; None if not known.
    """

    number: int
    failure: Failure | None
    received_bytes: int | None


@dataclass(frozen=True, slots=True)
class Received:
    """A finished download.

    Attributes:
        path: the temporary file that holds it, verified.
        warnings: what the vendor warned of.
        attempts: how many there were.
    """

    path: Path
    warnings: tuple[str, ...]
    attempts: int


class StreamDownload:
    """One day through a stream.

    Args:
        client: makes the calls.
        day: the locked folder of the day.
        records: what the preview counted.
        before: called before each attempt; what it raises ends the download without a call.
        after: called after each attempt whose end is known, also after one that fails.
    """

    def __init__(
        self,
        client: DataBentoClient,
        day: DayFolder,
        records: int,
        *,
        before: Callable[[int], None],
        after: Callable[[Attempt], None],
    ) -> None:
        self._client = client
        self._day = day
        self._records = records
        self._before = before
        self._after = after
        self._attempts = 0
        self._billed = 0
        self._path: Path | None = None
        self._rejection: VendorError | None = None
        self._warned: list[str] = []
        self._recount: int | None = None

    def run(self, verify: Callable[[Path], object]) -> Received:
        """Stream, verify, and do it once more if the transfer was damaged.

        Args:
            verify: raises VendorError if the file is not what was asked for. Whatever else it raises is an error of our own: it is raised
                as it is, and the file stays for the next run.

        Returns:
            The verified file. Files that were cut short are deleted; others that are not what was asked for are put aside.

        Raises:
            VendorError: E332 to E339, E343; E305 the disk does not give back what arrived, and what ``before`` and ``after`` raise: then
                the file stays for the next run.
        """
        self._client.require_allowed(self._day.query)
        try:
            self._client.calls.repeated(
                f"data of {self._day.query.symbol}",
                lambda: self._attempt(verify),
                again=lambda _failure: self._billed < PAID_ATTEMPTS,
            )
        except VendorError as error:
            if error.code != "E338" or self._path is None:
                raise
            if self._recount is not None:
                raise revised(self._day, error.what, self._recount) from error
            self._day.quarantine(self._path)
            raise
        if self._path is None:
            raise RuntimeError("Expected a file after an attempt that succeeded")
        return Received(self._path, tuple(dict.fromkeys(self._warned)), self._attempts)

    def _attempt(self, verify: Callable[[Path], object]) -> None:
        self._before(self._attempts + 1)
        self._attempts += 1
        if self._path is not None and self._rejection is not None:
            self._day.reject(self._path, self._rejection)
        path = self._path = self._day.new_part(self._attempts)
        parameters = self._day.query.data_parameters()
        failed: Failure | None = None
        with vendor_warnings() as self._warned:
            try:
                self._client.calls.asked(lambda: self._get_range(parameters, path))
            except CallFailedError as error:
                failed = error.failure
        failure = self._judged(path, verify, failed)
        self._after(Attempt(self._attempts, failure, _size(path)))
        if failure is None:
            return
        self._rejection = failure.verification
        if failure.verification is None:
            path.unlink(missing_ok=True)
        self._billed += failure.may_be_billed
        raise CallFailedError(failure)

    def _get_range(self, parameters: dict[str, Any], path: Path) -> None:
        # What it returns holds the file open.
        self._client.library.timeseries.get_range(**parameters, path=path)

    def _judged(self, path: Path, verify: Callable[[Path], object], failed: Failure | None) -> Failure | None:
        """Return what is wrong with an attempt; None if its file is whole and right."""
        if failed is not None and not _size(path):
            return failed
        try:
            verify(path)
        except VendorError as error:
            if error.code == UNREADABLE:
                raise
            if failed is not None and error.code in _NO_WHOLE_FILE:
                return failed
            return Failure(FailureKind.PASSING, error.what, verification=error, is_lasting=self._is_lasting(error))
        return None

    def _is_lasting(self, error: VendorError) -> bool:
        """Tell whether another transfer would bring the same."""
        if error.code != OTHER_COUNT:
            return error.code not in {CUT_SHORT, _DAMAGED}
        try:
            found = self._client.record_count(self._day.query)
        except VendorError:
            return True
        if found != self._records:
            self._recount = found
        return found != self._records


def revised(day: DayFolder, what: str, records: int) -> VendorError:
    """Return the error for a file that does not have the records of its preview, because the vendor counts others by now."""
    return VendorError(
        "E338",
        f"{what}; the vendor counts {records} now",
        "the day was revised after its preview; the file stays, and the next run compares it with the new count before it pays",
        day.plan_command,
    )


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
