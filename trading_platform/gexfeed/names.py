"""Names of the vendor's series, categories and history files.

Belongs here: the file name rule. Does not belong here: which series describes which instrument (``gex_underlying`` in the registry),
folders (``archive.py``), content (``decode.py``).

Source: the vendor's public file names ``YYYY-MM-DD_<TICKER>_classic_<category>.json[.gz]``. The category stands in the name only: no field
of a snapshot tells it, so a name without a known category is an error and never a guess.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final

from ..lake.vocabulary import CATEGORIES

__all__ = ["CATEGORIES", "DEFAULT_CATEGORY", "FeedName", "file_name", "is_hidden", "read_name"]

DEFAULT_CATEGORY: Final = "gex_full"

# Not anchored: browsers and people add " (1)", prefixes and other endings. The bytes tell whether it is gzip.
_NAME = re.compile(
    r"(?<!\d)(?P<date>\d{4}-\d{2}-\d{2})_(?P<ticker>[A-Z0-9_]+?)_classic_(?P<category>gex_[a-z0-9]+)(?![a-z0-9])",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class FeedName:
    """What the name of a history file says.

    Attributes:
        trade_date: New York calendar day of the file.
        ticker: the vendor's series, e.g. ``NQ_NDX``.
        category: as written, lower case; known only if it is one of ``CATEGORIES``.
    """

    trade_date: date
    ticker: str
    category: str

    @property
    def is_known(self) -> bool:
        """Tell whether the category is one of the vendor's."""
        return self.category in CATEGORIES


def read_name(name: str) -> FeedName | None:
    """Read a file name or the last part of a URL; None if it does not have the vendor's form."""
    match = _NAME.search(name)
    if match is None:
        return None
    try:
        trade_date = date.fromisoformat(match["date"])
    except ValueError:
        return None
    return FeedName(trade_date, match["ticker"].upper(), match["category"].lower())


def file_name(trade_date: date, ticker: str, category: str, *, is_gzip: bool) -> str:
    """Return the vendor's name of a history file; the ending tells what the bytes are."""
    return f"{trade_date.isoformat()}_{ticker}_classic_{category}.json{'.gz' if is_gzip else ''}"


def is_hidden(path: Path) -> bool:
    """Tell whether a file is one that nobody put there on purpose: temporaries of downloads, folder settings."""
    return path.name.startswith((".", "~")) or path.name.lower().endswith((".tmp", ".part", ".crdownload"))
