"""The days of ``watchlist/l2``: one file for each symbol that a list names on that day.

Belongs here: ``WatchlistDays``: which symbols belong to a day, making their files, one result for all of them. Does not belong here: reading
lists (``watchlist.py``), how one file is bought and made (``trading_platform.databento``), what is to do (``jobs/planning.py``), events.

The files are those of every other day of level 2, ``l2/symbol=<S>/date=<day>``, made by the same builder under the same locks; a symbol that
is taken off the list leaves its file behind. An active instrument has an asset of its own, so the list never writes it.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Final

from ..clock import Clock
from ..databento.ahead import DownloadAhead
from ..databento.budget import PlannedDay
from ..databento.day_view import DayView
from ..databento.l2_builder import L2Builder
from ..databento.targets import DayTarget, has_order_book
from ..databento.vendor import Vendor
from ..errors import ConfigurationError, PlatformError, QualityError, VendorError, command
from ..lake import DayResult, Json, LocalLake, Outcome, build_day
from .watchlist import Watchlist, read_watchlist

NOT_LISTED: Final = "the watchlist names no symbol on this day"
# The gravest one that occurs names the day.
_FAILURES: Final = (Outcome.ERROR, Outcome.UNAVAIL, Outcome.MISSING, Outcome.PENDING)
_MOST_NAMED: Final = 5


class WatchlistDays:
    """Makes any day of ``watchlist/l2``.

    Args:
        path: the list; None: there is none. It is read when the first day is asked for, once.
        lake: where files are stored.
        vendor: of this run.
        clock: decides what has opened and what may be asked.
    """

    def __init__(self, path: Path | None, lake: LocalLake, vendor: Vendor, clock: Clock) -> None:
        self._path = path
        self._lake = lake
        self._vendor = vendor
        self._clock = clock
        self._builders: dict[str, L2Builder] = {}

    @property
    def has_list(self) -> bool:
        """Tell whether there is a list, readable or not."""
        return self._path is not None

    @cached_property
    def watchlist(self) -> Watchlist:
        """Return the list.

        Raises:
            ConfigurationError: E478 there is none. QualityError: E470 to E474 it cannot be read.
        """
        if self._path is None:
            raise no_watchlist()
        return read_watchlist(self._path)

    @cached_property
    def instruments(self) -> frozenset[str]:
        """Return the active instruments that have an asset ``<SYM>/l2`` of their own."""
        return frozenset(one.symbol for one in self._vendor.registry.active if has_order_book(one))

    def symbols(self, trade_date: date) -> list[str]:
        """Return the symbols of a day that the list makes, sorted; active instruments are left out.

        Raises:
            ConfigurationError: E478. QualityError: E470 to E474.
        """
        return [symbol for symbol in self._listed.get(trade_date, ()) if symbol not in self.instruments]

    def left_out(self, trade_date: date) -> list[str]:
        """Return the listed symbols of a day that have an asset of their own, sorted; see :meth:`symbols`."""
        return [symbol for symbol in self._listed.get(trade_date, ()) if symbol in self.instruments]

    def builders(self, trade_date: date) -> dict[str, L2Builder]:
        """Return the builder of each symbol of a day; see :meth:`symbols`."""
        return {symbol: self._builder(symbol) for symbol in self.symbols(trade_date)}

    def nothing_listed(self, trade_date: date) -> str | None:
        """Return why a day has no file to make; None if it has, or if the list cannot be read, which its run will say."""
        try:
            return None if self.symbols(trade_date) else self._why_empty(trade_date)
        except PlatformError:
            return None

    def prepare(self, days: Sequence[date]) -> None:
        """Look at what all days and symbols of a run cost together; if that is too much, none is bought and each ends UNAVAIL."""
        try:
            wanted = [(builder, day) for day in days for builder in self.builders(day).values()]
        except PlatformError:
            return  # becomes the outcome of each day
        found = [(target, PlannedDay(builder.symbol, day, view.cost_usd)) for builder, day, target, view in self._to_buy(wanted)]
        try:
            self._vendor.admit(found)
        except PlatformError:
            return  # remembered by the vendor, who now refuses each of them

    def make(self, trade_date: date, *, force: bool = False, verify: bool = False) -> DayResult:
        """Bring the files of a day up to date; a symbol that fails does not hold up the others.

        Args:
            trade_date: the partition.
            force: make files although nothing has changed; never pays for what is in the cache.
            verify: hash raw files again instead of trusting their sidecars.

        Returns:
            One outcome for the day, materialized only if the file of every symbol is current: WRITE if one was written, SKIP if none had to
            be, EMPTY if nothing is listed, else the gravest failure, with an error that names the symbols. UNAVAIL (E478) without a list.
        """
        started = time.perf_counter()
        try:
            builders = self.builders(trade_date)
        except PlatformError as error:
            outcome = Outcome.UNAVAIL if error.code == "E478" else Outcome.ERROR
            result = DayResult(trade_date, outcome, reason=error.what, error=error)
        else:
            result = self._made(trade_date, self._make(builders, trade_date, force=force, verify=verify))
        return replace(result, seconds=time.perf_counter() - started)

    @cached_property
    def _listed(self) -> Mapping[date, list[str]]:
        days: dict[date, list[str]] = {}
        for task in self.watchlist.tasks:
            days.setdefault(task.trade_date, []).append(task.symbol)
        return days

    def _builder(self, symbol: str) -> L2Builder:
        if symbol not in self._builders:
            self._builders[symbol] = L2Builder(symbol, self._lake, self._vendor, self._clock)
        return self._builders[symbol]

    def _to_buy(self, wanted: Sequence[tuple[L2Builder, date]]) -> list[tuple[L2Builder, date, DayTarget, DayView]]:
        """Return what is to be bought, in the given order; the vendor is asked for several at a time."""

        def look(one: tuple[L2Builder, date]) -> DayView | None:
            try:
                return one[0].view(one[1])
            except PlatformError:
                return None  # becomes the outcome of that file

        with ThreadPoolExecutor(max_workers=self._vendor.settings.l2_max_workers) as pool:
            views = list(pool.map(look, wanted))
        return [
            (builder, day, view.target, view)
            for (builder, day), view in zip(wanted, views, strict=True)
            if view is not None and view.is_to_buy and view.target is not None
        ]

    def _make(
        self, builders: Mapping[str, L2Builder], day: date, *, force: bool, verify: bool
    ) -> dict[str, DayResult]:
        coming = [(builder, day, target) for builder, day, target, _ in self._to_buy([(one, day) for one in builders.values()])]
        with DownloadAhead(self._vendor, coming, self._vendor.settings.l2_max_workers, lambda _: None):
            return {
                symbol: build_day(builder, day, self._lake, force=force, verify=verify)
                for symbol, builder in builders.items()
            }

    def _made(self, day: date, results: Mapping[str, DayResult]) -> DayResult:
        """Return one result for the files of a day."""
        paid = self._paid_usd(day) if results else {}
        left_out = self.left_out(day)
        rows = sum(result.rows for result in results.values())
        known = DayResult(
            day,
            _outcome_of([result.outcome for result in results.values()]),
            reason=self._reason(day, results),
            rows=rows,
            size_bytes=sum(result.size_bytes for result in results.values()),
            complete=all(result.complete for result in results.values()),
            synthetic=any(result.synthetic for result in results.values()),
            facts={"symbols": len(results), "left_to_own_asset": left_out},
            details={"watchlist": self.watchlist.path.name, "cost_usd": sum(paid.values())},
            parts=(
                *(_part(symbol, result, paid.get(symbol, 0.0)) for symbol, result in results.items()),
                *({"symbol": symbol, "outcome": "", "rows": 0, "usd": 0.0, "reason": _own(symbol)} for symbol in left_out),
            ),
        )
        failed = {symbol: result for symbol, result in results.items() if not result.outcome.is_materialized}
        if failed:
            error = _not_stored(day, failed, len(results))
            return replace(known, reason=error.what, rows=0, size_bytes=0, complete=False, error=error)
        return replace(
            known,
            fingerprint=_together(results, "fingerprint"),
            content_hash=_together(results, "content_hash"),
        )

    def _reason(self, day: date, results: Mapping[str, DayResult]) -> str | None:
        if not results:
            return self._why_empty(day)
        told = [f"{symbol}: {result.reason}" for symbol, result in results.items() if result.reason is not None]
        rest = [f"and {len(told) - _MOST_NAMED} more"] if len(told) > _MOST_NAMED else []
        return "; ".join([*told[:_MOST_NAMED], *rest]) or None

    def _why_empty(self, day: date) -> str:
        left_out = self.left_out(day)
        return f"{NOT_LISTED}, besides {'; '.join(map(_own, left_out))}" if left_out else NOT_LISTED

    def _paid_usd(self, day: date) -> dict[str, float]:
        """Return what this run paid for the symbols of a day, by the ledger; nothing if it cannot be read: then nothing was paid either."""
        paid: dict[str, float] = {}
        try:
            calls = self._vendor.store.ledger.calls()
        except VendorError:  # E352, E353
            return paid
        for call in calls:
            if (call.run_id, call.trade_date) == (self._vendor.store.run_id, day.isoformat()):
                paid[call.symbol] = paid.get(call.symbol, 0.0) + call.cost_usd
        return {symbol: paid[symbol] for symbol in self.symbols(day) if symbol in paid}


def no_watchlist() -> ConfigurationError:
    """Return the error for a list that is needed and not named."""
    return ConfigurationError(
        "E478",
        "there is no watchlist: TP_WATCHLIST is not set",
        "it names a CSV or XLSX file with the columns ticker and date; without one, symbols and days must be named; nothing was asked or paid",
        command("tp", "l2", "plan", "--help"),
    )


def _outcome_of(outcomes: Sequence[Outcome]) -> Outcome:
    """Return the outcome of a day by those of its files."""
    for failure in _FAILURES:
        if failure in outcomes:
            return failure
    if not outcomes:
        return Outcome.EMPTY
    for change in (Outcome.DEGRADED, Outcome.WRITE, Outcome.SKIP):
        if change in outcomes:
            return change
    return Outcome.EMPTY if Outcome.EMPTY in outcomes else Outcome.CLOSED


def _not_stored(day: date, failed: Mapping[str, DayResult], symbols: int) -> PlatformError:
    """Return the error that names the symbols whose file is not current."""
    codes = {symbol: "" if result.error is None else result.error.code for symbol, result in failed.items()}
    names = [f"{symbol} ({code})" if code else symbol for symbol, code in codes.items()]
    rest = [f"and {len(names) - _MOST_NAMED} more"] if len(names) > _MOST_NAMED else []
    reasons = dict.fromkeys(result.reason or result.outcome.value for result in failed.values())
    commands = {result.error.next_command for result in failed.values() if result.error is not None}
    return QualityError(
        "E479",
        f"watchlist/l2 {day}: {len(failed)} of {symbols} symbols are not stored: {', '.join([*names[:_MOST_NAMED], *rest])}",
        f"{'; '.join(list(reasons)[:_MOST_NAMED])}; the files of the other symbols are done, and the next run asks for these alone",
        commands.pop() if len(commands) == 1 else command("tp", "l2", "plan", "--date", day),
    )


def _part(symbol: str, result: DayResult, paid_usd: float) -> Mapping[str, Json]:
    warned = [f"{check.name}: {check.description}" for check in result.checks if not check.passed]
    reason = result.reason if result.error is None else f"{result.error.code} {result.error.what}"
    return {
        "symbol": symbol,
        "outcome": result.outcome.value,
        "rows": result.rows,
        "usd": round(paid_usd, 6),
        "reason": "; ".join([*([reason] if reason else ()), *(warned if result.error is None else ())]),
    }


def _own(symbol: str) -> str:
    return f"{symbol} is an active instrument, made by {symbol}/l2"


def _together(results: Mapping[str, DayResult], name: str) -> str:
    lines = "".join(f"{symbol} {getattr(result, name)}\n" for symbol, result in sorted(results.items()))
    return hashlib.sha256(lines.encode()).hexdigest()
