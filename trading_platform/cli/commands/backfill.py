"""``tp backfill``: make what is missing, failed, partial or stale, and nothing else."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...errors import ConfigurationError
from .. import console
from ..options import range_to_latest
from ..platform import Platform, locate_home, open_platform

if TYPE_CHECKING:
    from jobs.backfill import AssetReport, BackfillRequest

    from ...lake import DayResult
    from ..progress_bars import PlainReporter

_EXAMPLES = """
Make what is not current, asset by asset. Stop it at any moment and start it again: finished days stay done.

Example: tp backfill MNQ/ticks MNQ/bars_1m --from 2025-09-02 --to 2025-11-14

ASSETS are keys (MNQ/ticks), patterns (MNQ/*), or Dagster selections (key:"MNQ/*"); none means all. Days are trade dates.
What costs money is never meant by a pattern or by all: name it (ES/l2), or use tp l2 backfill.

Exit codes: 0 nothing failed; 1 a day failed, or what it is made from is not there. A day that was not recorded is no failure, whatever
stands beside it: it is named, and nothing can bring it.
"""

_MOST_PARTS = 10


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("backfill", help=_EXAMPLES)(backfill)


def backfill(
    assets: Annotated[list[str] | None, typer.Argument(metavar="[ASSETS]...", help="Assets; none means all")] = None,
    first: Annotated[datetime | None, typer.Option("--from", formats=["%Y-%m-%d"], help="First trade date")] = None,
    last: Annotated[
        datetime | None,
        typer.Option("--to", formats=["%Y-%m-%d"], help="Last trade date, inclusive; default: the latest opened one"),
    ] = None,
    day: Annotated[datetime | None, typer.Option("--day", formats=["%Y-%m-%d"], help="One trade date")] = None,
    days: Annotated[int | None, typer.Option("--last", min=1, help="The last N trade dates up to --to")] = None,
    missing_only: Annotated[
        bool, typer.Option("--missing-only", help="Only days that were never materialized")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Rebuild every day of the range")] = False,
    verify: Annotated[
        bool, typer.Option("--verify", help="Hash all source bytes again instead of trusting file times")
    ] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for another backfill of the same partitions")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would run")] = False,
    json_output: Annotated[bool, typer.Option("--json", help="Write one JSON document")] = False,
) -> None:
    """Make what is missing, failed, partial or stale."""
    home = locate_home()
    with open_platform(home) as platform:
        request = make_request(
            platform,
            assets or [],
            _range(first, last, day, days),
            mode_flags={"missing_only": missing_only, "force": force, "verify": verify},
            wait=wait,
        )
        reports = run_backfill(platform, request, dry_run=dry_run, json_output=json_output)
    if any(report.failures or report.blocked for report in reports):
        raise typer.Exit(console.EXIT_FAILED)


def make_request(
    platform: Platform,
    assets: Sequence[str],
    span: tuple[date | None, date | None, int | None],
    *,
    mode_flags: dict[str, bool] | None = None,
    wait: bool = False,
) -> BackfillRequest:
    """Resolve asset names and dates into a request.

    Args:
        platform: the opened installation.
        assets: keys, patterns or selections; none means all.
        span: first date, last date, number of trade dates before the last; None where not given.
        mode_flags: at most one of missing_only, force, verify.
        wait: wait for another backfill of the same partitions.

    Raises:
        ConfigurationError: E160 for options that exclude each other, E161 for an unknown asset, E162 for an impossible range.
    """
    from jobs.backfill import BackfillRequest, latest_opened
    from jobs.planning import Mode
    from jobs.selection import select_assets

    from ...sessions import first_of_last

    chosen = [name for name, on in (mode_flags or {}).items() if on]
    if len(chosen) > 1:
        raise ConfigurationError(
            "E160",
            f"--{' and --'.join(name.replace('_', '-') for name in chosen)} exclude each other",
            "each of them says which days count as to do; nothing was started",
            "tp backfill --help",
        )
    keys = select_assets(platform.defs, assets)
    first, last, number = span
    if number is not None:
        last = latest_opened(platform.defs, keys) if last is None else last
        first = first_of_last(last, number)
    first, last = range_to_latest(
        first,
        last,
        lambda: latest_opened(platform.defs, keys),
        *("tp", "backfill", *assets),
        choices="--from, --day or --last",
    )
    return BackfillRequest(keys, first, last, Mode(chosen[0]) if chosen else Mode.DEFAULT, wait=wait)


def requests_for(
    platform: Platform, assets: Sequence[str], days: Sequence[date], *, with_catalog: bool = True
) -> list[BackfillRequest]:
    """Return one request per stretch of contiguous trade dates, the last one with the SQL views and the coverage board.

    Args:
        platform: the opened installation.
        assets: keys or patterns.
        days: trade dates, ascending, at least one.
        with_catalog: False leaves views and board out.

    Raises:
        ConfigurationError: E161 for an unknown asset.
    """
    from assets.keys import CATALOG
    from jobs.ranges import contiguous_chunks

    stretches = list(contiguous_chunks(days, len(days)))
    views: list[list[str]] = [[] for _ in stretches[1:]] + [
        [key.to_user_string() for key in CATALOG] if with_catalog else []
    ]
    return [
        make_request(platform, [*assets, *also], (stretch[0], stretch[-1], None))
        for stretch, also in zip(stretches, views, strict=True)
    ]


def run_backfill(
    platform: Platform, *requests: BackfillRequest, dry_run: bool = False, json_output: bool = False
) -> list[AssetReport]:
    """Run or preview one request, or several over separate ranges, and print what became of it."""
    started = time.perf_counter()
    reports = execute(platform, requests, dry_run=dry_run, json_output=json_output)
    seconds = time.perf_counter() - started
    synthetic = platform.home.is_demo or are_synthetic(reports)
    if json_output:
        console.print_json({"synthetic": synthetic, **as_json(reports, dry_run=dry_run)})
        return reports
    if synthetic:
        console.label_synthetic()
    if dry_run:
        print_plan(reports)
    else:
        print_results(reports, seconds)
    return reports


def are_synthetic(reports: Sequence[AssetReport]) -> bool:
    """Tell whether a day that was made rests on generated data."""
    return any(result.synthetic for report in reports for result in report.results)


def execute(
    platform: Platform,
    requests: Sequence[BackfillRequest],
    *,
    dry_run: bool = False,
    json_output: bool = False,
    reporter: PlainReporter | None = None,
) -> list[AssetReport]:
    """Run or preview requests with progress on standard error.

    Args:
        platform: the opened installation.
        requests: ranges of trade dates; gaps between them are not touched.
        dry_run: only plan.
        json_output: plain lines instead of bars, so that a program sees no control codes.
        reporter: told about progress instead of the usual one.

    Returns:
        One report per asset over all requests, in the order of the first one.
    """
    from jobs.backfill import AssetReport, Backfill

    from ..progress_bars import PlainReporter, ProgressBars

    plain = json_output or dry_run or not console.err.is_terminal
    telling = reporter or (PlainReporter() if plain else ProgressBars())
    engine = Backfill(platform.defs, platform.instance, platform.home.claims_dir, telling)
    merged: dict[Any, AssetReport] = {}
    try:
        with telling:
            for request in requests:
                for report in engine.plan(request) if dry_run else engine.run(request):
                    total = merged.setdefault(report.key, AssetReport(report.key))
                    total.planned += report.planned
                    total.results += report.results
                    total.seconds += report.seconds
    except KeyboardInterrupt as error:
        # typer would end the process without a word
        console.err.print("stopped; finished days stay done, start the same command again to go on")
        raise typer.Exit(console.EXIT_INTERRUPTED) from error
    return list(merged.values())


def _range(
    first: datetime | None, last: datetime | None, day: datetime | None, days: int | None
) -> tuple[date | None, date | None, int | None]:
    if (day is not None and (first is not None or last is not None or days is not None)) or (
        first is not None and days is not None
    ):
        raise ConfigurationError(
            "E160",
            "--day, --from and --last exclude each other",
            "each of them says where the range begins; nothing was started",
            "tp backfill --help",
        )
    if day is not None:
        return day.date(), day.date(), None
    return (first.date() if first else None), (last.date() if last else None), days


def print_plan(reports: Sequence[AssetReport]) -> None:
    """Print which days would run and why."""
    rows = [
        (report.key.to_user_string(), planned.trade_date.isoformat(), planned.state.value, planned.why)
        for report in reports
        for planned in report.planned
        if planned.is_to_run
    ]
    if rows:
        console.print_table(
            ("asset", "trade date", "state", "why"), rows, title="would run (dry run, nothing was done)"
        )
    for line in remarks(reports):
        console.err.print(line)
    states = [planned.state.value for report in reports for planned in report.planned if not planned.is_to_run]
    kept = " ".join(f"{state.replace(' ', '_')}={states.count(state)}" for state in sorted({"current", *states}))
    total = sum(len(report.planned) for report in reports)
    console.out.print(f"PLAN to_run={total - len(states)} {kept} total={total}")


def print_results(reports: Sequence[AssetReport], seconds: float) -> None:
    """Print a table of partitions by outcome, the failed days with their errors, and the summary line."""
    from ...lake.building import Outcome

    shown = [outcome for outcome in Outcome if any(report.counts()[outcome] for report in reports)]
    rows: list[tuple[Any, ...]] = []
    for report in reports:
        counts = report.counts()
        made = [result for result in report.results if result.outcome.is_materialized]
        rows.append(
            (
                report.key.to_user_string(),
                *[counts[outcome] for outcome in shown],
                len(report.blocked),
                sum(result.rows for result in made),
                sum(result.size_bytes for result in made),
                round(report.seconds, 2),
            )
        )
    columns = ("asset", *[outcome.value for outcome in shown], "blocked", "rows", "bytes", "seconds")
    console.print_table(columns, rows, title="partitions by outcome")
    for line in (*remarks(reports), *purchases(reports)):
        console.err.print(line)
    console.out.print(summary_line(reports, seconds))


def remarks(reports: Sequence[AssetReport]) -> Iterator[str]:
    """Yield what people should know besides the counts: one line per asset and kind of remark, with the days it is about."""
    from ...lake.building import Outcome

    yield from _absences(reports)
    for report in reports:
        name = report.key.to_user_string()
        kinds: dict[str, list[date]] = {}
        for planned in (*report.notes, *report.not_listed):
            kinds.setdefault(planned.why, []).append(planned.trade_date)
        for result in report.results:
            if result.outcome is Outcome.WRITE and result.reason is not None:
                kinds.setdefault(f"warning: {result.reason}", []).append(result.trade_date)
            for check in result.checks:
                if not check.passed and result.outcome.is_materialized:
                    kinds.setdefault(f"warning: check {check.name} failed ({check.description})", []).append(
                        result.trade_date
                    )
        for result in report.failures:
            text = f"{result.outcome.value} {result.reason}" if result.error is None else str(result.error)
            kinds.setdefault(text, []).append(result.trade_date)
        for planned in report.blocked:
            kinds.setdefault(f"blocked: {planned.why}", []).append(planned.trade_date)
        yield from (f"{name} {days} {text}" for text, days in _grouped(kinds))


def purchases(reports: Sequence[AssetReport]) -> Iterator[str]:
    """Yield what a partition of several files has bought, day by day, also where another file of the day failed."""
    for report in reports:
        for result in report.results:
            text = paid_for(result)
            if text:
                yield f"{report.key.to_user_string()} {result.trade_date} {text}"


def paid_for(result: DayResult) -> str:
    """Return which files of a day this run has paid for, and how much; empty if it paid nothing."""
    from ...databento.budget import usd

    if any(part.cost_usd is None for part in result.parts):
        return "what was paid is not known: the ledger cannot be read"
    costs = [(part, part.cost_usd) for part in result.parts if part.cost_usd]
    if not costs:
        return ""
    named = [f"{part.symbol} {part.result.outcome.value} {usd(cost)}" for part, cost in costs[:_MOST_PARTS]]
    more = [f"{len(costs) - _MOST_PARTS} more"] if len(costs) > _MOST_PARTS else []
    return f"paid {usd(sum(cost for _, cost in costs))}: {', '.join([*named, *more])}"


def _absences(reports: Sequence[AssetReport]) -> Iterator[str]:
    """Yield what was not recorded, once for all assets concerned: a user without a source would read the same line for each of them."""
    absent: dict[tuple[str, str], list[str]] = {}
    for report in reports:
        why: dict[str, list[date]] = {}
        for planned in report.not_recorded:
            why.setdefault(planned.why, []).append(planned.trade_date)
        for found in _grouped(why):
            absent.setdefault(found, []).append(report.key.to_user_string())
    yield from (f"{', '.join(names)} {days} not recorded: {text}" for (text, days), names in absent.items())


def _grouped(kinds: Mapping[str, Sequence[date]]) -> Iterator[tuple[str, str]]:
    """Gather remarks of one kind (the same words, whatever the numbers), worded as the first of them."""
    gathered: dict[str, tuple[str, list[date]]] = {}
    for text, days in kinds.items():
        pattern = re.sub(r"\d[\d.,:T+-]*", "#", text)
        gathered.setdefault(pattern, (text, []))[1].extend(days)
    for text, days in gathered.values():
        first, last = min(days).isoformat(), max(days).isoformat()
        yield text, first if len(days) == 1 else f"{first} to {last} ({len(days)} days), first:"


def summary_line(reports: Sequence[AssetReport], seconds: float) -> str:
    """Return the one line that scripts look for: partitions by outcome, also for zero partitions."""
    from ...lake.building import Outcome

    totals = {outcome: sum(report.counts()[outcome] for report in reports) for outcome in Outcome}
    blocked = sum(len(report.blocked) for report in reports)
    counts = " ".join(f"{outcome.value}={count}" for outcome, count in totals.items())
    return f"SUMMARY {counts} blocked={blocked} total={sum(totals.values()) + blocked} duration={seconds:.3f}s"


def as_json(reports: Sequence[AssetReport], *, dry_run: bool) -> dict[str, Any]:
    """Return the reports as JSON values."""
    return {"dry_run": dry_run, "assets": [_asset_json(report) for report in reports]}


def _asset_json(report: AssetReport) -> dict[str, Any]:
    return {
        "asset": report.key.to_user_string(),
        "planned": [{"trade_date": p.trade_date, "state": p.state.value, "why": p.why} for p in report.planned],
        "outcomes": {outcome.value: count for outcome, count in report.counts().items()},
        "days": [
            {
                "trade_date": r.trade_date,
                "outcome": r.outcome.value,
                "rows": r.rows,
                "size_bytes": r.size_bytes,
                "fingerprint": r.fingerprint,
                "content_hash": r.content_hash,
                "complete": r.complete,
                "synthetic": r.synthetic,
                "error": None if r.error is None else r.error.as_dict(),
                "parts": [
                    {
                        "symbol": p.symbol,
                        "outcome": p.result.outcome.value,
                        "rows": p.result.rows,
                        "paid_usd": p.cost_usd,
                    }
                    for p in r.parts
                ],
            }
            for r in report.results
        ],
        "seconds": round(report.seconds, 3),
    }
