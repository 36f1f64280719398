"""Which records of a ``.depth`` file belong to a trade date.

Belongs here: the rule that every record of a file, good or damaged, is in exactly one day, or in none that asks for this file. Does not
belong here: finding order and damage in a file (``index.py``, ``scan.py``) and judging records (``decode.py``).

A file holds one UTC day, a session about 23 hours of two or more of them: a trade date takes its window out of each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from ...instants import us_of
from ...sessions import Session, TradingCalendar
from ..damage import covered_date, owners
from ..format import Records
from ..index import ScidIndex
from ..scan import BadRun
from ..spans import Span, hash_key, read_blocks, undamaged
from .archive import DepthFileSource

# The first snapshot of a file may carry the time of the last update before midnight. Sessions begin and end at least an hour away from
# midnight UTC, so a record this close to midnight is in a day that reads the file.
FILE_DAY_SLACK = timedelta(minutes=5)

_BEGINNING, _END = -(2**62), 2**62


@dataclass(frozen=True)
class FileSlice:
    """What one file gives to a trade date.

    Attributes:
        source: the file.
        index: its index.
        spans: records in file order, damaged ones included.
        start_us, end_us: half-open interval of the times that its good records have.
        file_start_us, file_end_us: times that a record of the file may have; others are damage.
        zero_tail: zero records at its end if they follow the last record of a session that is over, else 0.
    """

    source: DepthFileSource
    index: ScidIndex
    spans: tuple[Span, ...]
    start_us: int
    end_us: int
    file_start_us: int
    file_end_us: int
    zero_tail: int

    @property
    def ranges(self) -> list[tuple[int, int]]:
        """Return the record ranges that are not damaged."""
        return undamaged(self.spans)

    def blocks(self, buffer: Records, room: Callable[[], int]) -> Iterator[tuple[Span, int, Records]]:
        """Yield span, index and records block by block in one reused buffer; ``room`` says how many records a block may have."""
        return read_blocks(self.index.file, self.spans, buffer, room)

    @property
    def hash_key(self) -> str:
        """Return the name of these bytes in a cache of hashes."""
        return hash_key(self.source.path, self.spans)


def touched_dates(session: Session) -> list[date]:
    """Return the UTC dates that the window of an open session touches."""
    first, last = session.window_start.astimezone(UTC), session.window_end.astimezone(UTC) - timedelta(microseconds=1)
    return _dates(first.date(), last.date())


def expected_dates(session: Session, now: datetime) -> list[date]:
    """Return the UTC dates on which the session traded until now; each should have a file."""
    if session.opens_at is None or session.closes_at is None or now < session.opens_at:
        return []
    last = min(session.closes_at - timedelta(microseconds=1), now)
    return _dates(session.opens_at.astimezone(UTC).date(), last.astimezone(UTC).date())


def slice_of(
    source: DepthFileSource, index: ScidIndex, session: Session, calendar: TradingCalendar, now: datetime
) -> FileSlice:
    """Find a trade date's records in one file.

    Args:
        source: the file.
        index: its index.
        session: the trade date's session.
        calendar: tells which day damaged records belong to.
        now: aware time.
    """
    midnight = datetime.combine(source.utc_date, time(), UTC)
    file_start, file_end = midnight - FILE_DAY_SLACK, midnight + timedelta(days=1) + FILE_DAY_SLACK
    start, end = max(file_start, session.window_start), min(file_end, session.window_end)
    ranges = index.ranges(us_of(start), us_of(end)) if start < end else []
    usual_owner = covered_date(us_of(midnight + timedelta(hours=12)), calendar)
    damaged = [
        (run.first, run.stop)
        for run in index.bad_runs
        if session.trade_date in _owners(run, source.utc_date, usual_owner, calendar)
    ]
    if session.trade_date == usual_owner:
        damaged += [*index.ranges(_BEGINNING, us_of(file_start)), *index.ranges(us_of(file_end), _END)]
    spans = [
        *(Span(first, stop, damaged=False) for first, stop in ranges),
        *(Span(first, stop, damaged=True) for first, stop in damaged),
    ]
    zero_tail = 0
    if index.zero_tail and session.is_final(now) and ranges and not index.ranges(us_of(session.window_end), _END):
        zero_tail = index.zero_tail
    return FileSlice(
        source,
        index,
        tuple(sorted(spans, key=lambda span: span.first)),
        us_of(start),
        us_of(end),
        us_of(file_start),
        us_of(file_end),
        zero_tail,
    )


def _owners(run: BadRun, utc_date: date, usual: date | None, calendar: TradingCalendar) -> list[date]:
    """Return the trade dates that a bad run may have been taken from, as far as they read the file; else the file's usual one."""
    found = [day for day in owners(run, calendar) if utc_date in touched_dates(calendar.session(day))]
    return found or ([] if usual is None else [usual])


def _dates(first: date, last: date) -> list[date]:
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]
