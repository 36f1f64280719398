"""Which symbols and days a command of ``tp l2`` is about.

Belongs here: the options that name them, and the three ways to: a range of symbols, a list, one symbol on one day. Does not belong here:
what a day needs (``l2_tasks.py``).

A list is never filled up: a symbol that it does not name is not bought because a filter names it. Only ``--symbol`` and ``--date`` together
name tasks of their own.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..clock import Clock
from ..errors import ConfigurationError, RefusedError
from ..words import are, counted
from . import console
from .options import day_of, ordered_range, range_to_latest

if TYPE_CHECKING:
    from ..databento.vendor import Vendor
    from ..l2.watchlist import Watchlist, WatchTask

SymbolsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--symbols",
        help="Comma-separated: roots (ES), shares (AAPL), contracts (ESZ5), continuous symbols (ES.v.0), names of the mapping file; "
        "every day of --from to --to is meant",
    ),
]
WatchlistOption = Annotated[
    Path | None,
    typer.Option(
        "--watchlist", help="CSV or XLSX file with the columns ticker and date; default without --symbols: TP_WATCHLIST"
    ),
]
SymbolOption = Annotated[
    list[str] | None, typer.Option("--symbol", help="Only this symbol; may be repeated. With --date no list is needed")
]
DateOption = Annotated[
    list[datetime] | None,
    typer.Option(
        "--date", formats=["%Y-%m-%d"], help="Only this trade date; may be repeated. With --symbol no list is needed"
    ),
]
SinceOption = Annotated[
    datetime | None, typer.Option("--since", formats=["%Y-%m-%d"], help="Only this trade date and later")
]
LastDaysOption = Annotated[
    int | None, typer.Option("--last", min=1, help="Only the last N days of what is left: of the list, or up to --to")
]
MaxTasksOption = Annotated[
    int | None, typer.Option("--max-tasks", min=0, help="At most so many tasks, the earliest of what is left")
]


@dataclass(frozen=True)
class Wanted:
    """What a person typed.

    Attributes:
        symbols: ``--symbols``.
        only: ``--symbol``.
        dates: ``--date``.
        watchlist: ``--watchlist``.
        first: ``--from``; last: ``--to``; since: ``--since``; last_days: ``--last``; max_tasks: ``--max-tasks``.
    """

    symbols: Sequence[str] = ()
    only: Sequence[str] = ()
    dates: Sequence[date] = ()
    watchlist: Path | None = None
    first: date | None = None
    last: date | None = None
    since: date | None = None
    last_days: int | None = None
    max_tasks: int | None = None

    @classmethod
    def of(
        cls,
        symbols: list[str] | None,
        only: list[str] | None,
        dates: list[datetime] | None,
        watchlist: Path | None,
        span: tuple[datetime | None, datetime | None],
        since: datetime | None,
        last_days: int | None,
        max_tasks: int | None,
    ) -> Wanted:
        """Read parsed options; typer hands dates over as midnight."""
        return cls(
            symbols or (),
            only or (),
            [one.date() for one in dates or ()],
            None if watchlist is None else watchlist.expanduser(),
            day_of(span[0]),
            day_of(span[1]),
            day_of(since),
            last_days,
            max_tasks,
        )

    def options(self) -> list[object]:
        """Return what a person typed, for a command about the same days."""
        found: list[object] = []
        if self.symbols:
            found += ["--symbols", ",".join(self.symbols)]
        given = [
            ("--watchlist", self.watchlist),
            *(("--symbol", symbol) for symbol in self.only),
            *(("--date", day) for day in self.dates),
            ("--from", self.first),
            ("--to", self.last),
            ("--since", self.since),
            ("--last", self.last_days),
            ("--max-tasks", self.max_tasks),
        ]
        return found + [part for name, value in given if value is not None for part in (name, value)]


@dataclass(frozen=True)
class Choice:
    """What a command is about.

    Attributes:
        symbols: in the order in which they are shown.
        tasks: symbol and trade date, by date, then in the order of the symbols.
        watchlist: the list that they come from; None if there is none.
        whole_days: days that the asset ``watchlist/l2`` makes, because all that its list makes of them is asked for; on the others it would
            buy what nobody asked for.
        left_out: tasks on Saturdays and Sundays, which are no trade dates.
    """

    symbols: tuple[str, ...]
    tasks: tuple[tuple[str, date], ...]
    watchlist: Watchlist | None = None
    whole_days: frozenset[date] = frozenset()
    left_out: int = 0

    def notes(self) -> list[str]:
        """Return what a person should know about the list, one line each."""
        lines = []
        if self.watchlist is not None:
            listed = self.watchlist
            doubled = f", {listed.duplicates} repeated" if listed.duplicates else ""
            lines.append(f"{listed.path}: {counted(len(listed.tasks), 'task')}{doubled}, {len(self.tasks)} chosen")
            lines += [
                f"{listed.path.name} row {row.row} is left out, {row.reason}: {row.ticker!r}, {row.day!r}"
                for row in listed.refused[:3]
            ]
            if len(listed.refused) > 3:
                lines.append(
                    f"{listed.path.name}: {counted(len(listed.refused) - 3, 'more row')} {are(len(listed.refused) - 3)} left out"
                )
        if self.left_out:
            lines.append(
                f"{counted(self.left_out, 'task')} on Saturdays and Sundays {are(self.left_out)} left out, which are no trade dates"
            )
        return lines

    def as_json(self) -> dict[str, Any] | None:
        """Return the list for programs; None if there is none."""
        if self.watchlist is None:
            return None
        listed = self.watchlist
        return {
            "path": str(listed.path),
            "tasks": len(listed.tasks),
            "chosen": len(self.tasks),
            "duplicates": listed.duplicates,
            "weekends": self.left_out,
            "refused": [
                {"row": row.row, "ticker": row.ticker, "date": row.day, "reason": row.reason} for row in listed.refused
            ],
        }


def choose(wanted: Wanted, vendor: Vendor, clock: Clock, verb: str) -> Choice:
    """Return what a command is about.

    Args:
        wanted: what was typed.
        vendor: knows calendars, and the list of TP_WATCHLIST.
        clock: time of day.
        verb: of the command, for the next command of an error.

    Raises:
        RefusedError: E367 a symbol that is none. ConfigurationError: E109 a list is needed and not named, E160 options that exclude each
            other, E162 the range has no beginning or runs backwards. QualityError: E470 to E474 the list cannot be read.
    """
    if wanted.symbols and wanted.watchlist is not None:
        raise ConfigurationError(
            "E160",
            "--symbols and --watchlist exclude each other",
            "a range of symbols is one thing, a list of symbols and days another; --symbol filters a list; nothing was asked or paid",
            f"tp l2 {verb} --help",
        )
    only = symbols_of(wanted.only, vendor) if wanted.only else []
    if wanted.symbols:
        return _of_range(wanted, only, vendor, clock, verb)
    if wanted.watchlist is None and only and wanted.dates:
        return _chosen(wanted, only, only, [(symbol, day) for day in sorted(set(wanted.dates)) for symbol in only])
    return _of_list(wanted, only, vendor, verb)


def symbols_of(texts: Sequence[str], vendor: Vendor) -> list[str]:
    """Read ``--symbols ES,MNQ``, given once or several times; each symbol once, in its one spelling, in that order.

    Raises:
        RefusedError: E367 none, or an empty one; E365 one in small letters, and the mapping file is not valid.
    """
    symbols = [symbol.strip() for text in texts for symbol in text.split(",")]
    if not symbols or not all(symbols):
        raise RefusedError(
            "E367",
            f"not a list of symbols: {','.join(texts)!r}",
            "an empty symbol would mean all symbols of the venue; nothing was asked or paid",
            "tp l2 plan --help",
        )
    return list(dict.fromkeys(vendor.canonical(symbol) for symbol in symbols))


def tell(choice: Choice) -> None:
    """Print what a person should know about the list."""
    for line in choice.notes():
        console.err.print(line)


def _of_range(wanted: Wanted, only: list[str], vendor: Vendor, clock: Clock, verb: str) -> Choice:
    from ..sessions import calendar_for, first_of_last, weekdays_between

    named = symbols_of(wanted.symbols, vendor)

    def latest() -> date:
        return max(calendar_for(vendor.market(symbol).calendar).opened(clock.now()) for symbol in named)

    first, last = wanted.first, wanted.last
    if first is None and wanted.since is None and wanted.dates:
        first, last = min(wanted.dates), max(wanted.dates) if last is None else last
    if first is None:
        first = wanted.since
    if first is None and wanted.last_days is not None:
        last = latest() if last is None else last
        first = first_of_last(last, wanted.last_days)
    parts = ("tp", "l2", verb, "--symbols", ",".join(named))
    first, last = range_to_latest(first, last, latest, *parts, choices="--from, --since, --date or --last")
    return _chosen(wanted, named, only, [(symbol, day) for day in weekdays_between(first, last) for symbol in named])


def _of_list(wanted: Wanted, only: list[str], vendor: Vendor, verb: str) -> Choice:
    from ..l2.watchlist import read_watchlist
    from ..l2.watchlist_days import no_watchlist, with_own_asset

    own = vendor.settings.watchlist
    path = own if wanted.watchlist is None else wanted.watchlist
    if path is None:
        raise no_watchlist()
    if wanted.first is not None and wanted.last is not None:
        ordered_range(wanted.first, wanted.last, "tp", "l2", verb)
    listed = read_watchlist(path)
    pairs = [
        (task.symbol, task.trade_date)
        for task in listed.tasks
        if (wanted.first is None or task.trade_date >= wanted.first)
        and (wanted.last is None or task.trade_date <= wanted.last)
    ]
    choice = _chosen(wanted, sorted({symbol for symbol, _ in pairs}), only, pairs, listed)
    if own is None or path.resolve() != own.resolve():
        return choice
    return replace(choice, whole_days=_whole_days(choice, listed, with_own_asset(vendor.registry)))


def _whole_days(choice: Choice, listed: Watchlist, left_out: Collection[str]) -> frozenset[date]:
    tasks = set(choice.tasks)
    days = {day for symbol, day in tasks if symbol not in left_out}
    for task in listed.tasks:
        if task.symbol not in left_out and (task.symbol, task.trade_date) not in tasks:
            days.discard(task.trade_date)
    return frozenset(days)


def _chosen(
    wanted: Wanted,
    order: Sequence[str],
    only: Sequence[str],
    pairs: Sequence[tuple[str, date]],
    watchlist: Watchlist | None = None,
) -> Choice:
    """Apply the filters."""
    from ..l2.watchlist import WatchTask, select_tasks

    def select(**options: Any) -> list[WatchTask]:
        return select_tasks(
            [WatchTask(day, symbol) for symbol, day in pairs],
            since=wanted.since,
            last=wanted.last_days,
            symbols=only,
            days=wanted.dates,
            **options,
        )

    kept = select(max_tasks=wanted.max_tasks)
    weekends = sum(task.trade_date.weekday() >= 5 for task in select(skip_weekends=False))
    place = {symbol: number for number, symbol in enumerate(order)}
    kept.sort(key=lambda task: (task.trade_date, place[task.symbol]))
    present = {task.symbol for task in kept}
    return Choice(
        tuple(symbol for symbol in order if symbol in present or watchlist is None),
        tuple((task.symbol, task.trade_date) for task in kept),
        watchlist,
        left_out=weekends,
    )
