"""Options that several commands share, spelled and explained once.

Belongs here: annotated types for typer, families of commands, and the reading of date ranges.
Does not belong here: what a command does with them.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Annotated

import typer

from ..errors import ConfigurationError, command

JsonOption = Annotated[bool, typer.Option("--json", help="Write one JSON document to standard output")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Only say what would happen; nothing is changed")]
HomeOption = Annotated[
    Path | None, typer.Option("--home", help="Home folder; default: TP_HOME, else .tp in the working directory")
]
FirstOption = Annotated[datetime | None, typer.Option("--from", formats=["%Y-%m-%d"], help="First trade date")]
LastOption = Annotated[datetime | None, typer.Option("--to", formats=["%Y-%m-%d"], help="Last trade date, inclusive")]
DayOption = Annotated[datetime | None, typer.Option("--day", formats=["%Y-%m-%d"], help="One trade date")]


def command_family(about: str) -> typer.Typer:
    """Return an empty family of commands; each command stays a subcommand, also while it is the only one."""
    family = typer.Typer(no_args_is_help=True, help=about)

    def keep_subcommands() -> None: ...

    # typer makes a single command the whole application unless there is a callback.
    family.callback(help=about)(keep_subcommands)
    return family


def range_to_latest(
    first: date | None, last: date | None, latest: Callable[[], date], *parts: str, choices: str
) -> tuple[date, date]:
    """Return a range of trade dates; without an end it goes to the latest opened trade date.

    Args:
        first: first trade date; it is never guessed.
        last: last trade date, inclusive.
        latest: called if ``last`` is None.
        parts: the command without its range, for the next command.
        choices: the options that say where the range begins, for the message.

    Raises:
        ConfigurationError: E162 if the range has no beginning or runs backwards.
    """
    is_open_ended = last is None
    last = latest() if last is None else last
    if first is None or (is_open_ended and first > last):
        raise ConfigurationError(
            "E162",
            f"no range of trade dates: {choices} is needed"
            if first is None
            else f"--from {first} is after {last}, the latest trade date that has opened",
            "it is never guessed how far back to go; nothing was done",
            command(*parts, "--from", last, "--to", last),
        )
    return ordered_range(first, last, *parts)


def ordered_range(first: date, last: date, *parts: str) -> tuple[date, date]:
    """Return the range as it is, or refuse one that runs backwards.

    Raises:
        ConfigurationError: E162 if it does; the command of these parts with the two dates exchanged is the next command.
    """
    if first <= last:
        return first, last
    raise ConfigurationError(
        "E162",
        f"--from {first} is after --to {last}",
        "the range holds no trade date; nothing was done",
        command(*parts, "--from", last, "--to", first),
    )


def day_of(value: datetime | None) -> date | None:
    """Return the date of a parsed option; typer hands dates over as midnight."""
    return None if value is None else value.date()
