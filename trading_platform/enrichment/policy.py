"""What may be attached to a row, and for how long: the settings of enrichment.

Belongs here: the settings as enrichment uses them, validated once. Does not belong here: their use (``attach.py``), their defaults and
the environment variables (``trading_platform.settings``).
"""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import QualityError
from ..lake.building import Json
from ..lake.vocabulary import CATEGORIES
from ..settings import CHAIN_STALE_CADENCES, GammaSettings, default_of


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
        chain_cadence_s: time between two chains in regular hours. A chain observed outside them is an end-of-day chain and serves until
            the close of the next session.
        chain_latency_ms: a chain is known this long after its stamp. A minute: the stamp of a saved table has no seconds.

    Raises:
        QualityError: E493 for an unknown category, a negative latency, a limit below 1 ms, or one that is lower outside regular hours.
    """

    category: str = default_of("gex_category")
    gex_latency_ms: int = default_of("gex_latency_ms")
    stale_after_ms: int = default_of("gex_stale_after_ms")
    stale_outside_ms: int = default_of("gex_stale_outside_ms")
    chain_cadence_s: int = default_of("chain_cadence_s")
    chain_latency_ms: int = default_of("chain_latency_ms")

    def __post_init__(self) -> None:
        """Refuse what makes no sense."""
        if self.category not in CATEGORIES:
            raise no_enrichment(
                f"the category of the feed is {self.category!r}, expected {', '.join(CATEGORIES)}",
                "each category is a series of its own",
            )
        for name in ("gex_latency_ms", "chain_latency_ms"):
            if getattr(self, name) < 0:
                raise no_enrichment(
                    f"{name} is {getattr(self, name)}, expected at least 0", "snapshots would be used too early"
                )
        for name in ("stale_after_ms", "stale_outside_ms", "chain_cadence_s"):
            if getattr(self, name) < 1:
                raise no_enrichment(
                    f"{name} is {getattr(self, name)}, expected at least 1", "every snapshot would be stale"
                )
        if self.stale_outside_ms < self.stale_after_ms:
            raise no_enrichment(
                f"stale_outside_ms is {self.stale_outside_ms}, expected at least stale_after_ms, {self.stale_after_ms}",
                "the feed is polled less often outside regular hours",
            )

    @classmethod
    def of(
        cls, settings: GammaSettings, *, category: str | None = None, gex_latency_ms: int | None = None
    ) -> AttachPolicy:
        """Return what the settings say, with a category and a latency that were asked for in their place.

        Raises:
            QualityError: E493 as the class.
        """
        return cls(
            category=settings.gex_category if category is None else category,
            gex_latency_ms=settings.gex_latency_ms if gex_latency_ms is None else gex_latency_ms,
            stale_after_ms=settings.gex_stale_after_ms,
            stale_outside_ms=settings.gex_stale_outside_ms,
            chain_cadence_s=settings.chain_cadence_s,
            chain_latency_ms=settings.chain_latency_ms,
        )

    @property
    def chain_stale_after_ms(self) -> int:
        """Return how long a chain that was observed in regular hours serves once it is known."""
        return CHAIN_STALE_CADENCES * self.chain_cadence_s * 1_000

    def resolved(self) -> dict[str, Json]:
        """Return what of the feed shapes a partition, for its fingerprint."""
        return {
            "category": self.category,
            "gex_latency_ms": self.gex_latency_ms,
            "stale_after_ms": self.stale_after_ms,
            "stale_outside_ms": self.stale_outside_ms,
        }


def no_enrichment(what: str, why: str, next_command: str = "tp config") -> QualityError:
    """Return the error for an enrichment that cannot be asked for; ``tp config`` shows which settings are in force."""
    return QualityError("E493", what, f"{why}; nothing was written", next_command)
