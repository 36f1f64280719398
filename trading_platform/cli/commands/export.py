"""``tp export``: bars as files for other tools."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...clock import SystemClock
from ...errors import ConfigurationError, command
from ...sessions import opened, weekdays_between
from ...settings import SYNTHETIC_LABEL
from .. import console
from ..folders import registry_of
from ..options import (
    DayOption,
    DryRunOption,
    FirstOption,
    JsonOption,
    LastOption,
    command_family,
    day_of,
    range_to_latest,
)
from ..platform import locate_home

if TYPE_CHECKING:
    from ...bars import ExportedDay

_HELP = """
Write the bars of one or more trade dates as files, one per day, made from the stored ticks.

Example: tp export bars MNQ --day 2025-09-02 --clock 5m --format csv --out exports

One kind of bar: --clock 1s to 1d, --volume contracts, --ticks trades, or --dollars USD; without any, 1 minute. --from without --to
means up to the latest trade date. The name of a CSV file of synthetic data ends in _synthetic.csv.
"""


class FileFormat(StrEnum):
    """Formats of exported files."""

    PARQUET = "parquet"
    CSV = "csv"
    FEATHER = "feather"


def register(app: typer.Typer) -> None:
    """Add the command family."""
    family = command_family("Write data as files for other tools.")
    family.command("bars", help=_HELP)(bars)
    app.add_typer(family, name="export")


def bars(
    symbol: Annotated[str, typer.Argument(help="Root such as MNQ")],
    day: DayOption = None,
    first: FirstOption = None,
    last: LastOption = None,
    clock: Annotated[str | None, typer.Option("--clock", help="Length of a bar: 1s, 1m, 5m, 1h, 1d")] = None,
    volume: Annotated[int | None, typer.Option("--volume", help="Contracts per bar")] = None,
    ticks: Annotated[int | None, typer.Option("--ticks", help="Trades per bar")] = None,
    dollars: Annotated[float | None, typer.Option("--dollars", help="US dollars per bar")] = None,
    file_format: Annotated[
        FileFormat | None, typer.Option("--format", help="Format; default: that of --out, else parquet")
    ] = None,
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            help="Folder, or a file ending in .parquet, .csv or .feather for one day",
        ),
    ] = Path(),
    force: Annotated[bool, typer.Option("--force", help="Replace files that are already there")] = False,
    dry_run: DryRunOption = False,
    json_output: JsonOption = False,
) -> None:
    """Write bars as files."""
    home = locate_home()
    registry = registry_of(home)
    symbol = registry.spelled(symbol)
    instrument = registry.get(symbol)
    days = _days(symbol, (day_of(day), day_of(first), day_of(last)), lambda: opened(SystemClock().now(), instrument))
    target, chosen = _target(out, file_format, days, symbol)
    from ...bars.export import already_there, bar_kind, export_bars, marked
    from ...lake import LocalLake

    lake = LocalLake(home.lake_dir)
    kind: dict[str, Any] = {"clock": clock, "volume": volume, "ticks": ticks, "dollars": dollars}

    def run(folder: Path, *, replace_files: bool) -> list[ExportedDay]:
        return export_bars(
            lake, symbol, days, **kind, file_format=chosen, out=folder, instrument=instrument, force=replace_files
        )

    def refuse(path: Path) -> None:
        if not force and path.exists():
            raise already_there(path, symbol, days, bar_kind(**kind), chosen, out)

    if target is not None:
        footer = lake.footer("ticks", symbol, days[0])
        target = marked(target, synthetic=footer is not None and footer.synthetic)
    if dry_run:
        # Everything but the place is real, so that what would be refused is refused now.
        with tempfile.TemporaryDirectory() as scratch:
            exported = [_moved(one, out, target) for one in run(Path(scratch), replace_files=True)]
        for one in exported:
            if one.path is not None:
                refuse(one.path)
    elif target is None:
        exported = run(out, replace_files=force)
    else:
        refuse(target)
        exported = _to_file(run, target)
    _report(exported, dry_run=dry_run, json_output=json_output)


def _days(symbol: str, options: tuple[date | None, date | None, date | None], latest: Callable[[], date]) -> list[date]:
    """Return the trade dates asked for; weekends own none."""
    day, first, last = options
    if day is not None and (first is not None or last is not None):
        raise ConfigurationError(
            "E160",
            "--day and --from exclude each other",
            "each of them says where the range begins; nothing was written",
            command("tp", "export", "bars", symbol, "--day", day),
        )
    if day is not None:
        first = last = day
    begin, end = range_to_latest(first, last, latest, "tp", "export", "bars", symbol, choices="--day or --from")
    return weekdays_between(begin, end)


def _target(out: Path, file_format: FileFormat | None, days: Sequence[date], symbol: str) -> tuple[Path | None, str]:
    """Return the file that ``--out`` names (None for a folder) and the format."""
    suffix = out.suffix.removeprefix(".")
    if suffix not in list(FileFormat) or out.is_dir():
        return None, (file_format or FileFormat.PARQUET).value
    if len(days) != 1 or (file_format is not None and file_format.value != suffix):
        span = ("--from", days[0], "--to", days[-1]) if days else ("--help",)
        parts = ("tp", "export", "bars", symbol, *span)
        found = f"{len(days)} trade dates" if len(days) != 1 else f"--format {file_format}"
        raise ConfigurationError(
            "E171",
            f"--out names the file {out.name}, but {found} were asked for",
            "one file holds one day in the format of its name; name a folder for more; nothing was written",
            command(*parts, "--format", file_format or suffix, "--out", out.parent),
        )
    return out, suffix


def _to_file(run: Any, target: Path) -> list[ExportedDay]:
    """Export one day under a name of the person's choice; the file is moved there when it is whole."""
    from ...bars.export import write_failed

    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".export-") as scratch:
            exported: list[ExportedDay] = run(Path(scratch), replace_files=True)
            for one in exported:
                if one.path is not None:
                    one.path.replace(target)
    except OSError as error:
        raise write_failed(target, error) from error
    return [_moved(one, target.parent, target) for one in exported]


def _moved(one: ExportedDay, folder: Path, target: Path | None) -> ExportedDay:
    """Return the day with the path at which its file lies or would lie."""
    if one.path is None:
        return one
    return replace(one, path=folder / one.path.name if target is None else target)


def _report(exported: Sequence[ExportedDay], *, dry_run: bool, json_output: bool) -> None:
    if json_output:
        days = [
            {
                "trade_date": one.trade_date,
                "path": None if one.path is None else str(one.path),
                "rows": one.rows,
                "reason": one.reason,
                "synthetic": one.synthetic,
            }
            for one in exported
        ]
        console.print_json({"dry_run": dry_run, "days": days})
        return
    rows = [(one.trade_date, one.rows, one.path or f"no file: {one.reason}") for one in exported]
    title = "would be written (dry run, nothing was done)" if dry_run else None
    console.print_table(("trade date", "bars", "file"), rows, title=title)
    if any(one.synthetic for one in exported):
        console.out.print(SYNTHETIC_LABEL)
