"""The rolls that a home states: ``rolls.csv`` with ``root,contract,first_trade_date`` and, since there is a volume rule, ``rule``.

Belongs here: reading the file, row by row, with the line in every complaint, and adding rows to it. Does not belong here: what the rows do
(``rolls.py``), which rows the volumes prove (``crossover.py``).
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from ..errors import ConfigurationError, command
from ..files import replace_file
from .model import Contract
from .registry import Registry

COLUMNS = ("root", "contract", "first_trade_date")
RULE_COLUMN = "rule"
EXPLICIT_RULE = "explicit"
VOLUME_RULE = "volume"
_RULES = (EXPLICIT_RULE, VOLUME_RULE)
_SATURDAY = 5
_NEW_FILE = (
    "# First trade date of a contract as front contract; contracts without a row follow the calendar rule.",
    "# Rows of the rule volume are written by tp rolls build; rows of the rule explicit are yours and win over it.",
    ",".join((*COLUMNS, RULE_COLUMN)),
)


@dataclass(frozen=True, slots=True)
class ExplicitRoll:
    """One row: from ``first_trade_date`` on ``contract`` is front.

    Attributes:
        contract: the contract that becomes front.
        first_trade_date: its first trade date as front.
        line: line number in the file, from 1, for messages.
        rule: ``explicit`` for a row of the user, ``volume`` for one that ``tp rolls build`` wrote.
    """

    contract: Contract
    first_trade_date: date
    line: int
    rule: str = EXPLICIT_RULE


def read_rolls_csv(path: Path, registry: Registry) -> dict[str, tuple[ExplicitRoll, ...]]:
    """Read the file; see :func:`parse_rolls_csv`.

    Raises:
        ConfigurationError: E130 naming the line.
    """
    return parse_rolls_csv(read_rolls_text(path), registry, path.name)


def read_rolls_text(path: Path) -> str:
    """Return the text of the file; empty if there is none.

    Raises:
        ConfigurationError: E130 if it cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise _malformed(path.name, 1, f"cannot be read: {error}") from error


def parse_rolls_csv(text: str, registry: Registry, name: str = "rolls.csv") -> dict[str, tuple[ExplicitRoll, ...]]:
    """Read rows; blank lines and lines that begin with ``#`` are skipped.

    The column ``rule`` may be missing, and so may its value: such rows are the user's.

    Returns:
        root -> its rows in file order.

    Raises:
        ConfigurationError: E130 naming the line: wrong header, number of fields, unknown root, contract of another root or of a month the
            root does not list, no ISO date, a weekend, an unknown rule, or the same contract twice.
    """
    rolls: dict[str, list[ExplicitRoll]] = {}
    seen: dict[Contract, int] = {}
    width = 0
    for line, content in enumerate(text.splitlines(), start=1):
        if not _is_row(content):
            continue
        fields = _fields(content)
        if width == 0:
            if tuple(fields) not in (COLUMNS, (*COLUMNS, RULE_COLUMN)):
                raise _malformed(
                    name,
                    line,
                    f"expected the header {','.join(COLUMNS)} or the same with ,{RULE_COLUMN}, was {content!r}",
                )
            width = len(fields)
            continue
        roll = _row(name, line, fields, width, registry)
        if roll.contract in seen:
            raise _malformed(name, line, f"{roll.contract} is already in line {seen[roll.contract]}")
        seen[roll.contract] = line
        rolls.setdefault(roll.contract.root, []).append(roll)
    return {root: tuple(rows) for root, rows in rolls.items()}


def with_volume_rolls(text: str, rolls: Mapping[Contract, date], registry: Registry, *, replace_explicit: bool) -> str:
    """Return the text with rows of the rule ``volume``; comments, order and the user's rows stay.

    Args:
        text: the present file, may be empty.
        rolls: first trade date per contract. A row of the rule ``volume`` is replaced. A row of the user stays, also where the
            dates differ, unless ``replace_explicit``; one with the same date always stays.
        registry: to read the present rows.
        replace_explicit: replace rows of the user that say another date.

    Returns:
        The new text; the same text if it says all of it already.

    Raises:
        ConfigurationError: E130 if the present text is malformed.
    """
    rows = {row.contract: row for of_root in parse_rolls_csv(text, registry).values() for row in of_root}
    changed: dict[int, str] = {}
    added: list[Contract] = []
    for contract, first_trade_date in rolls.items():
        row = rows.get(contract)
        if row is None:
            added.append(contract)
        elif row.first_trade_date != first_trade_date and (row.rule == VOLUME_RULE or replace_explicit):
            changed[row.line] = _volume_row(contract, first_trade_date)
    if not added and not changed:
        return text
    lines = _with_rule_column(text.splitlines() or list(_NEW_FILE), changed)
    lines += [_volume_row(contract, rolls[contract]) for contract in sorted(added)]
    return "\n".join(lines) + "\n"


def replace_csv(path: Path, text: str) -> None:
    """Replace a table of the home at once: after a crash it is the old one or the new one.

    Raises:
        ConfigurationError: E133 if the system refuses; the old file stays.
    """
    try:
        replace_file(path, lambda file: file.write(text.encode()))
    except OSError as error:
        raise ConfigurationError(
            "E133",
            f"{path.name} cannot be written: {error.strerror or error}",
            "the home folder may not be written, or the disk is full; the file is as it was",
            command("tp", "config"),
        ) from error


def _with_rule_column(lines: list[str], changed: Mapping[int, str]) -> list[str]:
    """Return the lines with changed rows in place and, if the file had no rule column, with one."""
    rows = [number for number, content in enumerate(lines, start=1) if _is_row(content)]
    has_rule = RULE_COLUMN in _fields(lines[rows[0] - 1])
    new = list(lines)
    for number in rows:
        content = lines[number - 1].rstrip()
        ending = "" if has_rule else f",{RULE_COLUMN if number == rows[0] else EXPLICIT_RULE}"
        new[number - 1] = changed.get(number) or content + ending
    return new


def _volume_row(contract: Contract, first_trade_date: date) -> str:
    return f"{contract.root},{contract},{first_trade_date},{VOLUME_RULE}"


def _is_row(content: str) -> bool:
    return bool(content.strip()) and not content.lstrip().startswith("#")


def _fields(content: str) -> list[str]:
    return [field.strip() for field in next(csv.reader([content]))]


def _row(name: str, line: int, fields: list[str], width: int, registry: Registry) -> ExplicitRoll:
    if len(fields) != width:
        expected = ",".join((*COLUMNS, RULE_COLUMN)[:width])
        raise _malformed(name, line, f"expected {width} fields ({expected}), was {len(fields)}")
    root, symbol, day, *given = fields
    instrument = registry.instruments.get(root)
    if instrument is None or not instrument.is_future:
        raise _malformed(name, line, f"expected the root of a future, was {root!r}")
    try:
        contract = Contract.parse(symbol)
    except ConfigurationError as error:
        raise _malformed(
            name, line, f"expected a contract such as {root}{instrument.months[0]}26, was {symbol!r}"
        ) from error
    if contract.root != root or contract.month_code not in instrument.months:
        raise _malformed(name, line, f"expected a contract of {root} in a month of {instrument.months}, was {symbol!r}")
    try:
        trade_date = date.fromisoformat(day)
    except ValueError as error:
        raise _malformed(name, line, f"expected a date such as 2025-12-15, was {day!r}") from error
    if trade_date.weekday() >= _SATURDAY:
        raise _malformed(name, line, f"expected a trade date, was the weekend day {day}")
    rule = given[0] if given and given[0] else EXPLICIT_RULE
    if rule not in _RULES:
        raise _malformed(name, line, f"expected a rule of {', '.join(_RULES)}, was {rule!r}")
    return ExplicitRoll(contract, trade_date, line, rule)


def _malformed(name: str, line: int, what: str) -> ConfigurationError:
    return ConfigurationError(
        "E130",
        f"{name} line {line}: {what}",
        "the row is malformed; no row of the file was used",
        "tp doctor",
    )
