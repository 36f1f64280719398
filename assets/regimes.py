"""Stage regimes: what gamma exposure says about the market, one of six states with reasons.

Belongs here: the definition of the asset. Does not belong here: the rules and the builder (``trading_platform.regimes``).
"""

from __future__ import annotations

from collections.abc import Iterator

import dagster as dg

from trading_platform.instruments import Instrument
from trading_platform.lake.contracts import GEX_REGIMES
from trading_platform.regimes import GexRegimesBuilder, upstream_of
from trading_platform.regimes.upstream import DATASETS

from . import keys
from .dated import dated_asset
from .metadata import DescribeColumns


def regime_assets(instrument: Instrument, describe: DescribeColumns) -> Iterator[dg.AssetsDefinition]:
    """Define ``<UND>/gex_regimes``: from gamma levels where there are option chains, else from the feed."""
    if not instrument.has_own_gamma:
        return
    upstream = upstream_of(instrument)
    yield dated_asset(
        instrument,
        GEX_REGIMES,
        describe=describe,
        stage="regimes",
        kinds={"parquet", "polars"},
        code_version=GexRegimesBuilder.CODE_VERSION,
        upstream=[keys.asset_key(instrument.symbol, dataset) for dataset in DATASETS[upstream]],
        description=(
            f"The gamma regime of {instrument.symbol} at every observation of {upstream}, with hysteresis and the reasons in words; "
            "unknown where the data are stale. The routing table says which strategies suit a regime."
        ),
    )
