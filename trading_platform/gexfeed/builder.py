"""What the two datasets of the feed share: which files make a day, their hashes, and reading them.

Belongs here: ``FeedBuilder``, the common part of ``GexSnapshotsBuilder`` and ``GexStrikesBuilder``. Does not belong here: what is stored
(``snapshots.py``, ``strikes.py``), checks.

A partition holds all categories of a day, one after the other in the order of ``CATEGORIES``: a file is streamed after the other, and the
rows of one category, which is what an as-of join reads, lie together in ascending time. One file that cannot be used refuses its day, all
categories of it, and no other day.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Final

from ..errors import LakeError, SourceError, command
from ..instants import MICROSECONDS, us_of
from ..lake import DatasetContract, DayPlan, Json, Outcome, SourceSlice
from .acceptance import UNIT, Acceptance
from .archive import FeedArchive, FeedFile, of_closed_day
from .columns import SnapshotColumns
from .decode import read_batches
from .elements import CutShortError, NotAnArrayError, Refusal
from .reading import build_again, fetch_again, read_blocks, unreadable

if TYPE_CHECKING:
    from ..clock import Clock
    from ..instruments import Instrument
    from ..lake import Lake, StatCache
    from ..sessions import Session, TradingCalendar

_OUTCOMES: Final = {"E263": Outcome.UNAVAIL, "E267": Outcome.MISSING, "E269": Outcome.MISSING}
_ONE_DAY: Final = timedelta(days=1)
# A file of another day or series is refused as a whole as soon as this many elements in a row fit nothing.
_FOREIGN_ELEMENTS: Final = 200
# A day without one of its files would look like a day that never had that category.
_WHOLE_DAY: Final = (
    "nothing of the day was stored, an older partition and all other days are intact; without this file in the folder the day is made "
    "from its other categories"
)


@dataclass(frozen=True)
class DayFiles:
    """The files of a planned day.

    Attributes:
        files: one per category, in the order in which they are stored.
        now_s: epoch seconds at which the day was planned: nothing is observed later.
        of_closed_days: E280 for each file that is dated on a day without trading since the trade date before.
    """

    files: tuple[FeedFile, ...]
    now_s: int
    of_closed_days: tuple[str, ...] = ()

    def facts(self) -> dict[str, Json]:
        """Return what the folder tells besides the content of the files."""
        return {
            "files": [one.path.name for one in self.files],
            "copies": sum(one.copies for one in self.files),
            "files_of_closed_days": list(self.of_closed_days),
        }


class FeedBuilder(ABC):
    """The common part of the datasets made from history files.

    Args:
        instrument: a vendor series such as ``NQ_NDX``; its symbol is the vendor's ticker.
        lake: where the stored days are.
        archive: finds the files of a day.
        calendar: the instrument's trading calendar, one that owns New York calendar days.
        clock: decides what has opened and what is complete.
        stat_cache: hashes of unchanged files; None hashes every time.
    """

    def __init__(
        self,
        instrument: Instrument,
        lake: Lake,
        archive: FeedArchive,
        calendar: TradingCalendar,
        clock: Clock,
        stat_cache: StatCache | None = None,
    ) -> None:
        self._instrument = instrument
        self._lake = lake
        self._archive = archive
        self._calendar = calendar
        self._clock = clock
        self._stat_cache = stat_cache

    @property
    @abstractmethod
    def contract(self) -> DatasetContract:
        """Return the contract of the dataset."""

    @property
    def symbol(self) -> str:
        """Return the vendor's series, the first part of the asset key."""
        return self._instrument.symbol

    def not_recorded(self, trade_date: date) -> str | None:
        """Return why the day lies before the first history file of the series; None if there should be one."""
        try:
            first = self._archive.first_day(self.symbol, self._calendar.first, self._calendar.last)
        except SourceError as error:
            return error.what
        if first is None:
            return f"there is no history file of {self.symbol} in {self._archive.directory}"
        return None if trade_date >= first else f"the history files of {self.symbol} begin on {first.isoformat()}"

    def plan(self, trade_date: date) -> DayPlan:
        """Resolve a day without reading its files.

        Returns:
            CLOSED without a session; PENDING (E266) before the session opens or while its file is awaited; MISSING (E267 no file, E269 a
            category that fed the stored day is gone); UNAVAIL (E263 no folder); otherwise undecided, with the categories as resolved input.

        Raises:
            SourceError: E264 a category exists twice; E265 a file of the day has an unknown category.
        """
        session = self._calendar.session(trade_date)
        if session.opens_at is None:
            return DayPlan(trade_date, session, Outcome.CLOSED, self._closed(session))
        now = self._clock.now()
        if now < session.opens_at:
            reason = f"the session opens {session.opens_at:%Y-%m-%d %H:%M} UTC"
            return _decided(session, Outcome.PENDING, self._not_yet(session, reason))
        over = session.is_final(now)
        try:
            files = self._archive.day(self.symbol, trade_date)
            unused = self._of_closed_days(trade_date)
            if files:
                self._refuse_fragment(session, files)
        except SourceError as error:
            outcome = _OUTCOMES.get(error.code)
            if outcome is None:
                raise
            return _decided(session, outcome, error)
        if not files:
            if not over:
                return _decided(session, Outcome.PENDING, self._not_yet(session, "it has no history file yet"))
            return _decided(session, Outcome.MISSING, self._missing(session, unused))
        closed: dict[str, Json] = {"files_of_closed_days": [*unused]} if unused else {}
        return DayPlan(
            trade_date,
            session,
            resolved={
                "categories": [one.name.category for one in files],
                "price_band": list(self._instrument.price_band),
                # Snapshots that lie ahead of the clock are refused while the session runs, and only then.
                "session_over": over,
                # So that the day is made again, and says so, when such a file comes or goes.
                **closed,
            },
            complete=over,
            synthetic=any(one.is_synthetic for one in files),
            detail=DayFiles(files, us_of(now) // MICROSECONDS, unused),
        )

    def hash_sources(self, plan: DayPlan, *, verify: bool = False) -> tuple[SourceSlice, ...]:
        """Return name and sha256 of each file as it is on the disk, from the stat cache if it has not changed.

        Raises:
            SourceError: E260 a file cannot be read.
        """
        found = []
        for one in files_of(plan).files:
            try:
                status = one.path.stat()
                digest = None if verify or self._stat_cache is None else self._stat_cache.get(_key(one), status)
                if digest is None:
                    with one.path.open("rb") as file:
                        digest = hashlib.file_digest(file, "sha256").hexdigest()
                    if self._stat_cache is not None:
                        self._stat_cache.put(_key(one), status, digest)
            except OSError as error:
                raise unreadable(one.path, error) from error
            found.append(SourceSlice(one.path.name, digest))
        return tuple(found)

    def _snapshots(
        self, one: FeedFile, day: DayFiles, session: Session, sources: list[SourceSlice]
    ) -> tuple[Acceptance, Iterator[tuple[SnapshotColumns, list[Refusal]]]]:
        """Return the judge of a file and an iterator over accepted snapshots and refusals; its slice is noted when all has been read."""
        first_s, end_s = us_of(session.window_start) // MICROSECONDS, us_of(session.window_end) // MICROSECONDS
        acceptance = Acceptance(self.symbol, first_s, end_s, day.now_s)
        return acceptance, self._read(one, acceptance, sources)

    def _read(
        self, one: FeedFile, acceptance: Acceptance, sources: list[SourceSlice]
    ) -> Iterator[tuple[SnapshotColumns, list[Refusal]]]:
        hasher = hashlib.sha256()
        held: list[tuple[SnapshotColumns, list[Refusal]]] = []
        accepted = False
        try:
            status = one.path.stat()
            for batch in read_batches(acceptance.counted(read_blocks(one.path, hasher))):
                judged = acceptance.judge(batch)
                accepted = accepted or len(judged[0]) > 0
                if not accepted:
                    held.append(judged)
                    if acceptance.elements >= _FOREIGN_ELEMENTS:
                        raise _foreign(one, acceptance, held)
                    continue
                yield from held
                held.clear()
                yield judged
        except OSError as error:
            raise unreadable(one.path, error) from error
        except NotAnArrayError as error:
            raise _not_an_array(one, error) from error
        except CutShortError as error:
            raise _cut_short(one, error) from error
        if acceptance.elements and not accepted:
            raise _foreign(one, acceptance, held)
        sources.append(SourceSlice(one.path.name, hasher.hexdigest()))
        if self._stat_cache is not None:
            self._stat_cache.put(_key(one), status, hasher.hexdigest())

    def _refuse_fragment(self, session: Session, files: tuple[FeedFile, ...]) -> None:
        """Refuse a day whose stored version has a category whose file is gone: what is left must not replace the whole."""
        try:
            footer = self._lake.footer(self.contract.name, self.symbol, session.trade_date)
        except LakeError:  # a damaged file protects nothing
            return
        stored = None if footer is None else footer.facts.get("categories")
        if not isinstance(stored, list | tuple):
            return
        here = {one.name.category for one in files}
        gone = [str(category) for category in stored if category not in here]
        if not gone:
            return
        day = session.trade_date.isoformat()
        raise SourceError(
            "E269",
            f"the file of {', '.join(gone)}, which fed the stored day {self.symbol} {day}, is no longer there",
            "the day would shrink to the other categories; the stored day is kept: put the file back, or forget the day to build it from "
            "what is left",
            command("tp", "forget", f"{self.symbol}/{self.contract.name}", "--day", day, "--dry-run"),
        )

    def _of_closed_days(self, trade_date: date) -> tuple[str, ...]:
        """Return what is wrong with the files that are dated between a trade date and the one before it."""
        before = self._calendar.previous_open(trade_date)
        if trade_date - before == _ONE_DAY:
            return ()
        files = self._archive.between(self.symbol, before + _ONE_DAY, trade_date - _ONE_DAY)
        return tuple(self._unused(one, trade_date) for one in files if one.name.trade_date >= self._calendar.first)

    def _unused(self, one: FeedFile, following: date) -> str:
        error = of_closed_day(one, self._calendar.session(one.name.trade_date).reason or "no session", following)
        return f"{error.code} {error.what}"

    def _closed(self, session: Session) -> str:
        """Return why a day has no session, and which files are dated on it all the same."""
        day = session.trade_date
        try:
            files = self._archive.between(self.symbol, day, day)
        except SourceError:  # no folder: said by the days that want one
            files = ()
        return "; ".join([session.reason or "no session on this date", *(self._unused(one, day) for one in files)])

    def _missing(self, session: Session, unused: tuple[str, ...]) -> SourceError:
        day = session.trade_date.isoformat()
        return SourceError(
            "E267",
            "; ".join([f"no history file of {self.symbol} for {day} in {self._archive.directory}", *unused]),
            "the day was not downloaded; the vendor serves about 90 days back; nothing was written",
            command("tp", "gex", "fetch", day, "--ticker", self.symbol),
        )

    def _not_yet(self, session: Session, reason: str) -> SourceError:
        day = session.trade_date.isoformat()
        return SourceError(
            "E266",
            f"{self.symbol}/{self.contract.name} {day} cannot be made yet: {reason}",
            "the source is not there yet; an older partition of the day is intact, and the next backfill tries again",
            command("tp", "backfill", f"{self.symbol}/{self.contract.name}", "--from", day, "--to", day),
        )


def files_of(plan: DayPlan) -> DayFiles:
    """Return what an undecided plan knows about the files."""
    if not isinstance(plan.detail, DayFiles):
        raise TypeError(f"Expected an undecided plan of FeedBuilder.plan, was {plan}")
    return plan.detail


def source_facts(judges: dict[str, Acceptance]) -> dict[str, Json]:
    """Return what only the files tell, by category where it matters."""
    rejected: dict[str, int] = {}
    for one in judges.values():
        for reason, number in one.rejected.items():
            rejected[reason] = rejected.get(reason, 0) + number
    return {
        "categories": list(judges),
        "elements": sum(one.elements for one in judges.values()),
        "refused": dict(sorted(rejected.items())),
        "out_of_order": sum(one.out_of_order for one in judges.values()),
        "bytes_read": sum(one.bytes_read for one in judges.values()),
        "bytes_refused": sum(one.bytes_refused for one in judges.values()),
    }


def _decided(session: Session, outcome: Outcome, error: SourceError) -> DayPlan:
    return DayPlan(session.trade_date, session, outcome, error.what, error, complete=False)


def _key(one: FeedFile) -> str:
    return f"gex feed {one.path}"


def _foreign(one: FeedFile, acceptance: Acceptance, judged: list[tuple[SnapshotColumns, list[Refusal]]]) -> SourceError:
    reason, number = acceptance.rejected.most_common(1)[0]
    detail = next(refusal.detail for _, refusals in judged for refusal in refusals if refusal.reason == reason)
    if reason == UNIT:
        return SourceError(
            "E272",
            f"the times of {one.path} are in milliseconds or finer, expected whole seconds ({number} of the first "
            f"{acceptance.elements} elements)",
            "another program has written the file, or the vendor has changed its form, and a new download would hold the same; divide the "
            f"times, or move the file out of the folder; {_WHOLE_DAY}",
            build_again(one.name),
        )
    return SourceError(
        "E272",
        f"none of the first {acceptance.elements} elements of {one.path} is a snapshot of {one.name.ticker} on "
        f"{one.name.trade_date} ({number} times {reason}: {detail})",
        f"the file holds another series or day than its name says, or the vendor has changed its form; {_WHOLE_DAY}",
        fetch_again(one.path),
    )


def _not_an_array(one: FeedFile, error: NotAnArrayError) -> SourceError:
    return SourceError(
        "E270",
        f"{one.path} is no JSON array of snapshots: {error}",
        f"an error page or another kind of file was saved under this name; {_WHOLE_DAY}",
        fetch_again(one.path),
    )


def _cut_short(one: FeedFile, error: CutShortError) -> SourceError:
    return SourceError(
        "E271",
        f"the JSON of {one.path} has no end: {error}",
        f"the download was broken off, and the rest of the day would be missing without a sign; {_WHOLE_DAY}",
        fetch_again(one.path),
    )
