"""``tp doctor``: is everything in order, and if not, what to run next."""

from __future__ import annotations

import os
from collections.abc import Sequence

import typer
from rich.text import Text

from ...clock import SystemClock
from .. import console
from ..doctor import Finding, Situation, Status, examine
from ..options import JsonOption
from ..platform import REPOSITORY

_HELP = """
Check disk, clock, versions, settings, home, data folder, run history and what dead processes left, and say what to run next.

Example: tp doctor

Works without a home and when things are broken. It changes nothing; it writes one small file per folder of the home and deletes it.
Exit codes: 0 all is well, 1 there are warnings, 2 something does not work.
"""
_EXIT_CODES = {Status.OK: 0, Status.SKIP: 0, Status.WARN: 1, Status.FAIL: 2}
_STYLES = {Status.OK: "green", Status.SKIP: "dim", Status.WARN: "yellow", Status.FAIL: "bold red"}


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("doctor", help=_HELP)(doctor)


def doctor(json_output: JsonOption = False) -> None:
    """Examine this installation."""
    situation = Situation.of_this_process(SystemClock().now(), os.environ, REPOSITORY)
    findings = examine(situation)
    counts = {status.value: sum(finding.status is status for finding in findings) for status in Status}
    code = max(_EXIT_CODES[finding.status] for finding in findings)
    if json_output:
        names = {0: "ok", 1: "warn", 2: "fail"}
        console.print_json({"status": names[code], "counts": counts, "checks": [_as_json(f) for f in findings]})
    else:
        _print(findings, counts)
    raise typer.Exit(code)


def _print(findings: Sequence[Finding], counts: dict[str, int]) -> None:
    width = max(len(finding.name) for finding in findings)
    for finding in findings:
        line = Text(f"{finding.status.value:<4}  ", style=_STYLES[finding.status])
        line.append(f"{finding.name:<{width}}  {finding.what}", style="default")
        console.out.print(line)
        if finding.status in {Status.WARN, Status.FAIL}:
            console.out.print(Text(f"{'':<{width + 8}}why:  {finding.why}", style="dim"))
            console.out.print(Text(f"{'':<{width + 8}}next: {finding.next_command}", style="cyan"))
    console.out.print("DOCTOR " + " ".join(f"{name}={count}" for name, count in counts.items()))


def _as_json(finding: Finding) -> dict[str, str | None]:
    return {
        "name": finding.name,
        "status": finding.status.value,
        "what": finding.what,
        "why": finding.why,
        "next": finding.next_command,
    }
