"""The schedule asks the calendar for the trade date, and catches up on what was missed (P6)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import dagster as dg
import pytest
import structlog

from jobs.daily import ALERTS, MAX_RUNS_PER_DAY, sessions_before
from resources import ClockResource
from trading_platform.home import Home
from trading_platform.instruments import load_registry

from .conftest import FIVE_DAYS, SmallPlatform
from .ticks_only import MovingClock, range_tags, resources_of, run_assets, ticks_home

NEW_YORK = ZoneInfo("America/New_York")
SCHEDULE = "daily_ingest_after_close"


class Scheduled:
    """A platform and its schedule; the clock says the time of the last tick."""

    def __init__(self, home: Home, instance: dg.DagsterInstance) -> None:
        self._clock_file = home.cache_dir / "clock"
        self.platform = SmallPlatform(home, instance, {"clock": MovingClock(file=str(self._clock_file))})
        self.set_clock("2025-03-21 12:00")
        self.defs = self.platform.defs

    def set_clock(self, local_time: str) -> datetime:
        at = datetime.strptime(local_time, "%Y-%m-%d %H:%M").replace(tzinfo=NEW_YORK)
        self._clock_file.write_text(at.isoformat(), encoding="ascii")
        return at

    def tick(self, local_time: str) -> dg.ScheduleExecutionData:
        """Evaluate the schedule at a New York time."""
        with dg.build_schedule_context(
            instance=self.platform.instance,
            scheduled_execution_time=self.set_clock(local_time),
            repository_def=self.defs.get_repository_def(),
            resources=resources_of(self.defs),
        ) as context:
            return self.defs.resolve_schedule_def(SCHEDULE).evaluate_tick(context)

    def store(self, names: Sequence[str], first: date, last: date) -> None:
        assert run_assets(self.defs, self.platform.instance, names, range_tags(first, last))

    def leave_run(self, day: date | str, status: dg.DagsterRunStatus) -> None:
        """Leave a run of the daily job in the history."""

        @dg.job(name="daily_ingest")
        def idle() -> None: ...

        self.platform.instance.create_run_for_job(idle, tags={"dagster/partition": str(day)}, status=status)


def asked(data: dg.ScheduleExecutionData) -> list[tuple[str | None, bool]]:
    """Return the requested days, and whether each is caught up on."""
    return [(request.partition_key, request.tags.get("tp/catch_up") == "true") for request in data.run_requests or []]


def due(day: str) -> tuple[str, bool]:
    return day, False


def missed(*days: str | date) -> list[tuple[str, bool]]:
    return [(str(day), True) for day in days]


@pytest.fixture
def scheduled_over(tmp_path: Path) -> Iterator[Callable[..., Scheduled]]:
    """Return a maker of platforms with an instance on disk: a schedule opens its instance anew."""
    folder = tmp_path / "instance"
    folder.mkdir()
    with dg.DagsterInstance.local_temp(str(folder), overrides={"telemetry": {"enabled": False}}) as instance:
        yield lambda days=FIVE_DAYS: Scheduled(ticks_home(tmp_path, days), instance)


@pytest.fixture
def scheduled(scheduled_over: Callable[..., Scheduled]) -> Scheduled:
    return scheduled_over()


@pytest.mark.parametrize(
    ("local_time", "requested"),
    [
        ("2025-03-07 18:30", "2025-03-07"),  # the last day of standard time
        ("2025-03-10 18:30", "2025-03-10"),  # the first day of daylight time
        ("2025-10-31 18:30", "2025-10-31"),  # the last day of daylight time
        ("2025-11-03 18:30", "2025-11-03"),  # the first day of standard time
        ("2025-04-17 18:30", "2025-04-17"),
        ("2025-04-18 18:30", None),  # Good Friday
        ("2025-05-26 18:30", "2025-05-26"),  # Memorial Day trades until noon
        ("2025-11-28 18:30", "2025-11-28"),  # the half day after Thanksgiving
        ("2025-03-09 18:30", None),  # a Sunday, if somebody asks for it by hand
        ("2025-12-25 18:30", None),
        ("2026-01-01 18:30", None),
    ],
)
def test_p6_requests_exactly_the_open_trade_date(
    scheduled_over: Callable[..., Scheduled], local_time: str, requested: str | None
) -> None:
    data = scheduled_over(days=()).tick(local_time)
    assert asked(data) == ([due(requested)] if requested else [])
    if requested is None:
        assert data.skip_message is not None
        assert local_time[:10] in data.skip_message


@pytest.mark.parametrize(
    ("day", "first", "last"),
    [
        ("2025-03-14", "2025-02-28", "2025-03-13"),  # over the change to daylight time
        ("2025-11-07", "2025-10-24", "2025-11-06"),  # over the change to standard time
        ("2025-04-22", "2025-04-07", "2025-04-21"),  # Good Friday is no session
        ("2025-05-28", "2025-05-14", "2025-05-27"),  # Memorial Day is one, a half day
        ("2025-12-01", "2025-11-17", "2025-11-28"),  # Thanksgiving and the day after it are sessions of CME
        ("2026-01-05", "2025-12-18", "2026-01-02"),  # Christmas and New Year are not
        ("2025-03-16", "2025-03-03", "2025-03-14"),  # asked on a Sunday
    ],
)
def test_p6_looks_back_over_ten_sessions(day: str, first: str, last: str) -> None:
    found = sessions_before(date.fromisoformat(day), [load_registry().get("MNQ")], 10)
    assert (len(found), str(found[0]), str(found[-1])) == (10, first, last)


def test_p6_daemon_that_was_down_for_a_week_catches_up_on_every_session_once(scheduled: Scheduled) -> None:
    data = scheduled.tick("2025-03-17 18:30")
    assert asked(data) == [*missed(*FIVE_DAYS), due("2025-03-17")]
    requests = data.run_requests or []
    assert requests[0].tags["tp/why"] == "MNQ/ticks missing"
    assert len({request.run_key for request in requests}) == 6


def test_p6_missed_days_are_logged_with_their_runbook_entry(scheduled: Scheduled) -> None:
    with structlog.testing.capture_logs() as logs:
        scheduled.tick("2025-03-12 18:30")
    (line,) = [line for line in logs if line["event"] == "missed_days"]
    assert line["days"] == line["requested"] == ["2025-03-10", "2025-03-11"]
    assert line["runbook"] == ALERTS["missed_days"]


def test_p6_only_what_is_missing_is_caught_up_on(scheduled: Scheduled) -> None:
    scheduled.store(("MNQ/ticks", "MNQ/bars_1s", "MNQ/bars_1m"), FIVE_DAYS[0], FIVE_DAYS[2])
    scheduled.store(("MNQ/ticks",), FIVE_DAYS[3], FIVE_DAYS[3])
    data = scheduled.tick("2025-03-14 18:30")
    assert asked(data) == [*missed(FIVE_DAYS[3]), due("2025-03-14")]
    assert (data.run_requests or [])[0].tags["tp/why"] == "MNQ/bars_1s missing, MNQ/bars_1m missing"


def test_p6_day_made_before_its_end_is_caught_up_on(scheduled: Scheduled) -> None:
    scheduled.set_clock("2025-03-12 15:00")
    scheduled.store(("MNQ/ticks", "MNQ/bars_1s", "MNQ/bars_1m"), FIVE_DAYS[0], FIVE_DAYS[2])
    data = scheduled.tick("2025-03-13 18:30")
    assert asked(data) == [*missed(FIVE_DAYS[2]), due("2025-03-13")]
    assert (data.run_requests or [])[0].tags["tp/why"] == "MNQ/ticks partial"


def test_p6_holiday_tick_catches_up_as_well(scheduled_over: Callable[..., Scheduled]) -> None:
    scheduled = scheduled_over((date(2025, 4, 16), date(2025, 4, 17)))
    assert asked(scheduled.tick("2025-04-18 18:30")) == missed("2025-04-16", "2025-04-17")


def test_p6_days_without_a_source_are_absent_and_not_missed(scheduled: Scheduled) -> None:
    # The file begins on March 10th; the sessions before it have no record in it.
    assert asked(scheduled.tick("2025-03-10 18:30")) == [due("2025-03-10")]


@pytest.mark.parametrize("status", [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED])
def test_p6_no_day_is_requested_twice(scheduled: Scheduled, status: dg.DagsterRunStatus) -> None:
    scheduled.leave_run(FIVE_DAYS[1], status)
    assert asked(scheduled.tick("2025-03-13 18:30")) == [
        *missed(FIVE_DAYS[0], FIVE_DAYS[2]),
        due("2025-03-13"),
    ]


def test_p6_failed_day_is_tried_three_times_with_keys_of_their_own(scheduled: Scheduled) -> None:
    keys = []
    for _ in range(MAX_RUNS_PER_DAY):
        requests = [r for r in scheduled.tick("2025-03-11 18:30").run_requests or [] if r.partition_key == "2025-03-10"]
        keys += [request.run_key for request in requests]
        scheduled.leave_run(FIVE_DAYS[0], dg.DagsterRunStatus.FAILURE)
    assert keys == ["2025-03-10", "2025-03-10 run 2", "2025-03-10 run 3"]
    assert asked(scheduled.tick("2025-03-11 18:30")) == [due("2025-03-11")]


def test_p6_runs_at_half_past_six_in_new_york(small_platform: SmallPlatform) -> None:
    schedule = small_platform.defs.resolve_schedule_def(SCHEDULE)
    assert schedule.cron_schedule == "30 18 * * 1-5"
    assert schedule.execution_timezone == "America/New_York"


def test_p6_job_makes_one_day_of_everything(small_platform: SmallPlatform) -> None:
    job = small_platform.defs.resolve_job_def("daily_ingest")
    # There is no gamma feed, so the schedule leaves out what is made from it.
    recorded = [
        key
        for key in job.asset_layer.selected_asset_keys
        if "gex" not in key.path[1] and key.path[1] != "enriched_bars"
    ]
    done = job.execute_in_process(
        instance=small_platform.instance, partition_key="2025-03-11", asset_selection=recorded
    )
    assert done.success
    assert {"bars_1m", "bars_1s", "ticks"} <= {key.split("/")[0] for key in small_platform.hashes()}
    assert small_platform.home.catalog_path.is_file()


def test_p6_scheduled_day_is_complete(small_platform: SmallPlatform) -> None:
    small_platform.overrides["clock"] = ClockResource(fixed_at="2025-03-11T18:30:00-04:00")
    report = small_platform.backfill("MNQ/ticks", first=FIVE_DAYS[1], last=FIVE_DAYS[1])["MNQ/ticks"]
    assert [result.complete for result in report.results] == [True]
