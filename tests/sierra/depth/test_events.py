"""Days of ``<FUT>/depth_events`` from source files to the lake."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from trading_platform.instruments import Contract, Registry, load_roll_table
from trading_platform.lake import DayResult, LocalLake, Outcome, build_day
from trading_platform.sessions import calendar_for
from trading_platform.sierra.depth import DepthEventsBuilder
from trading_platform.sierra.depth.facts import DepthChunk, DepthFactCounter
from trading_platform.simulation import SimulatedMarket, append_depth, depth_chunks, depth_path, write_depth_day

from ..scid_bytes import us
from .depth_bytes import ADD_BID, CLEAR, END, event, modify, snapshot, spread_out, write

Make = Callable[..., DepthEventsBuilder]
MONDAY, TUESDAY = date(2025, 11, 3), date(2025, 11, 4)  # ESZ25, EST: sessions open at 23:00 UTC the day before
FACTS = ("rows", "batches", "snapshots", "segments", "seconds_before_first_snapshot", "unfinished_batches")


def name(day: str, symbol: str = "ESZ25-CME") -> str:
    return f"{symbol}.{day}.depth"


def code(result: DayResult) -> str | None:
    return None if result.error is None else result.error.code


def failed_checks(result: DayResult) -> set[str]:
    return {check.name for check in result.checks if not check.passed}


def monday(depth_dir: Path, symbol: str = "ESZ25-CME") -> None:
    """Write two files: Sunday evening and Monday, a snapshot and 100 changes each."""
    sunday = [*snapshot(us("2025-11-02T23:00:00")), *spread_out("2025-11-02T23:00:01", "2025-11-03T00:00:00", 100)]
    write(depth_dir / name("2025-11-02", symbol), sunday)
    own = [*snapshot(us("2025-11-03T00:00:00")), *spread_out("2025-11-03T00:00:01", "2025-11-03T22:00:00", 100)]
    write(depth_dir / name("2025-11-03", symbol), own)


def test_t6_day_is_written_with_what_its_files_hold(make_depth: Make, depth_dir: Path, lake: LocalLake) -> None:
    monday(depth_dir)
    result = build_day(make_depth(), MONDAY, lake)
    assert (result.outcome, result.rows, result.complete, result.synthetic) == (Outcome.WRITE, 214, True, False)
    assert failed_checks(result) == set()
    assert result.plan is not None
    assert result.plan.resolved["contract"] == "ESZ25"
    assert {fact: result.facts[fact] for fact in FACTS} == {
        "rows": 214,
        "batches": 202,
        "snapshots": 2,
        "segments": 2,
        "seconds_before_first_snapshot": 0.0,
        "unfinished_batches": 0,
    }
    assert [result.facts[fact] for fact in ("clears", "adds", "modifies", "deletes")] == [2, 12, 200, 0]
    assert (result.facts["first_ts"], result.facts["open_gap_s"]) == ("2025-11-02T23:00:00.000000+00:00", 0.0)
    assert result.facts["files"] == [name("2025-11-02"), name("2025-11-03")]
    assert result.preview is not None
    assert result.preview.volume.sum() == 214
    rows = lake.read("depth_events", "ES", MONDAY)
    assert rows["seq"].to_list() == list(range(214))
    assert rows["segment"].to_list() == [0] * 107 + [1] * 107
    assert rows["price"].null_count() == 2
    assert rows.row(1, named=True) | {"trade_date": None, "ts": None} == {
        "symbol": "ES",
        "trade_date": None,
        "ts": None,
        "seq": 1,
        "command": ADD_BID,
        "flags": 0,
        "num_orders": 2,
        "price": 6800.0,
        "quantity": 10,
        "batch_id": 0,
        "snapshot": True,
        "segment": 0,
        "contract": "ESZ25",
    }


def test_t6_second_run_skips_and_a_forced_one_gives_the_same_bytes(
    make_depth: Make, depth_dir: Path, lake: LocalLake
) -> None:
    monday(depth_dir)
    first = build_day(make_depth(), MONDAY, lake)
    assert first.path is not None
    digest = hashlib.sha256(first.path.read_bytes()).hexdigest()
    assert build_day(make_depth(), MONDAY, lake).outcome is Outcome.SKIP
    assert build_day(make_depth(), MONDAY, lake, verify=True).outcome is Outcome.SKIP
    assert build_day(make_depth(), MONDAY, lake, force=True).outcome is Outcome.WRITE
    assert hashlib.sha256(first.path.read_bytes()).hexdigest() == digest


def test_t6_measured_facts_equal_the_facts_of_the_build(make_depth: Make, depth_dir: Path, lake: LocalLake) -> None:
    begin = us("2025-11-03T14:30:00")
    records = [
        modify(begin),
        event(begin + 5, ADD_BID, 6799.0, 1),
        *snapshot(begin + 90_000_000),
        event(begin + 90_000_001, CLEAR, end=END),
        modify(begin + 40_000_000),
        event(us("2025-11-03T22:10:00"), ADD_BID, 6799.0, 1),
    ]
    write(depth_dir / name("2025-11-03"), records)
    builder = make_depth()
    result = build_day(builder, MONDAY, lake)
    assert builder.measure(MONDAY) == result.facts
    expected = {
        "rows": 12,
        "snapshots": 2,
        "snapshot_rows": 8,
        "seconds_before_first_snapshot": 90.0,
        "ts_decreased_rows": 1,
        "max_time_decrease_s": 50.000001,
        "outside_hours_rows": 1,
        "unfinished_batches": 1,
    }
    assert {fact: result.facts[fact] for fact in expected} == expected
    assert failed_checks(result) == {"time_order", "files_present", "session_edges"}
    assert result.facts["missing_files"] == [name("2025-11-02")]
    assert build_day(builder, MONDAY, lake).outcome is Outcome.SKIP
    assert builder.measure(TUESDAY) == {}


@pytest.mark.parametrize("end", ["2025-11-03T15:00:00", "2025-11-03T14:40:00"])
def test_t6_book_that_is_never_known_counts_to_its_last_event(
    make_depth: Make, depth_dir: Path, lake: LocalLake, end: str
) -> None:
    last = us(end)
    write(depth_dir / name("2025-11-03"), [modify(us("2025-11-03T14:30:00")), modify(last)])
    result = build_day(make_depth(), MONDAY, lake)
    seconds = (last - us("2025-11-03T14:30:00")) / 1e6
    assert result.facts["seconds_before_first_snapshot"] == seconds
    assert ("book_known" in failed_checks(result)) is (seconds > 1_200)


@pytest.mark.parametrize(("end", "seconds"), [(0, 1_800.0), (END, 600.0)])
def test_t6_book_is_known_only_when_its_first_snapshot_has_ended(
    make_depth: Make, depth_dir: Path, lake: LocalLake, end: int, seconds: float
) -> None:
    begin = us("2025-11-03T14:30:00")
    records = [
        modify(begin),
        event(begin + 60_000_000, CLEAR),
        event(begin + 600_000_000, ADD_BID, 6799.0, 1, end=end),
        event(begin + 1_800_000_000, ADD_BID, 6798.0, 1),
    ]
    write(depth_dir / name("2025-11-03"), records)
    builder = make_depth()
    result = build_day(builder, MONDAY, lake)
    assert result.facts["seconds_before_first_snapshot"] == seconds
    assert builder.measure(MONDAY) == result.facts
    assert ("book_known" in failed_checks(result)) is (end == 0)


def test_t6_snapshot_that_ends_in_a_later_chunk_is_one_snapshot() -> None:
    """A day comes in chunks; the clear may lie in one and the end of its batch in the next."""
    session = calendar_for("CME_EQUITY").session(MONDAY)
    begin, second = us("2025-11-03T14:30:00"), 1_000_000
    columns: dict[str, NDArray[Any]] = {
        "ts_us": np.arange(begin, begin + 6 * second, second, dtype=np.int64),
        "command": np.array([ADD_BID, CLEAR, ADD_BID, ADD_BID, ADD_BID, ADD_BID], np.uint8),
        "flags": np.array([END, 0, 0, 0, END, 0], np.uint8),
        "batch_id": np.array([0, 1, 1, 1, 1, 2], np.uint32),
        "snapshot": np.array([False, True, True, True, True, False]),
        "segment": np.zeros(6, np.uint8),
    }
    for cut in range(1, 6):
        counter = DepthFactCounter(session)
        for part in (slice(0, cut), slice(cut, 6)):
            counter.add(DepthChunk(**{column: values[part] for column, values in columns.items()}))
        facts = counter.facts()
        assert (facts["snapshots"], facts["seconds_before_first_snapshot"]) == (1, 4.0), cut


# Every tenth minute of each UTC day, and the trade date that it belongs to, from the rule "17:00 Chicago to 17:00 Chicago, a
# weekend belongs to Monday": 23:00 UTC until Friday 2025-03-07, 22:00 UTC from Sunday 2025-03-09 on, when clocks change.
DST_DAYS = [
    date(2025, 3, 6),
    date(2025, 3, 7),
    date(2025, 3, 8),
    date(2025, 3, 9),
    date(2025, 3, 10),
    date(2025, 3, 11),
]
DST_WINDOWS = {
    date(2025, 3, 7): ("2025-03-06T23:00:00", "2025-03-07T23:00:00", 6 + 138, 2),
    date(2025, 3, 10): ("2025-03-07T23:00:00", "2025-03-10T22:00:00", 6 + 144 + 144 + 132, 4),
    date(2025, 3, 11): ("2025-03-10T22:00:00", "2025-03-11T22:00:00", 12 + 132, 2),
}


def test_t6_utc_files_are_cut_into_trade_dates_across_a_clock_change(
    make_depth: Make, depth_dir: Path, lake: LocalLake
) -> None:
    for day in DST_DAYS:
        begin = us(f"{day}T00:00:00")
        write(
            depth_dir / name(str(day), "ESH25-CME"),
            [event(begin + 600_000_000 * n, ADD_BID, 5800.0, n + 1, end=END) for n in range(144)],
        )
    for day, (start, end, count, segments) in DST_WINDOWS.items():
        result = build_day(make_depth(), day, lake)
        assert (result.outcome, result.rows, result.facts["segments"]) == (Outcome.WRITE, count, segments), day
        times = lake.read("depth_events", "ES", day)["ts"].to_physical()
        assert (times[0], times[-1]) == (us(start), us(end) - 600_000_000)


def test_t6_rows_of_a_holiday_belong_to_the_next_open_day(make_depth: Make, depth_dir: Path, lake: LocalLake) -> None:
    write(depth_dir / name("2025-04-18", "ESM25-CME"), [modify(us("2025-04-18T15:00:00"))])  # Good Friday
    write(depth_dir / name("2025-04-21", "ESM25-CME"), spread_out("2025-04-21T00:00:00", "2025-04-21T21:00:00", 50))
    assert build_day(make_depth(), date(2025, 4, 18), lake).outcome is Outcome.CLOSED
    result = build_day(make_depth(), date(2025, 4, 21), lake)
    assert (result.rows, result.facts["segments"]) == (51, 2)
    # Traded from Sunday 22:00 UTC on: that file is missing; those of Thursday evening, Friday and Saturday are not expected.
    assert result.facts["missing_files"] == [name("2025-04-20", "ESM25-CME")]


def test_t6_missing_file_is_recorded_and_its_arrival_makes_the_day_stale(
    make_depth: Make, depth_dir: Path, lake: LocalLake
) -> None:
    monday(depth_dir)
    sunday = (depth_dir / name("2025-11-02")).read_bytes()
    (depth_dir / name("2025-11-02")).unlink()
    result = build_day(make_depth(), MONDAY, lake)
    assert (result.outcome, result.rows) == (Outcome.WRITE, 107)
    assert "files_present" in failed_checks(result)
    assert build_day(make_depth(), MONDAY, lake).outcome is Outcome.SKIP
    (depth_dir / name("2025-11-02")).write_bytes(sunday)
    result = build_day(make_depth(), MONDAY, lake)
    assert (result.outcome, result.rows, result.facts["missing_files"]) == (Outcome.WRITE, 214, [])


def test_t6_days_without_rows_have_their_outcomes(
    make_depth: Make, depth_dir: Path, lake: LocalLake, tmp_path: Path
) -> None:
    now = datetime(2025, 11, 10, 15, 0, tzinfo=UTC)
    builder = make_depth(now=now)
    missing = build_day(builder, MONDAY, lake)
    assert (missing.outcome, code(missing)) == (Outcome.MISSING, "E230")
    assert missing.error is not None
    assert name("2025-11-03", "ESZ25_FUT_CME") in missing.error.what
    write(depth_dir / name("2025-11-04"), [])
    write(depth_dir / name("2025-11-10"), [])
    asked = {
        date(2025, 11, 4): (Outcome.MISSING, "E233"),  # over, and the file is empty
        date(2025, 11, 8): (Outcome.CLOSED, None),  # Saturday
        date(2025, 11, 10): (Outcome.PENDING, "E232"),  # trading, nothing recorded yet
        date(2025, 11, 12): (Outcome.PENDING, "E232"),  # not open yet
    }
    builder = make_depth(now=now)
    found = {day: build_day(builder, day, lake) for day in asked}
    assert {day: (result.outcome, code(result)) for day, result in found.items()} == asked
    early = build_day(make_depth(now=datetime(2025, 11, 12, 23, 30, tzinfo=UTC)), date(2025, 11, 13), lake)
    assert (early.outcome, code(early)) == (Outcome.PENDING, "E230")
    for folder in (None, tmp_path / "absent"):
        nowhere = build_day(make_depth(folder=folder), MONDAY, lake)
        assert (nowhere.outcome, code(nowhere)) == (Outcome.UNAVAIL, "E231")


def test_t6_growing_day_is_partial_until_its_session_is_over(
    make_depth: Make, depth_dir: Path, lake: LocalLake
) -> None:
    monday(depth_dir)
    path = depth_dir / name("2025-11-04")
    write(depth_dir / name("2025-11-03"), [*spread_out("2025-11-03T00:00:00", "2025-11-03T22:00:00", 50)])
    with (depth_dir / name("2025-11-03")).open("ab") as handle:
        handle.write(b"".join(snapshot(us("2025-11-03T23:00:00"))))
    now = datetime(2025, 11, 3, 23, 30, tzinfo=UTC)
    first = build_day(make_depth(now=now), TUESDAY, lake)
    assert (first.outcome, first.rows, first.complete) == (Outcome.WRITE, 7, False)
    assert first.facts["missing_files"] == []  # its own UTC day has not begun
    write(path, spread_out("2025-11-04T00:00:00", "2025-11-04T15:00:00", 30), tail=b"\x01" * 9)
    later = build_day(make_depth(now=datetime(2025, 11, 4, 15, 0, tzinfo=UTC)), TUESDAY, lake)
    assert (later.outcome, later.rows, later.complete) == (Outcome.WRITE, 37, False)
    over = make_depth(now=datetime(2025, 11, 4, 23, 20, tzinfo=UTC))
    assert (build_day(over, TUESDAY, lake).outcome, build_day(over, TUESDAY, lake).complete) == (Outcome.SKIP, True)
    assert build_day(make_depth(), MONDAY, lake).rows == 157
    write(depth_dir / name("2025-11-05"), [])
    assert build_day(make_depth(), MONDAY, lake).outcome is Outcome.SKIP


def test_t6_append_changes_the_current_day_only(make_depth: Make, depth_dir: Path, lake: LocalLake) -> None:
    monday(depth_dir)
    builder = make_depth()
    assert build_day(builder, MONDAY, lake).outcome is Outcome.WRITE
    with (depth_dir / name("2025-11-03")).open("ab") as handle:
        handle.write(b"".join(spread_out("2025-11-03T23:00:00", "2025-11-04T00:00:00", 20)))
    assert build_day(builder, MONDAY, lake).outcome is Outcome.SKIP
    assert build_day(builder, TUESDAY, lake).rows == 20


def test_t6_two_styles_are_refused_until_one_is_preferred(
    make_depth: Make, depth_dir: Path, lake: LocalLake, registry: Registry
) -> None:
    monday(depth_dir)
    monday(depth_dir, "ESZ25_FUT_CME")
    result = build_day(make_depth(), MONDAY, lake)
    assert (result.outcome, code(result)) == (Outcome.ERROR, "E229")


def test_t6_prices_times_100_are_refused_with_the_command_that_helps(
    make_depth: Make, depth_dir: Path, lake: LocalLake
) -> None:
    monday(depth_dir, "ESZ25_FUT_CME")  # this style is registered as stored x 100, the prices are not
    result = build_day(make_depth(), MONDAY, lake)
    assert (result.outcome, code(result)) == (Outcome.ERROR, "E207")
    assert result.error is not None
    assert result.error.next_command == "tp instruments set ES --price-scale 1"
    assert not lake.path("depth_events", "ES", MONDAY).exists()


def test_t6_simulated_day_is_synthetic_and_live_appends_end_with_the_same_bytes(
    make_depth: Make, sierra_dir: Path, lake: LocalLake, registry: Registry
) -> None:
    market = SimulatedMarket(7, registry.get("ES"), 5_850.0)
    contract = load_roll_table(registry).front("ES", date(2025, 3, 10))
    assert contract == Contract.parse("ESH25")
    for day in (date(2025, 3, 9), date(2025, 3, 10)):
        write_depth_day(sierra_dir, market, contract, day, events=2_000)
    whole = build_day(make_depth(), date(2025, 3, 10), lake)
    assert (whole.outcome, whole.synthetic, failed_checks(whole)) == (Outcome.WRITE, True, set())
    path = depth_path(sierra_dir, contract, "CME", date(2025, 3, 10))
    path.unlink()
    now = datetime(2025, 3, 10, 20, 0, tzinfo=UTC)
    rows: list[int] = []
    for chunk in depth_chunks(market, contract, date(2025, 3, 10), events=2_000):
        sizes = list(append_depth(path, chunk, step_bytes=1_000))
        assert sizes[-1] == path.stat().st_size
        if len(rows) % 40 == 0:
            rows.append(build_day(make_depth(now=now), date(2025, 3, 10), lake).rows)
        else:
            rows.append(rows[-1])
    assert sorted(rows) == rows
    again = build_day(make_depth(), date(2025, 3, 10), lake)
    assert again.content_hash == whole.content_hash
    assert again.fingerprint == whole.fingerprint


def test_t6_days_before_the_first_file_are_not_recorded(make_depth: Make, depth_dir: Path) -> None:
    monday(depth_dir)
    builder = make_depth()
    assert builder.not_recorded(MONDAY) is None
    assert builder.not_recorded(MONDAY - timedelta(days=3)) is not None
    assert make_depth(folder=None).not_recorded(MONDAY) is not None


def test_t6_the_evening_on_which_recording_began_has_no_earlier_trade_date(make_depth: Make, depth_dir: Path) -> None:
    evening = [*snapshot(us("2025-11-03T23:30:00")), *spread_out("2025-11-03T23:30:01", "2025-11-04T00:00:00", 10)]
    write(depth_dir / name("2025-11-03"), evening)
    builder = make_depth()
    assert builder.not_recorded(MONDAY) == "the .depth files of ES begin on 2025-11-03"
    assert builder.not_recorded(TUESDAY) is None


def test_t6_a_file_that_is_cleaned_away_takes_nothing_from_the_stored_day(
    make_depth: Make, depth_dir: Path, lake: LocalLake
) -> None:
    monday(depth_dir)
    stored = build_day(make_depth(), MONDAY, lake)
    (depth_dir / name("2025-11-02")).unlink()
    for force in (False, True):
        again = build_day(make_depth(), MONDAY, lake, force=force)
        assert (again.outcome, code(again)) == (Outcome.MISSING, "E227")
    footer = lake.footer("depth_events", "ES", MONDAY)
    assert footer is not None
    assert (footer.rows, footer.fingerprint) == (214, stored.fingerprint)
