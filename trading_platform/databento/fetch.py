"""One day's raw file: from the cache, or bought.

Belongs here: the order of cache, budget, ledger, download and commit. Does not belong here: each of them.

Under the lock of the day: finish what a killed process left; look up; check the limits and write the intent; call; write the result;
rename. A download that is whole and has no place yet is used before anything is paid, also if the day is to be bought again: it is what the
run before has paid for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Final

from .batch import POLL_S, BatchDownload, was_not_taken
from .budget import Budget, PlannedDay
from .client import DataBentoClient, Preview
from .disk import require_room
from .failures import Failure
from .job_file import JobFile
from .ledger import Intent, PaidCall, SpendLedger, Totals, totals_of
from .query import Query
from .raw_cache import Bought, DayFolder, RawCache, RawFile
from .stream import Attempt, StreamDownload

RAW_BYTES_PER_RECORD: Final = 33.5
"""What a record takes on the disk: the larger of two measured files, genuine shares and simulated futures."""

_MEGABYTE: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class DayRequest:
    """One day that is wanted.

    Attributes:
        query: for the raw symbol and the window of the session.
        trade_date: the day.
        symbol: as the user named it, for ledger and messages.
        preview: number, size and cost, asked for before.
        condition: of the vendor; None if it names none.
        last_modified: revision date of the vendor, ISO.
    """

    query: Query
    trade_date: date
    symbol: str
    preview: Preview
    condition: str | None = None
    last_modified: str | None = None


class RawStore:
    """Cache, ledger, budget and client of one run.

    Args:
        client: makes the calls.
        cache: keeps what was paid.
        ledger: writes down what is paid.
        budget: the limits.
        run_id: of the run, for the ledger.
        poll_s: how long to wait before a batch job is asked about again, seconds.
    """

    def __init__(
        self,
        client: DataBentoClient,
        cache: RawCache,
        ledger: SpendLedger,
        budget: Budget,
        run_id: str,
        *,
        poll_s: float = POLL_S,
    ) -> None:
        self.client = client
        self.cache = cache
        self.ledger = ledger
        self.budget = budget
        self.run_id = run_id
        self.poll_s = poll_s

    def require_budget(self, plan: list[PlannedDay], admitted: Mapping[str, PlannedDay] | None = None) -> None:
        """Refuse a plan that costs more than what is left, before the first paid call.

        Args:
            plan: what is to be bought.
            admitted: what this run may still buy besides, by the fingerprint of its query; what of it is in the ledger counts there.

        Raises:
            RefusedError: E350 over a limit, E351 a cost is not known. VendorError: E352, E353.
        """
        calls = self.ledger.calls()
        begun = {call.query for call in calls if call.run_id == self.run_id}
        waiting = [day for query, day in (admitted or {}).items() if query not in begun]
        self.budget.require([*waiting, *plan], totals_of(calls), self.run_id, self.client.clock.now())

    def fetch(
        self,
        request: DayRequest,
        verify: Callable[[Path], object],
        *,
        force: bool = False,
        outdated: Callable[[], bool] | None = None,
    ) -> RawFile:
        """Return the raw file of a day; pays only if it is not in the cache.

        Args:
            request: what is wanted; ``preview.records`` is above zero.
            verify: raises VendorError if a file is not what was asked for.
            force: buy it again even if it is there; not if the last purchase of it has not got its place yet.
            outdated: asked while nobody else can buy the day; true means ``force``.

        Raises:
            RefusedError: E350, E351 the budget; E355, E357 the cached file is damaged or gone.
            VendorError: E330 to E362 as the call ended; E305 a download cannot be read.
            LakeError: E501 another process works on the same day for too long.
        """
        with self.cache.locked(request.query, request.trade_date) as day:
            force = force or (outdated is not None and outdated())
            found = self._at_hand(request, day, verify, force=force)
            if found is not None:
                return found
            require_room(day.folder, request.preview.records * RAW_BYTES_PER_RECORD)
            is_ordered = self._known_job(request, day, force=force) is not None
            if is_ordered or request.preview.size_bytes > self.client.settings.databento_batch_above_mb * _MEGABYTE:
                return self._by_batch(request, day, verify, force=force)
            return self._by_stream(request, day, verify)

    def _at_hand(
        self, request: DayRequest, day: DayFolder, verify: Callable[[Path], object], *, force: bool
    ) -> RawFile | None:
        """Return the file of the day if nothing needs to be paid for it."""
        is_repaired = day.repair()
        part = day.salvage(verify)
        if part is not None:
            return self._salvaged(request, day, part)
        if force and not is_repaired:
            return None
        part = day.adopt(verify)
        if part is not None:
            return day.commit(_bought(request, part, (), {"salvaged": True}, cost_usd=0.0))
        found = day.find()
        if found is not None:
            JobFile(day.job_path).forget()
        return found

    def _salvaged(self, request: DayRequest, day: DayFolder, part: Path) -> RawFile:
        for call in self._open_calls(request):
            self.ledger.finish(
                call.call_id, outcome="ok", cost_usd=call.estimated_usd, received_bytes=part.stat().st_size
            )
        details: dict[str, object] = {"attempts": 1, "salvaged": True}
        # Before the file has its place: a note that outlives it would be taken for the order of the next purchase.
        JobFile(day.job_path).forget()
        return day.commit(_bought(request, part, (), details))

    def _known_job(self, request: DayRequest, day: DayFolder, *, force: bool) -> str | None:
        """Return the order that was given and has no file yet.

        A day that is bought again takes up only the order of this purchase, not one that has brought the file that is there, or another
        revision of the day.
        """
        note, known = JobFile(day.job_path), day.known()
        brought = None if known is None else known.details.get("job_id")
        if force and (note.job_id == brought or note.revision != request.last_modified):
            note.forget()
        return note.job_id

    def _by_stream(self, request: DayRequest, day: DayFolder, verify: Callable[[Path], object]) -> RawFile:
        book = _Book(self, request, "stream")
        stream = StreamDownload(
            self.client,
            day,
            request.preview.records,
            before=book.before,
            after=lambda attempt: book.after(attempt, None),
        )
        received = stream.run(verify)
        details: dict[str, object] = {"mode": "stream", "attempts": received.attempts}
        return day.commit(_bought(request, received.path, received.warnings, details))

    def _by_batch(
        self, request: DayRequest, day: DayFolder, verify: Callable[[Path], object], *, force: bool
    ) -> RawFile:
        book = _Book(self, request, "batch")
        # An older order is taken up, also one that was finished: downloads are free for 30 days. Forced means another order.
        open_orders = [
            call
            for call in ([] if force else self.ledger.calls())
            if call.query == request.query.fingerprint and call.mode == "batch" and _may_exist(call)
        ]
        batch = BatchDownload(
            self.client,
            day,
            records=request.preview.records,
            revision=request.last_modified,
            open_orders=open_orders,
            before=book.before,
            after=book.after,
            poll_s=self.poll_s,
        )
        received, job_id = batch.run(verify)
        details: dict[str, object] = {"mode": "batch", "attempts": received.attempts, "job_id": job_id}
        found = day.commit(_bought(request, received.path, received.warnings, details))
        batch.finish()
        return found

    def _open_calls(self, request: DayRequest) -> list[PaidCall]:
        return [
            call for call in self.ledger.calls() if call.query == request.query.fingerprint and call.outcome == "open"
        ][-1:]


class _Book:
    """Writes down the paid calls of one day."""

    def __init__(self, store: RawStore, request: DayRequest, mode: str) -> None:
        self._store = store
        self._request = request
        self._mode = mode
        self._call_id = ""

    def before(self, attempt: int) -> None:
        """Check the limits and write the intent; both under the lock of the ledger, so parallel runs cannot overspend together."""
        request, store = self._request, self._store
        planned = [PlannedDay(request.symbol, request.trade_date, request.preview.cost_usd)]

        def allow(totals: Totals, now: datetime) -> None:
            store.budget.require(planned, totals, store.run_id, now)

        intent = Intent(
            run_id=store.run_id,
            mode=self._mode,
            symbol=request.symbol,
            raw_symbol=request.query.symbol,
            trade_date=request.trade_date.isoformat(),
            dataset=request.query.dataset,
            schema=request.query.schema,
            query=request.query.fingerprint,
            attempt=attempt,
            estimated_usd=request.preview.cost_usd,
            estimated_bytes=request.preview.size_bytes,
        )
        self._call_id = store.ledger.begin(intent, allow)

    def after(self, attempt: Attempt, job_id: str | None) -> None:
        """Write the result; what may have been billed counts in full, because what a broken transfer costs is not told."""
        failure = attempt.failure
        is_billed = failure is None or self._may_be_billed(failure)
        self._store.ledger.finish(
            self._call_id,
            outcome="ok" if failure is None else "failed",
            cost_usd=self._request.preview.cost_usd if is_billed else 0.0,
            received_bytes=attempt.received_bytes,
            request_id=None if failure is None else failure.request_id,
            job_id=job_id,
            error=None if failure is None else failure.detail,
        )

    def _may_be_billed(self, failure: Failure) -> bool:
        return failure.may_be_billed if self._mode == "stream" else not was_not_taken(failure)


def _may_exist(call: PaidCall) -> bool:
    """Tell whether the vendor may know an order; under a flat rate the cost of every order is 0."""
    return call.outcome != "failed" or call.cost_usd > 0


def _bought(
    request: DayRequest,
    path: Path,
    warnings: tuple[str, ...],
    details: dict[str, object],
    *,
    cost_usd: float | None = None,
) -> Bought:
    return Bought(
        path=path,
        records=request.preview.records,
        cost_usd=request.preview.cost_usd if cost_usd is None else cost_usd,
        warnings=warnings,
        condition=request.condition,
        last_modified=request.last_modified,
        details=details,
    )
