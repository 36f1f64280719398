"""Stage catalog: DuckDB views over the lake.

The only place that opens the catalogue file for writing, and closes it at once: DuckDB allows one process per file.
"""

from collections.abc import Sequence

import dagster as dg
from dagster_duckdb import DuckDBResource

from trading_platform.lake.sql import view_statements

from . import keys
from .dated import OWNERS


def sql_views_asset(upstream: Sequence[dg.AssetKey]) -> dg.AssetsDefinition:
    """Define ``lake/sql_views`` after all stored datasets."""

    @dg.asset(
        key=keys.SQL_VIEWS,
        deps=list(upstream),
        group_name="catalog",
        kinds={"duckdb", "sql"},
        owners=OWNERS,
        tags={"stage": "catalog"},
        description="One DuckDB view per dataset over the Parquet files of the lake, with column comments; never the only copy.",
        code_version="1",
        pool="duckdb",
        metadata={
            "dagster/column_schema": dg.TableSchema(
                [dg.TableColumn("view_name", "string", description="Name of the view, equal to the dataset")]
            )
        },
        required_resource_keys={"lake", "duckdb"},
    )
    def sql_views(context: dg.AssetExecutionContext) -> None:
        lake = context.resources.lake.lake()
        duckdb: DuckDBResource = context.resources.duckdb
        with duckdb.get_connection() as connection:
            for statement in view_statements(lake.root):
                connection.execute(statement)
            listing = "select view_name from duckdb_views() where not internal order by 1"
            names = [row[0] for row in connection.execute(listing).fetchall()]
        context.add_output_metadata({"views": names, "dagster/row_count": len(names)})

    return sql_views
