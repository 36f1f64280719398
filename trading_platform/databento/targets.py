"""What is wanted of one symbol on one trade date, before anybody is asked.

Belongs here: calendar and window of a symbol, the query that follows. Does not belong here: the meaning of names at the vendor
(``symbols.py``), asking (``vendor.py``).

Shares are wanted for their trading hours, futures for their whole trade date, so that no record is homeless; ``TP_L2_WINDOW_ET`` narrows
both. A closed date owns no time, so nothing is ever asked for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from ..errors import RefusedError, command
from ..instruments import Instrument, InstrumentKind, Registry
from ..lake import Json
from ..sessions import Session
from ..settings import hours_et
from .query import Query, instant_of
from .symbols import future_root

NEW_YORK: Final = ZoneInfo("America/New_York")
SHARES_CALENDAR: Final = "NYSE"

Window = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True)
class Market:
    """Where a symbol trades.

    Attributes:
        calendar: name of its trading calendar.
        root: of a future; None for shares.
    """

    calendar: str
    root: str | None


@dataclass(frozen=True, slots=True)
class DayTarget:
    """One symbol and trade date as the vendor would be asked.

    Attributes:
        symbol: as the user named it.
        vendor_symbol: as mapping file and roll table name it; a continuous symbol stays one here.
        query: for the raw symbol and the window.
    """

    symbol: str
    vendor_symbol: str
    query: Query

    @property
    def raw_symbol(self) -> str:
        """Return the vendor's name of the contract or share."""
        return self.query.symbol

    @property
    def window(self) -> Window:
        """Return the window that is wanted, end exclusive, UTC."""
        return instant_of(self.query.start_ns), instant_of(self.query.end_ns)

    def resolved(self, windows_ns: tuple[tuple[int, int], ...]) -> dict[str, Json]:
        """Return what shapes the rows besides the bytes of the files.

        Args:
            windows_ns: what is taken from each file.
        """
        return {
            "dataset": self.query.dataset,
            "schema": self.query.schema,
            "raw_symbol": self.raw_symbol,
            "windows": [[start, end] for start, end in windows_ns],
        }


def market_of(name: str, registry: Registry) -> Market:
    """Return where a name trades; a name that the registry does not know is taken for a share.

    Raises:
        RefusedError: E388 the registry knows it as something without an order book at DataBento.
    """
    root = future_root(name, registry)
    if root is not None:
        return Market(registry.get(root).calendar, root)
    instrument = registry.instruments.get(name)
    if instrument is None:
        return Market(SHARES_CALENDAR, None)
    if not has_order_book(instrument):
        raise RefusedError(
            "E388",
            f"{name} has no order book at DataBento: it is of the kind {instrument.kind.value}",
            "only futures and shares with DataBento names in the registry have level 2; nothing was asked or paid",
            command("tp", "instruments", "list"),
        )
    return Market(instrument.calendar, None)


def has_order_book(instrument: Instrument) -> bool:
    """Tell whether an instrument has level 2 at DataBento, and so an asset while it is active."""
    return instrument.databento is not None and instrument.kind in {InstrumentKind.FUTURE, InstrumentKind.EQUITY}


def wanted_window(session: Session, *, whole_date: bool, hours: str | None) -> Window:
    """Return what is wanted of an open trade date; a half day ends when its trading ends.

    Args:
        session: of the trade date, open.
        whole_date: everything that belongs to the trade date, not only trading hours.
        hours: New York hours such as ``09:30-16:00`` that narrow the trading hours; None: no narrowing.

    Raises:
        RefusedError: E387 nothing is left. ValueError: the session is closed.
    """
    if session.opens_at is None or session.closes_at is None:
        raise ValueError(f"Expected an open session, was {session.trade_date}")
    if hours is None:
        return (session.window_start, session.window_end) if whole_date else (session.opens_at, session.closes_at)
    first, last = hours_et(hours)
    day = session.trade_date
    start = datetime.combine(day if first < last else day - timedelta(days=1), first, NEW_YORK)
    end = datetime.combine(day, last, NEW_YORK)
    window = max(start, session.opens_at), min(end, session.closes_at)
    if window[0] >= window[1]:
        raise RefusedError(
            "E387",
            f"TP_L2_WINDOW_ET {hours} lies outside the trading hours of {day}, "
            f"{session.opens_at:%Y-%m-%d %H:%M} to {session.closes_at:%H:%M} UTC",
            "nothing is left to ask for; nothing was asked or paid",
            "tp config",
        )
    utc = session.opens_at.tzinfo
    return window[0].astimezone(utc), window[1].astimezone(utc)
