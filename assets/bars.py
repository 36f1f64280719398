"""Stage bars: trade bars from ticks, and the dense grid of bars with gamma exposure.

Belongs here: the definitions of these assets. Does not belong here: the builders (``trading_platform.bars``,
``trading_platform.enrichment``).
"""

from __future__ import annotations

from collections.abc import Iterator

import dagster as dg

from trading_platform.bars import BarsBuilder
from trading_platform.enrichment import EnrichedBarsBuilder
from trading_platform.instruments import Instrument, Registry
from trading_platform.lake.contracts import BARS_1M, BARS_1S, ENRICHED_BARS

from . import keys
from .dated import dated_asset
from .metadata import DescribeColumns


def bar_assets(instrument: Instrument, describe: DescribeColumns) -> Iterator[dg.AssetsDefinition]:
    """Define ``<FUT>/bars_1s`` and ``<FUT>/bars_1m``."""
    for contract, length in ((BARS_1S, "1-second"), (BARS_1M, "1-minute")):
        yield dated_asset(
            instrument,
            contract,
            describe=describe,
            stage="bars",
            kinds={"parquet", "polars"},
            code_version=BarsBuilder.CODE_VERSION,
            upstream=[keys.asset_key(instrument.symbol, keys.TICKS)],
            description=(
                f"{length} trade bars of {instrument.symbol}, stamped at their open in UTC; no row where nothing traded. Prices come "
                "from trades only; buy, sell and unknown volume add up to volume."
            ),
        )


def enriched_asset(
    instrument: Instrument, registry: Registry, describe: DescribeColumns
) -> Iterator[dg.AssetsDefinition]:
    """Define ``<FUT>/enriched_bars`` of a future that has an underlying."""
    underlying = registry.gamma_of(instrument)
    if underlying is None:
        return
    upstream = [
        keys.asset_key(instrument.symbol, keys.BARS_1S),
        keys.asset_key(underlying.symbol, keys.GEX_SNAPSHOTS),
    ]
    chains = registry.chains_of(instrument)
    if chains is not None:
        upstream.append(keys.asset_key(chains.symbol, keys.GEX_LEVELS))
    yield dated_asset(
        instrument,
        ENRICHED_BARS,
        describe=describe,
        stage="bars",
        kinds={"parquet", "polars"},
        code_version=EnrichedBarsBuilder.CODE_VERSION,
        upstream=upstream,
        description=(
            f"Every second of the trading hours of {instrument.symbol} with its bar and the gamma snapshot of {underlying.symbol} that was "
            "known when it began: age, source time and basis beside it. Seconds without trades and gaps of the feed are told apart; a day "
            "of the feed that is not there gives nulls, and the day turns stale when it arrives."
        ),
    )
