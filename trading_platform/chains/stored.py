"""Reading stored chains.

Belongs here: the rows of a stored day in portions that fit into memory, and its snapshots one by one. Does not belong here: what is done
with them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from typing import TYPE_CHECKING

import polars as pl

from ..lake.reader import portions

if TYPE_CHECKING:
    from ..lake import Lake


def stored_rows(
    lake: Lake, dataset: str, symbol: str, day: date, columns: Sequence[str] | None = None
) -> Iterator[pl.DataFrame]:
    """Yield the rows of a stored day in small portions; columns of words come as text.

    Args:
        lake: where the partition is.
        dataset: ``chain`` or the dataset of a source.
        symbol: the underlying.
        day: trade date.
        columns: names, None for all.

    Raises:
        LakeError: E505 if the file is damaged, E507 if it is not there.
    """
    for portion in portions(lake, dataset, symbol, day, columns):
        # Every portion may have its own dictionaries; text is what they have in common.
        yield pl.DataFrame(pl.from_arrow(portion)).with_columns(pl.col(pl.Categorical).cast(pl.String))


def stored_snapshots(
    lake: Lake,
    dataset: str,
    symbol: str,
    day: date,
    columns: Sequence[str] | None = None,
    *,
    by: Sequence[str] = ("observed_at",),
) -> Iterator[pl.DataFrame]:
    """Yield the snapshots of a stored day in the order of the file; only one is in memory beside a portion.

    Args:
        lake: where the partition is.
        dataset: ``chain`` or the dataset of a source.
        symbol: the underlying.
        day: trade date.
        columns: names, those of ``by`` among them; None for all.
        by: what the rows of a snapshot have in common; in ``chain`` also ``source``.

    Raises:
        LakeError: E505 if the file is damaged, E507 if it is not there.
    """
    begun: list[pl.DataFrame] = []
    for rows in stored_rows(lake, dataset, symbol, day, columns):
        for part in rows.partition_by(by, maintain_order=True):
            if begun and part.select(by).row(0) != begun[0].select(by).row(0):
                yield pl.concat(begun)
                begun = []
            begun.append(part)
    if begun:
        yield pl.concat(begun)
