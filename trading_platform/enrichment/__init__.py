"""Enrichment of ticks and bars with gamma exposure.

Belongs here: the backward as-of alignment, the builders of ``gex_alignment`` and ``enriched_bars``, enriched ticks and bars on demand.
Does not belong here: bars (``trading_platform.bars``), the feed and its decoding (``trading_platform.gexfeed``), Dagster.
"""

from .alignment import GexAlignmentBuilder
from .bars_builder import EnrichedBarsBuilder
from .day import EnrichedInstrument, chain_underlying_of, underlying_of
from .enriched_bars import GexOfDay, enrich_bars
from .enriched_ticks import enriched_ticks, write_enriched_ticks
from .export import export_enriched_bars
from .picture import levels_over_price
from .policy import AttachPolicy
from .upstream import Underlying

__all__ = [
    "AttachPolicy",
    "EnrichedBarsBuilder",
    "EnrichedInstrument",
    "GexAlignmentBuilder",
    "GexOfDay",
    "Underlying",
    "chain_underlying_of",
    "enrich_bars",
    "enriched_ticks",
    "export_enriched_bars",
    "levels_over_price",
    "underlying_of",
    "write_enriched_ticks",
]
