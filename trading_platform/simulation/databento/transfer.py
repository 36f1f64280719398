"""Bodies of data: genuine DBN bytes of a query, and what the scripted faults do to them.

Belongs here: from records to bytes. Does not belong here: which records (``market.py``), how bytes travel (``server.py``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from ..dbn import MBP10_RECORD, Records, dbn_metadata, dbn_zstd
from .faults import Fault, FaultKind
from .market import Interval, StandInMarket

Faults = Mapping[FaultKind, Fault]

_PART_RECORDS = 16_384
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NEW_YORK = ZoneInfo("America/New_York")


@dataclass(frozen=True, slots=True)
class DataQuery:
    """One request for data, validated.

    Attributes:
        dataset: such as ``GLBX.MDP3``.
        schema: such as ``mbp-10``.
        symbol: as requested.
        stype_in: how it was requested.
        start_ns: inclusive.
        end_ns: exclusive.
        limit: record limit; None: all.
        intervals: what the symbol means.
    """

    dataset: str
    schema: str
    symbol: str
    stype_in: str
    start_ns: int
    end_ns: int
    limit: int | None
    intervals: tuple[Interval, ...]


def records_of(market: StandInMarket, query: DataQuery, faults: Faults) -> Records:
    """Return the records that answer a query; a symbol that rolls inside the window gives those of both contracts."""
    if FaultKind.EMPTY in faults:
        return np.zeros(0, MBP10_RECORD)
    parts = [
        market.records(
            query.dataset,
            interval.raw_symbol,
            max(query.start_ns, _midnight_ns(interval.first)),
            min(query.end_ns, _midnight_ns(interval.end)),
        )
        for interval in query.intervals
    ]
    records: Records = np.concatenate([np.zeros(0, MBP10_RECORD), *parts])
    return records[: query.limit]


def dbn_body(market: StandInMarket, query: DataQuery, records: Records, faults: Faults) -> bytes:
    """Return the ``.dbn.zst`` bytes of an answer, with the faults that spoil its content."""
    records = _spoiled(records, query, faults)
    metadata = dbn_metadata(
        market.dbn_symbol(query.dataset, query.intervals[0].raw_symbol),
        query.start_ns,
        query.end_ns,
        intervals=[(i.first, i.end, str(i.instrument_id)) for i in query.intervals],
        requested=query.symbol,
        stype_in=query.stype_in,
        schema="trades" if FaultKind.OTHER_SCHEMA in faults else query.schema,
        limit=query.limit,
    )
    if FaultKind.VERSION_4 in faults:
        metadata = metadata[:3] + b"\x04" + metadata[4:]
    parts = [records[at : at + _PART_RECORDS] for at in range(0, len(records), _PART_RECORDS)]
    body = b"".join(dbn_zstd(metadata, parts))
    if FaultKind.FLIPPED_BYTE in faults:
        middle = len(body) // 2
        body = body[:middle] + bytes([body[middle] ^ 0x40]) + body[middle + 1 :]
    return body


def _spoiled(records: Records, query: DataQuery, faults: Faults) -> Records:
    if not len(records):
        return records
    if FaultKind.CUT_ON_RECORD in faults:
        records = records[: len(records) * 6 // 10]
    kinds = {FaultKind.OUTSIDE_WINDOW, FaultKind.UNORDERED, FaultKind.TWO_INSTRUMENTS}
    if not kinds & set(faults):
        return records
    records = records.copy()
    middle = len(records) // 2
    if FaultKind.OUTSIDE_WINDOW in faults:
        records["ts_recv"][-1] = query.end_ns
    if FaultKind.UNORDERED in faults:
        records["ts_recv"][middle] = records["ts_recv"][0]
    if FaultKind.TWO_INSTRUMENTS in faults:
        records["instrument_id"][middle:] += 1
    return records


def intervals_of(
    market: StandInMarket, dataset: str, symbol: str, stype_in: str, window_ns: tuple[int, int]
) -> tuple[Interval, ...]:
    """Return what a symbol means on the UTC dates of a window.

    Raises:
        UnknownSymbolError: there is no such symbol.
    """
    first, last = (utc_date(ns) for ns in (window_ns[0], window_ns[1] - 1))
    return tuple(market.resolve(dataset, symbol, stype_in, first, last + timedelta(days=1)))


def utc_date(ns: int) -> date:
    """Return the UTC date of an instant."""
    return (_EPOCH + timedelta(seconds=ns // 1_000_000_000)).date()


def parse_instant_ns(text: str) -> int:
    """Read a time as the vendor does: nanoseconds as a number, or ISO 8601, UTC where no zone is given.

    Raises:
        ValueError: it is neither.
    """
    if text.isdigit() and len(text) > 8:
        return int(text)
    instant = datetime.fromisoformat(text)
    instant = instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant
    since = instant - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000_000 + since.microseconds * 1_000


def day_of_window(start_ns: int, end_ns: int) -> date:
    """Return the New York date of the last instant of a window: the trade date, for whole sessions."""
    last = _EPOCH + timedelta(seconds=max(start_ns, end_ns - 1) // 1_000_000_000)
    return last.astimezone(_NEW_YORK).date()


def _midnight_ns(day: date) -> int:
    return (day - _EPOCH.date()).days * 86_400 * 1_000_000_000
