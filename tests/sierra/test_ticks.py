"""Days of ``<FUT>/ticks`` from source to lake."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from trading_platform.errors import LakeError
from trading_platform.instruments import Contract
from trading_platform.lake import DayResult, LocalLake, Outcome, build_day
from trading_platform.sierra.sources import register_source
from trading_platform.sierra.ticks import TicksBuilder

from .scid_bytes import (
    HEADER,
    ZERO_RECORD,
    bar,
    golden_records,
    legacy,
    quote,
    record,
    us,
    write,
)

Make = Callable[..., TicksBuilder]
DAYS = [date(2025, 11, 3) + timedelta(days=n) for n in range(5)]  # a full week of ESZ25, EST
MINUTES = 300
PER_DAY = MINUTES * 10


def day_records(day: date, price: float = 6800.0, step: float = 0.25) -> list[bytes]:
    """Return ten trades in each of 300 minutes from 09:30 New York on, on a grid of ``step``."""
    begin = us(f"{day}T14:30:00")
    return [
        record(begin + i * 6_000_000, price + (i % 8) * step, bid=price, ask=price + 8 * step) for i in range(PER_DAY)
    ]


def week(sierra_dir: Path, name: str = "ESZ25.scid") -> Path:
    return write(sierra_dir / name, [one for day in DAYS for one in day_records(day)])


def results(builder: TicksBuilder, lake: LocalLake, days: list[date] = DAYS) -> list[DayResult]:
    return [build_day(builder, day, lake) for day in days]


def code(result: DayResult) -> str | None:
    return None if result.error is None else result.error.code


def patch(path: Path, first: int, content: bytes, *, offset: int = 0) -> None:
    with path.open("r+b") as handle:
        handle.seek(56 + 40 * first + offset)
        handle.write(content)


def test_t4_week_is_written_and_a_second_run_skips(make_builder: Make, sierra_dir: Path, lake: LocalLake) -> None:
    week(sierra_dir)
    first = results(make_builder(), lake)
    assert [(r.outcome, r.rows, r.complete) for r in first] == [(Outcome.WRITE, PER_DAY, True)] * 5
    assert {r.outcome for r in results(make_builder(), lake)} == {Outcome.SKIP}
    again = [build_day(make_builder(), day, lake, force=True) for day in DAYS]
    assert [r.content_hash for r in again] == [r.content_hash for r in first]


def test_t4_genuine_sample_passes_with_warnings_only(
    make_builder: Make, lake: LocalLake, tmp_path: Path, shared_data: Path
) -> None:
    register_source(tmp_path / "sources.toml", shared_data / "sierra" / "real_sample.scid", Contract.parse("ESH23"))
    result = build_day(make_builder(folder=None), date(2023, 2, 21), lake)
    assert (result.outcome, result.rows, result.synthetic) == (Outcome.WRITE, 10, False)
    assert {check.name for check in result.checks if not check.passed} == {"session_gaps"}
    assert all(check.severity == "warn" for check in result.checks if not check.passed)
    expected = {"volume_sum": 10, "sell_volume": 8, "buy_volume": 2, "price_min": 4047.0, "price_max": 4048.5}
    assert {name: result.facts[name] for name in expected} == expected
    assert result.facts["first_ts"] == "2023-02-21T20:37:19.026000+00:00"
    assert result.facts["last_ts"] == "2023-02-21T20:40:52.682001+00:00"
    assert result.facts["notional"] == 40478.75
    assert result.facts["largest_gap_s"] == 77.9
    rows = lake.read("ticks", "ES", date(2023, 2, 21))
    assert rows["price"].to_list()[-2:] == [4048.5, 4048.25]
    assert rows["contract"].unique().to_list() == ["ESH23"]


def test_t4_measured_facts_equal_the_facts_of_the_build(make_builder: Make, sierra_dir: Path, lake: LocalLake) -> None:
    begin = us("2025-11-03T14:30:00")
    rows = [
        record(begin, 6800.0, bid=0.0, sell=3),
        quote(begin + 1),
        record(begin + 40 * 60_000_000, 6800.1, buy=2, sell=1, total=7),
        record(begin + 39 * 60_000_000, 6800.0, bid=6900.0, ask=6800.0),
        record(us("2025-11-03T22:10:00"), 6800.0),
    ]
    write(sierra_dir / "ESZ25.scid", rows)
    builder = make_builder()
    result = build_day(builder, DAYS[0], lake)
    facts = result.facts
    assert result.outcome is Outcome.ERROR  # a quarter of the prices is off the grid
    assert code(result) == "E207"
    write(sierra_dir / "ESZ25.scid", [r for r in rows if r is not rows[2]] + day_records(DAYS[0]))
    result = build_day(builder, DAYS[0], lake)
    facts = result.facts
    assert result.outcome is Outcome.WRITE
    assert (facts["quote_rows"], facts["crossed_rows"], facts["outside_hours_rows"], facts["bid_null_rows"]) == (
        1,
        1,
        1,
        1,
    )
    assert facts["ts_decreased_rows"] == 1
    assert builder.measure(DAYS[0]) == facts


def test_t4_closed_future_and_missing_days_have_their_outcomes(
    make_builder: Make, sierra_dir: Path, lake: LocalLake, tmp_path: Path
) -> None:
    now = datetime(2025, 11, 10, 15, 0, tzinfo=UTC)
    builder = make_builder(now=now)
    missing = build_day(builder, DAYS[0], lake)
    assert (missing.outcome, code(missing)) == (Outcome.MISSING, "E210")
    week(sierra_dir)
    builder = make_builder(now=now)
    ask = {
        date(2025, 11, 8): (Outcome.CLOSED, None),  # Saturday
        date(2025, 11, 10): (Outcome.PENDING, "E213"),  # trading, nothing stored yet
        date(2025, 11, 12): (Outcome.PENDING, "E213"),  # not open yet
        date(2025, 10, 31): (Outcome.MISSING, "E214"),  # over, and the file has nothing
    }
    found = {day: build_day(builder, day, lake) for day in ask}
    assert {day: (r.outcome, code(r)) for day, r in found.items()} == ask
    nowhere = build_day(make_builder(folder=None), DAYS[0], lake)
    assert (nowhere.outcome, code(nowhere)) == (Outcome.UNAVAIL, "E211")
    gone = build_day(make_builder(folder=tmp_path / "absent"), DAYS[0], lake)
    assert (gone.outcome, code(gone)) == (Outcome.UNAVAIL, "E211")


def test_t4_day_is_complete_when_a_later_day_has_records_or_the_grace_has_passed(
    make_builder: Make, sierra_dir: Path, lake: LocalLake
) -> None:
    path = write(sierra_dir / "ESZ25.scid", day_records(DAYS[0]))
    end = datetime(2025, 11, 3, 23, 0, tzinfo=UTC)  # 17:00 Chicago, where the next trade date begins
    assert not make_builder(now=end + timedelta(minutes=15, seconds=5)).plan(DAYS[0]).complete
    assert make_builder(now=end + timedelta(minutes=15, seconds=6)).plan(DAYS[0]).complete
    with path.open("ab") as handle:
        handle.write(b"".join(record(us("2025-11-03T23:00:00") + i, 6800.0) for i in range(17)))
    builder = make_builder(now=end + timedelta(minutes=1))
    assert builder.plan(DAYS[0]).complete
    assert not builder.plan(DAYS[1]).complete


def test_t3_live_file_gives_a_partial_day_and_the_next_run_the_rest(
    make_builder: Make, sierra_dir: Path, lake: LocalLake
) -> None:
    rows = day_records(DAYS[0])
    path = write(sierra_dir / "ESZ25.scid", rows[:1_000], tail=rows[1_000][:17])
    builder = make_builder(now=datetime(2025, 11, 3, 17, 0, tzinfo=UTC))
    first = build_day(builder, DAYS[0], lake)
    assert (first.outcome, first.rows, first.complete) == (Outcome.WRITE, 1_000, False)
    close = next(check for check in first.checks if check.name == "session_gaps")
    assert close.values["close_gap_s"] == 0.0
    write(path, rows)
    second = build_day(builder, DAYS[0], lake)
    assert (second.outcome, second.rows) == (Outcome.WRITE, PER_DAY)
    assert lake.read("ticks", "ES", DAYS[0])["seq"].to_list() == list(range(PER_DAY))


def test_t4_wrong_price_scale_is_e207_names_the_remedy_and_writes_nothing(
    make_builder: Make, sierra_dir: Path, lake: LocalLake
) -> None:
    write(sierra_dir / "ESZ25.scid", day_records(DAYS[0], price=680_000.0, step=25.0))
    result = build_day(make_builder(), DAYS[0], lake)
    assert code(result) == "E207"
    assert result.error is not None
    assert "median price 680,087.50" in result.error.what
    assert result.error.next_command == "tp instruments set ES --price-scale 0.01 --style bare"
    assert not lake.exists("ticks", "ES", DAYS[0])
    write(sierra_dir / "ESZ25.scid", day_records(DAYS[0], price=1.0))
    other = build_day(make_builder(), DAYS[0], lake)
    assert other.error is not None
    assert other.error.next_command in {
        "tp instruments show ES",
        "tp instruments set ES --price-scale 100 --style bare",
    }


def test_t4_bar_file_is_e206_with_the_setting_to_change(make_builder: Make, sierra_dir: Path, lake: LocalLake) -> None:
    begin = us("2025-11-03T15:00:00")
    write(sierra_dir / "ESZ25.scid", [bar(begin + i * 60_000_000, 6800.0, 6810.0) for i in range(60)])
    result = build_day(make_builder(), DAYS[0], lake)
    assert code(result) == "E206"
    assert result.error is not None
    assert '"Intraday Data Storage Time Unit"' in result.error.why
    assert '"1 Tick"' in result.error.why


def test_t4_setting_changed_midway_refuses_only_the_day_with_bars(
    make_builder: Make, sierra_dir: Path, lake: LocalLake
) -> None:
    bars = [bar(us("2025-11-03T15:00:00") + i * 60_000_000, 6800.0, 6810.0) for i in range(60)]
    write(sierra_dir / "ESZ25.scid", bars + day_records(DAYS[1]))
    assert [code(r) for r in results(make_builder(), lake, DAYS[:2])] == ["E206", None]


def test_t4_legacy_dates_are_e205_for_a_file_and_for_the_day_they_lie_in(
    make_builder: Make, sierra_dir: Path, lake: LocalLake
) -> None:
    write(sierra_dir / "ESZ25.scid", [legacy(45_900.0 + i / 1000) for i in range(100)])
    result = build_day(make_builder(), DAYS[0], lake)
    assert code(result) == "E205"
    assert result.error is not None
    assert "Intraday Data Storage Time Unit" in result.error.why
    rows = [one for day in DAYS for one in day_records(day)]
    rows[PER_DAY + 50 : PER_DAY + 60] = [legacy(45_965.6)] * 10
    write(sierra_dir / "ESZ25.scid", rows)
    assert [code(r) for r in results(make_builder(), lake)] == [None, "E205", None, None, None]


def test_t4_measuring_a_damaged_stored_day_is_e505(make_builder: Make, sierra_dir: Path, lake: LocalLake) -> None:
    week(sierra_dir)
    path = build_day(make_builder(), DAYS[0], lake).path
    assert path is not None
    content = bytearray(path.read_bytes())
    content[4:400] = bytes(396)  # pages of the first column; the footer is whole
    path.write_bytes(content)
    with pytest.raises(LakeError) as caught:
        make_builder().measure(DAYS[0])
    assert caught.value.code == "E505"
    assert caught.value.next_command.startswith("tp backfill ES/ticks --from 2025-11-03")


@pytest.mark.parametrize("seed", range(4))
def test_t4_destroyed_bytes_fail_their_day_only(
    make_builder: Make, sierra_dir: Path, lake: LocalLake, seed: int
) -> None:
    source = random.Random(seed)
    path = week(sierra_dir)
    clean = [r.content_hash for r in results(make_builder(), lake)]
    patch(path, 2 * PER_DAY + 700, source.randbytes(4_001 + seed), offset=source.randrange(40))
    found = results(make_builder(), lake)
    assert [code(r) for r in found] == [None, None, "E403", None, None]
    assert [r.content_hash for i, r in enumerate(found) if i != 2] == [h for i, h in enumerate(clean) if i != 2]
    assert found[2].error is not None
    assert "rejects_below_limit" in found[2].error.what
    assert f"ESZ25.scid, record {2 * PER_DAY + 700}," in found[2].error.what
    assert lake.failed_rejects_path("ticks", "ES", DAYS[2]).is_file()
    assert lake.footer("ticks", "ES", DAYS[2]) is not None  # the older good file stays


def test_t4_zeroed_bytes_fail_their_day_with_e208_and_the_record(
    make_builder: Make, sierra_dir: Path, lake: LocalLake
) -> None:
    path = week(sierra_dir)
    patch(path, PER_DAY + 100, bytes(200))
    found = results(make_builder(), lake)
    assert [code(r) for r in found] == [None, "E208", None, None, None]
    assert found[1].error is not None
    assert f"record {PER_DAY + 100}" in found[1].error.what


def test_t4_day_that_lost_all_its_records_fails_and_no_other(
    make_builder: Make, sierra_dir: Path, lake: LocalLake
) -> None:
    path = week(sierra_dir)
    patch(path, 3 * PER_DAY, b"\xff" * (40 * PER_DAY))
    found = results(make_builder(), lake)
    assert [code(r) for r in found] == [None, None, None, "E403", None]
    assert found[3].rejected == {"timestamp_implausible": PER_DAY}


def full_session(day: date) -> list[bytes]:
    """Return one trade per minute from the open at 18:00 New York to the close at 17:00."""
    begin = us(f"{day - timedelta(days=1)}T23:00:00")
    return [record(begin + i * 60_000_000 + 30_000_000, 6800.0, bid=6800.0, ask=6800.25) for i in range(1_380)]


@pytest.mark.parametrize(
    ("lost", "failed"),
    [
        ((1_300, 1_380), [True, False]),  # the end of the first day
        ((1_380, 1_460), [False, True]),  # the beginning of the second
        ((1_300, 1_460), [True, True]),  # both
        ((1_378, 1_382), [False, True]),  # a few at the seam: both look whole, so the later one
    ],
)
def test_t4_damage_at_a_seam_goes_to_the_days_that_may_have_lost_records(
    make_builder: Make, sierra_dir: Path, lake: LocalLake, lost: tuple[int, int], failed: list[bool]
) -> None:
    path = write(sierra_dir / "ESZ25.scid", full_session(DAYS[1]) + full_session(DAYS[2]))
    patch(path, lost[0], b"\xff" * (40 * (lost[1] - lost[0])))
    found = results(make_builder(), lake, DAYS[1:3])
    assert [code(r) == "E403" for r in found] == failed


def test_t4_a_few_rejects_are_quarantined_and_the_day_passes(
    make_builder: Make, sierra_dir: Path, lake: LocalLake
) -> None:
    begin = us("2025-11-03T14:30:00")
    rows = [record(begin + i * 1_000_000, 6800.0) for i in range(12_000)]
    rows[500] = record(begin + 500_000_000, float("nan"))
    write(sierra_dir / "ESZ25.scid", rows)
    result = build_day(make_builder(), DAYS[0], lake)
    assert (result.outcome, result.rows, result.rejected) == (Outcome.WRITE, 11_999, {"price_not_finite": 1})
    stored = pl.read_parquet(lake.quarantine_path("ticks", "ES", DAYS[0]))
    assert stored["seq_before"].to_list() == [500]
    assert "first_reject" not in result.facts


def test_t4_records_of_other_days_in_between_are_stray_and_warned_about(
    make_builder: Make, sierra_dir: Path, lake: LocalLake
) -> None:
    monday, tuesday = day_records(DAYS[0]), day_records(DAYS[1])
    write(sierra_dir / "ESZ25.scid", [*monday[:1_000], *tuesday[:7], *monday[1_000:], *tuesday[7:]])
    found = results(make_builder(), lake, DAYS[:2])
    assert [(r.outcome, r.rows) for r in found] == [(Outcome.WRITE, PER_DAY)] * 2
    assert [r.facts["stray_records"] for r in found] == [7, 2_000]
    assert [c.passed for r in found for c in r.checks if c.name == "stray_records"] == [False, False]
    assert lake.read("ticks", "ES", DAYS[1])["flags"].sum() == 0


def test_t4_more_than_one_row_group_keeps_order_and_bytes(
    make_builder: Make, sierra_dir: Path, lake: LocalLake
) -> None:
    count = 200_000
    begin = us("2025-11-03T14:30:00")
    packed = np.frombuffer(record(begin, 6800.0, buy=1), np.uint8).reshape(1, 40).repeat(count, axis=0)
    packed[:, :8] = (
        (np.frombuffer(packed[0, :8].tobytes(), "<i8")[0] + np.arange(count) * 50_000)
        .astype("<i8")
        .view(np.uint8)
        .reshape(-1, 8)
    )
    quotes = quote(begin + 7)
    write(sierra_dir / "ESZ25.scid", [packed[:70_000].tobytes(), quotes, packed[70_000:].tobytes()])
    result = build_day(make_builder(), DAYS[0], lake)
    assert (result.rows, result.facts["quote_rows"]) == (count, 1)
    stored = lake.read("ticks", "ES", DAYS[0])
    assert stored["seq"].to_list() == list(range(count))
    assert stored["ts"].dt.epoch("us").to_list() == [begin + i * 50_000 for i in range(count)]
    assert result.preview is not None
    assert int(result.preview.volume.sum()) == count


def test_t6_append_keeps_the_hashes_of_earlier_days(
    make_builder: Make, sierra_dir: Path, lake: LocalLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = week(sierra_dir)
    results(make_builder(), lake)
    with path.open("ab") as handle:
        handle.write(b"".join(day_records(date(2025, 11, 10))))
    builder = make_builder()
    read: list[int] = []
    genuine = type(builder.plan(DAYS[0]).detail).blocks
    monkeypatch.setattr(
        type(builder.plan(DAYS[0]).detail), "blocks", lambda self, *rest: (read.append(1), genuine(self, *rest))[1]
    )
    assert {r.outcome for r in results(builder, lake)} == {Outcome.SKIP}
    assert read == []
    builder.hash_sources(builder.plan(DAYS[0]), verify=True)
    assert read == [1]


def test_t6_rewritten_history_rebuilds_exactly_the_changed_day(
    make_builder: Make, sierra_dir: Path, lake: LocalLake
) -> None:
    path = week(sierra_dir)
    results(make_builder(), lake)
    patch(path, 2 * PER_DAY + 5, record(us("2025-11-05T14:30:30"), 6799.0))
    outcomes = [r.outcome for r in results(make_builder(), lake)]
    assert outcomes == [Outcome.SKIP, Outcome.SKIP, Outcome.WRITE, Outcome.SKIP, Outcome.SKIP]


def test_t2_truncated_day_follows_its_file_and_the_older_rows_are_kept_beside_the_lake(
    make_builder: Make, sierra_dir: Path, lake: LocalLake
) -> None:
    path = week(sierra_dir)
    stored = results(make_builder(), lake)[-1]
    before = lake.path("ticks", "ES", DAYS[-1]).read_bytes()
    path.write_bytes(path.read_bytes()[: -40 * (stored.rows // 2)])
    again = build_day(make_builder(), DAYS[-1], lake)
    assert (again.outcome, again.rows) == (Outcome.WRITE, stored.rows - stored.rows // 2)
    kept = list((lake.root / "superseded").rglob("*.parquet"))
    assert [file.read_bytes() for file in kept] == [before]
    assert again.reason == (
        f"the source has lost rows: {again.rows:,} now, {stored.rows:,} stored before; the older file is kept as "
        f"superseded/ticks/symbol=ES/date={DAYS[-1]}/{(stored.content_hash or '')[:16]}.parquet"
    )


def test_t2_correction_of_a_few_rows_keeps_nothing(make_builder: Make, sierra_dir: Path, lake: LocalLake) -> None:
    path = sierra_dir / "ESZ25.scid"
    write(path, full_session(DAYS[0]))
    stored = build_day(make_builder(), DAYS[0], lake)
    write(path, full_session(DAYS[0])[:-1])
    assert build_day(make_builder(), DAYS[0], lake).rows == stored.rows - 1
    assert not (lake.root / "superseded").exists()


def test_t6_rewrite_hidden_from_the_file_status_is_e218_and_heals(
    make_builder: Make, sierra_dir: Path, lake: LocalLake
) -> None:
    import os

    path = week(sierra_dir)
    builder = make_builder()
    plan = builder.plan(DAYS[0])
    status = path.stat()
    shifted = [one for day in DAYS for one in day_records(day + timedelta(days=7))]
    path.write_bytes(HEADER + b"".join(shifted))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    with lake.begin(builder.contract, "ES", DAYS[0]) as writer, pytest.raises(Exception, match="E218"):
        builder.build(plan, writer)
    assert build_day(builder, DAYS[0], lake).outcome is Outcome.MISSING
    assert build_day(builder, date(2025, 11, 10), lake).outcome is Outcome.WRITE


def test_t4_synthetic_mark_in_the_header_reaches_the_footer(
    make_builder: Make, sierra_dir: Path, lake: LocalLake
) -> None:
    header = HEADER[:20] + b"SYNTHETIC trading-platform".ljust(36, b"\0")
    write(sierra_dir / "ESZ25.scid", day_records(DAYS[0]), header=header)
    assert build_day(make_builder(), DAYS[0], lake).synthetic
    footer = lake.footer("ticks", "ES", DAYS[0])
    assert footer is not None
    assert footer.synthetic


def test_t4_golden_rows_import_from_a_rebuilt_file(make_builder: Make, sierra_dir: Path, lake: LocalLake) -> None:
    write(sierra_dir / "ESH23.scid", golden_records(), tail=b"x" * 17)
    result = build_day(make_builder(), date(2023, 2, 21), lake)
    assert (result.outcome, result.rows) == (Outcome.WRITE, 10)


def test_t4_file_that_sierra_is_just_creating_is_pending_and_later_an_error(
    make_builder: Make, sierra_dir: Path, lake: LocalLake
) -> None:
    (sierra_dir / "ESZ25.scid").write_bytes(b"")
    assert build_day(make_builder(now=datetime(2025, 11, 3, 15, tzinfo=UTC)), DAYS[0], lake).outcome is Outcome.PENDING
    late = build_day(make_builder(), DAYS[0], lake)
    assert (late.outcome, code(late)) == (Outcome.ERROR, "E200")


def test_t4_zero_record_with_an_odd_tail_is_still_in_the_middle(
    make_builder: Make, sierra_dir: Path, lake: LocalLake
) -> None:
    rows = day_records(DAYS[0])
    write(sierra_dir / "ESZ25.scid", [*rows, ZERO_RECORD, *day_records(DAYS[1])], tail=ZERO_RECORD + b"\0" * 5)
    found = results(make_builder(), lake, DAYS[:2])
    assert [code(r) for r in found] == ["E208", "E208"]
