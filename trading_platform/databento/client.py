"""The client: the vendor's own library with what it leaves to its users.

Belongs here: previews, conditions, symbol resolution, downloads; attempts, warnings, numbered errors, the circuit breaker. Does not belong
here: where a download is kept (``raw_cache.py``), batch jobs (``batch.py``), what is asked for (``symbols.py``, ``conditions.py``).

The library neither tries a stream again nor notices one that was cut cleanly, and its defaults are another schema and all symbols. Nothing
of it is replaced: the unmodified ``databento.Historical`` makes every call.
"""

from __future__ import annotations

import contextlib
import random
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final, TypeVar

from ..clock import Clock, SystemClock
from ..errors import RefusedError, VendorError, command
from ..settings import Settings
from .conditions import DayCondition, conditions_of
from .failures import Failure, FailureKind, VerificationFailedError, classify, numbered
from .query import Query, condition_range, exclusive_range
from .vendor_warnings import vendor_warnings

T = TypeVar("T")

BREAKER_LIMIT: Final = 5
_UNAVAILABLE: Final = frozenset(
    {"E330", "E331", "E332", "E333", "E335", "E337", "E343", "E344", "E350", "E351", "E383", "E384", "E385"}
)


@dataclass(frozen=True, slots=True)
class Preview:
    """What the vendor says of a query before it is paid.

    Attributes:
        records: exact number of records.
        size_bytes: uncompressed size, which is what is billed.
        cost_usd: cost of this query for this account.
    """

    records: int
    size_bytes: int
    cost_usd: float


@dataclass(frozen=True, slots=True)
class ResolvedSymbol:
    """A symbol and the one instrument that it means on a trade date.

    Attributes:
        symbol: as asked for, such as ``ES.v.0``.
        raw_symbol: the vendor's name of the contract or share, such as ``ESZ5``.
        instrument_id: the vendor's number on that date.
    """

    symbol: str
    raw_symbol: str
    instrument_id: int


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt at a download.

    Attributes:
        number: counted from 1.
        failure: None if it succeeded.
        received_bytes: bytes that arrived.
    """

    number: int
    failure: Failure | None
    received_bytes: int


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


def outcome_of(error: VendorError) -> str:
    """Return the outcome of a day that ends with this error: ``UNAVAIL`` if the vendor cannot be used at all, else ``ERROR``."""
    return "UNAVAIL" if error.code in _UNAVAILABLE else "ERROR"


class DataBentoClient:
    """Calls the vendor; one object per run, safe to use from several threads.

    Args:
        settings: key, gateway, allowed datasets and schemas, attempts.
        clock: reads a ``Retry-After`` that is a date.
        uniform: random number in a range, for the jitter.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Clock | None = None,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self.settings = settings
        self.clock = SystemClock() if clock is None else clock
        self._uniform = uniform
        self._library: Any = None
        self._lock = threading.Lock()
        self._was_usable = False
        self._unavailable_in_a_row = 0
        self._stopped: VendorError | None = None

    def __repr__(self) -> str:
        """Show the gateway, never the key."""
        return f"DataBentoClient(gateway={self.settings.databento_gateway!r})"

    @property
    def library(self) -> Any:
        """Return the vendor's client object.

        Raises:
            VendorError: E330 there is no key; E331 the library is not installed; E340 the gateway is no address; E344 switched off.
        """
        with self._lock:
            if self._library is None:
                self._library = self._open()
            return self._library

    def preview(self, query: Query) -> Preview:
        """Ask for number, size and cost of the records; free.

        Raises:
            VendorError: the vendor cannot be asked, or refuses.
            RefusedError: E340 dataset or schema are not allowed.
        """
        self.require_allowed(query)
        metadata = self.library.metadata
        subject = f"{query.symbol} {query.dataset} {query.schema}"
        parameters = query.metadata_parameters()
        records = self.call(f"record count of {subject}", lambda: int(metadata.get_record_count(**parameters)))
        size_bytes = self.call(f"size of {subject}", lambda: int(metadata.get_billable_size(**parameters)))
        cost_usd = self.call(f"cost of {subject}", lambda: float(metadata.get_cost(**parameters)))
        return Preview(records, size_bytes, cost_usd)

    def record_count(self, query: Query) -> int:
        """Ask for the number of records; free."""
        self.require_allowed(query)
        parameters = query.metadata_parameters()
        metadata = self.library.metadata
        return self.call(f"record count of {query.symbol}", lambda: int(metadata.get_record_count(**parameters)))

    def conditions(self, dataset: str, days: Iterable[date]) -> dict[date, DayCondition]:
        """Ask how good the vendor's data of some days are; free. A day that is not in the answer is not in the result."""
        span = condition_range(days)
        metadata = self.library.metadata
        return self.call(
            f"condition of {dataset}",
            lambda: conditions_of(metadata.get_dataset_condition(dataset=dataset, **span)),
        )

    def dataset_range(self, dataset: str, schema: str) -> tuple[datetime, datetime]:
        """Ask from when to when a dataset has records of a schema; free. The end is exclusive."""
        metadata = self.library.metadata

        def ask() -> tuple[datetime, datetime]:
            answer = metadata.get_dataset_range(dataset=dataset)
            span = answer.get("schema", {}).get(schema, answer)
            return instant_from(span["start"]), instant_from(span["end"])

        return self.call(f"range of {dataset}", ask)

    def resolve(self, dataset: str, symbol: str, stype_in: str, trade_date: date) -> ResolvedSymbol:
        """Ask which contract or share a symbol means on a trade date; free.

        Mappings are per UTC date and a futures session begins the evening before: the trade date decides, for the whole session.

        Raises:
            VendorError: E342 it means none or several; E334 and others as for every call.
        """
        parameters = {"dataset": dataset, **exclusive_range([trade_date])}
        resolve = self.library.symbology.resolve
        raw_symbol = symbol
        if stype_in != "raw_symbol":
            answer = self.call(
                f"meaning of {symbol}",
                lambda: _answered(resolve(symbols=[symbol], stype_in=stype_in, stype_out="raw_symbol", **parameters)),
            )
            raw_symbol = _only_target(answer, symbol, dataset, trade_date)
        answer = self.call(
            f"instrument of {raw_symbol}",
            lambda: _answered(
                resolve(symbols=[raw_symbol], stype_in="raw_symbol", stype_out="instrument_id", **parameters)
            ),
        )
        number = _only_target(answer, raw_symbol, dataset, trade_date)
        if not number.isdigit():
            raise _ambiguous(raw_symbol, dataset, trade_date, f"instrument {number!r} is no number")
        return ResolvedSymbol(symbol, raw_symbol, int(number))

    def download(
        self,
        query: Query,
        new_path: Callable[[int], Path],
        verify: Callable[[Path], object],
        *,
        before: Callable[[int], None],
        after: Callable[[Attempt], None],
    ) -> Received:
        """Stream the records of a query into a file. This costs money, every time.

        Args:
            query: what is asked for.
            new_path: gives a path that does not exist for an attempt, counted from 1.
            verify: raises VendorError if the file is not what was asked for; then it is tried again.
            before: called before each attempt; what it raises ends the download without a call.
            after: called after each attempt, also after one that fails.

        Returns:
            The verified file. Files of failed attempts are deleted, the one of the last attempt only if nothing was wrong with it but
            its end; one that fails its verification for good stays, for the caller to put aside.

        Raises:
            VendorError: E332 to E339, E343.
        """
        self.require_allowed(query)
        library = self.library
        warned: list[str] = []
        count = 0
        path = new_path(1)

        def attempt() -> None:
            nonlocal count, path
            count += 1
            path = new_path(count)
            before(count)
            try:
                with vendor_warnings() as caught:
                    store = library.timeseries.get_range(**query.data_parameters(), path=path)
                    del store
                _verified(path, verify)
            except BaseException as error:
                failure = self.classified(error)
                after(Attempt(count, failure, _size(path)))
                if failure is None or failure.verification is None or count < self.settings.databento_attempts:
                    path.unlink(missing_ok=True)
                raise
            warned[:] = caught
            after(Attempt(count, None, _size(path)))

        self.call(f"data of {query.symbol}", attempt)
        return Received(path, tuple(dict.fromkeys(warned)), count)

    def call(
        self, what: str, function: Callable[[], T], *, again: Callable[[Failure], bool] = lambda _failure: True
    ) -> T:
        """Call the library, again where that makes sense, and translate what it raises.

        Args:
            what: the call and its subject, for messages.
            function: makes the call.
            again: says of a passing failure whether this call may be repeated.

        Raises:
            VendorError: E332 to E339, E343; E337 if the breaker is open.
        """
        import stamina

        self._require_not_stopped()
        attempts = 0

        def may_retry(error: Exception) -> bool | float:
            failure = self.classified(error)
            if failure is None or not failure.may_be_tried_again or not again(failure):
                return False
            return self._wait_s(failure, attempts)

        try:
            for attempt in stamina.retry_context(
                on=may_retry, attempts=self.settings.databento_attempts, timeout=None, wait_initial=0, wait_jitter=0
            ):
                with attempt:
                    attempts += 1
                    result = function()
        except Exception as error:
            final = self.classified(error)
            if final is None:
                raise
            translated = numbered(final, what, attempts=attempts, was_usable=self._was_usable)
            self._note(final, translated)
            # No cause: exceptions of the HTTP library carry the request, and with it the key.
            raise translated from (final.verification if final.verification is not None else None)
        self._note(None, None)
        return result

    def require_allowed(self, query: Query) -> None:
        """Refuse datasets and schemas that the settings do not allow.

        Raises:
            RefusedError: E340.
        """
        settings = self.settings
        for kind, value, allowed, variable in (  # name, asked for, list, setting
            ("dataset", query.dataset, settings.databento_datasets, "TP_DATABENTO_DATASETS"),
            ("schema", query.schema, settings.databento_schemas, "TP_DATABENTO_SCHEMAS"),
        ):
            names = [name.strip() for name in allowed.split(",")]
            if value not in names:
                raise RefusedError(
                    "E340",
                    f"{kind} {value!r} is not allowed; allowed are {', '.join(names)}",
                    f"{variable} guards against costly mistakes such as a misspelt name; the vendor was not asked",
                    "tp config",
                )

    def _open(self) -> Any:
        _log_retries_ourselves()
        settings = self.settings
        if not settings.databento_enabled:
            raise VendorError(
                "E344",
                "DataBento is switched off: TP_DATABENTO_ENABLED is false",
                "no call is made, not even a free one",
                "tp config",
            )
        key = settings.databento_api_key
        if key is None or not key.get_secret_value().strip():
            raise VendorError(
                "E330",
                "there is no key for DataBento: DATABENTO_API_KEY is not set",
                "without it nothing can be asked; everything else goes on; the next command starts a stand-in with synthetic data",
                "tp simulate databento",
            )
        try:
            import databento
        except ImportError as error:
            raise VendorError(
                "E331",
                f"the library of DataBento cannot be loaded: {error}",
                "it is a dependency of the platform that is not installed, or does not fit this Python",
                "tp config",
            ) from error
        try:
            library = databento.Historical(
                key.get_secret_value().strip(), gateway=settings.databento_gateway.rstrip("/")
            )
        except ValueError:  # its text may hold the key
            raise RefusedError(
                "E340",
                f"TP_DATABENTO_GATEWAY rejected: {settings.databento_gateway!r}, or the key is no key",
                "an address such as https://hist.databento.com is needed; the vendor was not asked",
                "tp config",
            ) from None
        for group in (library.metadata, library.symbology, library.timeseries, library.batch):
            # Set per object, so that nobody else's calls change.
            group.TIMEOUT = settings.databento_timeout_s  # type: ignore[assignment]  # fractions of a second are fine
        return library

    def classified(self, error: BaseException) -> Failure | None:
        """Return what an exception of the library means; None for one that is not the vendor's."""
        key = self.settings.databento_api_key
        secret = "" if key is None else key.get_secret_value().strip()
        return classify(error, secret, self.clock.now())

    def _wait_s(self, failure: Failure, attempts: int) -> float:
        if failure.retry_after_s is not None:
            return failure.retry_after_s
        settings = self.settings
        doubled_ms = settings.databento_retry_base_ms * 2.0 ** (attempts - 1)
        ceiling_ms = min(settings.databento_retry_cap_ms, doubled_ms)
        return self._uniform(0.0, ceiling_ms / 1_000)

    def _require_not_stopped(self) -> None:
        with self._lock:
            stopped = self._stopped
        if stopped is not None:
            raise VendorError(stopped.code, stopped.what, stopped.why, stopped.next_command)

    def _note(self, failure: Failure | None, error: VendorError | None) -> None:
        """Keep count: an error of access stops everything, five unavailable answers in a row open the breaker."""
        with self._lock:
            if failure is None or error is None:
                self._was_usable = True
                self._unavailable_in_a_row = 0
                return
            if failure.kind is FailureKind.ACCESS:
                self._stopped = error
            elif failure.kind is FailureKind.PASSING and failure.verification is None:
                self._unavailable_in_a_row += 1
                if self._unavailable_in_a_row >= BREAKER_LIMIT:
                    self._stopped = VendorError(
                        "E337",
                        f"DataBento failed {BREAKER_LIMIT} calls in a row; no more are made in this run",
                        f"the last one: {error.what}; days that are done stay done",
                        command("tp", "l2", "plan", "--help"),
                    )
            else:
                self._unavailable_in_a_row = 0


def _answered(answer: Any) -> Any:
    if not isinstance(answer, dict) or not isinstance(answer.get("result"), dict):
        raise ValueError("Expected an object with a result, was something else")
    return answer


def _only_target(answer: Any, symbol: str, dataset: str, trade_date: date) -> str:
    """Return the one target of a symbol on a date."""
    if symbol in answer.get("not_found", ()) or symbol in answer.get("partial", ()):
        raise _ambiguous(symbol, dataset, trade_date, "the vendor did not find it on that date")
    day = trade_date.isoformat()
    found = {str(entry["s"]) for entry in answer["result"].get(symbol, ()) if entry["d0"] <= day < entry["d1"]}
    found.discard("")
    if len(found) != 1:
        raise _ambiguous(symbol, dataset, trade_date, f"it means {len(found)}: {', '.join(sorted(found)) or 'none'}")
    return found.pop()


def _ambiguous(symbol: str, dataset: str, trade_date: date, detail: str) -> VendorError:
    return VendorError(
        "E342",
        f"{symbol} does not mean one instrument of {dataset} on {trade_date}: {detail}",
        "records could not be assigned for certain; nothing was paid",
        command("tp", "l2", "plan", "--help"),
    )


def instant_from(text: str) -> datetime:
    """Read the vendor's ISO 8601 time, which has nine digits behind the second."""
    whole, _, rest = text.rstrip("Z").partition(".")
    zone = "+00:00" if "+" not in whole else ""
    micro = f".{rest[:6]}" if rest else ""
    return datetime.fromisoformat(f"{whole}{micro}{zone}")


def _size(path: Path) -> int:
    with contextlib.suppress(OSError):
        return path.stat().st_size
    return 0


def _log_retries_ourselves() -> None:
    """Keep the retries off standard output, where structlog writes unless it was told otherwise and ``--json`` belongs."""
    import stamina.instrumentation
    import structlog

    def note(details: stamina.instrumentation.RetryDetails) -> None:
        if structlog.is_configured():
            cause = type(details.caused_by).__name__
            structlog.get_logger().warning(
                "vendor_retry", attempt=details.retry_num, wait_s=details.wait_for, cause=cause
            )

    stamina.instrumentation.set_on_retry_hooks([note])


def _verified(path: Path, verify: Callable[[Path], object]) -> None:
    try:
        verify(path)
    except VendorError as error:
        raise VerificationFailedError(error) from error
