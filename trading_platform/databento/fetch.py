"""One day's raw file: from the cache, or bought.

Belongs here: the order of cache, budget, ledger, download and commit. Does not belong here: each of them.

Under the lock of the day: look up; salvage what a killed process left; check the limits and write the intent; call; write the result;
rename.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Final

from ..errors import VendorError
from .batch import BatchDownload, was_not_taken
from .budget import Budget, PlannedDay
from .client import Attempt, DataBentoClient, Preview
from .failures import Failure
from .ledger import Intent, PaidCall, SpendLedger, Totals
from .query import Query
from .raw_cache import Bought, DayFolder, RawCache, RawFile

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
    """

    def __init__(
        self, client: DataBentoClient, cache: RawCache, ledger: SpendLedger, budget: Budget, run_id: str
    ) -> None:
        self.client = client
        self.cache = cache
        self.ledger = ledger
        self.budget = budget
        self.run_id = run_id

    def require_budget(self, plan: list[PlannedDay]) -> None:
        """Refuse a plan that costs more than what is left, before the first paid call.

        Raises:
            RefusedError: E350 over a limit, E351 a cost is not known.
        """
        self.budget.require(plan, self.ledger.totals(), self.run_id, self.client.clock.now())

    def fetch(self, request: DayRequest, verify: Callable[[Path], object], *, force: bool = False) -> RawFile:
        """Return the raw file of a day; pays only if it is not in the cache.

        Args:
            request: what is wanted; ``preview.records`` is above zero.
            verify: raises VendorError if a file is not what was asked for.
            force: buy it again even if it is there.

        Raises:
            RefusedError: E350, E351 the budget; E355, E357 the cached file is damaged or gone.
            VendorError: E330 to E362 as the call ended.
            LakeError: E501 another process works on the same day for too long.
        """
        with self.cache.locked(request.query, request.trade_date) as day:
            if not force:
                found = day.find() or self._salvaged(request, day, verify)
                if found is not None:
                    return found
            else:
                for part in day.parts():
                    part.unlink()
            above = request.preview.size_bytes > self.client.settings.databento_batch_above_mb * _MEGABYTE
            if above or day.job_path.exists():
                return self._by_batch(request, day, verify, force=force)
            return self._by_stream(request, day, verify)

    def _salvaged(self, request: DayRequest, day: DayFolder, verify: Callable[[Path], object]) -> RawFile | None:
        part = day.salvage(verify)
        if part is None:
            return None
        for call in self._open_calls(request):
            self.ledger.finish(
                call.call_id, outcome="ok", cost_usd=call.estimated_usd, received_bytes=part.stat().st_size
            )
        details: dict[str, object] = {"attempts": 1, "salvaged": True}
        return day.commit(_bought(request, part, (), details))

    def _by_stream(self, request: DayRequest, day: DayFolder, verify: Callable[[Path], object]) -> RawFile:
        book = _Book(self, request, "stream")
        try:
            received = self.client.download(
                request.query, day.new_part, verify, before=book.before, after=lambda attempt: book.after(attempt, None)
            )
        except VendorError:
            for part in day.parts():
                day.quarantine(part)
            raise
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
        batch = BatchDownload(self.client, day, open_orders=open_orders, before=book.before, after=book.after)
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


def _bought(request: DayRequest, path: Path, warnings: tuple[str, ...], details: dict[str, object]) -> Bought:
    return Bought(
        path=path,
        records=request.preview.records,
        cost_usd=request.preview.cost_usd,
        warnings=warnings,
        condition=request.condition,
        last_modified=request.last_modified,
        details=details,
    )
