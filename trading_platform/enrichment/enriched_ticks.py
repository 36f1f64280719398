"""Ticks with the columns of the snapshot that each one knew, made on demand.

Belongs here: looking up the columns of snapshots by the stored ``gex_alignment``. Does not belong here: which snapshot belongs to a tick
(``alignment.py``, already decided and stored).

A day of 10 M ticks with eight columns of numbers would take 640 MB in the lake, beside 24,000 snapshots that hold the same numbers; so they
are looked up.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from ..bars.builder import TICKS
from ..bars.ticks_reader import TickFile
from ..errors import QualityError, command
from ..files import replace_file
from ..instruments import Instrument
from ..lake.contracts import GEX_ALIGNMENT
from ..lake.contracts import TICKS as TICKS_CONTRACT
from ..lake.footer import damaged
from ..lake.reader import contract_of
from .day import open_ticks
from .policy import no_enrichment
from .upstream import FROM_PREVIOUS, SNAPSHOT_ROW, SNAPSHOTS, Stored, Underlying

if TYPE_CHECKING:
    from ..lake import Lake

TICK_VALUES: Final = (
    "spot",
    "zero_gamma",
    "major_pos_vol_strike",
    "major_pos_oi_strike",
    "major_neg_vol_strike",
    "major_neg_oi_strike",
    "sum_gex_vol",
    "sum_gex_oi",
)
"""Columns of a snapshot that a tick shows unless others are asked for."""

_ATTACHED: Final = ("gex_gap", "gex_age_ms", "is_preopen_snapshot")
_SOURCE_TS: Final = "source_snapshot_ts"


def enriched_ticks(
    lake: Lake,
    instrument: Instrument,
    underlying: Underlying,
    trade_date: date,
    *,
    columns: Sequence[str] | None = None,
    values: Sequence[str] = TICK_VALUES,
) -> pl.DataFrame:
    """Return the ticks of a trade date with the columns of the snapshot that each one knew.

    Args:
        lake: holds ``ticks``, ``gex_alignment`` and ``gex_snapshots``.
        instrument: the future.
        underlying: whose snapshots were aligned.
        trade_date: the day.
        columns: columns of ``ticks``, all if None.
        values: columns of ``gex_snapshots``.

    Returns:
        The columns of the ticks, ``source_snapshot_ts`` (datetime[us, UTC], null without a snapshot), ``gex_gap``, ``gex_age_ms`` [ms],
        ``is_preopen_snapshot``, and the values: all from one snapshot, null in a gap unless it is a pre-open snapshot. In file order.

    Raises:
        QualityError: E490 if ticks or alignment are not stored, E492 if ticks or snapshots were rebuilt since the alignment was made, E493
            for values that are no columns of a snapshot.
        LakeError: E505 if a file is damaged.
    """
    chunks = [
        pl.DataFrame(pl.from_arrow(table))
        for table in iter_enriched_ticks(lake, instrument, underlying, trade_date, columns=columns, values=values)
    ]
    return pl.concat(chunks)


def write_enriched_ticks(
    lake: Lake,
    instrument: Instrument,
    underlying: Underlying,
    trade_date: date,
    path: Path,
    *,
    columns: Sequence[str] | None = None,
    values: Sequence[str] = TICK_VALUES,
) -> int:
    """Write the same rows as a Parquet file, a row group at a time, and return how many there are.

    The file appears whole or not at all. Arguments and errors as ``enriched_ticks``, and OSError if the disk refuses.
    """
    tables = iter_enriched_ticks(lake, instrument, underlying, trade_date, columns=columns, values=values)
    rows = 0

    def write(file: Any) -> None:
        nonlocal rows
        first = next(tables)
        with pq.ParquetWriter(
            file, first.schema, compression="zstd", compression_level=3, **_encodings(first)
        ) as writer:
            writer.write_table(first)
            rows = first.num_rows
            for table in tables:
                writer.write_table(table)
                rows += table.num_rows

    replace_file(path, write)
    return rows


def iter_enriched_ticks(
    lake: Lake,
    instrument: Instrument,
    underlying: Underlying,
    trade_date: date,
    *,
    columns: Sequence[str] | None = None,
    values: Sequence[str] = TICK_VALUES,
) -> Iterator[pa.Table]:
    """Yield the same rows as one Arrow table per row group of the ticks, at least one (without rows on a day without ticks)."""
    names = list(TICKS_CONTRACT.arrow_schema.names if columns is None else columns)
    _refuse_unknown(values, SNAPSHOTS)
    _refuse_unknown(names, TICKS)
    symbol = instrument.symbol
    with open_ticks(lake, symbol, trade_date) as ticks, _open_alignment(lake, symbol, trade_date) as alignment:
        snapshots = _aligned_snapshots(lake, symbol, underlying, trade_date, values)
        schema = _schema(names, values)
        if ticks.rows == 0:
            yield schema.empty_table()
        for table, attached in _pairs(ticks, alignment, names):
            yield _enrich(table, attached, snapshots, schema)


class _Snapshots:
    """The rows of both partitions, one after the other, with a row of nulls at the end."""

    def __init__(self, previous: pl.DataFrame, today: pl.DataFrame) -> None:
        self.today_from = previous.height
        frame = pl.concat([previous, today])
        self.nothing = frame.height
        self.ts: npt.NDArray[np.int64] = np.append(frame["ts"].to_physical().to_numpy(), 0)
        self.values = {
            name: np.append(frame[name].cast(pl.Float64).to_numpy(), np.nan) for name in frame.columns if name != "ts"
        }


def _enrich(table: pa.Table, attached: pa.Table, snapshots: _Snapshots, schema: pa.Schema) -> pa.Table:
    """Add the columns of the snapshots to one row group."""
    row = attached.column(SNAPSHOT_ROW).combine_chunks()
    none = np.asarray(row.is_null())
    previous = attached.column(FROM_PREVIOUS).to_numpy()
    at = np.asarray(row.fill_null(0)) + np.where(previous, 0, snapshots.today_from)
    at[none] = snapshots.nothing
    gap, preopen = attached.column("gex_gap").to_numpy(), attached.column("is_preopen_snapshot").to_numpy()
    shown = np.where(gap & ~preopen, snapshots.nothing, at)
    columns = [*table.columns, pa.array(snapshots.ts[at], mask=none).view(schema.field(_SOURCE_TS).type)]
    columns += [attached.column(name) for name in _ATTACHED]
    for values in snapshots.values.values():
        taken = np.take(values, shown)
        missing = np.isnan(taken)
        columns.append(pa.array(taken, mask=missing if missing.any() else None))
    return pa.Table.from_arrays(columns, schema=schema)


def _encodings(table: pa.Table) -> dict[str, Any]:
    """Return the encodings of the contracts for columns of the lake, and dictionaries for values, which repeat for hundreds of ticks."""
    known = {**TICKS_CONTRACT.encodings, **GEX_ALIGNMENT.encodings}
    encodings = {name: known[name] for name in table.column_names if name in known}
    return {"column_encoding": encodings, "use_dictionary": [name for name in table.column_names if name not in known]}


def _schema(names: Sequence[str], values: Sequence[str]) -> pa.Schema:
    ticks = TICKS_CONTRACT.arrow_schema
    fields = [ticks.field(name) for name in names]
    fields.append(pa.field(_SOURCE_TS, pa.timestamp("us", "UTC")))
    fields += [GEX_ALIGNMENT.arrow_schema.field(name) for name in _ATTACHED]
    return pa.schema([*fields, *(pa.field(name, pa.float64()) for name in values)])


def _pairs(ticks: TickFile, alignment: pq.ParquetFile, names: list[str]) -> Iterator[tuple[pa.Table, pa.Table]]:
    """Yield the ticks of each row group with their alignment; both files have row groups of one size."""
    columns = [SNAPSHOT_ROW, FROM_PREVIOUS, *_ATTACHED]
    for group, table in enumerate(ticks.tables(names)):
        yield table, alignment.read_row_group(group, columns=columns, use_threads=False)


def _open_alignment(lake: Lake, symbol: str, trade_date: date) -> pq.ParquetFile:
    path = lake.path(GEX_ALIGNMENT.name, symbol, trade_date)
    try:
        return pq.ParquetFile(path, page_checksum_verification=True)
    except FileNotFoundError as error:
        raise QualityError(
            "E490",
            f"upstream {symbol}/{GEX_ALIGNMENT.name} {trade_date} is not there",
            "it says which snapshot each tick knew; nothing was written",
            _again(symbol, trade_date),
        ) from error
    except (pa.ArrowException, OSError) as error:
        raise damaged(path, str(error)) from error


def _aligned_snapshots(
    lake: Lake, symbol: str, underlying: Underlying, trade_date: date, values: Sequence[str]
) -> _Snapshots:
    """Read the snapshots that the alignment points into; other content would show the rows of other times."""
    footer = lake.footer(GEX_ALIGNMENT.name, symbol, trade_date)
    stored = underlying.stored(lake, SNAPSHOTS, trade_date)
    frames = [_read(lake, one, values) for one in stored]
    now = (Stored.of(lake, TICKS, symbol, trade_date), *underlying.stored(lake, SNAPSHOTS, trade_date))
    made_from = {} if footer is None else {source.name: source.sha256 for source in footer.sources}
    changed = [source.name for one in now if made_from.get((source := one.source()).name) != source.sha256]
    if changed and (footer is None or not footer.outcome.is_without_rows):
        raise QualityError(
            "E492",
            f"{symbol}/{GEX_ALIGNMENT.name} {trade_date} was made from other content of {', '.join(changed)}",
            "the numbers of its snapshots would point at other rows; nothing was written",
            _again(symbol, trade_date),
        )
    return _Snapshots(*frames)


def _read(lake: Lake, stored: Stored, values: Sequence[str]) -> pl.DataFrame:
    names = ["ts", *values]
    if not stored.is_there:
        return contract_of(SNAPSHOTS).empty().select(names)
    return lake.read(SNAPSHOTS, stored.symbol, stored.trade_date, columns=names).select(names)


def _refuse_unknown(names: Sequence[str], dataset: str) -> None:
    schema = contract_of(dataset).arrow_schema
    unknown = [name for name in names if name not in schema.names]
    if dataset == SNAPSHOTS:
        unknown += [name for name in names if name not in unknown and not _is_number(schema.field(name).type)]
    if unknown:
        raise no_enrichment(f"{dataset} has no numbers named {', '.join(unknown)}", "the columns cannot be looked up")


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_floating(kind) or pa.types.is_integer(kind))


def _again(symbol: str, trade_date: date) -> str:
    return command("tp", "backfill", f"{symbol}/{GEX_ALIGNMENT.name}", "--from", trade_date, "--to", trade_date)
