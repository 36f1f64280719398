"""Numbered errors: what happened, why, and the command to run next.

Belongs here: the error classes. The catalogue (number, cause, remedy, next command) is ``docs/errors.md``; a test compares it with every
raise in the code. Does not belong here: handling. Errors are translated where a foreign library ends (``raise ... from error``).

Families: 1xx configuration, 2xx source files, 3xx vendors, 4xx schema and quality, 5xx lake, 6xx execution.
"""

from __future__ import annotations

import shlex


def command(*parts: object) -> str:
    """Return a command line that a shell reads back as these parts, for ``next_command``.

    Args:
        parts: program, options and values; a path with spaces or a pattern such as ``MNQ/*`` is quoted.
    """
    return shlex.join(str(part) for part in parts)


class PlatformError(Exception):
    """An error that tells a person what to do.

    Args:
        code: catalogue number such as ``"E207"``.
        what: one sentence: what was found, where, and what was expected.
        why: one sentence: the likely cause, and what state is left behind.
        next_command: the command that helps, ready to paste; it must exist.
    """

    family = ""

    def __init__(self, code: str, what: str, why: str, next_command: str) -> None:
        if not (len(code) == 4 and code[0] == "E" and code[1:].isdigit() and code.startswith(self.family)):
            raise ValueError(f"Expected a code of the family {self.family}xx, was {code!r}")
        super().__init__(code, what, why, next_command)
        self.code = code
        self.what = what
        self.why = why
        self.next_command = next_command

    def __str__(self) -> str:
        """Render the three lines that a person reads."""
        return f"{self.code} {self.what}\nwhy:  {self.why}\nnext: {self.next_command}"

    def as_dict(self) -> dict[str, str]:
        """Return the error for ``--json`` output and Dagster metadata."""
        return {"code": self.code, "what": self.what, "why": self.why, "next": self.next_command}


class ConfigurationError(PlatformError):
    """Settings, home folder, registry, rolls, calendars, wrong usage (E1xx)."""

    family = "E1"


class SourceError(PlatformError):
    """A source file cannot be used (E2xx)."""

    family = "E2"


class VendorError(PlatformError):
    """A vendor refuses, is not reachable or sends something else (E3xx)."""

    family = "E3"


class RefusedError(VendorError):
    """A request to a vendor, or what it sent, is refused on our side: over budget, not allowed, not what was asked for (E3xx)."""


class QualityError(PlatformError):
    """Data break their contract or a check (E4xx)."""

    family = "E4"


class LakeError(PlatformError):
    """Storage cannot be read, written or trusted (E5xx)."""

    family = "E5"


class ExecutionError(PlatformError):
    """A run cannot start, is held up, or ends with failed days (E6xx)."""

    family = "E6"
