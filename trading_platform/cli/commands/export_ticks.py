"""``tp export ticks``: the ticks of a day as a file, with the gamma snapshot that each one knew if asked for.

Belongs here: options and output. Does not belong here: which snapshot a tick knew and the file
(``trading_platform.enrichment.tick_export``).
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ...clock import SystemClock
from ...errors import ConfigurationError, command
from ...sessions import opened
from ..export_days import days_asked, report
from ..folders import registry_of
from ..options import DayOption, DryRunOption, FirstOption, JsonOption, LastOption
from ..platform import locate_home

HELP = """
Write the stored ticks of one or more trade dates as Parquet files, one per day.

Example: tp export ticks MNQ --day 2025-09-02 --enriched --out exports

--enriched adds to every tick the gamma snapshot that was known when it traded: its time, its age, whether it is a gap or from before the
opening, and the columns of --values. It is looked up through the stored gex_alignment: tp backfill MNQ/gex_alignment --last 5. Which
category and latency is attached say the settings that the alignment was made with. --from without --to means up to the latest trade date.
"""


def ticks(
    symbol: Annotated[str, typer.Argument(help="Root such as MNQ")],
    day: DayOption = None,
    first: FirstOption = None,
    last: LastOption = None,
    enriched: Annotated[bool, typer.Option("--enriched", help="With the columns of the gamma feed")] = False,
    values: Annotated[
        str | None,
        typer.Option(
            "--values", help="With --enriched: columns of gex_snapshots, comma-separated; default: the eight main ones"
        ),
    ] = None,
    out: Annotated[Path, typer.Option("--out", help="Folder")] = Path(),
    force: Annotated[bool, typer.Option("--force", help="Replace files that are already there")] = False,
    dry_run: DryRunOption = False,
    json_output: JsonOption = False,
) -> None:
    """Write ticks as files."""
    home = locate_home()
    registry = registry_of(home)
    symbol = registry.spelled(symbol)
    instrument = registry.get(symbol)
    days = days_asked(
        ("tp", "export", "ticks", symbol), (day, first, last), lambda: opened(SystemClock().now(), instrument)
    )
    if values is not None and not enriched:
        raise ConfigurationError(
            "E160",
            "--values and ticks without gamma columns exclude each other",
            "only enriched ticks have columns of the gamma feed; nothing was written",
            command(
                "tp", "export", "ticks", symbol, "--from", days[0], "--to", days[-1], "--enriched", "--values", values
            ),
        )
    from ...enrichment import underlying_of
    from ...enrichment.enriched_ticks import TICK_VALUES
    from ...enrichment.tick_export import export_ticks
    from ...lake import LocalLake

    chosen = TICK_VALUES if values is None else tuple(name.strip() for name in values.split(",") if name.strip())
    exported = export_ticks(
        LocalLake(home.lake_dir),
        instrument,
        days,
        underlying=underlying_of(instrument, registry) if enriched else None,
        values=chosen,
        out=out,
        force=force,
        dry_run=dry_run,
    )
    report(exported, "ticks", dry_run=dry_run, json_output=json_output)
