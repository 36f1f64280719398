"""The schedule asks the calendar for the trade date (P6)."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import dagster as dg
import pytest

from resources import ClockResource

from .conftest import FIVE_DAYS, SmallPlatform

NEW_YORK = ZoneInfo("America/New_York")


@pytest.mark.parametrize(
    ("local_time", "requested"),
    [
        ("2025-03-07 18:30", "2025-03-07"),  # the last day of standard time
        ("2025-03-10 18:30", "2025-03-10"),  # the first day of daylight time
        ("2025-04-17 18:30", "2025-04-17"),
        ("2025-04-18 18:30", None),  # Good Friday
        ("2025-05-26 18:30", "2025-05-26"),  # Memorial Day trades until noon
        ("2025-12-25 18:30", None),
        ("2026-01-01 18:30", None),
    ],
)
def test_p6_requests_exactly_the_open_trade_date(
    small_platform: SmallPlatform, local_time: str, requested: str | None
) -> None:
    schedule = small_platform.defs.resolve_schedule_def("daily_ingest_after_close")
    at = datetime.strptime(local_time, "%Y-%m-%d %H:%M").replace(tzinfo=NEW_YORK)
    repository = small_platform.defs.get_repository_def()
    with dg.build_schedule_context(scheduled_execution_time=at, repository_def=repository) as context:
        data = schedule.evaluate_tick(context)
    assert [request.partition_key for request in data.run_requests or []] == ([requested] if requested else [])
    if requested is None:
        assert data.skip_message is not None
        assert local_time[:10] in data.skip_message


def test_p6_runs_at_half_past_six_in_new_york(small_platform: SmallPlatform) -> None:
    schedule = small_platform.defs.resolve_schedule_def("daily_ingest_after_close")
    assert schedule.cron_schedule == "30 18 * * 1-5"
    assert schedule.execution_timezone == "America/New_York"


def test_p6_job_makes_one_day_of_everything(small_platform: SmallPlatform) -> None:
    job = small_platform.defs.resolve_job_def("daily_ingest")
    done = job.execute_in_process(instance=small_platform.instance, partition_key="2025-03-11")
    assert done.success
    assert sorted({key.split("/")[0] for key in small_platform.hashes()}) == ["bars_1m", "bars_1s", "ticks"]
    assert small_platform.home.catalog_path.is_file()


def test_p6_scheduled_day_is_complete(small_platform: SmallPlatform) -> None:
    small_platform.overrides["clock"] = ClockResource(fixed_at="2025-03-11T18:30:00-04:00")
    report = small_platform.backfill("MNQ/ticks", first=FIVE_DAYS[1], last=FIVE_DAYS[1])["MNQ/ticks"]
    assert [result.complete for result in report.results] == [True]
