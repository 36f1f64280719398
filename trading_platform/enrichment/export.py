"""Enriched bars as files for other tools: one file per day, written whole or not at all.

Belongs here: the session that is exported, names of files. Does not belong here: formats and the atomic write
(``trading_platform.bars.export``), printing.

Names: ``<SYMBOL>_bars_enriched_<trade date>.<parquet|csv|feather>`` for every second of the trade date; ``enriched_rth`` for the cash
session of the underlying (09:30 to 16:00 New York); another category than ``gex_full`` and a latency are part of the name:
``MNQ_bars_enriched_rth_gex_zero_latency1000ms_2025-03-10.csv``. Columns are those of the dataset ``enriched_bars``. Exports are made from
the stored bars and snapshots, so they need no stored ``enriched_bars``. The settings stand in the schema metadata of Parquet and Feather.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ..bars.export import FORMATS, ExportedDay, already_there, export_name, write_bars
from ..bars.kernel import BAR_COLUMNS
from ..gexfeed.categories import category_missing
from ..settings import default_of
from .bars_builder import BARS, gex_of_day, known_until_of
from .day import EnrichedInstrument, feed_categories, rows_missing
from .enriched_bars import enrich_bars
from .policy import AttachPolicy, no_enrichment
from .upstream import SNAPSHOTS

if TYPE_CHECKING:
    from ..sessions import Session

SESSIONS: Final = ("full", "rth")
_DEFAULT_CATEGORY: Final = default_of("gex_category")


@dataclass(frozen=True, slots=True)
class EnrichedKind:
    """Which enriched bars.

    Attributes:
        session: ``full`` or ``rth``.
        category: of the feed.
        gex_latency_ms: of the feed.
    """

    session: str
    category: str
    gex_latency_ms: int

    @property
    def name(self) -> str:
        """Return the part of the file name that tells the kind."""
        parts = ["enriched"] if self.session == "full" else ["enriched", self.session]
        if self.category != _DEFAULT_CATEGORY:
            parts.append(self.category)
        if self.gex_latency_ms:
            parts.append(f"latency{self.gex_latency_ms}ms")
        return "_".join(parts)

    @property
    def options(self) -> tuple[str, ...]:
        """Return the options of ``tp export bars`` that ask for these bars."""
        latency = ("--latency-ms", str(self.gex_latency_ms)) if self.gex_latency_ms else ()
        category = ("--category", self.category) if self.category != _DEFAULT_CATEGORY else ()
        return ("--enriched", "--session", self.session, *category, *latency)


def enriched_kind(session: str, policy: AttachPolicy) -> EnrichedKind:
    """Return the kind that was asked for.

    Raises:
        QualityError: E493 for an unknown session.
    """
    if session not in SESSIONS:
        raise no_enrichment(
            f"the session is {session!r}, expected {', '.join(SESSIONS)}",
            "it decides which seconds are rows",
            "tp export bars --help",
        )
    return EnrichedKind(session, policy.category, policy.gex_latency_ms)


def export_enriched_bars(
    of: EnrichedInstrument,
    days: date | Iterable[date],
    *,
    session: str = "full",
    file_format: str = "parquet",
    out: Path,
    force: bool = False,
) -> list[ExportedDay]:
    """Write the enriched bars of one or more days, one file per day.

    Args:
        of: the future, its underlying, the lake and the settings.
        days: trade date or dates.
        session: ``full``: every second of the trade date. ``rth``: every second of the underlying's cash session; a snapshot from before
            its opening is then a pre-open snapshot, and trades before it give the first price.
        file_format: ``parquet``, ``csv`` or ``feather``.
        out: folder; made if it is not there.
        force: replace files that are already there.

    Returns:
        One entry per day, in the order given; no file for a day without such a session.

    Raises:
        QualityError: E427 if a file exists, E429 if the disk refuses, E490 if the bars of a day are not in the lake (both checked for all
            days before the first is written), E491 for unusable snapshots, E493 for an unknown session or format, E499 if the feed has a
            day, but not in the category (for all days before the first is written).
    """
    kind = enriched_kind(session, of.policy)
    if file_format not in FORMATS:
        raise no_enrichment(
            f"the format is {file_format!r}, expected {', '.join(FORMATS)}",
            "nothing else can be read back",
            "tp export bars --help",
        )
    symbol = of.instrument.symbol
    wanted = (days,) if isinstance(days, date) else tuple(days)
    planned: list[tuple[date, Session, Path, bool]] = []
    for day in wanted:
        footer = of.lake.footer(BARS, symbol, day)
        chosen = (of.calendar if session == "full" else of.underlying.calendar).session(day)
        if footer is None and of.calendar.session(day).is_open:
            raise rows_missing(symbol, BARS, day)
        there = feed_categories(of.inputs(BARS, day))
        if there and of.policy.category not in there:
            raise category_missing(of.underlying.symbol, day, of.policy.category, there, "enriched bars")
        synthetic = is_synthetic(of, day)
        path = out / export_name(symbol, kind, day, file_format, synthetic=synthetic)
        if path.exists() and not force and footer is not None and chosen.is_open:
            raise already_there(path, symbol, wanted, kind, file_format, out)
        planned.append((day, chosen, path, synthetic))
    return [_export_day(of, *one) for one in planned]


def _export_day(of: EnrichedInstrument, day: date, session: Session, path: Path, synthetic: bool) -> ExportedDay:  # noqa: FBT001
    if not session.is_open or not of.lake.exists(BARS, of.instrument.symbol, day):
        return ExportedDay(day, None, 0, session.reason or "no session on this date", synthetic)
    inputs = of.inputs(BARS, day)
    bars = of.lake.read(BARS, of.instrument.symbol, day, columns=list(BAR_COLUMNS))
    frame = enrich_bars(bars, gex_of_day(of, inputs, day), session, of.policy, known_until=known_until_of(of, day))
    about = {"enrichment": json.dumps(of.policy.resolved(), sort_keys=True), "underlying": of.underlying.symbol}
    write_bars(frame, path, synthetic=synthetic, about=about)
    remark = None
    if frame["spot"].null_count() == frame.height:
        remark = f"no row has a snapshot of {of.policy.category}: {of.underlying.symbol}/{SNAPSHOTS} has none that this session may show"
    elif frame["gex_gap"].all():
        remark = (
            f"no row has a fresh snapshot of {of.policy.category}: every row is a gap (gex_gap), "
            "and what is shown is from before the opening"
        )
    return ExportedDay(day, path, frame.height, None, synthetic, remark)


def is_synthetic(of: EnrichedInstrument, day: date) -> bool:
    """Tell whether any input of a trade date was generated."""
    return any(one.synthetic for one in of.inputs(BARS, day).all())
