"""From the lake, the calendar and the run history to the board.

Belongs here: bringing facts together, many days at once. Days with nothing to say, which are nearly all, are settled with arrays; every
other day goes through ``judge_day``, whose rules both follow.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np

from ..sessions import opened, weekdays_between
from . import files
from .board import Board
from .calendar import CalendarDays, calendar_days
from .files import NO_EVENT, OUTCOMES, SeriesFiles, StoredDays
from .fronts import Fronts
from .history import DayEvents, RunHistory
from .judge import EventFacts, FileFacts, Judgement, SessionFacts, judge_day
from .listing import Listing
from .packed import Array
from .series import Series
from .states import CODE_OF, State

_CLEAN_STATES = {files.WRITE: State.COMPLETE, files.EMPTY: State.EMPTY, files.CLOSED: State.CLOSED}
_WITHOUT_ROWS = (files.EMPTY, files.CLOSED)


@dataclass(frozen=True)
class Surroundings:
    """Where facts come from.

    Attributes:
        lake_root: folder of the lake.
        cache_dir: folder of summaries; can be deleted at any time.
        history: the run history.
        now: the present instant, aware.
        calendars: calendars computed before, by name; others are computed.
        progress: told how many more files or events have been read.
        fronts: windows of the roll table by root; days of a root without windows are not compared.
    """

    lake_root: Path
    cache_dir: Path
    history: RunHistory
    now: datetime
    calendars: Mapping[str, CalendarDays]
    progress: Callable[[int], None] = lambda _: None
    fronts: Mapping[str, Fronts] = field(default_factory=dict)


@dataclass
class _Row:
    """The facts of one series."""

    stored: StoredDays
    events: DayEvents
    event_ids: Array
    complete: Array
    fronts: Fronts | None = None

    def rolled(self) -> Array:
        """Tell which stored days hold another contract than the roll table has in front: bool[n]."""
        table = self.stored.table
        if self.fronts is None:
            return np.zeros(len(table), np.bool_)
        return self.fronts.differ(table["day"], table["holds"], self.stored.texts)

    def rolled_text(self, at: int) -> str:
        """Say of one of these days what differs."""
        row = self.stored.table[at]
        in_front = "" if self.fronts is None else self.fronts.on(int(row["day"]))
        return f"holds {self.stored.texts[int(row['holds'])]}, the roll table has {in_front} in front"


def latest_due(series: Sequence[Series], lake_root: Path, now: datetime, *, is_demo: bool) -> date:
    """Return the last day of a board for which nobody named one.

    Args:
        series: the rows.
        lake_root: folder of the lake.
        now: the present instant, aware.
        is_demo: the market is a synthetic one that ended with its last stored day.

    Returns:
        The latest trade date that has opened for any row, in a demo the latest stored one. Rows that are made on demand count only if there
        are no others: one day that somebody bought must not move all the rest out of sight.
    """
    series = [row for row in series if not row.on_demand] or series
    stored = [day for row in series if (day := files.last_stored(lake_root, row)) is not None] if is_demo else []
    return max(stored) if stored else max((opened(now, row) for row in series), default=now.date())


def make_board(
    wanted: Sequence[Series],
    known: Mapping[str, Series],
    first: date,
    last: date,
    around: Surroundings,
    *,
    from_first: bool = False,
    has_holes: bool = False,
) -> Board:
    """Judge every day of every wanted row.

    Args:
        wanted: the rows.
        known: all rows of the platform by name, for those that others are made from.
        first: first trade date.
        last: last trade date, included.
        around: where facts come from.
        from_first: days before the first stored one are expected too, because somebody asked for them by name; not of a source that was
            not recorded then.
        has_holes: days of which nothing is known are not expected anywhere: the market of a demo consists of chosen days. The same holds
            for every row that is made on demand.

    Returns:
        The board. It equals what a recount of files, calendar and latest events would say, whatever the cache holds.

    Raises:
        ConfigurationError: E140 if a day lies outside the calendar.
        LakeError: E546 if the run history cannot be read.
    """
    board = Board(list(wanted), weekdays_between(first, last), around.now)
    if not board.days:
        return board
    needed = {series.name: series for series in wanted}
    needed |= {name: known[name] for series in wanted for name in series.upstream if name in known}
    rows = _facts_of(needed, first, last, around)
    sessions = {name: _sessions(name, board.days, around) for name in {series.calendar for series in wanted}}
    for index, series in enumerate(board.series):
        row = rows[series.name]
        known_days = (row.stored.first_day, row.events.first_day)
        first_known = min((day for day in known_days if day is not None), default=None)
        if first_known is None:
            board.nothing_yet.add(index)
            continue
        _judge_row(
            board,
            index,
            rows,
            sessions[series.calendar],
            _expected_from(series, row, None if has_holes else first.toordinal() if from_first else first_known),
        )
    board.is_synthetic = any(bool(row.stored.table["synthetic"].any()) for row in rows.values())
    return board


def _expected_from(series: Series, row: _Row, asked: int | None) -> int:
    """Return the ordinal of the first day that is expected of a row; ``asked`` where nothing else decides, None for no day at all."""
    if asked is None or series.on_demand:
        return sys.maxsize
    if series.recorded:
        # Neither a first date nor an attempt that failed makes a day that nobody recorded.
        return sys.maxsize if row.stored.first_day is None else row.stored.first_day
    return asked


def _sessions(name: str, days: Sequence[date], around: Surroundings) -> tuple[CalendarDays, Array]:
    calendar = around.calendars.get(name)
    facts = (calendar_days(name) if calendar is None else calendar).of(days)
    return facts, facts.is_over(around.now)


def _facts_of(needed: Mapping[str, Series], first: date, last: date, around: Surroundings) -> dict[str, _Row]:
    """Read the facts of all rows; files are listed by other processes while this one reads the run history."""
    stored_files = {name: SeriesFiles(around.lake_root, series, around.cache_dir) for name, series in needed.items()}
    listing = Listing([one.folder for one in stored_files.values()], first, last)
    anchor = around.history.anchor()
    try:
        events = {name: around.history.latest(series, first, last) for name, series in needed.items()}
        listed = listing.results()
    finally:
        listing.close()
    rows = {}
    for name, series in needed.items():
        stored = stored_files[name].look(first, last, listed[stored_files[name].folder], around.progress)
        rows[name] = _facts(series, stored_files[name], stored, events[name], around, anchor)
    return rows


def _facts(
    series: Series,
    stored_files: SeriesFiles,
    stored: StoredDays,
    events: DayEvents,
    around: Surroundings,
    anchor: list[Any] | None,
) -> _Row:
    """Bring files and events of one row together, and keep what is new."""
    table = stored.table
    event_ids = np.full(len(table), NO_EVENT, np.int64)
    if len(events.days) and len(table):
        at = np.searchsorted(events.days, table["day"]).clip(max=len(events.days) - 1)
        found = events.days[at] == table["day"]
        event_ids[found] = events.event_ids[at[found]]
    is_held = around.history.holds(stored_files.anchor)
    if not is_held:
        table["event_id"] = NO_EVENT
    unknown = np.flatnonzero((event_ids != NO_EVENT) & (event_ids != table["event_id"]))
    if len(unknown):
        complete = around.history.complete(series, event_ids[unknown].tolist())
        table["event_id"][unknown] = event_ids[unknown]
        table["complete"][unknown] = [complete.get(number, False) for number in event_ids[unknown].tolist()]
        around.progress(len(unknown))
    stored_files.remember(stored, anchor, is_held=is_held, events_changed=bool(len(unknown)))
    is_complete = table["complete"] & (event_ids != NO_EVENT)
    return _Row(stored, events, event_ids, is_complete, around.fronts.get(series.symbol))


def _judge_row(
    board: Board,
    index: int,
    rows: Mapping[str, _Row],
    sessions: tuple[CalendarDays, Array],
    from_day: int,
) -> None:
    """Judge one row; days from the ordinal ``from_day`` on are expected."""
    series, row = board.series[index], rows[board.series[index].name]
    table, texts = row.stored.table, row.stored.texts
    calendar, is_over = sessions
    board.is_over[index] = is_over
    days = calendar.ordinals
    is_expected = days >= from_day
    column_of = {day: column for column, day in enumerate(days.tolist())}
    # A weekday of the range always has a column; a file of a weekend, which no builder makes, has none and is nobody's day.
    has_column = np.isin(table["day"], days)
    columns = np.searchsorted(days, table["day"])

    changes = _changes(series, rows, calendar, np.clip(columns, 0, len(days) - 1))
    is_changed = np.logical_or.reduce([one.mask for one in changes]) if changes else np.zeros(len(table), np.bool_)
    failed = np.isin(table["day"], list(row.events.failures))
    is_clean = ~is_changed & ~failed & row.complete & (table["rejected"] == 0) & has_column
    is_clean &= np.isin(table["outcome"], list(_CLEAN_STATES))
    for outcome, state in _CLEAN_STATES.items():
        chosen = is_clean & (table["outcome"] == outcome)
        board.codes[index, columns[chosen]] = CODE_OF[state]
        if outcome in _WITHOUT_ROWS:
            numbers = [board.texts.number(texts[number]) for number in table["remark"][chosen].tolist()]
            board.reasons[index, columns[chosen]] = numbers
    for at in np.flatnonzero(~is_clean & has_column).tolist():
        found = [one for one in changes if one.mask[at]]
        file = _file_facts(table[at], texts, "; ".join(one.text(at) for one in found))
        day, column = int(table["day"][at]), int(columns[at])
        events = EventFacts(row.event_ids[at] != NO_EVENT, bool(row.complete[at]), row.events.failures.get(day, ""))
        session = _session_facts(calendar, is_over, column)
        judgement = judge_day(session, file, events, is_expected=bool(is_expected[column]))
        board.put(index, column, judgement)
        if judgement.state is State.STALE:
            board.wait_for(judgement.reason, [one.cause for one in found if one.cause])

    without_file = np.ones(len(days), np.bool_)
    without_file[columns[has_column]] = False
    eventful = {int(day) for day in row.events.days.tolist()} | set(row.events.failures)
    quiet = without_file.copy()
    quiet[[column_of[day] for day in eventful if day in column_of]] = False
    _judge_quiet_days(board, index, quiet, calendar, is_over, is_expected)
    _name_cause(board, index, rows, quiet & is_over & is_expected & calendar.is_open)
    made = set(row.events.days.tolist())
    for column in np.flatnonzero(without_file & ~quiet).tolist():
        day = int(days[column])
        events = EventFacts(day in made, is_complete=False, failure=row.events.failures.get(day, ""))
        session = _session_facts(calendar, is_over, column)
        board.put(index, column, judge_day(session, None, events, is_expected=bool(is_expected[column])))


def _judge_quiet_days(
    board: Board, index: int, quiet: Array, calendar: CalendarDays, is_over: Array, is_expected: Array
) -> None:
    """Settle the days without file and without event; those before the first known day keep what a new board says."""
    due = quiet & is_over & is_expected
    for mask in (quiet & ~is_over, due & calendar.is_open):
        columns = np.flatnonzero(mask)
        if len(columns):
            judgement = _judge_quiet(calendar, is_over, is_expected, int(columns[0]))
            board.codes[index, columns] = CODE_OF[judgement.state]
            board.reasons[index, columns] = board.texts.number(judgement.reason)
    for column in np.flatnonzero(due & ~calendar.is_open).tolist():
        board.put(index, column, _judge_quiet(calendar, is_over, is_expected, column))


def _name_cause(board: Board, index: int, rows: Mapping[str, _Row], never_made: Array) -> None:
    """Say of days that were never made that what they are made from is not stored either."""
    days = np.array([day.toordinal() for day in board.days])
    series = board.series[index]
    for name in series.upstream:
        if name in rows and name not in series.optional:
            columns = np.flatnonzero(never_made & ~np.isin(days, rows[name].stored.table["day"]))
            if len(columns):
                number = board.texts.number(f"never made, {name} of that day is not stored")
                board.reasons[index, columns] = number
                board.wait_for(board.texts[number], [name])


def _judge_quiet(calendar: CalendarDays, is_over: Array, is_expected: Array, column: int) -> Judgement:
    session = _session_facts(calendar, is_over, column)
    return judge_day(session, None, EventFacts(), is_expected=bool(is_expected[column]))


def _session_facts(calendar: CalendarDays, is_over: Array, column: int) -> SessionFacts:
    reason = calendar.reasons.get(int(calendar.ordinals[column]), "")
    return SessionFacts(bool(calendar.is_open[column]), bool(is_over[column]), reason)


def _file_facts(row: Array, texts: files.Texts, changes: str) -> FileFacts:
    remark = texts[int(row["remark"])]
    if row["outcome"] == files.DAMAGED:
        return FileFacts(damage=remark)
    return FileFacts("", OUTCOMES[row["outcome"]], remark, int(row["rejected"]), changes)


@dataclass(frozen=True, slots=True)
class _Change:
    """Stored days that would be made otherwise now.

    Attributes:
        mask: bool[n], which of the stored days.
        text: says of one of them what differs.
        cause: name of the upstream that has to be made again first; empty if none has to.
    """

    mask: Array
    text: Callable[[int], str]
    cause: str = ""


def _changes(series: Series, rows: Mapping[str, _Row], calendar: CalendarDays, columns: Array) -> list[_Change]:
    """Return what differs between what made each stored day and what would make it now."""
    row = rows[series.name]
    stored = row.stored
    table, texts = stored.table, stored.texts
    changes: list[_Change] = []

    def note(mask: Array, text: Callable[[int], str], cause: str = "") -> None:
        if mask.any():
            changes.append(_Change(mask, text, cause))

    note(
        table["code"] != texts.number(series.code_version),
        lambda at: f"made by code version {texts[int(table['code'][at])]}, now {series.code_version}",
    )
    note(
        table["contract"] != series.contract_version,
        lambda at: f"made under contract version {table['contract'][at]}, now {series.contract_version}",
    )
    note(table["session"] != calendar.digest[columns], lambda at: "the calendar's session of this day changed since")  # noqa: ARG005
    note(row.rolled(), row.rolled_text)
    for name in series.upstream:
        if name in rows:
            waiting, text = _rolled_upstream(stored, name, rows[name])
            note(waiting, text, name)
            replaced, emptied = _upstream_changes(stored, name, rows[name].stored.table)
            note(replaced, lambda at, name=name: f"{name} was built again with other content")  # type: ignore[misc]  # noqa: ARG005
            note(emptied, lambda at, name=name: f"made when {name} held no rows, which it does now")  # type: ignore[misc]  # noqa: ARG005
    return changes


def _rolled_upstream(stored: StoredDays, name: str, upstream: _Row) -> tuple[Array, Callable[[int], str]]:
    """Tell which days are made from an upstream day of which the roll table wants another contract: it has to be made again first."""
    table, upstream_days = stored.table, upstream.stored.table["day"]
    mask = np.isin(table["day"], upstream_days[upstream.rolled()])

    def text(at: int) -> str:
        found = int(np.searchsorted(upstream_days, table["day"][at]))
        return f"upstream is stale: {name} {upstream.rolled_text(found)}"

    return mask, text


def _upstream_changes(stored: StoredDays, name: str, upstream: Array) -> tuple[Array, Array]:
    """Compare the content that fed each day with the content that is stored now.

    Returns:
        bool[n] each: fed by another content; made from nothing though there is something now. An upstream day that is not stored or not
        readable proves nothing.
    """
    table = stored.table
    nothing = np.zeros(len(table), np.bool_)
    if not len(upstream) or not len(table):
        return nothing, nothing
    at = np.searchsorted(upstream["day"], table["day"]).clip(max=len(upstream) - 1)
    outcome = upstream["outcome"][at]
    comparable = (upstream["day"][at] == table["day"]) & (outcome != files.DAMAGED)
    linked = table["upstream"] == stored.texts.number(name)
    has_link = linked.any(axis=1)
    differs = (linked & (table["upstream_content"] != upstream["content"][at][:, None])).any(axis=1)
    had_nothing = np.isin(table["outcome"], _WITHOUT_ROWS) & ~has_link
    return comparable & differs, comparable & had_nothing & ~np.isin(outcome, _WITHOUT_ROWS)
