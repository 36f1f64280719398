"""The page of settings, made from the settings model and the layout of the home.

Belongs here: the text of ``docs/settings.md``. Does not belong here: the settings themselves (``trading_platform.settings``) and their
present values (``tp config``). A test compares the page with this module.

``python -m trading_platform.cli.settings_page > docs/settings.md`` writes the page anew.
"""

from __future__ import annotations

import sys
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, get_args, get_origin

from ..home import Home
from ..settings import LEGACY_NAMES, Settings, variable_of

_INTRODUCTION = """\
# Settings

Made from the settings model by `python -m trading_platform.cli.settings_page`; do not edit it by hand. `tp config` shows the
same list with the present values and where each one comes from.

A setting is an environment variable, or a line of the same name in a file `.env` in the working directory. The environment wins
over `.env`. A value of the wrong type is refused (E101), an empty one counts as not set, and `tp` warns of a variable that
begins with `TP_` and that nothing reads. In paths, `~` is the home folder of the user.

| setting | kind | default | meaning |
|---|---|---|---|"""

_LEGACY = """
## Names that older scripts use

The platform does not read these names. `tp config` shows which of them are set.

| older name | use now |
|---|---|"""

_HOME = """
## The home folder

`TP_HOME`, else the nearest `.tp/` in the working directory or above it. Only `tp init` and `tp demo` create one. Real and synthetic
data never share a home (E104).

| path | holds | can be deleted |
|---|---|---|"""

_ROOT = Path("<home>")


def settings_page() -> str:
    """Return the page as Markdown."""
    settings = [
        f"| `{variable_of(name)}` | {_kind(field.annotation)} | {_default(field.default)} | {field.description} |"
        for name, field in Settings.model_fields.items()
    ]
    legacy = [f"| `{old}` | `{new}` |" for old, new in LEGACY_NAMES.items()]
    home = [f"| `{path}` | {holds} | {deletable} |" for path, holds, deletable in _layout(Home(_ROOT))]
    return "\n".join([_INTRODUCTION, *settings, _LEGACY, *legacy, _HOME, *home, ""])


def _layout(home: Home) -> tuple[tuple[Path, str, str], ...]:
    return (
        (_ROOT / "home.json", "marks the folder as a home; the data folders given to `tp init`", "no"),
        (home.instruments_toml, "active instruments and changes to the packaged registry", "no"),
        (
            home.regimes_toml,
            "changes to the parameters of gamma regimes, `[all]` or `[symbols.SPX]`; absent until you write it",
            "yes, the defaults hold; regimes turn stale",
        ),
        (
            home.regime_routing_toml,
            "changes to the table from regime to strategies, one table per regime; absent until you write it",
            "yes, the packaged table holds",
        ),
        (home.rolls_csv, "explicit rolls; without it the calendar rule holds", "yes, the rolls of the rule come back"),
        (
            home.roll_gaps_csv,
            "price gaps at rolls, measured by `tp rolls gaps`; adjusted continuous series need them",
            "yes, `tp rolls gaps` measures them again",
        ),
        (home.sources_toml, "files outside the data folder, registered by `tp import scid`", "no"),
        (
            home.spend_ledger,
            "what was paid to DataBento, line by line",
            "no, the limits per day and month would start anew",
        ),
        (home.simulated_spend_ledger, "the same for a stand-in, whose money is no money", "yes"),
        (home.lake_dir, "the data: Parquet files and quarantined rows", "no"),
        (
            home.catalog_path,
            "DuckDB views over the lake",
            "yes, the asset `lake/sql_views` writes it; `tp sql` does not need it",
        ),
        (home.dagster_dir, "run history and events; `DAGSTER_HOME` while `tp` works", "no, the history would be lost"),
        (home.cache_dir, "indexes and hashes of source files, claims of running backfills", "yes, while nothing runs"),
        (home.raw_dbn_dir, "DBN files as bought from DataBento", "no, they would be paid again"),
        (_ROOT / "logs", "logs of the web server and the daemon", "yes"),
    )


def _kind(annotation: Any) -> str:
    """Return a type in words; a setting that may be absent has the kind of its value."""
    if get_origin(annotation) is Literal:
        return "one of " + ", ".join(f"`{choice}`" for choice in get_args(annotation))
    if get_origin(annotation) is UnionType:
        return " or ".join(_kind(part) for part in get_args(annotation) if part is not NoneType)
    return {Path: "path", int: "whole number", float: "number", bool: "true or false"}.get(annotation, "text")


def _default(value: Any) -> str:
    return "none" if value is None else f"`{value}`"


if __name__ == "__main__":
    sys.stdout.write(settings_page())
