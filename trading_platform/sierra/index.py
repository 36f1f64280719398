"""Where a day lies in a ``.scid`` or ``.depth`` file.

Belongs here: ``ScidIndex`` (time segments and bad runs of one file), its cache, and the search for a window. Does not belong here: which
window a trade date has (``sessions``) and what the records mean (``decode.py``).

The index is found in one streaming pass and kept in the cache folder. While a file only grows, the pass continues where it ended; a
sha256 of the last 64 KiB of indexed records (the tail anchor) decides whether it only grew, because times of modification lie on network
shares and synchronised copies.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np

from ..files import replace_file
from .format import Int64s, as_bytes, latest_dt
from .record_file import RecordFile
from .scan import BadRun, ScanState, extend_scan, settle
from .scid import ScidFile

ANCHOR_BYTES = 64 * 1024
LAYOUT_VERSION = 2
_INODE_BITS = 2**63 - 1


@dataclass(frozen=True, slots=True)
class FileState:
    """What identifies a state of a file without reading it: size in bytes, two times in ns, lower 63 bits of the inode.

    A tool may set the time of modification back, but not the time of change, which chmod and rename raise as well. File systems number
    files up to 2**64 and beyond; the cached arrays are int64.
    """

    size_bytes: int
    mtime_ns: int
    ctime_ns: int
    inode: int

    @classmethod
    def of(cls, stat: os.stat_result) -> FileState:
        """Take it from a stat result."""
        return cls(stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino & _INODE_BITS)


class ScidIndex:
    """Segments and bad runs of one open file.

    Args:
        file: the file, kept open for searches.
        state: the finished scan.
        zero_tail: zero records at the end of the file, not yet written.
        anchor: sha256 of the last 64 KiB of indexed records, taken when they were scanned.
        generation: names the full scan that this index goes back to; it stays the same while the file only grows, so whatever was
            derived from records of that generation still holds.
        generation_status: status of a marker file that is rewritten with every full scan. A cache that compares file statuses and is given
            this one keeps what it knows about old records while the file grows. Default: the status of the file itself.

    Attributes:
        record_count: records that exist, trailing zero records excluded.
        segments: int64[n, 4]: first, stop, first_us, last_us of each run in which time never decreases, in file order.
        bad_runs: records that cannot be placed in time, in file order.
    """

    def __init__(
        self,
        file: RecordFile,
        state: ScanState,
        zero_tail: int,
        anchor: str,
        generation: str,
        generation_status: os.stat_result | None = None,
    ) -> None:
        self.file = file
        self.scan = state
        self.zero_tail = zero_tail
        self.anchor = anchor
        self.generation_status = file.stat if generation_status is None else generation_status
        self.generation = generation
        self.record_count = state.count
        self.segments, self.bad_runs = settle(state)

    @property
    def first_us(self) -> int | None:
        """Return the earliest good time in epoch microseconds UTC, None if there is none."""
        return int(self.segments[:, 2].min()) if len(self.segments) else None

    @property
    def last_us(self) -> int | None:
        """Return the latest good time in epoch microseconds UTC, None if there is none."""
        return int(self.segments[:, 3].max()) if len(self.segments) else None

    def ranges(self, start_us: int, end_us: int) -> list[tuple[int, int]]:
        """Return the records of a window.

        Args:
            start_us: first instant of the window, epoch microseconds UTC.
            end_us: first instant after it.

        Returns:
            Half-open record ranges in file order, never empty ones, adjacent ones joined: exactly the good records with
            ``start_us <= time < end_us``, also where time decreases across the window's edges.
        """
        table = self.segments
        hits = table[(table[:, 2] < end_us) & (table[:, 3] >= start_us)]
        found: list[tuple[int, int]] = []
        for first, stop, first_us, last_us in hits.tolist():
            a = first if first_us >= start_us else self.first_not_before(first, stop, start_us)
            b = stop if last_us < end_us else self.first_not_before(a, stop, end_us)
            if a == b:
                continue
            if found and found[-1][1] == a:
                found[-1] = (found[-1][0], b)
            else:
                found.append((a, b))
        return found

    def first_not_before(self, first: int, stop: int, instant_us: int) -> int:
        """Return the index of the first record of a segment whose time is not before ``instant_us``."""
        while first < stop:
            middle = (first + stop) // 2
            if self.file.timestamp_us(middle) < instant_us:
                first = middle + 1
            else:
                stop = middle
        return first


def load_index(
    path: Path,
    cache_dir: Path | None,
    now: datetime,
    *,
    known: ScidIndex | None = None,
    rescan: bool = False,
    open_file: Callable[[Path], RecordFile] = ScidFile,
) -> ScidIndex:
    """Return the index of a file, scanning only what is new.

    Args:
        path: the file.
        cache_dir: folder of cached indexes; None keeps nothing on disk.
        now: aware time; a record later than one day after it is implausible.
        known: an index of the same path from before, reused or extended if it still holds.
        rescan: read everything again.
        open_file: opens the path as a file of its format.

    Raises:
        SourceError: E200 to E203 the file cannot be used; E204 it shrinks while being scanned (other formats have numbers of their own).
    """
    latest = latest_dt(now)
    if known is not None and not rescan and _still_holds(known, path, latest):
        return known
    file = open_file(path)
    cache = (
        None
        if cache_dir is None
        else cache_dir / f"{hashlib.sha256(str(path.absolute()).encode()).hexdigest()[:32]}.npz"
    )
    saved = None if rescan else _load(cache) if known is None else _Saved.of(known)
    if saved is not None and (saved.header_size != file.header_size or saved.scan.expired(latest)):
        saved = None
    state_now = FileState.of(file.stat)
    if saved is not None and saved.file_state == state_now:
        status = _marker_status(cache, saved.generation)
        return ScidIndex(file, saved.scan, saved.zero_tail, saved.anchor, saved.generation, status)
    if saved is None or not saved.is_prefix_of(file):
        generation = uuid.uuid4().hex
        if cache is not None and not _write_marker(cache, generation):
            cache = None  # saved without its marker, no hash of a day would outlive the file's next growth, ever
        saved = _Saved(ScanState(), 0, generation, "", state_now, file.header_size)
    extend_scan(file, saved.scan, latest)
    zero_tail = saved.scan.drop_zero_tail()
    anchor, status = anchor_of(file, saved.scan.count), _marker_status(cache, saved.generation)
    index = ScidIndex(file, saved.scan, zero_tail, anchor, saved.generation, status)
    if cache is not None:
        _Saved.of(index).save(cache)
    return index


def _still_holds(known: ScidIndex, path: Path, latest: int) -> bool:
    try:
        unchanged = FileState.of(path.stat()) == FileState.of(known.file.stat)
    except OSError:
        return False
    return unchanged and not known.scan.expired(latest)


def anchor_of(file: RecordFile, count: int) -> str:
    """Return the sha256 of the last 64 KiB of whole records before index ``count``."""
    return hashlib.sha256(as_bytes(file.read(max(0, count - ANCHOR_BYTES // file.record_size), count)).data).hexdigest()


@dataclass(slots=True)
class _Saved:
    """An index as it lies in the cache: the raw scan and what tells whether it still describes the file."""

    scan: ScanState
    zero_tail: int
    generation: str
    anchor: str
    file_state: FileState
    header_size: int

    @classmethod
    def of(cls, index: ScidIndex) -> _Saved:
        file, scan = index.file, index.scan.copy()
        return cls(scan, index.zero_tail, index.generation, index.anchor, FileState.of(file.stat), file.header_size)

    def is_prefix_of(self, file: RecordFile) -> bool:
        """Tell whether the file grew and still begins with the scanned records.

        A file of the same size with other times was edited in place, perhaps far from its tail: it is read again, unless records were
        written over a zero tail.
        """
        count = self.scan.count
        grew = file.stat.st_size > self.file_state.size_bytes
        if not grew and self.zero_tail and file.record_count > count:
            grew = bool(as_bytes(file.read(count, count + 1)).any())
        return grew and file.record_count >= count and anchor_of(file, count) == self.anchor

    def save(self, cache: Path) -> None:
        """Replace the cache; a disk that refuses costs a scan at the next call and nothing else."""
        state = self.file_state
        numbers = [LAYOUT_VERSION, self.scan.count, self.scan.earliest_future_dt, self.zero_tail, self.header_size]
        arrays = {
            "numbers": np.array([*numbers, state.size_bytes, state.mtime_ns, state.ctime_ns, state.inode], np.int64),
            "segments": np.array(self.scan.segments, np.int64).reshape(-1, 4),
            "runs": np.array(self.scan.runs, np.int64).reshape(-1, 3),
            "texts": np.array([self.generation, self.anchor]),
        }
        with contextlib.suppress(OSError):
            replace_file(cache, lambda file: np.savez(file, allow_pickle=False, **arrays), durable=False)


def _write_marker(cache: Path, generation: str) -> bool:
    """Write the marker of a new generation; False if the disk refuses."""
    try:
        replace_file(cache.with_suffix(".generation"), lambda file: file.write(generation.encode()), durable=False)
    except OSError:
        return False
    return True


def _marker_status(cache: Path | None, generation: str) -> os.stat_result | None:
    """Return the status of the marker, or None if it is not the one of this generation (another process has scanned anew)."""
    if cache is None:
        return None
    try:
        with cache.with_suffix(".generation").open("rb") as handle:
            status = os.fstat(handle.fileno())
            return status if handle.read() == generation.encode() else None
    except OSError:
        return None


def _load(cache: Path | None) -> _Saved | None:
    """Read a cached index; an absent, damaged or older one counts as none, because a scan brings it back."""
    if cache is None:
        return None
    try:
        with np.load(cache, allow_pickle=False) as arrays:
            numbers: Int64s = arrays["numbers"]
            segments, runs, texts = arrays["segments"], arrays["runs"], arrays["texts"]
    except Exception:  # each flipped bit of an archive raises something else; a scan is the answer to all
        return None
    if len(numbers) != 9 or numbers[0] != LAYOUT_VERSION:
        return None
    _, count, earliest_future_dt, zero_tail, header_size, *state = numbers.tolist()
    scan = ScanState(count, segments.tolist(), runs.tolist(), earliest_future_dt)
    return _Saved(scan, zero_tail, str(texts[0]), str(texts[1]), FileState(*state), header_size)


__all__ = ["ANCHOR_BYTES", "BadRun", "FileState", "ScidIndex", "anchor_of", "load_index"]
