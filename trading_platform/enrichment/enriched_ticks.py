"""Ticks with the columns of the snapshot that each one knew, made on demand.

Belongs here: looking up the columns of snapshots by the stored ``gex_alignment``. Does not belong here: which snapshot belongs to a tick
(``alignment.py``, already decided and stored).

A day of 10 M ticks with eight columns of numbers would take 640 MB in the lake, beside 24,000 snapshots that hold the same numbers; so they
are looked up.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from ..bars.builder import TICKS
from ..errors import QualityError, command
from ..files import replace_file
from ..instruments import Instrument
from ..lake.contracts import GEX_ALIGNMENT
from ..lake.contracts import TICKS as TICKS_CONTRACT
from ..lake.reader import contract_of, row_groups
from .asof import Bools, Rows
from .attach import RunsOfRows
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
    return write_tables(
        iter_enriched_ticks(lake, instrument, underlying, trade_date, columns=columns, values=values), path
    )


def write_tables(tables: Iterator[pa.Table], path: Path, about: Mapping[str, str] | None = None) -> int:
    """Write tables of ticks as one Parquet file, one after the other, and return the number of rows.

    Args:
        tables: at least one, all of one schema.
        path: appears whole or not at all.
        about: for the schema metadata.

    Raises:
        OSError: the disk refuses; an older file is intact.
    """
    rows = 0

    def write(file: Any) -> None:
        nonlocal rows
        table = next(tables)
        schema = table.schema.with_metadata(dict(about)) if about else table.schema
        with pq.ParquetWriter(file, schema, compression="zstd", compression_level=3, **_encodings(table)) as writer:
            writer.write_table(table.cast(schema))
            rows = table.num_rows
            for table in tables:
                writer.write_table(table.cast(schema))
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
    with open_ticks(lake, symbol, trade_date) as ticks:
        aligned = _aligned_snapshots(lake, symbol, underlying, trade_date, values)
        schema = _schema(names, values)
        if ticks.rows == 0:
            yield schema.empty_table()
            return
        columns = [SNAPSHOT_ROW, FROM_PREVIOUS, *_ATTACHED]
        # Both files have row groups of one size.
        alignment = row_groups(lake, GEX_ALIGNMENT.name, symbol, trade_date, columns)
        for table, attached in zip(ticks.tables(names), alignment, strict=True):
            yield _enrich(table, attached, aligned, schema)


class SnapshotValues:
    """The columns of the snapshots of a day, ready to be gathered for ticks, with a row of nulls at the end.

    Args:
        snapshots: ``ts`` datetime[us, UTC] and columns of numbers.

    Attributes:
        nothing: position of the row of nulls.
        ts: int64[n + 1], epoch microseconds UTC.
    """

    def __init__(self, snapshots: pl.DataFrame) -> None:
        self.nothing = snapshots.height
        self.ts: npt.NDArray[np.int64] = np.append(snapshots["ts"].to_physical().to_numpy(), 0)
        names = [name for name in snapshots.columns if name != "ts"]
        self._values = [np.append(snapshots[name].cast(pl.Float64).to_numpy(), np.nan) for name in names]

    def gather(self, shown: Rows) -> list[pa.Array]:
        """Return one column per value for ticks that show these snapshots, null where the snapshot has no value."""
        runs = RunsOfRows.of(shown)
        columns = []
        for values in self._values:
            missing = np.isnan(values)[runs.rows]
            known = np.repeat(~missing, runs.lengths) if missing.any() else None
            columns.append(_nullable(runs.values(values), known, pa.float64()))
        return columns


@dataclass(frozen=True, slots=True)
class _Aligned:
    """The snapshots of both partitions that an alignment points into, the earlier one first."""

    values: SnapshotValues
    today_from: int


def _enrich(table: pa.Table, attached: pa.Table, aligned: _Aligned, schema: pa.Schema) -> pa.Table:
    """Add the columns of the snapshots to one row group."""
    row = attached.column(SNAPSHOT_ROW).combine_chunks()
    none = np.asarray(row.is_null())
    previous = attached.column(FROM_PREVIOUS).to_numpy()
    snapshots = aligned.values
    at = np.asarray(row.fill_null(0)) + np.where(previous, np.int32(0), np.int32(aligned.today_from))
    at[none] = snapshots.nothing
    gap, preopen = attached.column("gex_gap").to_numpy(), attached.column("is_preopen_snapshot").to_numpy()
    shown = np.where(gap & ~preopen, np.int32(snapshots.nothing), at)
    source_ts = _nullable(RunsOfRows.of(at).values(snapshots.ts), ~none, schema.field(_SOURCE_TS).type)
    attached_columns = [attached.column(name) for name in _ATTACHED]
    columns = [*table.columns, source_ts, *attached_columns, *snapshots.gather(shown)]
    return pa.Table.from_arrays(columns, schema=schema)


def _nullable(values: npt.NDArray[Any], known: Bools | None, kind: pa.DataType) -> pa.Array:
    """Return a column over values of 8 bytes, null where they are not known; from buffers, because pyarrow would copy what it masks."""
    bits = None if known is None else pa.py_buffer(np.packbits(known, bitorder="little"))
    return pa.Array.from_buffers(kind, len(values), [bits, pa.py_buffer(values)])


def _encodings(table: pa.Table) -> dict[str, Any]:
    """Return the encodings of the contracts for columns of the lake, and dictionaries for words.

    Values repeat for hundreds of ticks, which the compression sees as well: with dictionaries the file is as large and takes longer.
    """
    known = {**TICKS_CONTRACT.encodings, **GEX_ALIGNMENT.encodings}
    encodings = {name: known[name] for name in table.column_names if name in known}
    words = [one.name for one in table.schema if one.name not in known and not pa.types.is_floating(one.type)]
    return {"column_encoding": encodings, "use_dictionary": words}


def _schema(names: Sequence[str], values: Sequence[str]) -> pa.Schema:
    ticks = TICKS_CONTRACT.arrow_schema
    fields = [ticks.field(name) for name in names]
    fields.append(pa.field(_SOURCE_TS, pa.timestamp("us", "UTC")))
    fields += [GEX_ALIGNMENT.arrow_schema.field(name) for name in _ATTACHED]
    return pa.schema([*fields, *(pa.field(name, pa.float64()) for name in values)])


def _aligned_snapshots(
    lake: Lake, symbol: str, underlying: Underlying, trade_date: date, values: Sequence[str]
) -> _Aligned:
    """Read the snapshots that the alignment points into; other content would show the rows of other times."""
    footer = lake.footer(GEX_ALIGNMENT.name, symbol, trade_date)
    if footer is None:
        raise QualityError(
            "E490",
            f"upstream {symbol}/{GEX_ALIGNMENT.name} {trade_date} is not there",
            "it says which snapshot each tick knew; nothing was written",
            _again(symbol, trade_date),
        )
    stored = underlying.stored(lake, SNAPSHOTS, trade_date)
    frames = [_read(lake, one, values) for one in stored]
    now = (Stored.of(lake, TICKS, symbol, trade_date), *underlying.stored(lake, SNAPSHOTS, trade_date))
    made_from = {source.name: source.sha256 for source in footer.sources}
    changed = [source.name for one in now if made_from.get((source := one.source()).name) != source.sha256]
    if changed and not footer.outcome.is_without_rows:
        raise QualityError(
            "E492",
            f"{symbol}/{GEX_ALIGNMENT.name} {trade_date} was made from other content of {', '.join(changed)}",
            "the numbers of its snapshots would point at other rows; nothing was written",
            _again(symbol, trade_date),
        )
    return _Aligned(SnapshotValues(pl.concat(frames)), frames[0].height)


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
        raise no_enrichment(
            f"{dataset} has no numbers named {', '.join(unknown)}",
            "the columns cannot be looked up",
            command("tp", "sql", f"describe {dataset}"),
        )


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_floating(kind) or pa.types.is_integer(kind))


def _again(symbol: str, trade_date: date) -> str:
    return command("tp", "backfill", f"{symbol}/{GEX_ALIGNMENT.name}", "--from", trade_date, "--to", trade_date)
