"""Options that several commands share, spelled and explained once.

Belongs here: annotated types for typer and the reading of date ranges. Does not belong here: what a command does with them.
"""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import Annotated

import typer

from ..errors import ConfigurationError

JsonOption = Annotated[bool, typer.Option("--json", help="Write one JSON document to standard output")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Only say what would happen; nothing is changed")]
HomeOption = Annotated[
    Path | None, typer.Option("--home", help="Home folder; default: TP_HOME, else .tp in the working directory")
]
FirstOption = Annotated[datetime | None, typer.Option("--from", formats=["%Y-%m-%d"], help="First trade date")]
LastOption = Annotated[datetime | None, typer.Option("--to", formats=["%Y-%m-%d"], help="Last trade date, inclusive")]
DayOption = Annotated[datetime | None, typer.Option("--day", formats=["%Y-%m-%d"], help="One trade date")]


def ordered_range(first: date, last: date, command: str) -> tuple[date, date]:
    """Return the range as it is, or refuse one that runs backwards.

    Raises:
        ConfigurationError: E162 if it does; ``command`` with the two dates exchanged is the next command.
    """
    if first <= last:
        return first, last
    raise ConfigurationError(
        "E162",
        f"--from {first} is after --to {last}",
        "the range holds no trade date; nothing was done",
        f"{command} --from {last} --to {first}",
    )


def day_of(value: datetime | None) -> date | None:
    """Return the date of a parsed option; typer hands dates over as midnight."""
    return None if value is None else value.date()
