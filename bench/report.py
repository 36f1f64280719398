"""What a benchmark says: targets with verdicts, tables, files.

Belongs here: the shape of results and how they are written. Does not belong here: measuring (``measure.py``).
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from .measure import MEGABYTE, NOISY_SPREAD, Series

RESULTS = Path(__file__).resolve().parent / "results"
_LEGEND = (
    "CPU is user plus system seconds of the work without imports, minimum / median / maximum; verdicts use medians. Peak is the largest "
    f"resident memory of the whole process, imports included. Noisy: maximum / minimum of the CPU above {NOISY_SPREAD}."
)
_LIBRARIES = ("numpy", "pyarrow", "polars", "pandas", "duckdb", "pandera", "dagster")


@dataclass(frozen=True)
class Line:
    """One measured number, with its target if it has one.

    Attributes:
        text: what it is.
        value: the number.
        unit: its unit.
        at_most: upper limit, or None.
        at_least: lower limit, or None.
        noisy: True if one of the runs behind it had too large a spread.
    """

    text: str
    value: float
    unit: str
    at_most: float | None = None
    at_least: float | None = None
    noisy: bool = False

    @property
    def target(self) -> str:
        """Return the target as text."""
        if self.at_most is not None:
            return f"<= {self.at_most:g} {self.unit}"
        return "" if self.at_least is None else f">= {self.at_least:g} {self.unit}"

    @property
    def verdict(self) -> str:
        """Return ``met``, ``MISSED`` or nothing, with ``noisy`` where it applies."""
        if self.at_most is None and self.at_least is None:
            return "noisy" if self.noisy else ""
        met = self.value <= self.at_most if self.at_most is not None else self.value >= (self.at_least or 0.0)
        return ("met" if met else "MISSED") + (", noisy" if self.noisy else "")


@dataclass(frozen=True)
class Result:
    """What one benchmark found.

    Attributes:
        name: short name for the command line.
        title: one sentence with the size.
        series: all runs of all variants.
        lines: numbers and targets.
        reference: name of the variant that ratios refer to.
    """

    name: str
    title: str
    series: Sequence[Series]
    lines: Sequence[Line]
    reference: str = ""


@dataclass
class Report:
    """The results of one run of ``make bench``.

    Attributes:
        date: ISO date.
        quick: True if sizes are a tenth.
        touched_bytes: memory touched before.
        load_before: load average of the last minute before the run; near the number of cores, CPU seconds are inflated.
        results: in the order of the benchmarks.
    """

    date: str
    quick: bool
    touched_bytes: int
    load_before: float
    results: list[Result] = field(default_factory=list)

    def environment(self) -> dict[str, Any]:
        """Return what a reader needs to judge the numbers; nothing that names the machine."""
        return {
            "cores": os.cpu_count(),
            "machine": platform.machine(),
            "python": platform.python_version(),
            "libraries": {name: version(name) for name in _LIBRARIES},
            "load_average_before": round(self.load_before, 1),
            "touched_memory_gb": round(self.touched_bytes / 1e9, 1),
            "quick": self.quick,
        }

    def save(self) -> Path:
        """Write ``<date>.json`` and ``latest.md``; a quick run writes neither, since its numbers are not comparable."""
        RESULTS.mkdir(exist_ok=True)
        path = RESULTS / f"{self.date}.json"
        content = {
            "date": self.date,
            "environment": self.environment(),
            "benchmarks": [_result_json(result) for result in self.results],
        }
        path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        (RESULTS / "latest.md").write_text(self.as_markdown(), encoding="utf-8")
        return path

    def as_markdown(self) -> str:
        """Return all tables as Markdown."""
        about = self.environment()
        libraries = ", ".join(f"{name} {number}" for name, number in about["libraries"].items())
        about_text = (
            f"{about['cores']} cores ({about['machine']}), Python {about['python']}, {libraries}; "
            f"{about['touched_memory_gb']} GB of memory touched first; load average "
            f"before the run {about['load_average_before']}. Synthetic data. Made by `make bench`."
        )
        text = [
            f"# Benchmarks of {self.date}",
            "",
            about_text,
            "",
            _LEGEND,
            "",
        ]
        for result in self.results:
            text += as_markdown(result)
        return "\n".join(text).rstrip() + "\n"


def as_markdown(result: Result) -> list[str]:
    """Return the tables of one benchmark as lines of Markdown."""
    lines = [f"## {result.name}", "", result.title, "", "| measured | value | target | verdict |", "|---|---|---|---|"]
    lines += [
        f"| {line.text} | {number(line.value)} {line.unit} | {line.target} | {line.verdict} |" for line in result.lines
    ]
    if result.series:
        lines += ["", *_variant_table(result), ""]
    return [*lines, ""]


def _variant_table(result: Result) -> list[str]:
    reference = next((series for series in result.series if series.name == result.reference), None)
    head = "| variant | CPU s min / median / max | user s | system s | wall s | process CPU s | peak MB | above imports MB |"
    rows = [f"{head} CPU ratio | memory ratio |", "|---|" + "---|" * 9]
    for series in result.series:
        cpu = series.of("cpu_s")
        cpu_ratio = memory_ratio = ""
        if reference is not None and reference.median() > 0:
            cpu_ratio = f"{series.median() / reference.median():.2f}"
            memory_ratio = f"{series.peak_bytes / reference.peak_bytes:.2f}"
        rows.append(
            f"| {series.name}{' (noisy)' if series.is_noisy else ''} | {min(cpu):.2f} / {series.median():.2f} / {max(cpu):.2f} "
            f"| {series.median('user_s'):.2f} | {series.median('system_s'):.2f} | {series.median('wall_s'):.2f} "
            f"| {series.median('process_cpu_s'):.2f} | {series.peak_bytes / MEGABYTE:,.0f} "
            f"| {_work_peak(series)} | {cpu_ratio} | {memory_ratio} |"
        )
    return rows


def _work_peak(series: Series) -> str:
    """Return megabytes above those before the work; nothing for commands, which are measured from outside."""
    peak_bytes = max(series.of("work_peak_bytes"))
    return f"{peak_bytes / MEGABYTE:,.0f}" if peak_bytes else ""


def number(value: float) -> str:
    """Return a number with about three significant digits."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def _result_json(result: Result) -> dict[str, Any]:
    return {
        "name": result.name,
        "title": result.title,
        "lines": [{**asdict(line), "target": line.target, "verdict": line.verdict} for line in result.lines],
        "variants": {
            series.name: {"noisy": series.is_noisy, "samples": [_numbers(asdict(sample)) for sample in series.samples]}
            for series in result.series
        },
    }


def _numbers(values: dict[str, Any]) -> dict[str, Any]:
    """Keep the numbers, rounded; texts are paths of this machine."""
    kept: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            kept[name] = _numbers(value)
        elif isinstance(value, int | float):
            kept[name] = round(value, 6)
    return kept
