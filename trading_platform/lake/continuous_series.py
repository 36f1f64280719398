"""One series of prices across the rolls of a future, unadjusted or back-adjusted.

Belongs here: joining stored days, marking rolls, shifting or scaling older contracts by measured gaps. Does not belong here: which contract
is front (``instruments.rolls``) and measuring gaps (``sierra.gap_measurement``).

A view, computed when it is asked for: nothing adjusted is ever stored, because each new roll would change all of it. It exists in Python
only; the SQL views show the stored prices with their contract.

Adjusting backward: the last contract of the range keeps its prices. A row of an older contract gets, for every roll between it and the last
contract, the gap ``to_price - from_price`` added (``difference``) or the factor ``to_price / from_price`` (``ratio``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import date
from itertools import pairwise
from typing import TYPE_CHECKING, Literal, get_args

import polars as pl

from ..errors import LakeError, command
from ..instruments import Contract, RollTable, RollWindow
from ..instruments.roll_gaps_csv import RollGap
from . import reader
from .contracts import BARS_1M, BARS_1S, TICKS

if TYPE_CHECKING:
    from .local import Lake

Adjustment = Literal["none", "difference", "ratio"]
DATASETS = (BARS_1M.name, BARS_1S.name, TICKS.name)

_PRICE_UNIT = "points"
_NOTIONAL_UNIT = "points x contracts"
_CONTRACT, _VOLUME = "contract", "volume"
# The average of a bar lies on no tick grid, all other prices do.
_OFF_GRID = ("vwap",)
# Offsets are differences of prices on the tick grid, so the sum is on it too; nine decimals hold every grid and take the noise of the last
# bit off.
_DECIMALS = 9


def continuous(
    lake: Lake,
    rolls: RollTable,
    gaps: Mapping[tuple[Contract, Contract, date], RollGap],
    symbol: str,
    days: reader.Day | tuple[reader.Day, reader.Day],
    *,
    dataset: str = BARS_1M.name,
    adjust: Adjustment = "none",
    columns: Sequence[str] | None = None,
    missing: reader.Missing = "error",
) -> pl.DataFrame:
    """Read the front contract of every day as one series.

    Args:
        lake: where the partitions are.
        rolls: the roll table; every stored row must be of its front contract.
        gaps: measured gaps by contracts and roll date; only those between the first and the last contract of the result are needed.
        symbol: root of the future.
        days: one trade date, or first and last trade date, both included; dates or text such as ``2025-03-10``.
        dataset: ``bars_1m``, ``bars_1s`` or ``ticks``.
        adjust: ``none`` alters nothing; ``difference`` adds the gaps, so that points gained and lost stay true; ``ratio`` multiplies,
            so that returns stay true.
        columns: columns of the dataset to return, in this order; all if None. ``symbol``, ``trade_date``, ``contract``, ``roll``
            and ``adjustment`` are always there.
        missing: ``"error"`` refuses a range with a weekday that has no file; ``"skip"`` leaves such days out.

    Returns:
        The frame of ``lake.read`` with these columns added at its end, if they are not among it: contract cat; roll bool, true in the first
        row of each contract but the first; adjustment f64, never null: points added (``difference``, 0 for ``none``) or factor
        (``ratio``). Columns in points are adjusted, null stays null; ``difference`` leaves them on the tick grid but for ``vwap``, which is
        on none, ``ratio`` takes them off it. ``notional`` is adjusted to that of the adjusted prices. Volumes and counts never change.

    Raises:
        LakeError: E505, E507, E508 as ``lake.read``; E550 dataset or adjustment unknown; E551 a gap is not measured; E552 a stored day is
            not of the front contract; E553 a ratio with a price that is not above zero.
        ConfigurationError: E108 a day is no trade date, E120 unknown root, E125 not a future, E132 date outside the table.
    """
    _require_known(dataset, adjust)
    contract = reader.contract_of(dataset)
    units = {doc.name: doc.unit for doc in contract.columns}
    wanted = list(units) if columns is None else [name for name in columns if name not in reader.ADDED_COLUMNS]
    helpers = [_CONTRACT] if adjust == "none" else [_CONTRACT, _VOLUME]
    frame = reader.read(lake, dataset, symbol, days, columns=list(dict.fromkeys([*wanted, *helpers])), missing=missing)
    first, last = reader.first_and_last(days)
    windows = rolls.windows(symbol, first, last)
    stored = _contract_of_day(frame, dataset, symbol, windows)
    steps = _steps(set(stored.values()), symbol, windows, gaps, adjust)
    marked = frame.with_columns(_is_roll(stored), _adjustment(stored, steps, adjust))
    if adjust != "none":
        marked = _adjusted(marked, {name: units[name] for name in wanted}, adjust)
    names = [*reader.ADDED_COLUMNS, *wanted]
    return marked.select(*names, *([] if _CONTRACT in wanted else [_CONTRACT]), "roll", "adjustment")


def _adjusted(frame: pl.DataFrame, units: Mapping[str, str], adjust: Adjustment) -> pl.DataFrame:
    """Return the frame with its prices shifted or scaled; rows of the last contract keep every bit."""
    by = pl.col("adjustment")
    prices = [name for name, unit in units.items() if unit == _PRICE_UNIT]
    notional = [name for name, unit in units.items() if unit == _NOTIONAL_UNIT]
    moved: dict[str, pl.Expr] = {}
    if adjust == "ratio":
        _require_positive(frame, prices)
        moved = {name: pl.col(name) * by for name in [*prices, *notional]}
    else:
        moved |= {name: pl.col(name) + by for name in prices}
        moved |= {name: value.round(_DECIMALS) for name, value in moved.items() if name not in _OFF_GRID}
        moved |= {name: pl.col(name) + by * pl.col(_VOLUME) for name in notional}
    return frame.with_columns(
        pl.when(by == _neutral(adjust)).then(pl.col(name)).otherwise(value).alias(name) for name, value in moved.items()
    )


def _is_roll(stored: Mapping[date, Contract]) -> pl.Expr:
    """Return true in the first row of each day that has another contract than the day before it."""
    rolls = [day for before, day in pairwise(stored) if stored[before] != stored[day]]
    day = pl.col("trade_date")
    return (day.is_in(rolls) & (day != day.shift(1))).fill_null(value=False).alias("roll")


def _adjustment(stored: Mapping[date, Contract], steps: Mapping[Contract, float], adjust: Adjustment) -> pl.Expr:
    values = {day: steps.get(contract, _neutral(adjust)) for day, contract in stored.items()}
    if not values:
        return pl.lit(_neutral(adjust)).alias("adjustment")
    # By day and not by contract: a date is four bytes a row, a name is sixteen.
    return pl.col("trade_date").replace_strict(values, return_dtype=pl.Float64).alias("adjustment")


def _neutral(adjust: Adjustment) -> float:
    return 1.0 if adjust == "ratio" else 0.0


def _steps(
    stored: AbstractSet[Contract],
    symbol: str,
    windows: Sequence[RollWindow],
    gaps: Mapping[tuple[Contract, Contract, date], RollGap],
    adjust: Adjustment,
) -> dict[Contract, float]:
    """Return what older contracts get, from the newest one back."""
    there = [position for position, window in enumerate(windows) if window.contract in stored]
    if adjust == "none" or not there:
        return {}
    steps: dict[Contract, float] = {}
    total = _neutral(adjust)
    for before, after in reversed(list(pairwise(windows[there[0] : there[-1] + 1]))):
        gap = gaps.get((before.contract, after.contract, after.first_trade_date))
        if gap is None:
            raise _no_gap(symbol, before, after)
        if adjust == "ratio":
            if gap.from_price <= 0 or gap.to_price <= 0:
                raise _not_positive(f"the roll from {before.contract} to {after.contract}", symbol)
            total *= gap.to_price / gap.from_price
        else:
            total = round(total + gap.difference, _DECIMALS)
        steps[before.contract] = total
    return steps


def _require_known(dataset: str, adjust: str) -> None:
    for kind, given, known in (("dataset", dataset, DATASETS), ("adjust", adjust, get_args(Adjustment))):
        if given not in known:
            raise LakeError(
                "E550",
                f"no continuous series with {kind} {given!r}, expected one of {', '.join(known)}",
                "only prices of the front contract can be joined and adjusted; nothing was read",
                command("tp", "sql", "show tables"),
            )


def _contract_of_day(
    frame: pl.DataFrame, dataset: str, symbol: str, windows: Sequence[RollWindow]
) -> dict[date, Contract]:
    """Return the contract of each day that has rows; refuse days of another one than the table's, stored before it changed."""
    stored: dict[date, Contract] = {}
    wrong: list[tuple[date, str, Contract]] = []
    for day, name in frame.group_by("trade_date", _CONTRACT, maintain_order=True).agg().iter_rows():
        stored[day] = front = next(w.contract for w in reversed(windows) if w.first_trade_date <= day)
        if name != front.symbol:
            wrong.append((day, name, front))
    if wrong:
        day, name, front = wrong[0]
        raise LakeError(
            "E552",
            f"{symbol}/{dataset} {day} holds {name}, but the roll table has {front} in front ({len(wrong)} such days up to {wrong[-1][0]})",
            "the roll table changed after these days were stored: they are stale, and a series over them would mix two tables",
            command("tp", "backfill", f"{symbol}/{dataset}", "--from", day, "--to", wrong[-1][0]),
        )
    return stored


def _require_positive(frame: pl.DataFrame, prices: Sequence[str]) -> None:
    low = [frame[name].min() for name in prices]
    if any(isinstance(value, float) and value <= 0 for value in low):
        raise _not_positive("the range", str(frame["symbol"][0]))


def _not_positive(where: str, symbol: str) -> LakeError:
    return LakeError(
        "E553",
        f'adjust="ratio" is refused for {symbol}: {where} has a price that is not above zero',
        'a factor turns negative prices further negative and zero has none; use adjust="difference"',
        command("tp", "rolls", "gaps", symbol),
    )


def _no_gap(symbol: str, before: RollWindow, after: RollWindow) -> LakeError:
    day = after.first_trade_date
    return LakeError(
        "E551",
        f"the gap of the roll from {before.contract} to {after.contract} on {day} is not measured",
        "both contracts must have traded at one instant before the roll; close to open is no substitute, so nothing was adjusted",
        command("tp", "rolls", "gaps", symbol, "--from", day, "--to", day, "--write"),
    )
