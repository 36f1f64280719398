"""The colours of levels, by their names, so that every picture draws the same level alike.

Belongs here: names of levels and their colours. Does not belong here: what is drawn.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

LEVEL_COLOURS: Final[Mapping[str, str]] = MappingProxyType(
    {"spot": "black", "zero gamma": "orange", "call wall": "green", "put wall": "red"}
)
"""Name of a level, as the lines of a ``Preview`` are called -> name of a colour in SVG."""
