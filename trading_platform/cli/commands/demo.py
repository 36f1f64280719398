"""``tp demo``: everything once, on synthetic data."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...errors import ConfigurationError
from ...home import HOME_FOLDER, Home, find_home, open_home, refuse_mixture
from ...instruments import load_registry, load_roll_table
from ...settings import SYNTHETIC_LABEL
from .. import console
from ..folders import command_for, make_home, named_home, read_instruments, write_instruments
from ..options import DryRunOption, HomeOption, JsonOption
from ..platform import open_platform, put_repository_on_path
from . import backfill, sql
from .instruments import activate_all

if TYPE_CHECKING:
    from jobs.backfill import AssetReport

    from ...simulation import DemoFile, DepthDay
    from ..demo_l2 import Purchase

_HELP = """
Write synthetic Sierra Chart files, gamma feed files and option chains, buy synthetic level 2 from a stand-in for DataBento, run the whole
graph over them, and query the result. Run again, it finds that all is current.

Example: tp demo

The data are SYNTHETIC: a simulated market. They live in a home of their own and never mix with real data; --remove deletes it.
"""
_PARTS = ("dagster", "lake", "cache", "sierra", "gex", "chains", "logs")
# A few chains a day are too far apart for regimes; those of the demo come from the feed.
_CHAIN_DATASETS = ("chain*", "gex_levels", "gex_profile")
_GAMMA_FOLDERS = {"gex_dir": "gex", "chain_dir": "chains"}
_FILES = (
    "instruments.toml",
    "regimes.toml",
    "rolls.csv",
    "sources.toml",
    ".sources.toml.lock",
    "spend_simulated.jsonl",
    "home.json",
)

QUERIES: tuple[tuple[str, str], ...] = (
    (
        "daily bars per symbol around the roll",
        """select symbol, trade_date, any_value(contract) as contract, arg_min(open, ts_open) as open, max(high) as high,
       min(low) as low, arg_max(close, ts_open) as close, sum(volume)::bigint as volume
from bars_1m where trade_date between '2025-03-12' and '2025-03-19' group by all order by all""",
    ),
    (
        "busiest minutes",
        "select symbol, trade_date, ts_open, volume, trades, close from bars_1m order by volume desc, ts_open limit 5",
    ),
    (
        "buy minus sell volume per trade date",
        """select trade_date, sum(delta) filter (where symbol = 'ES')::bigint as es_delta,
       sum(delta) filter (where symbol = 'MNQ')::bigint as mnq_delta
from bars_1s group by all order by all""",
    ),
)


@dataclass(frozen=True, slots=True)
class _Archive:
    """What the demo's data folder holds: rows in all files, and whether this call has written them."""

    rows: int
    is_new: bool


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("demo", help=_HELP)(demo)


def demo(
    home: HomeOption = None,
    remove: Annotated[bool, typer.Option("--remove", help="Delete the demo home and its data")] = False,
    dry_run: DryRunOption = False,
    json_output: JsonOption = False,
) -> None:
    """Make, run and query the demo."""
    path = _home_of_demo(home)
    if remove:
        _remove(path, dry_run=dry_run, json_output=json_output)
        return
    if dry_run:
        _preview(path, json_output=json_output)
        return
    started = time.perf_counter()
    folders = {name: path / folder for name, folder in _GAMMA_FOLDERS.items()}
    opened = make_home(path, sierra_dir=path / "sierra", demo=True, **folders)
    next_commands = _next_commands(opened)  # before the environment names this home
    archive = _write_archive(opened)
    if not json_output:
        verb = "wrote" if archive.is_new else "found"
        console.out.print(
            f"{SYNTHETIC_LABEL}\n{verb} {archive.rows:,} records for ES and MNQ in {opened.path / 'sierra'}"
        )
    reports, purchase = _run(opened, json_output=json_output)
    results = _ask(opened)
    seconds = time.perf_counter() - started
    if json_output:
        console.print_json(_as_json(opened, archive, reports, purchase, results, next_commands, seconds))
    else:
        _print(reports, purchase, results, next_commands, seconds)
    if any(report.failures or report.blocked for report in reports):
        raise typer.Exit(console.EXIT_FAILED)


def _home_of_demo(home: Path | None) -> Path:
    """Return the option, else TP_HOME, else the nearest home upwards, else ``.tp`` here."""
    named = named_home(home)
    if named is not None:
        return named.absolute()
    try:
        return find_home().path
    except ConfigurationError as error:
        if error.code != "E102":
            raise
        return Path(HOME_FOLDER).absolute()


def _preview(path: Path, *, json_output: bool) -> None:
    from ...simulation import DEMO_DATES

    refuse_mixture(path, demo=True)
    if json_output:
        console.print_json({"dry_run": True, "home": str(path), "trade_dates": [d.isoformat() for d in DEMO_DATES]})
        return
    console.out.print(
        f"would write synthetic files for ES and MNQ, {len(DEMO_DATES)} trade dates, into {path / 'sierra'}, gamma exposure into "
        f"{path / 'gex'} and {path / 'chains'}, and run ticks, bars_1s, bars_1m, on some dates depth_events, depth_metrics, gamma levels, "
        "profiles, regimes, enriched bars, l2 and l2_metrics, and the SQL views; level 2 comes from a stand-in for DataBento in this "
        "process and costs pretend dollars\ndry run: nothing was created"
    )


def _remove(path: Path, *, dry_run: bool, json_output: bool) -> None:
    if not open_home(path).is_demo:
        raise ConfigurationError(
            "E170",
            f"{path} is not a demo home",
            "only synthetic data are ever deleted by a command; nothing was removed",
            "tp config",
        )
    found = [path / name for name in (*_PARTS, *_FILES) if (path / name).exists()]
    if not dry_run:
        for part in found:
            if part.is_dir():
                shutil.rmtree(part)
            else:
                part.unlink()
        if not any(path.iterdir()):  # what a person has put there stays
            path.rmdir()
    if json_output:
        console.print_json({"dry_run": dry_run, "removed": [str(part) for part in found]})
        return
    console.out.print(f"{'would remove' if dry_run else 'removed'} the demo home {path}")


def _write_archive(home: Home) -> _Archive:
    """Write the instruments and the data files that are not there yet: ticks and depth, gamma feed and chains.

    The manifest is written last and names every file with its size, so an interrupted demo writes its files again.
    """
    from ...simulation import (
        DEMO_CHAIN_SYMBOL,
        DEMO_DATES,
        DEMO_DEPTH_DATES,
        DEMO_GEX_DATES,
        DEMO_REGIMES,
        write_demo_archive,
        write_demo_gamma,
    )
    from ...simulation.archive import DEMO_ROOTS

    text = activate_all(home, [*DEMO_ROOTS, DEMO_CHAIN_SYMBOL])
    if text != read_instruments(home):
        write_instruments(home, text)
    if not home.regimes_toml.is_file():
        home.regimes_toml.write_text(DEMO_REGIMES, encoding="utf-8")
    manifest = home.demo_manifest
    folder = manifest.parent
    parts = {"trade_dates": DEMO_DATES, "depth_dates": DEMO_DEPTH_DATES, "gex_dates": DEMO_GEX_DATES}
    dates = {name: [day.isoformat() for day in days] for name, days in parts.items()}
    known = _read_manifest(manifest)
    if {name: known.get(name) for name in dates} == dates and all(
        (folder / file["name"]).is_file() and (folder / file["name"]).stat().st_size == file["size_bytes"]
        for file in known["files"]
    ):
        return _Archive(int(known["rows"]), is_new=False)
    registry = load_registry(home.instruments_toml)
    rolls = load_roll_table(registry, home.rolls_csv)
    archive = write_demo_archive(folder, registry, rolls, depth_dates=DEMO_DEPTH_DATES)
    gamma = write_demo_gamma(home.path / "gex", home.path / "chains", registry, rolls, trade_dates=DEMO_GEX_DATES)
    written: list[DemoFile | DepthDay] = [*archive.files, *archive.depth_files]
    files: list[dict[str, Any]] = [
        {"name": f.path.relative_to(folder).as_posix(), "size_bytes": f.size_bytes, "rows": f.rows} for f in written
    ]
    files += [
        {"name": f"../{path.relative_to(home.path).as_posix()}", "size_bytes": path.stat().st_size}
        for path in (*gamma.feed_files, *gamma.chain_files)
    ]
    content = {"note": SYNTHETIC_LABEL, **dates, "rows": archive.rows, "files": files}
    manifest.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return _Archive(archive.rows, is_new=True)


def _read_manifest(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError):
        return {}
    return content if isinstance(content, dict) else {}


def _run(home: Home, *, json_output: bool) -> tuple[list[AssetReport], Purchase]:
    from ...simulation import DEMO_CHAIN_SYMBOL, DEMO_DATES, DEMO_DEPTH_DATES, DEMO_FEEDS, DEMO_GEX_DATES, DEMO_L2_DATES
    from ...simulation.archive import DEMO_ROOTS
    from ..demo_l2 import open_shop

    put_repository_on_path()
    from assets.keys import CATALOG
    from resources.databento import SharedVendor

    with open_shop(home) as shop, open_platform(home, {"databento": SharedVendor(shop.vendor)}) as platform:

        def assets(*datasets: str) -> list[str]:
            return [f"{root}/{dataset}" for root in DEMO_ROOTS for dataset in datasets]

        registry = load_registry(home.instruments_toml)
        gamma = [f"{registry.get(root).gex_underlying}/gex_*" for root in DEMO_FEEDS]
        gamma += [f"{DEMO_CHAIN_SYMBOL}/{name}" for name in _CHAIN_DATASETS]
        enriched = [f"{root}/{name}" for root in DEMO_FEEDS for name in ("gex_alignment", "enriched_bars")]
        requests = [
            backfill.make_request(platform, assets("depth_*"), (DEMO_DEPTH_DATES[0], DEMO_DEPTH_DATES[-1], None)),
            *backfill.requests_for(platform, assets("ticks", "bars_*"), DEMO_DATES, with_catalog=False),
            # After the bars that are enriched with it.
            *backfill.requests_for(platform, [*gamma, *enriched], DEMO_GEX_DATES, with_catalog=False),
            # After the ticks, with which each day of level 2 is compared.
            backfill.make_request(platform, assets("l2*"), (DEMO_L2_DATES[0], DEMO_L2_DATES[-1], None)),
        ]
        reports = backfill.execute(platform, requests, json_output=json_output)
        if any(report.results for report in reports) or not _has_catalog(home):
            catalog = backfill.make_request(
                platform, [key.to_user_string() for key in CATALOG], (DEMO_DATES[0], DEMO_DATES[-1], None)
            )
            reports += backfill.execute(platform, [catalog], json_output=json_output)
        return reports, shop.purchase(home)


def _has_catalog(home: Home) -> bool:
    from assets.coverage import HTML_NAME

    return home.catalog_path.is_file() and (home.lake_dir / HTML_NAME).is_file()


def _ask(home: Home) -> list[tuple[str, str, sql.QueryResult]]:
    from ...lake.sql import connect

    with connect(home.lake_dir) as connection:
        return [(title, statement, sql.run_query(connection, statement)) for title, statement in QUERIES]


def _next_commands(home: Home) -> dict[str, str]:
    """Return what to try next: the web UI, and the report on a day of level 2."""
    from ...simulation import DEMO_L2_DATES

    analyze = f"tp l2 analyze ES {DEMO_L2_DATES[-1]} --plot"
    return {"ui": command_for(home.path, "tp ui"), "level_2": command_for(home.path, analyze)}


def _print(
    reports: Sequence[AssetReport],
    purchase: Purchase,
    results: Sequence[tuple[str, str, sql.QueryResult]],
    next_commands: Mapping[str, str],
    seconds: float,
) -> None:
    backfill.print_results(reports, seconds)
    if not any(report.results for report in reports):
        console.out.print("all is current: nothing had to be made")
    for title, statement, result in results:
        console.out.print(f'\n{title}: {SYNTHETIC_LABEL}\ntp sql "{statement}"')
        sql.print_result(result)
    console.out.print(f"\nlevel 2: {_price(purchase)}\nlook at a day: {next_commands['level_2']}")
    console.out.print(f"\nnext, the web UI: make ui   or: {next_commands['ui']}")


def _price(purchase: Purchase) -> str:
    """Say what the days of level 2 have cost, and that it was no money."""
    before = f"{purchase.days_before} days were bought before for {purchase.usd_before:.2f} pretend dollars"
    if not purchase.days:
        return f"nothing was paid, {before}; a day is paid once"
    bought = f"{purchase.days} days bought for {purchase.usd:.2f} pretend dollars from a stand-in for DataBento"
    return f"{bought}{f'; {before}' if purchase.days_before else ''} (SYNTHETIC, no money was spent)"


def _as_json(
    home: Home,
    archive: _Archive,
    reports: Sequence[AssetReport],
    purchase: Purchase,
    results: Sequence[tuple[str, str, sql.QueryResult]],
    next_commands: Mapping[str, str],
    seconds: float,
) -> dict[str, Any]:
    return {
        "note": SYNTHETIC_LABEL,
        "synthetic": True,
        "home": str(home.path),
        "records": archive.rows,
        "files_written": archive.is_new,
        "assets": backfill.as_json(reports, dry_run=False)["assets"],
        "all_current": not any(report.results for report in reports),
        "queries": [{"title": title, "sql": text, **sql.as_json(result)} for title, text, result in results],
        "level_2": {**asdict(purchase), "next": next_commands["level_2"]},
        "seconds": round(seconds, 3),
        "next": next_commands["ui"],
    }
