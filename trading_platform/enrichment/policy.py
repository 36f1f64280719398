"""What may be attached to a row, and for how long: the settings of enrichment.

Belongs here: the settings, validated once. Does not belong here: their use (``attach.py``) and environment variables
(``trading_platform.settings``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ..errors import QualityError
from ..lake.building import Json

CATEGORIES: Final = ("gex_full", "gex_zero", "gex_one")


@dataclass(frozen=True, slots=True)
class AttachPolicy:
    """Settings of the enrichment with gamma exposure.

    Attributes:
        category: category of the feed: ``gex_full`` (all expiries up to 90 days), ``gex_zero`` (the next one), ``gex_one`` (the one after).
        gex_latency_ms: a snapshot is known this long after its time. 0 shows what the feed shows. 1,000 is the safe choice for backtests:
            whether the vendor rounds its whole-second stamp down or to the nearest second is not known.
        stale_after_ms: oldest age of a snapshot in the regular hours of the underlying; exactly the limit is still fresh. The feed comes
            about once a second there.
        stale_outside_ms: the same outside regular hours, where the feed is polled every 300 s: twice that.
        chain_stale_after_ms: oldest age of a chain that was observed in regular hours: twice a polling cadence of 15 minutes. A chain
            observed outside them is an end-of-day chain and serves until the close of the next session.

    Raises:
        QualityError: E493 for an unknown category, a negative latency, a limit below 1 ms, or one that is lower outside regular hours.
    """

    category: str = "gex_full"
    gex_latency_ms: int = 0
    stale_after_ms: int = 60_000
    stale_outside_ms: int = 600_000
    chain_stale_after_ms: int = 1_800_000

    def __post_init__(self) -> None:
        """Refuse what makes no sense."""
        if self.category not in CATEGORIES:
            raise no_enrichment(
                f"the category of the feed is {self.category!r}, expected {', '.join(CATEGORIES)}",
                "each category is a series of its own",
            )
        if self.gex_latency_ms < 0:
            raise no_enrichment(
                f"the latency is {self.gex_latency_ms} ms, expected at least 0", "snapshots would be used too early"
            )
        for name in ("stale_after_ms", "stale_outside_ms", "chain_stale_after_ms"):
            if getattr(self, name) < 1:
                raise no_enrichment(
                    f"{name} is {getattr(self, name)}, expected at least 1", "every snapshot would be stale"
                )

        if self.stale_outside_ms < self.stale_after_ms:
            raise no_enrichment(
                f"stale_outside_ms is {self.stale_outside_ms}, expected at least stale_after_ms, {self.stale_after_ms}",
                "the feed is polled less often outside regular hours",
            )

    def resolved(self) -> dict[str, Json]:
        """Return what of the feed shapes a partition, for its fingerprint."""
        return {
            "category": self.category,
            "gex_latency_ms": self.gex_latency_ms,
            "stale_after_ms": self.stale_after_ms,
            "stale_outside_ms": self.stale_outside_ms,
        }


def no_enrichment(what: str, why: str) -> QualityError:
    """Return the error for an enrichment that cannot be asked for."""
    return QualityError("E493", what, f"{why}; nothing was written", "tp export bars --help")
