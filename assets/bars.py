"""Stage bars: trade bars from ticks."""

from __future__ import annotations

from collections.abc import Iterator

import dagster as dg

from trading_platform.bars import BarsBuilder
from trading_platform.instruments import Instrument
from trading_platform.lake.contracts import BARS_1M, BARS_1S

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
