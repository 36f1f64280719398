"""Words and limits that contracts and the rooms above share.

Belongs here: plain constants that a contract checks and a decoder must know too. Does not belong here: the contracts themselves: their
modules load pandera, which costs half a second and 50 MB, so nothing that merely starts may import them.
"""

from __future__ import annotations

from typing import Final

CATEGORIES: Final = ("gex_full", "gex_one", "gex_zero")
"""Categories of the gamma feed: all expiries up to 90 days, the expiry after the next one, the next expiry; in the order of storage."""

MOST_CONTRACTS: Final = 100_000_000
"""More than any option contract ever had in open interest or volume; 350,000 and 840,000 are the most in 25 genuine tables."""

MOST_IV: Final = 100.0
"""10,000 % per year; the largest one of 25 genuine tables is 981 %."""
