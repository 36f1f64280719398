"""The names of all assets.

Belongs here: the only place where asset keys are spelled; assets refer to each other through it. A key is ``[symbol, dataset]``.
"""

from __future__ import annotations

import dagster as dg

TICKS = "ticks"
BARS_1S = "bars_1s"
BARS_1M = "bars_1m"
DEPTH_EVENTS = "depth_events"
DEPTH_METRICS = "depth_metrics"

L2 = "l2"
L2_METRICS = "l2_metrics"

# Making them may cost money, so they are made only when they are named.
PAID = frozenset({L2, L2_METRICS})

WATCHLIST = dg.AssetKey(["watchlist", L2])
"""Level 2 of what a list names, one file per symbol and day; the only dated key that does not begin with an instrument."""

SQL_VIEWS = dg.AssetKey(["lake", "sql_views"])
COVERAGE = dg.AssetKey(["lake", "coverage"])
CATALOG = (SQL_VIEWS, COVERAGE)
"""Assets over all datasets, without trade dates."""


def asset_key(symbol: str, dataset: str) -> dg.AssetKey:
    """Return the key of one dataset of one symbol, e.g. ``MNQ/ticks``."""
    return dg.AssetKey([symbol, dataset])
