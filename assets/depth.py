"""Stage depth: order book events from ``.depth`` files, and measures of the rebuilt book per second."""

from __future__ import annotations

from collections.abc import Iterator

import dagster as dg

from trading_platform.depth import DepthMetricsBuilder
from trading_platform.instruments import Instrument
from trading_platform.lake.contracts import DEPTH_EVENTS, DEPTH_METRICS
from trading_platform.sierra.depth import DepthEventsBuilder

from . import keys
from .dated import dated_asset
from .metadata import DescribeColumns


def depth_assets(instrument: Instrument, describe: DescribeColumns) -> Iterator[dg.AssetsDefinition]:
    """Define ``<FUT>/depth_events`` and ``<FUT>/depth_metrics``."""
    yield dated_asset(
        instrument,
        DEPTH_EVENTS,
        describe=describe,
        stage="depth",
        kinds={"parquet", "binary"},
        code_version=DepthEventsBuilder.CODE_VERSION,
        description=(
            f"Every order book event of {instrument.symbol} in file order, from Sierra Chart's .depth files (one per UTC day) to trade "
            "dates, contract by the roll table. Books are rebuilt from it on demand: `tp depth book`."
        ),
    )
    yield dated_asset(
        instrument,
        DEPTH_METRICS,
        describe=describe,
        stage="depth",
        kinds={"parquet", "numpy"},
        code_version=DepthMetricsBuilder.CODE_VERSION,
        upstream=[keys.asset_key(instrument.symbol, keys.DEPTH_EVENTS)],
        description=(
            f"The book of {instrument.symbol} at the end of every second: spread, mid, microprice, imbalance, depth near the touch. "
            "Null until the first snapshot makes the book known."
        ),
    )
