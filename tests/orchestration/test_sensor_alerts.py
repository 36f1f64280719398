"""Every alert says what to do: one structured line with an entry of the runbook and the next command (P7)."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import dagster as dg
import pytest
import structlog

from jobs import daily
from sensors import new_files, new_gamma_files, run_failures, watchlist
from sensors.run_failures import describe, run_failures_sensor
from tests.docs.commands import problem_of
from tests.docs.markdown import anchors

RUNBOOK = Path(__file__).resolve().parents[2] / "docs" / "runbook.md"
ALERTS = {
    **new_files.ALERTS,
    **new_gamma_files.ALERTS,
    **daily.ALERTS,
    **watchlist.ALERTS,
    **{f"run_failed {family}": f"{run_failures.RUNBOOK}#{entry}" for family, entry in run_failures.ENTRIES.items()},
}
DAY = date(2025, 3, 12)


@pytest.mark.parametrize("alert", sorted(ALERTS))
def test_p7_every_alert_has_an_entry_in_the_runbook(alert: str) -> None:
    page, _, anchor = ALERTS[alert].partition("#")
    assert page == "docs/runbook.md"
    assert anchor in anchors(RUNBOOK)
    assert f"Event `{alert.split(maxsplit=1)[0]}`" in RUNBOOK.read_text(encoding="utf-8")


def test_p7_every_family_of_errors_has_an_entry() -> None:
    from trading_platform import errors

    families = {kind.family for kind in vars(errors).values() if isinstance(kind, type) and hasattr(kind, "family")}
    assert families <= run_failures.ENTRIES.keys()


@pytest.mark.parametrize(
    ("tags", "texts", "codes", "entry", "command"),
    [
        (
            {"dagster/asset_partition_range_start": "2025-03-10", "dagster/asset_partition_range_end": "2025-03-12"},
            ["1 day(s) not materialized\n2025-03-12 ERROR: E403 MNQ/ticks 2025-03-12: checks failed", "E403 again"],
            ["E403"],
            "run-failed-bad-data",
            "tp backfill MNQ/ticks --from 2025-03-10 --to 2025-03-12",
        ),
        (
            {"dagster/partition": "2025-03-12"},
            ["E214 no records", "E505 damaged"],
            ["E214", "E505"],
            "run-failed-source-file",
            "tp backfill MNQ/ticks --from 2025-03-12 --to 2025-03-12",
        ),
        ({}, ["the process was killed"], [], "run-failed", "tp ui"),
    ],
)
def test_p7_failed_run_names_codes_entry_and_command(
    tags: dict[str, str], texts: list[str], codes: list[str], entry: str, command: str
) -> None:
    line = describe("abc", "daily_ingest", ["MNQ/ticks"], tags, texts)
    assert (line["codes"], line["runbook"], line["next"]) == (codes, f"docs/runbook.md#{entry}", command)
    assert problem_of(command) is None


def test_p7_failed_run_writes_one_line() -> None:
    @dg.asset(key=["MNQ", "ticks"])
    def broken() -> None:
        raise dg.Failure("1 day(s) not materialized, the others are done:\n2025-03-12 ERROR: E403 MNQ/ticks")

    with dg.DagsterInstance.ephemeral() as instance:
        done = dg.materialize([broken], instance=instance, raise_on_error=False, tags={"dagster/partition": str(DAY)})
        context = dg.build_run_status_sensor_context(
            sensor_name="report_failed_runs",
            dagster_instance=instance,
            dagster_run=done.dagster_run,
            dagster_event=done.get_run_failure_event(),
        ).for_run_failure()
        with structlog.testing.capture_logs() as logs:
            run_failures_sensor()(context)
    (line,) = logs
    assert (line["event"], line["log_level"]) == ("run_failed", "error")
    assert line["run_id"] == done.run_id
    assert line["codes"] == ["E403"]
    assert line["first_day"] == line["last_day"] == "2025-03-12"
    assert line["runbook"] == "docs/runbook.md#run-failed-bad-data"


@pytest.mark.parametrize("name", ["new_files", "new_gamma_files", "report_failed_runs"])
def test_p7_sensors_run_without_being_switched_on(name: str, tmp_path: Path) -> None:
    from definitions import build_defs

    from .ticks_only import ticks_home

    sensor = build_defs(ticks_home(tmp_path, days=())).resolve_sensor_def(name)
    assert sensor.default_status is dg.DefaultSensorStatus.RUNNING
    assert sensor.minimum_interval_seconds == 30
