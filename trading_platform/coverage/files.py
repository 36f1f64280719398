"""What is stored, read from the disk every time and from footers only where something has changed.

Belongs here: the status of every partition file of a series, the summary of its footer, and the cache between the two. Does not belong
here: reading and writing partitions (``trading_platform.lake``), judging them.

A summary is kept with inode and change time of its file. The change time cannot be set back by any tool, so whatever is done to a file
by hand (deleted, replaced, restored, copied over) shows at the next look: every file is asked for its status every time (``listing.py``),
which costs 4 microseconds, against 200 for its footer. The cache can be deleted at any time.
"""

from __future__ import annotations

import os
import time
from array import array
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import LakeError
from .calendar import session_digest
from .listing import NO_DAY, PART_NAME, day_of
from .packed import Array, Packed, load, save
from .series import Series

if TYPE_CHECKING:
    from ..lake.footer import Footer

OUTCOMES = ("DAMAGED", "WRITE", "EMPTY", "CLOSED", "DEGRADED")
DAMAGED, WRITE, EMPTY, CLOSED, DEGRADED = range(len(OUTCOMES))
MOST_UPSTREAMS = 6
# A file that was changed this shortly before it was looked at could be changed again within the same tick of the clock.
_RACY_NS = 100_000_000
_VERSION = 2

DTYPE = np.dtype(
    [
        ("day", "<i4"),
        ("inode", "<i8"),
        ("changed_ns", "<i8"),
        ("outcome", "u1"),
        ("synthetic", "?"),
        ("rows", "<i8"),
        ("rejected", "<i8"),
        ("content", "<u8"),
        ("session", "<u8"),
        ("code", "<u4"),
        ("contract", "<i4"),
        ("remark", "<u4"),
        ("holds", "<u4"),
        ("upstream", "<u4", (MOST_UPSTREAMS,)),
        ("upstream_content", "<u8", (MOST_UPSTREAMS,)),
        ("event_id", "<i8"),
        ("complete", "?"),
    ]
)
NO_EVENT = -1

Progress = Callable[[int], None]
"""Told how many more files have been read."""


class Texts:
    """Texts by number; equal texts share one."""

    def __init__(self, known: Iterable[str] = ("",)) -> None:
        self.known = list(known)
        self._number = {text: number for number, text in enumerate(self.known)}

    def number(self, text: str) -> int:
        """Return the number of a text, a new one if it is new."""
        found = self._number.get(text)
        if found is None:
            found = self._number[text] = len(self.known)
            self.known.append(text)
        return found

    def find(self, text: str) -> int:
        """Return the number of a text, -1 if it has none."""
        return self._number.get(text, -1)

    def __getitem__(self, number: int) -> str:
        return self.known[number]


@dataclass
class StoredDays:
    """The stored days of one series within a range.

    Attributes:
        table: one row of ``DTYPE`` per stored day, ascending.
        texts: names, versions and remarks that the table numbers.
        first_day: ordinal of the first stored day whatever the range, or None.
    """

    table: Array
    texts: Texts
    first_day: int | None


class SeriesFiles:
    """The stored files of one series and their cached summaries.

    Args:
        lake_root: folder of the lake.
        series: what is looked at.
        cache_dir: folder of the cache.
    """

    def __init__(self, lake_root: Path, series: Series, cache_dir: Path) -> None:
        # Only what is made from files of a contract can hold the wrong one; the rest follows from its upstream.
        self._is_source = not series.upstream
        self._folder = lake_root / series.folder / f"symbol={series.symbol}"
        self._cache = cache_dir / series.dataset / f"{series.symbol}.summary"
        self._kept = np.zeros(0, DTYPE)
        self._changed = False
        self._events = (self._kept["event_id"], self._kept["complete"])
        self.anchor: list[Any] | None = None

    @property
    def folder(self) -> str:
        """Return the folder whose files have to be listed first."""
        return str(self._folder)

    def look(self, first: date, last: date, listed: tuple[int, array[int]], progress: Progress) -> StoredDays:
        """Return what is stored from ``first`` to ``last``, both included; ``listed`` is what :mod:`.listing` says of the folder."""
        cached = load(self._cache, f"{_VERSION} {self._folder}")
        texts = Texts()
        if cached is not None and cached.arrays["table"].dtype == DTYPE:
            texts = Texts(cached.header["texts"])
            self.anchor = cached.header["anchor"]
            known = cached.arrays["table"]
        else:
            known = np.zeros(0, DTYPE)
        first_day, status = listed[0], np.frombuffer(listed[1], np.int64).reshape(-1, 3)
        inside = (known["day"] >= first.toordinal()) & (known["day"] <= last.toordinal())
        self._kept = known[~inside]
        table, to_read = _reuse(status, known[inside])
        self._changed = bool(len(to_read)) or len(table) != int(inside.sum())
        for index in to_read.tolist():
            self._read(table[index : index + 1], texts)
            progress(1)
        self._events = (table["event_id"].copy(), table["complete"].copy())
        return StoredDays(table, texts, None if first_day == NO_DAY else first_day)

    def remember(self, stored: StoredDays, anchor: list[Any] | None, *, is_held: bool, events_changed: bool) -> None:
        """Keep the summaries for the next call, if any of them is new.

        Args:
            stored: what ``look`` returned, with the columns ``event_id`` and ``complete`` filled in.
            anchor: names the state of the run history from which those columns were read; taken before they were. None keeps what was
                remembered of events before.
            is_held: what was remembered of events before is still valid.
            events_changed: those columns hold something new.
        """
        if not (self._changed or (events_changed and anchor is not None)):
            return
        table = np.concatenate([self._kept, stored.table])
        if anchor is None:
            anchor = self.anchor
            table["event_id"][len(self._kept) :], table["complete"][len(self._kept) :] = self._events
        elif not is_held:
            table["event_id"][: len(self._kept)] = NO_EVENT
        if anchor is not None:
            # Later events are not covered by the anchor: their numbers could be used again without anybody noticing.
            table["event_id"][table["event_id"] > anchor[0]] = NO_EVENT
        table = table[np.argsort(table["day"], kind="stable")]
        header = {"texts": stored.texts.known, "anchor": anchor}
        save(self._cache, f"{_VERSION} {self._folder}", Packed(header, {"table": table}))

    def _read(self, row: Array, texts: Texts) -> None:
        """Fill the row of a file from its footer."""
        from ..lake.footer import read_contract, read_footer

        path = self._folder / f"date={date.fromordinal(int(row['day'][0]))}" / PART_NAME
        if time.time_ns() - int(row["changed_ns"][0]) < _RACY_NS:
            row["changed_ns"] = 0
        try:
            footer = read_footer(path)
        except LakeError as error:
            row["outcome"], row["remark"] = DAMAGED, texts.number(f"{error.code} {error.what}")
            return
        if footer is None:  # deleted since it was listed: looked at again next time
            row["outcome"], row["changed_ns"], row["remark"] = DAMAGED, 0, texts.number("it was deleted just now")
            return
        _summarise(row, footer, texts)
        if self._is_source and footer.rows:
            row["holds"] = texts.number(read_contract(path) or "")


def last_stored(lake_root: Path, series: Series) -> date | None:
    """Return the last day of a series that has a file, or None."""
    folder = lake_root / series.folder / f"symbol={series.symbol}"
    last = max((day_of(path.parent.name) for path in folder.glob(f"*/{PART_NAME}")), default=NO_DAY)
    return None if last == NO_DAY else date.fromordinal(last)


@dataclass(frozen=True)
class Hidden:
    """Stored days that a board does not show.

    Attributes:
        older: number of days before its first one, over all series.
        newer: number of days after its last one.
        first: the first of the older ones, None if there is none.
        last: the last of the newer ones, None if there is none.
    """

    older: int = 0
    newer: int = 0
    first: date | None = None
    last: date | None = None


def hidden_days(lake_root: Path, wanted: Iterable[Series], first: date, last: date) -> Hidden:
    """Count the stored days outside a range, by the folders of the lake: asking for each file would take as long as the board itself."""
    older: list[int] = []
    newer: list[int] = []
    for series in wanted:
        folder = lake_root / series.folder / f"symbol={series.symbol}"
        try:
            days = [day for name in os.listdir(folder) if (day := day_of(name)) != NO_DAY]  # noqa: PTH208 names are enough
        except (FileNotFoundError, NotADirectoryError):
            continue
        older += [day for day in days if day < first.toordinal()]
        newer += [day for day in days if day > last.toordinal()]
    return Hidden(
        len(older),
        len(newer),
        date.fromordinal(min(older)) if older else None,
        date.fromordinal(max(newer)) if newer else None,
    )


def _summarise(row: Array, footer: Footer, texts: Texts) -> None:
    outcome = footer.outcome.value
    row["outcome"] = OUTCOMES.index(outcome) if outcome in OUTCOMES else DAMAGED
    row["synthetic"], row["rows"], row["rejected"] = footer.synthetic, footer.rows, sum(footer.rejected.values())
    row["content"] = _first_64_bits(footer.content_hash)
    row["session"] = session_digest(footer.session)
    row["code"], row["contract"] = texts.number(footer.code_version), footer.contract_version
    refused = ", ".join(f"{count:,} {reason}" for reason, count in sorted(footer.rejected.items()) if count)
    row["remark"] = texts.number(footer.reason or refused)
    upstreams = [source for source in footer.sources if source.name.count("/") == 1]
    if len(upstreams) > MOST_UPSTREAMS:
        raise ValueError(f"Expected at most {MOST_UPSTREAMS} upstream partitions in one footer, was {len(upstreams)}")
    for slot, source in enumerate(upstreams):
        row["upstream"][0, slot] = texts.number(source.name)
        row["upstream_content"][0, slot] = _first_64_bits(source.sha256)


def _first_64_bits(hexadecimal: str) -> int:
    return int(hexadecimal[:16] or "0", 16)


def _reuse(status: Array, known: Array) -> tuple[Array, Array]:
    """Return a table for the listed files, filled from known rows, and the positions that must be read.

    Args:
        status: int64[n, 3]: ordinal, inode, time of the last change.
        known: rows of earlier calls in the same range.
    """
    if len(status) == len(known) and bool((status[:, 0] == known["day"]).all()):
        table = known.copy()
        same = (status[:, 1] == known["inode"]) & (status[:, 2] == known["changed_ns"])
    else:
        table = np.zeros(len(status), DTYPE)
        same = np.zeros(len(status), np.bool_)
        if len(known):
            at = np.searchsorted(known["day"], status[:, 0]).clip(max=len(known) - 1)
            for column, name in enumerate(_IDENTITY):
                same = (known[name][at] == status[:, column]) & (same if column else True)
            table[same] = known[at[same]]
    changed = np.flatnonzero(~same | (table["outcome"] == DAMAGED))
    if len(changed):
        table[changed] = np.zeros(1, DTYPE)
        table["event_id"][changed] = NO_EVENT
        for column, name in enumerate(_IDENTITY):
            table[name][changed] = status[changed, column]
    return table, changed


_IDENTITY = ("day", "inode", "changed_ns")
