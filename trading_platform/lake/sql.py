"""DuckDB over the lake: views for every dataset.

Belongs here: the statements that make the views, and in-memory connections. Does not belong here: the file
``catalog.duckdb``, which an asset writes from the same statements; it is never the only copy of anything.
"""

from __future__ import annotations

from pathlib import Path

import duckdb
import polars as pl

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
    for statement in view_statements(lake_root):
        connection.execute(statement)
    return connection


def view_statements(lake_root: Path) -> list[str]:
    """Return the statements that make the views, with comments from the contracts; they replace older views."""
    statements = ["SET TimeZone = 'UTC'"]
    for contract in CONTRACTS.values():
        statements += _view(lake_root.absolute(), contract)
    return statements


def _view(lake_root: Path, contract: DatasetContract) -> list[str]:
    folder = lake_root / contract.folder
    columns = ["symbol VARCHAR", "trade_date DATE"]
    types = [_SQL_TYPES[dtype] for dtype in contract.polars_schema.dtypes()]
    columns += [f"{name} {kind}" for name, kind in zip(contract.polars_schema, types, strict=True)]
    if next(folder.glob(_PARTS), None) is None:
        select = ", ".join(_cast("NULL", *column.split(" ", 1)) for column in columns) + " WHERE false"
    else:
        partition = [_cast("symbol", "symbol", "VARCHAR"), _cast("date", "trade_date", "DATE")]
        stored = [_cast(column.split(" ", 1)[0], *column.split(" ", 1)) for column in columns[2:]]
        source = (
            f"read_parquet({_text(str(folder / _PARTS))}, hive_partitioning = true, "
            "hive_types = {'symbol': VARCHAR, 'date': DATE})"
        )
        select = ", ".join(partition + stored) + f" FROM {source}"
    notes = {"symbol": "Symbol of the partition", "trade_date": "Trade date of the instrument's session"}
    notes |= {doc.name: f"{doc.description} [{doc.unit}]" for doc in contract.columns}
    return [
        f"CREATE OR REPLACE VIEW {_name(contract.name)} AS SELECT {select}",
        f"COMMENT ON VIEW {_name(contract.name)} IS {_text(contract.description)}",
        *(f"COMMENT ON COLUMN {_name(contract.name)}.{_name(name)} IS {_text(note)}" for name, note in notes.items()),
    ]


def _cast(value: str, name: str, kind: str) -> str:
    return f"CAST({value if value == 'NULL' else _name(value)} AS {kind}) AS {_name(name)}"


def _name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
