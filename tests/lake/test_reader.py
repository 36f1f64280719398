"""Reading by exact path: days, ranges, columns, missing days."""

from __future__ import annotations

import shutil
from datetime import UTC, date, datetime

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from trading_platform import lake as lake_package
from trading_platform.errors import ConfigurationError, LakeError
from trading_platform.lake import LocalLake, reader

from .samples import DAY, store, tick_frame, tick_table

FRIDAY, MONDAY = date(2025, 9, 5), date(2025, 9, 8)


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    built = LocalLake(tmp_path_factory.mktemp("lake"))
    store(built, tick_table(3, seed=1), day=FRIDAY)
    store(built, tick_table(4, seed=2), day=MONDAY)
    return built


def test_u3_one_day_has_symbol_and_trade_date_first(lake):
    frame = lake.read("ticks", "MNQ", FRIDAY)
    assert frame.columns == ["symbol", "trade_date", *tick_frame(1).columns]
    assert frame["symbol"].to_list() == ["MNQ"] * 3
    assert frame["trade_date"].to_list() == [FRIDAY] * 3
    assert_frame_equal(frame.drop("symbol", "trade_date"), tick_frame(3, seed=1))


def test_u3_range_includes_both_ends_and_asks_for_no_weekend(lake):
    frame = lake.read("ticks", "MNQ", (FRIDAY, MONDAY))
    assert frame.group_by("trade_date", maintain_order=True).len().rows() == [(FRIDAY, 3), (MONDAY, 4)]
    assert_frame_equal(lake.scan("ticks", "MNQ", (FRIDAY, MONDAY)).collect(), frame)


def test_u3_days_can_be_written_as_text(lake):
    assert_frame_equal(lake.read("ticks", "MNQ", "2025-09-05"), lake.read("ticks", "MNQ", FRIDAY))
    both = lake.read("ticks", "MNQ", (FRIDAY, MONDAY))
    assert_frame_equal(lake.read("ticks", "MNQ", ("2025-09-05", "2025-09-08")), both)
    assert_frame_equal(lake.scan("ticks", "MNQ", ("2025-09-05", MONDAY)).collect(), both)


@pytest.mark.parametrize("day", ["05.09.2025", "", datetime(2025, 9, 5, tzinfo=UTC), 20250905])
def test_u3_what_is_no_trade_date_is_e108(lake, day):
    with pytest.raises(ConfigurationError) as caught:
        lake.read("ticks", "MNQ", day)
    assert caught.value.code == "E108"
    assert repr(day) in caught.value.what


def test_u3_chosen_columns_come_in_the_order_asked_for(lake):
    frame = lake.read("ticks", "MNQ", FRIDAY, columns=["volume", "ts", "symbol"])
    assert frame.columns == ["symbol", "trade_date", "volume", "ts"]


def test_u3_pandas_can_take_it_over(lake):
    frame = lake.read("ticks", "MNQ", FRIDAY).to_pandas()
    assert frame["price"].tolist() == tick_frame(3, seed=1)["price"].to_list()
    assert str(frame["ts"].dtype) == "datetime64[us, UTC]"


def test_u3_missing_day_is_an_error_that_says_how_to_build_it(lake):
    with pytest.raises(LakeError) as caught:
        lake.read("ticks", "MNQ", (date(2025, 9, 4), date(2025, 9, 9)))
    assert caught.value.code == "E507"
    assert "2025-09-04, 2025-09-09" in caught.value.what
    assert caught.value.next_command == "tp backfill MNQ/ticks --from 2025-09-04 --to 2025-09-09"
    with pytest.raises(LakeError, match="E507"):
        lake.open("ticks", "MNQ", DAY)


def test_u3_missing_days_can_be_left_out(lake):
    assert lake.read("ticks", "MNQ", (date(2025, 9, 1), date(2025, 9, 12)), missing="skip").height == 7
    nothing = lake.read("ticks", "MNQ", DAY, missing="skip")
    assert nothing.height == 0
    assert nothing.schema == lake.read("ticks", "MNQ", FRIDAY).schema
    assert lake.scan("ticks", "MNQ", DAY, missing="skip").collect().schema == nothing.schema


@pytest.mark.parametrize(("dataset", "columns"), [("tikcs", None), ("ticks", ["prices"])])
def test_u3_unknown_name_lists_the_known_ones(lake, dataset, columns):
    with pytest.raises(LakeError, match="expected one of") as caught:
        lake.read(dataset, "MNQ", FRIDAY, columns=columns)
    assert caught.value.code == "E508"


def test_u3_lazy_frame_keeps_what_it_opened_when_the_partition_is_replaced(tmp_path):
    lake = LocalLake(tmp_path)
    store(lake, tick_table(5))
    before = lake.scan("ticks", "MNQ", DAY)
    store(lake, tick_table(9))
    assert before.select(pl.len()).collect().item() == 5
    assert lake.scan("ticks", "MNQ", DAY).select(pl.len()).collect().item() == 9


def test_u3_range_of_more_files_than_may_be_open_reads_the_same(lake, monkeypatch):
    monkeypatch.setattr(reader, "_MOST_OPEN_FILES", 1)
    monkeypatch.setattr(reader, "_scan_file", None)  # must not be used above the limit
    frame = lake.scan("ticks", "MNQ", (FRIDAY, MONDAY))
    assert_frame_equal(frame.collect(), lake.read("ticks", "MNQ", (FRIDAY, MONDAY)))
    assert frame.select(pl.len()).collect().item() == 7


@pytest.mark.parametrize("most_open", [1, 256])
@pytest.mark.parametrize("content", [b"", b"nothing" * 100])
def test_u3_lazy_frame_over_a_damaged_file_names_it(tmp_path, monkeypatch, most_open, content):
    monkeypatch.setattr(reader, "_MOST_OPEN_FILES", most_open)
    lake = LocalLake(tmp_path)
    store(lake, tick_table(3), day=FRIDAY)
    path = store(lake, tick_table(3), day=MONDAY)
    path.write_bytes(content)
    with pytest.raises(LakeError) as caught:
        lake.scan("ticks", "MNQ", (FRIDAY, MONDAY))
    assert caught.value.code == "E505"
    assert str(path) in caught.value.what


@pytest.mark.parametrize("name", ["date=2025-09-05 copy", "date=20250905", "date=", "date=2025-09-31"])
def test_u3_folder_that_is_no_trade_date_is_ignored(tmp_path, name):
    lake = LocalLake(tmp_path)
    path = store(lake, tick_table(3), day=FRIDAY)
    shutil.copytree(path.parent, path.parent.with_name(name))
    assert lake.days("ticks", "MNQ") == [FRIDAY]


def test_u3_open_file_is_not_disturbed_by_a_replacement(tmp_path):
    lake = LocalLake(tmp_path)
    first = store(lake, tick_table(5)).read_bytes()
    with lake.open("ticks", "MNQ", DAY) as file:
        store(lake, tick_table(9))
        assert file.read() == first


def test_u3_module_function_reads_the_lake_of_the_home_folder(tmp_path, monkeypatch):
    from trading_platform.home import Home

    store(LocalLake(tmp_path / "lake"), tick_table(5))
    monkeypatch.setattr("trading_platform.home.find_home", lambda: Home(tmp_path))
    assert lake_package.read("ticks", "MNQ", DAY).height == 5
