"""What of an asset could be made at all: which sources have anything, and what is made although some of it is not there.

Belongs here: the difference between what a day needs and what only adds to it. Does not belong here: single sources, which say themselves
since when they were recorded (``RecordedSource``), and decisions about days (``jobs``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from datetime import date
from typing import TypeAlias

import dagster as dg

from trading_platform.lake.building import RecordedSource

from .builders import Workbench, builder_for
from .keys import is_optional

Parents: TypeAlias = Mapping[dg.AssetKey, AbstractSet[dg.AssetKey]]
"""All dated assets, with what each is made from."""


def required(key: dg.AssetKey, upstream: Iterable[dg.AssetKey]) -> list[dg.AssetKey]:
    """Return what of the upstream a day cannot be made without."""
    return [parent for parent in upstream if not is_optional(parent, key)]


def nothing_to_add(key: dg.AssetKey, upstream: Iterable[dg.AssetKey], workbench: Workbench) -> str | None:
    """Return why enrichment would add nothing on any day: the user has none of what it comes from.

    A missing day of a feed that the user has is made with nulls. For one who has no feed at all that would be every day, again and again.

    Returns:
        The reason of the first source without anything; None if one has something, or if the asset is no enrichment.
    """
    reasons = []
    for parent in (parent for parent in upstream if is_optional(parent, key)):
        symbol, dataset = parent.path
        if any(True for _ in workbench.lake.days(dataset, symbol)):
            return None
        builder = builder_for(parent, workbench)
        if isinstance(builder, RecordedSource):
            why = builder.not_recorded(workbench.clock.now().date())
            if why is None:
                return None
            reasons.append(why)
    return reasons[0] if reasons else None


def why_not_recorded(key: dg.AssetKey, parents: Parents, workbench: Workbench, day: date) -> str | None:
    """Return why a day of an asset cannot be expected: its source, or that of something it needs, was not recorded then."""
    builder = builder_for(key, workbench)
    why = builder.not_recorded(day) if isinstance(builder, RecordedSource) else None
    above = parents.get(key, frozenset())
    why = why or nothing_to_add(key, above, workbench)
    for parent in sorted(required(key, above)):
        why = why or (why_not_recorded(parent, parents, workbench, day) if parent in parents else None)
    return why
