"""The daily ingest: every active instrument's newest finished trade date, after the close.

Belongs here: the job and its schedule. The trade date comes from the exchange calendar, not from the clock time of the tick: a partition
cron would request Monday on a Saturday. Concept: https://docs.dagster.io/guides/automate/schedules
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import dagster as dg

from assets.partitions import TRADE_DATES
from trading_platform.instruments import Instrument
from trading_platform.sessions import calendar_for

if TYPE_CHECKING:
    from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

DAILY_INGEST = "daily_ingest"


def daily_ingest_job(dated: Sequence[dg.AssetsDefinition], views: dg.AssetsDefinition) -> UnresolvedAssetJobDefinition:
    """Define the job that makes one trade date of all dated assets, then the views."""
    return dg.define_asset_job(
        DAILY_INGEST,
        selection=dg.AssetSelection.assets(*[asset.key for asset in dated], views.key),
        description="One trade date of every dated asset, then the SQL views.",
        executor_def=dg.in_process_executor,
    )


def daily_ingest_schedule(
    job: UnresolvedAssetJobDefinition, instruments: Sequence[Instrument]
) -> dg.ScheduleDefinition:
    """Define the schedule: 18:30 New York on weekdays: CME's trade date ends at 18:00 and is final a quarter of an hour later."""

    @dg.schedule(
        name=f"{DAILY_INGEST}_after_close",
        job=job,
        cron_schedule="30 18 * * 1-5",
        execution_timezone="America/New_York",
        description="Requests the trade date whose session has just ended; skips holidays.",
    )
    def after_close(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
        local_day = context.scheduled_execution_time.date()
        calendars = {instrument.calendar for instrument in instruments}
        if not any(calendar_for(name).session(local_day).is_open for name in calendars):
            yield dg.SkipReason(f"no active instrument has a session on {local_day.isoformat()}")
            return
        key = local_day.isoformat()
        if not TRADE_DATES.has_partition_key(key):
            yield dg.SkipReason(f"{key} is not a trade date")
            return
        yield dg.RunRequest(run_key=key, partition_key=key)

    return after_close
