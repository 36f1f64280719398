"""Benchmark 3: ``tp backfill`` over a range that is current, and the rate at which ``--verify`` hashes."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .data import LAST_DATE, open_days, scid_file, ticks_builder
from .measure import REPOSITORY, TMP, Settings, Variant, measure, prepare
from .measure import run as run_variant
from .report import Line, Result

NAME = "current_range"
DAYS, TICKS_PER_DAY = 250, 600
RECORDS, TRADE_DATES = 20_000_000, 30
ASSETS = ("MNQ/ticks", "MNQ/bars_1s", "MNQ/bars_1m")
CURRENT, VERIFY, HELP = "tp backfill, all current", "tp backfill --verify, all current", "tp --help"
HASH, PLAIN = "ours: hash_sources(verify=True)", "plain: sha256 of the whole file"

Work = Callable[[], dict[str, Any]]


def run(settings: Settings) -> Result:
    """Measure."""
    days = settings.size(DAYS)
    folder = TMP / f"home-{days}"
    made = prepare("bench.data:make_home", folder=str(folder), days=days, ticks_per_day=TICKS_PER_DAY)
    environment = {"TP_HOME": str(folder / "home"), "DAGSTER_HOME": str(folder / "home" / "dagster")}
    backfill = ("backfill", *ASSETS, "--from", made["first"], "--to", LAST_DATE.isoformat())
    first = run_variant(_tp("first backfill", backfill, environment))
    settings.say(f"  first backfill of {days} days x {len(ASSETS)} assets: {first.wall_s:.1f} s")
    commands = measure(
        [
            _tp(CURRENT, backfill, environment),
            _tp(VERIFY, (*backfill, "--verify"), environment),
            _tp(HELP, ("--help",), environment),
        ],
        settings,
    )
    hashes, records = _measure_hashing(settings)
    current, hashed, plain = commands[CURRENT], hashes[HASH], hashes[PLAIN]
    return Result(
        NAME,
        f"{days} current days: {', '.join(ASSETS)} ({TICKS_PER_DAY} ticks a day), whole process; hashing of {records / 1e6:g} M records.",
        [*commands.values(), *hashes.values()],
        [
            Line(
                "tp backfill, whole process",
                current.median("wall_s"),
                "s",
                at_most=3.0,
                noisy=current.is_noisy_in_wall_time,
            ),
            Line("tp backfill, CPU of the whole process", current.median(), "s", noisy=current.is_noisy),
            Line("tp backfill --verify, whole process", commands[VERIFY].median("wall_s"), "s"),
            Line("tp --help, whole process", commands[HELP].median("wall_s"), "s"),
            Line("first backfill of the range, whole process", first.wall_s, "s"),
            Line("--verify, per CPU second", _rate(hashed), "GB", at_least=1.2, noisy=hashed.is_noisy),
            Line("plain sha256, per CPU second", _rate(plain), "GB", noisy=plain.is_noisy),
        ],
    )


def _measure_hashing(settings: Settings) -> tuple[Any, int]:
    records, dates = settings.size(RECORDS), settings.size(TRADE_DATES)
    file = scid_file(records, dates)
    prepare("bench.data:read_all", path=str(file))
    arguments = {"scid": str(file), "trade_dates": dates}
    variants = [
        Variant(HASH, "bench.current_range:hash_days", arguments),
        Variant(PLAIN, "bench.current_range:hash_file", arguments),
    ]
    return measure(variants, settings), records


def _tp(name: str, arguments: tuple[str, ...], environment: dict[str, str]) -> Variant:
    command = (sys.executable, "-m", "trading_platform.cli", *arguments)
    return Variant(name, command=command, environment={**environment, "PYTHONPATH": str(REPOSITORY)})


def _rate(series: Any) -> float:
    return float(series.median("bytes") / series.median() / 1e9)


def hash_days(scid: str, trade_dates: int) -> Work:
    """Prepare the hashing of every day as ``--verify`` does it, days planned before."""
    builder = ticks_builder(Path(scid), TMP / "verify" / "lake", TMP / "verify" / "cache")
    plans = [builder.plan(day) for day in open_days(trade_dates)]

    def work() -> dict[str, Any]:
        for plan in plans:
            builder.hash_sources(plan, verify=True)
        return {"bytes": Path(scid).stat().st_size}

    return work


def hash_file(scid: str, trade_dates: int) -> Work:  # noqa: ARG001 same arguments for all variants
    """Prepare the least possible: the digest of the file."""
    import hashlib

    def work() -> dict[str, Any]:
        with Path(scid).open("rb") as file:
            hashlib.file_digest(file, "sha256")
        return {"bytes": Path(scid).stat().st_size}

    return work
