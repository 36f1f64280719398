"""The command line as people call it, and one small demo home that all tests of it share."""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from trading_platform import home as home_folder
from trading_platform import simulation
from trading_platform.cli import main
from trading_platform.errors import PlatformError
from trading_platform.simulation.databento import StandInMarket

# Two stretches of trade dates: the roll from H25 to M25 on Monday, and Good Friday, which is closed.
DATES = (date(2025, 3, 14), date(2025, 3, 17), date(2025, 4, 18))
TICKS_PER_DAY = 1_500


@dataclass(frozen=True)
class Called:
    """What a command left behind: exit code, standard output, standard error, and the numbered error if there was one."""

    code: int
    out: str
    err: str
    error: PlatformError | None

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def call(*arguments: str | Path, home: Path | None = None) -> Called:
    """Run ``tp`` in this process through its entry point; the environment is as before afterwards."""
    out, err = io.StringIO(), io.StringIO()
    error: PlatformError | None = None
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        patch.setattr(sys, "argv", ["tp", *map(str, arguments)])
        for name in [*os.environ]:
            if name.startswith("TP_") and name != "TP_LOG_LEVEL":
                patch.delenv(name)
        patch.setenv("TP_HOME", "")
        patch.delenv("TP_HOME")
        patch.setenv("DAGSTER_HOME", "")
        if home is not None:
            patch.setenv("TP_HOME", str(home))
        with pytest.raises(SystemExit) as exited:
            main()
        if isinstance(exited.value.__cause__, PlatformError):
            error = exited.value.__cause__
    code = exited.value.code
    return Called(code if isinstance(code, int) else 0 if code is None else 1, out.getvalue(), err.getvalue(), error)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder that has no home above it."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@contextlib.contextmanager
def small_demo() -> Iterator[None]:
    """Let ``tp demo`` write a few thousand ticks instead of a million."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(simulation, "DEMO_DATES", DATES)
        patch.setattr(simulation, "DEMO_GEX_DATES", DATES[:2])
        small = partial(simulation.write_demo_archive, trade_dates=DATES, ticks_per_full_day=TICKS_PER_DAY)
        patch.setattr(simulation, "write_demo_archive", small)
        patch.setattr(simulation, "DEMO_L2_DATES", DATES[:1])
        market = partial(StandInMarket.of_demo, ticks_per_full_day=TICKS_PER_DAY)
        patch.setattr(StandInMarket, "of_demo", market)
        yield


@dataclass(frozen=True)
class Demo:
    """A finished demo home and what ``tp demo`` said when it made it."""

    home: Path
    called: Called


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    """Return a home made by ``tp demo``; tests only read it."""
    home = tmp_path_factory.mktemp("demo") / "home"
    with small_demo():
        return Demo(home, call("demo", "--home", home))


@pytest.fixture
def real_home(tmp_path: Path) -> Path:
    """Return an empty home for real data with MNQ active."""
    home = tmp_path / "home"
    home_folder.create_home(home)
    (home / "instruments.toml").write_text('# mine\nactive = ["MNQ"]\n', encoding="utf-8")
    return home


def listing(folder: Path) -> dict[str, int]:
    """Return every file below a folder with its time of modification, to show that nothing was touched."""
    return {str(path): path.stat().st_mtime_ns for path in sorted(folder.rglob("*"))}
