"""Watchlists: columns by their names, dates in every dialect that can be told, nothing guessed, nothing dropped in silence."""

from __future__ import annotations

import sys
from datetime import date, datetime
from pathlib import Path

import openpyxl
import pytest

from trading_platform.errors import QualityError
from trading_platform.l2.watchlist import WatchTask, read_watchlist, select_tasks
from trading_platform.settings import load_settings

AAPL = WatchTask(date(2025, 9, 5), "AAPL")
MSFT = WatchTask(date(2025, 9, 4), "MSFT")


def written(folder: Path, content: str | bytes, name: str = "list.csv") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
    return path


def refused(path: Path) -> QualityError:
    with pytest.raises(QualityError) as raised:
        read_watchlist(path)
    return raised.value


@pytest.mark.parametrize(
    "content",
    [
        "ticker,date\nAAPL,2025-09-05\nMSFT,2025-09-04\n",
        b"\xef\xbb\xbfTicker;Trade_Date\r\n aapl ;20250905\r\nmsft;2025-09-04\r\n",
        "SYMBOL\tDay\nAAPL\t9/5/2025\nMSFT\t09/04/2025 10:31\nAAPL\t5/5/2025\nAAPL\t8/13/2025\n",
        "sep=;\nStock;Trading Day;Name\nAAPL;2025-09-05T23:59:00Z;Zo\u00e9\nMSFT;45904;\n".encode("utf-16"),
        'Name|Ticker Symbol|date executed\nMike|AAPL|5-Sep-2025\nAnn|MSFT|"September 4, 2025"\n',
        "name,code,date\nZo\u00e9,AAPL,2025/09/05\nB,MSFT,2025-09-05T01:00:00+00:00\n".encode("latin-1"),
    ],
    ids=["plain", "bom_semicolon", "tab_us_dates", "utf16_sep_hint_serial", "bar_month_names", "latin_1"],
)
def test_l4_dialects_of_lists_give_the_same_tasks(tmp_path: Path, content: str | bytes) -> None:
    tasks = read_watchlist(written(tmp_path, content)).tasks
    assert [task for task in tasks if task.trade_date >= date(2025, 9, 1)] == [MSFT, AAPL]


def test_l4_day_first_dates_are_told_by_one_that_cannot_begin_with_a_month(tmp_path: Path) -> None:
    tasks = read_watchlist(written(tmp_path, "sym,day\nMSFT,4.9.2025\nSPY,25.8.2025\n")).tasks
    assert tasks == (WatchTask(date(2025, 8, 25), "SPY"), MSFT)


def test_l4_first_sheet_of_a_spreadsheet_with_excel_dates(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    opened = datetime(2025, 9, 5, 9, 31)  # noqa: DTZ001 - cells of a spreadsheet have no zone
    for row in [("Name", "Symbol", "Date"), ("Mike", "AAPL", opened), (), ("Ann", "MSFT", 45904)]:
        book.active.append(row)
    book.create_sheet("notes").append(["ticker", "date"])
    book.save(tmp_path / "list.xlsx")
    found = read_watchlist(tmp_path / "list.xlsx")
    assert (found.tasks, found.ticker_column, found.date_column) == ((MSFT, AAPL), "Symbol", "Date")


def test_l4_rows_are_counted_and_the_unusable_ones_told(tmp_path: Path) -> None:
    content = (
        "ticker,date\nBRK.B,2025-09-05\nes.v.0,2025-09-04\nbrk.b,2025-09-05\nnot one,2025-09-05\nSPY,2025-02-30\n,\n"
    )
    found = read_watchlist(written(tmp_path, content))
    assert [task.symbol for task in found.tasks] == ["ES.v.0", "BRK.B"]
    assert (len(found.tasks), found.duplicates) == (2, 1)
    assert [(row.row, row.ticker, row.reason) for row in found.refused] == [
        (5, "not one", "not a ticker"),
        (6, "SPY", "not a date"),
    ]


@pytest.mark.parametrize(
    ("content", "code", "seen"),
    [
        ("AAPL,2025-09-05\n", "E471", "'AAPL', '2025-09-05'"),
        ("name,date\nMike,2025-09-05\n", "E471", "'name', 'date'"),
        ("ticker,symbol,date\nA,B,2025-09-05\n", "E471", "'ticker' and 'symbol' both name it"),
        ("", "E471", "the first row reads nothing"),
        ("ticker,when\nAAPL,2025-09-05\n", "E472", "'ticker', 'when'"),
        ("ticker,date\nApple Inc.,2025-09-05\nMicrosoft Corp,2025-09-04\n", "E473", "row 2: 'Apple Inc.'"),
        ("ticker,date\nAAPL,9/5/2025\n", "E474", "9/5/2025"),
        ("ticker,date\nAAPL,9/25/2025\nMSFT,25/9/2025\n", "E474", "some dates begin with the month"),
    ],
)
def test_l4_list_that_cannot_be_told_is_refused_with_what_was_seen(
    tmp_path: Path, content: str, code: str, seen: str
) -> None:
    error = refused(written(tmp_path, content))
    assert error.code == code
    assert seen in error.what


def test_l4_file_that_cannot_be_read_is_refused_e470(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert refused(tmp_path / "absent.csv").code == "E470"
    assert refused(written(tmp_path, "{}", "list.json")).code == "E470"
    assert refused(written(tmp_path, "ticker,date\n", "list.xlsx")).code == "E470"
    assert refused(written(tmp_path, b"ticker\0,date\n")).code == "E470"
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    assert "openpyxl" in refused(written(tmp_path, "", "other.xlsx")).what


def test_l4_filters_narrow_the_tasks() -> None:
    saturday = WatchTask(date(2025, 9, 6), "SPY")
    spy = WatchTask(date(2025, 9, 5), "SPY")
    tasks = [saturday, spy, AAPL, MSFT, AAPL]
    assert select_tasks(tasks) == [MSFT, AAPL, spy]
    assert select_tasks(tasks, skip_weekends=False)[-1] == saturday
    assert select_tasks(tasks, since=date(2025, 9, 5)) == [AAPL, spy]
    assert select_tasks(tasks, last=1) == [AAPL, spy]
    assert select_tasks(tasks, last=0) == []
    assert select_tasks(tasks, max_tasks=2) == [MSFT, AAPL]
    assert select_tasks(tasks, symbols=["aapl", "MSFT"], days=[date(2025, 9, 5)]) == [AAPL]
    with pytest.raises(ValueError, match="max_tasks of 0 or more, was -1"):
        select_tasks(tasks, max_tasks=-1)


def test_l4_list_is_named_by_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TP_WATCHLIST", "~/list.csv")
    assert load_settings().watchlist == Path.home() / "list.csv"


def test_l4_midnight_utc_is_how_programs_write_a_date(tmp_path: Path) -> None:
    content = "ticker,date\nMSFT,2025-09-04 00:00:00+00:00\nAAPL,2025-09-05T00:00:01Z\n"
    assert set(read_watchlist(written(tmp_path, content)).tasks) == {MSFT, WatchTask(date(2025, 9, 4), "AAPL")}
