"""The list of checks, and running them so that none can spoil another.

Belongs here: names, reasons and order of the checks. Does not belong here: what they do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ...errors import PlatformError
from . import gamma, home, installation, machine, runs
from .verdict import Finding, Situation, Status, Verdict

_NO_HOME = Verdict(Status.SKIP, "there is no home to look at", "tp init --instruments MNQ,ES")


@dataclass(frozen=True, slots=True)
class Check:
    """One thing to look at.

    Attributes:
        name: short name, also in JSON.
        why: why it matters, one sentence.
        look: the check.
        needs_home: skipped where there is no home.
    """

    name: str
    why: str
    look: Callable[[Situation], Verdict]
    needs_home: bool = True


CHECKS: Sequence[Check] = (
    Check("versions", "other versions give other bytes, or do not work at all", installation.versions, False),
    Check("checkout", "changes of one checkout have no effect if another one runs", installation.checkout, False),
    Check("time zones", "sessions are computed in the zone of their exchange", machine.time_zones, False),
    Check(
        "calendar",
        "later days are unknown, and guessing them would be wrong on holidays",
        installation.calendar_age,
        False,
    ),
    Check("settings", "a misspelt name changes nothing, silently", home.settings, False),
    Check("home", "it holds the lake, the run history and the list of instruments", home.home, False),
    Check("clock", "the clock decides which session is open and which file is newer", machine.clock, False),
    Check("port", "the web UI listens on it", machine.port, False),
    Check("disk space", "a full disk stops every run; files that are stored stay intact", machine.disk_space),
    Check("file systems", "locks and SQLite cannot be trusted on a network disk", machine.file_systems),
    Check("write access", "every commit writes, syncs and renames files there", home.write_access),
    Check("data folder", "ticks and depth are read from it", home.data_folder),
    Check("gamma feed", "files that are not understood are no part of any day", gamma.gamma_feed),
    Check("option chains", "files that are not understood are no part of any day", gamma.option_chains),
    Check("edited files", "a list that cannot be read stops every command", home.edited_files),
    Check("instruments", "without a price scale no day of a future can be made", home.instruments),
    Check("dagster.yaml", "it sets pools, retries and telemetry", runs.dagster_settings),
    Check("run history", "it is what says which partitions are done", runs.run_history),
    Check("dead runs", "a run of a dead process keeps its pool slot, and the next one waits for ever", runs.dead_runs),
    Check("left-overs", "they take space and say that a process was killed", runs.left_overs),
)


def examine(situation: Situation, checks: Sequence[Check] = CHECKS) -> list[Finding]:
    """Run checks one after the other; whatever goes wrong inside one is its own finding and no other's."""
    return [_finding(check, situation) for check in checks]


def _finding(check: Check, situation: Situation) -> Finding:
    verdict = _NO_HOME if check.needs_home and situation.home is None else _look(check, situation)
    return Finding(check.name, verdict.status, verdict.what, check.why, verdict.next_command)


def _look(check: Check, situation: Situation) -> Verdict:
    try:
        return check.look(situation)
    except PlatformError as error:
        return Verdict(Status.FAIL, f"{error.code} {error.what}", error.next_command)
    except Exception as error:  # a doctor that dies of the illness helps no one
        text = " ".join(str(error).split())[:300]
        return Verdict(Status.FAIL, f"the check itself failed: {type(error).__name__}: {text}", "tp config")
