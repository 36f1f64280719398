"""Exports: names, formats, round trips, and a folder that never holds half a file."""

from __future__ import annotations

import errno
from datetime import date
from pathlib import Path

import pandas as pd
import polars as pl
import pyarrow.parquet as pq
import pytest
from polars.testing import assert_frame_equal
from pyarrow import feather

from trading_platform.bars import BAR_COLUMNS, export_bars, time_bars, volume_bars
from trading_platform.bars.export import BarKind, parse_clock
from trading_platform.errors import QualityError
from trading_platform.lake import Outcome

from . import frames
from .conftest import DAY

NEXT = date(2025, 3, 11)


def plain(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(pl.col("contract").cast(pl.String))


def test_b4_parquet_round_trip_with_the_documented_name(store_ticks, tmp_path: Path) -> None:
    lake = store_ticks(frames.answer_ticks())
    (day,) = export_bars(lake, "MNQ", DAY, out=tmp_path / "new" / "folder")
    assert day.path == tmp_path / "new" / "folder" / "MNQ_bars_1m_2025-03-10.parquet"
    assert (day.trade_date, day.rows, day.reason, day.synthetic) == (DAY, 2, None, False)
    expected = plain(time_bars(frames.answer_ticks(), 60, tick_size=0.25))
    assert_frame_equal(plain(pl.read_parquet(day.path)), expected, check_exact=True)
    assert pd.read_parquet(day.path)["vwap"].tolist() == expected["vwap"].to_list()
    assert [item.name for item in day.path.parent.iterdir()] == [day.path.name]


def test_b4_csv_has_utc_times_with_microseconds_and_exact_numbers(store_ticks, tmp_path: Path) -> None:
    (day,) = export_bars(store_ticks(frames.answer_ticks()), "MNQ", DAY, clock="1s", file_format="csv", out=tmp_path)
    assert day.path.name == "MNQ_bars_1s_2025-03-10.csv"
    lines = day.path.read_text().splitlines()
    assert lines[0] == ",".join(BAR_COLUMNS)
    assert lines[1] == "2025-03-10T13:30:00.000000Z,100.0,100.25,99.75,100.0,10,99.95,999.5,3,3,4,0,4,,,MNQH25"
    back = pl.read_csv(day.path).with_columns(
        pl.col("ts_open").str.to_datetime(time_unit="us", time_zone="UTC", format="%Y-%m-%dT%H:%M:%S%.fZ")
    )
    assert_frame_equal(back, plain(time_bars(frames.answer_ticks(), 1, tick_size=0.25)), check_exact=True)


def test_b4_feather_round_trip(store_ticks, tmp_path: Path) -> None:
    (day,) = export_bars(store_ticks(frames.answer_ticks()), "MNQ", DAY, volume=10, file_format="feather", out=tmp_path)
    assert day.path.name == "MNQ_bars_vol10_2025-03-10.feather"
    expected = plain(volume_bars(frames.answer_ticks(), 10, tick_size=0.25))
    assert_frame_equal(plain(pl.from_arrow(feather.read_table(day.path))), expected, check_exact=True)
    assert str(pd.read_feather(day.path)["ts_close"].dtype) == "datetime64[us, UTC]"


@pytest.mark.parametrize(
    ("asked", "name", "rows"),
    [
        ({"clock": "5m"}, "MNQ_bars_5m_2025-03-10.parquet", 1),
        ({"clock": 90}, "MNQ_bars_90s_2025-03-10.parquet", 1),
        ({"clock": "24h"}, "MNQ_bars_1d_2025-03-10.parquet", 1),
        ({"ticks": 4}, "MNQ_bars_tick4_2025-03-10.parquet", 3),
        ({"dollars": 1_199.0}, "MNQ_bars_usd1199_2025-03-10.parquet", 5),
    ],
)
def test_b4_every_kind_of_bar_has_its_name(store_ticks, tmp_path: Path, asked, name: str, rows: int) -> None:
    (day,) = export_bars(store_ticks(frames.answer_ticks()), "MNQ", DAY, out=tmp_path, **asked)
    assert (day.path.name, day.rows) == (name, rows)


def test_b4_a_day_is_one_bar_stamped_at_the_opening(store_ticks, tmp_path: Path) -> None:
    (day,) = export_bars(store_ticks(frames.answer_ticks()), "MNQ", [DAY], clock="1d", out=tmp_path)
    assert [stamp.isoformat() for stamp in pl.read_parquet(day.path)["ts_open"]] == ["2025-03-09T22:00:00+00:00"]


def test_b4_days_without_trades_have_a_reason_and_no_file(store_ticks, tmp_path: Path) -> None:
    store_ticks(frames.answer_ticks())
    lake = store_ticks(None, NEXT, outcome=Outcome.EMPTY, reason="the source holds no rows")
    first, second = export_bars(lake, "MNQ", [DAY, NEXT], out=tmp_path)
    assert first.rows == 2
    assert (second.path, second.rows, second.reason) == (None, 0, "the source holds no rows")


def test_b4_a_file_that_is_there_is_not_overwritten_and_nothing_else_is_written(store_ticks, tmp_path: Path) -> None:
    store_ticks(frames.answer_ticks())
    lake = store_ticks(frames.answer_ticks().with_columns(pl.col("ts") + pl.duration(days=1)), NEXT)
    there = tmp_path / "MNQ_bars_1m_2025-03-11.parquet"
    there.write_bytes(b"mine")
    with pytest.raises(QualityError, match="is already in the folder") as caught:
        export_bars(lake, "MNQ", [DAY, NEXT], out=tmp_path)
    assert caught.value.code == "E427"
    assert [item.read_bytes() for item in tmp_path.glob("MNQ*")] == [b"mine"]
    days = export_bars(lake, "MNQ", [DAY, NEXT], out=tmp_path, force=True)
    assert [day.rows for day in days] == [2, 2]
    assert pl.read_parquet(there).height == 2


def test_b4_missing_ticks_stop_the_export_before_anything_is_written(store_ticks, tmp_path: Path) -> None:
    lake = store_ticks(frames.answer_ticks())
    with pytest.raises(QualityError, match="upstream MNQ/ticks 2025-03-11 is not there") as caught:
        export_bars(lake, "MNQ", [DAY, NEXT], out=tmp_path / "out")
    assert caught.value.code == "E420"
    assert not (tmp_path / "out").exists()


def test_b4_synthetic_days_say_so_in_the_file(store_ticks, tmp_path: Path) -> None:
    lake = store_ticks(frames.answer_ticks(), synthetic=True)
    paths = {
        file_format: export_bars(lake, "MNQ", DAY, file_format=file_format, out=tmp_path)[0].path
        for file_format in ("parquet", "feather", "csv")
    }
    assert pq.read_schema(paths["parquet"]).metadata[b"synthetic"] == b"true"
    assert feather.read_table(paths["feather"]).schema.metadata[b"synthetic"] == b"true"
    assert paths["csv"].name == "MNQ_bars_1m_2025-03-10_synthetic.csv"


@pytest.mark.parametrize(
    "asked",
    [
        {"clock": "1m", "volume": 5},
        {"clock": "1w"},
        {"clock": "0s"},
        {"clock": "25h"},
        {"volume": 0},
        {"dollars": -1.0},
        {"file_format": "xlsx"},
    ],
)
def test_b4_requests_that_make_no_sense_are_refused(store_ticks, tmp_path: Path, asked) -> None:
    lake = store_ticks(frames.answer_ticks())
    with pytest.raises(QualityError) as caught:
        export_bars(lake, "MNQ", DAY, out=tmp_path / "out", **asked)
    assert caught.value.code == "E424"
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("file_format", ["parquet", "csv", "feather"])
def test_b4_a_full_disk_leaves_the_older_export_and_no_temporary(
    store_ticks, tmp_path: Path, monkeypatch, file_format: str
) -> None:
    lake = store_ticks(frames.answer_ticks())
    (day,) = export_bars(lake, "MNQ", DAY, file_format=file_format, out=tmp_path)
    before = day.path.read_bytes()

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(QualityError, match="No space left on device") as caught:
        export_bars(lake, "MNQ", DAY, file_format=file_format, out=tmp_path, force=True)
    assert caught.value.code == "E429"
    assert day.path.read_bytes() == before
    assert [item.name for item in tmp_path.iterdir() if item.is_file()] == [day.path.name]


def test_b4_a_folder_that_is_a_file_is_refused(store_ticks, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(QualityError) as caught:
        export_bars(store_ticks(frames.answer_ticks()), "MNQ", DAY, out=tmp_path / "out")
    assert caught.value.code == "E429"


def test_b4_clocks_are_read_and_named_in_their_largest_unit() -> None:
    seconds = {text: parse_clock(text) for text in ("1s", "90", "90m", "4h", "1d")}
    assert seconds == {"1s": 1, "90": 90, "90m": 5_400, "4h": 14_400, "1d": 86_400}
    assert [BarKind("clock", step).name for step in seconds.values()] == ["1s", "90s", "90m", "4h", "1d"]
    assert BarKind("dollars", 2_500_000.0).name == "usd2500000"
