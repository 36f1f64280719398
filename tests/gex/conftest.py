"""The sample chains, each decoded and computed once, with the values expected of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from trading_platform.chains import read_quote_table
from trading_platform.gex import ChainLevels, compute_levels

from .frames import nominal_settlement


@dataclass(frozen=True)
class Sample:
    """One file.

    Attributes:
        chain: as decoded, but series settle at nominal hours.
        levels: of that chain.
        full: expected values in full precision.
        rounded: expected values as printed.
    """

    chain: pl.DataFrame
    levels: ChainLevels
    full: dict[str, Any]
    rounded: dict[str, Any]


@pytest.fixture(scope="session")
def sample(shared_data: Path) -> Callable[[str], Sample]:
    """Return a function from a file name without suffix to the sample."""
    folder = shared_data / "chains"
    full, rounded = (
        {entry["file"]: entry for entry in map(json.loads, (folder / name).read_text().splitlines())}
        for name in ("golden_full.jsonl", "golden.jsonl")
    )

    @lru_cache
    def get(stem: str) -> Sample:
        name = f"{stem}.csv"
        chain = nominal_settlement(read_quote_table(folder / name).frame)
        return Sample(chain, compute_levels(chain), full[name], rounded[name])

    return get
