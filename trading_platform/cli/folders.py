"""Which home a command that may create one means, and small file helpers.

Belongs here: the default of ``--home``, its creation, atomic edits of ``instruments.toml``. Does not belong here: finding an existing
home (``trading_platform.home``), what instruments.toml may hold (``trading_platform.instruments``).
"""

from __future__ import annotations

import difflib
import shlex
from pathlib import Path
from typing import BinaryIO

from ..errors import ConfigurationError, ExecutionError, command
from ..files import replace_file
from ..home import HOME_FOLDER, Home, create_home, find_home
from ..instruments import Registry, load_registry
from ..settings import load_settings


def home_to_create(home: Path | None) -> Path:
    """Return the folder for ``tp init``: the option, else TP_HOME, else ``.tp`` in the working directory."""
    return (named_home(home) or Path(HOME_FOLDER)).absolute()


def named_home(home: Path | None) -> Path | None:
    """Return the folder that the option ``--home``, else TP_HOME, names; both pass the checks of the settings.

    Raises:
        ConfigurationError: E101 if it cannot be a path.
    """
    return (load_settings() if home is None else load_settings(home=home)).home


def make_home(
    path: Path,
    *,
    sierra_dir: Path | None,
    demo: bool = False,
    gex_dir: Path | None = None,
    chain_dir: Path | None = None,
) -> Home:
    """Create or extend a home folder.

    Raises:
        ConfigurationError: E104 if synthetic and real data would mix, E173 if the disk refuses.
    """
    try:
        return create_home(path, sierra_dir=sierra_dir, demo=demo, gex_dir=gex_dir, chain_dir=chain_dir)
    except OSError as error:
        raise ConfigurationError(
            "E173",
            f"the home folder {path} cannot be created: {error.strerror or error}",
            "the folder above it cannot be written, or a file has its name; nothing else was changed",
            command("tp", "demo" if demo else "init", "--home", Path.home() / ("tp-demo" if demo else "tp-home")),
        ) from error


def home_or_none() -> Home | None:
    """Return the home of this command, or None if there is none anywhere (commands that work without one).

    Raises:
        ConfigurationError: E101 or E103: a home is named but cannot be used.
    """
    try:
        return find_home(load_settings())
    except ConfigurationError as error:
        if error.code != "E102":
            raise
        return None


def registry_of(home: Home | None) -> Registry:
    """Load the registry with the home's changes, or the packaged one."""
    return load_registry(None if home is None else home.instruments_toml)


def command_for(home: Path, line: str) -> str:
    """Return a command that reaches this home from the working directory, with TP_HOME in front where it is needed."""
    try:
        found: Path | None = find_home(load_settings()).path
    except ConfigurationError:
        found = None
    return line if found == home.resolve() else f"TP_HOME={shlex.quote(str(home))} {line}"


def read_instruments(home: Home) -> str:
    """Return the text of ``instruments.toml``; empty if there is none."""
    return home.instruments_toml.read_text(encoding="utf-8") if home.instruments_toml.is_file() else ""


def write_instruments(home: Home, text: str) -> None:
    """Replace ``instruments.toml`` after the new text has been loaded as a registry once.

    Raises:
        ConfigurationError: E12x if the new text is not a valid list of instruments; the present file stays as it is.
        ExecutionError: E617 if the disk refuses.
    """

    def write_and_load(file: BinaryIO) -> None:
        file.write(text.encode())
        file.flush()
        load_registry(Path(file.name))

    try:
        replace_file(home.instruments_toml, write_and_load)
    except OSError as error:
        raise ExecutionError(
            "E617",
            f"{home.instruments_toml} cannot be written: {error.strerror or error}",
            "the disk is full or the folder may not be written; the present file is as it was",
            "tp doctor",
        ) from error


def difference(before: str, after: str, name: str = "instruments.toml") -> list[str]:
    """Return a unified diff, line by line, for ``--dry-run``."""
    return list(difflib.unified_diff(before.splitlines(), after.splitlines(), name, f"{name} (new)", lineterm=""))
