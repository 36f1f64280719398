"""Which assets a person means: keys, patterns and Dagster selections."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import dagster as dg
from dagster import AssetSelection

from assets import keys
from trading_platform.errors import ConfigurationError

from .names import names_meant, no_such_name


def select_assets(defs: dg.Definitions, wanted: Sequence[str]) -> list[dg.AssetKey]:
    """Resolve names to asset keys.

    Args:
        defs: the assembled platform.
        wanted: keys (``MNQ/ticks``), patterns (``MNQ/*``) or Dagster selection syntax (``key:"MNQ/*"``, ``+MNQ/bars_1m``); none means all.
            Keys and patterns that match nothing as written may differ in capitals (``mnq/ticks``), if that leaves no doubt.
            What may cost money is never meant by "all": only a text that says ``l2`` reaches it.

    Returns:
        Keys in topological order, each once.

    Raises:
        ConfigurationError: E161 if a name matches nothing.
    """
    graph = defs.resolve_asset_graph()
    ordered = [key for level in graph.toposorted_asset_keys_by_level for key in sorted(level)]
    if not wanted:
        return [key for key in ordered if not _is_paid(key)]
    names = {key.to_user_string(): key for key in ordered}
    chosen: set[dg.AssetKey] = set()
    for text in wanted:
        found = _resolve(text, names, graph)
        if keys.L2 not in text:
            found = {key for key in found if not _is_paid(key)}
        if not found:
            raise no_such_name(text, names)
        chosen |= found
    return [key for key in ordered if key in chosen]


def _is_paid(key: dg.AssetKey) -> bool:
    return key.path[-1] in keys.PAID


def _resolve(text: str, names: dict[str, dg.AssetKey], graph: object) -> set[dg.AssetKey]:
    if text in names or not any(mark in text for mark in ':"+()'):
        return {names[name] for name in names_meant(text, names)}
    try:
        selected: Iterable[dg.AssetKey] = AssetSelection.from_string(text).resolve(graph)  # type: ignore[arg-type]  # graph is a BaseAssetGraph
    except dg.DagsterError as error:
        raise ConfigurationError(
            "E161",
            f"the selection {text!r} cannot be read: {error}",
            'Dagster\'s selection syntax is key:"MNQ/*", +key:"MNQ/bars_1m", group:"bars" and so on; nothing was started',
            "tp backfill --help",
        ) from error
    return set(selected)
