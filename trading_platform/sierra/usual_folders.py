r"""Where Sierra Chart's data folder usually lies.

Belongs here: a folder that a next command can name, so that a person need not guess what is meant. Does not belong here: reading it.
Sources: Sierra Chart's default folder is ``C:\SierraChart``; WSL shows drive C as ``/mnt/c``, Wine as ``~/.wine/drive_c``.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

_BELOW_HOME = ("SierraChart/Data", ".wine/drive_c/SierraChart/Data")
_ELSEWHERE = ("/mnt/c/SierraChart/Data", "/mnt/d/SierraChart/Data", "/mnt/c/SierraChart2/Data")


def usual_folders() -> tuple[Path, ...]:
    """Return the folders to look at, most usual first."""
    return (*(Path.home() / part for part in _BELOW_HOME), *(Path(part) for part in _ELSEWHERE))


def name_a_folder(folders: Iterable[Path] | None = None) -> Path:
    """Return the first usual folder that exists, else the most usual one.

    Args:
        folders: where to look, at least one; None for :func:`usual_folders`.
    """
    candidates = tuple(usual_folders() if folders is None else folders)
    return next((folder for folder in candidates if folder.is_dir()), candidates[0])
