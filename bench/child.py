"""The process in which one variant runs: ``python -m bench.child module:function JSON ANSWER``.

Belongs here: the measurement from inside. Imports and preparation come before the clock starts; the peak of resident memory is reset at
that moment (Linux), so that the memory of the work can be told from that of the imports.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import resource
import sys
import time
from pathlib import Path


def main(function: str, arguments: str, answer: str) -> None:
    """Prepare, measure, answer."""
    # pandera imports hypothesis wherever it is installed; a user's installation has none.
    sys.modules["hypothesis"] = None  # type: ignore[assignment]
    module, name = function.split(":")
    work = getattr(importlib.import_module(module), name)(**json.loads(arguments))
    gc.collect()
    before_bytes = _status_bytes("VmRSS:")
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    usage, started = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    values = work() or {}
    wall_s, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_SELF)
    measured = {
        "user_s": after.ru_utime - usage.ru_utime,
        "system_s": after.ru_stime - usage.ru_stime,
        "wall_s": wall_s,
        "work_peak_bytes": max(0, _status_bytes("VmHWM:") - before_bytes),
        "values": values,
    }
    Path(answer).write_text(json.dumps(measured), encoding="utf-8")


def _status_bytes(name: str) -> int:
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
            if line.startswith(name):
                return int(line.split()[1]) * 1024
    return 0


if __name__ == "__main__":
    main(*sys.argv[1:])
