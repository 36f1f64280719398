"""``tp sierra``: what is in a Sierra Chart file."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...clock import SystemClock
from ...errors import ConfigurationError, PlatformError, command
from ...instruments import Contract
from ...settings import SYNTHETIC_LABEL
from .. import console
from ..folders import home_or_none, registry_of
from ..options import JsonOption, command_family

if TYPE_CHECKING:
    from ...sierra.inspect import ScidReport

_HELP = """
Tell what is in .scid files: contract, price scale, tick or bar storage, days, holes against the session, bad records. Writes nothing.

Example: tp sierra inspect ~/SierraChart/Data/MNQZ25_FUT_CME.scid
"""
_MOST_LINES = 20


def register(app: typer.Typer) -> None:
    """Add the command family."""
    family = command_family("Look into Sierra Chart files.")
    family.command("inspect", help=_HELP)(inspect)
    app.add_typer(family, name="sierra")


def inspect(
    files: Annotated[list[Path], typer.Argument(help="Sierra Chart .scid files")],
    contract: Annotated[
        str | None, typer.Option("--contract", help="Contract of the file, if its name does not tell: ESH23")
    ] = None,
    json_output: JsonOption = False,
) -> None:
    """Report what is in the files."""
    if contract is not None and len(files) > 1:
        raise ConfigurationError(
            "E165",
            f"--contract {contract} was given with {len(files)} files, expected one",
            "a contract belongs to one file; nothing was read",
            command("tp", "sierra", "inspect", files[0], "--contract", contract),
        )
    registry = registry_of(home_or_none())
    wanted = None if contract is None else Contract.parse(contract)
    from ...sierra.inspect import inspect_scid

    documents: list[dict[str, Any]] = []
    problems: list[PlatformError] = []
    for path in files:
        try:
            report = inspect_scid(path, registry, SystemClock().now(), contract=wanted)
        except PlatformError as error:
            problems.append(error)
            documents.append({"file": str(path), "error": error.as_dict()})
            continue
        documents.append(as_json(report))
        if not json_output:
            _print(report)
    if json_output:
        console.print_json(documents)
    for problem in problems:
        console.print_error(problem)
    if problems:
        raise typer.Exit(console.exit_code_of(problems[0]))


def as_json(report: ScidReport) -> dict[str, Any]:
    """Return the report as JSON values; times are ISO 8601 in UTC."""
    return {
        "file": str(report.path),
        "size_bytes": report.size_bytes,
        "synthetic": report.synthetic,
        "header_size": report.header_size,
        "records": report.record_count,
        "remainder_bytes": report.remainder_bytes,
        "zero_tail_records": report.zero_tail,
        "contract": None if report.contract is None else report.contract.symbol,
        "style": report.style,
        "storage": storage_of(report),
        "kinds": report.kinds,
        "price_scale": report.configured_scale,
        "fitting_price_scale": report.fitting_scale,
        "price_scale_is_right": report.scale_is_right,
        "median_stored_price": report.median_stored,
        "first": None if report.first is None else report.first.isoformat(),
        "last": None if report.last is None else report.last.isoformat(),
        "segments": report.segments,
        "days": [
            {
                "trade_date": day.trade_date,
                "records": day.records,
                "first": day.first.isoformat(),
                "last": day.last.isoformat(),
            }
            for day in report.days
        ],
        "missing_days": [day.isoformat() for day in report.missing_days],
        "holes": [
            {"trade_date": hole.trade_date, "start": hole.start.isoformat(), "end": hole.end.isoformat()}
            for hole in report.holes
        ],
        "bad_runs": [
            {"first": run.first, "stop": run.stop, "what": run.timing.name.lower()} for run in report.bad_runs
        ],
    }


def storage_of(report: ScidReport) -> str:
    """Return how the file stores trades: ``ticks``, ``bars``, ``mixed``, or ``empty``."""
    has_trades, has_bars = report.kinds.get("trade", 0) > 0, report.kinds.get("bar", 0) > 0
    if has_trades and has_bars:
        return "mixed"
    return "ticks" if has_trades else "bars" if has_bars else "empty"


def _print(report: ScidReport) -> None:
    rows: list[tuple[str, str]] = [
        ("contract", "not told by the name" if report.contract is None else report.contract.symbol),
        ("storage", _storage_text(report)),
        ("records", f"{report.record_count:,} ({', '.join(f'{n:,} {kind}' for kind, n in report.kinds.items())})"),
        ("size", f"{report.size_bytes:,} bytes, header {report.header_size}"),
        ("price scale", _scale_text(report)),
        ("first", "" if report.first is None else _time(report.first)),
        ("last", "" if report.last is None else _time(report.last)),
        ("trade dates", f"{len(report.days)}, {len(report.missing_days)} open ones without a record"),
        ("time order", "never decreases" if report.segments <= 1 else f"goes back {report.segments - 1} times"),
    ]
    if report.synthetic:
        label, _, meaning = SYNTHETIC_LABEL.partition(": ")
        rows.insert(0, (label, meaning))
    if report.remainder_bytes or report.zero_tail:
        tail = f"{report.remainder_bytes} bytes of an unfinished record, {report.zero_tail} zero records"
        rows.append(("tail", f"{tail}: not yet written, left for the next read"))
    console.print_table((report.path.name, ""), rows)
    if report.days:
        days = [(day.trade_date, day.records, _time(day.first), _time(day.last)) for day in report.days]
        _print_some(("trade date", "records", "first", "last"), days, "trade dates")
    if report.missing_days:
        console.out.print(f"open trade dates without a record: {_listed([d.isoformat() for d in report.missing_days])}")
    if report.holes:
        holes = [(hole.trade_date, _time(hole.start), _time(hole.end)) for hole in report.holes]
        from ...sierra.checks import GAP_WARN_S

        title = f"silent for more than {GAP_WARN_S / 60:g} minutes inside trading hours"
        _print_some(("trade date", "from", "to"), holes, title)
    if report.bad_runs:
        bad = [(run.first, run.stop - run.first, run.timing.name.lower()) for run in report.bad_runs]
        _print_some(("from record", "records", "what"), bad, "records that cannot be placed in time")


def _print_some(columns: Sequence[str], rows: Sequence[Sequence[Any]], title: str) -> None:
    """Print the first rows of a long list and say how many more there are."""
    console.print_table(columns, rows[:_MOST_LINES], title=title)
    if len(rows) > _MOST_LINES:
        console.out.print(f"… and {len(rows) - _MOST_LINES:,} more; --json lists all")


def _storage_text(report: ScidReport) -> str:
    storage = storage_of(report)
    if storage in {"bars", "mixed"}:
        return f'{storage}: only trades can be imported; set "Intraday Data Storage Time Unit" to 1 Tick and download again'
    return "1 tick" if storage == "ticks" else storage


def _scale_text(report: ScidReport) -> str:
    if report.contract is None:
        return "unknown without a contract; name it with --contract"
    configured = "none" if report.configured_scale is None else f"{report.configured_scale:g}"
    if report.scale_is_right:
        return f"{configured} (fits)"
    if report.fitting_scale is None:
        return f"{configured}; no usual scale fits prices near {report.median_stored}"
    fitting, style = f"{report.fitting_scale:g}", report.style or "bare"
    correction = command("tp", "instruments", "set", report.contract.root, "--price-scale", fitting, "--style", style)
    return f"{configured}, but the prices fit {fitting}: {correction}"


def _listed(days: Sequence[str]) -> str:
    return ", ".join(days[:10]) + (f" … {days[-1]} ({len(days)})" if len(days) > 10 else "")


def _time(instant: datetime) -> str:
    return instant.strftime("%Y-%m-%d %H:%M:%SZ")
