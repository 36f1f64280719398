"""A sensor that writes one structured line for every failed run, with the entry of the runbook and the command to run next.

Belongs here: the alert. A log collector needs no pattern: event ``run_failed`` with named fields. Does not belong here: alerts of single
days that a sensor leaves alone (``new_files.py``), the runbook itself (``docs/runbook.md``).
"""

import re
from collections.abc import Mapping, Sequence

import dagster as dg
import structlog

from jobs.ranges import TAG_PARTITION, TAG_RANGE_END, TAG_RANGE_START
from trading_platform.errors import command

RUN_FAILED = "run_failed"
RUNBOOK = "docs/runbook.md"
ENTRIES: Mapping[str, str] = {
    "E1": "run-failed-configuration",
    "E2": "run-failed-source-file",
    "E3": "run-failed-vendor",
    "E4": "run-failed-bad-data",
    "E5": "run-failed-storage",
    "E6": "run-failed-execution",
    "": "run-failed",
}
"""Anchor in the runbook per family of errors; the empty family is a run that ended without a number."""

_CODE = re.compile(r"\bE[1-6]\d\d\b")
_MOST_CODES = 5
_log = structlog.get_logger()


def run_failures_sensor() -> dg.SensorDefinition:
    """Define the sensor; it requests nothing."""

    @dg.run_failure_sensor(
        name="report_failed_runs",
        default_status=dg.DefaultSensorStatus.RUNNING,
        minimum_interval_seconds=30,
        description="Writes one structured log line for every failed run, with the entry of the runbook.",
    )
    def report(context: dg.RunFailureSensorContext) -> None:
        run = context.dagster_run
        texts = [context.failure_event.message or ""]
        for event in context.get_step_failure_events():
            error = event.step_failure_data.error
            while error is not None:
                texts.append(error.message)
                error = error.cause
        assets = sorted(key.to_user_string() for key in run.asset_selection or ())
        _log.error(RUN_FAILED, **describe(run.run_id, run.job_name, assets, run.tags, texts))

    return report


def describe(
    run_id: str, job: str, assets: Sequence[str], tags: Mapping[str, str], texts: Sequence[str]
) -> dict[str, object]:
    """Return the fields of the log line.

    Args:
        run_id: the failed run.
        job: name of its job.
        assets: what it was to make; empty for a job that says so itself.
        tags: of the run; they name its days.
        texts: messages of the failure, in which numbered errors are looked for.
    """
    first = tags.get(TAG_RANGE_START) or tags.get(TAG_PARTITION)
    last = tags.get(TAG_RANGE_END) or first
    codes = sorted({code for text in texts for code in _CODE.findall(text)})
    family = codes[0][:2] if codes else ""
    return {
        "run_id": run_id,
        "job": job,
        "assets": list(assets),
        "first_day": first,
        "last_day": last,
        "codes": codes[:_MOST_CODES],
        "runbook": f"{RUNBOOK}#{ENTRIES[family]}",
        "next": "tp ui"
        if first is None or last is None
        else command("tp", "backfill", *assets, "--from", first, "--to", last),
    }
