"""A day of the feed that lacks the category which something is made from.

Belongs here: which categories a stored day has, and the error for one that it lacks. Does not belong here: the names of the categories
(``trading_platform.lake.contracts.gex_feed``), downloading (``fetch.py``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

from ..errors import QualityError, command
from ..lake.building import Json


def stored_categories(facts: Mapping[str, Json]) -> tuple[str, ...]:
    """Return the categories of a stored day of ``gex_snapshots`` from the facts of its footer; empty if they do not say."""
    found = facts.get("categories")
    return tuple(str(one) for one in found) if isinstance(found, list | tuple) else ()


def category_missing(symbol: str, trade_date: date, category: str, there: Sequence[str], made: str) -> QualityError:
    """Return the error E499 for a day of the feed without the category that ``made`` (in the plural) is made from."""
    return QualityError(
        "E499",
        f"{symbol}/gex_snapshots {trade_date} has no snapshots of {category}, only of {', '.join(there)}",
        f"{made} are made from one category of the feed (TP_GEX_CATEGORY), and there is no history file of it for that day; nothing was "
        "written",
        command("tp", "gex", "fetch", trade_date, "--ticker", symbol, "--category", category),
    )
