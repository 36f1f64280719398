"""Stage gex: gamma exposure from the feed and from option chains, and the snapshot that belongs to each tick.

Belongs here: the definitions of these assets. Does not belong here: the builders (``trading_platform``), which instrument has gamma
exposure (``trading_platform.instruments``).

Which instrument has what follows from ``gex_underlying`` in the registry. One that names itself has gamma exposure of its own: the feed
assets, because the vendor sells series of futures (``NQ_NDX``) and of indices (``SPX``) alike, and a future may be described by either;
and, unless it is a series that only the vendor has, the assets of its option chains. A future that names another one is aligned with it.
Rows of ``NDX`` and ``NQ_NDX`` are different series and are never merged.
"""

from __future__ import annotations

from collections.abc import Iterator

import dagster as dg

from trading_platform.chains import ChainBuilder, ChainCboeBuilder
from trading_platform.enrichment import GexAlignmentBuilder
from trading_platform.gex.builder import GexLevelsBuilder, GexProfileBuilder
from trading_platform.gexfeed import GexSnapshotsBuilder, GexStrikesBuilder
from trading_platform.instruments import Instrument, Registry
from trading_platform.lake.contracts import (
    CHAIN,
    CHAIN_CBOE,
    GEX_ALIGNMENT,
    GEX_LEVELS,
    GEX_PROFILE,
    GEX_SNAPSHOTS,
    GEX_STRIKES,
)

from . import keys
from .dated import dated_asset
from .metadata import DescribeColumns

STAGE = "gex"


def gamma_assets(instrument: Instrument, describe: DescribeColumns) -> Iterator[dg.AssetsDefinition]:
    """Define everything that is made from files of the feed and from chains of one instrument; nothing if it has no gamma of its own."""
    if instrument.has_own_gamma:
        yield from _feed_assets(instrument, describe)
    if instrument.has_chains:
        yield from _chain_assets(instrument, describe)
        yield from _level_assets(instrument, describe)


def _feed_assets(instrument: Instrument, describe: DescribeColumns) -> Iterator[dg.AssetsDefinition]:
    """Define ``<UND>/gex_snapshots`` and ``<UND>/gex_strikes``."""
    symbol = instrument.symbol
    yield dated_asset(
        instrument,
        GEX_SNAPSHOTS,
        describe=describe,
        stage=STAGE,
        kinds={"parquet", "json"},
        code_version=GexSnapshotsBuilder.CODE_VERSION,
        description=(
            f"Every gamma snapshot of the series {symbol}, from history files of the feed below TP_GEX_DIR: spot, zero gamma, strikes of "
            "the largest exposures, sums, walls from the ladder and their changes. The first observation of a second wins; refused "
            "snapshots go to quarantine with a reason."
        ),
    )
    yield dated_asset(
        instrument,
        GEX_STRIKES,
        describe=describe,
        stage=STAGE,
        kinds={"parquet", "json"},
        code_version=GexStrikesBuilder.CODE_VERSION,
        description=(
            f"Gamma exposure of {symbol} by strike for every snapshot of the feed, by volume and by open interest, with the earlier levels "
            "that the vendor sends along."
        ),
    )


def _chain_assets(instrument: Instrument, describe: DescribeColumns) -> Iterator[dg.AssetsDefinition]:
    """Define ``<UND>/chain_cboe`` and ``<UND>/chain``."""
    symbol = instrument.symbol
    yield dated_asset(
        instrument,
        CHAIN_CBOE,
        describe=describe,
        stage=STAGE,
        kinds={"parquet", "csv"},
        code_version=ChainCboeBuilder.CODE_VERSION,
        description=(
            f"Option chains of {symbol} as saved from Cboe's quote tables below TP_CHAIN_DIR, one row per contract and snapshot. The time "
            "inside a file decides on its day; refused lines go to quarantine with a reason."
        ),
    )
    yield dated_asset(
        instrument,
        CHAIN,
        describe=describe,
        stage=STAGE,
        kinds={"parquet", "polars"},
        code_version=ChainBuilder.CODE_VERSION,
        upstream=[keys.asset_key(symbol, keys.CHAIN_CBOE)],
        description=f"The option chains of {symbol} from all sources by time, the only ones that later stages read.",
    )


def _level_assets(instrument: Instrument, describe: DescribeColumns) -> Iterator[dg.AssetsDefinition]:
    """Define ``<UND>/gex_levels`` and ``<UND>/gex_profile``."""
    symbol = instrument.symbol
    chain = keys.asset_key(symbol, keys.CHAIN)
    yield dated_asset(
        instrument,
        GEX_LEVELS,
        describe=describe,
        stage=STAGE,
        kinds={"parquet", "numpy"},
        code_version=GexLevelsBuilder.CODE_VERSION,
        upstream=[chain],
        description=(
            f"Gamma exposure, zero gamma, walls and max pain of {symbol} per chain snapshot, with own greeks and with those of the vendor. "
            "Signs are naive (dealers long calls, short puts); sums are US dollars of delta per 1 % move."
        ),
    )
    yield dated_asset(
        instrument,
        GEX_PROFILE,
        describe=describe,
        stage=STAGE,
        kinds={"parquet", "numpy"},
        code_version=GexProfileBuilder.CODE_VERSION,
        upstream=[chain],
        description=f"Gamma exposure of {symbol} by strike, by expiry and over a range of spot levels, per chain snapshot.",
    )


def alignment_asset(
    instrument: Instrument, registry: Registry, describe: DescribeColumns
) -> Iterator[dg.AssetsDefinition]:
    """Define ``<FUT>/gex_alignment`` of a future that has an underlying."""
    underlying = registry.gamma_of(instrument)
    if underlying is None:
        return
    yield dated_asset(
        instrument,
        GEX_ALIGNMENT,
        describe=describe,
        stage=STAGE,
        kinds={"parquet", "numpy"},
        code_version=GexAlignmentBuilder.CODE_VERSION,
        upstream=[
            keys.asset_key(instrument.symbol, keys.TICKS),
            keys.asset_key(underlying.symbol, keys.GEX_SNAPSHOTS),
        ],
        description=(
            f"For every tick of {instrument.symbol} the snapshot of {underlying.symbol} that was known when it traded, and its age. "
            "A day of the feed that is not there gives gaps, and the day turns stale when it arrives."
        ),
    )
