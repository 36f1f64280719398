"""All datasets of the lake by name.

Belongs here: one ``DatasetContract`` per dataset; the model of each lies in a module beside this one and is imported
on first use. Does not belong here: how contracts are checked (``contract.py``) and built.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..contract import DatasetContract

if TYPE_CHECKING:
    from ..model import ContractModel


def _ticks() -> type[ContractModel]:
    from .ticks import Ticks

    return Ticks


def _tick_rejects() -> type[ContractModel]:
    from .ticks import TickRejects

    return TickRejects


def _bars_1s() -> type[ContractModel]:
    from .bars import Bars1Second

    return Bars1Second


def _bars_1m() -> type[ContractModel]:
    from .bars import Bars1Minute

    return Bars1Minute


def _depth_events() -> type[ContractModel]:
    from .depth import DepthEvents

    return DepthEvents


def _depth_rejects() -> type[ContractModel]:
    from .depth import DepthRejects

    return DepthRejects


def _depth_metrics() -> type[ContractModel]:
    from .depth import DepthMetrics

    return DepthMetrics


def _l2() -> type[ContractModel]:
    from .l2 import L2

    return L2


def _l2_rejects() -> type[ContractModel]:
    from .l2 import L2Rejects

    return L2Rejects


def _l2_metrics() -> type[ContractModel]:
    from .l2 import L2Metrics

    return L2Metrics


def _chain_cboe() -> type[ContractModel]:
    from .chains import ChainCboe

    return ChainCboe


def _chain() -> type[ContractModel]:
    from .chains import Chain

    return Chain


def _chain_rejects() -> type[ContractModel]:
    from .chains import ChainRejects

    return ChainRejects


def _gex_snapshots() -> type[ContractModel]:
    from .gex_feed import GexSnapshots

    return GexSnapshots


def _gex_strikes() -> type[ContractModel]:
    from .gex_feed import GexStrikes

    return GexStrikes


def _gex_feed_rejects() -> type[ContractModel]:
    from .gex_feed import GexFeedRejects

    return GexFeedRejects


def _gex_alignment() -> type[ContractModel]:
    from .enrichment import GexAlignment

    return GexAlignment


def _enriched_bars() -> type[ContractModel]:
    from .enrichment import EnrichedBars

    return EnrichedBars


def _gex_levels() -> type[ContractModel]:
    from .gex_levels import GexLevels

    return GexLevels


def _gex_profile() -> type[ContractModel]:
    from .gex_levels import GexProfile

    return GexProfile


def _gex_regimes() -> type[ContractModel]:
    from .regimes import GexRegimes

    return GexRegimes


TICK_REJECTS = DatasetContract(
    name="tick_rejects",
    version=1,
    description="Source records that did not become ticks, unchanged, with the reason.",
    load_model=_tick_rejects,
    sort_by=("seq_before",),
    sort_strict=False,
    folder="quarantine/ticks",
)
TICKS = DatasetContract(
    name="ticks",
    version=1,
    description="One row per trade of the front contract, in the order of the source file.",
    load_model=_ticks,
    sort_by=("seq",),
    row_number="seq",
    rejects=TICK_REJECTS,
    is_primary=True,
)
BARS_1S = DatasetContract(
    name="bars_1s",
    version=1,
    description="Trade bars of one second; a second without a trade has no row.",
    load_model=_bars_1s,
    sort_by=("ts_open",),
)
BARS_1M = DatasetContract(
    name="bars_1m",
    version=1,
    description="Trade bars of one minute; a minute without a trade has no row.",
    load_model=_bars_1m,
    sort_by=("ts_open",),
)
DEPTH_REJECTS = DatasetContract(
    name="depth_rejects",
    version=1,
    description="Depth records that did not become events, unchanged, with the reason.",
    load_model=_depth_rejects,
    sort_by=("seq_before",),
    sort_strict=False,
    folder="quarantine/depth_events",
)
DEPTH_EVENTS = DatasetContract(
    name="depth_events",
    version=1,
    description="One row per order book event of the front contract, in the order of the source files.",
    load_model=_depth_events,
    sort_by=("seq",),
    row_number="seq",
    rejects=DEPTH_REJECTS,
    is_primary=True,
)
DEPTH_METRICS = DatasetContract(
    name="depth_metrics",
    version=1,
    description="Order book measures, one row per second from the first to the last event: the book at the end of the second.",
    load_model=_depth_metrics,
    sort_by=("ts",),
)
L2_REJECTS = DatasetContract(
    name="l2_rejects",
    version=1,
    description="Order book records that did not become rows of l2, with the reason; the raw file keeps their deeper levels.",
    load_model=_l2_rejects,
    sort_by=("seq_before",),
    sort_strict=False,
    folder="quarantine/l2",
)
L2 = DatasetContract(
    name="l2",
    version=1,
    description="One row per order book event with the ten best levels of both sides, in the order of the vendor's file.",
    load_model=_l2,
    sort_by=("ts_recv",),
    sort_strict=False,
    row_number="seq",
    rejects=L2_REJECTS,
    is_primary=True,
)
L2_METRICS = DatasetContract(
    name="l2_metrics",
    version=1,
    description="Level 2 measures, one row per second from the first to the last event: the book at its end and what happened in it.",
    load_model=_l2_metrics,
    sort_by=("ts",),
)
CHAIN_REJECTS = DatasetContract(
    name="chain_rejects",
    version=1,
    description="Contract lines and files of option chains that were refused, unchanged, with the reason.",
    load_model=_chain_rejects,
    sort_by=("observed_at", "file", "row"),
    sort_strict=False,
    folder="quarantine/chain_cboe",
)
CHAIN_CBOE = DatasetContract(
    name="chain_cboe",
    version=1,
    description="One row per option contract and snapshot, from quote tables of Cboe.",
    load_model=_chain_cboe,
    sort_by=("observed_at", "option_symbol"),
    rejects=CHAIN_REJECTS,
    is_primary=True,
)
CHAIN = DatasetContract(
    name="chain",
    version=1,
    description="One row per option contract, snapshot and source: the chains of all sources.",
    load_model=_chain,
    sort_by=("observed_at", "source", "option_symbol"),
)
GEX_FEED_REJECTS = DatasetContract(
    name="gex_feed_rejects",
    version=1,
    description="Elements of gamma feed files that did not become snapshots, unchanged, with the reason.",
    load_model=_gex_feed_rejects,
    sort_by=("category", "position"),
    folder="quarantine/gex_snapshots",
)
GEX_SNAPSHOTS = DatasetContract(
    name="gex_snapshots",
    version=1,
    description="One row per snapshot of the vendor's gamma feed and category, with wall candidates and 15 s change.",
    load_model=_gex_snapshots,
    sort_by=("category", "ts"),
    rejects=GEX_FEED_REJECTS,
    is_primary=True,
)
GEX_STRIKES = DatasetContract(
    name="gex_strikes",
    version=1,
    description="One row per strike of every snapshot of the vendor's gamma feed, by category.",
    load_model=_gex_strikes,
    sort_by=("category", "ts", "strike"),
    is_primary=True,
)
GEX_ALIGNMENT = DatasetContract(
    name="gex_alignment",
    version=1,
    description="One row per tick: the snapshot of the gamma feed that was known when it traded, and its age.",
    load_model=_gex_alignment,
    sort_by=("seq",),
    row_number="seq",
)
ENRICHED_BARS = DatasetContract(
    name="enriched_bars",
    version=1,
    description="One row per second of the session: the bar and the gamma snapshot known when the second began; gaps of both apart.",
    load_model=_enriched_bars,
    sort_by=("ts",),
)
GEX_LEVELS = DatasetContract(
    name="gex_levels",
    version=1,
    description="One row per snapshot of an option chain: gamma exposure, zero gamma, walls, with own greeks and those of the source.",
    load_model=_gex_levels,
    sort_by=("observed_at", "source"),
)
GEX_PROFILE = DatasetContract(
    name="gex_profile",
    version=1,
    description="Gamma exposure of every snapshot by strike, by level of the underlying and by expiry.",
    load_model=_gex_profile,
    sort_by=("seq",),
    row_number="seq",
)
GEX_REGIMES = DatasetContract(
    name="gex_regimes",
    version=1,
    description="The gamma regime at every observation of an underlying, with the reasons for it.",
    load_model=_gex_regimes,
    sort_by=("ts", "source"),
)
CONTRACTS: Mapping[str, DatasetContract] = {
    contract.name: contract
    for contract in (
        TICKS,
        TICK_REJECTS,
        BARS_1S,
        BARS_1M,
        DEPTH_EVENTS,
        DEPTH_REJECTS,
        DEPTH_METRICS,
        L2,
        L2_REJECTS,
        L2_METRICS,
        CHAIN_CBOE,
        CHAIN_REJECTS,
        CHAIN,
        GEX_SNAPSHOTS,
        GEX_STRIKES,
        GEX_FEED_REJECTS,
        GEX_LEVELS,
        GEX_PROFILE,
        GEX_ALIGNMENT,
        ENRICHED_BARS,
        GEX_REGIMES,
    )
}

__all__ = [
    "BARS_1M",
    "BARS_1S",
    "CHAIN",
    "CHAIN_CBOE",
    "CHAIN_REJECTS",
    "CONTRACTS",
    "DEPTH_EVENTS",
    "DEPTH_METRICS",
    "DEPTH_REJECTS",
    "ENRICHED_BARS",
    "GEX_ALIGNMENT",
    "GEX_FEED_REJECTS",
    "GEX_LEVELS",
    "GEX_PROFILE",
    "GEX_REGIMES",
    "GEX_SNAPSHOTS",
    "GEX_STRIKES",
    "L2",
    "L2_METRICS",
    "L2_REJECTS",
    "TICKS",
    "TICK_REJECTS",
]
