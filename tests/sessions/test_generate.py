"""The packaged table of exceptional days and its generator."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from trading_platform.errors import ConfigurationError
from trading_platform.sessions import tables
from trading_platform.sessions.generate import FIRST, LAST, OVERRIDES, generate, read_overrides
from trading_platform.sessions.tables import CALENDAR_DAYS, covered, read_rows

HEADER = "date,calendar,open,close,breaks,reason,source"


def test_s1_packaged_table_is_what_the_generator_makes() -> None:
    import pandas_market_calendars

    packaged = CALENDAR_DAYS.read_text(encoding="utf-8")
    made_with = re.search(r"pandas_market_calendars (\S+)", packaged)
    assert made_with is not None
    if made_with[1] != pandas_market_calendars.__version__:
        pytest.skip(
            f"table made with pandas_market_calendars {made_with[1]}, installed is {pandas_market_calendars.__version__}"
        )

    assert generate() == packaged


def test_s1_table_covers_at_least_the_next_year() -> None:
    first, last = covered()

    assert (first, last) == (FIRST, LAST)
    assert last >= datetime.now(UTC).date() + timedelta(days=365), (
        "raise LAST in sessions/generate.py and generate the table anew"
    )


def test_s1_overrides_win_over_the_library_and_carry_a_source() -> None:
    overrides = read_overrides(OVERRIDES)
    days = {(row["calendar"], row["trade_date"]): row for row in read_rows(CALENDAR_DAYS)}

    assert days["CME_EQUITY", "2025-01-09"]["close"] == "08:30"
    assert all(row["source"] for row in read_rows(OVERRIDES))
    for calendar, rows in overrides.items():
        for day, row in rows.items():
            assert days[calendar, day.isoformat()]["open"] == row.open
            assert days[calendar, day.isoformat()]["close"] == row.close


def test_s1_override_without_open_time_takes_the_regular_one(tmp_path: Path) -> None:
    path = tmp_path / "overrides.csv"
    path.write_text(f"{HEADER}\n2019-05-07,CME_EQUITY,,15:45,,Test,invented\n2019-05-08,NYSE,12:00,,,Test,invented\n")

    text = generate(date(2019, 5, 6), date(2019, 5, 10), path)

    assert text.splitlines()[4:] == [
        "CME_EQUITY,2019-05-07,-1d 17:00,15:45,15:15-15:30,Test",
        "NYSE,2019-05-08,12:00,16:00,,Test",
    ]


@pytest.mark.parametrize(
    "row",
    [
        "2025-01-09,CME_EQUTY,,08:30,,Mourning,notice",
        "2025-13-09,CME_EQUITY,,08:30,,Mourning,notice",
        "2025-01-09,CME_EQUITY,,8.30,,Mourning,notice",
        "2025-01-09,CME_EQUITY,,08:30,,Mourning,",
        "2025-01-09,CME_EQUITY,,08:30,Mourning,notice",
        "2025-01-08,CME_EQUITY,closed,,,Mourning,notice",
    ],
)
def test_s1_malformed_override_is_an_error_that_names_the_line(tmp_path: Path, row: str) -> None:
    path = tmp_path / "overrides.csv"
    path.write_text(f"# a comment\n{HEADER}\n2025-01-08,CME_EQUITY,,08:30,,Test,invented\n{row}\n")

    with pytest.raises(ConfigurationError, match=r"E144 overrides.csv line 4: "):
        read_overrides(path)


def test_s1_override_file_without_its_header_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "overrides.csv"
    path.write_text("2025-01-08,CME_EQUITY,,08:30,,Test,invented\n")

    with pytest.raises(ConfigurationError, match=r"E144 overrides.csv line 1: expected the header"):
        read_overrides(path)


def test_s1_table_without_its_first_line_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "calendar_days.csv"
    path.write_text("calendar,trade_date,open,close,breaks,reason\n")
    monkeypatch.setattr(tables, "CALENDAR_DAYS", path)
    covered.cache_clear()

    with pytest.raises(ConfigurationError, match="E142"):
        covered()

    covered.cache_clear()
