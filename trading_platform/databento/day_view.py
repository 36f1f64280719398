"""All that is known of one day of level 2 without paying.

Belongs here: the record that plans, tables and ``L2Builder`` share. Does not belong here: finding it out (``l2_builder.py``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import PlatformError
from ..lake import Footer, Json, Outcome
from ..sessions import Session
from .targets import DayTarget
from .vendor import Offer, Piece


@dataclass(frozen=True)
class DayView:
    """All that is known of a day without paying.

    Attributes:
        session: of the trade date.
        target: what is wanted; None on a closed date.
        stored: footer of the partition; None if there is none that can be read.
        pieces: raw files at hand that the day is made from.
        keeps: the stored rows stay although their raw files are gone: nothing else has changed.
        renews: the raw file at hand was of reduced quality and has been revised since.
        offer: what the vendor says; None if he was not asked.
        decided: outcome that needs no building; None if the day is to be built, or is built already.
        reason: why.
        error: behind PENDING, MISSING and UNAVAIL.
    """

    session: Session
    target: DayTarget | None = None
    stored: Footer | None = None
    pieces: tuple[Piece, ...] = ()
    keeps: bool = False
    renews: bool = False
    offer: Offer | None = None
    decided: Outcome | None = None
    reason: str | None = None
    error: PlatformError | None = None

    @property
    def is_to_buy(self) -> bool:
        """Tell whether building the day is a paid call."""
        return self.decided is None and not self.pieces and not self.keeps

    @property
    def cost_usd(self) -> float:
        """Return what the day will cost; 0 if nothing is bought."""
        preview = None if self.offer is None else self.offer.preview
        return preview.cost_usd if preview is not None and self.is_to_buy else 0.0

    @property
    def windows_ns(self) -> tuple[tuple[int, int], ...]:
        """Return what is taken from each raw file; of a file that is still to be bought, everything."""
        if self.pieces:
            return tuple((piece.start_ns, piece.end_ns) for piece in self.pieces)
        if self.keeps and self.stored is not None:
            return stored_windows(self.stored)
        assert self.target is not None  # noqa: S101 only closed dates have no target
        return ((self.target.query.start_ns, self.target.query.end_ns),)


def stored_windows(stored: Footer) -> tuple[tuple[int, int], ...]:
    """Return what a stored day took from each of its raw files, epoch nanoseconds UTC."""
    return windows_of(stored.facts) or ()


def windows_of(facts: Mapping[str, Json]) -> tuple[tuple[int, int], ...] | None:
    """Return the windows that the facts of a day of ``l2`` name, epoch nanoseconds UTC; None if they name none."""
    windows: Any = facts.get("windows")
    if not isinstance(windows, list):
        return None
    return tuple((int(start), int(end)) for start, end in windows)
