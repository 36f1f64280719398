"""Gamma exposure of option chains.

Belongs here: pure functions from a chain snapshot to exposures, walls, zero gamma, max pain; their rows, checks, pictures and builders.
Does not belong here: decoding of chains (``trading_platform.chains``), option formulas (``trading_platform.options``), Dagster.
"""

from __future__ import annotations

from .exposures import Sides, StrikeTable
from .levels import Block, ChainLevels, Flip, compute_levels, input_hash
from .lines import ChainLines, Expiry, lines_of
from .walls import Wall, Walls, max_pain, walls
from .zero_gamma import GammaCurve, crossings, nearest

__all__ = [
    "Block",
    "ChainLevels",
    "ChainLines",
    "Expiry",
    "Flip",
    "GammaCurve",
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
