"""Records of a day that stand in the file twice.

Belongs here: finding blocks of records that repeat earlier ones byte by byte. Does not belong here: judging them (``checks.py``), single
trades at the same time and price, which markets have.

A copied block can only begin where time steps back, because the times of its records lie before those that follow the original. So a day
in which time never decreases costs nothing to examine.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..instants import instant_of
from .format import Int64s, as_bytes
from .index import ScidIndex
from .scid import BLOCK_RECORDS

# Two late records may equal two earlier ones by chance in old files, whose times are whole seconds. Three never did, and fewer than three
# records double nothing worth mentioning.
MIN_BLOCK_RECORDS = 3

# A destroyed file steps back at every other record; the first ones tell enough.
_STEPS_BACK_MAX = 1_000
# Originals with the same time are tried in turn, the nearest first.
_ORIGINALS_MAX = 16


@dataclass(frozen=True, slots=True)
class Duplicates:
    """What stands twice among the records of one day.

    Attributes:
        records: repeated records, the originals not counted.
        blocks: runs of consecutive repeated records.
        first_at: time of the first repeated record, ISO 8601 UTC; None without any.
    """

    records: int = 0
    blocks: int = 0
    first_at: str | None = None


def find_duplicates(index: ScidIndex, ranges: Sequence[tuple[int, int]]) -> Duplicates:
    """Look for repeated blocks among the records of one day.

    Args:
        index: where time decreases in the file.
        ranges: half-open record ranges of the day, in file order.

    Returns:
        Blocks of at least ``MIN_BLOCK_RECORDS`` records that equal, byte by byte and in order, consecutive earlier records of the day. A
        block that goes on beyond a decrease of time in its original counts up to there, and its rest as a block of its own.

    Raises:
        SourceChangedError: E204 the file shrank.
    """
    pieces = _pieces(index, ranges)
    if len(pieces) < 2:
        return Duplicates()
    records = blocks = 0
    first_at: str | None = None
    latest = np.maximum.accumulate(pieces[:, 3])
    for at in (np.flatnonzero(pieces[1:, 2] < latest[:-1])[:_STEPS_BACK_MAX] + 1).tolist():
        repeated = _repeated(index, pieces[:at], pieces[at])
        if repeated >= MIN_BLOCK_RECORDS:
            records, blocks = records + repeated, blocks + 1
            first_at = first_at or instant_of(int(pieces[at, 2])).isoformat(timespec="microseconds")
    return Duplicates(records, blocks, first_at)


def _pieces(index: ScidIndex, ranges: Sequence[tuple[int, int]]) -> Int64s:
    """Return int64[n, 4]: first, stop, first_us, last_us of each run of the day's records in which time never decreases."""
    table = index.segments
    found: list[list[int]] = []
    for first, stop in ranges:
        for segment in table[(table[:, 0] < stop) & (table[:, 1] > first)].tolist():
            a, b = max(first, segment[0]), min(stop, segment[1])
            first_us = segment[2] if a == segment[0] else index.file.timestamp_us(a)
            last_us = segment[3] if b == segment[1] else index.file.timestamp_us(b - 1)
            found.append([a, b, first_us, last_us])
    return np.array(found, np.int64).reshape(-1, 4)


def _repeated(index: ScidIndex, earlier: Int64s, piece: Int64s) -> int:
    """Return how many records at the start of a piece repeat records of earlier pieces: the most of any place where they could."""
    first, stop, first_us, _ = piece.tolist()
    most = tried = 0
    for begin, end, _, _ in earlier[(earlier[:, 2] <= first_us) & (earlier[:, 3] >= first_us)][::-1].tolist():
        original = index.first_not_before(begin, end, first_us)
        while original < end and tried < _ORIGINALS_MAX and index.file.timestamp_us(original) == first_us:
            most = max(most, _equal(index, original, first, min(end - original, stop - first)))
            original, tried = original + 1, tried + 1
    return most


def _equal(index: ScidIndex, original: int, copy: int, limit: int) -> int:
    """Return how many records from ``copy`` on equal those from ``original`` on, at most ``limit``."""
    done = 0
    while done < limit:
        # A first look at a few records: most candidates differ at once.
        length = min(limit - done, BLOCK_RECORDS if done else MIN_BLOCK_RECORDS)
        left = as_bytes(index.file.read(original + done, original + done + length))
        right = as_bytes(index.file.read(copy + done, copy + done + length))
        differs = (left != right).reshape(length, -1).any(axis=1)
        if differs.any():
            return done + int(differs.argmax())
        done += length
    return done
