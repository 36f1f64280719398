"""``tp simulate``: stand-ins for vendors, to try everything without an account."""

from __future__ import annotations

import shlex
import signal
import threading
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from ...errors import ConfigurationError
from ...settings import SYNTHETIC_LABEL, find_home
from .. import console
from ..options import DryRunOption, HomeOption, JsonOption, command_family

_DATABENTO_HELP = """
Serve synthetic order books over HTTPS as DataBento does, until Ctrl-C. It prints the environment that sends tp and the vendor's own
library there.

Example: tp simulate databento --port 8443

The data are SYNTHETIC. Nothing is billed; the log of requests (requests.jsonl in the folder) shows what would have been.
"""


def register(app: typer.Typer) -> None:
    """Add the family."""
    family = command_family("Stand-ins for vendors, with synthetic data.")
    family.command("databento", help=_DATABENTO_HELP)(databento)
    app.add_typer(family, name="simulate")


def databento(
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
        int, typer.Option("--ticks", min=100, help="Trades of a full day; about nine records come to each")
    ] = 20_000,
    usd_per_gb: Annotated[float, typer.Option("--usd-per-gb", min=0.0, help="Price of a gigabyte, USD")] = 2.0,
    home: HomeOption = None,
    dry_run: DryRunOption = False,
    json_output: JsonOption = False,
) -> None:
    """Run the stand-in for DataBento."""
    from datetime import UTC

    from ...instruments import load_registry, load_roll_table
    from ...simulation.databento import DataBentoStandIn, StandInMarket, read_faults

    instruments, rolls = _tables(home)
    registry = load_registry(instruments)
    script = () if faults is None else read_faults(faults)
    stand_in = DataBentoStandIn(
        StandInMarket(registry, load_roll_table(registry, rolls), ticks_per_full_day=ticks),
        script,
        usd_per_gb={"mbp-10": usd_per_gb},
        available_until=None if available_until is None else available_until.replace(tzinfo=UTC),
        port=port,
        folder=None if folder is None else folder.absolute(),
    )
    if dry_run:
        _say(
            {"dry_run": True, "port": port, "faults": len(script)},
            f"would serve with {len(script)} faults",
            json_output,
        )
        return
    ended = threading.Event()
    with stand_in:
        environment = stand_in.environment
        exports = "\n".join(f"export {name}={shlex.quote(value)}" for name, value in environment.items())
        _say(
            {
                "note": SYNTHETIC_LABEL,
                "gateway": stand_in.gateway,
                "log": str(stand_in.log_path),
                "environment": environment,
            },
            f"{SYNTHETIC_LABEL}\n{exports}\nserving on {stand_in.gateway}, requests in {stand_in.log_path}; Ctrl-C ends it",
            json_output,
        )
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: ended.set())
        ended.wait()


def _tables(home: Path | None) -> tuple[Path | None, Path | None]:
    """Return the user's registry and rolls where there is a home; the stand-in works without one."""
    from ...settings import load_settings, open_home

    try:
        opened = find_home(load_settings()) if home is None else open_home(home)
    except ConfigurationError as error:
        if error.code != "E102":
            raise
        return None, None
    return opened.instruments_toml, opened.rolls_csv


def _say(content: dict[str, object], text: str, json_output: bool) -> None:
    if json_output:
        console.print_json(content)
    else:
        console.out.print(text)
