"""``tp import``: single source files from anywhere on disk."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...clock import SystemClock
from ...errors import ConfigurationError, PlatformError, QualityError, SourceError, command
from ...home import Home
from ...instants import instant_of, us_of
from ...instruments import Contract, Registry, RollTable, load_roll_table
from .. import console
from ..folders import read_instruments, registry_of, write_instruments
from ..options import DryRunOption, JsonOption, command_family
from ..platform import locate_home, open_platform
from . import backfill
from .instruments import activate_all

if TYPE_CHECKING:
    from jobs.backfill import AssetReport

_HELP = """
Import the trades of single .scid files, wherever they lie: ticks and bars of exactly the trade dates that are in the files and for
which their contract is in front.

Example: tp import scid ~/old/ES_march.scid --contract ESH23

The files are registered in sources.toml of the home, so that their days can be rebuilt later. Exit code 3: nothing was imported, because
the data were refused or their contract is in front on none of their days.
"""
_DATASETS = ("ticks", "bars_1s", "bars_1m")


@dataclass
class ImportPlan:
    """What becomes of one file.

    Attributes:
        path: the file.
        contract: what it holds; None if that is not known.
        days: trade dates in the file for which the contract is in front.
        not_in_front: trade dates in the file for which another contract is in front, with that contract.
        error: why the file cannot be imported; the other files are not affected.
    """

    path: Path
    contract: Contract | None = None
    days: list[date] = field(default_factory=list)
    not_in_front: dict[date, Contract] = field(default_factory=dict)
    error: PlatformError | None = None


def register(app: typer.Typer) -> None:
    """Add the command family."""
    family = command_family("Import single source files.")
    family.command("scid", help=_HELP)(scid)
    app.add_typer(family, name="import")


def scid(
    files: Annotated[list[Path], typer.Argument(help="Sierra Chart .scid files")],
    contract: Annotated[
        str | None, typer.Option("--contract", help="Contract of the file, if its name does not tell: ESH23")
    ] = None,
    dry_run: DryRunOption = False,
    json_output: JsonOption = False,
) -> None:
    """Import .scid files."""
    home = locate_home()
    registry = registry_of(home)
    rolls = load_roll_table(registry, home.rolls_csv)
    if contract is not None and len(files) > 1:
        raise ConfigurationError(
            "E165",
            f"--contract {contract} was given with {len(files)} files, expected one",
            "two files of one contract are never merged; nothing was imported",
            command("tp", "import", "scid", files[0], "--contract", contract),
        )
    plans = [_plan(path, contract, registry, rolls, home, dry_run=dry_run) for path in files]
    usable = [plan for plan in plans if plan.error is None]
    activated = _missing_instruments(usable, registry)
    if not json_output:
        _print_plans(plans, activated, dry_run=dry_run)
    if not dry_run:
        _register_sources(home, usable, activated)
        usable = [plan for plan in usable if plan.error is None]
    reports = [] if dry_run else _backfill(home, usable, json_output=json_output)
    if json_output:
        console.print_json(_as_json(plans, activated, reports, dry_run=dry_run))
    _print_errors(plans)
    if not json_output:
        _print_out_of_front(plans)
    raise typer.Exit(_exit_code(plans, reports))


def contract_of(path: Path, given: str | None, registry: Registry) -> Contract:
    """Return the contract of a file: the one given, else the one its name tells.

    Raises:
        ConfigurationError: E126 the given one is no contract, E120 its root is unknown, E164 neither tells, E166 the two differ.
        SourceError: E200 to E204 a one-digit year needs the data, which cannot be read.
    """
    from ...instruments import parse_sierra_symbol
    from ...sierra.archive import newest_date

    told: Contract | None = None
    stem = path.name[: -len(path.suffix)] if path.suffix.lower() == ".scid" else path.name
    symbol = parse_sierra_symbol(stem, registry)
    if symbol is not None:
        newest = newest_date(path) if len(symbol.year_digits) == 1 else date.min
        told = None if newest is None else symbol.contract(newest)
    if given is None and told is None:
        raise ConfigurationError(
            "E164",
            f"the name {path.name} does not tell which contract the file holds",
            "the trades carry no symbol: add --contract with root, month and year (ESH23 is March 2023); shares are not supported yet",
            command("tp", "sierra", "inspect", path),
        )
    if given is None and told is not None:
        return told
    wanted = Contract.parse(given or "")
    registry.get(wanted.root)
    if told is not None and told != wanted:
        raise ConfigurationError(
            "E166",
            f"--contract {wanted} contradicts the file name {path.name}, which says {told}",
            "importing it under a wrong contract would put its trades into the wrong days; rename a copy if the name is wrong",
            command("tp", "sierra", "inspect", path),
        )
    return wanted


def trade_dates_in(path: Path, contract: Contract, registry: Registry, cache_dir: Path | None) -> list[date]:
    """Return the open trade dates that own at least one record of the file.

    Raises:
        SourceError: E200 to E204 the file cannot be read.
    """
    from ...sessions import calendar_for
    from ...sierra.index import load_index

    index = load_index(path, None if cache_dir is None else cache_dir / "scid_index", SystemClock().now())
    if index.first_us is None or index.last_us is None:
        return []
    calendar = calendar_for(registry.get(contract.root).calendar)
    first, last = (calendar.trade_date_at(instant_of(us)) for us in (index.first_us, index.last_us))
    return [
        session.trade_date
        for session in calendar.sessions(first, last)
        if session.is_open and index.ranges(us_of(session.window_start), us_of(session.window_end))
    ]


def _plan(
    path: Path, given: str | None, registry: Registry, rolls: RollTable, home: Home, *, dry_run: bool
) -> ImportPlan:
    plan = ImportPlan(path)
    try:
        plan.contract = contract_of(path, given, registry)
        _refuse_bars(path)
        days = trade_dates_in(path, plan.contract, registry, None if dry_run else home.cache_dir)
        for day in days:
            front = rolls.front(plan.contract.root, day)
            if front == plan.contract:
                plan.days.append(day)
            else:
                plan.not_in_front[day] = front
    except PlatformError as error:
        plan.error = error
    return plan


def _refuse_bars(path: Path) -> None:
    """Refuse a file of bars before anything is registered; a file that holds bars on some days only is judged day by day."""
    import numpy as np

    from ...sierra.guard import bar_storage, sample_records
    from ...sierra.records import RecordKind, record_kinds
    from ...sierra.scid import ScidFile

    with ScidFile(path) as file:
        if file.record_count == 0:
            return
        kinds = record_kinds(sample_records(file, [(0, file.record_count)]))
    share = float(np.mean(kinds == RecordKind.BAR))
    if share > 0.5:
        raise bar_storage(path, share, 0)


def _missing_instruments(plans: Iterable[ImportPlan], registry: Registry) -> list[str]:
    active = {instrument.symbol for instrument in registry.active}
    roots = dict.fromkeys(plan.contract.root for plan in plans if plan.contract is not None and plan.days)
    return [root for root in roots if root not in active]


def _register_sources(home: Home, plans: Sequence[ImportPlan], activated: list[str]) -> None:
    from ...sierra.sources import register_source

    for plan in plans:
        if plan.contract is None:
            continue
        try:
            register_source(home.sources_toml, plan.path, plan.contract)
        except SourceError as error:
            plan.error = error
    after = activate_all(home, activated)
    if after != read_instruments(home):
        write_instruments(home, after)


def _backfill(home: Home, plans: Sequence[ImportPlan], *, json_output: bool) -> list[AssetReport]:
    """Make the days of all files, each root on its own: their days differ."""
    wanted: dict[str, set[date]] = {}
    for plan in plans:
        if plan.contract is not None and plan.days:
            wanted.setdefault(plan.contract.root, set()).update(plan.days)
    if not wanted:
        return []
    reports: list[AssetReport] = []
    with open_platform(home) as platform:
        for root, days in wanted.items():
            keys = [f"{root}/{dataset}" for dataset in _DATASETS]
            requests = backfill.requests_for(platform, keys, sorted(days))
            if json_output:
                reports += backfill.execute(platform, requests, json_output=True)
            else:
                reports += backfill.run_backfill(platform, *requests)
    return reports


def _print_plans(plans: Sequence[ImportPlan], activated: Sequence[str], *, dry_run: bool) -> None:
    would = "would be " if dry_run else ""
    for plan in plans:
        if plan.error is not None:
            continue
        span = f": {plan.days[0]} to {plan.days[-1]}" if plan.days else ""
        console.out.print(f"{plan.path.name}: {plan.contract}, {len(plan.days)} trade dates {would}imported{span}")
        for front, days in _by_front(plan).items():
            console.out.print(
                f"  {len(days)} trade dates left out: {plan.contract} is not in front ({front} is): {_listed(days)}"
            )
        if not plan.days and not plan.not_in_front:
            console.out.print("  the file holds no trade of an open trade date")
    for root in activated:
        console.out.print(f"{root} {'would be' if dry_run else 'is'} activated in instruments.toml")
    if dry_run:
        console.out.print("dry run: nothing was registered or imported")


def _print_errors(plans: Sequence[ImportPlan]) -> None:
    for plan in plans:
        if plan.error is not None:
            console.print_error(plan.error)


def _is_out_of_front(plans: Sequence[ImportPlan]) -> bool:
    """Tell whether files hold trades, but on no day those of the front contract, so that nothing at all was imported."""
    usable = [plan for plan in plans if plan.error is None]
    return any(plan.not_in_front for plan in usable) and not any(plan.days for plan in usable)


def _print_out_of_front(plans: Sequence[ImportPlan]) -> None:
    """Say that nothing was imported and where it is decided which contract is in front."""
    if not _is_out_of_front(plans):
        return
    plan = next(plan for plan in plans if plan.not_in_front)
    days = sorted(plan.not_in_front)
    root = next(iter(plan.not_in_front.values())).root
    console.err.print("nothing was imported: no file holds a day on which its contract is in front")
    console.err.print("a row in rolls.csv of the home puts a contract in front; the present windows:")
    console.err.print(f"next: {command('tp', 'rolls', 'show', root, '--from', days[0], '--to', days[-1])}")


def _exit_code(plans: Sequence[ImportPlan], reports: Sequence[AssetReport]) -> int:
    """Return 3 if all that failed was refused data or nothing was of a front contract, 2 for wrong usage, 1 for anything else."""
    errors: list[PlatformError | None] = [plan.error for plan in plans if plan.error is not None]
    errors += [result.error for report in reports for result in report.failures]
    if any(report.blocked for report in reports) and not errors:
        return console.EXIT_FAILED
    if not errors:
        return console.EXIT_REFUSED if _is_out_of_front(plans) else console.EXIT_DONE
    if all(isinstance(error, (SourceError, QualityError)) for error in errors):
        return console.EXIT_REFUSED
    return console.EXIT_USAGE if all(isinstance(e, ConfigurationError) for e in errors) else console.EXIT_FAILED


def _as_json(
    plans: Sequence[ImportPlan], activated: Sequence[str], reports: Sequence[AssetReport], *, dry_run: bool
) -> dict[str, Any]:
    return {
        "dry_run": dry_run,
        "synthetic": backfill.are_synthetic(reports),
        "activated": list(activated),
        "files": [
            {
                "file": str(plan.path),
                "contract": None if plan.contract is None else plan.contract.symbol,
                "trade_dates": [day.isoformat() for day in plan.days],
                "not_in_front": {day.isoformat(): front.symbol for day, front in plan.not_in_front.items()},
                "error": None if plan.error is None else plan.error.as_dict(),
            }
            for plan in plans
        ],
        **({} if dry_run else {"assets": backfill.as_json(reports, dry_run=False)["assets"]}),
    }


def _by_front(plan: ImportPlan) -> dict[Contract, list[date]]:
    grouped: dict[Contract, list[date]] = {}
    for day, front in plan.not_in_front.items():
        grouped.setdefault(front, []).append(day)
    return grouped


def _listed(days: Sequence[date]) -> str:
    shown = ", ".join(day.isoformat() for day in days[:5])
    return shown if len(days) <= 5 else f"{shown} … {days[-1].isoformat()}"
