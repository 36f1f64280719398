"""``tp simulate``: stand-ins for vendors, to try everything without an account."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ...errors import ConfigurationError, RefusedError, command
from ...files import replace_file
from ...home import Home, find_home
from ...settings import SYNTHETIC_LABEL
from .. import console
from ..options import DryRunOption, HomeOption, JsonOption, command_family

if TYPE_CHECKING:
    from ...simulation.databento import DataBentoStandIn, StandInMarket

_DATABENTO_HELP = """
Serve synthetic order books over HTTPS as DataBento does, until Ctrl-C. It prints the one line that sends tp and the vendor's own library
there from another terminal. With a command behind --, it serves that command only, and ends with it.

Example: tp simulate databento -- tp l2 plan --symbols ES --from 2025-09-02 --to 2025-09-05

The data are SYNTHETIC. Nothing is billed; the log of requests (requests.jsonl in the folder) shows what would have been. In a demo home
the market is that of the demo.
"""
_TICKS = 20_000


def register(app: typer.Typer) -> None:
    """Add the family."""
    family = command_family("Stand-ins for vendors, with synthetic data.")
    family.command("databento", help=_DATABENTO_HELP)(databento)
    app.add_typer(family, name="simulate")


def databento(
    program: Annotated[
        list[str] | None, typer.Argument(metavar="[-- COMMAND]...", help="Command to run against the stand-in")
    ] = None,
    port: Annotated[int, typer.Option("--port", min=0, max=65_535, help="Port on 127.0.0.1; 0 takes a free one")] = 0,
    faults: Annotated[
        Path | None,
        typer.Option("--faults", help="JSON list of faults to act out; each names a kind and when it strikes"),
    ] = None,
    folder: Annotated[
        Path | None, typer.Option("--folder", help="For certificate and request log; default: a temporary folder")
    ] = None,
    available_until: Annotated[
        datetime | None,
        typer.Option("--until", formats=["%Y-%m-%d"], help="End of the simulated datasets; default: now"),
    ] = None,
    ticks: Annotated[
        int | None,
        typer.Option(
            "--ticks",
            min=100,
            help=f"Trades of a full day; about nine records come to each; default: {_TICKS}, in a demo home those of the demo",
        ),
    ] = None,
    usd_per_gb: Annotated[float, typer.Option("--usd-per-gb", min=0.0, help="Price of a gigabyte, USD")] = 2.0,
    home: HomeOption = None,
    dry_run: DryRunOption = False,
    json_output: JsonOption = False,
) -> None:
    """Run the stand-in for DataBento."""
    from datetime import UTC

    from ...simulation.databento import DataBentoStandIn, read_faults

    if program and json_output:
        raise ConfigurationError(
            "E160",
            "--json and a command exclude each other",
            "standard output belongs to the command; nothing was started",
            "tp simulate databento --help",
        )
    opened = _home(home)
    script = () if faults is None else read_faults(faults)
    stand_in = DataBentoStandIn(
        _market(opened, ticks),
        script,
        usd_per_gb={"mbp-10": usd_per_gb},
        available_until=None if available_until is None else available_until.replace(tzinfo=UTC),
        port=port,
        folder=None if folder is None else folder.absolute(),
    )
    if dry_run:
        _say(
            {"dry_run": True, "port": port, "faults": len(script)},
            f"would serve with {len(script)} faults{f' and run {shlex.join(program)}' if program else ''}",
            json_output,
        )
        return
    if program:
        raise typer.Exit(_run_against(stand_in, program, opened))
    ended = threading.Event()
    with stand_in:
        environment = stand_in.environment
        exports = "\n".join(f"export {name}={shlex.quote(value)}" for name, value in environment.items())
        script_path = stand_in.folder / "environment.sh"
        replace_file(script_path, lambda file: file.write(f"{exports}\n".encode()))
        _say(
            {
                "note": SYNTHETIC_LABEL,
                "gateway": stand_in.gateway,
                "log": str(stand_in.log_path),
                "environment": environment,
                "environment_file": str(script_path),
            },
            f"{SYNTHETIC_LABEL}\n{exports}\n"
            f"serving on {stand_in.gateway}, requests in {stand_in.log_path}; Ctrl-C ends it\n"
            f"next, in another terminal: {command('source', script_path)}",
            json_output,
        )
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: ended.set())
        ended.wait()


def _run_against(stand_in: DataBentoStandIn, program: Sequence[str], home: Home | None) -> int:
    """Run a command whose vendor is the stand-in; returns its exit code.

    Raises:
        RefusedError: E371 if no port can be taken; E372 if the command cannot be started.
    """
    with stand_in:
        # tp is that of this installation, whether it is on the PATH or not.
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
        named = {} if home is None else {"TP_HOME": str(home.path)}
        console.label_synthetic()
        code = _wait_for(program, {**os.environ, "PATH": path, **named, **stand_in.environment})
        paid = stand_in.paid_calls
        usd = sum(request.billed_usd or 0.0 for request in paid)
        console.err.print(
            f"stand-in: {len(stand_in.requests)} requests, {len(paid)} of them paid: {usd:.4f} pretend dollars"
        )
        return code


def _wait_for(program: Sequence[str], environment: Mapping[str, str]) -> int:
    try:
        child = subprocess.Popen(list(program), env=environment)  # noqa: S603  # what the person typed, without a shell
    except OSError as error:
        raise RefusedError(
            "E372",
            f"{shlex.join(program)} cannot be started: {error.strerror or error}",
            "the stand-in serves the command that follows --; nothing was done",
            "tp simulate databento -- tp config",
        ) from error
    # Ctrl-C in the terminal reaches the command too, which ends as it likes; whoever asks this process to end means the command.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: child.terminate())
    code = child.wait()
    return code if code >= 0 else 128 - code


def _home(home: Path | None) -> Home | None:
    """Return the home whose instruments and rolls are used, where there is one; the stand-in works without."""
    from ...home import open_home
    from ...settings import load_settings

    try:
        return find_home(load_settings()) if home is None else open_home(home)
    except ConfigurationError as error:
        if error.code != "E102":
            raise
        return None


def _market(home: Home | None, ticks: int | None) -> StandInMarket:
    from ...instruments import load_registry, load_roll_table
    from ...simulation.databento import StandInMarket

    registry = load_registry(None if home is None else home.instruments_toml)
    rolls = load_roll_table(registry, None if home is None else home.rolls_csv)
    if home is not None and home.is_demo and ticks is None:
        return StandInMarket.of_demo(registry, rolls)
    return StandInMarket(registry, rolls, ticks_per_full_day=ticks or _TICKS)


def _say(content: dict[str, object], text: str, json_output: bool) -> None:
    if json_output:
        console.print_json(content)
    else:
        console.out.print(text)
