"""The board: one state per dataset, symbol and day, in arrays.

Belongs here: the board, its counts, its reasons grouped for people. Does not belong here: how cells are judged (``judge.py``), where
facts come from (``assemble.py``), how it is shown (``text.py``, ``html.py``, ``picture.py``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime

import numpy as np

from .files import Texts
from .judge import Judgement
from .packed import Array
from .series import Series
from .states import CODE_OF, GRAVITY, State

# Digits with what stands between those of dates, times and numbers.
_NUMBERS = re.compile(r"\d[\d.,:T+-]*")
SETTLED_CODES = np.array([code for code, state in enumerate(GRAVITY) if state.is_settled], np.uint8)


@dataclass(frozen=True, slots=True)
class Cell:
    """One day of one dataset and symbol."""

    dataset: str
    symbol: str
    trade_date: date
    state: State
    reason: str


@dataclass(frozen=True, slots=True)
class Group:
    """Days that share state and reason, in one stretch of the board, of one or more rows.

    Attributes:
        series: the rows.
        state: of all of them.
        first: first of the days.
        last: last of the days.
        days: how many days they are.
        reason: reason of the first day of the first row.
        is_first_of_many: other days or rows say the same with other numbers or contracts.
        upstream: names of what has to be made first.
    """

    series: tuple[Series, ...]
    state: State
    first: date
    last: date
    days: int
    reason: str
    is_first_of_many: bool = False
    upstream: tuple[str, ...] = ()

    @property
    def why(self) -> str:
        """Return the reason; if it is only that of the first day, it says so."""
        return f"first: {self.reason}" if self.is_first_of_many else self.reason

    @property
    def names(self) -> str:
        """Return the asset keys, separated by blanks."""
        return " ".join(series.name for series in self.series)

    @property
    def dates(self) -> str:
        """Return the days as people write them."""
        return f"{self.first}" if self.days == 1 else f"{self.first} to {self.last} ({self.days:,} days)"

    @property
    def next_command(self) -> str:
        """Return the command that repairs these days, or shows what a person has to look at."""
        rejects = self.series[0].rejects
        if self.state is State.QUARANTINED and rejects:
            symbols = ", ".join(f"'{symbol}'" for symbol in dict.fromkeys(series.symbol for series in self.series))
            where = f"symbol in ({symbols}) and trade_date between '{self.first}' and '{self.last}'"
            return f'tp sql "select reason, count(*) from {rejects} where {where} group by reason"'  # noqa: S608 to paste
        force = " --force" if self.state in {State.DEGRADED, State.QUARANTINED} else ""
        names = " ".join(dict.fromkeys([*self.upstream, *(series.name for series in self.series)]))
        return f"tp backfill {names} --from {self.first} --to {self.last}{force}"


@dataclass
class Board:
    """States and reasons of all rows and days.

    Attributes:
        series: the rows.
        days: the columns: weekdays, ascending.
        made_at: the instant for which it holds, UTC.
        codes: uint8[rows, days], position of the state in ``GRAVITY``.
        reasons: int32[rows, days], number of the reason in ``texts``; 0 is none.
        is_over: bool[rows, days], the session of the day can add no more data.
        texts: the reasons.
        nothing_yet: rows of which nothing is stored and nothing was ever attempted, by index.
        is_synthetic: some stored partition holds generated data.
        waits_for: upstreams that have to be made first, by number of the reason that says so.
    """

    series: Sequence[Series]
    days: Sequence[date]
    made_at: datetime
    codes: Array = field(init=False)
    reasons: Array = field(init=False)
    is_over: Array = field(init=False)
    texts: Texts = field(default_factory=Texts)
    nothing_yet: set[int] = field(default_factory=set)
    is_synthetic: bool = False
    waits_for: dict[int, tuple[str, ...]] = field(default_factory=dict)
    _known_words: dict[tuple[int, str], str] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        """Make the arrays."""
        shape = (len(self.series), len(self.days))
        self.codes = np.full(shape, CODE_OF[State.NOT_EXPECTED], np.uint8)
        self.reasons = np.zeros(shape, np.int32)
        self.is_over = np.ones(shape, np.bool_)

    def put(self, row: int, column: int, judgement: Judgement) -> None:
        """Set one cell."""
        self.codes[row, column] = CODE_OF[judgement.state]
        self.reasons[row, column] = self.texts.number(judgement.reason)

    def wait_for(self, reason: str, upstream: Sequence[str]) -> None:
        """Note of a reason that upstreams have to be made first."""
        if upstream:
            self.waits_for[self.texts.number(reason)] = tuple(upstream)

    def state(self, row: int, column: int) -> State:
        """Return the state of one cell."""
        return GRAVITY[int(self.codes[row, column])]

    def cell(self, row: int, column: int) -> Cell:
        """Return one cell."""
        series = self.series[row]
        reason = self.texts[int(self.reasons[row, column])]
        return Cell(series.dataset, series.symbol, self.days[column], self.state(row, column), reason)

    def unsettled(self, row: int) -> Iterator[Cell]:
        """Yield the days of a row that have something to say."""
        for column in np.flatnonzero(~np.isin(self.codes[row], SETTLED_CODES)).tolist():
            yield self.cell(row, column)

    def counts(self, row: int | None = None) -> dict[State, int]:
        """Count days by state, for one row or for all; states without a day and days that are not expected are left out."""
        codes = self.codes if row is None else self.codes[row]
        numbers = np.bincount(codes.ravel(), minlength=len(GRAVITY)).tolist()
        return {
            state: count
            for state, count in zip(reversed(GRAVITY), reversed(numbers), strict=True)
            if count and state is not State.NOT_EXPECTED
        }

    def needs_work(self) -> int:
        """Count the days that a backfill should repair: missing, stale, refresh failed, or partial although the session is over."""
        bad = [code for code, state in enumerate(GRAVITY) if state.needs_work]
        late = (self.codes == CODE_OF[State.PARTIAL]) & self.is_over
        return int((np.isin(self.codes, bad) | late).sum())

    def groups(self, row: int) -> Iterator[Group]:
        """Yield the unsettled days of a row, neighbours of one state and one reason together.

        Days are neighbours if only settled days without work (closed ones) lie between them. Reasons count as one if they have the same
        words, whatever the numbers, dates and contracts.
        """
        codes, start = self.codes[row], -1
        held: list[int] = []
        key: tuple[int, str] | None = None
        unsettled = np.flatnonzero(~np.isin(codes, SETTLED_CODES)).tolist()
        for column in unsettled:
            this = (int(codes[column]), self._words(row, column))
            if this != key or not self._only_closed(row, start, column):
                if held:
                    yield self._group(row, held)
                held, key = [], this
            held.append(column)
            start = column
        if held:
            yield self._group(row, held)

    def reasons_in_order(self) -> list[Group]:
        """Return the groups of all rows, the gravest first; rows with the same days and the same reason stand together."""
        together: dict[tuple[object, ...], list[Group]] = {}
        for row, series in enumerate(self.series):
            for group in self.groups(row):
                words = _words_of(group.reason.replace(series.name, "NAME"), series.symbol)
                key = (group.state, group.first, group.last, group.days, words, series.rejects)
                together.setdefault(key, []).append(group)
        return sorted((_merged(groups) for groups in together.values()), key=lambda group: -CODE_OF[group.state])

    def worst(self, edges: Sequence[int]) -> Array:
        """Return the gravest state of each stretch of days.

        Args:
            edges: first column of each stretch, ascending, beginning with 0.

        Returns:
            uint8[rows, stretches], codes.
        """
        result: Array = np.maximum.reduceat(self.codes, list(edges), axis=1)
        return result

    def _only_closed(self, row: int, start: int, stop: int) -> bool:
        return bool((self.codes[row, start + 1 : stop] == CODE_OF[State.CLOSED]).all())

    def _words(self, row: int, column: int) -> str:
        number, symbol = int(self.reasons[row, column]), self.series[row].symbol
        known = self._known_words.get((number, symbol))
        if known is None:
            known = self._known_words[number, symbol] = _words_of(self.texts[number], symbol)
        return known

    def _group(self, row: int, columns: Sequence[int]) -> Group:
        first = self.cell(row, columns[0])
        numbers = dict.fromkeys(self.reasons[row, columns].tolist())
        upstream = (name for number in numbers for name in self.waits_for.get(number, ()))
        return Group(
            (self.series[row],),
            first.state,
            first.trade_date,
            self.days[columns[-1]],
            len(columns),
            first.reason,
            len(numbers) > 1,
            tuple(dict.fromkeys(upstream)),
        )


def _words_of(reason: str, symbol: str) -> str:
    """Return a reason without its numbers, dates and contracts of the symbol, the same for all days that say the same."""
    without_contracts = re.sub(
        rf"(?<![A-Za-z0-9]){re.escape(symbol)}[FGHJKMNQUVXZ]\d{{1,2}}(?![A-Za-z0-9])", "#", reason
    )
    return _NUMBERS.sub("#", without_contracts)


def _merged(groups: Sequence[Group]) -> Group:
    """Return one group for the same days of several rows."""
    first = groups[0]
    reasons = {group.reason.replace(group.series[0].name, "NAME") for group in groups}
    return replace(
        first,
        series=tuple(group.series[0] for group in groups),
        is_first_of_many=len(reasons) > 1 or any(group.is_first_of_many for group in groups),
        upstream=tuple(dict.fromkeys(name for group in groups for name in group.upstream)),
    )
