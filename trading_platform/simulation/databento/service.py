"""What the stand-in answers: every address of the vendor's history service that the client library knows.

Belongs here: parameters in, answer out, bills. Does not belong here: sockets and TLS (``server.py``), batch jobs (``jobs.py``).

Source: DataBento HTTP API v0, as the client library 0.87 calls it; condition and file lists as real receipts show them.
"""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from .faults import Fault, FaultKind, struck
from .jobs import BatchJob, JobBook
from .market import FUTURES_DATASET, SHARES_DATASET, Interval, StandInMarket, UnknownSymbolError
from .transfer import (
    DataQuery,
    Faults,
    day_of_window,
    dbn_body,
    intervals_of,
    parse_instant_ns,
    records_of,
    utc_date,
)

Parameters = Mapping[str, str]

RECORD_BYTES: Final = {"mbp-10": 368}
STARTS: Final = {FUTURES_DATASET: date(2010, 6, 6), SHARES_DATASET: date(2018, 5, 1)}
_GIGABYTE: Final = 1_000_000_000
_SATURDAY: Final = 5
_DEGRADED_TEXT: Final = "BentoWarning: The streaming request contained one or more days which have reduced quality"
_PAID: Final = frozenset({"timeseries.get_range", "batch.submit_job"})


@dataclass
class Answer:
    """One HTTP answer.

    Attributes:
        status: HTTP status.
        body: bytes of the body.
        headers: besides length, type and request id.
        content_type: of the body.
        framing: ``length``, ``chunked`` or ``close``.
        send_bytes: how much of the body is sent before the connection is broken off; None: all.
        pause_s: wait in the middle of the body.
        dropped: close without a word.
        billed_usd: None for a call that costs nothing.
    """

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = "application/json"
    framing: str = "length"
    send_bytes: int | None = None
    pause_s: float = 0.0
    dropped: bool = False
    billed_usd: float | None = None


@dataclass(frozen=True, slots=True)
class Subject:
    """What a request is about, as far as faults and bills are concerned."""

    symbol: str | None = None
    day: date | None = None
    attempt: int = 1


class RefusalError(Exception):
    """The vendor refuses a request.

    Args:
        status: HTTP status.
        case: short name of the reason.
        message: for people.
    """

    def __init__(self, status: int, case: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.case = case
        self.message = message


class VendorService:
    """The vendor behind the address.

    Args:
        market: what is sold.
        faults: the script.
        usd_per_gb: price of uncompressed bytes by schema.
        available_until: end of the datasets.
        job_polls: how often a batch job is asked about before it is done.
    """

    def __init__(
        self,
        market: StandInMarket,
        faults: list[Fault],
        *,
        usd_per_gb: Mapping[str, float],
        available_until: datetime,
        job_polls: int,
    ) -> None:
        self.faults = faults
        self.available_until = available_until
        self._market = market
        self._usd_per_gb = dict(usd_per_gb)
        self._jobs = JobBook(job_polls)
        self._attempts: Counter[tuple[str, str | None, date | None]] = Counter()
        self._lock = threading.Lock()
        self._calls: dict[str, Callable[[Parameters, Faults], Answer]] = {
            "metadata.list_datasets": lambda _p, _f: _json(sorted(STARTS)),
            "metadata.list_schemas": self._list_schemas,
            "metadata.list_unit_prices": self._list_unit_prices,
            "metadata.list_publishers": self._list_publishers,
            "metadata.get_cost": self._get_cost,
            "metadata.get_billable_size": self._get_billable_size,
            "metadata.get_record_count": self._get_record_count,
            "metadata.get_dataset_condition": self._get_dataset_condition,
            "metadata.get_dataset_range": self._get_dataset_range,
            "symbology.resolve": self._resolve,
            "timeseries.get_range": self._get_range,
            "batch.submit_job": self._submit_job,
            "batch.list_jobs": self._list_jobs,
            "batch.get_job_details": self._get_job_details,
            "batch.list_files": self._list_files,
            "batch.download": self._download_zip,
            "batch.file": self._download_file,
        }

    def subject(self, call: str, parameters: Parameters) -> Subject:
        """Return what a request is about; counts it as an attempt."""
        symbol, day = parameters.get("symbols"), None
        job = self._jobs.get(parameters.get("job_id", ""))
        if job is not None:
            symbol, day = job.query.symbol, day_of_window(job.query.start_ns, job.query.end_ns)
        elif call == "symbology.resolve" and parameters.get("start_date"):
            day = _date_or_none(parameters["start_date"])
        elif parameters.get("start") and parameters.get("end"):
            try:
                day = day_of_window(parse_instant_ns(parameters["start"]), parse_instant_ns(parameters["end"]))
            except ValueError:
                day = None
        with self._lock:
            self._attempts[call, symbol, day] += 1
            return Subject(symbol, day, self._attempts[call, symbol, day])

    def answer(self, call: str, parameters: Parameters, subject: Subject) -> Answer:
        """Answer a request with a valid key."""
        faults = struck(self.faults, call, subject.symbol, subject.day, subject.attempt)
        early = _instead_of_an_answer(faults)
        if early is not None:
            return early
        try:
            if call not in self._calls:
                raise RefusalError(404, "not_found", f"There is no {call}")
            answer = self._calls[call](parameters, faults)
        except RefusalError as refusal:
            return error_answer(refusal.status, refusal.case, refusal.message)
        return _spoil_transfer(answer, call, faults)

    def _list_schemas(self, parameters: Parameters, _: Faults) -> Answer:
        self._dataset(parameters)
        return _json(sorted(RECORD_BYTES))

    def _list_unit_prices(self, parameters: Parameters, _: Faults) -> Answer:
        self._dataset(parameters)
        return _json(
            [{"mode": mode, "unit_prices": self._usd_per_gb} for mode in ("historical", "historical-streaming")]
        )

    def _list_publishers(self, _parameters: Parameters, _: Faults) -> Answer:
        return _json(
            [
                {"publisher_id": 1, "dataset": FUTURES_DATASET, "venue": "GLBX", "description": "CME Globex MDP 3.0"},
                {"publisher_id": 2, "dataset": SHARES_DATASET, "venue": "XNAS", "description": "Nasdaq TotalView-ITCH"},
            ]
        )

    def _get_cost(self, parameters: Parameters, faults: Faults) -> Answer:
        return _json(self._price(self._query(parameters), faults))

    def _get_billable_size(self, parameters: Parameters, faults: Faults) -> Answer:
        return _json(self._size(self._query(parameters), faults))

    def _get_record_count(self, parameters: Parameters, faults: Faults) -> Answer:
        count = len(records_of(self._market, self._query(parameters), faults))
        wrong = faults.get(FaultKind.WRONG_COUNT)
        return _json(count if wrong is None else max(0, count + int(wrong.value)))

    def _get_dataset_condition(self, parameters: Parameters, _: Faults) -> Answer:
        dataset = self._dataset(parameters)
        first = _date_or_none(parameters.get("start_date")) or STARTS[dataset]
        last = _date_or_none(parameters.get("end_date")) or self.available_until.date()
        if last < first:
            raise RefusalError(422, "data_time_range_start_on_or_after_end", "`end_date` is before `start_date`")
        entries = []
        for offset in range((last - first).days + 1):
            day = first + timedelta(days=offset)
            if day.weekday() >= _SATURDAY or not STARTS[dataset] <= day <= self.available_until.date():
                continue
            entry = self._condition(day)
            if entry is not None:
                entries.append(entry)
        return _json(entries)

    def _condition(self, day: date) -> dict[str, str | None] | None:
        """Return one entry; holidays are as available as any other weekday, as real receipts show."""
        call = "metadata.get_dataset_condition"
        with self._lock:
            self._attempts[call, None, day] += 1
            attempt = self._attempts[call, None, day]
        faults = struck(self.faults, call, None, day, attempt)
        if FaultKind.ABSENT in faults:
            return None
        scripted = faults.get(FaultKind.CONDITION)
        if scripted is None:
            # A day that had another condition before was revised since.
            revised = any(fault.kind is FaultKind.CONDITION and fault.day in {None, day} for fault in self.faults)
            modified = day + timedelta(days=3 if revised else 1)
            return {"date": day.isoformat(), "condition": "available", "last_modified_date": modified.isoformat()}
        condition = str(scripted.value)
        modified_text = None if condition in {"pending", "missing"} else (day + timedelta(days=1)).isoformat()
        return {"date": day.isoformat(), "condition": condition, "last_modified_date": modified_text}

    def _get_dataset_range(self, parameters: Parameters, _: Faults) -> Answer:
        dataset = self._dataset(parameters)
        span = {
            "start": f"{STARTS[dataset]}T00:00:00.000000000Z",
            "end": f"{self.available_until:%Y-%m-%dT%H:%M:%S}.000000000Z",
        }
        return _json({**span, "schema": dict.fromkeys(RECORD_BYTES, span)})

    def _resolve(self, parameters: Parameters, _: Faults) -> Answer:
        dataset = self._dataset(parameters)
        stype_in, stype_out = parameters.get("stype_in", "raw_symbol"), parameters.get("stype_out", "instrument_id")
        first = _date_or_none(parameters.get("start_date"))
        if first is None:
            raise RefusalError(422, "symbology_invalid_request", "`start_date` is not a date")
        end = _date_or_none(parameters.get("end_date")) or first + timedelta(days=1)
        if end <= first:
            raise RefusalError(422, "symbology_invalid_request", "`end_date` is not after `start_date`")
        result: dict[str, list[dict[str, str]]] = {}
        not_found = []
        for symbol in parameters.get("symbols", "").split(","):
            try:
                found = self._market.resolve(dataset, symbol, stype_in, first, end)
            except UnknownSymbolError:
                not_found.append(symbol)
                continue
            result[symbol] = [
                {"d0": i.first.isoformat(), "d1": i.end.isoformat(), "s": _target(i, stype_out)} for i in found
            ]
        return _json(
            {
                "result": result,
                "symbols": sorted(result),
                "stype_in": stype_in,
                "stype_out": stype_out,
                "start_date": first.isoformat(),
                "end_date": end.isoformat(),
                "partial": [],
                "not_found": not_found,
                "message": "Not found" if not_found else "OK",
                "status": 2 if not_found else 0,
            }
        )

    def _get_range(self, parameters: Parameters, faults: Faults) -> Answer:
        query = self._query(parameters)
        if parameters.get("encoding") != "dbn" or parameters.get("compression") != "zstd":
            raise RefusalError(422, "unsupported", "The stand-in serves DBN with zstd only")
        records = records_of(self._market, query, faults)
        body = dbn_body(self._market, query, records, faults)
        answer = Answer(200, body, content_type="application/octet-stream", framing="chunked")
        answer.billed_usd = self._price(query, faults)
        if FaultKind.DEGRADED in faults:
            day = faults[FaultKind.DEGRADED].day or utc_date(query.start_ns)
            answer.headers["X-Warning"] = json.dumps([f"{_DEGRADED_TEXT}: {day} (degraded)."])
        return answer

    def _submit_job(self, parameters: Parameters, faults: Faults) -> Answer:
        query = self._query(parameters)
        records = records_of(self._market, query, faults)
        body = dbn_body(self._market, query, records, faults)
        usd = self._price(query, faults)
        job = self._jobs.add(query, dict(parameters), body, len(records), usd, datetime.now(UTC))
        return Answer(200, json.dumps(job.details()).encode(), billed_usd=usd)

    def _list_jobs(self, parameters: Parameters, _: Faults) -> Answer:
        states = set((parameters.get("states") or "queued,processing,done").split(","))
        since = parameters.get("since")
        earliest = 0 if not since else parse_instant_ns(since)
        jobs = [job for job in self._jobs.all() if job.state in states and job.received_ns >= earliest]
        if parameters.get("short") == "True":
            return _json([{name: job.details()[name] for name in ("id", "state", "ts_received")} for job in jobs])
        return _json([job.details() for job in jobs])

    def _get_job_details(self, parameters: Parameters, faults: Faults) -> Answer:
        job = self._job(parameters)
        if FaultKind.JOB_EXPIRED in faults:
            job.expire()
        elif FaultKind.JOB_SLOW not in faults:
            job.poll()
        return _json(job.details())

    def _list_files(self, parameters: Parameters, faults: Faults) -> Answer:
        job = self._job(parameters)
        if job.state != "done":
            raise RefusalError(404, "batch_job_not_ready", f"The job is {job.state}")
        wrong = FaultKind.WRONG_SHA256 in faults
        return _json(job.file_list(parameters["gateway"], wrong_hash=wrong))

    def _download_zip(self, parameters: Parameters, _: Faults) -> Answer:
        return Answer(200, self._job(parameters).as_zip(parameters["gateway"]), content_type="application/zip")

    def _download_file(self, parameters: Parameters, faults: Faults) -> Answer:
        content = self._job(parameters).files.get(parameters["filename"])
        if content is None:
            raise RefusalError(404, "not_found", "There is no such file")
        answer = Answer(200, content, content_type="application/octet-stream")
        wanted = parameters.get("range", "")
        if wanted.startswith("bytes="):
            first, _, last = wanted.removeprefix("bytes=").partition("-")
            start, stop = int(first), min(int(last or len(content) - 1), len(content) - 1) + 1
            if start >= len(content):
                raise RefusalError(416, "range_not_satisfiable", "The file is shorter")
            answer.status, answer.body = 206, content[start:stop]
            answer.headers["Content-Range"] = f"bytes {start}-{stop - 1}/{len(content)}"
        if FaultKind.CUT_FILE in faults:
            answer.send_bytes = len(answer.body) // 2
        return answer

    def _dataset(self, parameters: Parameters) -> str:
        dataset = parameters.get("dataset", "")
        if dataset not in STARTS:
            raise RefusalError(
                422, "data_invalid_dataset", f"Invalid dataset: {dataset!r}; the stand-in has {', '.join(STARTS)}"
            )
        return dataset

    def _query(self, parameters: Parameters) -> DataQuery:
        dataset, schema = self._dataset(parameters), parameters.get("schema", "trades")
        if schema not in RECORD_BYTES:
            raise RefusalError(422, "data_invalid_schema", f"The stand-in has no {schema}")
        try:
            start_ns, end_ns = parse_instant_ns(parameters["start"]), parse_instant_ns(parameters["end"])
        except (KeyError, ValueError) as error:
            raise RefusalError(422, "data_invalid_time", f"`start` or `end` is no time: {error}") from error
        if start_ns >= end_ns:
            raise RefusalError(422, "data_time_range_start_on_or_after_end", "`start` is not before `end`")
        if end_ns > int(self.available_until.timestamp()) * 1_000_000_000:
            raise RefusalError(
                422, "data_end_after_available_end", f"The dataset ends {self.available_until.isoformat()}"
            )
        symbol, stype_in = parameters.get("symbols", ""), parameters.get("stype_in", "raw_symbol")
        try:
            intervals = intervals_of(self._market, dataset, symbol, stype_in, (start_ns, end_ns))
        except UnknownSymbolError as error:
            text = f"None of the symbols could be resolved: {symbol}"
            raise RefusalError(422, "symbology_invalid_symbol", text) from error
        limit = int(parameters["limit"]) if parameters.get("limit") else None
        return DataQuery(dataset, schema, symbol, stype_in, start_ns, end_ns, limit, intervals)

    def _size(self, query: DataQuery, faults: Faults) -> int:
        return len(records_of(self._market, query, faults)) * RECORD_BYTES[query.schema]

    def _price(self, query: DataQuery, faults: Faults) -> float:
        return round(self._size(query, faults) / _GIGABYTE * self._usd_per_gb[query.schema], 10)

    def _job(self, parameters: Parameters) -> BatchJob:
        job = self._jobs.get(parameters.get("job_id", ""))
        if job is None:
            raise RefusalError(404, "batch_job_not_found", "There is no such job")
        return job


def error_answer(status: int, case: str, message: str, **headers: str) -> Answer:
    """Return an error in the vendor's form."""
    detail = {
        "case": case,
        "message": message,
        "status_code": status,
        "docs": "https://databento.com/docs",
        "payload": {},
    }
    return Answer(status, json.dumps({"detail": detail}).encode(), dict(headers))


def _instead_of_an_answer(faults: Faults) -> Answer | None:  # noqa: PLR0911 - one line per fault
    if FaultKind.DROPPED in faults:
        return Answer(0, b"", dropped=True)
    if FaultKind.HTML_ERROR in faults:
        return Answer(502, b"<html>Bad Gateway</html>", content_type="text/html")
    if FaultKind.NO_JSON in faults:
        return Answer(200, b"<html>Sign in to the network</html>", content_type="text/html")
    fault = faults.get(FaultKind.STATUS)
    if fault is None:
        return None
    status = int(fault.value)
    headers = {} if fault.retry_after is None else {"Retry-After": fault.retry_after}
    if status == 504:
        return Answer(504, b"", headers, content_type="text/plain")
    if status == 401:
        return Answer(401, json.dumps({"detail": "Authentication failed."}).encode(), headers)
    answer = error_answer(status, f"scripted_{status}", f"Scripted fault with status {status}")
    answer.headers.update(headers)
    return answer


def _spoil_transfer(answer: Answer, call: str, faults: Faults) -> Answer:
    if FaultKind.CUT_CHUNKED in faults:
        answer.framing, answer.send_bytes = "chunked", len(answer.body) // 2
    if FaultKind.CUT_UNFRAMED in faults:
        answer.framing, answer.send_bytes = "close", len(answer.body) // 2
    if FaultKind.SLOW in faults:
        answer.pause_s = float(faults[FaultKind.SLOW].value)
    if FaultKind.LOST_ANSWER in faults and call in _PAID:
        answer.dropped = True
    return answer


def _target(interval: Interval, stype_out: str) -> str:
    return interval.raw_symbol if stype_out == "raw_symbol" else str(interval.instrument_id)


def _json(value: Any) -> Answer:
    return Answer(200, json.dumps(value).encode())


def _date_or_none(text: str | None) -> date | None:
    try:
        return None if not text else date.fromisoformat(text[:10])
    except ValueError:
        return None
