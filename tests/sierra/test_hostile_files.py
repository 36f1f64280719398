"""Files that someone, or some machine, has damaged so that they still look right."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from trading_platform.errors import SourceError
from trading_platform.lake import CheckResult, DayResult, LocalLake, Outcome, Severity, build_day
from trading_platform.sierra.decode import Verdict
from trading_platform.sierra.index import load_index
from trading_platform.sierra.scid import ScidFile
from trading_platform.sierra.ticks import TicksBuilder

from .scid_bytes import HEADER, ZERO_RECORD, record, us, write

Make = Callable[..., TicksBuilder]
NOW = datetime(2025, 11, 20, tzinfo=UTC)
DAYS = [date(2025, 11, 3) + timedelta(days=n) for n in range(5)]  # a full week of ESZ25, EST
PER_DAY = 2_950
MINUTE_US = 60_000_000


def day_records(day: date, price: float = 6800.0, count: int = PER_DAY) -> list[bytes]:
    """Return trades six seconds apart from 09:30 New York on."""
    begin = us(f"{day}T14:30:00")
    return [record(begin + i * 6_000_000, price + i % 8 * 0.25, bid=price, ask=price + 2.0) for i in range(count)]


def full_session(day: date) -> list[bytes]:
    """Return one trade per minute from the open at 18:00 New York to the close at 17:00."""
    begin = us(f"{day - timedelta(days=1)}T23:00:00")
    return [record(begin + i * MINUTE_US + 30_000_000, 6800.0, bid=6800.0, ask=6800.25) for i in range(1_380)]


def times(records: list[bytes], factor: float, first: int, stop: int) -> list[bytes]:
    """Multiply the prices and quotes of some records."""
    begin = us(f"{DAYS[0]}T14:30:00")
    changed = [
        record(
            begin + i * 6_000_000,
            (6800.0 + i % 8 * 0.25) * factor,
            bid=6800.0 * factor,
            ask=6802.0 * factor,
        )
        for i in range(first, stop)
    ]
    return [*records[:first], *changed, *records[stop:]]


def code(result: DayResult) -> str | None:
    return None if result.error is None else result.error.code


def check_of(result: DayResult, name: str) -> CheckResult:
    return next(check for check in result.checks if check.name == name)


# --- prices off by a factor inside a day


@pytest.mark.parametrize(
    ("factor", "first", "stop"), [(10.0, 1_000, 1_600), (0.01, 500, 510), (4.0, 0, 400), (1.51, 2_900, 2_950)]
)
def test_t4_prices_off_by_a_factor_inside_a_day_are_refused(
    make_builder: Make, sierra_dir: Path, lake: LocalLake, factor: float, first: int, stop: int
) -> None:
    write(sierra_dir / "ESZ25.scid", times(day_records(DAYS[0]), 1.0, 0, 0))
    assert build_day(make_builder(), DAYS[0], lake).outcome is Outcome.WRITE
    scaled = times(day_records(DAYS[0]), factor, first, stop)
    if factor == 1.51:
        begin = us(f"{DAYS[0]}T14:30:00")
        scaled = [
            *day_records(DAYS[0])[:first],
            *(record(begin + i * 6_000_000, 10_268.0, bid=6800.0, ask=6802.0) for i in range(first, stop)),
        ]
    write(sierra_dir / "ESZ25.scid", scaled)
    result = build_day(make_builder(), DAYS[0], lake)
    assert code(result) == "E403"
    assert result.rejected == {"price_far_from_day": stop - first}


def test_t4_a_real_crash_of_a_quarter_within_a_day_is_kept(
    make_builder: Make, sierra_dir: Path, lake: LocalLake
) -> None:
    begin = us(f"{DAYS[0]}T14:30:00")
    fall = [record(begin + i * 6_000_000, 6800.0 - i * 0.5) for i in range(PER_DAY)]
    write(sierra_dir / "ESZ25.scid", fall)
    result = build_day(make_builder(), DAYS[0], lake)
    assert (result.outcome, result.rows, result.rejected) == (Outcome.WRITE, PER_DAY, {})


@pytest.mark.parametrize("share", [0.3, 0.5])
def test_t4_day_without_a_sure_price_level_is_e209(
    make_builder: Make, sierra_dir: Path, lake: LocalLake, share: float
) -> None:
    rows = day_records(DAYS[0])
    path = write(sierra_dir / "ESZ25.scid", times(rows, 2.0, 0, int(share * PER_DAY)) + day_records(DAYS[1]))
    found = [build_day(make_builder(), day, lake) for day in DAYS[:2]]
    assert [code(result) for result in found] == ["E209", None]
    assert found[0].error is not None
    assert path.name in found[0].error.what
    assert found[0].error.next_command.startswith("tp sierra inspect")
    assert not lake.exists("ticks", "ES", DAYS[0])


def test_t4_prices_far_from_the_day_are_legal_where_prices_may_be_negative(
    make_builder: Make, sierra_dir: Path, lake: LocalLake
) -> None:
    begin = us("2020-04-20T14:30:00")
    # No trade at exactly zero, which no source can tell from an absent price.
    cents = [1_800 - i for i in range(2_500) if i != 1_800]
    fall = [record(begin + i * 6_000_000, price / 100, bid=-8.0, ask=18.0) for i, price in enumerate(cents)]
    write(sierra_dir / "CLM20.scid", fall)
    result = build_day(make_builder("CL"), date(2020, 4, 20), lake)
    assert (result.outcome, result.rows, result.rejected) == (Outcome.WRITE, 2_499, {})
    assert (result.facts["price_min"], result.facts["price_max"]) == (-6.99, 18.0)


def test_t4_reason_of_a_far_price_is_its_own() -> None:
    assert Verdict.PRICE_FAR_FROM_DAY.reason == "price_far_from_day"


# --- zeros at either end of a file


def test_t4_zeros_over_the_first_day_of_a_file_leave_the_second_alone(
    make_builder: Make, sierra_dir: Path, lake: LocalLake
) -> None:
    rows = full_session(DAYS[1]) + full_session(DAYS[2])
    write(sierra_dir / "ESZ25.scid", [*[ZERO_RECORD] * 1_380, *rows[1_380:]])
    found = [build_day(make_builder(), day, lake) for day in DAYS[1:3]]
    assert [code(result) for result in found] == ["E208", None]


def test_t4_zeros_over_the_beginning_of_the_first_day_fail_that_day(
    make_builder: Make, sierra_dir: Path, lake: LocalLake
) -> None:
    rows = full_session(DAYS[1]) + full_session(DAYS[2])
    write(sierra_dir / "ESZ25.scid", [*[ZERO_RECORD] * 100, *rows[100:]])
    found = [build_day(make_builder(), day, lake) for day in DAYS[1:3]]
    assert [code(result) for result in found] == ["E208", None]


def test_t4_zero_tail_of_a_session_long_over_fails_it(make_builder: Make, sierra_dir: Path, lake: LocalLake) -> None:
    rows = day_records(DAYS[0]) + day_records(DAYS[1])
    path = write(sierra_dir / "ESZ25.scid", rows)
    builder = make_builder()
    assert [build_day(builder, day, lake).outcome for day in DAYS[:2]] == [Outcome.WRITE] * 2
    assert build_day(builder, DAYS[1], lake).facts["zero_tail"] == 0
    write(path, rows[:-200], tail=ZERO_RECORD * 200)
    found = [build_day(make_builder(), day, lake) for day in DAYS[:2]]
    assert [code(result) for result in found] == [None, "E403"]
    failed = check_of(found[1], "zero_tail")
    assert (failed.passed, failed.severity) == (False, Severity.ERROR)
    assert failed.values == {"zero_tail": 200}
    assert check_of(found[0], "zero_tail").passed


def test_t4_zero_tail_appears_after_the_day_was_stored(make_builder: Make, sierra_dir: Path, lake: LocalLake) -> None:
    path = write(sierra_dir / "ESZ25.scid", day_records(DAYS[0]))
    assert build_day(make_builder(), DAYS[0], lake).outcome is Outcome.WRITE
    with path.open("ab") as handle:
        handle.write(ZERO_RECORD * 9)
    assert code(build_day(make_builder(), DAYS[0], lake)) == "E403"


def test_t4_zero_tail_behind_a_session_that_is_whole_is_a_warning(
    make_builder: Make, sierra_dir: Path, lake: LocalLake
) -> None:
    write(sierra_dir / "ESZ25.scid", full_session(DAYS[1]), tail=ZERO_RECORD * 50)
    result = build_day(make_builder(), DAYS[1], lake)
    assert result.outcome is Outcome.WRITE
    warned = check_of(result, "zero_tail")
    assert (warned.passed, warned.severity, warned.values) == (False, Severity.WARN, {"zero_tail": 50})
    assert make_builder().measure(DAYS[1]) == result.facts


def test_t4_zero_tail_of_a_running_session_is_what_sierra_is_about_to_write(
    make_builder: Make, sierra_dir: Path, lake: LocalLake
) -> None:
    write(sierra_dir / "ESZ25.scid", day_records(DAYS[0], count=600), tail=ZERO_RECORD * 50)
    result = build_day(make_builder(now=datetime(2025, 11, 3, 16, tzinfo=UTC)), DAYS[0], lake)
    assert (result.outcome, result.complete, check_of(result, "zero_tail").passed) == (Outcome.WRITE, False, True)


# --- what tells that a file has changed


def test_t6_edit_in_place_with_the_old_time_of_modification_is_noticed(
    make_builder: Make, sierra_dir: Path, lake: LocalLake
) -> None:
    path = write(sierra_dir / "ESZ25.scid", day_records(DAYS[0]))
    first = build_day(make_builder(), DAYS[0], lake)
    status = path.stat()
    with path.open("r+b") as handle:
        handle.seek(56 + 40 * 100)
        handle.write(record(us(f"{DAYS[0]}T14:40:00"), 6799.0))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    second = build_day(make_builder(), DAYS[0], lake)
    assert second.outcome is Outcome.WRITE
    assert second.content_hash != first.content_hash


def test_t6_changed_permissions_cost_one_scan_and_nothing_else(
    make_builder: Make, sierra_dir: Path, lake: LocalLake, tmp_path: Path
) -> None:
    path = write(sierra_dir / "ESZ25.scid", day_records(DAYS[0]))
    build_day(make_builder(), DAYS[0], lake)
    before = load_index(path, tmp_path / "cache" / "scid_index", NOW)
    path.chmod(0o640)
    after = load_index(path, tmp_path / "cache" / "scid_index", NOW)
    assert after.generation != before.generation
    assert load_index(path, tmp_path / "cache" / "scid_index", NOW).generation == after.generation
    assert build_day(make_builder(), DAYS[0], lake).outcome is Outcome.SKIP


@pytest.mark.parametrize("seed", range(4))
def test_t6_cached_index_with_flipped_bits_is_scanned_again(tmp_path: Path, seed: int) -> None:
    source = random.Random(seed)
    path = write(tmp_path / "a.scid", [record(us("2025-11-03T14:30:00") + i) for i in range(10)])
    expected = load_index(path, tmp_path / "cache", NOW)
    (stored,) = (tmp_path / "cache").glob("*.npz")
    whole = stored.read_bytes()
    for at in range(seed, len(whole), 4):
        damaged = bytearray(whole)
        damaged[at] ^= 1 << source.randrange(8)
        stored.write_bytes(damaged)
        index = load_index(path, tmp_path / "cache", NOW)
        assert index.segments.tolist() == expected.segments.tolist()
        assert (index.record_count, index.zero_tail, index.bad_runs) == (10, 0, ())


# --- files that are no files


def test_t4_pipe_named_like_a_file_is_e203_and_does_not_wait(sierra_dir: Path) -> None:
    path = sierra_dir / "ESZ25.scid"
    os.mkfifo(path)
    with pytest.raises(SourceError, match="E203") as raised:
        ScidFile(path)
    assert "not a regular file" in raised.value.what


def test_t4_pipe_and_folder_fail_their_own_days_only(make_builder: Make, sierra_dir: Path, lake: LocalLake) -> None:
    os.mkfifo(sierra_dir / "ESZ25.scid")
    (sierra_dir / "ESZ5.CME.scid").mkdir()
    write(sierra_dir / "NQZ25.scid", day_records(DAYS[0], 25_000.0))
    assert code(build_day(make_builder(), DAYS[0], lake)) in {"E203", "E212"}
    assert build_day(make_builder("NQ"), DAYS[0], lake).outcome is Outcome.WRITE


# --- single records at a wrong time


def stray(text: str, count: int = 1) -> list[bytes]:
    return [record(us(text) + i, 6800.0) for i in range(count)]


@pytest.mark.parametrize("count", [1, 16])
def test_t4_lone_records_after_the_end_of_a_file_are_no_day(
    make_builder: Make, sierra_dir: Path, lake: LocalLake, count: int
) -> None:
    rows = [one for day in DAYS[:2] for one in day_records(day)]
    write(sierra_dir / "ESZ25.scid", [*rows, *stray("2025-11-06T15:00:00", count)])
    found = [build_day(make_builder(), day, lake) for day in DAYS]
    assert [code(result) for result in found] == [None, "E403", "E214", "E214", "E214"]
    assert found[1].rejected == {"timestamp_torn": count}
    assert found[1].facts["stray_records"] == 0


def test_t4_lone_record_is_one_reject_of_a_day_that_is_large_enough(
    make_builder: Make, sierra_dir: Path, lake: LocalLake
) -> None:
    begin = us(f"{DAYS[1]}T14:30:00")
    rows = [record(begin + i * 1_000_000, 6800.0) for i in range(12_000)]
    write(sierra_dir / "ESZ25.scid", [*rows, *stray("2025-11-06T15:00:00")])
    found = [build_day(make_builder(), day, lake) for day in DAYS]
    assert [result.outcome for result in found[:3]] == [Outcome.MISSING, Outcome.WRITE, Outcome.MISSING]
    assert (found[1].rows, found[1].rejected) == (12_000, {"timestamp_torn": 1})


@pytest.mark.parametrize("when", ["2025-10-21T15:00:00", "2025-11-12T15:00:00", "1995-06-01T12:00:00"])
@pytest.mark.parametrize("at", [0, 1_000, PER_DAY])
def test_t4_lone_records_that_do_not_fit_are_rejects_of_their_neighbour(
    make_builder: Make, sierra_dir: Path, lake: LocalLake, when: str, at: int
) -> None:
    rows = day_records(DAYS[0])
    write(sierra_dir / "ESZ25.scid", [*rows[:at], *stray(when, 3), *rows[at:], *day_records(DAYS[1])])
    wrong = date.fromisoformat(when[:10])
    found = [build_day(make_builder(), day, lake) for day in DAYS[:2]]
    assert [code(result) for result in found] == ["E403", None]
    assert found[0].rejected == {"timestamp_torn": 3}
    if wrong.year == 2025:
        assert code(build_day(make_builder(), wrong, lake)) == "E214"


def test_t3_first_record_of_a_session_that_runs_is_a_day(make_builder: Make, sierra_dir: Path, lake: LocalLake) -> None:
    write(sierra_dir / "ESZ25.scid", [*full_session(DAYS[0]), *stray("2025-11-03T23:00:01")])
    builder = make_builder(now=datetime(2025, 11, 3, 23, 0, 5, tzinfo=UTC))
    today = build_day(builder, DAYS[1], lake)
    assert (today.outcome, today.rows, today.complete) == (Outcome.WRITE, 1, False)
    assert build_day(builder, DAYS[0], lake).rejected == {}


def test_t3_lone_record_of_a_later_time_does_not_complete_a_day(
    make_builder: Make, sierra_dir: Path, lake: LocalLake
) -> None:
    now = datetime(2025, 11, 3, 20, tzinfo=UTC)
    path = write(sierra_dir / "ESZ25.scid", [*day_records(DAYS[0]), *stray("2025-11-04T15:00:00")])
    assert not make_builder(now=now).plan(DAYS[0]).complete
    with path.open("ab") as handle:
        handle.write(b"".join(stray("2025-11-04T16:00:00", 40)))
    assert not make_builder(now=now).plan(DAYS[0]).complete


def test_t4_file_of_a_few_records_per_day_keeps_its_days(make_builder: Make, sierra_dir: Path, lake: LocalLake) -> None:
    write(sierra_dir / "ESZ25.scid", [one for day in DAYS for one in stray(f"{day}T15:00:00", 3)], header=HEADER)
    assert [build_day(make_builder(), day, lake).rows for day in DAYS] == [3] * 5


def test_t4_lone_records_one_after_another_that_run_backwards_are_all_rejects(
    make_builder: Make, sierra_dir: Path, lake: LocalLake
) -> None:
    wrong = ["2025-11-14T15:00:00", "2025-11-12T15:00:00", "2025-10-21T15:00:00"]
    strays = [one for when in wrong for one in stray(when)]
    write(sierra_dir / "ESZ25.scid", [*day_records(DAYS[0]), *strays, *day_records(DAYS[1])])
    found = [build_day(make_builder(), day, lake) for day in DAYS[:2]]
    assert [result.rejected for result in found] == [{"timestamp_torn": 3}, {}]
    assert [code(build_day(make_builder(), date.fromisoformat(when[:10]), lake)) for when in wrong] == ["E214"] * 3
