"""Opening the platform from the command line: home, Dagster instance, definitions.

Belongs here: everything that must be true before assets can run: DAGSTER_HOME is the home's, its dagster.yaml is ours, and the module
``definitions`` is the one of this checkout and not a namesake in the working directory.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ConfigurationError, ExecutionError, command
from ..files import replace_file
from ..home import Home, find_home
from ..settings import load_settings, unknown_settings
from . import console

if TYPE_CHECKING:
    import dagster as dg

REPOSITORY = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Platform:
    """An opened installation.

    Attributes:
        home: its folder.
        instance: the Dagster instance that the web UI shows too.
        defs: assets, jobs and resources.
    """

    home: Home
    instance: dg.DagsterInstance
    defs: dg.Definitions


def locate_home() -> Home:
    """Find the home and warn of TP_ variables that nothing reads."""
    for name in unknown_settings():
        console.err.print(
            f"warning: {name} is set, but no setting has that name (tp config lists them)", style="yellow"
        )
    return find_home(load_settings())


def prepare_dagster_home(home: Home) -> None:
    """Point DAGSTER_HOME at the home and give it the repository's dagster.yaml.

    Raises:
        ExecutionError: E616 if the disk refuses.
    """
    wanted = (REPOSITORY / "dagster.yaml").read_bytes()
    target = home.dagster_dir / "dagster.yaml"
    try:
        if not target.is_file() or target.read_bytes() != wanted:
            replace_file(target, lambda file: file.write(wanted))
    except OSError as error:
        raise _history_unusable(home, error.strerror or str(error)) from error
    os.environ["DAGSTER_HOME"] = str(home.dagster_dir)
    os.environ["TP_HOME"] = str(home.path)


def put_repository_on_path() -> None:
    """Let this checkout's ``definitions``, ``assets`` and ``jobs`` come before namesakes in the working directory."""
    if sys.path[:1] != [str(REPOSITORY)]:
        sys.path.insert(0, str(REPOSITORY))


def load_definitions(home: Home, resource_overrides: Mapping[str, Any] | None = None) -> dg.Definitions:
    """Import ``definitions`` of this checkout and assemble the platform.

    Args:
        home: the installation.
        resource_overrides: resources by name that replace the usual ones.

    Raises:
        ConfigurationError: E105 if another module of that name is found first.
    """
    put_repository_on_path()
    module = importlib.import_module("definitions")
    found = Path(module.__file__ or "").resolve()
    if found != REPOSITORY / "definitions.py":
        raise ConfigurationError(
            "E105",
            f"the module definitions was loaded from {found}, expected {REPOSITORY / 'definitions.py'}",
            "a namesake in the working directory or in PYTHONPATH comes first; nothing was started",
            f"{command('cd', REPOSITORY)} && tp config",
        )
    built: dg.Definitions = module.build_defs(home, resource_overrides, describe_columns=False)
    return built


@contextmanager
def open_instance(home: Home) -> Iterator[dg.DagsterInstance]:
    """Open the Dagster instance of a home, without the definitions, for the length of the block."""
    import warnings

    prepare_dagster_home(home)
    import dagster as dg
    from sqlalchemy.exc import DatabaseError

    warnings.filterwarnings("ignore", category=dg.BetaWarning)
    warnings.filterwarnings("ignore", category=dg.PreviewWarning)
    put_repository_on_path()
    try:
        with dg.DagsterInstance.get() as instance:
            from jobs.pools import apply_pool_limits

            apply_pool_limits(instance)
            yield instance
    except DatabaseError as error:  # also later: the disk may fill up in the middle of a command
        raise _history_unusable(home, str(error.orig)) from error


def _history_unusable(home: Home, reason: str) -> ExecutionError:
    return ExecutionError(
        "E616",
        f"the run history in {home.dagster_dir} cannot be used: {reason}",
        "the disk is full, the folder may not be written, or a file of it is damaged; partitions that are stored stay intact",
        "tp doctor",
    )


@contextmanager
def open_platform(home: Home, resource_overrides: Mapping[str, Any] | None = None) -> Iterator[Platform]:
    """Open instance and definitions of a home for the length of the block; see :func:`load_definitions`."""
    with open_instance(home) as instance:
        yield Platform(home, instance, load_definitions(home, resource_overrides))
