"""Blocks that stand in a file twice are found byte by byte, and nothing else is taken for one (M5)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trading_platform.lake import LocalLake, Outcome, Severity, build_day
from trading_platform.sierra.duplicates import Duplicates, find_duplicates
from trading_platform.sierra.index import load_index
from trading_platform.sierra.ticks import TicksBuilder

from .scid_bytes import record, us, write
from .test_ticks import DAYS, PER_DAY, day_records

NOW = datetime(2025, 11, 20, tzinfo=UTC)
T0 = us("2025-11-03T15:00:00")
SECOND = 1_000_000


def rows(*seconds: int, price: float = 6800.0) -> list[bytes]:
    return [record(T0 + s * SECOND, price) for s in seconds]


def found_in(path: Path, records: list[bytes], *ranges: tuple[int, int]) -> Duplicates:
    index = load_index(write(path, records), None, NOW)
    return find_duplicates(index, ranges or [(0, len(records))])


def test_m5_block_copied_right_behind_itself_is_found(tmp_path: Path) -> None:
    original = rows(*range(100))
    found = found_in(tmp_path / "a.scid", [*original[:60], *original[40:60], *original[60:]])
    assert found == Duplicates(20, 1, "2025-11-03T15:00:40.000000+00:00")


def test_m5_copy_of_a_whole_day_behind_another_day_is_found(tmp_path: Path) -> None:
    """The file was appended to itself: the ranges of the day are its two copies."""
    day, other = rows(*range(50)), rows(*range(100_000, 100_030))
    records = [*day, *other, *day, *other]
    assert found_in(tmp_path / "a.scid", records, (0, 50), (80, 130)).records == 50
    assert found_in(tmp_path / "b.scid", records, (50, 80), (130, 160)).records == 30


def test_m5_two_copies_are_two_blocks(tmp_path: Path) -> None:
    original = rows(*range(30))
    found = found_in(tmp_path / "a.scid", [*original, *original[10:20], *original[5:9], *rows(30, 31)])
    assert (found.records, found.blocks) == (14, 2)


def test_m5_days_without_a_copy_have_none(tmp_path: Path) -> None:
    # A market can repeat a trade at the same time and price; only a step back in time makes it a copy.
    assert found_in(tmp_path / "a.scid", rows(*[7] * 40, *range(8, 20))) == Duplicates()
    # Late records that equal nothing, and two that equal earlier ones by chance.
    assert found_in(tmp_path / "b.scid", [*rows(*range(20)), *rows(5, 6, 7, price=6801.0), *rows(20)]) == Duplicates()
    assert found_in(tmp_path / "c.scid", rows(*range(20), 5, 6, 20, 21)) == Duplicates()
    assert found_in(tmp_path / "d.scid", []) == Duplicates()


def test_m5_original_among_trades_of_the_same_time_is_found(tmp_path: Path) -> None:
    same = [record(T0 + SECOND, 6800.0 + i * 0.25) for i in range(10)]
    records = [*rows(0), *same, *rows(2), *same[6:], *rows(2), *rows(3)]
    found = found_in(tmp_path / "a.scid", records)
    assert (found.records, found.blocks) == (5, 1)


def slow_duplicates(records: list[tuple[int, int]]) -> tuple[int, int]:
    """Compare every start of a late run with every earlier record of the same content, record by record."""
    starts = [0, *(i for i in range(1, len(records)) if records[i][0] < records[i - 1][0]), len(records)]
    runs = list(pairwise(starts))
    total = blocks = 0
    for at, (first, stop) in enumerate(runs):
        most = 0
        for begin, end in runs[:at]:
            for original in range(begin, end):
                length = 0
                while (
                    original + length < end
                    and first + length < stop
                    and records[original + length] == records[first + length]
                ):
                    length += 1
                most = max(most, length)
        if most >= 3 and records[first][0] < max(time for time, _ in records[:first]):
            total, blocks = total + most, blocks + 1
    return total, blocks


@settings(max_examples=60, deadline=None)
@given(
    steps=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), max_size=40),
    copies=st.lists(st.tuples(st.integers(0, 40), st.integers(1, 12), st.integers(0, 60)), max_size=3),
)
def test_m5_duplicates_equal_a_comparison_of_everything(
    steps: list[tuple[int, int]], copies: list[tuple[int, int, int]]
) -> None:
    records, now = [], 0
    for step, price in steps:
        now += step
        records.append((now, price))
    for first, length, to in copies:
        at = min(to, len(records))
        records[at:at] = records[first : first + length]
    with TemporaryDirectory() as folder:
        rows = [record(T0 + second * SECOND, 6800.0 + price * 0.25) for second, price in records]
        found = found_in(Path(folder) / "a.scid", rows)
    assert (found.records, found.blocks) == slow_duplicates(records)


@pytest.mark.parametrize(
    ("copied", "severity", "outcome"), [(3, Severity.WARN, Outcome.WRITE), (4, Severity.ERROR, Outcome.ERROR)]
)
def test_m5_few_copies_warn_and_many_refuse_the_day(
    make_builder: Callable[..., TicksBuilder],
    sierra_dir: Path,
    lake: LocalLake,
    copied: int,
    severity: Severity,
    outcome: Outcome,
) -> None:
    """Three copies among 3,003 rows are 0.0999 %, four among 3,004 are 0.133 %."""
    day = day_records(DAYS[0])
    write(sierra_dir / "ESZ25.scid", [*day[:500], *day[500 - copied : 500], *day[500:]])
    builder = make_builder()
    result = build_day(builder, DAYS[0], lake)
    failed = {check.name: check.severity for check in result.checks if not check.passed}
    silence = {"session_gaps": Severity.WARN}  # the day has five hours of trades
    assert failed == {**silence, "duplicate_records": severity}
    assert result.outcome is outcome
    assert (result.facts["duplicate_records"], result.facts["ts_decreased_rows"]) == (copied, 1)
    if outcome is Outcome.WRITE:
        assert result.rows == PER_DAY + copied
        assert builder.measure(DAYS[0]) == result.facts
