"""``tp l2 manifest`` and ``tp l2 analyze``: what was done, and what a day holds."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...clock import SystemClock
from ...files import sha256_of
from ...home import Home
from ...settings import load_settings
from ...words import counted
from .. import console
from ..folders import registry_of
from ..l2_plan import vendor_of
from ..options import DryRunOption, JsonOption
from ..platform import locate_home, open_instance

if TYPE_CHECKING:
    import dagster as dg

    from ...databento.ledger import PaidCall
    from ...databento.vendor import Vendor
    from ...l2.manifest import ManifestTask
    from ...l2.report import DepthReport
    from ...lake import LocalLake

_MANIFEST_HELP = """
Write what became of every symbol and date as backfill_l2_manifest.jsonl and backfill_l2_summary.json. Lines that are there are kept, new
ones are appended in the order of day and symbol. Nothing is asked or paid.

Example: tp l2 manifest --out exports
"""
_ANALYZE_HELP = """
Report on a stored day: spread, mid, microprice, imbalance, order flow imbalance, volume profile, trades, busiest minutes, and whether it
agrees with the ticks of the day and with imported bars of the vendor. --plot writes pictures. Nothing is asked or paid.

Example: tp l2 analyze ES 2025-09-03 --plot --out pictures
"""


def register(family: typer.Typer) -> None:
    """Add the commands to the family ``tp l2``."""
    family.command("manifest", help=_MANIFEST_HELP)(manifest)
    family.command("analyze", help=_ANALYZE_HELP)(analyze)


def manifest(
    out: Annotated[Path, typer.Option("--out", help="Folder of the two files")] = Path(),
    dry_run: DryRunOption = False,
    json_output: JsonOption = False,
) -> None:
    """Write manifest and summary."""
    from ...l2.manifest import export_manifest

    home, settings = locate_home(), load_settings()
    header = {
        "run_id": f"{SystemClock().now().astimezone(UTC):%Y%m%d-%H%M%S-%f}",
        "strict": None,  # of one backfill, which the state does not tell
        "force": None,
        "max_tasks": None,
        "concurrency": settings.l2_max_workers,
        "requested_window_et": settings.l2_window_et,
    }
    export = export_manifest(out, tasks_of(home), header)
    if not dry_run:
        export.write()
    if json_output:
        console.print_json(
            {
                "dry_run": dry_run,
                "manifest": str(export.manifest),
                "summary": str(export.summary),
                "old_lines": export.old_lines,
                "new_lines": len(export.new_lines),
                **{name: export.content[name] for name in ("counts", "total_tasks", "cost_usd", "synthetic")},
            }
        )
        return
    if export.content["synthetic"]:
        console.label_synthetic()
    if dry_run:
        console.out.print("dry run: nothing was written")
    console.out.print(f"{export.manifest}: {counted(export.old_lines, 'line')} kept, {len(export.new_lines)} new")
    counts = " ".join(f"{word}={number}" for word, number in export.content["counts"].items())
    console.out.print(f"MANIFEST {counts} total={export.content['total_tasks']}")


def tasks_of(home: Home) -> list[ManifestTask]:
    """Return every symbol and date that an event or a stored file tells of."""
    from ...lake import LocalLake
    from ...lake.contracts import L2

    lake = LocalLake(home.lake_dir)
    active = [instrument.symbol for instrument in registry_of(home).active]
    folder = lake.path(L2.name, "X", date(2025, 1, 2)).parents[2]
    stored = [path.name.removeprefix("symbol=") for path in folder.glob("symbol=*")]
    symbols = sorted({*active, *stored})
    events: dict[tuple[str, str], _Event] = {}
    with open_instance(home) as instance:
        for symbol in symbols:
            events |= {(symbol, day): event for day, event in _latest_events(instance, symbol).items()}
    paid = _paid_calls(home)
    keys = {*events, *((symbol, str(day)) for symbol in symbols for day in lake.days(L2.name, symbol))}
    return [_task(lake, symbol, day, events.get((symbol, day)), paid) for symbol, day in keys]


_Event = tuple[str, Mapping[str, Any]]


def _latest_events(instance: dg.DagsterInstance, symbol: str) -> dict[str, _Event]:
    """Return run and metadata of the event that told last of each day: a materialization, or the observation of a failure."""
    import dagster as dg

    key = dg.AssetKey([symbol, "l2"])
    newest: dict[str, tuple[int, _Event]] = {}
    for kind, fetch in (
        (dg.DagsterEventType.ASSET_MATERIALIZATION, instance.fetch_materializations),
        (dg.DagsterEventType.ASSET_OBSERVATION, instance.fetch_observations),
    ):
        numbers = instance.get_latest_storage_id_by_partition(key, kind)
        if not numbers:
            continue
        wanted = dg.AssetRecordsFilter(asset_key=key, storage_ids=list(numbers.values()))
        for record in fetch(wanted, limit=len(numbers)).records:
            event = record.asset_materialization or record.asset_observation
            if event is None or event.partition is None or "outcome" not in event.metadata:
                continue
            values = {name: value.value for name, value in event.metadata.items() if name != "checks"}
            values["failed"] = _failed_checks(event.metadata.get("checks"))
            if record.storage_id > newest.get(event.partition, (-1,))[0]:
                newest[event.partition] = record.storage_id, (record.run_id, values)
    return {day: event for day, (_, event) in newest.items()}


def _failed_checks(table: object) -> list[str]:
    """Return the checks of an event that did not pass, as name and finding."""
    rows = [record.data for record in getattr(table, "records", ())]
    return [f"{row['check']}: {row['measured']}" for row in rows if row["result"] != "passed"]


def _paid_calls(home: Home) -> dict[tuple[str, str, bool], PaidCall]:
    """Return the last paid call of every symbol and date that brought data; those of real money and of a stand-in's apart."""
    from ...databento.account import ledger_of

    return {
        (call.symbol, call.trade_date, synthetic): call
        for synthetic in (True, False)
        for call in ledger_of(home, synthetic=synthetic).calls()
        if call.outcome == "ok"
    }


def _task(
    lake: LocalLake, symbol: str, day: str, event: _Event | None, calls: Mapping[tuple[str, str, bool], PaidCall]
) -> ManifestTask:
    from ...l2.manifest import ManifestTask
    from ...lake.building import Outcome
    from ...lake.contracts import L2

    when = date.fromisoformat(day)
    footer = lake.footer(L2.name, symbol, when)
    paid = None if footer is None else calls.get((symbol, day, footer.synthetic))
    run_id, told = (None if paid is None else paid.run_id, {}) if event is None else event
    outcome = Outcome(told["outcome"]) if told else Outcome.MISSING if footer is None else footer.outcome
    reason = told.get("error") or told.get("reason") or (footer.reason if footer is not None else None) or None
    seconds = told.get("seconds")
    if footer is None and outcome.is_materialized:
        outcome, reason = Outcome.MISSING, f"made with outcome {outcome.value}, but its file is gone"
    if not outcome.is_materialized or footer is None:
        return ManifestTask(symbol, when, outcome.value, run_id, reason)
    facts, source = footer.facts, told.get("source")
    source = source if isinstance(source, Mapping) else {}
    window = facts.get("wanted_window")
    path = lake.path(L2.name, symbol, when)
    warned = facts.get("vendor_warnings")
    warnings = [*(warned if isinstance(warned, list) else ()), *told.get("failed", ())]
    return ManifestTask(
        symbol=symbol,
        trade_date=when,
        outcome=outcome.value,
        run_id=run_id,
        reason=reason,
        warnings=tuple(str(text) for text in warnings),
        window=(str(window[0]), str(window[1])) if isinstance(window, list) else None,
        rows=footer.rows,
        path=str(path),
        sha256=sha256_of(path),
        content_hash=footer.content_hash,
        duration_ms=None if seconds is None else round(float(seconds) * 1_000, 3),
        **{name: _text(facts.get(name)) for name in ("vendor_symbol", "raw_symbol", "dataset", "schema", "condition")},
        cost_usd=source.get("cost_usd", None if paid is None else paid.cost_usd),
        attempts=None if paid is None else paid.attempt,
        request_id=None if paid is None else paid.request_id,
        synthetic=footer.synthetic,
    )


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def analyze(
    symbol: Annotated[str, typer.Argument(help="Symbol of a stored day: ES, AAPL, ESZ5")],
    day: Annotated[datetime, typer.Argument(formats=["%Y-%m-%d"], help="Trade date")],
    plot: Annotated[bool, typer.Option("--plot", help="Write pictures (PNG)")] = False,
    out: Annotated[Path, typer.Option("--out", help="Folder of the pictures")] = Path(),
    dry_run: DryRunOption = False,
    json_output: JsonOption = False,
) -> None:
    """Report on a stored day."""
    from ...l2.pictures import draw, picture_paths
    from ...l2.report import analyze_day
    from ...lake import LocalLake

    home = locate_home()
    lake = LocalLake(home.lake_dir)
    from ...sessions import calendar_for

    vendor = vendor_of(home, SystemClock())
    symbol = vendor.canonical(symbol)
    calendar = calendar_for(vendor.market(symbol).calendar)
    depth = analyze_day(lake, symbol, calendar.session(day.date()))
    agreement = _agreement(home, lake, vendor, symbol, day.date(), synthetic=depth.report.synthetic)
    pictures = [] if not plot else picture_paths(depth, out) if dry_run else draw(depth, out)
    if json_output:
        shown = {"pictures": [str(path) for path in pictures]} if plot else {}
        console.print_json({"dry_run": dry_run, **depth.report.as_dict(), "agreement": agreement, **shown})
        return
    _show(depth.report)
    rows = [
        (one["check"], "not compared" if one["agrees"] is None else one["agrees"], one["found"]) for one in agreement
    ]
    console.print_table(("compared with another source", "agrees", "found"), rows)
    for path in pictures:
        console.out.print(f"{path}{' (dry run, not written)' if dry_run else ''}")


def _agreement(
    home: Home, lake: LocalLake, vendor: Vendor, symbol: str, day: date, *, synthetic: bool
) -> list[dict[str, Any]]:
    """Compare a day with the ticks of the user and with the vendor's bars; ``agrees`` is None where there is nothing to compare."""
    from ...databento.account import raw_root
    from ...databento.raw_cache import RawCache
    from ...l2.agreement import compare_with_ticks, compare_with_vendor_bars

    # Files of the kind that the day itself is of: synthetic bars say nothing about real rows.
    results = [compare_with_vendor_bars(lake, RawCache(raw_root(home, synthetic=synthetic)), symbol, day)]
    instrument = vendor.registry.instruments.get(symbol)
    if instrument is not None and instrument.is_future:
        results.append(compare_with_ticks(lake, symbol, day, tick_size=instrument.tick_size))
    return [
        {
            "check": one.name,
            "agrees": one.passed if one.values or not one.passed else None,
            "found": one.description,
            "values": dict(one.values),
        }
        for one in results
    ]


def _show(report: DepthReport) -> None:
    if report.synthetic:
        console.label_synthetic()
    area = report.area
    facts = [
        ("outcome", report.outcome),
        ("reason", report.reason),
        ("rows", report.rows),
        (
            "seconds",
            f"{report.seconds:,}, {report.session_seconds:,} inside trading hours, from {report.measures_from}",
        ),
        ("crossed or locked", f"{report.crossed_seconds:,} seconds inside trading hours"),
        ("order flow imbalance", report.flow),
        ("its correlation with the mid", _rounded(report.flow_correlation)),
        ("trades", report.trades),
        ("volume", f"{report.volume:,}: {report.buy_volume:,} bought, {report.sell_volume:,} sold by aggressors"),
        ("VWAP", _rounded(report.vwap)),
        ("trades from, to", None if report.price_low is None else f"{report.price_low:g}, {report.price_high:g}"),
        ("point of control", None if area is None else f"{area.point_of_control:g}"),
        (
            "value area",
            None
            if area is None
            else f"{area.low:g} to {area.high:g}, {area.volume / area.total_volume:.1%} of the volume",
        ),
    ]
    title = f"{report.symbol} ({report.raw_symbol or 'no rows'}) {report.trade_date}"
    console.print_table(
        ("measure", "value"), [(name, value) for name, value in facts if value is not None], title=title
    )
    names = ("spread", "mid", "microprice", "imbalance_1", "imbalance_5", "imbalance_10")
    rows: list[tuple[Any, ...]] = []
    for name in names:
        one = getattr(report, name)
        values = (one.mean, one.median, one.p05, one.p95, one.last)
        rows.append((name, one.seconds, *(_rounded(value) for value in values)))
    console.print_table(
        ("inside trading hours", "seconds", "mean", "median", "5 %", "95 %", "last"), rows, title="by second"
    )
    busiest = [(f"{one.start:%H:%M}", one.volume, one.trades, one.updates, one.flow) for one in report.busiest]
    if busiest:
        console.print_table(("minute UTC", "volume", "trades", "updates", "flow"), busiest, title="busiest minutes")


def _rounded(value: float | None) -> str | None:
    return None if value is None else f"{value:.6g}" if abs(value) < 1 else f"{value:,.4f}"
