"""Refuse files above 500 KB, which are data or build products; used by pre-commit and by the tests."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

LIMIT_BYTES = 500_000


def findings(paths: Iterable[Path]) -> list[str]:
    """Return one line per file that is too large."""
    sizes = [(path, path.stat().st_size) for path in paths if path.is_file()]
    return [f"{path}: {size:,} bytes, at most {LIMIT_BYTES:,}" for path, size in sizes if size > LIMIT_BYTES]


if __name__ == "__main__":
    problems = findings(Path(name) for name in sys.argv[1:])
    sys.stderr.write("".join(f"{problem}\n" for problem in problems))
    sys.exit(bool(problems))
