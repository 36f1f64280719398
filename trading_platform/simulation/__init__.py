"""Synthetic data: a seeded market and byte-exact writers of vendor formats.

Belongs here: whatever pretends to be a vendor, for the demo, the tests and the benchmarks. Does not belong here:
readers and anything a real archive passes through; nothing below this room knows that it exists, except by the
synthetic mark in a file's header. Everything this room writes carries that mark.
"""

from __future__ import annotations

from .archive import DEMO_DATES, DemoArchive, DemoFile, write_demo_archive
from .benchmark import BENCHMARK_FIRST_DATE, write_benchmark_scid
from .market import SimulatedMarket, SimulatedTicks
from .scid import (
    HEADER_BYTES,
    RECORD_BYTES,
    SCID_RECORD,
    SYNTHETIC_MARK,
    append_live,
    append_scid,
    scid_header,
    scid_records,
    write_scid,
)

__all__ = [
    "BENCHMARK_FIRST_DATE",
    "DEMO_DATES",
    "HEADER_BYTES",
    "RECORD_BYTES",
    "SCID_RECORD",
    "SYNTHETIC_MARK",
    "DemoArchive",
    "DemoFile",
    "SimulatedMarket",
    "SimulatedTicks",
    "append_live",
    "append_scid",
    "scid_header",
    "scid_records",
    "write_benchmark_scid",
    "write_demo_archive",
    "write_scid",
]
