"""Ticks as files for other tools, with or without the columns of the snapshot that each one knew: one Parquet file per day.

Belongs here: names of files, what is refused before anything is written. Does not belong here: the columns and the write row group by row
group (``enriched_ticks.py``), printing.

Names: ``<SYMBOL>_ticks_<trade date>.parquet`` and ``<SYMBOL>_ticks_enriched_<trade date>.parquet``, of generated data with ``_synthetic``
before the suffix. The schema metadata say whether any
input was generated (``synthetic``) and whose snapshots were attached (``underlying``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from ..bars.builder import TICKS, ticks_missing
from ..bars.export import ExportedDay, marked, write_failed
from ..errors import QualityError, command
from ..lake.contracts import GEX_ALIGNMENT
from ..lake.reader import row_groups
from .enriched_ticks import TICK_VALUES, iter_enriched_ticks, write_tables

if TYPE_CHECKING:
    from ..instruments import Instrument
    from ..lake import Lake
    from .upstream import Underlying


def export_ticks(
    lake: Lake,
    instrument: Instrument,
    days: date | Iterable[date],
    *,
    underlying: Underlying | None,
    values: Sequence[str] = TICK_VALUES,
    out: Path,
    force: bool = False,
    dry_run: bool = False,
) -> list[ExportedDay]:
    """Write the ticks of one or more days, one file per day; each file appears whole or not at all.

    Args:
        lake: holds ``ticks``, and for enriched ones ``gex_alignment`` and ``gex_snapshots``.
        instrument: the future.
        days: trade date or dates.
        underlying: whose snapshots were aligned; None for ticks as they are.
        values: columns of ``gex_snapshots``; not looked at without an underlying.
        out: folder; made if it is not there.
        force: replace files that are already there.
        dry_run: refuse what would be refused and write nothing.

    Returns:
        One entry per day, in the order given; no file for a day without ticks.

    Raises:
        QualityError: E420 if the ticks of a day are not in the lake, E427 if a file exists, E429 if the disk refuses, E490, E492 and E493
            as ``iter_enriched_ticks``; all but E429 for all days before the first is written.
        LakeError: E505 if a file is damaged.
    """
    wanted = (days,) if isinstance(days, date) else tuple(days)
    planned = [_plan(lake, instrument.symbol, day, underlying, out) for day in wanted]
    for one in planned:
        if one.path is None:
            continue
        if one.path.exists() and not force:
            raise _already_there(one.path, instrument.symbol, wanted, is_enriched=underlying is not None)
        # The first row group has looked at every input.
        next(_tables(lake, instrument, one.trade_date, underlying, values))
    if dry_run:
        return planned
    for one in planned:
        if one.path is not None:
            about = {"synthetic": str(one.synthetic).lower()}
            if underlying is not None:
                about["underlying"] = underlying.symbol
            try:
                write_tables(_tables(lake, instrument, one.trade_date, underlying, values), one.path, about)
            except OSError as error:
                raise write_failed(one.path, error) from error
    return planned


def _plan(lake: Lake, symbol: str, day: date, underlying: Underlying | None, out: Path) -> ExportedDay:
    footer = lake.footer(TICKS, symbol, day)
    if footer is None:
        raise ticks_missing(symbol, day)
    if footer.outcome.is_without_rows or footer.rows == 0:
        return ExportedDay(day, None, 0, footer.reason or f"the ticks are {footer.outcome}", footer.synthetic)
    synthetic = footer.synthetic
    if underlying is not None:
        aligned = lake.footer(GEX_ALIGNMENT.name, symbol, day)
        synthetic = synthetic or (aligned is not None and aligned.synthetic)
    kind = "ticks" if underlying is None else "ticks_enriched"
    path = marked(out / f"{symbol}_{kind}_{day.isoformat()}.parquet", synthetic=synthetic)
    return ExportedDay(day, path, footer.rows, None, synthetic)


def _tables(
    lake: Lake, instrument: Instrument, day: date, underlying: Underlying | None, values: Sequence[str]
) -> Iterator[pa.Table]:
    if underlying is None:
        return row_groups(lake, TICKS, instrument.symbol, day)
    return iter_enriched_ticks(lake, instrument, underlying, day, values=values)


def _already_there(path: Path, symbol: str, days: Sequence[date], *, is_enriched: bool) -> QualityError:
    span = ("--day", days[0]) if len(days) == 1 else ("--from", days[0], "--to", days[-1])
    kind = ("--enriched",) if is_enriched else ()
    return QualityError(
        "E427",
        f"the export {path.name} is already in the folder {path.parent}",
        "an export never replaces a file unless told to with --force; nothing was written",
        command("tp", "export", "ticks", symbol, *span, *kind, "--out", path.parent, "--force"),
    )
