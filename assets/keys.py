"""The names of all assets.

Belongs here: the only place where asset keys are spelled; assets refer to each other through it. A key is ``[symbol, dataset]``.
"""

from __future__ import annotations

from collections.abc import Mapping

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
GEX_SNAPSHOTS = "gex_snapshots"
GEX_STRIKES = "gex_strikes"
CHAIN_CBOE = "chain_cboe"
CHAIN = "chain"
GEX_LEVELS = "gex_levels"
GEX_PROFILE = "gex_profile"
GEX_REGIMES = "gex_regimes"
GEX_ALIGNMENT = "gex_alignment"
ENRICHED_BARS = "enriched_bars"

# What a day is made without if it is not there: the day has nulls instead, and turns stale when it arrives.
OPTIONAL_UPSTREAM: Mapping[str, frozenset[str]] = {
    GEX_ALIGNMENT: frozenset({GEX_SNAPSHOTS}),
    ENRICHED_BARS: frozenset({GEX_SNAPSHOTS, GEX_LEVELS}),
}

# A person brings their files, and brings them later than the daily ingest: it does not wait for them, and looks back for them.
BROUGHT_LATER = frozenset({GEX_SNAPSHOTS, GEX_STRIKES, CHAIN_CBOE})

# Somebody saved a file on some days; of a day without one, nothing is missing here or in what is made from it.
SAVED_NOW_AND_THEN = frozenset({CHAIN_CBOE})

# Their sources begin with a first file, and nothing can bring what lies before it: such days are no holes, whoever asks for them.
RECORDED = frozenset({DEPTH_EVENTS, GEX_SNAPSHOTS, GEX_STRIKES})

SQL_VIEWS = dg.AssetKey(["lake", "sql_views"])
COVERAGE = dg.AssetKey(["lake", "coverage"])
CATALOG = (SQL_VIEWS, COVERAGE)
"""Assets over all datasets, without trade dates."""


def asset_key(symbol: str, dataset: str) -> dg.AssetKey:
    """Return the key of one dataset of one symbol, e.g. ``MNQ/ticks``."""
    return dg.AssetKey([symbol, dataset])


def is_optional(parent: dg.AssetKey, child: dg.AssetKey) -> bool:
    """Tell whether days of ``child`` are made although the same day of ``parent`` is not there."""
    return parent.path[-1] in OPTIONAL_UPSTREAM.get(child.path[-1], frozenset())
