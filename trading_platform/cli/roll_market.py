"""What the commands that build roll tables share.

Belongs here: opening home, table and archive of one root, common options, the report of a change. Does not belong here: the commands.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from ..clock import SystemClock
from ..home import Home
from ..instruments import Instrument, Registry, RollTable, load_roll_table
from ..sessions import TradingCalendar, calendar_for, opened
from ..settings import load_settings
from . import console
from .folders import registry_of
from .platform import locate_home

if TYPE_CHECKING:
    from ..sierra import SierraArchive

WriteOption = Annotated[
    bool, typer.Option("--write", help="Change the table in the home; without it nothing is changed")
]
RootArgument = Annotated[str, typer.Argument(help="Root such as MNQ")]


@dataclass(frozen=True)
class Market:
    """What both commands need of one root.

    Attributes:
        home: its folder.
        registry: instruments of the home.
        instrument: the future.
        calendar: its trading calendar.
        table: the present roll table.
        archive: its Sierra Chart files.
        now: the time of the command.
    """

    home: Home
    registry: Registry
    instrument: Instrument
    calendar: TradingCalendar
    table: RollTable
    archive: SierraArchive
    now: datetime

    @classmethod
    def open(cls, root: str) -> Market:
        """Open the home and the archive.

        Raises:
            ConfigurationError: E102, E103 no home; E120 unknown root, E125 not a future; E130, E131 the present table is wrong.
        """
        home = locate_home()
        registry = registry_of(home)
        root = registry.spelled(root)
        instrument = registry.get(root)
        table = load_roll_table(registry, home.rolls_csv)
        now = SystemClock().now()
        table.front(root, opened(now, instrument))  # refuses what is no future before anything is read
        from ..sierra import SierraArchive

        folder = load_settings().sierra_dir or home.sierra_dir
        archive = SierraArchive(folder, home.sources_toml, registry, home.cache_dir)
        return cls(home, registry, instrument, calendar_for(instrument.calendar), table, archive, now)

    def stored_days(self) -> list[date]:
        """Return the open trade dates with a stored file of ticks."""
        from ..lake import LocalLake

        days = LocalLake(self.home.lake_dir).days("ticks", self.instrument.symbol)
        return [day for day in days if self.calendar.session(day).is_open]


def print_change(lines: Sequence[str], *, dry_run: bool, name: str) -> None:
    """Write what changes in a table of the home, and whether it was done."""
    for line in lines:
        console.out.print(line)
    if dry_run:
        console.out.print("dry run: nothing was changed" if lines else "dry run: nothing would change")
    else:
        console.out.print(f"{name} is written" if lines else f"nothing to change: {name} says so already")
