"""Rules that every command keeps, whatever it does: help with an example, documented options, light start."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer.main

from trading_platform.cli.app import app

# Commands that only print, so there is nothing that --dry-run could spare.
READ_ONLY = {
    "config",
    "depth book",
    "doctor",
    "gex chain",
    "instruments list",
    "instruments show",
    "l2 plan",
    "l2 spend",
    "regimes routing",
    "regimes show",
    "rolls show",
    "sierra inspect",
    "sql",
    "status",
    "ui",
}


def _walk(command: object, name: str) -> Iterator[tuple[str, object]]:
    children = getattr(command, "commands", None)
    if children is None:
        yield name, command
        return
    for child_name, child in children.items():
        yield from _walk(child, f"{name} {child_name}".strip())


COMMANDS = dict(_walk(typer.main.get_command(app), ""))


def _options(command: object) -> dict[str, object]:
    return {option: parameter for parameter in command.params for option in getattr(parameter, "opts", ())}  # type: ignore[attr-defined]


def test_u2_the_documented_commands_exist() -> None:
    assert set(COMMANDS) == READ_ONLY | {
        "backfill",
        "demo",
        "export bars",
        "export ticks",
        "forget",
        "gex fetch",
        "import scid",
        "init",
        "instruments activate",
        "instruments set",
        "rolls build",
        "rolls gaps",
        "l2 backfill",
        "l2 analyze",
        "l2 import",
        "l2 manifest",
        "runs",
        "simulate databento",
    }


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_u2_help_shows_an_example_of_the_command_itself(name: str) -> None:
    text = COMMANDS[name].help or ""  # type: ignore[attr-defined]
    assert f"Example: tp {name}" in text


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_u2_every_option_and_argument_is_explained(name: str) -> None:
    unexplained = [p.name for p in COMMANDS[name].params if p.name != "help" and not getattr(p, "help", None)]  # type: ignore[attr-defined]
    assert unexplained == []


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_u2_every_command_speaks_json(name: str) -> None:
    assert "--json" in _options(COMMANDS[name])


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_u2_what_changes_something_has_a_dry_run(name: str) -> None:
    assert ("--dry-run" in _options(COMMANDS[name])) == (name not in READ_ONLY)


def test_u2_help_imports_neither_dagster_nor_data_frames() -> None:
    program = (
        "import sys; sys.argv = ['tp', '--help']\n"
        "from trading_platform.cli import main\n"
        "try: main()\n"
        "except SystemExit as end: assert end.code in (0, None), end.code\n"
        "heavy = {'dagster', 'polars', 'duckdb', 'pyarrow', 'pandas', 'numpy'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "demo" in done.stdout


def test_u2_loading_the_platform_imports_neither_pandera_nor_pandas() -> None:
    # Contracts are loaded when rows are validated: half a second and 50 MB that no command pays which only looks.
    program = (
        "import sys, definitions\n"
        "heavy = {'pandera', 'pandas', 'matplotlib', 'databento', 'scipy'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2]
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("arguments", [("nonsense",), ("sql",), ("rolls", "show", "MNQ", "--from", "yesterday")])
def test_u2_wrong_usage_ends_with_exit_code_2(arguments: tuple[str, ...]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from trading_platform.cli import main; main()", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stdout == ""
