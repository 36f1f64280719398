"""The days of ``watchlist/l2``: one file for each symbol that a list names on that day.

Belongs here: ``WatchlistDays``: which symbols belong to a day, making their files, one result for all of them. Does not belong here:
reading lists (``watchlist.py``), how one file is bought and made (``trading_platform.databento``), what is to do (``jobs/planning.py``),
events.

The files are those of every other day of level 2, ``l2/symbol=<S>/date=<day>``, made by the same builder under the same locks; a symbol
that is taken off the list leaves its file behind. An active instrument has an asset of its own, so the list never writes it.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
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
from ..errors import ConfigurationError, PlatformError, QualityError, command
from ..instruments import Registry
from ..lake import DayPart, DayResult, LocalLake, Outcome, build_day
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
        self._downloads = ExitStack()

    @property
    def has_list(self) -> bool:
        """Tell whether there is a list, readable or not."""
        return self._path is not None

    @cached_property
    def watchlist(self) -> Watchlist:
        """Return the list.

        Raises:
            ConfigurationError: E109 there is none. QualityError: E470 to E474 it cannot be read.
        """
        if self._path is None:
            raise no_watchlist()
        return read_watchlist(self._path)

    @cached_property
    def instruments(self) -> frozenset[str]:
        """Return the active instruments that have an asset ``<SYM>/l2`` of their own."""
        return with_own_asset(self._vendor.registry)

    def symbols(self, trade_date: date) -> list[str]:
        """Return the symbols of a day that the list makes, sorted; active instruments are left out.

        Raises:
            ConfigurationError: E109. QualityError: E470 to E474.
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
        """Look at what all days and symbols of a run cost together; if that is too much, none is bought and each ends UNAVAIL.

        Otherwise several files are brought at a time, from the first one that is wanted on until :meth:`close`.
        """
        try:
            wanted = [(builder, day) for day in days for builder in self.builders(day).values()]
        except PlatformError:
            return  # becomes the outcome of each day
        to_buy = self._to_buy(wanted)
        try:
            self._vendor.admit(
                [(target, PlannedDay(builder.symbol, day, cost_usd)) for builder, day, target, cost_usd in to_buy]
            )
        except PlatformError:
            return  # remembered by the vendor, who now refuses each of them
        if to_buy and not self._vendor.is_brought_ahead:
            coming = [(builder, day, target) for builder, day, target, _ in to_buy]
            workers = self._vendor.settings.l2_max_workers
            self._downloads.enter_context(DownloadAhead(self._vendor, coming, workers, lambda _: None))

    def close(self) -> None:
        """Begin no further download, and finish those that have begun."""
        self._downloads.close()

    def make(self, trade_date: date, *, force: bool = False, verify: bool = False) -> DayResult:
        """Bring the files of a day up to date; a symbol that fails does not hold up the others.

        Args:
            trade_date: the partition.
            force: make files although nothing has changed; never pays for what is in the cache.
            verify: hash raw files again instead of trusting their sidecars.

        Returns:
            One outcome for the day, materialized only if the file of every symbol is current: WRITE if one was written, SKIP if none had to
            be, EMPTY if nothing is listed, else the gravest failure, with an error that names the symbols. UNAVAIL (E109) without a list.
        """
        started = time.perf_counter()
        try:
            builders = self.builders(trade_date)
        except PlatformError as error:
            outcome = Outcome.UNAVAIL if error.code == "E109" else Outcome.ERROR
            result = DayResult(trade_date, outcome, reason=error.what, error=error)
        else:
            made = {
                symbol: build_day(builder, trade_date, self._lake, force=force, verify=verify)
                for symbol, builder in builders.items()
            }
            result = self._made(trade_date, made)
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

    def _to_buy(self, wanted: Sequence[tuple[L2Builder, date]]) -> list[tuple[L2Builder, date, DayTarget, float]]:
        """Return what is to be bought and for how many dollars, in the given order; the vendor is asked for several at a time."""

        def look(one: tuple[L2Builder, date]) -> DayView | None:
            try:
                return one[0].view(one[1])
            except PlatformError:
                return None  # becomes the outcome of that file

        with ThreadPoolExecutor(max_workers=self._vendor.settings.l2_max_workers) as pool:
            views = list(pool.map(look, wanted))
        return [
            (builder, day, view.target, view.cost_usd)
            for (builder, day), view in zip(wanted, views, strict=True)
            if view is not None and view.is_to_buy and view.target is not None
        ]

    def _made(self, day: date, results: Mapping[str, DayResult]) -> DayResult:
        """Return one result for the files of a day."""
        paid = self._vendor.paid_usd() if results else {}
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
            details={
                "watchlist": self.watchlist.path.name,
                "cost_usd": None if paid is None else sum(paid.get((symbol, day), 0.0) for symbol in results),
            },
            parts=tuple(
                DayPart(symbol, result, None if paid is None else paid.get((symbol, day), 0.0))
                for symbol, result in results.items()
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
        reasons: dict[str, list[str]] = {}
        for symbol, result in results.items():
            if result.reason is not None:
                reasons.setdefault(result.reason, []).append(symbol)
        told = [
            reason if len(those) == len(results) else f"{_names(those)}: {reason}" for reason, those in reasons.items()
        ]
        return _names(told, "; ") or None

    def _why_empty(self, day: date) -> str:
        left_out = self.left_out(day)
        return f"{NOT_LISTED}, besides {'; '.join(map(_own, left_out))}" if left_out else NOT_LISTED


def with_own_asset(registry: Registry) -> frozenset[str]:
    """Return the active instruments that have an asset ``<SYM>/l2``, which no list writes."""
    return frozenset(one.symbol for one in registry.active if has_order_book(one))


def no_watchlist() -> ConfigurationError:
    """Return the error for a list that is needed and not named."""
    return ConfigurationError(
        "E109",
        "there is no watchlist: TP_WATCHLIST is not set",
        "it names a CSV or XLSX file with the columns ticker and date; without one, name symbols and days; nothing was asked or paid",
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
    names = _names([f"{symbol} ({code})" if code else symbol for symbol, code in codes.items()])
    reasons = dict.fromkeys(result.reason or result.outcome.value for result in failed.values())
    commands = {result.error.next_command for result in failed.values() if result.error is not None}
    return QualityError(
        "E478",
        f"watchlist/l2 {day}: {len(failed)} of {symbols} symbols are not stored: {names}",
        f"{_names(list(reasons), '; ')}; the files of the other symbols are done, and the next run asks for these alone",
        commands.pop() if len(commands) == 1 else command("tp", "l2", "plan", "--date", day),
    )


def _names(texts: Sequence[str], separator: str = ", ") -> str:
    """Join texts; of many only the first."""
    rest = [f"{len(texts) - _MOST_NAMED} more"] if len(texts) > _MOST_NAMED else []
    return separator.join([*texts[:_MOST_NAMED], *rest])


def _own(symbol: str) -> str:
    return f"{symbol} is an active instrument, made by {symbol}/l2"


def _together(results: Mapping[str, DayResult], name: str) -> str:
    lines = "".join(f"{symbol} {getattr(result, name)}\n" for symbol, result in sorted(results.items()))
    return hashlib.sha256(lines.encode()).hexdigest()
