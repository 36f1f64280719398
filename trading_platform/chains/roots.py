"""Option roots: which underlying they belong to and how their series settle.

Belongs here: the table of index roots. Does not belong here: instants of settlement (``days.py``), files.

Source: Cboe product specifications of SPX, SPXW, XSP, NDX, NDXP, RUT, RUTW, DJX, VIX, OEX, XEO. A share or fund has one root, its ticker,
and settles at the close. A root with a digit at its end (``SPY1``) names adjusted contracts, whose deliverable is not 100 shares.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

CONTRACT_MULTIPLIER: Final = 100
"""USD per point and contract of every option that is not adjusted (OCC, "Equity and index option specifications")."""

AM_ROOTS: Final = frozenset({"SPX", "NDX", "RUT", "DJX", "VIX", "VIXW"})
"""Roots that settle to opening prices of the expiry day; every other root settles to closing prices."""

EUROPEAN_ROOTS: Final = frozenset(
    {"DJX", "MRUT", "NDX", "NDXP", "RUT", "RUTW", "SPX", "SPXW", "VIX", "VIXW", "XEO", "XND", "XSP"}
)
"""Index options that are exercised at settlement only; every other one may be exercised earlier (Cboe, Nasdaq contract specifications)."""

_UNDERLYINGS: Final[Mapping[str, str]] = {
    "SPXW": "SPX",
    "NDXP": "NDX",
    "RUTW": "RUT",
    "VIXW": "VIX",
    "XEO": "OEX",
}


def underlying_of(root: str) -> str:
    """Return the symbol of the underlying of a root: ``SPX`` for ``SPXW``, the root itself where the table has no other."""
    return _UNDERLYINGS.get(root, root)


def settle_style_of(root: str) -> str:
    """Return ``AM`` for roots that settle to opening prices, else ``PM``."""
    return "AM" if root in AM_ROOTS else "PM"


def is_adjusted(root: str) -> bool:
    """Tell whether a root names contracts that a corporate action has changed."""
    return root[-1:].isdigit()
