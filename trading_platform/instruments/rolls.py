"""Which futures contract is front on a trade date.

Belongs here: the calendar rule per root and the user's explicit rows over it. Does not belong here: volume, prices, exchange holidays: a
roll that falls on a holiday takes effect on the next open trade date by itself. Equity-index futures roll at the session of the Monday of
expiry week, other roots by the offsets in ``registry.toml``.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path

from ..errors import ConfigurationError
from .model import Contract, Instrument, RollAnchor, RollRule
from .registry import Registry
from .rolls_csv import ExplicitRoll, parse_rolls_csv, read_rolls_csv

CALENDAR_RULE = "calendar"

# Two-digit contract years cover 1970-2069, so nothing outside can be named.
_FIRST_YEAR = 1980
_LAST_YEAR = 2069
# Longest time before its delivery month that a row may make a contract front, about 1.5 years. No contract leads that early, but one digit
# of the year mistyped makes it front for years and skips every contract between.
_EARLIEST_MONTHS = 18
_FRIDAY = 4
_WEDNESDAY = 2


@dataclass(frozen=True, slots=True)
class RollWindow:
    """The trade dates on which one contract is front.

    Attributes:
        contract: the front contract.
        first_trade_date: first trade date of the window.
        end_trade_date: first trade date of the next contract (exclusive end).
        rule: where ``first_trade_date`` comes from: ``calendar``, or that of the row of ``rolls.csv``, ``explicit`` or ``volume``.
    """

    contract: Contract
    first_trade_date: date
    end_trade_date: date
    rule: str


@dataclass(frozen=True, slots=True)
class _Timeline:
    """One root: contract ``i`` is front from ``starts[i]`` until before ``starts[i + 1]``."""

    starts: tuple[date, ...]
    contracts: tuple[Contract, ...]
    rules: tuple[str, ...]


class RollTable:
    """The front contract of every root on every trade date: no gap, no overlap, by construction.

    Args:
        registry: roll rules and contract months.
        explicit: rows of ``rolls.csv`` per root, in file order.
    """

    def __init__(self, registry: Registry, explicit: Mapping[str, tuple[ExplicitRoll, ...]]) -> None:
        self._registry = registry
        self._explicit = explicit
        self._timelines: dict[str, _Timeline] = {}
        for root in explicit:
            self._timeline(root)  # so that a contradiction is reported on loading, not on some later day

    def front(self, root: str, trade_date: date) -> Contract:
        """Return the front contract of a trade date (about one microsecond).

        Raises:
            ConfigurationError: E120 unknown root, E125 not a future, E132 date outside the table.
        """
        timeline = self._timeline(root)
        return timeline.contracts[self._position(timeline, root, trade_date)]

    def windows(self, root: str, first: date, last: date) -> list[RollWindow]:
        """Return every window that holds a date of ``first`` to ``last`` (inclusive), whole, in order.

        Raises:
            ConfigurationError: E120 unknown root, E125 not a future, E132 date outside the table.
        """
        timeline = self._timeline(root)
        begin, end = self._position(timeline, root, first), self._position(timeline, root, last)
        return [
            RollWindow(timeline.contracts[i], timeline.starts[i], timeline.starts[i + 1], timeline.rules[i])
            for i in range(begin, end + 1)
        ]

    def _timeline(self, root: str) -> _Timeline:
        timeline = self._timelines.get(root)
        if timeline is None:
            instrument = self._registry.get(root)
            if instrument.roll is None or not instrument.is_future:
                raise ConfigurationError(
                    "E125",
                    f"{root} is no future, so it has no contracts and no rolls (kind {instrument.kind})",
                    "only instruments of the kind future are rolled",
                    "tp instruments list",
                )
            timeline = self._timelines[root] = _build(instrument, instrument.roll, self._explicit.get(root, ()))
        return timeline

    @staticmethod
    def _position(timeline: _Timeline, root: str, trade_date: date) -> int:
        position = bisect_right(timeline.starts, trade_date) - 1
        if not 0 <= position < len(timeline.starts) - 1:
            raise ConfigurationError(
                "E132",
                f"no front contract of {root} on {trade_date}: the roll table covers {timeline.starts[0]} to "
                f"{timeline.starts[-1] - timedelta(days=1)}",
                "contract years have two digits, so the table ends there",
                f"tp rolls show {root}",
            )
        return position


def load_roll_table(registry: Registry, rolls_csv: Path | None = None) -> RollTable:
    """Build the roll table from the registry's rules and the user's file.

    Args:
        registry: roll rules and contract months.
        rolls_csv: ``<home>/rolls.csv`` with ``root,contract,first_trade_date``; None or absent means the calendar rule alone. A row makes
            its contract front from that trade date, instead of the date the rule gives. Contracts of the rule that a later contract's
            row overtakes are skipped.

    Raises:
        ConfigurationError: E130 malformed row, E131 rows that contradict each other or the rule; both name the line.
    """
    if rolls_csv is None or not rolls_csv.is_file():
        return RollTable(registry, {})
    return RollTable(registry, read_rolls_csv(rolls_csv, registry))


def roll_table_of(registry: Registry, text: str) -> RollTable:
    """Build the roll table as a file with this text would give it, so that a change can be tried before it is written.

    Raises:
        ConfigurationError: E130 malformed row, E131 rows that contradict each other or the rule; both name the line.
    """
    return RollTable(registry, parse_rolls_csv(text, registry) if text else {})


def _build(instrument: Instrument, rule: RollRule, explicit: tuple[ExplicitRoll, ...]) -> _Timeline:
    rows = sorted(explicit, key=lambda row: row.contract)
    for row in rows:
        if row.first_trade_date < _months_back(row.contract.expiry_month, _EARLIEST_MONTHS):
            raise _contradiction(
                row,
                f"that is more than {_EARLIEST_MONTHS} months before its delivery month {row.contract.expiry_month:%Y-%m}",
            )
    for earlier, later in pairwise(rows):
        if later.first_trade_date <= earlier.first_trade_date:
            raise _contradiction(later, f"{earlier.contract} of line {earlier.line} starts {earlier.first_trade_date}")
    starts: dict[Contract, tuple[date, str]] = {}
    previous_roll: date | None = None
    for contract in _contracts(instrument, rule):
        if previous_roll is not None:
            starts[contract] = (previous_roll, CALENDAR_RULE)
        previous_roll = _roll_date(rule, contract)
    for row in rows:
        starts = {
            contract: start
            for contract, start in starts.items()
            if contract >= row.contract or start[0] < row.first_trade_date or start[1] != CALENDAR_RULE
        }
        starts[row.contract] = (row.first_trade_date, row.rule)
    order = sorted(starts)
    _refuse_pushed_over(order, starts, rows)
    return _Timeline(tuple(starts[c][0] for c in order), tuple(order), tuple(starts[c][1] for c in order))


def _refuse_pushed_over(
    order: list[Contract], starts: Mapping[Contract, tuple[date, str]], rows: list[ExplicitRoll]
) -> None:
    """Refuse a row that starts a contract only when the rule has already left it: the row alone cannot be meant."""
    by_contract = {row.contract: row for row in rows}
    for contract, following in pairwise(order):
        if starts[following][0] <= starts[contract][0]:
            raise _contradiction(
                by_contract[contract],
                f"the calendar rule starts {following} on {starts[following][0]}; give {following} a row of its own",
            )


def _contradiction(row: ExplicitRoll, because: str) -> ConfigurationError:
    return ConfigurationError(
        "E131",
        f"rolls.csv line {row.line}: {row.contract} cannot start on {row.first_trade_date}, because {because}",
        "a contract must start after every earlier one and in the years of its own trading; the file was not used",
        f"tp rolls show {row.contract.root}",
    )


def _months_back(month: date, count: int) -> date:
    years, number = divmod(month.year * 12 + month.month - 1 - count, 12)
    return date(years, number + 1, 1)


def _contracts(instrument: Instrument, rule: RollRule) -> list[Contract]:
    codes = [code for code in instrument.months if code not in rule.skip]
    return [Contract(instrument.symbol, code, year) for year in range(_FIRST_YEAR, _LAST_YEAR + 1) for code in codes]


def _roll_date(rule: RollRule, contract: Contract) -> date:
    """Return the first trade date on which the contract is no longer front."""
    return _weekdays_back(_anchor(rule.anchor, contract.expiry_month), rule.weekdays_before)


def _anchor(anchor: RollAnchor, month: date) -> date:
    if anchor is RollAnchor.THIRD_FRIDAY:
        return _nth_weekday(month, _FRIDAY, 3)
    if anchor is RollAnchor.THIRD_WEDNESDAY:
        return _nth_weekday(month, _WEDNESDAY, 3)
    last_of_previous = month - timedelta(days=1)
    if anchor is RollAnchor.LAST_WEEKDAY_OF_PREVIOUS_MONTH:
        return _weekday_at_or_before(last_of_previous)
    return _weekday_at_or_before(last_of_previous.replace(day=25))


def _nth_weekday(month: date, weekday: int, n: int) -> date:
    return month + timedelta(days=(weekday - month.weekday()) % 7 + 7 * (n - 1))


def _weekday_at_or_before(day: date) -> date:
    return day - timedelta(days=max(0, day.weekday() - _FRIDAY))


def _weekdays_back(day: date, count: int) -> date:
    weeks, rest = divmod(count, 5)
    day -= timedelta(weeks=weeks)
    for _ in range(rest):
        day = _weekday_at_or_before(day - timedelta(days=1))
    return day
