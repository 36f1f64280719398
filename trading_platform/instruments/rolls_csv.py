"""The user's explicit rolls: ``rolls.csv`` with ``root,contract,first_trade_date``.

Belongs here: reading the file, row by row, with the line in every complaint. Does not belong here: what the rows do (``rolls.py``).
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from ..errors import ConfigurationError
from .model import Contract
from .registry import Registry

COLUMNS = ("root", "contract", "first_trade_date")
_SATURDAY = 5


@dataclass(frozen=True, slots=True)
class ExplicitRoll:
    """One row: from ``first_trade_date`` on ``contract`` is front.

    Attributes:
        contract: the contract that becomes front.
        first_trade_date: its first trade date as front.
        line: line number in the file, from 1, for messages.
    """

    contract: Contract
    first_trade_date: date
    line: int


def read_rolls_csv(path: Path, registry: Registry) -> dict[str, tuple[ExplicitRoll, ...]]:
    """Read the file; blank lines and lines that begin with ``#`` are skipped.

    Returns:
        root -> its rows in file order.

    Raises:
        ConfigurationError: E130 naming the line: wrong header, number of fields, unknown root, contract of another root or of a month the
            root does not list, no ISO date, a weekend, or the same contract twice.
    """
    rolls: dict[str, list[ExplicitRoll]] = {}
    seen: dict[Contract, int] = {}
    header_read = False
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise _malformed(path, 1, f"cannot be read: {error}") from error
    for line, content in enumerate(text.splitlines(), start=1):
        if not content.strip() or content.lstrip().startswith("#"):
            continue
        fields = [field.strip() for field in next(csv.reader([content]))]
        if not header_read:
            if tuple(fields) != COLUMNS:
                raise _malformed(path, line, f"expected the header {','.join(COLUMNS)}, was {content!r}")
            header_read = True
            continue
        roll = _row(path, line, fields, registry)
        if roll.contract in seen:
            raise _malformed(path, line, f"{roll.contract} is already in line {seen[roll.contract]}")
        seen[roll.contract] = line
        rolls.setdefault(roll.contract.root, []).append(roll)
    return {root: tuple(rows) for root, rows in rolls.items()}


def _row(path: Path, line: int, fields: list[str], registry: Registry) -> ExplicitRoll:
    if len(fields) != len(COLUMNS):
        raise _malformed(path, line, f"expected {len(COLUMNS)} fields ({','.join(COLUMNS)}), was {len(fields)}")
    root, symbol, day = fields
    instrument = registry.instruments.get(root)
    if instrument is None or not instrument.is_future:
        raise _malformed(path, line, f"expected the root of a future, was {root!r}")
    try:
        contract = Contract.parse(symbol)
    except ConfigurationError as error:
        raise _malformed(
            path, line, f"expected a contract such as {root}{instrument.months[0]}26, was {symbol!r}"
        ) from error
    if contract.root != root or contract.month_code not in instrument.months:
        raise _malformed(path, line, f"expected a contract of {root} in a month of {instrument.months}, was {symbol!r}")
    try:
        trade_date = date.fromisoformat(day)
    except ValueError as error:
        raise _malformed(path, line, f"expected a date such as 2025-12-15, was {day!r}") from error
    if trade_date.weekday() >= _SATURDAY:
        raise _malformed(path, line, f"expected a trade date, was the weekend day {day}")
    return ExplicitRoll(contract, trade_date, line)


def _malformed(path: Path, line: int, what: str) -> ConfigurationError:
    return ConfigurationError(
        "E130",
        f"{path.name} line {line}: {what}",
        "the row is malformed; no row of the file was used",
        "tp instruments list",
    )
