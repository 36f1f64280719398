"""Synthetic data: a seeded market and byte-exact writers of vendor formats.

Belongs here: whatever pretends to be a vendor, for the demo, the tests and the benchmarks. Does not belong here:
readers and anything a real archive passes through; nothing below this room knows that it exists, except by the
synthetic mark in a file's header. Everything this room writes carries that mark.
"""

from __future__ import annotations

from .archive import DEMO_DATES, DEMO_DEPTH_DATES, DEMO_L2_DATES, DemoArchive, DemoFile, write_demo_archive
from .benchmark import BENCHMARK_FIRST_DATE, write_benchmark_scid
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
    "DEMO_DATES",
    "DEMO_DEPTH_DATES",
    "DEMO_L2_DATES",
    "DEPTH_FOLDER",
    "DEPTH_HEADER_BYTES",
    "DEPTH_RECORD",
    "DEPTH_RECORD_BYTES",
    "HEADER_BYTES",
    "RECORD_BYTES",
    "SCID_RECORD",
    "SYNTHETIC_MARK",
    "DemoArchive",
    "DemoFile",
    "DepthDay",
    "DepthOptions",
    "SimulatedMarket",
    "SimulatedTicks",
    "append_depth",
    "append_live",
    "append_scid",
    "depth_benchmark_files",
    "depth_chunks",
    "depth_header",
    "depth_path",
    "scid_header",
    "scid_records",
    "write_benchmark_scid",
    "write_demo_archive",
    "write_depth",
    "write_depth_day",
    "write_scid",
]
