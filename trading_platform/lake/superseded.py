"""Keeps a stored day that a rebuild would shrink.

Belongs here: when an older file is worth keeping, and where it goes. Does not belong here: the commit itself (``writer.py``).

Source files are somebody else's: a download that broke off, a truncated file or one that was cleaned away make a day small that was whole
before. The day follows its source, but what the source no longer holds may exist nowhere else, so the older file stays beside the lake:
``<lake>/superseded/<dataset>/symbol=<S>/date=<D>/<first digits of its content hash>.parquet``.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from .building import Outcome, SourceSlice
from .footer import Footer

FOLDER = "superseded"
LOST_FRAC_MAX = 0.01  # a correction by hand removes a few rows; a broken download removes hours
_DIGITS = 16


def loses_rows(stored: Footer, sources: tuple[SourceSlice, ...], rows: int) -> bool:
    """Tell whether a rebuild from the same files would hold noticeably fewer rows than the stored day.

    Args:
        stored: footer of the stored day.
        sources: what the rebuild is made from; files of other names mean another contract or symbol style, which is no loss.
        rows: rows of the rebuild.
    """
    names = {source.name for source in stored.sources}
    if stored.outcome is not Outcome.WRITE or not names & {source.name for source in sources}:
        return False
    return rows < stored.rows * (1 - LOST_FRAC_MAX)


def keep(path: Path, content_hash: str) -> Path:
    """Keep a partition file under a name of its own; the same content is kept once.

    Args:
        path: ``<lake>/<dataset>/symbol=<S>/date=<D>/part-0.parquet``, whose folder the caller has locked.
        content_hash: of the file, from its footer.

    Returns:
        Where it is kept.

    Raises:
        OSError: the disk refuses; nothing was replaced yet.
    """
    target = path.parents[3] / FOLDER / path.parent.relative_to(path.parents[3]) / f"{content_hash[:_DIGITS]}.parquet"
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists():
        return target
    try:
        os.link(path, target)
    except OSError:  # a file system without hard links
        temporary = target.with_suffix(".tmp")
        shutil.copyfile(path, temporary)
        temporary.replace(target)
    return target
