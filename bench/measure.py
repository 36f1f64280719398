"""Run variants in processes of their own and collect what they cost.

Belongs here: processes, rounds, statistics. Does not belong here: what is measured, and how it is shown (``report.py``).

This module imports nothing large: on Linux a new process takes over the peak memory of the one that starts it, so a big parent would
hide the peak of every child.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

BENCH = Path(__file__).resolve().parent
REPOSITORY = BENCH.parent
TMP = BENCH / "tmp"
NOISY_SPREAD = 1.3
MEGABYTE = 1_000_000
_TOUCH_BYTES = 6_000_000_000
_TOUCH_NEEDS_BYTES = 8_000_000_000


@dataclass(frozen=True)
class Settings:
    """How to run the benchmarks.

    Attributes:
        quick: a tenth of the size, for development.
        rounds: how often each variant runs.
        say: takes one line of progress.
        known: numbers that a benchmark leaves for a later one.
    """

    quick: bool
    rounds: int
    say: Callable[[str], None]
    known: dict[str, float] = field(default_factory=dict)

    def size(self, full: int) -> int:
        """Return a size, a tenth of it in a quick run."""
        return full // 10 if self.quick else full


@dataclass(frozen=True)
class Sample:
    """One run of one variant.

    Attributes:
        user_s: user CPU of the work, without imports and preparation.
        system_s: system CPU of the work.
        wall_s: wall time of the work.
        process_cpu_s: CPU of the whole process, imports included.
        process_wall_s: wall time of the whole process.
        peak_bytes: peak resident memory of the whole process.
        work_peak_bytes: peak resident memory during the work above that before it; 0 where it is not known.
        values: what the variant itself reports.
    """

    user_s: float
    system_s: float
    wall_s: float
    process_cpu_s: float
    process_wall_s: float
    peak_bytes: int
    work_peak_bytes: int = 0
    values: Mapping[str, Any] = field(default_factory=dict)

    @property
    def cpu_s(self) -> float:
        """Return user plus system CPU of the work."""
        return self.user_s + self.system_s


@dataclass(frozen=True)
class Variant:
    """Something to be measured.

    Attributes:
        name: as shown in the tables.
        function: ``module:function``; called with the arguments it prepares and returns the work, a function without arguments.
        arguments: JSON values.
        reset: called before each run, not measured.
        command: measured as a whole instead of ``function``.
        environment: added to the environment of ``command``.
    """

    name: str
    function: str = ""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    reset: Callable[[], None] | None = None
    command: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Series:
    """All runs of one variant."""

    name: str
    samples: list[Sample] = field(default_factory=list)

    def of(self, attribute: str) -> list[float]:
        """Return an attribute of every sample, or a value that the variant reports."""
        return [
            float(sample.values[attribute] if attribute in sample.values else getattr(sample, attribute))
            for sample in self.samples
        ]

    def median(self, attribute: str = "cpu_s") -> float:
        """Return the median of an attribute."""
        return statistics.median(self.of(attribute))

    def spread(self, attribute: str = "cpu_s") -> float:
        """Return maximum by minimum."""
        values = self.of(attribute)
        return max(values) / min(values) if min(values) > 0 else 1.0

    @property
    def is_noisy(self) -> bool:
        """Tell whether the CPU seconds differ too much to be trusted."""
        return self.spread() > NOISY_SPREAD

    @property
    def is_noisy_in_wall_time(self) -> bool:
        """Tell whether the wall times differ too much to be trusted."""
        return self.spread("wall_s") > NOISY_SPREAD

    @property
    def peak_bytes(self) -> float:
        """Return the largest peak of all runs: memory has a worst case, not a typical one."""
        return max(self.of("peak_bytes"))


def measure(variants: Sequence[Variant], settings: Settings, rounds: int | None = None) -> dict[str, Series]:
    """Run every variant some times, interleaved, each round beginning with another one."""
    rounds = settings.rounds if rounds is None else rounds
    series = {variant.name: Series(variant.name) for variant in variants}
    for number in range(rounds):
        start = number % len(variants)
        for variant in (*variants[start:], *variants[:start]):
            sample = run(variant)
            series[variant.name].samples.append(sample)
            settings.say(
                f"  round {number + 1}/{rounds}  {variant.name:<44} cpu {sample.cpu_s:7.2f} s  wall {sample.wall_s:7.2f} s"
                f"  peak {sample.peak_bytes / MEGABYTE:7,.0f} MB"
            )
    return series


def run(variant: Variant) -> Sample:
    """Run a variant once in a process of its own.

    Raises:
        RuntimeError: it failed; its error output is in the message.
    """
    if variant.reset is not None:
        variant.reset()
    TMP.mkdir(exist_ok=True)
    answer = TMP / f"answer-{os.getpid()}.json"
    answer.unlink(missing_ok=True)
    command = variant.command or [
        sys.executable, "-m", "bench.child", variant.function, json.dumps(dict(variant.arguments)), str(answer)
    ]  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), **variant.environment}
    with (TMP / f"errors-{os.getpid()}.txt").open("w+", encoding="utf-8") as errors:
        started = time.perf_counter()
        process = subprocess.Popen(command, cwd=REPOSITORY, env=environment, stdout=subprocess.DEVNULL, stderr=errors)
        _, status, usage = os.wait4(process.pid, 0)
        wall_s = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            errors.seek(0)
            raise RuntimeError(f"{variant.name} ended with {process.returncode}:\n{errors.read()[-4000:]}")
    errors_path = TMP / f"errors-{os.getpid()}.txt"
    errors_path.unlink(missing_ok=True)
    cpu_s, peak_bytes = usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024
    if variant.command:
        return Sample(usage.ru_utime, usage.ru_stime, wall_s, cpu_s, wall_s, peak_bytes)
    work = json.loads(answer.read_text(encoding="utf-8"))
    answer.unlink()
    return Sample(**work, process_cpu_s=cpu_s, process_wall_s=wall_s, peak_bytes=peak_bytes)


def prepare(function: str, **arguments: Any) -> dict[str, Any]:
    """Run a function of ``bench`` in a process of its own, for inputs and comparisons, and return its values."""
    return dict(run(Variant(function, function, arguments)).values)


def touch_memory(say: Callable[[str], None]) -> int:
    """Touch memory once, so that the host backs it, and give it back.

    Returns:
        Bytes touched; 0 if less than 8 GB are free.
    """
    free = _available_bytes()
    if free < _TOUCH_NEEDS_BYTES:
        say(f"memory is not touched first: {free / 1e9:.1f} GB are free, 8 are needed; expect noise")
        return 0
    size = min(_TOUCH_BYTES, free - 2_000_000_000)
    code = f"block = bytearray({size})\nfor at in range(0, {size}, 4096): block[at] = 1"
    subprocess.run([sys.executable, "-c", code], check=True)
    say(f"touched {size / 1e9:.1f} GB of memory")
    return size


def _available_bytes() -> int:
    for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return 0
