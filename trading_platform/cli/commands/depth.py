"""``tp depth``: the order book at any moment."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...sessions import calendar_for
from .. import console
from ..folders import registry_of
from ..options import JsonOption, command_family
from ..platform import locate_home

if TYPE_CHECKING:
    from ...depth import BookAt, Level

_BOOK = """
Print the ladder of an order book as it was at one moment: asks above, bids below, the best levels in the middle.

Example: tp depth book MNQ --at 2026-03-10T14:30:00Z --levels 5

The book is rebuilt from the stored events, from the last snapshot before the moment to the last batch that had ended by then.
Quantities are contracts; cumulative counts from the best level outwards. Where no snapshot had come yet, the book is unknown: the command
says why and prints no ladder.
"""


def register(app: typer.Typer) -> None:
    """Add the command family."""
    family = command_family("Look at order books.")
    family.command("book", help=_BOOK)(book)
    app.add_typer(family, name="depth")


def book(
    symbol: Annotated[str, typer.Argument(help="Root such as MNQ")],
    at: Annotated[
        str, typer.Option("--at", help="Moment with time zone, e.g. 2026-03-10T14:30:00Z or …T09:30:00-05:00")
    ],
    levels: Annotated[int, typer.Option("--levels", min=1, help="Levels per side")] = 10,
    json_output: JsonOption = False,
) -> None:
    """Print the ladder."""
    home = locate_home()
    registry = registry_of(home)
    symbol = registry.spelled(symbol)
    instrument = registry.get(symbol)
    instant = _instant(at)
    from ...depth import book_at
    from ...lake import LocalLake

    found = book_at(LocalLake(home.lake_dir), symbol, instant, calendar_for(instrument.calendar))
    if json_output:
        console.print_json(_as_json(found, symbol, levels))
        return
    if found.synthetic:
        console.label_synthetic()
    if found.book is None:
        console.out.print(f"{symbol} {found.instant:%Y-%m-%d %H:%M:%S} UTC: no book: {found.reason}")
        return
    if found.book.is_crossed:
        console.err.print(
            f"crossed: bid {found.book.best_bid} is above ask {found.book.best_ask}; legitimate before the opening only",
            style="yellow",
        )
    rows = [("ask", *level) for level in reversed(found.book.ask_levels(levels))]
    rows += [("bid", *level) for level in found.book.bid_levels(levels)]
    console.print_table(
        ("side", "price", "quantity", "orders", "cumulative"),
        [(side, repr(price), quantity, orders, cumulative) for side, price, quantity, orders, cumulative in rows],
        title=f"{symbol} ({found.contract}) at {_shown(found.instant)}",
    )
    if not rows:
        console.out.print("the book is empty")
    console.out.print(
        f"last change {_shown(found.last_batch_at)} ({found.age_ms:,} ms before), rebuilt from the snapshot of "
        f"{_shown(found.snapshot_at)} and {found.events_replayed:,} events"
    )
    console.out.print(f"in all {len(found.book.bids):,} bid and {len(found.book.asks):,} ask levels")


def _instant(text: str) -> datetime:
    """Read a moment; whether it has a zone is judged where it is used."""
    try:
        return datetime.fromisoformat(text)
    except ValueError as error:
        hint = f"{text!r} is no time; write it like 2026-03-10T14:30:00Z"
        raise typer.BadParameter(hint, param_hint="--at") from error


def _as_json(found: BookAt, symbol: str, levels: int) -> dict[str, Any]:
    book = found.book
    return {
        "symbol": symbol,
        "contract": found.contract,
        "trade_date": found.trade_date,
        "at": found.instant.isoformat(),
        "synthetic": found.synthetic,
        "reason": found.reason,
        "snapshot_at": None if found.snapshot_at is None else found.snapshot_at.isoformat(),
        "last_batch_at": None if found.last_batch_at is None else found.last_batch_at.isoformat(),
        "age_ms": found.age_ms,
        "events_replayed": found.events_replayed,
        "crossed": None if book is None else book.is_crossed,
        "bid_levels": None if book is None else len(book.bids),
        "ask_levels": None if book is None else len(book.asks),
        "bids": None if book is None else _levels(book.bid_levels(levels)),
        "asks": None if book is None else _levels(book.ask_levels(levels)),
    }


def _levels(levels: list[Level]) -> list[dict[str, Any]]:
    return [level._asdict() for level in levels]


def _shown(instant: datetime | None) -> str:
    """Return a moment with its microseconds, UTC."""
    return "" if instant is None else f"{instant:%Y-%m-%d %H:%M:%S.%f}Z"
