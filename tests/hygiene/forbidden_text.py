"""Refuse secrets and paths of one machine in tracked files; used by pre-commit and by the tests."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from pathlib import Path

PATTERNS = {
    "a private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----"),
    "a DataBento key": re.compile(r"\bdb-[A-Za-z0-9]{29}\b"),
    "a cloud access key": re.compile(r"\bAKIA[0-9A-Z]{16}\b"),
    "a home folder of one machine": re.compile(r"(?<![\w.])/(?:home|Users)/[a-z][\w.-]*/"),
}


def findings(paths: Iterable[Path]) -> list[str]:
    """Return one line per finding."""
    found = []
    for path in paths:
        try:
            text = path.read_text(encoding="utf-8")
        except (UnicodeDecodeError, IsADirectoryError):
            continue
        for number, line in enumerate(text.splitlines(), 1):
            found += [f"{path}:{number}: {name}" for name, pattern in PATTERNS.items() if pattern.search(line)]
    return found


if __name__ == "__main__":
    problems = findings(Path(name) for name in sys.argv[1:])
    sys.stderr.write("".join(f"{problem}\n" for problem in problems))
    sys.exit(bool(problems))
