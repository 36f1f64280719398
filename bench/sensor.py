"""Benchmark: what a look of the sensor for source files costs, on first sight of a large folder and when nothing has changed."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .measure import TMP, Settings, Variant, measure
from .report import Line, Result

NAME = "sensor"
FILES, FILE_BYTES = 200, 50_000_000
FIRST, UNCHANGED, APPENDED = (
    "first sight of the folder",
    "nothing has changed",
    "every file has one record more, nothing is stored",
)
_ROOTS = ("ES", "MNQ", "NQ", "MES", "RTY", "M2K", "YM", "MYM", "CL", "GC")
_MONTHS = "HMUZ"
_REPETITIONS = 5


def run(settings: Settings) -> Result:
    """Measure."""
    files = settings.size(FILES)
    folder = TMP / f"sensor-{files}"
    arguments = {"folder": str(folder), "files": files}
    series = measure(
        [
            Variant(FIRST, "bench.sensor:first_sight", arguments),
            Variant(UNCHANGED, "bench.sensor:unchanged", arguments),
            Variant(APPENDED, "bench.sensor:appended", arguments),
        ],
        settings,
    )
    return Result(
        NAME,
        f"{files} sparse .scid files of {FILE_BYTES / 1e6:g} MB each ({files * FILE_BYTES / 1e9:g} GB) of {len(_ROOTS)} active roots; "
        "the whole tick as the daemon calls it: resources, listing, stat, cursor in and out. Slowest of "
        f"{_REPETITIONS} for unchanged ticks.",
        list(series.values()),
        [
            Line("first sight, wall", series[FIRST].median("wall_s"), "s", at_most=5.0),
            Line("unchanged, wall of the slowest tick", series[UNCHANGED].median("slowest_s"), "s", at_most=0.3),
            Line("all files appended, wall", series[APPENDED].median("wall_s"), "s"),
            Line("cursor per file", series[FIRST].median("cursor_bytes_per_file"), "bytes"),
        ],
    )


def first_sight(folder: str, files: int) -> Callable[[], dict[str, Any]]:
    """Prepare a look without memory."""
    look = _look_at(Path(folder), files)

    def work() -> dict[str, Any]:
        cursor, requests = look(None)
        if requests:
            raise ValueError(f"Expected no request, was {requests}")
        return {"cursor_bytes_per_file": len(cursor.encode()) / files}

    return work


def unchanged(folder: str, files: int) -> Callable[[], dict[str, Any]]:
    """Prepare looks at files that are as they were."""
    look = _look_at(Path(folder), files)
    cursor, _ = look(None)

    def work() -> dict[str, Any]:
        times_s = []
        for _ in range(_REPETITIONS):
            started = time.perf_counter()
            look(cursor)
            times_s.append(time.perf_counter() - started)
        return {"slowest_s": max(times_s)}

    return work


def appended(folder: str, files: int) -> Callable[[], dict[str, Any]]:
    """Prepare a look at files that all grew by a record of a day that they knew."""
    look = _look_at(Path(folder), files)
    cursor, _ = look(None)
    for path in Path(folder, "sierra").iterdir():
        with path.open("ab") as file:
            file.write(_record(path))

    def work() -> dict[str, Any]:
        look(cursor)
        return {}

    return work


def _look_at(folder: Path, files: int) -> Callable[[str | None], tuple[str, int]]:
    import dagster as dg

    from assets.builders import RESOURCE_KEYS
    from definitions import build_defs
    from trading_platform.home import create_home

    shutil.rmtree(folder, ignore_errors=True)
    home = create_home(folder / "home", sierra_dir=folder / "sierra")
    home.instruments_toml.write_text(f"active = [{', '.join(repr(root) for root in _ROOTS)}]\n", encoding="utf-8")
    _write_files(folder / "sierra", files)
    defs = build_defs(home)
    sensor, repository = defs.resolve_sensor_def("new_files"), defs.get_repository_def()
    instance = dg.DagsterInstance.ephemeral()
    resources = {name: (defs.resources or {})[name] for name in RESOURCE_KEYS}

    def look(cursor: str | None) -> tuple[str, int]:
        with dg.build_sensor_context(
            instance=instance, cursor=cursor, repository_def=repository, resources=resources
        ) as context:
            result = sensor.evaluate_tick(context)
        return result.cursor or "", len(result.run_requests or [])

    return look


def _write_files(folder: Path, files: int) -> None:
    """Write sparse files: a record at the head, a hole, 64 KiB of records at the end."""
    from trading_platform.simulation.scid import scid_header

    folder.mkdir(parents=True)
    for number in range(files):
        root, at = _ROOTS[number % len(_ROOTS)], number // len(_ROOTS)
        path = folder / f"{root}{_MONTHS[at % 4]}{20 + at // 4}_FUT_CME.scid"
        end = 56 + FILE_BYTES // 40 * 40
        with path.open("wb") as file:
            file.write(scid_header() + _record(path))
            os.truncate(file.fileno(), end - 2_000 * 40)
            file.seek(0, os.SEEK_END)
            file.write(_record(path) * 2_000)


def _record(path: Path) -> bytes:
    """Return a synthetic trade in the month before the contract's expiry month."""
    import struct
    from datetime import UTC, datetime

    stem = path.name.partition("_")[0]
    year, month = 2000 + int(stem[-2:]), "FGHJKMNQUVXZ".index(stem[-3]) + 1
    at = datetime(year, month, 3, 15, tzinfo=UTC) - datetime(1899, 12, 30, tzinfo=UTC)
    return struct.pack(
        "<q4f4I", at.days * 86_400_000_000 + at.seconds * 1_000_000, 0.0, 101.0, 100.0, 100.0, 1, 1, 0, 1
    )
