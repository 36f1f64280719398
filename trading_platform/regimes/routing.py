"""From a regime to the set of strategies it admits.

Belongs here: the routing table, packaged and changed by the user, and looking something up in it. Does not belong here: the strategies
themselves, sizes, orders.

``<home>/regime_routing.toml`` replaces regimes one by one::

    [transition]
    strategies = ["iron_condor"]
    reason = "my own study, March 2026"
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from ..errors import ConfigurationError
from .parameters import STATES, State, read_toml, refuse_unknown

FILE_NAME: Final = "regime_routing.toml"
PACKAGED: Final = Path(__file__).with_name("routing.toml")
STRATEGIES: Final = (
    "iron_condor",
    "bull_put",
    "bear_call",
    "bull_call",
    "bear_put",
    "cash_secured_put",
    "covered_call",
)
"""Every strategy that a route may name."""
_NOTHING_DONE: Final = "a strategy must not be chosen by a table that was read wrongly; nothing was done"
_WORD: Final = re.compile(r"\S")


@dataclass(frozen=True, slots=True)
class Route:
    """What a regime admits.

    Attributes:
        state: the regime.
        strategies: admitted strategies, in the order of preference; empty if none.
        reason: why, in one sentence.
        is_custom: True if the user's file says so.
    """

    state: State
    strategies: tuple[str, ...]
    reason: str
    is_custom: bool = False


@dataclass(frozen=True, slots=True)
class RoutingTable:
    """One route for every regime.

    Attributes:
        routes: regime to route.
    """

    routes: Mapping[State, Route]

    def route(self, state: State | str | None) -> Route:
        """Return the route of a regime; None (no row to ask) is unknown and admits nothing.

        Raises:
            ConfigurationError: E183 if there is no such regime.
        """
        if state is None:
            return self.routes[State.UNKNOWN]
        if state not in STATES:
            raise _wrong("E183", f"{state!r} is no regime, expected one of {', '.join(STATES)}")
        return self.routes[State(state)]


def load_routing(path: Path | None = None) -> RoutingTable:
    """Return the packaged table with the user's regimes over it.

    Args:
        path: ``regime_routing.toml``; None or an absent file gives the packaged table.

    Raises:
        ConfigurationError: E180 if the file cannot be read, E181 for an unknown regime or key, E183 for a malformed route, E184 for a
            strategy that does not exist or one under ``unknown``.
    """
    own = _routes(read_toml(path), "" if path is None else path.name, is_custom=True)
    return RoutingTable(MappingProxyType({**_packaged(), **own}))


@cache
def _packaged() -> Mapping[State, Route]:
    routes = _routes(read_toml(PACKAGED), PACKAGED.name, is_custom=False)
    lacking = [state for state in STATES if state not in routes]
    if lacking:
        raise _wrong("E183", f"{PACKAGED.name} lacks {', '.join(lacking)}")
    return routes


def _routes(stored: Mapping[str, Any], where: str, *, is_custom: bool) -> dict[State, Route]:
    refuse_unknown(stored, tuple(STATES), where)
    return {
        State(name): _route(State(name), table, f"{where} [{name}]", is_custom=is_custom)
        for name, table in stored.items()
    }


def _route(state: State, table: object, where: str, *, is_custom: bool) -> Route:
    if not isinstance(table, Mapping):
        raise _wrong("E183", f"{where}: expected a table with strategies and reason, was {table!r}")
    refuse_unknown(table, ("strategies", "reason"), where)
    strategies, reason = table.get("strategies"), table.get("reason")
    if not isinstance(strategies, list) or not all(isinstance(name, str) for name in strategies):
        raise _wrong("E183", f"{where}: strategies: expected a list of names, was {strategies!r}")
    if len(set(strategies)) != len(strategies):
        raise _wrong("E183", f"{where}: strategies: expected each name once, was {', '.join(strategies)}")
    if not isinstance(reason, str) or _WORD.search(reason) is None:
        raise _wrong("E183", f"{where}: reason: expected a sentence, was {reason!r}")
    strange = [name for name in strategies if name not in STRATEGIES]
    if strange:
        raise _wrong(
            "E184", f"{where}: no such strategy: {', '.join(strange)}; expected some of {', '.join(STRATEGIES)}"
        )
    if state is State.UNKNOWN and strategies:
        raise _wrong("E184", f"{where}: unknown must admit no strategy, was {', '.join(strategies)}")
    return Route(state, tuple(strategies), reason, is_custom)


def _wrong(code: str, what: str) -> ConfigurationError:
    return ConfigurationError(code, what, _NOTHING_DONE, "tp config")
