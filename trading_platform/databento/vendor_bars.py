"""Bars of a minute from the vendor (schema ``ohlcv-1m``): files that the user owns, kept beside the raw files for comparison.

Belongs here: reading such a file, which trade dates it holds, and what the cache has of a day. Does not belong here: the comparison
(``trading_platform.l2.agreement``), buying them.

A bar is stamped at its start; a minute without a trade has no bar. Source: Databento Binary Encoding, record ``OhlcvMsg``, 56 bytes in all
versions; https://databento.com/docs/schemas-and-data-formats/ohlcv
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

from ..errors import RefusedError, VendorError, command
from ..sessions import calendar_for
from .dbn import DbnFile
from .importing import OwnedFile, end_of, instrument_of, own_name
from .query import Query, instant_of
from .raw_cache import RawCache
from .vendor import Vendor

SCHEMA: Final = "ohlcv-1m"
MINUTE_NS: Final = 60_000_000_000
RECORD: Final[np.dtype[np.void]] = np.dtype(
    [
        ("length", "u1"),
        ("rtype", "u1"),
        ("publisher_id", "<u2"),
        ("instrument_id", "<u4"),
        ("ts_event", "<u8"),
        ("open", "<i8"),
        ("high", "<i8"),
        ("low", "<i8"),
        ("close", "<i8"),
        ("volume", "<u8"),
    ]
)
_RTYPE: Final = 33
_HEAD: Final = RECORD.itemsize // 4 | _RTYPE << 8
_NEXT: Final = command("tp", "l2", "import", "--help")


@dataclass(frozen=True)
class VendorBars:
    """The vendor's bars of one instrument.

    Attributes:
        bars: ``ts_ns`` (Int64, start of the minute, epoch nanoseconds UTC), ``open``, ``high``, ``low``, ``close`` (Int64, 1e-9 points),
            ``volume`` (Int64); ascending.
        windows_ns: what the files cover, half-open.
    """

    bars: pl.DataFrame
    windows_ns: tuple[tuple[int, int], ...]


def read_bars(path: Path, symbol_in_file: str) -> VendorBars:
    """Read the bars of one instrument from a file.

    Args:
        path: DBN file of the schema ``ohlcv-1m``.
        symbol_in_file: how the file names the instrument.

    Raises:
        VendorError: E300 to E305, E310 the file is no good; E307 the bars of the instrument do not ascend.
    """
    with DbnFile(path, SCHEMA) as file:
        records = file.whole(RECORD, _HEAD)
        ids = np.array(sorted(file.metadata.instrument_ids(symbol_in_file)), np.uint32)
        end = end_of(file)
        start_ns = file.metadata.start_ns
    own = records[np.isin(records["instrument_id"], ids)]
    at = own["ts_event"].astype(np.int64)
    if np.any(np.diff(at) <= 0):
        raise VendorError(
            "E307",
            f"{path.name}: the bars of {symbol_in_file} do not ascend in time",
            "several venues share the file, or it was changed; nothing was stored",
            _NEXT,
        )
    last = start_ns if not len(at) else int(at[-1]) + MINUTE_NS
    columns = {"ts_ns": at, **{name: own[name].astype(np.int64) for name in ("open", "high", "low", "close", "volume")}}
    return VendorBars(pl.DataFrame(columns), ((start_ns, last if end is None else end),))


def examine_bars(path: Path, named: str | None, vendor: Vendor) -> OwnedFile:
    """Find out what a file of bars is good for; nothing is written.

    Args:
        path: DBN file of the schema ``ohlcv-1m``.
        named: the contract or share, where the file holds several.
        vendor: knows symbols; not asked.

    Raises:
        VendorError: as :func:`read_bars`. RefusedError: E390 which instrument is meant cannot be told; E391 it is not in the file; E392 it
            has no bar.
    """
    with DbnFile(path, SCHEMA) as file:
        raw, in_file = instrument_of(file, named, vendor)
        dataset, sha256, synthetic = file.metadata.dataset, file.sha256, file.synthetic
    symbol = own_name(raw, dataset, vendor)
    found = read_bars(path, in_file)
    if found.bars.is_empty():
        raise RefusedError(
            "E392", f"{path.name} holds no bar of {raw}", "there is nothing to import; nothing was stored", _NEXT
        )
    calendar = calendar_for(vendor.market(symbol).calendar)
    days: dict[date, int] = {}
    for at in found.bars["ts_ns"].to_list():
        day = calendar.trade_date_at(instant_of(at))
        days[day] = days.get(day, 0) + 1
    ((start, end),) = found.windows_ns
    query = Query(dataset, SCHEMA, raw, "raw_symbol", start, end)
    return OwnedFile(
        path, sha256, dataset, symbol, raw, in_file, found.bars.height, synthetic, query, (start, end), days
    )


def vendor_bars(cache: RawCache, dataset: str, raw_symbol: str, trade_date: date) -> VendorBars | None:
    """Return what the cache has of an instrument and day; None without a file.

    Raises:
        VendorError: a file of the cache is damaged.
    """
    anything = Query(dataset, SCHEMA, raw_symbol, "raw_symbol", 0, 1)
    files = cache.of_day(anything, trade_date)
    if not files:
        return None
    read = [read_bars(raw.path, str(raw.details.get("symbol_in_file", raw_symbol))) for raw in files]
    bars = pl.concat([one.bars for one in read]).unique("ts_ns", keep="first").sort("ts_ns")
    return VendorBars(bars, tuple(window for one in read for window in one.windows_ns))
