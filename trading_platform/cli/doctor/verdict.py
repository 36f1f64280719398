"""What checks take and return.

Belongs here: the small types that all checks share. Does not belong here: the checks (``machine.py``, ``installation.py``, ``home.py``,
``gamma.py``, ``runs.py``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from ...errors import ConfigurationError, PlatformError
from ...home import Home, find_home
from ...settings import Settings, load_settings


class Status(StrEnum):
    """How a check ended."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    SKIP = "skip"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one check found.

    Attributes:
        status: how it ended.
        what: one sentence: what was found.
        next_command: the command that helps; None where there is nothing to do.
    """

    status: Status
    what: str
    next_command: str | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """A verdict with its check.

    Attributes:
        name: name of the check.
        status: how it ended.
        what: what was found.
        why: why it matters.
        next_command: the command that helps, or None.
    """

    name: str
    status: Status
    what: str
    why: str
    next_command: str | None


@dataclass(frozen=True)
class Situation:
    """Everything that checks look at.

    Attributes:
        now: the clock of the machine, UTC.
        working_directory: where ``.env`` and namesakes may lie.
        environment: variables of this process.
        repository: this checkout.
        settings: None if a setting does not fit its type.
        home: None if there is none, or it cannot be used.
        problem: why settings or home are None; None if there is just no home yet.
        port: port of the web UI.
    """

    now: datetime
    working_directory: Path
    environment: Mapping[str, str]
    repository: Path
    settings: Settings | None
    home: Home | None
    problem: PlatformError | None = None
    port: int = 3000

    @classmethod
    def of_this_process(cls, now: datetime, environment: Mapping[str, str], repository: Path) -> Situation:
        """Read settings and home; what is wrong with them becomes part of the situation."""
        settings: Settings | None = None
        home: Home | None = None
        problem: PlatformError | None = None
        try:
            settings = load_settings()
            home = find_home(settings)
        except ConfigurationError as error:
            problem = None if error.code == "E102" else error
        return cls(now, Path.cwd(), environment, repository, settings, home, problem)

    @property
    def known_home(self) -> Home:
        """Return the home, for checks that run only where there is one."""
        if self.home is None:
            raise ValueError("Expected a home, was none")
        return self.home

    @property
    def sierra_dir(self) -> Path | None:
        """Return the data folder: the setting, else that of the home."""
        if self.settings is not None and self.settings.sierra_dir is not None:
            return self.settings.sierra_dir
        return None if self.home is None else self.home.sierra_dir

    @property
    def gex_dir(self) -> Path | None:
        """Return the folder with history files of the gamma feed, as assets see it."""
        return self._gamma_folder("gex_dir")

    @property
    def chain_dir(self) -> Path | None:
        """Return the folder with saved option chains, as assets see it."""
        return self._gamma_folder("chain_dir")

    def _gamma_folder(self, name: str) -> Path | None:
        """Return the setting, else the folder of the home; a demo reads its own folders alone."""
        recorded: Path | None = None if self.home is None else getattr(self.home, name)
        named: Path | None = None if self.settings is None else getattr(self.settings, name)
        is_demo = self.home is not None and self.home.is_demo
        return recorded if is_demo else named or recorded


def ok(what: str) -> Verdict:
    """Return a verdict that needs no one."""
    return Verdict(Status.OK, what)
