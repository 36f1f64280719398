"""``tp export``: bars as files for other tools."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...errors import ConfigurationError
from .. import console
from ..folders import registry_of
from ..options import DayOption, DryRunOption, FirstOption, JsonOption, LastOption, day_of, ordered_range
from ..platform import locate_home

if TYPE_CHECKING:
    from ...bars import ExportedDay

_HELP = """
Write the bars of one or more trade dates as files, one per day, made from the stored ticks.

Example: tp export bars MNQ --day 2025-09-02 --clock 5m --format csv --out exports

One kind of bar: --clock 1s to 1d, --volume contracts, --ticks trades, or --dollars USD; without any, 1 minute.
"""


class FileFormat(StrEnum):
    """Formats of exported files."""

    PARQUET = "parquet"
    CSV = "csv"
    FEATHER = "feather"


def register(app: typer.Typer) -> None:
    """Add the command family."""
    family = typer.Typer(no_args_is_help=True, help="Write data as files for other tools.")
    family.callback()(_family)
    family.command("bars", help=_HELP)(bars)
    app.add_typer(family, name="export")


def _family() -> None:
    """Keep ``bars`` a subcommand while it is the only one."""


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
        Path, typer.Option("--out", help="Folder, or a file ending in .parquet, .csv or .feather for one day")
    ] = Path(),
    force: Annotated[bool, typer.Option("--force", help="Replace files that are already there")] = False,
    dry_run: DryRunOption = False,
    json_output: JsonOption = False,
) -> None:
    """Write bars as files."""
    days = _days(symbol, (day_of(day), day_of(first), day_of(last)))
    target, chosen = _target(out, file_format, days, symbol)
    home = locate_home()
    registry = registry_of(home)
    instrument = registry.get(symbol)
    from ...bars import export_bars
    from ...lake import LocalLake

    lake = LocalLake(home.lake_dir)
    kind: dict[str, Any] = {"clock": clock, "volume": volume, "ticks": ticks, "dollars": dollars}

    def run(folder: Path, *, replace_files: bool) -> list[ExportedDay]:
        return export_bars(
            lake, symbol, days, **kind, file_format=chosen, out=folder, instrument=instrument, force=replace_files
        )

    if dry_run:
        # Everything but the place is real, so that what would be refused is refused now.
        with tempfile.TemporaryDirectory() as scratch:
            exported = [
                _moved(one, out if target is None else target) for one in run(Path(scratch), replace_files=True)
            ]
        _refuse_existing(exported, symbol, force=force)
    elif target is None:
        exported = run(out, replace_files=force)
    else:
        exported = _to_file(run, target, symbol, force=force)
    _report(exported, dry_run=dry_run, json_output=json_output)


def _days(symbol: str, options: tuple[date | None, date | None, date | None]) -> list[date]:
    """Return the trade dates asked for; weekends own none."""
    day, first, last = options
    if day is not None and (first is not None or last is not None):
        raise ConfigurationError(
            "E160",
            "--day and --from exclude each other",
            "each of them says where the range begins; nothing was written",
            f"tp export bars {symbol} --day {day}",
        )
    begin, end = (day, day) if day is not None else (first, last or first)
    if begin is None or end is None:
        raise ConfigurationError(
            "E162",
            "no range of trade dates: --day, or --from and --to, is needed",
            "an export never guesses which days are meant; nothing was written",
            f"tp export bars {symbol} --help",
        )
    begin, end = ordered_range(begin, end, f"tp export bars {symbol}")
    every = [date.fromordinal(number) for number in range(begin.toordinal(), end.toordinal() + 1)]
    return [one for one in every if one.weekday() < 5]


def _target(out: Path, file_format: FileFormat | None, days: Sequence[date], symbol: str) -> tuple[Path | None, str]:
    """Return the file that ``--out`` names (None for a folder) and the format."""
    suffix = out.suffix.removeprefix(".")
    if suffix not in list(FileFormat) or out.is_dir():
        return None, (file_format or FileFormat.PARQUET).value
    if len(days) != 1 or (file_format is not None and file_format.value != suffix):
        found = f"{len(days)} trade dates" if len(days) != 1 else f"--format {file_format}"
        raise ConfigurationError(
            "E171",
            f"--out names the file {out.name}, but {found} were asked for",
            "one file holds one day in the format of its name; name a folder for more; nothing was written",
            f"tp export bars {symbol} --day {days[0] if days else '2025-09-02'} --out {out.parent}",
        )
    return out, suffix


def _to_file(run: Any, target: Path, symbol: str, *, force: bool) -> list[ExportedDay]:
    if not force:
        _refuse(target, symbol)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".export-") as scratch:
        exported: list[ExportedDay] = run(Path(scratch), replace_files=True)
        for one in exported:
            if one.path is not None:
                one.path.replace(target)
    return [_moved(one, target) for one in exported]


def _moved(one: ExportedDay, target: Path) -> ExportedDay:
    if one.path is None:
        return one
    is_file = target.suffix.removeprefix(".") in list(FileFormat) and not target.is_dir()
    return replace(one, path=target if is_file else target / one.path.name)


def _refuse_existing(exported: Sequence[ExportedDay], symbol: str, *, force: bool) -> None:
    for one in exported:
        if one.path is not None and not force:
            _refuse(one.path, symbol)


def _refuse(path: Path, symbol: str) -> None:
    if path.exists():
        raise ConfigurationError(
            "E172",
            f"{path} is already there",
            "an export never replaces a file unless told to with --force; nothing was written",
            f"tp export bars {symbol} --help",
        )


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
        console.out.print("SYNTHETIC DATA: generated by the market simulation, not a real market")
