"""One question to the vendor, spelled out completely.

Belongs here: the query, its fingerprint, and the two conventions for the end of a range of dates. Does not belong here: asking it
(``client.py``).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from ..errors import RefusedError, command

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_HASH_LENGTH = 16


@dataclass(frozen=True, slots=True)
class Query:
    """What is asked for. Nothing has a default: the vendor's own defaults are another schema and all symbols of the venue.

    Attributes:
        dataset: such as ``GLBX.MDP3``.
        schema: such as ``mbp-10``.
        symbol: one symbol, such as ``ESZ5``.
        stype_in: ``raw_symbol``.
        start_ns: first instant by ``ts_recv``, epoch nanoseconds UTC.
        end_ns: first instant after it.
    """

    dataset: str
    schema: str
    symbol: str
    stype_in: str
    start_ns: int
    end_ns: int

    def __post_init__(self) -> None:
        """Refuse an empty window and an empty symbol, which the vendor takes for all symbols.

        Raises:
            RefusedError: E341.
        """
        if (
            self.symbol.strip()
            and "," not in self.symbol
            and self.symbol != "ALL_SYMBOLS"
            and self.start_ns < self.end_ns
        ):
            return
        window = f"{instant_of(self.start_ns):%Y-%m-%dT%H:%M:%SZ} to {instant_of(self.end_ns):%Y-%m-%dT%H:%M:%SZ}"
        raise RefusedError(
            "E341",
            f"query rejected: symbol {self.symbol!r}, window {window}",
            "one symbol and a window that ends after it starts are needed; the vendor was not asked",
            command("tp", "l2", "plan", "--help"),
        )

    @property
    def fingerprint(self) -> str:
        """Return 16 hexadecimal digits that name the query; the same question has the same name on every machine."""
        text = json.dumps(asdict(self), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:_HASH_LENGTH]

    def metadata_parameters(self) -> dict[str, Any]:
        """Return the parameters of count, size and cost."""
        return {
            "dataset": self.dataset,
            "schema": self.schema,
            "symbols": [self.symbol],
            "stype_in": self.stype_in,
            "start": self.start_ns,
            "end": self.end_ns,
        }

    def data_parameters(self) -> dict[str, Any]:
        """Return the parameters of a request for data."""
        return {**self.metadata_parameters(), "stype_out": "instrument_id"}


def condition_range(days: Iterable[date]) -> dict[str, date]:
    """Return the parameters of a dataset condition over these days: there the end is **inclusive**."""
    ordered = sorted(days)
    return {"start_date": ordered[0], "end_date": ordered[-1]}


def exclusive_range(days: Iterable[date]) -> dict[str, date]:
    """Return the parameters of a symbol resolution over these days: there, as for data, the end is **exclusive**."""
    ordered = sorted(days)
    return {"start_date": ordered[0], "end_date": ordered[-1] + timedelta(days=1)}


def instant_of(ns: int) -> datetime:
    """Return an instant in UTC, cut to microseconds."""
    return _EPOCH + timedelta(microseconds=ns // 1_000)


def nanoseconds_of(instant: datetime) -> int:
    """Return epoch nanoseconds of an aware instant."""
    since = instant - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000_000 + since.microseconds * 1_000
