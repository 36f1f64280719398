"""``tp config``: every setting, its value, and where it comes from."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import typer
from pydantic import SecretStr

from ...errors import ConfigurationError
from ...home import HOME_FOLDER, Home, find_home
from ...settings import DOTENV, LEGACY_NAMES, Settings, dotenv_of, load_settings, unknown_settings, variable_of
from .. import console
from ..options import JsonOption

_HELP = """
Show every setting with its value and where it comes from, the names that older scripts use, and the layout of the home.

Example: tp config

Secrets are masked. Values come from the environment, else from .env in the working directory, else from the home or a default.
"""
_MASK = "********"


@dataclass(frozen=True, slots=True)
class _Row:
    setting: str
    value: str | None
    source: str
    description: str


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("config", help=_HELP)(config)


def config(json_output: JsonOption = False) -> None:
    """Show settings, legacy names and the home."""
    dotenv = dotenv_of()
    settings, home, problem = _open()
    rows = _rows(dotenv, home)
    unknown = unknown_settings({**dotenv, **os.environ})
    folders = [] if home is None else _layout(home)
    if json_output:
        console.print_json(
            {
                "settings": [{"setting": r.setting, "value": r.value, "from": r.source} for r in rows],
                "legacy_names": dict(LEGACY_NAMES),
                "unknown": list(unknown),
                "home": None if home is None else {"path": home.path, "demo": home.is_demo},
                "layout": [{"path": path, "exists": exists, "holds": holds} for path, exists, holds in folders],
                "problem": None if problem is None else problem.as_dict(),
            }
        )
    else:
        _print(rows, unknown, home, folders, is_set={**dotenv, **os.environ})
        if problem is not None:
            console.print_error(problem)
    if problem is not None and (settings is None or problem.code != "E102"):
        raise typer.Exit(console.EXIT_USAGE)


def _open() -> tuple[Settings | None, Home | None, ConfigurationError | None]:
    """Read settings and home; a problem is shown among the rest, because this is the command that helps with it."""
    settings: Settings | None = None
    try:
        settings = load_settings()
        return settings, find_home(settings), None
    except ConfigurationError as error:
        return settings, None, error


def _rows(dotenv: Mapping[str, str], home: Home | None) -> list[_Row]:
    # As the settings model reads them: an empty value counts as not set.
    environment = {name.upper(): value for name, value in os.environ.items() if value}
    in_file = {name.upper(): value for name, value in dotenv.items() if value}
    derived: dict[str, tuple[str, str]] = {}
    if home is not None:
        derived["home"] = (str(home.path), f"nearest {HOME_FOLDER}/ upwards")
        for name in ("sierra_dir", "gex_dir", "chain_dir"):
            folder: Path | None = getattr(home, name)
            if folder is not None:
                derived[name] = (str(folder), f"home (tp init --{name.replace('_', '-')})")
    rows: list[_Row] = []
    for name, field in Settings.model_fields.items():
        variable = variable_of(name)
        value: str | None
        if variable in environment:
            value, source = environment[variable], "environment"
        elif variable in in_file:
            value, source = in_file[variable], DOTENV
        elif name in derived:
            value, source = derived[name]
        else:
            value, source = None if field.default is None else str(field.default), "default"
        is_secret = field.annotation is SecretStr or SecretStr in getattr(field.annotation, "__args__", ())
        shown = _MASK if is_secret and value else value
        rows.append(_Row(variable, shown, source, field.description or ""))
    return rows


def _layout(home: Home) -> list[tuple[str, bool, str]]:
    parts = (
        (home.dagster_dir, "run history and events (DAGSTER_HOME)"),
        (home.lake_dir, "Parquet files, one per dataset, symbol and trade date"),
        (home.catalog_path, "DuckDB views over the lake"),
        (home.cache_dir, "file indexes and hashes; all but dbn can be deleted at any time"),
        (home.raw_dbn_dir, "raw level 2 as it was bought; what is deleted has to be paid for again"),
        (home.spend_ledger, "what was paid to vendors; without it the limits per day and month do not hold"),
        (home.instruments_toml, "active instruments and changes to the registry"),
        (home.regimes_toml, "changes to the parameters of gamma regimes; the defaults where it is absent"),
        (
            home.regime_routing_toml,
            "changes to the table from gamma regime to strategies; the packaged one where it is absent",
        ),
        (home.rolls_csv, "explicit rolls; the calendar rule where it is absent"),
        (home.sources_toml, "files outside the data folder (tp import)"),
    )
    return [(str(path), path.exists(), holds) for path, holds in parts]


def _print(
    rows: list[_Row],
    unknown: tuple[str, ...],
    home: Home | None,
    folders: list[tuple[str, bool, str]],
    *,
    is_set: Mapping[str, str],
) -> None:
    table = [(row.setting, row.value, row.source, row.description) for row in rows]
    console.print_table(("setting", "value", "from", "description"), table, title="settings")
    for name in unknown:
        console.err.print(f"warning: {name} is set, but no setting has that name", style="yellow")
    legacy = [(old, new, "set, not read" if old in is_set else "") for old, new in LEGACY_NAMES.items()]
    console.print_table(("older name", "use now", ""), legacy, title="names that older scripts use")
    if home is not None:
        kind = "synthetic demo data" if home.is_demo else "real data"
        console.print_table(("path", "exists", "holds"), folders, title=f"home {home.path} ({kind})")
