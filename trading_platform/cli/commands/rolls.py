"""``tp rolls``: which contract is in front when."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import typer

from ...clock import SystemClock
from ...instruments import load_roll_table
from ...sessions import opened
from .. import console
from ..folders import home_or_none, registry_of
from ..options import FirstOption, JsonOption, LastOption, command_family, day_of, ordered_range

_SHOW = """
Show the front contracts of a root with the trade dates of their windows and the rule behind each.

Without --from and --to: from a year ago to half a year ahead. Rows of rolls.csv in the home win over the calendar rule.

Example: tp rolls show MNQ --from 2025-01-01 --to 2025-12-31
"""
_LOOK_BACK = timedelta(days=365)
_LOOK_AHEAD = timedelta(days=183)


def register(app: typer.Typer) -> None:
    """Add the command family."""
    family = command_family("Show when futures roll from contract to contract.")
    family.command("show", help=_SHOW)(show)
    app.add_typer(family, name="rolls")


def show(
    root: Annotated[str, typer.Argument(help="Root such as MNQ")],
    first: FirstOption = None,
    last: LastOption = None,
    json_output: JsonOption = False,
) -> None:
    """Show the windows of a root."""
    home = home_or_none()
    registry = registry_of(home)
    today = opened(SystemClock().now(), registry.get(root))
    begin = day_of(first) or (day_of(last) or today) - _LOOK_BACK
    begin, end = ordered_range(begin, day_of(last) or max(today, begin) + _LOOK_AHEAD, "tp", "rolls", "show", root)
    rolls = load_roll_table(registry, None if home is None else home.rolls_csv)
    rows = [
        (w.contract.symbol, w.first_trade_date, w.end_trade_date - timedelta(days=1), w.rule)
        for w in rolls.windows(root, begin, end)
    ]
    if json_output:
        names = ("contract", "first_trade_date", "last_date", "rule")
        console.print_json([dict(zip(names, row, strict=True)) for row in rows])
        return
    console.print_table(("contract", "first trade date", "last date", "rule"), rows, title=f"{root}: front contracts")
