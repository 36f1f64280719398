"""``tp l2 import``: DBN files that the user owns already."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...clock import SystemClock
from ...errors import PlatformError, RefusedError, command
from ...home import Home
from ...settings import load_settings
from ...words import counted
from .. import console
from ..folders import registry_of, write_instruments
from ..options import DryRunOption, JsonOption
from ..platform import locate_home, open_platform
from . import backfill
from .instruments import activate_all

if TYPE_CHECKING:
    from ...databento.importing import OwnedFile
    from ...databento.vendor import Vendor
    from ...lake import DayResult

_BARS = "ohlcv-1m"
_HELP = """
Import DBN files with books of ten levels (mbp-10) that you own: verified like a download, kept in the cache of raw files, and made into
the days that they hold. Nothing is asked of the vendor and nothing is paid.

Example: tp l2 import ~/databento/glbx-mdp3-20240304.mbp-10.dbn.zst --symbol ESH4

Files of bars of a minute (ohlcv-1m) are taken too: they are kept for comparison with the bars that the trades of a day make.

A futures session lies in two of the vendor's daily files, which are cut at midnight UTC: import both, in any order.
"""


@dataclass
class ImportTask:
    """What becomes of one file.

    Attributes:
        path: the file.
        owned: what it holds; None if it is no good.
        kept: trade dates that keep the file they have, and why.
        error: why it is no good; the other files are not affected.
    """

    path: Path
    owned: OwnedFile | None = None
    kept: dict[date, str] = field(default_factory=dict)
    error: PlatformError | None = None

    @property
    def is_bars(self) -> bool:
        """Tell whether the file holds bars, which are kept for comparison only."""
        return self.owned is not None and self.owned.query.schema == _BARS


@dataclass
class Made:
    """What became of the days of one symbol: results by trade date."""

    symbol: str
    is_asset: bool
    synthetic: bool
    results: dict[date, DayResult] = field(default_factory=dict)


def register(family: typer.Typer) -> None:
    """Add the command to the family ``tp l2``."""
    family.command("import", help=_HELP)(import_files)


def import_files(
    files: Annotated[
        list[Path], typer.Argument(help=".dbn or .dbn.zst files of the schema mbp-10, or ohlcv-1m for comparison")
    ],
    symbol: Annotated[
        str | None,
        typer.Option(
            "--symbol", help="Contract or share to take from files that hold several or name it by a rule: ESH4"
        ),
    ] = None,
    dry_run: DryRunOption = False,
    json_output: JsonOption = False,
) -> None:
    """Import DBN files."""
    home = locate_home()
    tasks = [_examine(path, symbol, home) for path in files]
    if not json_output:
        _print_tasks(tasks, dry_run=dry_run)
    made: list[Made] = []
    if not dry_run:
        for task in tasks:
            _register(task, home)
        made = _make(tasks, home, json_output=json_output)
    if json_output:
        console.print_json(_as_json(tasks, made, dry_run=dry_run))
    else:
        _print_made(made)
    for task in tasks:
        if task.error is not None:
            console.print_error(task.error)
    raise typer.Exit(_exit_code(tasks, made))


def _vendor(home: Home, *, synthetic: bool) -> Vendor:
    """Open a vendor that works with files at hand and is never asked."""
    from ...databento.account import open_vendor
    from ...instruments import load_roll_table

    registry = registry_of(home)
    rolls = load_roll_table(registry, home.rolls_csv)
    return open_vendor(home, load_settings(), registry, rolls, clock=SystemClock(), run_id="import", owned=synthetic)


def _examine(path: Path, symbol: str | None, home: Home) -> ImportTask:
    from ...databento.dbn import schema_of
    from ...databento.importing import examine
    from ...databento.vendor_bars import SCHEMA as BARS
    from ...databento.vendor_bars import examine_bars

    task = ImportTask(path)
    try:
        vendor = _vendor(home, synthetic=False)
        if schema_of(path) == BARS:
            task.owned = examine_bars(path, symbol, vendor)
        else:
            task.owned = examine(path, symbol, vendor, SystemClock())
        if home.is_demo and not task.owned.synthetic:
            raise RefusedError(
                "E385",
                f"{path.name} is not imported: the home holds synthetic demo data, and the file is real",
                "real and synthetic data never share a lake; nothing was stored",
                "tp init --help",
            )
    except PlatformError as error:
        task.owned = None
        task.error = error
    return task


def _register(task: ImportTask, home: Home) -> None:
    from ...databento.account import raw_root
    from ...databento.importing import register
    from ...databento.raw_cache import RawCache

    if task.owned is None:
        return
    try:
        task.kept = register(task.owned, RawCache(raw_root(home, synthetic=task.owned.synthetic)))
    except PlatformError as error:
        task.error = error


def _make(tasks: list[ImportTask], home: Home, *, json_output: bool) -> list[Made]:
    """Make the days of all good files, each symbol on its own."""
    wanted: dict[tuple[str, bool], set[date]] = {}
    for task in tasks:
        if task.owned is not None and task.error is None and not task.is_bars:
            wanted.setdefault((task.owned.symbol, task.owned.synthetic), set()).update(task.owned.days)
    _activate(home, [symbol for symbol, _ in wanted])
    return [
        _make_symbol(home, symbol, sorted(days), synthetic=synthetic, json_output=json_output)
        for (symbol, synthetic), days in wanted.items()
        if days
    ]


def _activate(home: Home, symbols: list[str]) -> None:
    """Let every symbol that the registry knows have its assets."""
    registry = registry_of(home)
    active = {instrument.symbol for instrument in registry.active}
    new = [symbol for symbol in dict.fromkeys(symbols) if symbol in registry.instruments and symbol not in active]
    if new:
        write_instruments(home, activate_all(home, new))
        console.err.print(f"{', '.join(new)} is activated in {home.instruments_toml.name}")


def _make_symbol(home: Home, symbol: str, days: list[date], *, synthetic: bool, json_output: bool) -> Made:
    from resources.databento import SharedVendor

    from ...databento.l2_builder import L2Builder
    from ...lake import LocalLake, build_day

    vendor = _vendor(home, synthetic=synthetic)
    made = Made(symbol, symbol in {instrument.symbol for instrument in vendor.registry.active}, synthetic)
    if not made.is_asset:
        lake = LocalLake(home.lake_dir)
        builder = L2Builder(symbol, lake, vendor, SystemClock())
        made.results = {day: build_day(builder, day, lake) for day in days}
        return made
    with open_platform(home, {"databento": SharedVendor(vendor)}) as platform:
        requests = backfill.requests_for(platform, [f"{symbol}/l2", f"{symbol}/l2_metrics"], days)
        reports = backfill.execute(platform, requests, json_output=json_output)
    for report in reports:
        if report.key.path[-1] == "l2":
            made.results = {result.trade_date: result for result in report.results}
    return made


def _print_tasks(tasks: list[ImportTask], *, dry_run: bool) -> None:
    if any(task.owned is not None and task.owned.synthetic for task in tasks):
        console.label_synthetic()
    for task in tasks:
        owned = task.owned
        if owned is None:
            continue
        days = list(owned.days)
        span = f": {days[0]} to {days[-1]}" if days else ""
        if task.is_bars:
            kept = "would be kept" if dry_run else "kept"
            console.out.print(
                f"{task.path.name}: {owned.raw_symbol} of {owned.dataset}, {owned.records:,} bars of a minute {kept} for the check "
                f"agrees_with_vendor_bars of {owned.symbol}/l2{span}"
            )
            if days and not dry_run:
                console.out.print(f"next: {command('tp', 'l2', 'analyze', owned.symbol, days[0])}")
            continue
        held = f"{counted(owned.records, 'record')}, {counted(len(days), 'trade date')}"
        console.out.print(
            f"{task.path.name}: {owned.raw_symbol} of {owned.dataset}, {held} "
            f"{'would be ' if dry_run else ''}imported as {owned.symbol}/l2{span}"
        )
        for day, why in owned.left_out.items():
            console.out.print(f"  {day} left out: {why}")
    if dry_run:
        console.out.print("dry run: nothing was stored")


def _print_made(made: list[Made]) -> None:
    rows = []
    for one in made:
        for day, result in one.results.items():
            failed = [check.description for check in result.checks if not check.passed]
            reason = "; ".join([*([result.reason] if result.reason else []), *failed])
            rows.append((one.symbol, day.isoformat(), result.outcome.value, result.rows, reason))
    if rows:
        console.print_table(("symbol", "trade date", "outcome", "rows", "remarks"), rows, title="imported days")
    for one in made:
        if not one.is_asset:
            console.err.print(
                f"{one.symbol} is no instrument of the registry: its rows are in the lake (tp sql), without an asset of their own"
            )


def _exit_code(tasks: list[ImportTask], made: list[Made]) -> int:
    errors = [task.error for task in tasks if task.error is not None]
    failed = [result for one in made for result in one.results.values() if not result.outcome.is_materialized]
    if failed:
        return console.EXIT_FAILED
    # A file that is no good is refused data, whatever family its number is of.
    return console.EXIT_REFUSED if errors else console.EXIT_DONE


def _as_json(tasks: list[ImportTask], made: list[Made], *, dry_run: bool) -> dict[str, Any]:
    return {
        "dry_run": dry_run,
        "synthetic": any(task.owned is not None and task.owned.synthetic for task in tasks),
        "files": [
            {
                "file": str(task.path),
                "sha256": None if task.owned is None else task.owned.sha256,
                "dataset": None if task.owned is None else task.owned.dataset,
                "symbol": None if task.owned is None else task.owned.symbol,
                "raw_symbol": None if task.owned is None else task.owned.raw_symbol,
                "records": None if task.owned is None else task.owned.records,
                "trade_dates": {}
                if task.owned is None
                else {str(day): count for day, count in task.owned.days.items()},
                "left_out": {} if task.owned is None else {str(day): why for day, why in task.owned.left_out.items()},
                "kept": {str(day): why for day, why in task.kept.items()},
                "error": None if task.error is None else task.error.as_dict(),
            }
            for task in tasks
        ],
        "days": [
            {
                "symbol": one.symbol,
                "date": day,
                "status": result.outcome.value,
                "rows": result.rows,
                "path": None if result.path is None else str(result.path),
                "warnings": [check.description for check in result.checks if not check.passed],
                "error": None if result.error is None else result.error.as_dict(),
            }
            for one in made
            for day, result in one.results.items()
        ],
    }
