"""Everything that days of level 2 need of the vendor during one run: asked once, paid once.

Belongs here: what a symbol means on a date, what the vendor offers for it, the raw files that are there, buying one that is not; all of it
remembered for the length of a run. Does not belong here: single calls (``client.py``), cache, budget and ledger (``fetch.py``), rows.
"""

from __future__ import annotations

import threading
from calendar import monthrange
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, wait
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from pathlib import Path
from typing import Final

from ..errors import PlatformError, RefusedError, VendorError, command
from ..instruments import Registry, RollTable
from ..lake.building import SourceChangedError
from ..sessions import Session
from ..settings import Settings
from .budget import PlannedDay
from .client import Preview
from .conditions import DayCondition, Decision, decide, needs_record_count, out_of_range
from .fetch import DayRequest, RawStore
from .format import SCHEMA
from .query import Query, nanoseconds_of
from .raw_cache import RawCache, RawFile
from .symbology_cache import keep_symbol, kept_symbol
from .symbols import MappedSymbol, VendorSymbol, canonical_symbol, in_capitals, read_symbol_mapping, vendor_symbol
from .targets import DayTarget, Market, Window, market_of, wanted_window
from .verify import Expectation, verify_dbn

IMPORTED: Final = "import"


class RawFileGoneError(SourceChangedError):
    """A raw file that the plan saw is not there any more; ``build_day`` plans once more."""

    family = "E3"


@dataclass(frozen=True, slots=True)
class Offer:
    """What the vendor says of a day.

    Attributes:
        decision: what becomes of the day.
        condition: the vendor's condition; None if it names none or was not asked.
        preview: number, size and cost of the records; None if they were not asked for.
    """

    decision: Decision
    condition: DayCondition | None = None
    preview: Preview | None = None


@dataclass(frozen=True, slots=True)
class Piece:
    """What is taken from one raw file.

    Attributes:
        raw: the file.
        start_ns: first instant, epoch nanoseconds UTC.
        end_ns: first instant after it.
    """

    raw: RawFile
    start_ns: int
    end_ns: int

    @property
    def is_imported(self) -> bool:
        """Tell whether the user owned the file before."""
        return self.raw.details.get("mode") == IMPORTED

    @property
    def symbol_in_file(self) -> str:
        """Return the name under which the file knows the instrument."""
        return str(self.raw.details.get("symbol_in_file", self.raw.query.symbol))


class Vendor:
    """The vendor for one run; safe to use from several threads.

    Args:
        store: cache, ledger, budget and client.
        settings: dataset, schema, mapping file, window.
        registry: instruments.
        rolls: contract of a root.
        synthetic: what is bought is generated: by a stand-in, or for a demo home.
        may_ask: False for a demo home whose gateway is the real vendor; it works with what is there.
        rebuy: buy days again although they are in the cache, each once in this run.
    """

    def __init__(
        self,
        store: RawStore,
        settings: Settings,
        registry: Registry,
        rolls: RollTable,
        *,
        synthetic: bool,
        may_ask: bool = True,
        rebuy: bool = False,
    ) -> None:
        self.store = store
        self.settings = settings
        self.registry = registry
        self.rolls = rolls
        self.synthetic = synthetic
        self.may_ask = may_ask
        self.rebuy = rebuy
        self._lock = threading.Lock()
        self._questions: dict[tuple[str | int, ...], threading.Lock] = {}
        self._conditions: dict[tuple[str, int, int], Mapping[date, DayCondition]] = {}
        self._ranges: dict[tuple[str, str], Window] = {}
        self._offers: dict[str, Offer] = {}
        self._fetch_locks: dict[str, threading.Lock] = {}
        self._renewed: set[str] = set()
        self._failed: dict[str, Exception] = {}
        self._admitted: dict[str, PlannedDay] = {}
        self._refusal: RefusedError | None = None
        self._before_first: Callable[[], None] | None = None
        self._expected: dict[str, Future[bool]] = {}
        self._of_thread = threading.local()

    @property
    def cache(self) -> RawCache:
        """Return the cache of raw files."""
        return self.store.cache

    @cached_property
    def mapping(self) -> Mapping[str, MappedSymbol]:
        """Return the mapping file.

        Raises:
            RefusedError: E365 it is not valid.
        """
        return read_symbol_mapping(self.settings.symbol_mapping)

    def canonical(self, symbol: str) -> str:
        """Return the one spelling of a symbol; the mapping file is read only for a name that is not in capitals.

        Raises:
            RefusedError: E365 the mapping file is not valid.
        """
        return symbol if symbol == in_capitals(symbol) else canonical_symbol(symbol, self.mapping, self.registry)

    def market(self, symbol: str) -> Market:
        """Return where a symbol trades.

        Raises:
            RefusedError: E365 the mapping file is not valid; E388 the symbol has no order book.
        """
        symbol = self.canonical(symbol)
        if symbol in self.registry.instruments:
            return market_of(symbol, self.registry)
        entry = self.mapping.get(symbol)
        return market_of(symbol if entry is None else entry.symbol, self.registry)

    def target(self, symbol: str, session: Session) -> DayTarget:
        """Return what is wanted of a symbol on an open trade date; asks only for a continuous symbol that was never resolved.

        Raises:
            RefusedError: E365 to E367, E387 to E389. VendorError: E342 a continuous symbol means no single contract, others as for calls.
        """
        day = session.trade_date
        named = vendor_symbol(
            symbol,
            day,
            mapping=self.mapping,
            registry=self.registry,
            rolls=self.rolls,
            default_dataset=self.settings.databento_dataset,
            schema=self.settings.databento_schema,
        )
        if named.schema != SCHEMA:
            raise RefusedError(
                "E389",
                f"the schema for {symbol} is {named.schema!r}, expected {SCHEMA!r}",
                "only books of ten levels become level 2 partitions; nothing was asked or paid",
                "tp config",
            )
        market = self.market(symbol)
        window = wanted_window(session, whole_date=market.root is not None, hours=self.settings.l2_window_et)
        raw = named.vendor_symbol if named.stype_in == "raw_symbol" else self._resolved(named, day)
        query = Query(named.dataset, named.schema, raw, "raw_symbol", *(nanoseconds_of(instant) for instant in window))
        return DayTarget(named.symbol, named.vendor_symbol, query)

    def pieces(self, target: DayTarget, session: Session) -> tuple[Piece, ...]:
        """Return what the cache has for a day, by its sidecars: the file of the query, one that covers it, or what the user imported."""
        query, day = target.query, session.trade_date
        exact = self.cache.known(query, day)
        if exact is not None and exact.details.get("mode") != IMPORTED:
            return (Piece(exact, query.start_ns, query.end_ns),)
        files = [Piece(raw, *_held(raw)) for raw in self.cache.of_day(query, day)]
        for piece in files:
            if not piece.is_imported and piece.start_ns <= query.start_ns and query.end_ns <= piece.end_ns:
                return (Piece(piece.raw, query.start_ns, query.end_ns),)
        owned = nanoseconds_of(session.window_start), nanoseconds_of(session.window_end)
        return _side_by_side([piece for piece in files if piece.is_imported], owned)

    def is_revised(self, piece: Piece, day: date) -> bool:
        """Tell whether the vendor has revised a day that was of reduced quality when it was bought; False if it cannot be asked."""
        raw = piece.raw
        if raw.condition != "degraded":
            return False
        try:
            found = self.condition(raw.query.dataset, day)
        except VendorError:
            return False
        return found is not None and found.last_modified is not None and _iso(found.last_modified) != raw.last_modified

    def offer(self, target: DayTarget, session: Session) -> Offer:
        """Ask what the vendor has of a day; free, once per run.

        Raises:
            RefusedError: E340 not allowed; E385 real data for a demo home. VendorError: as for every call.
        """
        fingerprint = target.query.fingerprint
        with self._asking("offer", fingerprint):
            if fingerprint not in self._offers:
                self._offers[fingerprint] = self._ask(target, session)
            return self._offers[fingerprint]

    def condition(self, dataset: str, day: date) -> DayCondition | None:
        """Return the vendor's condition of a day; asks for its whole month, once per run. None if he may not be asked."""
        if not self.may_ask:
            return None
        key = (dataset, day.year, day.month)
        with self._asking("condition", *key):
            if key not in self._conditions:
                end = self._range(dataset, SCHEMA)[1].date()
                last = min(day.replace(day=monthrange(day.year, day.month)[1]), max(end, day))
                self._conditions[key] = self.store.client.conditions(dataset, [day.replace(day=1), last])
            return self._conditions[key].get(day)

    def admit(self, days: Sequence[tuple[DayTarget, PlannedDay]]) -> None:
        """Let all days that will be paid pass together, or refuse all of them before the first paid call.

        Days that have passed once pass again. Those that have passed and are not bought yet count beside the new ones: what they cost is
        not in the ledger yet.

        Raises:
            RefusedError: E350 over a limit, E351 a cost is not known; then none of this run's days is bought any more.
        """
        if self._refusal is not None:
            raise self._refusal
        with self._lock:
            # What a killed run left may be whole: it is looked at first, and the ledger asks the budget again before anything is paid.
            new = {
                target.query.fingerprint: day
                for target, day in days
                if target.query.fingerprint not in self._admitted
                and not self.cache.has_parts(target.query, day.trade_date)
            }
            if not new:
                return
            ended = self._renewed | set(self._failed)
            waiting = {fingerprint: day for fingerprint, day in self._admitted.items() if fingerprint not in ended}
            try:
                self.store.require_budget(list(new.values()), waiting)
            except RefusedError as error:
                self._refusal = error
                raise
            self._admitted |= new

    def fetch(self, target: DayTarget, trade_date: date, offer: Offer, *, renew: bool = False) -> RawFile:
        """Return the raw file of a day; pays only if it is not in the cache, or once if it is to be renewed.

        Raises:
            RefusedError: E350, E351 the budget; E355, E357 the cached file is damaged or gone.
            VendorError: E330 to E362, E386. What failed once fails for the rest of the run: attempts that are billed are not repeated.
        """
        fingerprint = target.query.fingerprint
        self._wait_for_download(fingerprint)
        with self._lock:
            lock = self._fetch_locks.setdefault(fingerprint, threading.Lock())
        with lock:
            failed = self._failed.get(fingerprint) or self._refusal
            if isinstance(failed, PlatformError):
                raise type(failed)(failed.code, failed.what, failed.why, failed.next_command)
            if failed is not None:
                raise failed
            if offer.preview is None:
                raise ValueError(f"Expected an offer with a preview, was {offer}")
            is_first = fingerprint not in self._renewed
            force = is_first and self.rebuy
            # Asked under the lock of the day: another process may have bought the revision meanwhile.
            outdated = (lambda: self._is_older(target.query, trade_date, offer)) if is_first and renew else None
            request = DayRequest(
                target.query,
                trade_date,
                target.symbol,
                offer.preview,
                None if offer.condition is None else offer.condition.condition.value,
                None if offer.condition is None else _iso(offer.condition.last_modified),
            )
            records = offer.preview.records
            try:
                found = self.store.fetch(
                    request, lambda path: self._verify(path, target.query, records), force=force, outdated=outdated
                )
            except Exception as error:
                # Also an error of our own: the file may be there and paid, and another try would pay again.
                self._failed[fingerprint] = error
                raise
            self._renewed.add(fingerprint)
            return found

    def before_first_purchase(self, call: Callable[[], None] | None) -> None:
        """Have something called once, by the first one who buys."""
        self._before_first = call

    @property
    def is_brought_ahead(self) -> bool:
        """Tell whether somebody brings files ahead of those who want them, or stands ready to."""
        return self._before_first is not None or bool(self._expected)

    def downloads(self, target: DayTarget, future: Future[bool]) -> None:
        """Remember that another thread brings the file of a day; whoever fetches it waits for that thread instead of paying himself."""
        self._expected[target.query.fingerprint] = future

    @contextmanager
    def downloading(self) -> Iterator[None]:
        """Mark this thread as the one that brings files, for the length of the block."""
        self._of_thread.downloads = True
        try:
            yield
        finally:
            self._of_thread.downloads = False

    def _wait_for_download(self, fingerprint: str) -> None:
        if getattr(self._of_thread, "downloads", False):
            return
        begin, self._before_first = self._before_first, None
        if begin is not None:
            begin()
        future = self._expected.get(fingerprint)
        if future is not None:
            wait([future])
            if not future.cancelled():
                future.result()  # raises what nobody foresaw; a numbered error is remembered, and raised below

    def paid_usd(self) -> Mapping[tuple[str, date], float] | None:
        """Return what this run has paid by symbol and trade date, by the ledger; None if it cannot be read, so that nobody knows."""
        try:
            return self.store.ledger.paid_by(self.store.run_id)
        except VendorError:  # E352, E353
            return None

    def checked(self, piece: Piece) -> Piece:
        """Return a piece whose file was read and is what its sidecar says; never pays.

        Raises:
            RefusedError: E355, E357 the file is damaged or gone. RawFileGoneError: E383 it is there no longer, and neither is its sidecar.
        """
        with self.cache.locked(piece.raw.query, piece.raw.trade_date) as folder:
            found = folder.find()
        if found is None:
            raise RawFileGoneError(
                "E383",
                f"{piece.raw.path.name} was removed from the cache while its day was being made",
                "nothing was stored or paid",
                command("tp", "l2", "plan", "--help"),
            )
        return Piece(found, piece.start_ns, piece.end_ns)

    def expectation(self, piece: Piece) -> Expectation:
        """Return what the file of a piece holds as a whole."""
        query = piece.raw.query
        return Expectation(
            query.dataset,
            piece.symbol_in_file,
            query.start_ns,
            query.end_ns,
            piece.raw.records,
            single_instrument=not piece.is_imported,
        )

    def _is_older(self, query: Query, day: date, offer: Offer) -> bool:
        """Tell whether the cached file is not the revision that is offered; another process may have bought that meanwhile."""
        known = self.cache.known(query, day)
        modified = None if offer.condition is None else _iso(offer.condition.last_modified)
        return known is not None and known.last_modified != modified

    def _ask(self, target: DayTarget, session: Session) -> Offer:
        self._require_stand_in(target.symbol, session.trade_date)
        client, query, day = self.store.client, target.query, session.trade_date
        client.require_allowed(query)
        span = self._range(query.dataset, query.schema)
        impossible = out_of_range(target.window, span, client.clock.now())
        if impossible is not None:
            return Offer(impossible)
        condition = self.condition(query.dataset, day)
        preview = client.preview(query) if needs_record_count(condition) else None
        records = None if preview is None else preview.records
        decision = decide(condition, records, days_to_dataset_end=(span[1].date() - day).days)
        return Offer(decision, condition, preview)

    def _asking(self, *question: str | int) -> threading.Lock:
        """Return the lock of one question; whoever has another one does not wait for its answer."""
        with self._lock:
            return self._questions.setdefault(question, threading.Lock())

    def _require_stand_in(self, symbol: str, day: date) -> None:
        if not self.may_ask:
            raise RefusedError(
                "E385",
                f"{symbol} {day} is not asked for: the home holds synthetic demo data, and the gateway is the real vendor",
                "real and synthetic data never share a lake; nothing was asked or paid; the next command asks a stand-in instead, and "
                "tp init makes a home for real data",
                command("tp", "simulate", "databento", "--", *_backfill(symbol, day)),
            )

    def _range(self, dataset: str, schema: str) -> Window:
        with self._asking("range", dataset, schema):
            if (dataset, schema) not in self._ranges:
                self._ranges[dataset, schema] = self.store.client.dataset_range(dataset, schema)
            return self._ranges[dataset, schema]

    def _verify(self, path: Path, query: Query, records: int) -> None:
        expected = Expectation(
            query.dataset, query.symbol, query.start_ns, query.end_ns, records, single_instrument=True
        )
        report = verify_dbn(path, expected).require()
        if report.synthetic != self.synthetic:
            raise wrong_kind(path.name, synthetic=report.synthetic)

    def _resolved(self, named: VendorSymbol, day: date) -> str:
        """Return the raw contract that a continuous symbol means."""
        folder = self.cache.root / named.dataset
        kept = kept_symbol(folder, named.vendor_symbol, day)
        if kept is not None:
            return kept
        self._require_stand_in(named.vendor_symbol, day)
        found = self.store.client.resolve(named.dataset, named.vendor_symbol, named.stype_in, day)
        keep_symbol(folder, day, found)
        return found.raw_symbol


def wrong_kind(name: str, *, synthetic: bool) -> RefusedError:
    """Return the error for a synthetic file among real ones, or the other way round."""
    kind, other = ("synthetic", "real") if synthetic else ("real", "synthetic")
    return RefusedError(
        "E386",
        f"{name} holds {kind} data where {other} data are expected",
        "real and synthetic data are never mixed; nothing was stored",
        "tp config",
    )


def _held(raw: RawFile) -> tuple[int, int]:
    """Return the window that a file really holds; one that was asked for with a record limit ends with its last record."""
    window = raw.details.get("window")
    return (raw.query.start_ns, raw.query.end_ns) if window is None else (int(window[0]), int(window[1]))


def _side_by_side(files: Sequence[Piece], owned: tuple[int, int]) -> tuple[Piece, ...]:
    """Cut files so that no instant is taken twice; the one that starts first wins, of two the longer one."""
    pieces: list[Piece] = []
    cursor = owned[0]
    for piece in sorted(files, key=lambda one: (one.start_ns, -one.end_ns, one.raw.sha256)):
        start, end = max(piece.start_ns, cursor), min(piece.end_ns, owned[1])
        if start < end:
            pieces.append(Piece(piece.raw, start, end))
            cursor = end
    return tuple(pieces)


def _backfill(symbol: str, day: date) -> tuple[object, ...]:
    return "tp", "l2", "backfill", "--symbols", symbol, "--from", day, "--to", day


def _iso(day: date | datetime | None) -> str | None:
    return None if day is None else day.isoformat()
