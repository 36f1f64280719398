"""How the sensors for files say what they saw: log lines for alerts, one sentence for the page of the sensor.

Belongs here: what both sensors say in the same words. Does not belong here: what happened to files (``new_files.py``,
``new_gamma_files.py``).
"""

from collections.abc import Mapping, Sequence

import dagster as dg
import structlog

from jobs.refresh import Look, Request
from trading_platform.errors import PlatformError

DAY_GIVEN_UP = "day_given_up"
CURSOR_LOST = "sensor_memory_lost"
FILES_GONE = "source_files_gone"
FOLDER_LOST = "source_folder_lost"
ALERTS: Mapping[str, str] = {
    DAY_GIVEN_UP: "docs/runbook.md#day-given-up",
    CURSOR_LOST: "docs/runbook.md#sensor-memory-lost",
    FILES_GONE: "docs/runbook.md#source-files-gone",
    FOLDER_LOST: "docs/runbook.md#source-folder-lost",
}
"""Names of the log lines that these sensors write, with the entry of the runbook."""

_log = structlog.get_logger()


def warn(event: str, error: PlatformError) -> None:
    """Write one line for an error."""
    _log.warning(event, code=error.code, error=error.what, runbook=ALERTS[event], next=error.next_command)


def tell_files_gone(names: Sequence[str]) -> None:
    """Write one line for files that were there at the look before; none if there are none."""
    if names:
        _log.warning(FILES_GONE, files=list(names), runbook=ALERTS[FILES_GONE], next="tp doctor")


def tell_given_up(look: Look) -> None:
    """Write one line for each day that is left alone from now on."""
    for error in look.given_up:
        warn(DAY_GIVEN_UP, error)


def tell_look(look: Look) -> list[str]:
    """Say what was compared and requested, one part each."""
    parts = []
    if look.compared:
        parts.append(f"{look.compared} days compared" + (f", {look.unchanged} as they were" if look.unchanged else ""))
    parts += [f"requested {request.name} (attempt {request.attempt})" for request in look.requests]
    return parts + look.notes


def to_run_request(request: Request) -> dg.RunRequest:
    """Return what the daemon makes a run of."""
    return dg.RunRequest(run_key=request.name, asset_selection=list(request.keys), tags=request.tags)
