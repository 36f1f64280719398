"""The roll table: calendar rule, explicit rows, no gap and no overlap."""

from __future__ import annotations

import time
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading_platform.errors import ConfigurationError
from trading_platform.instruments import RollTable, load_registry, load_roll_table

REGISTRY = load_registry()
TABLE = load_roll_table(REGISTRY)
FUTURES = [symbol for symbol, instrument in REGISTRY.instruments.items() if instrument.is_future]


# Mondays of expiry weeks of 2018 as seen in the field; 2025 and 2026 from the third Fridays of a wall calendar.
@pytest.mark.parametrize(
    ("root", "monday", "before", "after"),
    [
        ("ES", "2018-03-12", "ESH18", "ESM18"),
        ("ES", "2018-06-11", "ESM18", "ESU18"),
        ("ES", "2018-09-17", "ESU18", "ESZ18"),
        ("ES", "2018-12-17", "ESZ18", "ESH19"),
        ("MNQ", "2025-09-15", "MNQU25", "MNQZ25"),
        ("MNQ", "2025-12-15", "MNQZ25", "MNQH26"),
        ("MNQ", "2026-03-16", "MNQH26", "MNQM26"),
        ("RTY", "2025-06-16", "RTYM25", "RTYU25"),
        # other roots: last trade or first notice from the exchange's rule, less the registry's weekdays
        ("CL", "2025-03-17", "CLJ25", "CLK25"),  # last trade 2025-03-20
        ("CL", "2025-12-17", "CLF26", "CLG26"),  # 25th is Christmas, a weekday here: no exchange calendar is used
        ("GC", "2025-11-25", "GCZ25", "GCG26"),  # first notice 2025-11-28
        ("ZN", "2025-11-26", "ZNZ25", "ZNH26"),  # first intention day 2025-11-26
        ("6E", "2025-12-11", "6EZ25", "6EH26"),  # last trade 2025-12-15
    ],
)
def test_s3_calendar_rule_rolls_at_the_session_of_that_day(root: str, monday: str, before: str, after: str) -> None:
    day = date.fromisoformat(monday)

    assert TABLE.front(root, day - timedelta(days=1)).symbol == before
    assert TABLE.front(root, day).symbol == after


def test_s3_real_sample_of_february_2023_belongs_to_the_march_contract() -> None:
    assert TABLE.front("ES", date(2023, 2, 21)).symbol == "ESH23"


@pytest.mark.parametrize("root", FUTURES)
def test_s3_windows_follow_each_other_without_gap_or_overlap(root: str) -> None:
    windows = TABLE.windows(root, date(2000, 1, 1), date(2060, 12, 31))

    assert windows[0].first_trade_date <= date(2000, 1, 1)
    assert windows[-1].end_trade_date > date(2060, 12, 31)
    for earlier, later in pairwise(windows):
        assert earlier.end_trade_date == later.first_trade_date
        assert earlier.first_trade_date < earlier.end_trade_date
        assert earlier.contract < later.contract
    assert {w.first_trade_date.weekday() for w in windows} <= {0, 1, 2, 3, 4}


@pytest.mark.parametrize("root", FUTURES)
def test_s3_no_contract_is_front_after_its_delivery_month(root: str) -> None:
    for window in TABLE.windows(root, date(2000, 1, 1), date(2060, 12, 31)):
        next_month = (window.contract.expiry_month + timedelta(days=32)).replace(day=1)
        assert window.end_trade_date < next_month


def test_s3_windows_are_whole_and_cover_both_ends_of_the_range() -> None:
    windows = TABLE.windows("MNQ", date(2025, 9, 12), date(2025, 9, 15))

    assert [(w.contract.symbol, str(w.first_trade_date), str(w.end_trade_date), w.rule) for w in windows] == [
        ("MNQU25", "2025-06-16", "2025-09-15", "calendar"),
        ("MNQZ25", "2025-09-15", "2025-12-15", "calendar"),
    ]


def test_s3_front_is_fast_enough_for_thousands_of_calls() -> None:
    TABLE.front("CL", date(2025, 1, 2))
    begin = time.process_time()
    for _ in range(10_000):
        TABLE.front("CL", date(2025, 1, 2))

    assert time.process_time() - begin < 0.2


def explicit(folder: Path, *rows: str) -> RollTable:
    path = folder / "rolls.csv"
    path.write_text("\n".join(["# made by hand", "root,contract,first_trade_date", *rows, ""]), encoding="utf-8")
    return load_roll_table(REGISTRY, path)


def test_s3_explicit_row_wins_over_the_calendar_rule(tmp_path: Path) -> None:
    table = explicit(tmp_path, "MNQ,MNQZ25,2025-09-11", "", "# comment", "ES, ESZ25 , 2025-09-16")

    assert table.front("MNQ", date(2025, 9, 10)).symbol == "MNQU25"
    assert table.front("MNQ", date(2025, 9, 11)).symbol == "MNQZ25"
    assert table.front("MNQ", date(2025, 12, 15)).symbol == "MNQH26"
    assert table.front("ES", date(2025, 9, 15)).symbol == "ESU25"
    assert table.front("NQ", date(2025, 9, 12)).symbol == "NQU25"
    assert [w.rule for w in table.windows("MNQ", date(2025, 9, 10), date(2025, 12, 15))] == [
        "calendar",
        "explicit",
        "calendar",
    ]


def test_s3_explicit_row_skips_a_contract_it_overtakes(tmp_path: Path) -> None:
    table = explicit(tmp_path, "CL,CLZ25,2025-09-10")

    symbols = [w.contract.symbol for w in table.windows("CL", date(2025, 9, 1), date(2025, 11, 17))]

    assert symbols == ["CLV25", "CLZ25", "CLF26"]


def test_s3_gold_passes_october_over_unless_a_row_names_it(tmp_path: Path) -> None:
    assert TABLE.front("GC", date(2025, 7, 25)).symbol == "GCQ25"
    assert TABLE.front("GC", date(2025, 7, 28)).symbol == "GCZ25"
    assert (
        explicit(tmp_path, "GC,GCV25,2025-07-28", "GC,GCZ25,2025-09-25").front("GC", date(2025, 8, 1)).symbol == "GCV25"
    )


def test_s3_absent_file_means_the_calendar_rule(tmp_path: Path) -> None:
    assert load_roll_table(REGISTRY, tmp_path / "rolls.csv").front("ES", date(2025, 1, 2)).symbol == "ESH25"


@pytest.mark.parametrize(
    "row",
    [
        "MNQ,MNQZ25",
        "MNQ,MNQZ25,2025-09-11,extra",
        "XYZ,XYZZ25,2025-09-11",
        "SPX,SPXZ25,2025-09-11",
        "MNQ,MNQ,2025-09-11",
        "MNQ,NQZ25,2025-09-11",
        "MNQ,MNQF25,2025-09-11",
        "MNQ,MNQZ25,11.09.2025",
        "MNQ,MNQZ25,2025-09-13",
        "MNQ,MNQH25,2025-03-12",
    ],
)
def test_s3_malformed_row_is_an_error_that_names_the_line(tmp_path: Path, row: str) -> None:
    with pytest.raises(ConfigurationError, match=r"E130 rolls.csv line 4: "):
        explicit(tmp_path, "MNQ,MNQH25,2025-03-11", row)


def test_s3_missing_header_and_unreadable_text_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "rolls.csv"
    path.write_text("MNQ,MNQZ25,2025-09-11\n")
    with pytest.raises(ConfigurationError, match=r"E130 rolls.csv line 1: expected the header"):
        load_roll_table(REGISTRY, path)

    path.write_bytes(b"\xff\xfe\x00root")
    with pytest.raises(ConfigurationError, match=r"E130 rolls.csv line 1: cannot be read"):
        load_roll_table(REGISTRY, path)


def test_s3_rows_that_go_backwards_are_refused(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigurationError, match=r"E131 rolls.csv line 4: MNQH26 cannot start on 2025-09-10.* of line 3"
    ):
        explicit(tmp_path, "MNQ,MNQZ25,2025-09-11", "MNQ,MNQH26,2025-09-10")


def test_s3_row_that_starts_a_contract_the_rule_has_left_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"E131 rolls.csv line 3: MNQZ25 .* give MNQH26 a row of its own"):
        explicit(tmp_path, "MNQ,MNQZ25,2025-12-16")


@pytest.mark.parametrize("row", ["MNQ,MNQM25,2019-04-17", "MNQ,MNQM25,2023-11-30"])
def test_s3_row_in_the_wrong_year_is_refused_and_not_front_for_years(tmp_path: Path, row: str) -> None:
    with pytest.raises(ConfigurationError, match=r"E131 rolls.csv line 3: MNQM25 .* delivery month 2025-06"):
        explicit(tmp_path, row)


def test_s3_row_eighteen_months_before_the_delivery_month_is_taken(tmp_path: Path) -> None:
    assert explicit(tmp_path, "MNQ,MNQM25,2023-12-01").front("MNQ", date(2023, 12, 1)).symbol == "MNQM25"


def test_s3_rolls_of_an_index_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="E125 SPX is no future"):
        TABLE.front("SPX", date(2025, 1, 2))


@pytest.mark.parametrize("day", [date(1979, 1, 2), date(2099, 1, 2)])
def test_s3_dates_outside_the_table_are_refused(day: date) -> None:
    with pytest.raises(ConfigurationError, match="E132 no front contract of ES"):
        TABLE.front("ES", day)


@given(st.dates(date(2000, 1, 1), date(2060, 1, 1)), st.integers(-20, 20))
def test_s3_any_accepted_explicit_row_leaves_no_gap(
    tmp_path_factory: pytest.TempPathFactory, day: date, shift: int
) -> None:
    window = TABLE.windows("MNQ", day, day)[0]
    start = window.first_trade_date + timedelta(days=shift)
    start -= timedelta(days=max(0, start.weekday() - 4))

    table = explicit(tmp_path_factory.mktemp("rolls"), f"MNQ,{window.contract},{start}")
    windows = table.windows("MNQ", start - timedelta(days=200), start + timedelta(days=200))

    assert window.contract in [w.contract for w in windows]
    assert table.front("MNQ", start) == window.contract
    assert all(a.end_trade_date == b.first_trade_date and a.contract < b.contract for a, b in pairwise(windows))
