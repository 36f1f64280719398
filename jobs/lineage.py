"""What is to be made when files change: everything that is made from them, and what of it can be made on a day.

Belongs here: the order of assets downstream of files, and looking for what else they need. Does not belong here: whether a day differs
(``refresh.py``), which files changed (``watching.py``, ``gamma_watching.py``).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import dagster as dg

from assets.builders import Workbench
from assets.recorded import Parents, required
from trading_platform.errors import LakeError


def made_from(roots: Sequence[dg.AssetKey], parents: Parents) -> tuple[dg.AssetKey, ...]:
    """Return the roots and everything that is made from them, upstream first.

    Args:
        roots: assets that are made from the same files.
        parents: all dated assets, with what each is made from.
    """
    chain = list(roots)
    while found := [key for key, above in parents.items() if key not in chain and above & set(chain)]:
        # Those first whose other parents are not waiting themselves.
        chain += [key for key in found if not parents[key] & set(found)] or found
    return tuple(chain)


class Makeable:
    """Keeps of assets those that can be made on a day; made for one look, because it remembers what is materialized.

    Args:
        parents: all dated assets, with what each is made from.
        workbench: opened resources.
        instance: where materializations are.
    """

    def __init__(self, parents: Parents, workbench: Workbench, instance: dg.DagsterInstance) -> None:
        self._parents = parents
        self._lake = workbench.lake
        self._instance = instance
        self._materialized: dict[dg.AssetKey, frozenset[str]] = {}

    def __call__(self, keys: Sequence[dg.AssetKey], day: date) -> tuple[dg.AssetKey, ...]:
        """Return the keys whose other required upstream days are stored, or made before them; ``keys`` has upstream first.

        Enrichment of a day whose ticks nobody has would fail, three times, for nothing: it is made when the ticks come.
        """
        kept: list[dg.AssetKey] = []
        for key in keys:
            if all(above in kept or self._is_stored(above, day) for above in required(key, self._parents[key])):
                kept.append(key)
        return tuple(kept)

    def _is_stored(self, key: dg.AssetKey, day: date) -> bool:
        if key not in self._materialized:
            self._materialized[key] = frozenset(self._instance.get_materialized_partitions(key))
        symbol, dataset = key.path
        try:
            return day.isoformat() in self._materialized[key] and self._lake.footer(dataset, symbol, day) is not None
        except LakeError:  # damaged: made again, it is no longer
            return False
