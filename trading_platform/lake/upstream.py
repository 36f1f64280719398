"""The one partition that another partition is made from, as its plan saw it.

Belongs here: what every dataset does that is made day by day from a stored dataset: take outcome and content from the upstream's footer,
decide a day without it, name it as the source, notice that it was replaced. Does not belong here: errors of a dataset (its builder has
their numbers and texts).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ..errors import PlatformError, QualityError
from .building import DayPlan, Json, Outcome, SourceSlice
from .footer import Footer

if TYPE_CHECKING:
    from ..sessions import Session


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


def plan_without(
    common: Mapping[str, Any], now: datetime, missing: PlatformError, *, pending: str, key: str, made: str, source: str
) -> DayPlan:
    """Decide a day whose upstream is not in the lake: CLOSED without a session, PENDING before it opens, otherwise MISSING.

    Args:
        common: fields of the plan, ``session`` among them.
        now: time of day.
        missing: the error of a day that should have its upstream.
        pending: code of the error before the session opens, of the family E4.
        key: asset key of the dataset that is made, such as ``MNQ/bars_1s``.
        made: what is made, as people call it, such as ``bars``.
        source: what it is made from, such as ``ticks``.
    """
    session: Session = common["session"]
    day = session.trade_date.isoformat()
    if not session.is_open:
        return DayPlan(**common, decided=Outcome.CLOSED, reason=session.reason or "no session on this date")
    if session.opens_at is not None and now < session.opens_at:
        reason = f"the session of {day} opens at {session.opens_at:%Y-%m-%d %H:%M} UTC"
        error = QualityError(
            pending,
            f"{key.split('/', maxsplit=1)[0]} {day} has no {made} yet: {reason}",
            f"a session without {source} that has not begun is asked again later; nothing was written",
            f"tp backfill {key} --from {day} --to {day}",
        )
        return DayPlan(**common, decided=Outcome.PENDING, reason=reason, error=error)
    return DayPlan(**common, decided=Outcome.MISSING, reason=missing.what, error=missing)


def sources_of(plan: DayPlan) -> tuple[SourceSlice, ...]:
    """Return the upstream of a plan as its only source; none for a day without one. Its hash lies in the footer and costs nothing."""
    if not isinstance(plan.detail, UpstreamDay):
        return ()
    return (SourceSlice(plan.detail.name, plan.detail.content_hash),)
