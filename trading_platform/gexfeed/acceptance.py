"""Which decoded snapshots belong to a day, and what becomes of the others.

Belongs here: the judgement of well-formed snapshots against file name, day and each other. Does not belong here: parsing (``decode.py``).

The first observation of a timestamp wins. A later one is refused as a repetition if it says the same and as a conflict if not; times are
never moved to make room.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import xxhash

from .columns import Ints, Mask, SnapshotColumns
from .decode import Batch
from .elements import Refusal

REPEATED: Final = "repeated_snapshot"
CONFLICT: Final = "conflicting_snapshot"
DUPLICATES: Final = frozenset({REPEATED, CONFLICT})
"""Reasons of snapshots that are well formed but come second."""

UNIT: Final = "timestamp_in_milliseconds"
"""Reason of snapshots whose times are in a finer unit than seconds."""

# Years in which a snapshot may have been made, 2000 to 2099: in seconds no time of them is one in milliseconds or microseconds, too.
_CREDIBLE_S: Final = (946_684_800, 4_102_444_800)
_FINER_UNITS: Final = (1_000, 1_000_000)
_REPETITION: Final = (REPEATED, "the same snapshot once more")
_CONTRADICTION: Final = (CONFLICT, "another snapshot of the same second came first")


@dataclass
class Acceptance:
    """Judges the snapshots of one file in their order.

    Attributes:
        ticker: the series that the name of the file tells.
        first_s: first epoch second of the day.
        end_s: first epoch second after it.
        now_s: epoch seconds of the present: nothing is observed later.
        rejected: refused elements by reason.
        elements: elements of the file so far, refused ones included.
        out_of_order: accepted snapshots with an earlier time than one before them.
        bytes_read: length of the text so far, counted by who reads it.
        bytes_refused: length of the refused elements that do not merely come second.
    """

    ticker: str
    first_s: int
    end_s: int
    now_s: int
    rejected: Counter[str] = field(default_factory=Counter)
    elements: int = 0
    out_of_order: int = 0
    bytes_read: int = 0
    bytes_refused: int = 0
    _seen: dict[int, int] = field(default_factory=dict)
    _latest: int = -1

    def judge(self, batch: Batch) -> tuple[SnapshotColumns, list[Refusal]]:
        """Return the snapshots that belong to the day and everything refused, malformed elements included, by position."""
        columns = batch.columns
        self.elements += len(columns) + len(batch.refusals)
        problems = self._foreign(columns)
        digests = _digests(columns)
        keep = np.ones(len(columns), np.bool_)
        for row, (timestamp, digest) in enumerate(zip(columns.timestamp_s.tolist(), digests, strict=True)):
            if row not in problems:
                first = self._seen.get(timestamp)
                if first is None:
                    self._seen[timestamp] = digest
                    self.out_of_order += timestamp < self._latest
                    self._latest = max(self._latest, timestamp)
                    continue
                problems[row] = _REPETITION if first == digest else _CONTRADICTION
            keep[row] = False
        refusals = [batch.refusal(row, *problem) for row, problem in problems.items()]
        refusals = sorted([*batch.refusals, *refusals], key=lambda refusal: refusal.position)
        self.rejected.update(refusal.reason for refusal in refusals)
        self.bytes_refused += sum(len(refusal.raw) for refusal in refusals if refusal.reason not in DUPLICATES)
        return columns.where(keep), refusals

    def counted(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        """Pass the text of the file on and count its bytes."""
        for block in blocks:
            self.bytes_read += len(block)
            yield block

    def facts(self) -> dict[str, Any]:
        """Return what ``check_rejects`` needs, of this file alone."""
        return {
            "elements": self.elements,
            "refused": dict(self.rejected),
            "bytes_read": self.bytes_read,
            "bytes_refused": self.bytes_refused,
        }

    def _foreign(self, columns: SnapshotColumns) -> dict[int, tuple[str, str]]:
        """Return what disqualifies snapshots of their own, by row."""
        problems: dict[int, tuple[str, str]] = {}
        stamps = columns.timestamp_s
        self._note(problems, columns.ticker != self.ticker, "wrong_ticker", f"its ticker is not {self.ticker}")
        self._note(problems, _is_finer(stamps), UNIT, "its time is in milliseconds or finer, expected whole seconds")
        self._note(problems, stamps > self.now_s, "future_timestamp", "its time has not come yet")
        outside = (stamps < self.first_s) | (stamps >= self.end_s)
        self._note(problems, outside, "other_date", "its time lies on another New York day than the file")
        with np.errstate(invalid="ignore"):
            nothing = columns.scalar("spot") <= 0
        self._note(problems, nothing, "spot_not_positive", "its spot is zero or negative")
        return problems

    @staticmethod
    def _note(problems: dict[int, tuple[str, str]], bad: Mask, reason: str, detail: str) -> None:
        for row in np.flatnonzero(bad).tolist():
            problems.setdefault(row, (reason, detail))


def _is_finer(stamps: Ints) -> Mask:
    """Tell which times are credible as milliseconds or microseconds."""
    first, end = _CREDIBLE_S
    finer = np.zeros(len(stamps), np.bool_)
    for unit in _FINER_UNITS:
        finer |= (stamps // unit >= first) & (stamps // unit < end)
    return finer


def _digests(columns: SnapshotColumns) -> list[int]:
    """Return one number per snapshot that is equal for equal values, whatever the spelling of the numbers."""
    # 0.0 and -0.0 are the same value, and all NaN are one null.
    scalars = np.where(np.isnan(columns.scalars), np.nan, columns.scalars + 0.0)
    ladder = np.where(np.isnan(columns.ladder), np.nan, columns.ladder + 0.0)
    digests = []
    for row, (start, count, some) in enumerate(
        zip(columns.starts.tolist(), columns.counts.tolist(), columns.has_ladder.tolist(), strict=True)
    ):
        hasher = xxhash.xxh3_64(scalars[row].tobytes())
        hasher.update(ladder[start : start + count].tobytes())
        hasher.update(b"ladder" if some else b"null")
        digests.append(hasher.intdigest())
    return digests
