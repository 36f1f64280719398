"""Checks of what is installed: Python, packages, this checkout, the calendar table.

Belongs here: comparing the environment with ``pyproject.toml`` and with the code itself. Does not belong here: the machine
(``machine.py``), settings and data (``home.py``).
"""

from __future__ import annotations

import json
import platform
import tomllib
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from importlib import metadata
from pathlib import Path
from urllib.parse import unquote, urlsplit

from ...errors import command
from .verdict import Situation, Status, Verdict, ok

DISTRIBUTION = "trading-platform"
# A new table comes with the code; two months are enough to notice.
_CALENDAR_AHEAD = timedelta(days=60)
# The evening session belongs to the next trade date, over a long weekend.
_CALENDAR_LEAST = timedelta(days=4)


def versions(situation: Situation) -> Verdict:
    """Compare Python and every package with the ranges of ``pyproject.toml``."""
    project = tomllib.loads((situation.repository / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    problems = list(version_problems(project["requires-python"], project["dependencies"], metadata.version))
    if problems:
        shown = "; ".join(problems[:4]) + (f" and {len(problems) - 4} more" if len(problems) > 4 else "")
        return Verdict(Status.FAIL, shown, command("make", "-C", situation.repository, "setup"))
    named = ", ".join(f"{name} {metadata.version(name)}" for name in ("dagster", "polars", "pyarrow", "duckdb"))
    return ok(f"Python {platform.python_version()}, {named} and {len(project['dependencies']) - 4} others fit")


def version_problems(python: str, requirements: Iterable[str], version_of: Callable[[str], str]) -> Iterator[str]:
    """Yield what does not fit: Python first, then the packages.

    Args:
        python: range of Python versions.
        requirements: requirements as written in ``pyproject.toml``.
        version_of: installed version by name; raises ``PackageNotFoundError``.
    """
    from packaging.requirements import Requirement
    from packaging.specifiers import SpecifierSet

    if not SpecifierSet(python).contains(platform.python_version(), prereleases=True):
        yield f"Python is {platform.python_version()}, expected {python}"
    for text in requirements:
        requirement = Requirement(text)
        if requirement.marker is not None and not requirement.marker.evaluate():
            continue
        try:
            found = version_of(requirement.name)
        except metadata.PackageNotFoundError:
            yield f"{requirement.name} is not installed"
            continue
        if not requirement.specifier.contains(found, prereleases=True):
            yield f"{requirement.name} is {found}, expected {requirement.specifier}"


def checkout(situation: Situation) -> Verdict:
    """Tell whether the installed package is this checkout, and whether a namesake of ``definitions`` is in the way."""
    setup = command("make", "-C", situation.repository, "setup")
    try:
        origin = metadata.distribution(DISTRIBUTION).read_text("direct_url.json")
    except metadata.PackageNotFoundError:
        return Verdict(Status.FAIL, f"{DISTRIBUTION} is not installed in this Python", setup)
    installed = None if origin is None else installed_from(origin)
    if installed is None:
        return Verdict(Status.WARN, f"{DISTRIBUTION} is installed as a copy, not from {situation.repository}", setup)
    if installed.resolve() != situation.repository.resolve():
        what = f"{DISTRIBUTION} is installed from {installed}, but this command runs {situation.repository}"
        return Verdict(Status.FAIL, what, setup)
    namesake = next(_namesakes(situation), None)
    if namesake is not None:
        what = f"another module definitions lies at {namesake}; tp is safe from it, dagster started by hand is not"
        return Verdict(Status.WARN, what, "tp config")
    return ok(f"runs from {situation.repository}")


def installed_from(direct_url: str) -> Path | None:
    """Return the folder of an editable installation from its record (PEP 610); None if it is no such installation."""
    record = json.loads(direct_url)
    parts = urlsplit(record.get("url", ""))
    if parts.scheme != "file" or not record.get("dir_info", {}).get("editable", False):
        return None
    return Path(unquote(parts.path))


def calendar_age(situation: Situation) -> Verdict:
    """Tell how far ahead trading calendars are known."""
    from ...sessions.tables import covered

    first, last = covered()
    what = f"trading calendars cover {first} to {last}"
    ahead = last - situation.now.date()
    update = "tp config"
    if ahead < _CALENDAR_LEAST:
        return Verdict(Status.FAIL, f"{what}: update the platform, or make the table anew", update)
    if ahead < _CALENDAR_AHEAD:
        return Verdict(Status.WARN, f"{what}, {ahead.days} days ahead: update the platform soon", update)
    return ok(what)


def _namesakes(situation: Situation) -> Iterator[Path]:
    folders = [situation.working_directory]
    folders += [Path(part) for part in situation.environment.get("PYTHONPATH", "").split(":") if part]
    for folder in folders:
        for candidate in (folder / "definitions.py", folder / "definitions" / "__init__.py"):
            if candidate.is_file() and candidate.resolve() != situation.repository.resolve() / "definitions.py":
                yield candidate
