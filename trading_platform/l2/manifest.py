"""The manifest of level 2 tasks and its summary, as files for other tools.

Belongs here: lines, their order, what is appended, the legacy words. Does not belong here: events (``cli/commands/l2_reports.py`` reads
them).

``backfill_l2_manifest.jsonl`` only grows: lines that are there stay as they are, byte by byte, and a task that stands there as it is now is
not written again. New lines are ordered by day and symbol. ``backfill_l2_summary.json`` is about the tasks as they are now.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from ..errors import QualityError
from ..lake.building import Outcome

MANIFEST_NAME: Final = "backfill_l2_manifest.jsonl"
SUMMARY_NAME: Final = "backfill_l2_summary.json"
# What readers of earlier files know: UNAVAIL for all that may come later, EMPTY for a day without a session.
LEGACY: Final[Mapping[str, str]] = {
    "DEGRADED": "WARN",
    "CLOSED": "EMPTY",
    "PENDING": "UNAVAIL",
    "MISSING": "UNAVAIL",
}
_NEW_YORK: Final = ZoneInfo("America/New_York")
_IDENTITY: Final = ("run_id", "symbol", "date", "outcome", "content_hash")


@dataclass(frozen=True, slots=True)
class ManifestTask:
    """One symbol and date as it is now.

    Attributes:
        symbol: first part of the asset key.
        trade_date: the day.
        outcome: one of the nine words.
        run_id: of the run that told the outcome; None if only the file is known.
        reason: why, for outcomes that have a reason.
        warnings: of vendor and checks.
        window: wanted window, UTC; None if not known.
        rows: stored by this task.
        path: file of the task; None without one.
        sha256: of that file; None without one.
        content_hash: of its values.
        duration_ms: wall time of the task; None if not known.
        vendor_symbol: as it was asked for; dataset, schema and condition as the vendor has them.
        cost_usd: what its raw files cost when they were bought.
        attempts: of the paid calls; request_id the vendor's number of the last one.
        synthetic: the rows were generated.
    """

    symbol: str
    trade_date: date
    outcome: str
    run_id: str | None = None
    reason: str | None = None
    warnings: tuple[str, ...] = ()
    window: tuple[str, str] | None = None
    rows: int = 0
    path: str | None = None
    sha256: str | None = None
    content_hash: str | None = None
    duration_ms: float | None = None
    vendor_symbol: str | None = None
    raw_symbol: str | None = None
    dataset: str | None = None
    schema: str | None = None
    condition: str | None = None
    cost_usd: float | None = None
    attempts: int | None = None
    request_id: str | None = None
    synthetic: bool = False

    def as_line(self) -> dict[str, Any]:
        """Return the line of the manifest."""
        values = asdict(self)
        del values["trade_date"]
        window = None if self.window is None else dict(zip(("start", "end"), self.window, strict=True))
        known = {
            "run_id": values.pop("run_id"),
            "symbol": values.pop("symbol"),
            "date": self.trade_date.isoformat(),
            "status": self.outcome,
            "outcome": values.pop("outcome"),
            "legacy_status": LEGACY.get(self.outcome, self.outcome),
        }
        zero_rows = self.path is not None and self.rows == 0
        return {**known, **values, "warnings": list(self.warnings), "window": window, "zero_rows": zero_rows}


@dataclass(frozen=True, slots=True)
class Export:
    """What an export holds.

    Attributes:
        manifest: path of the manifest.
        summary: path of the summary.
        old_lines: lines that were there.
        new_lines: lines to append, in order.
        content: of the summary.
        kept: the old lines as they are.
    """

    manifest: Path
    summary: Path
    old_lines: int
    new_lines: tuple[str, ...]
    content: Mapping[str, Any]
    kept: bytes

    def write(self) -> None:
        """Write both files, each of them whole or not at all.

        Raises:
            QualityError: E477 they cannot be written.
        """
        try:
            self.manifest.parent.mkdir(parents=True, exist_ok=True)
            if self.new_lines or not self.manifest.exists():
                _replace(self.manifest, self.kept + "".join(f"{line}\n" for line in self.new_lines).encode())
            _replace(self.summary, (json.dumps(self.content, indent=1) + "\n").encode())
        except OSError as error:
            raise QualityError(
                "E477",
                f"the manifest cannot be written in {self.manifest.parent}: {error}",
                "the disk is full, the folder may not be written or is a file; lines that were there are intact",
                "tp l2 manifest --help",
            ) from error


def export_manifest(folder: Path, tasks: Iterable[ManifestTask], header: Mapping[str, Any]) -> Export:
    """Compare the tasks with the manifest of a folder; nothing is written yet.

    Args:
        folder: where the files are or will be.
        tasks: as they are now, in any order.
        header: fields of the summary that are not about tasks: run_id, concurrency, requested_window_et, …

    Raises:
        QualityError: E476 a line that is there is none of a manifest, or the file cannot be read.
    """
    ordered = sorted(tasks, key=lambda task: (task.trade_date, task.symbol))
    path = folder / MANIFEST_NAME
    kept, old = _stored(path)
    # Of each task the line that was written last: what was different in between is different now.
    latest = {(line["symbol"], line["date"]): _identity(line) for line in old}
    lines = [task.as_line() for task in ordered]
    new = [line for line in lines if latest.get((line["symbol"], line["date"])) != _identity(line)]
    content = {
        **header,
        **_summary(ordered),
        "manifest_lines": len(old) + len(new),
        "manifest_lines_new": len(new),
    }
    texts = tuple(json.dumps(line, allow_nan=False) for line in new)
    return Export(path, folder / SUMMARY_NAME, len(old), texts, content, kept)


def _summary(tasks: Sequence[ManifestTask]) -> dict[str, Any]:
    counts = Counter(task.outcome for task in tasks)
    durations_ms = [task.duration_ms for task in tasks]
    total_ms = _known_sum(durations_ms)
    # A day without rows is rarely bought, so that nothing is unknown where it has no cost.
    costs_usd = [task.cost_usd for task in tasks if task.rows or task.cost_usd is not None]
    windows = sorted({_window_et(task.window) for task in tasks if task.window is not None})
    return {
        "counts": {word.value: counts[word.value] for word in Outcome},
        "total_tasks": len(tasks),
        "zero_row_tasks": [[t.symbol, t.trade_date.isoformat()] for t in tasks if t.path is not None and not t.rows],
        "errors": [
            {"symbol": task.symbol, "date": task.trade_date.isoformat(), "error": task.reason}
            for task in tasks
            if task.outcome == Outcome.ERROR
        ],
        "duration_sec": None if total_ms is None else round(total_ms / 1_000, 3),
        "tasks_without_duration": durations_ms.count(None),
        "cost_usd": _known_sum(costs_usd),
        "tasks_without_cost": costs_usd.count(None),
        "synthetic": any(task.synthetic for task in tasks),
        # Several where shares and futures are mixed.
        "effective_window_et": windows[0] if len(windows) == 1 else windows or None,
    }


def _known_sum(values: Sequence[float | None]) -> float | None:
    """Return the sum of what is known: 0 of no values at all, None if not one of them is known."""
    known = [value for value in values if value is not None]
    return sum(known, start=0.0) if known or not values else None


def _window_et(window: tuple[str, str]) -> str:
    start, end = (datetime.fromisoformat(edge).astimezone(_NEW_YORK) for edge in window)
    return f"{start:%H:%M}-{end:%H:%M}"


def _identity(line: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(line.get(name) for name in _IDENTITY)


def _stored(path: Path) -> tuple[bytes, list[dict[str, Any]]]:
    """Return the bytes of a manifest, ending with a whole line, and its lines."""
    try:
        content = path.read_bytes() if path.exists() else b""
        lines = [json.loads(line) for line in content.splitlines() if line.strip()]
        if not all(isinstance(line, dict) and {"symbol", "date"} <= line.keys() for line in lines):
            raise ValueError("a line is no object with symbol and date")
    except (OSError, ValueError) as error:
        raise QualityError(
            "E476",
            f"{path} is no manifest: {error}",
            "lines that are there are kept, so a file of another kind or a damaged one is not touched; move it or name another folder",
            "tp l2 manifest --help",
        ) from error
    return (content if not content or content.endswith(b"\n") else content + b"\n"), lines


def _replace(path: Path, content: bytes) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
