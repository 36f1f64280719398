"""What contracts cost at the moment of a roll: ``roll_gaps.csv`` in the home.

Belongs here: the record, reading and writing the table. Does not belong here: measuring (``trading_platform.sierra``), adjusting prices
(``trading_platform.lake``). A gap is the difference between two contracts at one instant; the difference between one day's close and the
next day's open is none, because the market moves in between.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from ..errors import ConfigurationError, command
from .model import Contract, Instrument
from .registry import Registry

# A gap is measured from two trades at most a minute apart, in the session before the roll. Ten days hold every weekend with its holidays.
_LARGEST_APART_US = 60_000_000
_MEASURED_WITHIN_DAYS = 10


@dataclass(frozen=True, slots=True)
class RollGap:
    """Prices of both contracts of a roll at one instant of the last session before it.

    Attributes:
        from_contract: the contract that is front before.
        to_contract: the contract that becomes front.
        first_trade_date: its first trade date as front; a gap is valid for this date only.
        from_price: price of the last trade of ``from_contract`` at that instant, points.
        to_price: price of the last trade of ``to_contract`` at that instant, points.
        measured_at: the instant, that of the later of the two trades; aware, UTC.
        apart_us: microseconds between the two trades.
    """

    from_contract: Contract
    to_contract: Contract
    first_trade_date: date
    from_price: float
    to_price: float
    measured_at: datetime
    apart_us: int

    @property
    def difference(self) -> float:
        """Return how much dearer the new contract is, points."""
        return self.to_price - self.from_price

    @property
    def key(self) -> tuple[Contract, Contract, date]:
        """Return what names the roll."""
        return self.from_contract, self.to_contract, self.first_trade_date


COLUMNS = ("root", *(field.name for field in fields(RollGap)))


def read_roll_gaps(path: Path, registry: Registry) -> dict[tuple[Contract, Contract, date], RollGap]:
    """Read the table; a file that does not exist is an empty one.

    Args:
        path: the table.
        registry: price bands of the roots.

    Returns:
        Gaps by contracts and date, in file order.

    Raises:
        ConfigurationError: E135 naming the line: wrong header or field, a root that is no future, contracts out of order, the same roll
            twice, prices outside the band of the instrument, trades more than 60 s apart, an instant that is not within the 10 days
            before the roll.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise _malformed(path, 1, str(error)) from error
    gaps: dict[tuple[Contract, Contract, date], RollGap] = {}
    lines: dict[tuple[Contract, Contract, date], int] = {}
    for line, row in enumerate(csv.reader(text.splitlines()), start=1):
        if line == 1 and tuple(row) != COLUMNS:
            raise _malformed(path, line, f"expected the header {','.join(COLUMNS)}")
        if line == 1 or not row:
            continue
        try:
            gap = _gap(row)
            _require_credible(gap, registry)
        except (ValueError, ConfigurationError) as error:
            raise _malformed(path, line, str(error)) from error
        if gap.key in gaps:
            what = f"the roll from {gap.from_contract} to {gap.to_contract} on {gap.first_trade_date}"
            raise _malformed(path, line, f"{what} is already in line {lines[gap.key]}")
        gaps[gap.key], lines[gap.key] = gap, line
    return gaps


def roll_gaps_text(gaps: Iterable[RollGap]) -> str:
    """Return the table as text, ordered by contract and date."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for gap in sorted(gaps, key=lambda gap: (gap.to_contract, gap.from_contract, gap.first_trade_date)):
        values = [value.isoformat() if isinstance(value, date) else value for value in _values(gap)]
        writer.writerow([gap.to_contract.root, *values])
    return text.getvalue()


def _values(gap: RollGap) -> list[object]:
    """Return the fields in their order; ``csv`` writes floats in their shortest exact form."""
    return [gap.from_contract, gap.to_contract, *(getattr(gap, field.name) for field in fields(gap)[2:])]


def _gap(row: list[str]) -> RollGap:
    if len(row) != len(COLUMNS):
        raise ValueError(f"expected {len(COLUMNS)} fields, was {len(row)}")
    root, old, new, day, from_price, to_price, instant, apart_us = row
    measured_at = datetime.fromisoformat(instant)
    if measured_at.tzinfo is None:
        raise ValueError(f"expected an instant with its offset from UTC, was {instant}")
    gap = RollGap(
        Contract.parse(old),
        Contract.parse(new),
        date.fromisoformat(day),
        float(from_price),
        float(to_price),
        measured_at.astimezone(UTC),
        int(apart_us),
    )
    if not root == gap.from_contract.root == gap.to_contract.root or not gap.from_contract < gap.to_contract:
        raise ValueError(f"expected two contracts of {root}, the later one second, was {old}, {new}")
    return gap


def _require_credible(gap: RollGap, registry: Registry) -> None:
    """Refuse what no measurement gives.

    Raises:
        ValueError: with what was expected.
    """
    instrument = registry.instruments.get(gap.from_contract.root)
    if instrument is None or not instrument.is_future:
        raise ValueError(f"expected the root of a future, was {gap.from_contract.root}")
    low, high = _price_limits(instrument)
    for price in (gap.from_price, gap.to_price):
        if not low <= price <= high:  # a NaN fails it too
            raise ValueError(f"expected a price of {instrument.symbol} from {low:g} to {high:g}, was {price}")
    if not 0 <= gap.apart_us <= _LARGEST_APART_US:
        raise ValueError(f"expected trades 0 to {_LARGEST_APART_US} microseconds apart, was {gap.apart_us}")
    last = gap.first_trade_date - timedelta(days=1)
    first = gap.first_trade_date - timedelta(days=_MEASURED_WITHIN_DAYS)
    if not first <= gap.measured_at.date() <= last:
        raise ValueError(f"expected an instant from {first} to {last} UTC, was {gap.measured_at.isoformat()}")


def _price_limits(instrument: Instrument) -> tuple[float, float]:
    """Return the lowest and highest credible price; the band bounds a median, and where prices may be negative only its height counts."""
    low, high = instrument.price_band
    return (-high, high) if instrument.allows_negative else (low, high)


def _malformed(path: Path, line: int, what: str) -> ConfigurationError:
    return ConfigurationError(
        "E135",
        f"{path.name} line {line}: {what}",
        "tp rolls gaps writes this table and can write it anew; no row of it was used",
        command("tp", "rolls", "gaps", "--help"),
    )
