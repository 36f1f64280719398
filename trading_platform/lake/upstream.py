"""The one partition that another partition is made from, as its plan saw it.

Belongs here: what every dataset does that is made day by day from one stored dataset: take outcome and content from the upstream's footer,
name it as the source, notice that it was replaced. Does not belong here: errors of a dataset (its builder has their numbers and texts).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .building import DayPlan, Json, SourceSlice
from .footer import Footer


@dataclass(frozen=True, slots=True)
class UpstreamDay:
    """A stored partition as the plan saw it.

    Attributes:
        name: asset key as people write it, such as ``MNQ/ticks``.
        content_hash: of its rows.
        rows: number of rows.
        facts: as its footer records them.
    """

    name: str
    content_hash: str
    rows: int
    facts: Mapping[str, Json]

    def is_still(self, footer: Footer | None, rows: int) -> bool:
        """Tell whether what was opened is what was planned: the fingerprint names the planned content.

        Args:
            footer: read after the file was opened, so that a replacement at any moment since the plan is seen; None if it is gone.
            rows: of the opened file.
        """
        return footer is not None and footer.content_hash == self.content_hash and rows == self.rows


def plan_from(common: Mapping[str, Any], name: str, footer: Footer) -> DayPlan:
    """Plan a day from its upstream: without rows by nature as the upstream is, otherwise undecided.

    Args:
        common: fields of the plan that do not come from the footer.
        name: asset key of the upstream.
        footer: of the upstream's partition.
    """
    decided = footer.outcome if footer.outcome.is_without_rows else None
    return DayPlan(
        **common,
        synthetic=footer.synthetic,
        detail=UpstreamDay(name, footer.content_hash, footer.rows, footer.facts),
        decided=decided,
        reason=None if decided is None else footer.reason,
    )


def sources_of(plan: DayPlan) -> tuple[SourceSlice, ...]:
    """Return the upstream of a plan as its only source; none for a day without one. Its hash lies in the footer and costs nothing."""
    if not isinstance(plan.detail, UpstreamDay):
        return ()
    return (SourceSlice(plan.detail.name, plan.detail.content_hash),)
