"""Synthetic data: a seeded market and byte-exact writers of vendor formats.

Belongs here: whatever pretends to be a vendor, for the demo, the tests and the benchmarks. Does not belong here:
readers and anything a real archive passes through; nothing below this room knows that it exists, except by the
synthetic mark in a file's header. Everything this room writes carries that mark.
"""

from __future__ import annotations

from .archive import DEMO_DATES, DEMO_DEPTH_DATES, DEMO_L2_DATES, DemoArchive, DemoFile, write_demo_archive
from .benchmark import BENCHMARK_FIRST_DATE, write_benchmark_scid
from .chains import (
    CHAIN_COLUMNS,
    CHAIN_SYNTHETIC_MARK,
    SIMULATED_UNDERLYINGS,
    ChainDialect,
    SimulatedUnderlying,
    date_text,
    quote_table,
    simulate_chain,
    write_chain_file,
    write_demo_chains,
)
from .depth import (
    DEPTH_FOLDER,
    DEPTH_HEADER_BYTES,
    DEPTH_RECORD,
    DEPTH_RECORD_BYTES,
    DepthDay,
    DepthOptions,
    append_depth,
    depth_benchmark_files,
    depth_chunks,
    depth_header,
    depth_path,
    write_depth,
    write_depth_day,
)
from .files import SYNTHETIC_MARK
from .gamma import DEMO_CHAIN_SYMBOL, DEMO_FEEDS, DEMO_GEX_DATES, DEMO_REGIMES, DemoGamma, write_demo_gamma
from .gex_feed import (
    GEX_SIDECAR,
    NQ_NDX_OPTIONS,
    GexFeedOptions,
    gex_file_name,
    gex_snapshots,
    spots_along,
    write_gex_day,
    write_gex_history,
)
from .market import SimulatedMarket, SimulatedTicks
from .scid import (
    HEADER_BYTES,
    RECORD_BYTES,
    SCID_RECORD,
    append_live,
    append_scid,
    scid_header,
    scid_records,
    write_scid,
)

__all__ = [
    "BENCHMARK_FIRST_DATE",
    "CHAIN_COLUMNS",
    "CHAIN_SYNTHETIC_MARK",
    "DEMO_CHAIN_SYMBOL",
    "DEMO_DATES",
    "DEMO_DEPTH_DATES",
    "DEMO_FEEDS",
    "DEMO_GEX_DATES",
    "DEMO_L2_DATES",
    "DEMO_REGIMES",
    "DEPTH_FOLDER",
    "DEPTH_HEADER_BYTES",
    "DEPTH_RECORD",
    "DEPTH_RECORD_BYTES",
    "GEX_SIDECAR",
    "HEADER_BYTES",
    "NQ_NDX_OPTIONS",
    "RECORD_BYTES",
    "SCID_RECORD",
    "SIMULATED_UNDERLYINGS",
    "SYNTHETIC_MARK",
    "ChainDialect",
    "DemoArchive",
    "DemoFile",
    "DemoGamma",
    "DepthDay",
    "DepthOptions",
    "GexFeedOptions",
    "SimulatedMarket",
    "SimulatedTicks",
    "SimulatedUnderlying",
    "append_depth",
    "append_live",
    "append_scid",
    "date_text",
    "depth_benchmark_files",
    "depth_chunks",
    "depth_header",
    "depth_path",
    "gex_file_name",
    "gex_snapshots",
    "quote_table",
    "scid_header",
    "scid_records",
    "simulate_chain",
    "spots_along",
    "write_benchmark_scid",
    "write_chain_file",
    "write_demo_archive",
    "write_demo_chains",
    "write_demo_gamma",
    "write_depth",
    "write_depth_day",
    "write_gex_day",
    "write_gex_history",
    "write_scid",
]
