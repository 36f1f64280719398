"""``Backfill``: what is to do is decided from materializations, events and footers, and one bad day holds up only itself."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path

import dagster as dg
import numpy as np
import psutil
import pytest

from assets.metadata import event_metadata, failure_metadata
from jobs.backfill import AssetReport
from jobs.claims import claim, partition_name
from jobs.planning import DayState, Mode
from resources import ClockResource
from trading_platform.errors import ConfigurationError, ExecutionError, LakeError, SourceError
from trading_platform.lake import DayResult
from trading_platform.lake.building import Outcome
from trading_platform.pictures import MARKDOWN_LIMIT
from trading_platform.process import ProcessIdentity
from trading_platform.sierra.scid import ScidFile

from .conftest import FIVE_DAYS, SmallPlatform

DATED = ("MNQ/ticks", "MNQ/bars_1s", "MNQ/bars_1m")
BAD_DAY = date(2025, 3, 12)


def outcomes(report: AssetReport) -> dict[Outcome, int]:
    return {outcome: count for outcome, count in report.counts().items() if count}


def archive_file(platform: SmallPlatform, name: str = "MNQH25_FUT_CME.scid") -> Path:
    assert platform.home.sierra_dir is not None
    return platform.home.sierra_dir / name


def destroy(path: Path, day: date) -> None:
    """Zero the prices of every third record of one trade date (13:00 to 20:00 UTC)."""
    raw = bytearray(path.read_bytes())
    records = np.frombuffer(raw, dtype="<i8,<f4,<f4,<f4,<f4,<u4,<u4,<u4,<u4", offset=56)
    start = (np.datetime64(day, "us") - np.datetime64("1899-12-30", "us")).astype(np.int64)
    times = records["f0"]
    rows = np.flatnonzero((times >= start + 13 * 3_600_000_000) & (times < start + 20 * 3_600_000_000))[::3]
    assert len(rows) > 20
    for row in rows:
        offset = 56 + int(row) * 40 + 20
        raw[offset : offset + 4] = np.float32(np.nan).tobytes()
    path.write_bytes(bytes(raw))


def test_p2_first_run_makes_all_days_second_run_none(small_platform: SmallPlatform) -> None:
    first = small_platform.backfill()
    assert {name: outcomes(report) for name, report in first.items() if name in DATED} == {
        name: {Outcome.WRITE: 5} for name in DATED
    }
    before = small_platform.hashes()
    runs = small_platform.instance.get_runs_count()
    second = small_platform.backfill()
    assert {name: outcomes(report) for name, report in second.items() if name in DATED} == {
        name: {Outcome.SKIP: 5} for name in DATED
    }
    assert small_platform.instance.get_runs_count() == runs
    assert small_platform.hashes() == before
    assert len(before) >= 15


def test_p2_each_day_is_one_materialized_partition(small_platform: SmallPlatform) -> None:
    small_platform.backfill("MNQ/ticks")
    keys = small_platform.instance.get_materialized_partitions(dg.AssetKey(["MNQ", "ticks"]))
    assert keys == {day.isoformat() for day in FIVE_DAYS}


def test_p8_event_shows_rows_picture_and_synthetic_mark(small_platform: SmallPlatform) -> None:
    report = small_platform.backfill("MNQ/ticks")["MNQ/ticks"]
    day = FIVE_DAYS[1]
    record = small_platform.instance.fetch_materializations(
        dg.AssetRecordsFilter(asset_key=dg.AssetKey(["MNQ", "ticks"]), asset_partitions=[day.isoformat()]), limit=1
    ).records[0]
    assert record.asset_materialization is not None
    metadata = record.asset_materialization.metadata
    stored = small_platform.lake.read("ticks", "MNQ", day)
    result = next(result for result in report.results if result.trade_date == day)
    assert metadata["dagster/partition_row_count"].value == stored.height == result.rows
    assert metadata["outcome"].value == "WRITE"
    assert metadata["complete"].value is True
    assert metadata["fingerprint"].value == result.fingerprint
    assert "SYNTHETIC" in str(metadata["synthetic"].value)
    picture = str(metadata["price_and_volume"].value)
    assert picture.startswith("![MNQ ticks 2025-03-11](data:image/svg+xml,")
    assert len(picture) < MARKDOWN_LIMIT
    size = len(json.dumps({name: repr(value) for name, value in metadata.items()}))
    assert size <= 16 * 1024


def test_p8_picture_stays_when_a_refresh_changes_nothing(small_platform: SmallPlatform) -> None:
    small_platform.backfill("MNQ/ticks")
    key = dg.AssetKey(["MNQ", "ticks"])
    wrote = small_platform.instance.get_latest_materialization_event(key)
    job = small_platform.defs.resolve_implicit_global_asset_job_def().get_subset(asset_selection={key})
    done = job.execute_in_process(instance=small_platform.instance, partition_key=FIVE_DAYS[-1].isoformat())
    assert done.success
    skipped = small_platform.instance.get_latest_materialization_event(key)
    assert wrote is not None
    assert skipped is not None
    assert wrote.asset_materialization is not None
    assert skipped.asset_materialization is not None
    assert skipped.asset_materialization.metadata["outcome"].value == "SKIP"
    assert (
        skipped.asset_materialization.metadata["price_and_volume"]
        == wrote.asset_materialization.metadata["price_and_volume"]
    )


def test_p2_bad_day_fails_alone_and_its_bars_are_blocked(small_platform: SmallPlatform) -> None:
    destroy(archive_file(small_platform), BAD_DAY)
    reports = small_platform.backfill()
    assert outcomes(reports["MNQ/ticks"]) == {Outcome.WRITE: 4, Outcome.ERROR: 1}
    bad = reports["MNQ/ticks"].failures[0]
    assert bad.trade_date == BAD_DAY
    assert bad.error is not None
    assert "rejects_below_limit" in bad.error.what
    for name in DATED[1:]:
        assert outcomes(reports[name]) == {Outcome.WRITE: 4}
        assert [day.trade_date for day in reports[name].blocked] == [BAD_DAY]
    again = small_platform.backfill()
    assert outcomes(again["MNQ/ticks"]) == {Outcome.SKIP: 4, Outcome.ERROR: 1}


def test_p2_healed_source_completes_only_the_bad_day(small_platform: SmallPlatform) -> None:
    path = archive_file(small_platform)
    good = path.read_bytes()
    destroy(path, BAD_DAY)
    small_platform.backfill()
    path.write_bytes(good)
    reports = small_platform.backfill()
    for name in DATED:
        assert outcomes(reports[name]) == {Outcome.SKIP: 4, Outcome.WRITE: 1}
        assert [result.trade_date for result in reports[name].results] == [BAD_DAY]


def test_t2_changed_day_turns_stale_with_its_bars_and_no_other(small_platform: SmallPlatform) -> None:
    small_platform.backfill()
    path = archive_file(small_platform)
    raw = bytearray(path.read_bytes())
    with ScidFile(path) as file:
        times = file.read(0, file.record_count)["dt"]
    midday = (np.datetime64("2025-03-12T15:00", "us") - np.datetime64("1899-12-30", "us")).astype(np.int64)
    row = int(np.searchsorted(times, midday))
    while np.frombuffer(raw, "<u4", 1, 56 + row * 40 + 28)[0] == 0:  # a quote, not a trade
        row += 1
    for field in (28, 36):  # total and ask volume: one more contract bought
        at = 56 + row * 40 + field
        raw[at : at + 4] = (np.frombuffer(raw, "<u4", 1, at) + 1).astype("<u4").tobytes()
    path.write_bytes(bytes(raw))
    before = small_platform.lake.read("ticks", "MNQ", BAD_DAY)["volume"].sum()
    reports = small_platform.backfill()
    for name in DATED:
        assert [result.trade_date for result in reports[name].results] == [BAD_DAY]
    assert small_platform.lake.read("ticks", "MNQ", BAD_DAY)["volume"].sum() == before + 1


def test_t2_touched_file_with_equal_content_writes_nothing(small_platform: SmallPlatform) -> None:
    small_platform.backfill()
    before = small_platform.hashes()
    path = archive_file(small_platform)
    path.write_bytes(path.read_bytes())
    reports = small_platform.backfill()
    assert outcomes(reports["MNQ/ticks"]) == {Outcome.SKIP: 5}
    assert small_platform.hashes() == before


def test_t2_edit_with_a_restored_modification_time_is_found(small_platform: SmallPlatform) -> None:
    import os

    small_platform.backfill("MNQ/ticks")
    path = archive_file(small_platform)
    times = path.stat()
    destroy(path, BAD_DAY)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    report = small_platform.backfill("MNQ/ticks")["MNQ/ticks"]
    assert outcomes(report) == {Outcome.SKIP: 4, Outcome.ERROR: 1}
    assert report.failures[0].trade_date == BAD_DAY


def test_p2_lost_file_is_made_again(small_platform: SmallPlatform) -> None:
    small_platform.backfill()
    before = small_platform.hashes()
    small_platform.lake.path("bars_1s", "MNQ", BAD_DAY).unlink()
    reports = small_platform.backfill()
    assert [result.trade_date for result in reports["MNQ/bars_1s"].results] == [BAD_DAY]
    assert outcomes(reports["MNQ/ticks"]) == {Outcome.SKIP: 5}
    assert small_platform.hashes() == before


def test_p2_day_is_partial_until_its_session_has_ended(small_platform: SmallPlatform) -> None:
    last = FIVE_DAYS[-1]
    small_platform.overrides["clock"] = ClockResource(fixed_at="2025-03-14T15:00:00-04:00")
    first = small_platform.backfill("MNQ/ticks", "MNQ/bars_1m")
    assert [r.trade_date for r in first["MNQ/ticks"].results if not r.complete] == [last]
    assert outcomes(first["MNQ/bars_1m"]) == {Outcome.WRITE: 5}
    again = small_platform.backfill("MNQ/ticks", "MNQ/bars_1m")
    assert {d.trade_date: d.state for d in again["MNQ/ticks"].planned if d.is_to_run} == {last: DayState.PARTIAL}
    small_platform.overrides["clock"] = ClockResource(fixed_at="2025-03-15T12:00:00-04:00")
    closing = small_platform.backfill("MNQ/ticks", "MNQ/bars_1m")
    assert [(r.trade_date, r.complete) for r in closing["MNQ/ticks"].results] == [(last, True)]
    assert [(r.trade_date, r.complete) for r in closing["MNQ/bars_1m"].results] == [(last, True)]
    final = small_platform.backfill("MNQ/ticks", "MNQ/bars_1m")
    assert not final["MNQ/ticks"].results
    assert not final["MNQ/bars_1m"].results


def test_day_whose_session_has_not_opened_is_pending_and_raises_nothing(small_platform: SmallPlatform) -> None:
    small_platform.overrides["clock"] = ClockResource(fixed_at="2025-03-13T12:00:00-04:00")
    report = small_platform.backfill("MNQ/ticks")["MNQ/ticks"]
    assert outcomes(report) == {Outcome.WRITE: 4, Outcome.PENDING: 1}
    assert report.planned[-1].state is DayState.NOT_OPEN


def test_holiday_is_a_closed_partition_without_rows(platform_of: Callable[..., SmallPlatform]) -> None:
    days = (date(2025, 4, 17), date(2025, 4, 18))
    platform = platform_of(days)
    reports = platform.backfill(first=days[0], last=days[1])
    for name in DATED:
        assert outcomes(reports[name]) == {Outcome.WRITE: 1, Outcome.CLOSED: 1}, name
    dataset = platform.lake.footer("bars_1m", "MNQ", days[1])
    assert dataset is not None
    assert dataset.rows == 0
    assert dataset.outcome is Outcome.CLOSED
    assert not platform.backfill(first=days[0], last=days[1])["MNQ/bars_1m"].results


def test_day_without_source_is_missing_with_a_numbered_error(small_platform: SmallPlatform) -> None:
    report = small_platform.backfill("MNQ/ticks", first=date(2025, 3, 10), last=date(2025, 3, 17))["MNQ/ticks"]
    assert outcomes(report) == {Outcome.WRITE: 5, Outcome.MISSING: 1}
    error = report.failures[0].error
    assert error is not None
    assert error.code.startswith("E2")
    assert "MNQM25" in error.what


def test_p4_order_of_days_does_not_change_the_lake(platform_of: Callable[..., SmallPlatform]) -> None:
    one, other = platform_of(), platform_of()
    one.backfill(*DATED)
    for day in reversed(FIVE_DAYS):
        other.backfill(*DATED, first=day, last=day)
    assert one.hashes() == other.hashes()


def test_p4_forced_rebuild_gives_the_same_bytes(small_platform: SmallPlatform) -> None:
    small_platform.backfill(*DATED)
    before = small_platform.hashes()
    forced = small_platform.backfill(*DATED, mode=Mode.FORCE)
    assert outcomes(forced["MNQ/ticks"]) == {Outcome.WRITE: 5}
    assert small_platform.hashes() == before


def test_second_backfill_of_the_same_partitions_names_the_first(small_platform: SmallPlatform) -> None:
    names = [partition_name("MNQ/ticks", day.isoformat()) for day in FIVE_DAYS[2:]]
    folder = small_platform.home.claims_dir
    with claim(folder, names) as conflict:
        assert conflict is None
        with pytest.raises(ExecutionError, match="E602") as caught:
            small_platform.backfill("MNQ/ticks")
    assert caught.value.what.startswith("3 of the requested partitions are being made by process ")
    assert outcomes(small_platform.backfill("MNQ/ticks")["MNQ/ticks"]) == {Outcome.WRITE: 5}


def test_claims_on_other_days_do_not_conflict(small_platform: SmallPlatform) -> None:
    with claim(small_platform.home.claims_dir, [partition_name("MNQ/ticks", "2024-01-02")]):
        assert outcomes(small_platform.backfill("MNQ/ticks")["MNQ/ticks"]) == {Outcome.WRITE: 5}


def test_plan_says_what_would_run_and_does_nothing(small_platform: SmallPlatform) -> None:
    from jobs.backfill import Backfill, BackfillRequest, Reporter
    from jobs.selection import select_assets

    defs = small_platform.defs
    engine = Backfill(defs, small_platform.instance, small_platform.home.claims_dir, Reporter())
    request = BackfillRequest(select_assets(defs, ["MNQ/*"]), FIVE_DAYS[0], FIVE_DAYS[-1])
    plan = engine.plan(request)
    # There is no gamma feed, so neither of the two enriched datasets is made.
    assert [sum(day.is_to_run for day in report.planned) for report in plan] == [5, 5, 5, 5, 5, 0, 0]
    assert not small_platform.hashes()
    assert small_platform.instance.get_runs_count() == 0
    list(engine.run(request))
    assert [sum(day.is_to_run for day in report.planned) for report in engine.plan(request)] == [0] * 7


def test_every_day_leaves_one_structured_log_line(
    small_platform: SmallPlatform, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TP_LOG_LEVEL", "INFO")
    small_platform.backfill("MNQ/ticks")
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines() if line.startswith("{")]
    assert [(line["event"], line["symbol"], line["trade_date"], line["outcome"]) for line in lines] == [
        ("day", "MNQ", day.isoformat(), "WRITE") for day in FIVE_DAYS
    ]


def test_p2_damaged_stored_day_is_built_again_and_holds_up_no_other(small_platform: SmallPlatform) -> None:
    small_platform.backfill()
    before = small_platform.hashes()
    path = small_platform.lake.path("ticks", "MNQ", BAD_DAY)
    path.write_bytes(path.read_bytes()[:100])
    reports = small_platform.backfill()
    assert {d.trade_date: d.state for d in reports["MNQ/ticks"].planned if d.is_to_run} == {
        BAD_DAY: DayState.UNREADABLE
    }
    assert outcomes(reports["MNQ/ticks"]) == {Outcome.SKIP: 4, Outcome.WRITE: 1}
    assert small_platform.hashes() == before


def test_p2_unreadable_source_fails_its_days_and_no_other_instrument(platform_of: Callable[..., SmallPlatform]) -> None:
    platform = platform_of(active=("MNQ", "ES"))
    platform.backfill()
    path = archive_file(platform)
    path.write_bytes(path.read_bytes()[:40])
    reports = platform.backfill()
    assert outcomes(reports["MNQ/ticks"]) == {Outcome.ERROR: 5}
    assert {result.error.code for result in reports["MNQ/ticks"].failures if result.error} == {"E200"}
    assert outcomes(reports["ES/ticks"]) == {Outcome.SKIP: 5}
    assert len(platform.hashes()) == 50  # the older files of MNQ are intact


def test_p2_days_that_a_broken_run_never_came_to_are_reported(
    small_platform: SmallPlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    from assets.progress import PartitionProgress

    record = PartitionProgress._record

    def break_on_third(self: PartitionProgress, result: DayResult, partition_key: str) -> None:
        if result.trade_date == BAD_DAY:
            raise OSError("no space left for the event")
        record(self, result, partition_key)

    monkeypatch.setattr(PartitionProgress, "_record", break_on_third)
    report = small_platform.backfill("MNQ/ticks")["MNQ/ticks"]
    assert outcomes(report) == {Outcome.WRITE: 2, Outcome.ERROR: 3}
    assert [result.trade_date for result in report.failures] == list(FIVE_DAYS[2:])
    errors = [result.error for result in report.failures]
    assert {error.code for error in errors if error} == {"E605"}
    assert "no space left for the event" in str(errors[0])


def test_range_before_the_first_partition_is_refused(small_platform: SmallPlatform) -> None:
    with pytest.raises(ConfigurationError, match="E174") as caught:
        small_platform.backfill("MNQ/ticks", first=date(2004, 12, 30), last=date(2005, 1, 4))
    assert caught.value.next_command == "tp backfill MNQ/ticks --from 2005-01-03 --to 2005-01-04"


@pytest.mark.parametrize("selection", [None, frozenset({dg.AssetKey(["MNQ", "ticks"])})])
def test_runs_of_web_ui_and_schedule_count_as_claims(
    small_platform: SmallPlatform, selection: frozenset[dg.AssetKey] | None
) -> None:
    other = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    started = psutil.Process(other.pid).create_time()
    process = ProcessIdentity(ProcessIdentity.current().host, other.pid, started)
    job = small_platform.defs.resolve_job_def("daily_ingest")
    run = small_platform.instance.create_run_for_job(
        job, tags={**process.to_tags(), "dagster/partition": "2025-03-12"}, asset_selection=selection
    )
    event = dg.DagsterEvent(event_type_value=dg.DagsterEventType.RUN_START.value, job_name=run.job_name)
    small_platform.instance.report_dagster_event(event, run.run_id)
    try:
        with pytest.raises(ExecutionError, match="E602") as caught:
            small_platform.backfill("MNQ/ticks")
    finally:
        other.kill()
        other.wait()
    assert f"run {run.run_id[:8]}, process {other.pid}" in caught.value.what
    assert outcomes(small_platform.backfill("MNQ/ticks")["MNQ/ticks"]) == {Outcome.WRITE: 5}  # the dead run was ended


def test_p8_rejected_rows_are_shown_by_reason(small_platform: SmallPlatform) -> None:
    metadata = event_metadata(
        DayResult(BAD_DAY, Outcome.WRITE, rejected={"price_not_finite": 2}, facts={"rejected_rows": 2}),
        symbol="MNQ",
        dataset="ticks",
    )
    assert metadata["rejected_rows"] == 2
    assert [record.data for record in metadata["rejected_by_reason"].records] == [
        {"reason": "price_not_finite", "rows": 2}
    ]


def test_p2_number_of_an_error_is_an_entry_of_its_own() -> None:
    error = SourceError("E208", "no price", "because", "tp doctor")
    metadata = failure_metadata(DayResult(BAD_DAY, Outcome.ERROR, error=error))
    assert (metadata["error_code"], metadata["next_command"]) == ("E208", "tp doctor")


def test_p2_verify_finds_flipped_bits_in_a_stored_file_and_builds_it_again(small_platform: SmallPlatform) -> None:
    small_platform.backfill()
    before = small_platform.hashes()
    path = small_platform.lake.path("ticks", "MNQ", BAD_DAY)
    raw = bytearray(path.read_bytes())
    raw[600] ^= 0x10  # inside a data page
    path.write_bytes(bytes(raw))
    with pytest.raises(LakeError, match="E505"):
        small_platform.lake.read("ticks", "MNQ", BAD_DAY)
    assert outcomes(small_platform.backfill("MNQ/ticks")["MNQ/ticks"]) == {Outcome.SKIP: 5}
    assert outcomes(small_platform.backfill("MNQ/ticks", mode=Mode.VERIFY)["MNQ/ticks"]) == {
        Outcome.SKIP: 4,
        Outcome.WRITE: 1,
    }
    assert small_platform.hashes() == before


def test_weekend_has_no_trade_date(small_platform: SmallPlatform) -> None:
    with pytest.raises(ConfigurationError, match="E175") as caught:
        small_platform.backfill("MNQ/ticks", first=date(2025, 3, 8), last=date(2025, 3, 9))
    assert caught.value.next_command == "tp backfill MNQ/ticks --from 2025-03-07 --to 2025-03-07"


def test_p12_day_whose_source_is_good_again_is_confirmed_once(small_platform: SmallPlatform) -> None:
    small_platform.backfill("MNQ/ticks")
    path = archive_file(small_platform)
    good = path.read_bytes()
    destroy(path, BAD_DAY)
    assert outcomes(small_platform.backfill("MNQ/ticks")["MNQ/ticks"]) == {Outcome.ERROR: 1, Outcome.SKIP: 4}
    path.write_bytes(good)
    before = small_platform.hashes()
    report = small_platform.backfill("MNQ/ticks")["MNQ/ticks"]
    assert [(day.trade_date, day.state) for day in report.planned if day.is_to_run] == [
        (BAD_DAY, DayState.REFRESH_FAILED)
    ]
    assert [result.outcome for result in report.results] == [Outcome.SKIP]
    assert small_platform.hashes() == before
    assert not any(day.is_to_run for day in small_platform.backfill("MNQ/ticks")["MNQ/ticks"].planned)
