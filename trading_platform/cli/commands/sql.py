"""``tp sql``: one query over the lake."""

from __future__ import annotations

import csv
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...errors import ConfigurationError
from .. import console
from ..options import JsonOption
from ..platform import locate_home

if TYPE_CHECKING:
    import duckdb

    from ...home import Home

_HELP = """
Run one SQL statement over the lake and print the rows. Each dataset is a view with the columns symbol and trade_date added.

Example: tp sql "select symbol, trade_date, count(*) from ticks group by all order by all"

The statement runs in DuckDB in memory: nothing it creates stays, and it can neither write files nor
read any outside the lake. Times are UTC.
"""
# ATTACH makes a database file; PREPARE and EXECUTE can carry any of the others.
_WRITERS = frozenset({"COPY", "EXPORT", "ATTACH", "PREPARE", "EXECUTE"})


@dataclass(frozen=True, slots=True)
class QueryResult:
    """Rows of a query.

    Attributes:
        columns: name and SQL type of each column.
        rows: at most as many as asked for.
        is_cut: True if there were more.
    """

    columns: tuple[tuple[str, str], ...]
    rows: list[tuple[Any, ...]]
    is_cut: bool


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("sql", help=_HELP)(sql)


def sql(
    statement: Annotated[str, typer.Argument(help="SQL statement, in quotes")],
    json_output: JsonOption = False,
    csv_output: Annotated[bool, typer.Option("--csv", help="Write comma-separated values with a header line")] = False,
    limit: Annotated[int, typer.Option("--limit", min=0, help="Most rows to print; 0 = all")] = 200,
) -> None:
    """Run one statement and print its rows."""
    if json_output and csv_output:
        raise ConfigurationError(
            "E160",
            "--json and --csv exclude each other",
            "each of them is the whole output; nothing was run",
            "tp sql --help",
        )
    home = locate_home()
    from ...lake.sql import connect

    with connect(home.lake_dir) as connection:
        confine(connection, home.lake_dir)
        result = run_query(connection, statement, limit)
    synthetic = home.is_demo or shows_synthetic(home, statement)
    if synthetic and not json_output:
        console.label_synthetic()
    if json_output:
        console.print_json({"synthetic": synthetic, **as_json(result)})
    elif csv_output:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow([name for name, _ in result.columns])
        writer.writerows([_exact(value) for value in row] for row in result.rows)
    else:
        print_result(result)
    if result.is_cut:
        console.err.print(f"only the first {limit} rows are shown; --limit 0 shows all")


def shows_synthetic(home: Home, statement: str) -> bool:
    """Tell whether a dataset that a statement names holds a generated partition.

    The board's summaries of footers are used where they are still true, so that a lake of years is looked at in no time.
    """
    from ...coverage.files import SeriesFiles
    from ...coverage.listing import stored_files
    from ...coverage.series import Series
    from ...lake.contracts import CONTRACTS

    words = {word.lower() for word in re.findall(r"\w+", statement)}
    for contract in CONTRACTS.values():
        if contract.name.lower() not in words:
            continue
        for folder in sorted((home.lake_dir / contract.folder).glob("symbol=*")):
            # What a series is made from does not matter for this; a source is read for its contract too, which takes time.
            series = Series(folder.name.removeprefix("symbol="), contract.name, contract.folder, "", "", 0, ("other",))
            files = SeriesFiles(home.lake_dir, series, home.coverage_cache_dir)
            listed = stored_files(files.folder, date.min.toordinal(), date.max.toordinal())
            stored = files.look(date.min, date.max, listed, lambda _: None)
            if bool(stored.table["synthetic"].any()):
                return True
    return False


def confine(connection: duckdb.DuckDBPyConnection, lake_root: Path) -> None:
    """Let the connection read files of the lake only, for the rest of its life.

    DuckDB makes no difference between reading and writing in a folder that is allowed, so ``run_query`` refuses the statements that write.
    """
    folder = str(lake_root.absolute()).replace("'", "''")
    for setting in (
        f"allowed_directories = ['{folder}/']",
        "enable_external_access = false",
        "lock_configuration = true",  # logs and profiles are files too, and settings name them
    ):
        connection.execute(f"SET {setting}")


def run_query(connection: duckdb.DuckDBPyConnection, statement: str, limit: int = 0) -> QueryResult:
    """Run a statement.

    Args:
        connection: with the views.
        statement: SQL; a script of several statements gives the rows of the last.
        limit: most rows to fetch; 0 means all.

    Raises:
        ConfigurationError: E167 with DuckDB's message and the list of views, or for a statement that could write a file.
    """
    import duckdb

    try:
        _refuse_writers(connection.extract_statements(statement))
        cursor = connection.execute(statement)
        columns = tuple((str(name), str(kind)) for name, kind, *_ in cursor.description or ())
        rows = (cursor.fetchmany(limit + 1) if limit else cursor.fetchall()) if columns else []
    except duckdb.Error as error:
        raise ConfigurationError(
            "E167",
            f"the statement cannot be run: {error}",
            f"views: {', '.join(_views(connection))}; each has symbol and trade_date besides its own columns",
            'tp sql "describe ticks"',
        ) from error
    return QueryResult(columns, rows[:limit] if limit else rows, bool(limit) and len(rows) > limit)


def _refuse_writers(statements: Sequence[duckdb.Statement]) -> None:
    """Refuse statements that write files, and those that could hide one."""
    for one in statements:
        kind = one.type.name
        if kind in _WRITERS or (kind == "EXPLAIN" and re.search(r"\b(copy|export)\b", one.query, re.IGNORECASE)):
            raise ConfigurationError(
                "E167",
                f"the statement cannot be run: {kind} could write files, and tp sql only reads",
                "files of the lake are written by their assets alone; nothing was run",
                "tp export bars --help",
            )


def print_result(result: QueryResult, *, title: str | None = None) -> None:
    """Print rows as a table whose header names the types."""
    columns = [
        f"{name}\n{kind.lower().replace('timestamp with time zone', 'timestamptz')}" for name, kind in result.columns
    ]
    console.print_table(columns, [[_shown(value) for value in row] for row in result.rows], title=title)
    if not result.rows:
        console.out.print("no rows")


def as_json(result: QueryResult) -> dict[str, Any]:
    """Return the result as JSON values: columns with types, rows as objects."""
    names = [name for name, _ in result.columns]
    return {
        "columns": [{"name": name, "type": kind} for name, kind in result.columns],
        "rows": [dict(zip(names, [_exact(value) for value in row], strict=True)) for row in result.rows],
        "truncated": result.is_cut,
    }


def _views(connection: duckdb.DuckDBPyConnection) -> Sequence[str]:
    listing = "select view_name from duckdb_views() where not internal order by 1"
    return [str(row[0]) for row in connection.execute(listing).fetchall()]


def _exact(value: Any) -> Any:
    """Return a value for programs: instants in ISO 8601, everything else as it is."""
    return value.isoformat() if isinstance(value, datetime) else value


def _shown(value: Any) -> Any:
    """Return a value for people; floats keep all their digits, because a price is not a sum of money."""
    if isinstance(value, datetime):
        return value.isoformat(sep=" ").removesuffix("+00:00") + ("Z" if value.tzinfo is not None else "")
    return repr(value) if isinstance(value, float) else value
