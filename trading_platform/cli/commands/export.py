"""``tp export``: bars as files for other tools; ticks are in the module beside this one."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...clock import SystemClock
from ...errors import ConfigurationError, command
from ...sessions import opened
from ...settings import load_settings
from ..export_days import days_asked, report
from ..folders import registry_of
from ..options import DayOption, DryRunOption, FirstOption, JsonOption, LastOption, command_family
from ..platform import locate_home
from . import export_ticks

if TYPE_CHECKING:
    from ...bars import ExportedDay
    from ...bars.export import ExportKind
    from ...instruments import Instrument, Registry
    from ...lake import LocalLake

_HELP = """
Write the bars of one or more trade dates as files, one per day, made from the stored ticks.

Example: tp export bars MNQ --day 2025-09-02 --clock 5m --format csv --out exports

One kind of bar: --clock 1s to 1d, --volume contracts, --ticks trades, or --dollars USD; without any, 1 minute. --from without --to
means up to the latest trade date. The name of a file of synthetic data ends in _synthetic.

--enriched writes every second of the session with the gamma snapshot that was known when it began, made from the stored bars_1s and
gex_snapshots: tp export bars MNQ --day 2025-09-02 --enriched --session rth. For backtests add --latency-ms 1000.
"""


class FileFormat(StrEnum):
    """Formats of exported files."""

    PARQUET = "parquet"
    CSV = "csv"
    FEATHER = "feather"


class SessionChoice(StrEnum):
    """Which seconds are rows of an enriched export."""

    FULL = "full"
    RTH = "rth"


class Category(StrEnum):
    """Categories of the gamma feed."""

    GEX_FULL = "gex_full"
    GEX_ZERO = "gex_zero"
    GEX_ONE = "gex_one"


def register(app: typer.Typer) -> None:
    """Add the command family."""
    family = command_family("Write data as files for other tools.")
    family.command("bars", help=_HELP)(bars)
    family.command("ticks", help=export_ticks.HELP)(export_ticks.ticks)
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
    enriched: Annotated[
        bool, typer.Option("--enriched", help="Every second of the session, with gamma columns")
    ] = False,
    session: Annotated[
        SessionChoice | None,
        typer.Option("--session", help="With --enriched: full (default), or rth for the cash session"),
    ] = None,
    latency_ms: Annotated[
        int | None, typer.Option("--latency-ms", help="With --enriched: a snapshot is known this long after its time")
    ] = None,
    category: Annotated[
        Category | None, typer.Option("--category", help="With --enriched: category of the feed")
    ] = None,
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
    days = days_asked(
        ("tp", "export", "bars", symbol), (day, first, last), lambda: opened(SystemClock().now(), instrument)
    )
    target, chosen = _target(out, file_format, days, symbol)
    from ...bars.export import already_there, marked
    from ...lake import LocalLake

    kind: dict[str, Any] = {"clock": clock, "volume": volume, "ticks": ticks, "dollars": dollars}
    extra: dict[str, Any] = {"session": session, "latency_ms": latency_ms, "category": category}
    lake = LocalLake(home.lake_dir)
    if enriched:
        export = _enriched_export(lake, instrument, registry, days, kind, extra)
    else:
        _refuse_without_enriched(symbol, days, extra)
        export = _plain_export(lake, instrument, days, kind)

    def run(folder: Path, *, replace_files: bool) -> list[ExportedDay]:
        return export.run(file_format=chosen, out=folder, force=replace_files)

    def refuse(path: Path) -> None:
        if not force and path.exists():
            raise already_there(path, symbol, days, export.kind(), chosen, out)

    if target is not None:
        target = marked(target, synthetic=export.is_synthetic(days[0]))
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
    report(exported, "bars", dry_run=dry_run, json_output=json_output)


@dataclass(frozen=True)
class _Export:
    """One way to export: the function, the kind for messages and names, and where the mark of synthetic data comes from.

    Attributes:
        run: writes the files; takes ``file_format``, ``out`` and ``force``.
        kind: what is exported; may refuse options.
        is_synthetic: tells of a trade date whether any of its inputs was generated.
    """

    run: Callable[..., list[ExportedDay]]
    kind: Callable[[], ExportKind]
    is_synthetic: Callable[[date], bool]


def _plain_export(lake: LocalLake, instrument: Instrument, days: Sequence[date], kind: dict[str, Any]) -> _Export:
    """Return the export of bars made from ticks."""
    from ...bars.export import bar_kind, export_bars

    def is_synthetic(day: date) -> bool:
        footer = lake.footer("ticks", instrument.symbol, day)
        return footer is not None and footer.synthetic

    run = partial(export_bars, lake, instrument.symbol, days, **kind, instrument=instrument)
    return _Export(run, partial(bar_kind, **kind), is_synthetic)


def _enriched_export(
    lake: LocalLake,
    instrument: Instrument,
    registry: Registry,
    days: Sequence[date],
    kind: dict[str, Any],
    extra: dict[str, Any],
) -> _Export:
    """Return the export of enriched bars.

    Raises:
        ConfigurationError: E160 if another kind of bar was asked for as well.
        QualityError: E493 if the instrument has no underlying, or a setting makes no sense.
    """
    from ...enrichment import (
        AttachPolicy,
        EnrichedInstrument,
        chain_underlying_of,
        export_enriched_bars,
        underlying_of,
    )
    from ...enrichment.export import enriched_kind, is_synthetic
    from ...sessions import calendar_for

    symbol = instrument.symbol
    asked = [f"--{name}" for name, value in kind.items() if value is not None]
    if asked:
        raise ConfigurationError(
            "E160",
            f"--enriched and {asked[0]} exclude each other",
            "enriched bars have one row per second; nothing was written",
            command("tp", "export", "bars", symbol, *_span(days), "--enriched"),
        )
    category = None if extra["category"] is None else str(extra["category"])
    policy = AttachPolicy.of(load_settings(), category=category, gex_latency_ms=extra["latency_ms"])
    calendar, underlying = calendar_for(instrument.calendar), underlying_of(instrument, registry)
    chains = chain_underlying_of(instrument, registry)
    of = EnrichedInstrument(instrument, lake, calendar, underlying, SystemClock(), policy, chains)
    session = str(extra["session"] or SessionChoice.FULL)
    return _Export(
        partial(export_enriched_bars, of, days, session=session),
        partial(enriched_kind, session, policy),
        partial(is_synthetic, of),
    )


def _refuse_without_enriched(symbol: str, days: Sequence[date], extra: dict[str, Any]) -> None:
    """Refuse options that would do nothing."""
    asked = [name for name, value in extra.items() if value is not None]
    if asked:
        raise ConfigurationError(
            "E160",
            f"--{asked[0].replace('_', '-')} and bars made from ticks exclude each other",
            "only enriched bars know the gamma feed; nothing was written",
            command("tp", "export", "bars", symbol, *_span(days), "--enriched"),
        )


def _span(days: Sequence[date]) -> tuple[object, ...]:
    return ("--from", days[0], "--to", days[-1]) if days else ()


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
