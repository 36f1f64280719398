"""Gamma exposure of option chains.

Belongs here: pure functions from a chain snapshot to exposures, walls, zero gamma, max pain; their rows, checks, pictures and builders.
Does not belong here: decoding of chains (``trading_platform.chains``), option formulas (``trading_platform.options``), Dagster.
"""

from __future__ import annotations

from .derived import Derived, NearestWall, Ramp
from .exposures import Sides, StrikeTable
from .flips import Flip
from .levels import Block, ChainLevels, compute_levels, input_hash
from .lines import ChainLines, Expiry, lines_of
from .walls import Wall, Walls, max_pain, walls
from .zero_gamma import GammaCurve, crossings, nearest

__all__ = [
    "Block",
    "ChainLevels",
    "ChainLines",
    "Derived",
    "Expiry",
    "Flip",
    "GammaCurve",
    "NearestWall",
    "Ramp",
    "Sides",
    "StrikeTable",
    "Wall",
    "Walls",
    "compute_levels",
    "crossings",
    "input_hash",
    "lines_of",
    "max_pain",
    "nearest",
    "walls",
]
