"""The spend ledger: what was paid to the vendor, line by line, never changed.

Belongs here: the file, its lines, sums. Does not belong here: limits (``budget.py``).

Two lines per paid call: the intent, on the disk before the call is made, and the result. An intent without a result (a killed process)
counts in full, because what was billed is not known. Days and months are those of UTC.
"""

from __future__ import annotations

import fcntl
import json
import os
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final

from ..clock import Clock, SystemClock
from ..errors import VendorError

LEDGER_NAME: Final = "spend.jsonl"


@dataclass(frozen=True, slots=True)
class PaidCall:
    """One paid call, from its two lines.

    Attributes:
        call_id: its name in the ledger.
        at: when it was about to be made, UTC.
        run_id: of the run that paid.
        mode: ``stream`` or ``batch``.
        symbol: as the user named it.
        raw_symbol: as it was asked for.
        trade_date: ISO.
        dataset: of the query.
        schema: of the query.
        query: fingerprint of the query.
        attempt: counted from 1.
        estimated_usd: cost by the vendor's preview.
        estimated_bytes: uncompressed size by the vendor's preview.
        outcome: ``ok``, ``failed``, or ``open`` while there is no result line.
        cost_usd: what it counts: the estimate, except for a call that was refused before any data.
        received_bytes: bytes on the wire; None if not known.
        request_id: the vendor's number; None if not known.
        job_id: of a batch job.
        error: why it failed.
    """

    call_id: str
    at: datetime
    run_id: str
    mode: str
    symbol: str
    raw_symbol: str
    trade_date: str
    dataset: str
    schema: str
    query: str
    attempt: int
    estimated_usd: float
    estimated_bytes: int
    outcome: str
    cost_usd: float
    received_bytes: int | None = None
    request_id: str | None = None
    job_id: str | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Intent:
    """What is about to be paid; see :class:`PaidCall` for the fields."""

    run_id: str
    mode: str
    symbol: str
    raw_symbol: str
    trade_date: str
    dataset: str
    schema: str
    query: str
    attempt: int
    estimated_usd: float
    estimated_bytes: int


@dataclass(slots=True)
class Totals:
    """Sums in USD and numbers of calls."""

    usd: float = 0.0
    calls: int = 0
    by_run: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    by_day: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    by_month: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    by_symbol: dict[str, float] = field(default_factory=lambda: defaultdict(float))

    def add(self, call: PaidCall) -> None:
        """Count a call."""
        self.usd += call.cost_usd
        self.calls += 1
        self.by_run[call.run_id] += call.cost_usd
        self.by_day[f"{call.at:%Y-%m-%d}"] += call.cost_usd
        self.by_month[f"{call.at:%Y-%m}"] += call.cost_usd
        self.by_symbol[call.symbol] += call.cost_usd


class SpendLedger:
    """The ledger of one home; several processes may use it at once.

    Args:
        path: the file; it and its folder are made when the first line is written. It lies outside the cache, which may be deleted.
        clock: dates the lines.
    """

    def __init__(self, path: Path, clock: Clock | None = None) -> None:
        self.path = path
        self._clock = SystemClock() if clock is None else clock

    def begin(self, intent: Intent, allow: Callable[[Totals, datetime], None] | None = None) -> str:
        """Write the intent of a paid call and wait until it is on the disk.

        Args:
            intent: what is about to be paid.
            allow: looks at the sums so far and raises if the call must not be made; nobody else can write in between.

        Returns:
            The name of the call, for :meth:`finish`.

        Raises:
            VendorError: E352 the ledger is damaged, E353 it cannot be written; the call must not be made.
        """
        call_id = uuid.uuid4().hex
        now = self._clock.now()
        with self._opened() as descriptor:
            if allow is not None:
                allow(totals_of(self._parse(_whole(descriptor))), now)
            line = {"line": "intent", "call_id": call_id, "at": now.isoformat(), **_fields_of(intent)}
            self._append(descriptor, line)
        return call_id

    def finish(
        self,
        call_id: str,
        *,
        outcome: str,
        cost_usd: float,
        received_bytes: int | None = None,
        request_id: str | None = None,
        job_id: str | None = None,
        error: str | None = None,
    ) -> None:
        """Write the result of a paid call.

        Raises:
            VendorError: E353 the ledger cannot be written; the call then counts as unfinished, with its full estimate.
        """
        line = {
            "line": "result",
            "call_id": call_id,
            "at": self._clock.now().isoformat(),
            "outcome": outcome,
            "cost_usd": cost_usd,
            "received_bytes": received_bytes,
            "request_id": request_id,
            "job_id": job_id,
            # A closing brace at the end of a line is how a whole line is told from a torn one.
            "error": None if error is None else error.replace("}", ")"),
        }
        with self._opened() as descriptor:
            self._append(descriptor, line)

    def calls(self) -> list[PaidCall]:
        """Return all paid calls in the order of their intents; a line that a crash left incomplete is passed over.

        Raises:
            VendorError: E352 a complete line is not one of a ledger.
        """
        try:
            return self._parse(self.path.read_bytes())
        except FileNotFoundError:
            return []
        except OSError as error:
            raise self._unwritable(error) from error

    def totals(self) -> Totals:
        """Return all sums.

        Raises:
            VendorError: E352 the ledger is damaged.
        """
        return totals_of(self.calls())

    def paid_by(self, run_id: str) -> dict[tuple[str, date], float]:
        """Return what a run has paid, USD, by symbol as the user named it and trade date.

        Attempts that failed after data had come count too.

        Raises:
            VendorError: E352 the ledger is damaged, E353 it cannot be read.
        """
        paid: dict[tuple[str, date], float] = {}
        for call in self.calls():
            if call.run_id == run_id:
                key = call.symbol, date.fromisoformat(call.trade_date)
                paid[key] = paid.get(key, 0.0) + call.cost_usd
        return paid

    @contextmanager
    def _opened(self) -> Iterator[int]:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            is_new = not self.path.exists()
            descriptor = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        except OSError as error:
            raise self._unwritable(error) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if is_new:
                _fsync_folder(self.path.parent)
            yield descriptor
        finally:
            os.close(descriptor)

    def _append(self, descriptor: int, line: dict[str, Any]) -> None:
        data = json.dumps(line, sort_keys=True).encode() + b"\n"
        size = os.fstat(descriptor).st_size
        if size and os.pread(descriptor, 1, size - 1) != b"\n":
            data = b"\n" + data  # a crash left half a line; it stays, alone
        try:
            if os.write(descriptor, data) != len(data):
                raise OSError(28, "No space left on device")
            os.fsync(descriptor)
        except OSError as error:
            raise self._unwritable(error) from error

    def _parse(self, content: bytes) -> list[PaidCall]:
        intents: dict[str, dict[str, Any]] = {}
        results: dict[str, dict[str, Any]] = {}
        for number, raw in enumerate(content.split(b"\n"), 1):
            # An editor may have added line ends of its own, a crash of the machine a tail of zeros.
            text = raw.strip(b" \t\r\0")
            if not text or (text.startswith(b"{") and not text.endswith(b"}")):
                continue  # empty, or torn by a crash: an intent that was torn was never acted upon
            try:
                line = json.loads(text)
                target = {"intent": intents, "result": results}[line["line"]]
                target[line["call_id"]] = line
                if target is intents:
                    _paid_call(line, None)
            except (ValueError, KeyError, TypeError) as error:
                raise VendorError(
                    "E352",
                    f"the spend ledger {self.path} is damaged in line {number}: {error}",
                    "what was spent cannot be told for certain, so nothing is paid; correct or remove the line",
                    "tp l2 spend",
                ) from error
        return [_paid_call(intent, results.get(call_id)) for call_id, intent in intents.items()]

    def _unwritable(self, error: OSError) -> VendorError:
        return VendorError(
            "E353",
            f"the spend ledger {self.path} cannot be used: {error.strerror or error}",
            "no paid call is made that could not be written down first; what was downloaded stays and is found by the next run",
            "tp config",
        )


def _paid_call(intent: dict[str, Any], result: dict[str, Any] | None) -> PaidCall:
    known = {name: intent[name] for name in Intent.__slots__}
    result = result or {"outcome": "open", "cost_usd": intent["estimated_usd"]}
    return PaidCall(
        call_id=intent["call_id"],
        at=datetime.fromisoformat(intent["at"]),
        **known,
        outcome=result["outcome"],
        cost_usd=float(result["cost_usd"]),
        received_bytes=result.get("received_bytes"),
        request_id=result.get("request_id"),
        job_id=result.get("job_id"),
        error=result.get("error"),
    )


def totals_of(calls: list[PaidCall]) -> Totals:
    """Return the sums of these calls."""
    totals = Totals()
    for call in calls:
        totals.add(call)
    return totals


def _fields_of(intent: Intent) -> dict[str, Any]:
    return {name: getattr(intent, name) for name in Intent.__slots__}


def _whole(descriptor: int) -> bytes:
    return os.pread(descriptor, os.fstat(descriptor).st_size, 0)


def _fsync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
