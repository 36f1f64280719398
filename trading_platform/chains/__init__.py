"""Option chains: quote tables and record files of vendors, one layout for all of them.

Belongs here: decoding, which file feeds which day, the builders of ``chain_cboe`` and ``chain``. Does not belong here: prices, greeks and
exposures (``trading_platform.options``, ``trading_platform.gex``), Dagster.
"""

from __future__ import annotations

from .archive import ChainArchive, ChainFile
from .builder import ChainCboeBuilder
from .cboe import DecodedChain, decode_quote_table, read_quote_table
from .days import market_date_of, settlement, trade_date_of
from .union import ChainBuilder

__all__ = [
    "ChainArchive",
    "ChainBuilder",
    "ChainCboeBuilder",
    "ChainFile",
    "DecodedChain",
    "decode_quote_table",
    "market_date_of",
    "read_quote_table",
    "settlement",
    "trade_date_of",
]
