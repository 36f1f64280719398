"""Names of Sierra Chart files, resolved to contracts of the registry.

Belongs here: the four styles of dated futures names and the decade of one-digit years. Does not belong here: looking for files, prices.
Styles: MNQZ25_FUT_CME, NQM26-CME, MNQM6.CME, ESZ20; all four occur in folders of Sierra Chart users.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date

from .model import MONTH_CODES, Contract, four_digit_year
from .registry import Registry

# The root is lazy and may hold digits: letters only would lose 6E and M2K. A year of two digits only would lose MNQM6.CME.
_STEM = re.compile(
    r"^(?P<root>[A-Z0-9]{1,4}?)(?P<month>[FGHJKMNQUVXZ])(?P<year>\d{1,2})(?:(?P<separator>_FUT_|-|\.)(?P<exchange>[A-Z]+))?$"
)
_STYLES = {"_FUT_": "fut", "-": "dash", ".": "dot", None: "bare"}

# CME Group runs four exchanges; data services disagree which suffix a product has (YMH26_FUT_CME and YMM26-CBOT both occur).
_CME_GROUP = frozenset({"CME", "CBOT", "NYMEX", "COMEX"})

# A file may still grow for some days after the contract has expired (late corrections), so its last record may lie in the next month.
_MONTHS_AFTER_EXPIRY = 1


@dataclass(frozen=True, slots=True)
class SierraSymbol:
    """A Sierra Chart name, taken apart.

    Attributes:
        root: registry symbol.
        month_code: one of ``FGHJKMNQUVXZ``.
        year_digits: one or two digits as written.
        exchange: as written; None for the bare style.
        style: ``fut``, ``dash``, ``dot`` or ``bare``: a key of ``SierraSymbology.price_scales``.
    """

    root: str
    month_code: str
    year_digits: str
    exchange: str | None
    style: str

    def contract(self, reference: date) -> Contract:
        """Return the contract; a one-digit year gets its decade from the data.

        Args:
            reference: date of the newest record in the file. A one-digit year means the first such year whose contract month is not
                more than one month before this date.
        """
        if len(self.year_digits) == 2:
            return Contract(self.root, self.month_code, four_digit_year(int(self.year_digits)))
        month = MONTH_CODES.index(self.month_code) + 1
        earliest = reference.year * 12 + (reference.month - 1) - _MONTHS_AFTER_EXPIRY
        year = (reference.year - 1) // 10 * 10 + int(self.year_digits)
        while year * 12 + (month - 1) < earliest:
            year += 10
        return Contract(self.root, self.month_code, year)


def parse_sierra_symbol(stem: str, registry: Registry) -> SierraSymbol | None:
    """Take a file name without ``.scid`` apart.

    Args:
        stem: such as ``MNQZ25_FUT_CME``; case matters not (Windows).
        registry: knows the roots. A root that it does not know as a future, or an exchange outside the
            root's group, is not ours.

    Returns:
        None if the name is no dated contract of a known root (``AAPL``, ``EURUSD``, ``MNQ``, ``BTCUSDT_PERP_BINANCE``).
    """
    match = _STEM.match(stem.upper())
    if match is None:
        return None
    instrument = registry.instruments.get(match["root"])
    if instrument is None or not instrument.is_future or instrument.sierra is None:
        return None
    exchange = match["exchange"]
    if exchange is not None and exchange not in _same_group(instrument.sierra.exchange):
        return None
    return SierraSymbol(match["root"], match["month"], match["year"], exchange, _STYLES[match["separator"]])


def _same_group(exchange: str) -> frozenset[str]:
    return _CME_GROUP if exchange in _CME_GROUP else frozenset({exchange})
