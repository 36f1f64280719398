"""``tp ui``: the Dagster web UI and its daemon, started and stopped together."""

from __future__ import annotations

import os
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Annotated

import typer
from pydantic import SecretStr

from ...errors import ConfigurationError
from ...home import Home
from ...settings import PREFIX, load_settings
from .. import console
from ..options import JsonOption
from ..platform import REPOSITORY, locate_home, prepare_dagster_home
from ..supervisor import Command, Supervisor, free_port, is_free

_HELP = """
Open the web UI on the data of this home: lineage, partitions, checks, backfills by mouse. Ctrl-C stops it.

Example: tp ui --port 3000

Web server and daemon run together; the daemon is what starts backfills and schedules. Their logs lie in <home>/logs.
"""
_USUAL_PORT = 3000
_START_TIMEOUT_S = 180.0
# Addresses that mean all of this machine, and where to reach a server that listens there.
_EVERY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  # compared with, never bound to by default


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("ui", help=_HELP)(ui)


def ui(
    port: Annotated[
        int | None, typer.Option("--port", min=1, max=65_535, help="Port; default: 3000, or any free one")
    ] = None,
    host: Annotated[str, typer.Option("--host", help="Address to listen on")] = "127.0.0.1",
    json_output: JsonOption = False,
) -> None:
    """Run web server and daemon until stopped."""
    home = locate_home()
    prepare_dagster_home(home)
    chosen = _choose_port(host, port)
    url = _url(host, chosen)
    # Not in DAGSTER_HOME: Dagster empties the folder "logs" there, whatever lies in it.
    logs = home.path / "logs"
    # workspace.yaml counts from the working directory of the server, and that of the user may hold namesakes of our modules.
    with Supervisor(_commands(host, chosen), logs, _environment(home), REPOSITORY) as supervisor:
        if not json_output:
            console.err.print(f"starting web server and daemon, logs in {logs}")
        if not supervisor.wait(lambda: _answers(url), _START_TIMEOUT_S):
            return
        if json_output:
            console.print_json({"url": url, "pid": os.getpid()})
        else:
            label = " (SYNTHETIC DATA)" if home.is_demo else ""
            console.out.print(f"web UI of {home.path}{label}: {url}   Ctrl-C stops it")
        console.out.file.flush()
        supervisor.wait()
    console.err.print("web server and daemon are stopped")


def _choose_port(host: str, port: int | None) -> int:
    try:
        if port is None:
            return _USUAL_PORT if is_free(host, _USUAL_PORT) else free_port(host)
        if is_free(host, port):
            return port
    except OSError:  # no port of this address can be had, so none is named
        port = None
    raise ConfigurationError(
        "E169",
        f"no server can listen on {host}" + ("" if port is None else f", port {port}"),
        "another program uses it, perhaps another tp ui, or the address is not one of this machine; nothing was started",
        "tp ui",
    )


def _url(host: str, port: int) -> str:
    reached = _EVERY_ADDRESS.get(host, host)
    return f"http://[{reached}]:{port}" if ":" in reached else f"http://{reached}:{port}"


def _commands(host: str, port: int) -> list[Command]:
    workspace = ["-w", str(REPOSITORY / "workspace.yaml")]
    server = [sys.executable, "-m", "dagster_webserver", "-h", host, "-p", str(port), *workspace]
    daemon = [sys.executable, "-m", "dagster._daemon", "run", *workspace]
    return [Command("webserver", server), Command("daemon", daemon)]


def _environment(home: Home) -> dict[str, str]:
    """Return the environment of the children: the settings of this command, whatever their working directory says."""
    settings = load_settings()
    own = {
        PREFIX + name.upper(): str(value)
        for name, value in settings.model_dump().items()
        # A secret would be passed on as its mask; nothing that the children do needs one.
        if value is not None and name != "home" and not isinstance(value, SecretStr)
    }
    for name in ("sierra_dir", "gex_dir", "chain_dir"):
        folder: Path | None = getattr(settings, name)
        if folder is not None:
            own[PREFIX + name.upper()] = str(folder.absolute())
    return {
        **os.environ,
        **own,
        "TP_HOME": str(home.path),
        "DAGSTER_HOME": str(home.dagster_dir),
        # "python -m" would put the working directory first on the path of every child.
        "PYTHONSAFEPATH": "1",
        "PYTHONUNBUFFERED": "1",
    }


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/server_info", timeout=2) as response:  # noqa: S310  # our own http address
            return bool(response.status == 200)
    except (OSError, urllib.error.URLError):
        return False
