"""The evening look at how new every dataset is.

Belongs here: a job of nothing but the checks ``fresh_by_calendar``, and its schedule. The checks run after every run of their asset as
well; a dataset grows old without runs, which only a run of its own can see. Concept:
https://docs.dagster.io/guides/automate/schedules
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import dagster as dg

if TYPE_CHECKING:
    from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

FRESHNESS = "freshness"


def freshness_job(checks: Sequence[dg.AssetChecksDefinition]) -> UnresolvedAssetJobDefinition:
    """Define the job that runs all freshness checks and makes nothing."""
    return dg.define_asset_job(
        FRESHNESS,
        selection=dg.AssetSelection.checks(*checks),
        description="Compares the newest complete day of every dataset with the newest finished session; makes nothing.",
        executor_def=dg.in_process_executor,
    )


def freshness_schedule(job: UnresolvedAssetJobDefinition) -> dg.ScheduleDefinition:
    """Define the schedule: 19:30 New York on weekdays, an hour after the daily ingest, which should be through by then."""
    return dg.ScheduleDefinition(
        name=f"{FRESHNESS}_in_the_evening",
        job=job,
        cron_schedule="30 19 * * 1-5",
        execution_timezone="America/New_York",
        description="Tells on the asset pages which datasets are behind the exchange calendar.",
    )
