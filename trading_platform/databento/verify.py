"""Is a file what was asked for, and all of it?

Belongs here: the proof by count, order, window and mapping. Does not belong here: the container (``dbn.py`` refuses what is cut or damaged
before a record is looked at) and what the fields mean (``decode.py``).

Source: the vendor's client neither notices a stream that ended early between two records nor compares counts; whoever pays must.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np

from ..errors import VendorError, command
from .dbn import DbnFile, DbnMetadata
from .format import PRICE_SCALE, Int64s, Records

_NEXT = ("tp", "l2", "import", "--help")


@dataclass(frozen=True, slots=True)
class Expectation:
    """What a file should hold; None where nothing is known beforehand.

    Attributes:
        dataset: such as ``XNAS.ITCH``.
        symbol: as requested, one name.
        start_ns: first instant by ``ts_recv``, epoch nanoseconds UTC.
        end_ns: first instant after it.
        records: the vendor's count for the same query.
        single_instrument: True if more than one instrument is an error, as in the answer to a query for one raw symbol.
    """

    dataset: str | None = None
    symbol: str | None = None
    start_ns: int | None = None
    end_ns: int | None = None
    records: int | None = None
    single_instrument: bool = False


@dataclass(frozen=True)
class DbnReport:
    """What was found.

    Attributes:
        name: the file's name.
        size_bytes: its size.
        metadata: what it says about itself.
        synthetic: True if it carries the mark of simulated data.
        records: records in it.
        first_ns: smallest ts_recv, epoch nanoseconds UTC; None without records.
        last_ns: largest.
        decreases: records whose ts_recv is below that of the record before.
        outside_window: records outside the expected window; 0 if none was given.
        instrument_ids: those that occur, ascending.
        errors: everything that contradicts the expectation; empty if the file is as it should be.
    """

    name: str
    size_bytes: int
    metadata: DbnMetadata
    synthetic: bool
    records: int
    first_ns: int | None
    last_ns: int | None
    decreases: int
    outside_window: int
    instrument_ids: tuple[int, ...]
    errors: tuple[VendorError, ...]

    def require(self) -> DbnReport:
        """Return the report.

        Raises:
            VendorError: the first of its errors: E306, E307, E308, E309 or E311.
        """
        if self.errors:
            raise self.errors[0]
        return self


def verify_dbn(path: Path, expected: Expectation | None = None) -> DbnReport:
    """Read a whole file, in bounded memory, and compare it with what was asked for.

    Raises:
        VendorError: E300 to E305, E310: it cannot be read as a whole file of ten-level books.
    """
    with DbnFile(path) as file:
        verifier = Verifier(file, expected or Expectation())
        for _, records in file.blocks():
            verifier.add(records)
        return verifier.report()


class Verifier:
    """Looks at every record of a file while somebody else reads it.

    Args:
        file: the file.
        expected: what it should hold.

    Attributes:
        records: records so far.
        decreases: decreases of ts_recv so far.
        outside_window: records outside the expected window so far.
    """

    def __init__(self, file: DbnFile, expected: Expectation) -> None:
        self.records = 0
        self.decreases = 0
        self.outside_window = 0
        self._file = file
        self._expected = expected
        self._range: tuple[int, int] | None = None
        self._last: int | None = None
        self._first_decrease: int | None = None
        self._first_outside: tuple[int, int] | None = None
        self._ids: set[int] = set()

    def add(self, records: Records) -> None:
        """Look at the next block."""
        numbers = records["instrument_id"]
        first = int(numbers[0])
        self._ids.update({first} if (numbers == first).all() else np.unique(numbers).tolist())
        self._add_times(np.ascontiguousarray(records["ts_recv"]).view(np.int64))

    def add_rows(self, received: Int64s, instrument_id: int) -> None:
        """Look at records of one instrument that have been decoded already: their times lie side by side.

        Args:
            received: ts_recv, epoch nanoseconds UTC.
            instrument_id: of all of them.
        """
        self._ids.add(instrument_id)
        self._add_times(received)

    def _add_times(self, received: Int64s) -> None:
        self._look_at_order(received)
        low, high = int(received.min()), int(received.max())
        self._range = (low, high) if self._range is None else (min(low, self._range[0]), max(high, self._range[1]))
        self._look_at_window(received, low, high)
        self.records += len(received)

    def report(self) -> DbnReport:
        """Return what was found, after the last block."""
        low, high = (None, None) if self._range is None else self._range
        return DbnReport(
            name=self._file.name,
            size_bytes=self._file.size_bytes,
            metadata=self._file.metadata,
            synthetic=self._file.synthetic,
            records=self.records,
            first_ns=low,
            last_ns=high,
            decreases=self.decreases,
            outside_window=self.outside_window,
            instrument_ids=tuple(sorted(self._ids)),
            errors=tuple(self._errors()),
        )

    def order_error(self) -> VendorError | None:
        """Return the error for times that run backwards; None while they do not."""
        if self._first_decrease is None:
            return None
        return VendorError(
            "E307",
            f"{self._file.name}: ts_recv decreases {self.decreases} times, first at record {self._first_decrease}",
            "the vendor orders records by ts_recv; the file was changed or joined in the wrong order; nothing was stored",
            command(*_NEXT),
        )

    def _look_at_order(self, received: Int64s) -> None:
        if self._last is not None and received[0] < self._last:
            self._note_decrease(self.records, 1)
        later = received[1:] < received[:-1]
        if later.any():
            self._note_decrease(self.records + int(later.argmax()) + 1, int(np.count_nonzero(later)))
        self._last = int(received[-1])

    def _note_decrease(self, at: int, count: int) -> None:
        self.decreases += count
        if self._first_decrease is None:
            self._first_decrease = at

    def _look_at_window(self, received: Int64s, low: int, high: int) -> None:
        start, end = self._expected.start_ns, self._expected.end_ns
        early, late = start is not None and low < start, end is not None and high >= end
        if not (early or late):
            return
        outside = np.zeros(len(received), np.bool_)
        if start is not None:
            outside |= received < start
        if end is not None:
            outside |= received >= end
        self.outside_window += int(np.count_nonzero(outside))
        if self._first_outside is None:
            at = int(outside.argmax())
            self._first_outside = (self.records + at, int(received[at]))

    def _errors(self) -> list[VendorError]:
        found = (
            self._wrong_dataset(),
            self._wrong_symbol(),
            self._wrong_count(),
            self.order_error(),
            self._wrong_window(),
        )
        return [error for error in (*found, self._several_instruments()) if error is not None]

    def _wrong_dataset(self) -> VendorError | None:
        wanted, found = self._expected.dataset, self._file.metadata.dataset
        if wanted is None or wanted == found:
            return None
        return VendorError(
            "E311",
            f"{self._file.name} comes from dataset {found}, expected {wanted}",
            "another venue's book is another book; nothing was stored",
            command(*_NEXT),
        )

    def _wrong_symbol(self) -> VendorError | None:
        symbol, metadata = self._expected.symbol, self._file.metadata
        if symbol is None:
            return None
        if symbol in metadata.partial or symbol in metadata.not_found:
            return self._no_mapping(f"the vendor found {symbol} on some of the dates only, or not at all")
        if symbol not in metadata.mappings:
            return self._no_mapping(f"{symbol} is not among its symbols ({_listed(metadata.symbols)})")
        missing = self._ids - metadata.instrument_ids(symbol)
        if missing and self._expected.single_instrument:
            return self._no_mapping(f"instrument {min(missing)} occurs, which {symbol} does not mean on any date")
        return None

    def _no_mapping(self, detail: str) -> VendorError:
        return VendorError(
            "E309",
            f"{self._file.name}: {detail}",
            "records cannot be assigned to an instrument for certain; nothing was stored",
            command(*_NEXT),
        )

    def _wrong_count(self) -> VendorError | None:
        wanted = self._expected.records
        if wanted is None or wanted == self.records:
            return None
        return VendorError(
            "E306",
            f"{self._file.name} has {self.records} records, the vendor counts {wanted} for the same query",
            "the transfer ended early between two records, or the vendor revised the day in between; nothing was stored",
            command(*_NEXT),
        )

    def _wrong_window(self) -> VendorError | None:
        if self._first_outside is None:
            return None
        at, received = self._first_outside
        return VendorError(
            "E308",
            f"{self._file.name}: {self.outside_window} records lie outside the window asked for, "
            f"first record {at} received {_instant(received)}",
            "the answer does not belong to the query; nothing was stored",
            command(*_NEXT),
        )

    def _several_instruments(self) -> VendorError | None:
        if not self._expected.single_instrument or len(self._ids) < 2:
            return None
        return self._no_mapping(f"records of {len(self._ids)} instruments ({_listed(sorted(self._ids))}), expected one")


def instrument_on(file: DbnFile, symbol: str, trade_date: date) -> int:
    """Return the instrument id that a requested symbol means on a trade date.

    Mappings are per UTC date, and a futures session begins the evening before; the trade date decides.

    Raises:
        VendorError: E309 if the file does not say so for certain.
    """
    intervals = file.metadata.mappings.get(symbol, ())
    found = {target for first, end, target in intervals if first <= trade_date < end}
    if len(found) == 1 and (target := next(iter(found))).isdigit():
        return int(target)
    known = _listed(f"{first} to {end - timedelta(days=1)}" for first, end, _ in intervals) or "none"
    raise VendorError(
        "E309",
        f"{file.name}: {symbol} means {len(found)} instruments on {trade_date}, expected one; dates covered: {known}; "
        f"symbols: {_listed(file.metadata.symbols)}",
        "records cannot be assigned to an instrument for certain; nothing was stored",
        command(*_NEXT),
    )


def other_instrument(file: DbnFile, found: int, expected: int) -> VendorError:
    """Return the error for a file whose instrument is not that of the file before it."""
    return VendorError(
        "E309",
        f"{file.name} is of instrument {found}, the file before it of {expected}",
        "parts of one session must be of one instrument; nothing was stored",
        command(*_NEXT),
    )


def _listed(values: Iterable[object]) -> str:
    shown = [str(value) for value in values]
    return ", ".join(shown[:5]) + (", ..." if len(shown) > 5 else "")


def _instant(ns: int) -> str:
    seconds, nanos = divmod(ns, PRICE_SCALE)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{nanos:09d}Z"
