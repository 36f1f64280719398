"""Gamma regimes: from gamma levels of an underlying to one of six states, with reasons, and from states to sets of strategies.

Belongs here: pure functions over observations, their parameters, the routing table, and the builder of ``gex_regimes``. Does not belong
here: gamma exposure itself (``trading_platform.gex``, ``trading_platform.gexfeed``), the strategies, evaluation of the regimes, Dagster.
"""

from __future__ import annotations

from .builder import GexRegimesBuilder
from .changes import StateChange, changes_of
from .parameters import STATES, RegimeParameters, State, load_parameters
from .picture import regime_ribbon
from .reasons import parse_reason
from .regimes import regimes_of
from .routing import Route, RoutingTable, load_routing
from .upstream import upstream_of

__all__ = [
    "STATES",
    "GexRegimesBuilder",
    "RegimeParameters",
    "Route",
    "RoutingTable",
    "State",
    "StateChange",
    "changes_of",
    "load_parameters",
    "load_routing",
    "parse_reason",
    "regime_ribbon",
    "regimes_of",
    "upstream_of",
]
