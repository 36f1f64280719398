"""Trying command lines of the documentation on the real command tree, without running anything."""

from __future__ import annotations

import importlib.util
import re
import shlex
from typing import Any

import typer.main
from typer.exceptions import Exit, TyperException

from tests.conftest import REPOSITORY
from trading_platform.cli.app import app

# What stands for a value in the error catalogue.
PLACEHOLDERS = {"D": "2025-03-14", "DAY": "2025-03-14", "…": "MNQ/ticks"}
# Commands that are no part of this repository.
FOREIGN = {"cd", "export", "git", "source", "sudo"}
_TARGET = re.compile(r"^([a-z-]+):.*##", re.MULTILINE)


def problem_of(line: str) -> str | None:
    """Return what is wrong with one command line of a page, or None."""
    words = shlex.split(line, comments=True)
    while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):  # TP_HOME=… in front of a command
        words = words[1:]
    if not words:
        return None
    name, *arguments = words
    name = name.removeprefix(".venv/bin/")
    if name == "tp":
        return _problem_of_tp(arguments)
    if name == "make":
        targets = [word for word in arguments if "=" not in word]
        unknown = set(targets) - set(_TARGET.findall((REPOSITORY / "Makefile").read_text(encoding="utf-8")))
        return f"no make target {', '.join(sorted(unknown))}" if unknown else None
    if name == "python" and arguments[:1] == ["-m"]:
        return None if importlib.util.find_spec(arguments[1]) is not None else f"no module {arguments[1]}"
    if name == "pre-commit" or name in FOREIGN:
        return None
    return f"unknown command {name}"


def _problem_of_tp(arguments: list[str]) -> str | None:
    if "--" in arguments:  # a command that serves another one
        at = arguments.index("--")
        return _problem_of_tp(arguments[:at]) or problem_of(shlex.join(arguments[at + 1 :]))
    command: Any = typer.main.get_command(app)
    rest = [PLACEHOLDERS.get(word, word) for word in arguments]
    while hasattr(command, "commands"):
        if not rest or rest[0] not in command.commands:
            return f"no command tp {' '.join(arguments)}"
        command = command.commands[rest.pop(0)]
    if "--help" in rest:
        return None
    try:
        command.make_context(command.name, rest)
    except Exit:
        return None
    except TyperException as error:
        return str(error)
    return None
