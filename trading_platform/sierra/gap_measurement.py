"""The price gap between two contracts at the moment of a roll.

Belongs here: finding the last instant before a roll at which both contracts traded. Does not belong here: keeping gaps
(``instruments.roll_gaps_csv``) and adjusting with them (``lake``).

Measured in the session before the roll, from trades of both files at the same instant. Trades one second apart are sought first, then ten,
then sixty; among them the last ones count. Two contracts of one root move together, so a gap an hour before the close is as good as one at
the close, but two trades minutes apart measure the market and not the gap.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

import numpy as np

from ..errors import SourceError
from ..instants import instant_of, us_of
from ..instruments import Contract, Instrument, RollWindow
from ..instruments.roll_gaps_csv import RollGap
from ..sessions import Session, TradingCalendar
from .archive import SierraArchive
from .decode import TickColumns, TickDecoder
from .format import RECORD, Int64s, Records, latest_dt
from .guard import guard_day, no_price_scale, reference_price
from .islands import find_islands, without
from .prices import Float64s, PriceRule
from .scid import BLOCK_RECORDS

APART_LIMITS_US = (1_000_000, 10_000_000, 60_000_000)


@dataclass(frozen=True, slots=True)
class Measurement:
    """One roll and its gap.

    Attributes:
        from_contract: the contract that is front before.
        to_contract: the contract that becomes front.
        first_trade_date: its first trade date as front.
        gap: None if it cannot be measured.
        reason: why not; None if it could.
    """

    from_contract: Contract
    to_contract: Contract
    first_trade_date: date
    gap: RollGap | None
    reason: str | None


def measure_gap(
    archive: SierraArchive,
    instrument: Instrument,
    calendar: TradingCalendar,
    now: datetime,
    before: RollWindow,
    after: RollWindow,
) -> Measurement:
    """Measure the gap of one roll in the session before it.

    Args:
        archive: the files.
        instrument: the future.
        calendar: its trading calendar.
        now: aware time; the session before the roll must be over.
        before: window of the contract that is front until the roll.
        after: window of the next contract.

    Returns:
        The gap; or the reason why it cannot be measured: no file, a session that is not over, no trades of one contract, none at the
        same instant. It is never estimated.
    """
    old, new, roll = before.contract, after.contract, after.first_trade_date
    session = calendar.session(calendar.previous_open(roll))

    def unmeasured(reason: str) -> Measurement:
        return Measurement(old, new, roll, None, reason)

    if not session.is_final(now):
        return unmeasured(f"the session {session.trade_date} before the roll is not over")
    try:
        old_us, old_prices = _trades(archive, instrument, calendar, session, old, now)
        new_us, new_prices = _trades(archive, instrument, calendar, session, new, now)
    except SourceError as error:
        return unmeasured(f"{error.code} {error.what}")
    for contract, times in ((old, old_us), (new, new_us)):
        if not len(times):
            return unmeasured(f"{contract} has no trade in the session {session.trade_date} before the roll")
    for limit_us in APART_LIMITS_US:
        at = last_common_instant(old_us, new_us, limit_us)
        if at is not None:
            i, j = (int(np.searchsorted(times, at, side="right")) - 1 for times in (old_us, new_us))
            apart_us = abs(int(old_us[i]) - int(new_us[j]))
            gap = RollGap(old, new, roll, float(old_prices[i]), float(new_prices[j]), instant_of(at), apart_us)
            return Measurement(old, new, roll, gap, None)
    return unmeasured(
        f"{old} and {new} have no trades within {APART_LIMITS_US[-1] // 1_000_000} s of each other in the session {session.trade_date}"
    )


def last_common_instant(old_us: Int64s, new_us: Int64s, limit_us: int) -> int | None:
    """Return the last time of a trade before which, at most ``limit_us`` earlier or at the same time, the other contract traded.

    Args:
        old_us: times of one contract, ascending.
        new_us: times of the other, ascending.
        limit_us: how far apart the two trades may be.
    """
    found: list[int] = []
    for one, other in ((old_us, new_us), (new_us, old_us)):
        before = np.searchsorted(other, one, side="right") - 1
        after = one[before >= 0]
        near = after[after - other[before[before >= 0]] <= limit_us]
        if len(near):
            found.append(int(near[-1]))
    return max(found, default=None)


def _trades(
    archive: SierraArchive,
    instrument: Instrument,
    calendar: TradingCalendar,
    session: Session,
    contract: Contract,
    now: datetime,
) -> tuple[Int64s, Float64s]:
    """Return times (ascending, epoch microseconds) and prices (points) of a session's trades, those that ``ticks`` would hold."""
    source = archive.file_for(contract)
    scale = archive.price_scale(source)
    if scale is None:
        raise no_price_scale(instrument.symbol, source)
    rule = PriceRule.of(instrument, scale)
    index = archive.index(source, now)
    start_us, end_us = us_of(session.window_start), us_of(session.window_end)
    ranges = without(index.ranges(start_us, end_us), find_islands(index, calendar))
    sample = guard_day(index.file, ranges, instrument, rule, style=source.style)
    reference = reference_price(source.path, sample, rule)
    decoder = TickDecoder(source.path, rule, start_us, end_us, latest_dt(now), reference=reference)
    columns = TickColumns.empty(sum(stop - first for first, stop in ranges))
    buffer: Records = np.empty(BLOCK_RECORDS, RECORD)
    for first, stop in ranges:
        for at in range(first, stop, BLOCK_RECORDS):
            block = buffer[: min(BLOCK_RECORDS, stop - at)]
            index.file.read_into(block, at)
            decoder.decode(block, at, columns)
    times, prices = columns.ts_us[: columns.rows], columns.price[: columns.rows]
    order = np.argsort(times, kind="stable")
    return times[order], prices[order]
