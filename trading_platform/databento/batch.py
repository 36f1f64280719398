"""Batch jobs: large days are ordered once and downloaded as files that can be resumed.

Belongs here: ordering once whatever happens, waiting, downloading, comparing hashes. Does not belong here: small days (``stream.py``), the
note of an order (``job_file.py``).

An order bills at once, a download never: so the number of the job is on the disk before anything waits for it, and an order whose answer
was lost is looked for in the account's list before it is given again. The library only warns of a wrong hash and keeps the file; here it is
an error. One file per order (``split_duration`` none): the usual split at midnight UTC would cut a futures session in two.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from ..errors import VendorError
from ..files import sha256_of
from .answers import ns_from
from .client import DataBentoClient
from .disk import UNREADABLE
from .failures import Failure
from .job_file import JobFile
from .ledger import PaidCall
from .raw_cache import DayFolder
from .stream import OTHER_COUNT, Attempt, Received, revised
from .vendor_warnings import vendor_warnings

POLL_S: Final = 2.0
# The clocks of the vendor and of this machine may differ.
_CLOCK_SKEW: Final = timedelta(minutes=10)
# The list knows them from the queue on; between the order and the queue a job is only received, and cannot be asked for.
_LISTED_STATES: Final = ("queued", "processing", "done")
_LIVING_STATES: Final = frozenset({"received", *_LISTED_STATES})


class BatchDownload:
    """One day through a batch job.

    Args:
        client: makes the calls.
        day: the locked folder of the day; keeps the number of the job and what has arrived.
        records: what the preview counted.
        revision: the vendor's revision date of the day, ISO; None if not known.
        open_orders: orders of this query in the ledger that the vendor may know, in the order in which they were given.
        before: called before an order is given; what it raises ends everything without a call.
        after: called after an order, with the number of the job if there is one.
        sleep: waits between polls.
        poll_s: how long, seconds.
    """

    def __init__(
        self,
        client: DataBentoClient,
        day: DayFolder,
        *,
        records: int,
        revision: str | None,
        open_orders: list[PaidCall],
        before: Callable[[int], None],
        after: Callable[[Attempt, str | None], None],
        sleep: Callable[[float], None] = time.sleep,
        poll_s: float = POLL_S,
    ) -> None:
        self._client = client
        self._day = day
        self._records = records
        self._revision = revision
        self._note = JobFile(day.job_path)
        self._poll_s = poll_s
        self._open_orders = open_orders
        self._before = before
        self._after = after
        self._sleep = sleep

    def run(self, verify: Callable[[Path], object]) -> tuple[Received, str]:
        """Order, or take up the order that was given; wait; download; verify.

        Returns:
            The verified file and the number of the job.

        Raises:
            VendorError: E360 the job expired, failed or holds no single file; E361 a hash does not fit; E362 it is not ready in time;
                E338 the file is not what was asked for; E305 the disk does not give back what arrived; others as for every call.
        """
        job_id = self._note.job_id or self._lost_job() or self._order()
        self._wait_until_done(job_id)
        with vendor_warnings() as warned:
            path = self._download(job_id)
        try:
            verify(path)
        except VendorError as error:
            if error.code == UNREADABLE:
                raise
            if error.code == OTHER_COUNT and (records := self._client.record_count(self._day.query)) != self._records:
                raise revised(
                    self._day, f"the file of batch job {job_id} failed its verification: {error.what}", records
                ) from error
            moved = self._day.quarantine(path)
            self._note.give_up(job_id)
            raise VendorError(
                "E338",
                f"the file of batch job {job_id} failed its verification: {error.what}",
                f"see {error.code}; it lies in {moved}, nothing was stored; an order costs again",
                error.next_command,
            ) from error
        return Received(path, tuple(dict.fromkeys(warned)), 1), job_id

    def finish(self) -> None:
        """Forget the job after its file has its place."""
        self._note.forget()

    def _lost_job(self) -> str | None:
        """Find an order whose answer never arrived, or whose number was not written down any more."""
        useless = self._note.useless
        for order in reversed(self._open_orders):
            if order.job_id is not None and order.job_id not in useless:
                return self._kept(order.job_id, None)
        lost = [order for order in self._open_orders if order.job_id is None]
        if not lost:
            return None
        since = min(order.at for order in lost) - _CLOCK_SKEW
        for is_last in (False, True):
            jobs = self._client.calls.call("list of batch jobs", lambda: self._list_jobs(since))
            for job in reversed(jobs):  # sorted by the time of the order
                if self._is_ours(job) and str(job["id"]) not in useless:
                    return self._kept(str(job["id"]), None)
            if not is_last:
                self._sleep(self._poll_s)  # it may be received and not in the queue yet
        return None

    def _list_jobs(self, since: datetime) -> list[dict[str, Any]]:
        jobs = self._client.library.batch.list_jobs(states=list(_LISTED_STATES), since=since.isoformat())
        if not isinstance(jobs, list):
            raise ValueError("Expected a list of jobs, was something else")
        return jobs

    def _is_ours(self, job: dict[str, Any]) -> bool:
        query = self._day.query
        symbols = job.get("symbols")
        named = symbols if isinstance(symbols, str) else ",".join(symbols or ())
        return (
            (job.get("dataset"), job.get("schema"), named, job.get("stype_in"))
            == (query.dataset, query.schema, query.symbol, query.stype_in)
            and _as_ns(job.get("start")) == query.start_ns
            and _as_ns(job.get("end")) == query.end_ns
        )

    def _order(self) -> str:
        query = self._day.query
        self._client.require_allowed(query)
        submit = self._client.library.batch.submit_job
        parameters = query.data_parameters()

        failure: Failure | None = None

        def order() -> str:
            nonlocal failure
            try:
                return job_number()
            except Exception as error:
                failure = self._client.calls.classified(error)
                raise

        def job_number() -> str:
            return str(
                submit(
                    **parameters,
                    encoding="dbn",
                    compression="zstd",
                    split_symbols=False,
                    split_duration="none",
                    delivery="download",
                )["id"]
            )

        self._before(1)
        try:
            job_id = self._client.calls.call(f"batch order of {query.symbol}", order, again=was_not_taken)
        except VendorError:
            self._after(Attempt(1, failure, None), None)
            raise
        # Written down twice: if one of the two files cannot be written, the other one is.
        try:
            self._kept(job_id, self._revision)
        finally:
            self._after(Attempt(1, None, None), job_id)
        return job_id

    def _wait_until_done(self, job_id: str) -> None:
        waited_s = 0.0
        while True:
            state = self._state(job_id)
            if state == "done":
                return
            if state not in _LIVING_STATES:
                self._note.give_up(job_id)
                raise VendorError(
                    "E360",
                    f"batch job {job_id} is {state}",
                    "its files are gone; the job is forgotten, so the next run orders again, which costs again",
                    self._day.plan_command,
                )
            if waited_s >= self._client.settings.databento_batch_wait_s:
                raise VendorError(
                    "E362",
                    f"batch job {job_id} is still {state} after {waited_s:.0f} s",
                    "it was ordered and paid once and goes on at the vendor; the next run takes it up and does not pay again",
                    self._day.plan_command,
                )
            self._sleep(self._poll_s)
            waited_s += self._poll_s

    def _state(self, job_id: str) -> str:
        details = self._client.library.batch.get_job_details
        try:
            return self._client.calls.call(f"batch job {job_id}", lambda: str(details(job_id)["state"]))
        except VendorError as error:
            if error.code == "E334":
                return "not known to the vendor any more"
            raise

    def _download(self, job_id: str) -> Path:
        batch = self._client.library.batch
        files = self._client.calls.call(f"files of batch job {job_id}", lambda: _data_files(batch.list_files(job_id)))
        if len(files) != 1:
            raise VendorError(
                "E360",
                f"batch job {job_id} has {len(files)} files of data, expected one",
                "one order is one window of one symbol; nothing was stored, the job stays at the vendor",
                self._day.plan_command,
            )
        ((name, sha256),) = files
        folder = self._day.folder / ".batch"
        # The library resumes a file of that name, so an interrupted download goes on where it was.
        path = folder / job_id / name
        self._client.calls.call(
            f"file {name} of batch job {job_id}",
            lambda: batch.download(job_id, output_dir=folder, filename_to_download=name),
        )
        found = sha256_of(path)
        if found != sha256:
            moved = self._day.quarantine(path)
            raise VendorError(
                "E361",
                f"file {name} of batch job {job_id} has sha256 {found[:16]}, the vendor says {sha256[:16]}",
                f"it lies in {moved}; the next run downloads it again, which costs nothing",
                self._day.plan_command,
            )
        part = self._day.new_part(1)
        path.replace(part)
        for emptied in (path.parent, folder):
            with contextlib.suppress(OSError):  # a job that was given up may have left something there
                emptied.rmdir()
        return part

    def _kept(self, job_id: str, revision: str | None) -> str:
        self._note.keep(job_id, revision)
        return job_id


def was_not_taken(failure: Failure) -> bool:
    """Tell whether an order certainly was not taken; after a lost answer or an error of the server it may have been."""
    return failure.never_arrived or (failure.status is not None and failure.status < 500)


def _data_files(listed: Any) -> list[tuple[str, str]]:
    found = []
    for entry in listed:
        name, (kind, _, digest) = str(entry["filename"]), str(entry["hash"]).partition(":")
        if name.endswith(".dbn.zst"):
            if kind != "sha256" or "/" in name:
                raise ValueError(f"Expected a file name and its sha256, was {name!r} and {kind!r}")
            found.append((name, digest))
    return found


def _as_ns(value: object) -> int | None:
    try:
        return ns_from(value)
    except ValueError:
        return None
