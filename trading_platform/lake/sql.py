"""DuckDB over the lake: views for every dataset.

Belongs here: the statements that make the views, and in-memory connections. Does not belong here: the file
``catalog.duckdb``, which an asset writes from the same statements; it is never the only copy of anything.
"""

from __future__ import annotations

from pathlib import Path

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from .contract import DatasetContract
from .contracts import CONTRACTS

_SQL_TYPES = {
    pl.Int8(): "TINYINT",
    pl.Int16(): "SMALLINT",
    pl.Int32(): "INTEGER",
    pl.Int64(): "BIGINT",
    pl.UInt8(): "UTINYINT",
    pl.UInt16(): "USMALLINT",
    pl.UInt32(): "UINTEGER",
    pl.UInt64(): "UBIGINT",
    pl.Float32(): "FLOAT",
    pl.Float64(): "DOUBLE",
    pl.Boolean(): "BOOLEAN",
    pl.String(): "VARCHAR",
    pl.Categorical(): "VARCHAR",
    pl.Date(): "DATE",
    pl.Datetime("us", "UTC"): "TIMESTAMP WITH TIME ZONE",
    pl.Datetime("ns", "UTC"): "TIMESTAMP WITH TIME ZONE",
}
_IN_UTC = "SET TimeZone = 'UTC'"
_PARTS = "symbol=*/date=*/part-0.parquet"


def connect(lake_root: Path) -> duckdb.DuckDBPyConnection:
    """Open an in-memory database with one view per dataset; times are shown in UTC.

    A dataset without a file is an empty view with the right columns. Views see files that are replaced or added
    later, but a dataset that had no file at all at this moment stays empty until the next connection.

    Args:
        lake_root: folder of the lake; need not exist.
    """
    # Nothing is downloaded while someone queries.
    connection = duckdb.connect(
        ":memory:", config={"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"}
    )
    connection.execute(_IN_UTC)
    for contract in CONTRACTS.values():
        try:
            for statement in _view(lake_root.absolute(), contract):
                connection.execute(statement)
        except duckdb.Error as error:
            # One damaged file must not keep people from the other datasets; who asks for this one reads why.
            why = f"{contract.name} cannot be read: {error}"
            connection.execute(
                f"CREATE OR REPLACE VIEW {_name(contract.name)} AS SELECT error({_text(why)}) AS unreadable"
            )
    return connection


def view_statements(lake_root: Path) -> list[str]:
    """Return the statements that make the views, with comments from the contracts; they replace older views."""
    statements = [_IN_UTC]
    for contract in CONTRACTS.values():
        statements += _view(lake_root.absolute(), contract)
    return statements


def _view(lake_root: Path, contract: DatasetContract) -> list[str]:
    folder = lake_root / contract.folder
    columns = ["symbol VARCHAR", "trade_date DATE"]
    types = [_SQL_TYPES[dtype] for dtype in contract.polars_schema.dtypes()]
    columns += [f"{name} {kind}" for name, kind in zip(contract.polars_schema, types, strict=True)]
    first = _first_part(folder)
    if first is None:
        select = ", ".join(_cast("NULL", *column.split(" ", 1)) for column in columns) + " WHERE false"
    else:
        partition = [_cast("symbol", "symbol", "VARCHAR"), _cast("date", "trade_date", "DATE")]
        names = [column.split(" ", 1)[0] for column in columns[2:]]
        there = set(_names_in(first))
        is_older = not there.issuperset(names)
        if is_older:
            # A day from before the contract gained a column: it shows null there, and counts as stale on the board. All footers are read.
            there.update(*map(_names_in, folder.glob(_PARTS)))
        stored = [
            _cast(name if name in there else "NULL", *column.split(" ", 1))
            for name, column in zip(names, columns[2:], strict=True)
        ]
        source = (
            f"read_parquet({_text(str(folder / _PARTS))}, hive_partitioning = true, "
            f"hive_types = {{'symbol': VARCHAR, 'date': DATE}}{', union_by_name = true' * is_older})"
        )
        select = ", ".join(partition + stored) + f" FROM {source}"
    notes = {"symbol": "Symbol of the partition", "trade_date": "Trade date of the instrument's session"}
    notes |= {doc.name: f"{doc.description} [{doc.unit}]" for doc in contract.columns}
    return [
        f"CREATE OR REPLACE VIEW {_name(contract.name)} AS SELECT {select}",
        f"COMMENT ON VIEW {_name(contract.name)} IS {_text(contract.description)}",
        *(f"COMMENT ON COLUMN {_name(contract.name)}.{_name(name)} IS {_text(note)}" for name, note in notes.items()),
    ]


def _first_part(folder: Path) -> Path | None:
    """Return the file whose columns DuckDB takes for those of the dataset: the first one by name."""
    for symbol in sorted(folder.glob("symbol=*")):
        parts = sorted(symbol.glob("date=*/part-0.parquet"))
        if parts:
            return parts[0]
    return None


def _names_in(path: Path) -> list[str]:
    """Return the columns of a stored file; none if it cannot be read, which DuckDB then says when the view is made."""
    try:
        return list(pq.read_schema(path).names)
    except (pa.ArrowException, OSError):
        return []


def _cast(value: str, name: str, kind: str) -> str:
    return f"CAST({value if value == 'NULL' else _name(value)} AS {kind}) AS {_name(name)}"


def _name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
