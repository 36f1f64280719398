"""Stage ticks: one row per trade, from Sierra Chart ``.scid`` files."""

from __future__ import annotations

import dagster as dg

from trading_platform.instruments import Instrument
from trading_platform.lake.contracts import TICKS
from trading_platform.sierra import TicksBuilder

from .dated import dated_asset
from .metadata import DescribeColumns


def ticks_asset(instrument: Instrument, describe: DescribeColumns) -> dg.AssetsDefinition:
    """Define ``<FUT>/ticks``."""
    return dated_asset(
        instrument,
        TICKS,
        describe=describe,
        stage="ticks",
        kinds={"parquet", "sierrachart"},
        code_version=TicksBuilder.CODE_VERSION,
        description=(
            f"Every trade of the front {instrument.symbol} contract in the session of the trade date, in file order, from Sierra Chart "
            ".scid files: price, quote at the trade, size, aggressor side, sweep marks. Rejected rows go to quarantine with a reason."
        ),
    )
