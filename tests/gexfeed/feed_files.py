"""Snapshots and history files as the vendor sends them, made by hand."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

DAY = date(2025, 3, 10)
OPEN_S = int(datetime(2025, 3, 10, 13, 30, tzinfo=UTC).timestamp())  # 09:30 in New York, daylight time
NAME = "2025-03-10_NQ_NDX_classic_gex_full.json"


def ladder(*rows: tuple[float, float | None]) -> list[Any]:
    """Return ladder rows with a GEX by volume and round other numbers."""
    return [[strike, volume, 1.5, [1.0, 5.0, 10.0, 15.0, 30.0]] for strike, volume in rows]


def snapshot(second: int = 0, **changes: Any) -> dict[str, Any]:
    """Return a snapshot some seconds after the open; ``changes`` replace fields."""
    moved = second % 400  # levels stay credible on other days
    whole: dict[str, Any] = {
        "timestamp": OPEN_S + second,
        "ticker": "NQ_NDX",
        "min_dte": 0,
        "sec_min_dte": 1,
        "spot": 20_600.25 + moved,
        "zero_gamma": 20_580.5 + moved / 4,
        "major_pos_vol": 20_617.21,
        "major_pos_oi": 20_617.21,
        "major_neg_vol": 20_587.21,
        "major_neg_oi": 20_587.21,
        "strikes": ladder((20_587.21, -40.0), (20_597.21, -8.0), (20_607.21, 5.0 + moved), (20_617.21, 44.0)),
        "sum_gex_vol": 1_000.0 + moved,
        "sum_gex_oi": -250.5 - moved,
        "delta_risk_reversal": 0.118 + moved / 1e4,
        "max_priors": [[20_617.21 + lag, 100.0 * lag + moved] for lag in (0, 1, 5, 10, 15, 30)],
    }
    return {**whole, **changes}


def without(key: str, second: int = 0) -> dict[str, Any]:
    """Return a snapshot that lacks a key."""
    return {name: value for name, value in snapshot(second).items() if name != key}


def write(folder: Path, elements: Iterable[Any] | bytes, name: str = NAME, *, packed: bool = False) -> Path:
    """Write elements as an array, or bytes as they are; the name says nothing about packing."""
    folder.mkdir(parents=True, exist_ok=True)
    content = elements if isinstance(elements, bytes) else json.dumps(list(elements)).encode()
    path = folder / name
    path.write_bytes(gzip.compress(content, mtime=0) if packed else content)
    return path
