"""Typed settings and the home folder.

Belongs here: every environment variable the platform reads (``TP_…``, also from ``.env``) and the layout of the home folder. Does not
belong here: the instrument registry and the roll table, which are files inside the home (``trading_platform.instruments``).
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from .errors import ConfigurationError

PREFIX = "TP_"
HOME_FOLDER = ".tp"
_MARKER = "home.json"

# Names that older scripts of traders use for the same thing; ``tp config`` prints the translation.
LEGACY_NAMES: Mapping[str, str] = {
    "SIERRA_CHART_DATA_DIR": "TP_SIERRA_DIR",
    "SCID_DIR": "TP_SIERRA_DIR",
    "SIERRA_DATA_PATH": "TP_SIERRA_DIR",
    "DATA_ROOT": "TP_HOME",
    "LAKE_ROOT": "TP_HOME",
    "LOG_LEVEL": "TP_LOG_LEVEL",
}


class Settings(BaseSettings):
    """Everything that can be set from outside, validated once.

    Relative paths are resolved against the working directory of the process that reads them.
    """

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_file=".env", extra="ignore", frozen=True)

    home: Path | None = Field(
        default=None, description="Home folder; default: the nearest .tp/ upwards of the working directory"
    )
    sierra_dir: Path | None = Field(
        default=None,
        description="Sierra Chart data folder with .scid files (SierraChart/Data); default: sierra_dir of the home",
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="WARNING", description="Least severe level that is logged"
    )


@dataclass(frozen=True, slots=True)
class Home:
    """The folder that holds all state of one installation.

    Attributes:
        path: absolute path.
        sierra_dir: data folder recorded by ``tp init``, used where TP_SIERRA_DIR is not set.
        is_demo: True if the folder holds synthetic data made by ``tp demo``.
    """

    path: Path
    sierra_dir: Path | None = None
    is_demo: bool = False

    @property
    def dagster_dir(self) -> Path:
        """Return the folder that is DAGSTER_HOME."""
        return self.path / "dagster"

    @property
    def lake_dir(self) -> Path:
        """Return the root of the lake."""
        return self.path / "lake"

    @property
    def cache_dir(self) -> Path:
        """Return the folder whose content can be deleted at any time."""
        return self.path / "cache"

    @property
    def instruments_toml(self) -> Path:
        """Return the list of active instruments and overrides of the registry."""
        return self.path / "instruments.toml"

    @property
    def rolls_csv(self) -> Path:
        """Return the explicit roll table."""
        return self.path / "rolls.csv"

    @property
    def sources_toml(self) -> Path:
        """Return the register of source files that lie outside the archive folder."""
        return self.path / "sources.toml"

    @property
    def catalog_path(self) -> Path:
        """Return the DuckDB file that holds the views over the lake."""
        return self.lake_dir / "catalog.duckdb"


def load_settings(**overrides: Any) -> Settings:
    """Read the settings from the environment and ``.env``.

    Raises:
        ConfigurationError: E101 if a value does not fit its type.
    """
    try:
        return Settings(**overrides)
    except ValidationError as error:
        first = error.errors()[0]
        name = PREFIX + "_".join(str(part) for part in first["loc"]).upper()
        raise ConfigurationError(
            "E101",
            f"setting {name} rejected: {first['msg']}, was {first.get('input')!r}",
            "the value in the environment or in .env does not fit the type of the setting; nothing was done",
            "tp config",
        ) from error


def unknown_settings(environment: Mapping[str, str] | None = None) -> tuple[str, ...]:
    """Return the TP_ variables that no setting reads, which are mostly misspelt ones."""
    names = os.environ if environment is None else environment
    known = {PREFIX + field.upper() for field in Settings.model_fields}
    return tuple(sorted(name for name in names if name.startswith(PREFIX) and name not in known))


def find_home(settings: Settings | None = None, working_directory: Path | None = None) -> Home:
    """Locate the home: TP_HOME, else the nearest ``.tp/`` upwards of the working directory.

    Raises:
        ConfigurationError: E102 if there is none; E103 if the folder is not one that ``tp init`` made.
    """
    settings = load_settings() if settings is None else settings
    if settings.home is not None:
        return open_home(settings.home)
    start = (Path.cwd() if working_directory is None else working_directory).resolve()
    for folder in (start, *start.parents):
        if (folder / HOME_FOLDER / _MARKER).is_file():
            return open_home(folder / HOME_FOLDER)
    raise ConfigurationError(
        "E102",
        f"no home folder: TP_HOME is not set and there is no {HOME_FOLDER}/ in {start} or above it",
        "the home holds the lake, the run history and the list of instruments; only tp init and tp demo create one",
        "tp init --sierra-dir <SierraChart/Data> --instruments MNQ,ES",
    )


def open_home(path: Path) -> Home:
    """Read an existing home.

    Raises:
        ConfigurationError: E103 if the folder is missing or was not made by ``tp init`` or ``tp demo``.
    """
    marker = path / _MARKER
    try:
        content = json.loads(marker.read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError) as error:
        raise ConfigurationError(
            "E103",
            f"{path} is not a home folder: {_MARKER} cannot be read ({error.__class__.__name__})",
            "TP_HOME names a folder that tp init did not make, or its marker file was damaged; nothing was changed",
            f"tp init --home {path}",
        ) from error
    sierra_dir = content.get("sierra_dir")
    return Home(path.resolve(), Path(sierra_dir) if sierra_dir else None, bool(content.get("demo", False)))


def create_home(path: Path, *, sierra_dir: Path | None = None, demo: bool = False) -> Home:
    """Create a home folder, or update the data folder of an existing one.

    Raises:
        ConfigurationError: E104 if a demo home would become a real one or the other way round: synthetic and real data never mix.
    """
    marker = path / _MARKER
    if marker.is_file():
        existing = open_home(path)
        if existing.is_demo != demo:
            kind, other = ("synthetic demo", "real") if existing.is_demo else ("real", "synthetic demo")
            raise ConfigurationError(
                "E104",
                f"{path} holds {kind} data and cannot take {other} data",
                "synthetic and real data never share a lake; nothing was changed",
                f"tp {'demo' if demo else 'init'} --home {path.parent / ('tp-demo' if demo else 'tp-home')}",
            )
        sierra_dir = existing.sierra_dir if sierra_dir is None else sierra_dir
    home = Home(path.resolve(), None if sierra_dir is None else sierra_dir.resolve(), demo)
    for folder in (home.path, home.dagster_dir, home.lake_dir, home.cache_dir):
        folder.mkdir(parents=True, exist_ok=True)
    content = {"sierra_dir": str(home.sierra_dir) if home.sierra_dir else None, "demo": demo}
    marker.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return home
