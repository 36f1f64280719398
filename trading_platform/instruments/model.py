"""What an instrument and a futures contract are.

Belongs here: the frozen records of the registry and the arithmetic of contract months. Does not belong here: reading files
(``registry.py``), file names (``sierra_symbols.py``), which contract is front (``rolls.py``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from ..errors import ConfigurationError

MONTH_CODES = "FGHJKMNQUVXZ"
"""January to December as exchanges write them (CME Group, "Month codes")."""

_CONTRACT = re.compile(r"^(?P<root>[A-Z0-9]{1,4}?)(?P<month>[FGHJKMNQUVXZ])(?P<year>\d{2}|\d{4})$")

# Two-digit years from 70 on belong to the last century. No electronic futures data are older than 1970.
_CENTURY_PIVOT = 70


class InstrumentKind(StrEnum):
    """What kind of thing a symbol names."""

    FUTURE = "future"
    INDEX = "index"
    EQUITY = "equity"
    VENDOR_SERIES = "vendor_series"


@dataclass(frozen=True, slots=True)
class SierraSymbology:
    """How Sierra Chart names and scales the files of a root.

    Attributes:
        exchange: suffix in file names, ``CME`` in ``MNQZ25_FUT_CME``.
        price_scales: file-name style -> factor from the stored number to the price in points (price = stored * factor). Styles:
            ``fut`` (MNQZ25_FUT_CME), ``dash`` (NQM26-CME), ``dot`` (MNQM6.CME), ``bare`` (ESZ20).
        preferred_style: which file to take when a contract exists under several names; None if the user has not decided.
    """

    exchange: str
    price_scales: Mapping[str, float]
    preferred_style: str | None = None


@dataclass(frozen=True, slots=True)
class DatabentoSymbology:
    """How DataBento names an instrument.

    Attributes:
        dataset: such as ``GLBX.MDP3``.
        symbol: parent symbol of a future (``MNQ.FUT``), raw symbol of an equity.
        symbology: ``parent`` or ``raw_symbol``, the ``stype_in`` of a request.
    """

    dataset: str
    symbol: str
    symbology: str


@dataclass(frozen=True, slots=True)
class IbSymbology:
    """How Interactive Brokers names an instrument.

    Attributes:
        symbol: IB symbol of the underlying (``EUR`` for the future 6E).
        security_type: ``FUT``, ``IND`` or ``STK``.
        exchange: routing exchange.
        currency: of quotation.
        primary_exchange: listing exchange of an equity, to make a SMART contract unambiguous.
    """

    symbol: str
    security_type: str
    exchange: str
    currency: str
    primary_exchange: str | None = None


class RollAnchor(StrEnum):
    """The day of a contract's life from which its roll is counted back.

    Anchors are plain weekday arithmetic and know no holidays: a roll that falls on a holiday takes effect on the next open trade
    date by itself, because "from that trade date on" the next contract is front.
    """

    THIRD_FRIDAY = "third_friday"
    THIRD_WEDNESDAY = "third_wednesday"
    DAY_25_OF_PREVIOUS_MONTH = "25th_of_previous_month"
    LAST_WEEKDAY_OF_PREVIOUS_MONTH = "last_weekday_of_previous_month"


@dataclass(frozen=True, slots=True)
class RollRule:
    """When the next contract becomes front.

    Attributes:
        anchor: the day of the expiring contract from which is counted back.
        weekdays_before: Mondays to Fridays before the anchor.
        skip: listed months that never become front by rule, because the volume passes them over (gold in October).
    """

    anchor: RollAnchor
    weekdays_before: int
    skip: str = ""


@dataclass(frozen=True, slots=True)
class Instrument:
    """One entry of the registry.

    Attributes:
        symbol: the platform's name, first part of asset keys and lake paths; the root of a future.
        name: for people.
        kind: future, index, equity or vendor series.
        exchange: listing exchange, or the vendor of a vendor series.
        calendar: name of its trading calendar (``trading_platform.sessions``).
        tick_size: smallest price step, points.
        multiplier_usd: USD per point and contract (1 for equities and indices).
        months: listed contract months, month codes in calendar order; empty unless a future.
        price_band: lowest and highest credible *median* price of a day, points. Narrower than a factor of 100 around real prices, so
            that data stored x 100 or / 100 fall outside.
        allows_negative: True if single prices at or below zero are legal (crude oil, 2020-04-20).
        roll: when the front contract changes; None unless a future.
        sierra: Sierra Chart names; None if Sierra files of it are not imported.
        databento: DataBento names; None if not available there.
        ib: Interactive Brokers names; None if not available there.
        gex_underlying: registry symbol whose gamma exposure describes this instrument; None if there is none.
        chain_underlying: registry symbol whose option chains describe this future beside the feed, in points of that index: it and the
            future differ by the basis. None if none do.
    """

    symbol: str
    name: str
    kind: InstrumentKind
    exchange: str
    calendar: str
    tick_size: float
    multiplier_usd: float
    months: str
    price_band: tuple[float, float]
    allows_negative: bool
    roll: RollRule | None = None
    sierra: SierraSymbology | None = None
    databento: DatabentoSymbology | None = None
    ib: IbSymbology | None = None
    gex_underlying: str | None = None
    chain_underlying: str | None = None

    @property
    def is_future(self) -> bool:
        """Tell whether the instrument has dated contracts."""
        return self.kind is InstrumentKind.FUTURE

    @property
    def has_own_gamma(self) -> bool:
        """Tell whether gamma exposure of the instrument is stored under its own symbol."""
        return self.gex_underlying == self.symbol

    @property
    def has_chains(self) -> bool:
        """Tell whether the instrument has option chains; a series that the vendor maps to a future has none."""
        return self.has_own_gamma and self.kind is not InstrumentKind.VENDOR_SERIES


@dataclass(frozen=True, slots=True)
class Contract:
    """A dated futures contract; contracts of one root compare by delivery month.

    Attributes:
        root: registry symbol.
        month_code: one of ``FGHJKMNQUVXZ``.
        year: four digits.
    """

    root: str
    month_code: str
    year: int

    def __post_init__(self) -> None:
        """Refuse what cannot be a contract."""
        if len(self.month_code) != 1 or self.month_code not in MONTH_CODES or not 1900 <= self.year <= 2199:
            raise _not_a_contract(f"{self.root}{self.month_code}{self.year}")

    @classmethod
    def parse(cls, text: str) -> Contract:
        """Read ``MNQZ25``, ``ESH2023`` or ``esh23``; one-digit years need a date, see ``parse_sierra_symbol``.

        Raises:
            ConfigurationError: E126 if the text is not a contract.
        """
        match = _CONTRACT.match(text) or _CONTRACT.match(text.upper())
        if match is None:
            raise _not_a_contract(text)
        return cls(match["root"], match["month"], four_digit_year(int(match["year"])))

    @property
    def symbol(self) -> str:
        """Return the name with a two-digit year, as stored in the lake: ``MNQZ25``."""
        return f"{self.root}{self.month_code}{self.year % 100:02d}"

    @property
    def month(self) -> int:
        """Return the delivery month, 1 to 12."""
        return MONTH_CODES.index(self.month_code) + 1

    @property
    def expiry_month(self) -> date:
        """Return the first day of the delivery month."""
        return date(self.year, self.month, 1)

    @property
    def _order(self) -> tuple[str, int, int]:
        return (self.root, self.year, self.month)

    def __lt__(self, other: Contract) -> bool:
        """Order by root, then by delivery month."""
        return self._order < other._order

    def __le__(self, other: Contract) -> bool:
        """Order by root, then by delivery month."""
        return self._order <= other._order

    def __gt__(self, other: Contract) -> bool:
        """Order by root, then by delivery month."""
        return self._order > other._order

    def __ge__(self, other: Contract) -> bool:
        """Order by root, then by delivery month."""
        return self._order >= other._order

    def __str__(self) -> str:
        """Return the symbol."""
        return self.symbol


def four_digit_year(year: int) -> int:
    """Complete a two-digit year: 00-69 are 2000-2069, 70-99 are 1970-1999; larger numbers are returned as they are."""
    if year >= 100:
        return year
    return year + (1900 if year >= _CENTURY_PIVOT else 2000)


def _not_a_contract(text: str) -> ConfigurationError:
    return ConfigurationError(
        "E126",
        f"not a futures contract: {text!r}, expected root, month code and year such as MNQZ25",
        "month codes are FGHJKMNQUVXZ for January to December; the year has two or four digits",
        "tp instruments list",
    )
