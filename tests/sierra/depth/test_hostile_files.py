"""Market depth files that someone, or some machine, has damaged."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from trading_platform.lake import DayResult, LocalLake, Outcome, build_day
from trading_platform.lake.writer import FAILED_NAME
from trading_platform.sierra.depth import DepthEventsBuilder

from ..scid_bytes import us
from .depth_bytes import ADD_BID, END, HEADER, ZERO_RECORD, event, modify, snapshot, spread_out, write

Make = Callable[..., DepthEventsBuilder]
MONDAY, TUESDAY, WEDNESDAY = date(2025, 11, 3), date(2025, 11, 4), date(2025, 11, 5)
COUNT = 12_000  # one refused record is below the limit of 0.01 %


def path_of(depth_dir: Path, day: date) -> Path:
    return depth_dir / f"ESZ25-CME.{day}.depth"


def tuesday(count: int = COUNT) -> list[bytes]:
    """Return Tuesday's UTC day until its close: a snapshot and changes."""
    return [
        *snapshot(us("2025-11-04T00:00:00")),
        *spread_out("2025-11-04T00:00:01", "2025-11-04T22:00:00", count - 7),
    ]


def code(result: DayResult) -> str | None:
    return None if result.error is None else result.error.code


def legacy(days: float) -> bytes:
    return struct.pack("<d", days) + modify(0)[8:]


DAMAGE = (
    (event(us("1985-01-01T00:00:00"), ADD_BID, 6800.0, 1), "timestamp_implausible"),
    (event(us("2031-01-01T00:00:00"), ADD_BID, 6800.0, 1), "timestamp_implausible"),
    (struct.pack("<q", -5) + modify(0)[8:], "timestamp_implausible"),
    (legacy(45_965.6), "legacy_date"),
    (event(us("2025-11-05T12:00:00"), ADD_BID, 6800.0, 1, end=END), "timestamp_outside_file"),
    (event(us("2025-10-04T12:00:00"), ADD_BID, 6800.0, 1, end=END), "timestamp_outside_file"),
    (event(us("2025-11-04T12:00:00"), 8, 6800.0, 1), "command_unknown"),
)


@pytest.mark.parametrize(("record", "reason"), DAMAGE, ids=range(len(DAMAGE)))
@pytest.mark.parametrize("at", [0, COUNT // 2, COUNT - 1_000])
def test_t6_one_damaged_record_goes_to_quarantine_and_the_day_is_stored(
    make_depth: Make, depth_dir: Path, lake: LocalLake, record: bytes, reason: str, at: int
) -> None:
    records = tuesday()
    write(path_of(depth_dir, TUESDAY), [*records[:at], record, *records[at:]])
    result = build_day(make_depth(), TUESDAY, lake)
    assert (result.outcome, result.rows, dict(result.rejected)) == (Outcome.WRITE, COUNT, {reason: 1})
    kept = lake.read("depth_rejects", "ES", TUESDAY).row(0, named=True)
    assert (kept["seq_before"], kept["reason"]) == (at, reason)
    assert (
        struct.pack("<qBBHfI", *(kept[n] for n in ("dt", "command", "flags", "num_orders", "price", "quantity")))
        == (record[:20])
    )


def test_t6_time_torn_between_damaged_records_is_refused(make_depth: Make, depth_dir: Path, lake: LocalLake) -> None:
    records = tuesday(24_000)
    torn = event(us("2025-11-04T20:00:00"), ADD_BID, 6800.0, 1, end=END)
    bad = struct.pack("<q", 99) + modify(0)[8:]
    write(path_of(depth_dir, TUESDAY), [*records[:5_000], bad, torn, *records[5_000:]])
    result = build_day(make_depth(), TUESDAY, lake)
    assert (result.outcome, result.rows) == (Outcome.WRITE, 24_000)
    assert dict(result.rejected) == {"timestamp_implausible": 1, "timestamp_torn": 1}


def test_t6_more_than_the_limit_keeps_the_day_out_and_the_refused_rows_for_a_person(
    make_depth: Make, depth_dir: Path, lake: LocalLake
) -> None:
    records = tuesday(1_000)
    write(path_of(depth_dir, TUESDAY), [*records[:500], DAMAGE[-1][0], *records[500:]])
    result = build_day(make_depth(), TUESDAY, lake)
    assert (result.outcome, code(result)) == (Outcome.ERROR, "E403")
    assert "ESZ25-CME.2025-11-04.depth, record 500, command_unknown" in str(result.error)
    assert not lake.path("depth_events", "ES", TUESDAY).exists()
    assert lake.path("depth_rejects", "ES", TUESDAY).with_name(FAILED_NAME).exists()


def test_t6_zero_record_in_the_middle_is_e226_for_its_day_only(
    make_depth: Make, depth_dir: Path, lake: LocalLake
) -> None:
    records = [*tuesday(100), *spread_out("2025-11-04T23:00:00", "2025-11-05T00:00:00", 10)]
    write(path_of(depth_dir, TUESDAY), [*records[:40], ZERO_RECORD, *records[40:]])
    result = build_day(make_depth(), TUESDAY, lake)
    assert (result.outcome, code(result)) == (Outcome.ERROR, "E226")
    assert "record 40" in str(result.error)
    assert build_day(make_depth(), WEDNESDAY, lake).rows == 10


def test_t6_zero_tail_is_left_out_and_told(make_depth: Make, depth_dir: Path, lake: LocalLake) -> None:
    write(path_of(depth_dir, TUESDAY), [*tuesday(100), *[ZERO_RECORD] * 5])
    result = build_day(make_depth(), TUESDAY, lake)
    assert (result.outcome, result.rows, result.facts["zero_tail"]) == (Outcome.ERROR, 0, 5)
    assert "zero_tail" in str(result.error)  # the last event is 13 minutes before the close, and 5 of 100 are lost
    write(path_of(depth_dir, TUESDAY), [*tuesday(100), modify(us("2025-11-04T21:59:00")), *[ZERO_RECORD] * 5])
    result = build_day(make_depth(), TUESDAY, lake)
    assert (result.outcome, result.rows) == (Outcome.WRITE, 101)
    assert "zero_tail" in {check.name for check in result.checks if not check.passed}


def test_t6_time_that_decreases_across_the_end_of_a_session_is_assigned_by_time(
    make_depth: Make, depth_dir: Path, lake: LocalLake
) -> None:
    records = [
        *spread_out("2025-11-04T22:00:00", "2025-11-04T23:00:00", 5),
        *spread_out("2025-11-04T23:00:00", "2025-11-05T00:00:00", 7),
        *spread_out("2025-11-04T22:58:00", "2025-11-04T22:59:00", 3),
        *spread_out("2025-11-04T23:30:00", "2025-11-05T00:00:00", 4),
    ]
    write(path_of(depth_dir, TUESDAY), records)
    found = {day: build_day(make_depth(), day, lake) for day in (TUESDAY, WEDNESDAY)}
    assert {day: result.rows for day, result in found.items()} == {TUESDAY: 8, WEDNESDAY: 11}
    assert found[WEDNESDAY].facts["ts_decreased_rows"] == 1
    assert found[WEDNESDAY].facts["max_time_decrease_s"] == 21 * 60 + 25.714285
    times = lake.read("depth_events", "ES", WEDNESDAY)["ts"].to_physical().to_list()
    assert times != sorted(times)  # file order is kept


def test_t6_equal_times_are_all_kept_in_file_order(make_depth: Make, depth_dir: Path, lake: LocalLake) -> None:
    instant = us("2025-11-04T12:00:00")
    write(path_of(depth_dir, TUESDAY), [modify(instant, 6800.0, n + 1) for n in range(3_000)])
    assert build_day(make_depth(), TUESDAY, lake).rows == 3_000
    assert lake.read("depth_events", "ES", TUESDAY)["quantity"].to_list() == list(range(1, 3_001))


def test_t6_first_snapshot_may_carry_a_time_before_midnight(make_depth: Make, depth_dir: Path, lake: LocalLake) -> None:
    early = snapshot(us("2025-11-04T23:59:58"))
    write(path_of(depth_dir, WEDNESDAY), [*early, *spread_out("2025-11-05T00:00:00", "2025-11-05T22:00:00", 50)])
    result = build_day(make_depth(), WEDNESDAY, lake)
    assert (result.rows, dict(result.rejected)) == (57, {})


def test_t6_one_unreadable_file_fails_its_days_and_no_others(
    make_depth: Make, depth_dir: Path, lake: LocalLake
) -> None:
    write(path_of(depth_dir, MONDAY), spread_out("2025-11-03T00:00:00", "2025-11-03T22:00:00", 50))
    path_of(depth_dir, TUESDAY).write_bytes(b"SCID" + HEADER[4:])
    write(path_of(depth_dir, date(2025, 11, 6)), spread_out("2025-11-06T00:00:00", "2025-11-06T22:00:00", 50))
    days = (MONDAY, TUESDAY, WEDNESDAY, date(2025, 11, 6))
    found = [build_day(make_depth(), day, lake) for day in days]
    assert [code(result) for result in found] == [None, "E222", "E222", None]


def test_t6_content_replaced_in_place_after_the_plan_is_planned_again(
    make_depth: Make, depth_dir: Path, lake: LocalLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(path_of(depth_dir, TUESDAY), tuesday(100))
    builder = make_depth()
    original, calls = builder.plan, 0

    def plan_then_rewrite(trade_date: date) -> object:
        nonlocal calls
        calls += 1
        planned = original(trade_date)
        if calls == 1:
            status = path.stat()
            other = [*tuesday(60)[:50], *spread_out("2025-11-04T23:00:00", "2025-11-05T00:00:00", 50)]
            with path.open("r+b") as handle:
                handle.seek(64)
                handle.write(b"".join(other))
            os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
        return planned

    monkeypatch.setattr(builder, "plan", plan_then_rewrite)
    result = build_day(builder, TUESDAY, lake)
    assert (calls, result.outcome, result.rows) == (2, Outcome.WRITE, 50)


def test_t6_content_replaced_in_place_again_and_again_is_e234(
    make_depth: Make, depth_dir: Path, lake: LocalLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(path_of(depth_dir, TUESDAY), tuesday(100))
    builder = make_depth()
    original = builder.plan
    other = b"".join(spread_out("2025-11-04T23:00:00", "2025-11-05T00:00:00", 100))

    def plan_then_rewrite(trade_date: date) -> object:
        path.write_bytes(HEADER + b"".join(tuesday(100)))
        planned = original(trade_date)
        with path.open("r+b") as handle:
            handle.seek(64)
            handle.write(other)
        return planned

    monkeypatch.setattr(builder, "plan", plan_then_rewrite)
    result = build_day(builder, TUESDAY, lake)
    assert (result.outcome, code(result)) == (Outcome.ERROR, "E234")


def test_t6_file_cut_off_after_the_plan_is_e225(
    make_depth: Make, depth_dir: Path, lake: LocalLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(path_of(depth_dir, TUESDAY), tuesday(100))
    builder = make_depth()
    original = builder.plan

    def plan_then_cut(trade_date: date) -> object:
        path.write_bytes(HEADER + b"".join(tuesday(100)))
        planned = original(trade_date)
        path.write_bytes(HEADER)
        return planned

    monkeypatch.setattr(builder, "plan", plan_then_cut)
    result = build_day(builder, TUESDAY, lake)
    assert (result.outcome, code(result)) == (Outcome.ERROR, "E225")
