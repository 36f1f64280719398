"""From facts to the state of one day: a pure function.

Belongs here: the rules and their order. Does not belong here: where facts come from (``files.py``, ``history.py``, ``sessions.py``) and
the board of many days (``board.py``).

The gravest rule that applies decides:

1. ``not_expected``: before the first day on which anything is known of this dataset and symbol, unless asked for by a first date (of a
   recorded source: before the first stored day, whoever asks); or a
   day of which nothing is known, of a dataset whose days are made on demand.
2. Nothing readable is stored. ``missing`` if an attempt failed (its error is the reason), if the run history says that it was made, or
   if its session is over; ``closed`` if there is no session and nobody ever made it; ``not_due`` while its session is not over.
3. ``refresh_failed``: stored, and the latest attempt failed after the latest success.
4. ``stale``: stored, but made by other code, under another contract or session than today's, or from an upstream partition other than
   the one stored now; or it holds (or is made from one that holds) another futures contract than the roll table has in front; or stored
   although the run history knows nothing of it. Hashes of source files are not compared here.
5. ``partial``: its session had not ended when it was made.
6. ``degraded``, then ``quarantined``: stored with a remark.
7. ``empty``, ``closed``, ``complete``.

A day that its checks refused as a whole is not stored, so it is ``missing`` or ``refresh_failed``, and the check is named in its reason.
"""

from __future__ import annotations

from dataclasses import dataclass

from .states import State

CLOSED, EMPTY, DEGRADED, PENDING = "CLOSED", "EMPTY", "DEGRADED", "PENDING"
WITHOUT_ROWS = frozenset({CLOSED, EMPTY})


@dataclass(frozen=True, slots=True)
class SessionFacts:
    """What the calendar and the clock say of a day.

    Attributes:
        is_open: there is a session on this date.
        is_over: the session can add no more data; true for closed dates.
        reason: why the date is closed, if a reason is known.
    """

    is_open: bool
    is_over: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class FileFacts:
    """What a stored file says of itself, compared with what is valid now.

    Attributes:
        damage: why the file cannot be read; empty if it can.
        outcome: outcome in its footer: WRITE, EMPTY, CLOSED or DEGRADED.
        remark: reason of the outcome, or refused records by reason code.
        rejected_rows: number of refused records.
        changes: what differs now from what made it, e.g. ``MNQ/ticks was built again``; empty if nothing does.
    """

    damage: str = ""
    outcome: str = "WRITE"
    remark: str = ""
    rejected_rows: int = 0
    changes: str = ""


@dataclass(frozen=True, slots=True)
class EventFacts:
    """What the run history says of a day.

    Attributes:
        materialized: there is a materialization.
        is_complete: the latest one says that the session had ended.
        failure: outcome and error of the latest attempt that failed after the latest materialization; empty if there is none.
    """

    materialized: bool = False
    is_complete: bool = False
    failure: str = ""


@dataclass(frozen=True, slots=True)
class Judgement:
    """State and reason of a day; the reason is empty where there is nothing to say."""

    state: State
    reason: str = ""


def judge_day(session: SessionFacts, file: FileFacts | None, events: EventFacts, *, is_expected: bool) -> Judgement:
    """Return the state of one day; see the module for the rules.

    Args:
        session: calendar and clock.
        file: the stored file, None if there is none.
        events: the run history.
        is_expected: False for days before the first one on which anything is known of this dataset and symbol, and for days that are made
            on demand only.
    """
    if file is None:
        return _without_file(session, events, is_expected=is_expected)
    if file.damage:
        return Judgement(State.MISSING, f"the stored file cannot be read: {file.damage}")
    return _with_work(file, events) or _settled(file)


def _with_work(file: FileFacts, events: EventFacts) -> Judgement | None:
    """Judge a readable file that a backfill would look at again; None if there is nothing to do."""
    if events.failure:
        return Judgement(State.REFRESH_FAILED, f"refresh failed, old data kept: {events.failure}")
    if file.changes:
        return Judgement(State.STALE, file.changes)
    if not events.materialized:
        return Judgement(State.STALE, "stored, but the run history does not know it; a backfill compares and adopts it")
    if not events.is_complete:
        return Judgement(State.PARTIAL, "made before its session had ended")
    return None


def _settled(file: FileFacts) -> Judgement:
    """Judge a readable file that is as it should be, with or without a remark."""
    if file.outcome == DEGRADED:
        return Judgement(State.DEGRADED, file.remark or "the source calls its quality reduced")
    if file.rejected_rows:
        return Judgement(State.QUARANTINED, f"{file.rejected_rows:,} records refused: {file.remark}")
    states = {EMPTY: State.EMPTY, CLOSED: State.CLOSED}
    state = states.get(file.outcome, State.COMPLETE)
    return Judgement(state, file.remark if file.outcome in WITHOUT_ROWS else "")


def _without_file(session: SessionFacts, events: EventFacts, *, is_expected: bool) -> Judgement:
    is_waiting = events.failure.startswith(PENDING) and not session.is_over
    if events.failure and not is_waiting:
        return Judgement(State.MISSING, events.failure)
    if events.materialized:
        return Judgement(State.MISSING, "materialized, but its file is gone")
    if not session.is_over:
        return Judgement(State.NOT_DUE, "its session is not over yet")
    if not is_expected:
        return Judgement(State.NOT_EXPECTED)
    if not session.is_open:
        return Judgement(State.CLOSED, session.reason or "no session on this date")
    return Judgement(State.MISSING, "never made")
