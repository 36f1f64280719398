"""DuckDB views over the lake."""

from __future__ import annotations

from datetime import timedelta

import duckdb
import pyarrow.parquet as pq
import pytest
from polars.testing import assert_frame_equal

from trading_platform.lake import LocalLake
from trading_platform.lake.contracts import BARS_1S, CONTRACTS
from trading_platform.lake.sql import connect, view_statements

from .samples import DAY, bar_frame, footer_fields, reject_table, store, tick_table


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    # A quote in the path must not end the string in SQL.
    built = LocalLake(tmp_path_factory.mktemp("trader's lake"))
    store(built, tick_table(300, contracts=("MNQU25", "MNQZ25")))
    with built.begin(BARS_1S, "MNQ", DAY) as writer:
        writer.append(bar_frame(4).to_arrow())
        writer.commit(footer_fields())
    return built


@pytest.mark.parametrize("dataset", ["ticks", "bars_1s"])
def test_u3_view_equals_what_read_returns(lake, dataset):
    with connect(lake.root) as connection:
        viewed = connection.sql(f"select * from {dataset}").pl()
    stored = lake.read(dataset, "MNQ", DAY)
    assert_frame_equal(viewed.sort(viewed.columns[2:4]), stored.cast({"contract": str}), check_dtypes=True)


def test_u3_dataset_without_a_file_is_an_empty_view_with_the_same_types(lake, tmp_path):
    def columns(root):
        with connect(root) as connection:
            assert connection.sql("select count(*) from bars_1m").fetchall() == [(0,)]
            return {name: connection.sql(f"describe {name}").fetchall() for name in CONTRACTS}

    assert columns(lake.root) == columns(tmp_path / "not there")


def test_u3_views_and_columns_carry_the_words_of_the_contract(lake):
    with connect(lake.root) as connection:
        views = dict(connection.sql("select view_name, comment from duckdb_views() where not internal").fetchall())
        columns = connection.sql(
            "select column_name, comment from duckdb_columns() where table_name = 'ticks'"
        ).fetchall()
    assert views == {name: contract.description for name, contract in CONTRACTS.items()}
    assert dict(columns)["volume"] == "Size of the trade [contracts]"


def test_u3_times_are_shown_in_utc_and_days_are_dates(lake):
    with connect(lake.root) as connection:
        ts, day = connection.execute("select ts::varchar, trade_date from ticks order by seq limit 1").fetchone()
    assert ts.endswith("+00")
    assert day == DAY


def test_u3_refused_rows_are_a_view_of_the_quarantine_folder(tmp_path):
    lake = LocalLake(tmp_path)
    with lake.begin(CONTRACTS["ticks"], "MNQ", DAY) as writer:
        writer.append(tick_table(1))
        writer.reject(reject_table(2, "off_scale"))
        writer.commit(footer_fields())
    with connect(tmp_path) as connection:
        rows = connection.sql("select symbol, reason, count(*) from tick_rejects group by all").fetchall()
    assert rows == [("MNQ", "off_scale", 2)]


def test_u3_statements_make_and_remake_a_catalogue_file(lake, tmp_path):
    for _ in range(2):
        with duckdb.connect(str(tmp_path / "catalog.duckdb")) as connection:
            for statement in view_statements(lake.root):
                connection.execute(statement)
    with duckdb.connect(str(tmp_path / "catalog.duckdb"), read_only=True) as connection:
        assert connection.sql("select count(*) from ticks").fetchall() == [(300,)]


def test_u3_nothing_is_downloaded_by_a_query(lake):
    with connect(lake.root) as connection:
        settings = connection.sql(
            "select name, value from duckdb_settings() where name like 'auto%known_extensions' order by name"
        ).fetchall()
    assert settings == [("autoinstall_known_extensions", "false"), ("autoload_known_extensions", "false")]


def test_u3_day_from_before_a_column_shows_null_there_beside_newer_days(tmp_path):
    lake = LocalLake(tmp_path)
    for day in (DAY, DAY + timedelta(days=1)):
        with lake.begin(BARS_1S, "MNQ", day) as writer:
            writer.append(bar_frame(4).to_arrow())
            writer.commit(footer_fields())
    older = lake.path("bars_1s", "MNQ", DAY)
    table = pq.read_table(older, partitioning=None)
    pq.write_table(table.drop_columns(["vwap"]), older)
    with connect(tmp_path) as connection:
        counted = connection.sql(
            "select trade_date, count(*), count(vwap) from bars_1s group by all order by all"
        ).fetchall()
    assert counted == [(DAY, 4, 0), (DAY + timedelta(days=1), 4, 4)]


def test_u3_damaged_file_keeps_nobody_from_other_datasets(tmp_path):
    lake = LocalLake(tmp_path)
    store(lake, tick_table(3))
    damaged = lake.path("bars_1s", "MNQ", DAY)
    damaged.parent.mkdir(parents=True)
    damaged.write_bytes(b"no parquet")
    with connect(tmp_path) as connection:
        assert connection.sql("select count(*) from ticks").fetchall() == [(3,)]
        with pytest.raises(duckdb.Error, match="bars_1s cannot be read"):
            connection.sql("select * from bars_1s").fetchall()
