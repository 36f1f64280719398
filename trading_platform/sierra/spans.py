"""Record ranges of a file that belong to a trade date, read block by block.

Belongs here: what the days of ``.scid`` and ``.depth`` files have in common. Does not belong here: which ranges a day has (``ticks.py``,
``depth/window.py``) and what the records mean (``decode.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from .format import Records
from .record_file import RecordFile


@dataclass(frozen=True, slots=True)
class Span:
    """Half-open record range; damaged ones hold records that cannot be placed in time."""

    first: int
    stop: int
    damaged: bool


def undamaged(spans: Sequence[Span]) -> list[tuple[int, int]]:
    """Return the record ranges that are not damaged."""
    return [(span.first, span.stop) for span in spans if not span.damaged]


def read_blocks(
    file: RecordFile, spans: Sequence[Span], buffer: Records, room: Callable[[], int]
) -> Iterator[tuple[Span, int, Records]]:
    """Yield span, index and records block by block in one reused buffer; ``room`` says how many records a block may have.

    Raises:
        SourceError: the file cannot be read.
        SourceChangedError: it shrank.
    """
    for span in spans:
        at = span.first
        while at < span.stop:
            block = buffer[: min(len(buffer), span.stop - at, room())]
            file.read_into(block, at)
            yield span, at, block
            at += len(block)


def hash_key(path: Path, spans: Sequence[Span]) -> str:
    """Return the name of these bytes in a cache of hashes."""
    return f"{path}|" + ",".join(f"{span.first}-{span.stop}" for span in spans)
