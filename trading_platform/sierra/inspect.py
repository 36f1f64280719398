"""What a ``.scid`` file holds, for ``tp sierra inspect``; nothing is written.

Belongs here: the report. Does not belong here: its layout on a terminal (``cli``) and the import itself.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np

from ..instants import instant_of, us_of
from ..instruments import Contract, Instrument, Registry, SierraSymbol, parse_sierra_symbol
from ..sessions import Session, TradingCalendar, calendar_for
from .archive import BARE_STYLE
from .checks import GAP_WARN_S
from .decode import PriceRule, RecordKind, record_kinds
from .format import EPOCH_OFFSET_US, Int64s
from .guard import fitting_scale, sample_records, scale_fits
from .index import ScidIndex, load_index
from .scan import BadRun

_GAP_US = int(GAP_WARN_S * 1e6)
_MOST_GAPS = 1_000
# A calendar does not know the trade date of instants at the very edge of what it covers; weekends and holidays push a record up to a week.
_MARGIN = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class DayCount:
    """Records of one trade date (of one UTC date if the instrument is not known)."""

    trade_date: date
    records: int
    first: datetime
    last: datetime


@dataclass(frozen=True, slots=True)
class Hole:
    """Trading time without a record: ``[start, end)`` in UTC, longer than 30 minutes."""

    trade_date: date
    start: datetime
    end: datetime


@dataclass(frozen=True)
class ScidReport:
    """What is in a file.

    Attributes:
        path, size_bytes, synthetic: the file; synthetic is True if its header says that it was generated.
        header_size, record_count, remainder_bytes, zero_tail: whole records without trailing zero records; bytes after the last
            whole record; zero records at the end, not yet written.
        contract: from the name or as given; None if the name is no dated contract of a known root.
        style: symbol style of the name.
        configured_scale: the registry's price scale for that style; None without a contract.
        fitting_scale: the usual scale under which the prices fit the instrument; None if none does or there is no contract.
        scale_is_right: whether the configured scale passes the guard of the import; None if it cannot be asked.
        median_stored: median of the stored trade prices in a sample.
        kinds: records by kind: trade, quote, bar, malformed, empty.
        first, last: earliest and latest plausible time.
        segments: runs in which time never decreases; more than one per file means that time goes back.
        days: records per trade date.
        missing_days: open trade dates between the first and the last day without any record.
        holes: silences of more than 30 minutes inside trading hours, at most 1,000.
        bad_runs: records that cannot be placed in time.
    """

    path: Path
    size_bytes: int
    synthetic: bool
    header_size: int
    record_count: int
    remainder_bytes: int
    zero_tail: int
    contract: Contract | None
    style: str | None
    configured_scale: float | None
    fitting_scale: float | None
    scale_is_right: bool | None
    median_stored: float | None
    kinds: dict[str, int]
    first: datetime | None
    last: datetime | None
    segments: int
    days: tuple[DayCount, ...]
    missing_days: tuple[date, ...]
    holes: tuple[Hole, ...]
    bad_runs: tuple[BadRun, ...]


def inspect_scid(path: Path, registry: Registry, now: datetime, *, contract: Contract | None = None) -> ScidReport:
    """Read a whole file once and report what is in it.

    Args:
        path: the file.
        registry: resolves its name.
        now: aware time; later records are implausible.
        contract: overrides what the name says.

    Raises:
        SourceError: E200 to E204 the file cannot be read.
    """
    index = load_index(path, None, now)
    with index.file as file:
        symbol = parse_sierra_symbol(path.name[: -len(path.suffix)] if path.suffix else path.name, registry)
        if contract is None and symbol is not None and index.last_us is not None:
            contract = symbol.contract(instant_of(index.last_us).date())
        instrument = None if contract is None else registry.get(contract.root)
        calendar = None if instrument is None else calendar_for(instrument.calendar)
        style = BARE_STYLE if symbol is None else symbol.style
        scales = _scales(index, instrument, style)
        kinds, gaps = _pass_over(index)
        days, missing = _days(index, calendar)
        return ScidReport(
            path=path,
            size_bytes=file.stat.st_size,
            synthetic=file.synthetic,
            header_size=file.header_size,
            record_count=index.record_count,
            remainder_bytes=file.remainder_bytes,
            zero_tail=index.zero_tail,
            contract=contract,
            style=_style(symbol),
            configured_scale=scales.configured,
            fitting_scale=scales.fitting,
            scale_is_right=scales.is_right,
            median_stored=scales.median_stored,
            kinds={RecordKind(kind).name.lower(): count for kind, count in sorted(kinds.items())},
            first=None if index.first_us is None else instant_of(index.first_us),
            last=None if index.last_us is None else instant_of(index.last_us),
            segments=len(index.segments),
            days=days,
            missing_days=missing,
            holes=_holes(gaps, calendar),
            bad_runs=index.bad_runs,
        )


def _style(symbol: SierraSymbol | None) -> str | None:
    return None if symbol is None else symbol.style


@dataclass(frozen=True, slots=True)
class _Scales:
    configured: float | None = None
    fitting: float | None = None
    is_right: bool | None = None
    median_stored: float | None = None


def _scales(index: ScidIndex, instrument: Instrument | None, style: str) -> _Scales:
    ranges = [(first, stop) for first, stop, *_ in index.segments.tolist()]
    if not ranges:
        return _Scales()
    sample = sample_records(index.file, ranges)
    stored = sample["close"][record_kinds(sample) == RecordKind.TRADE].astype(np.float64)
    stored = stored[np.isfinite(stored) & (stored != 0)]
    median = float(np.median(stored)) if len(stored) else None
    if instrument is None or instrument.sierra is None:
        return _Scales(median_stored=median)
    scale = instrument.sierra.price_scales.get(style)
    if not len(stored):
        return _Scales(configured=scale)
    rule = PriceRule.of(instrument, 1.0 if scale is None else scale)
    return _Scales(scale, fitting_scale(stored, rule), None if scale is None else scale_fits(stored, rule), median)


def _pass_over(index: ScidIndex) -> tuple[Counter[int], list[tuple[int, int]]]:
    """Count kinds of records and collect silences of more than 30 minutes between consecutive good records."""
    kinds: Counter[int] = Counter()
    gaps: list[tuple[int, int]] = []
    previous: int | None = None
    for _, block in index.file.stream(0, index.record_count):
        values, counts = np.unique(record_kinds(block), return_counts=True)
        kinds.update(dict(zip(values.tolist(), counts.tolist(), strict=True)))
    for first, stop, *_ in index.segments.tolist():
        for _, block in index.file.stream(first, stop):
            us: Int64s = block["dt"] - EPOCH_OFFSET_US
            if previous is not None and us[0] - previous > _GAP_US:
                gaps.append((previous, int(us[0])))
            at = np.flatnonzero(np.diff(us) > _GAP_US)
            gaps += zip(us[at].tolist(), us[at + 1].tolist(), strict=True)
            previous = int(us[-1])
    return kinds, gaps


def _days(index: ScidIndex, calendar: TradingCalendar | None) -> tuple[tuple[DayCount, ...], tuple[date, ...]]:
    if index.first_us is None or index.last_us is None:
        return (), ()
    windows = _windows(instant_of(index.first_us), instant_of(index.last_us), calendar)
    days, missing = [], []
    for day, start_us, end_us in windows:
        ranges = index.ranges(start_us, end_us)
        if not ranges:
            missing.append(day)
            continue
        first = min(index.file.timestamp_us(a) for a, _ in ranges)
        last = max(index.file.timestamp_us(b - 1) for _, b in ranges)
        days.append(DayCount(day, sum(b - a for a, b in ranges), instant_of(first), instant_of(last)))
    return tuple(days), tuple(missing) if calendar is not None else ()


def _windows(first: datetime, last: datetime, calendar: TradingCalendar | None) -> list[tuple[date, int, int]]:
    if calendar is None:
        dates = [first.date() + timedelta(days=n) for n in range((last.date() - first.date()).days + 1)]
        midnight = instant_of(0)
        starts = [us_of(midnight.replace(year=day.year, month=day.month, day=day.day)) for day in dates]
        return [(day, start, start + 86_400_000_000) for day, start in zip(dates, starts, strict=True)]
    begin, end = (min(max(at.date(), calendar.first + _MARGIN), calendar.last - _MARGIN) for at in (first, last))
    sessions = calendar.sessions(begin - timedelta(days=1), end + _MARGIN)
    sessions = [s for s in sessions if s.window_start <= last and s.window_end > first]
    return [(s.trade_date, us_of(s.window_start), us_of(s.window_end)) for s in sessions if s.is_open]


def _holes(gaps: list[tuple[int, int]], calendar: TradingCalendar | None) -> tuple[Hole, ...]:
    """Cut silences to trading hours; a day without any record is a missing day, not a hole."""
    holes: list[Hole] = []
    if calendar is None:
        return ()
    for start_us, end_us in gaps:
        start, end = instant_of(start_us), instant_of(end_us)
        if start.date() <= calendar.first + _MARGIN or end.date() >= calendar.last - _MARGIN:
            continue
        # Days strictly inside a long silence have no records at all, so only its two ends can be holes.
        for day in sorted({calendar.trade_date_at(start), calendar.trade_date_at(end)}):
            holes += _cut(start, end, calendar.session(day))
        if len(holes) >= _MOST_GAPS:
            break
    return tuple(holes[:_MOST_GAPS])


def _cut(start: datetime, end: datetime, session: Session) -> list[Hole]:
    if session.opens_at is None or session.closes_at is None:
        return []
    pieces, at = [], session.opens_at
    for begin, stop in (*session.breaks, (session.closes_at, session.closes_at)):
        pieces.append((max(start, at), min(end, begin)))
        at = stop
    limit = timedelta(seconds=GAP_WARN_S)
    return [Hole(session.trade_date, a, b) for a, b in pieces if b - a > limit]
