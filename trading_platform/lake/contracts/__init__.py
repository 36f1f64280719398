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
    )
}

__all__ = [
    "BARS_1M",
    "BARS_1S",
    "CONTRACTS",
    "DEPTH_EVENTS",
    "DEPTH_METRICS",
    "DEPTH_REJECTS",
    "L2",
    "L2_METRICS",
    "L2_REJECTS",
    "TICKS",
    "TICK_REJECTS",
]
