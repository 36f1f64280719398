"""Benchmark 6: ``tp status`` over a large lake: whole process, everything asked of the disk and of the run history every time."""

from __future__ import annotations

import json
import shutil
import sqlite3
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .measure import REPOSITORY, TMP, Settings, Variant, measure, prepare
from .measure import run as run_variant
from .report import Line, Result

if TYPE_CHECKING:
    from trading_platform.lake import DatasetContract, Outcome, SourceSlice

NAME = "status"
SYMBOLS, DAYS = 24, 2_600
LAST_DATE = date(2025, 11, 14)
PLANTED_EVERY = 997
"""One day in so many is planted with something to say: partial, refused records, a failed refresh, no file, an attempt that failed."""

ALL, DEFAULT, JSON = "tp status, all days", "tp status, 60 days", "tp status --json, all days"

Work = Callable[[], dict[str, Any]]


def run(settings: Settings) -> Result:
    """Measure."""
    days = settings.size(DAYS)
    home = TMP / f"status-{days}"
    made = prepare("bench.status:make_home", home=str(home), days=days)
    environment = {"TP_HOME": str(home), "DAGSTER_HOME": str(home / "dagster")}
    whole = ("status", "--from", made["first"], "--to", LAST_DATE.isoformat())
    shutil.rmtree(home / "cache" / "coverage", ignore_errors=True)
    cold = run_variant(_tp("first look", whole, environment))
    settings.say(f"  first look at {made['partitions']:,} partitions: {cold.wall_s:.1f} s")
    series = measure(
        [
            _tp(ALL, whole, environment),
            _tp(JSON, (*whole, "--json"), environment),
            _tp(DEFAULT, ("status", "--to", LAST_DATE.isoformat()), environment),
        ],
        settings,
    )
    warm = series[ALL]
    return Result(
        NAME,
        f"{made['rows']} rows ({SYMBOLS} symbols x {made['rows'] // SYMBOLS} datasets) x {days} days = {made['partitions']:,} partitions, "
        f"one in {PLANTED_EVERY} with something to say; short events, so the history is smaller than a real one.",
        list(series.values()),
        [
            Line("tp status, whole process", warm.median("wall_s"), "s", at_most=3.0, noisy=warm.is_noisy_in_wall_time),
            Line("tp status, CPU of the whole process", warm.median(), "s", noisy=warm.is_noisy),
            Line("tp status --json, whole process", series[JSON].median("wall_s"), "s"),
            Line("tp status of the last 60 days, whole process", series[DEFAULT].median("wall_s"), "s"),
            Line("first look, nothing remembered, whole process", cold.wall_s, "s"),
        ],
    )


def _tp(name: str, arguments: tuple[str, ...], environment: dict[str, str]) -> Variant:
    command = (sys.executable, "-m", "trading_platform.cli", *arguments)
    return Variant(name, command=command, environment={**environment, "PYTHONPATH": str(REPOSITORY)})


def make_home(home: str, days: int) -> Work:
    """Create a home with many stored partitions without rows and a run history that knows them."""

    def work() -> dict[str, Any]:
        import dagster as dg

        from assets.coverage import series_of
        from trading_platform.cli.platform import load_definitions, prepare_dagster_home
        from trading_platform.home import create_home
        from trading_platform.instruments import load_registry
        from trading_platform.sessions import first_of_last, weekdays_between

        root = Path(home)
        dates = weekdays_between(first_of_last(LAST_DATE, days), LAST_DATE)
        answer = root / "made.json"
        made = create_home(root)
        made.instruments_toml.write_text(_instruments(), encoding="utf-8")
        prepare_dagster_home(made)
        rows = series_of(load_definitions(made).resolve_all_asset_specs(), load_registry(made.instruments_toml))
        values = {"first": dates[0].isoformat(), "rows": len(rows), "partitions": len(rows) * len(dates)}
        # Made by other code, every partition would be stale, and something else would be measured.
        content = json.dumps({**values, "series": [row.as_dict() for row in rows]})
        if answer.is_file() and answer.read_text(encoding="utf-8") == content:
            return values
        for folder in (made.lake_dir, made.dagster_dir / "history", made.cache_dir):
            shutil.rmtree(folder, ignore_errors=True)
        with dg.DagsterInstance.get() as instance:
            instance.event_log_storage.get_materialized_partitions(dg.AssetKey("nothing"))
        for dataset in sorted({row.dataset for row in rows}):
            symbols = [row.symbol for row in rows if row.dataset == dataset]
            upstream = next(row.upstream for row in rows if row.dataset == dataset)
            _write_files(made.lake_dir, dataset, symbols, [name.partition("/")[2] for name in upstream], dates)
        _write_events(made.dagster_dir, [(row.symbol, row.dataset) for row in rows], dates)
        answer.write_text(content, encoding="utf-8")
        return values

    return work


def _instruments() -> str:
    """Return synthetic futures that differ in nothing but their symbol, all of one length."""
    symbols = [f"S{number:02d}" for number in range(SYMBOLS)]
    names = ", ".join(f'"{symbol}"' for symbol in symbols)
    tables = [
        f'[instruments.{symbol}]\nname = "Synthetic {symbol}"\nkind = "future"\nexchange = "CME"\ncalendar = "CME_EQUITY"\n'
        'tick_size = 0.25\nmultiplier_usd = 50\nmonths = "HMUZ"\nprice_band = [1000, 20000]\nallows_negative = false\n'
        'roll = { anchor = "third_friday", weekdays_before = 4 }\n'
        for symbol in symbols
    ]
    return f"active = [{names}]\n\n" + "\n".join(tables)


def _write_files(lake: Path, dataset: str, symbols: list[str], upstream: list[str], dates: list[date]) -> None:
    """Write one real file per day and copy it for each symbol, with the symbol's name in the names of its sources."""
    from trading_platform.lake import CONTRACTS, Outcome, SourceSlice
    from trading_platform.sessions import calendar_for

    contract, calendar = CONTRACTS[dataset], calendar_for("CME_EQUITY")
    placeholder = "S__"
    for number, day in enumerate(dates):
        session = calendar.session(day)
        sources = [SourceSlice(f"{placeholder}/{name}", _content(name, day)) for name in upstream if session.is_open]
        outcome = Outcome.WRITE if session.is_open else Outcome.CLOSED
        bodies = {
            kind: _file(contract, outcome, session.resolved(), sources, day, kind) for kind in ("whole", "refused")
        }
        for index, symbol in enumerate(symbols):
            kind = _plant(number, index)
            if kind not in ("gone", "failed"):
                folder = lake / contract.folder / f"symbol={symbol}" / f"date={day}"
                folder.mkdir(parents=True)
                body = bodies["refused" if kind == "refused" else "whole"]
                (folder / "part-0.parquet").write_bytes(body.replace(placeholder.encode(), symbol.encode()))


def _plant(number: int, index: int) -> str:
    at = number * SYMBOLS + index
    return (
        ("partial", "refused", "gone", "failed", "refresh")[at // PLANTED_EVERY % 5] if at % PLANTED_EVERY == 0 else ""
    )


def _content(dataset: str, day: date) -> str:
    import hashlib

    return hashlib.sha256(f"{dataset} {day}".encode()).hexdigest()[:32]


def _file(
    contract: DatasetContract, outcome: Outcome, session: Any, sources: list[SourceSlice], day: date, kind: str
) -> bytes:
    import pyarrow.parquet as pq

    from trading_platform.lake.footer import FooterFields, encode_footer

    code_version = _code_version(contract.name)
    rejected = {"zero_volume": 3} if kind == "refused" else {}
    reason = None if outcome.value == "WRITE" else "Holiday"
    fields = FooterFields(
        _content("any", day) * 2, code_version, outcome, session, tuple(sources), reason, {}, rejected, synthetic=True
    )
    target = BytesIO()
    with pq.ParquetWriter(target, contract.arrow_schema) as writer:
        writer.add_key_value_metadata(encode_footer(contract, fields, 0, _content(contract.name, day)))
    return target.getvalue()


def _code_version(dataset: str) -> str:
    from definitions import build_defs  # noqa: F401 the asset graph is loaded anyway
    from trading_platform.bars import BarsBuilder
    from trading_platform.depth import DepthMetricsBuilder
    from trading_platform.sierra import TicksBuilder
    from trading_platform.sierra.depth import DepthEventsBuilder

    builders: dict[str, Any] = {
        "ticks": TicksBuilder,
        "depth_events": DepthEventsBuilder,
        "depth_metrics": DepthMetricsBuilder,
    }
    return str(builders.get(dataset, BarsBuilder).CODE_VERSION)


def _write_events(dagster_dir: Path, rows: list[tuple[str, str]], dates: list[date]) -> None:
    """Insert two materializations per day, as Dagster does, and what was planted."""
    database = sqlite3.connect(dagster_dir / "history" / "runs" / "index.db")
    with database:
        database.executemany(
            "INSERT INTO event_logs (run_id, event, dagster_event_type, timestamp, asset_key, partition) VALUES (?, ?, ?, ?, ?, ?)",
            _events(rows, dates),
        )
    database.close()


def _events(rows: list[tuple[str, str]], dates: list[date]) -> Iterator[tuple[Any, ...]]:
    made = _event("materialization", {"outcome": "WRITE"}, complete=True)
    partial = _event("materialization", {"outcome": "WRITE"}, complete=False)
    failed = _event(
        "asset_observation", {"outcome": "ERROR", "error": "E210 there is no file of the contract\nwhy:  -\nnext: -"}
    )
    now = str(datetime(2025, 11, 17, tzinfo=UTC))
    symbols = sorted({symbol for symbol, _ in rows})
    for symbol, dataset in rows:
        key = json.dumps([symbol, dataset])
        for number, day in enumerate(dates):
            kind = _plant(number, symbols.index(symbol))
            if kind != "failed":
                event = (partial if kind == "partial" else made, "ASSET_MATERIALIZATION")
                yield from [("run", *event, now, key, day.isoformat())] * 2
            if kind in ("failed", "refresh"):
                yield ("run", failed, "ASSET_OBSERVATION", now, key, day.isoformat())


def _event(kind: str, texts: dict[str, str], *, complete: bool | None = None) -> str:
    entries: list[dict[str, Any]] = [{"label": name, "entry_data": {"text": text}} for name, text in texts.items()]
    if complete is not None:
        entries.append({"label": "complete", "entry_data": {"value": complete}})
    return json.dumps({"dagster_event": {"event_specific_data": {kind: {"metadata_entries": entries}}}})
