"""Entry point of ``tp``: registers the command families and turns errors into exit codes."""

from __future__ import annotations

import gc
import signal
import sys

import typer

from ..errors import PlatformError
from . import console
from .commands import register

app = typer.Typer(
    name="tp",
    help="Market data as date-partitioned assets: from Sierra Chart files to bars, resumable and exact.\n\nExample: tp demo",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
register(app)


def main() -> None:
    """Run ``tp``; every numbered error ends the process with the exit code of its family."""
    # Importing Dagster makes millions of objects that live as long as the process; collecting them over and over costs half a second.
    gc.set_threshold(100_000, 20, 100)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        app()
    except PlatformError as error:
        if "--json" in sys.argv:
            console.print_json({"error": error.as_dict()})
        else:
            console.print_error(error)
        raise SystemExit(console.exit_code_of(error)) from error
    except KeyboardInterrupt as error:
        console.err.print("stopped; finished days stay done, start the same command again to go on")
        raise SystemExit(console.EXIT_INTERRUPTED) from error
