"""The home folder: its layout, finding it, making it.

Belongs here: where each file of an installation lies, and the marker that makes a folder a home. Does not belong here: the settings
(``trading_platform.settings``), what the files hold, such as the instrument registry and the roll table (``trading_platform.instruments``).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from .errors import ConfigurationError, command
from .files import replace_file
from .settings import Settings, load_settings

HOME_FOLDER = ".tp"
_MARKER = "home.json"


@dataclass(frozen=True, slots=True)
class Home:
    """The folder that holds all state of one installation.

    Attributes:
        path: absolute path.
        sierra_dir: data folder recorded by ``tp init``, used where TP_SIERRA_DIR is not set.
        is_demo: True if the folder holds synthetic data made by ``tp demo``.
        gex_dir: folder of gamma feed files recorded by ``tp init``, used where TP_GEX_DIR is not set.
        chain_dir: folder of option chains recorded by ``tp init``, used where TP_CHAIN_DIR is not set.
    """

    path: Path
    sierra_dir: Path | None = None
    is_demo: bool = False
    gex_dir: Path | None = None
    chain_dir: Path | None = None

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
        """Return the folder whose content can be deleted at any time, but for ``raw_dbn_dir``."""
        return self.path / "cache"

    @property
    def raw_dbn_dir(self) -> Path:
        """Return the folder of raw files that were paid for; what is deleted there has to be paid for again."""
        return self.cache_dir / "dbn"

    @property
    def claims_dir(self) -> Path:
        """Return the folder in which running backfills claim their partitions."""
        return self.cache_dir / "claims"

    @property
    def coverage_cache_dir(self) -> Path:
        """Return the folder of everything that the coverage board remembers."""
        return self.cache_dir / "coverage"

    @property
    def runs_db(self) -> Path:
        """Return Dagster's SQLite file of runs; absent if ``dagster.yaml`` names another storage."""
        return self.dagster_dir / "history" / "runs.db"

    @property
    def events_db(self) -> Path:
        """Return Dagster's SQLite file of asset events over all runs; absent if ``dagster.yaml`` names another storage."""
        return self.dagster_dir / "history" / "runs" / "index.db"

    @property
    def instruments_toml(self) -> Path:
        """Return the list of active instruments and overrides of the registry."""
        return self.path / "instruments.toml"

    @property
    def regimes_toml(self) -> Path:
        """Return the changes to the parameters of gamma regimes."""
        return self.path / "regimes.toml"

    @property
    def regime_routing_toml(self) -> Path:
        """Return the changes to the table from gamma regime to strategies."""
        return self.path / "regime_routing.toml"

    @property
    def rolls_csv(self) -> Path:
        """Return the explicit roll table."""
        return self.path / "rolls.csv"

    @property
    def roll_gaps_csv(self) -> Path:
        """Return the measured price gaps at rolls."""
        return self.path / "roll_gaps.csv"

    @property
    def sources_toml(self) -> Path:
        """Return the register of source files that lie outside the archive folder."""
        return self.path / "sources.toml"

    @property
    def spend_ledger(self) -> Path:
        """Return the record of what was paid to vendors; outside the cache, which may be deleted."""
        return self.path / "spend.jsonl"

    @property
    def simulated_spend_ledger(self) -> Path:
        """Return the same record for a stand-in, whose money is no money."""
        return self.path / "spend_simulated.jsonl"

    @property
    def demo_manifest(self) -> Path:
        """Return the list of synthetic source files, which only ``tp demo`` writes."""
        return self.path / "sierra" / "manifest.json"

    @property
    def catalog_path(self) -> Path:
        """Return the DuckDB file that holds the views over the lake."""
        return self.lake_dir / "catalog.duckdb"


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
        "tp init --instruments MNQ,ES",
    )


def open_home(path: Path) -> Home:
    """Read an existing home.

    Raises:
        ConfigurationError: E103 if the folder is missing, was not made by ``tp init`` or ``tp demo``, or its marker is damaged.
    """
    try:
        return _read_marker(path)
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigurationError(
            "E103",
            f"{path} is not a home folder: {_MARKER} cannot be read ({error.__class__.__name__})",
            "TP_HOME names a folder that was not made as a home, or its marker was damaged; nothing was changed; the next command "
            "writes the marker anew and leaves everything else as it is, the data folder has to be named again",
            command("tp", "demo" if _holds_synthetic_data(path) else "init", "--home", path),
        ) from error


def home_in(path: Path) -> Home:
    """Return what is known of a folder that is about to be a home: it may be one, be absent, or have a damaged marker."""
    try:
        return _read_marker(path)
    except (OSError, ValueError, RecursionError):
        return Home(path.resolve(), None, bool(_holds_synthetic_data(path)))


def refuse_mixture(path: Path, *, demo: bool) -> None:
    """Refuse a folder that holds data of the other kind; one without data takes either kind.

    Raises:
        ConfigurationError: E104 if a demo home would become a real one or the other way round: synthetic and real data never mix.
    """
    try:
        is_demo: bool | None = _read_marker(path).is_demo
    except (OSError, ValueError, RecursionError):
        is_demo = _holds_synthetic_data(path)
    if is_demo is None or is_demo == demo:
        return
    kind, other = ("synthetic demo", "real") if is_demo else ("real", "synthetic demo")
    raise ConfigurationError(
        "E104",
        f"{path} holds {kind} data and cannot take {other} data",
        "synthetic and real data never share a lake; nothing was changed",
        command("tp", "demo" if demo else "init", "--home", path.parent / ("tp-demo" if demo else "tp-home")),
    )


def create_home(
    path: Path,
    *,
    sierra_dir: Path | None = None,
    demo: bool = False,
    gex_dir: Path | None = None,
    chain_dir: Path | None = None,
) -> Home:
    """Create a home folder, update the data folders of an existing one, or write a damaged marker anew.

    Raises:
        ConfigurationError: E104 if a demo home would become a real one or the other way round: synthetic and real data never mix.
    """
    refuse_mixture(path, demo=demo)
    before = home_in(path)
    named = {"sierra_dir": sierra_dir, "gex_dir": gex_dir, "chain_dir": chain_dir}
    folders = {name: getattr(before, name) if folder is None else folder for name, folder in named.items()}
    known = {name: folder.resolve() for name, folder in folders.items() if folder is not None}
    home = Home(path.resolve(), is_demo=demo, **known)
    for folder in (home.path, home.dagster_dir, home.lake_dir, home.cache_dir):
        folder.mkdir(parents=True, exist_ok=True)
    content = {"sierra_dir": None, "demo": demo, **{name: str(folder) for name, folder in known.items()}}
    _write_marker(home.path, json.dumps(content, indent=1) + "\n")
    return home


def _read_marker(path: Path) -> Home:
    """Read the marker; OSError or ValueError if it is absent or damaged."""
    content = json.loads((path / _MARKER).read_text(encoding="utf-8"))
    if not isinstance(content, dict):
        raise ValueError(f"Expected an object, was {type(content).__name__}")
    is_demo = content.get("demo", False)
    folders = {name: content.get(name) for name in ("sierra_dir", "gex_dir", "chain_dir")}
    if not all(isinstance(folder, str | None) for folder in folders.values()) or not isinstance(is_demo, bool):
        raise ValueError(f"Expected texts and a truth value, was {folders!r} and {is_demo!r}")
    return Home(path.resolve(), is_demo=is_demo, **{name: Path(folder) for name, folder in folders.items() if folder})


def _holds_synthetic_data(path: Path) -> bool | None:
    """Tell from the content of a folder without a readable marker whether its data are synthetic; None if it holds none."""
    home = Home(path)
    if home.demo_manifest.is_file():  # written before the first partition of a demo
        return True
    return False if home.lake_dir.is_dir() and any(home.lake_dir.iterdir()) else None


def _write_marker(folder: Path, text: str) -> None:
    """Replace the marker; at every moment the old one or the new one is there, also after a loss of power."""
    replace_file(folder / _MARKER, lambda file: file.write(text.encode()))
