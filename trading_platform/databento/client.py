"""The client: the vendor's own library with what it leaves to its users.

Belongs here: opening the library, and every question that is free. Does not belong here: attempts and errors (``calls.py``), reading
answers (``answers.py``), what costs money (``stream.py``, ``batch.py``), what is asked for (``symbols.py``, ``conditions.py``).

The library's defaults are another schema and all symbols. Nothing of it is replaced: the unmodified ``databento.Historical`` makes every
call.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from ..clock import Clock, SystemClock
from ..errors import RefusedError, VendorError
from ..settings import Settings
from .answers import ambiguous, only_target, resolution, span_from
from .calls import Calls, log_retries_ourselves
from .conditions import DayCondition, conditions_of
from .query import Query, condition_range, exclusive_range

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


def outcome_of(error: VendorError) -> str:
    """Return the outcome of a day that ends with this error: ``UNAVAIL`` if the vendor cannot be used at all, else ``ERROR``."""
    return "UNAVAIL" if error.code in _UNAVAILABLE else "ERROR"


class DataBentoClient:
    """Calls the vendor; one object per run, safe to use from several threads.

    Args:
        settings: key, gateway, allowed datasets and schemas, attempts.
        clock: reads a ``Retry-After`` that is a date.
        uniform: random number in a range, for the jitter.

    Attributes:
        calls: make each call, with attempts, errors and breaker.
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
        self.calls = Calls(settings, self.clock, uniform)
        self._library: Any = None
        self._lock = threading.Lock()

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
        records = self.calls.call(f"record count of {subject}", lambda: int(metadata.get_record_count(**parameters)))
        size_bytes = self.calls.call(f"size of {subject}", lambda: int(metadata.get_billable_size(**parameters)))
        cost_usd = self.calls.call(f"cost of {subject}", lambda: float(metadata.get_cost(**parameters)))
        return Preview(records, size_bytes, cost_usd)

    def record_count(self, query: Query) -> int:
        """Ask for the number of records; free."""
        self.require_allowed(query)
        parameters = query.metadata_parameters()
        metadata = self.library.metadata
        return self.calls.call(f"record count of {query.symbol}", lambda: int(metadata.get_record_count(**parameters)))

    def conditions(self, dataset: str, days: Iterable[date]) -> dict[date, DayCondition]:
        """Ask how good the vendor's data of some days are; free. A day that is not in the answer is not in the result."""
        span = condition_range(days)
        metadata = self.library.metadata
        return self.calls.call(
            f"condition of {dataset}",
            lambda: conditions_of(metadata.get_dataset_condition(dataset=dataset, **span)),
        )

    def dataset_range(self, dataset: str, schema: str) -> tuple[datetime, datetime]:
        """Ask from when to when a dataset has records of a schema; free. The end is exclusive."""
        metadata = self.library.metadata
        return self.calls.call(
            f"range of {dataset}", lambda: span_from(metadata.get_dataset_range(dataset=dataset), schema)
        )

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
            answer = self.calls.call(
                f"meaning of {symbol}",
                lambda: resolution(resolve(symbols=[symbol], stype_in=stype_in, stype_out="raw_symbol", **parameters)),
            )
            raw_symbol = only_target(answer, symbol, dataset, trade_date)
        answer = self.calls.call(
            f"instrument of {raw_symbol}",
            lambda: resolution(
                resolve(symbols=[raw_symbol], stype_in="raw_symbol", stype_out="instrument_id", **parameters)
            ),
        )
        number = only_target(answer, raw_symbol, dataset, trade_date)
        if not number.isdigit():
            raise ambiguous(raw_symbol, dataset, trade_date, f"instrument {number!r} is no number")
        return ResolvedSymbol(symbol, raw_symbol, int(number))

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
        log_retries_ourselves()
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
                "export DATABENTO_API_KEY=... or a line of .env sets it; without it nothing can be asked, and everything else goes on; to "
                "try it with synthetic data, in a home of its own, the next command starts a stand-in",
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
