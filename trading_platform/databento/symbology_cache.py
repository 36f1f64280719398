"""What continuous symbols meant on past dates: asked once and kept, because it does not change any more.

Belongs here: the file. Does not belong here: asking (``client.py``), names (``symbols.py``).
"""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any, Final

from ..lake.files import locked_folder
from .client import ResolvedSymbol
from .disk import make_folder, write_json

SYMBOLOGY: Final = "symbology.json"
_LOCK_WAIT_S: Final = 60.0


def kept_symbol(folder: Path, symbol: str, day: date) -> str | None:
    """Return the raw symbol of a continuous one on a trade date; None if it was never asked for.

    Args:
        folder: of the dataset in the cache.
        symbol: such as ``ES.v.0``.
        day: the trade date.
    """
    found = _read(folder / SYMBOLOGY).get(symbol, {}).get(day.isoformat())
    return None if found is None else str(found["raw_symbol"])


def keep_symbol(folder: Path, day: date, resolved: ResolvedSymbol) -> None:
    """Remember what a symbol means on a trade date.

    Raises:
        VendorError: E339 the disk refuses. LakeError: E501 another process holds the folder for too long.
    """
    make_folder(folder)
    with locked_folder(folder, _LOCK_WAIT_S):
        known = _read(folder / SYMBOLOGY)
        known.setdefault(resolved.symbol, {})[day.isoformat()] = {
            "raw_symbol": resolved.raw_symbol,
            "instrument_id": resolved.instrument_id,
        }
        write_json(folder / SYMBOLOGY, known)


def _read(path: Path) -> dict[str, dict[str, dict[str, Any]]]:
    """Return what is kept; a file that cannot be read counts as none, asking again costs nothing."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
