"""``rolls.csv`` and ``roll_gaps.csv``: reading, and changes that keep what a person wrote."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from trading_platform.errors import ConfigurationError
from trading_platform.instruments import Contract, load_registry, load_roll_table
from trading_platform.instruments.roll_gaps_csv import RollGap, read_roll_gaps, roll_gaps_text
from trading_platform.instruments.rolls import roll_table_of
from trading_platform.instruments.rolls_csv import parse_rolls_csv, replace_csv, with_volume_rolls

REGISTRY = load_registry()
Z25, H26 = Contract("ES", "Z", 2025), Contract("ES", "H", 2026)
MINE = """\
# mine
root,contract,first_trade_date

ES, ESZ25 , 2025-09-10
# gold
GC,GCZ25,2025-07-25
"""


def test_s3_rule_column_is_optional_and_shown_by_the_table(tmp_path: Path) -> None:
    path = tmp_path / "rolls.csv"
    path.write_text("root,contract,first_trade_date,rule\nES,ESZ25,2025-09-11,volume\nES,ESH26,2025-12-10,\n")

    windows = load_roll_table(REGISTRY, path).windows("ES", date(2025, 9, 1), date(2026, 3, 20))

    assert [(w.contract.symbol, w.rule) for w in windows] == [
        ("ESU25", "calendar"),
        ("ESZ25", "volume"),
        ("ESH26", "explicit"),
        ("ESM26", "calendar"),
    ]
    assert {row.rule for row in parse_rolls_csv(MINE, REGISTRY)["ES"]} == {"explicit"}


@pytest.mark.parametrize("row", ["ES,ESZ25,2025-09-11", "ES,ESZ25,2025-09-11,hunch", "ES,ESZ25,2025-09-11,volume,1"])
def test_s3_row_with_an_unknown_rule_or_width_is_e130(row: str) -> None:
    with pytest.raises(ConfigurationError, match=r"E130 rolls.csv line 2: expected"):
        parse_rolls_csv(f"root,contract,first_trade_date,rule\n{row}\n", REGISTRY)


def test_s3_new_rows_keep_comments_and_the_rows_of_the_user() -> None:
    text = with_volume_rolls(MINE, {H26: date(2025, 12, 11), Z25: date(2025, 9, 11)}, REGISTRY, replace_explicit=False)

    assert text == (
        "# mine\nroot,contract,first_trade_date,rule\n\nES, ESZ25 , 2025-09-10,explicit\n# gold\n"
        "GC,GCZ25,2025-07-25,explicit\nES,ESH26,2025-12-11,volume\n"
    )


def test_s3_replace_turns_the_users_row_into_a_volume_row_in_its_place() -> None:
    text = with_volume_rolls(MINE, {Z25: date(2025, 9, 11)}, REGISTRY, replace_explicit=True)

    assert text.splitlines()[3] == "ES,ESZ25,2025-09-11,volume"
    assert text.splitlines()[5] == "GC,GCZ25,2025-07-25,explicit"


def test_s3_volume_rows_are_replaced_and_the_same_again_changes_nothing() -> None:
    first = with_volume_rolls("", {Z25: date(2025, 9, 11)}, REGISTRY, replace_explicit=False)
    second = with_volume_rolls(first, {Z25: date(2025, 9, 12)}, REGISTRY, replace_explicit=False)

    assert first.splitlines()[2:] == ["root,contract,first_trade_date,rule", "ES,ESZ25,2025-09-11,volume"]
    assert second.splitlines()[3:] == ["ES,ESZ25,2025-09-12,volume"]
    assert with_volume_rolls(second, {Z25: date(2025, 9, 12)}, REGISTRY, replace_explicit=True) == second
    assert with_volume_rolls(MINE, {Z25: date(2025, 9, 10)}, REGISTRY, replace_explicit=True) == MINE
    assert with_volume_rolls("", {}, REGISTRY, replace_explicit=True) == ""


def test_s3_merged_table_that_contradicts_itself_is_e131_before_it_is_written() -> None:
    text = with_volume_rolls(MINE, {H26: date(2025, 9, 9)}, REGISTRY, replace_explicit=False)

    with pytest.raises(ConfigurationError, match=r"E131 rolls.csv line 7: ESH26 cannot start on 2025-09-09"):
        roll_table_of(REGISTRY, text)


def test_s3_table_that_cannot_be_written_is_e133_and_the_old_one_stays(tmp_path: Path) -> None:
    target = tmp_path / "rolls.csv"
    target.mkdir()

    with pytest.raises(ConfigurationError, match=r"E133 rolls.csv cannot be written"):
        replace_csv(target, MINE)

    assert [path.name for path in tmp_path.iterdir()] == ["rolls.csv"]


def test_s3_table_is_replaced_at_once(tmp_path: Path) -> None:
    target = tmp_path / "rolls.csv"
    target.write_text("old")

    replace_csv(target, MINE)

    assert target.read_text() == MINE
    assert [path.name for path in tmp_path.iterdir()] == ["rolls.csv"]


GAP = RollGap(
    Z25, H26, date(2025, 12, 15), 6_823.1, 6_880.0, datetime(2025, 12, 12, 20, 59, 58, 123_456, tzinfo=UTC), 17
)

T20 = datetime(2020, 4, 20, 18, 29, tzinfo=UTC)


def test_s3_gaps_read_back_exactly_as_they_were_written(tmp_path: Path) -> None:
    path = tmp_path / "roll_gaps.csv"
    path.write_text(roll_gaps_text([GAP]))

    assert read_roll_gaps(path, REGISTRY) == {(Z25, H26, date(2025, 12, 15)): GAP}
    assert path.read_text().splitlines()[1] == (
        "ES,ESZ25,ESH26,2025-12-15,6823.1,6880.0,2025-12-12T20:59:58.123456+00:00,17"
    )
    assert read_roll_gaps(tmp_path / "absent.csv", REGISTRY) == {}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("root,", "Root,"),
        ("6880.0", "nan"),
        ("6880.0", "much"),
        (",17", ""),
        ("+00:00", ""),
        ("ESH26", "NQH26"),
        ("ESZ25", "ESH27"),
        ("2025-12-15", "15.12.2025"),
        ("ESH26", "ES"),
        ("6880.0", "inf"),
        ("6880.0", "688000.0"),
        ("6823.1", "68.231"),
        ("6823.1", "-6823.1"),
        (",17", ",-1"),
        (",17", ",60000001"),
        ("2025-12-12T", "2025-12-15T"),  # the day of the roll itself
        ("2025-12-12T", "2025-12-04T"),
        ("2025-12-12T", "2024-12-12T"),
    ],
)
def test_s3_malformed_gap_is_e135(tmp_path: Path, old: str, new: str) -> None:
    path = tmp_path / "roll_gaps.csv"
    path.write_text(roll_gaps_text([GAP]).replace(old, new))

    with pytest.raises(ConfigurationError, match=r"E135 roll_gaps.csv line [12]: "):
        read_roll_gaps(path, REGISTRY)


def test_s3_gap_that_is_there_twice_is_e135_at_its_second_line(tmp_path: Path) -> None:
    path = tmp_path / "roll_gaps.csv"
    path.write_text(roll_gaps_text([GAP, replace(GAP, to_price=6_881.0)]))

    with pytest.raises(ConfigurationError, match=r"E135 roll_gaps.csv line 3: .*already in line 2"):
        read_roll_gaps(path, REGISTRY)


def test_s3_gap_of_a_root_that_is_no_future_is_e135(tmp_path: Path) -> None:
    path = tmp_path / "roll_gaps.csv"
    path.write_text(roll_gaps_text([GAP]).replace("ES", "SPX"))

    with pytest.raises(ConfigurationError, match=r"E135 roll_gaps.csv line 2: expected the root of a future"):
        read_roll_gaps(path, REGISTRY)


def test_s3_gap_at_the_edges_of_what_is_credible_is_read(tmp_path: Path) -> None:
    first, last = datetime(2025, 12, 5, tzinfo=UTC), datetime(2025, 12, 14, 23, 59, 59, 999_999, tzinfo=UTC)
    oil = RollGap(
        Contract("CL", "K", 2020), Contract("CL", "M", 2020), date(2020, 4, 21), -37.63, 20.43, T20, 60_000_000
    )
    for gap in (replace(GAP, measured_at=first, apart_us=0), replace(GAP, measured_at=last), oil):
        path = tmp_path / "roll_gaps.csv"
        path.write_text(roll_gaps_text([gap]))
        assert read_roll_gaps(path, REGISTRY) == {gap.key: gap}
