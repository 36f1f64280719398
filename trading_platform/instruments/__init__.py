"""Instruments: what they are, how vendors name them, which futures contract is front.

Belongs here: the packaged registry, the user's changes to it, contract symbols, the roll table. Does not belong here: trading hours
(``trading_platform.sessions``), prices.
"""

from __future__ import annotations

from .model import (
    MONTH_CODES,
    Contract,
    DatabentoSymbology,
    IbSymbology,
    Instrument,
    InstrumentKind,
    RollAnchor,
    RollRule,
    SierraSymbology,
)
from .registry import SIERRA_STYLES, Registry, load_registry
from .rolls import RollTable, RollWindow, load_roll_table
from .sierra_symbols import SierraSymbol, parse_sierra_symbol

__all__ = [
    "MONTH_CODES",
    "SIERRA_STYLES",
    "Contract",
    "DatabentoSymbology",
    "IbSymbology",
    "Instrument",
    "InstrumentKind",
    "Registry",
    "RollAnchor",
    "RollRule",
    "RollTable",
    "RollWindow",
    "SierraSymbol",
    "SierraSymbology",
    "load_registry",
    "load_roll_table",
    "parse_sierra_symbol",
]
