"""The volume rule: when the next contract has traded more than the front one.

Belongs here: the decision, from volumes per contract and trade date that are handed in. Does not belong here: summing volumes
(``trading_platform.sierra``), trading calendars, what becomes of the decision (``rolls_csv.py``).

Rule: the next contract becomes front at the first session after a session in which its volume exceeded that of the front contract. Only
volumes of sessions before the roll are looked at, and the table never rolls back. What the volumes do not prove is not proposed: then the
date that the roll table has without them stays.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise

from .model import Contract
from .rolls import RollTable, RollWindow
from .rolls_csv import EXPLICIT_RULE

_NO_RECORDS = "no records of this session"
_A_YEAR = timedelta(days=366)


@dataclass(frozen=True, slots=True)
class SessionVolume:
    """What one contract traded on one trade date.

    Attributes:
        volume: contracts; None if it is not known for the whole session.
        reason: why it is not known; None if it is.
    """

    volume: int | None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class ContractVolumes:
    """What one contract traded.

    Attributes:
        sessions: volume by trade date; a date without an entry has no records.
        problem: why nothing is known of the contract at all; None if something is.
    """

    sessions: Mapping[date, SessionVolume]
    problem: str | None = None

    def on(self, trade_date: date) -> SessionVolume:
        """Return the volume of a trade date; unknown, with the reason, where there are no records."""
        return self.sessions.get(trade_date) or SessionVolume(None, _NO_RECORDS)


@dataclass(frozen=True, slots=True)
class RollProposal:
    """What the volumes say about one roll.

    Attributes:
        from_contract: the contract that is front before.
        to_contract: the contract that becomes front.
        calendar_date: first trade date of ``to_contract`` by the calendar rule; None if the rule passes it over.
        table_date: its first trade date in the present roll table.
        table_rule: where that date comes from: ``calendar``, ``explicit`` or ``volume``.
        volume_date: its first trade date by the volume rule; None if the volumes do not prove one.
        deciding_session: the session in which it traded more; None without ``volume_date``.
        from_volume: contracts of ``from_contract`` traded in the deciding session.
        to_volume: contracts of ``to_contract`` traded in the deciding session.
        reason: why there is no ``volume_date``; None if there is one.
        undecided: sessions between the first that both volumes are known of and the decision in which one of them is not, with the reason.
    """

    from_contract: Contract
    to_contract: Contract
    calendar_date: date | None
    table_date: date
    table_rule: str
    volume_date: date | None
    deciding_session: date | None
    from_volume: int | None
    to_volume: int | None
    reason: str | None
    undecided: tuple[tuple[date, str], ...]

    @property
    def contradicts_explicit(self) -> bool:
        """Tell whether an explicit row of the user says another date than the volumes."""
        return self.table_rule == EXPLICIT_RULE and self.volume_date not in (None, self.table_date)


@dataclass(frozen=True, slots=True)
class _Verdict:
    """Outcome of one search."""

    session: date | None
    reason: str | None
    undecided: tuple[tuple[date, str], ...]


def propose_rolls(
    table: RollTable,
    calendar: RollTable,
    root: str,
    volumes: Mapping[Contract, ContractVolumes],
    sessions: Sequence[date],
    session_after: date,
    *,
    replace_explicit: bool = False,
) -> tuple[RollProposal, ...]:
    """Compare volumes roll by roll, from the front contract of the first session to the one of the session after the last.

    Args:
        table: the present roll table; its explicit dates hold, because they are the user's.
        calendar: the table without rows, for comparison.
        root: root of the contracts.
        volumes: volumes by contract; a contract without an entry has no file.
        sessions: open trade dates, ascending and without a gap, all of them over: a running session decides nothing.
        session_after: the open trade date after the last of them, the first one that a decision can concern.
        replace_explicit: let volumes win over explicit dates.

    Returns:
        One proposal per roll away from a contract that is front on one of the sessions, in order. Each depends only on volumes of sessions
        before its date.

    Raises:
        ConfigurationError: E120 unknown root, E125 not a future, E132 date outside the table.
    """
    if not sessions:
        return ()
    windows = table.windows(root, sessions[0], session_after)
    windows += table.windows(root, windows[-1].end_trade_date, windows[-1].end_trade_date)
    search = _Search(volumes, [*sessions, session_after])
    calendar_dates = {
        window.contract: window.first_trade_date
        for window in calendar.windows(root, windows[0].first_trade_date, windows[-1].first_trade_date + _A_YEAR)
    }
    proposals: list[RollProposal] = []
    start = windows[0].first_trade_date
    for current, following in pairwise(windows):
        if start > sessions[-1]:
            break
        verdict = search.first_crossing(current.contract, following, start)
        by_rule = calendar_dates.get(following.contract)
        proposals.append(search.proposal(current.contract, following, verdict, by_rule))
        rolls_on = proposals[-1].volume_date
        holds = following.rule == EXPLICIT_RULE and not replace_explicit
        start = following.first_trade_date if holds or rolls_on is None else rolls_on
    return tuple(proposals)


class _Search:
    """Looks for crossings.

    Args:
        volumes: by contract.
        open_dates: the sessions, and the one after them, of which no volume is looked at.
    """

    def __init__(self, volumes: Mapping[Contract, ContractVolumes], open_dates: Sequence[date]) -> None:
        self._volumes = volumes
        self._open_dates = open_dates

    def first_crossing(self, current: Contract, following: RollWindow, start: date) -> _Verdict:
        """Find the first session from ``start`` on in which the next contract traded more.

        It counts only if it is known that the session before was none: else the crossing may lie further back.
        """
        contract, dates = following.contract, self._open_dates
        problem = self._problem(current) or self._problem(contract)
        if problem is not None:
            return _Verdict(None, problem, ())
        begin = bisect_left(dates, start)
        doubt = "sessions before it were not looked at" if start < dates[0] else None
        undecided: list[tuple[date, str]] = []
        compared, between = 0, 0
        for day, day_after in pairwise(dates[begin:]):
            if day_after >= following.end_trade_date:
                until = f"before {following.end_trade_date}, when {contract} is replaced itself"
                return _Verdict(None, _never(current, contract, compared, until), tuple(undecided[:between]))
            unknown = self._unknown(current, day) or self._unknown(contract, day)
            if unknown is not None:
                doubt = f"{day}: {unknown}"
                if compared:
                    undecided.append((day, unknown))
                continue
            if self._volume(contract, day) > self._volume(current, day):
                if doubt is None:
                    return _Verdict(day, None, tuple(undecided))
                return _Verdict(
                    None, f"{contract} traded more on {day}, but may have done so before ({doubt})", tuple(undecided)
                )
            compared, between, doubt = compared + 1, len(undecided), None
        return _Verdict(None, _never(current, contract, compared, f"up to {dates[-2]}"), tuple(undecided[:between]))

    def proposal(
        self, current: Contract, following: RollWindow, verdict: _Verdict, calendar_date: date | None
    ) -> RollProposal:
        """Put a verdict beside the dates of the tables."""
        day, contract, dates = verdict.session, following.contract, self._open_dates
        return RollProposal(
            current,
            contract,
            calendar_date,
            following.first_trade_date,
            following.rule,
            None if day is None else dates[bisect_left(dates, day) + 1],
            day,
            None if day is None else self._volume(current, day),
            None if day is None else self._volume(contract, day),
            verdict.reason,
            verdict.undecided,
        )

    def _problem(self, contract: Contract) -> str | None:
        known = self._volumes.get(contract)
        problem = "there is no file of it" if known is None else known.problem
        return None if problem is None else f"the volume of {contract} is not known: {problem}"

    def _unknown(self, contract: Contract, day: date) -> str | None:
        found = self._volumes[contract].on(day)
        return None if found.volume is not None else f"{contract}: {found.reason}"

    def _volume(self, contract: Contract, day: date) -> int:
        return self._volumes[contract].on(day).volume or 0


def _never(current: Contract, following: Contract, compared: int, until: str) -> str:
    if compared == 0:
        return f"there is no session of which the volumes of both {current} and {following} are known"
    return f"{following} did not trade more than {current} on any of {compared} sessions {until}"
